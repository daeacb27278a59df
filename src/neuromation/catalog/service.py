"""Use cases of the catalog: publish, add versions, find, list, change what may change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from neuromation.catalog import model, store
from neuromation.catalog.errors import (
    AmbiguousName,
    LicenceDiffers,
    NameTaken,
    NoSuchItem,
    NotYours,
    TooManyItems,
    TooManyVersions,
)
from neuromation.catalog.model import FileRef, Item, Ref, Version, Viewer
from neuromation.kernel.ids import check_id, new_id
from neuromation.kernel.money import Ntk


def publish(
    conn: Connection,
    *,
    kind: str,
    owner: str,
    name: str,
    title: str,
    licence: str,
    now: datetime,
    description: str = "",
    price: Ntk = Ntk(0),
    visibility: str = "private",
) -> Item:
    """Put an item on the shelf; twice is once.

    When the owner has an item of this kind and name already, it comes back as it stands: title, price and visibility
    are changed by verbs of their own. Only another licence is refused, since versions are out under the first.

    Args:
        kind: generator, dataset or model.
        owner: the account's id.
        name: unique among the owner's items of this kind, and among the listed ones of this kind.
        title: one line for people.
        licence: an SPDX identifier of `LICENCES`, or "proprietary".
        now: its birth.
        description: text for its page.
        price: per generated unit for a generator, per licence for a data set or a model.
        visibility: private (the owner's alone) or listed.

    Raises:
        BadItem, NameTaken, LicenceDiffers, TooManyItems.
    """
    item = Item(
        id=new_id("item", now),
        kind=model.checked_kind(kind),
        owner=model.checked_owner(owner),
        name=model.checked_name(name),
        title=model.checked_title(title),
        description=model.checked_description(description),
        licence=model.checked_licence(licence),
        price=model.checked_price(price),
        visibility=model.checked_visibility(visibility),
        versions=0,
        created=now,
    )
    return _unchanged(store.own(conn, owner=owner, kind=kind, name=name), licence) or _insert(conn, item)


def _insert(conn: Connection, item: Item) -> Item:
    if store.count(conn, item.owner) >= model.ITEMS_MAX:
        raise TooManyItems(maximum=model.ITEMS_MAX)
    stored = store.insert_item(conn, item)
    if stored is not None:
        return stored
    # Either the owner published the same a moment ago, or somebody else's is listed under the name.
    twin = store.own(conn, owner=item.owner, kind=item.kind, name=item.name)
    if twin is None:
        raise NameTaken(item.kind, item.name)
    same = _unchanged(twin, item.licence)
    assert same is not None
    return same


def _unchanged(found: Item | None, licence: str) -> Item | None:
    if found is not None and found.licence != licence:
        raise LicenceDiffers(found.name, met=licence, known=found.licence)
    return found


def add_version(
    conn: Connection,
    item_id: str,
    *,
    content_hash: str,
    manifest: Mapping[str, Any],
    files: Mapping[str, FileRef],
    lineage: Mapping[str, Any],
    now: datetime,
) -> Version:
    """Add an immutable version; the same content twice is the first version again.

    Whoever calls has made sure that the owner asked for it (`item_to_change`).

    Args:
        item_id: the item it belongs to.
        content_hash: sha256 of what the version holds, 64 hex digits.
        manifest: facts for its page, plain JSON of at most 256 KiB.
        files: name to blob; names are relative, such as data/part-0.parquet.
        lineage: what made it, plain JSON of at most 256 KiB.
        now: its birth.

    Raises:
        NoSuchItem, BadVersion, VersionTooLarge, TooManyVersions.
    """
    facts = (
        model.checked_hash(content_hash),
        model.checked_facts(manifest, "manifest", size_max=model.MANIFEST_MAX),
        model.checked_files(files),
        model.checked_facts(lineage, "lineage", size_max=model.LINEAGE_MAX),
    )
    # The lock gives each version its own number.
    item = store.item(conn, check_id(item_id, "item"), lock=True)
    if item is None:
        raise NoSuchItem(item_id)
    known = store.version_by_content(conn, item.id, content_hash)
    if known is not None:
        return known
    if item.versions >= model.VERSIONS_MAX:
        raise TooManyVersions(item.name, maximum=model.VERSIONS_MAX)
    return store.insert_version(
        conn, version_id=new_id("ver", now), at=item, number=item.versions + 1, facts=facts, now=now
    )


def get_item(conn: Connection, ref: str, viewer: Viewer, *, kind: str | None = None) -> Item:
    """The item that an id, a version's id, a name or a name@number names for this viewer.

    A name means the viewer's own item first, then the listed one. Raises NoSuchItem, AmbiguousName or BadItem.
    """
    at = model.parse_ref(ref)
    if at.version_id or at.number is not None:
        return get_version(conn, ref, viewer, kind=kind).item
    return _item_at(conn, at, ref, viewer, kind)


def _item_at(conn: Connection, at: Ref, ref: str, viewer: Viewer, kind: str | None) -> Item:
    if kind is not None:
        model.checked_kind(kind)
    if at.item_id:
        item = store.item(conn, at.item_id)
    else:
        named = store.items_named(conn, at.name, kind=kind, viewer=viewer)
        kinds = sorted({found.kind for found in named})
        if len(kinds) > 1:
            raise AmbiguousName(ref, kinds)
        item = named[0] if named else None
    return _seen(item, ref, viewer, kind)


def _seen(item: Item | None, ref: str, viewer: Viewer, kind: str | None) -> Item:
    if item is None or not model.may_see(item, viewer) or kind not in (None, item.kind):
        raise NoSuchItem(ref, kind=kind)
    return item


def get_version(conn: Connection, ref: str, viewer: Viewer, *, kind: str | None = None) -> Version:
    """The version that a reference names for this viewer: `ver_...`, `item_...` (its newest), `name` or `name@3`.

    Raises NoSuchItem, AmbiguousName or BadItem.
    """
    at = model.parse_ref(ref)
    if not at.version_id:
        item = _item_at(conn, at, ref, viewer, kind)
        at = Ref(item_id=item.id, number=item.versions if at.number is None else at.number)
    found = store.version(conn, at)
    if found is None:
        raise NoSuchItem(ref, kind=kind)
    _seen(found.item, ref, viewer, kind)
    return found


def item_to_change(conn: Connection, ref: str, viewer: Viewer, *, kind: str | None = None) -> Item:
    """The item, when the viewer may change it. Raises NotYours for somebody else's listed one, else NoSuchItem."""
    item = get_item(conn, ref, viewer, kind=kind)
    if not model.may_change(item, viewer):
        raise NotYours(item.name)
    return item


def list_items(conn: Connection, kind: str, viewer: Viewer, *, after: str | None = None, limit: int = 50) -> list[Item]:
    """A page of the items that the viewer may see, in order of id; the next page comes after the last one's id."""
    after = after and check_id(after, "item")
    return store.items(conn, model.checked_kind(kind), viewer, after=after, limit=model.checked_page(limit))


def list_newest(
    conn: Connection, kind: str, viewer: Viewer, *, after: str | None = None, limit: int = 50
) -> list[Version]:
    """Like `list_items`, the newest version of each; an item without versions is left out. `after` is an item's id."""
    after = after and check_id(after, "item")
    return store.newest(conn, model.checked_kind(kind), viewer, after=after, limit=model.checked_page(limit))


def list_versions(
    conn: Connection, ref: str, viewer: Viewer, *, kind: str | None = None, after: int = 0, limit: int = 50
) -> list[Version]:
    """A page of an item's versions in order of number; the next page comes after the last one's number."""
    item = get_item(conn, ref, viewer, kind=kind)
    after = min(max(after, 0), model.VERSIONS_MAX)
    return store.versions(conn, item.id, after=after, limit=model.checked_page(limit))


def set_visibility(conn: Connection, ref: str, visibility: str, *, viewer: Viewer) -> Item:
    """List an item for everybody, or take it back. Once listed, its name stays reserved for it.

    Raises NameTaken when another item of its kind is listed under the name, NotYours, NoSuchItem, BadItem.
    """
    item = item_to_change(conn, ref, viewer)
    changed = store.set_visibility(conn, item, model.checked_visibility(visibility))
    if changed is None:
        raise NameTaken(item.kind, item.name)
    return changed


def set_price(conn: Connection, ref: str, price: Ntk, *, viewer: Viewer, kind: str | None = None) -> Item:
    """Change what new purchases cost; what is quoted or bought keeps its price.

    Raises NotYours, NoSuchItem or BadItem.
    """
    item = item_to_change(conn, ref, viewer, kind=kind)
    return store.set_price(conn, item.id, model.checked_price(price))


def hand_over(conn: Connection, ref: str, owner: str, *, viewer: Viewer, kind: str | None = None) -> Item:
    """Give an item with all its versions to another account; what is quoted or bought still pays the old owner.

    Raises NameTaken when the new owner has an item of this kind and name, TooManyItems, NotYours, NoSuchItem, BadItem.
    """
    item = item_to_change(conn, ref, viewer, kind=kind)
    if item.owner == model.checked_owner(owner):
        return item
    if store.count(conn, owner) >= model.ITEMS_MAX:
        raise TooManyItems(maximum=model.ITEMS_MAX)
    changed = store.set_owner(conn, item.id, owner)
    if changed is None:
        raise NameTaken(item.kind, item.name)
    return changed
