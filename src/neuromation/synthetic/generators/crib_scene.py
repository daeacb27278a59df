"""The crib around an infant: mattress, sheet, blanket, bars, toy and the light of day or night, as scene data.

Owns everything of a clip that is not the body. What stands still is made once a clip; the blanket is draped over the
body again for every frame, with the same triangles, so that its points can be followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.exact import exact_cos, exact_sin, look_at, rotated, rotation_z
from neuromation.synthetic.generators.crib_body import Bones, Dress, Posture, infant
from neuromation.synthetic.generators.dice_looks import pick
from neuromation.synthetic.render.labels import seen_through
from neuromation.synthetic.scene.meshes import MeshBuilder, capsule, ellipsoid, plane, sphere, torus
from neuromation.synthetic.scene.meshes_build import frozen, unit
from neuromation.synthetic.scene.model import (
    AreaLight,
    Camera,
    Instance,
    Material,
    Mesh,
    Pose,
    Scene,
    Sky,
    Texture,
    Vector,
)
from neuromation.synthetic.scene.textures import fabric, planks, stripes, tiles
from neuromation.synthetic.scene.textures_noise import noise

if TYPE_CHECKING:
    from neuromation.synthetic.generators.crib_video import CribVideoParams

Floats = NDArray[np.float64]
TURN = 6.283185307179586
LENGTH_M, WIDTH_M = 1.2, 0.62  # of the mattress
_RAIL_M = 0.3  # above the mattress
_SHEET_CELLS = (56, 30)
_BLANKET_CELLS = (34, 30)
_CLOTH_M = 0.007
# Balls that fill the trunk: across and along it from the chest, and radius; a little wider than the trunk itself, for the
# cloth is a net whose cells are as wide as a finger.
_TRUNK_BALLS = (*((0.03, 0.04 - 0.03 * k, 0.067) for k in range(8)), (0.06, 0.04, 0.046))
_TENT_ROUNDS = 10  # of smoothing, which let the cloth hang between what carries it


@dataclass(frozen=True, eq=False)
class Room:
    """What stays the same through a clip; `blanket_to` is how far up it is drawn, a share of the trunk, 0 for none."""

    fixed: tuple[Instance, ...]
    dress: Dress
    camera: Camera
    lights: tuple[AreaLight, ...]
    sky: Sky
    is_night: bool
    blanket: Material
    blanket_to: float
    wrinkles: Floats

    def scene(self, posture: Posture, skeleton: Bones) -> Scene:
        """The scene at one moment."""
        moving = infant(posture, skeleton, self.dress)
        if self.blanket_to > 0:
            mesh = _draped(posture, skeleton, self.blanket_to, self.wrinkles)
            moving.append(Instance(mesh, (self.blanket,), group="blanket"))
        return Scene((*moving, *self.fixed), self.camera, self.lights, self.sky)


def room(params: CribVideoParams, seed: int, index: int, *, head_sign: float) -> Room:
    """The crib of clip `index`; `head_sign` tells at which end the head is, so that toys lie at the other."""
    rng = unit_rng(seed, index, "room")
    u = [float(draw) for draw in rng.random(24)]
    is_night = u[0] < params.night_share
    sheet = Material(_pastel(u[1], u[2], 0.62), _print_of(u[3], u[4]))
    dress = Dress(
        suit=Material(_pastel(u[5], u[6], 0.45), _print_of(u[7], u[8])),
        skin=Material(_skin(u[9])),
        hair=Material(
            ((0.05, 0.035, 0.025), (0.12, 0.07, 0.04), (0.3, 0.2, 0.11), (0.02, 0.018, 0.018))[int(4 * u[10])]
        ),
        iris=Material((0.03, 0.025, 0.025), kind="coat", roughness=0.1),
        size=params.size * (0.94 + 0.12 * u[11]),
    )
    paint = ((0.72, 0.71, 0.68), (0.5, 0.34, 0.2), (0.25, 0.14, 0.08), (0.6, 0.6, 0.62))[int(4 * u[12])]
    frame = Material(paint, kind="coat", roughness=0.35)
    floor = Material((0.62, 0.55, 0.48), planks(int(8 * u[13]), (190.0, 165.0, 140.0)))
    fixed = [
        Instance(_sheet_mesh(int(12 * u[14])), (sheet,), group="mattress"),
        Instance(_bars_mesh(), (frame,), group="crib"),
        Instance(plane((5.0, 5.0), 1.0), (floor,), Pose((0.0, 0.0, -0.45)), group="floor"),
    ]
    if u[15] < params.toy_share:
        fixed += _toy(head_sign, u[16:20])
    lights, sky = _light(is_night, rng)
    camera = _camera(params, is_night, rng)
    return Room(
        fixed=tuple(fixed),
        dress=dress,
        camera=seen_through(camera, params, unit_rng(seed, index, "camera")),
        lights=lights,
        sky=sky,
        is_night=is_night,
        blanket=Material(_pastel(u[20], u[21], 0.4), fabric(int(6 * u[22]), (214.0, 214.0, 214.0), 64), two_sided=True),
        blanket_to=(0.25 + 0.6 * u[23]) if float(rng.random()) < params.blanket_share else 0.0,
        wrinkles=_wrinkles(_BLANKET_CELLS, 900 + int(1000 * u[23]), 0.006),
    )


def _pastel(hue: float, white: float, most: float) -> Vector:
    """A soft colour: one of six hues, more or less white."""
    hues = ((0.75, 0.78, 0.8), (0.45, 0.6, 0.8), (0.8, 0.5, 0.55), (0.5, 0.7, 0.5), (0.8, 0.7, 0.4), (0.6, 0.5, 0.72))
    r, g, b = hues[int(6 * hue)]
    share = 0.25 + 0.6 * white
    r, g, b = (min(0.85, (part + share * (0.9 - part)) * most / 0.6) for part in (r, g, b))
    return (r, g, b)


def _skin(draw: float) -> Vector:
    """From pale to dark, linear."""
    tones = ((0.66, 0.42, 0.32), (0.56, 0.33, 0.23), (0.36, 0.19, 0.12), (0.16, 0.08, 0.05))
    at = draw * (len(tones) - 1)
    low = min(len(tones) - 2, int(at))
    share = at - low
    a, b = tones[low], tones[low + 1]
    return (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2]))


def _print_of(kind: float, variant: float) -> Texture:
    """A pattern of cloth: plain weave, stripes, squares."""
    if kind < 0.5:
        return fabric(int(6 * variant), (222.0, 222.0, 222.0), 64)
    if kind < 0.75:
        return stripes((236.0, 236.0, 236.0), (188.0, 196.0, 206.0), 4 + int(6 * variant), 0.4)
    return tiles(int(6 * variant), (230.0, 228.0, 224.0), 6, (204.0, 200.0, 196.0))


def _wrinkles(cells: tuple[int, int], seed: int, height_m: float) -> Floats:
    """Creases of cloth: ridges of smooth noise, metres, (rows + 1, columns + 1)."""
    columns, rows = cells
    broad = noise(rows + 1, columns + 1, cells_y=3, cells_x=4, seed=seed, octaves=2).astype(np.float64)
    fold = noise(rows + 1, columns + 1, cells_y=4, cells_x=7, seed=seed + 1).astype(np.float64)
    ridge = 1.0 - np.abs(2.0 * fold - 1.0)
    lifted: Floats = height_m * (0.6 * broad + 0.6 * ridge * ridge * ridge)
    return lifted


def _net(x: Floats, y: Floats, z: Floats) -> Mesh:
    """A smooth surface over a grid that looks up: x (n,), y (m,) rising, z (m, n); its texture repeats every 0.3 m."""
    points = np.empty((*z.shape, 3))
    points[..., 0], points[..., 1], points[..., 2] = x[None, :], y[:, None], z
    dx = np.empty_like(z)
    dx[:, 1:-1] = (z[:, 2:] - z[:, :-2]) / (x[2:] - x[:-2])[None, :]
    dx[:, 0], dx[:, -1] = dx[:, 1], dx[:, -2]
    dy = np.empty_like(z)
    dy[1:-1] = (z[2:] - z[:-2]) / (y[2:] - y[:-2])[:, None]
    dy[0], dy[-1] = dy[1], dy[-2]
    normals = unit(np.stack([-dx, -dy, np.ones_like(z)], axis=-1)).reshape(-1, 3)
    picks = _net_picks(*z.shape)
    uvs = np.stack([points[..., 0] / 0.3, -points[..., 1] / 0.3], axis=-1).reshape(-1, 2)
    triangles = picks.astype(np.int32)
    parts = np.zeros(len(picks), dtype=np.int32)
    return frozen(Mesh(points.reshape(-1, 3), triangles, normals[picks], uvs[picks], parts))


@lru_cache(maxsize=8)
def _net_picks(rows: int, columns: int) -> NDArray[np.int64]:
    low = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None, :]).ravel()
    one = np.stack([low, low + 1, low + columns + 1], axis=1)
    two = np.stack([low, low + columns + 1, low + columns], axis=1)
    return np.concatenate([one, two])


@lru_cache(maxsize=16)
def _sheet_mesh(variant: int) -> Mesh:
    """A mattress with a fitted sheet, its edges rounded down; creases are at most a few millimetres high."""
    columns, rows = _SHEET_CELLS
    x = (np.arange(columns + 1) / columns - 0.5) * LENGTH_M
    y = (np.arange(rows + 1) / rows - 0.5) * WIDTH_M
    z = _wrinkles(_SHEET_CELLS, 40 + variant, 0.004) - 0.004
    z[[0, -1], :], z[:, [0, -1]] = -0.12, -0.12
    z[[1, -2], 1:-1] -= 0.012
    z[1:-1, [1, -2]] -= 0.012
    x[1], x[-2], y[1], y[-2] = x[0] + 0.006, x[-1] - 0.006, y[0] + 0.006, y[-1] - 0.006
    return _net(x, y, z)


@lru_cache(maxsize=1)
def _bars_mesh() -> Mesh:
    """Rails and bars on all four sides."""
    builder = MeshBuilder()
    x, y = 0.5 * LENGTH_M + 0.03, 0.5 * WIDTH_M + 0.03
    bar = capsule(0.009, _RAIL_M + 0.16, 8)
    for sign in (-1.0, 1.0):
        for k in range(14):
            builder.add(bar, offset=((k / 13 - 0.5) * 2 * x, sign * y, -0.16))
        for k in range(1, 7):
            builder.add(bar, offset=(sign * x, (k / 7 - 0.5) * 2 * y, -0.16))
        rail = capsule(0.016, 2 * x + 0.04, 10)
        builder.add(rail, offset=(-x - 0.02, sign * y, _RAIL_M), rotation=(0, 0, 1, 0, 1, 0, -1, 0, 0))
        rail = capsule(0.016, 2 * y + 0.04, 10)
        builder.add(rail, offset=(sign * x, y + 0.02, _RAIL_M), rotation=(1, 0, 0, 0, 0, -1, 0, 1, 0))
    return builder.build()


def _toy(head_sign: float, u: list[float]) -> list[Instance]:
    """A ball, a ring or a bear at the foot of the bed."""
    x = -head_sign * (0.42 + 0.1 * u[0])
    y = (0.2 if u[1] < 0.5 else -0.2) + 0.04 * u[2]
    colour = Material(((0.6, 0.08, 0.06), (0.7, 0.5, 0.05), (0.06, 0.2, 0.5), (0.1, 0.4, 0.12))[int(4 * u[2])])
    if u[3] < 0.3:
        return [Instance(sphere(0.04), (colour,), Pose((x, y, 0.0)), group="toy")]
    if u[3] < 0.5:
        return [Instance(torus(0.055, 0.022), (colour,), Pose((x, y, 0.0)), group="toy")]
    fur = Material((0.28, 0.17, 0.09), fabric(3, (200.0, 190.0, 180.0), 48))
    balls = [((0.1, 0.075, 0.07), (0.0, 0.0)), ((0.065, 0.065, 0.06), (0.07, 0.0))]
    balls += [((0.025, 0.025, 0.025), (0.09, s * 0.03)) for s in (-1, 1)]
    balls += [((0.05, 0.03, 0.03), (dx, s * 0.045)) for dx in (0.025, -0.045) for s in (-1, 1)]
    c, s = exact_cos(TURN * u[0]), exact_sin(TURN * u[0])
    made = []
    for size, (dx, dy) in balls:
        place = (x + c * dx - s * dy, y + s * dx + c * dy, 0.0)
        made.append(Instance(ellipsoid(size, 14), (fur,), Pose(place, rotation_z(TURN * u[0])), group="toy"))
    return made


def _light(is_night: bool, rng: Generator) -> tuple[tuple[AreaLight, ...], Sky]:
    """A window and a bright room by day; by night the ring of infrared diodes around the lens."""
    u = [float(draw) for draw in rng.random(5)]
    if is_night:
        lamp = AreaLight((0.03, 0.0, 1.9), (0.03, 0.0, 0.0), (0.0, -0.03, 0.0), (1.0, 1.0, 1.0), 1500.0)
        return (lamp,), Sky((0.1, 0.1, 0.1), (0.08, 0.08, 0.08), (0.04, 0.04, 0.04))
    around = TURN * u[0]
    far, height = 1.4 + u[1], 0.9 + 0.8 * u[2]
    place = (far * exact_cos(around), far * exact_sin(around), height)
    length = sqrt(far * far + height * height)
    to = (-place[0] / length, -place[1] / length, -height / length)
    side = (-exact_sin(around), exact_cos(around), 0.0)
    up = (to[1] * side[2] - to[2] * side[1], to[2] * side[0] - to[0] * side[2], to[0] * side[1] - to[1] * side[0])
    u_half = (0.5 * side[0], 0.5 * side[1], 0.0)
    v_half = (0.5 * up[0], 0.5 * up[1], 0.5 * up[2])
    strength = (2.0 + 2.5 * u[3]) * length * length
    warm = 0.1 * (2 * u[4] - 1)
    window = AreaLight(place, u_half, v_half, (1 + warm, 1.0, 1 - warm), strength)
    room_light = 0.35 + 0.2 * u[3]
    return (window,), Sky((room_light,) * 3, (0.8 * room_light,) * 3, (0.3 * room_light,) * 3)


def _camera(params: CribVideoParams, is_night: bool, rng: Generator) -> Camera:
    """A camera on an arm above the crib that sees all of it."""
    u = [float(draw) for draw in rng.random(6)]
    height = params.camera_height_m * (0.92 + 0.16 * u[0])
    tilt = params.tilt_deg * u[1] / 360 * TURN
    around = TURN * (0.0 if pick((params.from_side, 1 - params.from_side), u[2]) else 0.75) + 0.5 * (u[3] - 0.5)
    away = height * exact_sin(tilt) / exact_cos(tilt)
    position = (away * exact_cos(around), away * exact_sin(around), height)
    target = (0.04 * (2 * u[4] - 1), 0.03 * (2 * u[5] - 1), 0.05)
    rotation = look_at(position, target, (0.0, 1.0, 0.0))
    focal_px = min(params.width / (LENGTH_M * 1.16), params.height / (WIDTH_M * 1.3)) * height
    return Camera(params.width, params.height, focal_px, position, rotation, exposure=0.85 if is_night else 0.8)


def _draped(posture: Posture, skeleton: Bones, up_to: float, wrinkles: Floats) -> Mesh:
    """A blanket over legs and part of the trunk: the lowest cloth above the body that hangs smoothly."""
    columns, rows = _BLANKET_CELLS
    s, c = exact_sin(posture.heading), exact_cos(posture.heading)
    along = -0.4 + (0.4 + 0.14 * up_to) * np.arange(columns + 1) / columns  # from the feet to the chest
    across = 0.46 * (np.arange(rows + 1) / rows - 0.5)
    u, v = np.meshgrid(along, across)
    # What would hang over the edge of the mattress is tucked in along it.
    x = np.clip(posture.x + c * u - s * v, 0.02 - LENGTH_M / 2, LENGTH_M / 2 - 0.02)
    y = np.clip(posture.y + s * u + c * v, 0.02 - WIDTH_M / 2, WIDTH_M / 2 - 0.02)
    ground = np.full(x.shape, 0.004)
    carried = ground.copy()
    for px, py, pz, radius in _supports(skeleton):
        square = radius * radius - (x - px) * (x - px) - (y - py) * (y - py)
        carried = np.maximum(carried, np.where(square > 0, pz + np.sqrt(np.maximum(square, 0.0)), 0.0))
    z = carried.copy()
    for _ in range(_TENT_ROUNDS):
        padded = np.pad(z, 1, mode="edge")
        mean = 0.25 * (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:])
        z = np.maximum(carried, mean)
    for _ in range(2):
        padded = np.pad(z, 1, mode="edge")
        z = 0.25 * (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:])
    z = np.maximum(z, carried) + _CLOTH_M + wrinkles
    return _turned_net(x, y, z, along, across, (c, s))


def _turned_net(x: Floats, y: Floats, z: Floats, along: Floats, across: Floats, turn: tuple[float, float]) -> Mesh:
    """The surface of `_net` over a grid that is turned about the vertical."""
    flat = _net(along, across, z)
    c, s = turn
    positions = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)
    n = flat.normals
    normals = np.stack([c * n[..., 0] - s * n[..., 1], s * n[..., 0] + c * n[..., 1], n[..., 2]], axis=-1)
    return frozen(Mesh(positions, flat.triangles, normals, flat.uvs, flat.parts))


def _supports(skeleton: Bones) -> list[tuple[float, float, float, float]]:
    """Balls (x, y, z, radius) along the body that carry a blanket."""
    size, joints = skeleton.size, skeleton.joints
    balls = []
    for across, along, radius in _TRUNK_BALLS:
        for sign in (-1.0, 1.0):
            offset = rotated(skeleton.trunk, (sign * across * size, along * size, 0.0))
            chest = joints["chest"]
            balls.append((chest[0] + offset[0], chest[1] + offset[1], chest[2] + offset[2], radius * size))
    for side in ("left", "right"):
        for upper, lower, radius in (
            ("hip", "knee", 0.046),
            ("knee", "ankle", 0.038),
            ("shoulder", "elbow", 0.034),
            ("elbow", "wrist", 0.032),
        ):
            a, b = joints[f"{side}_{upper}"], joints[f"{side}_{lower}"]
            for k in range(5):
                share = k / 4
                at = tuple(a[axis] + share * (b[axis] - a[axis]) for axis in range(3))
                balls.append((at[0], at[1], at[2], radius * size))
        foot = joints[f"{side}_ankle"]
        balls.append((foot[0], foot[1], foot[2] + 0.01, 0.045 * size))
    return balls
