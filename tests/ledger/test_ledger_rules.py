"""Every rule of the ledger, one example each."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
import sqlalchemy as sa
from ledger_builders import NOW, a_hold, a_payment, an_account, available, everything, posted

from neuromation.kernel.ids import check_id
from neuromation.kernel.money import Ntk
from neuromation.ledger import service
from neuromation.ledger.errors import (
    AmountOverHold,
    BadTransfer,
    HoldAlreadyResolved,
    HoldExpired,
    InsufficientFunds,
    KeyReused,
    OverdraftNotAllowed,
    UnknownAccount,
    UnknownHold,
)
from neuromation.ledger.model import CUSTODY, LINKED_MAX, SUPPLY, Hold, Post, Transfer, Void, check_group, transfer_id


def test_an_account_may_be_opened_twice_and_keeps_its_money(conn: sa.Connection) -> None:
    ann = an_account(conn, "ann", micro=5)
    service.open_account(conn, ann, now=NOW)
    assert posted(conn, ann) == 5


def test_only_custody_may_owe(conn: sa.Connection) -> None:
    with pytest.raises(OverdraftNotAllowed, match="only platform:custody may owe"):
        service.open_account(conn, "user:ann", now=NOW, overdraft=Ntk(1))


def test_an_overdraft_is_given_once_and_for_all(conn: sa.Connection) -> None:
    service.open_account(conn, CUSTODY, now=NOW, overdraft=SUPPLY)
    with pytest.raises(OverdraftNotAllowed):
        service.open_account(conn, CUSTODY, now=NOW, overdraft=Ntk(1))


def test_not_even_custody_can_issue_more_than_the_supply(conn: sa.Connection) -> None:
    ann = an_account(conn, "ann", micro=SUPPLY.micro)
    with pytest.raises(InsufficientFunds):
        service.transfer(conn, [a_payment("more", CUSTODY, ann, 1)], now=NOW)


def test_the_receipt_names_the_rows_of_the_log(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=5), an_account(conn, "bob")
    receipt = service.transfer(
        conn, [a_payment("a", ann, bob, ref="job"), a_payment("b", ann, bob, ref="job")], now=NOW
    )
    assert [check_id(i, "xfr") for i in receipt.ids] == [r.id for r in service.transfers_of(conn, "job")]
    assert receipt.ids == tuple(sorted(receipt.ids))


def test_a_repeat_is_answered_with_the_first_receipt(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=5), an_account(conn, "bob")
    payments = [a_payment("a", ann, bob, 2), a_payment("b", ann, bob, 3)]
    first = service.transfer(conn, payments, now=NOW)
    again = service.transfer(conn, payments, now=NOW + timedelta(days=1))
    assert (again.ids, first.replayed, again.replayed) == (first.ids, False, True)
    assert posted(conn, bob) == 5


@pytest.mark.parametrize(
    "other",
    [
        {"micro": 2},
        {"kind": "tip"},
        {"ref": "other"},
        {"memo": "other"},
    ],
)
def test_a_key_with_another_body_is_an_error(conn: sa.Connection, other: dict[str, object]) -> None:
    ann, bob = an_account(conn, "ann", micro=5), an_account(conn, "bob")
    service.transfer(conn, [a_payment("k", ann, bob)], now=NOW)
    with pytest.raises(KeyReused, match="the key k was already used"):
        service.transfer(conn, [a_payment("k", ann, bob, **other)], now=NOW)  # type: ignore[arg-type]
    assert posted(conn, bob) == 1


@pytest.mark.parametrize("keys", [("old", "new"), ("new", "old")])
def test_a_group_that_is_known_in_part_is_another_group(conn: sa.Connection, keys: tuple[str, str]) -> None:
    ann, bob = an_account(conn, "ann", micro=5), an_account(conn, "bob")
    service.transfer(conn, [a_payment("old", ann, bob)], now=NOW)
    with pytest.raises(KeyReused):
        service.transfer(conn, [a_payment(key, ann, bob) for key in keys], now=NOW)
    assert (posted(conn, bob), service.record_of(conn, "new")) == (1, None)


def test_a_repeat_of_a_refused_request_is_judged_anew_and_never_called_applied(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann"), an_account(conn, "bob", micro=9)
    request = [a_payment("k", ann, bob, 7)]
    for _ in range(2):
        with pytest.raises(InsufficientFunds):
            service.transfer(conn, request, now=NOW)
    service.transfer(conn, [a_payment("help", bob, ann, 7)], now=NOW)
    assert not service.transfer(conn, request, now=NOW).replayed
    assert posted(conn, ann) == 0


def test_a_refusal_says_who_lacks_how_much(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=5), an_account(conn, "bob")
    with pytest.raises(InsufficientFunds, match=r"account user:ann needs 0\.000008 NTK but has 0\.000005") as caught:
        service.transfer(conn, [a_payment("k", ann, bob, 8)], now=NOW)
    assert (caught.value.account, caught.value.needed, caught.value.available) == (ann, Ntk(8), Ntk(5))


def test_linked_transfers_may_spend_what_an_earlier_one_brought(conn: sa.Connection) -> None:
    ann, bob, eve = an_account(conn, "ann", micro=5), an_account(conn, "bob"), an_account(conn, "eve")
    service.transfer(conn, [a_payment("1", ann, bob, 5), a_payment("2", bob, eve, 5)], now=NOW)
    assert [posted(conn, code) for code in (ann, bob, eve)] == [0, 0, 5]


def test_when_the_last_linked_transfer_fails_none_has_happened(conn: sa.Connection) -> None:
    ann, bob, eve = an_account(conn, "ann", micro=5), an_account(conn, "bob"), an_account(conn, "eve")
    with pytest.raises(InsufficientFunds):
        service.transfer(conn, [a_payment("1", ann, bob, 5), a_payment("2", ann, eve, 1)], now=NOW)
    assert [posted(conn, code) for code in (ann, bob, eve)] == [5, 0, 0]
    assert service.record_of(conn, "1") is None


def test_linked_requests_may_settle_a_hold_and_pay_on(conn: sa.Connection) -> None:
    ann, escrow, bob = an_account(conn, "ann", micro=10), an_account(conn, "escrow"), an_account(conn, "bob")
    a_hold(conn, "h", ann, escrow, 10)
    service.apply(conn, [Post("h", "h/post", Ntk(8)), a_payment("fee", escrow, bob, 1)], now=NOW)
    assert [posted(conn, code) for code in (ann, escrow, bob)] == [2, 7, 1]


def test_an_account_that_was_never_opened_is_refused(conn: sa.Connection) -> None:
    ann = an_account(conn, "ann", micro=5)
    with pytest.raises(UnknownAccount, match="user:nobody"):
        service.transfer(conn, [a_payment("k", ann, "user:nobody")], now=NOW)
    with pytest.raises(UnknownAccount):
        service.balance_of(conn, "user:nobody")
    with pytest.raises(UnknownAccount):
        service.statement(conn, "user:nobody")


def test_a_hold_reserves_without_moving(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    a_hold(conn, "h", ann, bob, 7)
    balance = service.balance_of(conn, ann)
    assert (balance.posted, balance.pending_out, balance.available) == (Ntk(10), Ntk(7), Ntk(3))
    assert service.balance_of(conn, bob).pending_in == Ntk(7)
    assert available(conn, bob) == 0


def test_held_money_cannot_be_spent_or_held_again(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    a_hold(conn, "h", ann, bob, 7)
    with pytest.raises(InsufficientFunds):
        service.transfer(conn, [a_payment("k", ann, bob, 4)], now=NOW)
    with pytest.raises(InsufficientFunds):
        a_hold(conn, "h2", ann, bob, 4)


def test_a_partial_post_gives_the_rest_back_at_once(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    a_hold(conn, "h", ann, bob, 7)
    service.post(conn, "h", key="h/post", amount=Ntk(3), now=NOW)
    assert (available(conn, ann), posted(conn, bob), service.balance_of(conn, bob).pending_in) == (7, 3, Ntk(0))


def test_a_void_gives_everything_back(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    a_hold(conn, "h", ann, bob, 7)
    service.void(conn, "h", key="h/void", now=NOW)
    assert (available(conn, ann), posted(conn, bob)) == (10, 0)


def test_a_hold_is_resolved_only_once(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    a_hold(conn, "h", ann, bob, 7)
    first = service.post(conn, "h", key="p", amount=None, now=NOW)
    with pytest.raises(HoldAlreadyResolved):
        service.post(conn, "h", key="p2", amount=None, now=NOW)
    with pytest.raises(HoldAlreadyResolved):
        service.void(conn, "h", key="v", now=NOW)
    assert service.post(conn, "h", key="p", amount=None, now=NOW).ids == first.ids


def test_no_more_is_posted_than_was_held(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    a_hold(conn, "h", ann, bob, 7)
    with pytest.raises(AmountOverHold, match=r"reserves 0\.000007 NTK, so 0\.000008 NTK"):
        service.post(conn, "h", key="p", amount=Ntk(8), now=NOW)


def test_only_a_hold_can_be_resolved(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    service.transfer(conn, [a_payment("t", ann, bob)], now=NOW)
    for key in ("t", "never"):
        with pytest.raises(UnknownHold):
            service.void(conn, key, key="v", now=NOW)


def test_a_hold_expires_when_its_time_is_over_and_not_before(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    a_hold(conn, "h", ann, bob, 7, timeout_s=60)
    assert service.expire_holds(conn, now=NOW + timedelta(seconds=59), limit=10) == []
    assert service.expire_holds(conn, now=NOW + timedelta(seconds=60), limit=10) == ["h"]
    assert service.expire_holds(conn, now=NOW + timedelta(seconds=61), limit=10) == []
    assert available(conn, ann) == 10
    assert service.audit(conn) == []


def test_an_overdue_hold_cannot_be_posted_even_before_it_is_swept(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    a_hold(conn, "h", ann, bob, 7, timeout_s=60)
    with pytest.raises(HoldExpired):
        service.post(conn, "h", key="p", amount=None, now=NOW + timedelta(seconds=60))


def test_the_longest_overdue_holds_expire_first_and_at_most_so_many(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    for seconds in (3, 1, 2):
        a_hold(conn, f"h{seconds}", ann, bob, 1, timeout_s=seconds)
    assert service.expire_holds(conn, now=NOW + timedelta(hours=1), limit=2) == ["h1", "h2"]


def test_a_statement_is_read_forwards_and_backwards_in_pages(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    for n in range(4):
        service.transfer(conn, [a_payment(f"k{n}", ann, bob, n + 1, memo=f"no {n}")], now=NOW)
    assert [e.balance.micro for e in service.statement(conn, bob, after=1, limit=2)] == [3, 6]
    assert [e.balance.micro for e in service.statement(conn, bob, before=4, limit=2)] == [6, 3]
    last = service.statement(conn, ann)[-1]
    assert (last.amount, last.balance, last.counterparty, last.memo) == (Ntk(-4), Ntk(0), bob, "no 3")


def test_the_log_of_a_job_tells_what_became_of_its_holds(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    a_hold(conn, "h1", ann, bob, 1)
    a_hold(conn, "h2", ann, bob, 2)
    a_hold(conn, "h3", ann, bob, 3, timeout_s=1)
    service.post(conn, "h1", key="p1", amount=None, now=NOW)
    service.expire_holds(conn, now=NOW + timedelta(seconds=1), limit=10)
    rows = {record.key: (record.operation, record.status) for record in service.transfers_of(conn, "job")}
    assert rows == {
        "h1": ("hold", "posted"),
        "h2": ("hold", "pending"),
        "h3": ("hold", "expired"),
        "p1": ("post", "posted"),
        service.expiry_key("h3"): ("expire", "expired"),
    }


def test_the_chain_of_an_account_can_be_recomputed_with_nothing_but_sha256(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=10), an_account(conn, "bob")
    service.transfer(conn, [a_payment("käse", ann, bob, 4, ref="job", memo="¥ and '\\'")], now=NOW)
    request = hashlib.sha256(
        "\x1f".join(["käse", "transfer", ann, bob, "4", "pay", "job", "¥ and '\\'", "0", "0"]).encode()
    )
    number = conn.execute(sa.text("select id from ledger_transfer where key = 'käse'")).scalar_one()
    numbers = b"".join(value.to_bytes(8, "big", signed=True) for value in (number, 1, 4, 4, 0, 0))
    digest = hashlib.sha256(hashlib.sha256(bob.encode()).digest() + request.digest() + numbers).hexdigest()
    assert service.statement(conn, bob)[0].hash == digest


@pytest.mark.parametrize("table", ["ledger_transfer", "ledger_entry", "ledger_seal"])
@pytest.mark.parametrize("change", ["update {} set hash = hash", "delete from {}", "truncate {}"])
def test_the_log_can_only_grow(conn: sa.Connection, table: str, change: str) -> None:
    an_account(conn, "ann", micro=10)
    service.seal(conn, now=NOW, limit=10)
    with pytest.raises(sa.exc.IntegrityError, match=f"{table} is insert-only"):
        conn.execute(sa.text(change.format(table)))


def test_an_account_cannot_be_deleted(conn: sa.Connection) -> None:
    an_account(conn, "ann")
    with pytest.raises(sa.exc.IntegrityError, match="insert-only"):
        conn.execute(sa.text("delete from ledger_account"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"key": ""}, "key has 1 to 200"),
        ({"key": "a\x1fb"}, "key has 1 to 200"),
        ({"key": "k" * 201}, "key has 1 to 200"),
        ({"debit": "ann"}, "no account code"),
        ({"credit": "user:ann\x00"}, "no account code"),
        ({"credit": "user:ann"}, "cannot pay itself"),
        ({"amount": Ntk(0)}, "more than nothing"),
        ({"amount": Ntk(-5)}, "more than nothing"),
        ({"kind": "Pay!"}, "no kind of transfer"),
        ({"ref": "a\nb"}, "ref has 0 to 200"),
        ({"memo": "m" * 201}, "memo has 0 to 200"),
    ],
)
def test_a_request_that_could_never_be_applied_is_not_built(change: dict[str, object], sentence: str) -> None:
    good: dict[str, object] = {"key": "k", "debit": "user:ann", "credit": "user:bob", "amount": Ntk(1), "kind": "pay"}
    with pytest.raises(BadTransfer, match=sentence):
        Transfer(**(good | change))  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout_s", [0, -1, 10**9])
def test_a_hold_has_an_end(timeout_s: int) -> None:
    with pytest.raises(BadTransfer, match="a hold lasts"):
        Hold("k", "user:ann", "user:bob", Ntk(1), "pay", "job", timeout_s)


def test_linked_requests_have_keys_and_holds_of_their_own() -> None:
    payment = a_payment("k", "user:ann", "user:bob")
    for group in ([], [payment] * (LINKED_MAX + 1), [payment, payment], [Void("h", "1"), Post("h", "2")]):
        with pytest.raises(BadTransfer):
            check_group(group)


@pytest.mark.parametrize("limit", [0, -1, 10**6])
def test_a_page_has_a_maximum(conn: sa.Connection, limit: int) -> None:
    ann = an_account(conn, "ann")
    with pytest.raises(BadTransfer, match="a page has"):
        service.statement(conn, ann, limit=limit)
    with pytest.raises(BadTransfer, match="a page has"):
        service.expire_holds(conn, now=NOW, limit=limit)


def test_ids_follow_the_order_of_the_log() -> None:
    assert sorted([transfer_id(n) for n in (31, 32, 1, 2**63 - 1)]) == [transfer_id(n) for n in (1, 31, 32, 2**63 - 1)]


def test_a_thousand_moves_of_one_unit_are_exact(conn: sa.Connection) -> None:
    ann, bob = an_account(conn, "ann", micro=1_000), an_account(conn, "bob")
    service.transfer(conn, [a_payment(f"k{n}", ann, bob) for n in range(1_000)], now=NOW)
    assert (posted(conn, ann), posted(conn, bob), everything(conn)) == (0, 1_000, 0)
    assert service.audit(conn) == []
