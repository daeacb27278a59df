"""From visible triangles to light: the surface under every sample, its texture, and what reaches the camera.

A pixel is shaded once for every different surface that its samples see, so that smooth edges cost little more than hard
ones. What labels tell (normals, illumination) is of the sample in the pixel's middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.render.raster import Visibility
from neuromation.synthetic.render.raster_lens import FIXED, Lens
from neuromation.synthetic.render.raster_pack import (
    BLUE,
    CAM_CX,
    CAM_CY,
    CAM_FOCAL,
    COAT,
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
    Floats,
    Ints,
    PackedScene,
    Singles,
)
from neuromation.synthetic.render.shade_light import TILTED, Maps, add_light, add_sky, gloss_alpha, sky_seen
from neuromation.synthetic.render.shade_sky import GRID_PX
from neuromation.synthetic.render.shade_textures import LINEAR, TextureTable, sampled
from neuromation.synthetic.render.shadow import ShadowMaps

_SAME_FACING = 0.9  # cosine between two triangles that are one surface
_SAME_PLANE = 0.01  # the same, for light that changes slowly
_SAME_DEPTH = 0.002  # relative distance from a triangle's plane that is still the same surface

# Places in the array that describes one surface: place (3), flat normal (3), normal (3), towards the camera (3), texture
# coordinates (2), and their change to the next pixel right and down (4).
_FLAT, _NORMAL, _VIEW, _UV, _FOOT = 3, 6, 9, 12, 14
_SURFACE = 18

_Geometry = tuple[Floats, Ints, Ints, Ints, Ints, Singles, Singles, Floats]
_Skin = tuple[Floats, NDArray[np.uint8], NDArray[np.int64], Singles]
_Lighting = tuple[Floats, Floats, Floats, Maps]
_Opened = tuple[Singles, Singles, int, int, int]
_View = tuple[Floats, bool, NDArray[np.int32], int, int, NDArray[np.int64]]


@dataclass(frozen=True)
class Window:
    """What part of a picture is drawn, and how finely.

    Attributes:
        cam, lens: the packed camera and its lens, counted from the window's own corner.
        width, height: of the window, pixels.
        offsets: int64 (samples, 2), where in a pixel samples lie, 1/256 pixels from its centre.
        coarser: how many pixels a side share a pixel of the labels.
        first_row: of the picture that this window belongs to, pixels.
    """

    cam: Floats
    lens: Lens
    width: int
    height: int
    offsets: NDArray[np.int64]
    coarser: int = 1
    first_row: int = 0


@dataclass(frozen=True)
class Lighting:
    """What lights a scene.

    Attributes:
        lights, sky, maps: packed lights, the sky's radiances, what the lights see.
        openness: float32 (rows, columns), what share of the sky every second pixel of the labels' picture sees.
        places: float32 (rows * columns, 3), where those pixels' surfaces are in the camera's frame.
    """

    lights: Floats
    sky: Floats
    maps: ShadowMaps
    openness: Singles
    places: Singles


@dataclass(frozen=True)
class Shaded:
    """What shading gives; the last two only of the samples in the middle of the pixels.

    Attributes:
        light: float32 (height * width, 3), linear.
        normals: float32 (height * width, 3), camera frame, towards the camera; zeros for nothing.
        illumination: float32 (height * width,), mean irradiance / pi.
    """

    light: Singles
    normals: Singles
    illumination: Singles


def shade(
    scene: PackedScene,
    textures: TextureTable,
    window: Window,
    visible: Visibility,
    lighting: Lighting,
    into: Shaded,
) -> None:
    """Shade what a window of a picture sees."""
    maps = lighting.maps
    _shade(
        (
            scene.vertices,
            scene.triangles,
            scene.owner,
            scene.material,
            scene.source,
            scene.normals,
            scene.uvs,
            scene.turns,
        ),
        (scene.materials, textures.texels, textures.rows, LINEAR),
        (lighting.lights, lighting.sky, TILTED, (maps.depths, maps.lowest, maps.highest, maps.frames, maps.layout)),
        (lighting.openness, lighting.places, window.coarser, window.first_row, GRID_PX),
        (window.cam, window.lens.bends, window.lens.centres, window.width, window.height, window.offsets),
        (visible.seen, visible.nearness, visible.planes),
        (into.light, into.normals, into.illumination),
    )


@compiled
def _shade(
    geometry: _Geometry,
    skin: _Skin,
    lighting: _Lighting,
    opened: _Opened,
    view: _View,
    visible: tuple[Ints, Singles, Floats],
    into: tuple[Singles, Singles, Singles],
) -> None:
    seen = visible[0]
    cam, _, _, width, height, offsets = view
    light, normals, illumination = into
    surface, made, colour = np.empty(_SURFACE), np.empty(6), np.empty(3)
    count = len(offsets)
    share = 1.0 / count
    for at in range(width * height):
        red = green = blue = 0.0
        done = 0
        normals[at, 0] = normals[at, 1] = normals[at, 2] = illumination[at] = np.float32(0.0)
        for s in range(count):
            if done & (1 << s):
                continue
            x, y = _ray(at, s, view)
            t = seen[at, s]
            if t < 0:
                z = _sky_height(cam, x, y)
                for channel in range(3):
                    colour[channel] = sky_seen(lighting[1], channel, z)
                weight = share
            else:
                _describe(t, x, y, geometry, cam, visible[2], surface)
                group = _together(at, s, done, geometry, view, visible)
                done |= group
                weight = share * _bits(group)
                open_sky = _openness(at, visible[2][t], width, opened)
                _light(surface, skin[0][geometry[3][t]], lighting, open_sky, made)
                _finish(surface, skin, geometry[3][t], made, colour)
                if s == 0:
                    nx, ny, nz = surface[_NORMAL], surface[_NORMAL + 1], surface[_NORMAL + 2]
                    normals[at, 0] = np.float32(cam[0] * nx + cam[1] * ny + cam[2] * nz)
                    normals[at, 1] = np.float32(cam[3] * nx + cam[4] * ny + cam[5] * nz)
                    normals[at, 2] = np.float32(cam[6] * nx + cam[7] * ny + cam[8] * nz)
                    illumination[at] = np.float32((made[0] + made[1] + made[2]) / 3.0)
            red += weight * colour[0]
            green += weight * colour[1]
            blue += weight * colour[2]
        light[at, 0], light[at, 1], light[at, 2] = np.float32(red), np.float32(green), np.float32(blue)


@compiled
def _bits(mask: int) -> int:
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count


@compiled
def _ray(at: int, s: int, view: _View) -> tuple[float, float]:
    """Where a sample looks: the ray (x, y, 1) in the camera's frame."""
    cam, bends, centres, width, _, offsets = view
    if bends:
        px, py = float(centres[at, 0]) / FIXED, float(centres[at, 1]) / FIXED
    else:
        px, py = at % width + 0.5, at // width + 0.5
    px, py = px + offsets[s, 0] / FIXED, py + offsets[s, 1] / FIXED
    return (px - cam[CAM_CX]) / cam[CAM_FOCAL], (py - cam[CAM_CY]) / cam[CAM_FOCAL]


@compiled
def _sky_height(cam: Floats, x: float, y: float) -> float:
    return (cam[2] * x + cam[5] * y + cam[8]) / math.sqrt(x * x + y * y + 1.0)


@compiled
def _together(
    at: int, s: int, done: int, geometry: _Geometry, view: _View, visible: tuple[Ints, Singles, Floats]
) -> int:
    """Which of a pixel's samples see the same surface as sample `s`, as bits: they are shaded as one."""
    seen, nearness, planes = visible
    owner, material = geometry[2], geometry[3]
    t = seen[at, s]
    group = 1 << s
    nx, ny, nz = 0.0, 0.0, 0.0
    for other in range(s + 1, len(view[5])):
        u = seen[at, other]
        if u == t:
            group |= 1 << other
            continue
        if u < 0 or done & (1 << other) or owner[u] != owner[t] or material[u] != material[t]:
            continue
        nx, ny, nz = (
            planes[t, 0] + planes[t, 3] + planes[t, 6],
            planes[t, 1] + planes[t, 4] + planes[t, 7],
            planes[t, 2] + planes[t, 5] + planes[t, 8],
        )
        ox, oy, oz = (
            planes[u, 0] + planes[u, 3] + planes[u, 6],
            planes[u, 1] + planes[u, 4] + planes[u, 7],
            planes[u, 2] + planes[u, 5] + planes[u, 8],
        )
        dot = nx * ox + ny * oy + nz * oz
        if dot <= 0.0:
            continue
        if dot * dot < _SAME_FACING * _SAME_FACING * (nx * nx + ny * ny + nz * nz) * (ox * ox + oy * oy + oz * oz):
            continue
        x, y = _ray(at, other, view)
        near = nx * x + ny * y + nz
        if abs(near - nearness[at, other]) <= _SAME_DEPTH * near:
            group |= 1 << other
    return group


@compiled
def _describe(t: int, x: float, y: float, geometry: _Geometry, cam: Floats, planes: Floats, surface: Floats) -> None:
    """Fill in the surface that the ray (x, y, 1) meets on triangle `t`."""
    _, _, owner, _, source, normals, uvs, turns = geometry
    plane = planes[t]
    w0 = plane[0] * x + plane[1] * y + plane[2]
    w1 = plane[3] * x + plane[4] * y + plane[5]
    w2 = plane[6] * x + plane[7] * y + plane[8]
    # The sample may lie a hair beside the triangle, whose corners were rounded.
    a, b, c = max(0.0, w0), max(0.0, w1), max(0.0, w2)
    whole = max(1e-30, a + b + c)
    depth = 1.0 / max(1e-30, w0 + w1 + w2)
    a, b, c = a / whole, b / whole, c / whole
    px, py, pz = x * depth, y * depth, depth
    surface[0] = cam[9] + cam[0] * px + cam[3] * py + cam[6] * pz
    surface[1] = cam[10] + cam[1] * px + cam[4] * py + cam[7] * pz
    surface[2] = cam[11] + cam[2] * px + cam[5] * py + cam[8] * pz
    away = -1.0 / math.sqrt(x * x + y * y + 1.0)
    vx, vy, vz = cam[0] * x + cam[3] * y + cam[6], cam[1] * x + cam[4] * y + cam[7], cam[2] * x + cam[5] * y + cam[8]
    vx, vy, vz = vx * away, vy * away, vz * away
    surface[_VIEW], surface[_VIEW + 1], surface[_VIEW + 2] = vx, vy, vz

    # The sum of the plane's rows is its normal, away from the camera.
    fx, fy, fz = plane[0] + plane[3] + plane[6], plane[1] + plane[4] + plane[7], plane[2] + plane[5] + plane[8]
    scale = -1.0 / math.sqrt(fx * fx + fy * fy + fz * fz)
    fx, fy, fz = fx * scale, fy * scale, fz * scale
    gx, gy, gz = (
        cam[0] * fx + cam[3] * fy + cam[6] * fz,
        cam[1] * fx + cam[4] * fy + cam[7] * fz,
        cam[2] * fx + cam[5] * fy + cam[8] * fz,
    )
    surface[_FLAT], surface[_FLAT + 1], surface[_FLAT + 2] = gx, gy, gz

    at = source[t]
    corner, turn = normals[at], turns[owner[t]]
    mx = a * corner[0, 0] + b * corner[1, 0] + c * corner[2, 0]
    my = a * corner[0, 1] + b * corner[1, 1] + c * corner[2, 1]
    mz = a * corner[0, 2] + b * corner[1, 2] + c * corner[2, 2]
    nx = turn[0] * mx + turn[1] * my + turn[2] * mz
    ny = turn[3] * mx + turn[4] * my + turn[5] * mz
    nz = turn[6] * mx + turn[7] * my + turn[8] * mz
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    if length < 1e-12:
        nx, ny, nz, length = gx, gy, gz, 1.0
    if nx * gx + ny * gy + nz * gz < 0.0:  # seen from behind
        length = -length
    nx, ny, nz = nx / length, ny / length, nz / length
    facing = nx * vx + ny * vy + nz * vz
    if facing < 1e-4:  # a smooth normal may turn away at the rim, where the surface does not
        lift = 1e-3 - facing
        nx, ny, nz = nx + lift * vx, ny + lift * vy, nz + lift * vz
        length = math.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx / length, ny / length, nz / length
    surface[_NORMAL], surface[_NORMAL + 1], surface[_NORMAL + 2] = nx, ny, nz
    _texture_place(plane, (w0, w1, w2), (a, b, c), uvs[at], cam[CAM_FOCAL], surface)


@compiled
def _texture_place(
    plane: Floats,
    weights: tuple[float, float, float],
    shares: tuple[float, float, float],
    corner: Singles,
    focal: float,
    surface: Floats,
) -> None:
    """Fill in where the texture is sampled, and how far it moves to the next pixel right and down."""
    a, b, c = shares
    u = a * corner[0, 0] + b * corner[1, 0] + c * corner[2, 0]
    v = a * corner[0, 1] + b * corner[1, 1] + c * corner[2, 1]
    surface[_UV], surface[_UV + 1] = u, v
    whole = max(1e-30, weights[0] + weights[1] + weights[2])
    for axis in range(2):
        d0, d1, d2 = plane[axis], plane[3 + axis], plane[6 + axis]
        # The derivative of a quotient: weights over their sum.
        scale = 1.0 / (focal * whole)
        total = d0 + d1 + d2
        surface[_FOOT + 2 * axis] = (d0 * corner[0, 0] + d1 * corner[1, 0] + d2 * corner[2, 0] - u * total) * scale
        surface[_FOOT + 2 * axis + 1] = (d0 * corner[0, 1] + d1 * corner[1, 1] + d2 * corner[2, 1] - v * total) * scale


@compiled
def _openness(at: int, plane: Floats, width: int, opened: _Opened) -> float:
    """How open to the sky a surface is, from the grid's pixels around that lie in its plane."""
    openness, places, coarser, first_row, grid = opened
    rows, columns = openness.shape
    gx, gy = (at % width) / (coarser * grid), (at // width + first_row) / (coarser * grid)
    left, top = int(gx), int(gy)
    fx, fy = gx - left, gy - top
    nx, ny, nz = plane[0] + plane[3] + plane[6], plane[1] + plane[4] + plane[7], plane[2] + plane[5] + plane[8]
    total = weight = plain = 0.0
    for corner in range(4):
        i, j = min(columns - 1, left + (corner & 1)), min(rows - 1, top + (corner >> 1))
        share = (fx if corner & 1 else 1.0 - fx) * (fy if corner & 2 else 1.0 - fy) + 1e-3
        there, p = openness[j, i], j * columns + i
        plain += 0.25 * there
        if abs(nx * places[p, 0] + ny * places[p, 1] + nz * places[p, 2] - 1.0) <= _SAME_PLANE:
            total += share * there
            weight += share
    return total / weight if weight > 0.0 else plain


@compiled
def _light(surface: Floats, material: Floats, lighting: _Lighting, open_sky: float, made: Floats) -> None:
    """Fill in the light that a surface gets: matt (0..2), and mirrored before Fresnel (3..5)."""
    lights, sky, tilted, maps = lighting
    made[:] = 0.0
    kind = int(material[KIND])
    gloss = (
        kind in (COAT, METAL),
        gloss_alpha(material[ROUGHNESS]),
        material[TRANSLUCENCY] if kind == TRANSLUCENT else 0.0,
    )
    place = (surface[0], surface[1], surface[2])
    flat = (surface[_FLAT], surface[_FLAT + 1], surface[_FLAT + 2])
    normal = (surface[_NORMAL], surface[_NORMAL + 1], surface[_NORMAL + 2])
    view = (surface[_VIEW], surface[_VIEW + 1], surface[_VIEW + 2])
    met = (place, flat, normal, view, gloss)
    for index in range(len(lights)):
        add_light(lights, maps, index, met, made)
    add_sky(sky, tilted, met, open_sky, made)


@compiled
def _finish(surface: Floats, skin: _Skin, row: int, made: Floats, colour: Floats) -> None:
    """What a surface sends to the camera, linear red, green and blue."""
    materials, texels, rows, linear = skin
    material = materials[row]
    red, green, blue = material[RED], material[GREEN], material[BLUE]
    texture = int(material[TEXTURE])
    if texture >= 0:
        foot = (surface[_FOOT], surface[_FOOT + 1], surface[_FOOT + 2], surface[_FOOT + 3])
        r, g, b = sampled(texels, linear, rows[texture], surface[_UV], surface[_UV + 1], foot)
        red, green, blue = red * r, green * g, blue * b
    kind = int(material[KIND])
    emission = material[EMISSION]
    facing = (
        surface[_NORMAL] * surface[_VIEW]
        + surface[_NORMAL + 1] * surface[_VIEW + 1]
        + surface[_NORMAL + 2] * surface[_VIEW + 2]
    )
    rim = min(1.0, max(0.0, 1.0 - facing))
    rim = rim * rim * rim * rim * rim * (1.0 - material[ROUGHNESS])  # Schlick's, weaker on rough surfaces
    if kind == METAL:
        colour[0] = (red + (1.0 - red) * rim) * made[3] + red * emission
        colour[1] = (green + (1.0 - green) * rim) * made[4] + green * emission
        colour[2] = (blue + (1.0 - blue) * rim) * made[5] + blue * emission
        return
    gloss = 0.0
    if kind == COAT:
        gloss = material[SPECULAR] + (1.0 - material[SPECULAR]) * rim
    colour[0] = red * ((1.0 - gloss) * made[0] + emission) + gloss * made[3]
    colour[1] = green * ((1.0 - gloss) * made[1] + emission) + gloss * made[4]
    colour[2] = blue * ((1.0 - gloss) * made[2] + emission) + gloss * made[5]
