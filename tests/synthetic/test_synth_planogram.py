"""Planograms: what stands on a shelf comes from its plan, gaps are empty, and nothing stands where it does not fit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.products.assortment import lookalike
from neuromation.synthetic.products.builtin import built_in_catalogue
from neuromation.synthetic.products.choosing import choose
from neuromation.synthetic.products.planogram import Disorder, Layout, Listed, Shelf, plan_shelf, stock_shelf

ROUNDING = 1e-9


def a_shelf(seed: int, *, facings: int = 60, rows: int = 3, kinds: int = 12, disorder: Disorder | None = None) -> Shelf:
    catalogue = built_in_catalogue()
    numbers = choose(catalogue.keys[:400], seed=seed, unit=0, count=kinds)
    assortment = [Listed(number, catalogue.product(number)) for number in numbers]
    plan = plan_shelf(assortment, Layout(rows=rows, facings=facings), unit_rng(seed, 0, "plan"))
    others = [lookalike(listed, which) for which, listed in enumerate(assortment[:4])]
    wild = Disorder(gap=0.15, pushed_back=0.2, turned=0.1, leaning=0.1, misplaced=0.1, null=0.1)
    return stock_shelf(plan, disorder or wild, others=others, rng=unit_rng(seed, 0, "stock"))


shelves = st.builds(
    a_shelf, st.integers(0, 2**40), facings=st.integers(4, 200), rows=st.integers(1, 8), kinds=st.integers(1, 40)
)


@given(shelves)
@settings(max_examples=60, deadline=None)
def test_every_package_stands_in_a_planned_slot_or_is_marked_misplaced(shelf: Shelf) -> None:
    slots = {(slot.row, slot.slot): slot for slot in shelf.plan.slots}
    for placed in shelf.placed:
        slot = slots[placed.slot.row, placed.slot.slot]
        assert 0 <= placed.facing < slot.facings and 0 <= placed.depth < slot.depth and 0 <= placed.layer < slot.layers
        assert placed.is_misplaced == (placed.listed.number != slot.listed.number)


@given(shelves)
@settings(max_examples=60, deadline=None)
def test_nothing_stands_in_a_gap_and_every_planned_facing_is_filled_or_a_gap(shelf: Shelf) -> None:
    gaps = {(gap.slot.row, gap.slot.slot, gap.facing) for gap in shelf.gaps}
    filled = {(placed.slot.row, placed.slot.slot, placed.facing) for placed in shelf.placed}
    planned = {(slot.row, slot.slot, facing) for slot in shelf.plan.slots for facing in range(slot.facings)}
    assert gaps.isdisjoint(filled) and gaps | filled == planned and len(gaps) == len(shelf.gaps)


@given(shelves)
@settings(max_examples=60, deadline=None)
def test_slots_lie_beside_each_other_and_packages_on_their_board(shelf: Shelf) -> None:
    for row in shelf.plan.rows:
        right = 0.0
        for slot in row.slots:
            assert slot.x_m >= right - ROUNDING and slot.pitch_m > slot.listed.product.size_m[0]
            right = slot.x_m + slot.facings * slot.pitch_m
        assert right <= shelf.plan.width_m + ROUNDING
    for placed in shelf.placed:
        row = shelf.plan.rows[placed.slot.row]
        assert placed.z_m >= row.z_m - ROUNDING
        assert placed.z_m + placed.listed.product.size_m[2] <= row.z_m + row.clear_m + ROUNDING


@given(shelves)
@settings(max_examples=60, deadline=None)
def test_neighbours_do_not_reach_into_each_other_s_places(shelf: Shelf) -> None:
    for placed in shelf.placed:
        half = 0.5 * placed.listed.product.size_m[0]
        left = placed.slot.x_m + placed.facing * placed.slot.pitch_m
        assert left - ROUNDING <= placed.x_m - half and placed.x_m + half <= left + placed.slot.pitch_m + ROUNDING
        assert placed.y_m - 0.5 * placed.listed.product.size_m[1] >= 0.0


@given(st.integers(0, 2**40), st.integers(60, 300))
@settings(max_examples=30, deadline=None)
def test_about_as_many_facings_are_planned_as_were_asked_for(seed: int, facings: int) -> None:
    plan = a_shelf(seed, facings=facings, rows=5, kinds=24).plan
    fronts = sum(slot.facings * slot.layers for slot in plan.slots)
    assert 0.7 * facings <= fronts <= 1.35 * facings + 8  # one in a hundred has over 1.15


def test_a_tidy_shelf_has_every_package_in_its_place_and_straight() -> None:
    tidy = Disorder(gap=0, pushed_back=0, turned=0, leaning=0, misplaced=0, null=0, jitter=0)
    shelf = a_shelf(3, disorder=tidy)
    assert not shelf.gaps and not any(placed.is_misplaced or placed.lean_turns for placed in shelf.placed)


def test_an_empty_shelf_is_all_gaps() -> None:
    shelf = a_shelf(3, disorder=Disorder(gap=1.0))
    assert not shelf.placed and len(shelf.gaps) == sum(slot.facings for slot in shelf.plan.slots)


def test_the_first_product_of_an_assortment_always_has_a_place() -> None:
    catalogue = built_in_catalogue()
    for seed in range(20):
        assortment = [Listed(number, catalogue.product(number)) for number in range(seed, seed + 30)]
        plan = plan_shelf(assortment, Layout(rows=3, facings=12), unit_rng(seed, 0))
        assert any(slot.listed.number == seed for slot in plan.slots)


def test_look_alikes_have_the_form_and_the_size_of_a_product_and_no_number_of_the_catalogue() -> None:
    product = Listed(7, built_in_catalogue().product(7))
    twin = lookalike(product, 3)
    assert twin.is_null and twin.number >= 1_000_000 and twin.product.sku != product.product.sku
    assert (twin.product.form, twin.product.size_m) == (product.product.form, product.product.size_m)


def test_leaning_packages_tip_over_into_the_gap_beside_them() -> None:
    shelves_ = [a_shelf(seed, disorder=Disorder(gap=0.3, leaning=0.12)) for seed in range(12)]
    leaning = [(shelf, placed) for shelf in shelves_ for placed in shelf.placed if placed.lean_turns]
    assert leaning
    for shelf, placed in leaning:
        gaps = {(gap.slot.row, gap.slot.slot, gap.facing) for gap in shelf.gaps}
        assert (placed.slot.row, placed.slot.slot, placed.facing + 1) in gaps
