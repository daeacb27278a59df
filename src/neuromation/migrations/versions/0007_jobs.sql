-- jobs: what a customer ordered, the tasks it became, who may take them, and what was said about it.

create table job_quote (
    id text primary key,
    customer text not null,
    request jsonb not null,
    answer jsonb not null,
    created_at timestamptz not null,
    expires_at timestamptz not null
);

create table job (
    id text primary key,
    kind text not null,
    customer text not null,
    key text not null,            -- idempotency: one job a customer and key
    request_hash text not null,   -- ... and the same key with another body is refused
    state text not null,
    reason text not null default '',
    spec jsonb not null,
    plan jsonb not null,
    progress jsonb not null default '{}',
    price_max bigint not null check (price_max >= 0),
    quote_id text unique,
    quote jsonb not null default '{}',
    step integer not null default 0,
    failures integer not null default 0,  -- steps that broke since the last one that did not
    next_step_at timestamptz,             -- null: nothing is to be done
    wakes_from timestamptz,               -- news wake the job no earlier
    created_at timestamptz not null,
    finished_at timestamptz,
    result jsonb,
    unique (customer, key)
) with (fillfactor = 80);

create index job_due on job (next_step_at) where next_step_at is not null;
create index job_of_customer on job (customer, id);

-- What one auction awarded to one node: it may hold at most `awarded` tasks of the job, each paid `price`.
create table job_quota (
    id bigint generated always as identity primary key,
    job_id text not null references job (id),
    node_id text not null,
    auction_id text not null,
    awarded integer not null,
    taken integer not null default 0,  -- tasks of this award leased, committed, accepted or settled
    price bigint not null check (price >= 0),
    open boolean not null default true,
    created_at timestamptz not null,
    last_lease_at timestamptz,         -- when the node last took something from it
    unique (job_id, node_id, auction_id),
    check (taken between 0 and awarded)
) with (fillfactor = 50);  -- room on the page: `taken` changes at every lease and touches no index

create index job_quota_of_node on job_quota (node_id) where open;

-- Narrow, and with few indexes: a task changes four times in its life, and every change writes the row anew. The indexes
-- ask for `ready`, not for `state`, so that commit, accept and settle touch none of them and stay on their page (HOT).
create table job_task (
    id text not null,
    job_id text not null references job (id),
    kind text not null,
    round integer not null,
    seq integer not null,
    group_key text not null,
    state text not null,
    reason text not null default '',
    attempt integer not null default 0,  -- also the fencing token: only the newest lease may commit
    attempts_max integer not null,
    forgiven integer not null default 0,  -- attempts that ended for the node's sake, not the task's: they do not count
    priority smallint not null,
    needs_quota boolean not null,        -- false: any node that is not excluded may take it (audits)
    pinned_to text,                      -- only this node may take it
    node_id text,                        -- who holds it; while pending, whose lease expired last
    quota_id bigint,                     -- the award it was taken from
    price bigint not null default 0,     -- what the award pays for it
    cu bigint not null,                  -- micro-CU
    memory_mib integer not null,
    lease_expires_at timestamptz,
    excluded_nodes text[] not null,
    excluded_owners text[] not null,
    created_at timestamptz not null,
    waiting_since timestamptz not null,
    leased_at timestamptz,
    committed_at timestamptz,
    finished_at timestamptz,
    ready boolean generated always as (state = 'pending') stored,
    primary key (id),
    unique (job_id, kind, round, seq)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

create index job_task_pending on job_task (job_id, priority desc, seq) where ready and needs_quota;
create index job_task_open on job_task (priority desc, created_at, seq) where ready and not needs_quota;

-- What is to be done, apart: it never changes.
create table job_task_body (
    task_id text primary key,
    body jsonb not null  -- {"spec", "inputs"}
);

-- One row a request that leased something: where the sweep finds leases that ran out. `expires_at` is a lower bound; the
-- task's own `lease_expires_at` decides. A row goes when none of its tasks is leased any more.
create table job_lease (
    id bigint generated always as identity primary key,
    node_id text not null,
    expires_at timestamptz not null,
    task_ids text[] not null
);

create index job_lease_due on job_lease (expires_at);

-- Every commitment ever made, also of attempts rejected later: the evidence. Rows are only added.
create table job_commit (
    task_id text not null,
    attempt integer not null,
    node_id text not null,
    body jsonb not null,
    created_at timestamptz not null,
    primary key (task_id, attempt)
);

create table job_event (
    seq bigint generated always as identity primary key,
    job_id text not null,
    at timestamptz not null,
    type text not null,
    data jsonb not null
);

create index job_event_of_job on job_event (job_id, seq);
