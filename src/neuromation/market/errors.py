"""What may go wrong at the market, besides a request that no pool can do (that is an answer: `Infeasible`)."""

from __future__ import annotations

from datetime import datetime

from neuromation.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from neuromation.kernel.money import Ntk


class AuctionNotFound(NotFound):
    def __init__(self, auction_id: str) -> None:
        super().__init__(f"there is no auction {auction_id[:60]}; list the open ones and use one of their ids")


class AuctionClosed(Conflict):
    def __init__(self, auction_id: str, status: str) -> None:
        super().__init__(f"auction {auction_id} takes no more bids ({status}); bid in an open one")


class AuctionCancelled(Conflict):
    def __init__(self, auction_id: str) -> None:
        super().__init__(f"auction {auction_id} was cancelled and has no result; open another for the same work")


class StillOpen(Conflict):
    def __init__(self, auction_id: str, closes_at: datetime) -> None:
        super().__init__(f"auction {auction_id} takes bids until {closes_at.isoformat()}; close it then")


class BidsSealed(Forbidden):
    def __init__(self, auction_id: str) -> None:
        super().__init__(f"the bids in auction {auction_id} are sealed while it is open; ask again after it closes")


class BelowFloor(Invalid):
    def __init__(self, node_id: str, *, price: Ntk, floor: Ntk) -> None:
        super().__init__(
            f"node {node_id} bids {price} NTK/CU, below its own floor of {floor}; bid at least the floor or lower it"
        )


class NodeExcluded(Forbidden):
    def __init__(self, auction_id: str, node_id: str) -> None:
        super().__init__(f"auction {auction_id} excludes node {node_id} or its owner; bid in another one")


class TooManyBids(Conflict):
    def __init__(self, auction_id: str, bids_max: int) -> None:
        super().__init__(f"auction {auction_id} already has {bids_max:,} bids, its maximum; bid in another one")


class KeyReused(Conflict):
    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key[:60]!r} already opened an auction for other work; use a fresh key")


class TextTooLong(TooLarge):
    def __init__(self, name: str, text_max: int) -> None:
        super().__init__(f"{name} must have 1 to {text_max} characters")
