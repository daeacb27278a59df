"""Where things lie on a table without touching through each other: footprints, exact overlap tests, piles and clusters.

Knows rectangles on a plane and random draws; knows no dice, no camera and no renderer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from neuromation.synthetic.scene.meshes_build import sine_cosine

Spot = tuple[float, float]

TRIES_MAX = 40  # places tried for one thing before it is left out
_SLIDE_STEPS = 26  # halvings of the way along which a thing is pushed against another: 1e-8 of it is left


@dataclass(frozen=True)
class Footprint:
    """A rectangle on the table.

    Attributes:
        x, y: its middle, metres.
        turns: how far it is turned, in whole turns, counter-clockwise from above.
        half_u, half_v: half its sides, metres.
    """

    x: float
    y: float
    turns: float
    half_u: float
    half_v: float

    @property
    def reach(self) -> float:
        """Its corners' distance from the middle, metres, not less than the truth."""
        return self.half_u + self.half_v

    def moved(self, x: float, y: float) -> Footprint:
        return Footprint(x, y, self.turns, self.half_u, self.half_v)

    def corners(self) -> list[Spot]:
        s, c = sine_cosine(self.turns)
        return [
            (self.x + c * u - s * v, self.y + s * u + c * v)
            for u, v in (
                (-self.half_u, -self.half_v),
                (self.half_u, -self.half_v),
                (self.half_u, self.half_v),
                (-self.half_u, self.half_v),
            )
        ]


def overlap(one: Footprint, other: Footprint, clearance_m: float = 0.0) -> bool:
    """True when two rectangles come nearer than the clearance along every axis that could separate them.

    Gottschalk, Lin and Manocha, "OBBTree" (SIGGRAPH 1996), in two dimensions; exact for clearance 0.
    """
    dx, dy = other.x - one.x, other.y - one.y
    reach = one.reach + other.reach + clearance_m
    if dx * dx + dy * dy > reach * reach:
        return False
    s1, c1 = sine_cosine(one.turns)
    s2, c2 = sine_cosine(other.turns)
    cosine, sine = abs(c1 * c2 + s1 * s2), abs(c1 * s2 - s1 * c2)
    spans = (
        (abs(dx * c1 + dy * s1), one.half_u + other.half_u * cosine + other.half_v * sine),
        (abs(dy * c1 - dx * s1), one.half_v + other.half_u * sine + other.half_v * cosine),
        (abs(dx * c2 + dy * s2), other.half_u + one.half_u * cosine + one.half_v * sine),
        (abs(dy * c2 - dx * s2), other.half_v + one.half_u * sine + one.half_v * cosine),
    )
    return all(distance < span + clearance_m for distance, span in spans)


@dataclass(frozen=True)
class Pen:
    """The rectangle inside which everything has to stay: a tray, a box. None of it: an open table."""

    turns: float
    half_u: float
    half_v: float

    def holds(self, footprint: Footprint) -> bool:
        s, c = sine_cosine(self.turns)
        return all(
            abs(c * x + s * y) <= self.half_u and abs(c * y - s * x) <= self.half_v for x, y in footprint.corners()
        )


class Layout:
    """What already lies on the table, and where the next thing finds a place."""

    def __init__(self, pen: Pen | None = None, clearance_m: float = 0.0002) -> None:
        self.taken: list[Footprint] = []
        self._pen = pen
        self._clearance_m = clearance_m

    def is_free(self, footprint: Footprint) -> bool:
        inside = self._pen is None or self._pen.holds(footprint)
        return inside and not any(overlap(footprint, other, self._clearance_m) for other in self.taken)

    def take(self, footprint: Footprint) -> None:
        self.taken.append(footprint)

    def scattered(self, footprint: Footprint, draw: Callable[[], Spot]) -> Footprint | None:
        """The footprint at the first drawn place that is free, taken; None when `TRIES_MAX` places were not."""
        for _ in range(TRIES_MAX):
            x, y = draw()
            there = footprint.moved(x, y)
            if self.is_free(there):
                self.take(there)
                return there
        return None

    def beside(
        self, footprint: Footprint, near: Footprint, gap_m: float, rng: Generator, allowed: Callable[[Spot], bool]
    ) -> Footprint | None:
        """The footprint pushed towards `near` until the gap is left, from a drawn side, taken; None when none is free."""
        gap_m = max(gap_m, self._clearance_m)
        for _ in range(TRIES_MAX):
            s, c = sine_cosine(float(rng.random()))
            touching, apart = 0.0, near.reach + footprint.reach + gap_m
            for _ in range(_SLIDE_STEPS):
                middle = 0.5 * (touching + apart)
                if overlap(footprint.moved(near.x + c * middle, near.y + s * middle), near, gap_m):
                    touching = middle
                else:
                    apart = middle
            there = footprint.moved(near.x + c * apart, near.y + s * apart)
            if allowed((there.x, there.y)) and self.is_free(there):
                self.take(there)
                return there
        return None
