"""Buying: the quote is shown, the customer agrees, the order is placed and followed; the same for every kind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuromation.cli.commands import Connection
from neuromation.cli.follow import check_settled, follow
from neuromation.cli.output import Output
from neuromation.kernel.errors import Invalid, NeuromationError

if TYPE_CHECKING:
    from neuromation.client.platform import AnyOrder
    from neuromation.client.schemas import Job, Quote

LOG_LINES = 20  # of a project that failed

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Order without asking.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the job until it has finished.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the quote and stop.")]
DeadlineOption = Annotated[
    int, typer.Option("--deadline", min=10, metavar="SECONDS", help="The job must be done by then.")
]
ReserveOption = Annotated[
    str | None,
    typer.Option(
        "--reserve", metavar="NTK", help="The most you pay for one CU; default: a quarter above the estimate."
    ),
]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", min=0, metavar="SECONDS", help="Wait so long at most; exits with 124.")
]


class Declined(NeuromationError):
    """The customer said no."""


def buy(
    connection: Connection,
    make: Callable[[], AnyOrder],
    *,
    yes: bool,
    wait: bool,
    dry_run: bool,
    timeout_s: float | None,
    show: Callable[[Output, Job], None],
) -> None:
    """Quote, ask, order, follow and print the job. `make` gives the order; `show` prints a settled job for a person.

    Raises Declined, JobFailed, WaitTimedOut.
    """
    from neuromation.client.errors import checking

    out = connection.out
    with checking():
        order = make()
    quote = connection.client.quote(order)
    if dry_run:
        out.result(quote, lambda: show_quote(out, quote))
        return
    if not yes:
        _ask(out, quote)
    job = connection.client.order(quote)
    out.note(f"ordered: job {job.id}, at most {job.price_max} NTK")
    if not wait:
        out.result(job, lambda: out.say(job.id))
        return
    job = follow(connection, job.id, timeout_s=timeout_s)
    out.result(job, lambda: show(out, job) if job.state == "settled" else show_job(out, job))
    check_settled(job)


def _ask(out: Output, quote: Quote) -> None:
    """Show the quote and ask. With --json the quote goes to stderr, so that stdout stays one value."""
    if not sys.stdin.isatty():
        raise Invalid(
            f"nobody is there to agree to {quote.price_max} NTK; add --yes to order without asking, or --dry-run"
        )
    if out.as_json:
        out.note(f"estimate {quote.price_estimate} NTK ({quote.fiat_estimate}), at most {quote.price_max} NTK")
    else:
        show_quote(out, quote)
    if not typer.confirm(f"Hold {quote.price_max} NTK and order?", err=True):
        raise Declined("nothing was ordered")


def show_quote(out: Output, quote: Quote) -> None:
    """A quote for a person: what it consists of, in NTK and in ordinary money."""
    rows: list[tuple[str, str]] = [(line.what, f"{line.amount} NTK") for line in quote.lines]
    rows += [
        ("estimate", f"{quote.price_estimate} NTK"),
        ("in ordinary money", quote.fiat_estimate),
        ("held when you order, the rest flows back", f"{quote.price_max} NTK"),
    ]
    out.table(("quote " + quote.id, "amount>"), rows)
    out.facts(
        [
            ("work", f"{quote.tasks:,} tasks, {quote.cu:g} CU at about {quote.price_per_cu} NTK per CU"),
            ("nodes", f"{quote.nodes_eligible} could do it now"),
            ("time", f"about {quote.duration_estimate_s:.0f} s"),
            ("valid until", f"{quote.expires:%H:%M:%S} UTC"),
        ]
    )


def show_job(out: Output, job: Job) -> None:
    """A job for a person: state, tasks, result, bill."""
    tasks = {name: count for name, count in job.tasks.model_dump().items() if count}
    out.facts(
        [
            ("job", job.id),
            ("kind", job.kind),
            ("name", job.name),
            ("state", job.state + (f" ({job.reason})" if job.reason else "")),
            ("message", job.message),
            ("stage", "" if job.stage == job.state else job.stage),
            ("progress", f"{job.progress:.0%}"),
            ("tasks", ", ".join(f"{count} {name}" for name, count in tasks.items())),
            ("audits", ", ".join(f"{count} {name}" for name, count in job.audits.items())),
            ("price per CU", job.price_per_cu and f"{job.price_per_cu} NTK (cleared)"),
            ("at most", f"{job.price_max} NTK"),
            *((key, value) for key, value in result_facts(job.result) if key != "log"),
        ]
    )
    metrics = job.result.get("metrics")
    if isinstance(metrics, dict) and metrics:
        out.table(("metric", "value>"), [(name, f"{value:g}") for name, value in metrics.items()])
    for line in str(job.result.get("log", "")).rstrip().splitlines()[-LOG_LINES:]:
        out.note(f"  | {line}")
    show_bill(out, job)


def result_facts(result: dict[str, Any]) -> list[tuple[str, Any]]:
    """The plain facts of a result; tables inside it are left to --json."""
    return [(key.replace("_", " "), value) for key, value in result.items() if isinstance(value, str | int | float)]


def show_bill(out: Output, job: Job) -> None:
    """Who received what."""
    if job.bill is None:
        return
    rows = [(line.account, line.what, line.work, line.amount) for line in job.bill.lines]
    rows += [("", "held", "", job.bill.held), ("", "paid", "", job.bill.paid)]
    out.table(("account", "what", "work", "NTK>"), rows)
    if not job.bill.balanced:
        out.note("warning: the bill does not add up; tell the operator")
