"""Statistics of a data set as one picture, or as a page with that picture and the numbers.

Owns the drawing; needs Pillow.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape

from PIL import Image, ImageDraw, ImageFont

from neuromation.synthetic.colours import class_colour
from neuromation.synthetic.statistics import Histogram, Statistics

Draw = ImageDraw.ImageDraw
Chart = tuple[str, Callable[[Draw, int, int], None]]

_WIDTH, _HEIGHT, _GAP, _MARGIN, _HEAD = 460, 300, 28, 36, 84
_COLUMNS = 3
_PAPER, _INK, _FAINT, _CARD, _BAR = "#ffffff", "#16202c", "#77828f", "#f1f4f7", "#3f7fc4"
_BARS_MAX = 12


def statistics_png(found: Statistics) -> bytes:
    """The charts that a data set has numbers for, on one PNG."""
    charts = _charts(found)
    rows = -(-len(charts) // _COLUMNS)
    columns = min(_COLUMNS, max(len(charts), 2))  # the head needs the width of two
    size = (2 * _MARGIN + columns * (_WIDTH + _GAP) - _GAP, _HEAD + rows * (_HEIGHT + _GAP) + _MARGIN - _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, 22), found.title, fill=_INK, font=_font(24))
    draw.text((_MARGIN, 54), _summary(found), fill=_FAINT, font=_font(13))
    for place, (title, chart) in enumerate(charts):
        x = _MARGIN + place % _COLUMNS * (_WIDTH + _GAP)
        y = _HEAD + place // _COLUMNS * (_HEIGHT + _GAP)
        draw.rectangle((x, y, x + _WIDTH, y + _HEIGHT), fill=_CARD)
        draw.text((x + 14, y + 10), title, fill=_INK, font=_font(14))
        chart(draw, x + 14, y + 40)
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def statistics_html(found: Statistics) -> bytes:
    """A page that stands alone: the charts, and the numbers as tables."""
    picture = base64.b64encode(statistics_png(found)).decode()
    tables = [
        ("Samples by split", found.splits),
        ("Samples by class", found.labels),
        ("Objects by class", found.objects),
        ("Events by class", found.events),
        ("Objects by size (COCO)", found.object_sizes),
        ("Pictures by size", found.picture_sizes),
    ]
    body = "".join(_table(title, counts) for title, counts in tables if counts)
    alike = [*(", ".join(group) for group in found.exact[:20]), *(f"{a} ~ {b}" for a, b in found.near[:20])]
    if alike:
        body += "<h2>Duplicates</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in alike) + "</ul>"
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:92rem;color:#16202c}img{max-width:100%}"
        "table{border-collapse:collapse}td{padding:.1rem 1rem .1rem 0}td+td{text-align:right}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(found.title)}</title><style>{style}</style>'
        f'<img alt="charts" src="data:image/png;base64,{picture}">{body}</html>\n'
    ).encode()


def _table(title: str, counts: Mapping[str, int]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{count:,}</td></tr>" for name, count in _ordered(counts))
    return f"<h2>{escape(title)}</h2><table>{rows}</table>"


def _ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])


def _summary(found: Statistics) -> str:
    parts = [f"{found.samples:,} samples"]
    if found.objects_a_sample.number:
        nulls = f", {found.nulls:,} null objects" if found.nulls else ""
        parts.append(f"{sum(found.objects.values()):,} objects{nulls}")
    parts.append(f"{found.exact_samples:,} exact and {found.near_samples:,} near duplicates")
    if found.across_splits:
        parts.append(f"{found.across_splits:,} of them in different splits")
    return "   ".join(parts)


def _charts(found: Statistics) -> list[Chart]:
    """What there are numbers for, each as its title and what draws it."""
    colours = {name: class_colour(number) for number, name in enumerate(found.classes)}
    charts: list[Chart] = []
    bars: Sequence[tuple[str, Mapping[str, int]]] = (
        ("samples by class", found.labels),
        ("objects by class", found.objects),
        ("events by class", found.events),
        ("samples by split", found.splits if len(found.splits) > 1 else {}),
    )
    for title, counts in bars:
        if counts:
            charts.append((title, _bars(counts, colours)))
    histograms = (
        ("objects a sample", found.objects_a_sample, ""),
        ("objects by size: side of an equal square", found.object_sides_px, "px"),
        ("visible part of objects", found.visibility, ""),
        ("mean brightness of pictures", found.brightness, ""),
        ("length", found.seconds, "s"),
    )
    charts += [(title, _histogram(counts, unit)) for title, counts, unit in histograms if counts.number]
    if found.picture_sizes:
        charts.append(("pictures by size, width x height", _bars(found.picture_sizes, {})))
    return charts


def _bars(counts: Mapping[str, int], colours: Mapping[str, tuple[int, int, int]]) -> Callable[[Draw, int, int], None]:
    def chart(draw: Draw, x: int, y: int) -> None:
        shown = _ordered(counts)
        rest = shown[_BARS_MAX:]
        most = shown[0][1]
        for place, (name, count) in enumerate(shown[:_BARS_MAX]):
            top = y + 19 * place
            draw.text((x, top), _cut(draw, name, 118), fill=_INK, font=_font(12))
            end = x + 126 + max(1, round(230 * count / most))
            draw.rectangle((x + 126, top + 2, end, top + 13), fill=colours.get(name, _BAR))
            draw.text((end + 6, top), f"{count:,}", fill=_FAINT, font=_font(12))
        if rest:
            words = f"and {len(rest):,} more with {sum(count for _, count in rest):,}"
            draw.text((x, y + 19 * _BARS_MAX + 2), words, fill=_FAINT, font=_font(12))

    return chart


def _histogram(counts: Histogram, unit: str) -> Callable[[Draw, int, int], None]:
    def chart(draw: Draw, x: int, y: int) -> None:
        width, height = _WIDTH - 28, _HEIGHT - 100
        most, each = max(counts.counts), (_WIDTH - 28) / len(counts.counts)
        for place, count in enumerate(counts.counts):
            left, tall = x + place * each, height * count / most
            if count:
                draw.rectangle((left + 1, y + height - max(tall, 1), left + each - 2, y + height), fill=_BAR)
        draw.line([(x, y + height + 1), (x + width, y + height + 1)], fill=_FAINT)
        for part in range(5):
            value = counts.low + (counts.high - counts.low) * part / 4
            more = "+" if part == 4 and counts.most is not None and counts.most > counts.high else ""
            anchor = "la" if part == 0 else "ra" if part == 4 else "ma"
            at = (x + width * part / 4, y + height + 5)
            draw.text(at, f"{value:g}{more} {unit}".strip(), fill=_FAINT, font=_font(11), anchor=anchor)
        told = f"mean {counts.mean:.3g}, from {counts.least:.3g} to {counts.most:.3g} {unit}"
        draw.text((x, y + height + 26), told, fill=_INK, font=_font(12))

    return chart


def _cut(draw: Draw, text: str, width: float) -> str:
    while len(text) > 3 and draw.textlength(text, font=_font(12)) > width:
        text = text[:-2].rstrip(" .") + "."
    return text


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
