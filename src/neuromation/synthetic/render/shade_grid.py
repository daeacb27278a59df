"""Light that changes slowly, found on a grid: every second pixel, and carried to the others on the same surface.

Between four places of the grid that lie in a surface's plane and agree, light is interpolated; where they do not, at the
border of a shadow, the pixel asks the light itself. Holds what the grid is, not what is found on it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import inlined, kernel
from neuromation.synthetic.render.raster import Visibility
from neuromation.synthetic.render.raster_lens import FIXED, Lens
from neuromation.synthetic.render.raster_pack import CAM_CX, CAM_CY, CAM_FOCAL, Floats, Ints, Singles
from neuromation.synthetic.render.shadow import GROWS_X, GROWS_Y, Maps, ShadowMaps, light_seen

GRID_PX = 2  # every second pixel, across and down
AGREED = 0.06  # how far light on the grid may differ to be interpolated
_SHARP_TEXELS = 40.0  # a light whose shadows soften slower than this is asked at every place of the grid
_SAME_PX = 0.5  # how far a place may lie from a plane to belong to it, widths of a pixel there

# What the inner loops need: openness, places, lights seen, pixels of the window for one of the grid, the window's first
# row in the picture, and how wide a pixel of the labels is at a distance of 1.
Grid = tuple[Singles, Singles, Singles, int, int, float]


@inlined
def plane_normal(planes: Floats, t: int) -> tuple[float, float, float]:
    """The normal of a triangle over its distance, in the camera's frame and away from it: n . p = 1 on its plane."""
    return (
        planes[t, 0] + planes[t, 3] + planes[t, 6],
        planes[t, 1] + planes[t, 4] + planes[t, 7],
        planes[t, 2] + planes[t, 5] + planes[t, 8],
    )


@inlined
def in_plane(normal: tuple[float, float, float], places: Singles, p: int, pixel: float) -> bool:
    """Whether a place of the grid lies in a plane, as far as a pixel can tell."""
    nx, ny, nz = normal
    z: float = places[p, 2]
    off: float = nx * places[p, 0] + ny * places[p, 1] + nz * z - 1.0
    slack = _SAME_PX * pixel * z
    return z > 0.0 and off * off <= slack * slack * (nx * nx + ny * ny + nz * nz)


@inlined
def grid_around(x: int, y: int, planes: Floats, t: int, grid: Grid, corners: Floats) -> float:
    """How open to the sky the surface of a pixel is, 0..1, from the places of the grid around it in its plane.

    `corners` gets the numbers of those four places, and after them their weights, which sum to 1, or to 0 where none
    lies in the plane.
    """
    openness, places, _, step, first_row, pixel = grid
    rows, columns = openness.shape
    gx, gy = x / step, (y + first_row) / step
    left, top = int(gx), int(gy)
    fx, fy = gx - left, gy - top
    normal = plane_normal(planes, t)
    total = weight = plain = 0.0
    for corner in range(4):
        i, j = min(columns - 1, left + (corner & 1)), min(rows - 1, top + (corner >> 1))
        p = j * columns + i
        share = 0.0
        if in_plane(normal, places, p, pixel):
            share = (fx if corner & 1 else 1.0 - fx) * (fy if corner & 2 else 1.0 - fy) + 1e-3
        corners[corner], corners[4 + corner] = p, share
        plain += 0.25 * openness[j, i]
        total += share * openness[j, i]
        weight += share
    if weight <= 0.0:
        return plain
    weight = 1.0 / weight
    for corner in range(4):
        corners[4 + corner] *= weight
    return total * weight


@inlined
def grid_light(index: int, grid: Grid, corners: Floats) -> float:
    """How much of a light the places around see, 0..1; below 0 where they do not agree or there are none."""
    seen = grid[2]
    least, most, total, weight = 2.0, -1.0, 0.0, 0.0
    for corner in range(4):
        share = corners[4 + corner]
        if share > 0.0:
            there = seen[int(corners[corner]), index]
            least, most = min(least, there), max(most, there)
            total += share * there
            weight += share
    if weight <= 0.0 or most - least > AGREED:
        return -1.0
    return total


def grid_places(visible: Visibility, cam: Floats, lens: Lens, size: tuple[int, int]) -> tuple[Singles, float]:
    """Where the surfaces of the grid's pixels are in the camera's frame, and how far away in the mean, metres.

    float32 (rows * columns, 3), the origin where there is nothing.
    """
    width, height = size
    count = -(-height // GRID_PX) * -(-width // GRID_PX)
    places = np.zeros((count, 3), dtype=np.float32)
    mean_m = _places(visible.nearness, (cam, lens.bends, lens.centres, width), places)
    return places, mean_m


@kernel
def _places(nearness: Singles, view: tuple[Floats, bool, NDArray[np.int32], int], places: Singles) -> float:
    cam, bends, centres, width = view
    columns = (width + GRID_PX - 1) // GRID_PX
    total, count = 0.0, 0
    for p in range(len(places)):
        x, y = (p % columns) * GRID_PX, (p // columns) * GRID_PX
        at = y * width + x
        if nearness[at, 0] <= 0.0:
            continue
        px, py = x + 0.5, y + 0.5
        if bends:
            px, py = centres[at, 0] / FIXED, centres[at, 1] / FIXED
        depth = 1.0 / nearness[at, 0]
        places[p, 0] = np.float32((px - cam[CAM_CX]) / cam[CAM_FOCAL] * depth)
        places[p, 1] = np.float32((py - cam[CAM_CY]) / cam[CAM_FOCAL] * depth)
        places[p, 2] = np.float32(depth)
        total += depth
        count += 1
    return total / count if count else 0.0


def receivers_of(places: Singles, cam: Floats, columns: int) -> Floats:
    """Every second place of the grid, and its last ones, that hold something, in the world: float64 (N, 3), metres."""
    grid = places.reshape(-1, columns, 3)
    some = (grid[::2, ::2], grid[-1:], grid[:, -1:])
    picked = np.concatenate([part.reshape(-1, 3) for part in some]).astype(np.float64)
    picked = picked[picked[:, 2] > 0.0]
    x, y, z = picked[:, 0], picked[:, 1], picked[:, 2]
    world = [cam[9 + axis] + cam[axis] * x + cam[3 + axis] * y + cam[6 + axis] * z for axis in range(3)]
    return np.stack(world, axis=1)


def lights_seen(visible: Visibility, cam: Floats, width: int, places: Singles, maps: ShadowMaps) -> Singles:
    """How much of every light the places of the grid see, float32 (rows * columns, lights), 0..1."""
    count = len(maps.layout)
    seen = np.ones((len(places), count), dtype=np.float32)
    columns = -(-width // GRID_PX)
    packed = (maps.depths, maps.lowest, maps.highest, maps.frames, maps.layout)
    for light in range(count):
        if maps.layout[light, 1]:
            _ask(light, (visible.seen, visible.planes, width), cam, (places, columns), packed, seen)
    return seen


@kernel
def _ask(
    light: int,
    visible: tuple[Ints, Floats, int],
    cam: Floats,
    grid: tuple[Singles, int],
    maps: Maps,
    seen: Singles,
) -> None:
    """Ask a light for every second row and column of the grid, then for the places between that these do not settle."""
    places, columns = grid
    rows = len(places) // columns
    frames, pixel = maps[3], 1.0 / cam[CAM_FOCAL]
    is_soft = min(frames[light, GROWS_X], frames[light, GROWS_Y]) >= _SHARP_TEXELS
    for turn in range(4):
        first_row, first_column = turn >> 1, turn & 1
        for j in range(first_row, rows, 2):
            for i in range(first_column, columns, 2):
                p = j * columns + i
                if places[p, 2] <= 0.0:
                    continue
                t = visible[0][j * GRID_PX * visible[2] + i * GRID_PX, 0]
                settled = -1.0
                if turn and is_soft:
                    settled = _between(i, j, (first_column, first_row), grid, (visible[1], t, pixel), seen, light)
                if settled < 0.0:
                    settled = _asked(light, p, places, cam, visible[1], t, maps)
                seen[p, light] = np.float32(settled)


@inlined
def _between(
    i: int,
    j: int,
    odd: tuple[int, int],
    grid: tuple[Singles, int],
    plane: tuple[Floats, int, float],
    seen: Singles,
    light: int,
) -> float:
    """The light at a place from its neighbours that were asked, where they lie in its plane and agree; else -1."""
    planes, t, pixel = plane
    places, columns = grid
    normal = plane_normal(planes, t)
    least, most, total = 2.0, -1.0, 0.0
    count = 0
    for corner in range(4):
        di = (2 * (corner & 1) - 1) * odd[0]
        dj = (2 * (corner >> 1) - 1) * odd[1]
        column, row = i + di, j + dj
        if column < 0 or row < 0 or column >= columns or row * columns >= len(places):
            return -1.0
        p = row * columns + column
        if not in_plane(normal, places, p, pixel):
            return -1.0
        there = seen[p, light]
        least, most = min(least, there), max(most, there)
        total += there
        count += 1
    return total / count if most - least <= AGREED else -1.0


@inlined
def _asked(light: int, p: int, places: Singles, cam: Floats, planes: Floats, t: int, maps: Maps) -> float:
    """How much of a light one place sees."""
    x, y, z = places[p, 0], places[p, 1], places[p, 2]
    place = (
        cam[9] + cam[0] * x + cam[3] * y + cam[6] * z,
        cam[10] + cam[1] * x + cam[4] * y + cam[7] * z,
        cam[11] + cam[2] * x + cam[5] * y + cam[8] * z,
    )
    fx, fy, fz = plane_normal(planes, t)
    scale = -1.0 / math.sqrt(fx * fx + fy * fy + fz * fz)
    fx, fy, fz = fx * scale, fy * scale, fz * scale
    flat = (
        cam[0] * fx + cam[3] * fy + cam[6] * fz,
        cam[1] * fx + cam[4] * fy + cam[7] * fz,
        cam[2] * fx + cam[5] * fy + cam[8] * fz,
    )
    return light_seen(maps, light, place, flat)
