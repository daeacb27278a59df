"""Buying compute for a job: who could do it, the sealed auction, and buying again what was lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from neuromation.jobs import progress
from neuromation.jobs import service as jobs
from neuromation.jobs.model import Job, NewQuota, TaskKind, TaskState
from neuromation.kernel.money import Ntk
from neuromation.ledger import service as ledger
from neuromation.market import service as market
from neuromation.market.model import MICRO_PER_CU, Auction, Capability, Clearing, Infeasible, Request, serves
from neuromation.nodes import service as nodes
from neuromation.nodes.model import Isolation, WorkKind
from neuromation.workflows.errors import NoFeasiblePool
from neuromation.workflows.plans import Plan
from neuromation.workflows.world import World

MAIN_TASK = {"render": "generate", "train": "train"}  # whose checks count as a node's standing
RETRY_S = 2.0  # between two auctions of the same missing work


def capabilities(
    world: World, conn: sa.Connection, work: Literal["render", "train"], *, now: datetime, node_id: str | None = None
) -> list[Capability]:
    """The nodes that may bid now (or that one node): measured, awake, not banned, and with enough at stake."""
    able = nodes.eligible_nodes(conn, WorkKind(work), now=now, silent_max_s=world.policy.node_silent_s)
    checks = nodes.reputations_of(conn, [n.node_id for n in able], MAIN_TASK[work], now=now)
    return [
        Capability(
            kind=work,
            node_id=node.node_id,
            owner_id=node.owner,
            cu_per_s=node.cu_per_s,
            memory_gib=node.memory_gib,
            disk_gib=node.disk_gib,
            gpu=bool(node.gpu),
            sandbox=node.isolation is not Isolation.NONE,
            reputation=checks[node.node_id].passed,
            floor_per_cu=node.floor,
            slots=node.slots,
        )
        for node in able
        if node_id in (None, node.node_id) and stake_of(conn, node.node_id) >= world.policy.stake_min
    ]


def stake_of(conn: sa.Connection, node_id: str) -> Ntk:
    """What a node has at stake."""
    return ledger.balance_of(conn, f"stake:{node_id}").posted


def request_of(
    plan: Plan,
    *,
    tasks: int,
    reserve: Ntk,
    deadline_s: int,
    first: bool = True,
    barred: frozenset[str] = frozenset(),
) -> Request:
    """The market's view of a plan. Work bought again is not spread anew: any able node may take it."""
    assert plan.work is not None
    return Request(
        kind=plan.work,
        tasks=tasks,
        cu_per_task=plan.cu_per_task,
        deadline_s=deadline_s,
        reserve_per_cu=reserve,
        memory_gib=plan.memory_gib,
        sandbox=plan.sandbox,
        share_max_bp=plan.share_max_bp if first else 10_000,
        pool_min=min(plan.pool_min, tasks) if first else 1,
        excluded_nodes=barred,
    )


def check_auditor(able: list[Capability], plan: Plan) -> None:
    """Work is verified on a machine of somebody else, so two owners are needed. Raises NoFeasiblePool."""
    owners = {c.owner_id for c in able if c.sandbox or not plan.sandbox}
    if len(owners) == 1:
        raise NoFeasiblePool(
            "auditor",
            "only one owner's nodes could do this now, and work is verified on somebody else's node; it needs one more node "
            "of another owner",
            ["let one more owner start a node"],
        )


def refused(answer: Infeasible) -> NoFeasiblePool:
    """The market's answer as an error for the customer."""
    return NoFeasiblePool(answer.constraint, answer.message, [r.advice for r in answer.remedies])


def seconds_left(job: Job, now: datetime) -> int:
    """Until the job's deadline, at least 1."""
    deadline = job.created_at + timedelta(seconds=job.spec["deadline_s"])
    return max(1, int((deadline - now).total_seconds()))


def open_auction(
    world: World,
    conn: sa.Connection,
    job: Job,
    plan: Plan,
    *,
    tasks: int,
    now: datetime,
    barred: frozenset[str] = frozenset(),
) -> Plan:
    """Put work out to sealed bids, and remember it in the plan. Barred nodes may not bid."""
    number = plan.memory.get("auctions", 0)
    request = request_of(
        plan,
        tasks=tasks,
        reserve=Ntk(plan.reserve_micro),
        deadline_s=seconds_left(job, now),
        first=plan.memory.get("price_per_cu") is None,
        barred=barred,
    )
    closes_at = now + timedelta(seconds=world.policy.bidding_s)
    auction = market.open_auction(conn, request, job_id=job.id, key=f"{job.id}:{number}", closes_at=closes_at, now=now)
    jobs.emit(
        conn,
        job.id,
        "auction",
        {
            "auction": auction.id,
            "kind": request.kind,
            "tasks": tasks,
            "reserve": str(request.reserve_per_cu),
            "closes": closes_at.isoformat(),
        },
        now=now,
    )
    return plan.remembering(auction=auction.id, auctions=number + 1)


def is_due(world: World, conn: sa.Connection, auction: Auction, *, now: datetime) -> bool:
    """An auction closes at its time, or as soon as everybody who could bid has."""
    if now >= auction.closes_at:
        return True
    able, silent = able_and_silent(world, conn, auction, now=now)
    return able > 0 and silent == 0


def able_and_silent(world: World, conn: sa.Connection, auction: Auction, *, now: datetime) -> tuple[int, int]:
    """How many nodes could bid in an auction now, and how many of those have not."""
    able = [c for c in capabilities(world, conn, auction.request.kind, now=now) if serves(auction.request, c)]
    return len(able), sum(market.bid_of(conn, auction.id, c.node_id) is None for c in able)


def close_auction(
    world: World, conn: sa.Connection, job: Job, plan: Plan, *, now: datetime
) -> tuple[Plan, Clearing | Infeasible]:
    """Clear the job's open auction and award the work. The plan remembers the average price for what has no award."""
    auction_id = plan.memory["auction"]
    assert plan.work is not None
    result = market.close_auction(conn, auction_id, capabilities(world, conn, plan.work, now=now), now=now, early=True)
    plan = plan.remembering(auction=None)
    if isinstance(result, Infeasible):
        return plan, result
    awards = [
        NewQuota(node_id=a.node_id, tasks=a.tasks, price_per_task=a.task_payments()[0], auction_id=auction_id)
        for a in result.awards
    ]
    jobs.set_quotas(conn, job.id, awards, now=now)
    first = plan.memory.get("price_per_cu") is None
    award = {
        "auction": auction_id,
        "price_per_cu": str(result.price_per_cu),
        "mechanism": result.mechanism,
        "nodes": {a.node_id: a.tasks for a in result.awards},
    }
    jobs.emit(conn, job.id, "award", award, now=now)
    return (plan.remembering(price_per_cu=result.price_per_cu.micro) if first else plan), result


def buy_missing(world: World, conn: sa.Connection, job: Job, plan: Plan, *, now: datetime) -> Plan:
    """Buy again what lost or excluded nodes leave undone; try until the deadline, at the customer's own maximum."""
    if plan.memory.get("auction"):
        auction = market.auction_of(conn, plan.memory["auction"])
        if not is_due(world, conn, auction, now=now):
            return plan
        plan, result = close_auction(world, conn, job, plan, now=now)
        if isinstance(result, Infeasible):
            jobs.emit(conn, job.id, "warning", {"message": result.message, "constraint": result.constraint}, now=now)
            return plan.remembering(retry_at=(now + timedelta(seconds=RETRY_S)).isoformat())
        return plan
    waits = plan.memory.get("retry_at")
    plan = _close_idle(world, conn, job, plan, now=now)
    barred = _barred(world, conn, job, plan, now=now)
    for node_id in sorted(barred):
        jobs.close_quota(conn, job.id, node_id)
    missing = jobs.unbought(conn, job.id)
    if missing == 0 or (waits and now < datetime.fromisoformat(waits)):
        return plan
    return open_auction(world, conn, job, plan, tasks=missing, now=now, barred=barred)


def _close_idle(world: World, conn: sa.Connection, job: Job, plan: Plan, *, now: datetime) -> Plan:
    """Take awards from nodes that are awake and do not work on them; the plan remembers who they were."""
    idle = jobs.idle_awards(conn, job.id, before=now - timedelta(seconds=world.policy.award_idle_s))
    for node_id in idle:
        jobs.close_quota(conn, job.id, node_id)
        message = "the node won work and did not begin it; its tasks go to others"
        jobs.emit(conn, job.id, "warning", {"node": node_id, "message": message}, now=now)
    return plan.remembering(idle=sorted({*plan.memory.get("idle", []), *idle})) if idle else plan


def _barred(world: World, conn: sa.Connection, job: Job, plan: Plan, *, now: datetime) -> frozenset[str]:
    """Nodes kept away from waiting tasks: an award to them would cover tasks that they may not or do not take, for ever.

    Where nobody else is left, only those are barred that may take none of the tasks.
    """
    shut_out, idle = jobs.shut_out(conn, job.id), set(plan.memory.get("idle", []))
    if not shut_out and not idle:
        return frozenset()
    assert plan.work is not None
    able = {c.node_id for c in capabilities(world, conn, plan.work, now=now)}
    waiting = progress.task_counts(conn, job.id, but=TaskKind.AUDIT)[TaskState.PENDING]
    everybody = idle | set(shut_out)
    return frozenset(everybody if able - everybody else (i for i, n in shut_out.items() if n >= waiting))


def price_of(plan: Plan, micro_cu: int) -> Ntk:
    """What work without an award of its own (audits) is paid: the job's clearing price."""
    return Ntk(plan.memory.get("price_per_cu", 0) * micro_cu // MICRO_PER_CU)
