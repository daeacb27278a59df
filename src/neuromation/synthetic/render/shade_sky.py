"""How open to the sky a surface is: the soft dark where things touch and under what stands close.

Horizons are searched in the depth of the picture along turned lines, and the light above them is integrated in closed
form (ground-truth ambient occlusion, Jimenez et al., 2016). The lines turn from pixel to pixel in a fixed 4 x 4 pattern,
and a filter of that size that keeps to one surface takes the pattern out again: there is no noise. Done on every second
pixel, and carried to the others along their own planes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled, inlined, kernel
from neuromation.synthetic.exact import exact_cos, exact_sin
from neuromation.synthetic.render.raster import Visibility
from neuromation.synthetic.render.raster_pack import CAM_FOCAL, Floats, Ints, Singles
from neuromation.synthetic.render.shade_faces import NEAR, STEEP
from neuromation.synthetic.render.shade_grid import GRID_PX, PlaceGrid, in_plane

_STEPS = 5  # along either half of a line
_FIRST_STEP = np.float32(0.75)  # pixels of the grid
_TURNS = 16  # of the pattern of 4 x 4
_REACH_SHARE = 0.16  # how far occluders are searched, of the mean distance
_REACH_MAX_PX = np.float32(120.0)
_FLAT, _RISING = (
    np.float32(0.03),
    np.float32(12.0),
)  # sine of the height over a surface from which things count, and how fast they do
_THIN = np.float32(0.05)  # how fast a horizon sinks behind something thin
_ALBEDO = 0.45  # of the surroundings, whose light fills what they shade
_FILL_0, _FILL_1, _FILL_2 = (
    np.float32(a * _ALBEDO + b) for a, b in ((2.0404, -0.3324), (-4.7951, 0.6417), (2.7552, 0.6903))
)

# How places lie in memory while horizons are searched: one array, BLOCK places of a row of the grid at a time, each of
# these quantities at a fixed place (see shade_chunk.py). A place and its normal, the direction to the camera, the line on
# the picture, how far it reaches and where between its steps; the normal in the line's plane, how much of it lies there,
# its angle to the view with that angle's cosine and sine; the two horizons, and the place that is looked at.
_BLOCK = 128
(
    _PX, _PY, _PZ, _NX, _NY, _NZ, _VX, _VY, _VZ, _AX, _AY, _FAR, _JITTER,
    _SHARE, _GAMMA, _COSINE, _SINE, _AHEAD, _BEHIND, _X, _Y, _Z,
) = (_BLOCK * row for row in range(22))  # fmt: skip
_QUANTITIES = 22

_ZERO, _QUARTER, _HALF, _ONE, _TWO = (np.float32(number) for number in (0.0, 0.25, 0.5, 1.0, 2.0))
_PI, _TURN, _PER_TURN = np.float32(math.pi), np.float32(2.0 * math.pi), np.float32(0.5 / math.pi)
_RIGHT = np.float32(0.5 * math.pi)
_TINY, _SMALL, _SHORT = np.float32(1e-14), np.float32(1e-12), np.float32(1e-6)
# Abramowitz and Stegun, 4.4.45, and Taylor's series of the sine.
_ARC_0, _ARC_1, _ARC_2, _ARC_3 = (np.float32(n) for n in (1.5707288, -0.2121144, 0.0742610, -0.0187293))
_SINE_1, _SINE_2, _SINE_3, _SINE_4 = (
    np.float32(n) for n in (-0.16666667, 0.00833333, -0.00019841, 0.0000027557)
)  # fmt: skip


@compiled
def _line_directions() -> Floats:
    """Unit vectors of the lines of all turns of the pattern, (turns, 2)."""
    lines = np.empty((_TURNS, 2))
    for turn in range(_TURNS):
        angle = math.pi * turn / _TURNS
        lines[turn, 0], lines[turn, 1] = exact_cos(angle), exact_sin(angle)
    return lines


_DIRECTIONS = _line_directions().astype(np.float32)
# Which turn each pixel of the pattern takes: neighbours far apart, so that the filter evens them out early.
_PATTERN = np.array([0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5], dtype=np.int64)


def sky_openness(visible: Visibility, faces: Singles, cam: Floats, size: tuple[int, int], grid: PlaceGrid) -> Singles:
    """The share of the sky's light that reaches the surfaces of the grid, float32 (rows * columns,), 0..1."""
    openness = np.ones(len(grid.places), dtype=np.float32)
    if grid.mean_m > 0.0:
        raw = np.zeros((len(grid.places), 2), dtype=np.float32)
        room = np.ones(_QUANTITIES * _BLOCK, dtype=np.float32)
        focal, reach = float(cam[CAM_FOCAL]), np.float32(grid.mean_m * _REACH_SHARE)
        where = (grid.places, grid.columns)
        _search((visible.seen, size[0]), faces, where, (_DIRECTIONS, _PATTERN), (reach, np.float32(focal)), room, raw)
        _filter((visible.seen, size[0]), faces, where, np.float32(1.0 / focal), raw, np.zeros_like(raw), openness)
    return openness


@inlined
def _arc_cosine(x: np.float32) -> np.float32:
    """The arc cosine to 1e-4."""
    size = min(_ONE, abs(x))
    angle = math.sqrt(_ONE - size) * (_ARC_0 + size * (_ARC_1 + size * (_ARC_2 + size * _ARC_3)))
    return angle if x >= _ZERO else _PI - angle


@inlined
def _cosine(x: np.float32) -> np.float32:
    """The cosine to 1e-4."""
    turns = x * _PER_TURN
    turns = abs(turns - np.floor(turns + _HALF))  # 0..1/2 of a turn
    q = (turns - _QUARTER) * _TURN  # the cosine is minus the sine of this, -pi/2..pi/2
    s = q * q
    return -q * (_ONE + s * (_SINE_1 + s * (_SINE_2 + s * (_SINE_3 + s * _SINE_4))))


@kernel
def _search(
    visible: tuple[Ints, int],
    faces: Singles,
    grid: tuple[Singles, int],
    lines: tuple[Singles, NDArray[np.int64]],
    reach: tuple[np.float32, np.float32],
    room: Singles,
    raw: Singles,
) -> None:
    """Fill in how open every pixel of the grid is, before the filter: the light between the horizons and without them."""
    places, columns = grid
    for j in range(len(places) // columns):
        for first in range(0, columns, _BLOCK):
            count = min(_BLOCK, columns - first)
            _gather((j, first, count), visible, faces, grid, lines, reach, room)
            _lay(room)
            for k in range(_STEPS):
                _look(j, first, count, k, _ONE, grid, room)
                _raise(room, reach[0], True)
                _look(j, first, count, k, -_ONE, grid, room)
                _raise(room, reach[0], False)
            _sum_up(room)
            for i in range(count):
                p = j * columns + first + i
                if places[p, 2] > _ZERO:
                    raw[p, 0], raw[p, 1] = room[_X + i], room[_Y + i]


@inlined
def _gather(
    block: tuple[int, int, int],
    visible: tuple[Ints, int],
    faces: Singles,
    grid: tuple[Singles, int],
    lines: tuple[Singles, NDArray[np.int64]],
    reach: tuple[np.float32, np.float32],
    room: Singles,
) -> None:
    """Fill in the places of a block (row, first column, how many), their normals and their lines."""
    j, first, count = block
    seen, width = visible
    places, columns = grid
    directions, pattern = lines
    reach_px = reach[0] * reach[1]
    for i in range(count):
        p = j * columns + first + i
        t = seen[j * GRID_PX * width + (first + i) * GRID_PX, 0]
        if t < 0:
            room[_PX + i], room[_PY + i], room[_PZ + i] = _ZERO, _ZERO, _ONE
            continue
        room[_PX + i], room[_PY + i], room[_PZ + i] = places[p, 0], places[p, 1], places[p, 2]
        scale = -_ONE / faces[t, STEEP]
        room[_NX + i], room[_NY + i] = faces[t, NEAR] * scale, faces[t, NEAR + 1] * scale
        room[_NZ + i] = faces[t, NEAR + 2] * scale
        turn = pattern[(j & 3) * 4 + ((first + i) & 3)]
        room[_AX + i], room[_AY + i] = directions[turn, 0], directions[turn, 1]
        room[_JITTER + i] = _QUARTER + np.float32(0.75 / _TURNS * ((turn * 7) % _TURNS))
        room[_FAR + i] = min(_REACH_MAX_PX, reach_px / places[p, 2]) * np.float32(1.0 / GRID_PX)


@inlined
def _lay(room: Singles) -> None:
    """Fill in what follows from the places, normals and lines; the horizons begin at the surface's own plane."""
    for i in range(_BLOCK):
        px, py, pz = room[_PX + i], room[_PY + i], room[_PZ + i]
        away = -_ONE / math.sqrt(px * px + py * py + pz * pz)
        vx, vy, vz = px * away, py * away, pz * away
        nx, ny, nz = room[_NX + i], room[_NY + i], room[_NZ + i]
        along_x, along_y = room[_AX + i], room[_AY + i]
        # The line's direction at right angles to the view, and the axis about which the plane turns.
        dot = along_x * vx + along_y * vy
        ox, oy, oz = along_x - dot * vx, along_y - dot * vy, -dot * vz
        ax, ay, az = along_y * vz, -along_x * vz, along_x * vy - along_y * vx
        tilt = (nx * ax + ny * ay + nz * az) / (ax * ax + ay * ay + az * az)
        mx, my, mz = nx - ax * tilt, ny - ay * tilt, nz - az * tilt
        length = math.sqrt(mx * mx + my * my + mz * mz)
        cosine = min(_ONE, max(-_ONE, (mx * vx + my * vy + mz * vz) / max(_SMALL, length)))
        sine = math.sqrt(_ONE - cosine * cosine)
        gamma = _arc_cosine(cosine)
        is_left = mx * ox + my * oy + mz * oz < _ZERO
        sine = -sine if is_left else sine
        gamma = -gamma if is_left else gamma
        room[_VX + i], room[_VY + i], room[_VZ + i] = vx, vy, vz
        room[_SHARE + i] = length if length >= _SHORT else _ZERO
        room[_GAMMA + i], room[_COSINE + i], room[_SINE + i] = gamma, cosine, sine
        # Without anything in the way the horizons are the surface's own, a right angle from its normal.
        room[_AHEAD + i], room[_BEHIND + i] = -sine, sine


@inlined
def _look(j: int, first: int, count: int, k: int, way: np.float32, grid: tuple[Singles, int], room: Singles) -> None:
    """Fill in the places at step `k` of every line, one way or the other."""
    places, columns = grid
    right, bottom = np.float32(columns - 1), np.float32(len(places) // columns - 1)
    step, down = np.float32(k), np.float32(j) + _HALF
    for i in range(count):
        share = (step + room[_JITTER + i]) * np.float32(1.0 / _STEPS)
        distance = (_FIRST_STEP + room[_FAR + i] * share * share) * way
        x = min(right, max(_ZERO, np.float32(first + i) + _HALF + room[_AX + i] * distance))
        y = min(bottom, max(_ZERO, down + room[_AY + i] * distance))
        p = int(y) * columns + int(x)
        room[_X + i], room[_Y + i], room[_Z + i] = places[p, 0], places[p, 1], places[p, 2]


@inlined
def _raise(room: Singles, reach: np.float32, is_ahead: bool) -> None:
    """Raise the horizons on one side to the places that are looked at: cosines against the view."""
    fade = _TWO / (reach * reach)
    side = _AHEAD if is_ahead else _BEHIND
    sign = -_ONE if is_ahead else _ONE
    for i in range(_BLOCK):
        x, y, z = room[_X + i], room[_Y + i], room[_Z + i]
        dx, dy, dz = x - room[_PX + i], y - room[_PY + i], z - room[_PZ + i]
        square = dx * dx + dy * dy + dz * dz + _TINY
        inverse = _ONE / math.sqrt(square)
        cosine = (dx * room[_VX + i] + dy * room[_VY + i] + dz * room[_VZ + i]) * inverse
        # A pixel of the surface itself, a hair beside the line, must not pass for something that rises from it.
        height = (dx * room[_NX + i] + dy * room[_NY + i] + dz * room[_NZ + i]) * inverse
        risen = min(_ONE, max(_ZERO, (height - _FLAT) * _RISING))
        # What is far away, or nothing at all (which lies at the camera), does not count.
        near = risen * min(_ONE, max(_ZERO, _TWO - square * fade)) if z > _ZERO else _ZERO
        floor = sign * room[_SINE + i]
        cosine = floor + (cosine - floor) * near
        highest = room[side + i]
        room[side + i] = cosine if cosine > highest else highest + _THIN * (cosine - highest)


@inlined
def _sum_up(room: Singles) -> None:
    """Fill in the light that reaches every surface in the plane of its line, and what would without horizons.

    In the mean over all lines the second is 1.
    """
    for i in range(_BLOCK):
        gamma, cosine, sine = room[_GAMMA + i], room[_COSINE + i], room[_SINE + i]
        high = min(gamma + _RIGHT, _arc_cosine(room[_AHEAD + i]))
        low = max(gamma - _RIGHT, -_arc_cosine(room[_BEHIND + i]))
        arc = _TWO * cosine - _cosine(_TWO * high - gamma) - _cosine(_TWO * low - gamma) + _TWO * sine * (high + low)
        room[_X + i] = room[_SHARE + i] * _QUARTER * arc
        room[_Y + i] = room[_SHARE + i] * (cosine + gamma * sine)


@kernel
def _filter(
    visible: tuple[Ints, int],
    faces: Singles,
    grid: tuple[Singles, int],
    pixel: np.float32,
    raw: Singles,
    down: Singles,
    openness: Singles,
) -> None:
    """Means over the pattern's 4 x 4 pixels of the same surface, and the light that close things reflect.

    First down the columns into `down`, then along the rows.
    """
    seen, width = visible
    places, columns = grid
    rows = len(places) // columns
    for j in range(rows):
        for i in range(columns):
            t = seen[j * GRID_PX * width + i * GRID_PX, 0]
            if t < 0:
                continue
            total = weight = _ZERO
            for row in range(max(0, j - 2), min(rows, j + 2)):
                p = row * columns + i
                if in_plane(faces, t, places, p, pixel):
                    total += raw[p, 0]
                    weight += raw[p, 1]
            down[j * columns + i, 0], down[j * columns + i, 1] = total, weight
    for j in range(rows):
        for i in range(columns):
            t = seen[j * GRID_PX * width + i * GRID_PX, 0]
            if t < 0:
                continue
            total = weight = _ZERO
            for p in range(j * columns + max(0, i - 2), j * columns + min(columns, i + 2)):
                if in_plane(faces, t, places, p, pixel):
                    total += down[p, 0]
                    weight += down[p, 1]
            share = min(_ONE, max(_ZERO, total / weight)) if weight > _ZERO else _ONE
            # What is shaded also gets light from what shades it (Jimenez et al.: a fit for many bounces).
            openness[j * columns + i] = min(_ONE, max(share, ((share * _FILL_0 + _FILL_1) * share + _FILL_2) * share))
