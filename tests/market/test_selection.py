"""The cheapest pool: exact, proven, the same for any order of offers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from market_builders import brute_force, problems

from neuromation.market.selection import (
    Offer,
    Problem,
    cheapest_first,
    highs,
    lower_bound,
    open_then_fill,
    select,
    settle_ties,
)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_feasible_means_that_some_choice_keeps_every_limit(problem: Problem) -> None:
    assert problem.is_feasible == (brute_force(problem) is not None)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_a_selection_keeps_every_limit_and_costs_the_brute_force_optimum(problem: Problem) -> None:
    assume(problem.is_feasible)
    selection = select(problem)
    assert problem.allows(selection.shares)
    assert selection.cost == problem.cost(selection.shares) == brute_force(problem)
    assert selection.is_proven
    assert selection.gap == 0


@settings(max_examples=100, deadline=None)
@given(problems())
def test_the_lower_bound_is_the_optimum(problem: Problem) -> None:
    assume(problem.is_feasible)
    assert lower_bound(problem) == brute_force(problem)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_the_solver_alone_finds_the_optimum(problem: Problem) -> None:
    assume(problem.is_feasible)
    shares = highs(problem)
    assert shares is not None
    assert problem.allows(shares)
    assert problem.cost(shares) == brute_force(problem)


@settings(max_examples=100, deadline=None)
@given(problems(nodes_max=7), st.integers(0, 10**12))
def test_prices_far_apart_are_still_solved_exactly(problem: Problem, step: int) -> None:
    assume(problem.is_feasible)
    offers = tuple(replace(o, price=o.price * step + o.price) for o in problem.offers)
    wide = replace(problem, offers=offers)
    assert select(wide).is_proven


@settings(max_examples=100, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_offers_is_irrelevant(problem: Problem, random: object) -> None:
    assume(problem.is_feasible)
    shuffled = list(problem.offers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert select(replace(problem, offers=tuple(shuffled))) == select(problem)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_the_greedy_fallback_keeps_every_limit(problem: Problem) -> None:
    assume(problem.is_feasible)
    assert problem.allows(open_then_fill(problem))


@settings(max_examples=100, deadline=None)
@given(problems())
def test_settling_ties_keeps_cost_and_limits_and_is_done_after_once(problem: Problem) -> None:
    assume(problem.is_feasible)
    before = open_then_fill(problem)
    after = settle_ties(problem, before)
    assert problem.allows(after)
    assert problem.cost(after) == problem.cost(before)


@settings(max_examples=100, deadline=None)
@given(problems(), st.data())
def test_a_lower_price_never_loses_tasks(problem: Problem, data: st.DataObject) -> None:
    assume(problem.is_feasible)
    name = data.draw(st.sampled_from([o.node_id for o in problem.offers]))

    def tasks_at(price: int) -> int:
        offers = tuple(replace(o, price=price) if o.node_id == name else o for o in problem.offers)
        changed = replace(problem, offers=offers)
        return dict(zip([o.node_id for o in changed.offers], select(changed).shares, strict=True))[name]

    got = [tasks_at(2 * price + 1) for price in range(5)]  # the others' prices may tie; monotone all the same
    assert got == sorted(got, reverse=True)


def test_ties_of_price_go_to_reputation_then_to_the_node_id() -> None:
    offers = (Offer("c", "c", 5, 1, 1.0), Offer("a", "a", 5, 1, 1.0), Offer("z", "z", 5, 1, 2.0))
    problem = Problem(tasks=2, offers=offers, owner_max=2)
    winners = [o.node_id for o, x in zip(problem.offers, select(problem).shares, strict=True) if x]
    assert winners == ["z", "a"]


def test_ties_are_settled_also_where_the_pool_size_binds() -> None:
    offers = tuple(Offer(n, n, 5, 4, r) for n, r in [("a", 0.0), ("b", 3.0), ("c", 2.0), ("d", 1.0)])
    problem = Problem(tasks=6, offers=offers, owner_max=6, pool_min=3)
    shares = dict(zip([o.node_id for o in problem.offers], select(problem).shares, strict=True))
    assert shares == {"b": 4, "c": 1, "d": 1, "a": 0}


def test_without_a_solver_the_gap_is_stated() -> None:
    # The three cheapest open, b among them; but c and d could open for owner q, and leave both tasks of owner p to a.
    offers = (Offer("a", "p", 0, 2), Offer("b", "p", 1, 1), Offer("c", "q", 1, 2), Offer("d", "q", 1, 1))
    problem = Problem(tasks=4, offers=offers, owner_max=2, pool_min=3)
    selection = select(problem, solver=lambda _: None)
    assert problem.allows(selection.shares)
    assert not selection.is_proven
    assert (selection.cost, selection.bound) == (3, 2)
    assert selection.gap == 0.5
    assert select(problem).cost == 2


def test_cheapest_first_leaves_tasks_over_when_the_offers_are_too_few() -> None:
    problem = Problem(tasks=5, offers=(Offer("a", "a", 1, 2),), owner_max=5)
    assert sum(cheapest_first(problem)) == 2
    with pytest.raises(AssertionError):
        select(problem)
