"""The vocabulary that signs are drawn in: discs, polygons and strokes in units of a sign, and glyphs made of strokes.

A sign's own frame has its centre at (0, 0), x to the right, y down; a plate reaches to about 1. Nothing here knows what a
sign means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.generators.ink import Floats, direction

Point = tuple[float, float]
Colour = Literal["white", "red", "blue", "yellow", "black", "green", "grey", "orange", "brown", "violet"]

# Linear reflectance of sheeting and ink in daylight, near the middle of what CIE 39 and national standards allow.
COLOURS: dict[Colour, tuple[float, float, float]] = {
    "white": (0.74, 0.75, 0.73),
    "red": (0.49, 0.022, 0.03),
    "blue": (0.012, 0.095, 0.37),
    "yellow": (0.8, 0.46, 0.012),
    "black": (0.018, 0.018, 0.02),
    "green": (0.012, 0.21, 0.09),
    "grey": (0.24, 0.25, 0.26),
    "orange": (0.75, 0.2, 0.012),
    "brown": (0.13, 0.05, 0.022),
    "violet": (0.2, 0.04, 0.3),
}
FILL, STROKE = 0, 1
_STEPS_A_TURN = 20  # of a curve


@dataclass(frozen=True)
class Mark:
    """One flat shape: a filled polygon (rounded by `radius`), or a stroke `radius` to both sides of a line.

    A disc is a stroke of one point.
    """

    kind: int
    colour: Colour
    points: tuple[Point, ...]
    radius: float


class Inked(NamedTuple):
    """Marks as arrays for the compiled loops, which take named tuples, in the order of drawing.

    Attributes:
        kinds: int64 (M,), FILL or STROKE.
        spans: int64 (M, 2), first and past-the-last place in `points`.
        radii: float64 (M,).
        circles: float64 (M, 3), centre and radius of a circle about each mark.
        colours: float64 (M, 3), linear.
        points: float64 (P, 2).
    """

    kinds: NDArray[np.int64]
    spans: NDArray[np.int64]
    radii: Floats
    circles: Floats
    colours: Floats
    points: Floats


def inked(marks: Sequence[Mark]) -> Inked:
    """The arrays of some marks; at least one."""
    spans, circles = [], []
    points: list[Point] = []
    for mark in marks:
        spans.append((len(points), len(points) + len(mark.points)))
        points += mark.points
        xs, ys = [p[0] for p in mark.points], [p[1] for p in mark.points]
        x, y = 0.5 * (min(xs) + max(xs)), 0.5 * (min(ys) + max(ys))
        far = max((px - x) * (px - x) + (py - y) * (py - y) for px, py in mark.points)
        circles.append((x, y, float(np.sqrt(far)) + mark.radius))
    return Inked(
        np.array([mark.kind for mark in marks], np.int64),
        np.array(spans, np.int64),
        np.array([mark.radius for mark in marks], np.float64),
        np.array(circles, np.float64),
        np.array([COLOURS[mark.colour] for mark in marks], np.float64),
        np.array(points, np.float64),
    )


def disc(colour: Colour, x: float, y: float, radius: float) -> Mark:
    """A filled circle."""
    return Mark(STROKE, colour, ((x, y),), radius)


def polygon(colour: Colour, *points: Point, rounding: float = 0.0) -> Mark:
    """A filled polygon, its outline moved outwards by `rounding`, with round corners."""
    return Mark(FILL, colour, points, rounding)


def line(colour: Colour, width: float, *points: Point) -> Mark:
    """A stroke through points, with round ends and corners."""
    return Mark(STROKE, colour, points, 0.5 * width)


def box(colour: Colour, x: float, y: float, half_width: float, half_height: float, *, rounding: float = 0.0) -> Mark:
    """A rectangle about (x, y) whose corners are rounded inwards."""
    a, b = half_width - rounding, half_height - rounding
    return polygon(colour, (x - a, y - b), (x + a, y - b), (x + a, y + b), (x - a, y + b), rounding=rounding)


def regular(colour: Colour, corners: int, radius: float, *, turn: float = 0.0, rounding: float = 0.0) -> Mark:
    """A regular polygon whose first corner lies `turn` turns clockwise from the right; `radius` to its corners."""
    along = [direction(turn + corner / corners) for corner in range(corners)]
    return polygon(colour, *((radius * c, radius * s) for c, s in along), rounding=rounding)


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> tuple[Point, ...]:
    """Points of an elliptic arc; angles in turns, clockwise from the right."""
    steps = max(3, int(abs(end - start) * _STEPS_A_TURN + 0.5))
    found = []
    for step in range(steps + 1):
        c, s = direction(start + (end - start) * step / steps)
        found.append((x + rx * c, y + ry * s))
    return tuple(found)


def ring(colour: Colour, x: float, y: float, radius: float, width: float) -> Mark:
    """A circle drawn with a pen."""
    return line(colour, width, *arc(x, y, radius, radius, 0, 1))


def arrow(colour: Colour, width: float, head: float, *points: Point) -> list[Mark]:
    """A line that ends in a triangle of half-width and length `head`."""
    (ax, ay), (bx, by) = points[-2], points[-1]
    length = float(np.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay)))
    ux, uy = (bx - ax) / length, (by - ay) / length
    neck = (bx - head * ux, by - head * uy)
    tip = polygon(
        colour, (bx, by), (neck[0] - head * uy, neck[1] + head * ux), (neck[0] + head * uy, neck[1] - head * ux)
    )
    return [line(colour, width, *points[:-1], neck), tip]


def placed(
    marks: Sequence[Mark], *, x: float = 0.0, y: float = 0.0, scale: float = 1.0, mirror: bool = False
) -> list[Mark]:
    """Marks made smaller or larger, mirrored left to right on request, and moved to (x, y)."""
    sign = -scale if mirror else scale
    return [
        Mark(m.kind, m.colour, tuple((x + sign * px, y + scale * py) for px, py in m.points), m.radius * scale)
        for m in marks
    ]


def recoloured(marks: Sequence[Mark], colour: Colour) -> list[Mark]:
    """The same marks in one colour."""
    return [Mark(m.kind, colour, m.points, m.radius) for m in marks]


@cache
def glyphs() -> dict[str, tuple[tuple[Point, ...], ...]]:
    """Strokes of each letter: x from 0 to about 0.6, y from 0 (top) to 1."""
    return {
        "0": (arc(0.3, 0.5, 0.29, 0.5, 0, 1),),
        "1": (((0.1, 0.22), (0.36, 0.0), (0.36, 1.0)),),
        "2": ((*arc(0.3, 0.29, 0.28, 0.29, 0.5, 1.1), (0.02, 1.0), (0.6, 1.0)),),
        "3": ((*arc(0.29, 0.26, 0.26, 0.26, 0.55, 1.2), *arc(0.29, 0.73, 0.3, 0.27, 0.78, 1.45)),),
        "4": (((0.47, 1.0), (0.47, 0.0), (0.0, 0.68), (0.64, 0.68)),),
        "5": (((0.55, 0.0), (0.1, 0.0), (0.06, 0.45), *arc(0.29, 0.67, 0.31, 0.33, 0.62, 1.42)),),
        "6": (arc(0.3, 0.69, 0.29, 0.31, 0, 1), ((0.01, 0.67), (0.08, 0.4), (0.24, 0.15), (0.45, 0.0))),
        "7": (((0.0, 0.0), (0.6, 0.0), (0.2, 1.0)),),
        "8": (arc(0.3, 0.25, 0.25, 0.25, 0, 1), arc(0.3, 0.74, 0.3, 0.26, 0, 1)),
        "9": (arc(0.3, 0.31, 0.29, 0.31, 0, 1), ((0.59, 0.33), (0.52, 0.6), (0.36, 0.85), (0.15, 1.0))),
        "A": (((0.0, 1.0), (0.3, 0.0), (0.6, 1.0)), ((0.1, 0.66), (0.5, 0.66))),
        "C": (arc(0.32, 0.5, 0.3, 0.5, 0.87, 0.13),),
        "E": (((0.5, 0.0), (0.0, 0.0), (0.0, 1.0), (0.5, 1.0)), ((0.0, 0.48), (0.42, 0.48))),
        "F": (((0.5, 0.0), (0.0, 0.0), (0.0, 1.0)), ((0.0, 0.48), (0.42, 0.48))),
        "H": (((0.0, 0.0), (0.0, 1.0)), ((0.55, 0.0), (0.55, 1.0)), ((0.0, 0.5), (0.55, 0.5))),
        "K": (((0.0, 0.0), (0.0, 1.0)), ((0.55, 0.0), (0.0, 0.58)), ((0.2, 0.4), (0.58, 1.0))),
        "L": (((0.0, 0.0), (0.0, 1.0), (0.5, 1.0)),),
        "M": (((0.0, 1.0), (0.0, 0.0), (0.33, 0.6), (0.66, 0.0), (0.66, 1.0)),),
        "N": (((0.0, 1.0), (0.0, 0.0), (0.55, 1.0), (0.55, 0.0)),),
        "O": (arc(0.31, 0.5, 0.31, 0.5, 0, 1),),
        "P": (((0.0, 1.0), (0.0, 0.0), (0.28, 0.0), *arc(0.28, 0.28, 0.27, 0.28, 0.75, 1.25), (0.0, 0.56)),),
        "R": (
            ((0.0, 1.0), (0.0, 0.0), (0.28, 0.0), *arc(0.28, 0.27, 0.26, 0.27, 0.75, 1.25), (0.0, 0.54)),
            ((0.26, 0.54), (0.56, 1.0)),
        ),
        "S": ((*arc(0.3, 0.26, 0.27, 0.26, 0.93, 0.27), *arc(0.3, 0.74, 0.29, 0.26, 0.75, 1.45)),),
        "T": (((0.0, 0.0), (0.6, 0.0)), ((0.3, 0.0), (0.3, 1.0))),
        "U": (((0.0, 0.0), (0.0, 0.7), *arc(0.28, 0.7, 0.28, 0.3, 0.5, 0.0), (0.56, 0.0)),),
        "V": (((0.0, 0.0), (0.3, 1.0), (0.6, 0.0)),),
        "X": (((0.0, 0.0), (0.58, 1.0)), ((0.58, 0.0), (0.0, 1.0))),
        "Z": (((0.0, 0.0), (0.56, 0.0), (0.0, 1.0), (0.58, 1.0)),),
        "%": (((0.62, 0.0), (0.0, 1.0)), arc(0.08, 0.2, 0.13, 0.18, 0, 1), arc(0.54, 0.8, 0.13, 0.18, 0, 1)),
        "-": (((0.0, 0.52), (0.4, 0.52)),),
        "!": (((0.1, 0.0), (0.1, 0.62)), ((0.1, 0.97), (0.1, 1.0))),
    }


_NARROW = {"1": 0.42, "!": 0.2, "-": 0.4}


def lettering(
    colour: Colour, words: str, *, x: float = 0.0, y: float = 0.0, height: float, width: float = 1.0, pen: float = 0.17
) -> list[Mark]:
    """Words about (x, y): `height` of a letter, `width` a factor on its own, `pen` the stroke's width over the height."""
    steps = [_NARROW.get(letter, 0.62) + 0.3 for letter in words]
    total = -0.3
    for step in steps:
        total += step
    left = -0.5 * total
    marks = []
    inner = height * (1 - pen)
    for letter, step in zip(words, steps, strict=True):
        for stroke in glyphs()[letter]:
            points = [(x + inner * width * (left + px), y + inner * (py - 0.5)) for px, py in stroke]
            marks.append(line(colour, pen * height, *points))
        left += step
    return marks
