"""The market's only SQL: auctions, sealed bids, awards, published prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from neuromation.kernel.money import Ntk
from neuromation.market.model import Auction, Award, Bid, Clearing, Infeasible, Kind, PricePoint, Remedy, Request

_AUCTIONS = (
    "select id, job_id, key, request, request_hash, status, opened_at, closes_at, closed_at, result"
    " from market_auction a "
)
_BIDS_OF = "select id, node_id, owner_id, price_per_cu, capacity_tasks from market_bid where auction_id = :auction_id "

_INSERT = sa.text(
    "insert into market_auction (id, job_id, key, kind, request, request_hash, opened_at, closes_at)"
    " values (:id, :job_id, :key, :kind, :request, :request_hash, :now, :closes_at) on conflict (key) do nothing"
).bindparams(sa.bindparam("request", type_=JSONB))
_BY_ID = sa.text(_AUCTIONS + "where id = :id")
_BY_KEY = sa.text(_AUCTIONS + "where key = :key")
_LOCK = sa.text(_AUCTIONS + "where id = :id for no key update")
_OF_JOB = sa.text(_AUCTIONS + "where job_id = :job_id order by opened_at, id limit :limit")
_DUE = sa.text(
    _AUCTIONS + "where status = 'open' and closes_at <= :now"
    " order by closes_at, id limit :limit for no key update skip locked"
)
_UNBID = sa.text(
    _AUCTIONS + "where status = 'open' and kind = :kind and closes_at > :now and not exists"
    " (select from market_bid b where b.auction_id = a.id and b.node_id = :node_id)"
    " order by closes_at, id limit :limit"
)
_OPEN_KINDS = sa.text(
    "select distinct kind from market_auction where status = 'open' and closes_at > :now order by kind"
)
_FINISH = sa.text(
    "update market_auction set status = :status, closed_at = :now, result = :result, price_per_cu = :price,"
    " nodes = :nodes where id = :id"
).bindparams(sa.bindparam("result", type_=JSONB(none_as_null=True)))

_PUT_BID = sa.text(
    "insert into market_bid (id, auction_id, node_id, owner_id, price_per_cu, capacity_tasks, placed_at)"
    " values (:id, :auction_id, :node_id, :owner_id, :price, :capacity, :now)"
    " on conflict (auction_id, node_id) do update set id = excluded.id, owner_id = excluded.owner_id,"
    " price_per_cu = excluded.price_per_cu, capacity_tasks = excluded.capacity_tasks, placed_at = excluded.placed_at"
)
_DROP_BID = sa.text("delete from market_bid where auction_id = :auction_id and node_id = :node_id")
_BIDS = sa.text(_BIDS_OF + "order by node_id")
_BID_OF = sa.text(_BIDS_OF + "and node_id = :node_id")
_BID_COUNT = sa.text("select count(*) from market_bid where auction_id = :auction_id")

_PUT_AWARD = sa.text(
    "insert into market_award (auction_id, position, node_id, owner_id, tasks, payment, price_per_cu)"
    " values (:auction_id, :position, :node_id, :owner_id, :tasks, :payment, :price)"
)
_AWARDS = sa.text(
    "select node_id, owner_id, tasks, payment, price_per_cu from market_award"
    " where auction_id = :auction_id order by position"
)
_INDEX = sa.text(
    "select auction_id, kind, price_per_cu, tasks, micro_cu, nodes, closed_at from market_price"
    " where kind = :kind and closed_at >= :since order by closed_at desc, auction_id desc limit :limit"
)


def insert_auction(
    conn: sa.Connection,
    *,
    auction_id: str,
    job_id: str,
    key: str,
    request: Request,
    request_hash: str,
    closes_at: datetime,
    now: datetime,
) -> None:
    """Write a new open auction; nothing happens when the key is taken."""
    row = {"id": auction_id, "job_id": job_id, "key": key, "kind": request.kind, "request": request.to_json()}
    conn.execute(_INSERT, {**row, "request_hash": request_hash, "now": now, "closes_at": closes_at})


def by_key(conn: sa.Connection, key: str) -> tuple[Auction, str]:
    """The auction that a key opened, with its request's hash."""
    row = conn.execute(_BY_KEY, {"key": key}).one()
    return _auction(conn, row), row.request_hash


def by_id(conn: sa.Connection, auction_id: str) -> Auction | None:
    """The auction, or None."""
    row = conn.execute(_BY_ID, {"id": auction_id}).one_or_none()
    return None if row is None else _auction(conn, row)


def lock(conn: sa.Connection, auction_id: str) -> Auction | None:
    """The auction, held against other bids and closings until the transaction ends; or None."""
    row = conn.execute(_LOCK, {"id": auction_id}).one_or_none()
    return None if row is None else _auction(conn, row)


def of_job(conn: sa.Connection, job_id: str, limit: int) -> list[Auction]:
    """A job's auctions, oldest first."""
    return [_auction(conn, row) for row in conn.execute(_OF_JOB, {"job_id": job_id, "limit": limit}).all()]


def due(conn: sa.Connection, now: datetime, limit: int) -> list[Auction]:
    """Open auctions whose time is over, held until the transaction ends; those that another one holds are skipped."""
    return [_auction(conn, row) for row in conn.execute(_DUE, {"now": now, "limit": limit}).all()]


def open_kinds(conn: sa.Connection, now: datetime) -> list[Kind]:
    """The kinds of work for which some auction takes bids."""
    return list(conn.execute(_OPEN_KINDS, {"now": now}).scalars())


def open_without_bid_of(conn: sa.Connection, node_id: str, kind: Kind, now: datetime, limit: int) -> list[Auction]:
    """Auctions of a kind that still take bids and have none of this node, first to close first."""
    rows = conn.execute(_UNBID, {"node_id": node_id, "kind": kind, "now": now, "limit": limit}).all()
    return [_auction(conn, row) for row in rows]


def finish(
    conn: sa.Connection, auction: Auction, status: str, result: Clearing | Infeasible | None, *, now: datetime
) -> None:
    """Store an auction's end: its status, result, awards."""
    cleared = result if isinstance(result, Clearing) else None
    conn.execute(
        _FINISH,
        {
            "id": auction.id,
            "status": status,
            "now": now,
            "result": _result_json(result),
            "price": cleared.price_per_cu.micro if cleared else None,
            "nodes": len(cleared.awards) if cleared else 0,
        },
    )
    if cleared:
        _put_awards(conn, auction.id, cleared.awards)


def _put_awards(conn: sa.Connection, auction_id: str, awards: Sequence[Award]) -> None:
    rows = [
        {
            "auction_id": auction_id,
            "position": position,
            "node_id": award.node_id,
            "owner_id": award.owner_id,
            "tasks": award.tasks,
            "payment": award.payment.micro,
            "price": award.price_per_cu.micro,
        }
        for position, award in enumerate(awards)
    ]
    conn.execute(_PUT_AWARD, rows)


def put_bid(conn: sa.Connection, auction_id: str, bid: Bid, *, now: datetime) -> None:
    """Write a node's bid in place of an earlier one."""
    row = {"id": bid.bid_id, "auction_id": auction_id, "node_id": bid.node_id, "owner_id": bid.owner_id, "now": now}
    conn.execute(_PUT_BID, {**row, "price": bid.price_per_cu.micro, "capacity": bid.capacity_tasks})


def drop_bid(conn: sa.Connection, auction_id: str, node_id: str) -> None:
    """Take a node's bid away; nothing happens when there is none."""
    conn.execute(_DROP_BID, {"auction_id": auction_id, "node_id": node_id})


def bids(conn: sa.Connection, auction_id: str) -> list[Bid]:
    """All bids by node id. The service decides who may see them."""
    return [_bid(row) for row in conn.execute(_BIDS, {"auction_id": auction_id}).all()]


def bid_of(conn: sa.Connection, auction_id: str, node_id: str) -> Bid | None:
    """One node's bid, or None."""
    row = conn.execute(_BID_OF, {"auction_id": auction_id, "node_id": node_id}).one_or_none()
    return None if row is None else _bid(row)


def bid_count(conn: sa.Connection, auction_id: str) -> int:
    """How many nodes have bid."""
    return int(conn.execute(_BID_COUNT, {"auction_id": auction_id}).scalar_one())


def awards(conn: sa.Connection, auction_id: str) -> tuple[Award, ...]:
    """The winners, cheapest bid first."""
    return tuple(
        Award(
            node_id=row.node_id,
            owner_id=row.owner_id,
            tasks=row.tasks,
            payment=Ntk(row.payment),
            price_per_cu=Ntk(row.price_per_cu),
        )
        for row in conn.execute(_AWARDS, {"auction_id": auction_id}).all()
    )


def prices(conn: sa.Connection, kind: Kind, *, since: datetime, limit: int) -> list[PricePoint]:
    """Published clearing prices, newest first."""
    return [
        PricePoint(
            auction_id=row.auction_id,
            kind=row.kind,
            price_per_cu=Ntk(row.price_per_cu),
            tasks=row.tasks,
            micro_cu=row.micro_cu,
            nodes=row.nodes,
            closed_at=row.closed_at,
        )
        for row in conn.execute(_INDEX, {"kind": kind, "since": since, "limit": limit}).all()
    ]


def _bid(row: Any) -> Bid:
    return Bid(
        bid_id=row.id,
        node_id=row.node_id,
        owner_id=row.owner_id,
        price_per_cu=Ntk(row.price_per_cu),
        capacity_tasks=row.capacity_tasks,
    )


def _auction(conn: sa.Connection, row: Any) -> Auction:
    return Auction(
        id=row.id,
        job_id=row.job_id,
        key=row.key,
        request=Request.from_json(row.request),
        status=row.status,
        opened_at=row.opened_at,
        closes_at=row.closes_at,
        closed_at=row.closed_at,
        result=None if row.result is None else _result(row.result, awards(conn, row.id)),
    )


def _result_json(result: Clearing | Infeasible | None) -> dict[str, Any] | None:
    if result is None:
        return None
    if isinstance(result, Infeasible):
        remedies = [
            {"constraint": r.constraint, "advice": r.advice, "request": r.request.to_json()} for r in result.remedies
        ]
        return {"constraint": result.constraint, "message": result.message, "remedies": remedies}
    return {
        "mechanism": result.mechanism,
        "cost": str(result.cost),
        "bid_cost": str(result.bid_cost),
        "price_per_cu": str(result.price_per_cu),
        "gap": result.gap,
    }


def _result(value: Mapping[str, Any], winners: tuple[Award, ...]) -> Clearing | Infeasible:
    if "constraint" in value:
        remedies = tuple(Remedy(**{**r, "request": Request.from_json(r["request"])}) for r in value["remedies"])
        return Infeasible(constraint=value["constraint"], message=value["message"], remedies=remedies)
    return Clearing(
        awards=winners,
        cost=Ntk.parse(value["cost"]),
        bid_cost=Ntk.parse(value["bid_cost"]),
        mechanism=value["mechanism"],
        price_per_cu=Ntk.parse(value["price_per_cu"]),
        gap=value["gap"],
    )
