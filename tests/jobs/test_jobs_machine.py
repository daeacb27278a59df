"""Any order of leases, commits, breaks and verdicts by several nodes, against a model in plain Python.

No task is leased twice or lost, attempts are bounded, awards are never exceeded, and every answer is the model's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from jobs_builders import a_commit, a_job, a_task, an_audit

from neuromation.jobs import service as jobs
from neuromation.jobs.errors import StaleLease
from neuromation.jobs.model import (
    EXCLUDING_REASONS,
    FORGIVEN_MAX,
    FORGIVEN_REASONS,
    BreakReason,
    CommitStatus,
    NewQuota,
    Task,
    TaskState,
)
from neuromation.kernel.clock import FakeClock
from neuromation.kernel.money import ZERO

NODES = ("a1", "a2", "b1")
OWNERS = {"a1": "acc_a", "a2": "acc_a", "b1": "acc_b"}
WORK, PINNED, AUDITS, ATTEMPTS_MAX = 5, 2, 1, 3
LEASE_S = 60.0

P, L, C, A, S, F = (
    TaskState.PENDING,
    TaskState.LEASED,
    TaskState.COMMITTED,
    TaskState.ACCEPTED,
    TaskState.SETTLED,
    TaskState.FAILED,
)
nodes = st.sampled_from(NODES)
picks = st.integers(0, 99)


@dataclass
class ModelTask:
    needs_quota: bool
    owners_out: set[str]
    pinned_to: str | None = None
    state: TaskState = P
    attempt: int = 0
    forgiven: int = 0
    holder: str | None = None  # while pending: whose late commit may count
    quota: ModelQuota | None = None
    expires: datetime | None = None
    nodes_out: set[str] = field(default_factory=set)
    seen: dict[tuple[str, int], Task] = field(default_factory=dict)  # by node and attempt: leases ever given
    commits: dict[int, tuple[str, str]] = field(default_factory=dict)  # by attempt: node and text

    def unpin(self, node: str) -> None:
        self.pinned_to = None if self.pinned_to == node else self.pinned_to


@dataclass
class ModelQuota:
    node: str
    awarded: int
    taken: int = 0
    is_open: bool = True

    @property
    def room(self) -> int:
        return self.awarded - self.taken if self.is_open else 0


class LeaseMachine(RuleBasedStateMachine):
    engine: sa.Engine

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.conn = self.engine.connect()
        self.job = a_job(self.conn, self.clock.now())
        pins = ["b1"] * PINNED + [None] * (WORK - PINNED)
        work = [a_task(i, attempts_max=ATTEMPTS_MAX, pinned_to=pin) for i, pin in enumerate(pins)]
        audits = [an_audit(i, attempts_max=ATTEMPTS_MAX, excluded_owners=("acc_b",)) for i in range(AUDITS)]
        ids = jobs.enqueue(self.conn, self.job.id, work + audits, now=self.clock.now())
        self.tasks = {id: ModelTask(True, set(), pin) for id, pin in zip(ids, pins, strict=False)}
        self.tasks |= {id: ModelTask(False, {"acc_b"}) for id in ids[WORK:]}
        self.quotas = [ModelQuota("a1", 2), ModelQuota("a2", 1), ModelQuota("b1", 4)]  # in the order they were made
        awards = [NewQuota(quota.node, quota.awarded) for quota in self.quotas]
        jobs.set_quotas(self.conn, self.job.id, awards, now=self.clock.now())

    def teardown(self) -> None:
        self.conn.rollback()
        self.conn.close()

    # -- what the model knows

    def in_state(self, *states: TaskState) -> list[str]:
        return [id for id, task in self.tasks.items() if task.state in states]

    def with_room(self, node: str) -> ModelQuota | None:
        return next((quota for quota in self.quotas if quota.node == node and quota.room > 0), None)

    def fits(self, task: ModelTask, node: str) -> bool:
        is_let = node not in task.nodes_out and OWNERS[node] not in task.owners_out
        return task.state is P and is_let and task.pinned_to in (None, node)

    def give_back(
        self, task: ModelTask, reason: BreakReason, *, keep: bool = False, exclude: bool = False
    ) -> TaskState:
        assert task.holder is not None
        if task.quota:
            task.quota.taken -= 1
            task.quota.awarded -= exclude or not task.quota.is_open
        if exclude:
            task.nodes_out.add(task.holder)
            task.unpin(task.holder)
        task.forgiven += reason in FORGIVEN_REASONS and task.forgiven < FORGIVEN_MAX
        task.state = F if task.attempt - task.forgiven >= ATTEMPTS_MAX else P
        task.holder, task.expires = (task.holder if keep else None), None
        task.quota = task.quota if keep else None
        return task.state

    # -- what may happen

    @rule(node=nodes, limit=st.integers(1, 4), lease_s=st.sampled_from([20.0, LEASE_S]))
    def lease(self, node: str, limit: int, lease_s: float) -> None:
        open_ones = [i for i, t in self.tasks.items() if not t.needs_quota and self.fits(t, node)]
        awarded = [i for i, t in self.tasks.items() if t.needs_quota and self.fits(t, node)]
        open_count = min(limit, len(open_ones))
        quota = self.with_room(node)
        count = open_count + min(limit - open_count, quota.room if quota else 0, len(awarded))
        now = self.clock.now()
        got = jobs.lease(self.conn, node, owner=OWNERS[node], limit=limit, lease_s=lease_s, now=now)
        assert len(got) == len({task.id for task in got}) == count
        for given in got:
            task = self.tasks[given.id]
            assert self.fits(task, node)
            task.state, task.holder, task.expires = L, node, now + timedelta(seconds=lease_s)
            task.attempt += 1
            assert given.attempt == task.attempt <= ATTEMPTS_MAX + task.forgiven
            task.seen[node, task.attempt] = given
            task.quota = quota if task.needs_quota else None
            if task.quota:
                task.quota.taken += 1

    @precondition(lambda self: any(task.seen for task in self.tasks.values()))
    @rule(pick=picks, older=picks, text=st.sampled_from(["units", "other"]))
    def commit(self, pick: int, older: int, text: str) -> None:
        """Any lease ever given may be committed: live, late, repeated, changed or long gone."""
        seen = [(id, *key) for id, task in self.tasks.items() for key in task.seen]
        id, node, attempt = seen[pick % len(seen)]
        task = self.tasks[id]
        expected = self.expected_commit(task, node, attempt, text)
        commit = a_commit(task.seen[node, attempt], text)
        (outcome,) = jobs.commit_results(self.conn, node, [commit], now=self.clock.now())
        assert outcome.status is expected
        if expected is CommitStatus.COMMITTED:
            if task.quota:
                task.quota.taken += task.state is P
            task.state, task.expires = C, None
            task.commits[attempt] = (node, text)

    def expected_commit(self, task: ModelTask, node: str, attempt: int, text: str) -> CommitStatus:
        if attempt in task.commits:
            return CommitStatus.REPEATED if task.commits[attempt] == (node, text) else CommitStatus.CONFLICT
        mine = task.attempt == attempt and task.holder == node
        if mine and task.state is L:
            return CommitStatus.COMMITTED
        if mine and task.state is P and (task.quota is None or task.quota.room > 0):
            return CommitStatus.COMMITTED
        return CommitStatus.STALE

    @precondition(lambda self: self.in_state(L))
    @rule(pick=picks, reason=st.sampled_from([BreakReason.TASK_ERROR, BreakReason.OUT_OF_MEMORY]), stale=st.booleans())
    def fail(self, pick: int, reason: BreakReason, stale: bool) -> None:
        held = self.in_state(L)
        id = held[pick % len(held)]
        task, now = self.tasks[id], self.clock.now()
        assert task.holder is not None
        if stale:
            with pytest.raises(StaleLease):
                jobs.fail(self.conn, task.holder, id, task.attempt + 1, reason=reason, now=now)
            return
        back = jobs.fail(self.conn, task.holder, id, task.attempt, reason=reason, now=now)
        assert back.state is self.give_back(task, reason, exclude=reason in EXCLUDING_REASONS)

    @rule(seconds=st.sampled_from([5, 30, 90]))
    def sweep_later(self, seconds: int) -> None:
        now = self.clock.advance(seconds)
        due = {id for id in self.in_state(L) if (self.tasks[id].expires or now) < now}
        back = jobs.expire_leases(self.conn, now=now)
        assert {r.task_id for r in back} == due
        for returned in back:
            task = self.tasks[returned.task_id]
            assert returned.state is self.give_back(task, BreakReason.LEASE_EXPIRED, keep=True)

    @rule(node=nodes)
    def prolong(self, node: str) -> None:
        now = self.clock.now()
        held = jobs.extend_leases(self.conn, node, list(self.tasks), lease_s=LEASE_S, now=now)
        assert set(held) == {id for id in self.in_state(L) if self.tasks[id].holder == node}
        for id in held:
            self.tasks[id].expires = now + timedelta(seconds=LEASE_S)

    @precondition(lambda self: self.in_state(C))
    @rule(pick=picks)
    def accept(self, pick: int) -> None:
        ids = self.in_state(C)[: pick % 3 + 1]
        assert {d.task_id for d in jobs.accept(self.conn, ids, now=self.clock.now())} == set(ids)
        for id in ids:
            self.tasks[id].state = A

    @precondition(lambda self: self.in_state(A))
    @rule()
    def settle(self) -> None:
        ids = self.in_state(A)
        assert {d.task_id for d in jobs.settle(self.conn, ids, now=self.clock.now())} == set(ids)
        for id in ids:
            self.tasks[id].state = S

    @rule(pick=picks)
    def reject(self, pick: int) -> None:
        """Of any tasks, those committed or accepted go back; the others are left alone."""
        ids = list(self.tasks)[pick % 4 :: 3]
        wanted = {id for id in ids if self.tasks[id].state in (C, A)}
        back = jobs.reject(self.conn, ids, now=self.clock.now())
        assert {r.task_id for r in back} == wanted
        for returned in back:
            task = self.tasks[returned.task_id]
            assert returned.state is self.give_back(task, BreakReason.WRONG_RESULT, exclude=True)

    @rule(node=nodes)
    def lose_node(self, node: str) -> None:
        for task in self.tasks.values():
            if task.state is L and task.holder == node:
                self.give_back(task, BreakReason.NODE_LOST)
            if task.state is P:
                task.unpin(node)
        mine = [quota for quota in self.quotas if quota.node == node and quota.is_open]
        room = sum(quota.room for quota in mine)
        for quota in mine:
            quota.awarded, quota.is_open = quota.taken, False
        reason = BreakReason.NODE_LOST
        assert jobs.release_quota(self.conn, self.job.id, node, reason=reason, now=self.clock.now()) == room

    @precondition(lambda self: jobs.unbought(self.conn, self.job.id) > 0)
    @rule(node=nodes)
    def buy_again(self, node: str) -> None:
        missing = jobs.unbought(self.conn, self.job.id)
        jobs.set_quotas(self.conn, self.job.id, [NewQuota(node, missing)], now=self.clock.now())
        quota = next(quota for quota in self.quotas if quota.node == node)
        quota.awarded, quota.is_open = quota.awarded + missing, True
        assert jobs.unbought(self.conn, self.job.id) == 0

    @rule(node=nodes)
    def take_over(self, node: str) -> None:
        """Who has begun all of its awards gets half of what somebody has not begun; all prices are equal here."""
        is_winner = any(quota.node == node and quota.is_open for quota in self.quotas)
        fits = sum(t.needs_quota and self.fits(t, node) for t in self.tasks.values())
        others = [quota for quota in self.quotas if quota.node != node and quota.room >= 2]
        free: dict[str, Any] = {"floor_render": ZERO, "floor_train": ZERO, "now": self.clock.now()}
        moved = jobs.take_over(self.conn, node, owner=OWNERS[node], **free)
        if not (is_winner and self.with_room(node) is None and fits and others):
            assert moved == 0
            return
        giver = max(others, key=lambda quota: quota.room)
        assert moved == min(giver.room // 2, fits)
        giver.awarded -= moved
        rows = jobs.quotas_of(self.conn, self.job.id)
        if len(rows) > len(self.quotas):
            self.quotas.append(ModelQuota(node, moved))
        else:  # the second time from the same award
            (grown,) = [
                q
                for q, row in zip(self.quotas, rows, strict=True)
                if (row.awarded, row.is_open) != (q.awarded, q.is_open)
            ]
            assert grown.node == node
            grown.awarded, grown.is_open = grown.awarded + moved, True

    # -- what always holds

    @invariant()
    def no_task_is_lost_and_every_state_is_the_models(self) -> None:
        read = {task.id: task for task in jobs.tasks_of(self.conn, self.job.id)}
        assert read.keys() == self.tasks.keys()
        for id, task in self.tasks.items():
            assert (read[id].state, read[id].attempt, read[id].node_id) == (task.state, task.attempt, task.holder)
            assert (read[id].commit is not None) == (task.state in (C, A, S))
            assert task.attempt <= ATTEMPTS_MAX + task.forgiven

    @invariant()
    def awards_are_never_exceeded(self) -> None:
        held = Counter(t.holder for t in self.tasks.values() if t.needs_quota and t.state in (L, C, A, S))
        for quota, model in zip(jobs.quotas_of(self.conn, self.job.id), self.quotas, strict=True):
            assert (quota.node_id, quota.awarded, quota.taken) == (model.node, model.awarded, model.taken)
            assert quota.is_open == model.is_open and quota.taken <= quota.awarded
        taken = Counter[str]()
        for model in self.quotas:
            taken[model.node] += model.taken
        assert taken == held

    @invariant()
    def what_is_to_be_bought_is_counted(self) -> None:
        waiting = sum(t.needs_quota and t.state is P for t in self.tasks.values())
        room = sum(quota.room for quota in self.quotas)
        assert jobs.unbought(self.conn, self.job.id) == max(0, waiting - room)


def test_leases_follow_the_model_in_any_order_of_events(engine: sa.Engine) -> None:
    machine = type("Machine", (LeaseMachine,), {"engine": engine})
    health = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    options = settings(max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=health)
    run_state_machine_as_test(machine, settings=options)
