"""Furniture and surroundings: shelves, crates, trays, bowls, boards, rooms. Owns proportions; knows no material."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.meshes_build import MeshBuilder, check_segments, check_sizes, turned_about
from neuromation.synthetic.scene.meshes_packages import box
from neuromation.synthetic.scene.model import UPRIGHT, Mesh, Rotation, Vector

BOARD_PARTS = ("top", "edges", "bottom")
TRAY_PARTS = ("inside", "outside")
CRATE_PARTS = ("walls", "floor")
ROOM_PARTS = ("floor", "walls", "ceiling")
SHELF_PARTS = ("board", "lip", "rail")
TAG_PARTS = ("tag", "holder")
BACK_PARTS = ("panel",)
DOOR_PARTS = ("frame", "handle")


@lru_cache(maxsize=64)
def plane(size_m: tuple[float, float], repeat_m: float = 0.0) -> Mesh:
    """A flat rectangle (x, y) on z = 0 that faces up: 2 triangles, one part; not closed.

    `repeat_m`: how wide one repetition of its texture is, metres; 0 stretches one texture over all of it.
    """
    check_sizes(width=size_m[0], depth=size_m[1])
    x, y = 0.5 * size_m[0], 0.5 * size_m[1]
    u, v = (size_m[0] / repeat_m, size_m[1] / repeat_m) if repeat_m else (1.0, 1.0)
    builder = MeshBuilder()
    builder.polygon([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], part=0, uvs=[(0, v), (u, v), (u, 0), (0, 0)])
    return builder.build()


@lru_cache(maxsize=64)
def board(size_m: Vector, repeat_m: float = 0.0) -> Mesh:
    """A board (table top, shelf) standing on z = 0. Parts: `BOARD_PARTS`; `repeat_m` as in `plane`."""
    shape = box(size_m)
    builder = MeshBuilder()
    parts = np.array([1, 1, 1, 1, 0, 2], dtype=np.int32)
    sizes = np.array([(size_m[0], size_m[2]), (size_m[1], size_m[2])] * 2 + [(size_m[0], size_m[1])] * 2)
    scale = sizes / repeat_m if repeat_m else np.ones((6, 2))
    corners = shape.positions[shape.triangles]
    for face in range(6):
        mine = shape.parts == face
        builder.triangles(corners[mine], shape.uvs[mine] * scale[face], part=int(parts[face]))
    return builder.build()


@lru_cache(maxsize=16)
def room(size_m: Vector, repeat_m: float = 1.0) -> Mesh:
    """A room seen from inside: floor at z = 0, four walls, ceiling. Parts: `ROOM_PARTS`; faces point inwards."""
    check_sizes(width=size_m[0], depth=size_m[1], height=size_m[2], repeat_m=repeat_m)
    x, y, z = 0.5 * size_m[0], 0.5 * size_m[1], size_m[2]
    u, d, v = size_m[0] / repeat_m, size_m[1] / repeat_m, z / repeat_m
    builder = MeshBuilder()
    builder.polygon([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], part=0, uvs=[(0, d), (u, d), (u, 0), (0, 0)])
    builder.polygon([(-x, y, z), (x, y, z), (x, -y, z), (-x, -y, z)], part=2, uvs=[(0, d), (u, d), (u, 0), (0, 0)])
    for wide, corners in (
        (u, ((-x, y), (x, y))),
        (u, ((x, -y), (-x, -y))),
        (d, ((x, y), (x, -y))),
        (d, ((-x, -y), (-x, y))),
    ):
        (x0, y0), (x1, y1) = corners
        builder.polygon(
            [(x0, y0, 0), (x1, y1, 0), (x1, y1, z), (x0, y0, z)], part=1, uvs=[(0, v), (wide, v), (wide, 0), (0, 0)]
        )
    return builder.build()


@lru_cache(maxsize=16)
def backdrop(size_m: Vector, bend_m: float, steps: int = 8, repeat_m: float = 0.0) -> Mesh:
    """A studio sweep: a floor that bends up into a wall at its back (+y) without an edge. One part; not closed."""
    width, depth, height = size_m
    check_sizes(width=width, depth=depth, height=height, bend_m=bend_m)
    if bend_m > min(depth, height):
        raise BadScene(f"a bend of {bend_m} m does not fit a sweep of {size_m} m")
    builder = MeshBuilder()
    y1 = 0.5 * depth
    path = [(-y1, 0.0)]
    for k in range(steps + 1):
        r = turned_about("z", 0.25 * k / steps)
        path.append((y1 - bend_m + bend_m * r[3], bend_m - bend_m * r[0]))
    path.append((y1, height))
    line = np.array(path)
    step = line[1:] - line[:-1]
    along = np.concatenate([[0.0], np.cumsum(np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1]))])
    net = np.empty((len(line), 2, 3))
    net[:, 0, 0], net[:, 1, 0] = -0.5 * width, 0.5 * width
    net[:, :, 1], net[:, :, 2] = line[:, None, 0], line[:, None, 1]
    uvs = np.empty((len(line), 2, 2))
    scale = 1.0 / (repeat_m or float(along[-1]))
    uvs[:, 0, 0], uvs[:, 1, 0] = 0.0, width * scale if repeat_m else 1.0
    uvs[:, :, 1] = ((along[-1] - along) * scale)[:, None]
    builder.grid(net[::-1], uvs[::-1], part=0, group=builder.new_group())
    return builder.build()


@lru_cache(maxsize=64)
def tray(size_m: Vector, wall_m: float = 0.003, slope: float = 0.0, repeat_m: float = 0.0) -> Mesh:
    """An open box with a floor and four walls (tray, tote, bin), standing on z = 0. Closed, with walls of `wall_m`.

    `slope`: how much wider it is at the top, a share of its height on every side. Parts: `TRAY_PARTS`.
    """
    width, depth, height = size_m
    check_sizes(width=width, depth=depth, height=height, wall_m=wall_m)
    if 2 * wall_m >= min(width, depth) - 2 * slope * height or wall_m >= height or not 0.0 <= slope <= 1.0:
        raise BadScene(f"walls of {wall_m} m with slope {slope} do not fit a tray of {size_m} m")
    x, y, inward = 0.5 * width, 0.5 * depth, slope * height

    def ring(shrink: float, z: float) -> list[Vector]:
        a, b = x - shrink, y - shrink
        return [(-a, -b, z), (a, -b, z), (a, b, z), (-a, b, z)]

    outer_low, outer_high = ring(inward, 0.0), ring(0.0, height)
    inner_low, inner_high = ring(inward * (1 - wall_m / height) + wall_m, wall_m), ring(wall_m, height)
    builder = MeshBuilder()

    def face(corners: list[Vector], part: int, wide: float, high: float) -> None:
        u, v = (wide / repeat_m, high / repeat_m) if repeat_m else (1.0, 1.0)
        builder.polygon(corners, part=part, uvs=[(0, v), (u, v), (u, 0), (0, 0)])

    face(inner_low, 0, width, depth)
    face(outer_low[::-1], 1, width, depth)
    for k in range(4):
        after, wide = (k + 1) % 4, (width, depth)[k % 2]
        face([outer_low[k], outer_low[after], outer_high[after], outer_high[k]], 1, wide, height)
        face([inner_low[after], inner_low[k], inner_high[k], inner_high[after]], 0, wide, height)
        face([outer_high[k], outer_high[after], inner_high[after], inner_high[k]], 1, wide, wall_m)
    return builder.build()


@lru_cache(maxsize=64)
def bowl(radius_m: float, height_m: float, wall_m: float = 0.003, segments: int = 28) -> Mesh:
    """A bowl with a foot, standing on z = 0. Parts: `TRAY_PARTS`."""
    check_sizes(radius_m=radius_m, height_m=height_m, wall_m=wall_m)
    check_segments(segments)
    r, h, w = radius_m, height_m, min(wall_m, 0.1 * radius_m, 0.1 * height_m)
    outside = [(0, 0.03 * h), (0.4 * r, 0.03 * h), (0.42 * r, 0), (0.45 * r, 0), (0.47 * r, 0.06 * h)]
    outside += [(0.64 * r, 0.18 * h), (0.8 * r, 0.38 * h), (0.92 * r, 0.65 * h), (r, h)]
    inside = [
        (r - w, h),
        (0.92 * r - w, 0.67 * h),
        (0.8 * r - w, 0.41 * h),
        (0.62 * r - w, 0.2 * h + w),
        (0, 0.08 * h + w),
    ]
    builder = MeshBuilder()
    parts = [1] * (len(outside)) + [0] * (len(inside) - 1)
    builder.lathe(outside + inside, segments=segments, parts=parts)
    return builder.build()


@lru_cache(maxsize=64)
def plate(radius_m: float, height_m: float, segments: int = 32) -> Mesh:
    """A plate or saucer, standing on z = 0. Parts: `TRAY_PARTS`."""
    check_sizes(radius_m=radius_m, height_m=height_m)
    check_segments(segments)
    r, h = radius_m, height_m
    w = 0.2 * h
    profile = [
        (0, 0.05 * h),
        (0.55 * r, 0.05 * h),
        (0.57 * r, 0),
        (0.6 * r, 0),
        (0.7 * r, 0.25 * h),
        (r, h - 0.5 * w),
        (r, h),
    ]
    profile += [(0.98 * r, h), (0.7 * r, 0.3 * h + w), (0.62 * r, 0.1 * h + w), (0, 0.1 * h + w)]
    builder = MeshBuilder()
    builder.lathe(profile, segments=segments, parts=[1] * 6 + [0] * 4, planar=(0,))
    return builder.build()


@lru_cache(maxsize=32)
def crate(size_m: Vector, kind: str = "slatted", rows: int = 4, wall_m: float = 0.008) -> Mesh:
    """An open crate, standing on z = 0. Parts: `CRATE_PARTS`; uvs repeat every 0.25 m.

    Args:
        size_m: outer width, depth, height, metres.
        kind: "slatted" (wooden boards with gaps and corner posts) or "perforated" (plastic walls with hand holes and a
            row of windows).
        rows: boards or rows of windows one above the other, 1 to 12.
        wall_m: thickness of walls and floor, metres.
    """
    width, depth, height = size_m
    check_sizes(width=width, depth=depth, height=height, wall_m=wall_m)
    if kind not in ("slatted", "perforated") or not 1 <= rows <= 12 or 4 * wall_m >= min(size_m):
        raise BadScene(f"no {kind!r} crate of {size_m} m with {rows} rows and walls of {wall_m} m can be built")
    builder = MeshBuilder()
    _bar(builder, (width - 2 * wall_m, depth - 2 * wall_m, wall_m), (0.0, 0.0, 0.0), part=1)
    sides: tuple[tuple[float, float, float], ...] = (
        (width, -0.5 * (depth - wall_m), 0.0),
        (width, 0.5 * (depth - wall_m), 0.5),
        (depth - 2 * wall_m, -0.5 * (width - wall_m), 0.25),
        (depth - 2 * wall_m, 0.5 * (width - wall_m), 0.75),
    )
    for length, away, turns in sides:
        rotation = UPRIGHT if turns in (0.0, 0.5) else turned_about("z", 0.25)
        y = away if rotation is UPRIGHT else -away
        if kind == "slatted":
            _slats(builder, length, height, rows, wall_m, y, rotation)
        else:
            _windows(builder, length, height, rows, wall_m, y, rotation)
    if kind == "slatted":
        post = (3 * wall_m, 3 * wall_m, height - 0.002)
        x, y = 0.5 * width - 2.5 * wall_m, 0.5 * depth - 2.5 * wall_m
        for a, b in ((-x, -y), (x, -y), (x, y), (-x, y)):
            _bar(builder, post, (a, b, 0.001), part=0)
    return builder.build()


def _slats(
    builder: MeshBuilder, length: float, height: float, rows: int, wall_m: float, y: float, rotation: Rotation
) -> None:
    pitch = height / rows
    slat = pitch * 0.78
    for row in range(rows):
        z = height - slat if row == rows - 1 else row * pitch
        _bar(builder, (length, wall_m, slat), (0.0, y, z), part=0, rotation=rotation)


def _windows(
    builder: MeshBuilder, length: float, height: float, rows: int, wall_m: float, y: float, rotation: Rotation
) -> None:
    """A wall of bars that leave windows: whole bars below and above, posts between."""
    pitch = height / rows
    rail = 0.3 * pitch
    columns = max(2, round(length / (1.6 * pitch)))
    post = 0.22 * length / columns
    for row in range(rows + 1):
        z = min(row * pitch, height - rail)
        _bar(builder, (length, wall_m, rail), (0.0, y, z), part=0, rotation=rotation)
    for row in range(rows):
        low = row * pitch + rail
        high = min((row + 1) * pitch, height - rail) - low
        for column in range(columns + 1):
            x = (column / columns - 0.5) * (length - post)
            _bar(builder, (post, 0.8 * wall_m, high), (x, y, low), part=0, rotation=rotation)


def _bar(
    builder: MeshBuilder, size_m: Vector, at: Vector, *, part: int, rotation: Rotation = UPRIGHT, repeat_m: float = 0.25
) -> None:
    """A board of given size at a place, turned about the z axis of the whole."""
    shape = board(size_m, repeat_m)
    x, y = at[0], at[1]
    offset = (rotation[0] * x + rotation[1] * y, rotation[3] * x + rotation[4] * y, at[2])
    builder.add(shape, offset=offset, rotation=rotation, part=part)


@lru_cache(maxsize=32)
def shelf_board(size_m: Vector, lip_m: float = 0.035, repeat_m: float = 0.5) -> Mesh:
    """A shelf board with a front lip for price tags: its top is at z = 0 where products stand; the board hangs below.

    `size_m`: width, depth, thickness. The lip stands at the front (-y), `lip_m` high, leaning back a little. Parts:
    `SHELF_PARTS`; the lip's uvs are 0..1 over its front.
    """
    width, depth, thick = size_m
    check_sizes(width=width, depth=depth, thickness=thick, lip_m=lip_m)
    builder = MeshBuilder()
    builder.add(board(size_m, repeat_m), offset=(0.0, 0.0, -thick), part=0)
    front, lean = -0.5 * depth, 0.2 * lip_m
    x, z0, z1 = 0.5 * width, -thick - 0.5 * lip_m, 0.5 * lip_m - thick
    y0, y1, back = front - 0.002 - lean, front - 0.002, front + 0.0
    a, b, c, d = (-x, y0, z0), (x, y0, z0), (x, y1, z1), (-x, y1, z1)
    e, f, g, h = (-x, back, z0), (x, back, z0), (x, back, z1), (-x, back, z1)
    builder.polygon([a, b, c, d], part=1)
    builder.polygon([b, f, g, c], part=2)
    builder.polygon([f, e, h, g], part=2)
    builder.polygon([e, a, d, h], part=2)
    builder.polygon([d, c, g, h], part=2)
    builder.polygon([e, f, b, a], part=2)
    return builder.build()


@lru_cache(maxsize=32)
def price_tag(width_m: float, height_m: float, lean: float = 0.2) -> Mesh:
    """A price tag in a clear holder, its face to the front (-y), standing on z = 0. Parts: `TAG_PARTS`."""
    check_sizes(width_m=width_m, height_m=height_m)
    x, back, tilt = 0.5 * width_m, 0.0012, lean * height_m
    builder = MeshBuilder()
    a, b, c, d = (-x, -tilt, 0.0), (x, -tilt, 0.0), (x, 0.0, height_m), (-x, 0.0, height_m)
    e, f, g, h = ((p[0], p[1] + back, p[2]) for p in (a, b, c, d))
    builder.polygon([a, b, c, d], part=0)
    for quad in ([b, f, g, c], [f, e, h, g], [e, a, d, h], [d, c, g, h], [e, f, b, a]):
        builder.polygon(quad, part=1)
    return builder.build()


@lru_cache(maxsize=32)
def back_panel(size_m: tuple[float, float], repeat_m: float = 0.25) -> Mesh:
    """The back of a shelf, width and height, facing the front (-y); for a texture of perforations. One part."""
    check_sizes(width=size_m[0], height=size_m[1], repeat_m=repeat_m)
    x, z = 0.5 * size_m[0], size_m[1]
    u, v = size_m[0] / repeat_m, z / repeat_m
    builder = MeshBuilder()
    builder.polygon([(-x, 0, 0), (x, 0, 0), (x, 0, z), (-x, 0, z)], part=0, uvs=[(0, v), (u, v), (u, 0), (0, 0)])
    return builder.build()


@lru_cache(maxsize=32)
def upright(height_m: float, width_m: float = 0.03, depth_m: float = 0.06) -> Mesh:
    """A shelf's post, standing on z = 0; uvs repeat every 0.1 m, for slots. Parts: `BOARD_PARTS`."""
    return board((width_m, depth_m, height_m), 0.1)


@lru_cache(maxsize=16)
def wire_basket(size_m: Vector, wires_x: int = 12, wires_z: int = 4, wire_m: float = 0.004) -> Mesh:
    """A basket of wires, open on top, standing on z = 0. One part; about 12 triangles a wire."""
    width, depth, height = size_m
    check_sizes(width=width, depth=depth, height=height, wire_m=wire_m)
    if not (2 <= wires_x <= 60 and 1 <= wires_z <= 20) or 4 * wire_m >= min(size_m):
        raise BadScene(f"no basket of {size_m} m with {wires_x} x {wires_z} wires of {wire_m} m can be built")
    builder = MeshBuilder()
    w = wire_m
    wires_y = max(2, round(wires_x * depth / width))
    for level in range(wires_z + 1):
        z = level * (height - w) / wires_z
        thick = 1.6 * w if level == wires_z else w
        top = min(z, height - thick)
        for y in (-0.5 * (depth - thick), 0.5 * (depth - thick)):
            _bar(builder, (width, thick, thick), (0.0, y, top), part=0)
        for x in (-0.5 * (width - thick), 0.5 * (width - thick)):
            _bar(builder, (thick, depth - 2.01 * thick, thick), (x, 0.0, top), part=0)
    for k in range(wires_x):
        x = ((k + 0.5) / wires_x - 0.5) * width
        for y in (-0.5 * depth + 0.5 * w, 0.5 * depth - 0.5 * w):
            _bar(builder, (0.8 * w, 0.8 * w, height - w), (x, y, 0.2 * w), part=0)
        _bar(builder, (0.8 * w, depth - w, 0.8 * w), (x, 0.0, 0.1 * w), part=0)
    for k in range(wires_y):
        y = ((k + 0.5) / wires_y - 0.5) * depth
        for x in (-0.5 * width + 0.5 * w, 0.5 * width - 0.5 * w):
            _bar(builder, (0.8 * w, 0.8 * w, height - w), (x, y, 0.2 * w), part=0)
    return builder.build()


@lru_cache(maxsize=16)
def cooler_door(width_m: float, height_m: float, frame_m: float = 0.05, depth_m: float = 0.03) -> Mesh:
    """The frame of a cooler's door without its glass, and a handle at the right, in front of y = 0. `DOOR_PARTS`."""
    check_sizes(width_m=width_m, height_m=height_m, frame_m=frame_m, depth_m=depth_m)
    if 2 * frame_m >= min(width_m, height_m):
        raise BadScene(f"a frame of {frame_m} m does not fit a door of {width_m} x {height_m} m")
    builder = MeshBuilder()
    for z in (0.0, height_m - frame_m):
        _bar(builder, (width_m, depth_m, frame_m), (0.0, -0.5 * depth_m, z), part=0)
    for x in (-0.5 * (width_m - frame_m), 0.5 * (width_m - frame_m)):
        _bar(builder, (frame_m, depth_m, height_m - 2 * frame_m), (x, -0.5 * depth_m, frame_m), part=0)
    handle = box((0.4 * frame_m, 0.4 * frame_m, 0.3 * height_m), 0.1 * frame_m)
    builder.add(handle, offset=(0.5 * (width_m - frame_m), -depth_m - 0.5 * frame_m, 0.4 * height_m), part=1)
    for z in (0.42, 0.66):
        _bar(
            builder,
            (0.3 * frame_m, 0.5 * frame_m, 0.02),
            (0.5 * (width_m - frame_m), -depth_m - 0.25 * frame_m, z * height_m),
            part=1,
        )
    return builder.build()
