"""Builders of jobs, tasks and commits for tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from neuromation.jobs import service as jobs
from neuromation.jobs.model import Commit, Job, JobKind, NewQuota, NewTask, Task, TaskKind
from neuromation.kernel.hashing import merkle_root, sha256_hex
from neuromation.kernel.money import Ntk


def a_job(conn: Connection, now: datetime, **changes: Any) -> Job:
    order: dict[str, Any] = {
        "customer": "acc_customer",
        "key": "order-1",
        "kind": JobKind.DATASET,
        "spec": {"generator": "digits", "units": 300},
        "plan": {},
        "price_max": Ntk(5_000_000),
    }
    return jobs.create_job(conn, now=now, **(order | changes))[0]


def a_task(seq: int = 0, **changes: Any) -> NewTask:
    task: dict[str, Any] = {"kind": TaskKind.GENERATE, "seq": seq, "spec": {"first_unit": seq * 100}, "cu": 100_000}
    return NewTask(**(task | changes))


def an_audit(seq: int = 0, **changes: Any) -> NewTask:
    return a_task(seq, **({"kind": TaskKind.AUDIT, "needs_quota": False} | changes))


def a_running_job(conn: Connection, now: datetime, *, tasks: int = 3, **awards: int) -> Job:
    """A job with waiting tasks, and awards by node: `rig=2` lets the node "rig" take two at 10 micro-NTK each."""
    job = a_job(conn, now)
    jobs.enqueue(conn, job.id, [a_task(seq) for seq in range(tasks)], now=now)
    if awards:
        quotas = [NewQuota(node, count, Ntk(10)) for node, count in awards.items()]
        jobs.set_quotas(conn, job.id, quotas, now=now)
    return job


def leased(conn: Connection, node: str, now: datetime, *, limit: int = 32, **changes: Any) -> list[Task]:
    return jobs.lease(conn, node, **({"owner": f"acc_{node}", "limit": limit, "lease_s": 60.0, "now": now} | changes))


def a_commit(task: Task, text: str = "units", **changes: Any) -> Commit:
    leaves = [sha256_hex(f"{text} of {task.id}".encode())]
    body: dict[str, Any] = {
        "task_id": task.id,
        "attempt": task.attempt,
        "root": merkle_root(leaves),
        "leaves": leaves,
        "outputs": {"shard.parquet": {"sha256": leaves[0], "size": 10}},
    }
    return Commit(**(body | changes))
