"""The audit finds every kind of tampering that a database superuser could try."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from ledger_builders import NOW, a_hold, a_payment, an_account

from neuromation.kernel.money import Ntk
from neuromation.ledger import audits, service
from neuromation.ledger.model import CUSTODY


@pytest.fixture
def books(conn: sa.Connection) -> sa.Connection:
    """A small history with every kind of row, sealed."""
    ann, bob = an_account(conn, "ann", micro=1_000), an_account(conn, "bob", micro=500)
    service.transfer(conn, [a_payment("t1", ann, bob, 10), a_payment("t2", bob, ann, 3)], now=NOW)
    for key in ("posted", "voided", "open"):
        a_hold(conn, key, ann, bob, 50)
    a_hold(conn, "expired", ann, bob, 50, timeout_s=1)
    service.post(conn, "posted", key="p", amount=Ntk(20), now=NOW)
    service.void(conn, "voided", key="v", now=NOW)
    service.expire_holds(conn, now=NOW + timedelta(seconds=2), limit=10)
    service.seal(conn, now=NOW, limit=100)
    conn.execute(sa.text("update ledger_seal_state set settled = (select max(id) from ledger_transfer)"))
    assert service.audit(conn) == []
    return conn


TAMPERINGS = {
    "a balance raised": (
        "update ledger_account set credits_posted = credits_posted + 5 where code = 'user:ann'",
        {"books-unbalanced", "balance-not-in-log", "account-not-its-last-entry"},
    ),
    "money moved between two accounts": (
        "update ledger_account set credits_posted = credits_posted + case code when 'user:ann' then 5 else -5 end"
        " where code in ('user:ann', 'user:bob')",
        {"balance-not-in-log", "account-not-its-last-entry"},
    ),
    "a hold forgotten": (
        "update ledger_account set debits_pending = 0 where code = 'user:ann'",
        {"books-unbalanced", "balance-not-in-log", "account-not-its-last-entry"},
    ),
    "an amount changed in the log": (
        "update ledger_transfer set amount = 11 where key = 't1'",
        {"transfer-unbalanced", "transfer-rewritten", "balance-not-in-log"},
    ),
    "a text changed in the log": ("update ledger_transfer set ref = 'other' where key = 't1'", {"transfer-rewritten"}),
    "a text and its hash changed in the log": (
        "update ledger_transfer set memo = 'x',"
        " hash = ledger_request_hash(key, operation, debit, credit, amount, kind, ref, 'x', hold, null)"
        " where key = 't1'",
        {"entry-chain-broken", "seal-broken"},
    ),
    "a time changed in the log": (
        "update ledger_transfer set created = created - interval '1 day' where key = 't1'",
        {"seal-broken"},
    ),
    "a transfer deleted": (
        "delete from ledger_transfer where key = 't2'",
        {"transfer-unbalanced", "balance-not-in-log", "entry-chain-broken", "seal-broken"},
    ),
    "an entry changed": (
        "update ledger_entry set amount = amount + 1 where account = 'user:bob' and version = 2",
        {"transfer-unbalanced", "entry-chain-broken"},
    ),
    "an entry deleted": (
        "delete from ledger_entry where account = 'user:bob' and version = 2",
        {"transfer-unbalanced", "entry-chain-broken"},
    ),
    "the last entry deleted": (
        "delete from ledger_entry where account = 'user:bob'"
        " and version = (select version from ledger_account where code = 'user:bob')",
        {"transfer-unbalanced", "account-not-its-last-entry"},
    ),
    "an overdraft given": ("update ledger_account set overdraft = 5 where code = 'user:ann'", {"overdrawn"}),
    "a resolution turned round": (
        "update ledger_transfer set operation = 'post' where key = 'v'",
        {"transfer-unbalanced", "transfer-rewritten", "balance-not-in-log"},
    ),
    "a hold that is no hold": (
        "update ledger_transfer set operation = 'transfer', expires = null where key = 'posted'",
        {"transfer-unbalanced", "transfer-rewritten", "resolution-wrong", "balance-not-in-log"},
    ),
    "an open hold lost from the list": ("delete from ledger_open_hold", {"hold-orphaned"}),
    "a resolved hold put back on the list": (
        "insert into ledger_open_hold select id, key, expires from ledger_transfer where key = 'voided'",
        {"hold-orphaned"},
    ),
    "a seal changed": ("update ledger_seal set hash = sha256(hash) where position = 3", {"seal-broken"}),
    "a seal deleted": ("delete from ledger_seal where position = 3", {"seal-broken", "seal-missing"}),
    "two seals swapped": (
        "create temporary table kept on commit drop as"
        " select position, transfer from ledger_seal where position in (3, 4);"
        "update ledger_seal set transfer = -transfer where position in (3, 4);"
        "update ledger_seal s set transfer = k.transfer from kept k where s.position + k.position = 7",
        {"seal-broken"},
    ),
    "an account deleted": (
        "delete from ledger_account where code = 'user:bob'",
        {"books-unbalanced", "balance-not-in-log"},
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(books: sa.Connection, name: str) -> None:
    statements, rules = TAMPERINGS[name]
    books.execute(sa.text("set local session_replication_role = replica"))  # a superuser, with every trigger off
    books.execute(sa.text("alter table ledger_account drop constraint ledger_account_limit"))
    for statement in statements.split(";"):
        books.execute(sa.text(statement))
    found = {finding.rule for finding in service.audit(books)}
    assert rules <= found
    assert all(finding.subject and finding.detail for finding in service.audit(books))


def test_more_money_than_the_supply_is_found(conn: sa.Connection) -> None:
    an_account(conn, "ann", micro=1)
    conn.execute(sa.text("update ledger_account set credits_posted = 100000000000001 where code = 'user:ann'"))
    conn.execute(sa.text("alter table ledger_account drop constraint ledger_account_overdraft"))
    conn.execute(sa.text(f"update ledger_account set debits_posted = 100000000000001 where code = '{CUSTODY}'"))
    assert {"over-supply", "overdrawn"} <= {finding.rule for finding in service.audit(conn)}


def test_every_rule_is_shown_to_find_something() -> None:
    assert set(audits.RULES) == {"over-supply"}.union(*(rules for _, rules in TAMPERINGS.values()))


def test_findings_are_bounded(conn: sa.Connection) -> None:
    for n in range(audits.FINDINGS_MAX // 10):
        an_account(conn, f"a{n}", micro=5)
    service.transfer(conn, [a_payment(f"k{n}", "user:a0", "user:a1") for n in range(5)], now=NOW)
    conn.execute(sa.text("set local session_replication_role = replica"))
    conn.execute(
        sa.text("insert into ledger_open_hold select n, 'x' || n, now() from generate_series(100000, 100000 + :n) n"),
        {"n": audits.FINDINGS_MAX * 2},
    )
    assert len([f for f in service.audit(conn) if f.rule == "hold-orphaned"]) == audits.FINDINGS_MAX


def test_an_empty_ledger_is_right(conn: sa.Connection) -> None:
    assert service.audit(conn) == []
    assert service.seal(conn, now=NOW, limit=1).position == 0


def test_the_head_of_the_seal_depends_on_every_transfer(conn: sa.Connection) -> None:
    heads = set()
    for memo in ("one", "other"):
        with conn.begin_nested() as example:
            ann, bob = an_account(conn, "ann", micro=5), an_account(conn, "bob")
            service.transfer(conn, [a_payment("k", ann, bob, memo=memo)], now=NOW)
            service.transfer(conn, [a_payment("l", ann, bob)], now=NOW)
            heads.add(service.seal(conn, now=NOW, limit=10).hash)
            example.rollback()
    assert len(heads) == 2
