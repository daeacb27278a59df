"""Where compiled code is kept from one process to the next, and whether all of it is there; knows no compiler.

The folder lies in the user's cache and carries a digest of every module that is compiled: numba notices when a file
has changed, but not when a file that it calls has, and stale code would make other units than everybody else's.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
_MARK = "synthetic.compiled import"
_READY, _LOCK = "ready.json", "lock"
_KEPT_MAX = 4  # folders of other versions: two checkouts may well be used in turn


def folder() -> Path:
    """The folder of this version's compiled code; NUMBA_CACHE_DIR names another one. It need not be there yet."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else _caches() / f"machine-code-{_version()}"


def is_ready() -> bool:
    """Whether every installed generator has been compiled here."""
    try:
        return set(_installed()) <= set(json.loads((folder() / _READY).read_text()))
    except (OSError, ValueError, TypeError):
        return False


@contextmanager
def alone() -> Iterator[None]:
    """While one process compiles, others that want to wait for it instead of doing the same beside it."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def note_ready() -> None:
    """Remember that every installed generator has been compiled, and remove folders of versions long gone."""
    folder().mkdir(parents=True, exist_ok=True)
    (folder() / _READY).write_text(json.dumps(_installed()))
    others = [path for path in _caches().glob("machine-code-*") if path != folder()]
    for path in sorted(others, key=lambda other: other.stat().st_mtime, reverse=True)[_KEPT_MAX:]:
        shutil.rmtree(path, ignore_errors=True)


def _caches() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neuromation"


def _installed() -> list[str]:
    """Names and places of the generators, read without loading any."""
    found = entry_points(group="neuromation.generators")
    return sorted(f"{entry.name}={entry.value}" for entry in found)


@cache
def _version() -> str:
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent / "synthetic"
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if _MARK in text:
            digest.update(f"{path.relative_to(root)} {len(text)}\n{text}".encode())
    return digest.hexdigest()[:16]
