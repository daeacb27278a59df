"""A file is old or new, never half; what a dead writer left goes, what a living one writes stays."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from neuromation.kernel.files import sweep_parts, write_whole


def test_a_writer_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "facts.json"
    write_whole(path, b"old")

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_parts_that_nobody_holds_are_swept(tmp_path: Path) -> None:
    dead, alive, other = tmp_path / ".a.1.part", tmp_path / ".b.2.part", tmp_path / "c.part"
    for path in (dead, alive, other):
        path.write_bytes(b"half")
    with alive.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        sweep_parts(tmp_path)
        assert not dead.exists()
        assert alive.exists()
    sweep_parts(tmp_path)
    assert sorted(tmp_path.iterdir()) == [other]
