"""Use cases of jobs: order, drive, lease, commit, accept; the caller owns the transaction and commits it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from neuromation.jobs import store
from neuromation.jobs.errors import (
    BadOrder,
    CommitConflict,
    DuplicateTask,
    KeyReused,
    NoSuchJob,
    NoSuchTask,
    NotCommitted,
    QuoteUsed,
    StaleLease,
    WrongState,
)
from neuromation.jobs.model import (
    COMMITS_PER_CALL_MAX,
    DOORBELL,
    EVENT_BYTES_MAX,
    EVENTS_PAGE_MAX,
    EXCLUDING_REASONS,
    FINAL_STATES,
    KEY_CHARS_MAX,
    LEASE_MAX,
    LEASE_S_MAX,
    LEASE_TOTAL_S_MAX,
    PAGE_MAX,
    QUOTAS_PER_CALL_MAX,
    REASON_CHARS_MAX,
    RESULT_BYTES_MAX,
    SPEC_BYTES_MAX,
    TASKS_PER_CALL_MAX,
    TASKS_PER_JOB_MAX,
    BreakReason,
    Commit,
    CommitOutcome,
    CommitStatus,
    Delivered,
    Earning,
    Event,
    Job,
    JobKind,
    JobState,
    Json,
    NewQuota,
    NewTask,
    Quota,
    Returned,
    Task,
    TaskKind,
    TaskState,
    backoff_s,
    check_count,
    check_moves,
    check_task,
    check_word,
    json_of,
)
from neuromation.kernel.hashing import hash_json
from neuromation.kernel.ids import new_id
from neuromation.kernel.money import Ntk

ALL_TASK_KINDS = tuple(TaskKind)
MEMORY_GIB_MAX = 1_000_000.0

# ---- jobs -----------------------------------------------------------------------------------------


def create_job(
    conn: Connection,
    *,
    customer: str,
    key: str,
    kind: JobKind,
    spec: Json,
    plan: Json,
    price_max: Ntk,
    now: datetime,
    quote_id: str | None = None,
    quote: Json | None = None,
) -> tuple[Job, bool]:
    """The job of this customer and key, in state `quoted`, and whether it was made just now.

    The same key with the same kind, spec, price_max and quote_id gives the first job again. Raises KeyReused for
    another body, QuoteUsed when another key made a job of the quote.
    """
    if not 1 <= len(key) <= KEY_CHARS_MAX or price_max.micro < 0:
        raise BadOrder(f"a job needs a key of 1 to {KEY_CHARS_MAX} characters and a price_max >= 0; correct the order")
    request = {"kind": kind, "spec": spec, "price_max": price_max.micro, "quote_id": quote_id}
    values = {
        "id": new_id("job", now),
        "kind": JobKind(kind),
        "customer": customer,
        "key": key,
        "spec": json_of("a job's spec", spec, SPEC_BYTES_MAX).decode(),
        "request_hash": hash_json(request),
        "plan": json_of("a job's plan", plan, RESULT_BYTES_MAX).decode(),
        "price_max": price_max.micro,
        "quote_id": quote_id,
        "quote": json_of("a job's quote", quote or {}, RESULT_BYTES_MAX).decode(),
        "now": now,
    }
    row = conn.execute(store.INSERT_JOB, values).one_or_none()
    if row is not None:
        return store.job_of(row), True
    first = conn.execute(store.JOB_OF_KEY, {"customer": customer, "key": key}).one_or_none()
    if first is None:
        raise QuoteUsed(str(quote_id))
    if first.request_hash != values["request_hash"]:
        raise KeyReused(key)
    return store.job_of(first), False


def get_job(conn: Connection, job_id: str, *, customer: str | None = None, lock: bool = False) -> Job:
    """The job; with `customer`, only that customer's. Raises NoSuchJob.

    With `lock` nobody takes a step of it until the transaction ends, and a step under way is waited for.
    """
    job = store.job(conn, job_id, lock=lock)
    if job is None or customer not in (None, job.customer):
        raise NoSuchJob(job_id)
    return job


def list_jobs(
    conn: Connection,
    *,
    customer: str | None = None,
    states: Collection[JobState] | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[Job]:
    """Jobs from the newest on, at most `limit`; `before` is the last id of the page before, None means no filter."""
    check_count("jobs a page", limit, PAGE_MAX)
    wanted = None if states is None else list(states)
    rows = conn.execute(store.JOBS, {"customer": customer, "before": before, "states": wanted, "limit": limit})
    return [store.job_of(row) for row in rows]


def advance(
    conn: Connection,
    job_id: str,
    from_states: Collection[JobState],
    to_state: JobState,
    *,
    now: datetime,
    reason: str = "",
) -> Job:
    """Move the job on and tell it in an event "state". A job that ends takes its open tasks and awards with it.

    Raises IllegalMove when the table of moves has no such move, WrongState when the job is in none of `from_states`.
    """
    check_moves(from_states, to_state)
    final = to_state in FINAL_STATES
    values = {"id": job_id, "from_states": list(from_states), "to_state": to_state, "final": final}
    row = conn.execute(store.MOVE_JOB, values | {"reason": reason[:REASON_CHARS_MAX], "now": now}).one_or_none()
    if row is None:
        raise WrongState(job_id, met=get_job(conn, job_id).state, needed=from_states)
    if final:
        conn.execute(store.CANCEL, {"job_id": job_id, "now": now})
        conn.execute(store.CLOSE_QUOTAS, {"job_id": job_id})
    emit(conn, job_id, "state", {"state": str(to_state), "reason": reason[:REASON_CHARS_MAX]}, now=now)
    return store.job_of(row)


def finish(
    conn: Connection, job_id: str, to_state: JobState, *, now: datetime, result: Json | None = None, reason: str = ""
) -> Job:
    """End the job as settled, refunded or cancelled, and keep its result. Raises WrongState, IllegalMove, NoSuchJob."""
    job = get_job(conn, job_id)
    if result is not None:
        body = json_of("a job's result", result, RESULT_BYTES_MAX).decode()
        conn.execute(store.SET_RESULT, {"id": job_id, "result": body})
    advance(conn, job_id, [job.state], to_state, reason=reason, now=now)
    return get_job(conn, job_id)


def any_due(conn: Connection, *, now: datetime) -> bool:
    """Whether there may be a job to claim: asked ten times a second, so it takes one round trip and no lock."""
    return bool(conn.execute(store.ANY_DUE, {"now": now}).scalar_one())


def claim_due_job(conn: Connection, *, now: datetime) -> Job | None:
    """The job whose next step has been due the longest, locked until this transaction ends; None when none is free."""
    row = conn.execute(store.DUE_JOB, {"now": now}).one_or_none()
    return None if row is None else store.job_of(row)


def schedule(conn: Connection, job_id: str, at: datetime | None, *, wakes_from: datetime | None = None) -> None:
    """A step is done: count it, forget earlier failures, take the next one `at` (None: when somebody schedules it).

    News wake the job before that, but not before `wakes_from`: what comes thick and fast is worked off together.
    """
    conn.execute(store.SCHEDULE, {"id": job_id, "at": at, "wakes_from": wakes_from})


def postpone(conn: Connection, job_id: str, *, now: datetime) -> int:
    """A step broke: try again after 1, 2, 4, ... 60 s. How often it broke in a row, so that the caller can give up."""
    failures = get_job(conn, job_id).failures + 1
    conn.execute(store.POSTPONE, {"id": job_id, "now": now, "wait_s": backoff_s(failures)})
    return failures


def wake(conn: Connection, job_ids: Collection[str], *, now: datetime) -> None:
    """Make sleeping jobs due: there is news for them. A job that is being driven at this moment is left alone."""
    conn.execute(store.WAKE, {"ids": sorted(set(job_ids)), "now": now})


def set_plan(conn: Connection, job_id: str, plan: Json) -> None:
    """Replace the plan: what the driver of the job wants to remember between two steps."""
    body = json_of("a job's plan", plan, RESULT_BYTES_MAX).decode()
    conn.execute(store.SET_PLAN, {"id": job_id, "plan": body})


# ---- tasks and awards -----------------------------------------------------------------------------


def enqueue(conn: Connection, job_id: str, tasks: Sequence[NewTask], *, now: datetime) -> list[str]:
    """Add tasks, all or none; their ids in order. Raises OverLimit, BadOrder, DuplicateTask."""
    check_count("tasks a call", len(tasks), TASKS_PER_CALL_MAX)
    before = int(conn.execute(store.TASK_COUNT, {"job_id": job_id}).scalar_one())
    check_count("tasks of a job", before + len(tasks), TASKS_PER_JOB_MAX)
    rows = [_task_row(job_id, check_task(task), now) for task in tasks]
    body = json_of("a batch of tasks", rows, TASKS_PER_CALL_MAX * SPEC_BYTES_MAX).decode()
    if conn.execute(store.INSERT_TASKS, {"tasks": body, "now": now}).rowcount != len(rows):
        raise DuplicateTask(job_id)
    return [row["id"] for row in rows]


def _task_row(job_id: str, task: NewTask, now: datetime) -> Json:
    return {
        "id": new_id("task", now),
        "job_id": job_id,
        "kind": task.kind,
        "round": task.round,
        "seq": task.seq,
        "group_key": task.group,
        "attempts_max": task.attempts_max,
        "priority": task.priority,
        "needs_quota": task.needs_quota,
        "pinned_to": task.pinned_to,
        "cu": task.cu,
        "memory_mib": -int(-task.memory_gib * 1024 // 1),
        "excluded_nodes": task.excluded_nodes,
        "excluded_owners": task.excluded_owners,
        "body": {"spec": task.spec, "inputs": task.inputs},
    }


def set_quotas(conn: Connection, job_id: str, quotas: Sequence[NewQuota], *, now: datetime) -> None:
    """Award tasks to nodes. An award of the same auction to the same node grows; another auction's stands beside it."""
    check_count("awards a call", len(quotas), QUOTAS_PER_CALL_MAX)
    if any(q.tasks < 1 or q.price_per_task.micro < 0 for q in quotas):
        raise BadOrder("an award needs at least one task and a price >= 0; leave losing nodes out")
    store.set_quotas(conn, job_id, quotas, now)


def quotas_of(conn: Connection, job_id: str) -> list[Quota]:
    """The awards of a job, also those closed, in the order they were made."""
    return store.quotas(conn, job_id=job_id)


def quotas_of_node(conn: Connection, node_id: str) -> list[Quota]:
    """The open awards of a node, over all jobs: what is to be released when it is lost."""
    return store.quotas(conn, node_id=node_id)


def release_quota(conn: Connection, job_id: str, node_id: str, *, reason: BreakReason, now: datetime) -> int:
    """Take a lost node off a job: its leases end, its awards close, its reservations are lifted.

    What it committed stays; `reject` what is not to be trusted. Returns the number of tasks to be bought again.
    """
    store.give_back(conn, store.RELEASE, {"job_id": job_id, "node_id": node_id}, reason, now)
    return int(conn.execute(store.RELEASE_QUOTA, {"job_id": job_id, "node_id": node_id}).scalar_one())


def close_quota(conn: Connection, job_id: str, node_id: str) -> int:
    """Give a node no more of a job; what it holds it may finish. Returns the number of tasks to be bought again."""
    return int(conn.execute(store.RELEASE_QUOTA, {"job_id": job_id, "node_id": node_id}).scalar_one())


def idle_awards(conn: Connection, job_id: str, *, before: datetime) -> list[str]:
    """Nodes that hold nothing and have taken no task of a job since `before`, though their award lets them."""
    return list(conn.execute(store.IDLE_AWARDS, {"job_id": job_id, "before": before}).scalars())


def shut_out(conn: Connection, job_id: str) -> dict[str, int]:
    """From how many of a job's waiting tasks each node is kept away, because it failed at them."""
    return {row.node_id: int(row.n) for row in conn.execute(store.SHUT_OUT, {"job_id": job_id})}


def unbought(conn: Connection, job_id: str) -> int:
    """How many waiting tasks of a job no open award covers: so many are to be bought, again or for the first time."""
    return int(conn.execute(store.UNBOUGHT, {"job_id": job_id}).scalar_one())


def lease(
    conn: Connection,
    node_id: str,
    *,
    owner: str,
    limit: int,
    lease_s: float,
    now: datetime,
    kinds: Collection[TaskKind] = ALL_TASK_KINDS,
    memory_gib: float = MEMORY_GIB_MAX,
) -> list[Task]:
    """Lease at most `limit` tasks to a node until `now + lease_s`: open ones first, then its awards, oldest first.

    The node gets no task that excludes it or its owner, that is pinned to another, or that needs more than
    `memory_gib`. Nothing to do is an empty list. A task's `attempt` is its fencing token.
    """
    if not 1 <= limit <= LEASE_MAX or not 0 < lease_s <= LEASE_S_MAX:
        raise BadOrder(f"a lease takes 1 to {LEASE_MAX} tasks for at most {LEASE_S_MAX} s; ask for less")
    values = {
        "node_id": node_id,
        "owner": owner,
        "limit": limit,
        "kinds": list(kinds),
        "memory_mib": int(memory_gib * 1024),
        "until": now + timedelta(seconds=lease_s),
        "now": now,
    }
    tasks = [store.task_of(row) for row in conn.execute(store.LEASE, values)]
    return sorted(tasks, key=lambda t: (t.needs_quota, -t.priority, t.job_id, t.round, t.seq))


def take_over(
    conn: Connection,
    node_id: str,
    *,
    owner: str,
    floor_render: Ntk,
    floor_train: Ntk,
    now: datetime,
    kinds: Collection[TaskKind] = ALL_TASK_KINDS,
    memory_gib: float = MEMORY_GIB_MAX,
) -> int:
    """Give a node that has begun all of its award half of what another winner of the same job has not begun.

    It is paid the lower of the two prices, if that is not below its floor per CU; the other's award shrinks. The number
    of tasks that it may now lease.
    """
    values = {"node_id": node_id, "owner": owner, "kinds": list(kinds), "memory_mib": int(memory_gib * 1024)}
    floors = {"floor_render": floor_render.micro, "floor_train": floor_train.micro, "now": now}
    return sum(conn.execute(store.TAKE_OVER, values | floors).scalars())


def extend_leases(
    conn: Connection,
    node_id: str,
    task_ids: Collection[str],
    *,
    lease_s: float,
    now: datetime,
    done: Mapping[str, float] | None = None,
    no_others: bool = False,
) -> list[str]:
    """Prolong leases, up to 6 hours in all. The ids still held by the node; it should drop the others.

    `done` is how far the node says it is with some of them, 0..1. `no_others`: what else it was leased goes back, as if
    its lease had run out.
    """
    check_count("leases a call", len(task_ids), COMMITS_PER_CALL_MAX)
    if not 0 < lease_s <= LEASE_S_MAX:
        raise BadOrder(f"a lease is prolonged by at most {LEASE_S_MAX} s; ask for less and come back")
    if no_others:
        other = {"ids": list(task_ids), "node_id": node_id}
        store.give_back(conn, store.OTHERS, other, BreakReason.LEASE_EXPIRED, now, keep=True)
    until = now + timedelta(seconds=lease_s)
    shares = [min(1.0, max(0.0, (done or {}).get(task, 0.0))) for task in task_ids]
    values = {"ids": list(task_ids), "node_id": node_id, "until": until, "total_s": LEASE_TOTAL_S_MAX, "done": shares}
    return sorted(conn.execute(store.EXTEND, values).scalars())


def commit_results(conn: Connection, node_id: str, commits: Sequence[Commit], *, now: datetime) -> list[CommitOutcome]:
    """Take what a node commits; one outcome a commit, in order, so that one stale task does not void the others' work.

    A lease that expired but was taken up by nobody still counts. Raises BadOrder or OverLimit for malformed commits.
    """
    check_count("commits a call", len(commits), COMMITS_PER_CALL_MAX)
    work = {c.task_id: (c.attempt, c.body().decode()) for c in commits}
    if len(work) != len(commits):
        raise BadOrder("a task appears twice among the commits; send each once")
    outcomes = store.commit(conn, node_id, work, now) if work else {}
    if len(outcomes) < len(work):
        outcomes |= _commit_the_rest(conn, node_id, {i: w for i, w in work.items() if i not in outcomes}, now)
    return [outcomes[c.task_id] for c in commits]


def _commit_the_rest(
    conn: Connection, node_id: str, work: dict[str, tuple[int, str]], now: datetime
) -> dict[str, CommitOutcome]:
    """The slow path: late commits, repeats, and refusals."""
    met = store.met(conn, node_id, work)
    outcomes = {task_id: CommitOutcome(task_id, CommitStatus.UNKNOWN) for task_id in work}
    for task_id, row in met.items():
        outcomes[task_id] = CommitOutcome(task_id, _status(row), row.job_id)
    late = [i for i, row in met.items() if row.is_late and conn.execute(store.REVIVE, {"id": i, "now": now}).rowcount]
    if late:
        outcomes |= store.commit(conn, node_id, {i: work[i] for i in late}, now)
    return outcomes


def _status(row: Any) -> CommitStatus:
    if row.is_same:
        return CommitStatus.REPEATED
    return CommitStatus.CONFLICT if row.is_mine else CommitStatus.STALE


def check_holder(conn: Connection, node_id: str, task_id: str) -> None:
    """Let only the node pass that holds a task, or held it last. Raises StaleLease, NoSuchTask."""
    row = conn.execute(store.HOLDER, {"id": task_id}).one_or_none()
    if row is None:
        raise NoSuchTask(task_id)
    if row.node_id != node_id:
        raise StaleLease(task_id, row.attempt)


def has_unsettled(conn: Connection, node_id: str) -> bool:
    """Whether a node holds or has done work of a job that has not ended: it may still be checked, paid or thrown away."""
    return bool(conn.execute(store.UNSETTLED, {"node_id": node_id}).scalar_one())


def leases_of(conn: Connection, node_id: str, task_ids: Collection[str]) -> list[tuple[str, TaskKind, int, datetime]]:
    """Of tasks that a node holds or has done: id, kind, micro-CU, and since when it had them."""
    rows = conn.execute(store.TIMES, {"ids": list(task_ids), "node_id": node_id})
    return [(row.id, TaskKind(row.kind), row.cu, row.leased_at) for row in rows]


def commit_result(conn: Connection, node_id: str, commit: Commit, *, now: datetime) -> CommitOutcome:
    """Take one commit, or say why not. Raises StaleLease, CommitConflict, NoSuchTask."""
    outcome = commit_results(conn, node_id, [commit], now=now)[0]
    if outcome.status is CommitStatus.STALE:
        raise StaleLease(commit.task_id, commit.attempt)
    if outcome.status is CommitStatus.CONFLICT:
        raise CommitConflict(commit.task_id)
    if outcome.status is CommitStatus.UNKNOWN:
        raise NoSuchTask(commit.task_id)
    return outcome


def fail(conn: Connection, node_id: str, task_id: str, attempt: int, *, reason: BreakReason, now: datetime) -> Returned:
    """A node gives a task back. It waits again, or has failed when that was the last attempt that counts.

    Reasons that would only repeat on this node (EXCLUDING_REASONS) keep the node away and shrink its award by one.
    Raises StaleLease.
    """
    which = {"id": task_id, "node_id": node_id, "attempt": attempt}
    back = store.give_back(conn, store.FAIL, which, reason, now, exclude=reason in EXCLUDING_REASONS)
    if not back:
        raise StaleLease(task_id, attempt)
    return back[0]


def expire_leases(conn: Connection, *, now: datetime, limit: int = 1000) -> list[Returned]:
    """Take back the tasks whose lease ran out, the longest overdue first; `limit` counts requests that leased some."""
    check_count("leases a sweep", limit, PAGE_MAX)
    return store.expire(conn, now, limit, BreakReason.LEASE_EXPIRED)


def accept(conn: Connection, task_ids: Collection[str], *, now: datetime) -> list[Delivered]:
    """Accept committed work; the tasks accepted just now, none of them twice.

    Raises NotCommitted when one is neither committed nor accepted already.
    """
    return _step_on(
        conn, task_ids, TaskState.COMMITTED, TaskState.ACCEPTED, done={TaskState.ACCEPTED, TaskState.SETTLED}, now=now
    )


def settle(conn: Connection, task_ids: Collection[str], *, now: datetime) -> list[Delivered]:
    """Mark accepted work as paid; the tasks settled just now, none of them twice. Raises NotCommitted."""
    return _step_on(conn, task_ids, TaskState.ACCEPTED, TaskState.SETTLED, done={TaskState.SETTLED}, now=now)


def _step_on(
    conn: Connection,
    task_ids: Collection[str],
    from_state: TaskState,
    to_state: TaskState,
    *,
    done: set[TaskState],
    now: datetime,
) -> list[Delivered]:
    check_count("tasks a call", len(task_ids), TASKS_PER_CALL_MAX)
    moved = store.step_on(conn, task_ids, from_state, to_state, now)
    rest = set(task_ids) - {task.task_id for task in moved}
    if rest:
        states = store.states_of(conn, rest)
        wrong = [i for i in rest if states.get(i) not in done]
        if wrong:
            raise NotCommitted(wrong, needed=from_state)
    return moved


def reject(
    conn: Connection, task_ids: Collection[str], *, now: datetime, reason: BreakReason = BreakReason.WRONG_RESULT
) -> list[Returned]:
    """Refuse work committed or accepted but not settled: it waits for another node, and the award shrinks.

    Tasks in any other state are left alone and missing from the answer.
    """
    check_count("tasks a call", len(task_ids), TASKS_PER_CALL_MAX)
    return store.give_back(conn, store.REJECT, {"ids": list(task_ids)}, reason, now, exclude=True)


def earnings(conn: Connection, job_id: str) -> list[Earning]:
    """What every node did in a job that was accepted, by node and kind of task: what a settlement pays."""
    return store.earnings(conn, job_id)


def settle_all(conn: Connection, job_id: str, *, now: datetime) -> int:
    """Mark all accepted work of a job as paid; how many tasks."""
    return int(conn.execute(store.SETTLE_ALL, {"job_id": job_id, "now": now}).rowcount)


def stop_leasing(conn: Connection, job_id: str, *, now: datetime) -> None:
    """Give out no more work of a job: waiting tasks end, awards close. What nodes hold they may still finish."""
    conn.execute(store.CANCEL_PENDING, {"job_id": job_id, "now": now})
    conn.execute(store.CLOSE_QUOTAS, {"job_id": job_id})


def get_task(conn: Connection, task_id: str) -> Task:
    """The task with what its present attempt committed. Raises NoSuchTask."""
    task = store.task(conn, task_id)
    if task is None:
        raise NoSuchTask(task_id)
    return task


def tasks_of(
    conn: Connection,
    job_id: str,
    *,
    kind: TaskKind | None = None,
    round: int | None = None,
    groups: Collection[str] | None = None,
    node_id: str | None = None,
    states: Collection[TaskState] | None = None,
    after: Task | None = None,
    limit: int = PAGE_MAX,
) -> list[Task]:
    """Tasks of a job with their commits, by round, kind and seq; `after` is the last task of the page before."""
    check_count("tasks a page", limit, PAGE_MAX)
    values: Json = {"job_id": job_id, "kind": kind, "round": round, "node_id": node_id, "limit": limit}
    values |= {"groups": None if groups is None else list(groups)}
    at = (after.round, after.kind, after.seq) if after else (None, None, None)
    page = dict(zip(("after_round", "after_kind", "after_seq"), at, strict=True))
    rows = conn.execute(store.TASKS, values | page | {"states": None if states is None else list(states)})
    return [store.task_of(row) for row in rows]


def reviewable(conn: Connection, job_id: str, *, limit: int) -> list[Task]:
    """Committed tasks of a job that no open audit of their attempt (see `audit_group`) holds up, with their commits."""
    check_count("tasks a page", limit, PAGE_MAX)
    return [store.task_of(row) for row in conn.execute(store.REVIEWABLE, {"job_id": job_id, "limit": limit})]


# ---- events ---------------------------------------------------------------------------------------


def emit(conn: Connection, job_id: str, type: str, data: Json, *, now: datetime) -> int:
    """Add an event to the job's story; its number.

    Numbers of one job become visible in their order, for which emitters of one job wait for each other's transactions:
    emit late in a transaction, after its other writes.
    """
    check_word("an event's type", type)
    return store.emit(conn, job_id, type, json_of("an event", data, EVENT_BYTES_MAX).decode(), now)


def events_after(conn: Connection, job_id: str, seq: int, *, limit: int = EVENTS_PAGE_MAX) -> list[Event]:
    """The job's events numbered above `seq`, in order: what a reader that saw `seq` has missed."""
    check_count("events a page", limit, EVENTS_PAGE_MAX)
    return store.events(conn, job_id, seq, limit)


def event_count(conn: Connection, job_id: str, type: str, *, field: str, values: Collection[str]) -> int:
    """How many of a job's events of one type have one of these texts in a field of their data."""
    body = {"job_id": job_id, "type": type, "field": field, "values": list(values)}
    return int(conn.execute(store.EVENT_COUNT, body).scalar_one())


def ring(conn: Connection) -> None:
    """Ring the doorbell: an empty NOTIFY that tells every API process to look for news. For the worker's loop alone.

    A NOTIFY locks the whole database when its transaction commits, so it never rides on a transaction of the hot path.
    """
    conn.execute(store.RING, {"channel": DOORBELL})
