"""Paths of light through a scene, a few a pixel: the arithmetic of the photoreal renderer.

Owns sampling, surfaces and lights. Every lamp is asked at every bounce; the sky, emission and other surfaces are met by
the paths themselves. Repeatable on one kind of processor, not to the bit on all: Embree rounds as it likes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.render.embree import (
    DIRECTION,
    FAR,
    GEOMETRIC_NORMAL,
    GEOMETRY,
    MASK,
    NEAR,
    NO_HIT,
    ORIGIN,
    TRIANGLE,
    U,
    V,
    call_embree,
)
from neuromation.synthetic.render.raster_pack import (
    BLUE,
    COAT,
    CUTOUT,
    EMISSION,
    GREEN,
    KIND,
    METAL,
    RED,
    ROUGHNESS,
    SPECULAR,
    TEXTURE,
    TRANSLUCENCY,
    TRANSLUCENT,
    TWO_SIDED,
)
from neuromation.synthetic.render.shade_light import gloss_alpha, sky_seen
from neuromation.synthetic.render.shade_textures import is_hole, sampled

Floats = NDArray[np.float64]
Three = tuple[float, float, float]
# (handles, ray, ray_bits) of a RayScene.
Rays = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint32]]
# vertices, triangles, owner, material, source, normals, uvs, turns, materials, texels, rows, linear, spreads.
Surfaces = Any
# rays, surfaces, lights, sky.
World = tuple[Rays, Surfaces, Floats, Floats]

# Columns of the table of lights; a sun has only a direction, a colour and the tangent of half its size.
IS_SUN, PLACE, SIDE_U, SIDE_V, NORMAL, AREA, LIGHT, HALF_SIZE = 0, 1, 4, 7, 10, 13, 14, 17
LIGHT_COLUMNS = 18
# Entries of the array of camera and sky.
CAM_ROTATION, CAM_POSITION, CAM_FOCAL, CAM_CX, CAM_CY, CAM_K1, CAM_K2, CAM_LENS_M, CAM_FOCUS_M = (
    0,
    9,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
)
CAM_ENTRIES = 19

_BOUNCE_LIGHT_MAX = 8.0  # of one path behind its first surface: more shows as single bright pixels
_SKIN_M = 2e-5  # rays start so far off a surface, and this share of their length
_HOLES_MAX = 16  # of one ray
_UNDISTORTION_STEPS = 6
_GOLDEN = 0.6180339887498949
# Steps of a sequence that fills the square evenly, from the root of x^3 = x + 1.
_PLASTIC_1, _PLASTIC_2 = 0.7548776662466927, 0.5698402909980532


@compiled
def _hashed(value: int) -> int:
    """32 well-mixed bits of 32 bits (PCG, Jarzynski and Olano, "Hash functions for GPU rendering", 2020)."""
    state = (value * 747796405 + 2891336453) & 0xFFFFFFFF
    word = (((state >> ((state >> 28) + 4)) ^ state) * 277803737) & 0xFFFFFFFF
    return (word >> 22) ^ word


@compiled
def _pair(pixel: int, dimension: int, sample: int) -> tuple[float, float]:
    """Two numbers of 0..1: the samples of a pixel fill the square evenly, every pixel and dimension with its own shift."""
    one = _hashed(pixel ^ _hashed(dimension))
    two = _hashed(one + 1)
    a = one / 4294967296.0 + sample * _PLASTIC_1
    b = two / 4294967296.0 + sample * _PLASTIC_2
    return a - math.floor(a), b - math.floor(b)


@compiled
def _dot(a: Three, b: Three) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def _unit(a: Three) -> Three:
    length = math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])
    scale = 1.0 / length if length > 0.0 else 0.0
    return a[0] * scale, a[1] * scale, a[2] * scale


@compiled
def _around(n: Three, x: float, y: float, z: float) -> Three:
    """A vector given in a frame whose z is `n` (Duff et al., "Building an orthonormal basis, revisited", 2017)."""
    sign = 1.0 if n[2] >= 0.0 else -1.0
    a = -1.0 / (sign + n[2])
    b = n[0] * n[1] * a
    return (
        x * (1.0 + sign * n[0] * n[0] * a) + y * b + z * n[0],
        x * sign * b + y * (sign + n[1] * n[1] * a) + z * n[1],
        -x * sign * n[0] - y * n[1] + z * n[2],
    )


@compiled
def _aim(rays: Rays, origin: Three, direction: Three, near: float, far: float) -> None:
    _, ray, bits = rays
    for axis in range(3):
        ray[ORIGIN + axis] = origin[axis]
        ray[DIRECTION + axis] = direction[axis]
    ray[NEAR], ray[FAR] = near, far
    ray[7] = 0.0  # time
    bits[MASK] = NO_HIT
    bits[10], bits[11] = 0, 0  # number and flags
    bits[GEOMETRY] = NO_HIT


@compiled
def _is_lit(rays: Rays, origin: Three, direction: Three, far: float) -> bool:
    """Whether nothing stands between `origin` and `far` along a direction."""
    handles, ray, _ = rays
    _aim(rays, origin, direction, 0.0, far)
    call_embree(handles[1], handles[2], handles[3])
    return bool(ray[FAR] >= 0.0)


@compiled
def _hit(rays: Rays, surfaces: Surfaces, origin: Three, direction: Three, is_first: bool) -> int:
    """The triangle that a ray meets, or -1; holes of textures let it pass, and so do backs that a camera does not see."""
    handles, ray, bits = rays
    _, _, _, material, source, _, uvs, _, materials, texels, rows, _, _ = surfaces
    near = 0.0
    for _ in range(_HOLES_MAX):
        _aim(rays, origin, direction, near, 1e30)
        call_embree(handles[0], handles[2], handles[3])
        if bits[GEOMETRY] == NO_HIT:
            return -1
        triangle = np.int64(bits[TRIANGLE])
        row = material[triangle]
        passes = False
        if is_first and materials[row, TWO_SIDED] == 0.0:
            normal = ray[GEOMETRIC_NORMAL : GEOMETRIC_NORMAL + 3]
            passes = normal[0] * direction[0] + normal[1] * direction[1] + normal[2] * direction[2] > 0.0
        if not passes and materials[row, CUTOUT] != 0.0:
            b, c = float(ray[U]), float(ray[V])
            corners = uvs[source[triangle]]
            u = (1.0 - b - c) * corners[0, 0] + b * corners[1, 0] + c * corners[2, 0]
            v = (1.0 - b - c) * corners[0, 1] + b * corners[1, 1] + c * corners[2, 1]
            passes = is_hole(texels, rows, int(materials[row, TEXTURE]), u, v)
        if not passes:
            return int(triangle)
        near = float(ray[FAR]) * (1.0 + 1e-5) + _SKIN_M
    return -1


@compiled
def _surface(
    rays: Rays, surfaces: Surfaces, triangle: int, direction: Three, width_m: float
) -> tuple[Three, Three, Three, Three]:
    """What lies under the last hit: its place, its geometric and shading normals towards the ray, and its colour.

    `width_m`: how wide a pixel is there, for the texture's filter.
    """
    _, ray, _ = rays
    vertices, triangles, owner, material, source, normals, uvs, turns, materials, texels, rows, linear, spreads = (
        surfaces
    )
    b, c = float(ray[U]), float(ray[V])
    a = 1.0 - b - c
    p, q, r = vertices[triangles[triangle, 0]], vertices[triangles[triangle, 1]], vertices[triangles[triangle, 2]]
    place = (a * p[0] + b * q[0] + c * r[0], a * p[1] + b * q[1] + c * r[1], a * p[2] + b * q[2] + c * r[2])
    e, f = (q[0] - p[0], q[1] - p[1], q[2] - p[2]), (r[0] - p[0], r[1] - p[1], r[2] - p[2])
    flat = _unit((e[1] * f[2] - e[2] * f[1], e[2] * f[0] - e[0] * f[2], e[0] * f[1] - e[1] * f[0]))
    corners, turn = normals[source[triangle]], turns[owner[triangle]]
    x = a * corners[0, 0] + b * corners[1, 0] + c * corners[2, 0]
    y = a * corners[0, 1] + b * corners[1, 1] + c * corners[2, 1]
    z = a * corners[0, 2] + b * corners[1, 2] + c * corners[2, 2]
    smooth = _unit(
        (
            turn[0] * x + turn[1] * y + turn[2] * z,
            turn[3] * x + turn[4] * y + turn[5] * z,
            turn[6] * x + turn[7] * y + turn[8] * z,
        )
    )
    if _dot(smooth, flat) < 0.0:  # a mirrored or careless mesh
        smooth = (-smooth[0], -smooth[1], -smooth[2])
    if _dot(flat, direction) > 0.0:
        flat, smooth = (-flat[0], -flat[1], -flat[2]), (-smooth[0], -smooth[1], -smooth[2])
    if _dot(smooth, direction) > -0.02:  # seen from behind its own smoothness: as flat as it is
        smooth = flat
    row = material[triangle]
    colour = (materials[row, RED], materials[row, GREEN], materials[row, BLUE])
    texture = int(materials[row, TEXTURE])
    if texture >= 0:
        uv = uvs[source[triangle]]
        u = a * uv[0, 0] + b * uv[1, 0] + c * uv[2, 0]
        v = a * uv[0, 1] + b * uv[1, 1] + c * uv[2, 1]
        wide = width_m * spreads[triangle]
        zero, side = np.float32(0.0), np.float32(wide)
        red, green, blue = sampled(
            texels, linear, rows, texture, np.float32(u), np.float32(v), (side, zero, zero, side)
        )
        colour = (colour[0] * red, colour[1] * green, colour[2] * blue)
    return place, flat, smooth, colour


@compiled
def _gloss(n: Three, out: Three, to: Three, alpha: float) -> tuple[float, float]:
    """GGX distribution times shadowing over 4 cos cos (Walter et al., 2007), and the cosine for Fresnel's factor."""
    half = _unit((out[0] + to[0], out[1] + to[1], out[2] + to[2]))
    n_half, n_out, n_to = max(_dot(n, half), 0.0), max(_dot(n, out), 1e-4), max(_dot(n, to), 1e-4)
    square = alpha * alpha
    bottom = n_half * n_half * (square - 1.0) + 1.0
    spread = square / (math.pi * bottom * bottom)
    shadow_out = n_to * math.sqrt(n_out * n_out * (1.0 - square) + square)
    shadow_to = n_out * math.sqrt(n_to * n_to * (1.0 - square) + square)
    return spread * 0.5 / (shadow_out + shadow_to), max(_dot(out, half), 0.0)


@compiled
def _schlick(cosine: float) -> float:
    """The part of Fresnel's factor that grows towards grazing angles."""
    rest = 1.0 - min(cosine, 1.0)
    return rest * rest * rest * rest * rest


@compiled
def _answer(row: Floats, colour: Three, n: Three, out: Three, to: Three) -> Three:
    """How a surface sends light from `to` to `out`: its BRDF times the cosine of `to`."""
    cosine = _dot(n, to)
    kind = int(row[KIND])
    if cosine <= 0.0:
        share = -cosine * row[TRANSLUCENCY] / math.pi if kind == TRANSLUCENT else 0.0
        return colour[0] * share, colour[1] * share, colour[2] * share
    alpha = gloss_alpha(row[ROUGHNESS])
    if kind == METAL:
        gloss, half = _gloss(n, out, to, alpha)
        rise = _schlick(half)
        gloss *= cosine
        return (
            gloss * (colour[0] + (1.0 - colour[0]) * rise),
            gloss * (colour[1] + (1.0 - colour[1]) * rise),
            gloss * (colour[2] + (1.0 - colour[2]) * rise),
        )
    share, glint = cosine / math.pi, 0.0
    if kind == COAT:
        gloss, half = _gloss(n, out, to, alpha)
        fresnel = row[SPECULAR] + (1.0 - row[SPECULAR]) * _schlick(half)
        glint = gloss * fresnel * cosine
        share *= 1.0 - fresnel
    elif kind == TRANSLUCENT:
        share *= 1.0 - row[TRANSLUCENCY]
    return colour[0] * share + glint, colour[1] * share + glint, colour[2] * share + glint


@compiled
def _from_lamps(
    rays: Rays, lights: Floats, row: Floats, seen: tuple[Three, Three, Three, Three, Three], draw: tuple[int, int, int]
) -> Three:
    """Light of all lamps that a surface sends on; `seen` is its place, normals, way out and colour."""
    place, flat, n, out, colour = seen
    red = green = blue = 0.0
    for lamp in range(len(lights)):
        u, v = _pair(draw[0], draw[1] + 7 * lamp, draw[2])
        light = lights[lamp]
        if light[IS_SUN] != 0.0:
            radius, angle = light[HALF_SIZE] * math.sqrt(u), 2.0 * math.pi * v
            back = (-light[NORMAL], -light[NORMAL + 1], -light[NORMAL + 2])
            to = _unit(_around(back, radius * math.cos(angle), radius * math.sin(angle), 1.0))
            far, strength = 1e30, 1.0
        else:
            s, t = 2.0 * u - 1.0, 2.0 * v - 1.0
            way = (
                light[PLACE] + s * light[SIDE_U] + t * light[SIDE_V] - place[0],
                light[PLACE + 1] + s * light[SIDE_U + 1] + t * light[SIDE_V + 1] - place[1],
                light[PLACE + 2] + s * light[SIDE_U + 2] + t * light[SIDE_V + 2] - place[2],
            )
            square = max(_dot(way, way), 1e-6)
            far = math.sqrt(square)
            to = (way[0] / far, way[1] / far, way[2] / far)
            facing = -(to[0] * light[NORMAL] + to[1] * light[NORMAL + 1] + to[2] * light[NORMAL + 2])
            strength = max(facing, 0.0) * light[AREA] / square
            far *= 1.0 - 1e-4
        side = _dot(flat, to)
        if strength <= 0.0 or (side <= 0.0 and int(row[KIND]) != TRANSLUCENT):
            continue
        share = _answer(row, colour, n, out, to)
        if not _is_lit(rays, _off(place, flat, side, 1.0), to, far):
            continue
        red += share[0] * strength * light[LIGHT]
        green += share[1] * strength * light[LIGHT + 1]
        blue += share[2] * strength * light[LIGHT + 2]
    return red, green, blue


@compiled
def _off(place: Three, flat: Three, side: float, length: float) -> Three:
    """A place a little off its surface, on the side of a ray that leaves it."""
    shift = (_SKIN_M + 1e-5 * length) * (1.0 if side >= 0.0 else -1.0)
    return place[0] + shift * flat[0], place[1] + shift * flat[1], place[2] + shift * flat[2]


@compiled
def _onward(
    row: Floats, colour: Three, n: Three, out: Three, draw: tuple[float, float], pick: float
) -> tuple[Three, Three]:
    """Where a path goes on from a surface, and by what its light is multiplied; a zero vector where it ends."""
    kind = int(row[KIND])
    gloss_share, fresnel = (1.0 if kind == METAL else 0.0), 0.0
    if kind == COAT:
        fresnel = row[SPECULAR] + (1.0 - row[SPECULAR]) * _schlick(_dot(n, out))
        gloss_share = min(max(fresnel, 0.15), 0.9)
    if pick < gloss_share:
        alpha = gloss_alpha(row[ROUGHNESS])
        # A normal of the GGX distribution: the tangent squared of its angle is alpha^2 u / (1 - u).
        tangent = alpha * math.sqrt(draw[0] / max(1.0 - draw[0], 1e-6))
        angle = 2.0 * math.pi * draw[1]
        half = _unit(_around(n, tangent * math.cos(angle), tangent * math.sin(angle), 1.0))
        cosine = _dot(out, half)
        to = (2.0 * cosine * half[0] - out[0], 2.0 * cosine * half[1] - out[1], 2.0 * cosine * half[2] - out[2])
        if cosine <= 0.0 or _dot(n, to) <= 0.0:
            return (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
        gloss, _ = _gloss(n, out, to, alpha)
        n_half = max(_dot(n, half), 1e-4)
        square = alpha * alpha
        bottom = n_half * n_half * (square - 1.0) + 1.0
        density = square / (math.pi * bottom * bottom) * n_half / (4.0 * cosine)
        weight = min(gloss * _dot(n, to) / density, 4.0) / gloss_share
        rise = _schlick(cosine)
        if kind == METAL:
            return to, (
                weight * (colour[0] + (1.0 - colour[0]) * rise),
                weight * (colour[1] + (1.0 - colour[1]) * rise),
                weight * (colour[2] + (1.0 - colour[2]) * rise),
            )
        weight *= row[SPECULAR] + (1.0 - row[SPECULAR]) * rise
        return to, (weight, weight, weight)
    radius, angle = math.sqrt(draw[0]), 2.0 * math.pi * draw[1]
    x, y, z = radius * math.cos(angle), radius * math.sin(angle), math.sqrt(max(0.0, 1.0 - draw[0]))
    scale = 1.0
    if kind == COAT:
        scale = (1.0 - fresnel) / (1.0 - gloss_share)
    elif kind == TRANSLUCENT and (pick - gloss_share) < row[TRANSLUCENCY]:
        z = -z  # chosen as often as it is strong, so that nothing is multiplied
    return _around(n, x, y, z), (scale * colour[0], scale * colour[1], scale * colour[2])


@compiled
def _path(
    world: World, origin: Three, direction: Three, pixel_width: float, bounces: int, draw: tuple[int, int], aux: Floats
) -> Three:
    """Light along one path; `aux` gets colour and normal of the first surface added, for the denoiser."""
    rays, surfaces, lights, sky = world
    material, materials = surfaces[3], surfaces[8]
    red = green = blue = 0.0
    carry = (1.0, 1.0, 1.0)
    width_m, length = pixel_width, 0.0
    for bounce in range(bounces + 1):
        triangle = _hit(rays, surfaces, origin, direction, bounce == 0)
        if triangle < 0:
            z = direction[2]
            above = (sky_seen(sky, 0, z), sky_seen(sky, 1, z), sky_seen(sky, 2, z))
            found = above
            if bounce == 0:
                for channel in range(3):
                    aux[channel] += min(above[channel], 1.0)
        else:
            length = float(rays[1][FAR])
            width_m = pixel_width * length if bounce == 0 else width_m + 0.1 * length
            place, flat, n, colour = _surface(rays, surfaces, triangle, direction, width_m)
            row = materials[material[triangle]]
            out = (-direction[0], -direction[1], -direction[2])
            if bounce == 0:
                for channel in range(3):
                    aux[channel] += colour[channel]
                    aux[3 + channel] += n[channel]
            draws = (draw[0], 100 + 64 * bounce, draw[1])
            found = _from_lamps(rays, lights, row, (place, flat, n, out, colour), draws)
            glow = row[EMISSION]
            found = (found[0] + glow * colour[0], found[1] + glow * colour[1], found[2] + glow * colour[2])
        most = _BOUNCE_LIGHT_MAX if bounce > 0 else 1e6
        red += min(carry[0] * found[0], most)
        green += min(carry[1] * found[1], most)
        blue += min(carry[2] * found[2], most)
        if triangle < 0 or bounce == bounces:
            break
        pick, _ = _pair(draw[0], 50 + bounce, draw[1])
        to, weight = _onward(row, colour, n, out, _pair(draw[0], 20 + bounce, draw[1]), pick)
        side = _dot(flat, to)
        carry = (carry[0] * weight[0], carry[1] * weight[1], carry[2] * weight[2])
        if max(carry[0], carry[1], carry[2]) < 1e-4 or (side <= 0.0 and int(row[KIND]) != TRANSLUCENT):
            break
        origin, direction = _off(place, flat, side, length), to
    return red, green, blue


@compiled
def _looked(camera: Floats, x: float, y: float, lens: tuple[float, float]) -> tuple[Three, Three]:
    """The ray of a place on the picture, through a point of the lens."""
    u, v = (x - camera[CAM_CX]) / camera[CAM_FOCAL], (y - camera[CAM_CY]) / camera[CAM_FOCAL]
    distorted = u * u + v * v
    square = distorted
    for _ in range(_UNDISTORTION_STEPS if camera[CAM_K1] != 0.0 or camera[CAM_K2] != 0.0 else 0):
        factor = 1.0 + square * (camera[CAM_K1] + camera[CAM_K2] * square)
        square = distorted / (factor * factor)
    factor = 1.0 + square * (camera[CAM_K1] + camera[CAM_K2] * square)
    u, v = u / factor, v / factor
    radius, angle = 0.5 * camera[CAM_LENS_M] * math.sqrt(lens[0]), 2.0 * math.pi * lens[1]
    a, b = radius * math.cos(angle), radius * math.sin(angle)
    focus = camera[CAM_FOCUS_M]
    way = (u * focus - a, v * focus - b, focus)  # from the lens's point to where this pixel is sharp
    r = camera[CAM_ROTATION : CAM_ROTATION + 9]
    direction = _unit(
        (
            r[0] * way[0] + r[3] * way[1] + r[6] * way[2],
            r[1] * way[0] + r[4] * way[1] + r[7] * way[2],
            r[2] * way[0] + r[5] * way[1] + r[8] * way[2],
        )
    )
    origin = (
        camera[CAM_POSITION] + r[0] * a + r[3] * b,
        camera[CAM_POSITION + 1] + r[1] * a + r[4] * b,
        camera[CAM_POSITION + 2] + r[2] * a + r[5] * b,
    )
    return origin, direction


@compiled
def trace(
    world: World, camera: Floats, size: tuple[int, int], side: int, bounces: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Light, colour and normal of every pixel, float32 (height, width, 3) each, from `side` x `side` paths a pixel."""
    width, height = size
    light = np.empty((height, width, 3), np.float32)
    albedo = np.empty((height, width, 3), np.float32)
    normal = np.empty((height, width, 3), np.float32)
    aux = np.empty(6)
    count = side * side
    pixel_width = 1.0 / (camera[CAM_FOCAL] * side)
    for y in range(height):
        for x in range(width):
            pixel = _hashed((y * width + x) ^ _hashed(seed))
            red = green = blue = 0.0
            aux[:] = 0.0
            for sample in range(count):
                u, v = _pair(pixel, 1, sample)
                px, py = x + (sample % side + u) / side, y + (sample // side + v) / side
                origin, direction = _looked(camera, px, py, _pair(pixel, 2, sample))
                found = _path(world, origin, direction, pixel_width, bounces, (pixel, sample), aux)
                red, green, blue = red + found[0], green + found[1], blue + found[2]
            light[y, x, 0], light[y, x, 1], light[y, x, 2] = red / count, green / count, blue / count
            for channel in range(3):
                albedo[y, x, channel] = aux[channel] / count
                normal[y, x, channel] = aux[3 + channel] / count
    return light, albedo, normal
