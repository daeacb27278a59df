"""Drives jobs from funded to settled, one small transaction a step; any step may be the last before a crash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from neuromation.accounts import service as accounts
from neuromation.jobs import progress
from neuromation.jobs import service as jobs
from neuromation.jobs.model import Job, JobState, TaskKind, TaskState
from neuromation.kernel.failpoints import failpoint
from neuromation.ledger import service as ledger
from neuromation.market import service as market
from neuromation.market.model import Infeasible
from neuromation.storage import service as storage
from neuromation.workflows import settlement
from neuromation.workflows.kinds import work_of
from neuromation.workflows.ordering import CANCELLED
from neuromation.workflows.plans import Plan, Undeliverable, Work
from neuromation.workflows.pool import able_and_silent, buy_missing, close_auction, is_due, open_auction, seconds_left
from neuromation.workflows.verification import STEP_TASKS_MAX, verify
from neuromation.workflows.world import World

log = structlog.get_logger()

LOOK_S = 1.0  # how often a running job is looked at when nobody wakes it
BUSY_S = 0.15  # after a step that moved something: what came in meanwhile could not wake the job
CALM_S, CALM_TASKS = 2.0, 16
CHECK_SHARE = 0.05  # of the way of a task, its check; a half where all of it is run again
FAILURES_MAX = 8  # of one step in a row; then the job ends, what was done is paid, the rest flows back
UNFINISHED = (TaskState.PENDING, TaskState.LEASED, TaskState.COMMITTED)


def drive(world: World, *, on_news: Callable[[], None] | None = None) -> bool:
    """Take the next step of the job that has waited longest; False when none is due.

    `on_news` is called after a step that nodes or watchers wait for: not after one that only counted what was made.
    """
    with world.look() as conn:
        if not jobs.any_due(conn, now=world.now()):
            return False
    with world.transaction() as conn:
        now = world.now()
        job = jobs.claim_due_job(conn, now=now)
        if job is None:
            return False
        is_news = True
        try:
            with conn.begin_nested():
                is_news = step(world, conn, job, now=now)
        except Exception:  # the outermost loop of a job: a broken step is tried again, then the job is ended fairly
            log.exception("a step broke", job=job.id, state=job.state.value)
            if jobs.postpone(conn, job.id, now=now) >= FAILURES_MAX:
                _end_broken(world, conn, job, now=now)
        failpoint(f"{job.kind.value}.{job.state.value}.before-commit")
    failpoint(f"{job.kind.value}.{job.state.value}.after-commit")
    if is_news and on_news is not None:
        on_news()
    return True


def _end_broken(world: World, conn: sa.Connection, job: Job, *, now: datetime) -> None:
    """Give up on a job whose step breaks again and again; should even that break, other jobs go on all the same."""
    try:
        with conn.begin_nested():
            give_up(world, conn, job, "the platform could not finish it", now=now)
    except Exception:
        log.exception("a job cannot be ended; an operator has to look at it", job=job.id)


def step(world: World, conn: sa.Connection, job: Job, *, now: datetime) -> bool:
    """Do what the job's state asks for, and say when to look again; whether somebody waits for what was done."""
    plan = Plan.from_json(job.plan)
    work = work_of(job.kind)
    if job.state is JobState.FUNDED:
        _begin(world, conn, job, plan, now=now)
    elif job.state is JobState.BIDDING:
        return _bidding(world, conn, job, plan, work, now=now)
    elif job.state is JobState.RUNNING:
        return _running(world, conn, job, plan, work, now=now)
    elif job.state is JobState.VERIFYING:
        # A cheat that another job found out meanwhile has lost its work here too: that is done again.
        counts = _work_counts(conn, job)
        lacking = plan.memory.get("stop") or any(counts[s] for s in (*UNFINISHED, TaskState.FAILED))
        to_state = JobState.RUNNING if lacking else JobState.DELIVERING
        jobs.advance(conn, job.id, [JobState.VERIFYING], to_state, now=now)
        jobs.schedule(conn, job.id, now)
    elif job.state is JobState.DELIVERING:
        try:
            result, final, reason = work.deliver(world, conn, job, plan), JobState.SETTLED, ""
        except Undeliverable as fault:
            result, final, reason = fault.result, JobState.REFUNDED, str(fault)
        settlement.settle(world, conn, job, plan, to_state=final, result=result, reason=reason, now=now)
    return True


def _begin(world: World, conn: sa.Connection, job: Job, plan: Plan, *, now: datetime) -> None:
    if plan.work is None:
        jobs.advance(conn, job.id, [JobState.FUNDED], JobState.RUNNING, now=now)
        jobs.schedule(conn, job.id, now)
        return
    plan = open_auction(world, conn, job, plan, tasks=plan.tasks, now=now)
    _keep(conn, job, plan, BUSY_S, now=now)
    jobs.advance(conn, job.id, [JobState.FUNDED], JobState.BIDDING, now=now)


def _bidding(world: World, conn: sa.Connection, job: Job, plan: Plan, work: Work, *, now: datetime) -> bool:
    auction = market.auction_of(conn, plan.memory["auction"])
    if not is_due(world, conn, auction, now=now):
        jobs.schedule(conn, job.id, now + timedelta(seconds=0.2))
        return False
    plan, result = close_auction(world, conn, job, plan, now=now)
    if isinstance(result, Infeasible):
        _, silent = able_and_silent(world, conn, auction, now=now)  # they may have been busy or cut off
        if silent and plan.memory["auctions"] < world.policy.biddings_max:
            jobs.emit(conn, job.id, "warning", {"message": result.message, "constraint": result.constraint}, now=now)
            _keep(conn, job, open_auction(world, conn, job, plan, tasks=plan.tasks, now=now), BUSY_S, now=now)
            return True
        settlement.refund(
            conn, job, reason=f"no feasible pool: {result.message}"[:500], to_state=JobState.REFUNDED, now=now
        )
        return True
    settlement.fund_escrow(conn, job, now=now)
    plan, tasks = work.next_tasks(world, conn, job, plan)
    jobs.enqueue(conn, job.id, tasks, now=now)
    _keep(conn, job, plan, LOOK_S, now=now)
    jobs.advance(conn, job.id, [JobState.BIDDING], JobState.RUNNING, now=now)
    return True


def _running(world: World, conn: sa.Connection, job: Job, plan: Plan, work: Work, *, now: datetime) -> bool:
    verified, before = verify(world, conn, job, plan, work, now=now), plan
    counts = _work_counts(conn, job)
    stopping = plan.memory.get("stop")
    if not stopping and plan.work is not None:
        if seconds_left(job, now) <= 1:
            stopping = "the deadline passed"
        elif counts[TaskState.FAILED]:
            stopping = "a task failed on every node that tried it"
        plan = plan.remembering(stop=stopping) if stopping else buy_missing(world, conn, job, plan, now=now)
    if stopping:  # at every look: what was leased when the job was stopped may have come back since
        jobs.stop_leasing(conn, job.id, now=now)
        counts = _work_counts(conn, job)
    if any(counts[state] for state in UNFINISHED) and not (stopping and _overdue(job, now)):
        _progress(conn, job, plan, counts, now=now)
        # While much is left to begin nobody waits for a step: then commits are looked at in batches.
        gap_s = CALM_S if counts[TaskState.PENDING] > CALM_TASKS else BUSY_S
        if verified.moved >= STEP_TASKS_MAX:
            gap_s = 0.0
        _keep(conn, job, plan, gap_s if verified.moved else max(gap_s, LOOK_S), now=now, gap_s=gap_s)
        return verified.leaves_work or bool(stopping) or plan != before
    if stopping:
        give_up(world, conn, job, stopping, now=now)
        return True
    plan, tasks = work.next_tasks(world, conn, job, plan)
    jobs.enqueue(conn, job.id, tasks, now=now)
    _progress(conn, job, plan, counts, now=now)
    _keep(conn, job, plan, LOOK_S if tasks else 0, now=now)
    if not tasks:
        jobs.advance(conn, job.id, [JobState.RUNNING], JobState.VERIFYING, now=now)
    return True


def _overdue(job: Job, now: datetime) -> bool:
    """A minute past its deadline a job no longer waits for leases and audits to come home."""
    return now > job.created_at + timedelta(seconds=job.spec["deadline_s"] + 60)


def _work_counts(conn: sa.Connection, job: Job) -> dict[TaskState, int]:
    """Tasks by state, audits left out: those are somebody else's tasks seen twice."""
    return progress.task_counts(conn, job.id, but=TaskKind.AUDIT)


def _progress(conn: sa.Connection, job: Job, plan: Plan, counts: dict[TaskState, int], *, now: datetime) -> None:
    """Tell how far a job is: what was accepted, and less what is only made, or said to be."""
    check = 0.5 if plan.reruns else CHECK_SHARE
    begun = (1 - check) * (counts[TaskState.COMMITTED] + progress.under_way(conn, job.id))
    if plan.reruns:
        begun += check * progress.under_way(conn, job.id, audits=True)
    tasks = max(1, plan.tasks)
    done = round(counts[TaskState.ACCEPTED] / tasks, 4) + round(begun / tasks, 2)
    picture = {"fraction": round(min(1.0, done), 4), "tasks": {state.value: n for state, n in counts.items() if n}}
    if picture != job.progress:
        progress.set_progress(conn, job.id, picture)
        jobs.emit(conn, job.id, "progress", picture, now=now)


def _keep(conn: sa.Connection, job: Job, plan: Plan, wait_s: float, *, now: datetime, gap_s: float = BUSY_S) -> None:
    """Remember the plan; look again after `wait_s`, or when there are news, but not within `gap_s`."""
    body = plan.to_json()
    if body != job.plan:
        jobs.set_plan(conn, job.id, body)
    wakes_from = now + timedelta(seconds=min(wait_s, gap_s))
    jobs.schedule(conn, job.id, now + timedelta(seconds=wait_s), wakes_from=wakes_from)


def give_up(world: World, conn: sa.Connection, job: Job, reason: str, *, now: datetime) -> None:
    """End a job that cannot be finished: accepted work is paid, the rest flows back."""
    plan = Plan.from_json(jobs.get_job(conn, job.id).plan)
    if job.state in (JobState.FUNDED, JobState.BIDDING):
        settlement.refund(conn, job, reason=reason, to_state=JobState.REFUNDED, now=now)
        return
    final = JobState.CANCELLED if plan.memory.get("stop") == CANCELLED else JobState.REFUNDED
    settlement.settle(world, conn, job, plan, to_state=final, result={}, reason=reason, now=now)


def sweep(world: World) -> None:
    """What time alone brings about: expired leases and holds, nodes gone silent, the seal over the ledger's log."""
    with world.transaction() as conn:
        now = world.now()
        jobs.wake(conn, {t.job_id for t in jobs.expire_leases(conn, now=now)}, now=now)
        for silent in _silent(world, conn, now=now):
            release_node(conn, silent, now=now)
    with world.transaction() as conn:
        ledger.expire_holds(conn, now=world.now(), limit=100)
    with world.transaction() as conn:  # of its own: the seal's mark needs a transaction that has written nothing
        ledger.seal(conn, now=world.now(), limit=1000)


def tidy(world: World) -> int:
    """Drop what nobody needs any more; how many rows went.

    Tokens long dead, failed log-ins long forgotten, uploads on the way to deliveries of jobs that ended long ago.
    """
    with world.transaction() as conn:
        rows = accounts.sweep(conn, now=world.now())
    return rows + _collect(world)


def _collect(world: World) -> int:
    """Forget blobs that nobody may read, a page at a time, and delete their bytes."""
    before = world.now() - timedelta(seconds=world.policy.intermediate_keep_s)
    with world.transaction() as conn:
        storage.expire(conn, before=before)
        unneeded = storage.unreferenced(conn, before=before)
    gone = 0
    for sha256 in unneeded:
        # An uploader of the same bytes waits for the row, and then finds them gone and keeps them again.
        with world.transaction() as conn:
            if storage.forget(conn, sha256):
                world.blobs.delete(sha256)
                gone += 1
    return gone


def _silent(world: World, conn: sa.Connection, *, now: datetime) -> list[str]:
    from neuromation.nodes import service as nodes
    from neuromation.nodes.model import NodeState

    policy = world.policy
    gone = nodes.mark_silent(
        conn, now=now, interval_s=policy.node_silent_s, missed_max=1, dead_after_s=policy.node_dead_s
    )
    return [s.node_id for s in gone if s.state is NodeState.DEAD]


def release_node(conn: sa.Connection, node_id: str, *, now: datetime) -> None:
    """A node is gone: its leases end and what it was awarded is bought again. What it committed stays."""
    from neuromation.jobs.model import BreakReason

    affected = {quota.job_id for quota in jobs.quotas_of_node(conn, node_id)}
    for job_id in sorted(affected):
        jobs.release_quota(conn, job_id, node_id, reason=BreakReason.NODE_LOST, now=now)
        jobs.emit(
            conn,
            job_id,
            "warning",
            {"node": node_id, "message": "the node went silent; its tasks go to others"},
            now=now,
        )
    jobs.wake(conn, affected, now=now)
