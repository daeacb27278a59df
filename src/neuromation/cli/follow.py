"""A job as it happens, on stderr: a line for what matters and a bar for the rest."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from neuromation.cli.commands import Connection
from neuromation.cli.output import Output

if TYPE_CHECKING:
    from neuromation.client.schemas import Job, JobEvent

PER_MILLE = 1000
_STEP = 0.25  # where no bar can be drawn, progress is told in quarters


def follow(connection: Connection, job_id: str, *, timeout_s: float | None = None) -> Job:
    """Show a job's events until it has finished; the job, however it ended.

    Raises JobFailed when it ended without a result, WaitTimedOut when it goes on after `timeout_s`.
    """
    out = connection.out
    try:
        with out.bar(job_id, PER_MILLE, "‰") as update:
            teller = _Teller(out, update)
            job = connection.client.wait(job_id, on_event=teller.tell, timeout_s=timeout_s)
    except KeyboardInterrupt:
        out.note(f"job {job_id} goes on; see it with `neuromation job wait {job_id}`, stop it with `job cancel`")
        raise
    return job


def check_settled(job: Job) -> None:
    """Raises JobFailed for a job that ended without a result."""
    from neuromation.client.errors import JobFailed

    if job.state in ("refunded", "cancelled"):
        why = job.message or job.reason or "no reason was given"
        raise JobFailed(f"job {job.id} was {job.state}: {why}", reason=job.reason or job.state, job=job.id)


class _Teller:
    def __init__(self, out: Output, update: Callable[[int], None]) -> None:
        self._out, self._update, self._told = out, update, 0.0

    def tell(self, event: JobEvent) -> None:
        if event.type == "progress":
            fraction = float(event.data.get("fraction") or 0)
            self._update(round(fraction * PER_MILLE))
            if not sys.stderr.isatty() and fraction >= self._told + _STEP:
                self._told = fraction
                self._out.note(f"{event.at:%H:%M:%S} {fraction:.0%} {_pairs(event.data.get('tasks') or {})}")
            return
        sentence = described(event)
        if sentence:
            self._out.note(f"{event.at:%H:%M:%S} {sentence}")


def described(event: JobEvent) -> str:
    """One line on an event for a person; "" for those that say nothing new."""
    data = event.data
    teller = _SENTENCES.get(event.type)
    return teller(data) if teller else f"{event.type}: {_pairs(data)}"


def _state(data: dict[str, Any]) -> str:
    return f"{data.get('state')}" + (f": {data['reason']}" if data.get("reason") else "")


def _audit(data: dict[str, Any]) -> str:
    return (
        f"audit of node {data.get('node')} by {data.get('auditor')}: {data.get('verdict')}, {data.get('units')} units"
    )


def _award(data: dict[str, Any]) -> str:
    nodes = data.get("nodes") or {}
    return f"{len(nodes)} nodes won at {data.get('price_per_cu')} NTK per CU: {_pairs(nodes)}"


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "state": _state,
    "auction": lambda data: f"auction for {data.get('tasks')} tasks of kind {data.get('kind')} is open",
    "award": _award,
    "audit": _audit,
    "warning": lambda data: f"warning: {data.get('message') or _pairs(data)}",
    "bill": lambda data: f"paid: a bill of {len(data.get('lines') or ())} lines",
    "finished": lambda data: "",
}


def _pairs(data: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_short(value)}" for key, value in data.items())


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"
