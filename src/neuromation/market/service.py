"""Auctions from opening to awards, and the price index; refuses to know jobs, escrow and how machines are measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from neuromation.kernel.errors import Invalid
from neuromation.kernel.hashing import hash_json
from neuromation.kernel.ids import new_id
from neuromation.kernel.money import Ntk
from neuromation.market import store
from neuromation.market.clearing import clear
from neuromation.market.errors import (
    AuctionCancelled,
    AuctionClosed,
    AuctionNotFound,
    BelowFloor,
    BidsSealed,
    KeyReused,
    NodeExcluded,
    StillOpen,
    TextTooLong,
    TooManyBids,
)
from neuromation.market.model import (
    TEXT_MAX,
    Auction,
    Award,
    Bid,
    Capability,
    Clearing,
    Infeasible,
    Kind,
    PricePoint,
    Request,
    serves,
)

BIDS_MAX = 5_000  # an auction
BIDDING_MAX_S = 3_600
OPEN_MAX = 500  # looked at in one call
DUE_MAX = 100
OF_JOB_MAX = 1_000
INDEX_MAX = 1_000

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


def open_auction(
    conn: sa.Connection, request: Request, *, job_id: str, key: str, closes_at: datetime, now: datetime
) -> Auction:
    """Put a request out to bids until `closes_at`; the same key again gives the same auction.

    Raises KeyReused when the key opened an auction for other work, Invalid for a closing time that is past or too
    far.
    """
    for name, text in (("a job id", job_id), ("a key", key)):
        if not 1 <= len(text) <= TEXT_MAX:
            raise TextTooLong(name, TEXT_MAX)
    request_hash = hash_json({"job": job_id, "request": request.to_json()})
    if not now < closes_at <= now + timedelta(seconds=BIDDING_MAX_S):
        raise Invalid(f"bidding must end within {BIDDING_MAX_S} s from now, not at {closes_at.isoformat()}")
    store.insert_auction(
        conn,
        auction_id=new_id("auc", now),
        job_id=job_id,
        key=key,
        request=request,
        request_hash=request_hash,
        closes_at=closes_at,
        now=now,
    )
    auction, stored_hash = store.by_key(conn, key)
    if stored_hash != request_hash:
        raise KeyReused(key)
    return auction


def auction_of(conn: sa.Connection, auction_id: str) -> Auction:
    """One auction, with its result once it is closed. Raises AuctionNotFound."""
    found = store.by_id(conn, auction_id)
    if found is None:
        raise AuctionNotFound(auction_id)
    return found


def auctions_of(conn: sa.Connection, job_id: str) -> list[Auction]:
    """A job's auctions, oldest first, at most OF_JOB_MAX."""
    return store.of_job(conn, job_id, OF_JOB_MAX)


def open_kinds(conn: sa.Connection, now: datetime) -> list[Kind]:
    """The kinds of work that are being auctioned now: the cheap question to ask first."""
    return store.open_kinds(conn, now)


def open_auctions_for(conn: sa.Connection, capability: Capability, now: datetime) -> list[Auction]:
    """Auctions that this machine could serve and has not bid in, of the OPEN_MAX next to close, in that order."""
    found = store.open_without_bid_of(conn, capability.node_id, capability.kind, now, OPEN_MAX)
    return [auction for auction in found if serves(auction.request, capability)]


def due_auctions(conn: sa.Connection, now: datetime, limit: int = DUE_MAX) -> list[Auction]:
    """Auctions whose bidding time is over, oldest first. They are locked, and those locked elsewhere are left out."""
    return store.due(conn, now, min(limit, DUE_MAX))


def place_bid(
    conn: sa.Connection,
    auction_id: str,
    *,
    node_id: str,
    owner_id: str,
    price_per_cu: Ntk,
    capacity_tasks: int,
    floor_per_cu: Ntk,
    now: datetime,
) -> Bid:
    """Put in a node's sealed bid, in place of its earlier one.

    Raises AuctionNotFound, AuctionClosed from the closing time on, BelowFloor, NodeExcluded, TooManyBids, Invalid for
    a price or capacity out of range.
    """
    bid = Bid(
        bid_id=new_id("bid", now),
        node_id=node_id,
        owner_id=owner_id,
        price_per_cu=price_per_cu,
        capacity_tasks=capacity_tasks,
    )
    if price_per_cu < floor_per_cu:
        raise BelowFloor(node_id, price=price_per_cu, floor=floor_per_cu)
    auction = _taking_bids(conn, auction_id, now)
    if node_id in auction.request.excluded_nodes or owner_id in auction.request.excluded_owners:
        raise NodeExcluded(auction_id, node_id)
    is_new = store.bid_of(conn, auction_id, node_id) is None
    if is_new and store.bid_count(conn, auction_id) >= BIDS_MAX:
        raise TooManyBids(auction_id, BIDS_MAX)
    store.put_bid(conn, auction_id, bid, now=now)
    return bid


def withdraw_bid(conn: sa.Connection, auction_id: str, node_id: str, *, now: datetime) -> None:
    """Take a node's bid back while the auction is open; doing it twice is doing it once."""
    _taking_bids(conn, auction_id, now)
    store.drop_bid(conn, auction_id, node_id)


def _taking_bids(conn: sa.Connection, auction_id: str, now: datetime) -> Auction:
    # The lock makes a bid and the closing follow one another: a bid is either counted or refused, never lost.
    auction = _locked(conn, auction_id)
    if auction.status != "open":
        raise AuctionClosed(auction_id, auction.status)
    if now >= auction.closes_at:
        raise AuctionClosed(auction_id, f"bidding ended at {auction.closes_at.isoformat()}")
    return auction


def _locked(conn: sa.Connection, auction_id: str) -> Auction:
    auction = store.lock(conn, auction_id)
    if auction is None:
        raise AuctionNotFound(auction_id)
    return auction


def bid_of(conn: sa.Connection, auction_id: str, node_id: str) -> Bid | None:
    """A node's own bid, or None; for the owner's eyes."""
    return store.bid_of(conn, auction_id, node_id)


def bid_count(conn: sa.Connection, auction_id: str) -> int:
    """How many nodes have bid so far: all that may be told while the bids are sealed."""
    return store.bid_count(conn, auction_id)


def bids_of(conn: sa.Connection, auction_id: str) -> list[Bid]:
    """All bids, by node id, once the auction is over. Raises BidsSealed before."""
    if auction_of(conn, auction_id).status == "open":
        raise BidsSealed(auction_id)
    return store.bids(conn, auction_id)


def close_auction(
    conn: sa.Connection,
    auction_id: str,
    capabilities: list[Capability],
    *,
    now: datetime,
    early: bool = False,
) -> Clearing | Infeasible:
    """End the bidding and store who won, or why nobody could; again, and with other capabilities, the same answer.

    Args:
        auction_id: the auction.
        capabilities: the machines as they are now, of the request's kind; the bid of any other machine does not
            count.
        early: allow closing before its time, when everyone who can has bid.

    Raises AuctionNotFound, StillOpen, AuctionCancelled.
    """
    auction = _locked(conn, auction_id)
    if auction.status == "cancelled":
        raise AuctionCancelled(auction_id)
    if auction.result is not None:
        return auction.result
    if now < auction.closes_at and not early:
        raise StillOpen(auction_id, auction.closes_at)
    result = clear(auction.request, store.bids(conn, auction_id), capabilities)
    status = "cleared" if isinstance(result, Clearing) else "infeasible"
    store.finish(conn, auction, status, result, now=now)
    return result


def cancel_auction(conn: sa.Connection, auction_id: str, *, now: datetime) -> None:
    """End an open auction without a result; twice is once. Raises AuctionNotFound, or AuctionClosed when it has one."""
    auction = _locked(conn, auction_id)
    if auction.result is not None:
        raise AuctionClosed(auction_id, auction.status)
    if auction.status == "open":
        store.finish(conn, auction, "cancelled", None, now=now)


def awards_of(conn: sa.Connection, auction_id: str) -> tuple[Award, ...]:
    """The winners of a cleared auction, cheapest bid first; empty for any other."""
    return store.awards(conn, auction_id)


def index(
    conn: sa.Connection, kind: Kind, *, since: datetime | None = None, limit: int = INDEX_MAX
) -> list[PricePoint]:
    """Published clearing prices of a kind since a time (None = ever), newest first, at most INDEX_MAX."""
    return store.prices(conn, kind, since=since or _EVER, limit=max(0, min(limit, INDEX_MAX)))


def last_price(conn: sa.Connection, kind: Kind) -> Ntk | None:
    """The newest clearing price per CU of a kind; None before the first."""
    newest = index(conn, kind, limit=1)
    return newest[0].price_per_cu if newest else None
