"""Many at once: duplicates, drains and hot accounts, in transactions of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from ledger_builders import NOW, a_hold, a_payment, an_account, available, everything, posted

from neuromation.kernel.errors import NeuromationError
from neuromation.kernel.money import Ntk
from neuromation.ledger import service
from neuromation.ledger.errors import HoldAlreadyResolved, InsufficientFunds, KeyReused

THREADS = 16


def at_once(engine: sa.Engine, count: int, do: Callable[[sa.Connection, int], object]) -> Counter[str]:
    """Run `do` so many times, each in its own transaction; how often it ended with which word."""

    def one(n: int) -> str:
        try:
            with engine.begin() as conn:
                result = do(conn, n)
        except NeuromationError as error:
            return type(error).__name__
        return "replayed" if getattr(result, "replayed", False) else "applied"

    with ThreadPoolExecutor(THREADS) as pool:
        return Counter(pool.map(one, range(count)))


def two_accounts(engine: sa.Engine, micro: int) -> tuple[str, str]:
    with engine.begin() as conn:
        return an_account(conn, "ann", micro=micro), an_account(conn, "bob")


def books_are_right(engine: sa.Engine) -> None:
    with engine.begin() as conn:
        assert everything(conn) == 0
        assert service.audit(conn) == []


def test_of_64_concurrent_duplicates_one_is_applied(engine: sa.Engine) -> None:
    ann, bob = two_accounts(engine, 1_000)
    words = at_once(engine, 64, lambda conn, n: service.transfer(conn, [a_payment("same", ann, bob, 7)], now=NOW))
    assert words == {"applied": 1, "replayed": 63}
    with engine.begin() as conn:
        assert posted(conn, bob) == 7
    books_are_right(engine)


def test_of_concurrent_requests_with_one_key_and_other_accounts_one_is_applied(engine: sa.Engine) -> None:
    with engine.begin() as conn:
        pairs = [(an_account(conn, f"a{n}", micro=5), an_account(conn, f"b{n}")) for n in range(THREADS)]
    words = at_once(engine, THREADS, lambda conn, n: service.transfer(conn, [a_payment("same", *pairs[n])], now=NOW))
    assert words == {"applied": 1, KeyReused.__name__: THREADS - 1}
    books_are_right(engine)


def test_a_concurrent_drain_never_overdraws(engine: sa.Engine) -> None:
    ann, bob = two_accounts(engine, 100)
    words = at_once(engine, 64, lambda conn, n: service.transfer(conn, [a_payment(f"k{n}", ann, bob, 7)], now=NOW))
    assert words == {"applied": 14, InsufficientFunds.__name__: 50}
    with engine.begin() as conn:
        assert (posted(conn, ann), posted(conn, bob)) == (2, 98)
    books_are_right(engine)


def test_500_credits_on_a_hot_account_are_exact(engine: sa.Engine) -> None:
    with engine.begin() as conn:
        payers = [an_account(conn, f"p{n}", micro=1_000_000) for n in range(10)]
        hot = an_account(conn, "hot")
    at_once(
        engine, 500, lambda conn, n: service.transfer(conn, [a_payment(f"k{n}", payers[n % 10], hot, n + 1)], now=NOW)
    )
    with engine.begin() as conn:
        assert posted(conn, hot) == 500 * 501 // 2
        assert [entry.version for entry in service.statement(conn, hot)] == list(range(1, 501))
    books_are_right(engine)


def test_of_concurrent_resolutions_of_one_hold_one_is_applied(engine: sa.Engine) -> None:
    ann, bob = two_accounts(engine, 100)
    with engine.begin() as conn:
        a_hold(conn, "h", ann, bob, 60)

    def resolve(conn: sa.Connection, n: int) -> object:
        if n % 2:
            return service.void(conn, "h", key=f"k{n}", now=NOW)
        return service.post(conn, "h", key=f"k{n}", amount=Ntk(10), now=NOW)

    assert at_once(engine, 32, resolve) == {"applied": 1, HoldAlreadyResolved.__name__: 31}
    with engine.begin() as conn:
        assert available(conn, ann) + available(conn, bob) == 100
    books_are_right(engine)


def test_circles_of_payments_do_not_deadlock(engine: sa.Engine) -> None:
    with engine.begin() as conn:
        ring = [an_account(conn, f"r{n}", micro=1_000) for n in range(5)]

    def around(conn: sa.Connection, n: int) -> object:
        order = ring if n % 2 else ring[::-1]
        return service.transfer(conn, [a_payment(f"k{n}/{i}", order[i - 1], order[i]) for i in range(5)], now=NOW)

    assert at_once(engine, 60, around) == {"applied": 60}
    with engine.begin() as conn:
        assert [posted(conn, code) for code in ring] == [1_000] * 5
    books_are_right(engine)


def test_the_seal_covers_what_commits_late(engine: sa.Engine) -> None:
    ann, bob = two_accounts(engine, 100)
    with engine.begin() as conn:
        eve, joe = an_account(conn, "eve", micro=100), an_account(conn, "joe")

    def sealed() -> int:
        with engine.begin() as conn:
            return service.seal(conn, now=NOW, limit=100).position

    before = sealed()
    with engine.connect() as slow:
        service.transfer(slow, [a_payment("slow", ann, bob)], now=NOW)  # draws the smaller id
        with engine.begin() as conn:
            service.transfer(conn, [a_payment("quick", eve, joe)], now=NOW)
        assert [sealed(), sealed(), sealed()] == [before + 1] * 3
        slow.commit()
    assert [sealed(), sealed(), sealed()] == [before + 2] * 3
    books_are_right(engine)


def test_the_seal_waits_for_every_writer_that_drew_a_number(engine: sa.Engine) -> None:
    with engine.begin() as conn:
        ann, bob, eve, joe = (an_account(conn, name, micro=100) for name in ("ann", "bob", "eve", "joe"))

    def sealed() -> int:
        with engine.begin() as conn:
            return service.seal(conn, now=NOW, limit=100).position

    sealed(), sealed(), sealed()
    before = sealed()
    with engine.connect() as first, engine.connect() as second:
        service.transfer(first, [a_payment("first", ann, bob)], now=NOW)
        service.transfer(second, [a_payment("second", eve, joe)], now=NOW)
        assert sealed() == before
        first.commit()
        assert [sealed(), sealed(), sealed()] == [before + 1] * 3
        second.commit()
    assert sealed() == before + 2
    books_are_right(engine)


def test_the_seal_forgets_nothing_when_it_is_laid_while_others_write(engine: sa.Engine) -> None:
    with engine.begin() as conn:
        accounts = [an_account(conn, f"a{n}", micro=1_000) for n in range(8)]

    def write_and_seal(conn: sa.Connection, n: int) -> object:
        if n % 4 == 0:
            return service.seal(conn, now=NOW, limit=5)
        return service.transfer(conn, [a_payment(f"k{n}", accounts[n % 8], accounts[(n + 1) % 8])], now=NOW)

    at_once(engine, 120, write_and_seal)
    for _ in range(3):
        with engine.begin() as conn:
            head = service.seal(conn, now=NOW, limit=1_000)
    with engine.begin() as conn:
        assert head.position == conn.execute(sa.text("select count(*) from ledger_transfer")).scalar_one()
        settled = conn.execute(sa.text("select settled from ledger_seal_state")).scalar_one()
        assert settled == conn.execute(sa.text("select max(id) from ledger_transfer")).scalar_one()
    books_are_right(engine)
