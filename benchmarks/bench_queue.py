"""Tasks claimed and completed per second: our leases on PostgreSQL, and Ray on the same machine in the same run.

One task is leased, committed with a root, a leaf and an output, and accepted, each step in transactions of its own with
fsync on. A batch is leased in one transaction and committed in one; accepted are up to 256 tasks in one, as the worker
does. Each claimer is a process with a connection of its own. The table grows from run to run, as it does in life.

    python benchmarks/bench_queue.py [--tasks 20000] [--batches 1,8,32] [--claimers 1,2,4] [--ray-python PATH]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path

import sqlalchemy as sa

from neuromation import wiring
from neuromation.jobs import progress
from neuromation.jobs import service as jobs
from neuromation.jobs.model import Commit, JobKind, JobState, NewQuota, NewTask, TaskKind, TaskState
from neuromation.kernel.hashing import merkle_root, sha256_hex
from neuromation.kernel.ids import new_id
from neuromation.kernel.money import Ntk

TARGET_PER_S = 5_000
ACCEPT_BATCH = 256
SINGLE_TASKS_MAX = 1_500  # a transaction a task: enough to measure, and not minutes

RAY_PEER = """
import json, os, sys, time
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
import ray
ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
@ray.remote
def work(n):
    return n
ray.get([work.remote(i) for i in range(200)])
tasks = int(sys.argv[1])
began = time.perf_counter()
assert len(ray.get([work.remote(i) for i in range(tasks)])) == tasks
seconds = time.perf_counter() - began
print(json.dumps({"per_s": tasks / seconds, "version": ray.__version__}))
ray.shutdown()
"""


@dataclass(frozen=True)
class Run:
    batch: int
    claimers: int
    tasks: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.tasks / self.seconds


def prepare(url: str, *, tasks: int, claimers: int) -> str:
    """A running job with `tasks` waiting tasks, awarded to the claimers together; its id."""
    engine = wiring.connect(url)
    now = datetime.now(UTC)
    with engine.begin() as conn:
        job, _ = jobs.create_job(
            conn,
            customer=new_id("acc", now),
            key="bench",
            kind=JobKind.DATASET,
            spec={"generator": "digits"},
            plan={},
            price_max=Ntk(tasks),
            now=now,
        )
        spec = {"generator": "digits", "version": "1", "params": {"slant": 0.1, "noise": 0.02}, "seed": 7, "units": 100}
        for first in range(0, tasks, 5_000):
            new = [
                NewTask(TaskKind.GENERATE, seq, spec | {"first_unit": seq * 100}, cu=100_000)
                for seq in range(first, min(tasks, first + 5_000))
            ]
            jobs.enqueue(conn, job.id, new, now=now)
        quotas = [NewQuota(f"node_{i}", tasks, Ntk(1), job.id) for i in range(claimers)]
        jobs.set_quotas(conn, job.id, quotas, now=now)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("vacuum analyze job_task")
    engine.dispose()
    return str(job.id)


def claim_all(url: str, node_id: str, batch: int, start: Barrier) -> None:
    """One claimer: lease, commit and accept batches until nothing is left."""
    conn = wiring.connect(url).connect()
    start.wait()
    committed: list[str] = []
    while True:
        with conn.begin():
            leased = jobs.lease(conn, node_id, owner="acc_bench", limit=batch, lease_s=60, now=datetime.now(UTC))
        if not leased:
            break
        commits = [commit_of(task.id, task.attempt) for task in leased]
        with conn.begin():
            jobs.commit_results(conn, node_id, commits, now=datetime.now(UTC))
        committed += [task.id for task in leased]
        if len(committed) >= ACCEPT_BATCH:
            accept_all(conn, committed)
    accept_all(conn, committed)
    conn.close()


def accept_all(conn: sa.Connection, task_ids: list[str]) -> None:
    with conn.begin():
        jobs.accept(conn, task_ids, now=datetime.now(UTC))
    task_ids.clear()


def commit_of(task_id: str, attempt: int) -> Commit:
    leaves = [sha256_hex(task_id.encode())]
    outputs = {"shard.parquet": {"sha256": leaves[0], "size": 4096}}
    return Commit(task_id, attempt, merkle_root(leaves), leaves, outputs, {"seconds": 0.1})


def measure(url: str, *, batch: int, claimers: int, tasks: int) -> Run:
    job_id = prepare(url, tasks=tasks, claimers=claimers)
    spawn = mp.get_context("spawn")
    start = spawn.Barrier(claimers + 1)
    workers = [spawn.Process(target=claim_all, args=(url, f"node_{i}", batch, start)) for i in range(claimers)]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - began
    check_and_close(url, job_id, tasks)
    return Run(batch, claimers, tasks, seconds)


def check_and_close(url: str, job_id: str, tasks: int) -> None:
    """Every task was done once; the job's rows stay, as they do in life."""
    engine = wiring.connect(url)
    with engine.begin() as conn:
        assert progress.task_counts(conn, job_id)[TaskState.ACCEPTED] == tasks
        assert sum(q.taken for q in jobs.quotas_of(conn, job_id)) == tasks
        jobs.finish(conn, job_id, JobState.CANCELLED, now=datetime.now(UTC), reason="the benchmark is over")
    engine.dispose()


def ray_per_s(python: str, tasks: int) -> float | None:
    """Ray's tasks submitted and answered per second, or None (said on stderr) when it does not run."""
    probe = subprocess.run([python, "-c", "import ray"], capture_output=True, check=False)
    if probe.returncode:
        print(
            f"ray is not installed for {python}: its column is left out (--ray-python PATH names another)",
            file=sys.stderr,
        )
        return None
    done = subprocess.run(
        [python, "-c", RAY_PEER, str(tasks)], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        print(f"ray failed: {done.stderr[-500:]}", file=sys.stderr)
        return None
    return float(json.loads(done.stdout.strip().splitlines()[-1])["per_s"])


def show(runs: list[Run], peer: float | None) -> None:
    print(f"{'batch':>6} {'claimers':>9} {'tasks':>7} {'seconds':>8} {'tasks/s':>9} {'x Ray':>7}")
    for run in runs:
        ratio = f"{run.per_s / peer:7.1f}" if peer else "      -"
        print(f"{run.batch:>6} {run.claimers:>9} {run.tasks:>7} {run.seconds:>8.2f} {run.per_s:>9,.0f} {ratio}")
    if peer:
        print(f"Ray on the same machine, 2 CPUs, empty tasks: {peer:,.0f} tasks/s")
    best = max(run.per_s for run in runs)
    print(
        f"target {TARGET_PER_S:,}/s in batches: best {best:,.0f}/s, {'reached' if best >= TARGET_PER_S else 'missed'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--claimers", default="1,2,4")
    parser.add_argument("--peer", choices=["ray", "none"], default="ray")
    parser.add_argument("--ray-python", default=sys.executable, help="a Python that can import ray")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="nm-bench-"))
    try:
        url = wiring.embedded_database(home)
        engine = wiring.connect(url)
        wiring.migrate(engine)
        with engine.connect() as conn:
            fsync, commit = (conn.exec_driver_sql(f"show {name}").scalar() for name in ("fsync", "synchronous_commit"))
        engine.dispose()
        print(f"PostgreSQL fsync={fsync} synchronous_commit={commit}; one task = lease + commit + accept")
        print(f"{os.cpu_count()} cores, load average before {os.getloadavg()[0]:.1f}")
        runs = []
        for batch in map(int, args.batches.split(",")):
            for claimers in map(int, args.claimers.split(",")):
                tasks = min(args.tasks, SINGLE_TASKS_MAX) if batch == 1 else args.tasks
                runs.append(measure(url, batch=batch, claimers=claimers, tasks=tasks))
        show(runs, ray_per_s(args.ray_python, 3_000) if args.peer == "ray" else None)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
