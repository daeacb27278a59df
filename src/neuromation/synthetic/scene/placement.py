"""Where things come to rest: dropped into bins and onto tables, stacked, leaning, in rows. Deterministic to the bit.

A thing that falls seeks the lowest place of its centre of mass that it can reach by tilting and sliding while it touches
what is below: a local minimum of its potential energy, which is a stable equilibrium on at least three contacts. What
lies below is a map of heights, so nothing is ever inside of anything, and hollows under things stay empty. No physics
library: its results would differ between machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.meshes_build import check_sizes, rotated, sine_cosine, turned_about
from neuromation.synthetic.scene.model import Mesh, Pose, Rotation, Vector
from neuromation.synthetic.scene.placement_fall import lower_of, settled, splat

Floats = NDArray[np.float64]

CELLS_MAX = 4_000_000  # of a map of heights
TRIES = 4  # places that are tried for a thing that stands out too far
POINTS_MAX = 1200  # by which a thing feels what is below
PENETRATION_MAX_M = 0.002  # what tests hold every pile to
_FINE = 0.7  # samples per cell along a surface, when it is written into the map


@dataclass(frozen=True, eq=False)
class Body:
    """What matters of a mesh when it falls.

    Attributes:
        centre: its centre of mass, in the mesh's own frame, metres (of its volume; of its points where it is open).
        points: float64 (N, 3), samples of its surface around the centre, all corners among them.
        corners: float64 (F, 3, 3), its triangles around the centre.
        reach_m: how far it reaches from its centre.
    """

    centre: Vector
    points: Floats
    corners: Floats
    reach_m: float


def body_of(mesh: Mesh, spacing_m: float) -> Body:
    """The body of a mesh, sampled every `spacing_m` or more coarsely where that would be too many points."""
    corners = mesh.positions[mesh.triangles]
    centre = _centre(corners)
    around = corners - centre
    a, b = around[:, 1] - around[:, 0], around[:, 2] - around[:, 0]
    normal = np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        axis=1,
    )
    area = 0.5 * float(np.sqrt((normal * normal).sum(axis=1)).sum())
    spacing = max(spacing_m, float(np.sqrt(area / POINTS_MAX)))
    points = _surface_points(around, mesh.positions - centre, spacing)
    reach = float(np.sqrt((points * points).sum(axis=1).max()))
    return Body((float(centre[0]), float(centre[1]), float(centre[2])), points, np.ascontiguousarray(around), reach)


def _centre(corners: Floats) -> Floats:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    six_volumes = (
        a[:, 0] * (b[:, 1] * c[:, 2] - b[:, 2] * c[:, 1])
        + a[:, 1] * (b[:, 2] * c[:, 0] - b[:, 0] * c[:, 2])
        + a[:, 2] * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    )
    volume = float(six_volumes.sum())
    low, high = corners.reshape(-1, 3).min(axis=0), corners.reshape(-1, 3).max(axis=0)
    middle: Floats = 0.5 * (low + high)
    if abs(volume) < 1e-15:
        return middle
    centre: Floats = (six_volumes[:, None] * (a + b + c)).sum(axis=0) / (4 * volume)
    return np.where((centre >= low) & (centre <= high), centre, middle)


def _surface_points(corners: Floats, positions: Floats, spacing: float) -> Floats:
    """All positions, and points spread over the triangles, about `spacing` apart."""
    pieces = [positions]
    for triangle in corners:
        ab, ac = triangle[1] - triangle[0], triangle[2] - triangle[0]
        longest = float(np.sqrt(max((ab * ab).sum(), (ac * ac).sum(), ((ac - ab) * (ac - ab)).sum())))
        steps = min(200, int(longest / spacing) + 1)
        if steps < 2:
            continue
        i, j = _lattice(steps)
        pieces.append(triangle[0] + i[:, None] * ab + j[:, None] * ac)
    points = np.concatenate(pieces)
    # Neighbouring triangles sample their shared edge twice: one of each is enough.
    keys = np.unique(np.rint(points / (0.5 * spacing)).astype(np.int64), axis=0, return_index=True)[1]
    spread = points[np.sort(keys, kind="stable")]
    # The first points are the corners and then a sample of everywhere: coarse steps feel with these alone.
    return np.concatenate([positions[_shuffle(len(positions))], spread[_shuffle(len(spread))]])


def _shuffle(count: int) -> NDArray[np.intp]:
    """An order in which every beginning is spread over all (Knuth's multiplicative hash)."""
    return np.argsort(np.arange(count) * 2654435761 % 4294967296, kind="stable")


@lru_cache(maxsize=256)
def _lattice(steps: int) -> tuple[Floats, Floats]:
    pairs = [(i / steps, j / steps) for i in range(steps + 1) for j in range(steps + 1 - i)]
    both = np.array(pairs)
    return both[:, 0], both[:, 1]


_bodies: dict[tuple[int, float], tuple[Mesh, Body]] = {}
_BODIES_MAX = 512


def _body(mesh: Mesh, spacing_m: float) -> Body:
    """`body_of`, remembered; meshes are compared by being the same object, so one is kept as long as its body."""
    key = (id(mesh), spacing_m)
    if key not in _bodies:
        if len(_bodies) >= _BODIES_MAX:
            _bodies.clear()
        _bodies[key] = (mesh, body_of(mesh, spacing_m))
    return _bodies[key][1]


def random_rotation(rng: Generator) -> Rotation:
    """Any rotation, all alike likely: a unit quaternion from a point in the ball of four dimensions."""
    while True:
        w, x, y, z = (2.0 * float(draw) - 1.0 for draw in rng.random(4))
        square = w * w + x * x + y * y + z * z
        if 0.01 < square <= 1.0:
            break
    s = 2.0 / square
    return (
        1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y),
        s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x),
        s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y),
    )  # fmt: skip


class Pile:
    """A rectangle of ground around the origin, with what already lies on it as a map of heights.

    Args:
        half_x_m, half_y_m: half its sides; nothing reaches beyond them, as if there were walls.
        floor_m: height of the empty ground.
        cell_m: side of a cell of the map; things touch each other within about that.
    """

    def __init__(self, half_x_m: float, half_y_m: float, *, floor_m: float = 0.0, cell_m: float = 0.0015) -> None:
        check_sizes(half_x_m=half_x_m, half_y_m=half_y_m, cell_m=cell_m)
        columns, rows = int(np.ceil(2 * half_x_m / cell_m)), int(np.ceil(2 * half_y_m / cell_m))
        if columns * rows > CELLS_MAX:
            raise BadScene(f"a map of {columns} x {rows} cells is too large; use cells larger than {cell_m} m")
        self._heights = np.full((rows, columns), floor_m)
        self._half = (half_x_m, half_y_m)
        self._cell_m = cell_m
        self._frame = np.array([half_x_m, half_y_m, cell_m])

    @property
    def heights_m(self) -> Floats:
        """How high it is at every cell, float64 (rows, columns), rows from -y; a copy."""
        return self._heights.copy()

    def add(self, mesh: Mesh, pose: Pose) -> None:
        """Something that already lies or stands there; what reaches beyond the rectangle is left out."""
        corners = rotated(mesh.positions * np.array(pose.scale), pose.rotation) + np.array(pose.position)
        splat(self._heights, np.ascontiguousarray(corners[mesh.triangles]), self._frame, _FINE)

    def drop(
        self,
        mesh: Mesh,
        rng: Generator,
        *,
        height_max_m: float = 1e3,
        spread: float = 1.0,
        rotation: Rotation | None = None,
    ) -> Pose | None:
        """Let a thing fall at a drawn place, in a drawn or given posture, until it rests; it then is part of the pile.

        Args:
            mesh: the thing.
            rng: draws where and how it starts.
            height_max_m: nothing of it may be higher when it rests, or it is taken away again.
            spread: share of the rectangle over which it may start.
            rotation: how it starts, None for any.

        Returns None when it found no place in `TRIES` tries.
        """
        body = _body(mesh, 2.0 * self._cell_m)
        for _ in range(TRIES):
            start = np.array(rotation or random_rotation(rng)).reshape(3, 3)
            x, y = ((2 * float(draw) - 1) * spread * half for draw, half in zip(rng.random(2), self._half, strict=True))
            pose = self._rest(body, start, x, y)
            if pose is None:
                continue
            placed = rotated(body.corners, pose.rotation)
            middle = rotated(np.array(body.centre), pose.rotation) + np.array(pose.position)
            placed = placed + middle
            if float(placed[:, :, 2].max()) <= height_max_m:
                splat(self._heights, placed, self._frame, _FINE)
                return pose
        return None

    def _rest(self, body: Body, start: Floats, x: float, y: float) -> Pose | None:
        room = [max(0.0, half - 1.02 * body.reach_m) for half in self._half]
        x, y = (min(max(at, -limit), limit) for at, limit in zip((x, y), room, strict=True))
        found = settled(body.points, self._heights, self._frame, start, x, y, body.reach_m)
        if found[2] > 1e6:
            return None
        r = [float(value) for value in found[3:12]]
        rotation: Rotation = (r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8])
        offset = rotated(np.array(body.centre), rotation)
        x, y, z = (float(found[k] - offset[k]) for k in range(3))
        return Pose((x, y, z), rotation)


def drop(
    meshes: Sequence[Mesh],
    rng: Generator,
    *,
    half_x_m: float,
    half_y_m: float,
    floor_m: float = 0.0,
    height_max_m: float = 1e3,
    cell_m: float = 0.0015,
    spread: float = 1.0,
) -> list[Pose | None]:
    """Let things fall one after the other into a bin or onto a table around the origin.

    Args:
        meshes: in the order in which they fall.
        rng: source of all randomness.
        half_x_m, half_y_m: half the inner sides of the bin.
        floor_m: height of its floor.
        height_max_m: things that would rest higher are left out: how full it may get.
        cell_m: how finely things feel each other, metres; cost grows with its inverse square.
        spread: share of the bin over which they start, for a heap in its middle.

    Returns a pose for every mesh, None for one that found no place.
    """
    pile = Pile(half_x_m, half_y_m, floor_m=floor_m, cell_m=cell_m)
    return [pile.drop(mesh, rng, height_max_m=height_max_m, spread=spread) for mesh in meshes]


def resting_rotation(mesh: Mesh, rng: Generator) -> Rotation:
    """How a thing lies on a flat floor after it was thrown: stable postures, as often as throws end in them."""
    body = _body(mesh, 0.05 * _size(mesh))
    start = np.array(random_rotation(rng)).reshape(3, 3)
    flat = np.zeros((1, 1))
    found = settled(body.points, flat, np.array([1e3, 1e3, 2e3]), start, 0.0, 0.0, body.reach_m)
    r = [float(value) for value in found[3:12]]
    return (r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8])


def _size(mesh: Mesh) -> float:
    low, high = mesh.bounds
    return max(high[k] - low[k] for k in range(3))


def standing(mesh: Mesh, rotation: Rotation, x: float, y: float, floor_m: float = 0.0) -> Pose:
    """A thing in a posture with its lowest point on the floor and the middle of its bounds over (x, y)."""
    turned = rotated(mesh.positions, rotation)
    low, high = turned.min(axis=0), turned.max(axis=0)
    return Pose(
        (x - 0.5 * float(low[0] + high[0]), y - 0.5 * float(low[1] + high[1]), floor_m - float(low[2])), rotation
    )


def stack(sizes_m: Sequence[Vector], rng: Generator, *, jitter_m: float = 0.004, turn: float = 0.02) -> list[Pose]:
    """Boxes one above the other, each a little moved and turned, centres of mass over what carries them.

    Args:
        sizes_m: width, depth, height, from the lowest up.
        rng: draws the shifts and turns.
        jitter_m: most that one is moved against the one below.
        turn: most that one is turned, whole turns.
    """
    poses, x, y, z = [], 0.0, 0.0, 0.0
    below: Vector | None = None
    for size in sizes_m:
        check_sizes(width=size[0], depth=size[1], height=size[2])
        u, v, w = (2 * float(draw) - 1 for draw in rng.random(3))
        if below is not None:  # never nearer to an edge than a quarter of what carries it
            x += max(-0.25 * below[0], min(0.25 * below[0], u * jitter_m))
            y += max(-0.25 * below[1], min(0.25 * below[1], v * jitter_m))
        poses.append(Pose((x, y, z), turned_about("z", w * turn)))
        z += size[2]
        below = size
    return poses


def leaning(size_m: Vector, lean: float, *, wall_x_m: float = 0.0, floor_m: float = 0.0) -> Pose:
    """A box that leans against a wall to its right: its lower right edge on the floor, its upper right edge at the wall.

    Args:
        size_m: width, depth, height as it stands upright; its mesh stands on z = 0 around its footprint's middle.
        lean: how far it leans to the right, whole turns, 0 to 0.2.
        wall_x_m: where the wall is; it touches at the box's upper right edge, or all along it when it stands upright.
        floor_m: height of the floor.
    """
    check_sizes(width=size_m[0], depth=size_m[1], height=size_m[2])
    if not 0.0 <= lean <= 0.2:
        raise BadScene(f"a box leans by 0 to 0.2 of a turn, not {lean}")
    rotation = turned_about("y", lean)
    s, c = sine_cosine(lean)
    half = 0.5 * size_m[0]
    # Turned about the middle of its base: the lower right corner goes down to -half * s, the upper right one right.
    return Pose((wall_x_m - half * c - size_m[2] * s, 0.0, floor_m + half * s), rotation)


@dataclass(frozen=True)
class RowItem:
    """One thing in a row: which of the given, and where its footprint's middle is."""

    which: int
    x_m: float
    y_m: float
    turns: float


def row(
    widths_m: Sequence[float],
    rng: Generator,
    *,
    length_m: float,
    gap_m: float = 0.002,
    jitter_m: float = 0.002,
    turn: float = 0.004,
) -> list[RowItem]:
    """Things side by side along x from -length / 2, with the little disorder of a shelf; those that do not fit are left out.

    Args:
        widths_m: how wide each is.
        rng: draws gaps, depths and turns.
        length_m: of the shelf.
        gap_m: most room between two.
        jitter_m: most that one stands before or behind the line y = 0.
        turn: most that one is turned, whole turns; gaps grow with it, so that no two touch.
    """
    check_sizes(length_m=length_m)
    items, x = [], -0.5 * length_m
    draws = rng.random((len(widths_m), 3))
    for which, width in enumerate(widths_m):
        check_sizes(width=width)
        turns = (2 * float(draws[which, 0]) - 1) * turn
        s, c = sine_cosine(turns)
        wide = width * (c + abs(s))  # a square footprint's width when it is turned
        x += float(draws[which, 1]) * gap_m
        if x + wide > 0.5 * length_m:
            break
        items.append(RowItem(which, x + 0.5 * wide, (2 * float(draws[which, 2]) - 1) * jitter_m, turns))
        x += wide
    return items


def lowest_gap_m(pile: Pile, mesh: Mesh, pose: Pose) -> float:
    """How far a thing could still fall straight down onto a pile (that it is not part of); below 0 it sticks inside."""
    body = _body(mesh, 2.0 * pile._cell_m)
    placed = rotated(body.points + np.array(body.centre), pose.rotation) + np.array(pose.position)
    return lower_of(np.ascontiguousarray(placed), pile._heights, pile._frame)
