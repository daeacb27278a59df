"""What the whole platform costs over a bare pool of processes, for the same shards on the same machine.

Both sides make the same shards of the generator `digits` on two processes. The bare side is `multiprocessing.Pool(2)` that
writes each shard to a folder. The other side is everything: order, auction, leases over HTTP, two node agents with a
sandbox each, verified uploads, commits, audits by regeneration, assembly, settlement, with PostgreSQL, API and worker on
the same two cores. The time of the platform runs from the award to the settled job; the bidding window is shown apart.

A shard has as many units as the platform gives one by default. With 1,000 shards this takes about an hour.

    python benchmarks/bench_dispatch.py [--shards 1000] [--units 5000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import secrets
import tempfile
import time
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


def make_one(work: tuple[str, int, int]) -> None:
    """One shard, written to a folder: what a task of the pool does."""
    folder, first, units = work
    generator = get_generator("digits")
    data = generate_shard(generator, generator.params_model(), SEED, first, units)
    Path(folder, f"{first}.parquet").write_bytes(data)


def bare(shards: int, units: int) -> float:
    """Seconds for a pool of processes."""
    with tempfile.TemporaryDirectory() as folder, multiprocessing.Pool(PROCESSES) as pool:
        pool.map(make_one, [(folder, 0, 8)] * PROCESSES, chunksize=1)  # imports and caches
        start = time.perf_counter()
        for _ in pool.imap_unordered(make_one, [(folder, i * units, units) for i in range(shards)], chunksize=1):
            pass
        return time.perf_counter() - start


def platform(shards: int, units: int) -> tuple[float, float, wire.Job]:
    """Seconds from award to settlement, seconds of bidding before, and the job."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Stage(Path(folder), policy={"bidding_s": 5.0, "node_dead_s": 120.0}) as stage,
    ):
        operator = Client(stage.endpoint)
        operator.log_in(**stage.operator())
        customer = Client(stage.endpoint)
        _account(operator, customer, "customer@bench.example", "customer", "100000")
        for name in ("a", "b"):
            owner = Client(stage.endpoint)
            token = _account(operator, owner, f"{name}@bench.example", "provider", "10")
            rig = Rig(f"node-{name}", name, cpu_share=1.0, floor_render="1", floor_train="1")
            stage.start_node(rig, token=token, unsafe=False).until("event", "joined")
        while sum(n.state == "eligible" for n in operator.nodes()) < PROCESSES:
            time.sleep(0.1)
        order = wire.DatasetOrder(
            name="bench", generator="digits", units=shards * units, shard_units=units, seed=SEED, deadline_s=7200
        )
        job = customer.order(customer.quote(order))
        marks: dict[str, float] = {}

        def hear(event: wire.JobEvent) -> None:
            marks.setdefault(event.type, event.at.timestamp())
            if event.type == "finished":
                marks["end"] = event.at.timestamp()

        done = customer.wait(job.id, on_event=hear, timeout_s=7200)
        assert done.state == "settled", done
        return marks["end"] - marks["award"], marks["award"] - marks["auction"], done


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
    given = arguments.parse_args()
    pool_s = bare(given.shards, given.units)
    pool_again = resource.getrusage(resource.RUSAGE_CHILDREN)
    platform_s, bidding_s, job = platform(given.shards, given.units)
    table = Table(title=f"{given.shards} shards of {given.units} units on {PROCESSES} processes")
    for column in ("", "seconds", "shards/s", "ms a shard and process", "over the pool"):
        table.add_column(column, justify="left" if not column else "right")
    for name, seconds in (("multiprocessing.Pool", pool_s), ("the whole platform", platform_s)):
        each = seconds * PROCESSES / given.shards * 1000
        table.add_row(
            name, f"{seconds:.1f}", f"{given.shards / seconds:.1f}", f"{each:.1f}", f"{seconds / pool_s - 1:+.1%}"
        )
    console = Console()
    console.print(table)
    console.print(
        f"audits: {job.audits['done']}; bidding before: {bidding_s:.1f} s; pool CPU {pool_again.ru_utime:.0f} s"
    )


if __name__ == "__main__":
    main()
