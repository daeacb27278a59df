"""The bytes of blobs under their sha256, in a local folder or any object store; the only file that knows obstore."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import obstore
from obstore import exceptions as failures
from obstore.store import LocalStore, ObjectStore, from_url

from neuromation.storage.errors import BadBlob, BlobCorrupted, BlobTooLarge, HashMismatch, NoSuchBlob
from neuromation.storage.model import (
    BLOB_SIZE_MAX,
    CHUNK_SIZE,
    CHUNK_SIZE_MAX,
    IN_MEMORY_MAX,
    BlobRef,
    checked_sha256,
    path_of,
)

SPOOL_SIZE = 8 * 2**20  # an upload of unknown hash waits in memory up to here, then in a temporary file


class BlobStore:
    """A content-addressed store. A blob is there whole or not at all, and is never changed.

    Several processes and machines may use one store at once: the same bytes always go to the same place.
    """

    def __init__(self, backend: ObjectStore) -> None:
        self._backend = backend

    @classmethod
    def at(cls, place: str | Path) -> BlobStore:
        """The store in a local folder (made when missing) or at an object store's URL.

        Args:
            place: a path, `file:///...`, or a URL that obstore knows: `s3://bucket/prefix`, `gs://`, `az://`, `memory:///`.
                Credentials come from the environment, as for the providers' own tools.
        """
        text = str(place)
        if "://" in text and not text.startswith("file://"):
            return cls(from_url(text))
        folder = Path(text.removeprefix("file://")).expanduser().resolve()
        return cls(LocalStore(folder, mkdir=True))

    def put(
        self, data: bytes | Iterable[bytes], *, expect_sha256: str | None = None, size_max: int = BLOB_SIZE_MAX
    ) -> BlobRef:
        """Store bytes under their hash; bytes that are there already are left as they are.

        Args:
            data: the bytes, or their pieces in order.
            expect_sha256: what the bytes must hash to; None takes any.
            size_max: bytes at most.

        Raises:
            HashMismatch, BlobTooLarge: nothing was stored.
        """
        expected = expect_sha256 and checked_sha256(expect_sha256)
        if isinstance(data, bytes | bytearray | memoryview):
            if len(data) > size_max:
                raise BlobTooLarge(maximum=size_max)
            ref = BlobRef(hashlib.sha256(data).hexdigest(), len(data))
            self._keep(ref, bytes(data), expected)
            return ref
        with tempfile.SpooledTemporaryFile(max_size=SPOOL_SIZE) as spool:
            ref = _spooled(data, into=spool, size_max=size_max)
            spool.seek(0)
            self._keep(ref, spool, expected)
        return ref

    def _keep(self, ref: BlobRef, body: bytes | IO[bytes], expected: str | None) -> None:
        if expected and ref.sha256 != expected:
            raise HashMismatch(expected=expected, met=ref.sha256)
        known = self._size(ref.sha256)
        if known == ref.size:
            return
        # Another size under this hash is a blob cut short by a failing disk: write it anew. Otherwise create: of two
        # writers at once the second finds the same bytes there.
        try:
            if known is None and ref.size <= IN_MEMORY_MAX:
                obstore.put(self._backend, path_of(ref.sha256), body, mode="create")
            else:  # only this mode sends in parts
                obstore.put(self._backend, path_of(ref.sha256), body, mode="overwrite")
        except failures.AlreadyExistsError:
            pass

    def _size(self, sha256: str) -> int | None:
        try:
            return int(obstore.head(self._backend, path_of(sha256))["size"])
        except FileNotFoundError:
            return None

    def size(self, sha256: str) -> int:
        """The stored size in bytes. Raises NoSuchBlob."""
        found = self._size(sha256)
        if found is None:
            raise NoSuchBlob(sha256)
        return found

    def exists(self, sha256: str) -> bool:
        """Tell whether the blob is there."""
        return self._size(sha256) is not None

    def get(self, sha256: str, *, verify: bool = True) -> bytes:
        """All bytes of a blob of at most 512 MiB, checked against their hash unless told otherwise.

        Raises:
            NoSuchBlob, BlobCorrupted; BlobTooLarge when it must be streamed instead.
        """
        try:
            found = obstore.get(self._backend, path_of(sha256))
        except FileNotFoundError:
            raise NoSuchBlob(sha256) from None
        if found.meta["size"] > IN_MEMORY_MAX:
            raise BlobTooLarge(maximum=IN_MEMORY_MAX, what="stream it")
        data = bytes(found.bytes())
        if verify:
            _check(sha256, hashlib.sha256(data).hexdigest())
        return data

    def stream(self, sha256: str, chunk: int = CHUNK_SIZE, *, verify: bool = True) -> Iterator[bytes]:
        """The bytes of a blob in pieces of about `chunk` bytes.

        Raises NoSuchBlob at once. With `verify`, BlobCorrupted comes instead of the last piece, so that a receiver
        never has the whole of a wrong blob.
        """
        if not 1 <= chunk <= CHUNK_SIZE_MAX:
            raise BadBlob(f"a piece has 1 to {CHUNK_SIZE_MAX:,} bytes, not {chunk}", reason="bad-chunk")
        try:
            found = obstore.get(self._backend, path_of(sha256))
        except FileNotFoundError:
            raise NoSuchBlob(sha256) from None
        pieces = (bytes(piece) for piece in found.stream(min_chunk_size=chunk)) if found.meta["size"] else iter(())
        return _verified(sha256, pieces) if verify else pieces

    def range(self, sha256: str, *, start: int, length: int) -> bytes:
        """Up to `length` bytes from offset `start`, unverified; fewer at the end of the blob, none beyond it.

        Raises NoSuchBlob or BadBlob.
        """
        if start < 0 or not 0 <= length <= CHUNK_SIZE_MAX:
            raise BadBlob(
                f"a range starts at 0 or later and has at most {CHUNK_SIZE_MAX:,} bytes; met {start}, {length}"
            )
        length = min(length, self.size(sha256) - start)
        if length <= 0:
            return b""
        return bytes(obstore.get_range(self._backend, path_of(sha256), start=start, length=length))

    def delete(self, sha256: str) -> None:
        """Remove the bytes; none there is no error."""
        try:
            obstore.delete(self._backend, path_of(sha256))
        except FileNotFoundError:
            return


def _spooled(pieces: Iterable[bytes], *, into: IO[bytes], size_max: int) -> BlobRef:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        size += len(piece)
        if size > size_max:
            raise BlobTooLarge(maximum=size_max)
        digest.update(piece)
        into.write(piece)
    return BlobRef(digest.hexdigest(), size)


def _verified(sha256: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    digest, held = hashlib.sha256(), None
    for piece in pieces:
        digest.update(piece)
        if held is not None:
            yield held
        held = piece
    _check(sha256, digest.hexdigest())
    if held is not None:
        yield held


def _check(sha256: str, met: str) -> None:
    if met != sha256:
        raise BlobCorrupted(sha256, met=met)
