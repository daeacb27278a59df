"""Pages that join contexts: jobs with their bills, nodes with their stakes and earnings, the price index."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from neuromation.accounts.model import Principal
from neuromation.client import schemas as wire
from neuromation.jobs import progress
from neuromation.jobs import service as jobs
from neuromation.jobs.model import Job, TaskKind, TaskState
from neuromation.kernel.errors import NotFound
from neuromation.kernel.money import Ntk
from neuromation.ledger import service as ledger
from neuromation.market import service as market
from neuromation.nodes import service as nodes
from neuromation.nodes.model import Node
from neuromation.workflows.settlement import bill

MICRO = 1_000_000
EVENTS_MAX = 200
FAILED_VERDICTS = ("cheat", "auditor-lied", "undecided", "outvoted", "auditor-outvoted", "unrepeatable")


def _viewer(principal: Principal) -> str | None:
    """Whose things the caller sees: their own, or everybody's."""
    return None if "operator" in principal.roles else principal.account_id


def job_of(conn: sa.Connection, principal: Principal, job_id: str) -> wire.Job:
    """A job of the caller's. Raises NoSuchJob."""
    return job_view(conn, jobs.get_job(conn, job_id, customer=_viewer(principal)))


def job_list(conn: sa.Connection, principal: Principal, *, after: str | None, limit: int) -> wire.JobList:
    """The caller's jobs, newest first."""
    found = jobs.list_jobs(conn, customer=_viewer(principal), before=after, limit=limit)
    return wire.JobList(
        jobs=[job_view(conn, job) for job in found], next_after=found[-1].id if len(found) == limit else None
    )


def events_of(
    conn: sa.Connection, principal: Principal, job_id: str, *, after: int
) -> tuple[list[wire.JobEvent], bool]:
    """What happened to a job after an event, and whether nothing more will. Raises NoSuchJob."""
    # The job first: its last event is written with its final state, so a job seen as over has told everything.
    job = jobs.get_job(conn, job_id, customer=_viewer(principal))
    found = jobs.events_after(conn, job_id, after, limit=EVENTS_MAX)
    return [wire.JobEvent(seq=e.seq, at=e.at, type=e.type, data=e.data) for e in found], job.finished_at is not None


def job_view(conn: sa.Connection, job: Job) -> wire.Job:
    """A job as its customer sees it."""
    counts = progress.task_counts(conn, job.id)
    audits = progress.task_counts(conn, job.id, kind=TaskKind.AUDIT)
    work = {state: counts[state] - audits[state] for state in counts}
    price = job.plan.get("memory", {}).get("price_per_cu")
    return wire.Job(
        id=job.id,
        kind=job.kind.value,
        name=job.spec.get("name", ""),
        state=job.state.value,
        reason=job.reason,
        progress=1.0 if job.state.value == "settled" else float(job.progress.get("fraction", 0)),
        stage=job.state.value,
        tasks=wire.TaskCounts(
            pending=work[TaskState.PENDING],
            leased=work[TaskState.LEASED],
            committed=work[TaskState.COMMITTED],
            accepted=work[TaskState.ACCEPTED] + work[TaskState.SETTLED],
            failed=work[TaskState.FAILED],
        ),
        created=job.created_at,
        finished=job.finished_at,
        price_max=str(job.price_max),
        price_per_cu=str(Ntk(price)) if price is not None else None,
        audits={
            "open": audits[TaskState.PENDING] + audits[TaskState.LEASED] + audits[TaskState.COMMITTED],
            "done": audits[TaskState.ACCEPTED] + audits[TaskState.SETTLED],
            "failed": jobs.event_count(conn, job.id, "audit", field="verdict", values=FAILED_VERDICTS),
        },
        bill=bill(conn, job) if job.finished_at else None,
        result=job.result or {},
    )


def node_of(conn: sa.Connection, principal: Principal, node_id: str) -> wire.NodeInfo:
    """A node of the caller's. Raises NoSuchNode."""
    node = nodes.get(conn, node_id, owner=_viewer(principal))
    return node_view(conn, node, now=node.last_seen)


def node_list(conn: sa.Connection, principal: Principal) -> wire.NodeList:
    """The caller's nodes."""
    found = nodes.list_nodes(conn, owner=_viewer(principal))
    return wire.NodeList(nodes=[node_view(conn, node, now=node.last_seen) for node in found])


def node_view(conn: sa.Connection, node: Node, *, now: datetime) -> wire.NodeInfo:
    """A node with its standing, its stake and what it has earned."""
    checks = nodes.all_reputations_of(conn, node.id, now=now).values()
    return wire.NodeInfo(
        id=node.id,
        name=node.name,
        owner=node.owner,
        state=node.state.value,
        reason=node.reason,
        render_cu_per_s=node.render_cu_per_s / MICRO,
        train_cu_per_s=node.train_cu_per_s / MICRO,
        floor_render=str(node.floor_render or Ntk(0)),
        floor_train=str(node.floor_train or Ntk(0)),
        slots=node.hardware.slots,
        isolation=node.hardware.isolation,
        stake=str(ledger.balance_of(conn, f"stake:{node.id}").posted),
        earned=str(ledger.received(conn, f"user:{node.owner}", memo_prefix=f"{node.id} ")),
        checks_passed=round(sum(c.passed for c in checks)),
        checks_failed=round(sum(c.failed for c in checks)),
        last_seen=node.last_seen,
    )


def price_index(conn: sa.Connection, kind: Literal["render", "train"] | None, *, limit: int) -> wire.PriceIndex:
    """Published clearing prices, newest first."""
    kinds: tuple[Literal["render", "train"], ...] = (kind,) if kind else ("render", "train")
    points = sorted(
        (p for k in kinds for p in market.index(conn, k, limit=limit)), key=lambda p: p.closed_at, reverse=True
    )
    return wire.PriceIndex(
        prices=[
            wire.PricePoint(at=p.closed_at, kind=p.kind, price_per_cu=str(p.price_per_cu), tasks=p.tasks, nodes=p.nodes)
            for p in points[:limit]
        ]
    )


def missing(what: str, name: str) -> NotFound:
    """The error for a thing that is not there."""
    return NotFound(f"there is no {what} {name[:80]!r}; list what there is first")
