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
from neuromation.synthetic.render.shade_grid import GRID_PX, in_plane, plane_normal

_LINES = 1  # through every pixel
_STEPS = 5  # along either half of a line
_TURNS = 16  # of the pattern of 4 x 4
_REACH_SHARE = 0.16  # how far occluders are searched, of the mean distance
_REACH_MAX_PX = 120.0
_FLAT, _RISING = 0.03, 12.0  # sine of the height over a surface from which things count, and how fast they do
_THIN = 0.05  # how fast a horizon sinks behind something thin
_ALBEDO = 0.45  # of the surroundings, whose light fills what they shade

# Of one place: where it is in the camera's frame, and the direction to the camera.
_Spot = tuple[float, float, float, float, float, float]


@compiled
def _line_directions() -> Floats:
    """Unit vectors of the lines of all turns of the pattern, (turns, lines, 2)."""
    lines = np.empty((_TURNS, _LINES, 2))
    for turn in range(_TURNS):
        for line in range(_LINES):
            angle = math.pi * (line + turn / _TURNS) / _LINES
            lines[turn, line, 0], lines[turn, line, 1] = exact_cos(angle), exact_sin(angle)
    return lines


_DIRECTIONS = _line_directions()
# Which turn each pixel of the pattern takes: neighbours far apart, so that the filter evens them out early.
_PATTERN = np.array([0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5], dtype=np.int64)


def sky_openness(visible: Visibility, cam: Floats, size: tuple[int, int], places: Singles, mean_m: float) -> Singles:
    """The share of the sky's light that reaches the surfaces of the grid, float32 (rows, columns), 0..1.

    `places` are those of the grid in the camera's frame, `mean_m` away in the mean.
    """
    width, height = size
    rows, columns = -(-height // GRID_PX), -(-width // GRID_PX)
    raw = np.zeros((rows * columns, 2), dtype=np.float32)
    openness = np.ones((rows, columns), dtype=np.float32)
    if mean_m > 0.0:
        focal = float(cam[CAM_FOCAL])
        reach = mean_m * _REACH_SHARE
        _search(
            visible.seen, visible.planes, (width, focal), _DIRECTIONS, _PATTERN, (reach, places), (rows, columns), raw
        )
        _filter(visible.seen, visible.planes, width, places, 1.0 / focal, raw, openness)
    return openness


@inlined
def _arc_cosine(x: float) -> float:
    """The arc cosine to 1e-4 (Abramowitz and Stegun, 4.4.45)."""
    size = min(1.0, abs(x))
    angle = math.sqrt(1.0 - size) * (1.5707288 + size * (-0.2121144 + size * (0.0742610 - 0.0187293 * size)))
    return angle if x >= 0.0 else math.pi - angle


@inlined
def _cosine(x: float) -> float:
    """The cosine to 1e-4."""
    turns = x * (0.5 / math.pi)
    turns = abs(turns - math.floor(turns + 0.5))  # 0..1/2 of a turn
    q = (turns - 0.25) * (2.0 * math.pi)  # the cosine is minus the sine of this, -pi/2..pi/2
    s = q * q
    return -q * (1.0 + s * (-0.16666667 + s * (0.00833333 + s * (-0.00019841 + s * 0.0000027557))))


@inlined
def _horizon(
    start: tuple[int, int],
    along: tuple[float, float],
    far: tuple[float, float],
    spot: _Spot,
    normal: tuple[float, float, float],
    floor: float,
    grid: tuple[int, int, float, Singles],
) -> float:
    """The cosine, against the view, of the highest thing along half a line.

    Args:
        start: column and row of the grid.
        along: direction on the grid, of unit length.
        far: how far to look, pixels of the grid, and where between its steps to do so.
        floor: cosine of the surface's own horizon.
        grid: columns, rows, how far occluders are searched, and the places.
    """
    columns, rows, reach, places = grid
    px, py, pz, vx, vy, vz = spot
    nx, ny, nz = normal
    highest = floor
    fade = 2.0 / (reach * reach)
    for k in range(_STEPS):
        share = (k + far[1]) * (1.0 / _STEPS)
        distance = 0.75 + far[0] * share * share
        x = min(columns - 1, max(0, math.floor(start[0] + 0.5 + along[0] * distance)))
        y = min(rows - 1, max(0, math.floor(start[1] + 0.5 + along[1] * distance)))
        at = y * columns + x
        dx, dy, dz = places[at, 0] - px, places[at, 1] - py, places[at, 2] - pz
        square = dx * dx + dy * dy + dz * dz + 1e-14
        inverse = 1.0 / math.sqrt(square)
        cosine = (dx * vx + dy * vy + dz * vz) * inverse
        # A pixel of the surface itself, a hair beside the line, must not pass for something that rises from it.
        risen = min(1.0, max(0.0, ((dx * nx + dy * ny + dz * nz) * inverse - _FLAT) * _RISING))
        # What is far away, or nothing at all (which lies at the camera), does not count.
        near = risen * min(1.0, max(0.0, 2.0 - square * fade)) if places[at, 2] > 0.0 else 0.0
        cosine = floor + (cosine - floor) * near
        highest = cosine if cosine > highest else highest + _THIN * (cosine - highest)
    return highest


@kernel
def _search(
    seen: Ints,
    planes: Floats,
    view: tuple[int, float],
    directions: Floats,
    pattern: NDArray[np.int64],
    searched: tuple[float, Singles],
    size: tuple[int, int],
    raw: Singles,
) -> None:
    """Fill in how open every pixel of the grid is, before the filter."""
    width, focal = view
    reach, places = searched
    rows, columns = size
    grid = (columns, rows, reach, places)
    for j in range(rows):
        for i in range(columns):
            at = j * GRID_PX * width + i * GRID_PX
            t = seen[at, 0]
            if t < 0:
                continue
            p = j * columns + i
            px, py, pz = float(places[p, 0]), float(places[p, 1]), float(places[p, 2])
            away = -1.0 / math.sqrt(px * px + py * py + pz * pz)
            spot = (px, py, pz, px * away, py * away, pz * away)
            nx, ny, nz = plane_normal(planes, t)
            length = -math.sqrt(nx * nx + ny * ny + nz * nz)
            normal = (nx / length, ny / length, nz / length)
            turn = pattern[(j & 3) * 4 + (i & 3)]
            jitter = 0.25 + 0.75 * ((turn * 7) % _TURNS) / _TURNS
            far = (min(_REACH_MAX_PX, reach * focal / pz) / GRID_PX, jitter)
            total = most = 0.0
            for line in range(_LINES):
                along = (directions[turn, line, 0], directions[turn, line, 1])
                light, free = _line_light((i, j), along, far, spot, normal, grid)
                total += light
                most += free
            raw[p, 0], raw[p, 1] = np.float32(total), np.float32(most)


@inlined
def _line_light(
    start: tuple[int, int],
    along: tuple[float, float],
    far: tuple[float, float],
    spot: _Spot,
    normal: tuple[float, float, float],
    grid: tuple[int, int, float, Singles],
) -> tuple[float, float]:
    """The light that reaches a surface in the plane of one line, between its two horizons, and what would without them.

    In the mean over all lines the second is 1.
    """
    vx, vy, vz = spot[3], spot[4], spot[5]
    # The line's direction at right angles to the view, and the axis about which the plane turns.
    dot = along[0] * vx + along[1] * vy
    ox, oy, oz = along[0] - dot * vx, along[1] - dot * vy, -dot * vz
    ax, ay, az = along[1] * vz, -along[0] * vz, along[0] * vy - along[1] * vx
    tilt = (normal[0] * ax + normal[1] * ay + normal[2] * az) / (ax * ax + ay * ay + az * az)
    nx, ny, nz = normal[0] - ax * tilt, normal[1] - ay * tilt, normal[2] - az * tilt
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    if length < 1e-6:
        return 0.0, 0.0
    cosine = min(1.0, max(-1.0, (nx * vx + ny * vy + nz * vz) / length))
    gamma = _arc_cosine(cosine)
    sine = math.sqrt(1.0 - cosine * cosine)
    if nx * ox + ny * oy + nz * oz < 0.0:
        gamma, sine = -gamma, -sine
    # Without anything in the way the horizons are the surface's own, a right angle from its normal.
    ahead = _horizon(start, along, far, spot, normal, -sine, grid)
    behind = _horizon(start, (-along[0], -along[1]), far, spot, normal, sine, grid)
    high = min(gamma + 0.5 * math.pi, _arc_cosine(ahead))
    low = max(gamma - 0.5 * math.pi, -_arc_cosine(behind))
    arc = 2.0 * cosine - _cosine(2.0 * high - gamma) - _cosine(2.0 * low - gamma) + 2.0 * sine * (high + low)
    return length * 0.25 * arc, length * (cosine + gamma * sine)


@kernel
def _filter(
    seen: Ints, planes: Floats, width: int, places: Singles, pixel: float, raw: Singles, openness: Singles
) -> None:
    """Means over the pattern's 4 x 4 pixels of the same surface, and the light that close things reflect."""
    rows, columns = openness.shape
    a, b, c = 2.0404 * _ALBEDO - 0.3324, -4.7951 * _ALBEDO + 0.6417, 2.7552 * _ALBEDO + 0.6903
    for j in range(rows):
        for i in range(columns):
            t = seen[j * GRID_PX * width + i * GRID_PX, 0]
            if t < 0:
                openness[j, i] = np.float32(1.0)
                continue
            normal = plane_normal(planes, t)
            total, weight = 0.0, 0.0
            for row in range(max(0, j - 2), min(rows, j + 2)):
                for column in range(max(0, i - 2), min(columns, i + 2)):
                    p = row * columns + column
                    if in_plane(normal, places, p, 2.0 * pixel):
                        total += raw[p, 0]
                        weight += raw[p, 1]
            share = min(1.0, max(0.0, total / weight)) if weight > 0.0 else 1.0
            # What is shaded also gets light from what shades it (Jimenez et al.: a fit for many bounces).
            openness[j, i] = np.float32(min(1.0, max(share, ((share * a + b) * share + c) * share)))
