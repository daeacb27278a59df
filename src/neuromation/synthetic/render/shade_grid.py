"""Light that changes slowly, found on a grid: every second pixel, and carried to the others on the same surface.

Between places of the grid that lie on a pixel's surface and agree light is interpolated; where there are none, or at the
border of a hard shadow, the pixel asks the light itself. Holds what the grid is, not what is found on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import inlined, kernel
from neuromation.synthetic.render.raster import Visibility
from neuromation.synthetic.render.raster_lens import FIXED, Lens
from neuromation.synthetic.render.raster_pack import CAM_CX, CAM_CY, CAM_FOCAL, Floats, Ints, Singles
from neuromation.synthetic.render.shade_faces import NEAR, OWNER, STEEP, Faces, FaceTable, describe
from neuromation.synthetic.render.shadow import GROWS_X, GROWS_Y
from neuromation.synthetic.render.shadow_seen import Maps, light_seen

GRID_PX = 2  # every second pixel, across and down
_STRIDES = (2, 1)  # places of the grid between those that are asked first, and then; half of what is settled before
# How far light at neighbours may differ to be interpolated between them: on the grid itself, and in a picture.
_AGREED, _AGREED_NEAR = np.float32(0.1), np.float32(0.4)
_SHARP_TEXELS = 40.0  # a light whose shadows soften slower than this is asked at every place of the grid
_SAME_PX = 0.5  # how far a place may lie from a plane to belong to it, widths of a pixel there
_BESIDE = np.float32(1e-3)
# How much farther from a triangle's plane a place of a round surface may lie, and the cosine between the two.
_ROUND_SLACK, _ROUND_FACING = np.float32(6.0), np.float32(0.7)
_ZERO, _QUARTER, _HALF, _ONE, _TWO = (np.float32(number) for number in (0.0, 0.25, 0.5, 1.0, 2.0))
_Places = tuple[Singles, int, np.float32]  # the fields of a PlaceGrid that compiled code needs

# What the inner loops need: openness, places, lights seen, columns, and how far a place may lie beside a plane at a
# distance of 1.
Grid = tuple[Singles, Singles, Singles, int, np.float32]
# Where a pixel lies on the grid: column and row of the place to its upper left, and how far right and down of it, 0..1.
Cell = tuple[int, int, np.float32, np.float32]
# Of the places around a pixel, those on its surface: their numbers, and their shares, which sum to 1.
Around = tuple[NDArray[np.int64], Singles]


@inlined
def in_plane(faces: Singles, t: int, places: Singles, p: int, slack: np.float32) -> bool:
    """Whether a place of the grid lies in a triangle's plane, as far as a pixel can tell."""
    z = places[p, 2]
    off = faces[t, NEAR] * places[p, 0] + faces[t, NEAR + 1] * places[p, 1] + faces[t, NEAR + 2] * z - _ONE
    is_near: bool = z > _ZERO and abs(off) <= slack * z * faces[t, STEEP]
    return is_near


@inlined
def near_plane(faces: Singles, t: int, places: Singles, p: int, slack: np.float32) -> bool:
    """Whether a place of the grid is on the same round thing as a triangle: nearly in its plane, and turned nearly so."""
    if places[p, 6] != faces[t, OWNER] or not in_plane(faces, t, places, p, _ROUND_SLACK * slack):
        return False
    dot = faces[t, NEAR] * places[p, 3] + faces[t, NEAR + 1] * places[p, 4] + faces[t, NEAR + 2] * places[p, 5]
    is_same: bool = dot >= _ROUND_FACING * faces[t, STEEP]
    return is_same


@inlined
def grid_around(cell: Cell, t: int, faces: Singles, grid: Grid, around: Around) -> tuple[np.float32, int]:
    """How open to the sky a pixel's surface is, 0..1, and how many places of the grid around it lie on that surface.

    `around` gets those places. Where there are none, the sky is what it is beside the surface, and `around` gets the places
    of the same instance, whose number is told as one below zero.
    """
    openness, places, _, columns, slack = grid
    numbers, shares = around
    left, top, fx, fy = cell
    count = 0
    weight = plain = _ZERO
    # Places beside the pixel count little, and only where there is no better one; last those on what is round.
    for turn in range(3):
        plain = _ZERO
        for corner in range(4):
            share = (fx if corner & 1 else _ONE - fx) * (fy if corner & 2 else _ONE - fy)
            if turn == 0 and share <= _ZERO:
                continue
            p = (top + (corner >> 1)) * columns + min(columns - 1, left + (corner & 1))
            p = p if p < len(places) else p - columns
            plain += openness[p]
            if in_plane(faces, t, places, p, slack) if turn < 2 else near_plane(faces, t, places, p, slack):
                share += _BESIDE
                numbers[count], shares[count] = p, share
                weight += share
                count += 1
        if count:
            break
    if not count:
        return plain * _QUARTER, -_on_same_thing(cell, t, faces, grid, around)
    weight = _ONE / weight
    is_open = _ZERO
    for place in range(count):
        shares[place] *= weight
        is_open += shares[place] * openness[numbers[place]]
    return is_open, count


@inlined
def _on_same_thing(cell: Cell, t: int, faces: Singles, grid: Grid, around: Around) -> int:
    """How many of the four places around a pixel are of its triangle's instance; `around` gets them in equal shares."""
    numbers, shares = around
    places, columns = grid[1], grid[3]
    count = 0
    for corner in range(4):
        p = (cell[1] + (corner >> 1)) * columns + min(columns - 1, cell[0] + (corner & 1))
        p = p if p < len(places) else p - columns
        if places[p, 2] > _ZERO and places[p, 6] == faces[t, OWNER]:
            numbers[count] = p
            count += 1
    for place in range(count):
        shares[place] = _ONE / np.float32(count)
    return count


@inlined
def grid_light(index: int, count: int, grid: Grid, around: Around) -> np.float32:
    """How much of a light so many places around see in the mean, 0..1; below 0 where they differ too much."""
    numbers, shares = around
    least, most, total = _TWO, -_ONE, _ZERO
    for place in range(count):
        there = grid[2][numbers[place], index]
        least, most = min(least, there), max(most, there)
        total += shares[place] * there
    return total if most - least <= _AGREED_NEAR else -_ONE


@dataclass(frozen=True)
class PlaceGrid:
    """The places of the grid.

    Attributes:
        places: float32 (rows * columns, 7), in the camera's frame, metres, the origin where there is nothing; the
            normals of their triangles, of unit length and away from the camera; the numbers of their instances.
        columns: of the grid.
        mean_m: how far away they are in the mean.
        slack: how far a place may lie beside a plane at a distance of 1 and belong to it.
    """

    places: Singles
    columns: int
    mean_m: float
    slack: np.float32


def grid_places(visible: Visibility, faces: FaceTable, cam: Floats, lens: Lens, size: tuple[int, int]) -> PlaceGrid:
    """Where the surfaces of the grid's pixels are; what is seen there is described in `faces`."""
    width, height = size
    count = -(-height // GRID_PX) * -(-width // GRID_PX)
    places = np.zeros((count, 7), dtype=np.float32)
    view = (cam, lens.bends, lens.centres, width)
    mean_m = _places((visible.seen, visible.nearness), view, faces.given, faces.rows, places)
    return PlaceGrid(places, -(-width // GRID_PX), mean_m, np.float32(_SAME_PX / cam[CAM_FOCAL]))


@kernel
def _places(
    visible: tuple[Ints, Singles],
    view: tuple[Floats, bool, NDArray[np.int32], int],
    given: Faces,
    faces: Singles,
    places: Singles,
) -> float:
    seen, nearness = visible
    cam, bends, centres, width = view
    columns = (width + GRID_PX - 1) // GRID_PX
    cx, cy, pixel = np.float32(cam[CAM_CX]), np.float32(cam[CAM_CY]), np.float32(1.0 / cam[CAM_FOCAL])
    total, count = 0.0, 0
    for row in range(len(places) // columns):
        for column in range(columns):
            p = row * columns + column
            at = row * GRID_PX * width + column * GRID_PX
            t = seen[at, 0]
            if t < 0:
                continue
            if not given[7][t]:
                describe(t, given, faces)
            px, py = np.float32(column * GRID_PX) + _HALF, np.float32(row * GRID_PX) + _HALF
            if bends:
                px, py = np.float32(centres[at, 0] / FIXED), np.float32(centres[at, 1] / FIXED)
            depth = _ONE / nearness[at, 0]
            places[p, 0] = (px - cx) * pixel * depth
            places[p, 1] = (py - cy) * pixel * depth
            places[p, 2] = depth
            places[p, 6] = faces[t, OWNER]
            inverse = _ONE / faces[t, STEEP]
            for axis in range(3):
                places[p, 3 + axis] = faces[t, NEAR + axis] * inverse
            total += depth
            count += 1
    return total / count if count else 0.0


def receivers_of(places: PlaceGrid, cam: Floats) -> Floats:
    """Every second place of the grid, and its last ones, that hold something, in the world: float64 (N, 3), metres."""
    grid = places.places.reshape(-1, places.columns, 7)[:, :, :3]
    some = (grid[::2, ::2], grid[-1:], grid[:, -1:])
    picked = np.concatenate([part.reshape(-1, 3) for part in some]).astype(np.float64)
    picked = picked[picked[:, 2] > 0.0]
    x, y, z = picked[:, 0], picked[:, 1], picked[:, 2]
    world = [cam[9 + axis] + cam[axis] * x + cam[3 + axis] * y + cam[6 + axis] * z for axis in range(3)]
    return np.stack(world, axis=1)


def lights_seen(visible: Visibility, faces: FaceTable, width: int, grid: PlaceGrid, maps: Maps) -> Singles:
    """How much of every light the places of the grid see, float32 (rows * columns, lights), 0..1."""
    seen = np.ones((len(grid.places), len(maps[4])), dtype=np.float32)
    _ask((visible.seen, width), faces.rows, (grid.places, grid.columns, grid.slack), maps, seen)
    return seen


@kernel
def _ask(visible: tuple[Ints, int], faces: Singles, grid: _Places, maps: Maps, seen: Singles) -> None:
    """Ask the lights for a few rows and columns of the grid, then for the places between that these do not settle."""
    places, columns, _ = grid
    rows = len(places) // columns
    frames, layout = maps[3], maps[4]
    for turn in range(4 * len(_STRIDES)):
        stride = _STRIDES[turn >> 2]
        odd = (stride * (turn & 1), stride * (turn >> 1 & 1))
        if turn and turn & 3 == 0:
            continue  # what was settled when the stride was twice as wide
        for j in range(odd[1], rows, 2 * stride):
            for i in range(odd[0], columns, 2 * stride):
                p = j * columns + i
                if places[p, 2] <= _ZERO:
                    continue
                t = visible[0][j * GRID_PX * visible[1] + i * GRID_PX, 0]
                is_between = turn > 0 and _is_between(i, j, odd, grid, faces, t)
                for light in range(len(layout)):
                    if layout[light, 1] == 0:
                        continue
                    settled = -_ONE
                    if is_between and min(frames[light, GROWS_X], frames[light, GROWS_Y]) >= _SHARP_TEXELS:
                        settled = _between(p, columns, odd, seen, light)
                    if settled < _ZERO:
                        settled = asked(light, (places[p, 0], places[p, 1], places[p, 2]), faces, t, maps)
                    seen[p, light] = settled


@inlined
def _beside(p: int, columns: int, odd: tuple[int, int], corner: int) -> int:
    """Which place of the grid lies `odd` columns and rows beside another, to one of four sides."""
    return p + ((corner & 1) * 2 - 1) * odd[0] + ((corner >> 1) * 2 - 1) * odd[1] * columns


@inlined
def _is_between(i: int, j: int, odd: tuple[int, int], grid: _Places, faces: Singles, t: int) -> bool:
    """Whether all neighbours of a place that were asked lie in its plane."""
    places, columns, slack = grid
    if i < odd[0] or j < odd[1] or i + odd[0] >= columns or (j + odd[1]) * columns >= len(places):
        return False
    p = j * columns + i
    # With one of the two steps zero the second half repeats the first: the same two places.
    for corner in range(0, 4, 1 if odd[0] and odd[1] else 3):
        if not near_plane(faces, t, places, _beside(p, columns, odd, corner), slack):
            return False
    return True


@inlined
def _between(p: int, columns: int, odd: tuple[int, int], seen: Singles, light: int) -> np.float32:
    """The light at a place from its neighbours that were asked, where they agree; else -1."""
    least, most, total = _TWO, -_ONE, _ZERO
    for corner in range(4):
        there = seen[_beside(p, columns, odd, corner), light]
        least, most = min(least, there), max(most, there)
        total += there
    return total * _QUARTER if most - least <= _AGREED else -_ONE


@inlined
def asked(
    light: int, place: tuple[np.float32, np.float32, np.float32], faces: Singles, t: int, maps: Maps
) -> np.float32:
    """How much of a light a place on a triangle sees, 0..1."""
    scale = -_ONE / faces[t, STEEP]
    flat = (faces[t, NEAR] * scale, faces[t, NEAR + 1] * scale, faces[t, NEAR + 2] * scale)
    seen: np.float32 = light_seen(maps, light, place, flat)
    return seen
