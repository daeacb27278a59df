"""From visible triangles to light: the surface under every sample, its texture, and what reaches the camera.

A pixel is shaded once for every different surface that its samples see, so that smooth edges cost little more than hard
ones. What labels tell (normals, illumination) is of the sample in the pixel's middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import inlined, kernel
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
from neuromation.synthetic.render.shade_grid import GRID_PX, Grid, grid_around, plane_normal
from neuromation.synthetic.render.shade_light import TILTED, add_light, add_sky, gloss_alpha, sky_seen
from neuromation.synthetic.render.shade_textures import LINEAR, TextureTable, sampled
from neuromation.synthetic.render.shadow import Maps, ShadowMaps

_SAME_FACING = 0.9  # cosine between two triangles that are one surface
_SAME_DEPTH = 0.002  # relative distance from a triangle's plane that is still the same surface

# Places in the array that describes one surface: place (3), flat normal (3), normal (3), towards the camera (3), texture
# coordinates (2), and their change to the next pixel right and down (4).
_FLAT, _NORMAL, _VIEW, _UV, _FOOT = 3, 6, 9, 12, 14
_SURFACE = 18

_Geometry = tuple[Floats, Ints, Ints, Ints, Ints, Singles, Singles, Floats]
_Skin = tuple[Floats, NDArray[np.uint8], NDArray[np.int64], Singles]
_Lighting = tuple[Floats, Floats, Floats, Maps]
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
        seen: float32 (rows * columns, lights), how much of every light they see, 0..1.
    """

    lights: Floats
    sky: Floats
    maps: ShadowMaps
    openness: Singles
    places: Singles
    seen: Singles


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
        (
            lighting.openness,
            lighting.places,
            lighting.seen,
            window.coarser * GRID_PX,
            window.first_row,
            window.coarser / float(window.cam[CAM_FOCAL]),
        ),
        (window.cam, window.lens.bends, window.lens.centres, window.width, window.height, window.offsets),
        (visible.seen, visible.nearness, visible.planes),
        (into.light, into.normals, into.illumination),
        (np.empty(_SURFACE), np.empty(6), np.empty(3), np.empty(8)),
    )


@kernel
def _shade(
    geometry: _Geometry,
    skin: _Skin,
    lighting: _Lighting,
    grid: Grid,
    view: _View,
    visible: tuple[Ints, Singles, Floats],
    into: tuple[Singles, Singles, Singles],
    room: tuple[Floats, Floats, Floats, Floats],
) -> None:
    seen, planes = visible[0], visible[2]
    cam, bends, centres, width, height, offsets = view
    light, normals, illumination = into
    surface, made, colour, corners = room
    count = len(offsets)
    pixel = 1.0 / cam[CAM_FOCAL]
    for y in range(height):
        for x in range(width):
            at = y * width + x
            px, py = x + 0.5, y + 0.5
            if bends:
                px, py = centres[at, 0] * (1.0 / FIXED), centres[at, 1] * (1.0 / FIXED)
            ray = ((px - cam[CAM_CX]) * pixel, (py - cam[CAM_CY]) * pixel)
            red = green = blue = 0.0
            done = 0
            normals[at, 0] = normals[at, 1] = normals[at, 2] = illumination[at] = np.float32(0.0)
            for s in range(count):
                if done & (1 << s):
                    continue
                t = seen[at, s]
                group = _together(at, s, done, ray, geometry, view, visible)
                done |= group
                if t < 0:
                    _background(cam, ray, lighting[1], colour)
                else:
                    row = geometry[3][t]
                    rx, ry = _sample_ray(ray, s, offsets, pixel)
                    _describe(t, rx, ry, geometry, cam, planes, surface)
                    open_sky = grid_around(x, y, planes, t, grid, corners)
                    _light(surface, skin[0], row, lighting, open_sky, corners, grid, made)
                    _finish(surface, skin, row, made, colour)
                    if s == 0:
                        nx, ny, nz = surface[_NORMAL], surface[_NORMAL + 1], surface[_NORMAL + 2]
                        normals[at, 0] = np.float32(cam[0] * nx + cam[1] * ny + cam[2] * nz)
                        normals[at, 1] = np.float32(cam[3] * nx + cam[4] * ny + cam[5] * nz)
                        normals[at, 2] = np.float32(cam[6] * nx + cam[7] * ny + cam[8] * nz)
                        illumination[at] = np.float32((made[0] + made[1] + made[2]) * (1.0 / 3.0))
                weight = _bits(group)
                red, green, blue = red + weight * colour[0], green + weight * colour[1], blue + weight * colour[2]
            light[at, 0] = np.float32(red / count)
            light[at, 1] = np.float32(green / count)
            light[at, 2] = np.float32(blue / count)


@inlined
def _bits(mask: int) -> int:
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count


@inlined
def _sample_ray(ray: tuple[float, float], s: int, offsets: NDArray[np.int64], pixel: float) -> tuple[float, float]:
    """Where a sample looks, from where its pixel's centre does: rays (x, y, 1) in the camera's frame."""
    scale = pixel * (1.0 / FIXED)
    return ray[0] + offsets[s, 0] * scale, ray[1] + offsets[s, 1] * scale


@inlined
def _background(cam: Floats, ray: tuple[float, float], sky: Floats, colour: Floats) -> None:
    """Fill in the sky that is seen where there is nothing else."""
    x, y = ray
    z = (cam[2] * x + cam[5] * y + cam[8]) / math.sqrt(x * x + y * y + 1.0)
    for channel in range(3):
        colour[channel] = sky_seen(sky, channel, z)


@inlined
def _together(
    at: int,
    s: int,
    done: int,
    ray: tuple[float, float],
    geometry: _Geometry,
    view: _View,
    visible: tuple[Ints, Singles, Floats],
) -> int:
    """Which of a pixel's samples see the same surface as sample `s`, as bits: they are shaded as one."""
    seen, nearness, planes = visible
    owner, material = geometry[2], geometry[3]
    t = seen[at, s]
    group = 1 << s
    for other in range(s + 1, len(view[5])):
        u = seen[at, other]
        if u == t:
            group |= 1 << other
            continue
        if u < 0 or t < 0 or done & (1 << other) or owner[u] != owner[t] or material[u] != material[t]:
            continue
        nx, ny, nz = plane_normal(planes, t)
        ox, oy, oz = plane_normal(planes, u)
        dot = nx * ox + ny * oy + nz * oz
        if dot <= 0.0:
            continue
        if dot * dot < _SAME_FACING * _SAME_FACING * (nx * nx + ny * ny + nz * nz) * (ox * ox + oy * oy + oz * oz):
            continue
        x, y = _sample_ray(ray, other, view[5], 1.0 / view[0][CAM_FOCAL])
        near = nx * x + ny * y + nz
        if abs(near - nearness[at, other]) <= _SAME_DEPTH * near:
            group |= 1 << other
    return group


@inlined
def _describe(t: int, x: float, y: float, geometry: _Geometry, cam: Floats, planes: Floats, surface: Floats) -> None:
    """Fill in the surface that the ray (x, y, 1) meets on triangle `t`."""
    _, _, owner, _, source, normals, uvs, turns = geometry
    w0 = planes[t, 0] * x + planes[t, 1] * y + planes[t, 2]
    w1 = planes[t, 3] * x + planes[t, 4] * y + planes[t, 5]
    w2 = planes[t, 6] * x + planes[t, 7] * y + planes[t, 8]
    # The sample may lie a hair beside the triangle, whose corners were rounded.
    a, b, c = max(0.0, w0), max(0.0, w1), max(0.0, w2)
    whole = max(1e-30, a + b + c)
    depth, whole = 1.0 / max(1e-30, w0 + w1 + w2), 1.0 / whole
    a, b, c = a * whole, b * whole, c * whole
    px, py, pz = x * depth, y * depth, depth
    surface[0] = cam[9] + cam[0] * px + cam[3] * py + cam[6] * pz
    surface[1] = cam[10] + cam[1] * px + cam[4] * py + cam[7] * pz
    surface[2] = cam[11] + cam[2] * px + cam[5] * py + cam[8] * pz
    away = -1.0 / math.sqrt(x * x + y * y + 1.0)
    vx, vy, vz = cam[0] * x + cam[3] * y + cam[6], cam[1] * x + cam[4] * y + cam[7], cam[2] * x + cam[5] * y + cam[8]
    vx, vy, vz = vx * away, vy * away, vz * away
    surface[_VIEW], surface[_VIEW + 1], surface[_VIEW + 2] = vx, vy, vz

    fx, fy, fz = plane_normal(planes, t)
    scale = -1.0 / math.sqrt(fx * fx + fy * fy + fz * fz)
    fx, fy, fz = fx * scale, fy * scale, fz * scale
    gx, gy, gz = (
        cam[0] * fx + cam[3] * fy + cam[6] * fz,
        cam[1] * fx + cam[4] * fy + cam[7] * fz,
        cam[2] * fx + cam[5] * fy + cam[8] * fz,
    )
    surface[_FLAT], surface[_FLAT + 1], surface[_FLAT + 2] = gx, gy, gz

    at, who = source[t], owner[t]
    mx = a * normals[at, 0, 0] + b * normals[at, 1, 0] + c * normals[at, 2, 0]
    my = a * normals[at, 0, 1] + b * normals[at, 1, 1] + c * normals[at, 2, 1]
    mz = a * normals[at, 0, 2] + b * normals[at, 1, 2] + c * normals[at, 2, 2]
    nx = turns[who, 0] * mx + turns[who, 1] * my + turns[who, 2] * mz
    ny = turns[who, 3] * mx + turns[who, 4] * my + turns[who, 5] * mz
    nz = turns[who, 6] * mx + turns[who, 7] * my + turns[who, 8] * mz
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    if length < 1e-12:
        nx, ny, nz, length = gx, gy, gz, 1.0
    if nx * gx + ny * gy + nz * gz < 0.0:  # seen from behind
        length = -length
    length = 1.0 / length
    nx, ny, nz = nx * length, ny * length, nz * length
    facing = nx * vx + ny * vy + nz * vz
    if facing < 1e-4:  # a smooth normal may turn away at the rim, where the surface does not
        lift = 1e-3 - facing
        nx, ny, nz = nx + lift * vx, ny + lift * vy, nz + lift * vz
        length = math.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx / length, ny / length, nz / length
    surface[_NORMAL], surface[_NORMAL + 1], surface[_NORMAL + 2] = nx, ny, nz
    _texture_place(planes, t, depth / cam[CAM_FOCAL], (a, b, c), uvs, at, surface)


@inlined
def _texture_place(
    planes: Floats,
    t: int,
    scale: float,
    shares: tuple[float, float, float],
    uvs: Singles,
    at: int,
    surface: Floats,
) -> None:
    """Fill in where the texture is sampled, and how far it moves to the next pixel right and down.

    `scale` is how wide a pixel is at the surface, metres.
    """
    a, b, c = shares
    u = a * uvs[at, 0, 0] + b * uvs[at, 1, 0] + c * uvs[at, 2, 0]
    v = a * uvs[at, 0, 1] + b * uvs[at, 1, 1] + c * uvs[at, 2, 1]
    surface[_UV], surface[_UV + 1] = u, v
    for axis in range(2):
        d0, d1, d2 = planes[t, axis], planes[t, 3 + axis], planes[t, 6 + axis]
        # The derivative of a quotient: weights over their sum.
        total = d0 + d1 + d2
        surface[_FOOT + 2 * axis] = (d0 * uvs[at, 0, 0] + d1 * uvs[at, 1, 0] + d2 * uvs[at, 2, 0] - u * total) * scale
        surface[_FOOT + 2 * axis + 1] = (
            d0 * uvs[at, 0, 1] + d1 * uvs[at, 1, 1] + d2 * uvs[at, 2, 1] - v * total
        ) * scale


@inlined
def _light(
    surface: Floats,
    materials: Floats,
    row: int,
    lighting: _Lighting,
    open_sky: float,
    corners: Floats,
    grid: Grid,
    made: Floats,
) -> None:
    """Fill in the light that a surface gets: matt (0..2), and mirrored before Fresnel (3..5)."""
    lights, sky, tilted, maps = lighting
    made[:] = 0.0
    kind = int(materials[row, KIND])
    gloss = (
        kind in (COAT, METAL),
        gloss_alpha(materials[row, ROUGHNESS]),
        materials[row, TRANSLUCENCY] if kind == TRANSLUCENT else 0.0,
    )
    place = (surface[0], surface[1], surface[2])
    flat = (surface[_FLAT], surface[_FLAT + 1], surface[_FLAT + 2])
    normal = (surface[_NORMAL], surface[_NORMAL + 1], surface[_NORMAL + 2])
    view = (surface[_VIEW], surface[_VIEW + 1], surface[_VIEW + 2])
    met = (place, flat, normal, view, gloss)
    for index in range(len(lights)):
        add_light(lights, maps, index, met, grid, corners, made)
    add_sky(sky, tilted, met, open_sky, made)


@inlined
def _finish(surface: Floats, skin: _Skin, row: int, made: Floats, colour: Floats) -> None:
    """What a surface sends to the camera, linear red, green and blue."""
    materials, texels, rows, linear = skin
    red, green, blue = materials[row, RED], materials[row, GREEN], materials[row, BLUE]
    texture = int(materials[row, TEXTURE])
    if texture >= 0:
        foot = (surface[_FOOT], surface[_FOOT + 1], surface[_FOOT + 2], surface[_FOOT + 3])
        r, g, b = sampled(texels, linear, rows, texture, surface[_UV], surface[_UV + 1], foot)
        red, green, blue = red * r, green * g, blue * b
    kind = int(materials[row, KIND])
    emission = materials[row, EMISSION]
    facing = (
        surface[_NORMAL] * surface[_VIEW]
        + surface[_NORMAL + 1] * surface[_VIEW + 1]
        + surface[_NORMAL + 2] * surface[_VIEW + 2]
    )
    rim = min(1.0, max(0.0, 1.0 - facing))
    rim = rim * rim * rim * rim * rim * (1.0 - materials[row, ROUGHNESS])  # Schlick's, weaker on rough surfaces
    if kind == METAL:
        colour[0] = (red + (1.0 - red) * rim) * made[3] + red * emission
        colour[1] = (green + (1.0 - green) * rim) * made[4] + green * emission
        colour[2] = (blue + (1.0 - blue) * rim) * made[5] + blue * emission
        return
    gloss = 0.0
    if kind == COAT:
        gloss = materials[row, SPECULAR] + (1.0 - materials[row, SPECULAR]) * rim
    colour[0] = red * ((1.0 - gloss) * made[0] + emission) + gloss * made[3]
    colour[1] = green * ((1.0 - gloss) * made[1] + emission) + gloss * made[4]
    colour[2] = blue * ((1.0 - gloss) * made[2] + emission) + gloss * made[5]
