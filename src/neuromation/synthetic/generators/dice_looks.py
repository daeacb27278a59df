"""How dice of the world look: palettes and draws of single dice and of look-alikes. Knows no place, no light, no camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.random import Generator

from neuromation.synthetic.generators.dice_body import CUTS, GRAINS, ROUNDINGS, Finish, Look
from neuromation.synthetic.scene.meshes import MeshBuilder, sphere
from neuromation.synthetic.scene.meshes_build import sine_cosine
from neuromation.synthetic.scene.model import Material, Mesh, Vector

NullKind = Literal["blank", "coin", "bead", "pawn", "chip", "d4", "d8", "d20"]
NULL_KINDS: tuple[NullKind, ...] = ("blank", "coin", "bead", "pawn", "chip", "d4", "d8", "d20")

WHITE, BLACK = (238.0, 236.0, 230.0), (24.0, 23.0, 24.0)
_IVORY, _GOLD, _RED_PIP, _YELLOW = (
    (232.0, 224.0, 200.0),
    (205.0, 160.0, 70.0),
    (176.0, 28.0, 34.0),
    (226.0, 206.0, 52.0),
)

# Name, body, what it is marbled with, pips: as makers sell them.
_PALETTE: tuple[tuple[str, Vector, Vector, Vector], ...] = (
    ("white", (233, 232, 228), (210, 212, 214), BLACK),
    ("ivory", _IVORY, (214, 200, 168), BLACK),
    ("black", (14, 14, 15), (70, 70, 74), WHITE),
    ("smoke", (34, 30, 30), (84, 72, 70), _RED_PIP),
    ("red", (206, 26, 30), (236, 84, 70), WHITE),
    ("scarlet", (208, 40, 30), (150, 14, 22), _GOLD),
    ("maroon", (112, 24, 42), (176, 104, 122), WHITE),
    ("green", (6, 136, 70), (70, 190, 124), WHITE),
    ("teal", (16, 104, 92), (40, 150, 120), _YELLOW),
    ("forest", (28, 78, 44), (72, 130, 60), _YELLOW),
    ("blue", (22, 32, 140), (50, 84, 190), WHITE),
    ("navy", (20, 26, 66), (40, 56, 120), (170, 176, 190)),
    ("azure", (30, 110, 186), (18, 24, 40), _RED_PIP),
    ("purple", (110, 22, 132), (160, 70, 180), WHITE),
    ("plum", (38, 16, 50), (86, 48, 100), WHITE),
    ("yellow", (234, 220, 28), (240, 180, 40), BLACK),
    ("orange", (226, 112, 22), (240, 160, 60), BLACK),
    ("bronze", (128, 88, 40), (176, 130, 66), BLACK),
    ("pink", (226, 112, 150), (240, 170, 190), WHITE),
    ("grey", (128, 130, 134), (170, 172, 176), BLACK),
    ("turquoise", (40, 176, 176), (120, 214, 210), BLACK),
    ("brown", (92, 58, 38), (132, 88, 56), WHITE),
)
_METALS: tuple[tuple[str, Vector], ...] = (
    ("steel", (196, 197, 200)),
    ("brass", (206, 172, 100)),
    ("copper", (200, 134, 104)),
    ("gunmetal", (104, 106, 112)),
)
_WOODS: tuple[tuple[str, Vector, Vector], ...] = (
    ("beech", (212, 172, 124), (190, 146, 98)),
    ("walnut", (112, 74, 48), (84, 54, 36)),
    ("maple", (226, 198, 158), (208, 176, 132)),
)


@dataclass(frozen=True)
class Shares:
    """How common each finish and shape is, 0..1; what finishes leave is opaque plastic."""

    pearl: float
    clear: float
    metal: float
    wood: float
    sharp: float
    cut: float


def pick(weights: Sequence[float], draw: float) -> int:
    """The place at which the running sum of weights passes `draw` (0..1) of their sum."""
    left = draw * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return max(place for place, weight in enumerate(weights) if weight > 0)


def drawn_look(shares: Shares, rng: Generator, *, pips: bool = True) -> Look:
    """A die as some maker would sell it."""
    u = [float(draw) for draw in rng.random(14)]
    plain = max(0.0, 1.0 - shares.pearl - shares.clear - shares.metal - shares.wood)
    finishes: tuple[Finish, ...] = ("opaque", "pearl", "clear", "metal", "wood")
    finish = finishes[pick((plain + 1e-9, shares.pearl, shares.clear, shares.metal, shares.wood), u[0])]
    name, colour, second, pip = _PALETTE[int(u[1] * len(_PALETTE))]
    if finish == "metal":
        name, colour = _METALS[int(u[1] * len(_METALS))]
        second, pip = _mixed(colour, BLACK, 0.35), BLACK if u[2] < 0.7 else WHITE
    elif finish == "wood":
        name, colour, second = _WOODS[int(u[1] * len(_WOODS))]
        pip = BLACK if u[2] < 0.7 or name == "walnut" else (120.0, 40.0, 30.0)
        pip = WHITE if name == "walnut" else pip
    else:
        if u[2] < 0.12:  # some other pairing of colours
            pip = (WHITE, BLACK, _GOLD, _YELLOW, _RED_PIP)[int(u[3] * 5)]
        if finish == "pearl" and u[4] < 0.35:
            second = _PALETTE[int(u[5] * len(_PALETTE))][1]
        if finish == "clear":
            second = _mixed(colour, (255.0, 255.0, 255.0), 0.35)
        if _contrast(colour, pip) < 70:
            pip = WHITE if _light(colour) < 120 else BLACK
    shift = 0.86 + 0.26 * u[6]
    sharp = u[7] < shares.sharp
    cut = 0 if sharp or u[8] >= shares.cut else 1 + int(u[9] * (len(CUTS) - 1))
    rounding = int(u[10] * 2) if sharp else 1 + int(u[10] * (len(ROUNDINGS) - 1))
    asian = _light(colour) > 180 and u[11] < 0.25
    v = [float(draw) for draw in rng.random(6)]
    return Look(
        name=name,
        colour=_scaled(colour, shift),
        second=_scaled(second, shift),
        pip=pip,
        one=_RED_PIP if asian else pip,
        finish=finish,
        pip_radius=0.088 + 0.038 * v[0],
        pip_spread=0.23 + 0.04 * v[1] - (0.03 if cut else 0.0),
        one_scale=1.6 if asian else (1.25 if u[12] < 0.15 else 1.0),
        inlay=v[2] * v[2],
        gloss=0.0 if v[3] < 0.1 else 0.4 + 0.6 * v[4],
        rounding=rounding,
        cut=cut,
        left_handed=u[13] < 0.2,
        pips=pips,
        grain=int(v[5] * GRAINS),
    )


def _light(colour: Vector) -> float:
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def _contrast(one: Vector, other: Vector) -> float:
    """How differently bright or coloured two colours are: the largest difference of a channel, 0..255."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _mixed(one: Vector, other: Vector, share: float) -> Vector:
    a, b = one, other
    return (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2]))


def _scaled(colour: Vector, factor: float) -> Vector:
    return (min(250.0, colour[0] * factor), min(250.0, colour[1] * factor), min(250.0, colour[2] * factor))


@dataclass(frozen=True)
class NullThing:
    """A look-alike that is no die: its shape about the middle of its lowest level, z up; materials; half its width."""

    kind: NullKind
    mesh: Mesh
    materials: tuple[Material, ...]
    half_m: float


def drawn_null(rng: Generator) -> NullThing:
    """A coin, a bead, a pawn, a chip or another kind of die; blank cubes are made as dice are."""
    u = [float(draw) for draw in rng.random(6)]
    kind = NULL_KINDS[1 + int(u[0] * (len(NULL_KINDS) - 1))]
    colour = tuple((part / 255) * (part / 255) for part in _PALETTE[int(u[1] * len(_PALETTE))][1])
    plastic = Material((colour[0], colour[1], colour[2]), kind="coat", roughness=0.1 + 0.3 * u[2])
    size = int(u[3] * 4)
    if kind == "coin":
        shade = ((0.62, 0.61, 0.58), (0.62, 0.48, 0.24), (0.6, 0.33, 0.2))[int(u[2] * 3)]
        return NullThing(kind, _coin(size), (Material(shade, kind="metal", roughness=0.32),), 0.0095 + 0.0012 * size)
    if kind == "chip":
        return NullThing(kind, chip_mesh(10 + size, 2.2), (plastic,), 0.001 * (10 + size))
    if kind == "bead":
        return NullThing(kind, sphere(0.005 + 0.0015 * size), (plastic,), 0.005 + 0.0015 * size)
    if kind == "pawn":
        return NullThing(kind, _pawn(size), (plastic,), 0.007 + 0.0008 * size)
    return NullThing(kind, _solid(kind, size), (plastic,), 0.009 + 0.001 * size)


@lru_cache(maxsize=128)
def chip_mesh(radius_mm: float, height_mm: float) -> Mesh:
    """A flat counter with an embossed ring, standing on z = 0."""
    r, h = radius_mm / 1000, height_mm / 1000
    build = MeshBuilder()
    rim = min(0.0005, 0.2 * h)
    profile = [(0.0, 0.0), (r - rim, 0.0), (r, rim), (r, h - rim), (r - rim, h), (0.72 * r, h), (0.7 * r, h - 0.15 * h)]
    build.lathe([*profile, (0.0, h - 0.15 * h)], segments=40)
    return build.build()


@lru_cache(maxsize=8)
def _coin(size: int) -> Mesh:
    return chip_mesh(9.5 + 1.2 * size, 1.8)


@lru_cache(maxsize=8)
def _pawn(size: int) -> Mesh:
    r = 0.007 + 0.0008 * size
    profile = [(0.0, 0.0), (r, 0.0), (r, 0.25 * r), (0.85 * r, 0.5 * r), (0.42 * r, 1.6 * r), (0.36 * r, 2.3 * r)]
    ball = [sine_cosine(-0.16 + 0.41 * k / 9) for k in range(10)]
    head = [(max(0.0, 0.6 * r * c), 2.85 * r + 0.6 * r * s) for s, c in ball]
    build = MeshBuilder()
    build.lathe([*profile, *head], segments=24)
    return build.build()


_GOLDEN = 1.618033988749895
_SHAPES: dict[str, list[Vector]] = {
    "d4": [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)],
    "d8": [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)],
    "d20": [(0, a, b * _GOLDEN) for a in (-1, 1) for b in (-1, 1)]
    + [(a, b * _GOLDEN, 0) for a in (-1, 1) for b in (-1, 1)]
    + [(b * _GOLDEN, 0, a) for a in (-1, 1) for b in (-1, 1)],
}


@lru_cache(maxsize=32)
def _solid(kind: str, size: int) -> Mesh:
    """A polyhedron with triangular faces, lying on one of them, its widest reach 9 to 12 mm."""
    points = np.array(_SHAPES[kind], dtype=np.float64)
    points = points * ((0.009 + 0.001 * size) / float(np.sqrt((points[0] * points[0]).sum())))
    faces = _faces(points)
    down = _normal(points[list(faces[0])])
    turned = _laid(points, down)
    turned[:, 2] -= turned[:, 2].min()
    build = MeshBuilder()
    for face in faces:
        build.polygon([tuple(turned[k]) for k in face], part=0)
    return build.build()


def _normal(triangle: np.ndarray) -> np.ndarray:
    a, b = triangle[1] - triangle[0], triangle[2] - triangle[0]
    normal = np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
    length = float(np.sqrt((normal * normal).sum()))
    return normal / length if length > 0 else normal


def _faces(points: np.ndarray) -> list[tuple[int, int, int]]:
    """The triangles of a convex solid about the origin, counter-clockwise from outside."""
    count, found = len(points), []
    for i in range(count):
        for j in range(i + 1, count):
            for k in range(j + 1, count):
                normal = _normal(points[[i, j, k]])
                level = float((normal * points[i]).sum())
                if level < 0:
                    normal, level = -normal, -level
                heights = points * normal
                if level > 1e-9 and float(heights.sum(axis=1).max()) < level + 1e-9:
                    outward = float((_normal(points[[i, j, k]]) * normal).sum()) > 0
                    found.append((i, j, k) if outward else (i, k, j))
    return found


def _laid(points: np.ndarray, down: np.ndarray) -> np.ndarray:
    """The points turned so that `down`, of unit length, looks to -z."""
    side = np.array([-down[1], down[0], 0.0])
    length = float(np.sqrt((side * side).sum()))
    x = side / length if length > 1e-9 else np.array([1.0, 0.0, 0.0])
    z = -down
    y = np.array([z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]])
    return np.stack([(points * axis).sum(axis=1) for axis in (x, y, z)], axis=1)
