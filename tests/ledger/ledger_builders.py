"""Builders for the ledger's tests: accounts with money, payments, and a ledger of plain Python to compare with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa

from neuromation.kernel.money import Ntk
from neuromation.ledger import service
from neuromation.ledger.model import CUSTODY, SUPPLY, Transfer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def an_account(conn: sa.Connection, name: str, *, micro: int = 0) -> str:
    """An open account user:<name> with so many micro-NTK."""
    code = f"user:{name}"
    service.open_account(conn, CUSTODY, now=NOW, overdraft=SUPPLY)
    service.open_account(conn, code, now=NOW)
    if micro:
        service.transfer(conn, [Transfer(f"fund/{name}", CUSTODY, code, Ntk(micro), "fund")], now=NOW)
    return code


def a_payment(
    key: str, debit: str, credit: str, micro: int = 1, *, kind: str = "pay", ref: str = "", memo: str = ""
) -> Transfer:
    return Transfer(key, debit, credit, Ntk(micro), kind, ref, memo)


def a_hold(
    conn: sa.Connection, key: str, payer: str, payee: str, micro: int, *, timeout_s: int = 60, now: datetime = NOW
) -> str:
    return service.hold(
        conn,
        key=key,
        amount=Ntk(micro),
        payer=payer,
        payee=payee,
        kind="escrow",
        ref="job",
        timeout_s=timeout_s,
        now=now,
    )


def posted(conn: sa.Connection, code: str) -> int:
    return service.balance_of(conn, code).posted.micro


def available(conn: sa.Connection, code: str) -> int:
    return service.balance_of(conn, code).available.micro


def everything(conn: sa.Connection) -> int:
    """The sum of all posted balances: zero, always."""
    return int(
        conn.execute(
            sa.text("select coalesce(sum(credits_posted - debits_posted), 0) from ledger_account")
        ).scalar_one()
    )


@dataclass
class PlainHold:
    payer: str
    payee: str
    micro: int
    expires_s: int
    state: str = "pending"


@dataclass
class PlainLedger:
    """What the ledger should do, in the fewest words: no keys, no chains, no locks."""

    posted: dict[str, int] = field(default_factory=dict)
    floor: dict[str, int] = field(default_factory=dict)
    holds: dict[str, PlainHold] = field(default_factory=dict)

    def available(self, code: str) -> int:
        out = sum(h.micro for h in self.holds.values() if h.payer == code and h.state == "pending")
        return self.posted[code] - out - self.floor.get(code, 0)

    def pay(self, payments: list[tuple[str, str, int]]) -> bool:
        before = dict(self.posted)
        for debit, credit, micro in payments:
            if self.available(debit) < micro:
                self.posted = before
                return False
            self.posted[debit] -= micro
            self.posted[credit] += micro
        return True

    def hold(self, key: str, payer: str, payee: str, micro: int, expires_s: int) -> bool:
        if self.available(payer) < micro:
            return False
        self.holds[key] = PlainHold(payer, payee, micro, expires_s)
        return True

    def post(self, key: str, micro: int | None, at_s: int) -> str:
        """The word for what happens: posted, or why not."""
        hold = self.holds[key]
        moved = hold.micro if micro is None else micro
        if hold.state != "pending":
            return "resolved"
        if at_s >= hold.expires_s:
            return "expired"
        if moved > hold.micro:
            return "over"
        hold.state = "posted"
        self.posted[hold.payer] -= moved
        self.posted[hold.payee] += moved
        return "posted"

    def void(self, key: str) -> str:
        hold = self.holds[key]
        if hold.state != "pending":
            return "resolved"
        hold.state = "voided"
        return "voided"

    def expire(self, at_s: int) -> set[str]:
        due = {k for k, h in self.holds.items() if h.state == "pending" and h.expires_s <= at_s}
        for key in due:
            self.holds[key].state = "expired"
        return due
