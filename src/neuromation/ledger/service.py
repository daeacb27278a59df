"""Moves money: transfers, holds, statements; owns every balance, and refuses to know what it is paid for.

A refused request writes nothing and its key stays free: the same request, repeated, is judged anew, and never answered
as though the refused one had been applied. Requests that belong together go into one call: the accounts of a call are
locked in one order, so calls never deadlock; two calls in one transaction may, and the database then ends one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from neuromation.kernel.errors import NeuromationError
from neuromation.kernel.money import ZERO, Ntk
from neuromation.ledger import audits, store
from neuromation.ledger.errors import (
    AmountOverHold,
    BadTransfer,
    HoldAlreadyResolved,
    HoldExpired,
    HoldStillRunning,
    InsufficientFunds,
    KeyReused,
    OverdraftNotAllowed,
    UnknownAccount,
    UnknownHold,
)
from neuromation.ledger.model import (
    CUSTODY,
    EXPIRE_MAX,
    PAGE_MAX,
    SEAL_MAX,
    Balance,
    Entry,
    Expire,
    Finding,
    Hold,
    Outcome,
    Post,
    Receipt,
    Record,
    Request,
    Seal,
    Transfer,
    Void,
    check_code,
    check_group,
    transfer_id,
)

KEY_CONSTRAINT = "ledger_transfer_key"

_REFUSALS: dict[str, Callable[[str], NeuromationError]] = {
    "unknown-account": UnknownAccount,
    "unknown-hold": UnknownHold,
    "key-reused": KeyReused,
    "hold-resolved": HoldAlreadyResolved,
    "hold-expired": HoldExpired,
    "hold-running": HoldStillRunning,
}


def open_account(conn: sa.Connection, code: str, *, now: datetime, overdraft: Ntk = ZERO) -> None:
    """Open an account; twice is once. Raises OverdraftNotAllowed: only custody has one, and it never changes."""
    check_code(code)
    if overdraft != ZERO and (code != CUSTODY or overdraft < ZERO):
        raise OverdraftNotAllowed(f"account {code} may not be overdrawn by {overdraft} NTK; only {CUSTODY} may owe")
    found = store.open_account(conn, code, overdraft=overdraft, now=now)
    if found != overdraft:
        raise OverdraftNotAllowed(f"account {code} is open with an overdraft of {found} NTK, not {overdraft} NTK")


def transfer(conn: sa.Connection, transfers: Sequence[Transfer], *, now: datetime) -> Receipt:
    """Apply linked transfers in order, all or none.

    Raises InsufficientFunds, UnknownAccount, KeyReused, BadTransfer. None of them has written anything.
    """
    return apply(conn, transfers, now=now)


def hold(
    conn: sa.Connection,
    *,
    key: str,
    amount: Ntk,
    payer: str,
    payee: str,
    kind: str,
    ref: str,
    timeout_s: int,
    now: datetime,
) -> str:
    """Reserve an amount for a payee; the hold's id. `post` and `void` name it by its key."""
    request = Hold(key=key, payer=payer, payee=payee, amount=amount, kind=kind, ref=ref, timeout_s=timeout_s)
    return apply(conn, [request], now=now).ids[0]


def post(conn: sa.Connection, hold_key: str, *, key: str, amount: Ntk | None, now: datetime) -> Receipt:
    """Pay the payee from a hold: all of it (None) or a part; the rest is the payer's again at once.

    Raises UnknownHold, HoldAlreadyResolved, HoldExpired, AmountOverHold, KeyReused.
    """
    return apply(conn, [Post(hold_key=hold_key, key=key, amount=amount)], now=now)


def void(conn: sa.Connection, hold_key: str, *, key: str, now: datetime) -> Receipt:
    """Give a hold back to its payer. Raises UnknownHold, HoldAlreadyResolved, KeyReused."""
    return apply(conn, [Void(hold_key=hold_key, key=key)], now=now)


def expire_holds(conn: sa.Connection, *, now: datetime, limit: int) -> list[str]:
    """Give back up to `limit` holds whose time is over; the keys of those holds, longest overdue first."""
    keys = store.overdue_holds(conn, now=now, limit=_limit(limit, EXPIRE_MAX))
    if not keys:
        return []
    # Each hold is its own group: one that was posted or voided meanwhile is refused alone.
    groups = [[Expire(hold_key=key, key=expiry_key(key))] for key in keys]
    outcomes = store.apply(conn, groups, now=now)
    return [key for key, outcome in zip(keys, outcomes, strict=True) if outcome.word == "applied"]


def expiry_key(hold_key: str) -> str:
    """The idempotency key of a hold's expiry."""
    return f"{hold_key}/expiry"


def apply(conn: sa.Connection, requests: Sequence[Request], *, now: datetime) -> Receipt:
    """Apply linked requests of any kind in order, all or none. A request cannot resolve a hold made beside it."""
    check_group(requests)
    try:
        outcome = store.apply(conn, [requests], now=now)[0]
    except IntegrityError as error:
        raise broken_key(error, requests) or error from error
    return receipt_of(outcome)


def broken_key(error: IntegrityError, requests: Sequence[Request]) -> KeyReused | None:
    """KeyReused when two requests of one key, but other accounts, met at the same moment; None for any other breach."""
    if KEY_CONSTRAINT in str(error.orig):
        return KeyReused(next((r.key for r in requests if f"({r.key})" in str(error.orig)), requests[0].key))
    return None


def receipt_of(outcome: Outcome) -> Receipt:
    """The receipt of what was applied, now or before. Raises the refusal's error."""
    if outcome.word in ("applied", "replayed"):
        return Receipt(ids=tuple(transfer_id(number) for number in outcome.ids), replayed=outcome.word == "replayed")
    raise refusal_of(outcome)


def refusal_of(outcome: Outcome) -> NeuromationError:
    """The error that says why a group was refused."""
    subject, needed, available = outcome.subject, Ntk(outcome.needed), Ntk(outcome.available)
    if outcome.word == "insufficient-funds":
        return InsufficientFunds(subject, needed=needed, available=available)
    if outcome.word == "over-hold":
        return AmountOverHold(subject, asked=needed, held=available)
    if outcome.word in _REFUSALS:
        return _REFUSALS[outcome.word](subject)
    raise AssertionError(f"the ledger answered {outcome.word!r}")


def balance_of(conn: sa.Connection, code: str) -> Balance:
    """The account's money now. Raises UnknownAccount."""
    balance = store.balance_of(conn, code)
    if balance is None:
        raise UnknownAccount(code)
    return balance


def statement(
    conn: sa.Connection, code: str, *, before: int | None = None, after: int = 0, limit: int = PAGE_MAX
) -> list[Entry]:
    """One page of an account's entries: oldest first after version `after`; or newest first before version `before`.

    Raises UnknownAccount.
    """
    balance_of(conn, code)
    return store.entries(conn, code, before=before, after=after, limit=_limit(limit, PAGE_MAX))


def received(conn: sa.Connection, code: str, *, memo_prefix: str) -> Ntk:
    """All that an account was ever paid by transfers whose memo begins so, such as with the id of a node."""
    return store.received(conn, code, memo_prefix=memo_prefix)


def size(conn: sa.Connection) -> tuple[int, int]:
    """How many transfers and accounts there are."""
    return store.size(conn)


def transfers_of(conn: sa.Connection, ref: str, *, limit: int = PAGE_MAX) -> list[Record]:
    """What was moved for one `ref`, such as a job, in order: holds, their resolutions, transfers."""
    return store.records_of(conn, ref, after=0, limit=_limit(limit, PAGE_MAX))


def record_of(conn: sa.Connection, key: str) -> Record | None:
    """What was applied under an idempotency key; None when nothing was."""
    return store.record_of(conn, key)


def audit(conn: sa.Connection) -> list[Finding]:
    """Everything wrong with the books, from one snapshot, while they are in use; empty when they are right."""
    return audits.findings(conn)


def seal(conn: sa.Connection, *, now: datetime, limit: int) -> Seal:
    """Chain up to `limit` committed transfers to the chain over the whole log; the chain's new head.

    Call it first in a transaction: one that has written already chains, too, but leaves older transfers to be looked at again.
    """
    del now  # the chain holds the transfers' own times
    return store.seal(conn, limit=_limit(limit, SEAL_MAX))


def _limit(limit: int, limit_max: int) -> int:
    if not 0 < limit <= limit_max:
        raise BadTransfer(f"a page has 1 to {limit_max} rows, not {limit}")
    return limit
