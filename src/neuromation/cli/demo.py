"""`neuromation demo`: the whole chain on this machine, real in every part, in a few minutes."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuromation.cli.commands import needing
from neuromation.cli.output import Output

if TYPE_CHECKING:
    from neuromation.cli.report import DemoFacts
    from neuromation.cli.story import Story
    from neuromation.client.schemas import JobEvent

POLICY = {"bidding_s": 5.0}
REPORT_DIR = Path("demo-report")


def command(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Fixes every draw: data, trainings, trials.")] = 1,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the platform and its nodes running; print the address.")
    ] = False,
    report: Annotated[Path, typer.Option(help="The folder for the report.")] = REPORT_DIR,
    unsafe: Annotated[bool, typer.Option("--unsafe-no-sandbox", help="Run tasks without a sandbox.")] = False,
) -> None:
    """A platform, four competing nodes, a customer: a data set is generated, a model trained on it and measured on real
    digits; the loop re-tunes the generator, and all of it is done again, verified and paid.

    Example: neuromation demo --seed 1
    """
    out = Output(as_json=as_json)
    with needing("demo"):
        import jinja2
        import sklearn

        assert jinja2 and sklearn
    from neuromation.cli.stage import Stage

    home = Path(tempfile.mkdtemp(prefix="neuromation-demo-"))
    start = time.monotonic()
    out.note("starting a platform: PostgreSQL, API, worker")
    stage = Stage(home, policy=POLICY)
    done = False
    try:
        out.note(f"the platform answers at {stage.endpoint}")
        facts, summary = _play(stage, out, seed=seed, unsafe=unsafe, start=start, report=report)
        out.result(summary, lambda: _show(out, facts, summary))
        if keep:
            _stay(out, stage.endpoint, home)
        done = True
    finally:
        stage.close()
        if done:
            shutil.rmtree(home, ignore_errors=True)
        else:
            out.note(f"what the platform and the nodes said is kept in {home}")


def _play(
    stage: Any, out: Output, *, seed: int, unsafe: bool, start: float, report: Path
) -> tuple[DemoFacts, dict[str, Any]]:
    """The story, its report on disk, and its summary."""
    from neuromation.cli.demo_facts import facts_of
    from neuromation.cli.report import summary_picture, write_report
    from neuromation.cli.story import Sizes, Story

    teller = _Teller(out)
    story = Story(stage, seed=seed, sizes=Sizes(), say=teller.say, on_event=teller.hear)
    try:
        story.play(unsafe=unsafe)
        audit = story.operator.admin_audit()
        facts = facts_of(story, total_s=time.monotonic() - start, audit=audit)
        write_report(facts, report / "index.html")
        (report / "summary.png").write_bytes(summary_picture(facts))
        _deliver(story, report)
        return facts, _summary(story, facts, report)
    finally:
        story.close()


def _deliver(story: Story, report: Path) -> None:
    """Download the final model, as its customer would."""
    version = story.customer.model(story.acts[5].job.result["version"])
    story.customer.download(version, report / "model")


def _summary(story: Story, facts: DemoFacts, report: Path) -> dict[str, Any]:
    """What `--json` prints."""
    from neuromation.cli.report import summarise

    bill = summarise(facts.bills)
    rows = [{"recipient": row.recipient, "kind": row.kind, "amount": str(row.total)} for row in bill.rows]
    return {
        "real_accuracy_before": facts.before.accuracy,
        "real_accuracy_after": facts.after.accuracy,
        "real_accuracy_before_interval": list(facts.before.interval),
        "real_accuracy_after_interval": list(facts.after.interval),
        "real_test_units": facts.after.units,
        "synthetic_units": facts.synthetic_units,
        "nodes": [{"name": n.name, "earned": n.earned, "tasks": n.tasks, "state": n.state} for n in facts.nodes],
        "clearing_prices": [{"job": a.job, "kind": a.kind, "price_per_cu": a.price} for a in facts.auctions],
        "bill": {"held": str(bill.held), "paid": str(bill.paid), "refunded": str(bill.refunded), "lines": rows},
        "audits": {"done": facts.audits_done, "failed": facts.audits_failed},
        "ledger_balanced": facts.ledger_balanced,
        "dataset": facts.datasets[-1].ref,
        "model": facts.model.ref,
        "model_files": str((report / "model").resolve()),
        "report": str((report / "index.html").resolve()),
        "seconds": round(facts.total_s, 1),
        "steps": [{"name": s.name, "seconds": round(s.end_s - s.start_s, 1)} for s in facts.steps],
        "seed": story.seed,
    }


def _show(out: Output, facts: DemoFacts, summary: dict[str, Any]) -> None:
    """The end of the demo, for a person."""
    low, high = facts.after.interval
    bill = summary["bill"]
    gain = (facts.after.accuracy - facts.before.accuracy) * 100
    out.say()
    out.facts(
        [
            ("real digits, before the loop", f"{facts.before.accuracy:.2%} of {facts.before.units:,} never seen"),
            (
                "real digits, after the loop",
                f"{facts.after.accuracy:.2%} ({gain:+.2f} points; 95 % interval {low:.2%} to {high:.2%})",
            ),
            ("trained on", f"{facts.synthetic_units:,} synthetic units in two data sets, no real one"),
            ("verified", f"{facts.audits_done} audits, {facts.audits_failed} failed"),
            ("paid", f"{bill['paid']} NTK of {bill['held']} held; {bill['refunded']} flowed back"),
            (
                "books",
                "balanced to the micro-NTK" if facts.ledger_balanced else "NOT balanced: see `neuromation admin audit`",
            ),
            ("model", f"{facts.model.ref}, in {summary['model_files']}"),
            ("took", f"{facts.total_s:.0f} s"),
        ]
    )
    out.say()
    rows = [(row["recipient"], row["kind"], row["amount"]) for row in bill["lines"]]
    out.table(("who", "for", "NTK>"), rows)
    out.say(f"\nreport: {summary['report']}")


def _stay(out: Output, endpoint: str, home: Path) -> None:
    """Wait for Ctrl-C with everything running."""
    out.note(f"the platform goes on at {endpoint} (operator's login: {home}/platform/operator.json); Ctrl-C ends it")
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    done.wait()


class _Teller:
    """Tells the story as it happens, on stderr: a line for what matters, one that moves for progress."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._start = time.monotonic()
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def say(self, text: str) -> None:
        self._clear()
        self._out.note(f"{time.monotonic() - self._start:6.1f} s  {text}")

    def hear(self, title: str, event: JobEvent) -> None:
        if event.type == "progress":
            self._progress(title, float(event.data.get("fraction") or 0))
            return
        text = _line(event)
        if text:
            self.say(f"   {text}")

    def _progress(self, title: str, fraction: float) -> None:
        if self._live:
            width = 30
            bar = "━" * round(fraction * width)
            sys.stderr.write(f"\r\033[K          {title} {bar:─<{width}} {fraction:4.0%}")
            sys.stderr.flush()

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\033[K")


def _line(event: JobEvent) -> str:
    """An event as a sentence; empty for what is not worth a line."""
    data = event.data
    if event.type == "award":
        won = ", ".join(str(count) for count in data["nodes"].values())
        winners = f"{len(data['nodes'])} nodes won {won} tasks"
        return f"auction cleared at {data['price_per_cu']} NTK/CU ({data['mechanism']}); {winners}"
    if event.type == "round":
        return f"round {data['round'] + 1}: {data['held_out_accuracy']:.1%} on held-out synthetic data"
    if event.type == "trial":
        again = ", once more" if data["final"] else ""
        return f"trial {data['number']}: {data['accuracy']:.2%} on the real validation split{again}"
    if event.type == "audit" and data["verdict"] != "pass":
        return f"audit: {data['verdict']}"
    if event.type in ("warning", "task"):
        return str(data.get("message") or data.get("rejected") or data.get("banned") or data)
    return ""
