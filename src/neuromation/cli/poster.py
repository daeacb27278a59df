"""The run at a glance as one PNG for a README; owns its layout, takes the report's facts as they are."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuromation.cli.report_charts import ink, kind_looks
from neuromation.kernel.money import Ntk

if TYPE_CHECKING:
    from PIL import ImageDraw

    from neuromation.cli.report import BillSummary, DemoFacts, Samples, Score

WIDTH, HEIGHT = 1200, 630
_PAPER, _CARD, _INK, _SOFT, _LINE = "#f6f7f7", "#ffffff", "#15212b", "#55626e", "#dfe4e7"
_ACCENT, _BEFORE, _TILE, _MISS = (10, 108, 103), (123, 136, 148), "#f3f0e9", (179, 38, 46)
_COLOURS = {"c1": "#0a6c67", "c2": "#2f62a8", "c3": "#9a5b05", "c4": "#7547a0"}
_STRIPES = {"before": "#7b8894", "after": "#0a6c67", "real": "#2f62a8"}
_MARGIN, _GAP = 40, 20
_STRIP_TILES, _STRIP_ROWS, _TILE_PX = 10, 2, 48
_BARS_MAX = 5
_CLASSES_SHOWN_MAX = 20

Colour = str | tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Pen:
    """Pillow's draw with the poster's fonts."""

    draw: ImageDraw.ImageDraw

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float,
        colour: Colour = _INK,
        *,
        bold: bool = False,
        anchor: str = "la",
    ) -> None:
        from PIL import ImageFont

        stroke = size / 36 if bold else 0
        font = ImageFont.load_default(size)
        self.draw.text((x, y), words, fill=colour, font=font, anchor=anchor, stroke_width=stroke, stroke_fill=colour)

    def card(self, x: int, y: int, width: int, height: int) -> None:
        self.draw.rounded_rectangle((x, y, x + width, y + height), 10, fill=_CARD, outline=_LINE)

    def bar(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        self.draw.rectangle((round(x), round(y), round(x + max(width, 1)), round(y + height)), fill=colour)


def poster(facts: DemoFacts, bill: BillSummary) -> bytes:
    """A PNG of 1200 x 630: samples, accuracy before and after, confusion matrix, clearing prices, the sums."""
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    pen = _Pen(ImageDraw.Draw(sheet))
    pen.text(_MARGIN, 30, _fit(facts.title, 62), 32, bold=True)
    pen.text(_MARGIN, 76, _headline(facts), 17, _SOFT)
    for index, group in enumerate(facts.samples[:3]):
        _strip(pen, sheet, group, _MARGIN, 116 + index * 150)
    _accuracy(pen, facts, 596, 116, 250, 214)
    _prices(pen, facts, 596, 350, 250, 216)
    _confusion(pen, facts, 866, 116, 294, 450)
    pen.text(_MARGIN, 588, _sums(facts, bill), 15, _SOFT)
    out = io.BytesIO()
    sheet.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _headline(facts: DemoFacts) -> str:
    return (
        f"Trained on synthetic pictures only ({facts.synthetic_units:,} made for it), measured on "
        f"{facts.after.units:,} real ones: {_fit(facts.real_name, 40)}"
    )


def _sums(facts: DemoFacts, bill: BillSummary) -> str:
    books = "books balanced" if facts.ledger_balanced else "books NOT balanced"
    return (
        f"{len(facts.nodes)} competing nodes   ·   {bill.paid} NTK paid   ·   {facts.audits_done} audits, "
        f"{facts.audits_failed} failed   ·   {books}   ·   {facts.total_s:.0f} s   ·   {_fit(facts.command, 44)}"
    )


def _strip(pen: _Pen, sheet: object, group: Samples, x: int, y: int) -> None:
    from PIL import Image

    assert isinstance(sheet, Image.Image)
    pen.bar(x, y + 3, 4, 15, _STRIPES[group.look])
    pen.text(x + 12, y, _fit(group.title, 60), 16, bold=True)
    shown = min(len(group.labels), _STRIP_TILES * _STRIP_ROWS)
    for index in range(shown):
        left = x + index % _STRIP_TILES * (_TILE_PX + 5)
        top = y + 26 + index // _STRIP_TILES * (_TILE_PX + 5)
        pen.draw.rounded_rectangle((left, top, left + _TILE_PX - 1, top + _TILE_PX - 1), 4, fill=_TILE)
        mask = Image.fromarray(ink(group.images[index], group.value_max))
        if max(mask.size) > _TILE_PX or _TILE_PX % max(mask.size):
            mask = mask.resize((_TILE_PX, _TILE_PX), Image.Resampling.BOX)
        sheet.paste(_INK, (left + (_TILE_PX - mask.width) // 2, top + (_TILE_PX - mask.height) // 2), mask)


def _accuracy(pen: _Pen, facts: DemoFacts, x: int, y: int, width: int, height: int) -> None:
    """Two columns on an axis that is cut, and says so."""
    pen.card(x, y, width, height)
    pen.text(x + 16, y + 14, "Accuracy on real data", 16, bold=True)
    low = min(facts.before.interval[0], facts.after.interval[0], facts.before.accuracy, facts.after.accuracy)
    floor = max(0.0, round(low - 0.03, 2))
    top, bottom = y + 84, y + height - 34
    for index, (name, score, colour) in enumerate(
        (("before", facts.before, _BEFORE), ("after the loop", facts.after, _ACCENT))
    ):
        middle = x + 70 + index * 110
        _column(pen, score, middle, top, bottom, floor, colour)
        pen.text(middle, bottom + 8, name, 14, _SOFT, anchor="ma")
    pen.draw.line((x + 16, bottom, x + width - 16, bottom), fill=_LINE, width=2)
    pen.text(x + 16, y + 38, f"the axis begins at {floor:.0%}", 13, _SOFT)


def _column(pen: _Pen, score: Score, middle: int, top: int, bottom: int, floor: float, colour: Colour) -> None:
    def at(share: float) -> float:
        return bottom - (share - floor) / max(1.0 - floor, 1e-9) * (bottom - top)

    pen.bar(middle - 24, at(score.accuracy), 48, bottom - at(score.accuracy), colour)
    low, high = score.interval
    pen.draw.line((middle, at(high), middle, at(low)), fill=_INK, width=2)
    for edge in (low, high):
        pen.draw.line((middle - 6, at(edge), middle + 6, at(edge)), fill=_INK, width=2)
    pen.text(middle, at(high) - 7, f"{100 * score.accuracy:.2f} %", 17, bold=True, anchor="md")


def _prices(pen: _Pen, facts: DemoFacts, x: int, y: int, width: int, height: int) -> None:
    pen.card(x, y, width, height)
    pen.text(x + 16, y + 14, "Clearing prices, NTK per CU", 16, bold=True)
    shown, looks = facts.auctions[:_BARS_MAX], kind_looks(facts.auctions)
    most = max([Ntk.parse(a.price).micro for a in shown], default=0) or 1
    for index, auction in enumerate(shown):
        top = y + 46 + index * 33
        micro = Ntk.parse(auction.price).micro
        pen.text(x + 16, top, _fit(f"{auction.job} · {auction.kind}", 30), 12, _SOFT)
        pen.bar(x + 16, top + 17, 140 * micro / most, 9, _COLOURS[looks[auction.kind]])
        pen.text(x + width - 16, top + 22, auction.price, 15, bold=True, anchor="rm")


def _confusion(pen: _Pen, facts: DemoFacts, x: int, y: int, width: int, height: int) -> None:
    pen.card(x, y, width, height)
    pen.text(x + 16, y + 14, "Confusion after the loop", 16, bold=True)
    pen.text(x + 16, y + 38, "rows: true class, columns: answer", 13, _SOFT)
    names = facts.classes[:_CLASSES_SHOWN_MAX]
    side = min((width - 54) // len(names), (height - 100) // len(names))
    left, top = x + 38, y + 88
    mistakes = max([n for i, r in enumerate(facts.after.confusion) for j, n in enumerate(r) if i != j] + [1])
    for i, name in enumerate(names):
        pen.text(left - 8, top + i * side + side / 2, _fit(name, 3), 14, anchor="rm")
        pen.text(left + i * side + side / 2, top - 6, _fit(name, 3), 14, anchor="md")
        row = facts.after.confusion[i]
        for j in range(len(names)):
            strength = row[j] / max(sum(row), 1) * 0.95 if i == j else 0.75 * row[j] / mistakes
            colour = _mixed(_ACCENT if i == j else _MISS, strength)
            pen.bar(left + j * side, top + i * side, side - 2, side - 2, colour)
            if row[j]:
                words = "#ffffff" if strength > 0.5 else _INK
                pen.text(
                    left + j * side + side / 2, top + i * side + side / 2, str(row[j]), side * 0.45, words, anchor="mm"
                )
    below = top + side * len(names) + 18
    pen.text(x + 16, below, f"{facts.after.right:,} of {facts.after.units:,} read correctly", 15, bold=True)
    pen.text(
        x + 16,
        below + 24,
        f"{facts.after.units - facts.after.right:,} mistakes, {facts.before.units - facts.before.right:,} before",
        14,
        _SOFT,
    )


def _mixed(colour: tuple[int, int, int], strength: float) -> tuple[int, int, int]:
    """The colour laid over white-grey with this strength."""
    ground = (233, 236, 239)
    red, green, blue = (round(g + (c - g) * strength) for c, g in zip(colour, ground, strict=True))
    return red, green, blue


def _fit(words: str, length: int) -> str:
    return words if len(words) <= length else words[: length - 1] + "…"
