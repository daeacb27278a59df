"""Files that are there whole or not at all, whenever their writer is killed; refuses to know what they hold."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that whoever reads meets the old one or the new one, whatever happens in between."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            _lock(file)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sweep_parts(folder: Path) -> None:
    """Remove what `write_whole` left half-written in a folder and nobody is writing any more."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError), part.open("rb") as file:
            _lock(file)
            part.unlink()


def _lock(file: IO[bytes]) -> None:
    """Hold a file until it is closed, or its process ends in whatever way. Raises OSError when somebody else does."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
