"""Pictures of units that are texts or rows of numbers: words with their slots marked, values, curves.

Owns what such units look like on a contact sheet. Needs Pillow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from neuromation.synthetic.colours import class_colour
from neuromation.synthetic.generator import Unit

Draw = ImageDraw.ImageDraw

_PAD, _LINE, _SMALL = 16, 44, 18
_FACTS_MAX, _CURVES_MAX, _LINES_MAX = 14, 4, 12
_PLOT_HEIGHT = 200


def text_card(unit: Unit, classes: Sequence[str], width: int, *, ink: str, faint: str, card: str) -> Image.Image:
    """A text with its slots in colour, their names below, and what else is known in one line."""
    text, slots = str(unit.annotations["text"]), _slots(unit.annotations)
    facts = {"class": classes[unit.label]} if unit.label is not None else {}
    facts |= {key: value for key, value in unit.annotations.items() if key != "text"}
    type, small = _font(18), _font(11)
    words = _laid_out(text, type, width - 2 * _PAD)
    lines = max((row for row, *_ in words), default=0) + 1
    shown = Image.new("RGB", (width, 2 * _PAD + lines * _LINE + 4), card)
    draw = ImageDraw.Draw(shown)
    named = set()
    for row, x, start, word in words:
        left, top = _PAD + x, _PAD + row * _LINE
        slot = next((n for n, (begin, end, _) in enumerate(slots) if begin <= start < end), None)
        if slot is not None:
            wide = draw.textlength(word, font=type)
            colour = class_colour(slot)
            draw.rectangle((left - 2, top + 24, left + wide + 2, top + 27), fill=colour)
            if slot not in named:
                draw.text((left, top + 28), slots[slot][2], fill=faint, font=small)
                named.add(slot)
        draw.text((left, top), word, fill=ink, font=type)
    told = [f"{key}: {value}" for key, value in facts.items() if isinstance(value, str | int | float)]
    draw.text((_PAD, _PAD + lines * _LINE - 2), _cut(draw, "   ".join(told), width - 2 * _PAD), fill=faint, font=small)
    return shown


def _slots(annotations: Mapping[str, Any]) -> list[tuple[int, int, str]]:
    """(start, end, name) of the spans that slots name."""
    listed = annotations.get("slots")
    spans = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    return [
        (item["start"], item["end"], str(item.get("name", ""))) for item in spans if {"start", "end"} <= item.keys()
    ]


def _laid_out(text: str, type: Any, room: float) -> list[tuple[int, float, int, str]]:
    """(line, x, place in the text, word) of every word."""
    found = []
    row, x, blank = 0, 0.0, type.getlength(" ")
    for match in re.finditer(r"\S+", text):
        wide = type.getlength(match.group())
        if x and x + wide > room:
            row, x = row + 1, 0.0
        if row >= _LINES_MAX:
            break
        found.append((row, x, match.start(), match.group()))
        x += wide + blank
    return found


def row_card(unit: Unit, classes: Sequence[str], width: int, *, ink: str, faint: str, card: str) -> Image.Image:
    """Values by name at the left, and curves of what are lists of numbers at the right."""
    facts = {"class": classes[unit.label]} if unit.label is not None else {}
    values = dict(_flat({**facts, **unit.annotations}))
    plain = {key: value for key, value in values.items() if not _is_curve(value)}
    curves = {key: value for key, value in values.items() if _is_curve(value)}
    type = _font(14)
    height = max(2 * _PAD + _SMALL * min(len(plain), _FACTS_MAX + 1), _PLOT_HEIGHT if curves else 0)
    shown = Image.new("RGB", (width, height), card)
    draw = ImageDraw.Draw(shown)
    room = (width // 2 if curves else width) - 2 * _PAD
    for place, (key, value) in enumerate(list(plain.items())[:_FACTS_MAX]):
        draw.text((_PAD, _PAD + _SMALL * place), _cut(draw, f"{key}: {_spelled(value)}", room), fill=ink, font=type)
    if len(plain) > _FACTS_MAX:
        draw.text((_PAD, _PAD + _SMALL * _FACTS_MAX), f"and {len(plain) - _FACTS_MAX} more", fill=faint, font=type)
    if curves:
        _plot(draw, curves, (width // 2, _PAD, width - _PAD, height - _PAD), faint)
    return shown


def _flat(values: Mapping[str, Any], before: str = "") -> Any:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _is_curve(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 3 and all(isinstance(item, int | float) for item in value)


def _spelled(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(_spelled(item) for item in value) + "]"
    return str(value)


def _plot(draw: Draw, curves: Mapping[str, list[float]], box: tuple[int, int, int, int], faint: str) -> None:
    """Curves over the first list of times, where there is one, else over their numbers."""
    left, top, right, bottom = box
    bottom -= 14
    clocks = [name for name in curves if re.search(r"(^|[._])(time|times|t)(_|$)", name)]
    times = max(clocks, key=lambda name: len(curves[name]), default="")
    count = len(curves.get(times, ()))
    shown = {k: v for k, v in curves.items() if k not in clocks and (not times or len(v) == count)}
    every = [value for values in shown.values() for value in values]
    if not every:
        return
    low, high = min(0.0, *every), max(every)
    draw.line([(left, top), (left, bottom), (right, bottom)], fill=faint)
    draw.text((left + 4, top - 4), f"{high:.3g}", fill=faint, font=_font(11))
    for place, (name, values) in enumerate(list(shown.items())[:_CURVES_MAX]):
        along = np.array(curves[times] if times else range(len(values)), float)
        share = (along - min(0.0, along.min())) / max(along.max(), 1e-12)
        x = left + (right - left) * share
        y = bottom - (bottom - top) * (np.array(values, float) - low) / max(high - low, 1e-12)
        points = list(zip(x.tolist(), y.tolist(), strict=True))
        colour = class_colour(place)
        draw.line(points, fill=colour, width=2)
        for px, py in points:
            draw.ellipse((px - 2, py - 2, px + 2, py + 2), fill=colour)
        wide = draw.textlength(name, font=_font(11))
        at = top - 4 + 14 * place
        draw.rectangle((right - wide - 14, at + 3, right - wide - 6, at + 9), fill=colour)
        draw.text((right, at), name, fill=faint, font=_font(11), anchor="ra")
    draw.text((right, bottom + 2), times, fill=faint, font=_font(11), anchor="ra")


def _cut(draw: Draw, text: str, width: float) -> str:
    while len(text) > 4 and draw.textlength(text, font=_font(14)) > width:
        text = text[: -max(2, len(text) // 40)].rstrip(" .") + "."
    return text


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
