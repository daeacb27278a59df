"""What a blob is, and the limits of its address, size, owner and media type; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from neuromation.storage.errors import BadBlob

BLOB_SIZE_MAX = 2 * 2**30
IN_MEMORY_MAX = 512 * 2**20  # what `get` returns at once; larger blobs are streamed
CHUNK_SIZE = 2**20
CHUNK_SIZE_MAX = 64 * 2**20
OWNER_MAX = 100
PAGE_MAX = 1_000
MEDIA_TYPE = "application/octet-stream"  # RFC 2046 4.5.1: bytes of which nothing is known

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,99}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}", re.ASCII)  # RFC 6838 4.2


@dataclass(frozen=True)
class BlobRef:
    """The address and size, in bytes, of some bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Blob:
    """A blob on record."""

    sha256: str
    size: int
    media_type: str
    created: datetime


def checked_sha256(text: str) -> str:
    """The hash, 64 lower-case hex digits. Raises BadBlob."""
    if not _SHA256.fullmatch(text):
        raise BadBlob(f"{text[:80]!r} is no sha256; write its 64 hex digits in lower case", reason="bad-sha256")
    return text


def checked_owner(text: str) -> str:
    """Who may read: an account's, a job's or a node's id. Raises BadBlob."""
    if not _OWNER.fullmatch(text):
        raise BadBlob(f"{text[:80]!r} is no owner; give the id of an account, a job or a node", reason="bad-owner")
    return text


def checked_media_type(text: str) -> str:
    """A media type without parameters. Raises BadBlob."""
    if not _MEDIA_TYPE.fullmatch(text):
        raise BadBlob(f"{text[:80]!r} is no media type; write one such as image/png", reason="bad-media-type")
    return text


def path_of(sha256: str) -> str:
    """Where a blob lies in its store: sha256/ab/abcd..., so that no folder holds more than a 256th."""
    return f"sha256/{checked_sha256(sha256)[:2]}/{sha256}"
