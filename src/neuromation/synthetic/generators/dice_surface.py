"""What dice lie on and beside: table tops, trays and the clutter at a picture's border.

Owns grounds and surroundings as plain scene data; knows no dice and draws nothing itself. Patterns of surfaces are grey,
made once for each variant and tinted by the material's colour, so that a thousand units share a few textures.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.random import Generator

from neuromation.synthetic.exact import rotation_z
from neuromation.synthetic.generators.dice_layout import Footprint, Layout, Spot
from neuromation.synthetic.scene.meshes import MeshBuilder, box, plane
from neuromation.synthetic.scene.meshes_build import sine_cosine
from neuromation.synthetic.scene.model import Instance, Material, Mesh, Pose, Texture, Vector
from neuromation.synthetic.scene.textures import (
    cardboard,
    concrete,
    fabric,
    felt,
    marble,
    paper,
    planks,
    speckle,
    tiles,
    wood,
)
from neuromation.synthetic.scene.textures_noise import grain

Ground = Literal["plain", "paper", "cardboard", "felt", "cloth", "wood", "planks", "mat", "board", "stone", "concrete"]
GROUNDS: tuple[Ground, ...] = get_args(Ground)
TURN = 6.283185307179586  # radians
VARIANTS = 6  # of each pattern
TABLE_HALF_M = 3.0
FLOOR_M = 0.002  # thickness of a tray's floor: the table lies so far below it
LINING_M = 0.0008
LIP_M = 0.0003  # by which two sides of a tray are lower, so that their tops do not fight for a pixel
_PATTERN_PX = 512
_PALE = (236.0, 236.0, 236.0)
_SPAN_M: dict[Ground, float] = {  # what one repeat of the pattern covers
    "plain": 0.6,
    "paper": 0.35,
    "cardboard": 0.25,
    "felt": 0.16,
    "cloth": 0.14,
    "wood": 0.5,
    "planks": 0.6,
    "concrete": 0.5,
    "mat": 0.45,
    "board": 0.32,
    "stone": 0.5,
}
# Linear reflectances that a ground of a kind may have; one is drawn.
_TINTS: dict[Ground, tuple[Vector, ...]] = {
    "plain": (
        (0.56, 0.555, 0.55),
        (0.62, 0.61, 0.595),
        (0.5, 0.49, 0.48),
        (0.68, 0.68, 0.68),
        (0.8, 0.79, 0.77),
        (0.58, 0.57, 0.57),
        (0.3, 0.3, 0.31),
        (0.08, 0.08, 0.09),
        (0.14, 0.26, 0.36),
        (0.5, 0.3, 0.28),
    ),
    "paper": ((0.82, 0.81, 0.78), (0.78, 0.74, 0.64), (0.5, 0.6, 0.68), (0.75, 0.72, 0.4)),
    "cardboard": ((0.6, 0.57, 0.53), (0.5, 0.38, 0.25), (0.66, 0.64, 0.62)),
    "cloth": ((0.7, 0.68, 0.64), (0.1, 0.14, 0.25), (0.4, 0.1, 0.1), (0.35, 0.33, 0.3)),
    "planks": ((0.5, 0.32, 0.18), (0.3, 0.17, 0.09), (0.6, 0.48, 0.34), (0.6, 0.58, 0.55)),
    "concrete": ((0.4, 0.4, 0.39), (0.25, 0.25, 0.26)),
    "felt": (
        (0.02, 0.14, 0.06),
        (0.03, 0.05, 0.2),
        (0.22, 0.02, 0.03),
        (0.03, 0.03, 0.035),
        (0.3, 0.3, 0.3),
        (0.1, 0.03, 0.14),
    ),
    "wood": ((0.5, 0.32, 0.18), (0.34, 0.18, 0.09), (0.62, 0.46, 0.3), (0.16, 0.08, 0.045), (0.55, 0.5, 0.44)),
    "mat": ((0.28, 0.3, 0.22), (0.3, 0.2, 0.16), (0.16, 0.22, 0.34), (0.12, 0.12, 0.13)),
    "board": ((0.75, 0.68, 0.5), (0.7, 0.7, 0.68), (0.5, 0.62, 0.5), (0.6, 0.3, 0.22)),
    "stone": ((0.62, 0.6, 0.58), (0.2, 0.2, 0.21), (0.7, 0.66, 0.6)),
}
_GLOSSY: dict[Ground, float] = {
    "plain": 0.55,
    "wood": 0.42,
    "planks": 0.4,
    "board": 0.5,
    "stone": 0.25,
}  # roughness of a coat


def _with_specks(texture: Texture, count: int) -> Texture:
    """The texture with dust and crumbs on it, one or two pixels each."""
    pixels = texture.pixels.copy()
    side = len(pixels)
    draws = grain(max(1, count), 4, 77 + count)
    for x, y, dark, wide in draws[:count].tolist():
        row, column, size = int(y * (side - 2)), int(x * (side - 2)), 1 + int(wide * 1.6)
        spot = pixels[row : row + size, column : column + 1 + int(wide * 2) % 2]
        spot[:] = (spot * np.float32(0.3 + 0.5 * dark)).astype(np.uint8)
    return Texture(pixels, repeats=True)


@lru_cache(maxsize=VARIANTS * 12)
def ground_texture(kind: Ground, variant: int) -> Texture:
    """A grey, bright pattern that repeats; the ground's colour comes on top."""
    side, seed = _PATTERN_PX, 100 * variant + 17
    if kind == "plain":
        return _with_specks(speckle(seed, _PALE, 0.02, 3), (0, 6, 16)[variant % 3])
    if kind == "paper":
        return _with_specks(paper(seed, _PALE, side), (0, 4)[variant % 2])
    makers: dict[Ground, Callable[[], Texture]] = {
        "cardboard": lambda: cardboard(seed, _PALE, side),
        "felt": lambda: felt(seed, (170.0, 170.0, 170.0), side),
        "cloth": lambda: fabric(seed, (190.0, 190.0, 190.0), 96, side),
        "wood": lambda: wood(seed, (215.0, 210.0, 205.0), side),
        "planks": lambda: planks(seed, (205.0, 200.0, 195.0), 4 + variant % 3, side),
        "mat": lambda: speckle(seed, (150.0, 150.0, 150.0), 0.45, 5),
        "board": lambda: tiles(seed, _PALE, 4 + variant, (90.0, 90.0, 90.0), side),
        "stone": lambda: marble(seed, _PALE, side),
        "concrete": lambda: concrete(seed, (200.0, 200.0, 198.0), side),
    }
    return makers[kind]()


def ground_material(kind: Ground, rng: Generator) -> Material:
    """One surface of a kind: a pattern, a tint, more or less shiny."""
    u = [float(draw) for draw in rng.random(5)]
    tints = _TINTS[kind]
    tint = tints[int(u[0] * len(tints))]
    shift = 0.85 + 0.3 * u[1]
    colour = (min(0.9, tint[0] * shift), min(0.9, tint[1] * shift), min(0.9, tint[2] * shift))
    texture = ground_texture(kind, int(u[2] * VARIANTS))
    roughness = _GLOSSY.get(kind)
    if roughness is None or u[3] < 0.4:
        return Material(colour, texture)
    return Material(colour, texture, kind="coat", roughness=min(1.0, roughness + 0.3 * u[4]), specular=0.03)


def table(kind: Ground, material: Material, turns: float, height_m: float) -> Instance:
    """A table top far larger than the picture."""
    mesh = plane((2 * TABLE_HALF_M, 2 * TABLE_HALF_M), _SPAN_M[kind])
    return Instance(mesh, (material,), Pose((0.0, 0.0, height_m), rotation_z(turns * TURN)), group="table")


def slab(
    size_m: Vector, material: Material, place: Vector, turns: float, *, bevel_m: float = 0.0, group: str
) -> Instance:
    """A block of one material that stands at a place, turned about the vertical."""
    mesh = box(size_m, bevel_m, 2 if bevel_m else 1)
    return Instance(mesh, (material,) * 6, Pose(place, rotation_z(turns * TURN)), group=group)


def tray(half_u_m: float, half_v_m: float, turns: float, rng: Generator) -> list[Instance]:
    """The floor and the four walls of a dice tray or of a box's lid, its inside `half_u_m` by `half_v_m`, floor at 0."""
    u = [float(draw) for draw in rng.random(6)]
    floor_kind: Ground = ("felt", "cardboard", "paper", "wood")[int(u[0] * 4)]
    floor = ground_material(floor_kind, rng)
    wall_mm, height_mm = 3 + int(9 * u[1]), 14 + int(40 * u[2])
    outside = Material(
        ((0.02, 0.02, 0.025), (0.3, 0.16, 0.08), (0.5, 0.48, 0.45), (0.05, 0.08, 0.2))[int(u[3] * 4)],
        kind="coat" if u[4] < 0.6 else "diffuse",
        roughness=0.25 + 0.4 * u[5],
    )
    inside = floor if floor_kind != "wood" else outside
    bottom = plane((2 * half_u_m, 2 * half_v_m), _SPAN_M[floor_kind])
    parts = [Instance(bottom, (floor,), Pose((0.0, 0.0, 0.0), rotation_z(turns * TURN)), group="tray")]
    wall_m, height_m = wall_mm / 1000, height_mm / 1000
    rotation = rotation_z(turns * TURN)
    c, s = rotation[0], rotation[3]
    for along, sign in (("u", -1), ("u", 1), ("v", -1), ("v", 1)):
        is_u = along == "u"
        length_m = 2 * (half_u_m + wall_m) if is_u else 2 * half_v_m
        # A lining, so that the inside may look different from the rim and the outside.
        for thick_m, low_m, out_m, material in (
            (wall_m, -FLOOR_M, wall_m / 2, outside),
            (LINING_M, 0.0, -LINING_M / 2, inside),
        ):
            across = sign * ((half_v_m if is_u else half_u_m) + out_m)
            x, y = (0.0, across) if is_u else (across, 0.0)
            size = (length_m, thick_m, height_m - low_m) if is_u else (thick_m, length_m, height_m - low_m - LIP_M)
            place = (c * x - s * y, s * x + c * y, low_m)
            parts.append(slab(size, material, place, turns, group="tray"))
    return parts


def clutter_thing(spot: Spot, layout: Layout, rng: Generator) -> list[Instance]:
    """A bar with feet, a book, a card or a pen at a spot of the table; nothing where dice already lie."""
    u = [float(draw) for draw in rng.random(8)]
    kind, turns = int(u[0] * 4), u[1]
    size = (
        (0.2 + 0.2 * u[2], 0.035 + 0.025 * u[3], 0.012 + 0.015 * u[4]),
        (0.1 + 0.12 * u[2], 0.07 + 0.09 * u[3], 0.006 + 0.03 * u[4]),
        (0.085, 0.054 + 0.004 * u[3], 0.0008),
        (0.14, 0.008 + 0.003 * u[3], 0.008 + 0.003 * u[3]),
    )[kind]
    footprint = Footprint(spot[0], spot[1], turns, size[0] / 2 + 0.002, size[1] / 2 + 0.002)
    if not layout.is_free(footprint):
        return []
    layout.take(footprint)
    place = (spot[0], spot[1], 0.0)
    if kind == 0:
        shade = 0.6 + 0.25 * u[5]
        body = Material((shade, shade, shade * 1.02 if shade < 0.9 else 0.9), kind="coat", roughness=0.35)
        bar = slab(size, body, place, turns, bevel_m=min(0.005, size[2] / 3), group="clutter")
        foot = Material((0.16, 0.16, 0.16))
        s, c = sine_cosine(turns)
        along = 0.42 * size[0]
        feet = [
            Instance(foot_mesh(), (foot,), Pose((spot[0] + way * c, spot[1] + way * s, size[2])), group="clutter")
            for way in (-along, along)
        ]
        return [bar, *feet]
    colour = (0.03 + 0.6 * u[5] * u[5], 0.03 + 0.6 * u[6] * u[6], 0.03 + 0.6 * u[7] * u[7])
    texture = ground_texture("board" if kind == 1 else "paper", int(u[4] * VARIANTS))
    material = Material(colour, texture if kind in (1, 2) else None, kind="coat", roughness=0.2 + 0.4 * u[4])
    bevel_m = 0.0 if kind == 2 else min(0.003, 0.45 * size[1], size[2] / 3)
    return [slab(size, material, place, turns, bevel_m=bevel_m, group="clutter")]


@lru_cache(maxsize=1)
def foot_mesh() -> Mesh:
    """A round rubber foot, 14 mm wide and 2 mm high, that stands on z = 0."""
    build = MeshBuilder()
    build.lathe([(0.0, 0.0), (0.007, 0.0), (0.007, 0.0015), (0.0063, 0.002), (0.0, 0.002)], segments=32)
    return build.build()
