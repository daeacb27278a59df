"""What holds for any sequence of requests: the real ledger against one of plain Python."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ledger_builders import NOW, PlainLedger, a_hold, a_payment, an_account, available, everything, posted

from neuromation.kernel.errors import NeuromationError
from neuromation.kernel.money import Ntk
from neuromation.ledger import service, store
from neuromation.ledger.errors import AmountOverHold, HoldAlreadyResolved, HoldExpired, InsufficientFunds

NAMES = ("ann", "bob", "eve")
FUNDS = 100
A_FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

names = st.sampled_from(NAMES)
micros = st.integers(1, 150)
payments = st.tuples(names, names, micros).filter(lambda p: p[0] != p[1])


def three_accounts(conn: sa.Connection) -> None:
    for name in NAMES:
        an_account(conn, name, micro=FUNDS)


def funds(conn: sa.Connection) -> list[int]:
    return [posted(conn, f"user:{name}") for name in NAMES]


def pay(conn: sa.Connection, moves: list[tuple[str, str, int]], *, prefix: str = "k") -> list[str]:
    """Each move as its own group, in one batch; the word for each."""
    groups = [[a_payment(f"{prefix}{n}", f"user:{d}", f"user:{c}", m)] for n, (d, c, m) in enumerate(moves)]
    return [outcome.word for outcome in store.apply(conn, groups, now=NOW)] if groups else []


@A_FEW
@given(moves=st.lists(payments, max_size=12))
def test_money_is_conserved_and_the_books_stay_right(conn: sa.Connection, moves: list[tuple[str, str, int]]) -> None:
    with conn.begin_nested() as example:
        three_accounts(conn)
        pay(conn, moves)
        assert (sum(funds(conn)), everything(conn)) == (FUNDS * 3, 0)
        assert min(funds(conn)) >= 0
        assert service.audit(conn) == []
        example.rollback()


@A_FEW
@given(moves=st.lists(payments, max_size=12))
def test_twice_equals_once(conn: sa.Connection, moves: list[tuple[str, str, int]]) -> None:
    with conn.begin_nested() as example:
        three_accounts(conn)
        first = pay(conn, moves)
        once = funds(conn)
        applied = [(n, move) for n, move in enumerate(moves) if first[n] == "applied"]
        groups = [[a_payment(f"k{n}", f"user:{d}", f"user:{c}", m)] for n, (d, c, m) in applied]
        again = store.apply(conn, groups, now=NOW + timedelta(days=1)) if groups else []
        assert {outcome.word for outcome in again} <= {"replayed"}
        assert funds(conn) == once
        example.rollback()


@A_FEW
@given(
    moves=st.lists(st.tuples(names, names, st.integers(1, 8)).filter(lambda p: p[0] != p[1]), max_size=12),
    seed=st.integers(0, 99),
)
def test_the_order_does_not_matter_to_totals(conn: sa.Connection, moves: list[tuple[str, str, int]], seed: int) -> None:
    totals = []
    shuffled = random.Random(seed).sample(moves, len(moves))
    for order in (moves, shuffled):
        with conn.begin_nested() as example:
            three_accounts(conn)
            assert set(pay(conn, order)) <= {"applied"}
            totals.append(funds(conn))
            example.rollback()
    assert totals[0] == totals[1]


@A_FEW
@given(moves=st.lists(payments, min_size=1, max_size=12))
def test_one_batch_decides_like_one_call_each(conn: sa.Connection, moves: list[tuple[str, str, int]]) -> None:
    results = []
    for batches in ([moves], [[move] for move in moves]):
        with conn.begin_nested() as example:
            three_accounts(conn)
            words = [word for n, batch in enumerate(batches) for word in pay(conn, batch, prefix=f"{n}-")]
            results.append((words, funds(conn)))
            example.rollback()
    assert results[0] == results[1]


@A_FEW
@given(held=st.integers(1, FUNDS), part=st.integers(1, 2 * FUNDS))
def test_a_partial_post_moves_exactly_its_part(conn: sa.Connection, held: int, part: int) -> None:
    with conn.begin_nested() as example:
        three_accounts(conn)
        a_hold(conn, "h", "user:ann", "user:bob", held)
        if part > held:
            with pytest.raises(AmountOverHold):
                service.post(conn, "h", key="p", amount=Ntk(part), now=NOW)
            assert available(conn, "user:ann") == FUNDS - held
        else:
            service.post(conn, "h", key="p", amount=Ntk(part), now=NOW)
            assert available(conn, "user:ann") == FUNDS - part
            assert available(conn, "user:bob") == FUNDS + part
        example.rollback()


class LedgerMachine(RuleBasedStateMachine):
    """Random requests to the ledger and to plain Python: the same answers, the same money, right books."""

    def __init__(self, conn: sa.Connection) -> None:
        super().__init__()
        self.conn = conn
        self.example = conn.begin_nested()
        self.plain = PlainLedger()
        self.at_s = 0
        self.keys = 0
        self.last: tuple[str, list[tuple[str, str, int]]] | None = None

    def teardown(self) -> None:
        assert service.audit(self.conn) == []
        self.example.rollback()

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.at_s)

    def key(self) -> str:
        self.keys += 1
        return f"k{self.keys}"

    @initialize()
    def open(self) -> None:
        three_accounts(self.conn)
        self.plain.posted = {f"user:{name}": FUNDS for name in NAMES}

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.at_s += seconds

    @rule(moves=st.lists(payments, min_size=1, max_size=4))
    def transfer(self, moves: list[tuple[str, str, int]]) -> None:
        key = self.key()
        named = [(f"user:{d}", f"user:{c}", m) for d, c, m in moves]
        linked = [a_payment(f"{key}/{n}", d, c, m) for n, (d, c, m) in enumerate(named)]
        if self.plain.pay(named):
            service.transfer(self.conn, linked, now=self.now)
            self.last = key, named
        else:
            with pytest.raises(InsufficientFunds):
                service.transfer(self.conn, linked, now=self.now)

    @precondition(lambda self: self.last)
    @rule()
    def repeat(self) -> None:
        assert self.last
        key, named = self.last
        linked = [a_payment(f"{key}/{n}", d, c, m) for n, (d, c, m) in enumerate(named)]
        assert service.transfer(self.conn, linked, now=self.now).replayed

    @rule(move=payments, timeout_s=st.integers(1, 60))
    def hold(self, move: tuple[str, str, int], timeout_s: int) -> None:
        payer, payee, micro = f"user:{move[0]}", f"user:{move[1]}", move[2]
        key = self.key()
        if self.plain.hold(key, payer, payee, micro, self.at_s + timeout_s):
            a_hold(self.conn, key, payer, payee, micro, timeout_s=timeout_s, now=self.now)
        else:
            with pytest.raises(InsufficientFunds):
                a_hold(self.conn, key, payer, payee, micro, timeout_s=timeout_s, now=self.now)

    @precondition(lambda self: self.plain.holds)
    @rule(data=st.data(), micro=st.none() | micros)
    def post(self, data: st.DataObject, micro: int | None) -> None:
        hold = data.draw(st.sampled_from(sorted(self.plain.holds)))
        amount = None if micro is None else Ntk(micro)
        errors: dict[str, type[NeuromationError]] = {
            "resolved": HoldAlreadyResolved,
            "expired": HoldExpired,
            "over": AmountOverHold,
        }
        word = self.plain.post(hold, micro, self.at_s)
        if word == "posted":
            service.post(self.conn, hold, key=self.key(), amount=amount, now=self.now)
        else:
            with pytest.raises(errors[word]):
                service.post(self.conn, hold, key=self.key(), amount=amount, now=self.now)

    @precondition(lambda self: self.plain.holds)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        hold = data.draw(st.sampled_from(sorted(self.plain.holds)))
        if self.plain.void(hold) == "voided":
            service.void(self.conn, hold, key=self.key(), now=self.now)
        else:
            with pytest.raises(HoldAlreadyResolved):
                service.void(self.conn, hold, key=self.key(), now=self.now)

    @rule()
    def expire(self) -> None:
        assert set(service.expire_holds(self.conn, now=self.now, limit=100)) == self.plain.expire(self.at_s)

    @rule(limit=st.integers(1, 3))
    def seal(self, limit: int) -> None:
        service.seal(self.conn, now=self.now, limit=limit)

    @invariant()
    def same_money(self) -> None:
        for code, micro in self.plain.posted.items():
            assert (posted(self.conn, code), available(self.conn, code)) == (micro, self.plain.available(code))


def test_any_sequence_of_requests_does_what_the_plain_ledger_does(conn: sa.Connection) -> None:
    run_state_machine_as_test(
        lambda: LedgerMachine(conn),
        settings=settings(
            max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
