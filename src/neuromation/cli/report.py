"""The report at the end of a demo: its facts, the checks they must pass, one HTML file and one picture.

Owns what the reader is told; refuses to know where the facts come from, and to show a bill that does not add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.errors import Invalid, TooLarge
from neuromation.kernel.money import MICRO_PER_NTK, ZERO, Ntk, total

if TYPE_CHECKING:
    from jinja2 import Environment

REPORT_BYTES_MAX = 1_500_000
SAMPLES_MAX = 60  # tiles of one group
WORST_SHOWN_MAX = 24
STEPS_MAX = 60
BIDS_MAX = 200
TRIALS_MAX = 1_000
_ROUNDING = 1e-6

Stage = Literal["platform", "generate", "train", "evaluate", "loop", "deliver"]
Look = Literal["before", "after", "real"]
LINE_KINDS = ("work", "audit", "royalty", "commission", "refund")


class BadFacts(Invalid):
    """Facts that contradict each other, so that a report of them would mislead."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the chain, in the order of the story; seconds from the start of the run."""

    name: str
    stage: Stage
    start_s: float
    end_s: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Samples:
    """Pictures with labels: images (N, H, W) with values 0..value_max, ink high."""

    title: str
    note: str
    images: NDArray[Any]
    labels: tuple[str, ...]
    look: Look
    value_max: int = 16


@dataclass(frozen=True, slots=True)
class Score:
    """A model on one split of real pictures; `confusion[i][j]` counts pictures of class i taken for j."""

    accuracy: float
    interval: tuple[float, float]  # 95 % bootstrap
    confusion: tuple[tuple[int, ...], ...]

    @property
    def units(self) -> int:
        """The pictures measured on."""
        return sum(map(sum, self.confusion))

    @property
    def right(self) -> int:
        """The pictures recognised."""
        return sum(row[i] for i, row in enumerate(self.confusion))

    @property
    def per_class(self) -> tuple[float, ...]:
        """The share of each class's pictures that were recognised; 0 for a class without pictures."""
        return tuple(row[i] / max(sum(row), 1) for i, row in enumerate(self.confusion))


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """One real picture (H, W) that the final model got wrong; `confidence` in its answer 0..1, None when not known."""

    image: NDArray[Any]
    label: str
    predicted: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class TunedParameter:
    """One parameter of the generator, as it began and as the loop left it."""

    name: str
    low: float
    high: float
    default: float
    tuned: float


@dataclass(frozen=True, slots=True)
class Loop:
    """The search: accuracy on the validation split of each trial in order, None for one without an answer.

    `chosen` is the index of the trial whose parameters were taken, None when the defaults stayed.
    """

    baseline: float
    trials: tuple[float | None, ...]
    chosen: int | None
    parameters: tuple[TunedParameter, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bid:
    """One node's offer in an auction: NTK per CU ("" when it stayed sealed) and the tasks that it won."""

    node: str
    price: str
    tasks_won: int


@dataclass(frozen=True, slots=True)
class Auction:
    """One cleared auction; `price` is what the winners are paid, NTK per CU, `reserve` the most that was allowed."""

    job: str
    kind: str  # "render" | "train"
    price: str
    at_s: float  # seconds from the start of the run
    bids: tuple[Bid, ...] = ()
    reserve: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node at the end of the run; money in NTK, floors per CU."""

    name: str
    floor_render: str
    floor_train: str
    render_cu_per_s: float
    train_cu_per_s: float
    tasks: int
    audits_passed: int
    audits_failed: int
    earned: str
    stake: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class BillEntry:
    """One line of a bill; `kind` is one of LINE_KINDS, `recipient` the name a reader knows."""

    recipient: str
    kind: str
    amount: str
    work: str = ""


@dataclass(frozen=True, slots=True)
class JobBill:
    """What was held for one job, and where all of it went, the refund included."""

    job: str
    held: str
    lines: tuple[BillEntry, ...]


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A finished data set and the Merkle root over its units."""

    ref: str
    units: int
    merkle_root: str
    shards: int = 0


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One delivered file."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The delivered model: its files, and how far torch and ONNX Runtime differ on the same pictures."""

    ref: str
    network: str
    parameters: int
    files: tuple[FileFacts, ...]
    compared_units: int
    max_abs_diff: float
    same_answers: int


@dataclass(frozen=True, slots=True)
class Split:
    """One named part of the real pictures, and the one use it has."""

    name: str
    units: int
    used_for: str


@dataclass(frozen=True, slots=True)
class Gain:
    """The gain in accuracy on the same pictures: paired bootstrap interval, and the pictures won and lost."""

    gain: float
    low: float
    high: float
    better: int
    worse: int


@dataclass(frozen=True, slots=True)
class DemoFacts:
    """Everything that the report tells. Amounts are decimal texts in NTK.

    Args:
        when: the end of the run, with its time zone.
        command: what repeats the run.
        steps: the chain in order, as it is drawn.
        samples: two or three groups, such as synthetic before, synthetic after, real.
        synthetic_units: units of all data sets that were ordered, trials not counted.
        splits_rule: one sentence: how the splits are fixed.
        limits: sentences, in the order of their weight.
        target: the accuracy that the first model had to reach, or None.
    """

    title: str
    when: datetime
    version: str
    seed: int
    command: str
    total_s: float
    classes: tuple[str, ...]
    real_name: str
    synthetic_units: int
    steps: tuple[Step, ...]
    samples: tuple[Samples, ...]
    before: Score
    after: Score
    worst: tuple[WrongAnswer, ...]
    loop: Loop
    auctions: tuple[Auction, ...]
    nodes: tuple[NodeFacts, ...]
    bills: tuple[JobBill, ...]
    audits_done: int
    audits_failed: int
    ledger_balanced: bool
    datasets: tuple[DatasetFacts, ...]
    model: ModelFacts
    splits: tuple[Split, ...]
    splits_rule: str
    limits: tuple[str, ...]
    gain: Gain | None = None
    target: float | None = None
    machine: str = ""


@dataclass(frozen=True, slots=True)
class BillRow:
    """All that one recipient got for one kind of line: an amount a job (in the order of the bills) and their sum."""

    recipient: str
    kind: str
    amounts: tuple[Ntk, ...]
    total: Ntk
    look: str


@dataclass(frozen=True, slots=True)
class BillSummary:
    """The bills of all jobs by recipient; rows add up to `held` in every column."""

    jobs: tuple[str, ...]
    rows: tuple[BillRow, ...]
    held_each: tuple[Ntk, ...]
    held: Ntk
    paid: Ntk
    refunded: Ntk
    looks: Mapping[str, str] = field(default_factory=dict)  # recipient -> CSS class


def write_report(facts: DemoFacts, path: Path) -> None:
    """Write the report as one self-contained HTML file: no script, nothing loaded from elsewhere.

    Equal facts give equal bytes. Raises BadFacts when the facts contradict each other (a bill that does not add up, an
    accuracy that is not its confusion matrix's), TooLarge over REPORT_BYTES_MAX.
    """
    page = render_report(facts).encode()
    if len(page) > REPORT_BYTES_MAX:
        raise TooLarge(f"the report has {len(page):,} bytes, over {REPORT_BYTES_MAX:,}; pass fewer or smaller pictures")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page)


def render_report(facts: DemoFacts) -> str:
    """The report's HTML. Raises BadFacts."""
    from neuromation.cli.report_charts import drawings

    check_facts(facts)
    bill = summarise(facts.bills)
    template = _environment().from_string(files("neuromation.cli").joinpath("report.html.j2").read_text("utf-8"))
    return template.render(f=facts, bill=bill, charts=drawings(facts, bill), flow=facts.steps)


def summary_picture(facts: DemoFacts) -> bytes:
    """One PNG of 1200 x 630 with the run at a glance, for a README or a chat. Raises BadFacts."""
    from neuromation.cli.poster import poster

    check_facts(facts)
    return poster(facts, summarise(facts.bills))


def summarise(bills: Sequence[JobBill]) -> BillSummary:
    """The bills by recipient. Raises BadFacts where lines do not add up to what was held, to the micro-NTK."""
    cells: dict[tuple[str, str], list[Ntk]] = {}
    held = tuple(Ntk.parse(bill.held) for bill in bills)
    for column, bill in enumerate(bills):
        for line in bill.lines:
            row = cells.setdefault((line.recipient, line.kind), [ZERO] * len(bills))
            row[column] += Ntk.parse(line.amount)
        found = total([row[column] for row in cells.values()])
        if found != held[column]:
            raise BadFacts(
                f"the bill of {bill.job} adds up to {found} NTK but {held[column]} NTK were held; report every line"
            )
    looks = _looks(cells)
    order = sorted(cells, key=lambda key: (_rank(key[1]), key[0]))
    rows = tuple(
        BillRow(who, kind, tuple(cells[who, kind]), total(cells[who, kind]), looks[who]) for who, kind in order
    )
    refunded = total([row.total for row in rows if row.kind == "refund"])
    whole = total(held)
    return BillSummary(tuple(b.job for b in bills), rows, held, whole, whole - refunded, refunded, looks)


def check_facts(facts: DemoFacts) -> None:
    """Refuse facts that cannot all be true, or that are too many to show. Raises BadFacts."""
    for name, score in (("before", facts.before), ("after", facts.after)):
        _check_score(name, score, len(facts.classes))
    for group in facts.samples:
        if len(group.images) != len(group.labels) or len(group.labels) > SAMPLES_MAX:
            raise BadFacts(
                f"{group.title!r} has {len(group.images)} pictures and {len(group.labels)} labels; "
                f"give as many labels as pictures, at most {SAMPLES_MAX}"
            )
    if facts.loop.chosen is not None and not 0 <= facts.loop.chosen < len(facts.loop.trials):
        raise BadFacts(f"trial {facts.loop.chosen} was chosen but only {len(facts.loop.trials)} trials are given")
    strangers = {bid.node for auction in facts.auctions for bid in auction.bids} - {node.name for node in facts.nodes}
    if strangers:
        raise BadFacts(f"bids came from {sorted(strangers)[:4]}, who are not among the nodes; report every node")
    bids = max((len(auction.bids) for auction in facts.auctions), default=0)
    for what, count, most in (
        ("steps", len(facts.steps), STEPS_MAX),
        ("trials", len(facts.loop.trials), TRIALS_MAX),
        ("wrong answers", len(facts.worst), WORST_SHOWN_MAX),
        ("bids of one auction", bids, BIDS_MAX),
    ):
        if count > most:
            raise BadFacts(f"{count} {what} are too many for a page; give at most {most}")


def pick_samples(
    images: NDArray[Any],
    labels: Sequence[int],
    classes: Sequence[str],
    *,
    title: str,
    note: str,
    look: Look,
    rows: int = 3,
) -> Samples:
    """The first `rows` pictures of each class, in the order 0..9, 0..9, ...: what a contact strip shows."""
    numbers = np.asarray(labels)
    found = [np.flatnonzero(numbers == index)[:rows] for index in range(len(classes))]
    order = [int(of_class[row]) for row in range(rows) for of_class in found if row < len(of_class)]
    return Samples(title, note, np.asarray(images)[order], tuple(classes[int(numbers[i])] for i in order), look)


def money(amount: Ntk) -> str:
    """An amount with all six decimals, so that a column of them lines up at the point."""
    whole, fraction = divmod(abs(amount.micro), MICRO_PER_NTK)
    return f"{'-' if amount.micro < 0 else ''}{whole:,}.{fraction:06d}"


def _check_score(name: str, score: Score, classes: int) -> None:
    if len(score.confusion) != classes or any(len(row) != classes for row in score.confusion):
        raise BadFacts(f"the confusion matrix {name} must be {classes} x {classes}, a row and a column for each class")
    if score.units < 1 or abs(score.right / score.units - score.accuracy) > _ROUNDING:
        raise BadFacts(f"the accuracy {name} is given as {score.accuracy} but {score.right} of {score.units} are right")


def _rank(kind: str) -> int:
    return LINE_KINDS.index(kind) if kind in LINE_KINDS else len(LINE_KINDS) - 2


def _looks(cells: Mapping[tuple[str, str], object]) -> dict[str, str]:
    """A colour for each recipient, in the order of the table; the refund is grey."""
    looks: dict[str, str] = {}
    for who, kind in sorted(cells, key=lambda key: (_rank(key[1]), key[0])):
        looks.setdefault(who, "rest" if kind == "refund" else f"c{len(looks) % 7 + 1}")
    return looks


def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "money": money,
        "ntk": lambda text: money(Ntk.parse(text)),
        "percent": lambda share: f"{100 * share:.2f} %",
        "interval": lambda ends: f"{100 * ends[0]:.2f} – {100 * ends[1]:.2f} %",
        "points": lambda share: f"{100 * share:+.2f}",
        "count": lambda number: f"{number:,}",
        "number": lambda number: f"{number:.4g}",
    }
    return environment
