"""How meshes are put together: patches of triangles that are welded, given normals and frozen. Knows no product.

Everything is plain arithmetic with square roots, so that a mesh has the same bits on every machine; circles come from
`circle`, sines from `sine_cosine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.model import UPRIGHT, Mesh, Rotation, Vector

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

SIZE_MAX_M = 1000.0
SEGMENTS_MAX = 256
FLAT = -1  # the smoothing group of faceted triangles
WELD_M = 1e-7  # points nearer than this are one
PI = 3.141592653589793
_CREASE_COSINE = 0.72  # profile pieces that turn by more than about 44 degrees meet in an edge
_AGREES_LEAST = 0.3  # cosine between a triangle and the smooth normal at its corner


def check_sizes(**sizes: float) -> None:
    """Raise BadScene unless every size is a length in (0, 1000] metres."""
    for name, size in sizes.items():
        if not 0.0 < size <= SIZE_MAX_M:
            raise BadScene(f"{name} is a length in metres, more than 0 and at most {SIZE_MAX_M:g}, not {size}")


def check_segments(segments: int, least: int = 3) -> None:
    """Raise BadScene unless a round shape has a sensible number of segments."""
    if not least <= segments <= SEGMENTS_MAX:
        raise BadScene(f"a round shape has {least} to {SEGMENTS_MAX} segments, not {segments}")


@lru_cache(maxsize=8192)
def sine_cosine(turns: float) -> tuple[float, float]:
    """Sine and cosine of an angle in whole turns, good to 1e-16 and the same bits everywhere.

    The angle is brought into the first eighth of a turn, where a short series is exact.
    """
    turns -= float(np.floor(turns))
    quarter = int(turns * 4)
    rest = turns - quarter / 4
    swapped = rest > 0.125
    if swapped:
        rest = 0.25 - rest
    a = rest * (2 * PI)
    square = a * a
    sine = cosine = 0.0
    for power in range(16, 0, -2):  # Taylor series by Horner's rule; |a| <= pi / 4
        sine = (1.0 + sine) * -square / (power * (power + 1))
        cosine = (1.0 + cosine) * -square / (power * (power - 1))
    sine, cosine = (1.0 + sine) * a, 1.0 + cosine
    if swapped:
        sine, cosine = cosine, sine
    for _ in range(quarter):
        sine, cosine = cosine, -sine
    return sine + 0.0, cosine + 0.0


@lru_cache(maxsize=64)
def circle(segments: int, start_turns: float = 0.0) -> Floats:
    """Points of the unit circle, counter-clockwise from `start_turns` (of a whole turn, from +x): (segments, 2)."""
    points = [sine_cosine(start_turns + k / segments)[::-1] for k in range(segments)]
    ring = np.array(points, dtype=np.float64)
    ring.setflags(write=False)
    return ring


def turned_about(axis: str, turns: float) -> Rotation:
    """The rotation by `turns` of a whole turn about the x, y or z axis, counter-clockwise seen against the axis."""
    s, c = sine_cosine(turns)
    if axis == "x":
        return (1.0, 0.0, 0.0, 0.0, c, -s, 0.0, s, c)
    if axis == "y":
        return (c, 0.0, s, 0.0, 1.0, 0.0, -s, 0.0, c)
    return (c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0)


def composed(second: Rotation, first: Rotation) -> Rotation:
    """The rotation that turns by `first` and then by `second`."""
    a, b = second, first
    rows = [sum(a[3 * i + k] * b[3 * k + j] for k in range(3)) for i in range(3) for j in range(3)]
    return (rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7], rows[8])


def rotated(vectors: Floats, rotation: Rotation) -> Floats:
    """Vectors (..., 3) turned by a rotation, written out because matrix products differ between processors."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    r = rotation
    return np.stack(
        [r[0] * x + r[1] * y + r[2] * z, r[3] * x + r[4] * y + r[5] * z, r[6] * x + r[7] * y + r[8] * z], axis=-1
    )


def unit(vectors: Floats) -> Floats:
    """Vectors (..., 3) scaled to length 1; what has no length points up."""
    length = np.sqrt(
        vectors[..., 0] * vectors[..., 0] + vectors[..., 1] * vectors[..., 1] + vectors[..., 2] * vectors[..., 2]
    )
    flat = length < 1e-30
    scaled: Floats = vectors / np.where(flat, 1.0, length)[..., None]
    scaled[flat] = (0.0, 0.0, 1.0)
    return scaled


def cross(one: Floats, other: Floats) -> Floats:
    """The cross product of vectors (..., 3)."""
    a, b = one, other
    return np.stack(
        [
            a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
            a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
            a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
        ],
        axis=-1,
    )


class MeshBuilder:
    """Collects patches and makes one mesh of them.

    A patch has a part, and a smoothing group: triangles of one group that meet in a point share its normal there;
    triangles of `FLAT` are faceted.
    """

    def __init__(self) -> None:
        self._corners: list[Floats] = []
        self._uvs: list[Floats] = []
        self._parts: list[Ints] = []
        self._groups: list[Ints] = []
        self._normals: list[Floats] = []  # NaN where they shall be computed
        self._group_next = 0
        self.keypoints: dict[str, Vector] = {}

    def new_group(self) -> int:
        """A smoothing group that nothing belongs to yet."""
        self._group_next += 1
        return self._group_next - 1

    def triangles(
        self, corners: Floats, uvs: Floats, *, part: int, group: int = FLAT, normals: Floats | None = None
    ) -> None:
        """Add triangles: corners (F, 3, 3) counter-clockwise from outside, uvs (F, 3, 2), normals (F, 3, 3) or None."""
        count = len(corners)
        self._corners.append(np.asarray(corners, dtype=np.float64))
        self._uvs.append(np.asarray(uvs, dtype=np.float64))
        self._parts.append(np.full(count, part, dtype=np.int32))
        self._groups.append(np.full(count, group, dtype=np.int32))
        self._normals.append(np.full((count, 3, 3), np.nan) if normals is None else normals)

    def polygon(
        self,
        points: Sequence[Sequence[float]],
        *,
        part: int,
        uvs: Sequence[Sequence[float]] | None = None,
        group: int = FLAT,
    ) -> None:
        """Add a flat convex polygon, counter-clockwise from outside; a quad without uvs starts at its bottom left."""
        if uvs is None:
            uvs = ((0, 1), (1, 1), (1, 0), (0, 0)) if len(points) == 4 else ((0, 1), (1, 1), (0.5, 0))
        at, where = np.array(points, dtype=np.float64), np.array(uvs, dtype=np.float64)
        fan = np.array([(0, k, k + 1) for k in range(1, len(points) - 1)])
        self.triangles(at[fan], where[fan], part=part, group=group)

    def grid(self, points: Floats, uvs: Floats, *, part: int, group: int = FLAT, normals: Floats | None = None) -> None:
        """Add a net of quads: points (m, n, 3), seen from outside rows go down and columns right; uvs (m, n, 2)."""
        picks = _grid_picks(points.shape[0], points.shape[1])
        flat = points.reshape(-1, 3)
        chosen = None if normals is None else normals.reshape(-1, 3)[picks]
        self.triangles(flat[picks], uvs.reshape(-1, 2)[picks], part=part, group=group, normals=chosen)

    def lathe(
        self,
        profile: Sequence[tuple[float, float]],
        *,
        segments: int,
        parts: Sequence[int] | int = 0,
        planar: Sequence[int] = (),
        arc: tuple[float, float] = (0.0, 1.0),
        squash: Sequence[float] | float = 1.0,
    ) -> None:
        """Add a surface of revolution about the z axis.

        Args:
            profile: (radius, height) points, metres, in the order in which the outside is to the right of the way:
                outwards along the bottom, up the wall, inwards along the top.
            segments: how many sides it has.
            parts: the part of every piece between two points of the profile, or of all.
            planar: parts whose uvs are seen from above instead of wrapped around.
            arc: share of a turn that is made, from the back (+y) counter-clockwise; (0, 1) is all of it.
            squash: depth (y) over width (x) at every point of the profile, or at all: below 1 it is oval.

        Wrapped uvs: u goes once around, left to right seen from outside, with 0.5 at the front (-y); v goes down the
        run of pieces that have the same part, by length of the profile.
        """
        line = np.array(profile, dtype=np.float64)
        pieces = len(line) - 1
        part_of = [parts] * pieces if isinstance(parts, int) else list(parts)
        if len(part_of) != pieces:
            raise BadScene(f"a profile of {pieces + 1} points has {pieces} parts, not {len(part_of)}")
        ring = _arc(segments, arc)
        flatness = [squash] * len(line) if isinstance(squash, float) else list(squash)
        groups = self._profile_groups(line, line * np.stack([flatness, np.ones(len(line))], axis=1))
        heights = _run_heights(line, part_of)
        radius_max = float(line[:, 0].max())
        around = np.arange(len(ring)) / (len(ring) - 1)
        for k in range(pieces):
            (low_r, low_z), (high_r, high_z) = line[k], line[k + 1]
            if low_r == high_r and low_z == high_z:
                continue
            net = np.empty((2, len(ring), 3))
            for row, (radius, z, flat) in enumerate(((high_r, high_z, flatness[k + 1]), (low_r, low_z, flatness[k]))):
                net[row, :, 0], net[row, :, 1], net[row, :, 2] = ring[:, 0] * radius, ring[:, 1] * (radius * flat), z
            uvs = np.empty((2, len(ring), 2))
            if part_of[k] in planar:
                uvs[..., 0] = 0.5 + net[..., 0] / (2 * radius_max)
                uvs[..., 1] = 0.5 - net[..., 1] / (2 * radius_max)
            else:
                uvs[..., 0] = around
                uvs[0, :, 1], uvs[1, :, 1] = heights[k][1], heights[k][0]
            self.grid(net, uvs, part=part_of[k], group=groups[k])

    def _profile_groups(self, *profiles: Floats) -> list[int]:
        """The smoothing group of every piece of a profile: a new one wherever it turns sharply, seen from any side."""
        pieces = len(profiles[0]) - 1
        sharp = np.zeros(pieces, dtype=np.bool_)
        for line in profiles:
            step = line[1:] - line[:-1]
            length = np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1])
            inner = step[1:, 0] * step[:-1, 0] + step[1:, 1] * step[:-1, 1]
            sharp[1:] |= inner < _CREASE_COSINE * length[1:] * length[:-1]
        groups = [self.new_group()]
        for k in range(1, pieces):
            groups.append(self.new_group() if sharp[k] else groups[-1])
        return groups

    def add(
        self,
        mesh: Mesh,
        *,
        offset: Vector = (0.0, 0.0, 0.0),
        rotation: Rotation = UPRIGHT,
        scale: float = 1.0,
        part: int | None = None,
    ) -> None:
        """Add a finished mesh, scaled, turned and moved; its parts are kept, or all become `part`."""
        corners = rotated(mesh.positions * scale, rotation) + np.array(offset)
        self._corners.append(corners[mesh.triangles])
        self._uvs.append(mesh.uvs)
        self._parts.append(mesh.parts if part is None else np.full(len(mesh.parts), part, dtype=np.int32))
        self._groups.append(np.full(len(mesh.parts), FLAT, dtype=np.int32))
        self._normals.append(rotated(mesh.normals, rotation))

    def build(self) -> Mesh:
        """The mesh of all patches: points welded, slivers dropped, normals computed, arrays frozen. Raises BadScene."""
        corners = np.concatenate(self._corners)
        uvs, parts = np.concatenate(self._uvs), np.concatenate(self._parts)
        groups, normals = np.concatenate(self._groups), np.concatenate(self._normals)
        positions, triangles = _welded(corners)
        a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
        kept = (a != b) & (b != c) & (a != c)
        if not kept.all():
            triangles, uvs, parts = triangles[kept], uvs[kept], parts[kept]
            groups, normals = groups[kept], normals[kept]
        normals = _filled_normals(positions, triangles, groups, normals)
        return frozen(Mesh(positions, triangles, normals, uvs, parts, dict(self.keypoints)))


def frozen(mesh: Mesh) -> Mesh:
    """The mesh with arrays that cannot be written to, so that caches may hand it out again and again."""
    for array in (mesh.positions, mesh.triangles, mesh.normals, mesh.uvs, mesh.parts):
        array.setflags(write=False)
    return mesh


@lru_cache(maxsize=256)
def _grid_picks(rows: int, columns: int) -> NDArray[np.intp]:
    """Corner numbers (2 (m-1) (n-1), 3) of a net of quads, counter-clockwise when rows go down and columns right."""
    top = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None, :]).ravel()
    low = top + columns
    picks = np.stack([top, low, low + 1, top, low + 1, top + 1], axis=1).reshape(-1, 3)
    picks.setflags(write=False)
    return picks


@lru_cache(maxsize=64)
def _arc(segments: int, arc: tuple[float, float]) -> Floats:
    """Points around, from the back (+y) counter-clockwise, (segments + 1, 2); of a whole turn the first comes twice."""
    if arc == (0.0, 1.0):
        ring = circle(segments, 0.25)
        return np.concatenate([ring, ring[:1]])
    first, last = arc
    points = [sine_cosine(0.25 + first + (last - first) * k / segments)[::-1] for k in range(segments + 1)]
    return np.array(points, dtype=np.float64)


def _run_heights(line: Floats, parts: Sequence[int]) -> list[tuple[float, float]]:
    """(v at its first point, v at its last point) of every piece: 1 where its part begins, 0 where it ends."""
    step = line[1:] - line[:-1]
    length = np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1])
    heights: list[tuple[float, float]] = []
    start = 0
    while start < len(parts):
        stop = start
        while stop < len(parts) and parts[stop] == parts[start]:
            stop += 1
        whole = float(length[start:stop].sum()) or 1.0
        gone = 0.0
        for k in range(start, stop):
            after = gone + float(length[k])
            heights.append((1.0 - gone / whole, max(0.0, 1.0 - after / whole)))
            gone = after
        start = stop
    return heights


def _welded(corners: Floats) -> tuple[Floats, Ints]:
    """Distinct points (V, 3) of triangles' corners (F, 3, 3), and the place of every corner among them."""
    flat = corners.reshape(-1, 3)
    keys = np.rint(flat / WELD_M).astype(np.int64)
    # One whole number a point: sorting whole numbers is ten times faster than sorting rows.
    low = keys.min(axis=0)
    span = keys.max(axis=0) - low + 1
    if float(span[0]) * float(span[1]) * float(span[2]) < 2.0**62:
        single = ((keys[:, 0] - low[0]) * span[1] + (keys[:, 1] - low[1])) * span[2] + (keys[:, 2] - low[2])
        _, first, place = np.unique(single, return_index=True, return_inverse=True)
    else:
        _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    positions = flat[first] + 0.0
    return positions, place.reshape(-1, 3).astype(np.int32)


def _filled_normals(positions: Floats, triangles: Ints, groups: Ints, normals: Floats) -> Floats:
    """Normals (F, 3, 3) where `normals` is NaN: of the triangle, or of its smoothing group around each point."""
    missing = np.isnan(normals[:, 0, 0])
    if not missing.any():
        return unit(normals)
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    face = cross(b - a, c - a)  # its length is twice the area, which is its weight
    filled = np.where(missing[:, None, None], face[:, None, :], normals)
    smooth = missing & (groups >= 0)
    if smooth.any():
        chosen = triangles[smooth].astype(np.int64)
        keys = chosen * (int(groups.max()) + 1) + groups[smooth][:, None]
        # Asking for the first places makes it sort stably: numpy's other sort is vector code, which emulators get wrong.
        _, _, place = np.unique(keys.ravel(), return_index=True, return_inverse=True)
        place = place.reshape(-1)
        weights = np.repeat(face[smooth], 3, axis=0)
        sums: Floats = np.stack([np.bincount(place, weights=weights[:, axis]) for axis in range(3)], axis=1).astype(
            np.float64
        )
        shared = unit(sums)[place].reshape(-1, 3, 3)
        own = unit(face[smooth])[:, None, :]
        # A thin edge (the sides of a flattened tube) is sharp although its group is round.
        agrees = shared[..., 0] * own[..., 0] + shared[..., 1] * own[..., 1] + shared[..., 2] * own[..., 2]
        filled[smooth] = np.where((agrees < _AGREES_LEAST)[..., None], own, shared)
    return unit(filled)
