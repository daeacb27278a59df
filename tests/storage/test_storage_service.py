"""The record of blobs on a real database: who may read what, and what nobody needs."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuromation.storage import model, service
from neuromation.storage.errors import BadBlob, NoSuchBlob, SizeDiffers
from neuromation.storage.model import BlobRef

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
OWNERS = ["acc_a", "acc_b", "job_c"]


def a_ref(text: str = "hello") -> BlobRef:
    return BlobRef(hashlib.sha256(text.encode()).hexdigest(), len(text))


STEPS = st.lists(
    st.tuples(st.sampled_from(["record", "revoke"]), st.sampled_from("xyz"), st.sampled_from(OWNERS)), max_size=20
)


@HERE
@given(steps=STEPS)
def test_who_may_read_follows_records_and_revocations(conn: sa.Connection, steps: list[tuple[str, str, str]]) -> None:
    with conn.begin_nested() as savepoint:
        allowed: set[tuple[str, str]] = set()
        recorded: set[str] = set()
        for verb, text, owner in steps:
            if verb == "record":
                service.record(conn, a_ref(text), owner=owner, now=NOW)
                allowed.add((text, owner))
                recorded.add(text)
            else:
                service.revoke(conn, a_ref(text).sha256, owner=owner)
                allowed.discard((text, owner))
        for text in "xyz":
            for owner in OWNERS:
                assert service.may_read(conn, a_ref(text).sha256, owner=owner) == ((text, owner) in allowed)
        unneeded = {a_ref(text).sha256 for text in recorded - {text for text, _ in allowed}}
        assert set(service.unreferenced(conn, before=LATER)) == unneeded
        savepoint.rollback()


def test_recording_twice_is_recording_once(conn: sa.Connection) -> None:
    first = service.record(conn, a_ref(), owner="acc_a", media_type="text/plain", now=NOW)
    assert first == model.Blob(a_ref().sha256, 5, "text/plain", NOW)
    assert service.record(conn, a_ref(), owner="acc_a", media_type="image/png", now=LATER) == first


def test_one_hash_has_one_size(conn: sa.Connection) -> None:
    service.record(conn, a_ref(), owner="acc_a", now=NOW)
    with pytest.raises(SizeDiffers, match="5 bytes, not 6"):
        service.record(conn, BlobRef(a_ref().sha256, 6), owner="acc_a", now=NOW)


def test_asking_what_to_upload_does_not_tell_what_others_have(conn: sa.Connection) -> None:
    service.record(conn, a_ref("mine"), owner="acc_a", now=NOW)
    service.record(conn, a_ref("theirs"), owner="acc_b", now=NOW)
    asked = {a_ref(text).sha256 for text in ("mine", "theirs", "new")}
    assert service.unreadable(conn, asked, owner="acc_a") == {a_ref("theirs").sha256, a_ref("new").sha256}


def test_granting_lets_another_read_all_or_nothing(conn: sa.Connection) -> None:
    service.record(conn, a_ref("x"), owner="acc_a", now=NOW)
    with pytest.raises(NoSuchBlob):
        service.grant(conn, [a_ref("x").sha256, a_ref("y").sha256], owner="job_c", now=NOW)
    assert not service.may_read(conn, a_ref("x").sha256, owner="job_c")
    service.grant(conn, [a_ref("x").sha256] * 2, owner="job_c", now=NOW)
    assert service.may_read(conn, a_ref("x").sha256, owner="job_c")


def test_a_blob_that_somebody_may_read_is_not_forgotten(conn: sa.Connection) -> None:
    service.record(conn, a_ref(), owner="acc_a", now=NOW)
    assert not service.forget(conn, a_ref().sha256)
    service.revoke(conn, a_ref().sha256, owner="acc_a")
    assert service.unreferenced(conn, before=NOW) == []
    assert service.forget(conn, a_ref().sha256)
    with pytest.raises(NoSuchBlob, match="upload it first"):
        service.grant(conn, [a_ref().sha256], owner="acc_b", now=NOW)


def test_an_uploader_waits_for_a_collector_and_then_records_anew(engine: sa.Engine) -> None:
    with engine.begin() as conn:
        service.record(conn, a_ref(), owner="acc_a", now=NOW)
        service.revoke(conn, a_ref().sha256, owner="acc_a")

    def upload() -> None:
        with engine.begin() as conn:
            service.record(conn, a_ref(), owner="acc_b", now=LATER)

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as collector:
            assert service.forget(collector, a_ref().sha256)
            uploading = pool.submit(upload)
        uploading.result(timeout=30)
    with engine.begin() as conn:
        assert service.record(conn, a_ref(), owner="acc_b", now=LATER + timedelta(1)).created == LATER
        assert service.may_read(conn, a_ref().sha256, owner="acc_b")


@pytest.mark.parametrize("owner", ["", "acc a", "acc\0", "x" * 101])
def test_an_absurd_owner_is_refused(conn: sa.Connection, owner: str) -> None:
    with pytest.raises(BadBlob, match="no owner"):
        service.record(conn, a_ref(), owner=owner, now=NOW)


@pytest.mark.parametrize("media_type", ["", "png", "image/png; q=1", "image/\0", "x" * 70 + "/y"])
def test_an_absurd_media_type_is_refused(conn: sa.Connection, media_type: str) -> None:
    with pytest.raises(BadBlob, match="no media type"):
        service.record(conn, a_ref(), owner="acc_a", media_type=media_type, now=NOW)


@pytest.mark.parametrize("size", [-1, model.BLOB_SIZE_MAX + 1])
def test_an_absurd_size_is_refused(conn: sa.Connection, size: int) -> None:
    with pytest.raises(BadBlob, match="0 to"):
        service.record(conn, BlobRef(a_ref().sha256, size), owner="acc_a", now=NOW)


def test_an_absurd_page_is_refused(conn: sa.Connection) -> None:
    with pytest.raises(BadBlob, match="a page"):
        service.unreferenced(conn, before=NOW, limit=0)
