"""What the whole platform costs over a bare pool of processes, for the same shards on the same machine.

Both sides make the same shards of the generator `digits` on two processes. The bare side is `multiprocessing.Pool(2)` that
writes each shard to a folder. The other side is everything: order, auction, leases over HTTP, two node agents with a
sandbox each, verified uploads, commits, audits by regeneration, assembly, settlement, with PostgreSQL, API and worker on
the same two cores. The time of the platform runs from the award to the settled job; the bidding window is left out.

A shard has as many units as the platform gives one by default. A machine's speed drifts by more than what is to be
measured, so both sides take turns: the platform works on one order of all shards, and whenever another part of them is done
its processes are stopped (SIGSTOP) while the pool makes as many. With 1,000 shards this takes most of an hour.

    python benchmarks/bench_dispatch.py [--shards 1000] [--units 8192] [--turns 20]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from neuromation.cli.stage import Rig, Stage
from neuromation.client import Client
from neuromation.client import schemas as wire
from neuromation.synthetic import generate_shard, get_generator
from neuromation.workflows.order_dataset import default_shard_units

PROCESSES = 2
SEED = 7
LOOK_S = 5.0  # between two questions how far the order is: they cost the platform something, too
# Nobody is taken for dead while the platform's processes are stopped.
POLICY = {"bidding_s": 5.0, "node_silent_s": 7200.0, "node_dead_s": 7200.0, "lease_s": 3600.0}


def make_one(work: tuple[str, int, int, int]) -> None:
    """One shard, written to a folder: what a task of the pool does."""
    folder, seed, first, units = work
    generator = get_generator("digits")
    data = generate_shard(generator, generator.params_model(), seed, first, units)
    Path(folder, f"{first}.parquet").write_bytes(data)


def bare(begin: int, end: int, units: int) -> float:
    """Seconds in which a pool of processes makes these shards."""
    with tempfile.TemporaryDirectory() as folder, multiprocessing.Pool(PROCESSES) as pool:
        pool.map(make_one, [(folder, SEED, 0, 8)] * PROCESSES, chunksize=1)  # imports and caches
        start = time.perf_counter()
        for _ in pool.imap_unordered(
            make_one, [(folder, SEED, i * units, units) for i in range(begin, end)], chunksize=1
        ):
            pass
        return time.perf_counter() - start


class Platform:
    """The whole platform with two nodes, and a customer who orders shards from it."""

    def __init__(self, stage: Stage) -> None:
        self._operator, self._customer = Client(stage.endpoint), Client(stage.endpoint)
        self._operator.log_in(**stage.operator())
        _account(self._operator, self._customer, "customer@bench.example", "customer", "100000")
        for name in ("a", "b"):
            owner = Client(stage.endpoint)
            token = _account(self._operator, owner, f"{name}@bench.example", "provider", "10")
            rig = Rig(f"node-{name}", name, cpu_share=1.0, floor_render="1", floor_train="1")
            stage.start_node(rig, token=token, unsafe=False).until("event", "joined")

    def order(self, shards: int, units: int) -> str:
        """The id of a new job of so many shards, once both nodes can work."""
        while sum(n.state == "eligible" for n in self._operator.nodes()) < PROCESSES:
            time.sleep(0.1)
        order = wire.DatasetOrder(
            name="bench", generator="digits", units=shards * units, shard_units=units, seed=SEED, deadline_s=14_400
        )
        return self._customer.order(self._customer.quote(order)).id

    def work_until(self, job: str, shards: int) -> None:
        """Wait until so many shards are made."""
        while (done := self._customer.job(job).tasks).committed + done.accepted < shards:
            time.sleep(LOOK_S)

    def end(self, job: str) -> tuple[float, float, int]:
        """Wait for the job's end: when it was awarded, when it was settled, in Unix seconds, and how many audits it had."""
        marks: dict[str, float] = {}

        def note(event: wire.JobEvent) -> None:
            marks.setdefault(event.type, event.at.timestamp())

        done = self._customer.wait(job, on_event=note, timeout_s=7200)
        assert done.state == "settled", done
        return marks["award"], marks["finished"], done.audits["done"]


@contextmanager
def asleep() -> Iterator[None]:
    """The platform's processes take no processor time meanwhile."""
    started = _started_by(os.getpid())
    for process in started:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in reversed(started):
            os.kill(process, signal.SIGCONT)


def _started_by(process: int) -> list[int]:
    """The processes that a process has started, and those that they have, and so on."""
    children = [
        int(child)
        for task in Path(f"/proc/{process}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return children + [later for child in children for later in _started_by(child)]


def _account(operator: Client, client: Client, email: str, role: wire.Role, amount: str) -> str:
    password = secrets.token_urlsafe(18)
    client.register(email=email, password=password, name=email, roles=[role])
    token = client.log_in(email=email, password=password).token
    operator.admin_fund(email=email, amount=amount)
    return token


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shards", type=int, default=1000)
    default = default_shard_units(10**6, get_generator("digits").cu_per_unit)
    arguments.add_argument("--units", type=int, default=default, help="units a shard; one is about half a millisecond")
    arguments.add_argument("--turns", type=int, default=20, help="parts of the shards that the two sides make in turn")
    given = arguments.parse_args()
    console = Console()
    parts = [given.shards * turn // given.turns for turn in range(given.turns + 1)]
    pool_s, platform_s, asleep_s = [], [], 0.0
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder), policy=POLICY) as stage:
        platform, job = Platform(stage), ""
        for begin, end in pairwise(parts):
            before = time.time()
            with asleep():
                pool_s.append(bare(begin, end, given.units))
            asleep_s += time.time() - before if job else 0.0
            woken = time.time()
            job = job or platform.order(given.shards, given.units)
            if end < given.shards:
                platform.work_until(job, end)
                platform_s.append(time.time() - woken)
                console.print(f"shards {begin + 1:,} to {end:,}: {pool_s[-1]:.1f} and {platform_s[-1]:.1f} s")
        awarded, settled, audits = platform.end(job)
    table = Table(
        title=f"{given.shards:,} shards of {given.units:,} units on {PROCESSES} processes, in {given.turns} turns"
    )
    for column in ("", "seconds", "shards/s", "ms a shard and process", "over the pool"):
        table.add_column(column, justify="left" if not column else "right")
    for name, seconds in (("multiprocessing.Pool", sum(pool_s)), ("the whole platform", settled - awarded - asleep_s)):
        each = seconds * PROCESSES / given.shards * 1000
        table.add_row(
            name, f"{seconds:.1f}", f"{given.shards / seconds:.1f}", f"{each:.1f}", f"{seconds / sum(pool_s) - 1:+.1%}"
        )
    console.print(table)
    # The first part holds the auction, the last one the end.
    over = sorted(mine / theirs - 1 for mine, theirs in zip(platform_s[1:], pool_s[1:], strict=False))
    console.print(f"parts in the middle: {', '.join(f'{share:+.1%}' for share in over)}; audits: {audits}")


if __name__ == "__main__":
    main()
