"""What comes between a phone and a shelf: a shopper's arm, a basket, a strip that hangs from a rail."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.synthetic.exact import rotation_about
from neuromation.synthetic.generators.retail_shelf_signs import promo_material
from neuromation.synthetic.products.planogram import Placed, Shelf
from neuromation.synthetic.render.labels import projected
from neuromation.synthetic.scene.flesh import Cone, flesh
from neuromation.synthetic.scene.meshes import aimed, back_panel, capsule, wire_basket
from neuromation.synthetic.scene.model import Camera, Instance, Material, Mesh, Pose, Rotation, Vector
from neuromation.synthetic.scene.textures import fabric

# Skin from light to dark, and cloth, linear reflectance.
SKINS: tuple[Vector, ...] = ((0.72, 0.43, 0.33), (0.62, 0.35, 0.24), (0.42, 0.22, 0.14), (0.20, 0.10, 0.065))
CLOTHS: tuple[Vector, ...] = (
    (0.03, 0.035, 0.05),
    (0.10, 0.05, 0.035),
    (0.05, 0.09, 0.20),
    (0.30, 0.30, 0.31),
    (0.35, 0.06, 0.05),
    (0.08, 0.13, 0.07),
)


def occluders(share: float, shelf: Shelf, camera: Camera, rng: Generator) -> Iterator[Instance]:
    """Nothing in most pictures; else an arm that reaches for a package, a basket at the border, or hanging strips."""
    draws = [float(draw) for draw in rng.random(4)]
    if draws[0] >= share or not shelf.placed:
        return
    fronts = [placed for placed in shelf.placed if placed.depth == 0 and _is_in_view(placed, camera)]
    if draws[1] < 0.5 and fronts:
        yield from _arm(fronts[int(draws[2] * len(fronts))], camera, rng)
    if 0.4 < draws[1] < 0.75:
        yield from _basket(camera, rng)
    if draws[1] > 0.6:
        for _ in range(1 + int(draws[3] * 3)):
            yield from _strip(shelf, rng)


def _is_in_view(placed: Placed, camera: Camera) -> bool:
    """Whether a hand on this package is in the inner part of the picture."""
    seen = projected(camera, (placed.x_m, placed.y_m, placed.z_m))
    return seen is not None and all(
        0.2 * side < place < 0.8 * side for place, side in zip(seen[:2], (camera.width, camera.height), strict=True)
    )


def _arm(target: Placed, camera: Camera, rng: Generator) -> Iterator[Instance]:
    """A forearm in a sleeve with its hand on a package, from beside the photographer."""
    d = [float(draw) for draw in rng.random(8)]
    skin = Material(colour=SKINS[int(d[0] * len(SKINS))], kind="coat", roughness=0.55)
    weave = fabric(int(d[1] * 3), (226.0, 226.0, 226.0), 24)
    cloth = Material(colour=CLOTHS[int(d[1] * len(CLOTHS))], texture=weave, kind="diffuse")
    width_m, _, height_m = target.listed.product.size_m
    hand = np.array([target.x_m + 0.3 * width_m, target.y_m - 0.07, target.z_m + (0.35 + 0.4 * d[2]) * height_m])
    side = 1.0 if d[3] < 0.5 else -1.0
    right, down = np.array(camera.rotation[0:3]), np.array(camera.rotation[3:6])
    elbow = np.array(camera.position) + side * (0.28 + 0.2 * d[4]) * right + (0.25 + 0.25 * d[5]) * down
    away = elbow - hand
    length = float(np.sqrt((away * away).sum()))
    if length < 0.3:
        return
    ahead = away / length
    rotation = aimed(ahead)
    yield _limb(capsule(0.034, 0.30, 16), skin, hand + 0.02 * ahead, rotation)
    yield _limb(sleeve(), cloth, hand + (0.12 + 0.1 * d[7]) * ahead, rotation)
    yield _limb(reaching_hand(), skin, hand, rotation)


def _limb(mesh: Mesh, material: Material, at: NDArray[np.float64], rotation: Rotation) -> Instance:
    position = (float(at[0]), float(at[1]), float(at[2]))
    return Instance(mesh, (material,), Pose(position, rotation), group="person")


@lru_cache(maxsize=1)
def sleeve() -> Mesh:
    """An arm in cloth, from its cuff at the origin towards +z, with the folds of an elbow."""
    cones = [
        Cone((0.0, 0.0, -0.004), (0.0, 0.0, 0.012), 0.045, 0.045),
        Cone((0.0, 0.0, 0.0), (0.004, 0.0, 0.26), 0.041, 0.050),
        Cone((0.004, 0.0, 0.27), (0.10, 0.02, 1.7), 0.054, 0.078),
    ]
    for k in range(5):
        aside, at = (-0.024 if k % 2 else 0.02), 0.1 + 0.09 * k
        cones.append(Cone((aside, 0.02, at), (-aside, 0.012, at + 0.05), 0.034, 0.031))
    return flesh(cones, cell_m=0.008, join_m=0.012, uv_m=0.05)


@lru_cache(maxsize=1)
def reaching_hand() -> Mesh:
    """A hand with half-bent fingers: the wrist is at the origin, the arm goes to +z, the fingers to -z."""
    cones = [
        Cone((0.0, 0.0, 0.05), (0.0, 0.0, -0.02), 0.028, 0.036),
        Cone((-0.025, 0.0, -0.02), (0.025, 0.0, -0.05), 0.022, 0.02),
    ]
    for finger in range(4):
        x = (finger - 1.5) * 0.02
        long = (0.9, 1.0, 0.96, 0.8)[finger]
        knuckle, middle = (x, 0.004, -0.055), (1.1 * x, 0.012, -0.055 - 0.045 * long)
        cones.append(Cone(knuckle, middle, 0.0115, 0.010))
        cones.append(Cone(middle, (1.1 * x, 0.035, -0.055 - 0.078 * long), 0.010, 0.0085))
    cones.append(Cone((0.03, 0.01, -0.01), (0.055, 0.03, -0.045), 0.015, 0.012))
    cones.append(Cone((0.055, 0.03, -0.045), (0.05, 0.045, -0.075), 0.012, 0.0095))
    return flesh(cones, cell_m=0.004, join_m=0.008)


def _basket(camera: Camera, rng: Generator) -> Iterator[Instance]:
    """The rim of a trolley, low in the foreground."""
    d = [float(draw) for draw in rng.random(4)]
    x, y, z = camera.position
    right = camera.rotation[0:3]
    aside = (d[0] - 0.5) * 0.7
    wire = Material(colour=(0.55, 0.55, 0.57), kind="metal", roughness=0.35)
    at = (x + right[0] * aside, 0.45 * y, max(0.35, z - 0.95 + 0.15 * d[1]))
    yield Instance(
        wire_basket((0.9, 0.55, 0.4), 22, 6, 0.006),
        (wire,),
        Pose(at, rotation_about((0.0, 0.0, 1.0), (d[2] - 0.5) * 1.2)),
        group="trolley",
    )


def _strip(shelf: Shelf, rng: Generator) -> Iterator[Instance]:
    """A hanging strip of printed film before a row."""
    d = [float(draw) for draw in rng.random(4)]
    row = shelf.plan.rows[int(d[0] * len(shelf.plan.rows))]
    high_m = row.clear_m * (0.6 + 0.4 * d[1])
    pose = Pose(
        (shelf.plan.width_m * d[2], -0.02 - 0.03 * d[3], row.z_m + row.clear_m - high_m),
        rotation_about((0.0, 0.0, 1.0), (d[3] - 0.5) * 0.8),
        (0.05 + 0.03 * d[3], 1.0, high_m),
    )
    yield Instance(back_panel((1.0, 1.0), 1.0), (promo_material(rng),), pose, group="sign")
