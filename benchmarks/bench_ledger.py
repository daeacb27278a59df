"""Two-phase transfers a second, ours and pgledger's, on one embedded PostgreSQL, in interleaved slices.

    python benchmarks/bench_ledger.py [--pgledger PATH] [--seconds 2] [--rounds 3] [--clients 32]

What is counted: transfers that are durable when the client has its answer. A hold and its post are two transfers: two
rows of the log and four chained entries. pgledger knows no holds; there a payment in two steps is a transfer to the
payer's waiting account and one from there: two transfers and four entries too. "spread" is 64 payers and 64 payees;
"hot" is 64 payers and one payee, whose account our hold touches as well, pgledger's first step does not. A client waits
for its answer before it asks again, except in the last row, which says how many payments each keeps in flight.

The server's settings are the embedded defaults, fsync and synchronous_commit on, for both. pgledger is called as its
own benchmark calls it: one statement, one implicit transaction, over bare psycopg, prepared. "service" is the same for
ours: one call of `ledger.service`, one commit. "writer" is `ledger.writer`, which commits in groups. Ours keep all
guarantees (keys, request hashes, holds with timeouts, hash chains, running balances, insert-only triggers); after the
run all transfers are sealed and the audit must find nothing.
"""

from __future__ import annotations

import argparse
import atexit
import itertools
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import sqlalchemy as sa
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from neuromation import wiring
from neuromation.kernel.clock import SystemClock
from neuromation.kernel.ids import new_id
from neuromation.kernel.money import Ntk
from neuromation.ledger import service
from neuromation.ledger.model import CUSTODY, SUPPLY, Hold, Post, Transfer
from neuromation.ledger.writer import LedgerWriter

ACCOUNTS = 64
FUNDS = Ntk.parse("1000000")
REPOSITORY = "https://github.com/pgr0ss/pgledger"
PEER_FILES = (
    "vendor/scoville-pgsql-ulid/ulid-to-uuid.sql",
    "vendor/scoville-pgsql-ulid/uuid-to-ulid.sql",
    "pgledger.sql",
)
ANSWER_S = 60.0

Step = Callable[[], int]  # one payment, or one window of payments; the transfers in it


@dataclass(frozen=True)
class Load:
    """What is paid: in one step or two, to many payees or one."""

    two_phase: bool
    hot: bool

    def __str__(self) -> str:
        return f"{'hold + post' if self.two_phase else 'direct'}, {'hot' if self.hot else 'spread'}"


LOADS = [Load(two_phase, hot) for two_phase in (True, False) for hot in (False, True)]


@dataclass(frozen=True)
class Contender:
    """A ledger to drive: `client` gives each client its own connection and a step to repeat."""

    name: str
    client: Callable[[Load, int], AbstractContextManager[Step]]


@dataclass(frozen=True)
class Names:
    """Account codes and the next key of one run."""

    payers: list[str]
    payees: list[str]
    job: str
    numbers: Iterator[int]

    def pair(self, load: Load, rng: random.Random) -> tuple[str, str]:
        return rng.choice(self.payers), self.payees[0] if load.hot else rng.choice(self.payees)

    def key(self) -> str:
        return f"{self.job}/{next(self.numbers)}"


def ours(engine: sa.Engine) -> Names:
    """Open and fund our accounts."""
    now = datetime.now(UTC)
    payers = [f"user:{new_id('acc', now)}" for _ in range(ACCOUNTS)]
    payees = [f"user:{new_id('acc', now)}" for _ in range(ACCOUNTS)]
    names = Names(payers, payees, new_id("job", now), itertools.count())
    with engine.begin() as conn:
        service.open_account(conn, CUSTODY, now=now, overdraft=SUPPLY)
        for code in payers + payees:
            service.open_account(conn, code, now=now)
        service.transfer(conn, [Transfer(f"fund/{code}", CUSTODY, code, FUNDS, "fund") for code in payers], now=now)
    return names


def service_contender(engine: sa.Engine, names: Names) -> Contender:
    """One call, one commit: what a request of its own costs."""
    # A connection a client, however many: the platform's own pool would let some wait until others are done.
    autocommit = sa.create_engine(engine.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")

    @contextmanager
    def client(load: Load, seed: int) -> Iterator[Step]:
        rng = random.Random(seed)
        with autocommit.connect() as conn:

            def step() -> int:
                payer, payee = names.pair(load, rng)
                key, now = names.key(), datetime.now(UTC)
                if not load.two_phase:
                    service.transfer(conn, [Transfer(key, payer, payee, Ntk(1), "pay", names.job)], now=now)
                    return 1
                service.hold(
                    conn,
                    key=key,
                    amount=Ntk(1),
                    payer=payer,
                    payee=payee,
                    kind="pay",
                    ref=names.job,
                    timeout_s=60,
                    now=now,
                )
                service.post(conn, key, key=f"{key}/post", amount=None, now=now)
                return 2

            yield step

    return Contender("service", client)


def writer_contender(writer: LedgerWriter, names: Names, *, in_flight: int) -> Contender:
    """Many callers, one writer; each client keeps `in_flight` payments going."""

    @contextmanager
    def client(load: Load, seed: int) -> Iterator[Step]:
        rng = random.Random(seed)

        def step() -> int:
            keys = [names.key() for _ in range(in_flight)]
            pairs = [names.pair(load, rng) for _ in keys]
            if not load.two_phase:
                paid = [
                    writer.submit([Transfer(k, a, b, Ntk(1), "pay", names.job)])
                    for k, (a, b) in zip(keys, pairs, strict=True)
                ]
            else:
                held = [
                    writer.submit([Hold(k, a, b, Ntk(1), "pay", names.job, timeout_s=60)])
                    for k, (a, b) in zip(keys, pairs, strict=True)
                ]
                for answer in held:
                    answer.result(ANSWER_S)
                paid = [writer.submit([Post(k, f"{k}/post")]) for k in keys]
            for answer in paid:
                answer.result(ANSWER_S)
            return in_flight * (2 if load.two_phase else 1)

        yield step

    return Contender("writer" if in_flight == 1 else f"writer, {in_flight} in flight", client)


def pgledger_contender(url: str, sources: Path) -> Contender:
    """Load pgledger into the same database, open and fund its accounts."""
    bare = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(bare, autocommit=True) as conn:
        for name in PEER_FILES:
            conn.execute((sources / name).read_text("utf-8"))

        def account(may_owe: bool) -> str:
            row = conn.execute("select id from pgledger_create_account('a', 'NTK', %s)", (may_owe,)).fetchone()
            assert row
            return str(row[0])

        custody = account(True)
        payers, waiting, payees = ([account(False) for _ in range(ACCOUNTS)] for _ in range(3))
        for code in payers:
            conn.execute("select * from pgledger_create_transfer(%s, %s, %s)", (custody, code, FUNDS.micro))

    @contextmanager
    def client(load: Load, seed: int) -> Iterator[Step]:
        rng = random.Random(seed)
        with psycopg.connect(bare, autocommit=True) as conn:

            def pay(debit: str, credit: str) -> None:
                conn.execute(
                    "select * from pgledger_create_transfer(%s, %s, 1)", (debit, credit), prepare=True
                ).fetchall()

            def step() -> int:
                n = rng.randrange(ACCOUNTS)
                payee = payees[0] if load.hot else rng.choice(payees)
                if not load.two_phase:
                    pay(payers[n], payee)
                    return 1
                pay(payers[n], waiting[n])
                pay(waiting[n], payee)
                return 2

            yield step

    return Contender("pgledger", client)


def measure(contender: Contender, load: Load, *, clients: int, seconds: float, seed: int) -> float:
    """Transfers a second of one slice."""
    ready, stop = threading.Barrier(clients + 1), threading.Event()

    def drive(n: int) -> int:
        done = 0
        try:
            with contender.client(load, seed * 1_000 + n) as step:
                step()  # connected, prepared
                ready.wait()
                while not stop.is_set():
                    done += step()
        except BaseException:
            ready.abort()  # or the others would wait for this one for ever
            raise
        return done

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(drive, n) for n in range(clients)]
        ready.wait()
        started = time.perf_counter()
        time.sleep(seconds)
        stop.set()
        done = sum(client.result() for client in running)
        return done / (time.perf_counter() - started)


def find_peer(path: str | None, temporary: Path) -> Path | None:
    """The folder with pgledger's SQL: named, or cloned now; None when it cannot be had."""
    if path:
        return Path(path)
    target = temporary / "pgledger"
    try:
        subprocess.run(
            ["git", "clone", "--quiet", "--depth", "1", REPOSITORY, str(target)],
            check=True,
            timeout=120,
            capture_output=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return target


def report(
    console: Console, speeds: dict[tuple[str, Load], list[float]], contenders: list[str], args: argparse.Namespace
) -> None:
    """Print medians, and each as a multiple of pgledger's."""
    table = Table(
        title=f"transfers/s, {args.clients} clients, median of {args.rounds} x {args.seconds:g} s (lowest-highest)"
    )
    table.add_column("ledger")
    for load in LOADS:
        table.add_column(str(load), justify="right")
    for name in contenders:
        cells = []
        for load in LOADS:
            mine = speeds[name, load]
            text = f"{statistics.median(mine):,.0f} ({min(mine):,.0f}-{max(mine):,.0f})"
            if "pgledger" in contenders and name != "pgledger":
                text += f"  {statistics.median(mine) / statistics.median(speeds['pgledger', load]):.2f}x"
            cells.append(text)
        table.add_row(name, *cells)
    console.print(table)


def check_books(console: Console, engine: sa.Engine) -> None:
    """Seal everything, then audit everything; both timed."""
    now = datetime.now(UTC)
    started = time.perf_counter()
    while True:
        with engine.begin() as conn:
            head = service.seal(conn, now=now, limit=10_000)
        if not head.added:
            break
    sealed = time.perf_counter()
    with engine.begin() as conn:
        findings = service.audit(conn)
    audited = time.perf_counter()
    console.print(
        f"{head.position:,} transfers sealed at {head.position / (sealed - started):,.0f}/s, "
        f"audited at {head.position / (audited - sealed):,.0f}/s: {len(findings)} findings"
    )
    if findings:
        raise SystemExit(str(findings[:5]))


def main() -> None:
    parser = argparse.ArgumentParser(description="transfers a second, against pgledger")
    parser.add_argument(
        "--pgledger", default=os.environ.get("NEUROMATION_PGLEDGER"), help="folder with pgledger's sources"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a slice")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--in-flight", type=int, default=16, help="requests a client keeps going in the last row")
    args = parser.parse_args()
    console = Console(width=140)
    # A short path: a socket's name has at most 107 characters.
    home = Path(tempfile.mkdtemp(prefix="nm-bench-"))
    # Registered before the server is started, so run after it has stopped.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    with ExitStack() as stack:
        url = wiring.embedded_database(home)
        engine = wiring.connect(url)
        stack.callback(engine.dispose)
        wiring.migrate(engine)
        names = ours(engine)
        writer = stack.enter_context(LedgerWriter(engine, SystemClock()))
        contenders = [
            service_contender(engine, names),
            writer_contender(writer, names, in_flight=1),
            writer_contender(writer, names, in_flight=args.in_flight),
        ]
        peer = find_peer(args.pgledger, home)
        if peer:
            contenders.insert(0, pgledger_contender(url, peer))
        else:
            console.print("pgledger was skipped: give --pgledger PATH, or a network to clone it")
        speeds: dict[tuple[str, Load], list[float]] = {(c.name, load): [] for c in contenders for load in LOADS}
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("slices", total=args.rounds * len(LOADS) * len(contenders))
            for seed in range(args.rounds):
                for load in LOADS:
                    for contender in contenders:
                        speed = measure(contender, load, clients=args.clients, seconds=args.seconds, seed=seed)
                        speeds[contender.name, load].append(speed)
                        progress.advance(task)
        report(console, speeds, [contender.name for contender in contenders], args)
        check_books(console, engine)


if __name__ == "__main__":
    main()
