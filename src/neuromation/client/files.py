"""Files on their way: hashed while they travel, put in place only when they are right."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from neuromation.client.errors import Corrupted, ServerFault, Unreachable
from neuromation.client.schemas import BLOB_MAX_BYTES, FileInfo, Uploaded
from neuromation.client.transport import Transport, backoff_s
from neuromation.kernel.errors import NotFound, TooLarge
from neuromation.kernel.hashing import sha256_hex

_PIECE_BYTES = 2**20
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_NAME = re.compile(rf"{_PART}(/{_PART}){{0,8}}", re.ASCII)  # as schemas.FilePath: a file, in 8 folders at most

OnBytes = Callable[[int], None]


def file_sha256(path: Path) -> str:
    """The sha256 of a file, 64 hex digits, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_here(path: Path, *, sha256: str, size: int) -> bool:
    """Tell whether the file at `path` is already the right one."""
    return path.is_file() and path.stat().st_size == size and file_sha256(path) == sha256


def place_of(name: str, folder: Path) -> Path:
    """Where a version's file goes below `folder`. Raises Corrupted for a name that could lead out of it."""
    if not _NAME.fullmatch(name):
        raise Corrupted(f"the platform names a file {name[:100]!r}, which is no plain file name; nothing was written")
    return folder / name


def upload_blob(transport: Transport, path: str, source: bytes | Path) -> Uploaded:
    """PUT bytes or a file under its own hash to `path` + "/" + sha256. Raises TooLarge before anything is sent."""
    if isinstance(source, Path):
        if not source.is_file():
            raise NotFound(f"there is no file {source}; check the path")
        sha256, size = file_sha256(source), source.stat().st_size
    else:
        sha256, size = sha256_hex(source), len(source)
    if size > BLOB_MAX_BYTES:
        raise TooLarge(f"{size:,} bytes are more than the {BLOB_MAX_BYTES:,} of one upload; split the file")
    body = (lambda: source.open("rb")) if isinstance(source, Path) else source
    answer = transport.ask(Uploaded, "PUT", f"{path}/{sha256}", body, idempotent=True)
    if answer.sha256 != sha256 or answer.size != size:
        raise Corrupted(
            f"the platform stored {answer.size} bytes with the hash {answer.sha256}, not what was sent; upload again"
        )
    return answer


def download_blob(transport: Transport, path: str, *, sha256: str, size: int) -> bytes:
    """GET bytes into memory, verified. Raises Corrupted, and TooLarge before anything is fetched."""
    if size > BLOB_MAX_BYTES:
        raise TooLarge(
            f"{size:,} bytes are more than the {BLOB_MAX_BYTES:,} that are read into memory; download to a file"
        )
    data = bytearray()
    _repeated(transport, data.clear, lambda: _pieces(transport, path, sha256, size, data.extend))
    return bytes(data)


def download_file(
    transport: Transport, path: str, file: FileInfo, target: Path, on_bytes: OnBytes | None = None
) -> bool:
    """GET a file into `target`, which appears whole and right or not at all. False when it was already there.

    Args:
        on_bytes: told the length of each piece, or of the whole when it was there; a negative number at a new start.
    """
    tell = on_bytes or (lambda _: None)
    if is_here(target, sha256=file.sha256, size=file.size):
        tell(file.size)
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as out:

            def restart() -> None:
                tell(-out.tell())
                out.seek(0)
                out.truncate()

            _repeated(transport, restart, lambda: _pieces(transport, path, file.sha256, file.size, _writer(out, tell)))
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return True


def _writer(out: IO[bytes], tell: OnBytes) -> Callable[[bytes], None]:
    def write(piece: bytes) -> None:
        out.write(piece)
        tell(len(piece))

    return write


def _repeated(transport: Transport, restart: Callable[[], None], go: Callable[[], None]) -> None:
    """Download, from the start again after a break; what arrived whole but wrong is fetched once more, then refused."""
    corrupted = 0
    for attempt in range(transport.retries + 1):
        try:
            return go()
        except (Unreachable, ServerFault):
            if attempt == transport.retries:
                raise
        except Corrupted:
            corrupted += 1
            if corrupted > 1 or attempt == transport.retries:
                raise
        restart()
        transport.sleep(backoff_s(attempt))


def _pieces(transport: Transport, path: str, sha256: str, size: int, take: Callable[[bytes], object]) -> None:
    digest, count = hashlib.sha256(), 0
    with transport.stream(path) as response:
        for piece in response.iter_bytes(_PIECE_BYTES):
            count += len(piece)
            if count > size:
                break
            digest.update(piece)
            take(piece)
    if count != size or digest.hexdigest() != sha256:
        raise Corrupted(
            f"what came from {path} is not the {size:,} bytes with the hash {sha256[:12]}...; nothing was kept"
        )
