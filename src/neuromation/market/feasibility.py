"""Whether a pool exists, and if not which limit binds and what would free it; refuses to know payments and solvers.

A limit binds when relaxing it alone makes the request feasible; the advice is the least such change. Where no single
change is enough, the smallest set found by relaxing in order and taking back what was not needed is named instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from neuromation.kernel.errors import Invalid
from neuromation.market.model import (
    BP,
    DEADLINE_MAX_S,
    Bid,
    Capability,
    Infeasible,
    Remedy,
    Request,
    reserve_max,
    serves,
    tasks_possible,
)
from neuromation.market.selection import Offer, Problem

Offered = Sequence[tuple[Bid, Capability]]
Change = Callable[[Request, Offered], Request | None]


def problem_of(request: Request, offered: Offered) -> Problem:
    """The selection problem of the bids that keep every limit of one task."""
    offers = tuple(
        Offer(
            node_id=machine.node_id,
            owner_id=machine.owner_id,
            price=bid.price_per_cu.micro,
            tasks_max=min(bid.capacity_tasks, tasks_possible(request, machine)),
            reputation=machine.reputation,
        )
        for bid, machine in offered
        if bid.price_per_cu <= request.reserve_per_cu and serves(request, machine)
    )
    return Problem(tasks=request.tasks, offers=offers, owner_max=request.owner_tasks_max, pool_min=request.pool_min)


def is_feasible(request: Request, offered: Offered) -> bool:
    """Whether any pool does the request."""
    return problem_of(request, offered).is_feasible


def changed(request: Request, **fields: Any) -> Request | None:
    """The request with some fields changed; None when that is no valid request."""
    try:
        return replace(request, **fields)
    except Invalid:
        return None


def explain(request: Request, offered: Offered) -> Infeasible:
    """The limit that binds an infeasible request, and every single change that would free it."""
    met = _met(request, offered)
    offered = [(bid, machine) for bid, machine in offered if machine.kind == request.kind and machine.cu_per_s > 0]
    if not offered:
        return Infeasible(
            constraint="no-nodes",
            message=f"{met}; no machine offers {request.kind} work now, so wait for nodes to come online and ask again",
            remedies=(),
        )
    remedies = _single(request, offered) or _combined(request, offered)
    if not remedies:
        return Infeasible(
            constraint="no-nodes",
            message=f"{met}; no change is enough for the machines that bid, so split the job or wait for more nodes",
            remedies=(),
        )
    best = remedies[0]
    return Infeasible(
        constraint=best.constraint, message=f"{met}; to make it feasible, {best.advice}", remedies=tuple(remedies)
    )


def _met(request: Request, offered: Offered) -> str:
    problem = problem_of(request, offered)
    can = min(problem.tasks_possible, request.tasks)
    return (
        f"of {len(offered)} machines that offered, {len(problem.offers)} keep every limit of a task; "
        f"they can take {can} of {request.tasks} tasks, in a pool of {len(problem.offers)} where {request.pool_min} "
        f"{'is' if request.pool_min == 1 else 'are'} needed"
    )


def lowest_reserve(request: Request, offered: Offered) -> Request | None:
    """The request with the lowest maximum price that finds a pool; None when no price does."""
    prices = sorted({bid.price_per_cu for bid, _ in offered})
    candidates = [c for p in prices if (c := changed(request, reserve_per_cu=p)) is not None]
    return _first(candidates, offered)


def _first(candidates: Sequence[Request], offered: Offered) -> Request | None:
    """The first feasible of candidates that only get looser; None when the last is not."""
    if not candidates or not is_feasible(candidates[-1], offered):
        return None
    low, high = -1, len(candidates) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if is_feasible(candidates[middle], offered):
            high = middle
        else:
            low = middle
    return candidates[high]


def _least(low: int, high: int, request_at: Callable[[int], Request | None], offered: Offered) -> Request | None:
    """The feasible request at the least number in low..high, where higher is looser; None when none is."""
    found = request_at(high)
    if found is None or not is_feasible(found, offered):
        return None
    while low < high:
        middle = (low + high) // 2
        candidate = request_at(middle)
        if candidate is not None and is_feasible(candidate, offered):
            high, found = middle, candidate
        else:
            low = middle + 1
    return found


def _longer(request: Request, offered: Offered) -> Request | None:
    return _least(request.deadline_s, DEADLINE_MAX_S, lambda s: changed(request, deadline_s=s), offered)


def _fewer(request: Request, offered: Offered) -> Request | None:
    """The most tasks that can be done: owner limits fall with the number asked for, so step down to it."""
    at: Request | None = request
    while at is not None:
        problem = problem_of(at, offered)
        if problem.is_feasible:
            return at
        at = changed(at, tasks=min(problem.tasks_possible, at.tasks - 1))
    return None


def _smaller(field: str) -> Change:
    def change(request: Request, offered: Offered) -> Request | None:
        sizes = {getattr(machine, field) for _, machine in offered} | {getattr(request, field)}
        steps = sorted((s for s in sizes if 0 <= s <= getattr(request, field)), reverse=True)
        return _first([c for s in steps if (c := changed(request, **{field: s})) is not None], offered)

    return change


def _without(**fields: Any) -> Change:
    def change(request: Request, offered: Offered) -> Request | None:
        candidate = changed(request, **fields)
        return candidate if candidate is not None and is_feasible(candidate, offered) else None

    return change


def _wider_share(request: Request, offered: Offered) -> Request | None:
    return _least(request.share_max_bp, BP, lambda bp: changed(request, share_max_bp=bp), offered)


def _smaller_pool(request: Request, offered: Offered) -> Request | None:
    return _least(-request.pool_min, -1, lambda n: changed(request, pool_min=-n), offered)


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit that can bind: name, the fields it lives in, loosest value, least sufficient change, advice."""

    name: str
    fields: tuple[str, ...]
    loosest: Callable[[Request], Request | None]
    least: Change
    advice: Callable[[Request], str]


def _highest_reserve(request: Request) -> Request | None:
    highest = reserve_max(tasks=request.tasks, cu_per_task=request.cu_per_task)
    return changed(request, reserve_per_cu=max(highest, request.reserve_per_cu))


_LIMITS: tuple[_Limit, ...] = (
    _Limit(
        "price",
        ("reserve_per_cu",),
        _highest_reserve,
        lowest_reserve,
        lambda r: f"raise the maximum to {r.reserve_per_cu} NTK/CU",
    ),
    _Limit(
        "deadline",
        ("deadline_s",),
        lambda r: changed(r, deadline_s=DEADLINE_MAX_S),
        _longer,
        lambda r: f"allow {r.deadline_s} s",
    ),
    _Limit(
        "memory",
        ("memory_gib",),
        lambda r: changed(r, memory_gib=0.0),
        _smaller("memory_gib"),
        lambda r: f"make a task fit in {r.memory_gib:g} GiB of memory",
    ),
    _Limit(
        "disk",
        ("disk_gib",),
        lambda r: changed(r, disk_gib=0.0),
        _smaller("disk_gib"),
        lambda r: f"make a task fit in {r.disk_gib:g} GiB of disk",
    ),
    _Limit(
        "gpu",
        ("gpu",),
        lambda r: changed(r, gpu=False),
        _without(gpu=False),
        lambda r: "allow machines without a GPU",
    ),
    _Limit(
        "sandbox",
        ("sandbox",),
        lambda r: changed(r, sandbox=False),
        _without(sandbox=False),
        lambda r: "wait for machines with a sandbox, without which none runs a stranger's program",
    ),
    _Limit(
        "exclusion",
        ("excluded_nodes", "excluded_owners"),
        lambda r: changed(r, excluded_nodes=frozenset(), excluded_owners=frozenset()),
        _without(excluded_nodes=frozenset(), excluded_owners=frozenset()),
        lambda r: "allow the machines and owners that were excluded",
    ),
    _Limit(
        "owner-share",
        ("share_max_bp",),
        lambda r: changed(r, share_max_bp=BP),
        _wider_share,
        lambda r: f"allow one owner {r.share_max_bp / 100:g} % of the tasks",
    ),
    _Limit(
        "pool-size",
        ("pool_min",),
        lambda r: changed(r, pool_min=1),
        _smaller_pool,
        lambda r: f"accept a pool of {r.pool_min} {'machine' if r.pool_min == 1 else 'machines'}",
    ),
    _Limit(
        "capacity",
        ("tasks",),
        lambda r: changed(r, tasks=r.pool_min),
        _fewer,
        lambda r: f"order {r.tasks} {'task' if r.tasks == 1 else 'tasks'} or wait for more machines",
    ),
)


def _single(request: Request, offered: Offered) -> list[Remedy]:
    """Every limit whose change alone is enough, with the least such change."""
    return [
        Remedy(constraint=limit.name, advice=limit.advice(least), request=least)
        for limit in _LIMITS
        if (least := limit.least(request, offered)) is not None
    ]


def _combined(request: Request, offered: Offered) -> list[Remedy]:
    """One remedy of several changes: relax in order until feasible, then take back or tighten each; or none."""
    at = request
    used: list[_Limit] = []
    for limit in _LIMITS:
        loosest = limit.loosest(at)
        if loosest is None:
            continue
        at, used = loosest, [*used, limit]
        if is_feasible(at, offered):
            break
    else:
        return []
    needed = []
    for limit in used:
        restored = changed(at, **{field: getattr(request, field) for field in limit.fields})
        if restored is not None and is_feasible(restored, offered):
            at = restored
            continue
        tighter = None if restored is None else limit.least(restored, offered)
        at = tighter or at
        needed.append(limit)
    remedy = Remedy(
        constraint="+".join(limit.name for limit in needed),
        advice=" and ".join(limit.advice(at) for limit in needed),
        request=at,
    )
    return [remedy]
