"""The ledger's SQL: calls ledger_apply(), reads accounts, entries and the log; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import psycopg
import sqlalchemy as sa

from neuromation.kernel.money import Ntk
from neuromation.ledger.model import Balance, Entry, Outcome, Record, Request, Seal, transfer_id

SEPARATOR = "\x1f"  # between the texts of a batch; no text may contain it

_APPLY = b"select outcome, subject, needed, available, ids from ledger_apply(%s, %s)"
_OPEN = sa.text(
    "insert into ledger_account (code, overdraft, hash, opened) values (:code, :overdraft, sha256(:seed), :now)"
    " on conflict (code) do nothing"
)
_OVERDRAFT = sa.text("select overdraft from ledger_account where code = :code")
_BALANCE = sa.text(
    "select credits_posted - debits_posted, debits_pending, credits_pending, overdraft"
    " from ledger_account where code = :code"
)
_RECORDS = """
    select t.id, t.key, t.operation, t.debit, t.credit, t.amount, t.kind, t.ref, t.memo, t.hold,
           case coalesce(r.operation, t.operation)
               when 'hold' then 'pending' when 'void' then 'voided' when 'expire' then 'expired' else 'posted' end,
           t.created, t.expires
    from ledger_transfer t left join ledger_transfer r on r.hold = t.id
"""
_BY_REF = sa.text(_RECORDS + "where t.ref = :ref and t.ref <> '' and t.id > :after order by t.id limit :limit")
_BY_KEY = sa.text(_RECORDS + "where t.key = :key")
_ENTRIES = """
    select e.account, e.version, e.transfer, t.operation, case when t.debit = e.account then t.credit else t.debit end,
           t.kind, t.ref, t.memo, e.amount, e.balance, e.held, e.due, encode(e.hash, 'hex'), t.created
    from ledger_entry e join ledger_transfer t on t.id = e.transfer
    where e.account = :code
"""
_AFTER = sa.text(_ENTRIES + "and e.version > :version order by e.version limit :limit")
_BEFORE = sa.text(_ENTRIES + "and e.version < :version order by e.version desc limit :limit")
_RECEIVED = sa.text(
    "select coalesce(sum(e.amount), 0)::bigint from ledger_entry e join ledger_transfer t on t.id = e.transfer "
    "where e.account = :code and e.amount > 0 and starts_with(t.memo, :prefix)"
)
_SIZE = sa.text("select (select count(*) from ledger_transfer), (select count(*) from ledger_account)")
_OVERDUE = sa.text("select key from ledger_open_hold where expires <= :now order by expires, hold limit :limit")
_SEAL = sa.text("select position, encode(hash, 'hex'), added from ledger_seal_next(:limit)")


def batch(groups: Iterable[Sequence[Request]]) -> str:
    """The text that ledger_apply() reads: ten texts a request, the first being its group's number."""
    texts: list[str] = []
    for number, group in enumerate(groups):
        for request in group:
            texts.append(str(number))
            texts.extend(request.fields())
    return SEPARATOR.join(texts)


def apply(conn: sa.Connection, groups: Sequence[Sequence[Request]], *, now: datetime) -> list[Outcome]:
    """Apply each group all or none, in one call; one outcome a group, in order. Raises SQLAlchemy's errors."""
    # Straight to the driver: SQLAlchemy's own execution costs three times as much as the rest of this call.
    driver: psycopg.Connection[Any] | None = conn.connection.driver_connection
    assert driver is not None
    if not conn.in_transaction():
        conn.begin()  # as its own execute would; else nobody would commit
    try:
        rows = driver.execute(_APPLY, (batch(groups), now), prepare=True).fetchall()
    except psycopg.Error as error:
        if driver.closed:
            conn.invalidate(error)
        raise sa.exc.DBAPIError.instance(
            _APPLY.decode(), None, error, psycopg.Error, dialect=conn.dialect, connection_invalidated=driver.closed
        ) from error
    return [
        Outcome(word, subject or "", needed or 0, free or 0, tuple(ids or ()))
        for word, subject, needed, free, ids in rows
    ]


def open_account(conn: sa.Connection, code: str, *, overdraft: Ntk, now: datetime) -> Ntk:
    """Add the account unless it is there; the overdraft that it has."""
    conn.execute(_OPEN, {"code": code, "overdraft": overdraft.micro, "seed": code.encode(), "now": now})
    return Ntk(conn.execute(_OVERDRAFT, {"code": code}).scalar_one())


def balance_of(conn: sa.Connection, code: str) -> Balance | None:
    """The account's counters; None when there is no such account."""
    row = conn.execute(_BALANCE, {"code": code}).first()
    if row is None:
        return None
    posted, held, due, overdraft = row
    return Balance(Ntk(posted), Ntk(held), Ntk(due), Ntk(posted - held + overdraft))


def entries(conn: sa.Connection, code: str, *, before: int | None, after: int, limit: int) -> list[Entry]:
    """Entries after a version, oldest first; or, with `before`, those before it, newest first."""
    query, version = (_AFTER, after) if before is None else (_BEFORE, before)
    rows = conn.execute(query, {"code": code, "version": version, "limit": limit})
    return [_entry(row) for row in rows]


def received(conn: sa.Connection, code: str, *, memo_prefix: str) -> Ntk:
    return Ntk(int(conn.execute(_RECEIVED, {"code": code, "prefix": memo_prefix}).scalar_one()))


def size(conn: sa.Connection) -> tuple[int, int]:
    transfers, accounts = conn.execute(_SIZE).one()
    return int(transfers), int(accounts)


def _entry(row: Sequence[Any]) -> Entry:
    (
        account,
        version,
        transfer,
        operation,
        counterparty,
        kind,
        ref,
        memo,
        amount,
        balance,
        held,
        due,
        digest,
        created,
    ) = row
    return Entry(
        account=account,
        version=version,
        transfer=transfer_id(transfer),
        operation=operation,
        counterparty=counterparty,
        kind=kind,
        ref=ref,
        memo=memo,
        amount=Ntk(amount),
        balance=Ntk(balance),
        pending_out=Ntk(held),
        pending_in=Ntk(due),
        hash=digest,
        created=created,
    )


def _record(row: Sequence[Any]) -> Record:
    number, key, operation, debit, credit, amount, kind, ref, memo, hold, status, created, expires = row
    return Record(
        id=transfer_id(number),
        key=key,
        operation=operation,
        debit=debit,
        credit=credit,
        amount=Ntk(amount),
        kind=kind,
        ref=ref,
        memo=memo,
        hold=None if hold is None else transfer_id(hold),
        status=status,
        created=created,
        expires=expires,
    )


def records_of(conn: sa.Connection, ref: str, *, after: int, limit: int) -> list[Record]:
    """The log's rows for one `ref`, in the order of the log."""
    return [_record(row) for row in conn.execute(_BY_REF, {"ref": ref, "after": after, "limit": limit})]


def record_of(conn: sa.Connection, key: str) -> Record | None:
    """The log's row with this idempotency key."""
    row = conn.execute(_BY_KEY, {"key": key}).first()
    return None if row is None else _record(row)


def overdue_holds(conn: sa.Connection, *, now: datetime, limit: int) -> list[str]:
    """Keys of open holds whose time is over, longest overdue first."""
    return list(conn.execute(_OVERDUE, {"now": now, "limit": limit}).scalars())


def seal(conn: sa.Connection, *, limit: int) -> Seal:
    """Chain up to `limit` committed transfers that are not chained yet; the head of the chain."""
    position, digest, added = conn.execute(_SEAL, {"limit": limit}).one()
    return Seal(position=position, hash=digest, added=added)
