"""Who works and what each is paid, from a request, sealed bids and measured machines; pure, whole numbers only.

Payments are truthful: no price but its true cost earns an owner more. Unit supply is paid the (k+1)-th price; anything
else is paid by Vickrey, Clarke and Groves on the exact optimum. The bidder is the *owner*: with several machines it
could otherwise let one of them raise the price of another. The reserve stands in for each owner in turn, as a supplier
with the same machines at the customer's maximum, so a payment always exists and never passes the maximum. This equals
the winner's bid plus its externality, which is also its critical (Myerson) payment. Above POOL_MIN_MAX winners a
pool's size cannot bind, and then the selection *is* the monotone cheapest-first greedy, at whose critical prices the
same payments are found.

What the proof leaves open: an owner of *several* machines can gain by which of them it offers within the maximum: by
adding one that costs more where nobody else can complete the pool, or by holding one back where the pool's size binds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from neuromation.kernel.errors import Invalid
from neuromation.kernel.money import Ntk, total
from neuromation.market import feasibility
from neuromation.market.model import (
    BP,
    Award,
    Bid,
    Capability,
    Clearing,
    Estimate,
    Infeasible,
    Mechanism,
    Request,
    reserve_max,
    work_cost,
)
from neuromation.market.selection import Problem, Selection, lower_bound, select

Rule = Literal["truthful", "pay-as-bid"]
QUOTE_MARGIN_BP = 2_500


def clear(
    request: Request, bids: Iterable[Bid], capabilities: Iterable[Capability], *, rule: Rule = "truthful"
) -> Clearing | Infeasible:
    """The cheapest pool for the request with its payments, or why there is none.

    Args:
        request: the work and its limits.
        bids: at most one a node; a bid of a node without a capability is left out.
        capabilities: at most one a node, for the request's kind.
        rule: `truthful` pays (k+1)-price or VCG; `pay-as-bid` pays what each asked, for comparison: it rewards lying.

    Returns:
        The same answer for any order of bids and capabilities. Payments lie between an award's own bid and the
        reserve, both rounded up to whole micro-NTK.
    """
    offered = _joined(bids, capabilities)
    problem = feasibility.problem_of(request, offered)
    if not problem.is_feasible:
        return feasibility.explain(request, offered)
    selection = select(problem)
    mechanism, units = _payments(problem, selection, request.reserve_per_cu.micro, rule)
    return _clearing(request, problem, selection, mechanism, units)


def quote_for(
    request: Request, capabilities: Sequence[Capability], *, margin_bp: int = QUOTE_MARGIN_BP
) -> Estimate | Infeasible:
    """What the request would cost if every able machine bid its floor now.

    The request's reserve is an upper limit only (`reserve_max` for none): the estimate is cleared at the suggested
    maximum, the lowest price that finds a pool plus `margin_bp`, because with little competition payments rise to
    whatever is stated.
    """
    bids = floor_bids(request, capabilities)
    first = clear(request, bids, capabilities)
    if isinstance(first, Infeasible):
        return first
    lowest = feasibility.lowest_reserve(request, _joined(bids, capabilities))
    assert lowest is not None
    wanted = Ntk(-(-lowest.reserve_per_cu.micro * (BP + margin_bp) // BP))
    highest = min(request.reserve_per_cu, reserve_max(tasks=request.tasks, cu_per_task=request.cu_per_task))
    stated = feasibility.changed(request, reserve_per_cu=min(wanted, highest))
    assert stated is not None
    clearing = clear(stated, bids, capabilities)
    assert isinstance(clearing, Clearing)
    return Estimate(
        price_per_cu=clearing.price_per_cu,
        cost=clearing.cost,
        maximum_per_cu=stated.reserve_per_cu,
        cost_max=stated.cost_max,
        clearing=clearing,
    )


def floor_bids(request: Request, capabilities: Iterable[Capability]) -> list[Bid]:
    """A bid at its floor for all that it can do, from every machine that is fast enough for one task."""
    return [
        Bid(
            bid_id=f"floor of {c.node_id}",
            node_id=c.node_id,
            owner_id=c.owner_id,
            price_per_cu=c.floor_per_cu,
            capacity_tasks=request.tasks,
        )
        for c in capabilities
    ]


def _joined(bids: Iterable[Bid], capabilities: Iterable[Capability]) -> list[tuple[Bid, Capability]]:
    """Each bid with its machine. Raises Invalid for two of one node, or an owner that does not match."""
    machines: dict[str, Capability] = {}
    for capability in capabilities:
        if capability.node_id in machines:
            raise Invalid(f"node {capability.node_id} appears twice among the machines; give one capability a node")
        machines[capability.node_id] = capability
    seen: set[str] = set()
    joined = []
    for bid in bids:
        if bid.node_id in seen:
            raise Invalid(f"node {bid.node_id} has two bids; one bid a node can stand")
        seen.add(bid.node_id)
        machine = machines.get(bid.node_id)
        if machine is None:
            continue
        if machine.owner_id != bid.owner_id:
            raise Invalid(
                f"bid {bid.bid_id} names owner {bid.owner_id} but {bid.node_id} belongs to {machine.owner_id}"
            )
        joined.append((bid, machine))
    return joined


def _payments(problem: Problem, selection: Selection, reserve: int, rule: Rule) -> tuple[Mechanism, list[int]]:
    """The rule in force and each offer's payment in price units (micro-NTK per CU, times tasks)."""
    asked = [o.price * x for o, x in zip(problem.offers, selection.shares, strict=True)]
    if rule == "pay-as-bid" or not selection.is_proven:
        return "pay-as-bid", asked  # VCG on anything but the optimum is not truthful, so it is never used there
    if _is_unit_supply(problem):
        losing = [o.price for o, x in zip(problem.offers, selection.shares, strict=True) if not x]
        price = min([*losing, reserve])
        return "uniform", [price * x for x in selection.shares]
    winners = dict.fromkeys(o.owner_id for o, x in zip(problem.offers, selection.shares, strict=True) if x)
    # Of the pool without an owner only the cost matters, and the dual gives that exactly, without a solver.
    surplus = {owner: lower_bound(problem.repriced(owner, reserve)) - selection.cost for owner in winners}
    return "vcg", _shared_surplus(problem, selection.shares, reserve, surplus)


def _is_unit_supply(problem: Problem) -> bool:
    """Whether each owner offers one task and no limit but that ties them."""
    owners = {o.owner_id for o in problem.offers}
    return (
        problem.pool_min == 1 and len(owners) == len(problem.offers) and all(o.tasks_max == 1 for o in problem.offers)
    )


def _shared_surplus(problem: Problem, shares: Sequence[int], reserve: int, surplus: Mapping[str, int]) -> list[int]:
    """Each offer's bid plus its part of its owner's surplus, by room below the reserve, so that none passes it.

    Cumulative rounding: the parts sum to the surplus exactly and each is within one of its exact share.
    """
    room = [(reserve - o.price) * x for o, x in zip(problem.offers, shares, strict=True)]
    whole: Counter[str] = Counter()
    for offer, r in zip(problem.offers, room, strict=True):
        whole[offer.owner_id] += r
    passed: Counter[str] = Counter()
    paid = []
    for offer, x, r in zip(problem.offers, shares, room, strict=True):
        owner = offer.owner_id
        part = 0
        if r:
            before = surplus[owner] * passed[owner] // whole[owner]
            passed[owner] += r
            part = surplus[owner] * passed[owner] // whole[owner] - before
        paid.append(offer.price * x + part)
    return paid


def _clearing(
    request: Request, problem: Problem, selection: Selection, mechanism: Mechanism, units: Sequence[int]
) -> Clearing:
    awards = tuple(
        Award(
            node_id=offer.node_id,
            owner_id=offer.owner_id,
            tasks=tasks,
            payment=work_cost(paid, request.cu_per_task),
            price_per_cu=Ntk(offer.price),
        )
        for offer, tasks, paid in zip(problem.offers, selection.shares, units, strict=True)
        if tasks
    )
    cost = total([a.payment for a in awards])
    return Clearing(
        awards=awards,
        cost=cost,
        bid_cost=total([work_cost(a.price_per_cu.micro * a.tasks, request.cu_per_task) for a in awards]),
        mechanism=mechanism,
        price_per_cu=Ntk((2 * sum(units) + request.tasks) // (2 * request.tasks)),
        gap=selection.gap,
    )
