"""The pictures inside the report: which facts go into which chart, and small PNGs as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from neuromation.cli import charts
from neuromation.cli.report import Auction, BillSummary, DemoFacts, Samples, Score, money
from neuromation.kernel.money import MICRO_PER_NTK, Ntk, total

_STAGES = {"platform": "s0", "generate": "c1", "train": "c2", "evaluate": "c4", "loop": "c3", "deliver": "c6"}
_KINDS = ("c1", "c2", "c3", "c4")
_TILE_TIMES = 6  # each pixel of a small picture becomes this many: crisp on screen and on paper
_TILE_MAX_PX = 96


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of the page."""

    uri: str
    alt: str
    label: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a confusion matrix: its look, and how strong its colour is, 0..1."""

    count: int
    look: str
    strength: float


@dataclass(frozen=True, slots=True)
class Drawings:
    """All that the template cannot draw by itself."""

    timeline: Markup
    accuracy: Markup
    per_class: Markup
    trials: Markup
    prices: Markup
    index: Markup
    bill: Markup
    samples: tuple[tuple[Samples, tuple[Tile, ...]], ...]
    worst: tuple[Tile, ...]
    confusion_before: tuple[tuple[Cell, ...], ...]
    confusion_after: tuple[tuple[Cell, ...], ...]
    ranges: tuple[Markup, ...]
    kinds: dict[str, str]


def drawings(facts: DemoFacts, bill: BillSummary) -> Drawings:
    """Every chart and picture of the report."""
    looks = kind_looks(facts.auctions)
    series = {kind: [(a.at_s, _value(a.price)) for a in facts.auctions if a.kind == kind] for kind in looks}
    spans = [charts.Span(step.name, step.start_s, step.end_s, _STAGES[step.stage]) for step in facts.steps]
    loop, before, after = facts.loop, facts.before, facts.after
    return Drawings(
        timeline=charts.timeline(spans, total_s=facts.total_s),
        accuracy=charts.estimates(
            [_estimate("before", before, "before"), _estimate("after", after, "after")], target=facts.target
        ),
        per_class=charts.dumbbells(facts.classes, before.per_class, after.per_class),
        trials=charts.trials(loop.trials, baseline=loop.baseline, chosen=loop.chosen),
        prices=charts.price_bars([_price_row(a, looks[a.kind]) for a in facts.auctions]),
        index=charts.price_index(series, looks),
        bill=_bill_bar(bill),
        samples=tuple((group, _tiles(group)) for group in facts.samples),
        worst=_worst(facts),
        confusion_before=_cells(before),
        confusion_after=_cells(after),
        ranges=tuple(
            charts.range_mark(low=p.low, high=p.high, default=p.default, tuned=p.tuned) for p in loop.parameters
        ),
        kinds=looks,
    )


def kind_looks(auctions: Sequence[Auction]) -> dict[str, str]:
    """A colour for each kind of work, in the order in which they first appear."""
    kinds = dict.fromkeys(auction.kind for auction in auctions)
    return {kind: _KINDS[index % len(_KINDS)] for index, kind in enumerate(kinds)}


def ink(image: NDArray[Any], value_max: float) -> NDArray[np.uint8]:
    """How much ink each pixel carries, 0..255, each small pixel enlarged to a square."""
    shares = np.clip(np.asarray(image, dtype=np.float64) / value_max, 0.0, 1.0)
    strength = np.rint(shares * 255).astype(np.uint8)
    times = max(1, min(_TILE_TIMES, _TILE_MAX_PX // max(strength.shape)))
    return strength.repeat(times, axis=0).repeat(times, axis=1)


def tile_uri(image: NDArray[Any], value_max: float) -> str:
    """A picture as a PNG in a data URI: black ink on a clear ground, so that the page chooses the paper."""
    from PIL import Image

    strength = ink(image, value_max)
    picture = Image.fromarray(np.stack([np.zeros_like(strength), strength], axis=-1), mode=None)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def _estimate(name: str, score: Score, look: str) -> charts.Estimate:
    return charts.Estimate(name, score.accuracy, *score.interval, look)


def _tiles(group: Samples) -> tuple[Tile, ...]:
    return tuple(
        Tile(tile_uri(image, group.value_max), f"{group.title}: {label}", label)
        for image, label in zip(group.images, group.labels, strict=True)
    )


def _worst(facts: DemoFacts) -> tuple[Tile, ...]:
    value_max = facts.samples[-1].value_max if facts.samples else 16
    return tuple(
        Tile(
            tile_uri(wrong.image, value_max),
            f"real {wrong.label}, taken for {wrong.predicted}",
            f"{wrong.label} → {wrong.predicted}",
            "" if wrong.confidence is None else f"{100 * wrong.confidence:.0f} % sure",
        )
        for wrong in facts.worst
    )


def _cells(score: Score) -> tuple[tuple[Cell, ...], ...]:
    """Hits are coloured by recall; mistakes by their share of the most frequent mistake, so that they can be seen."""
    mistakes = [n for i, row in enumerate(score.confusion) for j, n in enumerate(row) if i != j]
    most = max([*mistakes, 1])
    return tuple(
        tuple(
            Cell(n, "hit", round(n / max(sum(row), 1), 3)) if i == j else Cell(n, "miss", round(0.85 * n / most, 3))
            for j, n in enumerate(row)
        )
        for i, row in enumerate(score.confusion)
    )


def _value(price: str) -> float:
    """A price as a length on a chart; never for a sum."""
    return Ntk.parse(price).micro / MICRO_PER_NTK


def _price_row(auction: Auction, look: str) -> charts.PriceRow:
    bids = tuple((_value(bid.price), bid.tasks_won > 0) for bid in auction.bids if bid.price)
    return charts.PriceRow(auction.job, _value(auction.price), bids, look)


def _bill_bar(bill: BillSummary) -> Markup:
    """What was held, and below it what was paid, by recipient."""
    held = [
        charts.Part("paid", bill.paid.micro, f"{money(bill.paid)} NTK", "c1"),
        charts.Part("refunded", bill.refunded.micro, f"{money(bill.refunded)} NTK", "rest"),
    ]
    paid = []
    for who, look in bill.looks.items():
        amount = total([row.total for row in bill.rows if row.recipient == who and row.kind != "refund"])
        if amount:
            paid.append(charts.Part(who, amount.micro, money(amount), look))
    return charts.stacked([("held", held), ("paid", paid)])
