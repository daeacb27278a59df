"""The shapes of packages: boxes, cartons, cans, bottles, jars, tubes, bags. Owns proportions; knows no print."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.meshes_build import (
    Floats,
    Ints,
    MeshBuilder,
    check_segments,
    check_sizes,
    frozen,
    sine_cosine,
    unit,
)
from neuromation.synthetic.scene.model import Mesh, Vector

BOX_PARTS = ("front", "right", "back", "left", "top", "bottom")
GABLE_PARTS = ("front", "right", "back", "left", "roof_front", "roof_back", "gusset", "crimp", "bottom", "cap")
BRICK_PARTS = (*BOX_PARTS, "cap")
CAN_PARTS = ("label", "metal", "lid")
BOTTLE_PARTS = ("body", "label", "cap", "liquid")
CUP_PARTS = ("label", "body", "lid")
TUBE_PARTS = ("label", "cap")
POUCH_PARTS = ("front", "back")

LABEL_RAISED_M = 0.0003  # how far a label stands out of the bottle it is glued on

# Of every face: which way its pictures go right, and which way up. Right x up points outwards.
_FRAMES: tuple[tuple[Vector, Vector], ...] = (
    ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    ((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
)


@dataclass(frozen=True, eq=False)
class _BoxPattern:
    """A box with rounded edges but for its sizes: a point is sign * (half size - radius) + direction * radius."""

    signs: Floats  # (V, 3), -1 or 1
    directions: Floats  # (V, 3)
    triangles: Ints  # (F, 3)
    normals: Floats  # (F, 3, 3)
    parts: Ints  # (F,)


@lru_cache(maxsize=8)
def _box_pattern(steps: int) -> _BoxPattern:
    """The pattern with `steps` strips on either side of every edge."""
    slopes = []
    for k in range(steps, -1, -1):
        s, c = sine_cosine(0.125 * k / steps)
        slopes.append(1.0 if k == steps else s / c)
    slope = np.array([-t for t in slopes] + slopes[::-1])
    sign = np.array([-1.0] * (steps + 1) + [1.0] * (steps + 1))
    builder, signs, directions = MeshBuilder(), [], []
    for part, (right, up) in enumerate(_FRAMES):
        across, upwards = np.array(right), np.array(up)
        outwards = np.cross(across, upwards)
        rows, columns = slope[::-1][:, None, None], slope[None, :, None]
        aim = unit(columns * across + rows * upwards + outwards)
        side = sign[None, :, None] * across + sign[::-1][:, None, None] * upwards + outwards
        # 3 keeps the eight corners apart, so that welding joins exactly the points that are one.
        builder.grid(3.0 * side + aim, np.zeros((*aim.shape[:2], 2)), part=part, normals=aim)
        signs.append(side.reshape(-1, 3))
        directions.append(aim.reshape(-1, 3))
    joined = builder.build()
    all_signs, all_directions = np.concatenate(signs), np.concatenate(directions)
    place = {
        tuple(np.rint(1e6 * (3 * s + d)).astype(int)): k
        for k, (s, d) in enumerate(zip(all_signs, all_directions, strict=True))
    }
    order = [place[tuple(np.rint(1e6 * point).astype(int))] for point in joined.positions]
    return _BoxPattern(all_signs[order], all_directions[order], joined.triangles, joined.normals, joined.parts)


@lru_cache(maxsize=512)
def box(size_m: Vector, bevel_m: float = 0.0, steps: int = 1) -> Mesh:
    """A box (width, depth, height) that stands on z = 0; 12 triangles, or 108 with bevelled edges.

    Args:
        size_m: all of it, metres: x, y, z.
        bevel_m: radius of the rounded edges, 0 for sharp ones, at most half the smallest size.
        steps: strips on either side of a rounded edge, 1 to 8.

    Parts: `BOX_PARTS`; a rounded edge belongs to the faces beside it, half and half. Each face's uvs are 0..1 over the
    whole face. The arrays are shared and cannot be written to.
    """
    check_sizes(width=size_m[0], depth=size_m[1], height=size_m[2])
    if not 0.0 <= bevel_m <= 0.5 * min(size_m):
        raise BadScene(f"a box of {size_m} m can have bevels of 0 to {0.5 * min(size_m):g} m, not {bevel_m}")
    if not 1 <= steps <= 8:
        raise BadScene(f"a rounded edge has 1 to 8 steps, not {steps}")
    half = np.array(size_m, dtype=np.float64) * 0.5
    if bevel_m == 0.0:
        return _sharp_box(half)
    pattern = _box_pattern(steps)
    centred = pattern.signs * (half - bevel_m) + pattern.directions * bevel_m
    uvs = _box_uvs(centred[pattern.triangles], pattern.parts, half)
    positions = centred + np.array([0.0, 0.0, half[2]])
    return frozen(Mesh(positions, pattern.triangles, pattern.normals, uvs, pattern.parts))


def _sharp_box(half: Floats) -> Mesh:
    builder = MeshBuilder()
    for part, (right, up) in enumerate(_FRAMES):
        r, u = np.array(right), np.array(up)
        n = np.cross(r, u)
        corners = [half * (a * r + b * u + n) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        builder.polygon([(c[0], c[1], c[2] + half[2]) for c in corners], part=part)
    return builder.build()


def _box_uvs(corners: Floats, parts: Ints, half: Floats) -> Floats:
    """Where corners (F, 3, 3) of a box around the origin lie in their faces."""
    uvs = np.empty((len(corners), 3, 2))
    for part, (right, up) in enumerate(_FRAMES):
        mine = parts == part
        for column, (axis, flip) in enumerate(((right, 1.0), (up, -1.0))):
            k = max(range(3), key=lambda place: abs(axis[place]))
            uvs[mine, :, column] = 0.5 + corners[mine][:, :, k] * (flip * axis[k] / (2 * half[k]))
    return np.clip(uvs, 0.0, 1.0)


def gable_roof_m(size_m: Vector) -> tuple[float, float]:
    """Heights of the walls and of the ridge of a carton with a gable top, metres."""
    _, depth, height = size_m
    crimp = min(0.018, 0.1 * height)
    roof = min(0.5 * depth, 0.3 * height)  # rises at about 45 degrees
    return height - crimp - roof, height - crimp


@lru_cache(maxsize=256)
def gable_carton(size_m: Vector, cap_radius_m: float = 0.0) -> Mesh:
    """A milk carton: four walls, a roof with its gussets folded in, a crimp along the ridge (x), perhaps a screw cap.

    Args:
        size_m: width, depth, height with the crimp, metres.
        cap_radius_m: of the cap on the front roof panel, or 0 for none.

    Parts: `GABLE_PARTS`. uvs of each panel are 0..1 over the panel. About 40 triangles, 120 with a cap.
    """
    check_sizes(width=size_m[0], depth=size_m[1], height=size_m[2])
    w, d = 0.5 * size_m[0], 0.5 * size_m[1]
    wall, ridge = gable_roof_m(size_m)
    top, fin = size_m[2], min(0.0012, 0.2 * d)  # half the thickness of the crimp
    tuck = w - min(0.8 * d, 0.6 * w)  # how far the gussets reach in at the ridge
    builder = MeshBuilder()
    for part, (right, _up) in enumerate(_FRAMES[:4]):
        outwards = (right[1], -right[0])
        corners = [(a * right[0] * w + outwards[0] * w, a * right[1] * d + outwards[1] * d) for a in (-1, 1)]
        (x0, y0), (x1, y1) = corners
        builder.polygon([(x0, y0, 0), (x1, y1, 0), (x1, y1, wall), (x0, y0, wall)], part=part)
    builder.polygon([(-w, d, 0), (w, d, 0), (w, -d, 0), (-w, -d, 0)], part=8)
    for s, part in ((1, 4), (-1, 5)):  # turned by half a turn, the front is the back
        builder.polygon(
            [(-s * w, -s * d, wall), (s * w, -s * d, wall), (s * w, -s * fin, ridge), (-s * w, -s * fin, ridge)],
            part=part,
        )
        builder.polygon(
            [(-s * w, -s * fin, ridge), (s * w, -s * fin, ridge), (s * w, -s * fin, top), (-s * w, -s * fin, top)],
            part=7,
        )
        inner, low, high = (s * tuck, 0.0, ridge), (s * w, -s * d, wall), (s * w, s * d, wall)
        near, far = (s * w, -s * fin, ridge), (s * w, s * fin, ridge)
        builder.polygon([low, high, inner], part=6)
        builder.polygon([low, inner, near], part=6)
        builder.polygon([high, far, inner], part=6)
        builder.polygon([near, inner, far], part=6)
        builder.polygon([near, far, (s * w, s * fin, top), (s * w, -s * fin, top)], part=7)
    builder.polygon([(-w, -fin, top), (w, -fin, top), (w, fin, top), (-w, fin, top)], part=7)
    if cap_radius_m:
        check_sizes(cap_radius_m=cap_radius_m)
        _add_cap(builder, cap_radius_m, start=(0.0, -d, wall), end=(0.0, -fin, ridge), part=9)
    return builder.build()


def _add_cap(builder: MeshBuilder, radius_m: float, *, start: Vector, end: Vector, part: int) -> None:
    """A screw cap in the middle of a panel that rises from `start` to `end` (both in the plane x = 0)."""
    along = unit(np.array(end) - np.array(start))
    rotation = (1.0, 0.0, 0.0, 0.0, float(along[1]), float(-along[2]), 0.0, float(along[2]), float(along[1]))
    middle = 0.5 * (np.array(start) + np.array(end))
    offset = (0.0, float(middle[1]), float(middle[2]))
    builder.add(screw_cap(radius_m, 0.85 * radius_m), offset=offset, rotation=rotation, part=part)


@lru_cache(maxsize=64)
def screw_cap(radius_m: float, height_m: float, segments: int = 16) -> Mesh:
    """A cap with a flange, one part, standing on z = 0; wrapped uvs."""
    check_sizes(radius_m=radius_m, height_m=height_m)
    check_segments(segments)
    r, h = radius_m, height_m
    builder = MeshBuilder()
    builder.lathe(
        [(0, 0), (1.12 * r, 0), (1.12 * r, 0.16 * h), (r, 0.22 * h), (0.97 * r, 0.93 * h), (0.9 * r, h), (0, h)],
        segments=segments,
    )
    return builder.build()


@lru_cache(maxsize=256)
def brick_carton(size_m: Vector, cap_radius_m: float = 0.0) -> Mesh:
    """A flat-topped drink carton with a seam across its top and perhaps a screw cap. Parts: `BRICK_PARTS`."""
    width, depth, height = size_m
    check_sizes(width=width, depth=depth, height=height)
    body = height - (0.85 * cap_radius_m if cap_radius_m else min(0.002, 0.02 * height))
    if body <= 0:
        raise BadScene(f"a cap of radius {cap_radius_m} m is too large for a carton of {size_m} m")
    builder = MeshBuilder()
    builder.add(box((width, depth, body), min(0.0025, 0.1 * min(size_m))))
    seam = box((0.96 * width, min(0.008, 0.2 * depth), height - body))
    if cap_radius_m:
        builder.add(screw_cap(cap_radius_m, height - body), offset=(0.0, -0.2 * depth, body), part=6)
    else:
        builder.add(seam, offset=(0.0, 0.0, body), part=4)
    return builder.build()


@lru_cache(maxsize=256)
def can(radius_m: float, height_m: float, kind: str = "drink", segments: int = 20) -> Mesh:
    """A can. `kind`: "drink" with a necked lid and a tab, "food" with rims and beads, "flat" without beads.

    Parts: `CAN_PARTS`; the label is printed all around, u = 0.5 at the front; the lid is seen from above.
    """
    check_sizes(radius_m=radius_m, height_m=height_m)
    check_segments(segments)
    if height_m < 0.9 * radius_m and kind == "drink":
        raise BadScene(f"a drink can of radius {radius_m} m is at least {0.9 * radius_m:g} m high, not {height_m}")
    r, h = radius_m, height_m
    if kind == "drink":
        profile = [
            (0, 0.22 * r), (0.6 * r, 0.12 * r), (0.74 * r, 0), (0.8 * r, 0.02 * r), (0.96 * r, 0.2 * r),
            (r, 0.3 * r), (r, h - 0.4 * r), (0.96 * r, h - 0.3 * r), (0.83 * r, h - 0.1 * r),
            (0.85 * r, h - 0.05 * r), (0.84 * r, h), (0.79 * r, h), (0.77 * r, h - 0.1 * r), (0, h - 0.07 * r),
        ]  # fmt: skip
        parts = [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 2, 2]
    elif kind in ("food", "flat"):
        rim = min(0.06 * r, 0.05 * h)
        wall = [(0.975 * r, rim), (0.975 * r, h - rim)]
        if kind == "food":
            bead = [(0.955 if k % 2 else 0.975, 0.32 + 0.045 * k) for k in range(9)]
            wall[1:1] = [(share * r, z * h) for share, z in bead]
        profile = [(0, rim), (0.95 * r, rim), (0.96 * r, 0), (r, 0), (r, 0.8 * rim), *wall]
        profile += [(r, h - 0.8 * rim), (r, h), (0.96 * r, h), (0.94 * r, h - 1.2 * rim), (0, h - rim)]
        parts = [1] * 5 + [0] * (len(wall) - 1) + [1, 1, 1, 2, 2]
    else:
        raise BadScene(f'a can is "drink", "food" or "flat", not {kind!r}')
    builder = MeshBuilder()
    builder.lathe(profile, segments=segments, parts=parts, planar=(2,))
    if kind == "drink":
        tab = box((0.3 * r, 0.75 * r, 0.03 * r))
        builder.add(tab, offset=(0.0, -0.12 * r, h - 0.07 * r), part=1)
    return builder.build()


# Profiles of bottles: (radius / largest radius, height / whole height, what begins here). "label" ends where the next
# word begins. All are drawn from measured proportions of common shapes, not from any product.
_BOTTLES: dict[str, tuple[tuple[float, float, str], ...]] = {
    "soda": (
        (0.0, 0.03, "liquid"), (0.55, 0.012, ""), (0.8, 0.0, ""), (0.94, 0.03, ""), (1.0, 0.08, ""), (1.0, 0.2, ""),
        (0.94, 0.27, ""), (0.93, 0.33, "label"), (0.93, 0.56, "liquid"), (0.98, 0.6, ""), (0.97, 0.66, ""),
        (0.87, 0.74, ""), (0.68, 0.82, ""), (0.46, 0.885, "body"), (0.36, 0.92, ""), (0.35, 0.935, ""),
        (0.4, 0.94, "cap"), (0.4, 0.99, ""), (0.36, 1.0, ""), (0.0, 1.0, ""),
    ),
    "water": (
        (0.0, 0.02, "liquid"), (0.6, 0.01, ""), (0.82, 0.0, ""), (0.97, 0.03, ""), (1.0, 0.07, ""), (0.97, 0.12, ""),
        (1.0, 0.17, ""), (0.97, 0.22, ""), (1.0, 0.27, ""), (0.97, 0.32, ""), (0.96, 0.36, "label"),
        (0.96, 0.58, "liquid"), (1.0, 0.62, ""), (0.97, 0.68, ""), (0.86, 0.77, ""), (0.66, 0.85, "body"),
        (0.44, 0.905, ""), (0.36, 0.93, ""), (0.42, 0.935, "cap"), (0.42, 0.99, ""), (0.39, 1.0, ""), (0.0, 1.0, ""),
    ),
    "wine": (
        (0.0, 0.07, "liquid"), (0.5, 0.05, ""), (0.86, 0.0, ""), (0.97, 0.012, ""), (1.0, 0.04, ""), (1.0, 0.14, "label"),
        (1.0, 0.46, "liquid"), (1.0, 0.56, ""), (0.95, 0.61, ""), (0.8, 0.66, ""), (0.56, 0.705, ""), (0.42, 0.745, "body"),
        (0.38, 0.79, "cap"), (0.37, 0.955, ""), (0.41, 0.96, ""), (0.41, 0.995, ""), (0.38, 1.0, ""), (0.0, 1.0, ""),
    ),
    "beer": (
        (0.0, 0.04, "liquid"), (0.6, 0.02, ""), (0.88, 0.0, ""), (0.98, 0.015, ""), (1.0, 0.05, ""), (1.0, 0.16, "label"),
        (1.0, 0.47, "liquid"), (1.0, 0.57, ""), (0.93, 0.64, ""), (0.74, 0.71, ""), (0.56, 0.78, "body"), (0.45, 0.86, ""),
        (0.41, 0.94, ""), (0.45, 0.95, ""), (0.44, 0.965, ""), (0.5, 0.968, "cap"), (0.47, 0.992, ""), (0.36, 1.0, ""),
        (0.0, 1.0, ""),
    ),
    "oil": (
        (0.0, 0.02, "liquid"), (0.8, 0.0, ""), (0.97, 0.015, ""), (1.0, 0.05, ""), (1.0, 0.16, "label"), (1.0, 0.52, "liquid"),
        (1.0, 0.62, ""), (0.94, 0.69, ""), (0.74, 0.76, ""), (0.5, 0.82, "body"), (0.38, 0.87, ""), (0.36, 0.9, ""),
        (0.42, 0.905, "cap"), (0.42, 0.99, ""), (0.39, 1.0, ""), (0.0, 1.0, ""),
    ),
    "milk": (
        (0.0, 0.02, "body"), (0.8, 0.0, ""), (0.97, 0.02, ""), (1.0, 0.06, ""), (1.0, 0.1, "label"), (1.0, 0.66, "body"),
        (0.98, 0.72, ""), (0.86, 0.8, ""), (0.62, 0.87, ""), (0.5, 0.9, ""), (0.49, 0.915, ""), (0.55, 0.92, "cap"),
        (0.54, 0.99, ""), (0.5, 1.0, ""), (0.0, 1.0, ""),
    ),
    "shampoo": (
        (0.0, 0.01, "body"), (0.8, 0.0, ""), (0.95, 0.012, ""), (1.0, 0.05, ""), (1.0, 0.12, "label"), (0.96, 0.7, "body"),
        (0.9, 0.77, ""), (0.72, 0.82, ""), (0.5, 0.84, ""), (0.48, 0.85, ""), (0.52, 0.852, "cap"), (0.49, 0.985, ""),
        (0.44, 1.0, ""), (0.0, 1.0, ""),
    ),
    "detergent": (
        (0.0, 0.01, "body"), (0.84, 0.0, ""), (0.96, 0.012, ""), (1.0, 0.04, ""), (0.99, 0.1, "label"), (0.9, 0.62, "body"),
        (0.82, 0.7, ""), (0.62, 0.79, ""), (0.44, 0.84, ""), (0.42, 0.86, ""), (0.5, 0.862, "cap"), (0.46, 0.985, ""),
        (0.42, 1.0, ""), (0.0, 1.0, ""),
    ),
    "jar": (
        (0.0, 0.03, "liquid"), (0.7, 0.015, ""), (0.86, 0.0, ""), (0.97, 0.03, ""), (1.0, 0.08, ""), (1.0, 0.2, "label"),
        (1.0, 0.64, "liquid"), (1.0, 0.72, ""), (0.96, 0.79, "body"), (0.86, 0.84, ""), (0.85, 0.855, ""),
        (0.91, 0.86, "cap"), (0.91, 0.98, ""), (0.88, 1.0, ""), (0.8, 1.0, ""), (0.78, 0.985, ""), (0.0, 0.985, ""),
    ),
    "ketchup": (
        (0.0, 0.01, "cap"), (0.6, 0.0, ""), (0.68, 0.01, ""), (0.66, 0.13, ""), (0.7, 0.14, "body"), (0.9, 0.2, ""),
        (1.0, 0.28, "label"), (0.97, 0.78, "body"), (0.9, 0.9, ""), (0.74, 0.97, ""), (0.5, 1.0, ""), (0.0, 1.0, ""),
    ),
}  # fmt: skip
BOTTLE_KINDS = tuple(_BOTTLES)
_OVAL = {"shampoo": 0.55, "detergent": 0.62, "ketchup": 0.7}  # depth over width where they are not round


def label_band_m(kind: str, radius_m: float, height_m: float) -> tuple[float, float]:
    """Width (all around) and height of a bottle's label, metres: the proportions of the picture for it."""
    points = _profile(kind)
    low, high = _label_range(points)
    flat = _OVAL.get(kind, 1.0)
    around = 3.141592653589793 * radius_m * points[low][0] * (1 + flat)  # good to a few per cent for flat ovals
    return around, (points[high][1] - points[low][1]) * height_m


def _profile(kind: str) -> tuple[tuple[float, float, str], ...]:
    if kind not in _BOTTLES:
        raise BadScene(f"no bottle is called {kind!r}; there are: {', '.join(_BOTTLES)}")
    return _BOTTLES[kind]


def _label_range(points: tuple[tuple[float, float, str], ...]) -> tuple[int, int]:
    low = next(k for k, point in enumerate(points) if point[2] == "label")
    return low, next(k for k in range(low + 1, len(points)) if points[k][2])


def _refined(
    points: tuple[tuple[float, float, str], ...], pieces: int, aspect: float
) -> tuple[tuple[float, float, str], ...]:
    """A profile with every piece between its points bent into several, smoothly but for its edges (Hermite curves)."""
    if pieces == 1:
        return points
    at = np.array([(radius, z * aspect) for radius, z, _ in points])
    step = at[1:] - at[:-1]
    length = np.sqrt((step * step).sum(axis=1))
    turn = (step[1:] * step[:-1]).sum(axis=1)
    edge = np.concatenate([[True], turn < 0.72 * length[1:] * length[:-1], [True]])
    refined = []
    for k in range(len(step)):
        refined.append(points[k])
        # Where an edge is, the curve leaves and arrives along its own chord.
        leaving = step[k] if edge[k] else 0.5 * (step[k] + step[k - 1])
        arriving = step[k] if edge[k + 1] else 0.5 * (step[k] + step[k + 1])
        for piece in range(1, pieces):
            t = piece / pieces
            s = 1 - t
            place = at[k] * (s * s * (1 + 2 * t)) + leaving * (s * s * t) + at[k + 1] * (t * t * (1 + 2 * s))
            place = np.clip(place - arriving * (t * t * s), np.minimum(at[k], at[k + 1]), np.maximum(at[k], at[k + 1]))
            refined.append((float(place[0]), float(place[1]) / aspect, ""))
    return (*refined, points[-1])


@lru_cache(maxsize=256)
def bottle(kind: str, radius_m: float, height_m: float, segments: int = 20, depth_share: float = 0.0) -> Mesh:
    """A bottle, jar or flask with a label glued on and a cap.

    Args:
        kind: one of `BOTTLE_KINDS`.
        radius_m: half its largest width, metres.
        height_m: with its cap, metres.
        segments: sides of the round; above 24, and above 40, its profile is drawn more finely too.
        depth_share: depth over width; 0 for what is usual: 1 for round ones, less for shampoo.

    Parts: `BOTTLE_PARTS`: `liquid` is the glass up to where it is filled, `body` the rest (all, where it is opaque).
    The label wraps around, u = 0.5 at the front. About 700 triangles.
    """
    check_sizes(radius_m=radius_m - 2 * LABEL_RAISED_M, height_m=height_m)
    check_segments(segments)
    points = _refined(_profile(kind), 1 + (segments > 24) + (segments > 40), height_m / radius_m)
    flat = depth_share or _OVAL.get(kind, 1.0)
    if not 0.1 <= flat <= 1.0:
        raise BadScene(f"a bottle's depth is 0.1 to 1 times its width, not {flat}")
    profile: list[tuple[float, float]] = []
    parts: list[int] = []
    squash: list[float] = []
    part, label = -1, BOTTLE_PARTS.index("label")
    low, high = _label_range(points)
    raise_of = [LABEL_RAISED_M if low <= k <= high else 0.0 for k in range(len(points))]
    scale_m = min((radius_m - up) / point[0] for up, point in zip(raise_of, points, strict=True) if point[0] > 0)
    for share, z, word in points:
        at = (share * scale_m, z * height_m)
        was, part = part, BOTTLE_PARTS.index(word) if word else part
        raised = (at[0] + LABEL_RAISED_M, at[1])
        oval = flat if BOTTLE_PARTS[part] != "cap" or flat < 0.6 else 1.0
        if part == label != was:
            steps = [at, raised]  # up onto the label
        elif was == label:
            steps = [raised] if part == label else [raised, at]
        else:
            steps = [at]
        for k, step in enumerate(steps):
            if profile:
                parts.append(was if k == 0 else 0)
            profile.append(step)
            squash.append(oval)
    builder = MeshBuilder()
    builder.lathe(profile, segments=segments, parts=parts, squash=squash)
    return builder.build()


@lru_cache(maxsize=128)
def cup(radius_m: float, height_m: float, base_share: float = 0.8, lid: bool = True, segments: int = 20) -> Mesh:
    """A tapered cup or tub, closed by a foil or a lid, or an open, hollow one.

    Args:
        radius_m: at the rim, metres.
        height_m: all of it, metres.
        base_share: radius of the base over that of the rim.
        lid: closed with a lid (yoghurt, margarine) or open and hollow (a beaker).

    Parts: `CUP_PARTS`: the label goes around the wall, the lid is seen from above.
    """
    check_sizes(radius_m=radius_m, height_m=height_m)
    check_segments(segments)
    if not 0.3 <= base_share <= 1.0:
        raise BadScene(f"a cup's base is 0.3 to 1 times as wide as its rim, not {base_share}")
    r, h, b = radius_m, height_m, 0.94 * base_share * radius_m
    lip = min(0.06 * r, 0.05 * h)
    profile = [
        (0, 0.02 * h),
        (0.85 * b, 0.02 * h),
        (0.92 * b, 0),
        (b, 0.01 * h),
        (0.94 * r, h - 1.6 * lip),
        (r, h - 1.5 * lip),
    ]
    parts = [1, 1, 1, 0, 1]
    if lid:
        profile += [(r, h - 0.2 * lip), (0.98 * r, h), (0.9 * r, h), (0.88 * r, h - 0.5 * lip), (0, h - 0.5 * lip)]
        parts += [1, 2, 2, 2, 2]
    else:
        wall = min(0.0015, 0.05 * r)
        profile += [(r, h), (0.94 * r - wall, h), (b - wall, 0.03 * h + wall), (0, 0.03 * h + wall)]
        parts += [1, 1, 1, 1]
    builder = MeshBuilder()
    builder.lathe(profile, segments=segments, parts=parts, planar=(2,))
    return builder.build()


@lru_cache(maxsize=64)
def tube(width_m: float, height_m: float, segments: int = 20) -> Mesh:
    """A tube that stands on its cap and ends in a flat crimp on top (toothpaste, cream). Parts: `TUBE_PARTS`."""
    check_sizes(width_m=width_m, height_m=height_m)
    check_segments(segments)
    half, h = 0.5 * width_m, height_m
    round_r = 0.72 * half
    profile = [(0, 0), (0.86 * round_r, 0), (0.9 * round_r, 0.01 * h), (0.9 * round_r, 0.14 * h)]
    squash, parts = [1.0] * 4, [1, 1, 1]
    profile.append((round_r, 0.15 * h))
    squash.append(1.0)
    parts.append(0)
    for k in range(1, 9):
        share = k / 8
        profile.append((round_r + (half - round_r) * share, (0.15 + 0.79 * share) * h))
        squash.append(max(0.03, 1.0 - share))
        parts.append(0)
    profile += [(half, h), (0, h)]
    squash += [0.03, 0.03]
    parts += [0, 0]
    builder = MeshBuilder()
    builder.lathe(profile, segments=segments, parts=parts, squash=squash)
    return builder.build()


_ACROSS_BAG = (0.0, 0.02, 0.06, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98, 1.0)


@lru_cache(maxsize=128)
def pouch(size_m: Vector, kind: str = "pillow", puff: float = 0.0) -> Mesh:
    """A bag. `kind`: "pillow", with crimped ends and a puffed body (crisps), or "standing", with a flat-folded base.

    Args:
        size_m: width, depth, height, metres; the depth is where it is puffed most.
        kind: which.
        puff: moves the fold lines about; any number, the same for the same wrinkles.

    Parts: `POUCH_PARTS`, uvs 0..1 over the whole front and back with the crimps. About 900 triangles.
    """
    check_sizes(width=size_m[0], depth=size_m[1], height=size_m[2])
    if kind not in ("pillow", "standing"):
        raise BadScene(f'a pouch is "pillow" or "standing", not {kind!r}')
    seal = 0.05 if kind == "pillow" else 0.08
    columns = len(_ACROSS_BAG)
    u = np.array(_ACROSS_BAG)
    inner = np.array(_ACROSS_BAG) * (1 - 2 * seal) + seal  # dense near the seals, where it bends most
    v = np.concatenate([[0.0], inner, [1.0] if kind == "pillow" else [1.0 - seal / 2, 1.0]])
    half, pinch = _puffed(u[None, :], v[:, None], kind, seal, puff)
    x = (u[None, :] - 0.5) * size_m[0] * pinch
    x = x / float(np.abs(x).max()) * (0.5 * size_m[0])
    half = half / float(half.max()) * (0.5 * size_m[1])
    z = np.broadcast_to((1.0 - v[:, None]) * size_m[2], x.shape)
    uvs = np.stack(np.broadcast_arrays(u[None, :], v[:, None]), axis=-1)
    builder = MeshBuilder()
    front = np.stack([x, -half, z], axis=-1)
    back = np.stack([x, half, z], axis=-1)[:, ::-1]
    builder.grid(front, uvs, part=0, group=builder.new_group())
    builder.grid(back, uvs, part=1, group=builder.new_group())
    if kind == "standing":  # the base: an oval between the lowest rows
        low_front, low_back = front[-1], back[-1][::-1]
        builder.grid(np.stack([low_front, low_back]), np.zeros((2, columns, 2)), part=1)
    return builder.build()


def _puffed(u: Floats, v: Floats, kind: str, seal: float, puff: float) -> tuple[Floats, Floats]:
    """Half the depth and the relative width of a bag at (u, v), v = 0 at the top."""
    side = 1.0 - (2 * u - 1) * (2 * u - 1)
    lens = np.sqrt(np.maximum(side, 0.0))
    up = np.clip((v - seal) / (1 - 2 * seal), 0.0, 1.0)
    if kind == "pillow":
        rise = np.sqrt(np.maximum(4 * up * (1 - up), 0.0))
        depth = rise * (0.35 * lens + 0.65 * side)
        pinch = 1.0 - 0.10 * rise * np.ones_like(u)  # where it is puffed it gets narrower
    else:
        rise = np.clip(up * 1.15, 0.0, 1.0)
        rise = rise * (2 - rise)
        depth = rise * lens
        pinch = np.ones_like(depth)
    # Wrinkles run from the seals into the body and fade out there.
    turns = np.array([sine_cosine(3.5 * t + puff)[0] + 0.6 * sine_cosine(7.3 * t - 2 * puff)[0] for t in u.ravel()])
    near_seal = np.clip(1.0 - 3.2 * np.minimum(v, 1.0 - v), 0.0, 1.0) * np.clip(np.minimum(v, 1 - v) / seal, 0.0, 1.0)
    if kind == "standing":
        near_seal = near_seal * (v < 0.5)
    depth = depth * (1.0 + 0.25 * near_seal * turns[None, :])
    # Welded film has a thickness, so that its two sides are two; they meet in the border alone.
    border = (side <= 0) | (v <= 0) | ((v >= 1) & (kind == "pillow"))
    return np.where(border, 0.0, np.maximum(depth, 0.006)), pinch
