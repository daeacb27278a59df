"""No unit is paid before it is verified: look at every commit, have a sample regenerated elsewhere, judge the answers.

A node commits before the sample is drawn; the draw hashes its commitment with the platform's secret, so it can neither be
foreseen nor chosen. Who is proven wrong by two independent others loses its stake and its place.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import numpy as np
import sqlalchemy as sa
from numpy.random import Generator, Philox

from neuromation.jobs import service as jobs
from neuromation.jobs.model import BreakReason, Job, JobState, NewTask, Task, TaskKind, TaskState, audit_group
from neuromation.kernel.money import ZERO
from neuromation.ledger import service as ledger
from neuromation.ledger.model import Transfer
from neuromation.nodes import service as nodes
from neuromation.nodes.model import audit_probability
from neuromation.workflows.plans import Plan, Rejected, Work
from neuromation.workflows.pool import stake_of
from neuromation.workflows.world import World

AUDITS_PER_TASK = 2  # the second decides between a node and its first auditor
AUDITORS_MAX = 6  # asked about one commit, with those that gave it back
STEP_TASKS_MAX = 64  # a step looks at so many commits at most, so that no transaction grows long
SEIZED = "platform:seized"


class Verdict(Enum):
    PASS = "pass"  # noqa: S105 - not a password
    CHEAT = "cheat"
    AUDITOR_LIED = "auditor-lied"
    DISAGREE = "disagree"  # one against one: a third node decides
    UNDECIDED = "undecided"  # three answers, all different, or nobody could answer
    # Of a customer's own program, which may answer differently each time, even on purpose, nobody is accused:
    OUTVOTED = "outvoted"  # two others agree with each other and not with the node: done again, unpaid
    AUDITOR_OUTVOTED = "auditor-outvoted"  # the second auditor agrees with the node: the first is unpaid
    UNREPEATABLE = "unrepeatable"  # three answers, all different: all are paid, nothing is delivered
    UNANSWERED = "unanswered"  # every auditor so far gave the task back: another is asked


@dataclass(frozen=True)
class Case:
    """A committed task with the audits of its present attempt, in order."""

    task: Task
    audits: list[Task]

    @property
    def units(self) -> list[int]:
        return list(self.audits[0].spec["units"])

    @property
    def answers(self) -> list[Task]:
        """The audits that somebody answered; one that failed says nothing about the task."""
        return [audit for audit in self.audits if audit.commit is not None]


@dataclass
class _Step:
    """What one look at a job's commits has decided and not yet written: written at its end, all at once."""

    job: Job
    now: datetime
    accepted: list[str] = field(default_factory=list)
    audits: list[NewTask] = field(default_factory=list)
    is_over: bool = False  # a node lost its standing: what was read before may be wrong, the next step reads anew
    leaves_work: bool = False  # for nodes: audits, tasks to do again

    def write(self, conn: sa.Connection) -> None:
        jobs.accept(conn, self.accepted, now=self.now)
        jobs.enqueue(conn, self.job.id, self.audits, now=self.now)
        self.leaves_work = self.leaves_work or bool(self.audits)
        self.accepted, self.audits = [], []


@dataclass(frozen=True)
class Verified:
    """How many commits moved, and whether that leaves work for nodes."""

    moved: int = 0
    leaves_work: bool = False


def verify(world: World, conn: sa.Connection, job: Job, plan: Plan, work: Work, *, now: datetime) -> Verified:
    """Move every commit of the job one step towards accepted or rejected, STEP_TASKS_MAX at most."""
    tasks = jobs.reviewable(conn, job.id, limit=STEP_TASKS_MAX)
    if not tasks:
        return Verified()
    audits: dict[str, list[Task]] = {audit_group(t.id, t.attempt): [] for t in tasks}
    for audit in jobs.tasks_of(conn, job.id, kind=TaskKind.AUDIT, groups=audits):
        audits[audit.group].append(audit)
    standing = {
        kind: nodes.reputations_of(conn, sorted({t.node_id or "" for t in tasks}), kind, now=now)
        for kind in {t.kind for t in tasks}
    }
    step, moved = _Step(job, now), 0
    for task in tasks:
        assert task.node_id is not None
        case = Case(task, audits[audit_group(task.id, task.attempt)])
        if case.audits:
            _decide(world, conn, step, plan, work, case)
        else:
            _first_look(world, conn, step, work, task, standing[task.kind][task.node_id].passed)
        moved += 1
        if step.is_over:
            break
    step.write(conn)
    return Verified(moved, step.leaves_work or step.is_over)


def _decide(world: World, conn: sa.Connection, step: _Step, plan: Plan, work: Work, case: Case) -> None:
    """Act on the auditors' answers."""
    task, answers, job, now = case.task, case.answers, step.job, step.now
    verdict = _judge(world, work, case)
    assert task.node_id is not None
    _tell(conn, job, case, verdict, now=now)
    if verdict in (Verdict.DISAGREE, Verdict.UNANSWERED):
        step.audits.append(_audit(world, conn, work, task, case.units, earlier=case.audits))
    elif verdict in (Verdict.UNDECIDED, Verdict.OUTVOTED):
        step.accepted += [a.id for a in answers]
        jobs.reject(conn, [task.id], now=now)
        step.leaves_work = True
        if verdict is Verdict.OUTVOTED:
            nodes.record_check(conn, task.node_id, task.kind, passed=False, now=now)
    elif verdict is Verdict.UNREPEATABLE:
        step.accepted += [task.id, *(a.id for a in answers)]
    elif verdict is Verdict.CHEAT:
        step.accepted += [a.id for a in answers]
        step.write(conn)
        nodes.record_check(conn, task.node_id, task.kind, passed=False, now=now)
        expel(conn, job, plan, task.node_id, "two other nodes regenerated its units and got others", now=now)
        step.is_over = True
    else:
        truthful = answers if verdict is Verdict.PASS else answers[1:]
        step.accepted += [task.id, *(a.id for a in truthful)]
        nodes.record_check(conn, task.node_id, task.kind, passed=True, now=now)
        if verdict is Verdict.PASS:
            return
        assert answers[0].node_id is not None
        if verdict is Verdict.AUDITOR_OUTVOTED:
            nodes.record_check(conn, answers[0].node_id, task.kind, passed=False, now=now)
        else:
            step.write(conn)
            expel(conn, job, plan, answers[0].node_id, "its audit was contradicted by two other nodes", now=now)
            step.is_over = True


def _first_look(world: World, conn: sa.Connection, step: _Step, work: Work, task: Task, checks_passed: float) -> None:
    """Check what can be seen without an auditor, then draw whether one is sent."""
    assert task.node_id is not None and task.commit is not None
    job, now = step.job, step.now
    try:
        work.check(world, job, task)
    except Rejected as fault:
        jobs.reject(conn, [task.id], reason=fault.reason, now=now)
        nodes.record_check(conn, task.node_id, task.kind, passed=False, now=now)
        jobs.emit(conn, job.id, "task", {"task": task.id, "node": task.node_id, "rejected": str(fault)}, now=now)
        step.is_over = True
        return
    rng = _draw(world, task)
    probability = audit_probability(checks_passed)
    if task.kind is TaskKind.PROJECT:
        probability = 1.0  # nothing else tells whether its results are right
    elif task.kind is TaskKind.TRIAL:
        probability = min(probability, world.policy.trial_audit_max)
    if rng.random() >= probability:
        step.accepted.append(task.id)
    else:
        step.audits.append(_audit(world, conn, work, task, _sample(world, rng, task), earlier=[]))


def _draw(world: World, task: Task) -> Generator:
    """Randomness that a node could not foresee when it committed, and that the platform cannot choose afterwards."""
    assert task.commit is not None
    key = hmac.new(world.secret, f"{task.id}/{task.attempt}/{task.commit['root']}".encode(), hashlib.sha256).digest()
    return Generator(Philox(key=int.from_bytes(key[:16], "little")))


def _sample(world: World, rng: Generator, task: Task) -> list[int]:
    """Which units are regenerated: of a shard a share; of a training one segment; of a trial or a project all of it."""
    assert task.commit is not None
    count = len(task.commit["leaves"])
    if task.kind in (TaskKind.TRIAL, TaskKind.PROJECT):
        return [count - 1]
    wanted = (
        1
        if task.kind is TaskKind.TRAIN
        else max(world.policy.audit_units_min, count * world.policy.audit_units_bp // 10_000)
    )
    drawn = rng.choice(count, size=min(count, wanted), replace=False)
    return sorted(int(i) for i in np.asarray(drawn))


def _audit(
    world: World, conn: sa.Connection, work: Work, task: Task, units: list[int], *, earlier: list[Task]
) -> NewTask:
    """The task for a node of another owner than all who answered before."""
    order = work.audit_order(world, task, units)
    involved = [n for n in (task.node_id, *(a.node_id for a in earlier)) if n is not None]
    return NewTask(
        kind=TaskKind.AUDIT,
        round=task.round,
        seq=(task.seq * 100 + task.attempt) * 10 + len(earlier),
        group=audit_group(task.id, task.attempt),
        priority=10,
        spec={**order.spec, "units": units, "attempt": task.attempt},
        inputs=order.inputs,
        cu=order.cu,
        memory_gib=task.memory_gib,
        needs_quota=False,
        attempts_max=10,
        excluded_nodes=tuple(involved),
        excluded_owners=tuple({nodes.get(conn, n).owner for n in involved}),
    )


def _judge(world: World, work: Work, case: Case) -> Verdict:
    answers = case.answers
    agreeing = [_agrees(world, work, case, audit) for audit in answers]
    if agreeing and agreeing[0]:
        return Verdict.PASS
    if len(answers) < AUDITS_PER_TASK:
        if len(case.audits) >= AUDITORS_MAX:
            return Verdict.UNDECIDED
        return Verdict.DISAGREE if answers else Verdict.UNANSWERED
    return _majority(world, work, case.task, answers, second_agrees=agreeing[1])


def _majority(world: World, work: Work, task: Task, answers: list[Task], *, second_agrees: bool) -> Verdict:
    """What two answers come to, of which the first differs from the task's."""
    if task.kind is TaskKind.PROJECT:
        if second_agrees:
            return Verdict.AUDITOR_OUTVOTED
        return Verdict.OUTVOTED if work.agrees(world, answers[0], 0, answers[1]) else Verdict.UNREPEATABLE
    if second_agrees:
        return Verdict.AUDITOR_LIED
    first, second = answers[0].commit, answers[1].commit
    same = first and second and first["leaves"] == second["leaves"]
    return Verdict.CHEAT if same else Verdict.UNDECIDED


def _agrees(world: World, work: Work, case: Case, audit: Task) -> bool:
    """Whether an auditor got the same: equal hashes, or within the tolerance of this kind of work."""
    assert case.task.commit is not None
    if audit.commit is None:
        return False
    mine, theirs = case.task.commit["leaves"], list(audit.commit["leaves"])
    if len(theirs) != len(case.units):
        return False
    pairs: Sequence[tuple[int, str]] = list(zip(case.units, theirs, strict=True))
    return all(mine[unit] == leaf or work.agrees(world, case.task, unit, audit) for unit, leaf in pairs)


def _tell(conn: sa.Connection, job: Job, case: Case, verdict: Verdict, *, now: datetime) -> None:
    data = {
        "task": case.task.id,
        "node": case.task.node_id,
        "auditor": case.audits[-1].node_id,
        "verdict": verdict.value,
        "units": len(case.units),
    }
    jobs.emit(conn, job.id, "audit", data, now=now)


def expel(conn: sa.Connection, job: Job, plan: Plan, node_id: str, why: str, *, now: datetime) -> None:
    """A proven cheat: banned, its stake seized into the platform's pool, its unpaid work thrown away, everywhere."""
    nodes.ban(conn, node_id, reason=why, now=now)
    stake = stake_of(conn, node_id)
    if stake > ZERO:
        seizure = Transfer(
            key=f"seize:{node_id}:{job.id}",
            debit=f"stake:{node_id}",
            credit=SEIZED,
            amount=stake,
            kind="seizure",
            ref=job.id,
        )
        ledger.transfer(conn, [seizure], now=now)
    affected = {q.job_id for q in jobs.quotas_of_node(conn, node_id)} | {job.id}
    for job_id in sorted(affected):
        other = jobs.get_job(conn, job_id)
        if other.state is JobState.DELIVERING:
            continue  # all its work is verified, and it is being published
        memory = plan.memory if job_id == job.id else other.plan["memory"]
        _discard(conn, job_id, node_id, memory.get("round", 0), now=now)
    jobs.wake(conn, affected - {job.id}, now=now)
    jobs.emit(conn, job.id, "warning", {"node": node_id, "banned": why, "seized": str(stake)}, now=now)


def _discard(conn: sa.Connection, job_id: str, node_id: str, current_round: int, *, now: datetime) -> None:
    """Take the node off the job and its unsettled work with it; rounds that are over stay as they are."""
    jobs.release_quota(conn, job_id, node_id, reason=BreakReason.NODE_BANNED, now=now)
    states = [TaskState.COMMITTED, TaskState.ACCEPTED]
    after: Task | None = None
    while page := jobs.tasks_of(conn, job_id, node_id=node_id, states=states, after=after, limit=1000):
        after = page[-1]
        doubtful = [t.id for t in page if t.round >= current_round and t.kind is not TaskKind.AUDIT]
        jobs.reject(conn, doubtful, reason=BreakReason.NODE_BANNED, now=now)
