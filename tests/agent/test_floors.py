"""The automatic floor is the opportunity cost."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.agent.floors import FLOOR_MAX, MICRO_PER_CU, auto_floor
from neuromation.kernel.errors import Invalid
from neuromation.kernel.money import Ntk

amounts = st.integers(0, 10**9).map(Ntk)


@given(amounts, amounts, amounts, st.integers(1, 10**12))
def test_an_hour_at_the_floor_pays_the_better_income_and_the_costs(
    out: Ntk, own: Ntk, costs: Ntk, cu_per_h: int
) -> None:
    floor = auto_floor(outside_option_per_h=out, running_income_per_h=own, costs_per_h=costs, cu_per_h=cu_per_h)
    needed = max(out, own).micro + costs.micro
    assert floor == FLOOR_MAX or Fraction(floor.micro * cu_per_h, MICRO_PER_CU) >= needed
    assert not floor or Fraction((floor.micro - 1) * cu_per_h, MICRO_PER_CU) < needed


def test_a_machine_of_forty_cu_an_hour() -> None:
    floor = auto_floor(
        outside_option_per_h=Ntk.parse("1"),
        running_income_per_h=Ntk.parse("3"),
        costs_per_h=Ntk.parse("0.2"),
        cu_per_h=40 * MICRO_PER_CU,
    )
    assert floor == Ntk.parse("0.08")


@pytest.mark.parametrize(("costs", "speed"), [(Ntk(-1), 1), (Ntk(0), 0)])
def test_nonsense_is_refused(costs: Ntk, speed: int) -> None:
    with pytest.raises(Invalid):
        auto_floor(outside_option_per_h=Ntk(0), running_income_per_h=Ntk(0), costs_per_h=costs, cu_per_h=speed)
