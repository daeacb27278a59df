"""What every sign looks like, from the shapes, colours and meanings of the Vienna Convention on Road Signs and Signals.

Pictograms are this catalogue's own drawings of what the convention's annex 1 describes; the letters in comments are its
codes. Nothing here is random and nothing is drawn to pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from neuromation.synthetic.generators.traffic_signs_marks import (
    Colour,
    Mark,
    arc,
    arrow,
    box,
    disc,
    lettering,
    line,
    placed,
    polygon,
    recoloured,
    regular,
    ring,
)


@dataclass(frozen=True)
class Sign:
    """A sign: its class, its group, and its marks; the first mark is the whole plate."""

    name: str
    group: str
    marks: tuple[Mark, ...]


# -- plates ------------------------------------------------------------------------------------------------------------


def triangle(ground: Colour = "white", *, down: bool = False) -> list[Mark]:
    """A danger warning's plate (A, model a): red rim on white; or a yield sign's (B,1)."""
    turn = 0.25 if down else 0.75
    shift = -0.16 if down else 0.16
    layers: list[tuple[Colour, float, float]] = [("white", 1.06, 0.1), ("red", 1.02, 0.09), (ground, 0.68, 0.03)]
    return [
        placed([regular(colour, 3, radius, turn=turn, rounding=rounding)], y=shift)[0]
        for colour, radius, rounding in layers
    ]


def prohibition(ground: Colour = "white", *, rim: float = 0.2) -> list[Mark]:
    """A disc with a red rim (C, model a)."""
    return [disc("white", 0, 0, 1.0), disc("red", 0, 0, 0.97), disc(ground, 0, 0, 0.97 - rim)]


def mandatory() -> list[Mark]:
    """A blue disc (D, model a)."""
    return [disc("white", 0, 0, 1.0), disc("blue", 0, 0, 0.96)]


def panel(colour: Colour = "blue") -> list[Mark]:
    """A square panel with a white edge (E and G)."""
    return [box("white", 0, 0, 0.92, 0.92, rounding=0.1), box(colour, 0, 0, 0.87, 0.87, rounding=0.08)]


# -- pictograms, about (0, 0) in black unless they have colours of their own ----------------------------------------------


def walker() -> list[Mark]:
    """A person who walks, 1.5 high."""
    return [
        disc("black", 0.03, -0.62, 0.13),
        polygon("black", (-0.09, -0.42), (0.12, -0.42), (0.13, 0.05), (-0.1, 0.05), rounding=0.04),
        line("black", 0.13, (0.05, 0.05), (0.2, 0.38), (0.28, 0.74)),
        line("black", 0.13, (-0.04, 0.05), (-0.12, 0.4), (-0.3, 0.72)),
        line("black", 0.09, (0.1, -0.38), (0.26, -0.12), (0.38, -0.02)),
        line("black", 0.09, (-0.07, -0.38), (-0.22, -0.14), (-0.3, 0.06)),
    ]


def children() -> list[Mark]:
    """Two children who run."""
    return [*placed(walker(), x=-0.22, y=0.06, scale=0.62), *placed(walker(), x=0.24, y=0.0, scale=0.72)]


def bicycle() -> list[Mark]:
    """A bicycle from the side, 1.6 wide."""
    return [
        ring("black", -0.48, 0.18, 0.31, 0.075),
        ring("black", 0.48, 0.18, 0.31, 0.075),
        line("black", 0.08, (-0.48, 0.18), (-0.2, -0.22), (0.33, -0.24), (-0.02, 0.2), (-0.48, 0.18)),
        line("black", 0.08, (-0.02, 0.2), (-0.26, -0.38)),
        line("black", 0.09, (-0.38, -0.39), (-0.15, -0.39)),
        line("black", 0.08, (0.48, 0.18), (0.3, -0.42), (0.46, -0.46)),
    ]


def car() -> list[Mark]:
    """A car from behind, 1 wide."""
    return [
        polygon(
            "black",
            (-0.42, 0.02),
            (-0.27, -0.32),
            (0.27, -0.32),
            (0.42, 0.02),
            (0.42, 0.24),
            (-0.42, 0.24),
            rounding=0.05,
        ),
        box("black", -0.32, 0.34, 0.1, 0.12, rounding=0.03),
        box("black", 0.32, 0.34, 0.1, 0.12, rounding=0.03),
        polygon("white", (-0.28, 0.0), (-0.2, -0.24), (0.2, -0.24), (0.28, 0.0)),
    ]


def lorry() -> list[Mark]:
    """A lorry from the side, 1.3 wide."""
    return [
        box("black", -0.16, -0.1, 0.46, 0.3, rounding=0.02),
        polygon("black", (0.34, 0.2), (0.34, -0.22), (0.5, -0.22), (0.64, 0.0), (0.64, 0.2), rounding=0.02),
        line("black", 0.08, (-0.58, 0.22), (0.62, 0.22)),
        disc("black", -0.36, 0.28, 0.13),
        disc("black", 0.42, 0.28, 0.13),
    ]


def bend(*, right: bool) -> list[Mark]:
    """A road that bends once."""
    marks = [line("black", 0.19, (-0.12, 0.52), (-0.12, 0.16), (0.0, -0.06), (0.14, -0.2))]
    marks += arrow("black", 0.19, 0.24, (0.0, -0.06), (0.34, -0.4))
    return placed(marks, mirror=not right)


def double_bend() -> list[Mark]:
    """A road that bends to the left and back."""
    return arrow(
        "black",
        0.17,
        0.2,
        (0.12, 0.54),
        (0.12, 0.34),
        (0.06, 0.2),
        (-0.12, 0.06),
        (-0.14, -0.06),
        (0.04, -0.24),
        (0.1, -0.32),
        (0.1, -0.6),
    )


def skid() -> list[Mark]:
    """A car above two crossing tracks."""
    left = line("black", 0.08, (-0.2, 0.1), (-0.08, 0.24), (-0.22, 0.38), (-0.1, 0.52))
    right = line("black", 0.08, (0.22, 0.1), (0.34, 0.24), (0.2, 0.38), (0.32, 0.52))
    return [*placed(car(), x=0.04, y=-0.2, scale=0.62), left, right]


def bumps() -> list[Mark]:
    """Two humps on a road."""
    humps = (*arc(-0.3, 0.24, 0.25, 0.3, 0.5, 1.0), *arc(0.3, 0.24, 0.25, 0.3, 0.5, 1.0))
    return [polygon("black", (-0.62, 0.24), *humps, (0.62, 0.24), (0.62, 0.42), (-0.62, 0.42))]


def narrowing() -> list[Mark]:
    """Two road edges that come nearer."""
    left = line("black", 0.13, (-0.32, 0.5), (-0.32, 0.18), (-0.13, -0.08), (-0.13, -0.44))
    return [left, *placed([left], mirror=True)]


def digger() -> list[Mark]:
    """A person with a shovel before a heap."""
    return [
        disc("black", -0.1, -0.42, 0.11),
        line("black", 0.19, (-0.14, -0.24), (-0.24, 0.06)),
        line("black", 0.12, (-0.24, 0.08), (-0.1, 0.28), (-0.14, 0.5)),
        line("black", 0.12, (-0.25, 0.08), (-0.36, 0.3), (-0.5, 0.5)),
        line("black", 0.08, (-0.12, -0.24), (0.04, -0.02), (0.12, 0.04)),
        line("black", 0.055, (-0.2, -0.18), (0.32, 0.32)),
        polygon("black", (0.12, 0.52), (0.32, 0.22), (0.42, 0.18), (0.66, 0.52), rounding=0.02),
    ]


def signals() -> list[Mark]:
    """Three lamps above each other in their colours."""
    return [
        box("black", 0, 0.06, 0.19, 0.52, rounding=0.05),
        disc("red", 0, -0.25, 0.13),
        disc("yellow", 0, 0.06, 0.13),
        disc("green", 0, 0.37, 0.13),
    ]


def crossing_roads() -> list[Mark]:
    """The own, broad road and a narrow one across it."""
    return [
        polygon("black", (-0.11, 0.52), (-0.11, -0.28), (0.0, -0.52), (0.11, -0.28), (0.11, 0.52)),
        line("black", 0.1, (-0.4, 0.1), (0.4, 0.1)),
    ]


def snowflake() -> list[Mark]:
    """Six arms with twigs."""
    arms = []
    for turn in range(6):
        tip = arc(0, 0.08, 0.5, 0.5, turn / 6 + 0.25, turn / 6 + 0.25)[0]
        arms.append(line("black", 0.06, (0, 0.08), tip))
        for side in (-0.07, 0.07):
            twig = arc(0, 0.08, 0.42, 0.42, turn / 6 + 0.25 + side, turn / 6 + 0.25 + side)[0]
            root = (0.55 * tip[0], 0.08 + 0.55 * (tip[1] - 0.08))
            arms.append(line("black", 0.05, root, twig))
    return arms


def deer() -> list[Mark]:
    """A deer that leaps to the left."""
    return [
        polygon(
            "black",
            (-0.34, -0.2),
            (-0.1, -0.08),
            (0.32, 0.02),
            (0.42, 0.14),
            (0.3, 0.22),
            (-0.06, 0.16),
            (-0.26, 0.04),
            rounding=0.03,
        ),
        polygon(
            "black",
            (-0.3, -0.04),
            (-0.42, -0.3),
            (-0.58, -0.24),
            (-0.6, -0.3),
            (-0.4, -0.44),
            (-0.3, -0.38),
            (-0.14, -0.1),
            rounding=0.015,
        ),
        line("black", 0.04, (-0.36, -0.4), (-0.28, -0.56), (-0.16, -0.6)),
        line("black", 0.04, (-0.3, -0.52), (-0.34, -0.64)),
        line("black", 0.07, (-0.22, 0.06), (-0.44, 0.14), (-0.52, 0.3)),
        line("black", 0.07, (-0.12, 0.12), (-0.3, 0.26), (-0.34, 0.4)),
        line("black", 0.08, (0.34, 0.14), (0.44, 0.34), (0.6, 0.46)),
        line("black", 0.08, (0.28, 0.18), (0.3, 0.4), (0.46, 0.52)),
    ]


def roundabout(colour: Colour) -> list[Mark]:
    """Three arrows that chase each other counter-clockwise."""
    marks = []
    for part in range(3):
        start = part / 3
        path = arc(0, 0, 0.5, 0.5, start + 0.27, start + 0.06)
        (bx, by), (ax, ay) = path[-1], path[-2]
        tip = (bx + 2.6 * (bx - ax), by + 2.6 * (by - ay))
        marks += arrow(colour, 0.17, 0.22, *path[:-1], path[-1], tip)
    return marks


def two_ways(colour: Colour = "black") -> list[Mark]:
    """An arrow up and an arrow down."""
    return [*arrow(colour, 0.14, 0.19, (-0.2, -0.4), (-0.2, 0.5)), *arrow(colour, 0.14, 0.19, (0.2, 0.5), (0.2, -0.4))]


def turning(*, right: bool, u: bool = False, colour: Colour = "black") -> list[Mark]:
    """An arrow that turns off, or round."""
    if u:
        marks = arrow(colour, 0.16, 0.22, (0.24, 0.5), (0.24, -0.1), *arc(0, -0.1, 0.24, 0.26, 1.0, 0.5), (-0.24, 0.48))
    else:
        marks = arrow(colour, 0.18, 0.24, (-0.16, 0.5), (-0.16, -0.06), (-0.08, -0.16), (0.06, -0.18), (0.52, -0.18))
    return placed(marks, mirror=not right)


def bar(colour: Colour = "red", width: float = 0.15) -> Mark:
    """The diagonal from the top left that forbids."""
    return line(colour, width, (-0.58, -0.58), (0.58, 0.58))


# -- signs -------------------------------------------------------------------------------------------------------------

SPEEDS = (20, 30, 40, 50, 60, 70, 80, 90, 100, 120, 130)


def _speed(limit: int) -> Sign:
    narrow = limit >= 100
    numerals = lettering("black", str(limit), height=0.72, width=0.66 if narrow else 0.86, pen=0.17)
    return Sign(f"speed-limit-{limit}", "prohibition", (*prohibition(), *numerals))


def _warning(name: str, marks: list[Mark]) -> Sign:
    return Sign(name, "warning", (*triangle(), *placed(marks, y=0.21, scale=0.76)))


def _forbidden(name: str, marks: list[Mark], *, barred: bool = False) -> Sign:
    return Sign(name, "prohibition", (*prohibition(), *marks, *([bar()] if barred else [])))


def _must(name: str, marks: list[Mark]) -> Sign:
    return Sign(name, "mandatory", (*mandatory(), *recoloured(marks, "white")))


def _priority() -> list[Sign]:
    """B: stop, yield, priority road and its end, no entry (C,1)."""
    stop = [regular("white", 8, 1.06, turn=1 / 16, rounding=0.01), regular("red", 8, 1.0, turn=1 / 16)]
    diamond = [
        regular("white", 4, 1.1, rounding=0.06),
        regular("black", 4, 1.07, rounding=0.05),
        regular("white", 4, 1.04, rounding=0.05),
        regular("yellow", 4, 0.72, rounding=0.03),
    ]
    over = [line("black", 0.07, (0.66 + d, -0.62 + d), (-0.62 + d, 0.66 + d)) for d in (-0.1, 0.0, 0.1)]
    return [
        Sign("stop", "priority", (*stop, *lettering("white", "STOP", height=0.56, width=0.72, pen=0.18))),
        Sign("yield", "priority", tuple(triangle(down=True))),
        Sign("priority-road", "priority", tuple(diamond)),
        Sign("end-of-priority-road", "priority", (*diamond, *over)),
        Sign(
            "no-entry", "priority", (disc("white", 0, 0, 1.0), disc("red", 0, 0, 0.97), box("white", 0, 0, 0.7, 0.17))
        ),
    ]


def _prohibitions() -> list[Sign]:
    """C: what is forbidden."""
    ended = [line("black", 0.06, (0.58 + d, -0.62 + d), (-0.62 + d, 0.58 + d)) for d in (-0.14, -0.05, 0.05, 0.14)]
    plain = [disc("white", 0, 0, 1.0), disc("black", 0, 0, 0.97), disc("white", 0, 0, 0.93)]
    blue = prohibition("blue", rim=0.15)
    pair = [*placed(recoloured(car()[:3], "red") + car()[3:], x=-0.31, scale=0.66), *placed(car(), x=0.33, scale=0.66)]
    return [
        *(_speed(limit) for limit in SPEEDS),
        _forbidden("no-vehicles", []),
        _forbidden("no-overtaking", pair),
        _forbidden("no-lorries", placed(lorry(), scale=0.95)),
        _forbidden("no-pedestrians", placed(walker(), scale=0.8), barred=True),
        _forbidden("no-bicycles", placed(bicycle(), y=0.06, scale=0.8)),
        _forbidden("no-left-turn", placed(turning(right=False), scale=0.9), barred=True),
        _forbidden("no-right-turn", placed(turning(right=True), scale=0.9), barred=True),
        _forbidden("no-u-turn", placed(turning(right=True, u=True), scale=0.95), barred=True),
        Sign("no-parking", "prohibition", (*blue, bar(width=0.16))),
        Sign("no-stopping", "prohibition", (*blue, bar(width=0.16), placed([bar(width=0.16)], mirror=True)[0])),
        Sign("end-of-restrictions", "prohibition", (*plain, *ended)),
    ]


def _warnings() -> list[Sign]:
    """A: danger ahead."""
    return [
        _warning("danger", lettering("black", "!", height=1.25, width=0.9, pen=0.2)),
        _warning("bend-left", bend(right=False)),
        _warning("bend-right", bend(right=True)),
        _warning("double-bend", double_bend()),
        _warning("uneven-road", bumps()),
        _warning("slippery-road", skid()),
        _warning("road-narrows", narrowing()),
        _warning("road-works", digger()),
        _warning("traffic-signals", signals()),
        _warning("pedestrian-crossing-ahead", placed(walker(), scale=0.8)),
        _warning("children", children()),
        _warning("bicycles-crossing", placed(bicycle(), y=0.12, scale=0.72)),
        _warning("crossroads", crossing_roads()),
        _warning("snow-or-ice", placed(snowflake(), scale=0.95)),
        _warning("wild-animals", placed(deer(), scale=0.95)),
        _warning("two-way-traffic", two_ways()),
    ]


def _orders() -> list[Sign]:
    """D: which way to take."""
    ahead = arrow("white", 0.2, 0.27, (0.0, 0.6), (0.0, -0.64))
    off = arrow("white", 0.18, 0.23, (-0.2, 0.6), (-0.2, 0.12), (-0.1, -0.02), (0.58, -0.02))
    both = [*placed(arrow("white", 0.18, 0.23, (-0.2, 0.6), (-0.2, -0.62))), *off]
    keep = arrow("white", 0.2, 0.27, (-0.42, -0.42), (0.45, 0.45))
    return [
        _must("ahead-only", ahead),
        _must("turn-right", turning(right=True)),
        _must("turn-left", turning(right=False)),
        _must("ahead-or-right", both),
        _must("ahead-or-left", placed(both, mirror=True)),
        _must("keep-right", keep),
        _must("keep-left", placed(keep, mirror=True)),
        _must("roundabout", roundabout("white")),
        _must("cycle-path", placed(bicycle(), y=0.05, scale=0.88)),
        _must("footpath", placed(walker(), scale=0.92)),
    ]


def _information() -> list[Sign]:
    """E and G: what is here."""
    stripes = [
        polygon("black", (x, 0.5), (x + 0.12, 0.5), (0.6 * x + 0.1, 0.34), (0.6 * x, 0.34))
        for x in (-0.44, -0.18, 0.08, 0.32)
    ]
    crossing = [
        polygon("white", (0, -0.74), (0.76, 0.6), (-0.76, 0.6)),
        *stripes,
        *placed(walker(), y=-0.02, scale=0.55),
    ]
    dead = [line("white", 0.24, (0, 0.66), (0, -0.2)), box("red", 0, -0.34, 0.42, 0.14)]
    return [
        Sign("parking", "information", (*panel(), *lettering("white", "P", height=1.25, pen=0.19))),
        Sign("pedestrian-crossing", "information", (*panel(), *crossing)),
        Sign("hospital", "information", (*panel(), *lettering("white", "H", height=1.15, pen=0.2))),
        Sign("dead-end", "information", (*panel(), *dead)),
        Sign("one-way", "information", (*panel(), *arrow("white", 0.3, 0.36, (0.0, 0.66), (0.0, -0.68)))),
    ]


_FAMILIES: tuple[Callable[[], list[Sign]], ...] = (_priority, _prohibitions, _warnings, _orders, _information)
# Spelled out, so that classes are known without drawing anything.
# fmt: off
NAMES: tuple[str, ...] = (
    "stop", "yield", "priority-road", "end-of-priority-road", "no-entry", "speed-limit-20", "speed-limit-30",
    "speed-limit-40", "speed-limit-50", "speed-limit-60", "speed-limit-70", "speed-limit-80", "speed-limit-90",
    "speed-limit-100", "speed-limit-120", "speed-limit-130", "no-vehicles", "no-overtaking", "no-lorries",
    "no-pedestrians", "no-bicycles", "no-left-turn", "no-right-turn", "no-u-turn", "no-parking", "no-stopping",
    "end-of-restrictions", "danger", "bend-left", "bend-right", "double-bend", "uneven-road", "slippery-road",
    "road-narrows", "road-works", "traffic-signals", "pedestrian-crossing-ahead", "children", "bicycles-crossing",
    "crossroads", "snow-or-ice", "wild-animals", "two-way-traffic", "ahead-only", "turn-right", "turn-left",
    "ahead-or-right", "ahead-or-left", "keep-right", "keep-left", "roundabout", "cycle-path", "footpath", "parking",
    "pedestrian-crossing", "hospital", "dead-end", "one-way",
)
# fmt: on


@cache
def signs() -> tuple[Sign, ...]:
    """Every sign as marks, in the order of NAMES."""
    return tuple(sign for family in _FAMILIES for sign in family())
