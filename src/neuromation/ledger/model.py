"""What the ledger's words mean: requests, what the log holds, balances; pure rules, no I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from neuromation.kernel.money import AMOUNT_MAX_MICRO, ZERO, Ntk
from neuromation.ledger.errors import BadTransfer

CUSTODY = "platform:custody"  # mirrors the tokens held on chain: the only account that may owe
COMMISSION = "platform:commission"
SEIZED = "platform:seized"
SUPPLY = Ntk(AMOUNT_MAX_MICRO)

KEY_MAX = 200
TEXT_MAX = 200
LINKED_MAX = 1_000  # requests in one group
HOLD_MAX_S = 366 * 24 * 3600
PAGE_MAX = 1_000
EXPIRE_MAX = 1_000
SEAL_MAX = 100_000

_CODE = re.compile(r"[a-z][a-z0-9-]{0,31}:[A-Za-z0-9_.:-]{1,120}", re.ASCII)
_KIND = re.compile(r"[a-z][a-z0-9._-]{0,63}", re.ASCII)
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]*")
_ID_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def check_code(code: str) -> str:
    """Return `code` when it can name an account, such as "user:acc_01k2". Raises BadTransfer."""
    if not _CODE.fullmatch(code):
        raise BadTransfer(f"{code[:60]!r} is no account code; codes look like user:acc_01k2 or platform:commission")
    return code


def _check_text(name: str, text: str, *, chars_max: int, empty: bool = True) -> None:
    if len(text) > chars_max or not _PRINTABLE.fullmatch(text) or not (text or empty):
        least = 0 if empty else 1
        raise BadTransfer(f"a transfer's {name} has {least} to {chars_max} printable characters, not {text[:60]!r}")


def _check_amount(amount: Ntk) -> None:
    if amount <= ZERO:
        raise BadTransfer(
            f"an amount to move must be more than nothing, not {amount} NTK; swap the accounts to go back"
        )


def _check_movement(*, key: str, debit: str, credit: str, amount: Ntk, kind: str, ref: str, memo: str) -> None:
    _check_text("key", key, chars_max=KEY_MAX, empty=False)
    check_code(debit)
    check_code(credit)
    if debit == credit:
        raise BadTransfer(f"account {debit} cannot pay itself; name two different accounts")
    _check_amount(amount)
    if not _KIND.fullmatch(kind):
        raise BadTransfer(f"{kind[:60]!r} is no kind of transfer; kinds are lower case words such as job-escrow")
    _check_text("ref", ref, chars_max=TEXT_MAX)
    _check_text("memo", memo, chars_max=TEXT_MAX)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Move an amount now. `key` makes a repeat harmless; `ref` names what it is for, such as a job."""

    key: str
    debit: str
    credit: str
    amount: Ntk
    kind: str
    ref: str = ""
    memo: str = ""

    def __post_init__(self) -> None:
        _check_movement(
            key=self.key,
            debit=self.debit,
            credit=self.credit,
            amount=self.amount,
            kind=self.kind,
            ref=self.ref,
            memo=self.memo,
        )

    def fields(self) -> tuple[str, ...]:
        """The nine texts that the database reads."""
        return (
            self.key,
            "transfer",
            self.debit,
            self.credit,
            str(self.amount.micro),
            self.kind,
            self.ref,
            self.memo,
            "",
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """Reserve an amount of the payer's for a payee, until it is posted, voided, or `timeout_s` seconds have passed."""

    key: str
    payer: str
    payee: str
    amount: Ntk
    kind: str
    ref: str
    timeout_s: int
    memo: str = ""

    def __post_init__(self) -> None:
        _check_movement(
            key=self.key,
            debit=self.payer,
            credit=self.payee,
            amount=self.amount,
            kind=self.kind,
            ref=self.ref,
            memo=self.memo,
        )
        if not 0 < self.timeout_s <= HOLD_MAX_S:
            raise BadTransfer(f"a hold lasts 1 to {HOLD_MAX_S} seconds, not {self.timeout_s}")

    def fields(self) -> tuple[str, ...]:
        """The nine texts that the database reads."""
        amount = str(self.amount.micro)
        return (self.key, "hold", self.payer, self.payee, amount, self.kind, self.ref, self.memo, str(self.timeout_s))


@dataclass(frozen=True, slots=True)
class Post:
    """Pay from a hold: the whole (None) or a part, whose rest goes back to the payer at once."""

    hold_key: str
    key: str
    amount: Ntk | None = None

    operation: ClassVar[str] = "post"

    def __post_init__(self) -> None:
        _check_text("key", self.key, chars_max=KEY_MAX, empty=False)
        _check_text("hold", self.hold_key, chars_max=KEY_MAX, empty=False)
        if self.amount is not None:
            _check_amount(self.amount)

    def fields(self) -> tuple[str, ...]:
        """The nine texts that the database reads."""
        amount = "" if self.amount is None else str(self.amount.micro)
        return (self.key, self.operation, "", "", amount, "", "", "", self.hold_key)


@dataclass(frozen=True, slots=True)
class Void:
    """Give a hold back to the payer."""

    hold_key: str
    key: str

    operation: ClassVar[str] = "void"

    def __post_init__(self) -> None:
        _check_text("key", self.key, chars_max=KEY_MAX, empty=False)
        _check_text("hold", self.hold_key, chars_max=KEY_MAX, empty=False)

    def fields(self) -> tuple[str, ...]:
        """The nine texts that the database reads."""
        return (self.key, self.operation, "", "", "", "", "", "", self.hold_key)


class Expire(Void):
    """Give a hold back because its time is over."""

    operation: ClassVar[str] = "expire"


Request = Transfer | Hold | Post | Void


def check_group(requests: Sequence[Request]) -> None:
    """Raise BadTransfer when the requests cannot be linked: none, too many, or one key or hold twice."""
    if not 0 < len(requests) <= LINKED_MAX:
        raise BadTransfer(f"1 to {LINKED_MAX} requests can be linked, not {len(requests)}")
    if len(requests) == 1:
        return
    keys = [request.key for request in requests]
    holds = [request.hold_key for request in requests if isinstance(request, Post | Void)]
    for name, values in (("key", keys), ("hold", holds)):
        if len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise BadTransfer(f"the {name} {twice} appears twice among linked requests; give each its own")


def transfer_id(number: int) -> str:
    """The public id of the log's row `number`: xfr_ and 26 digits of Crockford's base 32, in the log's order."""
    # Thirteen digits hold any int64; the rest are zeros.
    return "xfr_0000000000000" + "".join(_ID_DIGITS[(number >> shift) & 31] for shift in range(60, -1, -5))


@dataclass(frozen=True, slots=True)
class Receipt:
    """The ids of what was applied, in the order asked; `replayed` when an earlier, equal request had done it."""

    ids: tuple[str, ...]
    replayed: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one group: applied, replayed, or the word for its refusal."""

    word: str
    subject: str = ""
    needed: int = 0
    available: int = 0
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's money. `available` is what it may still spend: posted - pending_out + its overdraft."""

    posted: Ntk
    pending_out: Ntk
    pending_in: Ntk
    available: Ntk


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an account's statement: what a transfer changed, and the state after it."""

    account: str
    version: int
    transfer: str
    operation: str
    counterparty: str
    kind: str
    ref: str
    memo: str
    amount: Ntk  # change of the posted balance; zero for a hold, a void and an expiry
    balance: Ntk  # posted, after
    pending_out: Ntk  # after
    pending_in: Ntk  # after
    hash: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the log. `status`: posted, pending, voided or expired; a hold has the status of what resolved it."""

    id: str
    key: str
    operation: str
    debit: str
    credit: str
    amount: Ntk
    kind: str
    ref: str
    memo: str
    hold: str | None  # id of the hold that this row resolves
    status: str
    created: datetime
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the audit found wrong: which rule, where, what was met."""

    rule: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Seal:
    """The head of the chain over all transfers: publish it, and nobody can rewrite what came before."""

    position: int
    hash: str
    added: int
