"""Several connections at once: SKIP LOCKED never gives a task twice, and awards and numbers keep their promises."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
import sqlalchemy as sa
from jobs_builders import a_commit, a_job, a_running_job, leased

from neuromation.jobs import progress
from neuromation.jobs import service as jobs
from neuromation.jobs.errors import KeyReused
from neuromation.jobs.model import CommitStatus, Task, TaskState
from neuromation.kernel.clock import FakeClock
from neuromation.kernel.money import Ntk

THREADS = 6
T = TypeVar("T")


def together(work: Callable[[int], T], threads: int = THREADS) -> list[T]:
    """Run `work(0..threads - 1)` at the same moment, a thread each."""
    start = threading.Barrier(threads)

    def run(number: int) -> T:
        start.wait(30)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def test_no_task_is_leased_twice_and_none_is_left(engine: sa.Engine, clock: FakeClock) -> None:
    nodes = [f"node_{i}" for i in range(THREADS)]
    with engine.begin() as conn:
        job = a_running_job(conn, clock.now(), tasks=300, **dict.fromkeys(nodes, 50))

    def claim(number: int) -> list[Task]:
        taken: list[Task] = []
        # A pass may come back empty while others hold the rows it saw; the awards are filled all the same.
        while len(taken) < 50:
            with engine.begin() as conn:
                taken += leased(conn, nodes[number], clock.now(), limit=7)
        return taken

    taken = [task for tasks in together(claim) for task in tasks]
    assert len({task.id for task in taken}) == len(taken) == 300
    assert Counter(task.node_id for task in taken) == dict.fromkeys(nodes, 50)
    with engine.begin() as conn:
        assert progress.task_counts(conn, job.id)[TaskState.LEASED] == 300


def test_one_node_asking_many_times_at_once_stays_within_its_award(engine: sa.Engine, clock: FakeClock) -> None:
    with engine.begin() as conn:
        a_running_job(conn, clock.now(), tasks=40, rig=10)

    def claim(_: int) -> int:
        with engine.begin() as conn:
            return len(leased(conn, "rig", clock.now(), limit=4))

    assert sum(together(claim)) == 10


def test_a_commit_and_the_sweep_at_once_leave_one_outcome(engine: sa.Engine, clock: FakeClock) -> None:
    with engine.begin() as conn:
        job = a_running_job(conn, clock.now(), tasks=30, rig=30)
        tasks = leased(conn, "rig", clock.now(), limit=30)
    late = clock.advance(61)

    def act(number: int) -> int:
        with engine.begin() as conn:
            if number % 2:
                return len(jobs.expire_leases(conn, now=late))
            commits = [a_commit(task) for task in tasks]
            return sum(o.status is CommitStatus.COMMITTED for o in jobs.commit_results(conn, "rig", commits, now=late))

    together(act)
    with engine.begin() as conn:
        counts = progress.task_counts(conn, job.id)
        assert counts[TaskState.COMMITTED] + counts[TaskState.PENDING] == 30
        assert [quota.taken for quota in jobs.quotas_of(conn, job.id)] == [counts[TaskState.COMMITTED]]


def test_the_tasks_of_a_node_that_was_killed_come_back(engine: sa.Engine, clock: FakeClock) -> None:
    with engine.begin() as conn:
        a_running_job(conn, clock.now(), tasks=4, killed=2, rig=4)
        lost = {task.id for task in leased(conn, "killed", clock.now())}
    # What the platform was doing when it died itself is as if it had never been.
    with engine.connect() as conn:
        assert leased(conn, "rig", clock.now())
        conn.rollback()
    with engine.begin() as conn:
        assert {r.task_id for r in jobs.expire_leases(conn, now=clock.advance(61))} == lost
        assert len(leased(conn, "rig", clock.now())) == 4


def test_work_is_accepted_by_one_of_many(engine: sa.Engine, clock: FakeClock) -> None:
    with engine.begin() as conn:
        a_running_job(conn, clock.now(), tasks=20, rig=20)
        tasks = leased(conn, "rig", clock.now())
        jobs.commit_results(conn, "rig", [a_commit(task) for task in tasks], now=clock.now())

    def accept(_: int) -> int:
        with engine.begin() as conn:
            return len(jobs.accept(conn, [task.id for task in tasks], now=clock.now()))

    assert sorted(together(accept)) == [0] * (THREADS - 1) + [20]


def test_a_due_job_has_one_driver(engine: sa.Engine, clock: FakeClock) -> None:
    with engine.begin() as conn:
        job = a_job(conn, clock.now())
        jobs.schedule(conn, job.id, clock.now())

    def drive(_: int) -> bool:
        with engine.begin() as conn:
            due = jobs.claim_due_job(conn, now=clock.now())
            if due is not None:
                jobs.schedule(conn, due.id, clock.now() + timedelta(hours=1))
            return due is not None

    assert sum(together(drive)) == 1


def test_the_same_order_at_once_is_one_job(engine: sa.Engine, clock: FakeClock) -> None:
    def order(number: int) -> str:
        with engine.begin() as conn:
            return a_job(conn, clock.now()).id

    assert len(set(together(order))) == 1
    with engine.begin() as conn, pytest.raises(KeyReused):
        a_job(conn, clock.now(), price_max=Ntk(7))


def test_a_reader_of_events_never_misses_one(engine: sa.Engine, clock: FakeClock) -> None:
    seen: list[int] = []
    writing = threading.Event()
    writing.set()

    def read() -> None:
        more = True
        while more:
            more = writing.is_set()
            with engine.begin() as conn:
                seen.extend(e.seq for e in jobs.events_after(conn, "job_x", seen[-1] if seen else 0))

    def write(number: int) -> None:
        for step in range(25):
            with engine.begin() as conn:
                jobs.emit(conn, "job_x", "progress", {"step": step}, now=clock.now())

    reader = threading.Thread(target=read)
    reader.start()
    together(write)
    writing.clear()
    reader.join(60)
    with engine.begin() as conn:
        assert seen == [e.seq for e in jobs.events_after(conn, "job_x", 0)]
    assert len(seen) == 25 * THREADS
