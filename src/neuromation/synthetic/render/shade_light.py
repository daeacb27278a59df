"""Light on a surface: suns, rectangles and the sky, what they give a matt surface and what a glossy one mirrors.

All in linear light and in units in which a white matt surface under irradiance pi is 1.
"""

from __future__ import annotations

import math

import numpy as np

from neuromation.synthetic.compiled import compiled, inlined
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.exact import exact_acos, exact_tan
from neuromation.synthetic.render.raster_pack import Floats
from neuromation.synthetic.render.shade_grid import Grid, grid_light
from neuromation.synthetic.render.shadow import Maps, light_seen
from neuromation.synthetic.scene.model import AreaLight, Sky, Sun

Triple = tuple[float, float, float]
# A surface as light meets it: its place, the normal of its triangle and the smooth one, both towards the camera as the
# direction after them is, and its gloss: whether it mirrors at all, GGX's alpha, and its translucency.
Surface = tuple[Triple, Triple, Triple, Triple, tuple[bool, float, float]]

# Columns of a light's row: place or direction (3), colour times strength (3), half sides (3 + 3), where it shines (3),
# area of one of its patches, whether it is an area, tangent of half a sun's size, the middles of the patches (4 x 3).
_COLOUR, _U, _V, _SHINES, _PATCH_AREA, _IS_AREA, _SPREAD, _MIDDLES = 3, 6, 9, 12, 15, 16, 17, 18
LIGHT_COLUMNS = 30
_PATCHES = 4
_HALF_DEGREE = 0.008726646259971648
_STEPS = 64
_GLOSS_MIN = 0.03  # alpha of the sharpest gloss
_LOBE = 1.3  # tangent of half a gloss's lobe over alpha
_STRENGTH_MAX = 1e9
_HIGHLIGHT_MAX = 64.0


def pack_lights(lights: tuple[Sun | AreaLight, ...], sky: Sky) -> tuple[Floats, Floats]:
    """Lights (lights, LIGHT_COLUMNS) and the sky (3, 3): zenith, horizon, ground. Raises BadScene."""
    table = np.zeros((len(lights), LIGHT_COLUMNS))
    for place, light in enumerate(lights):
        row = table[place]
        strength = light.strength / math.pi if isinstance(light, Sun) else light.strength
        row[_COLOUR : _COLOUR + 3] = [channel * strength for channel in light.colour]
        if isinstance(light, Sun):
            length = math.sqrt(sum(part * part for part in light.direction))
            row[0:3] = [part / length for part in light.direction] if length > 0 else math.nan
            row[_SPREAD] = exact_tan(min(30.0, max(0.0, light.size_deg)) * _HALF_DEGREE)
        else:
            _pack_area(light, row)
        if not np.isfinite(row).all() or row[_COLOUR : _COLOUR + 3].min() < 0 or row.max() > _STRENGTH_MAX:
            raise BadScene(f"light {place} needs a direction or an area, and a strength of 0 or more: {light}")
    packed = np.array([sky.zenith, sky.horizon, sky.ground], dtype=np.float64)
    if not np.isfinite(packed).all() or packed.min() < 0:
        raise BadScene(f"a sky shines with 0 or more, not {sky}")
    return table, packed


def _pack_area(light: AreaLight, row: Floats) -> None:
    u, v = light.u, light.v
    n = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
    size = math.sqrt(sum(part * part for part in n))
    row[0:3], row[_U : _U + 3], row[_V : _V + 3] = light.position, u, v
    row[_SHINES : _SHINES + 3] = [part / size for part in n] if size > 0 else math.nan
    length_u, length_v = (math.sqrt(sum(part * part for part in side)) for side in (u, v))
    along = 1 if length_u < 0.4 * length_v else _PATCHES if length_u > 2.5 * length_v else 2
    across = _PATCHES // along
    for patch in range(_PATCHES):
        su = (2.0 * (patch // across) + 1.0) / along - 1.0
        sv = (2.0 * (patch % across) + 1.0) / across - 1.0
        for axis in range(3):
            row[_MIDDLES + 3 * patch + axis] = light.position[axis] + su * u[axis] + sv * v[axis]
    row[_PATCH_AREA] = 4.0 * size / _PATCHES
    row[_IS_AREA] = 1.0


@compiled
def _tilted_hemisphere() -> Floats:
    """Mean of max(z, 0) over the cosine lobe of a normal whose z is -1..1 in equal steps.

    The product of two clamped cosines integrates over the sphere to 2/3 (sin a + (pi - a) cos a) (Cho and Saul, 2009).
    """
    table = np.empty(_STEPS + 1)
    for step in range(_STEPS + 1):
        cosine = 2.0 * step / _STEPS - 1.0
        angle = exact_acos(cosine)
        sine = math.sqrt(max(0.0, 1.0 - cosine * cosine))
        table[step] = 2.0 / (3.0 * math.pi) * (sine + (math.pi - angle) * cosine)
    return table


TILTED = _tilted_hemisphere()


@inlined
def _tilted_at(tilted: Floats, z: float) -> float:
    place = (min(1.0, max(-1.0, z)) + 1.0) * (0.5 * _STEPS)
    low = min(int(place), _STEPS - 1)
    mean: float = tilted[low] + (tilted[low + 1] - tilted[low]) * (place - low)
    return mean


@inlined
def sky_seen(sky: Floats, channel: int, z: float) -> float:
    """The sky's radiance in a direction of unit length with this z."""
    horizon: float = sky[1, channel]
    end: float = sky[0, channel] if z >= 0.0 else sky[2, channel]
    return horizon + (end - horizon) * min(1.0, abs(z))


@inlined
def _box_share(at: float, wide: float) -> float:
    """How much of a soft lobe of half-width `wide` about `at` falls into -1..1."""
    share = min(1.0, max(0.0, 0.5 + 0.5 * (1.0 - abs(at)) / wide))
    return share * share * (3.0 - 2.0 * share) * min(1.0, 1.0 / wide)


@inlined
def _mirrored_area(lights: Floats, index: int, place: Triple, mirror: Triple, alpha: float) -> float:
    """How much of a gloss's lobe along `mirror` meets an area light, 0..1."""
    towards = -(
        mirror[0] * lights[index, _SHINES]
        + mirror[1] * lights[index, _SHINES + 1]
        + mirror[2] * lights[index, _SHINES + 2]
    )
    if towards < 1e-3:
        return 0.0
    dx, dy, dz = lights[index, 0] - place[0], lights[index, 1] - place[1], lights[index, 2] - place[2]
    distance = (
        -(dx * lights[index, _SHINES] + dy * lights[index, _SHINES + 1] + dz * lights[index, _SHINES + 2]) / towards
    )
    if distance <= 0.0:
        return 0.0
    hx, hy, hz = mirror[0] * distance - dx, mirror[1] * distance - dy, mirror[2] * distance - dz
    uu = (
        lights[index, _U] * lights[index, _U]
        + lights[index, _U + 1] * lights[index, _U + 1]
        + lights[index, _U + 2] * lights[index, _U + 2]
    )
    vv = (
        lights[index, _V] * lights[index, _V]
        + lights[index, _V + 1] * lights[index, _V + 1]
        + lights[index, _V + 2] * lights[index, _V + 2]
    )
    along_u = (hx * lights[index, _U] + hy * lights[index, _U + 1] + hz * lights[index, _U + 2]) / uu
    along_v = (hx * lights[index, _V] + hy * lights[index, _V + 1] + hz * lights[index, _V + 2]) / vv
    reach = distance * alpha * _LOBE
    return _box_share(along_u, reach / math.sqrt(uu) + 0.02) * _box_share(along_v, reach / math.sqrt(vv) + 0.02)


@inlined
def _highlight(
    normal: Triple,
    view: Triple,
    to_light: Triple,
    facing: float,
    alpha: float,
) -> float:
    """A sun's highlight per irradiance / pi, before Fresnel: GGX with Kelemen's visibility."""
    hx, hy, hz = view[0] + to_light[0], view[1] + to_light[1], view[2] + to_light[2]
    length = math.sqrt(hx * hx + hy * hy + hz * hz)
    if length < 1e-6:
        return 0.0
    nh = (normal[0] * hx + normal[1] * hy + normal[2] * hz) / length
    lh = (to_light[0] * hx + to_light[1] * hy + to_light[2] * hz) / length
    a2 = alpha * alpha
    spread = nh * nh * (a2 - 1.0) + 1.0
    # D F / (4 (l.h)^2) n.l, times pi because irradiance comes divided by it.
    return min(_HIGHLIGHT_MAX, a2 / (spread * spread) / (4.0 * max(0.05, lh * lh)) * facing)


@inlined
def _area_facing(lights: Floats, index: int, place: Triple, normal: Triple, wrap: float) -> float:
    """Form factor of an area light: its patches as discs (Wallace et al., 1989), which stay finite nearby."""
    total = 0.0
    px, py, pz = place
    nx, ny, nz = normal
    sx, sy, sz = lights[index, _SHINES], lights[index, _SHINES + 1], lights[index, _SHINES + 2]
    area = lights[index, _PATCH_AREA]
    for patch in range(_PATCHES):
        at = _MIDDLES + 3 * patch
        dx, dy, dz = lights[index, at] - px, lights[index, at + 1] - py, lights[index, at + 2] - pz
        from_light = -(dx * sx + dy * sy + dz * sz)
        square = dx * dx + dy * dy + dz * dz
        facing = dx * nx + dy * ny + dz * nz
        if wrap > 0.0:
            facing = (facing + wrap * math.sqrt(square)) / ((1.0 + wrap) * (1.0 + wrap))
        if facing > 0.0 and from_light > 0.0:
            total += facing * from_light * area / (square * (math.pi * square + area))
    return total


@inlined
def add_light(
    lights: Floats, maps: Maps, index: int, surface: Surface, grid: Grid, corners: Floats, made: Floats
) -> None:
    """Add what one light gives a surface to `made`: matt light (0..2) and mirrored light before Fresnel (3..5).

    `corners` are the places of the grid around, as `grid_around` gives them.
    """
    place, flat, normal, view, gloss = surface
    is_glossy, alpha, translucency = gloss
    wrap = 0.5 * translucency
    mirrored = 0.0
    if lights[index, _IS_AREA] == 0.0:
        to_light = (-lights[index, 0], -lights[index, 1], -lights[index, 2])
        facing = normal[0] * to_light[0] + normal[1] * to_light[1] + normal[2] * to_light[2]
        behind = translucency * max(0.0, -facing)
        matt = max(0.0, (facing + wrap) / ((1.0 + wrap) * (1.0 + wrap)))
        if is_glossy and facing > 0.0:
            mirrored = _highlight(normal, view, to_light, facing, max(alpha, lights[index, _SPREAD]))
    else:
        dx, dy, dz = lights[index, 0] - place[0], lights[index, 1] - place[1], lights[index, 2] - place[2]
        away = 1.0 / math.sqrt(max(1e-12, dx * dx + dy * dy + dz * dz))
        to_light = (dx * away, dy * away, dz * away)
        matt = _area_facing(lights, index, place, normal, wrap)
        behind = 0.0
        if translucency > 0.0:
            behind = translucency * _area_facing(lights, index, place, (-normal[0], -normal[1], -normal[2]), 0.0)
        if is_glossy:
            twice = 2.0 * (normal[0] * view[0] + normal[1] * view[1] + normal[2] * view[2])
            mirror = (twice * normal[0] - view[0], twice * normal[1] - view[1], twice * normal[2] - view[2])
            mirrored = _mirrored_area(lights, index, place, mirror, alpha)
    if matt + behind + mirrored <= 0.0:
        return
    is_behind = flat[0] * to_light[0] + flat[1] * to_light[1] + flat[2] * to_light[2] < 0.0
    if is_behind and translucency == 0.0 and lights[index, _IS_AREA] == 0.0:
        return  # the smooth normal sees the sun, the surface does not
    seen = grid_light(index, grid, corners)
    if seen < 0.0:
        seen = light_seen(maps, index, place, flat)
    for channel in range(3):
        colour = lights[index, _COLOUR + channel] * seen
        made[channel] += colour * (matt + behind)
        made[3 + channel] += colour * mirrored


@inlined
def add_sky(sky: Floats, tilted: Floats, surface: Surface, openness: float, made: Floats) -> None:
    """Add the sky's light to `made`, as `add_light` does; `openness` is the share of it that reaches the surface."""
    _, _, normal, view, gloss = surface
    is_glossy, alpha, translucency = gloss
    up, down = _tilted_at(tilted, normal[2]), _tilted_at(tilted, -normal[2])
    above, below = up + translucency * down, down + translucency * up
    for channel in range(3):
        horizon = sky[1, channel]
        light = (
            horizon * (1.0 + translucency) + (sky[0, channel] - horizon) * above + (sky[2, channel] - horizon) * below
        )
        made[channel] += openness * light
    if is_glossy:
        twice = 2.0 * (normal[0] * view[0] + normal[1] * view[1] + normal[2] * view[2])
        z = twice * normal[2] - view[2]
        wide = min(1.0, alpha)
        up, down = _tilted_at(tilted, z), _tilted_at(tilted, -z)
        for channel in range(3):
            horizon = sky[1, channel]
            soft = horizon + (sky[0, channel] - horizon) * up + (sky[2, channel] - horizon) * down
            sharp = sky_seen(sky, channel, z)
            made[3 + channel] += openness * (sharp + wide * (soft - sharp))


@inlined
def gloss_alpha(roughness: float) -> float:
    """GGX's alpha of a roughness 0..1, perceptually even."""
    return max(_GLOSS_MIN, roughness * roughness)
