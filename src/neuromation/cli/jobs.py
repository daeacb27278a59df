"""`neuromation job`: what was ordered, and how it goes."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from neuromation.cli.commands import Connection, command, group
from neuromation.cli.follow import check_settled, described, follow
from neuromation.cli.orders import TimeoutOption, show_job

app = group("Watch, wait for and cancel what you ordered.")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]


@command(app, "list", alias="ls", example="neuromation job list --limit 5")
def list_jobs(
    connection: Connection,
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
) -> None:
    """Your jobs, newest first."""
    jobs = list(islice(connection.client.jobs(), limit))
    rows = [
        (
            j.id,
            j.kind,
            j.name,
            j.state,
            f"{j.progress:.0%}",
            j.bill.paid if j.bill else "",
            f"{j.created:%Y-%m-%d %H:%M}",
        )
        for j in jobs
    ]
    columns = ("job", "kind", "name", "state", "progress>", "paid NTK>", "ordered (UTC)")
    connection.out.result({"jobs": jobs}, lambda: connection.out.table(columns, rows))


@command(app, "show", example="neuromation job show job_01k2m3n4p5q6r7s8t9v0w1x2y3")
def show(connection: Connection, job_id: JobId) -> None:
    """A job: its state, tasks, result and bill."""
    job = connection.client.job(job_id)
    connection.out.result(job, lambda: show_job(connection.out, job))


@command(app, "wait", example="neuromation job wait job_01k2m3n4p5q6r7s8t9v0w1x2y3 --timeout 600")
def wait(connection: Connection, job_id: JobId, timeout: TimeoutOption = None) -> None:
    """Follow a job until it has finished; exits with 7 when it ended without a result, 124 when it goes on."""
    job = follow(connection, job_id, timeout_s=timeout)
    connection.out.result(job, lambda: show_job(connection.out, job))
    check_settled(job)


@command(app, "cancel", example="neuromation job cancel job_01k2m3n4p5q6r7s8t9v0w1x2y3")
def cancel(connection: Connection, job_id: JobId) -> None:
    """Stop a job: verified work is paid, the rest of what was held flows back."""
    job = connection.client.cancel(job_id)
    connection.out.result(job, lambda: show_job(connection.out, job))


@command(app, "events", example="neuromation job events job_01k2m3n4p5q6r7s8t9v0w1x2y3 --after 12 --json")
def events(
    connection: Connection,
    *,
    job_id: JobId,
    after: Annotated[int, typer.Option(min=0, help="Only events after this number.")] = 0,
    timeout: TimeoutOption = None,
) -> None:
    """What happens to a job, live, until it has finished. With --json one event a line."""
    out = connection.out
    for event in connection.client.events(job_id, after=after, timeout_s=timeout):
        if out.as_json:
            out.line(event)
        else:
            out.say(f"{event.seq:>5} {event.at:%H:%M:%S} {event.type:<8} {described(event)}")
