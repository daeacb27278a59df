"""Draws by weight and from a bell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generators.draws import bell, pick


@given(st.lists(st.floats(0, 10), min_size=1, max_size=6).filter(lambda weights: sum(weights) > 0), st.integers(0, 99))
def test_what_has_no_weight_is_never_picked(weights: list[float], seed: int) -> None:
    place = pick(weights, unit_rng(seed, 0))
    assert 0 <= place < len(weights)
    assert weights[place] > 0


def test_places_are_picked_as_often_as_they_weigh() -> None:
    rng = unit_rng(1, 0)
    counts = np.bincount([pick((1.0, 0.0, 3.0), rng) for _ in range(4000)], minlength=3) / 4000
    assert counts.tolist() == pytest.approx([0.25, 0, 0.75], abs=0.03)


def test_the_bell_has_mean_0_spread_1_and_an_end() -> None:
    rng = unit_rng(2, 0)
    draws = np.array([bell(rng) for _ in range(5000)])
    assert abs(draws.mean()) < 0.05
    assert draws.std() == pytest.approx(1, abs=0.05)
    assert np.abs(draws).max() <= 3
