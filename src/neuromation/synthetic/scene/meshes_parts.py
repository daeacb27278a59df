"""Small solid things: dice, spheres, capsules, rings, bolts, nuts, washers, brackets, gears, a gripping hand."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.meshes_build import (
    Floats,
    MeshBuilder,
    check_segments,
    check_sizes,
    circle,
    frozen,
    rotated,
    sine_cosine,
    turned_about,
    unit,
)
from neuromation.synthetic.scene.meshes_packages import box
from neuromation.synthetic.scene.model import UPRIGHT, Mesh, Rotation, Vector

DIE_PARTS = ("one", "two", "three", "four", "five", "six")
_DIE_PART_OF_FACE = np.array([1, 2, 4, 3, 0, 5], dtype=np.int32)  # of the faces of a box: front, right, back, ...


@lru_cache(maxsize=64)
def die(edge_m: float, rounding: float = 0.12, steps: int = 3) -> Mesh:
    """A die with 1 on top: opposite faces sum to 7; 1, 2 (front) and 3 (right) go counter-clockwise as on western dice.

    Args:
        edge_m: its size, metres.
        rounding: radius of its edges over its size, 0 to 0.45.
        steps: strips on either side of a rounded edge; 3 gives 588 triangles.

    Parts 0..5 are the faces that show 1..6; keypoints `face_1` .. `face_6` are the middles of the faces.
    """
    check_sizes(edge_m=edge_m)
    if not 0.0 <= rounding <= 0.45:
        raise BadScene(f"a die's rounding is 0 to 0.45 of its edge, not {rounding}")
    shape = box((edge_m, edge_m, edge_m), rounding * edge_m, steps)
    h = 0.5 * edge_m
    middles: tuple[Vector, ...] = (
        (0.0, 0.0, edge_m),
        (0.0, -h, h),
        (h, 0.0, h),
        (-h, 0.0, h),
        (0.0, h, h),
        (0.0, 0.0, 0.0),
    )
    points = {f"face_{number}": point for number, point in enumerate(middles, start=1)}
    parts = _DIE_PART_OF_FACE[shape.parts]
    return frozen(Mesh(shape.positions, shape.triangles, shape.normals, shape.uvs, parts, points))


def _dome(radius_m: float, start: float, stop: float, count: int, middle_z: float) -> list[tuple[float, float]]:
    """Points of a profile along a circle around (0, middle_z); angles in turns from straight down."""
    points = []
    for k in range(count + 1):
        s, c = sine_cosine(start + (stop - start) * k / count)
        points.append((max(0.0, s * radius_m), middle_z - c * radius_m))
    return points


@lru_cache(maxsize=64)
def sphere(radius_m: float, segments: int = 20) -> Mesh:
    """A ball that stands on z = 0, one part, smooth; u around from the back, v from top to bottom."""
    return ellipsoid((2 * radius_m, 2 * radius_m, 2 * radius_m), segments)


@lru_cache(maxsize=256)
def ellipsoid(size_m: Vector, segments: int = 20) -> Mesh:
    """A ball squeezed to (width, depth, height), standing on z = 0, one part, with exact normals."""
    check_sizes(width=size_m[0], depth=size_m[1], height=size_m[2])
    check_segments(segments, 4)
    ball = _unit_ball(segments)
    half = 0.5 * np.array(size_m)
    normals = unit(ball.normals / half)
    return frozen(
        Mesh((ball.positions * half) + np.array([0.0, 0.0, half[2]]), ball.triangles, normals, ball.uvs, ball.parts)
    )


@lru_cache(maxsize=16)
def _unit_ball(segments: int) -> Mesh:
    """A ball of radius 1 around the origin."""
    builder = MeshBuilder()
    builder.lathe(_dome(1.0, 0.0, 0.5, max(3, segments // 2), 0.0), segments=segments)
    ball = builder.build()
    return frozen(Mesh(ball.positions, ball.triangles, unit(ball.positions)[ball.triangles], ball.uvs, ball.parts))


@lru_cache(maxsize=256)
def capsule(radius_m: float, length_m: float, segments: int = 16) -> Mesh:
    """A rod with round ends along z, `length_m` over all, standing on z = 0, one part."""
    check_sizes(radius_m=radius_m, length_m=length_m)
    check_segments(segments)
    if length_m < 2 * radius_m:
        raise BadScene(f"a capsule of radius {radius_m} m is at least {2 * radius_m:g} m long, not {length_m}")
    count = max(2, segments // 4)
    low = _dome(radius_m, 0.0, 0.25, count, radius_m)
    high = _dome(radius_m, 0.25, 0.5, count, length_m - radius_m)
    builder = MeshBuilder()
    builder.lathe(low + high, segments=segments)
    return builder.build()


@lru_cache(maxsize=64)
def cylinder(radius_m: float, height_m: float, segments: int = 24) -> Mesh:
    """A cylinder that stands on z = 0. Parts: 0 wall (wrapped uvs), 1 both ends (seen from above)."""
    return ring(radius_m, 0.0, height_m, segments)


@lru_cache(maxsize=64)
def ring(radius_m: float, hole_m: float, height_m: float, segments: int = 24) -> Mesh:
    """A cylinder with a hole of radius `hole_m` along z (0 for none). Parts: 0 walls, 1 ends."""
    check_sizes(radius_m=radius_m, height_m=height_m)
    check_segments(segments)
    if not 0.0 <= hole_m < radius_m:
        raise BadScene(f"a hole has a radius from 0 to {radius_m} m, not {hole_m}")
    r, h = radius_m, height_m
    builder = MeshBuilder()
    if hole_m:
        loop = [(hole_m, h), (hole_m, 0.0), (r, 0.0), (r, h), (hole_m, h)]
        builder.lathe(loop, segments=segments, parts=[0, 1, 0, 1], planar=(1,))
    else:
        builder.lathe([(0, 0), (r, 0), (r, h), (0, h)], segments=segments, parts=[1, 0, 1], planar=(1,))
    return builder.build()


@lru_cache(maxsize=64)
def torus(radius_m: float, thickness_m: float, segments: int = 28, sides: int = 12) -> Mesh:
    """A ring of round section lying on z = 0: `radius_m` over all, `thickness_m` across its section."""
    check_sizes(radius_m=radius_m, thickness_m=thickness_m)
    check_segments(segments)
    check_segments(sides)
    small = 0.5 * thickness_m
    middle = radius_m - small
    if middle <= small:
        raise BadScene(f"a ring of radius {radius_m} m is at most {radius_m:g} m thick, not {thickness_m}")
    section = [sine_cosine(0.75 + k / sides) for k in range(sides)]  # from the bottom, outside first
    profile = [(middle + c * small, small + s * small) for s, c in section]
    builder = MeshBuilder()
    builder.lathe([*profile, profile[0]], segments=segments)
    return builder.build()


def _prism(
    builder: MeshBuilder, outline: Floats, low: float, high: float, *, wall: int, ends: int, hole: float = 0.0
) -> None:
    """A flat-sided solid over an outline (N, 2), counter-clockwise and star-shaped around the z axis, with a round hole.

    The hole has as many sides as the outline, each at the same angle as a point of the outline.
    """
    count = len(outline)
    after = np.roll(outline, -1, axis=0)
    bottom, top = np.full((count, 1), low), np.full((count, 1), high)
    reach = float(np.abs(outline).max())

    def at(points: Floats, z: Floats) -> Floats:
        return np.concatenate([points, z], axis=1)

    def flat_uvs(corners: Floats) -> Floats:
        return np.stack([0.5 + corners[..., 0] / (2 * reach), 0.5 - corners[..., 1] / (2 * reach)], axis=-1)

    u0, u1 = np.arange(count) / count, (np.arange(count) + 1) / count

    def strip(
        a: Floats, b: Floats, c: Floats, d: Floats, part: int, uvs: Floats | None = None, group: int = -1
    ) -> None:
        corners = np.stack([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)], axis=1).reshape(-1, 3, 3)
        builder.triangles(corners, flat_uvs(corners) if uvs is None else uvs, part=part, group=group)

    zeros, ones = np.zeros(count), np.ones(count)
    quad = [np.stack(pair, axis=1) for pair in ((u0, ones), (u1, ones), (u1, zeros), (u0, zeros))]
    wrapped = np.stack(
        [np.stack([quad[0], quad[1], quad[2]], axis=1), np.stack([quad[0], quad[2], quad[3]], axis=1)], axis=1
    ).reshape(-1, 3, 2)
    strip(at(outline, bottom), at(after, bottom), at(after, top), at(outline, top), wall, wrapped)
    if not hole:
        middle = np.zeros((count, 2))
        for z, one, other in ((top, outline, after), (bottom, after, outline)):
            corners = np.stack([at(one, z), at(other, z), at(middle, z)], axis=1)
            builder.triangles(corners, flat_uvs(corners), part=ends)
        return
    inner = outline / np.sqrt(outline[:, :1] * outline[:, :1] + outline[:, 1:] * outline[:, 1:]) * hole
    inner_after = np.roll(inner, -1, axis=0)
    strip(at(outline, top), at(after, top), at(inner_after, top), at(inner, top), ends)
    strip(at(after, bottom), at(outline, bottom), at(inner, bottom), at(inner_after, bottom), ends)
    group = builder.new_group()
    strip(at(inner_after, bottom), at(inner, bottom), at(inner, top), at(inner_after, top), wall, wrapped, group)


def _hexagon(across_m: float, points_a_side: int = 1) -> Floats:
    """A hexagon's outline, `across_m` between flats, with points along its sides."""
    corners = circle(6) * (across_m * 0.5773502691896258)
    after = np.roll(corners, -1, axis=0)
    share = (np.arange(points_a_side) / points_a_side)[None, :, None]
    outline: Floats = (corners[:, None, :] * (1 - share) + after[:, None, :] * share).reshape(-1, 2)
    return outline


@lru_cache(maxsize=64)
def bolt(diameter_m: float, length_m: float, threads: int = 8) -> Mesh:
    """A hexagon bolt, standing on its head: shank of `diameter_m`, `length_m` over all; ridges look like its thread.

    Parts: 0 head, 1 shank. Proportions after ISO 4014: head 1.6 diameters across its flats, 0.65 high.
    """
    check_sizes(diameter_m=diameter_m, length_m=length_m)
    head = 0.65 * diameter_m
    if length_m <= 1.2 * head or not 0 <= threads <= 40:
        raise BadScene(f"a bolt of {diameter_m} m is longer than {1.2 * head:g} m and has 0 to 40 ridges")
    builder = MeshBuilder()
    _prism(builder, _hexagon(1.6 * diameter_m), 0.0, head, wall=0, ends=0)
    r, deep = 0.5 * diameter_m, 0.07 * diameter_m
    low = head * 0.98
    shank = length_m - low
    start = low + 0.25 * shank
    profile = [(0.0, low), (r, low), (r, start)]
    pitch = (length_m - 0.06 * shank - start) / max(1, threads)
    for k in range(threads):
        profile += [(r - deep, start + (k + 0.5) * pitch), (r, start + (k + 1) * pitch)]
    profile += [(0.85 * r, length_m), (0.0, length_m)]
    builder.lathe(profile, segments=14, parts=1)
    return builder.build()


@lru_cache(maxsize=64)
def nut(diameter_m: float) -> Mesh:
    """A hexagon nut for a bolt of `diameter_m`, lying on z = 0. One part. Proportions after ISO 4032."""
    check_sizes(diameter_m=diameter_m)
    builder = MeshBuilder()
    _prism(builder, _hexagon(1.6 * diameter_m, 4), 0.0, 0.85 * diameter_m, wall=0, ends=0, hole=0.5 * diameter_m)
    return builder.build()


@lru_cache(maxsize=64)
def washer(diameter_m: float) -> Mesh:
    """A washer for a bolt of `diameter_m`, lying on z = 0. Parts: 0 walls, 1 ends. After ISO 7089."""
    check_sizes(diameter_m=diameter_m)
    return ring(1.05 * diameter_m, 0.53 * diameter_m, 0.18 * diameter_m, 28)


@lru_cache(maxsize=64)
def gear(radius_m: float, height_m: float, teeth: int = 16, hole_share: float = 0.3) -> Mesh:
    """A spur gear lying on z = 0: `radius_m` to the tips of its teeth. One part."""
    check_sizes(radius_m=radius_m, height_m=height_m)
    if not 5 <= teeth <= 60 or not 0.0 < hole_share < 0.6:
        raise BadScene(f"a gear has 5 to 60 teeth and a hole of 0 to 0.6 radii, not {teeth} and {hole_share}")
    root = radius_m * (1.0 - min(0.28, 4.4 / teeth / 2))
    points = []
    for tooth in range(teeth):
        for share, radius in ((0.0, root), (0.3, root), (0.42, radius_m), (0.58, radius_m), (0.7, root)):
            s, c = sine_cosine((tooth + share - 0.5) / teeth)
            points.append((c * radius, s * radius))
    builder = MeshBuilder()
    _prism(builder, np.array(points), 0.0, height_m, wall=0, ends=0, hole=hole_share * radius_m)
    return builder.build()


@lru_cache(maxsize=64)
def bracket(length_m: float, width_m: float, thickness_m: float) -> Mesh:
    """An angle bracket: one leg lies on z = 0 along +x, the other stands at its low end; both `length_m` long. One part."""
    check_sizes(length_m=length_m, width_m=width_m, thickness_m=thickness_m)
    if thickness_m >= 0.5 * length_m:
        raise BadScene(f"a bracket of {length_m} m is less than {0.5 * length_m:g} m thick, not {thickness_m}")
    h, w, t = 0.5 * length_m, 0.5 * width_m, thickness_m
    section = [(-h, 0.0), (h, 0.0), (h, t), (t - h, t), (t - h, length_m), (-h, length_m)]
    builder = MeshBuilder()
    lengths = (length_m, t, length_m - t, length_m - t, t, length_m)
    for k, (x, z) in enumerate(section):
        x1, z1 = section[(k + 1) % 6]
        high = lengths[k] / length_m
        builder.polygon(
            [(x, -w, z), (x1, -w, z1), (x1, w, z1), (x, w, z)][::-1], part=0, uvs=[(0, 0), (high, 0), (high, 1), (0, 1)]
        )
    for y, side in ((-w, 1), (w, -1)):
        for quad in ((0, 1, 2, 3), (0, 3, 4, 5)):
            corners = [(section[k][0], y, section[k][1]) for k in quad][::side]
            builder.polygon(corners, part=0, uvs=[(0.5 + c[0] / length_m, 1 - c[2] / length_m) for c in corners])
    return builder.build()


@lru_cache(maxsize=8)
def hand(span_m: float = 0.085, grip_radius_m: float = 0.034) -> Mesh:
    """A right hand that grips an upright thing of `grip_radius_m` around the z axis, out of rods; one part.

    The wrist comes from +x and behind; fingers go around the front (-y), the thumb around the back. z = 0 is under the
    little finger. It is meant to be seen partly, at the border of a picture.
    """
    check_sizes(span_m=span_m, grip_radius_m=grip_radius_m)
    builder = MeshBuilder()
    thick = 0.115 * span_m
    gap = span_m / 4
    for finger in range(4):
        z = thick + gap * finger
        reach = (0.30, 0.37, 0.40, 0.36)[finger]
        _curled(builder, grip_radius_m + thick, z, start=0.98, stop=0.98 - reach, thick_m=thick)
    _curled(builder, grip_radius_m + thick * 1.1, 3.35 * gap, start=0.02, stop=0.30, thick_m=thick * 1.12)
    palm = ellipsoid((0.55 * span_m, 0.62 * span_m, 1.12 * span_m), 16)
    builder.add(palm, offset=(grip_radius_m + 0.3 * span_m, 0.02 * span_m, -0.02 * span_m), part=0)
    arm = capsule(0.33 * span_m, 2.6 * span_m, 16)
    builder.add(
        arm, offset=(grip_radius_m + 0.4 * span_m, 0.05 * span_m, 0.45 * span_m), rotation=turned_about("y", 0.27)
    )
    mesh = builder.build()
    low = float(mesh.positions[:, 2].min())
    return frozen(Mesh(mesh.positions - np.array([0.0, 0.0, low]), mesh.triangles, mesh.normals, mesh.uvs, mesh.parts))


def _curled(builder: MeshBuilder, radius_m: float, z: float, *, start: float, stop: float, thick_m: float) -> None:
    """A finger of three rods around the z axis, from and to angles in turns from +x."""
    joints = []
    for k in range(4):
        s, c = sine_cosine(start + (stop - start) * k / 3)
        joints.append(np.array([c * radius_m, s * radius_m, z]))
    for k in range(3):
        step = joints[k + 1] - joints[k]
        length = float(np.sqrt((step * step).sum()))
        rod = capsule(thick_m * (1.0 - 0.06 * k), length + 2 * thick_m * (1.0 - 0.06 * k), 10)
        rotation = aimed(step)
        base = joints[k] - rotated(np.array([0.0, 0.0, thick_m * (1.0 - 0.06 * k)]), rotation)
        builder.add(rod, offset=(float(base[0]), float(base[1]), float(base[2])), rotation=rotation)


def aimed(direction: Floats) -> Rotation:
    """A rotation that takes +z to `direction` (3,), not zero."""
    z = unit(np.asarray(direction, dtype=np.float64))
    if abs(float(z[2])) > 0.999999:
        return UPRIGHT if z[2] > 0 else (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0)
    x = unit(np.array([-z[1], z[0], 0.0]))
    y = np.array([z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]])
    rows = [float(value) for k in range(3) for value in (x[k], y[k], z[k])]
    return (rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7], rows[8])
