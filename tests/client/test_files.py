"""Files: verified on the way in and out, never half there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client.stand_in_platform import DROP, Asked, Reply, StandIn, a_version, ok
from neuromation.client import Client, Corrupted, files
from neuromation.client import schemas as wire
from neuromation.kernel.errors import NotFound, TooLarge
from neuromation.kernel.hashing import sha256_hex

FILES = {"a.parquet": b"first" * 1000, "b.parquet": b"second"}


def version_of(contents: dict[str, bytes]) -> wire.VersionInfo:
    return wire.VersionInfo.model_validate(a_version(contents))


def serve(platform: StandIn, contents: dict[str, bytes]) -> None:
    for name, data in contents.items():
        platform.on("GET", f"/datasets/ver_1/files/{name}", Reply(data))


def stored(asked: Asked) -> Reply:
    return ok({"sha256": sha256_hex(asked.body), "size": len(asked.body)}, 201)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(data=st.binary(max_size=3000))
def test_what_is_uploaded_has_the_hash_of_its_bytes(platform: StandIn, client: Client, data: bytes) -> None:
    platform.on("PUT", f"/uploads/{sha256_hex(data)}", stored)
    assert client.upload(data).sha256 == sha256_hex(data)
    assert platform.asked[-1].body == data


def test_a_file_is_uploaded_again_from_its_start_after_a_break(
    platform: StandIn, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "photos.parquet"
    path.write_bytes(b"x" * 200_000)
    platform.on("PUT", f"/uploads/{sha256_hex(path.read_bytes())}", DROP, stored)
    assert client.upload(path).size == 200_000
    assert platform.asked[-1].headers["content-length"] == "200000"


def test_an_upload_over_the_limit_is_refused_before_it_starts(
    platform: StandIn, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOB_MAX_BYTES", 10)
    with pytest.raises(TooLarge, match="split the file"):
        client.upload(b"12345678901")
    assert platform.asked == []


def test_a_file_that_is_not_there_cannot_be_uploaded(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="check the path"):
        client.upload(tmp_path / "absent")


def test_an_upload_stored_as_something_else_is_noticed(platform: StandIn, client: Client) -> None:
    platform.on("PUT", f"/uploads/{sha256_hex(b'data')}", ok({"sha256": "0" * 64, "size": 4}, 201))
    with pytest.raises(Corrupted, match="upload again"):
        client.upload(b"data")


def test_a_download_brings_every_file_and_tells_its_progress(platform: StandIn, client: Client, tmp_path: Path) -> None:
    serve(platform, FILES)
    steps: list[tuple[int, int]] = []
    paths = client.download(
        version_of(FILES), tmp_path / "out", on_progress=lambda here, total: steps.append((here, total))
    )
    assert {path.name: path.read_bytes() for path in paths} == FILES
    assert steps[-1] == (5006, 5006)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.parquet", "b.parquet"]


def test_a_repeated_download_fetches_only_what_is_missing_or_wrong(
    platform: StandIn, client: Client, tmp_path: Path
) -> None:
    serve(platform, FILES)
    client.download(version_of(FILES), tmp_path)
    (tmp_path / "b.parquet").write_bytes(b"damage")
    client.download(version_of(FILES), tmp_path)
    assert (tmp_path / "b.parquet").read_bytes() == b"second"
    assert [asked.path.rsplit("/")[-1] for asked in platform.asked] == ["a.parquet", "b.parquet", "b.parquet"]


@pytest.mark.parametrize("wrong", [b"WRONG!", b"sec", b"second and more"])
def test_wrong_bytes_leave_nothing_behind(platform: StandIn, client: Client, tmp_path: Path, wrong: bytes) -> None:
    serve(platform, {"b.parquet": wrong})
    with pytest.raises(Corrupted, match="nothing was kept"):
        client.download(version_of({"b.parquet": b"second"}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_download_starts_again_and_its_progress_with_it(
    platform: StandIn, client: Client, tmp_path: Path
) -> None:
    platform.on("GET", "/datasets/ver_1/files/b.parquet", Reply(b"sec", cut=3), DROP, Reply(b"second"))
    steps: list[int] = []
    client.download(version_of({"b.parquet": b"second"}), tmp_path, on_progress=lambda here, _: steps.append(here))
    assert steps[-1] == 6
    assert (tmp_path / "b.parquet").read_bytes() == b"second"


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", ".hidden", "a/" * 9 + "b", "a/../b", "a//b", "a/", ""])
def test_a_file_name_cannot_leave_the_folder(client: Client, tmp_path: Path, name: str) -> None:
    with pytest.raises(Corrupted, match="no plain file name"):
        client.download(version_of({name: b"x"}), tmp_path)


def test_a_file_that_a_version_does_not_have_is_named(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"it has a\.parquet, b\.parquet"):
        client.download_file(version_of(FILES), "c.parquet", tmp_path / "c")


def test_a_file_in_a_folder_of_its_version_stays_in_it(platform: StandIn, client: Client, tmp_path: Path) -> None:
    serve(platform, {"data/a.parquet": b"unit"})
    assert client.download(version_of({"data/a.parquet": b"unit"}), tmp_path) == [tmp_path / "data" / "a.parquet"]
    assert (tmp_path / "data" / "a.parquet").read_bytes() == b"unit"
