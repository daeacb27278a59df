"""Quotes, jobs, their driver and their story, on the real database."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from jobs_builders import a_job, a_running_job, a_task, an_audit, leased
from sqlalchemy import Connection

from neuromation.jobs import progress, quotes
from neuromation.jobs import service as jobs
from neuromation.jobs.errors import (
    BadOrder,
    DuplicateTask,
    IllegalMove,
    KeyReused,
    NoSuchJob,
    NoSuchQuote,
    OverLimit,
    QuoteExpired,
    QuoteUsed,
    WrongState,
)
from neuromation.jobs.model import DOORBELL, JobState, TaskState
from neuromation.kernel.clock import FakeClock
from neuromation.kernel.money import Ntk


def a_quote(conn: Connection, clock: FakeClock) -> str:
    expires_at = clock.now() + timedelta(minutes=5)
    answer = {"price": "1.5"}
    quote = quotes.create_quote(
        conn, customer="acc_customer", request={"units": 3}, answer=answer, expires_at=expires_at, now=clock.now()
    )
    return quote.id


def test_a_quote_reads_back(conn: Connection, clock: FakeClock) -> None:
    quote = quotes.usable_quote(conn, a_quote(conn, clock), customer="acc_customer", now=clock.now())
    assert (quote.request, quote.answer) == ({"units": 3}, {"price": "1.5"})


def test_a_quote_of_somebody_else_is_not_found(conn: Connection, clock: FakeClock) -> None:
    with pytest.raises(NoSuchQuote):
        quotes.get_quote(conn, a_quote(conn, clock), customer="acc_other")


def test_an_expired_quote_is_refused(conn: Connection, clock: FakeClock) -> None:
    quote_id = a_quote(conn, clock)
    with pytest.raises(QuoteExpired):
        quotes.usable_quote(conn, quote_id, customer="acc_customer", now=clock.advance(300))


def test_a_quote_becomes_one_job_only(conn: Connection, clock: FakeClock) -> None:
    quote_id = a_quote(conn, clock)
    a_job(conn, clock.now(), quote_id=quote_id)
    with pytest.raises(QuoteUsed):
        a_job(conn, clock.now(), quote_id=quote_id, key="order-2")


def test_the_same_order_twice_is_one_job(conn: Connection, clock: FakeClock) -> None:
    order = {"customer": "acc_a", "key": "k", "kind": "dataset", "spec": {"a": 1, "b": 2}, "price_max": Ntk(3)}
    first, made = jobs.create_job(conn, **order, plan={}, now=clock.now())
    again, made_again = jobs.create_job(conn, **order | {"spec": {"b": 2, "a": 1}}, plan={"x": 1}, now=clock.advance(9))
    assert (again, made, made_again) == (first, True, False)


def test_the_same_key_with_another_order_is_refused(conn: Connection, clock: FakeClock) -> None:
    a_job(conn, clock.now())
    with pytest.raises(KeyReused):
        a_job(conn, clock.now(), price_max=Ntk(1))


def test_two_customers_may_use_one_key(conn: Connection, clock: FakeClock) -> None:
    assert a_job(conn, clock.now()).id != a_job(conn, clock.now(), customer="acc_other").id


@pytest.mark.parametrize("changes", [{"key": ""}, {"key": "k" * 101}, {"price_max": Ntk(-1)}])
def test_a_job_out_of_its_bounds_is_refused(conn: Connection, clock: FakeClock, changes: dict[str, object]) -> None:
    with pytest.raises(BadOrder):
        a_job(conn, clock.now(), **changes)


def test_an_unknown_job_is_not_found(conn: Connection) -> None:
    with pytest.raises(NoSuchJob):
        jobs.get_job(conn, "job_unknown")


def test_a_job_of_somebody_else_is_not_found(conn: Connection, clock: FakeClock) -> None:
    with pytest.raises(NoSuchJob):
        jobs.get_job(conn, a_job(conn, clock.now()).id, customer="acc_other")


def test_jobs_are_listed_from_the_newest_on_page_by_page(conn: Connection, clock: FakeClock) -> None:
    ids = [a_job(conn, clock.advance(1), key=str(i)).id for i in range(5)]
    page = jobs.list_jobs(conn, customer="acc_customer", limit=2)
    rest = jobs.list_jobs(conn, customer="acc_customer", before=page[-1].id)
    assert [job.id for job in page + rest] == ids[::-1]


def test_jobs_are_listed_by_state(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    assert jobs.list_jobs(conn, states=[JobState.RUNNING]) == []
    assert jobs.list_jobs(conn, states=[JobState.QUOTED, JobState.RUNNING]) == [job]


def test_a_page_over_the_maximum_is_refused(conn: Connection) -> None:
    with pytest.raises(OverLimit):
        jobs.list_jobs(conn, limit=1_001)


def test_a_job_moves_on_and_tells_it(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    moved = jobs.advance(conn, job.id, [JobState.QUOTED], JobState.FUNDED, reason="paid", now=clock.now())
    events = jobs.events_after(conn, job.id, 0)
    assert (moved.state, [e.data for e in events]) == (JobState.FUNDED, [{"state": "funded", "reason": "paid"}])


def test_a_move_the_table_does_not_know_is_refused(conn: Connection, clock: FakeClock) -> None:
    with pytest.raises(IllegalMove, match="funded"):
        jobs.advance(conn, a_job(conn, clock.now()).id, [JobState.QUOTED], JobState.SETTLED, now=clock.now())


def test_a_move_from_another_state_is_refused(conn: Connection, clock: FakeClock) -> None:
    with pytest.raises(WrongState, match="is quoted"):
        jobs.advance(conn, a_job(conn, clock.now()).id, [JobState.FUNDED], JobState.BIDDING, now=clock.now())


def test_moving_an_unknown_job_is_not_found(conn: Connection, clock: FakeClock) -> None:
    with pytest.raises(NoSuchJob):
        jobs.advance(conn, "job_unknown", [JobState.FUNDED], JobState.BIDDING, now=clock.now())


def test_a_job_that_ends_takes_its_open_work_with_it(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), tasks=3, rig=3)
    jobs.schedule(conn, job.id, clock.now())
    held = leased(conn, "rig", clock.now(), limit=1)
    ended = jobs.finish(conn, job.id, JobState.REFUNDED, result={"bill": []}, reason="no pool", now=clock.advance(5))
    assert (ended.state, ended.result, ended.reason) == (JobState.REFUNDED, {"bill": []}, "no pool")
    assert ended.finished_at == clock.now()
    assert progress.task_counts(conn, job.id)[TaskState.CANCELLED] == 3
    assert leased(conn, "rig", clock.now()) == []
    assert jobs.extend_leases(conn, "rig", [held[0].id], lease_s=60, now=clock.now()) == []
    assert jobs.claim_due_job(conn, now=clock.advance(5)) is None


def test_the_job_due_longest_is_driven_first(conn: Connection, clock: FakeClock) -> None:
    late, early = (a_job(conn, clock.now(), key=key).id for key in "ab")
    jobs.schedule(conn, late, clock.now() + timedelta(seconds=2))
    jobs.schedule(conn, early, clock.now() + timedelta(seconds=1))
    assert jobs.claim_due_job(conn, now=clock.now()) is None
    due = jobs.claim_due_job(conn, now=clock.advance(3))
    assert due is not None and (due.id, due.step) == (early, 1)


def test_a_job_that_is_being_driven_is_passed_over(engine: sa.Engine, clock: FakeClock) -> None:
    with engine.begin() as conn:
        first, second = (a_job(conn, clock.now(), key=key).id for key in "ab")
        jobs.schedule(conn, first, clock.now())
        jobs.schedule(conn, second, clock.now() + timedelta(seconds=1))
    now = clock.advance(2)
    with engine.begin() as one, engine.begin() as two, engine.begin() as three:
        drivers = [jobs.claim_due_job(conn, now=now) for conn in (one, two, three)]
        jobs.wake(three, [first, second], now=now)
    assert [job and job.id for job in drivers] == [first, second, None]


def test_a_step_that_breaks_is_tried_again_later_and_later(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    assert [jobs.postpone(conn, job.id, now=clock.now()) for _ in range(3)] == [1, 2, 3]
    assert jobs.get_job(conn, job.id).next_step_at == clock.now() + timedelta(seconds=4)
    jobs.schedule(conn, job.id, clock.now())
    assert jobs.get_job(conn, job.id).failures == 0


def test_news_wakes_a_sleeping_job(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    jobs.schedule(conn, job.id, clock.now() + timedelta(hours=1))
    jobs.wake(conn, [job.id, "job_unknown"], now=clock.now())
    assert jobs.claim_due_job(conn, now=clock.now()) is not None


def test_news_that_come_at_once_are_worked_off_together(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    jobs.schedule(conn, job.id, clock.now() + timedelta(hours=1), wakes_from=clock.now() + timedelta(seconds=2))
    for _ in range(2):
        jobs.wake(conn, [job.id], now=clock.now())
        assert jobs.claim_due_job(conn, now=clock.advance(0.9)) is None
    assert jobs.claim_due_job(conn, now=clock.advance(0.2)) is not None


def test_progress_and_plan_are_replaced(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    progress.set_progress(conn, job.id, {"done": 3})
    jobs.set_plan(conn, job.id, {"round": 2})
    read = jobs.get_job(conn, job.id)
    assert (read.progress, read.plan) == ({"done": 3}, {"round": 2})


def test_events_replay_after_a_number(conn: Connection, clock: FakeClock) -> None:
    job, other = a_job(conn, clock.now()), a_job(conn, clock.now(), key="other")
    numbers = [jobs.emit(conn, job.id, "progress", {"done": i}, now=clock.now()) for i in range(4)]
    jobs.emit(conn, other.id, "progress", {"done": 99}, now=clock.now())
    events = jobs.events_after(conn, job.id, numbers[1])
    assert [(e.seq, e.data["done"]) for e in events] == [(numbers[2], 2), (numbers[3], 3)]
    assert jobs.events_after(conn, job.id, numbers[1], limit=1) == events[:1]


def test_an_event_of_no_type_is_refused(conn: Connection, clock: FakeClock) -> None:
    with pytest.raises(BadOrder, match="type"):
        jobs.emit(conn, "job_1", "No Type", {}, now=clock.now())


def test_an_event_that_is_too_long_is_refused(conn: Connection, clock: FakeClock) -> None:
    with pytest.raises(OverLimit):
        jobs.emit(conn, "job_1", "note", {"text": "x" * 70_000}, now=clock.now())


def test_the_doorbell_rings_for_who_listens(engine: sa.Engine) -> None:
    with engine.connect() as listener:
        listener.exec_driver_sql(f"listen {DOORBELL}")
        listener.commit()
        with engine.begin() as conn:
            jobs.ring(conn)
        driver = listener.connection.driver_connection
        assert driver is not None
        notes = list(driver.notifies(timeout=10, stop_after=1))
    assert [(note.channel, note.payload) for note in notes] == [(DOORBELL, "")]


def test_tasks_are_enqueued_in_order(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    ids = jobs.enqueue(conn, job.id, [a_task(i, memory_gib=0.5, group=f"g{i % 2}") for i in range(4)], now=clock.now())
    read = jobs.tasks_of(conn, job.id)
    assert [task.id for task in read] == ids
    assert read[2].spec == {"first_unit": 200} and read[2].memory_gib == 0.5
    assert [task.seq for task in jobs.tasks_of(conn, job.id, groups=["g1"])] == [1, 3]


def test_tasks_are_read_page_by_page(conn: Connection, clock: FakeClock) -> None:
    job = a_job(conn, clock.now())
    jobs.enqueue(conn, job.id, [a_task(i, round=r) for r in (1, 0) for i in range(3)] + [an_audit(0)], now=clock.now())
    whole = jobs.tasks_of(conn, job.id)
    page = jobs.tasks_of(conn, job.id, limit=4)
    assert page + jobs.tasks_of(conn, job.id, after=page[-1]) == whole
    assert [(t.round, t.kind, t.seq) for t in whole] == sorted((t.round, str(t.kind), t.seq) for t in whole)


def test_the_same_task_twice_is_refused(conn: Connection, clock: FakeClock) -> None:
    job = a_running_job(conn, clock.now(), tasks=2)
    with pytest.raises(DuplicateTask):
        jobs.enqueue(conn, job.id, [a_task(2), a_task(1)], now=clock.now())


def test_too_many_tasks_at_once_are_refused(conn: Connection, clock: FakeClock) -> None:
    with pytest.raises(OverLimit, match="10,000"):
        jobs.enqueue(conn, a_job(conn, clock.now()).id, [a_task(0)] * 10_001, now=clock.now())
