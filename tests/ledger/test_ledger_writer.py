"""The group-commit writer: the service's answers, for many callers and one commit."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from ledger_builders import NOW, a_payment, an_account, everything, posted

from neuromation.kernel.clock import FakeClock
from neuromation.kernel.money import Ntk
from neuromation.ledger import service
from neuromation.ledger.errors import BadTransfer, InsufficientFunds, KeyReused, UnknownHold, WriterBusy, WriterClosed
from neuromation.ledger.model import Hold, Post, Receipt
from neuromation.ledger.writer import LedgerWriter

WAIT_S = 30.0


@pytest.fixture
def accounts(engine: sa.Engine) -> tuple[str, str]:
    with engine.begin() as conn:
        return an_account(conn, "ann", micro=1_000), an_account(conn, "bob")


def test_what_is_answered_is_committed(engine: sa.Engine, clock: FakeClock, accounts: tuple[str, str]) -> None:
    ann, bob = accounts
    with LedgerWriter(engine, clock) as writer:
        receipt = writer.apply([a_payment("k", ann, bob, 3, ref="job")], timeout_s=WAIT_S)
        with engine.begin() as conn:
            assert [row.id for row in service.transfers_of(conn, "job")] == list(receipt.ids)


def test_a_bad_request_never_fails_its_neighbours(
    engine: sa.Engine, clock: FakeClock, accounts: tuple[str, str]
) -> None:
    ann, bob = accounts
    writer = LedgerWriter(engine, clock)
    with engine.connect() as blocker:
        blocker.execute(sa.text("select 1 from ledger_account for update"))  # so that all wait together
        with writer:
            asked = [
                writer.submit([a_payment("first", ann, bob, 1)]),
                writer.submit([a_payment("1", ann, bob, 5)]),
                writer.submit([a_payment("2", ann, bob, 10_000)]),
                writer.submit([a_payment("1", ann, bob, 6)]),
                writer.submit([Post("never", "3")]),
                writer.submit([a_payment("1", ann, bob, 5)]),
                writer.submit([a_payment("4", ann, bob, 1), a_payment("5", bob, ann, 10_000)]),
                writer.submit([a_payment("6", ann, bob, 994)]),
            ]
            blocker.rollback()
            answers = [answer.exception(WAIT_S) or answer.result() for answer in asked]
    kinds = [type(answer) for answer in answers]
    assert kinds == [Receipt, Receipt, InsufficientFunds, KeyReused, UnknownHold, Receipt, InsufficientFunds, Receipt]
    assert answers[5].replayed  # type: ignore[union-attr]
    with engine.begin() as conn:
        assert (posted(conn, ann), posted(conn, bob), service.audit(conn)) == (0, 1_000, [])


def test_a_request_that_the_database_breaks_on_fails_alone(
    engine: sa.Engine, clock: FakeClock, accounts: tuple[str, str]
) -> None:
    ann, bob = accounts
    with engine.begin() as conn:
        eve = an_account(conn, "eve", micro=5)
        joe = an_account(conn, "joe")
    writer = LedgerWriter(engine, clock)
    with engine.connect() as other:
        service.transfer(other, [a_payment("same", eve, joe)], now=NOW)  # has the key, not yet committed
        with writer:
            asked: list[Future[Receipt]] = [
                writer.submit([a_payment("a", ann, bob)]),
                writer.submit([a_payment("same", ann, bob)]),
                writer.submit([a_payment("b", ann, bob)]),
            ]
            other.commit()
            assert [type(answer.exception(WAIT_S)) for answer in asked] == [type(None), KeyReused, type(None)]
    with engine.begin() as conn:
        assert (posted(conn, bob), service.audit(conn)) == (2, [])


def test_a_lost_connection_is_made_anew(engine: sa.Engine, clock: FakeClock, accounts: tuple[str, str]) -> None:
    ann, bob = accounts
    with LedgerWriter(engine, clock) as writer:
        writer.apply([a_payment("a", ann, bob)], timeout_s=WAIT_S)
        with engine.begin() as conn:
            conn.execute(
                sa.text(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where pid <> pg_backend_pid() and query like '%ledger_apply%'"
                )
            )
        receipt = writer.apply([a_payment("b", ann, bob)], timeout_s=WAIT_S)
    assert not receipt.replayed


def test_many_callers_on_a_hot_account_are_exact(engine: sa.Engine, clock: FakeClock) -> None:
    with engine.begin() as conn:
        payers = [an_account(conn, f"p{n}", micro=1_000) for n in range(8)]
        hot = an_account(conn, "hot")

    def pay_in_two_steps(writer: LedgerWriter, n: int) -> None:
        hold = Hold(f"h{n}", payers[n % 8], hot, Ntk(5), "escrow", "job", timeout_s=60)
        writer.apply([hold], timeout_s=WAIT_S)
        writer.apply([Post(f"h{n}", f"p{n}", Ntk(3))], timeout_s=WAIT_S)

    with LedgerWriter(engine, clock) as writer, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: pay_in_two_steps(writer, n), range(200)))
    with engine.begin() as conn:
        assert (posted(conn, hot), everything(conn), service.audit(conn)) == (600, 0, [])


def test_a_full_queue_says_when_to_come_back(engine: sa.Engine, clock: FakeClock, accounts: tuple[str, str]) -> None:
    ann, bob = accounts
    writer = LedgerWriter(engine, clock, queue_max=2, batch_max=1)
    with engine.connect() as blocker:
        blocker.execute(sa.text("select 1 from ledger_account for update"))
        with writer:
            with pytest.raises(WriterBusy, match="wait for the ledger already") as caught:
                for n in range(10):
                    writer.submit([a_payment(f"k{n}", ann, bob)])
            blocker.rollback()
    assert caught.value.details["retry_after_s"] > 0  # type: ignore[operator]


def test_closing_answers_what_waits_and_takes_nothing_more(
    engine: sa.Engine, clock: FakeClock, accounts: tuple[str, str]
) -> None:
    ann, bob = accounts
    writer = LedgerWriter(engine, clock)
    with pytest.raises(WriterClosed):
        writer.submit([a_payment("early", ann, bob)])
    with writer:
        asked = [writer.submit([a_payment(f"k{n}", ann, bob)]) for n in range(50)]
    assert all(answer.done() for answer in asked)
    with pytest.raises(WriterClosed):
        writer.submit([a_payment("late", ann, bob)])
    with engine.begin() as conn:
        assert posted(conn, bob) == 50


def test_a_group_that_cannot_be_linked_is_refused_at_once(engine: sa.Engine, clock: FakeClock) -> None:
    with LedgerWriter(engine, clock) as writer, pytest.raises(BadTransfer):
        writer.submit([])
