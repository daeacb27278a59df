"""Clearing: awards keep the limits, payments lie between bid and reserve, and nobody gains by lying."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from market_builders import (
    Market,
    a_bid,
    a_node,
    a_request,
    brute_force,
    competitions,
    feasible_markets,
    markets,
    repriced,
    with_bids,
)

from neuromation.kernel.errors import Invalid
from neuromation.kernel.money import Ntk, total
from neuromation.market import clearing as clearing_module
from neuromation.market.clearing import clear, quote_for
from neuromation.market.feasibility import problem_of
from neuromation.market.model import MICRO_PER_CU, Bid, Clearing, Infeasible, tasks_possible
from neuromation.market.selection import Problem, Selection


def _cleared(market: Market) -> Clearing:
    result = clear(*market)
    assert isinstance(result, Clearing)
    return result


def _gain(market: Market, true_costs: dict[str, int], owner_id: str) -> int:
    """What an owner keeps, in micro-NTK, when its true costs per CU are these; losing is worth nothing."""
    result = clear(*market)
    if isinstance(result, Infeasible):
        return 0
    return sum(a.payment.micro - a.tasks * true_costs[a.node_id] for a in result.awards if a.owner_id == owner_id)


@settings(max_examples=100, deadline=None)
@given(feasible_markets())
def test_awards_serve_all_tasks_and_keep_every_limit(market: Market) -> None:
    request, bids, nodes = market
    result = _cleared(market)
    machines = {n.node_id: n for n in nodes}
    offered = {b.node_id: b for b in bids}
    assert sum(a.tasks for a in result.awards) == request.tasks
    assert len(result.awards) >= request.pool_min
    for award in result.awards:
        machine = machines[award.node_id]
        assert award.tasks <= min(offered[award.node_id].capacity_tasks, tasks_possible(request, machine))
        assert machine.memory_gib >= request.memory_gib
        assert machine.disk_gib >= request.disk_gib
        assert machine.gpu or not request.gpu
        assert machine.sandbox or not request.sandbox
        assert award.node_id not in request.excluded_nodes
        assert award.owner_id not in request.excluded_owners
    for owner in {a.owner_id for a in result.awards}:
        assert sum(a.tasks for a in result.awards if a.owner_id == owner) <= request.owner_tasks_max


@settings(max_examples=100, deadline=None)
@given(feasible_markets())
def test_payments_lie_between_the_bid_and_the_reserve_and_add_up(market: Market) -> None:
    request = market[0]
    result = _cleared(market)
    for award in result.awards:
        work = Fraction(award.tasks * request.cu_per_task, MICRO_PER_CU)
        assert award.payment.micro >= work * award.price_per_cu.micro
        assert award.payment.micro < work * request.reserve_per_cu.micro + 1
        assert total(award.task_payments()) == award.payment
    assert result.cost == total([a.payment for a in result.awards])
    assert result.bid_cost <= result.cost <= request.cost_max
    assert result.gap == 0
    assert result.price_per_cu <= request.reserve_per_cu


@settings(max_examples=60, deadline=None)
@given(feasible_markets(nodes_max=5))
def test_the_pool_asks_for_the_brute_force_minimum(market: Market) -> None:
    request, bids, nodes = market
    result = _cleared(market)
    asked = sum(a.tasks * a.price_per_cu.micro for a in result.awards)
    assert asked == brute_force(problem_of(request, list(zip(bids, nodes, strict=True))))


@settings(max_examples=60, deadline=None)
@given(markets(), st.randoms(use_true_random=False))
def test_the_order_of_bids_and_machines_is_irrelevant(market: Market, random: object) -> None:
    request, bids, nodes = market
    other_bids, other_nodes = bids[:], nodes[:]
    random.shuffle(other_bids)  # type: ignore[attr-defined]
    random.shuffle(other_nodes)  # type: ignore[attr-defined]
    assert clear(request, bids, nodes) == clear(request, other_bids, other_nodes)


@settings(max_examples=80, deadline=None)
@given(competitions(unit=True, owners=6), st.data())
def test_in_a_uniform_price_auction_no_other_price_gains(market: Market, data: st.DataObject) -> None:
    request, bids, nodes = market
    liar = data.draw(st.sampled_from(bids))
    result = clear(*market)
    assert isinstance(result, Infeasible) or result.mechanism == "uniform"
    costs = {b.node_id: b.price_per_cu.micro for b in bids}
    honest = _gain(market, costs, liar.owner_id)
    assert honest >= 0
    for price in range(13):
        lie = with_bids(bids, {liar.node_id: repriced(liar, price)})
        assert _gain((request, lie, nodes), costs, liar.owner_id) <= honest


@settings(max_examples=60, deadline=None)
@given(competitions(unit=False, owners=6), st.data())
def test_in_a_vcg_auction_no_other_price_gains(market: Market, data: st.DataObject) -> None:
    request, bids, nodes = market
    liar = data.draw(st.sampled_from(bids))
    costs = {b.node_id: b.price_per_cu.micro for b in bids}
    honest = _gain(market, costs, liar.owner_id)
    assert honest >= 0
    for price in range(13):
        lie = with_bids(bids, {liar.node_id: repriced(liar, price)})
        assert _gain((request, lie, nodes), costs, liar.owner_id) <= honest


@settings(max_examples=60, deadline=None)
@given(competitions(unit=False, owners=6), st.data())
def test_withholding_capacity_at_any_price_gains_nothing(market: Market, data: st.DataObject) -> None:
    request, bids, nodes = market
    assume(request.pool_min == 1)
    liar = data.draw(st.sampled_from(bids))
    costs = {b.node_id: b.price_per_cu.micro for b in bids}
    honest = _gain(market, costs, liar.owner_id)
    for price, capacity in product(range(0, 13, 2), range(1, liar.capacity_tasks)):
        lie = with_bids(bids, {liar.node_id: repriced(liar, price, capacity)})
        assert _gain((request, lie, nodes), costs, liar.owner_id) <= honest


@settings(max_examples=60, deadline=None)
@given(competitions(unit=False, owners=2), st.data())
def test_an_owner_of_several_machines_gains_nothing_by_lying_for_all_of_them(
    market: Market, data: st.DataObject
) -> None:
    request, bids, nodes = market
    owner = data.draw(st.sampled_from(sorted({b.owner_id for b in bids})))
    mine = [b for b in bids if b.owner_id == owner]
    highest = request.reserve_per_cu.micro
    assume(all(b.price_per_cu.micro <= highest for b in mine))
    costs = {b.node_id: b.price_per_cu.micro for b in bids}
    honest = _gain(market, costs, owner)
    assert honest >= 0
    for _ in range(8):
        changes: dict[str, Bid | None] = {
            b.node_id: repriced(b, data.draw(st.integers(0, highest), label=b.node_id)) for b in mine
        }
        assert _gain((request, with_bids(bids, changes), nodes), costs, owner) <= honest


def test_a_machine_dearer_than_the_maximum_can_complete_its_owners_pool() -> None:
    """A known limit: the maximum counts a machine, so an owner may offer one at a loss to sell the others."""
    dear, cheap = a_node("dear", owner_id="me"), a_node("cheap", owner_id="me")
    request, costs = a_request(tasks=3, reserve_per_cu=Ntk(8)), {"dear": 9, "cheap": 5}
    bids = [a_bid(dear, 9, 4), a_bid(cheap, 5, 2)]
    assert _gain((request, bids, [dear, cheap]), costs, "me") == 0
    assert _gain((request, [repriced(bids[0], 8), bids[1]], [dear, cheap]), costs, "me") == 5


def test_pay_as_bid_rewards_a_lie() -> None:
    nodes = [a_node("a"), a_node("b")]
    request = a_request(tasks=1)
    paid = [
        clear(request, [a_bid(nodes[0], price), a_bid(nodes[1], 50)], nodes, rule="pay-as-bid") for price in (10, 49)
    ]
    assert [p.cost for p in paid if isinstance(p, Clearing)] == [Ntk(10), Ntk(49)]


def test_unit_supply_is_paid_the_first_losing_price() -> None:
    nodes = [a_node(n) for n in "abcd"]
    bids = [a_bid(n, price, 1) for n, price in zip(nodes, (10, 20, 30, 40), strict=True)]
    result = clear(a_request(tasks=2), bids, nodes)
    assert isinstance(result, Clearing)
    assert result.mechanism == "uniform"
    assert {a.node_id: a.payment for a in result.awards} == {"a": Ntk(30), "b": Ntk(30)}
    assert result.price_per_cu == Ntk(30)


def test_without_a_loser_the_reserve_sets_the_price() -> None:
    nodes = [a_node("a"), a_node("b")]
    result = clear(a_request(tasks=2), [a_bid(n, 10, 1) for n in nodes], nodes)
    assert isinstance(result, Clearing)
    assert result.price_per_cu == Ntk(100)


def test_a_winner_with_capacity_is_paid_what_its_absence_would_cost() -> None:
    nodes = [a_node(n) for n in "abc"]
    bids = [a_bid(nodes[0], 10, 3), a_bid(nodes[1], 20, 2), a_bid(nodes[2], 40, 9)]
    result = clear(a_request(tasks=4), bids, nodes)
    assert isinstance(result, Clearing)
    assert result.mechanism == "vcg"
    # Without a: b does 2 at 20 and c 2 at 40, 120 in all; b does 1 at 20 now, so a is paid 100 for its 3 tasks.
    assert {a.node_id: a.payment for a in result.awards} == {"a": Ntk(100), "b": Ntk(40)}


def test_two_machines_of_one_owner_do_not_set_the_price_of_each_other() -> None:
    mine = [a_node("a", owner_id="me"), a_node("b", owner_id="me")]
    nodes = [*mine, a_node("c")]
    bids = [a_bid(mine[0], 10, 1), a_bid(mine[1], 60, 1), a_bid(nodes[2], 30, 1)]
    result = clear(a_request(tasks=1), bids, nodes)
    assert isinstance(result, Clearing)
    assert [(a.node_id, a.payment) for a in result.awards] == [("a", Ntk(30))]


def test_fractions_are_rounded_up_once_an_award() -> None:
    node = a_node("a", cu_per_s=10 * MICRO_PER_CU)
    result = clear(a_request(tasks=3, cu_per_task=333_333, reserve_per_cu=Ntk(1)), [a_bid(node, 1)], [node])
    assert isinstance(result, Clearing)
    assert result.cost == Ntk(1)  # 0.999999 micro-NTK of work


def test_an_unproven_optimum_is_paid_as_bid(monkeypatch: pytest.MonkeyPatch) -> None:
    def unproven(problem: Problem) -> Selection:
        shares = tuple(int(i < problem.tasks) for i in range(len(problem.offers)))
        return Selection(shares, problem.cost(shares), problem.cost(shares) - 1)

    monkeypatch.setattr(clearing_module, "select", unproven)
    nodes = [a_node(n) for n in "abc"]
    result = clear(a_request(tasks=2), [a_bid(n, 10 + i, 3) for i, n in enumerate(nodes)], nodes)
    assert isinstance(result, Clearing)
    assert result.mechanism == "pay-as-bid"
    assert result.gap > 0
    assert result.cost == result.bid_cost == Ntk(21)


def test_hundreds_of_winners_are_paid_exactly() -> None:
    nodes = [a_node(f"n{i:03}") for i in range(400)]
    bids = [a_bid(n, 10 + i % 50, 2) for i, n in enumerate(nodes)]
    result = clear(a_request(tasks=500), bids, nodes)
    assert isinstance(result, Clearing)
    assert len(result.awards) > 200
    assert result.mechanism == "vcg"
    assert result.gap == 0


def test_a_bid_of_a_machine_that_is_gone_does_not_count() -> None:
    result = clear(a_request(), [a_bid(a_node("gone"))], [])
    assert isinstance(result, Infeasible)


def test_two_bids_of_one_node_are_refused() -> None:
    node = a_node()
    with pytest.raises(Invalid, match="two bids"):
        clear(a_request(), [a_bid(node), a_bid(node)], [node])


def test_two_capabilities_of_one_node_are_refused() -> None:
    with pytest.raises(Invalid, match="appears twice"):
        clear(a_request(), [], [a_node(), a_node()])


def test_a_bid_under_another_owners_name_is_refused() -> None:
    node = a_node()
    with pytest.raises(Invalid, match="belongs to"):
        clear(a_request(), [a_bid(a_node(owner_id="thief"))], [node])


@settings(max_examples=50, deadline=None)
@given(feasible_markets())
def test_a_quote_is_kept_by_nodes_that_bid_their_floors(market: Market) -> None:
    request, _, nodes = market
    quote = quote_for(request, nodes)
    assume(not isinstance(quote, Infeasible))
    assert not isinstance(quote, Infeasible)
    assert quote.price_per_cu <= quote.maximum_per_cu <= request.reserve_per_cu
    assert quote.cost <= quote.cost_max
    assert all(a.price_per_cu == a_node().floor_per_cu for a in quote.clearing.awards)


def test_a_quote_suggests_a_maximum_a_quarter_above_the_dearest_floor_needed() -> None:
    nodes = [a_node("a", floor_per_cu=Ntk(20)), a_node("b", floor_per_cu=Ntk(40)), a_node("c", floor_per_cu=Ntk(90))]
    quote = quote_for(a_request(pool_min=2), nodes)
    assert not isinstance(quote, Infeasible)
    assert quote.maximum_per_cu == Ntk(50)
    assert quote.cost_max == Ntk(200)


def test_a_quote_without_a_pool_says_why() -> None:
    quote = quote_for(a_request(reserve_per_cu=Ntk(5)), [a_node()])
    assert isinstance(quote, Infeasible)
    assert quote.constraint == "price"
    assert "0.00001 NTK/CU" in quote.message
