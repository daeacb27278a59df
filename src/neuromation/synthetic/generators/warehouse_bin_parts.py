"""The parts that lie in bins: bolts, nuts, washers, brackets, gears, plates and pipes, in makers' sizes and materials.

Owns shapes, materials and the named points of a single part; knows no bin and no camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from numpy.random import Generator

from neuromation.synthetic.generators.dice_looks import pick
from neuromation.synthetic.scene.meshes import MeshBuilder, bolt, box, bracket, gear, nut, ring, washer
from neuromation.synthetic.scene.meshes_build import frozen
from neuromation.synthetic.scene.model import Material, Mesh, Texture, Vector
from neuromation.synthetic.scene.textures import brushed_metal, plastic

CLASSES = ("bolt", "nut", "washer", "bracket", "gear", "plate", "pipe")
SIZES = 5  # of each class
_MATERIAL_PARTS_MAX = 6


@dataclass(frozen=True, eq=False)
class Part:
    """A kind of part: its class, mesh, materials (one for each of the mesh's), and how they are called."""

    name: str
    mesh: Mesh
    materials: tuple[Material, ...]
    finish: str
    size_mm: float


def _bolt(size: int) -> tuple[Mesh, float]:
    wide = (0.006, 0.008, 0.01, 0.012, 0.016)[size]
    long = wide * (4.5, 5.0, 4.0, 5.5, 3.8)[size]
    return _named(bolt(wide, long, 7), {"head": (0, 0, 0), "tip": (0, 0, long), "middle": (0, 0, long / 2)}), long


def _nut(size: int) -> tuple[Mesh, float]:
    wide = (0.008, 0.01, 0.012, 0.016, 0.02)[size]
    high = 0.85 * wide
    return _named(nut(wide), {"bottom": (0, 0, 0), "top": (0, 0, high), "middle": (0, 0, high / 2)}), 1.6 * wide


def _washer(size: int) -> tuple[Mesh, float]:
    wide = (0.008, 0.01, 0.014, 0.018, 0.022)[size]
    rim = 1.05 * wide
    points: dict[str, Vector] = {
        "middle": (0, 0, 0.09 * wide),
        "rim_a": (rim, 0, 0.09 * wide),
        "rim_b": (-rim, 0, 0.09 * wide),
    }
    return _named(washer(wide), points), 2.1 * wide


def _bracket(size: int) -> tuple[Mesh, float]:
    long = (0.03, 0.036, 0.042, 0.05, 0.058)[size]
    wide, thick = 0.55 * long, 0.003
    h = long / 2
    points: dict[str, Vector] = {"corner": (-h, 0, 0), "end_flat": (h, 0, 0), "end_upright": (-h, 0, long)}
    return _named(bracket(long, wide, thick), points), long


def _gear(size: int) -> tuple[Mesh, float]:
    radius = (0.012, 0.015, 0.018, 0.022, 0.028)[size]
    high = 0.35 * radius
    points: dict[str, Vector] = {"bottom": (0, 0, 0), "top": (0, 0, high), "tooth": (0.97 * radius, 0, high / 2)}
    return _named(gear(radius, high, 12 + 2 * size), points), 2 * radius


def _plate(size: int) -> tuple[Mesh, float]:
    x = (0.03, 0.038, 0.046, 0.056, 0.066)[size]
    y, z = 0.5 * x, 0.003
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    points: dict[str, Vector] = {f"corner_{k + 1}": (a * x / 2, b * y / 2, z) for k, (a, b) in enumerate(corners)}
    return _named(_drilled(x, y, z), points), x


def _pipe(size: int) -> tuple[Mesh, float]:
    radius = (0.006, 0.008, 0.009, 0.011, 0.014)[size]
    long = (0.04, 0.036, 0.06, 0.05, 0.045)[size]
    points: dict[str, Vector] = {"end_a": (0, 0, 0), "end_b": (0, 0, long), "middle": (0, 0, long / 2)}
    return _named(ring(radius, 0.78 * radius, long, 20), points), long


@lru_cache(maxsize=16)
def _drilled(x: float, y: float, z: float) -> Mesh:
    """A flat plate with two raised collars, as of pressed holes."""
    build = MeshBuilder()
    build.add(box((x, y, z)), part=0)
    collar = ring(0.13 * y, 0.08 * y, 0.0008, 16)
    for sign in (-1, 1):
        build.add(collar, offset=(sign * 0.32 * x, 0.0, z), part=0)
    return build.build()


def _named(mesh: Mesh, points: dict[str, Vector]) -> Mesh:
    keypoints = {name: (float(x), float(y), float(z)) for name, (x, y, z) in points.items()}
    return frozen(replace(mesh, keypoints=keypoints))


_MAKERS: tuple[Callable[[int], tuple[Mesh, float]], ...] = (_bolt, _nut, _washer, _bracket, _gear, _plate, _pipe)


@lru_cache(maxsize=len(CLASSES) * SIZES)
def part_shape(label: int, size: int) -> tuple[Mesh, float]:
    """The mesh of a class in one of its sizes, with its named points, and its longest side in metres."""
    return _MAKERS[label](size)


_METALS: tuple[tuple[str, Vector, float], ...] = (
    ("zinc", (0.68, 0.69, 0.7), 0.36),
    ("steel", (0.56, 0.56, 0.57), 0.28),
    ("stainless", (0.66, 0.65, 0.62), 0.2),
    ("brass", (0.78, 0.6, 0.28), 0.28),
    ("copper", (0.76, 0.44, 0.3), 0.3),
    ("blackened", (0.12, 0.12, 0.125), 0.42),
    ("yellow zinc", (0.7, 0.58, 0.34), 0.34),
)
_PLASTICS: tuple[tuple[str, Vector], ...] = (
    ("white plastic", (0.72, 0.72, 0.7)),
    ("black plastic", (0.03, 0.03, 0.032)),
    ("red plastic", (0.5, 0.05, 0.04)),
    ("blue plastic", (0.05, 0.14, 0.42)),
    ("yellow plastic", (0.7, 0.48, 0.05)),
    ("grey plastic", (0.3, 0.31, 0.32)),
)


def drawn_part(label: int, *, plastic_share: float, rust_share: float, rng: Generator) -> Part:
    """A kind of part of a class: its size, metal or plastic, new or worn."""
    u = [float(draw) for draw in rng.random(7)]
    mesh, size_m = part_shape(label, int(u[0] * SIZES))
    if pick((plastic_share + 1e-12, 1 - plastic_share), u[1]) == 0:
        finish, colour = _PLASTICS[int(u[2] * len(_PLASTICS))]
        material = Material(colour, _grain(int(6 * u[3])), kind="coat", roughness=0.25 + 0.35 * u[4])
    else:
        finish, tint, roughness = _METALS[int(u[2] * len(_METALS))]
        material = Material(tint, _brush(int(6 * u[3])), kind="metal", roughness=roughness + 0.14 * u[4])
        if u[5] < rust_share:
            finish, share = f"rusty {finish}", 0.35 + 0.5 * u[6]
            rust = (0.3, 0.13, 0.06)
            r, g, b = (tint[k] + share * (rust[k] - tint[k]) for k in range(3))
            material = Material((r, g, b), _grain(int(6 * u[3])), kind="diffuse")
    return Part(CLASSES[label], mesh, (material,) * _MATERIAL_PARTS_MAX, finish, size_m * 1000)


@lru_cache(maxsize=8)
def _brush(variant: int) -> Texture:
    return brushed_metal(variant, (226.0, 226.0, 226.0), 128)


@lru_cache(maxsize=8)
def _grain(variant: int) -> Texture:
    return plastic(variant, (220.0, 220.0, 220.0), 128)
