"""The only SQL of the jobs context. Every statement is set-based: one round trip, whatever the size of the batch.

Locks are taken tasks first, then awards in the order of their ids; `LEASE` takes awards first but never waits for a
task (SKIP LOCKED), so the two orders cannot meet in a deadlock.
"""

# ruff: noqa: S608 - the statements are put together from constants of this file; every value is a bound parameter.

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text

from neuromation.jobs.model import (
    FORGIVEN_MAX,
    FORGIVEN_REASONS,
    BreakReason,
    CommitOutcome,
    CommitStatus,
    Delivered,
    Earning,
    Event,
    Job,
    JobKind,
    JobState,
    NewQuota,
    Quota,
    Quote,
    Returned,
    Task,
    TaskKind,
    TaskState,
)
from neuromation.kernel.money import Ntk

Row = sa.Row[Any]

# ---- quotes and jobs ------------------------------------------------------------------------------

INSERT_QUOTE = text("""
    insert into job_quote (id, customer, request, answer, created_at, expires_at)
    values (:id, :customer, cast(:request as jsonb), cast(:answer as jsonb), :created_at, :expires_at)
""")
QUOTE = text("select id, customer, request, answer, created_at, expires_at from job_quote where id = :id")

_JOB = """id, kind, customer, state, reason, spec, plan, progress, price_max, quote_id, quote, step, failures,
    next_step_at, created_at, finished_at, result"""

# No target is named: a repeated key and a used quote both come back empty, and the service tells them apart.
INSERT_JOB = text(f"""
    insert into job (id, kind, customer, key, request_hash, state, spec, plan, price_max, quote_id, quote, created_at)
    values (:id, :kind, :customer, :key, :request_hash, 'quoted', cast(:spec as jsonb), cast(:plan as jsonb),
            :price_max, :quote_id, cast(:quote as jsonb), :now)
    on conflict do nothing returning {_JOB}
""")
JOB_OF_KEY = text(f"select {_JOB}, request_hash from job where customer = :customer and key = :key")
JOB = text(f"select {_JOB} from job where id = :id")
JOB_LOCKED = text(f"select {_JOB} from job where id = :id for update")
JOBS = text(f"""
    select {_JOB} from job
    where (cast(:customer as text) is null or customer = :customer) and (cast(:before as text) is null or id < :before)
      and (cast(:states as text[]) is null or state = any(:states))
    order by id desc limit :limit
""")
ANY_DUE = text("select exists (select from job where next_step_at <= :now)")
DUE_JOB = text(f"""
    select {_JOB} from job where next_step_at <= :now order by next_step_at limit 1 for update skip locked
""")
# A job that ends is not driven any more.
MOVE_JOB = text(f"""
    update job set state = :to_state, reason = :reason,
        finished_at = case when :final then cast(:now as timestamptz) end,
        next_step_at = case when :final then null else next_step_at end
    where id = :id and state = any(:from_states) returning {_JOB}
""")
SET_RESULT = text("update job set result = cast(:result as jsonb) where id = :id")
SET_PROGRESS = text("update job set progress = cast(:progress as jsonb) where id = :id")
SET_PLAN = text("update job set plan = cast(:plan as jsonb) where id = :id")
SCHEDULE = text("""
    update job set next_step_at = :at, wakes_from = :wakes_from, step = step + 1, failures = 0
    where id = :id and finished_at is null
""")
POSTPONE = text("""
    update job set failures = failures + 1, next_step_at = cast(:now as timestamptz) + interval '1 s' * :wait_s
    where id = :id and finished_at is null
""")
# A job that a driver holds at this moment is passed over: it is awake.
WAKE = text("""
    update job set next_step_at = least(next_step_at, greatest(cast(:now as timestamptz), wakes_from))
    where id in (select id from job where id = any(:ids) and next_step_at > :now for update skip locked)
""")


def job_of(row: Row) -> Job:
    return Job(
        id=row.id,
        kind=JobKind(row.kind),
        customer=row.customer,
        state=JobState(row.state),
        reason=row.reason,
        spec=row.spec,
        plan=row.plan,
        progress=row.progress,
        price_max=Ntk(row.price_max),
        quote_id=row.quote_id,
        quote=row.quote,
        step=row.step,
        failures=row.failures,
        next_step_at=row.next_step_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
        result=row.result,
    )


def job(conn: Connection, job_id: str, *, lock: bool = False) -> Job | None:
    row = conn.execute(JOB_LOCKED if lock else JOB, {"id": job_id}).one_or_none()
    return None if row is None else job_of(row)


def quote(conn: Connection, quote_id: str) -> Quote | None:
    row = conn.execute(QUOTE, {"id": quote_id}).one_or_none()
    return None if row is None else Quote(*row)


# ---- tasks ----------------------------------------------------------------------------------------

INSERT_TASKS = text("""
    with v as (
        select * from jsonb_to_recordset(cast(:tasks as jsonb)) as v(
            id text, job_id text, kind text, round int, seq int, group_key text, attempts_max int, priority smallint,
            needs_quota boolean, pinned_to text, cu bigint, memory_mib int, excluded_nodes text[],
            excluded_owners text[], body jsonb)
    ), bodies as (
        insert into job_task_body (task_id, body) select id, body from v
    )
    insert into job_task (id, job_id, kind, round, seq, group_key, state, attempts_max, priority, needs_quota,
                          pinned_to, cu, memory_mib, excluded_nodes, excluded_owners, created_at, waiting_since)
    select id, job_id, kind, round, seq, group_key, 'pending', attempts_max, priority, needs_quota, pinned_to, cu,
           memory_mib, excluded_nodes, excluded_owners, :now, :now
    from v
    on conflict (job_id, kind, round, seq) do nothing
""")
TASK_COUNT = text("select count(*) from job_task where job_id = :job_id")

_TASK = """t.id, t.job_id, t.kind, t.round, t.seq, t.group_key, t.state, t.reason, t.attempt, t.attempts_max,
    t.priority, t.needs_quota, t.pinned_to, t.node_id, t.price, t.cu, t.memory_mib, t.lease_expires_at,
    t.excluded_nodes, t.excluded_owners, t.created_at, t.leased_at, t.committed_at, t.finished_at,
    (select b.body from job_task_body b where b.task_id = t.id) as body"""
_WHOLE = """job_task t left join job_commit c
    on c.task_id = t.id and c.attempt = t.attempt and t.state in ('committed', 'accepted', 'settled')"""

TASK = text(f"select {_TASK}, c.body as commit from {_WHOLE} where t.id = :id")
TASKS = text(f"""
    select {_TASK}, c.body as commit from {_WHOLE}
    where t.job_id = :job_id and (cast(:kind as text) is null or t.kind = :kind)
      and (cast(:round as int) is null or t.round = :round)
      and (cast(:groups as text[]) is null or t.group_key = any(:groups))
      and (cast(:node_id as text) is null or t.node_id = :node_id)
      and (cast(:states as text[]) is null or t.state = any(:states))
      and (cast(:after_round as int) is null or (t.round, t.kind, t.seq) > (:after_round, :after_kind, :after_seq))
    order by t.round, t.kind, t.seq limit :limit
""")
REVIEWABLE = text(f"""
    select {_TASK}, c.body as commit from {_WHOLE}
    where t.job_id = :job_id and t.state = 'committed' and t.kind <> 'audit' and not exists (
        select from job_task a
        where a.job_id = t.job_id and a.kind = 'audit' and a.round = t.round
            and a.group_key = t.id || '/' || t.attempt and a.state in ('pending', 'leased'))
    order by t.round, t.kind, t.seq limit :limit
""")
COUNTS = text("""
    select state, count(*) as n from job_task
    where job_id = :job_id and (cast(:kind as text) is null or kind = :kind)
      and (cast(:but as text) is null or kind <> :but) and (cast(:round as int) is null or round = :round)
    group by state
""")

_FITS = """t.ready and t.kind = any(:kinds) and t.memory_mib <= :memory_mib
        and (t.pinned_to is null or t.pinned_to = :node_id)
        and not (:node_id = any(t.excluded_nodes)) and not (:owner = any(t.excluded_owners))"""

# Awards are locked first, so that two requests of one node cannot take more than it was awarded; at most one award of a
# job serves one request, because a task row that this statement locked already would be found a second time.
LEASE = text(f"""
    with mine as materialized (
        select id, job_id, price, awarded - taken as room from job_quota
        where node_id = :node_id and open and taken < awarded order by id for update
    ), awards as materialized (
        select distinct on (job_id) id, job_id, price, room from mine order by job_id, id
    ), open_to_all as materialized (
        select t.id, null::bigint as quota_id, 0::bigint as price from job_task t where not t.needs_quota and {_FITS}
        order by t.priority desc, t.created_at, t.seq limit :limit for update skip locked
    ), work as materialized (
        select w.id, a.id as quota_id, a.price from (select * from awards order by id) a cross join lateral (
            select t.id from job_task t where t.job_id = a.job_id and t.needs_quota and {_FITS}
            order by t.priority desc, t.seq limit least(a.room, :limit) for update skip locked
        ) w
        limit :limit - (select count(*) from open_to_all)
    ), picked as (
        select * from open_to_all union all select * from work
    ), taken as (
        update job_quota q set taken = q.taken + p.n, last_lease_at = :now
        from (select quota_id, count(*) as n from work group by quota_id) p where q.id = p.quota_id
    ), noted as (
        insert into job_lease (node_id, expires_at, task_ids)
        select :node_id, :until, array_agg(id) from picked having count(*) > 0
    )
    update job_task t set state = 'leased', node_id = :node_id, attempt = t.attempt + 1, quota_id = p.quota_id,
        price = p.price, leased_at = :now, lease_expires_at = :until, done = 0
    from picked p where t.id = p.id returning {_TASK}, null as commit
""")

# From a winner that has much left to one that has nothing left, in one job: half of what the first has not begun, as an
# award of its own at the lower of the two prices, unless that is below the taker's floor. Never more than there is ready
# for the taker: what is pinned to the other winner, or waits for another round, must keep its room there.
TAKE_OVER = text(f"""
    with pair as materialized (
        select m.job_id, o.id as theirs, least(m.price, o.price) as price, fits.n as ready from job_quota m
        join job_quota o on o.job_id = m.job_id and o.node_id <> m.node_id and o.open and o.awarded - o.taken >= 2
        cross join lateral (
            select count(*) as n from job_task t where t.job_id = m.job_id and t.needs_quota and {_FITS}
                and case when t.kind = 'generate' then :floor_render else :floor_train end * (t.cu / 1000000.0)
                    <= least(m.price, o.price)) fits
        where m.node_id = :node_id and m.open and not exists (
                select from job_quota r
                where r.job_id = m.job_id and r.node_id = m.node_id and r.open and r.taken < r.awarded)
            and fits.n > 0
        order by o.awarded - o.taken desc, 3, 2 limit 1
    ), locked as materialized (
        select q.id, q.awarded - q.taken as room from job_quota q join pair p on q.id = p.theirs
        where q.open for update of q
    ), moved as materialized (
        select p.job_id, p.theirs, p.price, least(l.room / 2, p.ready) as n from pair p join locked l on l.id = p.theirs
        where l.room >= 2
    ), given as (
        update job_quota q set awarded = q.awarded - v.n from moved v where q.id = v.theirs
    )
    insert into job_quota (job_id, node_id, auction_id, awarded, price, created_at)
    select job_id, :node_id, 'taken over from ' || theirs, n, price, :now from moved
    on conflict (job_id, node_id, auction_id) do update
        set awarded = job_quota.awarded + excluded.awarded, price = excluded.price, open = true
    returning awarded - taken as n
""")

EXTEND = text("""
    with held as materialized (
        select id from job_task where id = any(:ids) and state = 'leased' and node_id = :node_id order by id for update
    ), told as (
        select * from unnest(cast(:ids as text[]), cast(:done as real[])) as told(id, done)
    )
    update job_task t set done = greatest(t.done, told.done),
        lease_expires_at = least(cast(:until as timestamptz), leased_at + interval '1 s' * :total_s)
    from held join told using (id) where t.id = held.id returning t.id
""")
UNDER_WAY = text("""
    select coalesce(sum(done), 0) from job_task
    where job_id = :job_id and state = 'leased' and (kind = 'audit') = :audits
""")

COMMIT = text("""
    with v as (
        select * from jsonb_to_recordset(cast(:work as jsonb)) as v(id text, attempt int, body jsonb)
    ), done as (
        update job_task t set state = 'committed', committed_at = :now, lease_expires_at = null
        from v where t.id = any(:ids) and t.id = v.id and t.attempt = v.attempt and t.state = 'leased'
            and t.node_id = :node_id
        returning t.id, t.attempt, t.job_id, v.body
    ), kept as (
        insert into job_commit (task_id, attempt, node_id, body, created_at)
        select id, attempt, :node_id, body, :now from done
    )
    select id, job_id from done
""")
# Why a commit found no live lease of its own: what is there instead.
MET = text("""
    select t.id, t.job_id, t.state = 'pending' and t.attempt = v.attempt and t.node_id = :node_id as is_late,
           c.body = v.body and c.node_id = :node_id as is_same, c.node_id = :node_id as is_mine
    from jsonb_to_recordset(cast(:work as jsonb)) as v(id text, attempt int, body jsonb)
    join job_task t on t.id = v.id and t.id = any(:ids)
    left join job_commit c on c.task_id = v.id and c.attempt = v.attempt
    order by t.id for update of t
""")
# An expired lease that nobody took up again becomes live once more, when the award still has room for it.
REVIVE = text("""
    with back as (
        update job_quota q set taken = taken + 1 from job_task t
        where t.id = :id and q.id = t.quota_id and q.open and q.taken < q.awarded returning q.id
    )
    update job_task t set state = 'leased', lease_expires_at = :now
    where t.id = :id and (t.quota_id is null or exists (select from back)) returning t.id
""")

# Takes tasks back from their nodes. `keep`: remember the holder, whose late commit may still be taken. `exclude`: keep
# the node away from the task and shrink its award; an award that is closed shrinks in any case. `forgive`: the attempt
# does not count.
_GIVE_BACK = """
    with lost as materialized (
        select l.*, l.attempt - l.forgiven >= l.attempts_max as is_last from (
            select t.id, t.node_id, t.quota_id, t.attempt, t.attempts_max,
                t.forgiven + case when :forgive and t.forgiven < {forgiven_max} then 1 else 0 end as forgiven
            from job_task t where {which}
        ) l
    ), back as (
        update job_task t set state = case when l.is_last then 'failed' else 'pending' end, forgiven = l.forgiven,
            reason = :reason, lease_expires_at = null, committed_at = null, waiting_since = :now,
            finished_at = case when l.is_last then cast(:now as timestamptz) end,
            node_id = case when :keep then t.node_id end, quota_id = case when :keep then t.quota_id end,
            excluded_nodes = t.excluded_nodes || case when :exclude then array[l.node_id] else '{{}}' end,
            pinned_to = case when :exclude then nullif(t.pinned_to, l.node_id) else t.pinned_to end
        from lost l where t.id = l.id returning t.id, t.job_id, l.node_id, t.attempt, t.state
    ), owed as materialized (
        select q.id, o.n from job_quota q
        join (select quota_id, count(*)::int as n from lost group by quota_id) o on o.quota_id = q.id
        order by q.id for update of q
    ), freed as (
        update job_quota q set taken = q.taken - o.n,
            awarded = q.awarded - case when :exclude or not q.open then o.n else 0 end
        from owed o where q.id = o.id
    )
    select id, job_id, node_id, attempt, state from back order by id
"""
DUE_LEASES = text("""
    select id, task_ids from job_lease where expires_at < :now order by expires_at limit :limit for update skip locked
""")


def _give_back(which: str) -> sa.TextClause:
    return text(_GIVE_BACK.format(which=which, forgiven_max=FORGIVEN_MAX))


EXPIRE = _give_back(
    "t.id = any(:ids) and t.state = 'leased' and t.lease_expires_at < :now order by t.id for update skip locked"
)
# Leases that were prolonged, or whose task is being committed at this moment, are looked at again.
TIDY_LEASES = text("""
    with live as (
        select l.id, min(t.lease_expires_at) as next from job_lease l join job_task t on t.id = any(l.task_ids)
        where l.id = any(:leases) and t.state = 'leased' group by l.id
    ), again as (
        update job_lease l set expires_at = live.next from live where l.id = live.id
    )
    delete from job_lease where id = any(:leases) and id not in (select id from live)
""")
OTHERS = _give_back(
    "t.state = 'leased' and t.node_id = :node_id and t.id <> all(:ids) and t.id in "
    "(select unnest(task_ids) from job_lease where node_id = :node_id) order by t.id for update"
)
FAIL = _give_back("t.id = :id and t.state = 'leased' and t.node_id = :node_id and t.attempt = :attempt for update")
REJECT = _give_back("t.id = any(:ids) and t.state in ('committed', 'accepted') order by t.id for update")
RELEASE = _give_back("t.job_id = :job_id and t.state = 'leased' and t.node_id = :node_id order by t.id for update")

HOLDER = text("select attempt, node_id from job_task where id = :id")
TIMES = text("""
    select id, kind, cu, leased_at from job_task where id = any(:ids) and node_id = :node_id and leased_at is not null
    order by id
""")
STEP_ON = text("""
    with these as (select id from job_task where id = any(:ids) and state = :from_state order by id for update)
    update job_task t set state = :to_state, reason = '', finished_at = :now from these where t.id = these.id
    returning t.id, t.job_id, t.node_id, t.attempt, t.price, t.cu
""")
UNSETTLED = text("""
    select exists (
        select 1 from job j join job_task t on t.job_id = j.id
        where j.state not in ('settled', 'refunded', 'cancelled') and t.node_id = :node_id
            and t.state in ('leased', 'committed', 'accepted'))
""")
STATES = text("select id, state from job_task where id = any(:ids)")
CANCEL = text("""
    update job_task set state = 'cancelled', finished_at = :now, lease_expires_at = null
    where id in (
        select id from job_task where job_id = :job_id and state in ('pending', 'leased') order by id for update)
""")
EARNINGS = text("""
    select node_id, kind, count(*)::int as tasks, sum(cu)::bigint as cu, sum(price)::bigint as price from job_task
    where job_id = :job_id and state in ('accepted', 'settled') and node_id is not null
    group by node_id, kind order by node_id, kind
""")
SETTLE_ALL = text("""
    with these as (select id from job_task where job_id = :job_id and state = 'accepted' order by id for update)
    update job_task t set state = 'settled', finished_at = :now from these where t.id = these.id
""")
CANCEL_PENDING = text("""
    update job_task set state = 'cancelled', finished_at = :now
    where id in (
        select id from job_task where job_id = :job_id and state = 'pending' and needs_quota order by id for update)
""")
CLOSE_QUOTAS = text("update job_quota set open = false where job_id = :job_id and open")

SET_QUOTAS = text("""
    insert into job_quota (job_id, node_id, auction_id, awarded, price, created_at)
    select :job_id, v.node_id, v.auction_id, v.awarded, v.price, :now
    from unnest(cast(:nodes as text[]), cast(:auctions as text[]), cast(:awarded as int[]), cast(:prices as bigint[]))
        with ordinality as v(node_id, auction_id, awarded, price, n) order by v.n
    on conflict (job_id, node_id, auction_id) do update
        set awarded = job_quota.awarded + excluded.awarded, price = excluded.price, open = true
""")
QUOTAS = text("""
    select job_id, node_id, auction_id, awarded, taken, price, open from job_quota
    where (cast(:job_id as text) is null or job_id = :job_id)
      and (cast(:node_id as text) is null or node_id = :node_id and open)
    order by id
""")
# The room that a lost node leaves; awards shrink further as its other leases end, because they are closed now.
RELEASE_QUOTA = text("""
    with room as (
        select id, awarded - taken as n from job_quota where job_id = :job_id and node_id = :node_id and open
        order by id for update
    ), closed as (
        update job_quota q set awarded = q.taken, open = false from room where q.id = room.id
    ), unpinned as (
        update job_task set pinned_to = null where job_id = :job_id and state = 'pending' and pinned_to = :node_id
    )
    select coalesce(sum(n), 0)::int from room
""")
# Open awards that a node could use and does not: the node holds nothing at all, took nothing since `before`, and a task
# that it may take has been waiting since then.
IDLE_AWARDS = text("""
    select distinct q.node_id from job_quota q
    where q.job_id = :job_id and q.open and q.taken < q.awarded
      and q.created_at < :before and coalesce(q.last_lease_at < :before, true)
      and exists (
          select from job_task t where t.job_id = q.job_id and t.ready and t.needs_quota and t.waiting_since < :before
            and (t.pinned_to is null or t.pinned_to = q.node_id) and not (q.node_id = any(t.excluded_nodes)))
      and not exists (
          select from job_lease l join job_task t on t.id = any(l.task_ids)
          where l.node_id = q.node_id and t.state = 'leased' and t.node_id = q.node_id)
    order by q.node_id
""")
UNBOUGHT = text("""
    select greatest(0,
        (select count(*) from job_task where job_id = :job_id and state = 'pending' and needs_quota)
        - (select coalesce(sum(awarded - taken), 0) from job_quota where job_id = :job_id and open))::int
""")
# Of the waiting tasks: from how many of them each node is kept away.
SHUT_OUT = text("""
    select x.id as node_id, count(*)::int as n from job_task t cross join lateral unnest(t.excluded_nodes) as x(id)
    where t.job_id = :job_id and t.ready and t.needs_quota group by x.id order by x.id
""")

_KINDS = {str(kind): kind for kind in TaskKind}
_STATES = {str(state): state for state in TaskState}


def task_of(row: Row) -> Task:
    # By position, in the order of _TASK: this runs for every task that is leased, and names cost three times as much.
    values: list[Any] = list(row)
    id, job_id, kind, round, seq, group, state, reason, attempt, attempts_max, priority = values[:11]
    needs_quota, pinned_to, node_id, price, cu, memory_mib, lease_expires_at = values[11:18]
    excluded_nodes, excluded_owners, created_at, leased_at, committed_at, finished_at, body, commit = values[18:]
    return Task(
        id,
        job_id,
        _KINDS[kind],
        round,
        seq,
        group,
        _STATES[state],
        reason,
        attempt,
        attempts_max,
        priority,
        needs_quota,
        pinned_to,
        node_id,
        Ntk(price),
        cu,
        memory_mib / 1024,
        lease_expires_at,
        tuple(excluded_nodes),
        tuple(excluded_owners),
        body["spec"],
        body["inputs"],
        created_at,
        leased_at,
        committed_at,
        finished_at,
        commit,
    )


def task(conn: Connection, task_id: str) -> Task | None:
    row = conn.execute(TASK, {"id": task_id}).one_or_none()
    return None if row is None else task_of(row)


def states_of(conn: Connection, task_ids: Collection[str]) -> dict[str, str]:
    return {row.id: row.state for row in conn.execute(STATES, {"ids": list(task_ids)})}


def give_back(
    conn: Connection,
    statement: sa.TextClause,
    which: dict[str, Any],
    reason: BreakReason,
    now: datetime,
    *,
    keep: bool = False,
    exclude: bool = False,
) -> list[Returned]:
    values = {"reason": reason, "now": now, "keep": keep, "exclude": exclude, "forgive": reason in FORGIVEN_REASONS}
    rows = conn.execute(statement, which | values)
    return [Returned(r.id, r.job_id, r.node_id, r.attempt, TaskState(r.state)) for r in rows]


def expire(conn: Connection, now: datetime, limit: int, reason: BreakReason) -> list[Returned]:
    due = conn.execute(DUE_LEASES, {"now": now, "limit": limit}).all()
    if not due:
        return []
    ids = sorted({task_id for row in due for task_id in row.task_ids})
    back = give_back(conn, EXPIRE, {"ids": ids}, reason, now, keep=True)
    conn.execute(TIDY_LEASES, {"leases": [row.id for row in due]})
    return back


def step_on(
    conn: Connection, ids: Collection[str], from_state: TaskState, to_state: TaskState, now: datetime
) -> list[Delivered]:
    rows = conn.execute(STEP_ON, {"ids": list(ids), "from_state": from_state, "to_state": to_state, "now": now})
    return [Delivered(r.id, r.job_id, r.node_id, r.attempt, Ntk(r.price), r.cu) for r in rows]


def commit(conn: Connection, node_id: str, work: dict[str, tuple[int, str]], now: datetime) -> dict[str, CommitOutcome]:
    """Commit `{task id: (attempt, body)}` where the lease is the node's own and live; the outcomes of these alone."""
    rows = conn.execute(COMMIT, _commit_values(node_id, work) | {"now": now})
    return {row.id: CommitOutcome(row.id, CommitStatus.COMMITTED, row.job_id) for row in rows}


def met(conn: Connection, node_id: str, work: dict[str, tuple[int, str]]) -> dict[str, Row]:
    """What stands in the way of these commits, by task id, locked; unknown tasks are absent."""
    return {row.id: row for row in conn.execute(MET, _commit_values(node_id, work))}


def _commit_values(node_id: str, work: dict[str, tuple[int, str]]) -> dict[str, Any]:
    # The bodies are JSON already: they are put together as text, not read and written once more.
    rows = [f'{{"id":"{i}","attempt":{attempt},"body":{body}}}' for i, (attempt, body) in sorted(work.items())]
    return {"node_id": node_id, "ids": sorted(work), "work": f"[{','.join(rows)}]"}


def set_quotas(conn: Connection, job_id: str, quotas: Sequence[NewQuota], now: datetime) -> None:
    values = {
        "job_id": job_id,
        "nodes": [q.node_id for q in quotas],
        "auctions": [q.auction_id for q in quotas],
        "awarded": [q.tasks for q in quotas],
        "prices": [q.price_per_task.micro for q in quotas],
        "now": now,
    }
    conn.execute(SET_QUOTAS, values)


def quotas(conn: Connection, *, job_id: str | None = None, node_id: str | None = None) -> list[Quota]:
    rows = conn.execute(QUOTAS, {"job_id": job_id, "node_id": node_id})
    return [Quota(r.job_id, r.node_id, r.auction_id, r.awarded, r.taken, Ntk(r.price), r.open) for r in rows]


def earnings(conn: Connection, job_id: str) -> list[Earning]:
    rows = conn.execute(EARNINGS, {"job_id": job_id})
    return [Earning(r.node_id, TaskKind(r.kind), r.tasks, r.cu, Ntk(r.price)) for r in rows]


# ---- events ---------------------------------------------------------------------------------------

# The lock makes a job's events become visible in the order of their numbers: without it a reader that saw number 7
# could miss a number 6 whose transaction ends later.
LOCK_EVENTS = text("select pg_advisory_xact_lock(hashtextextended(:job_id, 6)) ")
INSERT_EVENT = text("""
    insert into job_event (job_id, at, type, data) values (:job_id, :now, :type, cast(:data as jsonb)) returning seq
""")
EVENTS = text("""
    select seq, job_id, at, type, data from job_event where job_id = :job_id and seq > :seq order by seq limit :limit
""")
RING = text("select pg_notify(:channel, '')")


EVENT_COUNT = text("""
    select count(*)::int from job_event where job_id = :job_id and type = :type and data ->> :field = any(:values)
""")


def emit(conn: Connection, job_id: str, kind: str, data: str, now: datetime) -> int:
    conn.execute(LOCK_EVENTS, {"job_id": job_id})
    row = conn.execute(INSERT_EVENT, {"job_id": job_id, "type": kind, "data": data, "now": now})
    return int(row.scalar_one())


def events(conn: Connection, job_id: str, seq: int, limit: int) -> list[Event]:
    return [Event(*row) for row in conn.execute(EVENTS, {"job_id": job_id, "seq": seq, "limit": limit})]
