"""A machine's day: join, be measured, stake, ask for work, bid, fetch inputs, commit results, be told what is no longer its."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from neuromation.accounts import service as accounts
from neuromation.accounts.model import Principal
from neuromation.client import schemas as wire
from neuromation.jobs import service as jobs
from neuromation.jobs.model import BreakReason, Commit, CommitStatus, Task, TaskKind, TaskState
from neuromation.kernel.errors import Conflict, Invalid, NotFound
from neuromation.kernel.failpoints import failpoint
from neuromation.kernel.hashing import merkle_root
from neuromation.kernel.ids import new_id
from neuromation.kernel.money import ZERO, Ntk
from neuromation.ledger import service as ledger
from neuromation.ledger.model import Transfer
from neuromation.market import service as market
from neuromation.market.model import MICRO_PER_CU, Auction, Kind
from neuromation.nodes import service as nodes
from neuromation.nodes.model import Hardware, Isolation, Node, NodeState, WorkKind
from neuromation.storage import service as storage
from neuromation.workflows.errors import StakeInUse
from neuromation.workflows.pool import capabilities, stake_of
from neuromation.workflows.reads import node_view
from neuromation.workflows.world import World

MICRO = 1_000_000
DONE_STATES = (TaskState.COMMITTED, TaskState.ACCEPTED, TaskState.SETTLED)
WORK_OF_TASK = {TaskKind.GENERATE: WorkKind.RENDER, TaskKind.TRAIN: WorkKind.TRAIN, TaskKind.TRIAL: WorkKind.TRAIN}
_REASONS = {
    "out-of-memory": BreakReason.OUT_OF_MEMORY,
    "task-crashed": BreakReason.TASK_ERROR,
    "task-timed-out": BreakReason.TIMED_OUT,
    "input-missing": BreakReason.INPUT_UNAVAILABLE,
    "bad-spec": BreakReason.UNSUPPORTED,
    "training-diverged": BreakReason.TASK_ERROR,
    "shutdown": BreakReason.SHUTDOWN,
}


def join(world: World, conn: sa.Connection, principal: Principal, body: wire.NodeJoin) -> wire.Joined:
    """Register a machine, or the same one again; its new key ends the old one's life."""
    now = world.now()
    facts = body.hardware
    hardware = Hardware(
        cores=facts.cores,
        slots=body.slots,
        memory_gib=facts.memory_gib,
        disk_gib=facts.disk_gib,
        gpu=facts.gpu,
        isolation=Isolation(facts.isolation),
    )
    node = nodes.join(
        conn, owner=principal.account_id, name=body.name, hardware=hardware, version=facts.agent_version, now=now
    )
    nodes.set_floors(conn, node.id, render=Ntk.parse(body.floor_render), train=Ntk.parse(body.floor_train))
    ledger.open_account(conn, f"stake:{node.id}", now=now)
    accounts.revoke_tokens(conn, principal.account_id, kind="node", subject=node.id, now=now)
    key = accounts.create_token(
        conn,
        principal.account_id,
        name=f"node {body.name}",
        kind="node",
        subject=node.id,
        ttl_s=None,
        secret=world.secret,
        now=now,
    )
    return wire.Joined(node=node_view(conn, nodes.get(conn, node.id), now=now), token=key.text)


def stake(world: World, conn: sa.Connection, principal: Principal, node_id: str, body: wire.NewStake) -> wire.NodeInfo:
    """Raise or lower a node's stake to an amount, from or to its owner's balance.

    Raises InsufficientFunds, and StakeInUse for taking back what stands for work that is not settled.
    """
    now = world.now()
    nodes.lock_stake(conn, node_id, shared=False)
    node = nodes.get(conn, node_id, owner=principal.account_id)
    if node.state is NodeState.BANNED:
        raise Conflict(f"node {node_id} is banned ({node.reason}); it takes no stake", reason="node-banned")
    wanted, present = Ntk.parse(body.amount), stake_of(conn, node_id)
    if wanted < present and jobs.has_unsettled(conn, node_id):
        raise StakeInUse(
            f"node {node_id} has work that is not settled, and its {present} NTK stand for it; stop the node and try again "
            "when the jobs have ended"
        )
    if wanted != present:
        own, staked = f"user:{node.owner}", f"stake:{node_id}"
        debit, credit = (own, staked) if wanted > present else (staked, own)
        amount, kind = (wanted - present, "stake") if wanted > present else (present - wanted, "unstake")
        move = Transfer(key=new_id("xfr", now), debit=debit, credit=credit, amount=amount, kind=kind, ref=node_id)
        ledger.transfer(conn, [move], now=now)
    return node_view(conn, node, now=now)


def report_benchmark(world: World, conn: sa.Connection, node_id: str, body: wire.Benchmark) -> wire.NodeInfo:
    """Take a node's measured speeds."""
    now = world.now()
    node = nodes.report_benchmark(
        conn,
        node_id,
        render_cu_per_s=round(body.render_cu_per_s * MICRO),
        train_cu_per_s=round(body.train_cu_per_s * MICRO),
        now=now,
    )
    return node_view(conn, node, now=now)


def beat(world: World, node_id: str) -> None:
    """Note that a node is alive: what a poll begins with, and repeats while it waits."""
    # On its own: a commit locks tasks before their node, so a poll must not lock them the other way round.
    with world.transaction() as conn:
        nodes.heartbeat(conn, [node_id], now=world.now())


def poll(world: World, node_id: str, body: wire.Poll) -> wire.PollAnswer:
    """Auctions to bid in, leases, and news of tasks that are no longer the node's. Raises NoSuchNode."""
    with world.transaction() as conn:
        now = world.now()
        nodes.lock_stake(conn, node_id, shared=True)
        node = nodes.get(conn, node_id)
        missed = body.missed and len(body.running) < wire.RUNNING_MAX  # else the node may hold more than it can say
        kept = (
            jobs.extend_leases(
                conn,
                node_id,
                body.running,
                lease_s=world.policy.lease_s,
                now=now,
                done=body.done,
                no_others=missed,
            )
            if body.running or missed
            else []
        )
        cancelled = [task for task in sorted(set(body.running) - set(kept)) if not _is_done_by(conn, task, node_id)]
        if node.state is not NodeState.ELIGIBLE or stake_of(conn, node_id) < world.policy.stake_min:
            return wire.PollAnswer(state=node.state.value, auctions=[], leases=[], cancelled=cancelled)
        leases = _lease(world, conn, node, body, now) if body.free_slots and body.tasks_max else []
        kinds = market.open_kinds(conn, now)
        notices = [_notice(a) for kind in kinds for a in _auctions(world, conn, node_id, kind, now)]
    return wire.PollAnswer(state=node.state.value, auctions=notices, leases=leases, cancelled=cancelled)


def _is_done_by(conn: sa.Connection, task_id: str, node_id: str) -> bool:
    """Whether the node committed a task a moment ago, while its list of running tasks was on the way."""
    try:
        task = jobs.get_task(conn, task_id)
    except NotFound:
        return False
    return task.node_id == node_id and task.state in DONE_STATES


def _lease(world: World, conn: sa.Connection, node: Node, body: wire.Poll, now: datetime) -> list[wire.TaskLease]:
    memory_gib = node.hardware.memory_gib

    def lease() -> list[Task]:
        return jobs.lease(
            conn,
            node.id,
            owner=node.owner,
            limit=body.tasks_max,
            lease_s=world.policy.lease_s,
            memory_gib=memory_gib,
            now=now,
        )

    tasks = lease()
    if not tasks and jobs.take_over(
        conn,
        node.id,
        owner=node.owner,
        floor_render=node.floor_render or ZERO,
        floor_train=node.floor_train or ZERO,
        memory_gib=memory_gib,
        now=now,
    ):
        tasks = lease()  # who is done with its own award helps a slower winner out
    return [_lease_view(world, task) for task in tasks]


def _lease_view(world: World, task: Task) -> wire.TaskLease:
    return wire.TaskLease.model_validate(
        {
            "id": task.id,
            "job": task.job_id,
            "kind": task.kind.value,
            "attempt": task.attempt,
            "spec": task.spec,
            "inputs": task.inputs,
            "cu": task.cu / MICRO_PER_CU,
            "lease_s": world.policy.lease_s,
        }
    )


def _auctions(world: World, conn: sa.Connection, node_id: str, kind: Kind, now: datetime) -> list[Auction]:
    mine = capabilities(world, conn, kind, now=now, node_id=node_id)
    return market.open_auctions_for(conn, mine[0], now) if mine else []


def _notice(auction: Auction) -> wire.AuctionNotice:
    request = auction.request
    return wire.AuctionNotice(
        id=auction.id,
        kind=request.kind,
        tasks=request.tasks,
        cu_per_task=request.cu_per_task / MICRO_PER_CU,
        deadline_s=request.deadline_s,
        memory_gib=request.memory_gib,
        closes=auction.closes_at,
        reserve_per_cu=str(request.reserve_per_cu),
    )


def bid(world: World, conn: sa.Connection, node_id: str, body: wire.NewBid) -> wire.NewBid:
    """A sealed bid, never below the node's own floor. Raises AuctionClosed, BelowFloor."""
    now = world.now()
    node = nodes.get(conn, node_id)
    auction = market.auction_of(conn, body.auction)
    floor = node.floor_render if auction.request.kind == "render" else node.floor_train
    market.place_bid(
        conn,
        body.auction,
        node_id=node_id,
        owner_id=node.owner,
        price_per_cu=Ntk.parse(body.price_per_cu),
        capacity_tasks=min(body.capacity_tasks, auction.request.tasks),
        floor_per_cu=floor or ZERO,
        now=now,
    )
    return body


def input_of(conn: sa.Connection, node_id: str, task_id: str, name: str) -> wire.InputInfo:
    """Where an input of a task is, for the node that has leased the task. Raises NotFound."""
    jobs.check_holder(conn, node_id, task_id)
    task = jobs.get_task(conn, task_id)
    if name not in task.inputs:
        raise NotFound(f"task {task_id} has no input {name[:60]!r}; it has {', '.join(sorted(task.inputs)) or 'none'}")
    return wire.InputInfo.model_validate(task.inputs[name])


def check_lease(world: World, node_id: str, task_id: str) -> None:
    """Let only the node that works on a task upload for it. Raises StaleLease, NoSuchTask."""
    with world.look() as conn:
        jobs.check_holder(conn, node_id, task_id)


def commit(world: World, conn: sa.Connection, node_id: str, commits: list[wire.Commit]) -> wire.Committed:
    """Take what a node made; one bad commit does not void the others."""
    now = world.now()
    refused: dict[str, str] = {}
    good: list[Commit] = []
    for one in commits:
        fault = _fault_of(conn, node_id, one)
        if fault:
            refused[one.task] = fault
        else:
            outputs = {name: ref.model_dump() for name, ref in one.outputs.items()}
            good.append(Commit(one.task, one.attempt, one.root, list(one.leaves), outputs, dict(one.metrics)))
    if len({c.task_id for c in good}) != len(good):
        raise Invalid("a task appears twice among the commits; send each once")
    accepted: list[str] = []
    job_ids: set[str] = set()
    stated_s = {c.task_id: c.metrics.get("seconds", 0.0) for c in good}
    new: set[str] = set()
    for outcome in jobs.commit_results(conn, node_id, good, now=now):
        if outcome.status in (CommitStatus.COMMITTED, CommitStatus.REPEATED):
            accepted.append(outcome.task_id)
            job_ids.add(outcome.job_id or "")
        else:
            refused[outcome.task_id] = outcome.status.value
        if outcome.status is CommitStatus.COMMITTED:
            new.add(outcome.task_id)
    _learn_speeds(conn, node_id, {task_id: stated_s[task_id] for task_id in new if stated_s[task_id] > 0}, now=now)
    jobs.wake(conn, job_ids, now=now)
    failpoint("node-commit.before-commit")
    return wire.Committed(accepted=accepted, refused=refused)


def _fault_of(conn: sa.Connection, node_id: str, one: wire.Commit) -> str:
    """What is wrong with a commit on its face; empty when nothing is."""
    if merkle_root(one.leaves) != one.root:
        return "the root is not the Merkle root of the leaves"
    if not one.outputs:
        return ""
    sizes = storage.readable_sizes(conn, [ref.sha256 for ref in one.outputs.values()], owner=node_id)
    missing = [name for name, ref in one.outputs.items() if ref.sha256 not in sizes]
    if missing:
        return f"upload {', '.join(missing)} first"
    # An auditor is given some outputs as its inputs, and could not fetch one whose size is not as stated.
    wrong = [name for name, ref in one.outputs.items() if sizes[ref.sha256] != ref.size]
    return f"{', '.join(wrong)} has another size than was uploaded" if wrong else ""


def _learn_speeds(conn: sa.Connection, node_id: str, stated_s: dict[str, float], *, now: datetime) -> None:
    """Correct the node's benchmark by how long real tasks took it.

    A batch is leased at once and worked off one by one, so the node's own figures are believed, up to the time from
    lease to commit.
    """
    for task_id, kind, cu, leased_at in jobs.leases_of(conn, node_id, stated_s) if stated_s else ():
        work = WORK_OF_TASK.get(kind)
        if work:
            seconds = min((now - leased_at).total_seconds(), max(0.001, stated_s[task_id]))
            nodes.observe_speed(conn, node_id, work, cu=cu, seconds=seconds)


def fail(world: World, conn: sa.Connection, node_id: str, body: wire.TaskFailure) -> None:
    """A node gives a task back. Raises StaleLease."""
    now = world.now()
    task = jobs.get_task(conn, body.task)
    jobs.fail(conn, node_id, body.task, body.attempt, reason=_REASONS[body.reason], now=now)
    data = {"task": task.id, "node": node_id, "failed": body.reason, "message": body.message[:300].replace("\x00", "")}
    jobs.emit(conn, task.job_id, "task", data, now=now)
    jobs.wake(conn, [task.job_id], now=now)
