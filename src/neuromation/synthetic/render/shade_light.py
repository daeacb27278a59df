"""Light on a surface: suns, rectangles and the sky, what they give a matt surface and what a glossy one mirrors.

All in linear light and in units in which a white matt surface under irradiance pi is 1.
"""

from __future__ import annotations

import math

import numpy as np

from neuromation.synthetic.compiled import inlined, kernel
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.exact import exact_tan
from neuromation.synthetic.render.raster_pack import Floats, Singles
from neuromation.synthetic.scene.model import AreaLight, Sky, Sun

# Columns of a light's row: place or direction (3), colour times strength (3), half sides (3 + 3), where it shines (3),
# area of one of its patches, whether it is an area, tangent of half a sun's size, the middles of the patches (4 x 3).
COLOUR, SIDE_U, SIDE_V, SHINES, PATCH_AREA, IS_AREA, SPREAD, MIDDLES = 3, 6, 9, 12, 15, 16, 17, 18
LIGHT_COLUMNS = 30
_PATCHES = 4
_HALF_DEGREE = 0.008726646259971648
GLOSS_MIN = 0.03  # alpha of the sharpest gloss
_STRENGTH_MAX = 1e9


def pack_lights(lights: tuple[Sun | AreaLight, ...], sky: Sky) -> tuple[Floats, Floats]:
    """Lights (lights, LIGHT_COLUMNS) and the sky (3, 3): zenith, horizon, ground. Raises BadScene."""
    table = np.zeros((len(lights), LIGHT_COLUMNS))
    for place, light in enumerate(lights):
        row = table[place]
        strength = light.strength / math.pi if isinstance(light, Sun) else light.strength
        row[COLOUR : COLOUR + 3] = [channel * strength for channel in light.colour]
        if isinstance(light, Sun):
            length = math.sqrt(sum(part * part for part in light.direction))
            row[0:3] = [part / length for part in light.direction] if length > 0 else math.nan
            row[SPREAD] = exact_tan(min(30.0, max(0.0, light.size_deg)) * _HALF_DEGREE)
        else:
            _pack_area(light, row)
        if not np.isfinite(row).all() or row[COLOUR : COLOUR + 3].min() < 0 or row.max() > _STRENGTH_MAX:
            raise BadScene(f"light {place} needs a direction or an area, and a strength of 0 or more: {light}")
    packed = np.array([sky.zenith, sky.horizon, sky.ground], dtype=np.float64)
    if not np.isfinite(packed).all() or packed.min() < 0:
        raise BadScene(f"a sky shines with 0 or more, not {sky}")
    return table, packed


def _pack_area(light: AreaLight, row: Floats) -> None:
    u, v = light.u, light.v
    n = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
    size = math.sqrt(sum(part * part for part in n))
    row[0:3], row[SIDE_U : SIDE_U + 3], row[SIDE_V : SIDE_V + 3] = light.position, u, v
    row[SHINES : SHINES + 3] = [part / size for part in n] if size > 0 else math.nan
    length_u, length_v = (math.sqrt(sum(part * part for part in side)) for side in (u, v))
    along = 1 if length_u < 0.4 * length_v else _PATCHES if length_u > 2.5 * length_v else 2
    across = _PATCHES // along
    for patch in range(_PATCHES):
        su = (2.0 * (patch // across) + 1.0) / along - 1.0
        sv = (2.0 * (patch % across) + 1.0) / across - 1.0
        for axis in range(3):
            row[MIDDLES + 3 * patch + axis] = light.position[axis] + su * u[axis] + sv * v[axis]
    row[PATCH_AREA] = 4.0 * size / _PATCHES
    row[IS_AREA] = 1.0


def lights_in_camera(lights: Floats, cam: Floats) -> Singles:
    """The same lights as a camera sees them: places and directions in its frame, float32."""
    made = np.empty(lights.shape, dtype=np.float32)
    _turn_lights(lights, cam, made)
    return made


@kernel
def _turn_lights(lights: Floats, cam: Floats, made: Singles) -> None:
    for light in range(len(lights)):
        for column in range(LIGHT_COLUMNS):
            made[light, column] = lights[light, column]
        is_area = lights[light, IS_AREA] != 0.0
        for first in (0, SIDE_U, SIDE_V, SHINES, MIDDLES, MIDDLES + 3, MIDDLES + 6, MIDDLES + 9):
            x, y, z = lights[light, first], lights[light, first + 1], lights[light, first + 2]
            if is_area and (first == 0 or first >= MIDDLES):
                x, y, z = x - cam[9], y - cam[10], z - cam[11]
            for axis in range(3):
                made[light, first + axis] = cam[3 * axis] * x + cam[3 * axis + 1] * y + cam[3 * axis + 2] * z


@inlined
def sky_seen(sky: Floats | Singles, channel: int, z: float) -> float:
    """The sky's radiance in a direction of unit length with this z."""
    horizon: float = sky[1, channel]
    end: float = sky[0, channel] if z >= 0.0 else sky[2, channel]
    return horizon + (end - horizon) * min(1.0, abs(z))


@inlined
def gloss_alpha(roughness: float) -> float:
    """GGX's alpha of a roughness 0..1, perceptually even."""
    return max(GLOSS_MIN, roughness * roughness)
