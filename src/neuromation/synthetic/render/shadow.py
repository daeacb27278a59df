"""Shadow maps: what each light sees. A map covers just what the camera sees of the scene.

Owns how maps are aimed, drawn and halved; how a place is compared with them is in shadow_seen.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import inlined, kernel
from neuromation.synthetic.exact import exact_tan
from neuromation.synthetic.render.raster_pack import (
    CUTOUT,
    EMISSION,
    NEAR_M,
    TEXTURE,
    TWO_SIDED,
    Floats,
    Ints,
    PackedScene,
    Singles,
)
from neuromation.synthetic.render.shade_textures import TextureTable, is_hole
from neuromation.synthetic.scene.model import AreaLight, Sun, Vector

FAR = np.float32(1e30)  # of a texel that sees nothing
_BORDER_TEXELS = 5.0
_SPREAD_MAX = 6.0  # tangent of the widest angle that an area light's map covers
_HALF_DEGREE = 0.008726646259971648
_OUTSIDE = 1e-9  # how far outside a triangle a texel still belongs to it, share of a corner

# Columns of a light's row: its map's axes (9), origin (3), whether it is seen in perspective, texels for a unit across and
# down and where 0 lies, how fast a penumbra grows across and down, bias (metres), nearest depth in the map.
ORIGIN, PERSPECTIVE, SCALE_X, SHIFT_X, SCALE_Y, SHIFT_Y, GROWS_X, GROWS_Y, BIAS, NEAREST = (
    9,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
)
SHADOW_COLUMNS = 21


@dataclass(frozen=True)
class ShadowMaps:
    """The shadow maps of all lights of a scene.

    Attributes:
        depths: float32 (T,), metres along a sun's direction, or -1 / metres along an area light's axis: always less for
            what is nearer. All levels of all maps; a coarser level holds every second texel of the finer one.
        lowest, highest: float32 (T,), the extremes of the texels below each texel.
        frames: float64 (lights, SHADOW_COLUMNS).
        layout: int64 (lights, 3), where a map begins, its side in texels (0: no shadow) and its levels.
    """

    depths: Singles
    lowest: Singles
    highest: Singles
    frames: Floats
    layout: NDArray[np.int64]


def shadow_maps(
    scene: PackedScene,
    textures: TextureTable,
    lights: tuple[Sun | AreaLight, ...],
    receivers: Floats,
    side: int,
) -> ShadowMaps:
    """What every light sees of the places that the camera sees.

    Args:
        receivers: float64 (N, 3), places in the world that the maps must cover.
        side: of the first two maps, texels, a power of two; further ones have half of it.
    """
    frames = np.zeros((len(lights), SHADOW_COLUMNS))
    layout = np.zeros((len(lights), 3), dtype=np.int64)
    total = 0
    middle = receivers.sum(axis=0) / max(1, len(receivers))
    for place, light in enumerate(lights):
        texels = side if place < 2 else side // 2
        fitted = len(receivers) > 0 and _frame(light, receivers, middle, texels, frames, place)
        layout[place] = total, texels if fitted else 0, texels.bit_length()
        if fitted:
            total += (4 * texels * texels - 1) // 3
    depths = np.empty(total, dtype=np.float32)
    maps = ShadowMaps(depths, np.empty_like(depths), np.empty_like(depths), frames, layout)
    casters = (scene.vertices, scene.triangles, scene.material, scene.source, scene.uvs, scene.materials)
    spots = np.empty((len(scene.vertices), 3))
    for place in range(len(lights)):
        start, texels, levels = (int(number) for number in layout[place])
        if texels:
            _draw_depths(casters, (textures.texels, textures.rows), frames, place, depths[start:], texels, spots)
            _build_levels(depths[start:], maps.lowest[start:], maps.highest[start:], texels, levels)
            frames[place, NEAREST] = float(maps.lowest[start + (4 * texels * texels - 1) // 3 - 1])
    return maps


def _frame(light: Sun | AreaLight, receivers: Floats, middle: Floats, side: int, frames: Floats, place: int) -> bool:
    """Aim a light's map at the receivers, whose mean is `middle`; False when it lights none of them."""
    frame = frames[place]
    if isinstance(light, Sun):
        ahead = _normalised(light.direction)
        aside: Vector = (0.0, 0.0, 1.0) if abs(ahead[2]) < 0.9 else (1.0, 0.0, 0.0)
        origin: Vector = (0.0, 0.0, 0.0)
    else:
        origin = light.position
        ahead = _normalised((middle[0] - origin[0], middle[1] - origin[1], middle[2] - origin[2]))
        shines = _normalised(_cross(light.u, light.v))
        if _dot(ahead, shines) < 0.3:  # aimed along its own plane it would see nothing: half way to where it shines
            ahead = _normalised((ahead[0] + shines[0], ahead[1] + shines[1], ahead[2] + shines[2]))
        aside = light.u if _dot(light.u, light.u) >= _dot(light.v, light.v) else light.v
        if abs(_dot(_normalised(aside), ahead)) > 0.95:
            aside = light.v if aside == light.u else light.u
    down = _normalised(_cross(ahead, aside))
    right = _cross(down, ahead)
    frame[0:12] = *right, *down, *ahead, *origin
    frame[PERSPECTIVE] = isinstance(light, AreaLight)
    return _fit(light, receivers, middle, side, frames, place)


def _fit(light: Sun | AreaLight, receivers: Floats, middle: Floats, side: int, frames: Floats, place: int) -> bool:
    frame = frames[place]
    left, top, right, bottom = _bounds(receivers, frames, place)
    if right < left:
        return False
    width, height = max(right - left, 1e-3), max(bottom - top, 1e-3)
    usable = side - 2.0 * _BORDER_TEXELS
    frame[SCALE_X], frame[SCALE_Y] = usable / width, usable / height
    frame[SHIFT_X] = _BORDER_TEXELS - left * frame[SCALE_X]
    frame[SHIFT_Y] = _BORDER_TEXELS - top * frame[SCALE_Y]
    if isinstance(light, Sun):
        half = exact_tan(min(30.0, max(0.0, light.size_deg)) * _HALF_DEGREE)
        across = down = half
        texel_m = max(width, height) / usable
    else:
        x_axis: Vector = (float(frame[0]), float(frame[1]), float(frame[2]))
        y_axis: Vector = (float(frame[3]), float(frame[4]), float(frame[5]))
        across = abs(_dot(light.u, x_axis)) + abs(_dot(light.v, x_axis))
        down = abs(_dot(light.u, y_axis)) + abs(_dot(light.v, y_axis))
        away = float(((middle - np.array(light.position)) ** 2).sum()) ** 0.5
        texel_m = max(width, height) / usable * away
    frame[GROWS_X], frame[GROWS_Y] = across * frame[SCALE_X], down * frame[SCALE_Y]
    frame[BIAS] = 0.0003 + 0.25 * texel_m
    return True


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _normalised(v: Vector) -> Vector:
    length = float(np.sqrt(max(_dot(v, v), 1e-300)))
    return (v[0] / length, v[1] / length, v[2] / length)


@kernel
def _bounds(points: Floats, frames: Floats, light: int) -> tuple[float, float, float, float]:
    """The box of points on a light's map, in its own units."""
    left, top, right, bottom = 1e30, 1e30, -1e30, -1e30
    for i in range(len(points)):
        x, y, t = on_map(frames, light, points[i, 0], points[i, 1], points[i, 2])
        if t >= FAR or (frames[light, PERSPECTIVE] != 0.0 and (abs(x) > _SPREAD_MAX or abs(y) > _SPREAD_MAX)):
            continue
        left, right = min(left, x), max(right, x)
        top, bottom = min(top, y), max(bottom, y)
    return left, top, right, bottom


@inlined
def on_map(frames: Floats, light: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Where a place lies on a light's map, in its own units, and its depth there; FAR for what the light cannot see."""
    dx, dy, dz = x - frames[light, ORIGIN], y - frames[light, ORIGIN + 1], z - frames[light, ORIGIN + 2]
    across = frames[light, 0] * dx + frames[light, 1] * dy + frames[light, 2] * dz
    down = frames[light, 3] * dx + frames[light, 4] * dy + frames[light, 5] * dz
    ahead = frames[light, 6] * dx + frames[light, 7] * dy + frames[light, 8] * dz
    if frames[light, PERSPECTIVE] == 0.0:
        return across, down, ahead
    if ahead < NEAR_M:
        return 0.0, 0.0, 1e30
    return across / ahead, down / ahead, -1.0 / ahead


@kernel
def _draw_depths(
    casters: tuple[Floats, Ints, Ints, Ints, Singles, Floats],
    textures: tuple[NDArray[np.uint32], NDArray[np.int64]],
    frames: Floats,
    light: int,
    depths: Singles,
    side: int,
    spots: Floats,
) -> None:
    """Draw what a light sees into the finest level of its map; `spots` is room for the vertices on it."""
    vertices, triangles, material, source, uvs, materials = casters
    depths[: side * side] = FAR
    for v in range(len(vertices)):
        x, y, t = on_map(frames, light, vertices[v, 0], vertices[v, 1], vertices[v, 2])
        spots[v, 0] = x * frames[light, SCALE_X] + frames[light, SHIFT_X] - 0.5  # texel centres at whole numbers
        spots[v, 1] = y * frames[light, SCALE_Y] + frames[light, SHIFT_Y] - 0.5
        spots[v, 2] = t
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        xa, ya, ta = spots[a, 0], spots[a, 1], spots[a, 2]
        xb, yb, tb = spots[b, 0], spots[b, 1], spots[b, 2]
        xc, yc, tc = spots[c, 0], spots[c, 1], spots[c, 2]
        if ta >= FAR or tb >= FAR or tc >= FAR:
            continue
        area = (xb - xa) * (yc - ya) - (yb - ya) * (xc - xa)
        row = material[t]
        # A light's map has x to the right and y down as a picture has, so a front is turned the other way.
        if area == 0.0 or (area > 0.0 and materials[row, TWO_SIDED] == 0.0) or materials[row, EMISSION] > 0.0:
            continue
        left, right = max(0, int(np.ceil(max(-1.0, min(xa, xb, xc))))), int(min(side - 1.0, max(xa, xb, xc, -1.0)))
        top, bottom = max(0, int(np.ceil(max(-1.0, min(ya, yb, yc))))), int(min(side - 1.0, max(ya, yb, yc, -1.0)))
        if left > right or top > bottom:
            continue
        cut = materials[row, CUTOUT] != 0.0
        least, most = min(ta, tb, tc), max(ta, tb, tc)
        inverse = 1.0 / area
        # Weights of the corners and the depth are linear on the map.
        ax, bx = (yb - yc) * inverse, (yc - ya) * inverse
        ay, by = (xc - xb) * inverse, (xa - xc) * inverse
        tx, ty = ax * (ta - tc) + bx * (tb - tc), ay * (ta - tc) + by * (tb - tc)
        ac, bc, tc = -xc * ax - yc * ay, -xc * bx - yc * by, tc - xc * tx - yc * ty
        slopes = (ax, bx, -ax - bx)
        inverses = (1.0 / ax, 1.0 / bx, 1.0 / slopes[2])
        for y in range(top, bottom + 1):
            wa, wb = ac + y * ay, bc + y * by
            first, last = _span((wa, wb, 1.0 - wa - wb), slopes, inverses, left, right)
            start = tc + y * ty
            if not cut:
                _fill_row(depths, y * side, first, last, (start, tx, least, most))
                continue
            for x in range(first, last + 1):
                depth = np.float32(min(most, max(least, start + x * tx)))
                if depth >= depths[y * side + x]:
                    continue
                corner, share_a, share_b = uvs[source[t]], wa + x * ax, wb + x * bx
                share_c = 1.0 - share_a - share_b
                u = share_a * corner[0, 0] + share_b * corner[1, 0] + share_c * corner[2, 0]
                v = share_a * corner[0, 1] + share_b * corner[1, 1] + share_c * corner[2, 1]
                if not is_hole(textures[0], textures[1], int(materials[row, TEXTURE]), u, v):
                    depths[y * side + x] = depth


@inlined
def _span(
    starts: tuple[float, float, float],
    slopes: tuple[float, float, float],
    inverses: tuple[float, float, float],
    left: int,
    right: int,
) -> tuple[int, int]:
    """The first and the last texel of a row in which a triangle lies, whose corners' weights are starts + x * slopes."""
    low, high = float(left), float(right)
    for corner in range(3):
        border = (-_OUTSIDE - starts[corner]) * inverses[corner]
        if slopes[corner] > 0.0:
            low = max(low, border)
        elif slopes[corner] < 0.0:
            high = min(high, border)
        elif starts[corner] < -_OUTSIDE:
            high = low - 1.0
    # Before they become whole numbers, which may be far away, they are brought near.
    return int(np.ceil(min(low, right + 1.0))), int(np.floor(max(high, left - 1.0)))


@inlined
def _fill_row(depths: Singles, row: int, first: int, last: int, plane: tuple[float, float, float, float]) -> None:
    """Keep the least depth at the texels of a row. Nothing branches, so that several are done at once."""
    start, slope, least, most = plane
    for x in range(np.int32(first), np.int32(last + 1)):
        depth = np.float32(min(most, max(least, start + x * slope)))
        before = depths[row + x]
        depths[row + x] = depth if depth < before else before


@kernel
def _build_levels(depths: Singles, lowest: Singles, highest: Singles, side: int, levels: int) -> None:
    """Fill in the coarser levels of a map."""
    for at in range(side * side):
        lowest[at] = highest[at] = depths[at]
    start = 0
    for _ in range(1, levels):
        half, to = side >> 1, start + side * side
        for y in range(half):
            for x in range(half):
                a = start + 2 * y * side + 2 * x
                b = a + side
                made = to + y * half + x
                depths[made] = depths[a]
                lowest[made] = min(lowest[a], lowest[a + 1], lowest[b], lowest[b + 1])
                highest[made] = max(highest[a], highest[a + 1], highest[b], highest[b + 1])
        start, side = to, half
