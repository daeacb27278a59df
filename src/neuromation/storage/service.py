"""Use cases of storage: put a blob on record, let owners read it, find what nobody needs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from neuromation.storage import model, store
from neuromation.storage.errors import BadBlob, NoSuchBlob, SizeDiffers
from neuromation.storage.model import MEDIA_TYPE, PAGE_MAX, Blob, BlobRef


def record(conn: Connection, ref: BlobRef, *, owner: str, now: datetime, media_type: str = MEDIA_TYPE) -> Blob:
    """Put a stored blob on record and let `owner` read it; again is no error and keeps the first media type.

    Beside a collector, record before the bytes are put, in one transaction: the row's lock makes the collector wait.
    Raises SizeDiffers or BadBlob.
    """
    if not 0 <= ref.size <= model.BLOB_SIZE_MAX:
        raise BadBlob(f"a blob has 0 to {model.BLOB_SIZE_MAX:,} bytes, not {ref.size}", reason="bad-size")
    owner, media_type = model.checked_owner(owner), model.checked_media_type(media_type)
    found = store.record(conn, sha256=model.checked_sha256(ref.sha256), size=ref.size, media_type=media_type, now=now)
    if found.size != ref.size:
        raise SizeDiffers(ref.sha256, met=ref.size, known=found.size)
    store.grant(conn, [ref.sha256], owner=owner, now=now)
    return found


def grant(conn: Connection, hashes: Collection[str], *, owner: str, now: datetime) -> None:
    """Let `owner` read blobs on record; all of them or, with NoSuchBlob, none."""
    wanted = sorted({model.checked_sha256(sha256) for sha256 in hashes})
    absent = set(wanted) - store.known(conn, wanted)
    if absent:
        raise NoSuchBlob(min(absent))
    store.grant(conn, wanted, owner=model.checked_owner(owner), now=now)


def revoke(conn: Connection, sha256: str, *, owner: str) -> None:
    """End the right of `owner` to read a blob; none is no error."""
    store.revoke(conn, model.checked_sha256(sha256), owner=model.checked_owner(owner))


def may_read(conn: Connection, sha256: str, *, owner: str) -> bool:
    """Tell whether `owner` was let read the blob; of a blob that is not on record, no."""
    return store.may_read(conn, model.checked_sha256(sha256), owner=model.checked_owner(owner))


def readable_sizes(conn: Connection, hashes: Collection[str], *, owner: str) -> dict[str, int]:
    """Those of the blobs that `owner` may read, with their sizes in bytes."""
    wanted = sorted({model.checked_sha256(sha256) for sha256 in hashes})
    return store.readable_sizes(conn, wanted, owner=model.checked_owner(owner))


def unreadable(conn: Connection, hashes: Collection[str], *, owner: str) -> set[str]:
    """Those of the blobs that `owner` may not read: what must be uploaded before it is used.

    A stranger's blob is among them, so that asking never tells what others have.
    """
    wanted = sorted({model.checked_sha256(sha256) for sha256 in hashes})
    return set(wanted) - store.readable(conn, wanted, owner=model.checked_owner(owner))


def expire(conn: Connection, *, before: datetime, limit: int = PAGE_MAX) -> int:
    """Take back what nodes and jobs were granted before a moment; how many grants went.

    A node may read what it uploaded so that it can commit it, a job what it makes on its way: both are over with the
    job. What was delivered is granted to its owner, and such grants never expire.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise BadBlob(f"a page has 1 to {PAGE_MAX} grants, not {limit}", reason="bad-page")
    return store.expire(conn, before=before, limit=limit)


def unreferenced(conn: Connection, *, before: datetime, limit: int = PAGE_MAX) -> list[str]:
    """Blobs on record before a moment that nobody may read any more, oldest first: for a collector to `forget`."""
    if not 1 <= limit <= PAGE_MAX:
        raise BadBlob(f"a page has 1 to {PAGE_MAX} blobs, not {limit}", reason="bad-page")
    return store.unreferenced(conn, before=before, limit=limit)


def forget(conn: Connection, sha256: str) -> bool:
    """Take a blob off the record; False when somebody was let read it meanwhile.

    When True, delete its bytes before the transaction is committed: an uploader of the same blob waits for that.
    """
    return store.forget(conn, model.checked_sha256(sha256))
