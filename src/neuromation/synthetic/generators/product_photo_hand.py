"""The hand that holds a product: palm and wrist beside it, a thumb around one face, fingers around the other, a sleeve.

Owns the anatomy of a grip around a package of any width and depth. In the frame of the grip the package's axis is z, its
front looks to -y, the hand comes from -x, and z = 0 is the height of its middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from neuromation.synthetic.exact import exact_cos, exact_sin
from neuromation.synthetic.scene.flesh import Cone, flesh
from neuromation.synthetic.scene.model import Mesh, Vector

VARIANTS = 4
_STEP_M = 0.004  # sizes are rounded to this, so that packages of about one size share a hand
_CELL_M = 0.0036
_FINGER_M = (0.0088, 0.0094, 0.0090, 0.0078)  # radii, index finger first
_REACH_M = (0.082, 0.092, 0.086, 0.068)
_SPREAD_M = 0.0205

Flat = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Grip:
    """The parts of an arm: bare flesh, a thumb's nail, a sleeve."""

    flesh: Mesh
    nail: Mesh
    sleeve: Mesh


def grip(width_m: float, depth_m: float, *, is_round: bool, variant: int, from_left: bool = True) -> Grip:
    """A hand around a package of this size; variants 0..3 differ in spread, height of the thumb and which face it covers."""
    return _grip(
        max(1, round(0.5 * width_m / _STEP_M)),
        max(1, round(0.5 * depth_m / _STEP_M)),
        is_round,
        variant % VARIANTS,
        from_left,
    )


@lru_cache(maxsize=256)
def _grip(half_width: int, half_depth: int, is_round: bool, variant: int, from_left: bool) -> Grip:
    a, b = half_width * _STEP_M, half_depth * _STEP_M
    thumb_before = variant != 3
    cones = [*_palm(a, b, variant), *_thumb(a, b, variant), *_fingers(a, b, is_round, variant)]
    nail = _nail(a, b, variant)
    if not thumb_before:
        cones, nail = [_flipped(cone, 1) for cone in cones], [_flipped(cone, 1) for cone in nail]
    arm = _arm(a)
    if not from_left:
        cones, nail, arm = ([_flipped(cone, 0) for cone in part] for part in (cones, nail, arm))
    return Grip(
        flesh(cones, cell_m=_CELL_M, join_m=0.009),
        flesh(nail, cell_m=0.002, join_m=0.002),
        flesh(arm, cell_m=0.008, join_m=0.02, uv_m=0.05),
    )


def _flipped(cone: Cone, axis: int) -> Cone:
    a, b = (tuple(-c if place == axis else c for place, c in enumerate(end)) for end in (cone.a, cone.b))
    return Cone((a[0], a[1], a[2]), (b[0], b[1], b[2]), cone.radius_a_m, cone.radius_b_m)


def _forward(b: float) -> float:
    """How far the palm lies towards the thumb's face, so that a thumb reaches around a deep package."""
    return -max(0.0, b - 0.032)


def _palm(a: float, b: float, variant: int) -> Iterator[Cone]:
    y = _forward(b) + 0.004
    high = 0.5 * 3 * _SPREAD_M
    yield Cone((-a - 0.022, y, -high - 0.006), (-a - 0.021, y + 0.006, high - 0.004), 0.021, 0.019)
    yield Cone((-a - 0.058, y + 0.002, -high - 0.018), (-a - 0.030, y + 0.004, -0.004), 0.027, 0.026)
    yield Cone((-a - 0.058, y + 0.002, -high - 0.018), (-a - 0.026, y - 0.008, 0.012), 0.026, 0.020)
    # The wrist and the bare end of the forearm.
    yield Cone((-a - 0.070, y + 0.002, -high - 0.026), (-a - 0.19, y + 0.03, -high - 0.085), 0.026, 0.031)


def _thumb(a: float, b: float, variant: int) -> Iterator[Cone]:
    y = _forward(b)
    rise = (0.006, 0.020, 0.030, 0.012)[variant]
    inward = (0.030, 0.024, 0.034, 0.028)[variant]
    root = (-a - 0.032, y - 0.016, -0.016)
    joint = (-a - 0.011, -b - 0.0115, 0.004 + 0.3 * rise)
    middle = (-a + 0.4 * inward, -b - 0.0125, 0.006 + 0.75 * rise)
    tip = (-a + inward + 0.006, -b - 0.0092, 0.010 + rise)
    yield Cone(root, joint, 0.0175, 0.0130)
    yield Cone(joint, middle, 0.0130, 0.0108)
    yield Cone(middle, tip, 0.0108, 0.0090)


def _nail(a: float, b: float, variant: int) -> list[Cone]:
    rise = (0.006, 0.020, 0.030, 0.012)[variant]
    inward = (0.030, 0.024, 0.034, 0.028)[variant]
    start = (-a + inward - 0.003, -b - 0.0158, 0.0085 + 0.92 * rise)
    stop = (-a + inward + 0.0065, -b - 0.0142, 0.010 + rise)
    return [Cone(start, stop, 0.0052, 0.0048)]


def _fingers(a: float, b: float, is_round: bool, variant: int) -> Iterator[Cone]:
    spread = _SPREAD_M * (1.0, 1.1, 0.96, 1.04)[variant]
    for finger in range(4):
        radius = _FINGER_M[finger]
        z = (1.5 - finger) * spread
        line = _outline(a + radius, b + radius, is_round)
        start = 0.012 + _forward(b) * -1.0
        ends = [_along(line, start + share * _REACH_M[finger]) for share in (0.0, 0.45, 0.75, 1.0)]
        droop = (0.0, 0.002, 0.004, 0.005)
        points: list[Vector] = [(x, y, z - droop[k] * (1.5 - finger)) for k, (x, y) in enumerate(ends)]
        knuckle: Vector = (-a - 0.019, _forward(b) + 0.006, z * 0.92)
        yield Cone(knuckle, points[0], 0.0125, radius * 1.12)
        for k in range(3):
            yield Cone(points[k], points[k + 1], radius * (1.12 - 0.09 * k), radius * (1.03 - 0.09 * k))


def _outline(a: float, b: float, is_round: bool) -> list[Flat]:
    """The way around a package from its left (-x) by its back (+y) to its right and front again."""
    if not is_round:
        return [(-a, 0.0), (-a, b), (a, b), (a, -b), (0.0, -b)]
    turn = 3.141592653589793
    return [(-a * exact_cos(k * turn / 16), b * exact_sin(k * turn / 16)) for k in range(25)]


def _along(line: Sequence[Flat], way_m: float) -> Flat:
    """The point after so many metres of a line."""
    for (x0, y0), (x1, y1) in pairwise(line):
        length = ((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)) ** 0.5
        if way_m <= length:
            share = way_m / length
            return x0 + share * (x1 - x0), y0 + share * (y1 - y0)
        way_m -= length
    return line[-1]


def _arm(a: float) -> list[Cone]:
    """The sleeve, from a cuff behind the wrist to beyond the picture."""
    low = -0.5 * 3 * _SPREAD_M
    cuff: Vector = (-a - 0.135, 0.02, low - 0.056)
    return [
        Cone(cuff, (-a - 0.165, 0.028, low - 0.072), 0.040, 0.043),
        Cone((-a - 0.175, 0.03, low - 0.078), (-a - 0.55, 0.12, low - 0.27), 0.046, 0.062),
    ]
