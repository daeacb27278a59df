"""What may go wrong with money: one class a refusal, one sentence a person."""

from __future__ import annotations

from neuromation.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany
from neuromation.kernel.money import Ntk


class InsufficientFunds(Conflict):
    """The account may not go that low."""

    def __init__(self, account: str, *, needed: Ntk, available: Ntk) -> None:
        super().__init__(
            f"account {account} needs {needed} NTK but has {available} available; top it up or lower the amount",
            account=account,
            needed=str(needed),
            available=str(available),
        )
        self.account, self.needed, self.available = account, needed, available


class UnknownAccount(NotFound):
    """No account has this code."""

    def __init__(self, account: str) -> None:
        super().__init__(f"the ledger has no account {account}; open it before moving money", account=account)
        self.account = account


class UnknownHold(NotFound):
    """No hold was made under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no hold was made under the key {key}; name the key that the hold was made with", key=key)
        self.key = key


class KeyReused(Conflict):
    """The idempotency key belongs to a request with another body."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the key {key} was already used for another request; repeat a request unchanged, or choose a new key",
            key=key,
        )
        self.key = key


class HoldAlreadyResolved(Conflict):
    """The hold was posted, voided or expired before."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the hold {key} was already posted, voided or expired; a hold is resolved only once", key=key)
        self.key = key


class HoldExpired(Conflict):
    """The hold's time is over, so it can no longer be posted."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the hold {key} ran out of time and cannot be posted; make a new hold", key=key)
        self.key = key


class HoldStillRunning(Conflict):
    """The hold's time is not over, so it cannot expire yet."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the hold {key} has time left and cannot expire yet; void it to end it early", key=key)
        self.key = key


class AmountOverHold(Conflict):
    """More was to be posted than the hold reserved."""

    def __init__(self, key: str, *, asked: Ntk, held: Ntk) -> None:
        super().__init__(
            f"the hold {key} reserves {held} NTK, so {asked} NTK cannot be posted from it; post at most that",
            key=key,
            asked=str(asked),
            held=str(held),
        )
        self.key, self.asked, self.held = key, asked, held


class BadTransfer(Invalid):
    """The request could never be applied: an empty key, a negative amount, a text too long."""


class OverdraftNotAllowed(Forbidden):
    """Only the mirror of the tokens held on chain may owe."""


class WriterBusy(TooMany):
    """The writer's queue is full."""


class WriterClosed(Conflict):
    """The writer takes no more requests."""
