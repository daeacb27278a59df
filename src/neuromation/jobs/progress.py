"""How far a job is: its tasks by state, what their nodes tell, and the picture of it that its customer sees."""

from __future__ import annotations

from sqlalchemy import Connection

from neuromation.jobs import store
from neuromation.jobs.model import EVENT_BYTES_MAX, Json, TaskKind, TaskState, json_of


def task_counts(
    conn: Connection,
    job_id: str,
    *,
    kind: TaskKind | None = None,
    but: TaskKind | None = None,
    round: int | None = None,
) -> dict[TaskState, int]:
    """How many tasks of the job are in each state, of one kind or of all `but` one; every state is a key."""
    rows = conn.execute(store.COUNTS, {"job_id": job_id, "kind": kind, "but": but, "round": round})
    return dict.fromkeys(TaskState, 0) | {TaskState(row.state): int(row.n) for row in rows}


def under_way(conn: Connection, job_id: str, *, audits: bool = False) -> float:
    """How many tasks' worth of work is done in those that nodes hold, as far as they tell: of the audits, or of all else."""
    return float(conn.execute(store.UNDER_WAY, {"job_id": job_id, "audits": audits}).scalar_one())


def set_progress(conn: Connection, job_id: str, progress: Json) -> None:
    """Replace the small picture of how far the job is."""
    body = json_of("a job's progress", progress, EVENT_BYTES_MAX).decode()
    conn.execute(store.SET_PROGRESS, {"id": job_id, "progress": body})
