"""The visibility buffer: which triangle every sample of a picture sees, and how far away.

Corners are rounded to 1/256 pixel and edges are tested in whole numbers with a tie rule, so that neighbours neither
overlap nor leave a gap. A depth is the plane's own at the sample, not the rounded triangle's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import inlined, kernel
from neuromation.synthetic.render.raster_lens import FIXED, TILE_PX, Lens, distorted
from neuromation.synthetic.render.raster_pack import (
    CAM_CX,
    CAM_CY,
    CAM_FOCAL,
    CUTOUT,
    NEAR_M,
    TEXTURE,
    TWO_SIDED,
    Floats,
    Ints,
    PackedScene,
    Singles,
)
from neuromation.synthetic.render.shade_textures import TextureTable, is_hole

NOTHING = -1
_GUARD_PX = 1 << 20  # farther out a triangle is cut, so that products of whole numbers stay below 2^63
_CORNERS_MAX = 9  # of a triangle cut by five planes
_HALF = FIXED // 2
_SAMPLES_MAX = _SMOOTH_SAMPLES = 5
_REACH = 102  # how far samples lie beside a pixel's centre, at most
_OUTSIDE = -(1 << 40)  # a corner that cannot be projected
_LENS_MARGIN_MAX_PX = 16.0

# Samples of a pixel, 1/256 pixels from its centre: five rooks that do not see each other, the first in the middle.
SMOOTH = np.array([[0, 0], [-102, -51], [51, -102], [102, 51], [-51, 102]], dtype=np.int64)
CENTRE = SMOOTH[:1].copy()


# What compiled functions hand on: (source, uvs, materials, texels, rows of textures); (bends, k, centres, tiles) of a
# lens; (width, height, bounds of the picture in 1/256 pixels, offsets of the samples). A
# job is all of them with the camera: (skin, cam, lens, target, into).
_Skin = tuple[Ints, Singles, Floats, NDArray[np.uint32], NDArray[np.int64]]
_LensArrays = tuple[bool, Floats, NDArray[np.int32], NDArray[np.int32]]
_Target = tuple[int, int, NDArray[np.int64], NDArray[np.int64]]
_Job = tuple[_Skin, Floats, _LensArrays, _Target, tuple[Ints, Singles, Floats]]


@dataclass(frozen=True)
class Visibility:
    """What the samples of a picture see.

    Attributes:
        seen: int32 (height * width, samples), triangles of the packed scene, NOTHING where there is none.
        nearness: float32 (height * width, samples), 1 / depth in 1 / metres, 0 where there is nothing.
        planes: float64 (F, 9), of every triangle that was drawn the inverse of its corners in the camera's frame: times
            a ray it gives the corners' weights over the depth (Olano and Greer, 1997). Others are not set.
    """

    seen: Ints
    nearness: Singles
    planes: Floats


def draw(
    scene: PackedScene,
    textures: TextureTable,
    cam: Floats,
    lens: Lens,
    size: tuple[int, int],
    offsets: NDArray[np.int64],
    into: Visibility,
    instances: tuple[int, int] | None = None,
) -> None:
    """Draw a scene, or the instances from one place to before another, over what `into` holds.

    Args:
        size: width and height of the window, pixels.
        offsets: int64 (samples, 2), where in a pixel samples lie, 1/256 pixels from its centre.
    """
    first, last = (0, len(scene.turns)) if instances is None else instances
    width, height = size
    frame = np.array([0, 0, width * FIXED, height * FIXED], dtype=np.int64)
    if lens.bends:
        low, high = lens.tiles[:, :, :2].min(axis=(0, 1)), lens.tiles[:, :, 2:].max(axis=(0, 1))
        frame = np.concatenate((low, high)).astype(np.int64)
    _draw(
        (scene.vertices, scene.triangles, scene.material),
        (scene.first_vertex, scene.first_triangle, _front_to_back(scene, cam, first, last)),
        (scene.source, scene.uvs, scene.materials, textures.texels, textures.rows),
        cam,
        (lens.bends, lens.k, lens.centres, lens.tiles),
        (width, height, frame, offsets),
        (into.seen, into.nearness, into.planes),
        _room(int(np.diff(scene.first_vertex[first : last + 1]).max(initial=0))),
    )


def _front_to_back(scene: PackedScene, cam: Floats, first: int, last: int) -> NDArray[np.int64]:
    """Instances in about the order in which the camera meets them: what is drawn behind others costs less."""
    depths = np.empty(last - first)
    _depths_of(scene.vertices, scene.first_vertex, cam, first, depths)
    return first + np.argsort(depths, kind="stable")


@kernel
def _depths_of(vertices: Floats, first_vertex: NDArray[np.int64], cam: Floats, first: int, depths: Floats) -> None:
    """How far ahead of the camera the first vertex of every instance is, and infinity for those without any."""
    for i in range(len(depths)):
        v = first_vertex[first + i]
        depths[i] = np.inf
        if v < first_vertex[first + i + 1]:
            x, y, z = vertices[v, 0] - cam[9], vertices[v, 1] - cam[10], vertices[v, 2] - cam[11]
            depths[i] = cam[6] * x + cam[7] * y + cam[8] * z


def _room(vertices: int) -> tuple[Floats, NDArray[np.int64], Floats, NDArray[np.int64], NDArray[np.int64], Floats]:
    """Room to work in for instances of at most so many vertices.

    These in the camera's frame, and on the picture (1/256 pixels). A polygon before and after a cut, and its corners on
    the picture. The whole numbers of a triangle: its edges (three times a, b, c of a x + b y + c) and its bounds. Its
    depths: 1 / depth as a + b x + c y, its bounds, and how much it changes to each sample of a pixel.
    """
    return (
        np.empty((vertices, 3)),
        np.empty((vertices, 2), dtype=np.int64),
        np.empty((2, _CORNERS_MAX, 3)),
        np.empty((_CORNERS_MAX, 2), dtype=np.int64),
        np.empty(13, dtype=np.int64),
        np.empty(5 + _SAMPLES_MAX),
    )


@kernel
def _draw(
    geometry: tuple[Floats, Ints, Ints],
    standing: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    skin: _Skin,
    cam: Floats,
    lens: _LensArrays,
    target: _Target,
    into: tuple[Ints, Singles, Floats],
    room: tuple[Floats, NDArray[np.int64], Floats, NDArray[np.int64], NDArray[np.int64], Floats],
) -> None:
    vertices, triangles, material = geometry
    first_vertex, first_triangle, order = standing
    job = (skin, cam, lens, target, into)
    materials, planes = skin[2], into[2]
    view, screen, polygon, points, edges, depths = room
    for i in order:
        start = first_vertex[i]
        if not _project(vertices, start, first_vertex[i + 1], cam, target[2], view, screen):
            continue
        for t in range(first_triangle[i], first_triangle[i + 1]):
            a, b, c = triangles[t, 0] - start, triangles[t, 1] - start, triangles[t, 2] - start
            za, zb, zc = view[a, 2], view[b, 2], view[c, 2]
            farthest, nearest = max(za, zb, zc), min(za, zb, zc)
            if farthest < NEAR_M:
                continue
            row = material[t]
            det = _determinant(view, a, b, c)
            if not (det < 0.0 or (det > 0.0 and materials[row, TWO_SIDED] != 0.0)):
                continue
            if screen[a, 0] != _OUTSIDE and screen[b, 0] != _OUTSIDE and screen[c, 0] != _OUTSIDE:
                count = 3
                points[0, 0], points[0, 1] = screen[a, 0], screen[a, 1]
                points[1, 0], points[1, 1] = screen[b, 0], screen[b, 1]
                points[2, 0], points[2, 1] = screen[c, 0], screen[c, 1]
            else:
                count = _cut(view, (a, b, c), cam, polygon, points)
            is_drawn = False
            for corner in range(1, count - 1):
                one, other = (corner + 1, corner) if det < 0.0 else (corner, corner + 1)
                if not _edges(points, one, other, target[2], edges):
                    continue
                if not is_drawn:
                    is_drawn = True
                    _plane(view, a, b, c, det, planes, t)
                    _depths(planes, t, cam, nearest, farthest, depths)
                _fill(edges, depths, t, row, job)


@kernel
def _project(
    vertices: Floats,
    start: int,
    stop: int,
    cam: Floats,
    frame: NDArray[np.int64],
    view: Floats,
    screen: NDArray[np.int64],
) -> bool:
    """An instance's vertices in the camera's frame and on the picture; False when none of it can be in the picture."""
    focal, cx, cy = cam[CAM_FOCAL], cam[CAM_CX], cam[CAM_CY]
    left, top, right, bottom = 1 << 60, 1 << 60, -(1 << 60), -(1 << 60)
    is_whole = True
    deepest = 0.0
    for v in range(start, stop):
        x, y, z = vertices[v, 0] - cam[9], vertices[v, 1] - cam[10], vertices[v, 2] - cam[11]
        across = cam[0] * x + cam[1] * y + cam[2] * z
        down = cam[3] * x + cam[4] * y + cam[5] * z
        ahead = cam[6] * x + cam[7] * y + cam[8] * z
        to = v - start
        view[to, 0], view[to, 1], view[to, 2] = across, down, ahead
        deepest = max(deepest, ahead)
        screen[to, 0] = _OUTSIDE
        if ahead >= NEAR_M:
            scale = focal / ahead
            px, py = across * scale + cx, down * scale + cy
            if abs(px) < _GUARD_PX and abs(py) < _GUARD_PX:
                sx, sy = int(np.floor(px * FIXED + 0.5)), int(np.floor(py * FIXED + 0.5))
                screen[to, 0], screen[to, 1] = sx, sy
                left, right = min(left, sx), max(right, sx)
                top, bottom = min(top, sy), max(bottom, sy)
                continue
        is_whole = False
    if deepest < NEAR_M:
        return False
    return not is_whole or not (right < frame[0] or left > frame[2] or bottom < frame[1] or top > frame[3])


@inlined
def _determinant(view: Floats, a: int, b: int, c: int) -> float:
    """Six times the volume between the camera and a triangle; below zero when it is seen from its front."""
    volume: float = (
        view[a, 0] * (view[b, 1] * view[c, 2] - view[b, 2] * view[c, 1])
        + view[a, 1] * (view[b, 2] * view[c, 0] - view[b, 0] * view[c, 2])
        + view[a, 2] * (view[b, 0] * view[c, 1] - view[b, 1] * view[c, 0])
    )
    return volume


@inlined
def _plane(view: Floats, a: int, b: int, c: int, det: float, planes: Floats, t: int) -> None:
    """The inverse of the matrix whose columns are the corners."""
    inverse = 1.0 / det
    for row, (p, q) in enumerate(((b, c), (c, a), (a, b))):
        planes[t, 3 * row] = (view[p, 1] * view[q, 2] - view[p, 2] * view[q, 1]) * inverse
        planes[t, 3 * row + 1] = (view[p, 2] * view[q, 0] - view[p, 0] * view[q, 2]) * inverse
        planes[t, 3 * row + 2] = (view[p, 0] * view[q, 1] - view[p, 1] * view[q, 0]) * inverse


@inlined
def _depths(planes: Floats, t: int, cam: Floats, nearest: float, farthest: float, depths: Floats) -> None:
    """1 / depth as a + b x + c y of the position on the picture in pixels, and its bounds on the triangle."""
    across = (planes[t, 0] + planes[t, 3] + planes[t, 6]) / cam[CAM_FOCAL]
    down = (planes[t, 1] + planes[t, 4] + planes[t, 7]) / cam[CAM_FOCAL]
    depths[0] = planes[t, 2] + planes[t, 5] + planes[t, 8] - across * cam[CAM_CX] - down * cam[CAM_CY]
    depths[1], depths[2] = across, down
    depths[3], depths[4] = 1.0 / farthest, 1.0 / max(nearest, NEAR_M)


@inlined
def _edges(points: NDArray[np.int64], one: int, other: int, frame: NDArray[np.int64], edges: NDArray[np.int64]) -> bool:
    """Edge functions of the triangle of the first point and two others, >= 0 inside, and its bounds.

    False when it has no area or is out of the picture.
    """
    xa, ya = points[0, 0], points[0, 1]
    xb, yb = points[one, 0], points[one, 1]
    xc, yc = points[other, 0], points[other, 1]
    left, right = min(xa, xb, xc), max(xa, xb, xc)
    top, bottom = min(ya, yb, yc), max(ya, yb, yc)
    if right < frame[0] or left > frame[2] or bottom < frame[1] or top > frame[3]:
        return False
    if (xb - xa) * (yc - ya) - (yb - ya) * (xc - xa) <= 0:
        return False
    edges[9], edges[10], edges[11], edges[12] = left, top, right, bottom
    for k, (px, py, qx, qy) in enumerate(((xb, yb, xc, yc), (xc, yc, xa, ya), (xa, ya, xb, yb))):
        a, b = py - qy, qx - px
        # A sample on an edge belongs to the triangle on one side of it only.
        tie = 0 if a > 0 or (a == 0 and b > 0) else 1
        edges[3 * k], edges[3 * k + 1], edges[3 * k + 2] = a, b, -a * px - b * py - tie
    return True


@kernel
def _cut(view: Floats, corners: tuple[int, int, int], cam: Floats, polygon: Floats, points: NDArray[np.int64]) -> int:
    """Cut a triangle that reaches behind the camera or far beside the picture; the number of corners that remain.

    Their places on the picture, 1/256 pixels, go into `points`; `polygon` is room to work in.
    """
    focal, cx, cy = cam[CAM_FOCAL], cam[CAM_CX], cam[CAM_CY]
    for corner in range(3):
        for axis in range(3):
            polygon[0, corner, axis] = view[corners[corner], axis]
    count, now = 3, 0
    for plane in range(5):
        kept = 0
        for corner in range(count):
            one, other = polygon[now, corner], polygon[now, (corner + 1) % count]
            here, there = _inside(one, plane, focal, cx, cy), _inside(other, plane, focal, cx, cy)
            if here >= 0.0:
                for axis in range(3):
                    polygon[1 - now, kept, axis] = one[axis]
                kept += 1
            if (here >= 0.0) != (there >= 0.0):
                # Always from the inner corner, so that the neighbour across this edge is cut at the same point.
                inner, outer = (one, other) if here >= 0.0 else (other, one)
                share = abs(here) / (abs(here) + abs(there)) if here >= 0.0 else abs(there) / (abs(here) + abs(there))
                for axis in range(3):
                    polygon[1 - now, kept, axis] = inner[axis] + share * (outer[axis] - inner[axis])
                kept += 1
        count, now = kept, 1 - now
        if count < 3:
            return 0
    for corner in range(count):
        x, y, z = polygon[now, corner, 0], polygon[now, corner, 1], max(polygon[now, corner, 2], 0.5 * NEAR_M)
        points[corner, 0] = np.int64(np.floor((x * focal / z + cx) * FIXED + 0.5))
        points[corner, 1] = np.int64(np.floor((y * focal / z + cy) * FIXED + 0.5))
    return count


@inlined
def _inside(point: Floats, plane: int, focal: float, cx: float, cy: float) -> float:
    """How far a point is on the good side of the near plane (0), or of the guard left, right, above or below (1 to 4)."""
    x: float = point[0]
    y: float = point[1]
    z: float = point[2]
    if plane == 0:
        return z - NEAR_M
    if plane == 1:
        return x * focal + (cx + _GUARD_PX) * z
    if plane == 2:
        return (_GUARD_PX - cx) * z - x * focal
    if plane == 3:
        return y * focal + (cy + _GUARD_PX) * z
    return (_GUARD_PX - cy) * z - y * focal


@inlined
def _fill(edges: NDArray[np.int64], depths: Floats, t: int, row: int, job: _Job) -> None:
    """Fill a triangle: find the pixels that can see it, and test their samples."""
    cam, lens, target = job[1], job[2], job[3]
    tiles = lens[3]
    if lens[0]:
        box = _box_through_lens(edges, cam, lens[1])
    else:
        reach = _REACH if len(target[3]) > 1 else 0
        box = (
            (edges[9] - _HALF - reach + FIXED - 1) >> 8,
            (edges[10] - _HALF - reach + FIXED - 1) >> 8,
            (edges[11] - _HALF + reach) >> 8,
            (edges[12] - _HALF + reach) >> 8,
        )
    by_tiles = box[0] > box[2] and lens[0]
    for part in range(tiles.shape[0] * tiles.shape[1] if by_tiles else 1):
        if by_tiles:
            r, c = part // tiles.shape[1], part % tiles.shape[1]
            if tiles[r, c, 0] > edges[11] or tiles[r, c, 2] < edges[9]:
                continue
            if tiles[r, c, 1] > edges[12] or tiles[r, c, 3] < edges[10]:
                continue
            box = (c * TILE_PX, r * TILE_PX, c * TILE_PX + TILE_PX - 1, r * TILE_PX + TILE_PX - 1)
        if lens[0] or job[0][2][row, CUTOUT] != 0.0 or len(target[3]) != _SMOOTH_SAMPLES:
            _fill_box(box, edges, depths, t, row, job)
        else:
            _fill_whole(box, edges, depths, t, target, job[4])


@kernel
def _box_through_lens(edges: NDArray[np.int64], cam: Floats, k: Floats) -> tuple[int, int, int, int]:
    """Pixels that hold what a triangle looks like through a lens; an empty box where that cannot be said cheaply."""
    focal, cx, cy = cam[CAM_FOCAL], cam[CAM_CX], cam[CAM_CY]
    long = max(edges[11] - edges[9], edges[12] - edges[10]) / FIXED
    bulge = (6.0 * abs(k[0]) + 20.0 * abs(k[1]) * k[2] * k[2]) * k[2] / (2.0 * focal) * long * long
    west, north, east, south = 1e30, 1e30, -1e30, -1e30
    radius = 0.0
    for corner in range(4):
        x = (edges[9 + 2 * (corner & 1)] / FIXED - cx) / focal
        y = (edges[10 + (corner & 2)] / FIXED - cy) / focal
        radius = max(radius, x * x + y * y)
        x, y = distorted(x, y, k[0], k[1])
        west, east = min(west, x), max(east, x)
        north, south = min(north, y), max(south, y)
    if bulge >= _LENS_MARGIN_MAX_PX or radius >= k[2] * k[2]:
        return 1, 1, 0, 0
    return (
        int(np.floor(west * focal + cx - bulge)) - 2,
        int(np.floor(north * focal + cy - bulge)) - 2,
        int(np.floor(east * focal + cx + bulge)) + 2,
        int(np.floor(south * focal + cy + bulge)) + 2,
    )


@inlined
def _fill_whole(
    box: tuple[int, int, int, int],
    edges: NDArray[np.int64],
    depths: Floats,
    t: int,
    target: _Target,
    into: tuple[Ints, Singles, Floats],
) -> None:
    """As `_fill_box`, of a triangle without holes through a straight lens, with the samples of SMOOTH.

    Nothing branches from sample to sample, so that the compiler tests four at once.
    """
    width, height, _, offsets = target
    seen, nearness, _ = into
    a0, b0, c0, a1, b1, c1, a2, b2, c2 = (
        edges[0], edges[1], edges[2], edges[3], edges[4], edges[5], edges[6], edges[7], edges[8],
    )  # fmt: skip
    base, across, down = depths[0], depths[1] * (1.0 / FIXED), depths[2] * (1.0 / FIXED)
    # The edges and the depth at the samples, from those in the middle.
    low0 = low1 = low2 = high0 = high1 = high2 = np.int64(0)
    for s in range(1, _SMOOTH_SAMPLES):
        ox, oy = offsets[s, 0], offsets[s, 1]
        d0, d1, d2 = a0 * ox + b0 * oy, a1 * ox + b1 * oy, a2 * ox + b2 * oy
        low0, low1, low2 = min(low0, d0), min(low1, d1), min(low2, d2)
        high0, high1, high2 = max(high0, d0), max(high1, d1), max(high2, d2)
    n1, n2 = _nearer(across, down, offsets, 1), _nearer(across, down, offsets, 2)
    n3, n4 = _nearer(across, down, offsets, 3), _nearer(across, down, offsets, 4)
    least, most = np.float32(depths[3]), np.float32(depths[4])
    number = np.int32(t)
    first, last = max(box[0], 0), min(box[2] + 1, width)
    for y in range(max(box[1], 0), min(box[3] + 1, height)):
        py = np.int64(y * FIXED + _HALF)
        px = np.int64(first * FIXED + _HALF)
        e0, e1, e2 = a0 * px + b0 * py + c0, a1 * px + b1 * py + c1, a2 * px + b2 * py + c2
        start = base + down * py
        for x in range(first, last):
            if e0 + high0 >= 0 and e1 + high1 >= 0 and e2 + high2 >= 0:
                at = y * width + x
                middle = np.float32(start + across * (x * FIXED + _HALF))
                m0 = min(most, max(least, middle))
                m1, m2 = min(most, max(least, middle + n1)), min(most, max(least, middle + n2))
                m3, m4 = min(most, max(least, middle + n3)), min(most, max(least, middle + n4))
                if e0 + low0 >= 0 and e1 + low1 >= 0 and e2 + low2 >= 0:
                    _keep(seen, nearness, at, number, (m0, m1, m2, m3, m4))
                else:
                    far = np.float32(0.0)
                    m0 = m0 if e0 >= 0 and e1 >= 0 and e2 >= 0 else far
                    m1 = m1 if _is_in(edges, offsets, 1, e0, e1, e2) else far
                    m2 = m2 if _is_in(edges, offsets, 2, e0, e1, e2) else far
                    m3 = m3 if _is_in(edges, offsets, 3, e0, e1, e2) else far
                    m4 = m4 if _is_in(edges, offsets, 4, e0, e1, e2) else far
                    _keep(seen, nearness, at, number, (m0, m1, m2, m3, m4))
            e0, e1, e2 = e0 + FIXED * a0, e1 + FIXED * a1, e2 + FIXED * a2


@inlined
def _nearer(across: float, down: float, offsets: NDArray[np.int64], s: int) -> np.float32:
    return np.float32(across * offsets[s, 0] + down * offsets[s, 1])


@inlined
def _is_in(edges: NDArray[np.int64], offsets: NDArray[np.int64], s: int, e0: int, e1: int, e2: int) -> bool:
    """Whether a sample of a pixel lies in a triangle, whose edges have these values in the pixel's middle."""
    x, y = offsets[s, 0], offsets[s, 1]
    return (e0 + edges[0] * x + edges[1] * y) | (e1 + edges[3] * x + edges[4] * y) | (
        e2 + edges[6] * x + edges[7] * y
    ) >= 0


@inlined
def _keep(
    seen: Ints,
    nearness: Singles,
    at: int,
    number: np.int32,
    near: tuple[np.float32, np.float32, np.float32, np.float32, np.float32],
) -> None:
    """Keep what is nearer than what was seen before at the samples of a pixel."""
    for s in range(_SMOOTH_SAMPLES):
        before = nearness[at, s]
        is_nearer = near[s] > before
        nearness[at, s] = near[s] if is_nearer else before
        seen[at, s] = number if is_nearer else seen[at, s]


@inlined
def _fill_box(
    box: tuple[int, int, int, int],
    edges: NDArray[np.int64],
    depths: Floats,
    t: int,
    row: int,
    job: _Job,
) -> None:
    """Test the samples of the pixels in a box (left, top, right, bottom; all within), and keep the nearest."""
    left, top, right, bottom = box
    skin, cam, lens, target, into = job
    width, height, _, offsets = target
    seen, nearness, planes = into
    bends, centres = lens[0], lens[2]
    materials = skin[2]
    cutout = materials[row, CUTOUT] != 0.0
    a0, b0, c0, a1, b1, c1, a2, b2, c2 = (
        edges[0], edges[1], edges[2], edges[3], edges[4], edges[5], edges[6], edges[7], edges[8],
    )  # fmt: skip
    base, across, down, least, most = depths[0], depths[1], depths[2], depths[3], depths[4]
    count = len(offsets)
    # The farthest and nearest that any sample of a pixel lies over the edges: most pixels are all in or all out.
    low0 = low1 = low2 = np.int64(1 << 62)
    high0 = high1 = high2 = np.int64(-(1 << 62))
    for s in range(count):
        ox, oy = offsets[s, 0], offsets[s, 1]
        d0, d1, d2 = a0 * ox + b0 * oy, a1 * ox + b1 * oy, a2 * ox + b2 * oy
        low0, low1, low2 = min(low0, d0), min(low1, d1), min(low2, d2)
        high0, high1, high2 = max(high0, d0), max(high1, d1), max(high2, d2)
        depths[5 + s] = (across * ox + down * oy) * (1.0 / FIXED)
    for y in range(max(top, 0), min(bottom + 1, height)):
        for x in range(max(left, 0), min(right + 1, width)):
            at = y * width + x
            px, py = np.int64(x * FIXED + _HALF), np.int64(y * FIXED + _HALF)
            if bends:
                px, py = np.int64(centres[at, 0]), np.int64(centres[at, 1])
            e0, e1, e2 = a0 * px + b0 * py + c0, a1 * px + b1 * py + c1, a2 * px + b2 * py + c2
            if e0 + high0 < 0 or e1 + high1 < 0 or e2 + high2 < 0:
                continue
            whole = e0 + low0 >= 0 and e1 + low1 >= 0 and e2 + low2 >= 0
            middle = base + across * (px * (1.0 / FIXED)) + down * (py * (1.0 / FIXED))
            for s in range(count):
                if not whole:
                    ox, oy = offsets[s, 0], offsets[s, 1]
                    if e0 + a0 * ox + b0 * oy < 0 or e1 + a1 * ox + b1 * oy < 0 or e2 + a2 * ox + b2 * oy < 0:
                        continue
                near = np.float32(min(most, max(least, middle + depths[5 + s])))
                if near <= nearness[at, s]:
                    continue
                if cutout:
                    sx, sy = (px + offsets[s, 0]) * (1.0 / FIXED), (py + offsets[s, 1]) * (1.0 / FIXED)
                    if _hole(t, row, sx, sy, skin, cam, planes):
                        continue
                nearness[at, s] = near
                seen[at, s] = t


@kernel
def _hole(t: int, row: int, sx: float, sy: float, skin: _Skin, cam: Floats, planes: Floats) -> bool:
    """Whether the texture of a triangle has a hole where the sample at (sx, sy) sees it."""
    source, uvs, materials, texels, rows = skin
    x, y = (sx - cam[CAM_CX]) / cam[CAM_FOCAL], (sy - cam[CAM_CY]) / cam[CAM_FOCAL]
    w0 = planes[t, 0] * x + planes[t, 1] * y + planes[t, 2]
    w1 = planes[t, 3] * x + planes[t, 4] * y + planes[t, 5]
    w2 = planes[t, 6] * x + planes[t, 7] * y + planes[t, 8]
    whole = w0 + w1 + w2
    corner = uvs[source[t]]
    u = (w0 * corner[0, 0] + w1 * corner[1, 0] + w2 * corner[2, 0]) / whole
    v = (w0 * corner[0, 1] + w1 * corner[1, 1] + w2 * corner[2, 1]) / whole
    return is_hole(texels, rows, int(materials[row, TEXTURE]), u, v)
