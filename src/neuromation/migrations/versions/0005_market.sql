-- Tables of the market: sealed reverse auctions, their bids, awards and published prices.

create table market_auction (
    id text collate "C" primary key,
    job_id text collate "C" not null,
    key text collate "C" not null,
    kind text not null,
    request jsonb not null,
    request_hash text not null,  -- of the job and the request; a repeat of the key must have the same
    status text not null default 'open',
    opened_at timestamptz not null,
    closes_at timestamptz not null,
    closed_at timestamptz,
    result jsonb,
    price_per_cu bigint,  -- micro-NTK, of a cleared auction
    nodes integer not null default 0,
    constraint market_auction_key unique (key),
    constraint market_auction_kind check (kind in ('render', 'train')),
    constraint market_auction_times check (closes_at > opened_at),
    constraint market_auction_status check (
        (status = 'open' and closed_at is null and result is null and price_per_cu is null)
        or (status = 'cleared' and closed_at is not null and result is not null and price_per_cu >= 0)
        or (status = 'infeasible' and closed_at is not null and result is not null and price_per_cu is null)
        or (status = 'cancelled' and closed_at is not null and result is null and price_per_cu is null)
    )
);

create index market_auction_open on market_auction (closes_at, id) where status = 'open';
create index market_auction_job on market_auction (job_id, opened_at);
create index market_auction_price on market_auction (kind, closed_at desc, id desc) where status = 'cleared';

create table market_bid (
    id text collate "C" primary key,
    auction_id text collate "C" not null references market_auction (id),
    node_id text collate "C" not null,
    owner_id text collate "C" not null,
    price_per_cu bigint not null,  -- micro-NTK
    capacity_tasks integer not null,
    placed_at timestamptz not null,
    constraint market_bid_one_a_node unique (auction_id, node_id),
    constraint market_bid_range check (price_per_cu >= 0 and capacity_tasks > 0)
);

create table market_award (
    auction_id text collate "C" not null references market_auction (id),
    position integer not null,  -- cheapest bid first
    node_id text collate "C" not null,
    owner_id text collate "C" not null,
    tasks integer not null,
    payment bigint not null,  -- micro-NTK for all its tasks
    price_per_cu bigint not null,  -- its own bid
    primary key (auction_id, node_id),
    constraint market_award_range check (tasks > 0 and payment >= 0 and price_per_cu >= 0)
);

-- Published: the clearing price of each cleared auction, and no bid.
create view market_price as
select id as auction_id, kind, price_per_cu, (request ->> 'tasks')::integer as tasks,
       (request ->> 'tasks')::bigint * (request ->> 'cu_per_task')::bigint as micro_cu, nodes, closed_at
from market_auction
where status = 'cleared';
