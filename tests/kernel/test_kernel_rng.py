"""Randomness: repeatable for each unit, independent between units, seeds and streams."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from neuromation.kernel.rng import SEED_MAX, unit_rng

SEED = st.integers(0, SEED_MAX)
UNIT = st.integers(0, 10**9)
STREAM = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


def draws(seed: int, unit: int, stream: str = "", count: int = 16) -> NDArray[np.int64]:
    return unit_rng(seed, unit, stream).integers(0, 2**62, count)


@given(SEED, UNIT, STREAM)
def test_a_unit_draws_the_same_every_time(seed: int, unit: int, stream: str) -> None:
    assert (draws(seed, unit, stream) == draws(seed, unit, stream)).all()


@given(st.lists(st.tuples(SEED, UNIT, st.sampled_from(["", "noise", "labels"])), min_size=2, max_size=6, unique=True))
def test_another_seed_unit_or_stream_draws_otherwise(keys: list[tuple[int, int, str]]) -> None:
    assert len({draws(*key).tobytes() for key in keys}) == len(keys)


@given(SEED, st.lists(st.integers(0, 50), min_size=1, max_size=10, unique=True), st.randoms())
def test_the_order_in_which_units_are_made_does_not_matter(seed: int, units: list[int], random: object) -> None:
    shuffled = list(units)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    made = {unit: draws(seed, unit).tobytes() for unit in shuffled}
    assert all(made[unit] == draws(seed, unit).tobytes() for unit in units)


def test_another_process_draws_the_same() -> None:
    script = "from neuromation.kernel.rng import unit_rng; print(*unit_rng(7, 3, 'noise').integers(0, 2**62, 16))"
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60).stdout
    assert [int(word) for word in out.split()] == draws(7, 3, "noise").tolist()


def test_the_draws_of_one_known_unit_never_change() -> None:
    """Published data sets are verified by regenerating them: these numbers may not change, ever."""
    assert unit_rng(1, 2, "labels").integers(0, 2**32, 4).tolist() == [1047431012, 4173115268, 2480772143, 1827520999]


def test_first_draws_across_units_are_uniform() -> None:
    first = np.array([unit_rng(5, unit).random() for unit in range(4000)])
    counts, _ = np.histogram(first, bins=20, range=(0, 1))
    chi_squared = float(((counts - 200) ** 2 / 200).sum())
    assert chi_squared < 43.8  # the 99.9 % point with 19 degrees of freedom; the seed is fixed, so this never flickers


def test_neighbours_are_not_correlated() -> None:
    rows = np.array([unit_rng(5, unit).random(500) for unit in range(60)])
    correlations = np.corrcoef(rows)[np.triu_indices(60, k=1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(500)
    assert abs(correlations.mean()) < 0.005


@pytest.mark.parametrize(("seed", "unit"), [(-1, 0), (SEED_MAX + 1, 0), (0, -1)])
def test_an_absurd_seed_or_unit_is_an_error(seed: int, unit: int) -> None:
    with pytest.raises(ValueError, match="seed must be"):
        unit_rng(seed, unit)
