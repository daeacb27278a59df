"""The catalog on a real database: publishing, versions, who sees what."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from neuromation.catalog import model, service
from neuromation.catalog.errors import (
    AmbiguousName,
    BadItem,
    BadVersion,
    LicenceDiffers,
    NameTaken,
    NoSuchItem,
    NotYours,
    TooManyItems,
    TooManyVersions,
)
from neuromation.catalog.model import FileRef, Item, Version, Viewer
from neuromation.kernel.errors import Invalid
from neuromation.kernel.hashing import hash_json
from neuromation.kernel.ids import new_id
from neuromation.kernel.money import Ntk

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA, EVE, OPERATOR, PASSER_BY = Viewer("acc_ada"), Viewer("acc_eve"), Viewer("acc_op", operator=True), Viewer("")
HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)


def an_item(conn: sa.Connection, *, owner: Viewer = ADA, **changes: Any) -> Item:
    values: dict[str, Any] = {
        "kind": "dataset",
        "name": "digits",
        "title": "Digits",
        "licence": "CC-BY-4.0",
        "now": NOW,
    }
    return service.publish(conn, owner=owner.account_id, **(values | changes))


def a_version(conn: sa.Connection, item: Item, content: str = "one", **changes: Any) -> Version:
    digest = hashlib.sha256(content.encode()).hexdigest()
    values: dict[str, Any] = {
        "content_hash": digest,
        "manifest": {"units": 10},
        "files": {"shard-0.parquet": FileRef(digest, 3, "application/vnd.apache.parquet")},
        "lineage": {"seed": 1},
        "now": NOW,
    }
    return service.add_version(conn, item.id, **(values | changes))


@HERE
@given(
    kind=st.sampled_from(model.KINDS),
    licence=st.sampled_from(sorted(model.LICENCES)),
    price=st.integers(0, model.PRICE_MAX.micro).map(Ntk),
    visibility=st.sampled_from(model.VISIBILITIES),
)
def test_publishing_twice_is_publishing_once(
    conn: sa.Connection, kind: str, licence: str, price: Ntk, visibility: str
) -> None:
    with conn.begin_nested() as savepoint:
        facts: dict[str, Any] = {"kind": kind, "licence": licence, "price": price, "visibility": visibility}
        item = an_item(conn, **facts)
        assert an_item(conn, **facts) == an_item(conn, **facts | {"title": "Another"}) == item
        assert (item.kind, item.licence, item.price, item.visibility) == (kind, licence, price, visibility)
        assert service.get_item(conn, item.id, ADA) == service.get_item(conn, "digits", ADA) == item
        savepoint.rollback()


@HERE
@given(contents=st.lists(st.sampled_from("abcdef"), max_size=12))
def test_versions_number_distinct_contents_in_order_of_arrival(conn: sa.Connection, contents: list[str]) -> None:
    with conn.begin_nested() as savepoint:
        item = an_item(conn)
        made = [a_version(conn, item, content) for content in contents]
        order = list(dict.fromkeys(contents))
        assert [version.number for version in made] == [order.index(content) + 1 for content in contents]
        listed = service.list_versions(conn, item.id, ADA)
        assert [version.number for version in listed] == list(range(1, len(order) + 1))
        assert {version.id for version in listed} == {version.id for version in made}
        savepoint.rollback()


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT


@HERE
@given(
    facts=st.dictionaries(TEXT, LEAF | st.lists(LEAF, max_size=3) | st.dictionaries(TEXT, LEAF, max_size=3), max_size=5)
)
def test_facts_come_back_from_the_database_as_they_went(conn: sa.Connection, facts: dict[str, Any]) -> None:
    with conn.begin_nested() as savepoint:
        version = a_version(conn, an_item(conn), manifest=facts, lineage=facts)
        assert version.manifest == version.lineage == facts
        assert hash_json(version.manifest) == hash_json(facts)
        savepoint.rollback()


def test_every_kind_of_reference_finds_its_version(conn: sa.Connection) -> None:
    item = an_item(conn)
    first, second = a_version(conn, item, "one"), a_version(conn, item, "two")
    found = {
        ref: service.get_version(conn, ref, ADA).id for ref in ("digits", "digits@1", "digits@2", item.id, first.id)
    }
    assert found == {
        "digits": second.id,
        "digits@1": first.id,
        "digits@2": second.id,
        item.id: second.id,
        first.id: first.id,
    }
    assert service.get_item(conn, "digits@1", ADA).id == service.get_item(conn, first.id, ADA).id == item.id


def test_a_version_that_is_not_there_is_not_found(conn: sa.Connection) -> None:
    item = an_item(conn)
    for ref in ("digits", "digits@1", item.id, new_id("ver", NOW), new_id("item", NOW), "nothing"):
        with pytest.raises(NoSuchItem):
            service.get_version(conn, ref, ADA)


def test_a_private_thing_does_not_exist_for_strangers(conn: sa.Connection) -> None:
    item = an_item(conn)
    version = a_version(conn, item)
    for viewer in (EVE, PASSER_BY):
        for ref in ("digits", "digits@1", item.id, version.id):
            with pytest.raises(NoSuchItem) as caught:
                service.get_version(conn, ref, viewer)
            assert str(caught.value) == str(NoSuchItem(ref))
        with pytest.raises(NoSuchItem):
            service.get_item(conn, item.id, viewer)
        with pytest.raises(NoSuchItem):
            service.list_versions(conn, item.id, viewer)
        assert not service.list_items(conn, "dataset", viewer)
        assert not service.list_newest(conn, "dataset", viewer)


def test_an_operator_sees_everything(conn: sa.Connection) -> None:
    version = a_version(conn, an_item(conn))
    assert service.get_version(conn, version.id, OPERATOR) == version
    assert service.list_newest(conn, "dataset", OPERATOR) == [version]


@HERE
@given(shelf=st.lists(st.tuples(st.sampled_from([ADA, EVE]), st.sampled_from(model.VISIBILITIES)), max_size=8))
def test_pages_show_each_visible_item_once(conn: sa.Connection, shelf: list[tuple[Viewer, str]]) -> None:
    with conn.begin_nested() as savepoint:
        for i, (owner, visibility) in enumerate(shelf):
            a_version(conn, an_item(conn, owner=owner, name=f"item-{i}", visibility=visibility))
        for viewer in (ADA, EVE, OPERATOR, PASSER_BY):
            names: list[str] = []
            after = None
            while page := service.list_items(conn, "dataset", viewer, after=after, limit=3):
                names += [item.name for item in page]
                after = page[-1].id
            visible = {f"item-{i}" for i, (o, v) in enumerate(shelf) if v == "listed" or viewer in (o, OPERATOR)}
            assert len(names) == len(set(names)) and set(names) == visible
            assert {version.item.name for version in service.list_newest(conn, "dataset", viewer)} == visible
        savepoint.rollback()


def test_the_newest_version_stands_for_its_item_and_an_empty_item_for_nothing(conn: sa.Connection) -> None:
    item = an_item(conn)
    an_item(conn, name="empty")
    a_version(conn, item, "one")
    second = a_version(conn, item, "two")
    assert service.list_newest(conn, "dataset", ADA) == [second]


def test_pages_of_versions_show_each_once(conn: sa.Connection) -> None:
    item = an_item(conn)
    for i in range(5):
        a_version(conn, item, str(i))
    first = service.list_versions(conn, "digits", ADA, limit=3)
    rest = service.list_versions(conn, "digits", ADA, after=first[-1].number)
    assert [version.number for version in first + rest] == [1, 2, 3, 4, 5]


def test_ones_own_name_comes_before_the_listed_one(conn: sa.Connection) -> None:
    listed = an_item(conn, owner=EVE, visibility="listed")
    assert service.get_item(conn, "digits", ADA) == listed
    mine = an_item(conn)
    assert service.get_item(conn, "digits", ADA) == mine
    assert service.get_item(conn, "digits", PASSER_BY) == listed


def test_a_name_of_two_kinds_needs_the_kind(conn: sa.Connection) -> None:
    dataset, model_item = an_item(conn), an_item(conn, kind="model")
    with pytest.raises(AmbiguousName, match="a dataset and a model"):
        service.get_item(conn, "digits", ADA)
    assert service.get_item(conn, "digits", ADA, kind="dataset") == dataset
    assert service.get_item(conn, "digits", ADA, kind="model") == model_item
    with pytest.raises(NoSuchItem):
        service.get_item(conn, dataset.id, ADA, kind="model")
    with pytest.raises(BadItem):
        service.get_item(conn, "digits", ADA, kind="recipe")


def test_one_listed_item_has_a_name(conn: sa.Connection) -> None:
    an_item(conn, owner=EVE, visibility="listed")
    with pytest.raises(NameTaken):
        an_item(conn, visibility="listed")
    mine = an_item(conn)
    with pytest.raises(NameTaken, match="another name"):
        service.set_visibility(conn, mine.id, "listed", viewer=ADA)
    assert service.get_item(conn, mine.id, ADA).visibility == "private"


def test_a_name_once_listed_stays_reserved_when_the_item_is_taken_back(conn: sa.Connection) -> None:
    theirs, mine = an_item(conn, owner=EVE, visibility="listed"), an_item(conn)
    service.set_visibility(conn, theirs.id, "private", viewer=EVE)
    with pytest.raises(NoSuchItem):
        service.get_item(conn, "digits", PASSER_BY)
    with pytest.raises(NameTaken):
        service.set_visibility(conn, mine.id, "listed", viewer=ADA)
    assert service.set_visibility(conn, theirs.id, "listed", viewer=EVE).visibility == "listed"


def test_listing_shows_an_item_to_everybody_and_private_hides_it(conn: sa.Connection) -> None:
    item = an_item(conn)
    assert service.set_visibility(conn, "digits", "listed", viewer=ADA).visibility == "listed"
    assert service.get_item(conn, "digits", PASSER_BY).id == item.id
    service.set_visibility(conn, "digits", "private", viewer=ADA)
    with pytest.raises(NoSuchItem):
        service.get_item(conn, "digits", EVE)


def test_the_price_is_the_owners_and_the_operators_to_change(conn: sa.Connection) -> None:
    item = an_item(conn, visibility="listed")
    assert service.set_price(conn, item.id, Ntk(7), viewer=ADA).price == Ntk(7)
    assert service.set_price(conn, item.id, Ntk(8), viewer=OPERATOR).price == Ntk(8)


def test_an_item_that_is_handed_over_is_the_new_owners_to_change(conn: sa.Connection) -> None:
    item = an_item(conn, visibility="listed")
    version = a_version(conn, item)
    assert service.hand_over(conn, item.id, EVE.account_id, viewer=ADA).owner == EVE.account_id
    assert service.hand_over(conn, item.id, EVE.account_id, viewer=EVE).owner == EVE.account_id
    assert service.set_price(conn, "digits", Ntk(7), viewer=EVE, kind="dataset").price == Ntk(7)
    with pytest.raises(NotYours):
        service.set_price(conn, item.id, Ntk(0), viewer=ADA)
    assert service.get_version(conn, "digits@1", PASSER_BY).id == version.id


def test_an_item_is_not_handed_to_somebody_who_has_one_of_its_name(conn: sa.Connection) -> None:
    mine, _ = an_item(conn), an_item(conn, owner=EVE)
    with pytest.raises(NameTaken):
        service.hand_over(conn, mine.id, EVE.account_id, viewer=ADA)
    assert service.get_item(conn, mine.id, ADA) == mine


def test_nobody_changes_what_is_anothers(conn: sa.Connection) -> None:
    listed, private = an_item(conn, visibility="listed"), an_item(conn, name="secret")
    for item, error in ((listed, NotYours), (private, NoSuchItem)):
        with pytest.raises(error):
            service.set_price(conn, item.id, Ntk(0), viewer=EVE)
        with pytest.raises(error):
            service.set_visibility(conn, item.id, "listed", viewer=EVE)
        with pytest.raises(error):
            service.item_to_change(conn, item.id, PASSER_BY)


def test_a_licence_does_not_change_under_its_users(conn: sa.Connection) -> None:
    an_item(conn)
    with pytest.raises(LicenceDiffers, match=r"CC-BY-4\.0"):
        an_item(conn, licence="proprietary")


@pytest.mark.parametrize("verb", ["update catalog_version set number = 2", "delete from catalog_version"])
def test_the_database_itself_keeps_versions_as_they_are(conn: sa.Connection, verb: str) -> None:
    a_version(conn, an_item(conn))
    with pytest.raises(DBAPIError, match="a version never changes"):
        conn.execute(sa.text(verb))


def test_a_version_of_nothing_is_refused(conn: sa.Connection) -> None:
    with pytest.raises(NoSuchItem):
        service.add_version(
            conn, new_id("item", NOW), content_hash="0" * 64, manifest={}, files={}, lineage={}, now=NOW
        )
    with pytest.raises(Invalid):
        service.add_version(conn, "digits", content_hash="0" * 64, manifest={}, files={}, lineage={}, now=NOW)


def test_a_broken_version_is_refused(conn: sa.Connection) -> None:
    item = an_item(conn)
    with pytest.raises(BadVersion, match="no sha256"):
        a_version(conn, item, content_hash="ABC")
    with pytest.raises(BadVersion, match="the lineage"):
        a_version(conn, item, lineage={"at": NOW})
    assert service.list_versions(conn, item.id, ADA) == []


def test_there_is_a_most_of_items_and_versions(conn: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "ITEMS_MAX", 1)
    monkeypatch.setattr(model, "VERSIONS_MAX", 1)
    item = an_item(conn)
    first = a_version(conn, item)
    with pytest.raises(TooManyItems):
        an_item(conn, name="more")
    with pytest.raises(TooManyVersions):
        a_version(conn, item, "more")
    assert an_item(conn).id == item.id and a_version(conn, item).id == first.id


@pytest.mark.parametrize("limit", [0, 201])
def test_an_absurd_page_is_refused(conn: sa.Connection, limit: int) -> None:
    an_item(conn)
    for ask in (service.list_items, service.list_newest):
        with pytest.raises(BadItem, match="a page"):
            ask(conn, "dataset", ADA, limit=limit)
    with pytest.raises(BadItem, match="a page"):
        service.list_versions(conn, "digits", ADA, limit=limit)
    with pytest.raises(Invalid):
        service.list_items(conn, "dataset", ADA, after="\0")


def test_publishing_and_adding_at_once_gives_one_item_and_distinct_numbers(engine: sa.Engine) -> None:
    def add(i: int) -> tuple[str, int]:
        with engine.begin() as conn:
            item = an_item(conn)
            return item.id, a_version(conn, item, str(i % 4)).number

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(add, range(8)))
    assert len({item for item, _ in made}) == 1
    assert sorted({number for _, number in made}) == [1, 2, 3, 4]


def test_of_many_who_list_one_name_at_once_one_gets_it(engine: sa.Engine) -> None:
    def publish(i: int) -> bool:
        try:
            with engine.begin() as conn:
                item = an_item(conn, owner=Viewer(f"acc_{i}"), visibility="private" if i % 2 else "listed")
                service.set_visibility(conn, item.id, "listed", viewer=OPERATOR)
        except NameTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(publish, range(8))) == 1
