"""Money: exact, closed, and divided without loss."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.kernel.money import AMOUNT_MAX_MICRO, ZERO, NotMoney, Ntk, total

MICRO = st.integers(-AMOUNT_MAX_MICRO, AMOUNT_MAX_MICRO)
AMOUNT = MICRO.map(Ntk)
SMALL = st.integers(-(10**9), 10**9).map(Ntk)
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any)


@given(AMOUNT)
def test_reading_undoes_writing(amount: Ntk) -> None:
    assert Ntk.parse(str(amount)) == amount
    assert Ntk.parse(f" {amount} ") == amount


@given(AMOUNT)
def test_an_amount_is_written_as_its_exact_value_in_the_fewest_digits(amount: Ntk) -> None:
    text = str(amount)
    assert Fraction(text) == Fraction(amount.micro, 10**6)
    assert "e" not in text.lower() and not ("." in text and text[-1] in "0.")


@given(st.text(max_size=30))
def test_any_text_is_an_amount_or_no_money(text: str) -> None:
    try:
        amount = Ntk.parse(text)
    except NotMoney:
        return
    assert Fraction(text.strip()) == Fraction(amount.micro, 10**6)


@pytest.mark.parametrize(
    "text", ["", "-", ".5", "5.", "1e3", "0x10", "1_000", "1,5", "+1", "nan", "inf", "1.0000001", "٣", "1 2"]
)
def test_what_is_no_decimal_is_no_money(text: str) -> None:
    with pytest.raises(NotMoney, match="no amount of NTK"):
        Ntk.parse(text)


@pytest.mark.parametrize("micro", [1.0, "1", None, True, AMOUNT_MAX_MICRO + 1, -AMOUNT_MAX_MICRO - 1])
def test_what_is_no_whole_number_within_the_supply_is_no_money(micro: object) -> None:
    with pytest.raises(NotMoney):
        Ntk(micro)  # type: ignore[arg-type]


@given(AMOUNT, WEIGHTS)
def test_a_split_loses_nothing_and_no_part_is_off_by_one_micro(amount: Ntk, weights: list[int]) -> None:
    parts = amount.split(weights)
    assert len(parts) == len(weights) and total(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.micro - Fraction(amount.micro * weight, sum(weights))) < 1
        assert weight or not part


@given(AMOUNT, WEIGHTS, st.integers(2, 1000))
def test_only_the_proportions_of_weights_count(amount: Ntk, weights: list[int], factor: int) -> None:
    assert amount.split(weights) == amount.split([weight * factor for weight in weights])


@given(AMOUNT, WEIGHTS)
def test_a_debt_splits_like_the_credit(amount: Ntk, weights: list[int]) -> None:
    assert (-amount).split(weights) == [-part for part in amount.split(weights)]


@given(AMOUNT, st.integers(1, 50))
def test_equal_weights_differ_by_one_micro_at_most_and_the_earlier_get_more(amount: Ntk, count: int) -> None:
    parts = [abs(part.micro) for part in amount.split([1] * count)]
    assert max(parts) - min(parts) <= 1 and parts == sorted(parts, reverse=True)


@given(AMOUNT, WEIGHTS)
def test_a_heavier_weight_never_gets_less(amount: Ntk, weights: list[int]) -> None:
    amount = Ntk(abs(amount.micro))
    by_weight = sorted(zip(weights, amount.split(weights), strict=True), key=lambda pair: (pair[0], pair[1].micro))
    assert [part for _, part in by_weight] == sorted(part for _, part in by_weight)


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [-1], [5, -1]])
def test_weights_that_cannot_share_are_refused(weights: list[int]) -> None:
    with pytest.raises(NotMoney, match="weights"):
        Ntk(10).split(weights)


@given(AMOUNT, st.integers(0, 10_000))
def test_a_share_and_the_rest_make_the_whole_and_the_share_is_the_nearest(amount: Ntk, basis_points: int) -> None:
    share = amount.share(basis_points)
    rest = amount.share(10_000 - basis_points)
    exact = Fraction(amount.micro * basis_points, 10_000)
    assert abs(share.micro - exact) <= Fraction(1, 2)
    assert abs((share + rest).micro - amount.micro) <= 1


@pytest.mark.parametrize("basis_points", [-1, 10_001])
def test_a_share_beyond_the_whole_is_refused(basis_points: int) -> None:
    with pytest.raises(NotMoney):
        Ntk(10).share(basis_points)


@given(SMALL, SMALL, SMALL)
def test_sums_do_not_care_for_order_and_differences_undo_them(a: Ntk, b: Ntk, c: Ntk) -> None:
    assert a + b + c == c + (b + a) == total([a, b, c])
    assert a + b - b == a and a - a == ZERO == -ZERO
    assert (a < b) == (a.micro < b.micro) and (a <= b) == (not b < a) and bool(a) == (a != ZERO)


@given(SMALL, st.integers(0, 1000))
def test_times_is_repeated_addition(amount: Ntk, count: int) -> None:
    assert amount * count == count * amount == total([amount] * count)


def test_an_amount_over_the_supply_cannot_come_out_of_arithmetic() -> None:
    with pytest.raises(NotMoney, match="whole supply"):
        Ntk(AMOUNT_MAX_MICRO) + Ntk(1)
    with pytest.raises(NotMoney, match="whole supply"):
        Ntk.parse("100000000.000001")


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_no_float_touches_money(factor: float) -> None:
    with pytest.raises(NotMoney):
        Ntk(10) * factor  # type: ignore[operator]


def test_the_total_of_nothing_is_nothing() -> None:
    assert total([]) == ZERO
