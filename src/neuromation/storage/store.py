"""The only SQL of the storage context."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from neuromation.storage.model import Blob

# The update that changes nothing locks the row, so that a collector and an uploader of one blob wait for each other.
RECORD = text("""
    insert into storage_blob (sha256, size, media_type, created) values (:sha256, :size, :media_type, :now)
    on conflict (sha256) do update set size = storage_blob.size
    returning sha256, size, media_type, created
""")
GRANT = text("""
    insert into storage_grant (sha256, owner, created)
    select sha256, :owner, :now from storage_blob where sha256 = any(:hashes)
    on conflict do nothing
""")
REVOKE = text("delete from storage_grant where sha256 = :sha256 and owner = :owner")
MAY_READ = text("select 1 from storage_grant where sha256 = :sha256 and owner = :owner")
READABLE = text("select sha256 from storage_grant where owner = :owner and sha256 = any(:hashes)")
READABLE_SIZES = text("""
    select b.sha256, b.size from storage_grant g join storage_blob b on b.sha256 = g.sha256
    where g.owner = :owner and g.sha256 = any(:hashes)
""")
# Waits for a collector that is about to forget one of them.
KNOWN = text("select sha256 from storage_blob where sha256 = any(:hashes) order by sha256 for key share")
UNREFERENCED = text("""
    select b.sha256 from storage_blob b
    where b.created < :before and not exists (select 1 from storage_grant g where g.sha256 = b.sha256)
    order by b.created, b.sha256 limit :limit
""")
EXPIRE = text(r"""
    delete from storage_grant g where (g.sha256, g.owner) in (
        select sha256, owner from storage_grant
        where created < :before and (owner like 'node\_%' or owner like 'job\_%')
        order by created limit :limit
    )
""")
LOCK = text("select 1 from storage_blob where sha256 = :sha256 for update")
FORGET = text("""
    delete from storage_blob b
    where b.sha256 = :sha256 and not exists (select 1 from storage_grant g where g.sha256 = b.sha256)
""")


def record(conn: Connection, *, sha256: str, size: int, media_type: str, now: datetime) -> Blob:
    """The blob as it stands on record, which is the first one's media type and time."""
    row = conn.execute(RECORD, {"sha256": sha256, "size": size, "media_type": media_type, "now": now}).one()
    return Blob(row.sha256, row.size, row.media_type, row.created)


def grant(conn: Connection, hashes: Sequence[str], *, owner: str, now: datetime) -> None:
    conn.execute(GRANT, {"hashes": list(hashes), "owner": owner, "now": now})


def revoke(conn: Connection, sha256: str, *, owner: str) -> None:
    conn.execute(REVOKE, {"sha256": sha256, "owner": owner})


def may_read(conn: Connection, sha256: str, *, owner: str) -> bool:
    return conn.execute(MAY_READ, {"sha256": sha256, "owner": owner}).first() is not None


def readable(conn: Connection, hashes: Sequence[str], *, owner: str) -> set[str]:
    return set(conn.execute(READABLE, {"hashes": list(hashes), "owner": owner}).scalars())


def readable_sizes(conn: Connection, hashes: Sequence[str], *, owner: str) -> dict[str, int]:
    rows = conn.execute(READABLE_SIZES, {"hashes": list(hashes), "owner": owner})
    return {row.sha256: row.size for row in rows}


def known(conn: Connection, hashes: Sequence[str]) -> set[str]:
    return set(conn.execute(KNOWN, {"hashes": list(hashes)}).scalars())


def expire(conn: Connection, *, before: datetime, limit: int) -> int:
    """Drop grants of nodes and jobs that were given before a moment; how many went."""
    return conn.execute(EXPIRE, {"before": before, "limit": limit}).rowcount


def unreferenced(conn: Connection, *, before: datetime, limit: int) -> list[str]:
    return list(conn.execute(UNREFERENCED, {"before": before, "limit": limit}).scalars())


def forget(conn: Connection, sha256: str) -> bool:
    """Tell whether the row went: it stays while anybody may read it."""
    conn.execute(LOCK, {"sha256": sha256})
    return conn.execute(FORGET, {"sha256": sha256}).rowcount == 1
