"""Weights survive their bytes, strangers' bytes are checked, and hashes mean equal work."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neuromation.learning.errors import BadWeights, WeightsTooLarge
from neuromation.learning.weights import (
    HEADER_MAX,
    Weights,
    relative_distance,
    weights_from_bytes,
    weights_hash,
    weights_to_bytes,
)

FLOATS = st.floats(-1e6, 1e6, width=32)
ARRAYS = hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=5), elements=FLOATS)
SETS = st.dictionaries(st.text("abc.", min_size=1, max_size=6), ARRAYS, min_size=1, max_size=4)


@given(SETS)
def test_reading_undoes_writing(weights: Weights) -> None:
    read = weights_from_bytes(weights_to_bytes(weights), weights)
    assert list(read) == sorted(weights)
    assert all(np.array_equal(read[name], weights[name]) for name in weights)


@given(SETS)
def test_the_order_of_names_does_not_change_the_hash(weights: Weights) -> None:
    assert weights_hash(weights) == weights_hash(dict(reversed(list(weights.items()))))


@given(ARRAYS)
def test_the_sign_of_zero_does_not_change_the_hash(array: np.ndarray) -> None:
    positive = np.where(array == 0, np.float32(0.0), array)
    negative = np.where(array == 0, np.float32(-0.0), array)
    assert weights_hash({"a": positive}) == weights_hash({"a": negative})


@given(st.floats(0.125, 1024, width=32), st.sampled_from([-1, 1]))
def test_a_change_over_the_grid_changes_the_hash(value: float, sign: int) -> None:
    ones = np.array([sign * value], np.float32)
    assert weights_hash({"a": ones}) != weights_hash({"a": ones * np.float32(1 + 2**-14)})


def test_a_change_far_below_the_grid_keeps_the_hash() -> None:
    ones = np.ones(100, np.float32)
    assert weights_hash({"a": ones}) == weights_hash({"a": ones * np.float32(1 + 2**-20)})


def test_other_shapes_have_another_hash() -> None:
    assert weights_hash({"a": np.zeros((2, 3), np.float32)}) != weights_hash({"a": np.zeros((3, 2), np.float32)})


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadWeights):
        weights_from_bytes(data, {"a": np.zeros(4, np.float32)})


@given(st.data())
def test_a_damaged_file_is_refused_or_still_well_formed(data: st.DataObject) -> None:
    reference = {"a": np.ones((3, 3), np.float32), "b": np.ones(3, np.float32)}
    good = weights_to_bytes(reference)
    at = data.draw(st.integers(0, len(good) - 1))
    damaged = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    try:
        read = weights_from_bytes(damaged, reference)
    except BadWeights:
        return
    assert {name: array.shape for name, array in read.items()} == {name: a.shape for name, a in reference.items()}
    assert all(np.all(np.isfinite(array)) for array in read.values())


def test_a_truncated_file_is_refused() -> None:
    reference = {"a": np.ones((3, 3), np.float32)}
    with pytest.raises(BadWeights, match="safetensors"):
        weights_from_bytes(weights_to_bytes(reference)[:-1], reference)


def test_a_file_over_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(WeightsTooLarge):
        weights_from_bytes(b"\x00" * (HEADER_MAX + 17), {"a": np.zeros(4, np.float32)})


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"b": np.zeros(4, np.float32)}, "name the tensors"),
        ({"a": np.zeros(5, np.float32)}, "needs float32"),
        ({"a": np.array([0, np.nan, 0, 0], np.float32)}, "not finite"),
        ({"a": np.array([0, np.inf, 0, 0], np.float32)}, "not finite"),
        ({"a": np.array([0, 2e6, 0, 0], np.float32)}, "over"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(found: Weights, words: str) -> None:
    with pytest.raises(BadWeights, match=words):
        weights_from_bytes(weights_to_bytes(found), {"a": np.zeros(4, np.float32)})


def test_tensors_of_another_type_are_refused() -> None:
    from safetensors.numpy import save

    with pytest.raises(BadWeights, match="float64"):
        weights_from_bytes(save({"a": np.zeros(4)}), {"a": np.zeros(4, np.float32)})


def test_a_start_sent_back_unchanged_is_one_step_away_from_the_replay() -> None:
    start, end = {"a": np.zeros(4, np.float32)}, {"a": np.ones(4, np.float32)}
    assert relative_distance(end, end, start=start) == 0.0
    assert relative_distance(start, end, start=start) == 1.0
    assert relative_distance(end, start, start=start) == float("inf")
