"""Builders of requests, machines, bids and random markets for the tests of the market."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from hypothesis import strategies as st

from neuromation.kernel.money import Ntk
from neuromation.market.clearing import clear
from neuromation.market.feasibility import problem_of
from neuromation.market.model import MICRO_PER_CU, Bid, Capability, Infeasible, Request
from neuromation.market.selection import Offer, Problem


def a_request(**fields: Any) -> Request:
    """Four render tasks of one CU within 100 s for at most 100 micro-NTK a CU."""
    defaults = {
        "kind": "render",
        "tasks": 4,
        "cu_per_task": MICRO_PER_CU,
        "deadline_s": 100,
        "reserve_per_cu": Ntk(100),
    }
    return Request(**{**defaults, **fields})


def a_node(name: str = "n1", **fields: Any) -> Capability:
    """A machine of its own owner: 1 CU/s, 8 GiB, 100 GiB, no GPU, floor of 10 micro-NTK."""
    defaults = {
        "kind": "render",
        "node_id": name,
        "owner_id": f"owner-{name}",
        "cu_per_s": MICRO_PER_CU,
        "memory_gib": 8.0,
        "disk_gib": 100.0,
        "floor_per_cu": Ntk(10),
    }
    return Capability(**{**defaults, **fields})


def a_bid(node: Capability, price: int | None = None, capacity: int = 100_000) -> Bid:
    """The node's bid, at its floor when no price is given."""
    return Bid(
        bid_id=f"bid-{node.node_id}",
        node_id=node.node_id,
        owner_id=node.owner_id,
        price_per_cu=node.floor_per_cu if price is None else Ntk(price),
        capacity_tasks=capacity,
    )


def brute_force(problem: Problem) -> int | None:
    """The least cost of all choices, by trying each; None when there is none."""
    choices = product(*[range(min(o.tasks_max, problem.tasks) + 1) for o in problem.offers])
    return min((problem.cost(c) for c in choices if problem.allows(c)), default=None)


@st.composite
def problems(draw: st.DrawFn, nodes_max: int = 5, price_max: int = 8) -> Problem:
    """Small selection problems, feasible or not, with shared owners, ties, binding shares and pool sizes."""
    tasks = draw(st.integers(1, 6))
    offers = tuple(
        Offer(
            node_id=f"n{i}",
            owner_id=f"o{draw(st.integers(0, 3))}",
            price=draw(st.integers(0, price_max)),
            tasks_max=draw(st.integers(1, 4)),
            reputation=float(draw(st.integers(0, 2))),
        )
        for i in range(draw(st.integers(1, nodes_max)))
    )
    return Problem(
        tasks=tasks, offers=offers, owner_max=draw(st.integers(1, tasks)), pool_min=draw(st.integers(1, min(tasks, 4)))
    )


Market = tuple[Request, list[Bid], list[Capability]]


@st.composite
def markets(draw: st.DrawFn, nodes_max: int = 6, nodes_min: int = 0) -> Market:
    """Small markets with every limit in play; many have no pool."""
    tasks = draw(st.integers(1, 8))
    request = a_request(
        tasks=tasks,
        cu_per_task=draw(st.sampled_from([1, 333_333, MICRO_PER_CU, 2_500_001])),
        deadline_s=draw(st.integers(1, 8)),
        reserve_per_cu=Ntk(draw(st.integers(3, 12))),
        memory_gib=draw(st.sampled_from([0.0, 2.0, 4.0])),
        disk_gib=draw(st.sampled_from([0.0, 10.0])),
        gpu=draw(st.booleans()),
        sandbox=draw(st.booleans()),
        share_max_bp=draw(st.sampled_from([2_000, 3_400, 5_000, 10_000])),
        pool_min=draw(st.integers(1, min(3, tasks))),
        excluded_nodes=draw(st.sampled_from([frozenset(), frozenset({"n0"})])),
        excluded_owners=draw(st.sampled_from([frozenset(), frozenset({"o1"})])),
    )
    nodes = [draw(_machines(i)) for i in range(draw(st.integers(nodes_min, nodes_max)))]
    bids = [a_bid(n, draw(st.integers(1, 14)), draw(st.integers(1, 6))) for n in nodes]
    return request, bids, nodes


@st.composite
def _machines(draw: st.DrawFn, number: int) -> Capability:
    return a_node(
        f"n{number}",
        owner_id=f"o{draw(st.integers(0, 3))}",
        cu_per_s=draw(st.sampled_from([0, 100_000, MICRO_PER_CU, 5 * MICRO_PER_CU])),
        memory_gib=draw(st.sampled_from([1.0, 2.0, 8.0])),
        disk_gib=draw(st.sampled_from([5.0, 50.0])),
        gpu=draw(st.booleans()),
        sandbox=draw(st.booleans()),
        reputation=float(draw(st.integers(0, 2))),
        slots=draw(st.integers(1, 3)),
    )


def feasible_markets(nodes_max: int = 6) -> st.SearchStrategy[Market]:
    """Markets with a pool: where there was none, the customer did as told."""
    return markets(nodes_max, nodes_min=1).map(_done_as_told).filter(lambda m: problem_of(m[0], _pairs(m)).is_feasible)


def _done_as_told(market: Market) -> Market:
    answer = clear(*market)
    if isinstance(answer, Infeasible) and answer.remedy is not None:
        return (answer.remedy.request, *market[1:])
    return market


def _pairs(market: Market) -> list[tuple[Bid, Capability]]:
    return list(zip(market[1], market[2], strict=True))


@st.composite
def competitions(draw: st.DrawFn, *, unit: bool, owners: int) -> Market:
    """Markets of able machines only, with one CU a task so that payments are exact to the micro-NTK.

    With `unit` each machine takes one task and nothing else binds; with `owners` below 6 some machines share an owner.
    """
    tasks = draw(st.integers(1, 3 if unit else 5))
    request = a_request(
        tasks=tasks,
        reserve_per_cu=Ntk(draw(st.integers(6, 10))),
        share_max_bp=10_000 if unit else draw(st.sampled_from([5_000, 10_000])),
        pool_min=1 if unit else draw(st.integers(1, min(3, tasks))),
    )
    count = draw(st.integers(tasks if unit else 2, 5))
    nodes = [a_node(f"n{i}", owner_id=f"o{i if owners > 5 else draw(st.integers(0, owners))}") for i in range(count)]
    bids = [a_bid(n, draw(st.integers(1, 10)), 1 if unit else draw(st.integers(1, 4))) for n in nodes]
    return request, bids, nodes


def with_bids(bids: list[Bid], changes: dict[str, Bid | None]) -> list[Bid]:
    """The bids with those of some nodes replaced, or taken away where the change is None."""
    changed = [changes.get(b.node_id, b) for b in bids]
    return [b for b in changed if b is not None]


def repriced(bid: Bid, price: int, capacity: int | None = None) -> Bid:
    """The bid at another price, and perhaps for another capacity."""
    return replace(bid, price_per_cu=Ntk(price), capacity_tasks=capacity or bid.capacity_tasks)
