"""Soft shapes: rounded cones that melt into each other, as one smooth closed mesh.

Owns the field (distance to cones, joined by a polynomial smooth minimum) and its surface (naive surface nets: one vertex
in every cell that the surface crosses, at the mean of its crossings). Plain arithmetic, so that a mesh has the same bits
everywhere. Source: S. Gibson, "Constrained elastic surface nets" (MICCAI 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.model import Mesh, Vector

CELLS_MAX = 8_000_000
_FAR = 1.0


@dataclass(frozen=True)
class Cone:
    """A rod from `a` to `b` with round ends, of one radius at each; metres."""

    a: Vector
    b: Vector
    radius_a_m: float
    radius_b_m: float


def flesh(cones: Sequence[Cone], *, cell_m: float, join_m: float, uv_m: float = 0.08) -> Mesh:
    """One smooth surface around `cones`.

    Args:
        cones: what it is made of, at least one.
        cell_m: width of a grid cell: details finer than this are lost.
        join_m: how far two parts reach out to each other where they meet, about a third of their radius.
        uv_m: how wide one repetition of a texture is; it is laid on from the front (x and z), bent around by depth.

    Raises BadScene when there are none, or the grid would be too large.
    """
    if not cones or cell_m <= 0.0:
        raise BadScene("flesh needs at least one cone and a cell > 0 m")
    table = np.array([[*c.a, *c.b, c.radius_a_m, c.radius_b_m] for c in cones], dtype=np.float64)
    if not np.isfinite(table).all():
        raise BadScene("flesh was given a cone with NaN or infinity")
    reach = np.maximum(table[:, 6], table[:, 7])[:, None] + join_m + 2.5 * cell_m
    low = np.minimum(table[:, 0:3], table[:, 3:6]) - reach
    high = np.maximum(table[:, 0:3], table[:, 3:6]) + reach
    origin = low.min(axis=0)
    counts = np.ceil((high.max(axis=0) - origin) / cell_m).astype(np.int64) + 1
    if int(counts[0]) * int(counts[1]) * int(counts[2]) > CELLS_MAX:
        raise BadScene(f"flesh of this size and cells of {cell_m} m need over {CELLS_MAX:,} cells")
    field = np.full((int(counts[0]), int(counts[1]), int(counts[2])), _FAR)
    for cone, begin, end in zip(table, (low - origin) / cell_m, (high - origin) / cell_m, strict=True):
        first = np.maximum(begin.astype(np.int64), 0)
        last = np.minimum(end.astype(np.int64) + 1, counts)
        _melt(field, cone, origin, cell_m, join_m, first, last)
    place = np.full(field.shape, -1, dtype=np.int64)
    points = _points(field, place)
    quads = _quads(field, place, len(points))
    normals = _slopes(field, points)
    positions = origin + points * cell_m
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    uvs = np.stack([positions[:, 0] + 0.6 * positions[:, 1], positions[:, 2] + 0.4 * positions[:, 1]], axis=1) / uv_m
    return Mesh(positions, triangles, normals[triangles], uvs[triangles], np.zeros(len(triangles), dtype=np.int32))


@compiled
def _melt(
    field: NDArray[np.float64],
    cone: NDArray[np.float64],
    origin: NDArray[np.float64],
    cell_m: float,
    join_m: float,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
) -> None:
    """Join one cone to the field, where it reaches."""
    ax, ay, az = cone[0], cone[1], cone[2]
    dx, dy, dz = cone[3] - ax, cone[4] - ay, cone[5] - az
    square = dx * dx + dy * dy + dz * dz
    for i in range(first[0], last[0]):
        px = origin[0] + i * cell_m - ax
        for j in range(first[1], last[1]):
            py = origin[1] + j * cell_m - ay
            for k in range(first[2], last[2]):
                pz = origin[2] + k * cell_m - az
                t = 0.0
                if square > 0.0:
                    t = min(max((px * dx + py * dy + pz * dz) / square, 0.0), 1.0)
                qx, qy, qz = px - t * dx, py - t * dy, pz - t * dz
                distance = np.sqrt(qx * qx + qy * qy + qz * qz) - (cone[6] + t * (cone[7] - cone[6]))
                old = field[i, j, k]
                overlap = max(join_m - abs(old - distance), 0.0)
                field[i, j, k] = min(old, distance) - overlap * overlap * 0.25 / join_m


@compiled
def _crossing(field: NDArray[np.float64], i: int, j: int, k: int) -> tuple[float, float, float, int]:
    """The sum of the places at which the surface crosses the edges of a cell, and how many there are."""
    sx, sy, sz, crossings = 0.0, 0.0, 0.0, 0
    for corner in range(8):
        x0, y0, z0 = corner & 1, corner >> 1 & 1, corner >> 2
        one = field[i + x0, j + y0, k + z0]
        for axis in range(3):
            other = corner | 1 << axis
            if other == corner:
                continue
            x1, y1, z1 = other & 1, other >> 1 & 1, other >> 2
            two = field[i + x1, j + y1, k + z1]
            if (one < 0.0) != (two < 0.0):
                t = one / (one - two)
                sx += x0 + t * (x1 - x0)
                sy += y0 + t * (y1 - y0)
                sz += z0 + t * (z1 - z0)
                crossings += 1
    return sx, sy, sz, crossings


@compiled
def _points(field: NDArray[np.float64], place: NDArray[np.int64]) -> NDArray[np.float64]:
    """A vertex for every cell that the surface crosses; its number goes to `place`."""
    nx, ny, nz = field.shape
    points = np.empty((field.size // 4 + 64, 3), np.float64)
    count = 0
    for i in range(nx - 1):
        for j in range(ny - 1):
            for k in range(nz - 1):
                sx, sy, sz, crossings = _crossing(field, i, j, k)
                if crossings == 0:
                    continue
                points[count, 0] = i + sx / crossings
                points[count, 1] = j + sy / crossings
                points[count, 2] = k + sz / crossings
                place[i, j, k] = count
                count += 1
    return points[:count].copy()


@compiled
def _quads(field: NDArray[np.float64], place: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The vertices around every edge of the grid that crosses the surface, counter-clockwise from outside."""
    nx, ny, nz = field.shape
    quads = np.empty((3 * count + 8, 4), np.int64)
    found = 0
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                here = field[i, j, k] < 0.0
                for axis in range(3):
                    di, dj, dk = (axis == 0) * 1, (axis == 1) * 1, (axis == 2) * 1
                    if here == (field[i + di, j + dj, k + dk] < 0.0):
                        continue
                    # The four cells around this edge, in the order of a right-handed turn about the axis.
                    quads[found, 0] = place[i, j, k]
                    one = place[i - dk, j - di, k - dj]
                    quads[found, 2] = place[i - dk - dj, j - di - dk, k - dj - di]
                    other = place[i - dj, j - dk, k - di]
                    quads[found, 1] = one if here else other
                    quads[found, 3] = other if here else one
                    found += 1
    return quads[:found].copy()


@compiled
def _slopes(field: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit normals at points of the surface: the field's slope around them."""
    normals = np.empty((len(points), 3), np.float64)
    nx, ny, nz = field.shape
    for p in range(len(points)):
        i = min(max(int(points[p, 0] + 0.5), 1), nx - 2)
        j = min(max(int(points[p, 1] + 0.5), 1), ny - 2)
        k = min(max(int(points[p, 2] + 0.5), 1), nz - 2)
        x, y, z = 0.0, 0.0, 0.0
        for di in range(-1, 2):
            for dj in range(-1, 2):
                for dk in range(-1, 2):
                    value = field[i + di, j + dj, k + dk]
                    x += di * value
                    y += dj * value
                    z += dk * value
        length = np.sqrt(x * x + y * y + z * z)
        if length == 0.0:
            x, y, z, length = 0.0, 0.0, 1.0, 1.0
        normals[p, 0], normals[p, 1], normals[p, 2] = x / length, y / length, z / length
    return normals
