"""The drawings of a report as SVG: bars with intervals, the reliability diagram, cells of a confusion matrix.

Owns shapes and places; colours are the page's, by class names. Refuses to know where figures come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from neuromation.learning.evaluation.figures import Bin, Figure

ROW_PX = 26
NAME_MAX = 26  # characters of a class's name beside its bar
CLASSES_SHOWN_MAX = 60
MATRIX_MAX = 32  # classes; a larger matrix is told as its largest mistakes
_LEFT, _WIDTH = 190, 640
_PLOT = _WIDTH - _LEFT - 140


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a confusion matrix: "hit" or "miss", and how strong its colour is, 0..1."""

    count: int
    look: str
    strength: float


def bars(rows: Sequence[tuple[str, Figure | None, Figure, str]]) -> Markup:
    """One bar a row with its interval, and a ring where the synthetic figure lies.

    Args:
        rows: name, synthetic figure or None, real figure, and a word on how many samples.
    """
    height = ROW_PX * len(rows) + 30
    parts = [_grid(height - 24)]
    for number, (name, synthetic, real, count) in enumerate(rows):
        y = 8 + number * ROW_PX
        short = name if len(name) <= NAME_MAX else f"{name[: NAME_MAX - 1]}…"
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 13}" text-anchor="end">{escape(short)}</text>')
        parts.append(_bar(real, y))
        if synthetic is not None and not math.isnan(synthetic.value):
            parts.append(f'<circle class="ring" cx="{_x(synthetic.value):.1f}" cy="{y + 9}" r="5"/>')
        label = "–" if math.isnan(real.value) else f"{real.value:.2f}"
        parts.append(f'<text x="{_WIDTH - 122}" y="{y + 13}" class="strong">{label}</text>')
        parts.append(f'<text x="{_WIDTH}" y="{y + 13}" text-anchor="end" class="faint">{escape(count)}</text>')
    return _svg(_WIDTH, height, parts, "bars")


def _bar(real: Figure, y: int) -> str:
    if math.isnan(real.value):
        return ""
    bar = f'<rect class="bar" x="{_LEFT}" y="{y}" width="{max(1.0, _x(real.value) - _LEFT):.1f}" height="18" rx="3"/>'
    if math.isnan(real.low):
        return bar
    return f'{bar}<line class="whisker" x1="{_x(real.low):.1f}" x2="{_x(real.high):.1f}" y1="{y + 9}" y2="{y + 9}"/>'


def _x(value: float) -> float:
    return _LEFT + _PLOT * min(1.0, max(0.0, value))


def _grid(bottom: int) -> str:
    lines = []
    for step in range(5):
        x = _x(step / 4)
        lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{bottom}"/>')
        lines.append(f'<text class="faint" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{step / 4:g}</text>')
    return "".join(lines)


def reliability_chart(real: Sequence[Bin], synthetic: Sequence[Bin]) -> Markup:
    """The share that is right over confidence; on the dashed line both are equal. Larger dots stand for more answers."""
    size, edge = 320, 44

    def at(x: float, y: float) -> tuple[float, float]:
        return edge + x * (size - edge - 12), size - edge - y * (size - edge - 12)

    parts = []
    for step in range(5):
        value = step / 4
        (x, bottom), (left, y) = at(value, 0), at(0, value)
        right, top = at(1, 1)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>')
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="faint" x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{value:g}</text>')
        parts.append(f'<text class="faint" x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
    parts.append(f'<line class="even" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>')
    parts.append(f'<text class="faint" x="{(x0 + x1) / 2:.1f}" y="{size - 6}" text-anchor="middle">confidence</text>')
    for look, bins in (("synthetic", synthetic), ("real", real)):
        if bins:
            most = max(one.count for one in bins)
            path = " ".join("{:.1f},{:.1f}".format(*at(one.confidence, one.right)) for one in bins)
            parts.append(f'<polyline class="{look}" points="{path}"/>')
            for one in bins:
                x, y = at(one.confidence, one.right)
                parts.append(
                    f'<circle class="{look}" cx="{x:.1f}" cy="{y:.1f}" r="{2.5 + 5 * math.sqrt(one.count / most):.1f}">'
                    f"<title>{one.count} answers, {one.confidence:.2f} sure, {one.right:.2f} right</title></circle>"
                )
    return _svg(size, size, parts, "reliability")


def confusion_cells(confusion: Sequence[Sequence[int]]) -> list[list[Cell]]:
    """The cells of a square matrix; hits deepen with the share of their row, mistakes with the largest mistake."""
    wrong = max((n for i, row in enumerate(confusion) for j, n in enumerate(row) if i != j), default=0)
    rows = []
    for i, row in enumerate(confusion):
        total = max(1, sum(row))
        rows.append(
            [
                Cell(n, "hit", n / total) if i == j else Cell(n, "miss", 0.85 * n / max(1, wrong))
                for j, n in enumerate(row)
            ]
        )
    return rows


def largest_mistakes(
    confusion: Sequence[Sequence[int]], names: Sequence[str], *, most: int = 20
) -> list[tuple[str, str, int]]:
    """(truth, answer, count) of the most frequent mistakes."""
    found = [(names[i], names[j], n) for i, row in enumerate(confusion) for j, n in enumerate(row) if i != j and n]
    return sorted(found, key=lambda row: -row[2])[:most]


def _svg(width: int, height: int, parts: Sequence[str], look: str) -> Markup:
    return Markup(  # noqa: S704 - numbers, and names that were escaped above
        f'<svg class="chart {look}" viewBox="0 0 {width} {height}" role="img">{"".join(parts)}</svg>'
    )
