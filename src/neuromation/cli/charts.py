"""Small inline SVG charts from plain numbers; knows neither the report nor the platform.

Colours and fonts are CSS classes of the page that shows the chart, so that one drawing serves light, dark and paper.
Every chart is one `<svg role="img">` whose label says in words what it shows; every text that comes in is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

WIDTH = 520.0  # of half a page, in user units; a full page has twice that
_ROW = 27.0
_TICK_STEPS = (1, 2, 2.5, 5, 10)
_BAR_LABEL_MIN = 46.0  # a part of a stacked bar narrower than this carries no number
_LABEL_MAX = 26  # characters of a row's label

# Markup.format escapes whatever is put in.
_RECT = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="{:g}" class="{}"/>')
_LINE = Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>')
_DOT = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{:g}" class="{}"/>')
_TEXT = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>')
_SVG = Markup('<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}" class="chart {}">{}</svg>')
_PATH = Markup('<polyline points="{}" class="{}"/>')


@dataclass(frozen=True, slots=True)
class Span:
    """One bar on a time line: seconds from the start, and the CSS class of its colour."""

    name: str
    start_s: float
    end_s: float
    look: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """One measured share with its interval."""

    name: str
    value: float
    low: float
    high: float
    look: str


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One auction: its clearing price, and (price, won) of each bid that is known."""

    name: str
    price: float
    bids: tuple[tuple[float, bool], ...]
    look: str


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a stacked bar; `words` is what the reader sees on it."""

    name: str
    size: int
    words: str
    look: str


@dataclass(slots=True)
class _Svg:
    """An SVG under construction."""

    width: float
    height: float
    parts: list[Markup] = field(default_factory=list)

    def rect(self, x: float, y: float, width: float, height: float, look: str, *, round_by: float = 3) -> None:
        self.parts.append(_RECT.format(x, y, max(width, 0.8), height, round_by, look))

    def line(self, x1: float, y1: float, x2: float, y2: float, look: str) -> None:
        self.parts.append(_LINE.format(x1, y1, x2, y2, look))

    def dot(self, x: float, y: float, look: str, *, radius: float = 5) -> None:
        self.parts.append(_DOT.format(x, y, radius, look))

    def text(self, x: float, y: float, words: str, look: str = "", *, anchor: str = "start") -> None:
        self.parts.append(_TEXT.format(x, y, anchor, look, words))

    def path(self, points: Sequence[tuple[float, float]], look: str) -> None:
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(_PATH.format(steps, look))

    def done(self, label: str, look: str = "") -> Markup:
        return _SVG.format(self.width, self.height, label, look, Markup("").join(self.parts))


@dataclass(frozen=True, slots=True)
class _Scale:
    """A straight map from values to user units."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def round_ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """About `count` round values that lie between low and high, both included where they are round."""
    if not high > low:
        return [low]
    raw = (high - low) / max(count, 1)
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(base * factor for factor in _TICK_STEPS if base * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def timeline(spans: Sequence[Span], *, total_s: float) -> Markup:
    """A Gantt chart: one row a span, its seconds beside it."""
    left, top = 34.0 + 7.3 * min(max((len(s.name) for s in spans), default=0), _LABEL_MAX), 8.0
    svg = _Svg(2 * WIDTH, top + len(spans) * _ROW + 30)
    scale = _Scale(0.0, max([total_s, *(s.end_s for s in spans)], default=1.0), left, 2 * WIDTH - 60)
    bottom = top + len(spans) * _ROW
    for tick in round_ticks(scale.low, scale.high, count=8):
        svg.line(scale.at(tick), top, scale.at(tick), bottom, "grid")
        svg.text(scale.at(tick), bottom + 18, f"{tick:g} s", "faint", anchor="middle")
    for row, span in enumerate(spans):
        y = top + row * _ROW
        svg.text(left - 12, y + 17, _short(span.name), anchor="end")
        svg.rect(scale.at(span.start_s), y + 5, scale.at(span.end_s) - scale.at(span.start_s), _ROW - 10, span.look)
        svg.text(scale.at(span.end_s) + 7, y + 17, f"{span.end_s - span.start_s:.1f} s", "faint")
    words = "; ".join(f"{s.name} {s.end_s - s.start_s:.1f} s" for s in spans)
    return svg.done(f"Time line of the steps: {words}", "wide")


def estimates(rows: Sequence[Estimate], *, target: float | None = None) -> Markup:
    """Shares as dots with their intervals on one common, cut axis; `target` is a dashed line."""
    left, top = 110.0, 26.0
    svg = _Svg(WIDTH, top + len(rows) * 46 + 30)
    known = [v for r in rows for v in (r.low, r.high, r.value)] + ([] if target is None else [target])
    scale = _Scale(max(0.0, min(known) - 0.012), min(1.0, max(known) + 0.012), left, WIDTH - 24)
    bottom = top + len(rows) * 46
    _percent_axis(svg, scale, top=top - 6, bottom=bottom)
    if target is not None:
        svg.line(scale.at(target), top - 6, scale.at(target), bottom, "target")
        svg.text(scale.at(target), top - 12, f"target {100 * target:g} %", "faint", anchor="middle")
    for index, row in enumerate(rows):
        y = top + index * 46 + 26
        svg.text(left - 14, y + 5, _short(row.name), "strong", anchor="end")
        svg.line(scale.at(row.low), y, scale.at(row.high), y, f"whisker {row.look}")
        svg.dot(scale.at(row.value), y, row.look, radius=7)
        svg.text(scale.at(row.value), y - 13, f"{100 * row.value:.2f} %", "strong", anchor="middle")
    said = "; ".join(f"{r.name} {r.value:.2%}, interval {r.low:.2%} to {r.high:.2%}" for r in rows)
    return svg.done(f"Accuracy with 95 percent intervals: {said}")


def dumbbells(names: Sequence[str], before: Sequence[float], after: Sequence[float]) -> Markup:
    """One row a class: the share before, the share after, and the way between them."""
    left, top, right = 70.0, 8.0, 74.0
    svg = _Svg(WIDTH, top + len(names) * _ROW + 28)
    low = min([*before, *after], default=0.0)
    scale = _Scale(max(0.0, low - 0.03), 1.0, left, WIDTH - right)
    bottom = top + len(names) * _ROW
    _percent_axis(svg, scale, top=top, bottom=bottom)
    for row, (name, old, new) in enumerate(zip(names, before, after, strict=True)):
        y = top + row * _ROW + _ROW / 2
        svg.text(left - 16, y + 5, _short(name, 9), anchor="end")
        svg.line(scale.at(old), y, scale.at(new), y, "way-up" if new >= old else "way-down")
        svg.dot(scale.at(old), y, "before", radius=5)
        svg.dot(scale.at(new), y, "after", radius=5.5)
        svg.text(WIDTH - 8, y + 5, f"{100 * (new - old):+.1f}", "good" if new >= old else "bad", anchor="end")
    said = "; ".join(f"{n} {old:.1%} to {new:.1%}" for n, old, new in zip(names, before, after, strict=True))
    return svg.done(f"Accuracy of each class before and after the loop: {said}")


def trials(values: Sequence[float | None], *, baseline: float, chosen: int | None) -> Markup:
    """The trials of a search in order: each value, the best so far, the baseline and the chosen one."""
    left, top, height = 52.0, 26.0, 190.0
    svg = _Svg(WIDTH, top + height + 44)
    known = [v for v in values if v is not None] + [baseline]
    pad = 0.08 * (max(known) - min(known)) + 0.004
    across = _Scale(-0.5, max(len(values) - 0.5, 0.5), left, WIDTH - 16)
    up = _Scale(max(0.0, min(known) - pad), min(1.0, max(known) + pad), top + height, top)
    for tick in round_ticks(up.low, up.high, count=4):
        svg.line(left, up.at(tick), WIDTH - 16, up.at(tick), "grid")
        svg.text(left - 8, up.at(tick) + 4, f"{100 * tick:g} %", "faint", anchor="end")
    svg.line(left, up.at(baseline), WIDTH - 16, up.at(baseline), "target")
    svg.text(WIDTH - 18, up.at(baseline) + 15, f"defaults {100 * baseline:.1f} %", "faint", anchor="end")
    svg.path(_best_so_far(values, across, up), "climb")
    for index, value in enumerate(values):
        if value is not None and index != chosen:
            svg.dot(across.at(index), up.at(value), "trial", radius=4)
    picked = values[chosen] if chosen is not None else None
    if chosen is not None and picked is not None:
        x = across.at(chosen)
        svg.dot(x, up.at(picked), "after", radius=7)
        side = "end" if x > WIDTH / 2 else "start"
        svg.text(
            x + (-2 if side == "end" else 2), up.at(picked) - 12, f"chosen {100 * picked:.1f} %", "strong", anchor=side
        )
    for tick in round_ticks(1, max(len(values), 2), count=8):
        if tick == int(tick):
            svg.text(across.at(tick - 1), top + height + 18, f"{tick:g}", "faint", anchor="middle")
    svg.text((left + WIDTH) / 2, top + height + 37, "trial", "faint", anchor="middle")
    return svg.done(f"Accuracy of {len(values)} trials; defaults {baseline:.1%}; best {max(known):.1%}")


def range_mark(*, low: float, high: float, default: float, tuned: float) -> Markup:
    """A small bar for a table's cell: the range, a tick for the default, a dot for the tuned value."""
    svg = _Svg(130, 18)
    scale = _Scale(low, high, 8, 122)
    svg.line(8, 9, 122, 9, "track")
    svg.line(scale.at(default), 9, scale.at(tuned), 9, "way-up")
    svg.line(scale.at(default), 3, scale.at(default), 15, "tick")
    svg.dot(scale.at(tuned), 9, "after", radius=4.5)
    return svg.done(f"from {default:g} to {tuned:g}, range {low:g} to {high:g}", "mark")


def price_bars(rows: Sequence[PriceRow]) -> Markup:
    """One bar an auction up to its clearing price; filled dots are bids that won, hollow ones lost."""
    left, top = 178.0, 6.0
    svg = _Svg(WIDTH, top + len(rows) * 34 + 44)
    highest = max([r.price for r in rows] + [p for r in rows for p, _ in r.bids], default=0.0) or 1.0
    scale = _Scale(0.0, highest * 1.06, left, WIDTH - 20)
    bottom = top + len(rows) * 34
    for tick in round_ticks(0.0, scale.high, count=4):
        svg.line(scale.at(tick), top, scale.at(tick), bottom, "grid")
        svg.text(scale.at(tick), bottom + 18, f"{tick:g}", "faint", anchor="middle")
    svg.text((left + WIDTH) / 2, bottom + 37, "NTK per CU", "faint", anchor="middle")
    for index, row in enumerate(rows):
        y = top + index * 34
        svg.text(left - 12, y + 21, _short(row.name, 23), anchor="end")
        svg.rect(left, y + 7, scale.at(row.price) - left, 19, f"{row.look} soft")
        svg.line(scale.at(row.price), y + 4, scale.at(row.price), y + 29, f"edge {row.look}")
        for price, won in row.bids:
            svg.dot(scale.at(price), y + 16.5, row.look if won else f"{row.look} hollow", radius=4.5)
    said = "; ".join(f"{r.name} {r.price:g}" for r in rows)
    return svg.done(f"Clearing price of each auction in NTK per CU: {said}")


def price_index(series: Mapping[str, Sequence[tuple[float, float]]], looks: Mapping[str, str]) -> Markup:
    """Clearing prices over time: (seconds, price) of each kind of work, as steps."""
    left, top, height = 56.0, 12.0, 190.0
    svg = _Svg(WIDTH, top + height + 44)
    points = [p for line in series.values() for p in line]
    across = _Scale(0.0, max((t for t, _ in points), default=1.0) * 1.08 or 1.0, left, WIDTH - 60)
    up = _Scale(0.0, max((p for _, p in points), default=1.0) * 1.15 or 1.0, top + height, top)
    for tick in round_ticks(0.0, up.high, count=4):
        svg.line(left, up.at(tick), WIDTH - 60, up.at(tick), "grid")
        svg.text(left - 8, up.at(tick) + 4, f"{tick:g}", "faint", anchor="end")
    for tick in round_ticks(0.0, across.high, count=5):
        svg.text(across.at(tick), top + height + 18, f"{tick:g} s", "faint", anchor="middle")
    svg.text(left, top + height + 38, "NTK per CU, over the time of the run", "faint")
    for kind, line in series.items():
        ordered = sorted(line)
        steps = [(across.at(t), up.at(p)) for t, p in _stairs(ordered, across.high)]
        svg.path(steps, f"step {looks[kind]}")
        for t, p in ordered:
            svg.dot(across.at(t), up.at(p), looks[kind], radius=4)
        if ordered:
            svg.text(WIDTH - 54, up.at(ordered[-1][1]) + 4, _short(kind, 8), "strong")
    said = "; ".join(f"{k}: " + ", ".join(f"{p:g}" for _, p in sorted(v)) for k, v in series.items())
    return svg.done(f"Price index in NTK per CU. {said}")


def stacked(rows: Sequence[tuple[str, Sequence[Part]]]) -> Markup:
    """Bars of equal length cut in proportion to their parts, which are whole numbers of one unit."""
    left, height = 130.0, 44.0
    svg = _Svg(2 * WIDTH, len(rows) * (height + 14) + 2)
    for index, (name, parts) in enumerate(rows):
        y = index * (height + 14) + 4
        svg.text(left - 14, y + height / 2 + 5, _short(name, 16), "strong", anchor="end")
        whole, x = sum(p.size for p in parts) or 1, left
        for part in parts:
            width = (2 * WIDTH - left) * part.size / whole
            if part.size:
                svg.rect(x, y, width - 1.5, height, part.look, round_by=2)
            if width >= _BAR_LABEL_MIN + 4 * len(part.words):
                svg.text(x + 9, y + 19, _short(part.name, int(width / 8)), "on-fill strong")
                svg.text(x + 9, y + 35, part.words, "on-fill")
            x += width
    said = ". ".join(f"{n}: " + ", ".join(f"{p.name} {p.words}" for p in parts) for n, parts in rows)
    return svg.done(said, "wide")


def _percent_axis(svg: _Svg, scale: _Scale, *, top: float, bottom: float) -> None:
    for tick in round_ticks(scale.low, scale.high, count=5):
        svg.line(scale.at(tick), top, scale.at(tick), bottom, "grid")
        svg.text(scale.at(tick), bottom + 18, f"{100 * tick:g} %", "faint", anchor="middle")


def _best_so_far(values: Sequence[float | None], across: _Scale, up: _Scale) -> list[tuple[float, float]]:
    best = -math.inf
    path: list[tuple[float, float]] = []
    for index, value in enumerate(values):
        if value is not None and value > best:
            if path:
                path.append((across.at(index), path[-1][1]))
            best = value
            path.append((across.at(index), up.at(value)))
    return [*path, (across.at(len(values) - 1), path[-1][1])] if path else []


def _stairs(line: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    steps: list[tuple[float, float]] = []
    for t, price in line:
        if steps:
            steps.append((t, steps[-1][1]))
        steps.append((t, price))
    return [*steps, (end, steps[-1][1])] if steps else []


def _short(words: str, length: int = _LABEL_MAX) -> str:
    return words if len(words) <= length else words[: max(length - 1, 1)] + "…"
