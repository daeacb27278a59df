"""A shelf's furniture around a planogram: boards, backs, posts, rails with price tags, doors, floor and walls.

Owns surroundings only: nothing here is an object that annotations tell of. Shapes come from the scene's meshes; sizes are
rounded up to tenths of a metre so that pictures share them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.random import Generator

from neuromation.synthetic.exact import rotation_about
from neuromation.synthetic.generators.retail_shelf_signs import draw_tag_style, promo_material, tag_material
from neuromation.synthetic.generators.retail_shelf_store import Store
from neuromation.synthetic.products.planogram import Planogram, Row, Slot
from neuromation.synthetic.scene.meshes import (
    back_panel,
    board,
    box,
    cooler_door,
    plane,
    price_tag,
    room,
    shelf_board,
    upright,
)
from neuromation.synthetic.scene.model import Instance, Material, Mesh, Pose, Texture, Vector
from neuromation.synthetic.scene.textures import perforated, shop_out_of_focus, vinyl_floor

BOARD_M = 0.03
OVERHANG_M = 0.05  # boards go on beyond the planned places, so that no picture shows a shelf's sawn end
_BAY_M = 1.2
_WHITE = (235.0, 235.0, 235.0)  # the tone of textures that a material's colour tints


def furniture(plan: Planogram, store: Store, rng: Generator) -> Iterator[Instance]:
    """Everything that a shelf is made of, without its products and tags."""
    yield from _hall(plan, store)
    if store.fixture == "chest":
        yield from _chest(plan, store)
        return
    wide_m = _tenths(plan.width_m + 2 * OVERHANG_M)
    yield from _back(plan, store, wide_m)
    for row in plan.rows:
        yield from _board(plan, row, store, wide_m)
    if store.fixture == "cooler" or (store.fixture == "gondola" and rng.random() < 0.6):
        yield from _ends(plan, store, wide_m)
    if store.fixture == "cooler":
        yield from _cooler(plan, store, wide_m, rng)
    elif store.fixture == "pallet":
        yield from _header(plan, store, rng)
    else:
        yield from _posts(plan, store, wide_m)
        if rng.random() < 0.7:
            yield _still(
                shelf_board((wide_m, _tenths(plan.depth_m), BOARD_M), 0.04),
                (_paint(store.board), _paint(store.rail, 0.35), _paint(store.rail)),
                (0.5 * plan.width_m, 0.5 * _tenths(plan.depth_m), plan.top_m + BOARD_M),
            )


def _tenths(length_m: float) -> float:
    return math.ceil(length_m * 10.0 - 1e-9) / 10.0


def _paint(colour: Vector, roughness: float = 0.6) -> Material:
    return Material(colour=colour, kind="coat", roughness=roughness)


def _still(mesh: Mesh, materials: tuple[Material, ...], position: Vector, group: str = "shelf") -> Instance:
    return Instance(mesh, materials, Pose(position=position), group=group)


def _hall(plan: Planogram, store: Store) -> Iterator[Instance]:
    """The room: a tiled floor, walls far off, a ceiling."""
    floor = Material(colour=store.floor, texture=vinyl_floor(0, _WHITE), kind="coat", roughness=0.3)
    wall = Material(colour=(0.42, 0.41, 0.4), texture=shop_out_of_focus(0), kind="diffuse")
    ceiling = Material(colour=(0.6, 0.6, 0.6), kind="diffuse")
    yield _still(room((16.0, 9.0, 4.4), 1.2), (floor, wall, ceiling), (0.5 * plan.width_m, -3.5, 0.0), group="room")


def _back(plan: Planogram, store: Store, wide_m: float) -> Iterator[Instance]:
    if store.fixture == "pallet":
        return
    high_m = _tenths(plan.top_m + 0.25)
    texture = {"gondola": perforated(_WHITE, 4), "wire": _grid()}.get(store.fixture)
    material = Material(colour=store.back, texture=texture, kind="coat", roughness=0.55, two_sided=True)
    yield _still(
        back_panel((wide_m, high_m), 0.1), (material,), (0.5 * plan.width_m, _tenths(plan.depth_m) + 0.005, 0.0)
    )


def _board(plan: Planogram, row: Row, store: Store, wide_m: float) -> Iterator[Instance]:
    depth_m = _tenths(plan.depth_m)
    middle = (0.5 * plan.width_m, 0.5 * depth_m, row.z_m)
    if store.fixture == "wire":
        grid = Material(colour=(0.55, 0.56, 0.58), texture=_grid(), kind="metal", roughness=0.35, two_sided=True)
        yield _still(plane((wide_m, depth_m), 0.1), (grid,), middle)
        rod = Material(colour=(0.6, 0.61, 0.63), kind="metal", roughness=0.3)
        for down_m in (0.0, 0.035):
            yield _still(box((wide_m, 0.007, 0.007)), (rod,) * 6, (middle[0], -0.004, row.z_m - 0.007 - down_m))
        return
    paint, rail = _paint(store.board), _paint(store.rail, 0.35)
    yield _still(shelf_board((wide_m, depth_m, BOARD_M), 0.045), (paint, rail, rail), middle)
    if store.fixture == "pallet":
        card = Material(colour=(0.42, 0.29, 0.17), kind="diffuse")
        yield _still(box((wide_m, 0.004, 0.05)), (card,) * 6, (middle[0], -0.006, row.z_m))


def _posts(plan: Planogram, store: Store, wide_m: float) -> Iterator[Instance]:
    """Slotted posts at the back of every bay, and the plinth below the lowest board."""
    metal = Material(colour=store.back, texture=_slots(), kind="coat", roughness=0.5)
    high_m = _tenths(plan.top_m + 0.3)
    depth_m = _tenths(plan.depth_m)
    left_m = 0.5 * (plan.width_m - wide_m)
    for k in range(int(wide_m / _BAY_M) + 1):
        at_m = left_m + 0.3 + k * _BAY_M
        yield _still(upright(high_m), (metal, metal, metal), (at_m, depth_m - 0.02, 0.0))
    low_m = plan.rows[0].z_m - BOARD_M
    if low_m > 0.02:
        kick = _paint((store.board[0] * 0.5, store.board[1] * 0.5, store.board[2] * 0.5))
        yield _still(
            board((wide_m, 0.02, _tenths(low_m))), (kick,) * 3, (0.5 * plan.width_m, 0.05, low_m - _tenths(low_m))
        )


def _ends(plan: Planogram, store: Store, wide_m: float) -> Iterator[Instance]:
    """The panels that close a shelf to both sides."""
    panel = _paint(store.board if store.fixture == "gondola" else store.back, 0.4)
    size = (0.025, _tenths(plan.depth_m) + 0.06, _tenths(plan.top_m + 0.1))
    for side in (-1.0, 1.0):
        at_m = 0.5 * (plan.width_m + side * (wide_m + 0.025))
        yield _still(board(size), (panel,) * 3, (at_m, 0.5 * _tenths(plan.depth_m) - 0.02, 0.0))


def _cooler(plan: Planogram, store: Store, wide_m: float, rng: Generator) -> Iterator[Instance]:
    """The housing, its lit strip, and, before some, doors."""
    shell = _paint((0.05, 0.05, 0.055), 0.3)
    top_m, middle_m = plan.top_m + 0.06, 0.5 * plan.width_m
    yield _still(
        board((wide_m, _tenths(plan.depth_m), 0.2)), (shell,) * 3, (middle_m, 0.5 * _tenths(plan.depth_m), top_m + 0.09)
    )
    glow = Material(colour=(1.0, 1.0, 1.0), emission=3.0 * store.brightness)
    yield _still(box((wide_m, 0.02, 0.015)), (glow,) * 6, (middle_m, -0.02, top_m + 0.06))
    low_m = plan.rows[0].z_m - BOARD_M
    grille = Material(colour=(0.35, 0.35, 0.36), texture=perforated(_WHITE, 4), kind="metal", roughness=0.4)
    yield _still(board((wide_m, 0.03, _tenths(low_m)), 0.1), (grille,) * 3, (middle_m, -0.02, low_m - _tenths(low_m)))
    if store.has_glass or rng.random() < 0.2:
        frame = Material(
            colour=(0.4, 0.4, 0.42) if rng.random() < 0.5 else (0.02, 0.02, 0.02), kind="metal", roughness=0.4
        )
        width_m = 0.7 if rng.random() < 0.5 else 0.9
        start_m = -OVERHANG_M * float(rng.random())
        door = cooler_door(width_m, _tenths(plan.top_m + 0.05), 0.035)
        for k in range(int((plan.width_m + OVERHANG_M) / width_m) + 1):
            yield _still(door, (frame, frame), (start_m + (k + 0.5) * width_m, -0.09, 0.02))


def _header(plan: Planogram, store: Store, rng: Generator) -> Iterator[Instance]:
    """The sign over an end cap."""
    sign = promo_material(rng)
    yield _still(
        box((plan.width_m + 0.1, 0.02, 0.32)),
        (sign, *(_paint(store.rail),) * 5),
        (0.5 * plan.width_m, 0.0, plan.top_m + 0.04),
    )


def _chest(plan: Planogram, store: Store) -> Iterator[Instance]:
    """A chest freezer lying on its back: dividers instead of boards, a floor instead of a back, a rim around it."""
    white = _paint((0.66, 0.68, 0.7), 0.5)
    wide_m, deep_m = plan.width_m + 0.04, _tenths(plan.depth_m)
    middle_m, high_m = 0.5 * plan.width_m, plan.top_m + 0.02
    yield _still(back_panel((_tenths(wide_m + 0.3), _tenths(high_m + 0.3))), (white,), (middle_m, deep_m + 0.01, -0.1))
    wire = Material(colour=(0.6, 0.6, 0.62), kind="metal", roughness=0.4)
    for row in plan.rows:
        yield _still(box((wide_m, deep_m - 0.05, 0.006)), (wire,) * 6, (middle_m, 0.5 * deep_m, row.z_m - 0.012))
    rim = _paint(store.rail, 0.25)
    low_m = plan.rows[0].z_m
    for z_m in (low_m - 0.16, high_m):
        yield _still(box((wide_m + 0.3, deep_m + 0.1, 0.14), 0.02), (rim,) * 6, (middle_m, 0.5 * deep_m - 0.04, z_m))
    for side in (-1, 1):
        at_m = middle_m + side * (0.5 * wide_m + 0.09)
        yield _still(
            box((0.14, deep_m + 0.1, high_m - low_m + 0.3), 0.02), (rim,) * 6, (at_m, 0.5 * deep_m - 0.04, low_m - 0.16)
        )


def price_tags(plan: Planogram, store: Store, *, promo: float, rng: Generator) -> Iterator[Instance]:
    """A price tag at the left end of every slot, and, at a share `promo` of them, a label that stands out."""
    if store.fixture == "chest":
        return
    style = draw_tag_style(rng)
    holder = _paint((0.7, 0.7, 0.72), 0.2)
    for row in plan.rows:
        draws = rng.random((len(row.slots), 6)).tolist()
        for slot, draw in zip(row.slots, draws, strict=True):
            if draw[0] < 0.04:
                continue  # some tags have fallen off
            wide_m, high_m = style.size_m
            x_m = slot.x_m + 0.5 * wide_m + draw[1] * max(0.0, slot.facings * slot.pitch_m - wide_m) * 0.6
            at = (x_m, -0.0135, row.z_m - BOARD_M - 0.5 * high_m)
            face = tag_material(style, slot.listed.product, is_promo=draw[3] < promo)
            yield _still(price_tag(wide_m, high_m), (face, holder), at, group="price tag")
            if draw[4] < promo:
                yield from _wobbler(slot, row, draw[5], rng)


def _wobbler(slot: Slot, row: Row, draw: float, rng: Generator) -> Iterator[Instance]:
    """A round or square label on a springy strip that juts out from the rail."""
    material = promo_material(rng)
    size_m = 0.07 + 0.05 * draw
    x_m = slot.x_m + 0.5 * slot.facings * slot.pitch_m
    turn = rotation_about((0.0, 0.0, 1.0), 0.9 * (draw - 0.5))
    pose = Pose((x_m, -0.05 - 0.03 * draw, row.z_m - BOARD_M - 0.5 * size_m - 0.04 * draw), turn)
    yield Instance(
        back_panel((1.0, 1.0), 1.0),
        (material,),
        Pose(pose.position, pose.rotation, (size_m, size_m, size_m)),
        group="sign",
    )


@lru_cache(maxsize=1)
def _slots() -> Texture:
    """A post with slots for brackets."""
    y, x = np.mgrid[0:64, 0:64]
    is_slot = (y % 32 < 18) & (abs(x % 32 - 15.5) < 4.0)
    shade = np.where(is_slot, 35.0, 225.0)
    return Texture(np.repeat(shade.astype(np.uint8)[:, :, None], 3, axis=2))


@lru_cache(maxsize=1)
def _grid() -> Texture:
    """Wires 25 mm apart with nothing between them; one texture is 0.1 m."""
    y, x = np.mgrid[0:128, 0:128]
    is_wire = (x % 32 < 6) | (y % 128 < 6)
    pixels = np.full((128, 128, 4), 220, dtype=np.uint8)
    pixels[:, :, 3] = np.where(is_wire, 255, 0)
    return Texture(pixels)
