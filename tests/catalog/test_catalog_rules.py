"""The pure rules of the catalog: names, references, texts, prices, facts, files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.catalog import model
from neuromation.catalog.errors import BadItem, BadVersion, VersionTooLarge
from neuromation.catalog.model import FileRef, Ref
from neuromation.kernel.money import Ntk

HASH = "ab" * 32
NAME = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
SAFE_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | SAFE_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SAFE_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(NAME, st.none() | st.integers(1, 999_999_999))
def test_a_reference_reads_back_what_it_names(name: str, number: int | None) -> None:
    text = name if number is None else f"{name}@{number}"
    assert model.parse_ref(text) == Ref(name=name, number=number)
    assert model.checked_name(name) == name


def test_ids_are_references() -> None:
    tail = "0" * 26
    assert model.parse_ref(f"ver_{tail}") == Ref(version_id=f"ver_{tail}")
    assert model.parse_ref(f"item_{tail}") == Ref(item_id=f"item_{tail}")


@given(st.text(max_size=120))
def test_any_text_is_a_reference_or_refused_with_a_sentence(text: str) -> None:
    try:
        assert model.parse_ref(text) != Ref()
    except BadItem as error:
        assert error.reason == "bad-ref"


@pytest.mark.parametrize(
    "ref", ["", "@", "a@", "a@0", "a@01", "a@-1", "a@1@2", "A", "a b", "a\n", "a" * 65, "a@" + "9" * 10, "é"]
)
def test_what_is_no_reference_is_refused(ref: str) -> None:
    with pytest.raises(BadItem, match="no reference"):
        model.parse_ref(ref)


@pytest.mark.parametrize("name", ["", "A", "-a", "a/b", "..", "a@1", "a" * 65, "item_" + "0" * 26, "a\0"])
def test_an_absurd_name_is_refused(name: str) -> None:
    with pytest.raises(BadItem, match="no name"):
        model.checked_name(name)


@pytest.mark.parametrize("micro", [-1, model.PRICE_MAX.micro + 1])
def test_an_absurd_price_is_refused(micro: int) -> None:
    with pytest.raises(BadItem, match="a price is 0 to 1000000 NTK"):
        model.checked_price(Ntk(micro))


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "x" * 201, "nul\0", "\ud800"])
def test_an_absurd_title_is_refused(title: str) -> None:
    with pytest.raises(BadItem, match="a title"):
        model.checked_title(title)


@pytest.mark.parametrize("text", ["x" * 10_001, "nul\0", "\ud800", "\x1b[31m"])
def test_an_absurd_description_is_refused(text: str) -> None:
    with pytest.raises(BadItem, match="a description"):
        model.checked_description(text)


def test_unknown_words_are_refused() -> None:
    with pytest.raises(BadItem, match="an item is a"):
        model.checked_kind("recipe")
    with pytest.raises(BadItem, match="choose one of"):
        model.checked_licence("WTFPL-ish")
    with pytest.raises(BadItem, match="private or listed"):
        model.checked_visibility("secret")
    with pytest.raises(BadItem, match="no owner"):
        model.checked_owner("")


@settings(max_examples=40)
@given(st.dictionaries(SAFE_TEXT, JSON, max_size=5))
def test_plain_facts_are_kept_as_they_are(facts: dict[str, Any]) -> None:
    kept = model.checked_facts(facts, "manifest", size_max=10**6)
    assert kept == facts and kept is not facts
    assert json.loads(json.dumps(kept)) == facts


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "nul\0", "\ud800", b"bytes", {1: 2}, {"nul\0": 1}, object(), 10**5000],
    ids=["nan", "infinity", "nul", "half-a-pair", "bytes", "number-as-key", "nul-in-key", "object", "huge-number"],
)
def test_facts_that_json_cannot_hold_are_refused(value: Any) -> None:
    with pytest.raises(BadVersion, match="the manifest"):
        model.checked_facts({"deep": [{"fact": value}]}, "manifest", size_max=1000)


def test_facts_that_are_no_object_are_refused() -> None:
    with pytest.raises(BadVersion, match="an object of facts"):
        model.checked_facts([1], "lineage", size_max=1000)  # type: ignore[arg-type]


def test_facts_nested_too_deep_are_refused() -> None:
    facts: dict[str, Any] = {}
    for _ in range(10_000):
        facts = {"in": facts}
    with pytest.raises(BadVersion, match="deeper than 32"):
        model.checked_facts(facts, "manifest", size_max=10**6)


def test_too_many_facts_are_refused() -> None:
    with pytest.raises(VersionTooLarge, match="at most 100 are kept"):
        model.checked_facts({"fact": "x" * 100}, "manifest", size_max=100)


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../up", "a/../b", "a//b", ".hidden", "a\\b", "a b", "a\0", "x" * 201]
)
def test_a_file_name_that_could_lead_astray_is_refused(name: str) -> None:
    with pytest.raises(BadVersion, match="no file name"):
        model.checked_files({name: FileRef(HASH, 1)})


@pytest.mark.parametrize("file", [FileRef("x", 1), FileRef(HASH, -1), FileRef(HASH, 2**41), FileRef(HASH, 1, "png")])
def test_an_absurd_file_is_refused(file: FileRef) -> None:
    with pytest.raises(BadVersion):
        model.checked_files({"a.png": file})


def test_too_many_files_are_refused() -> None:
    with pytest.raises(VersionTooLarge, match="10,001 files"):
        model.checked_files({f"file-{i}": FileRef(HASH, 1) for i in range(model.FILES_MAX + 1)})
