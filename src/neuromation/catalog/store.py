"""The only SQL of the catalog context."""

# ruff: noqa: S608 - the statements are put together from constants of this file; every value is a bound parameter.

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from neuromation.catalog.model import FileRef, Item, Ref, Version, Viewer
from neuromation.kernel.money import Ntk

_ITEM = (
    """i.id, i.kind, i.owner, i.name, i.title, i.description, i.licence, i.price, i.visibility, i.versions, i.created"""
)
_VERSION = (
    """v.id as version_id, v.number, v.content_hash, v.manifest, v.files, v.lineage, v.created as version_created"""
)
_BOTH = f"select {_ITEM}, {_VERSION} from catalog_item i join catalog_version v on v.item = i.id"
_VISIBLE = "(i.visibility = 'listed' or :operator or i.owner = :viewer)"
# A name means one's own item first, then the one listed under it for everybody.
_NAMED = f"""
    i.name = :name and (cast(:kind as text) is null or i.kind = :kind)
    and (i.owner = :viewer or (i.slug = :name and {_VISIBLE}))
"""

INSERT_ITEM = text(f"""
    insert into catalog_item as i
        (id, kind, owner, name, slug, title, description, licence, price, visibility, created)
    values (:id, :kind, :owner, :name, case when :visibility = 'listed' then :name end, :title, :description, :licence,
        :price, :visibility, :now)
    on conflict do nothing returning {_ITEM}
""")
OWN = text(f"select {_ITEM} from catalog_item i where i.owner = :owner and i.kind = :kind and i.name = :name")
COUNT = text("select count(*) from catalog_item where owner = :owner")
ITEM = text(f"select {_ITEM} from catalog_item i where i.id = :id")
ITEM_LOCKED = text(f"select {_ITEM} from catalog_item i where i.id = :id for no key update")
ITEMS_NAMED = text(f"select {_ITEM} from catalog_item i where {_NAMED} order by i.kind, i.owner = :viewer desc")
ITEMS = text(f"""
    select {_ITEM} from catalog_item i
    where i.kind = :kind and {_VISIBLE} and (cast(:after as text) is null or i.id > :after) order by i.id limit :limit
""")
SET_LISTED = text(f"""
    update catalog_item i set visibility = 'listed', slug = i.name
    where i.id = :id
        and not exists (select 1 from catalog_item o where o.kind = i.kind and o.slug = i.name and o.id <> i.id)
    returning {_ITEM}
""")
SET_PRIVATE = text(f"update catalog_item i set visibility = 'private' where i.id = :id returning {_ITEM}")
SET_PRICE = text(f"update catalog_item i set price = :price where i.id = :id returning {_ITEM}")
SET_OWNER = text(f"""
    update catalog_item i set owner = :owner
    where i.id = :id and not exists (
        select 1 from catalog_item o where o.owner = :owner and o.kind = i.kind and o.name = i.name and o.id <> i.id
    )
    returning {_ITEM}
""")
# Listings of one name wait for each other, so that the second sees the first.
NAME_LOCK = text("select pg_advisory_xact_lock(hashtextextended('catalog:' || :kind || ':' || :name, 0))")

INSERT_VERSION = text("""
    insert into catalog_version (id, item, number, content_hash, manifest, files, lineage, created)
    values (:id, :item, :number, :content_hash, cast(:manifest as json), cast(:files as json),
        cast(:lineage as json), :now)
""")
COUNT_UP = text("update catalog_item set versions = :number where id = :id")
BY_CONTENT = text(f"{_BOTH} where v.item = :item and v.content_hash = :content_hash")
BY_ID = text(f"{_BOTH} where v.id = :id")
BY_NUMBER = text(f"{_BOTH} where v.item = :item and v.number = :number")
VERSIONS = text(f"{_BOTH} where v.item = :item and v.number > :after order by v.number limit :limit")
NEWEST = text(f"""
    {_BOTH} and v.number = i.versions
    where i.kind = :kind and {_VISIBLE} and (cast(:after as text) is null or i.id > :after) order by i.id limit :limit
""")


def _item(row: Any) -> Item:
    return Item(
        id=row.id,
        kind=row.kind,
        owner=row.owner,
        name=row.name,
        title=row.title,
        description=row.description,
        licence=row.licence,
        price=Ntk(row.price),
        visibility=row.visibility,
        versions=row.versions,
        created=row.created,
    )


def _version(row: Any) -> Version:
    return Version(
        id=row.version_id,
        item=_item(row),
        number=row.number,
        content_hash=row.content_hash,
        manifest=row.manifest,
        files={name: FileRef(**file) for name, file in sorted(row.files.items())},
        lineage=row.lineage,
        created=row.version_created,
    )


def insert_item(conn: Connection, item: Item) -> Item | None:
    """The item as stored; None when its owner has one of this kind and name, or another one is listed under it."""
    if item.visibility == "listed":
        conn.execute(NAME_LOCK, {"kind": item.kind, "name": item.name})
    values = {
        "id": item.id,
        "kind": item.kind,
        "owner": item.owner,
        "name": item.name,
        "title": item.title,
        "description": item.description,
        "licence": item.licence,
        "price": item.price.micro,
        "visibility": item.visibility,
        "now": item.created,
    }
    row = conn.execute(INSERT_ITEM, values).one_or_none()
    return _item(row) if row else None


def own(conn: Connection, *, owner: str, kind: str, name: str) -> Item | None:
    row = conn.execute(OWN, {"owner": owner, "kind": kind, "name": name}).one_or_none()
    return _item(row) if row else None


def count(conn: Connection, owner: str) -> int:
    return int(conn.execute(COUNT, {"owner": owner}).scalar_one())


def item(conn: Connection, item_id: str, *, lock: bool = False) -> Item | None:
    """The item; with `lock`, its row is locked until the transaction ends."""
    row = conn.execute(ITEM_LOCKED if lock else ITEM, {"id": item_id}).one_or_none()
    return _item(row) if row else None


def items_named(conn: Connection, name: str, *, kind: str | None, viewer: Viewer) -> list[Item]:
    """What a name may mean to a viewer: of each kind their own first, then the listed one."""
    values = {"name": name, "kind": kind, "viewer": viewer.account_id, "operator": viewer.operator}
    return [_item(row) for row in conn.execute(ITEMS_NAMED, values)]


def items(conn: Connection, kind: str, viewer: Viewer, *, after: str | None, limit: int) -> list[Item]:
    return [_item(row) for row in conn.execute(ITEMS, _page(kind, viewer, after, limit))]


def newest(conn: Connection, kind: str, viewer: Viewer, *, after: str | None, limit: int) -> list[Version]:
    return [_version(row) for row in conn.execute(NEWEST, _page(kind, viewer, after, limit))]


def _page(kind: str, viewer: Viewer, after: str | None, limit: int) -> dict[str, Any]:
    return {"kind": kind, "viewer": viewer.account_id, "operator": viewer.operator, "after": after, "limit": limit}


def set_visibility(conn: Connection, at: Item, visibility: str) -> Item | None:
    """The item as changed; None when another one is listed under its name."""
    if visibility == "listed":
        conn.execute(NAME_LOCK, {"kind": at.kind, "name": at.name})
    row = conn.execute(SET_LISTED if visibility == "listed" else SET_PRIVATE, {"id": at.id}).one_or_none()
    return _item(row) if row else None


def set_price(conn: Connection, item_id: str, price: Ntk) -> Item:
    return _item(conn.execute(SET_PRICE, {"id": item_id, "price": price.micro}).one())


def set_owner(conn: Connection, item_id: str, owner: str) -> Item | None:
    """The item as changed; None when the new owner has another one of its kind and name."""
    row = conn.execute(SET_OWNER, {"id": item_id, "owner": owner}).one_or_none()
    return _item(row) if row else None


def insert_version(
    conn: Connection, *, version_id: str, at: Item, number: int, facts: Sequence[Any], now: datetime
) -> Version:
    """Add a version; `facts` are its content hash, manifest, files, lineage. The caller has locked the item's row."""
    content_hash, manifest, files, lineage = facts
    listing = {name: {"sha256": f.sha256, "size": f.size, "media_type": f.media_type} for name, f in files.items()}
    values = {
        "id": version_id,
        "item": at.id,
        "number": number,
        "content_hash": content_hash,
        "manifest": json.dumps(manifest),
        "files": json.dumps(listing),
        "lineage": json.dumps(lineage),
        "now": now,
    }
    conn.execute(INSERT_VERSION, values)
    conn.execute(COUNT_UP, {"id": at.id, "number": number})
    return _version(conn.execute(BY_ID, {"id": version_id}).one())


def version_by_content(conn: Connection, item_id: str, content_hash: str) -> Version | None:
    row = conn.execute(BY_CONTENT, {"item": item_id, "content_hash": content_hash}).one_or_none()
    return _version(row) if row else None


def version(conn: Connection, ref: Ref) -> Version | None:
    """A version by its own id, or by its item's id and number."""
    if ref.version_id:
        row = conn.execute(BY_ID, {"id": ref.version_id}).one_or_none()
    else:
        row = conn.execute(BY_NUMBER, {"item": ref.item_id, "number": ref.number}).one_or_none()
    return _version(row) if row else None


def versions(conn: Connection, item_id: str, *, after: int, limit: int) -> list[Version]:
    values = {"item": item_id, "after": after, "limit": limit}
    return [_version(row) for row in conn.execute(VERSIONS, values)]
