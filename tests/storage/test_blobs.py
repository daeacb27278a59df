"""The bytes of blobs, on every backend a test can have."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuromation.kernel.errors import NeuromationError
from neuromation.storage import blobs as module
from neuromation.storage.blobs import BlobStore
from neuromation.storage.errors import BadBlob, BlobCorrupted, BlobTooLarge, HashMismatch, NoSuchBlob
from neuromation.storage.model import BlobRef, path_of

HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
NOWHERE = "0" * 64


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BlobStore.at(tmp_path / "blobs" if request.param == "folder" else "memory:///")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "folder"


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def cut(data: bytes, at: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(i % (len(data) + 1) for i in at), len(data)]
    yield from (data[a:b] for a, b in pairwise(edges))


@HERE
@given(data=st.binary(max_size=5000), cuts=st.lists(st.integers(0, 5000), max_size=5), chunk=st.integers(1, 6000))
def test_what_is_put_whole_or_in_pieces_comes_back(store: BlobStore, data: bytes, cuts: list[int], chunk: int) -> None:
    ref = store.put(cut(data, cuts))
    assert ref == store.put(data) == BlobRef(hashlib.sha256(data).hexdigest(), len(data))
    assert store.get(ref.sha256) == b"".join(store.stream(ref.sha256, chunk)) == data
    assert store.size(ref.sha256) == len(data) and store.exists(ref.sha256)


@HERE
@given(data=st.binary(max_size=500), start=st.integers(0, 600), length=st.integers(0, 600))
def test_a_range_is_a_slice(store: BlobStore, data: bytes, start: int, length: int) -> None:
    ref = store.put(data)
    assert store.range(ref.sha256, start=start, length=length) == data[start : start + length]


@pytest.mark.parametrize("whole", [True, False])
def test_bytes_with_another_hash_are_refused_and_nothing_is_kept(folder: Path, whole: bool) -> None:
    store = BlobStore.at(folder)
    with pytest.raises(HashMismatch, match="nothing was kept"):
        store.put(b"lies" if whole else iter([b"li", b"es"]), expect_sha256=hashlib.sha256(b"truth").hexdigest())
    assert files_under(folder) == []


@pytest.mark.parametrize("whole", [True, False])
def test_too_many_bytes_are_refused_and_nothing_is_kept(folder: Path, whole: bool) -> None:
    store = BlobStore.at(folder)
    with pytest.raises(BlobTooLarge, match="limit of 10 bytes"):
        store.put(b"x" * 11 if whole else iter([b"x" * 6] * 2), size_max=10)
    assert files_under(folder) == []


def test_an_endless_upload_is_stopped_at_the_limit(folder: Path) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    with pytest.raises(BlobTooLarge):
        BlobStore.at(folder).put(endless(), size_max=10_000)
    assert taken == 11


def test_an_upload_that_breaks_off_leaves_nothing(folder: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        BlobStore.at(folder).put(broken())
    assert files_under(folder) == []


def test_an_upload_beyond_the_memory_buffer_goes_through_a_file(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SPOOL_SIZE", 1000)
    data = os.urandom(50_000)
    ref = store.put(cut(data, [7_000, 30_000]))
    assert store.get(ref.sha256) == data


def test_a_blob_beyond_the_memory_limit_is_sent_in_parts_and_must_be_streamed(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IN_MEMORY_MAX", 1000)
    data = os.urandom(6 * 2**20)
    ref = store.put(cut(data, [1_000_000]))
    with pytest.raises(BlobTooLarge, match="stream it"):
        store.get(ref.sha256)
    assert b"".join(store.stream(ref.sha256)) == data


def test_blobs_lie_in_folders_by_their_first_digits(folder: Path) -> None:
    ref = BlobStore.at(f"file://{folder}").put(b"hello")
    assert files_under(folder) == [folder / "sha256" / ref.sha256[:2] / ref.sha256]


def test_putting_again_does_not_touch_the_stored_file(folder: Path) -> None:
    store = BlobStore.at(folder)
    path = folder / path_of(store.put(b"hello").sha256)
    before = path.stat()
    store.put(b"hello")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_flipped_bit_is_found_when_reading(folder: Path) -> None:
    store = BlobStore.at(folder)
    ref = store.put(b"hello" * 1000)
    path = folder / path_of(ref.sha256)
    path.write_bytes(b"jello" + path.read_bytes()[5:])
    with pytest.raises(BlobCorrupted, match=ref.sha256):
        store.get(ref.sha256)
    assert store.get(ref.sha256, verify=False).startswith(b"jello")
    assert not issubclass(BlobCorrupted, ValueError) and issubclass(BlobCorrupted, NeuromationError)


def test_a_stream_of_a_wrong_blob_breaks_before_its_last_piece(folder: Path) -> None:
    store = BlobStore.at(folder)
    ref = store.put(os.urandom(3 * 2**20))
    path = folder / path_of(ref.sha256)
    path.write_bytes(bytes(3 * 2**20))
    received = 0
    with pytest.raises(BlobCorrupted):
        for piece in store.stream(ref.sha256):
            received += len(piece)
    assert received < ref.size


def test_a_truncated_blob_is_mended_by_putting_it_again(folder: Path) -> None:
    store = BlobStore.at(folder)
    ref = store.put(b"hello" * 1000)
    (folder / path_of(ref.sha256)).write_bytes(b"hel")
    store.put(b"hello" * 1000)
    assert store.get(ref.sha256) == b"hello" * 1000


def test_a_deleted_blob_is_gone_and_deleting_again_is_no_error(store: BlobStore) -> None:
    ref = store.put(b"hello")
    for _ in range(2):
        store.delete(ref.sha256)
    assert not store.exists(ref.sha256)


def test_a_blob_that_is_not_there_is_not_found(store: BlobStore) -> None:
    with pytest.raises(NoSuchBlob):
        store.get(NOWHERE)
    with pytest.raises(NoSuchBlob):
        store.stream(NOWHERE)
    with pytest.raises(NoSuchBlob):
        store.range(NOWHERE, start=0, length=1)
    with pytest.raises(NoSuchBlob):
        store.size(NOWHERE)


@pytest.mark.parametrize("address", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "\n", "٠" * 64])
def test_an_address_that_is_no_hash_never_reaches_the_store(store: BlobStore, address: str) -> None:
    for use in (store.get, store.exists, store.delete, store.size, store.stream):
        with pytest.raises(BadBlob, match="64 hex digits"):
            use(address)


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, -1), (0, 2**40)])
def test_an_absurd_range_is_refused(store: BlobStore, start: int, length: int) -> None:
    with pytest.raises(BadBlob):
        store.range(store.put(b"hello").sha256, start=start, length=length)


def test_absurd_pieces_are_refused(store: BlobStore) -> None:
    with pytest.raises(BadBlob, match="a piece"):
        store.stream(store.put(b"hello").sha256, 0)


def test_a_writer_killed_in_the_middle_leaves_no_blob(folder: Path) -> None:
    script = f"""
import os
from neuromation.storage.blobs import BlobStore
def dying():
    yield b"x" * 20_000_000
    os._exit(9)
BlobStore.at({str(folder)!r}).put(dying())
"""
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 9
    assert files_under(folder) == []
