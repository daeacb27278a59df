"""Hashes: one spelling for one value, and proofs that only the truth has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neuromation.kernel.hashing import (
    canonical_json,
    hash_json,
    merkle_proof,
    merkle_root,
    merkle_root_of_runs,
    proves,
    sha256_hex,
)

HASH = st.binary(max_size=8).map(sha256_hex)
LEAVES = st.lists(HASH, min_size=1, max_size=40)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


def rfc_6962(leaves: Sequence[str]) -> bytes:
    """The definition of the tree's hash, word for word (RFC 6962 2.1)."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + bytes.fromhex(leaves[0])).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + rfc_6962(leaves[:k]) + rfc_6962(leaves[k:])).digest()


@given(st.lists(HASH, max_size=70))
def test_the_root_is_the_one_of_the_standard(leaves: list[str]) -> None:
    assert merkle_root(leaves) == rfc_6962(leaves).hex()


def test_known_roots_of_the_standard() -> None:
    assert merkle_root([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    # The tree of one empty leaf, from the test data of Certificate Transparency.
    assert merkle_root([""]) == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@given(st.lists(HASH, max_size=70), st.integers(1, 20))
def test_runs_of_any_length_lead_to_the_root_of_all(leaves: list[str], length: int) -> None:
    runs = [leaves[at : at + length] for at in range(0, len(leaves), length)]
    assert merkle_root_of_runs([(run, merkle_root(run)) for run in runs]) == merkle_root(leaves)


@given(st.lists(st.lists(HASH, max_size=9), max_size=9))
def test_runs_of_different_lengths_lead_to_the_root_of_all(runs: list[list[str]]) -> None:
    assert merkle_root_of_runs([(run, merkle_root(run)) for run in runs]) == merkle_root([x for r in runs for x in r])


@given(LEAVES, st.data())
def test_every_leaf_has_a_proof(leaves: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = merkle_proof(leaves, index)
    assert proves(leaves[index], index, proof, merkle_root(leaves), count=len(leaves))
    assert len(proof) == (len(leaves) - 1).bit_length()


@given(LEAVES, HASH, st.data())
def test_no_other_leaf_is_proved(leaves: list[str], other: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    assume(other != leaves[index])
    assert not proves(other, index, merkle_proof(leaves, index), merkle_root(leaves), count=len(leaves))


@given(st.lists(HASH, min_size=2, max_size=40, unique=True), st.data())
def test_a_leaf_is_not_proved_with_the_proof_of_another(leaves: list[str], data: st.DataObject) -> None:
    index, other = data.draw(st.lists(st.integers(0, len(leaves) - 1), min_size=2, max_size=2, unique=True))
    assert not proves(leaves[index], index, merkle_proof(leaves, other), merkle_root(leaves), count=len(leaves))


@given(LEAVES, HASH, st.data())
def test_one_changed_leaf_changes_the_root(leaves: list[str], other: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    assume(other != leaves[index])
    assert merkle_root([*leaves[:index], other, *leaves[index + 1 :]]) != merkle_root(leaves)


@given(LEAVES)
def test_repeating_the_last_leaf_changes_the_root(leaves: list[str]) -> None:
    """The fault of trees that pad with a copy (CVE-2012-2459)."""
    assert merkle_root([*leaves, leaves[-1]]) != merkle_root(leaves)


@given(st.lists(HASH, min_size=2, max_size=20))
def test_a_node_does_not_pass_for_a_leaf(leaves: list[str]) -> None:
    assert merkle_root([merkle_root(leaves)]) != merkle_root(leaves)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_proof_for_a_leaf_that_is_not_there_is_an_error(index: int) -> None:
    with pytest.raises(IndexError):
        merkle_proof([sha256_hex(b"")] * 3, index)


@settings(max_examples=40)
@given(JSON)
def test_canonical_json_reads_back_and_is_a_fixed_point(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value and canonical_json(json.loads(text)) == text


@settings(max_examples=40)
@given(st.dictionaries(TEXT, JSON, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert hash_json({key: value[key] for key in keys}) == hash_json(value)


@settings(max_examples=40)
@given(JSON, JSON)
def test_different_values_are_spelled_differently(a: Any, b: Any) -> None:
    if a != b:
        assert canonical_json(a) != canonical_json(b)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"deep": float("-inf")}], "\ud800"])
def test_what_json_cannot_say_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical_json(value)


def test_a_proof_holds_for_one_place_alone() -> None:
    leaves = [sha256_hex(bytes([i])) for i in range(4)]
    proof = merkle_proof(leaves, 1)
    root = merkle_root(leaves)
    assert not proves(leaves[1], 2, ["", *proof], root, count=4)
    assert not proves(leaves[0], 7, [], merkle_root(leaves[:1]), count=1)
    assert not proves(leaves[1], 1, [*proof, ""], root, count=4)
