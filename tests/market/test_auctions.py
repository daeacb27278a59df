"""Auctions in the real database: sealed, closed once, and never losing a bid between two transactions."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from market_builders import a_node, a_request

from neuromation.kernel.clock import FakeClock
from neuromation.kernel.errors import Invalid
from neuromation.kernel.ids import check_id
from neuromation.kernel.money import Ntk
from neuromation.market import service
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
from neuromation.market.model import Auction, Bid, Capability, Clearing, Infeasible, Request

JOB = "job_1"


def _open(
    conn: sa.Connection, clock: FakeClock, *, key: str = "k", request: Request | None = None, seconds: int = 30
) -> Auction:
    now = clock.now()
    return service.open_auction(
        conn, request or a_request(), job_id=JOB, key=key, closes_at=now + timedelta(seconds=seconds), now=now
    )


def _bid(conn: sa.Connection, auction: Auction, node: Capability, price: int, now: datetime, **fields: Any) -> Bid:
    return service.place_bid(
        conn,
        auction.id,
        **{
            "node_id": node.node_id,
            "owner_id": node.owner_id,
            "price_per_cu": Ntk(price),
            "capacity_tasks": 3,
            "floor_per_cu": node.floor_per_cu,
            "now": now,
            **fields,
        },
    )


def test_an_auction_runs_from_opening_to_the_index(conn: sa.Connection, clock: FakeClock) -> None:
    auction = _open(conn, clock)
    assert check_id(auction.id, "auc") == auction.id
    nodes = [a_node("a"), a_node("b"), a_node("c")]
    bids = [_bid(conn, auction, n, price, clock.now()) for n, price in zip(nodes, (10, 20, 40), strict=True)]
    closed_at = clock.advance(30)
    result = service.close_auction(conn, auction.id, nodes, now=closed_at)
    assert result == clear(auction.request, bids, nodes)
    assert isinstance(result, Clearing)
    assert service.awards_of(conn, auction.id) == result.awards
    stored = service.auction_of(conn, auction.id)
    assert (stored.status, stored.closed_at, stored.result) == ("cleared", closed_at, result)
    assert service.bids_of(conn, auction.id) == bids
    point = service.index(conn, "render")[0]
    assert (point.auction_id, point.price_per_cu, point.tasks, point.nodes) == (auction.id, result.price_per_cu, 4, 2)
    assert point.micro_cu == 4_000_000
    assert service.last_price(conn, "render") == result.price_per_cu
    assert service.last_price(conn, "train") is None


def test_a_key_opens_one_auction_however_often_it_is_used(conn: sa.Connection, clock: FakeClock) -> None:
    first = _open(conn, clock)
    clock.advance(5)
    assert _open(conn, clock) == first
    assert service.auctions_of(conn, JOB) == [first]


def test_a_key_with_other_work_is_refused(conn: sa.Connection, clock: FakeClock) -> None:
    _open(conn, clock)
    with pytest.raises(KeyReused):
        _open(conn, clock, request=a_request(tasks=5))


@pytest.mark.parametrize("seconds", [0, -1, service.BIDDING_MAX_S + 1])
def test_bidding_ends_in_the_near_future(conn: sa.Connection, clock: FakeClock, seconds: int) -> None:
    with pytest.raises(Invalid, match="bidding must end"):
        _open(conn, clock, seconds=seconds)


def test_keys_have_a_maximum_length(conn: sa.Connection, clock: FakeClock) -> None:
    with pytest.raises(TextTooLong):
        _open(conn, clock, key="k" * 101)


def test_bids_are_sealed_until_the_auction_is_over(conn: sa.Connection, clock: FakeClock) -> None:
    auction, node = _open(conn, clock), a_node("a")
    mine = _bid(conn, auction, node, 20, clock.now())
    with pytest.raises(BidsSealed):
        service.bids_of(conn, auction.id)
    assert service.bid_of(conn, auction.id, "a") == mine
    assert service.bid_of(conn, auction.id, "b") is None
    assert service.bid_count(conn, auction.id) == 1
    assert service.auction_of(conn, auction.id).result is None
    assert service.awards_of(conn, auction.id) == ()
    assert service.index(conn, "render") == []


def test_a_bid_below_the_nodes_own_floor_cannot_exist(conn: sa.Connection, clock: FakeClock) -> None:
    auction = _open(conn, clock)
    with pytest.raises(BelowFloor, match="below its own floor"):
        _bid(conn, auction, a_node(floor_per_cu=Ntk(10)), 9, clock.now())
    assert service.bid_count(conn, auction.id) == 0


def test_a_node_has_one_bid_and_the_last_one_counts(conn: sa.Connection, clock: FakeClock) -> None:
    auction, node = _open(conn, clock), a_node("a")
    _bid(conn, auction, node, 20, clock.now(), capacity_tasks=1)
    last = _bid(conn, auction, node, 30, clock.now(), capacity_tasks=4)
    assert service.bid_count(conn, auction.id) == 1
    result = service.close_auction(conn, auction.id, [node], now=clock.advance(30))
    assert isinstance(result, Clearing)
    assert [a.price_per_cu for a in result.awards] == [last.price_per_cu]


def test_a_bid_can_be_withdrawn_while_the_auction_is_open(conn: sa.Connection, clock: FakeClock) -> None:
    auction, node = _open(conn, clock), a_node("a")
    _bid(conn, auction, node, 20, clock.now())
    service.withdraw_bid(conn, auction.id, "a", now=clock.now())
    service.withdraw_bid(conn, auction.id, "a", now=clock.now())
    assert service.bid_of(conn, auction.id, "a") is None
    with pytest.raises(AuctionClosed):
        service.withdraw_bid(conn, auction.id, "a", now=clock.advance(30))


def test_a_late_bid_is_refused_even_before_the_closing_ran(conn: sa.Connection, clock: FakeClock) -> None:
    auction = _open(conn, clock)
    with pytest.raises(AuctionClosed, match="bidding ended at"):
        _bid(conn, auction, a_node(), 20, clock.advance(30))


def test_a_bid_after_the_closing_is_refused(conn: sa.Connection, clock: FakeClock) -> None:
    auction = _open(conn, clock)
    service.close_auction(conn, auction.id, [], now=clock.now(), early=True)
    with pytest.raises(AuctionClosed, match="infeasible"):
        _bid(conn, auction, a_node(), 20, clock.now())


def test_excluded_nodes_and_owners_cannot_bid(conn: sa.Connection, clock: FakeClock) -> None:
    request = a_request(excluded_nodes=frozenset({"a"}), excluded_owners=frozenset({"owner-b"}))
    auction = _open(conn, clock, request=request)
    for name in ("a", "b"):
        with pytest.raises(NodeExcluded):
            _bid(conn, auction, a_node(name), 20, clock.now())


def test_an_auction_has_a_maximum_of_bids(
    conn: sa.Connection, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BIDS_MAX", 1)
    auction = _open(conn, clock)
    _bid(conn, auction, a_node("a"), 20, clock.now())
    with pytest.raises(TooManyBids):
        _bid(conn, auction, a_node("b"), 20, clock.now())
    _bid(conn, auction, a_node("a"), 25, clock.now())


@pytest.mark.parametrize("fields", [{"price_per_cu": Ntk(-1)}, {"capacity_tasks": 0}, {"capacity_tasks": 10**9}])
def test_absurd_bids_are_refused(conn: sa.Connection, clock: FakeClock, fields: dict[str, Any]) -> None:
    auction = _open(conn, clock)
    with pytest.raises(Invalid):
        _bid(conn, auction, a_node(), 20, clock.now(), **fields)


def test_unknown_auctions_are_not_found(conn: sa.Connection, clock: FakeClock) -> None:
    with pytest.raises(AuctionNotFound):
        service.auction_of(conn, "auc_none")
    with pytest.raises(AuctionNotFound):
        service.close_auction(conn, "auc_none", [], now=clock.now())


def test_closing_twice_gives_the_first_result_whatever_changed_since(conn: sa.Connection, clock: FakeClock) -> None:
    auction, nodes = _open(conn, clock), [a_node("a"), a_node("b")]
    for node in nodes:
        _bid(conn, auction, node, 20, clock.now())
    first = service.close_auction(conn, auction.id, nodes, now=clock.advance(30))
    assert service.close_auction(conn, auction.id, [], now=clock.advance(30)) == first
    assert len(service.index(conn, "render")) == 1


def test_an_auction_closes_early_only_when_asked(conn: sa.Connection, clock: FakeClock) -> None:
    auction = _open(conn, clock)
    with pytest.raises(StillOpen):
        service.close_auction(conn, auction.id, [], now=clock.now())
    assert isinstance(service.close_auction(conn, auction.id, [], now=clock.now(), early=True), Infeasible)


def test_an_infeasible_result_is_stored_whole(conn: sa.Connection, clock: FakeClock) -> None:
    auction, node = _open(conn, clock, request=a_request(reserve_per_cu=Ntk(15))), a_node()
    _bid(conn, auction, node, 20, clock.now(), capacity_tasks=9)
    result = service.close_auction(conn, auction.id, [node], now=clock.advance(30))
    assert isinstance(result, Infeasible)
    assert result.constraint == "price"
    stored = service.auction_of(conn, auction.id)
    assert (stored.status, stored.result) == ("infeasible", result)
    assert service.index(conn, "render") == []


def test_a_cancelled_auction_has_no_result(conn: sa.Connection, clock: FakeClock) -> None:
    auction = _open(conn, clock)
    service.cancel_auction(conn, auction.id, now=clock.now())
    service.cancel_auction(conn, auction.id, now=clock.now())
    with pytest.raises(AuctionCancelled):
        service.close_auction(conn, auction.id, [], now=clock.advance(30))
    with pytest.raises(AuctionClosed):
        _bid(conn, auction, a_node(), 20, clock.now())
    assert service.due_auctions(conn, clock.now()) == []


def test_a_closed_auction_cannot_be_cancelled(conn: sa.Connection, clock: FakeClock) -> None:
    auction = _open(conn, clock)
    service.close_auction(conn, auction.id, [], now=clock.advance(30))
    with pytest.raises(AuctionClosed):
        service.cancel_auction(conn, auction.id, now=clock.now())


def test_a_node_sees_the_auctions_that_it_can_serve_and_has_not_bid_in(conn: sa.Connection, clock: FakeClock) -> None:
    fits = _open(conn, clock, key="fits")
    _open(conn, clock, key="gpu", request=a_request(gpu=True))
    _open(conn, clock, key="train", request=a_request(kind="train"))
    _open(conn, clock, key="big", request=a_request(memory_gib=64.0))
    _open(conn, clock, key="not me", request=a_request(excluded_nodes=frozenset({"a"})))
    _open(conn, clock, key="short", seconds=1)
    sooner = _open(conn, clock, key="sooner", seconds=10)
    node, now = a_node("a"), clock.advance(2)
    assert service.open_auctions_for(conn, node, now) == [sooner, fits]
    _bid(conn, sooner, node, 20, now)
    assert service.open_auctions_for(conn, node, now) == [fits]
    assert service.open_auctions_for(conn, a_node("b"), now)[0] == sooner


def test_auctions_are_due_from_their_closing_time(conn: sa.Connection, clock: FakeClock) -> None:
    late, soon = _open(conn, clock, key="late", seconds=20), _open(conn, clock, key="soon", seconds=10)
    assert service.due_auctions(conn, clock.advance(9)) == []
    assert [a.id for a in service.due_auctions(conn, clock.advance(1))] == [soon.id]
    assert [a.id for a in service.due_auctions(conn, clock.advance(10))] == [soon.id, late.id]
    assert [a.id for a in service.due_auctions(conn, clock.now(), 1)] == [soon.id]


def test_the_index_starts_where_asked_newest_first(conn: sa.Connection, clock: FakeClock) -> None:
    node = a_node()
    for price in (20, 30, 40):
        auction = _open(conn, clock, key=str(price), request=a_request(reserve_per_cu=Ntk(price)))
        _bid(conn, auction, node, 10, clock.now(), capacity_tasks=4)
        service.close_auction(conn, auction.id, [node], now=clock.advance(30))
    assert [p.price_per_cu.micro for p in service.index(conn, "render")] == [40, 30, 20]
    since = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert [p.price_per_cu.micro for p in service.index(conn, "render", since=since)] == [40, 30]
    assert [p.price_per_cu.micro for p in service.index(conn, "render", limit=1)] == [40]


def test_due_auctions_are_given_to_one_worker_at_a_time(engine: sa.Engine, clock: FakeClock) -> None:
    with engine.begin() as conn:
        _open(conn, clock)
    now = clock.advance(30)
    with engine.begin() as one, engine.begin() as other:
        assert len(service.due_auctions(one, now)) == 1
        assert service.due_auctions(other, now) == []


def test_a_bid_that_meets_the_closing_is_refused_and_never_half_counted(engine: sa.Engine, clock: FakeClock) -> None:
    """The bid waits for the closing's lock, then finds the auction closed."""
    nodes = [a_node("a"), a_node("b")]
    with engine.begin() as conn:
        auction = _open(conn, clock)
        first = _bid(conn, auction, nodes[0], 20, clock.now(), capacity_tasks=4)
    refused = []

    def bid_late() -> None:
        with engine.begin() as conn, pytest.raises(AuctionClosed) as error:
            _bid(conn, auction, nodes[1], 10, clock.now())
        refused.append(error.value)

    with engine.begin() as closing:
        result = service.close_auction(closing, auction.id, nodes, now=clock.now(), early=True)
        bidder = threading.Thread(target=bid_late)
        bidder.start()
        _wait_for_a_lock(engine)
    bidder.join()
    assert len(refused) == 1
    assert isinstance(result, Clearing)
    with engine.begin() as conn:
        assert service.bids_of(conn, auction.id) == [first]


def test_a_closing_that_meets_a_bid_waits_for_it_and_counts_it(engine: sa.Engine, clock: FakeClock) -> None:
    node = a_node("a")
    with engine.begin() as conn:
        auction = _open(conn, clock)
    results = []

    def close() -> None:
        with engine.begin() as conn:
            results.append(service.close_auction(conn, auction.id, [node], now=clock.now(), early=True))

    with engine.begin() as bidding:
        _bid(bidding, auction, node, 20, clock.now(), capacity_tasks=4)
        closer = threading.Thread(target=close)
        closer.start()
        _wait_for_a_lock(engine)
    closer.join()
    assert isinstance(results[0], Clearing)
    assert [a.node_id for a in results[0].awards] == ["a"]


def test_many_bidders_and_closers_at_once_agree_on_one_result(engine: sa.Engine, clock: FakeClock) -> None:
    nodes = [a_node(f"n{i}") for i in range(6)]
    with engine.begin() as conn:
        auction = _open(conn, clock)
    results: list[Clearing | Infeasible] = []
    counted: list[str] = []

    def bid(node: Capability) -> None:
        try:
            with engine.begin() as conn:
                _bid(conn, auction, node, 20, clock.now(), capacity_tasks=4)
            counted.append(node.node_id)
        except AuctionClosed:
            pass

    def close() -> None:
        with engine.begin() as conn:
            results.append(service.close_auction(conn, auction.id, nodes, now=clock.now(), early=True))

    threads = [threading.Thread(target=bid, args=(n,)) for n in nodes[:3]]
    threads += [threading.Thread(target=close) for _ in range(3)]
    threads += [threading.Thread(target=bid, args=(n,)) for n in nodes[3:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(r == results[0] for r in results)
    with engine.begin() as conn:
        bids = service.bids_of(conn, auction.id)
    assert {b.node_id for b in bids} == set(counted)
    assert clear(auction.request, bids, nodes) == results[0]


def _wait_for_a_lock(engine: sa.Engine) -> None:
    """Return when some transaction waits for another."""
    waiting = sa.text("select count(*) from pg_locks where not granted")
    with engine.connect() as conn:
        for _ in range(100_000):
            if conn.execute(waiting).scalar_one():
                return
            conn.rollback()
    raise AssertionError("nothing ever waited for a lock")
