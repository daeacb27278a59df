"""Advertising that looks like traffic signs and is none: the null objects of the generator."""

from __future__ import annotations

from numpy.random import Generator

from neuromation.synthetic.generators.ink import direction
from neuromation.synthetic.generators.traffic_signs_marks import (
    Colour,
    Mark,
    arc,
    box,
    disc,
    lettering,
    line,
    polygon,
    regular,
    ring,
)

_LETTERS = "ACEFHKLMNOPRSTUVXZ"
_GROUNDS: tuple[Colour, ...] = ("white", "red", "blue", "yellow", "green", "orange", "black", "violet", "brown")

_RIMS: tuple[Colour, ...] = ("red", "blue", "white", "yellow", "black", "green")


def _word(rng: Generator, letters: int) -> str:
    return "".join(_LETTERS[int(draw * len(_LETTERS))] for draw in rng.random(letters).tolist())


def _plates(rim: Colour, ground: Colour) -> list[list[Mark]]:
    """Every shape of a plate in these colours."""
    return [
        [disc(rim, 0, 0, 1.0), disc(ground, 0, 0, 0.8)],
        [regular(rim, 3, 1.02, turn=0.75, rounding=0.08), regular(ground, 3, 0.66, turn=0.75, rounding=0.03)],
        [regular(rim, 8, 1.04, turn=1 / 16), regular(ground, 8, 0.96, turn=1 / 16)],
        [regular(rim, 4, 1.06, rounding=0.05), regular(ground, 4, 0.84, rounding=0.03)],
        [regular(rim, 6, 1.0, rounding=0.03), regular(ground, 6, 0.86, rounding=0.03)],
        [box(rim, 0, 0, 0.95, 0.62, rounding=0.08), box(ground, 0, 0, 0.87, 0.54, rounding=0.05)],
        [box(rim, 0, 0, 0.9, 0.9, rounding=0.12), box(ground, 0, 0, 0.8, 0.8, rounding=0.08)],
    ]


def _star(colour: Colour, corners: int) -> Mark:
    points = []
    for step in range(2 * corners):
        c, s = direction(step / (2 * corners) - 0.25)
        far = 0.55 if step % 2 == 0 else 0.24
        points.append((far * c, far * s))
    return polygon(colour, *points)


def _emblems(colour: Colour, other: Colour, rng: Generator) -> list[list[Mark]]:
    """Every emblem: a word, a price cut, a star, a cup, circles, waves, an initial."""
    f = rng.random(6).tolist()
    cup = polygon(colour, (-0.34, -0.2), (0.3, -0.2), (0.2, 0.36), (-0.24, 0.36), rounding=0.04)
    steam = [line(other, 0.06, (x, -0.3), (x + 0.06, -0.42), (x, -0.54)) for x in (-0.16, 0.06)]
    wave = (*arc(-0.3, 0, 0.3, 0.2, 0.5, 1.0), *arc(0.3, 0, 0.3, 0.2, 0.5, 0.0))
    return [
        lettering(colour, _word(rng, 2 + int(3 * f[0])), height=0.5, width=0.6, pen=0.12 + 0.1 * f[1]),
        lettering(colour, f"-{1 + int(8 * f[0])}0%", height=0.5, width=0.6, pen=0.15),
        [_star(colour, 5 + int(3 * f[0]))],
        [cup, ring(colour, 0.34, 0.04, 0.15, 0.08), *steam],
        [ring(colour, 0.1 * f[0], 0, 0.42, 0.12), disc(other, -0.2 + 0.4 * f[1], 0.1, 0.24)],
        [line(colour, 0.16, *wave), *lettering(other, _word(rng, 3), y=0.42, height=0.22, width=0.7)],
        [*lettering(colour, _word(rng, 1), height=0.9, pen=0.2), line(other, 0.08, (-0.5, 0.55), (0.5, 0.55))],
    ]


def lure(rng: Generator) -> tuple[str, list[Mark]]:
    """A plate in the shapes and colours of traffic signs with a brand's letters or emblem; its kind and its marks."""
    f = rng.random(6).tolist()
    rim = _RIMS[int(f[0] * len(_RIMS))]
    grounds = [colour for colour in _GROUNDS if colour != rim]
    ground = grounds[int(f[1] * len(grounds))]
    inks = [colour for colour in _GROUNDS if colour != ground]
    plates = _plates(rim, ground)
    emblems = _emblems(inks[int(f[2] * len(inks))], inks[int(f[3] * len(inks))], rng)
    return "advertising", [*plates[int(f[4] * len(plates))], *emblems[int(f[5] * len(emblems))]]
