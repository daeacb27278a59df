"""Leases, commits, refusals and awards: one example a rule, one an error."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from jobs_builders import a_commit, a_job, a_running_job, a_task, an_audit, leased
from sqlalchemy import Connection

from neuromation.jobs import progress
from neuromation.jobs import service as jobs
from neuromation.jobs.errors import (
    BadOrder,
    CommitConflict,
    NoSuchTask,
    NotCommitted,
    OverLimit,
    StaleLease,
)
from neuromation.jobs.model import FORGIVEN_MAX, BreakReason, CommitStatus, NewQuota, Task, TaskKind, TaskState
from neuromation.kernel.clock import FakeClock
from neuromation.kernel.money import Ntk


def state_of(conn: Connection, task: Task) -> TaskState:
    return jobs.get_task(conn, task.id).state


def committed(conn: Connection, node: str, clock: FakeClock) -> list[Task]:
    """Everything that the node may lease, leased and committed."""
    tasks = leased(conn, node, clock.now())
    jobs.commit_results(conn, node, [a_commit(task) for task in tasks], now=clock.now())
    return tasks


# ---- leasing


def test_a_node_gets_what_it_was_awarded_and_no_more(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), tasks=5, rig=2)
    assert [task.seq for task in leased(conn, "rig", clock.now())] == [0, 1]
    assert leased(conn, "rig", clock.now()) == []
    assert leased(conn, "stranger", clock.now()) == []


def test_a_leased_task_says_who_until_when_for_how_much(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now(), lease_s=30)
    assert (task.state, task.node_id, task.attempt, task.price) == (TaskState.LEASED, "rig", 1, Ntk(10))
    assert task.lease_expires_at == clock.now() + timedelta(seconds=30)
    assert jobs.get_task(conn, task.id) == task


def test_the_higher_priority_goes_first(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    jobs.enqueue(conn, job.id, [a_task(0), a_task(1, priority=5), a_task(2)], now=clock.now())
    jobs.set_quotas(conn, job.id, [NewQuota("rig", 3)], now=clock.now())
    assert [t.seq for _ in range(3) for t in leased(conn, "rig", clock.now(), limit=1)] == [1, 0, 2]


def test_an_open_task_goes_to_anybody_but_the_excluded(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    audit = an_audit(excluded_nodes=("worker",), excluded_owners=("acc_worker", "acc_friend"))
    jobs.enqueue(conn, job.id, [audit], now=clock.now())
    assert leased(conn, "worker", clock.now(), owner="acc_other") == []
    assert leased(conn, "friend", clock.now()) == []
    assert [task.kind for task in leased(conn, "anybody", clock.now())] == [TaskKind.AUDIT]


def test_open_tasks_come_before_awarded_ones(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), tasks=3, rig=3)
    jobs.enqueue(conn, job.id, [an_audit(0), an_audit(1)], now=clock.now())
    kinds = [task.kind for task in leased(conn, "rig", clock.now(), limit=3)]
    assert kinds == [TaskKind.AUDIT, TaskKind.AUDIT, TaskKind.GENERATE]


def test_a_pinned_task_goes_to_its_node_alone(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    jobs.enqueue(conn, job.id, [a_task(0, pinned_to="b"), a_task(1, pinned_to="a")], now=clock.now())
    jobs.set_quotas(conn, job.id, [NewQuota("a", 2), NewQuota("b", 2)], now=clock.now())
    assert [task.seq for task in leased(conn, "a", clock.now())] == [1]
    assert [task.seq for task in leased(conn, "b", clock.now())] == [0]


@pytest.mark.parametrize("changes", [{"kinds": [TaskKind.TRAIN]}, {"memory_gib": 0.5}])
def test_a_task_the_node_cannot_do_stays(conn: Connection, clock: FakeClock, changes: dict[str, Any]) -> None:
    a_running_job(conn, clock.now(), rig=3)
    assert leased(conn, "rig", clock.now(), **changes) == []


def test_one_request_takes_from_several_jobs(conn: Connection, clock: FakeClock) -> None:
    for key in "ab":
        job = a_job(conn, clock.now(), key=key)
        jobs.enqueue(conn, job.id, [a_task(i) for i in range(2)], now=clock.now())
        jobs.set_quotas(conn, job.id, [NewQuota("rig", 2)], now=clock.now())
    assert len({task.job_id for task in leased(conn, "rig", clock.now(), limit=3)}) == 2


def test_two_awards_of_one_job_keep_their_own_prices(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), tasks=3)
    for auction, price in (("auc_1", 10), ("auc_2", 25)):
        jobs.set_quotas(conn, job.id, [NewQuota("rig", 1, Ntk(price), auction)], now=clock.now())
    prices = [task.price.micro for _ in range(3) for task in leased(conn, "rig", clock.now())]
    assert prices == [10, 25]


@pytest.mark.parametrize("changes", [{"limit": 0}, {"limit": 33}, {"lease_s": 0}, {"lease_s": 3_601}])
def test_a_lease_out_of_its_bounds_is_refused(conn: Connection, clock: FakeClock, changes: dict[str, Any]) -> None:
    with pytest.raises(BadOrder):
        leased(conn, "rig", clock.now(), **changes)


def test_an_award_of_nothing_is_refused(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    with pytest.raises(BadOrder):
        jobs.set_quotas(conn, job.id, [NewQuota("rig", 0)], now=clock.now())


def test_a_lease_is_prolonged_for_its_holder_alone_and_not_for_ever(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    assert jobs.extend_leases(conn, "other", [task.id], lease_s=60, now=clock.now()) == []
    for _ in range(7):
        assert jobs.extend_leases(conn, "rig", [task.id], lease_s=3_600, now=clock.advance(3_000)) == [task.id]
    assert jobs.get_task(conn, task.id).lease_expires_at == task.created_at + timedelta(hours=6)


def test_what_a_node_was_leased_and_does_not_know_of_goes_back_at_once(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=2, other=1)
    known, unheard = leased(conn, "rig", clock.now())
    (foreign,) = leased(conn, "other", clock.now())
    held = jobs.extend_leases(conn, "rig", [known.id], lease_s=60, now=clock.advance(1), no_others=True)
    assert held == [known.id]
    states = [jobs.get_task(conn, task.id).state for task in (known, unheard, foreign)]
    assert states == [TaskState.LEASED, TaskState.PENDING, TaskState.LEASED]
    (again,) = leased(conn, "rig", clock.now())
    assert again.id == unheard.id and again.attempt == 2
    assert jobs.extend_leases(conn, "rig", [], lease_s=60, now=clock.advance(1), no_others=True) == []
    assert {jobs.get_task(conn, task.id).state for task in (known, unheard)} == {TaskState.PENDING}


def test_how_far_work_is_counts_while_its_holder_has_it(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), rig=2)
    first, second = leased(conn, "rig", clock.now())
    now = clock.now()

    def told(node: str, **done: float) -> float:
        jobs.extend_leases(conn, node, [first.id, second.id], lease_s=60, now=now, done=done)
        return round(progress.under_way(conn, job.id), 6)

    assert told("rig", **{first.id: 0.5}) == 0.5
    assert told("rig", **{first.id: 0.25, second.id: 7.0}) == 1.5  # never less than before, never more than all
    assert told("other", **{first.id: 1.0}) == 1.5
    assert progress.under_way(conn, job.id, audits=True) == 0
    jobs.commit_result(conn, "rig", a_commit(second), now=now)
    assert told("rig") == 0.5
    jobs.fail(conn, "rig", first.id, 1, reason=BreakReason.SHUTDOWN, now=now)
    assert told("rig") == 0
    assert [task.id for task in leased(conn, "rig", clock.advance(3_000))] == [first.id]
    assert told("rig") == 0


# ---- commits


def test_a_commit_is_kept_with_its_task(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    commit = a_commit(task)
    assert jobs.commit_result(conn, "rig", commit, now=clock.advance(9)).job_id == task.job_id
    read = jobs.get_task(conn, task.id)
    assert (read.state, read.committed_at) == (TaskState.COMMITTED, clock.now())
    assert read.commit is not None and read.commit["root"] == commit.root and read.commit["leaves"] == commit.leaves


def test_the_same_commit_twice_is_one(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    jobs.commit_result(conn, "rig", a_commit(task), now=clock.now())
    assert jobs.commit_result(conn, "rig", a_commit(task), now=clock.now()).status is CommitStatus.REPEATED


def test_another_body_for_the_same_attempt_is_refused(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    jobs.commit_result(conn, "rig", a_commit(task), now=clock.now())
    with pytest.raises(CommitConflict):
        jobs.commit_result(conn, "rig", a_commit(task, "other units"), now=clock.now())


def test_a_commit_of_an_older_attempt_is_stale(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), tasks=1, rig=1, other=1)
    (task,) = leased(conn, "rig", clock.now())
    jobs.expire_leases(conn, now=clock.advance(61))
    leased(conn, "other", clock.now())
    with pytest.raises(StaleLease, match="attempt 1"):
        jobs.commit_result(conn, "rig", a_commit(task), now=clock.now())


def test_a_commit_by_another_node_is_stale(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    with pytest.raises(StaleLease):
        jobs.commit_result(conn, "thief", a_commit(task), now=clock.now())


def test_a_commit_of_an_unknown_task_is_not_found(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    with pytest.raises(NoSuchTask):
        jobs.commit_result(conn, "rig", replace(a_commit(task), task_id="task_unknown"), now=clock.now())


def test_a_late_commit_counts_while_nobody_took_the_task_up(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    jobs.expire_leases(conn, now=clock.advance(61))
    assert jobs.commit_result(conn, "rig", a_commit(task), now=clock.now()).status is CommitStatus.COMMITTED
    assert [quota.taken for quota in jobs.quotas_of(conn, job.id)] == [1]


def test_a_late_commit_does_not_go_over_the_award(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), tasks=2, rig=1)
    (task,) = leased(conn, "rig", clock.now())
    jobs.expire_leases(conn, now=clock.advance(61))
    jobs.enqueue(conn, task.job_id, [a_task(9, priority=9)], now=clock.now())
    assert leased(conn, "rig", clock.now())[0].seq == 9
    with pytest.raises(StaleLease):
        jobs.commit_result(conn, "rig", a_commit(task), now=clock.now())


def test_one_stale_commit_does_not_void_the_others(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=3)
    tasks = leased(conn, "rig", clock.now())
    jobs.fail(conn, "rig", tasks[1].id, 1, reason=BreakReason.SHUTDOWN, now=clock.now())
    outcomes = jobs.commit_results(conn, "rig", [a_commit(task) for task in tasks], now=clock.now())
    assert [o.task_id for o in outcomes] == [task.id for task in tasks]
    assert [o.status for o in outcomes] == [CommitStatus.COMMITTED, CommitStatus.STALE, CommitStatus.COMMITTED]


def test_no_commits_are_no_work(conn: Connection, clock: FakeClock) -> None:
    assert jobs.commit_results(conn, "rig", [], now=clock.now()) == []


def test_a_task_twice_in_one_batch_is_refused(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    with pytest.raises(BadOrder, match="twice"):
        jobs.commit_results(conn, "rig", [a_commit(task), a_commit(task)], now=clock.now())


def test_too_many_commits_at_once_are_refused(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    with pytest.raises(OverLimit):
        jobs.commit_results(conn, "rig", [a_commit(task)] * 257, now=clock.now())


@pytest.mark.parametrize(("mine", "floor", "moved"), [(9, 9, 2), (10, 10, 2), (11, 10, 2), (11, 11, 0)])
def test_a_winner_that_is_done_takes_over_half_of_what_another_has_not_begun(
    conn: Connection, clock: FakeClock, mine: int, floor: int, moved: int
) -> None:
    job = a_job(conn, clock.now())
    jobs.enqueue(conn, job.id, [a_task(seq, cu=1_000_000) for seq in range(6)], now=clock.now())
    jobs.set_quotas(conn, job.id, [NewQuota("fast", 1, Ntk(mine)), NewQuota("slow", 5, Ntk(10))], now=clock.now())
    floors: dict[str, Any] = {"floor_render": Ntk(floor), "floor_train": Ntk(1000), "now": clock.now()}
    assert jobs.take_over(conn, "fast", owner="acc_fast", **floors) == 0, "its own award comes first"
    leased(conn, "fast", clock.now())
    leased(conn, "slow", clock.now(), limit=1)
    assert jobs.take_over(conn, "fast", owner="acc_fast", **floors) == moved
    assert [task.price for task in leased(conn, "fast", clock.now())] == [Ntk(min(mine, 10))] * moved
    assert jobs.take_over(conn, "stranger", owner="acc_stranger", **floors) == 0


def test_nobody_takes_over_more_than_is_ready_for_it(conn: Connection, clock: FakeClock) -> None:
    """What is pinned to the slower winner keeps its room there; else those tasks would wait for the deadline."""
    job = a_job(conn, clock.now())
    pinned = [a_task(seq, pinned_to="slow") for seq in range(3)]
    jobs.enqueue(conn, job.id, [*pinned, a_task(3), a_task(4)], now=clock.now())
    jobs.set_quotas(conn, job.id, [NewQuota("fast", 1, Ntk(10)), NewQuota("slow", 4, Ntk(10))], now=clock.now())
    leased(conn, "fast", clock.now())
    free: dict[str, Any] = {"floor_render": Ntk(0), "floor_train": Ntk(0), "now": clock.now()}
    assert jobs.take_over(conn, "fast", owner="acc_fast", **free) == 1
    assert len(leased(conn, "fast", clock.now())) == 1
    assert len(leased(conn, "slow", clock.now())) == 3


# ---- breaks


def test_a_task_given_back_waits_for_the_next(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), tasks=1, rig=1)
    (task,) = leased(conn, "rig", clock.now())
    back = jobs.fail(conn, "rig", task.id, 1, reason=BreakReason.SHUTDOWN, now=clock.now())
    assert (back.state, back.node_id) == (TaskState.PENDING, "rig")
    assert jobs.get_task(conn, task.id).reason == "shutdown" and jobs.unbought(conn, job.id) == 0
    assert [again.attempt for again in leased(conn, "rig", clock.now())] == [2]


def test_a_node_that_cannot_do_a_task_does_not_get_it_again(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), tasks=1, rig=1)
    (task,) = leased(conn, "rig", clock.now())
    jobs.fail(conn, "rig", task.id, 1, reason=BreakReason.OUT_OF_MEMORY, now=clock.now())
    assert leased(conn, "rig", clock.now()) == [] and jobs.unbought(conn, job.id) == 1
    jobs.set_quotas(conn, job.id, [NewQuota("big", 1)], now=clock.now())
    assert jobs.unbought(conn, job.id) == 0 and len(leased(conn, "big", clock.now())) == 1


def test_a_task_that_uses_up_its_attempts_has_failed(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    jobs.enqueue(conn, job.id, [a_task(attempts_max=2)], now=clock.now())
    jobs.set_quotas(conn, job.id, [NewQuota("rig", 1)], now=clock.now())
    states = []
    for attempt in (1, 2):
        (task,) = leased(conn, "rig", clock.now())
        states.append(jobs.fail(conn, "rig", task.id, attempt, reason=BreakReason.TASK_ERROR, now=clock.now()).state)
    assert states == [TaskState.PENDING, TaskState.FAILED] and leased(conn, "rig", clock.now()) == []


def test_attempts_that_a_node_lost_do_not_count(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    jobs.enqueue(conn, job.id, [a_task(attempts_max=1)], now=clock.now())
    for node in ("gone", "stopped", "silent"):
        jobs.set_quotas(conn, job.id, [NewQuota(node, 1)], now=clock.now())
        (task,) = leased(conn, node, clock.now())
        if node == "gone":
            jobs.release_quota(conn, job.id, node, reason=BreakReason.NODE_LOST, now=clock.now())
        elif node == "stopped":
            jobs.fail(conn, node, task.id, task.attempt, reason=BreakReason.SHUTDOWN, now=clock.now())
        else:
            jobs.expire_leases(conn, now=clock.advance(61))
        assert state_of(conn, task) is TaskState.PENDING
        jobs.close_quota(conn, job.id, node)
    jobs.set_quotas(conn, job.id, [NewQuota("honest", 1)], now=clock.now())
    (task,) = leased(conn, "honest", clock.now())
    back = jobs.fail(conn, "honest", task.id, 4, reason=BreakReason.TASK_ERROR, now=clock.now())
    assert back.state is TaskState.FAILED


def test_a_task_that_outlives_too_many_nodes_fails_at_last(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    jobs.enqueue(conn, job.id, [a_task(attempts_max=2)], now=clock.now())
    jobs.set_quotas(conn, job.id, [NewQuota("rig", 1)], now=clock.now())
    attempts = 0
    while leased(conn, "rig", clock.now()):
        attempts += 1
        (back,) = jobs.expire_leases(conn, now=clock.advance(61))
    assert attempts == FORGIVEN_MAX + 2 and back.state is TaskState.FAILED


def test_an_award_that_nobody_uses_is_found(conn: Connection, clock: FakeClock) -> None:
    start = clock.now()
    job = a_running_job(conn, start, tasks=4, idle=1, busy=2, done=1)
    (held,) = leased(conn, "busy", start, limit=1)
    leased(conn, "done", start)
    assert jobs.idle_awards(conn, job.id, before=start) == []
    later = clock.advance(30)
    assert jobs.idle_awards(conn, job.id, before=later) == ["idle"]
    jobs.commit_result(conn, "busy", a_commit(held), now=later)
    assert jobs.idle_awards(conn, job.id, before=clock.advance(1)) == ["busy", "idle"]
    leased(conn, "idle", clock.now(), limit=1)
    assert jobs.idle_awards(conn, job.id, before=clock.now()) == ["busy"]


def test_an_award_is_not_idle_while_no_task_waits_for_it(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    jobs.enqueue(conn, job.id, [a_task(0), a_task(1, pinned_to="other")], now=clock.now())
    jobs.set_quotas(conn, job.id, [NewQuota("first", 2), NewQuota("other", 1)], now=clock.now())
    (task,) = leased(conn, "first", clock.now())
    jobs.commit_result(conn, "first", a_commit(task), now=clock.now())
    leased(conn, "other", clock.now())
    later = clock.advance(30)
    assert jobs.idle_awards(conn, job.id, before=later) == []
    jobs.reject(conn, [task.id], now=later)
    assert jobs.idle_awards(conn, job.id, before=later) == []
    jobs.set_quotas(conn, job.id, [NewQuota("second", 1)], now=later)
    assert jobs.idle_awards(conn, job.id, before=clock.advance(1)) == ["second"]


def test_a_lease_that_is_gone_cannot_be_given_back(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    with pytest.raises(StaleLease):
        jobs.fail(conn, "rig", task.id, 2, reason=BreakReason.SHUTDOWN, now=clock.now())


def test_only_leases_that_ran_out_are_taken_back(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=3)
    first, second, third = leased(conn, "rig", clock.now())
    jobs.commit_result(conn, "rig", a_commit(third), now=clock.now())
    jobs.extend_leases(conn, "rig", [second.id], lease_s=60, now=clock.advance(50))
    assert jobs.expire_leases(conn, now=clock.now()) == []
    assert [r.task_id for r in jobs.expire_leases(conn, now=clock.advance(20))] == [first.id]
    assert jobs.get_task(conn, second.id).state is TaskState.LEASED
    assert [r.task_id for r in jobs.expire_leases(conn, now=clock.advance(60))] == [second.id]
    assert jobs.expire_leases(conn, now=clock.advance(600)) == []


def test_a_sweep_has_a_limit(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=3)
    for _ in range(3):
        leased(conn, "rig", clock.now(), limit=1)
    clock.advance(61)
    assert [len(jobs.expire_leases(conn, now=clock.now(), limit=2)) for _ in range(3)] == [2, 1, 0]


# ---- acceptance


def test_work_is_accepted_and_settled_once(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=3)
    ids = [task.id for task in committed(conn, "rig", clock)]
    accepted = jobs.accept(conn, ids[:2], now=clock.now())
    assert [(d.node_id, d.price.micro, d.cu) for d in accepted] == [("rig", 10, 100_000)] * 2
    assert {d.task_id for d in jobs.accept(conn, ids, now=clock.now())} == {ids[2]}
    assert len(jobs.settle(conn, ids, now=clock.now())) == 3
    assert jobs.settle(conn, ids, now=clock.now()) == []


def test_work_that_was_not_committed_cannot_be_accepted(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    with pytest.raises(NotCommitted, match="committed"):
        jobs.accept(conn, [task.id], now=clock.now())


def test_work_that_was_not_accepted_cannot_be_settled(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), rig=1)
    with pytest.raises(NotCommitted, match="accepted"):
        jobs.settle(conn, [task.id for task in committed(conn, "rig", clock)], now=clock.now())


def test_refused_work_is_done_by_another_node(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), tasks=1, cheat=1)
    (task,) = committed(conn, "cheat", clock)
    (back,) = jobs.reject(conn, [task.id], now=clock.now())
    assert (back.node_id, back.state, back.attempt) == ("cheat", TaskState.PENDING, 1)
    assert jobs.get_task(conn, task.id).commit is None and jobs.unbought(conn, job.id) == 1
    jobs.set_quotas(conn, job.id, [NewQuota("cheat", 1, auction_id="2"), NewQuota("rig", 1)], now=clock.now())
    assert leased(conn, "cheat", clock.now()) == []
    (again,) = committed(conn, "rig", clock)
    assert again.attempt == 2
    assert [d.node_id for d in jobs.accept(conn, [task.id], now=clock.now())] == ["rig"]


def test_accepted_work_can_be_refused_until_it_is_settled(conn: Connection, clock: FakeClock) -> None:
    a_running_job(conn, clock.now(), tasks=2, rig=2)
    first, second = committed(conn, "rig", clock)
    jobs.accept(conn, [first.id, second.id], now=clock.now())
    jobs.settle(conn, [first.id], now=clock.now())
    assert [r.task_id for r in jobs.reject(conn, [first.id, second.id], now=clock.now())] == [second.id]


# ---- lost nodes


def test_a_lost_nodes_work_is_to_be_bought_again(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    pinned = a_task(3, pinned_to="rig")
    jobs.enqueue(conn, job.id, [a_task(0), a_task(1), a_task(2), pinned], now=clock.now())
    jobs.set_quotas(conn, job.id, [NewQuota("rig", 4)], now=clock.now())
    done, running = leased(conn, "rig", clock.now(), limit=2)
    jobs.commit_result(conn, "rig", a_commit(done), now=clock.now())
    again = jobs.release_quota(conn, job.id, "rig", reason=BreakReason.NODE_LOST, now=clock.now())
    assert again == jobs.unbought(conn, job.id) == 3
    assert state_of(conn, done) is TaskState.COMMITTED and state_of(conn, running) is TaskState.PENDING
    jobs.set_quotas(conn, job.id, [NewQuota("other", 3)], now=clock.now())
    assert len(leased(conn, "other", clock.now())) == 3


def test_a_node_that_was_lost_cannot_commit_late(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), rig=1)
    (task,) = leased(conn, "rig", clock.now())
    jobs.expire_leases(conn, now=clock.advance(61))
    jobs.release_quota(conn, job.id, "rig", reason=BreakReason.NODE_LOST, now=clock.now())
    with pytest.raises(StaleLease):
        jobs.commit_result(conn, "rig", a_commit(task), now=clock.now())


def test_a_nodes_open_awards_are_found(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), rig=2, other=1)
    assert [(q.job_id, q.awarded) for q in jobs.quotas_of_node(conn, "rig")] == [(job.id, 2)]
    jobs.release_quota(conn, job.id, "rig", reason=BreakReason.NODE_BANNED, now=clock.now())
    assert jobs.quotas_of_node(conn, "rig") == []
    assert [(q.node_id, q.is_open) for q in jobs.quotas_of(conn, job.id)] == [("rig", False), ("other", True)]


# ---- the end


def test_a_job_that_gives_out_no_more_work_lets_nodes_finish_theirs(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), tasks=3, rig=3)
    done, lost = leased(conn, "rig", clock.now(), limit=2)
    jobs.stop_leasing(conn, job.id, now=clock.now())
    assert leased(conn, "rig", clock.now()) == []
    assert jobs.commit_result(conn, "rig", a_commit(done), now=clock.now()).status is CommitStatus.COMMITTED
    assert [r.task_id for r in jobs.expire_leases(conn, now=clock.advance(61))] == [lost.id]
    assert [(q.awarded, q.taken, q.is_open) for q in jobs.quotas_of(conn, job.id)] == [(2, 1, False)]


def test_what_was_accepted_is_earned_and_settled_once(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), tasks=3, rig=2, other=1)
    jobs.accept(conn, [t.id for node in ("rig", "other") for t in committed(conn, node, clock)], now=clock.now())
    assert sorted((line.node_id, line.tasks) for line in jobs.earnings(conn, job.id)) == [("other", 1), ("rig", 2)]
    assert [jobs.settle_all(conn, job.id, now=clock.now()) for _ in range(2)] == [3, 0]
