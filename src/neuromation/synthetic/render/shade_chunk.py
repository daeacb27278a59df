"""Surfaces that wait to be lit, many at a time: the same arithmetic on all of them at once.

Owns how they lie in memory: one array, in which every quantity has a stretch of CHUNK numbers at a fixed place. That tells
the compiler that writing one quantity changes no other, so that eight surfaces are lit by one instruction. All of it is
plain float32, the same on every processor. Linear light, in units in which a white matt surface under irradiance pi is 1.
"""

from __future__ import annotations

import math

import numpy as np

from neuromation.synthetic.compiled import inlined, kernel
from neuromation.synthetic.render.raster_pack import Singles
from neuromation.synthetic.render.shade_light import (
    COLOUR,
    IS_AREA,
    MIDDLES,
    PATCH_AREA,
    SHINES,
    SIDE_U,
    SIDE_V,
    SPREAD,
)

CHUNK = 128

# Where quantities begin. Of a surface: its place in the camera's frame, its normal, the direction to the camera, where
# that is mirrored to, how much the normal faces the camera, how high the normal and the mirror look in the world.
X, Y, Z, NX, NY, NZ, _VX, _VY, _VZ, _MX, _MY, _MZ, _FACING, _UP, _MIRROR_UP = (CHUNK * row for row in range(15))
# Its material: colour, mirrored share straight on, how far that grows towards the rim, GGX's alpha, whether it mirrors at
# all, whether it does nothing else, translucency and emission.
RED, GREEN, BLUE, SPECULAR, RIM, ALPHA, GLOSSY, METAL, MILKY, GLOWS = (CHUNK * row for row in range(15, 25))
# What is made of it: matt light, mirrored light before Fresnel, what it sends to the camera.
MATT_R, MATT_G, MATT_B, _MIRRORED_R, _MIRRORED_G, _MIRRORED_B, SENT_R, SENT_G, SENT_B = (
    CHUNK * row for row in range(25, 34)
)
# The share of the pixel that it fills, of the sky that it sees, of the light whose turn it is, and of every light.
SHARE, OPEN, _LIT, SEEN = 34 * CHUNK, 35 * CHUNK, 36 * CHUNK, 37 * CHUNK
QUANTITIES = 37  # and one for every light

_ZERO, _HALF, _ONE, _TWO, _THREE, _FOUR = (np.float32(number) for number in (0.0, 0.5, 1.0, 2.0, 3.0, 4.0))
_THIRD = np.float32(1.0 / 3.0)
_PI = np.float32(math.pi)
_TINY = np.float32(1e-12)
_FACING_MIN, _FACING_TO = np.float32(1e-4), np.float32(1e-3)
_LOBE = np.float32(1.3)  # tangent of half a gloss's lobe over alpha
_EDGE = np.float32(0.02)  # of a lobe's half-width, half sides of the light
_AHEAD_MIN = np.float32(1e-3)
_HIGHLIGHT_MAX = np.float32(64.0)
_GRAZING = np.float32(0.05)
# Mean of max(z, 0) over the cosine lobe of a normal whose z is -1..1. The product of two clamped cosines integrates over
# the sphere to 2/3 (sin a + (pi - a) cos a) (Cho and Saul, 2009): z / 3 and an even part, here to 5e-4.
_TILTED = tuple(np.float32(number) for number in (0.21205056, 0.1088153, -0.00102868, 0.01305576))
_TILTED_0, _TILTED_1, _TILTED_2, _TILTED_3 = _TILTED


@kernel
def light_chunk(lights: Singles, sky: Singles, up: Singles, room: Singles, is_glossy: bool, is_milky: bool) -> None:
    """Light all surfaces of a chunk.

    Args:
        lights: float32 (lights, LIGHT_COLUMNS), in the camera's frame.
        sky: float32 (3, 3): zenith, horizon, ground.
        up: float32 (3,), the world's z axis in the camera's frame.
        room: the chunk; filled in from X to NZ, from RED to GLOWS and from SHARE on.
        is_glossy, is_milky: whether any of its surfaces mirrors, or lets light through.
    """
    _turn(up, room)
    _add_sky(sky, room, is_glossy)
    for index in range(len(lights)):
        for i in range(CHUNK):
            room[_LIT + i] = room[SEEN + index * CHUNK + i]
        if lights[index, IS_AREA] == _ZERO:
            _add_sun(lights, index, room, is_glossy)
            continue
        if is_milky:
            _add_milky_area(lights, index, room)
        else:
            _add_area(lights, index, room)
        if is_glossy:
            _add_mirrored_area(lights, index, room)
    _send(room)


@inlined
def _turn(up: Singles, room: Singles) -> None:
    """Normals of unit length that face the camera, and the directions that depend on them."""
    up_x, up_y, up_z = up[0], up[1], up[2]
    for i in range(CHUNK):
        x, y, z = room[X + i], room[Y + i], room[Z + i]
        away = -_ONE / math.sqrt(x * x + y * y + z * z)
        vx, vy, vz = x * away, y * away, z * away
        nx, ny, nz = room[NX + i], room[NY + i], room[NZ + i]
        scale = _ONE / math.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx * scale, ny * scale, nz * scale
        facing = nx * vx + ny * vy + nz * vz
        # A smooth normal may turn away at the rim, where the surface does not.
        lift = _FACING_TO - facing if facing < _FACING_MIN else _ZERO
        nx, ny, nz = nx + lift * vx, ny + lift * vy, nz + lift * vz
        scale = _ONE / math.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx * scale, ny * scale, nz * scale
        facing = nx * vx + ny * vy + nz * vz
        twice = _TWO * facing
        mx, my, mz = twice * nx - vx, twice * ny - vy, twice * nz - vz
        room[NX + i], room[NY + i], room[NZ + i] = nx, ny, nz
        room[_VX + i], room[_VY + i], room[_VZ + i] = vx, vy, vz
        room[_MX + i], room[_MY + i], room[_MZ + i] = mx, my, mz
        room[_FACING + i] = facing
        room[_UP + i] = nx * up_x + ny * up_y + nz * up_z
        room[_MIRROR_UP + i] = mx * up_x + my * up_y + mz * up_z


@inlined
def _tilted(z: np.float32) -> np.float32:
    """How much of the zenith's light a matt surface gets whose normal has this z; the ground's with -z."""
    q = z * z
    even = _TILTED_0 + q * (_TILTED_1 + q * (_TILTED_2 + q * _TILTED_3))
    return max(_ZERO, even + z * _THIRD)


@inlined
def _add_sky(sky: Singles, room: Singles, is_glossy: bool) -> None:
    """The sky's light, with which the sums begin."""
    hr, hg, hb = sky[1, 0], sky[1, 1], sky[1, 2]
    zr, zg, zb = sky[0, 0] - hr, sky[0, 1] - hg, sky[0, 2] - hb
    gr, gg, gb = sky[2, 0] - hr, sky[2, 1] - hg, sky[2, 2] - hb
    for i in range(CHUNK):
        milky, is_open = room[MILKY + i], room[OPEN + i]
        above, below = _tilted(room[_UP + i]), _tilted(-room[_UP + i])
        above, below = above + milky * below, below + milky * above
        both = _ONE + milky
        room[MATT_R + i] = is_open * (hr * both + zr * above + gr * below)
        room[MATT_G + i] = is_open * (hg * both + zg * above + gg * below)
        room[MATT_B + i] = is_open * (hb * both + zb * above + gb * below)
    if not is_glossy:
        for i in range(3 * CHUNK):
            room[_MIRRORED_R + i] = _ZERO
        return
    for i in range(CHUNK):
        is_open, z = room[OPEN + i] * room[GLOSSY + i], room[_MIRROR_UP + i]
        wide = min(_ONE, room[ALPHA + i])
        # What a sharp mirror sees, and the more of the whole half-space the rougher it is.
        above = max(_ZERO, z) * (_ONE - wide) + wide * _tilted(z)
        below = max(_ZERO, -z) * (_ONE - wide) + wide * _tilted(-z)
        room[_MIRRORED_R + i] = is_open * (hr + zr * above + gr * below)
        room[_MIRRORED_G + i] = is_open * (hg + zg * above + gg * below)
        room[_MIRRORED_B + i] = is_open * (hb + zb * above + gb * below)


@inlined
def _add_sun(lights: Singles, index: int, room: Singles, is_glossy: bool) -> None:
    """What a sun gives: matt light, and a highlight by GGX with Kelemen's visibility."""
    lx, ly, lz = -lights[index, 0], -lights[index, 1], -lights[index, 2]
    red, green, blue = lights[index, COLOUR], lights[index, COLOUR + 1], lights[index, COLOUR + 2]
    spread = lights[index, SPREAD]
    for i in range(CHUNK):
        facing = room[NX + i] * lx + room[NY + i] * ly + room[NZ + i] * lz
        milky = room[MILKY + i]
        wrap = _HALF * milky
        matt = max(_ZERO, (facing + wrap) / ((_ONE + wrap) * (_ONE + wrap))) + milky * max(_ZERO, -facing)
        matt *= room[_LIT + i]
        room[MATT_R + i] += red * matt
        room[MATT_G + i] += green * matt
        room[MATT_B + i] += blue * matt
    if not is_glossy:
        return
    for i in range(CHUNK):
        nx, ny, nz = room[NX + i], room[NY + i], room[NZ + i]
        facing = max(_ZERO, nx * lx + ny * ly + nz * lz)
        hx, hy, hz = room[_VX + i] + lx, room[_VY + i] + ly, room[_VZ + i] + lz
        square = max(_TINY, hx * hx + hy * hy + hz * hz)
        nh, lh = nx * hx + ny * hy + nz * hz, lx * hx + ly * hy + lz * hz
        alpha = max(room[ALPHA + i], spread)
        a2 = alpha * alpha
        narrow = nh * nh / square * (a2 - _ONE) + _ONE
        # D F / (4 (l.h)^2) n.l, times pi because irradiance comes divided by it.
        bright = a2 / (narrow * narrow * _FOUR * max(_GRAZING, lh * lh / square)) * facing
        bright = min(_HIGHLIGHT_MAX, bright) * room[_LIT + i] * room[GLOSSY + i]
        room[_MIRRORED_R + i] += red * bright
        room[_MIRRORED_G + i] += green * bright
        room[_MIRRORED_B + i] += blue * bright


@inlined
def _disc(
    place: tuple[np.float32, np.float32, np.float32],
    normal: tuple[np.float32, np.float32, np.float32],
    light: tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32, np.float32],
) -> np.float32:
    """Form factor of a patch as a disc (Wallace et al., 1989), which stays finite nearby."""
    mx, my, mz, sx, sy, sz, area = light
    dx, dy, dz = mx - place[0], my - place[1], mz - place[2]
    from_light = -(dx * sx + dy * sy + dz * sz)
    square = dx * dx + dy * dy + dz * dz
    facing = dx * normal[0] + dy * normal[1] + dz * normal[2]
    return max(_ZERO, facing) * max(_ZERO, from_light) * area / (square * (_PI * square + area))


@inlined
def _milky_disc(
    place: tuple[np.float32, np.float32, np.float32],
    normal: tuple[np.float32, np.float32, np.float32],
    light: tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32, np.float32],
    milky: np.float32,
) -> np.float32:
    """The same of a surface that light enters, spreads in and leaves behind."""
    mx, my, mz, sx, sy, sz, area = light
    dx, dy, dz = mx - place[0], my - place[1], mz - place[2]
    from_light = -(dx * sx + dy * sy + dz * sz)
    square = dx * dx + dy * dy + dz * dz
    facing = dx * normal[0] + dy * normal[1] + dz * normal[2]
    wrap = _HALF * milky
    before = max(_ZERO, (facing + wrap * math.sqrt(square)) / ((_ONE + wrap) * (_ONE + wrap)))
    behind = milky * max(_ZERO, -facing)
    return (before + behind) * max(_ZERO, from_light) * area / (square * (_PI * square + area))


@inlined
def _patch(
    lights: Singles, index: int, patch: int
) -> tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]:
    """Middle of a patch of an area light, where it shines, and its area."""
    at = MIDDLES + 3 * patch
    return (
        lights[index, at],
        lights[index, at + 1],
        lights[index, at + 2],
        lights[index, SHINES],
        lights[index, SHINES + 1],
        lights[index, SHINES + 2],
        lights[index, PATCH_AREA],
    )


@inlined
def _add_area(lights: Singles, index: int, room: Singles) -> None:
    """The matt light that an area gives."""
    red, green, blue = lights[index, COLOUR], lights[index, COLOUR + 1], lights[index, COLOUR + 2]
    one, two = _patch(lights, index, 0), _patch(lights, index, 1)
    three, four = _patch(lights, index, 2), _patch(lights, index, 3)
    for i in range(CHUNK):
        place = (room[X + i], room[Y + i], room[Z + i])
        normal = (room[NX + i], room[NY + i], room[NZ + i])
        matt = _disc(place, normal, one) + _disc(place, normal, two)
        matt += _disc(place, normal, three) + _disc(place, normal, four)
        matt *= room[_LIT + i]
        room[MATT_R + i] += red * matt
        room[MATT_G + i] += green * matt
        room[MATT_B + i] += blue * matt


@inlined
def _add_milky_area(lights: Singles, index: int, room: Singles) -> None:
    """The matt light that an area gives where it may enter surfaces."""
    red, green, blue = lights[index, COLOUR], lights[index, COLOUR + 1], lights[index, COLOUR + 2]
    one, two = _patch(lights, index, 0), _patch(lights, index, 1)
    three, four = _patch(lights, index, 2), _patch(lights, index, 3)
    for i in range(CHUNK):
        place = (room[X + i], room[Y + i], room[Z + i])
        normal = (room[NX + i], room[NY + i], room[NZ + i])
        milky = room[MILKY + i]
        matt = _milky_disc(place, normal, one, milky) + _milky_disc(place, normal, two, milky)
        matt += _milky_disc(place, normal, three, milky) + _milky_disc(place, normal, four, milky)
        matt *= room[_LIT + i]
        room[MATT_R + i] += red * matt
        room[MATT_G + i] += green * matt
        room[MATT_B + i] += blue * matt


@inlined
def _box_share(at: np.float32, wide: np.float32) -> np.float32:
    """How much of a soft lobe of half-width `wide` about `at` falls into -1..1."""
    inverse = _ONE / wide
    share = min(_ONE, max(_ZERO, _HALF + _HALF * (_ONE - abs(at)) * inverse))
    return share * share * (_THREE - _TWO * share) * min(_ONE, inverse)


@inlined
def _add_mirrored_area(lights: Singles, index: int, room: Singles) -> None:
    """How much of every gloss's lobe along its mirrored view meets an area light."""
    red, green, blue = lights[index, COLOUR], lights[index, COLOUR + 1], lights[index, COLOUR + 2]
    cx, cy, cz = lights[index, 0], lights[index, 1], lights[index, 2]
    sx, sy, sz = lights[index, SHINES], lights[index, SHINES + 1], lights[index, SHINES + 2]
    ux, uy, uz = lights[index, SIDE_U], lights[index, SIDE_U + 1], lights[index, SIDE_U + 2]
    wx, wy, wz = lights[index, SIDE_V], lights[index, SIDE_V + 1], lights[index, SIDE_V + 2]
    uu, ww = _ONE / (ux * ux + uy * uy + uz * uz), _ONE / (wx * wx + wy * wy + wz * wz)
    ux, uy, uz, wx, wy, wz = ux * uu, uy * uu, uz * uu, wx * ww, wy * ww, wz * ww
    wide_u, wide_w = _LOBE * math.sqrt(uu), _LOBE * math.sqrt(ww)
    for i in range(CHUNK):
        mx, my, mz = room[_MX + i], room[_MY + i], room[_MZ + i]
        towards = -(mx * sx + my * sy + mz * sz)
        dx, dy, dz = cx - room[X + i], cy - room[Y + i], cz - room[Z + i]
        distance = -(dx * sx + dy * sy + dz * sz) / max(_AHEAD_MIN, towards)
        hx, hy, hz = mx * distance - dx, my * distance - dy, mz * distance - dz
        reach = distance * room[ALPHA + i]
        bright = _box_share(hx * ux + hy * uy + hz * uz, reach * wide_u + _EDGE)
        bright *= _box_share(hx * wx + hy * wy + hz * wz, reach * wide_w + _EDGE)
        is_lit = towards >= _AHEAD_MIN and distance > _ZERO
        bright = bright * room[_LIT + i] * room[GLOSSY + i] if is_lit else _ZERO
        room[_MIRRORED_R + i] += red * bright
        room[_MIRRORED_G + i] += green * bright
        room[_MIRRORED_B + i] += blue * bright


@inlined
def _send(room: Singles) -> None:
    """What every surface sends to the camera, times the share of the pixel that it fills."""
    for i in range(CHUNK):
        rim = min(_ONE, max(_ZERO, _ONE - room[_FACING + i]))
        square = rim * rim
        rim = square * square * rim * room[RIM + i]  # Schlick's, weaker on rough surfaces
        metal, share, glows = room[METAL + i], room[SHARE + i], room[GLOWS + i]
        gloss = room[SPECULAR + i]
        gloss = (gloss + (_ONE - gloss) * rim) * room[GLOSSY + i]
        matt = (_ONE - metal) * (_ONE - gloss)
        red, green, blue = room[RED + i], room[GREEN + i], room[BLUE + i]
        # What a metal mirrors has its colour; all else mirrors white.
        mirror_r = gloss + metal * (red + (_ONE - red) * rim - gloss)
        mirror_g = gloss + metal * (green + (_ONE - green) * rim - gloss)
        mirror_b = gloss + metal * (blue + (_ONE - blue) * rim - gloss)
        room[SENT_R + i] = share * (red * (matt * room[MATT_R + i] + glows) + mirror_r * room[_MIRRORED_R + i])
        room[SENT_G + i] = share * (green * (matt * room[MATT_G + i] + glows) + mirror_g * room[_MIRRORED_G + i])
        room[SENT_B + i] = share * (blue * (matt * room[MATT_B + i] + glows) + mirror_b * room[_MIRRORED_B + i])
