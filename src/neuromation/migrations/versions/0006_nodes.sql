-- nodes: machines that strangers own, what they measured, and what we learned about them.

create table node (
    id text primary key,
    owner text not null,
    name text not null,
    state text not null,
    reason text not null default '',
    version text not null,
    isolation text not null,
    gpu text not null,
    cores integer not null,
    slots integer not null,
    memory_gib double precision not null,
    disk_gib double precision not null,
    render_benchmark bigint not null default 0,  -- micro-CU/s, as measured at joining
    train_benchmark bigint not null default 0,
    render_cu_per_s bigint not null default 0,   -- micro-CU/s, corrected by real tasks
    train_cu_per_s bigint not null default 0,
    floor_render bigint,                         -- micro-NTK a CU; null: not for sale
    floor_train bigint,
    created_at timestamptz not null,
    last_seen timestamptz not null,
    unique (owner, name)
) with (fillfactor = 50);  -- a heartbeat touches no index, so it stays on its page

-- Checks of a node's work by kind of task, decayed to `as_of`.
create table node_check (
    node_id text not null references node (id),
    kind text not null,
    passed double precision not null,
    failed double precision not null,
    as_of timestamptz not null,
    primary key (node_id, kind)
) with (fillfactor = 50);
