"""From visible triangles to light: the surface under every sample, its texture, and what reaches the camera.

A pixel is shaded once for every different surface that its samples see, so that smooth edges cost little more than hard
ones. Surfaces are found one by one and lit many at a time. What labels tell (normals, illumination) is of the sample in
the pixel's middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import inlined, kernel
from neuromation.synthetic.render import shade_chunk as chunk
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
from neuromation.synthetic.render.shade_chunk import CHUNK, QUANTITIES, light_chunk
from neuromation.synthetic.render.shade_faces import (
    FEET,
    FIRST,
    NEAR,
    NORMALS,
    SECOND,
    UVS,
    Faces,
    FaceTable,
    describe,
    facing_same,
)
from neuromation.synthetic.render.shade_grid import (
    GRID_PX,
    Around,
    Cell,
    Grid,
    PlaceGrid,
    asked,
    grid_around,
    grid_light,
)
from neuromation.synthetic.render.shade_light import GLOSS_MIN, IS_AREA, lights_in_camera, sky_seen
from neuromation.synthetic.render.shade_textures import LINEAR, TextureTable, sampled
from neuromation.synthetic.render.shadow_seen import Maps

_SAME_FACING = np.float32(0.9)  # cosine between two triangles that are one surface
_SAME_DEPTH = np.float32(0.002)  # relative distance from a triangle's plane that is still the same surface
_ZERO, _ONE, _THIRD = np.float32(0.0), np.float32(1.0), np.float32(1.0 / 3.0)
_SLIVER = np.float32(0.21)  # of a pixel, that may have the light of what lies beside it on the same thing
_TINY, _SHORT = np.float32(1e-30), np.float32(1e-20)

# Columns of the table of materials here; which texture is the last.
_RED, _GREEN, _BLUE, _F0, _RIM, _ALPHA, _GLOSSY, _METAL, _MILKY, _GLOWS, _TEXTURE = range(11)

# The table of triangles and what it is made of, the materials of triangles.
_Geometry = tuple[Singles, Faces, Ints]
# Materials, texels, their rows, linear light of bytes.
_Skin = tuple[Singles, NDArray[np.uint32], NDArray[np.int64], Singles]
_Lighting = tuple[Singles, Singles, Singles, Maps]
# The picture: camera, whether its lens bends, centres of pixels, width, height, offsets of samples; what its samples see
# and how near; pixels a side for one place of the grid, and the first row in the whole picture.
_View = tuple[Floats, bool, NDArray[np.int32], int, int, Singles, Ints, Singles, int, int]
# Room for a chunk of surfaces, what pixels they are of, and the places around one.
_Room = tuple[Singles, NDArray[np.int64], Around]


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
        lights, sky: packed lights, in the world's frame, and the sky's radiances.
        maps: what the lights see, asked in the camera's frame.
        grid: places of the surfaces at every second pixel of the labels' picture.
        openness: float32 (rows * columns,), what share of the sky those see.
        seen: float32 (rows * columns, lights), how much of every light they see, 0..1.
    """

    lights: Floats
    sky: Floats
    maps: Maps
    grid: PlaceGrid
    openness: Singles
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
    faces: FaceTable,
    lighting: Lighting,
    into: Shaded,
) -> None:
    """Shade what a window of a picture sees."""
    maps, grid, cam = lighting.maps, lighting.grid, window.cam
    up = np.array([cam[2], cam[5], cam[8]], dtype=np.float32)
    into.light.fill(0.0)
    into.normals.fill(0.0)
    into.illumination.fill(0.0)
    _shade(
        (faces.rows, faces.given, scene.material),
        (_skins(scene), textures.texels, textures.rows, LINEAR),
        (
            lights_in_camera(lighting.lights, cam),
            lighting.sky.astype(np.float32),
            up,
            maps,
        ),
        (lighting.openness, grid.places, lighting.seen, grid.columns, grid.slack),
        (
            cam,
            window.lens.bends,
            window.lens.centres,
            window.width,
            window.height,
            (window.offsets * (1.0 / (FIXED * float(cam[CAM_FOCAL])))).astype(np.float32),
            visible.seen,
            visible.nearness,
            window.coarser * GRID_PX,
            window.first_row,
        ),
        (into.light, into.normals, into.illumination),
        (
            np.zeros(CHUNK * (QUANTITIES + len(lighting.lights)), dtype=np.float32),
            np.zeros(CHUNK, dtype=np.int64),
            (np.zeros(8, dtype=np.int64), np.zeros(8, dtype=np.float32)),
        ),
    )


def _skins(scene: PackedScene) -> Singles:
    """The materials as shading wants them, float32 (M, 11)."""
    given = scene.materials
    made = np.zeros((len(given), 11), dtype=np.float32)
    kind = given[:, KIND]
    made[:, _RED], made[:, _GREEN], made[:, _BLUE] = given[:, RED], given[:, GREEN], given[:, BLUE]
    made[:, _F0] = np.where(kind == COAT, given[:, SPECULAR], 0.0)
    made[:, _RIM] = 1.0 - given[:, ROUGHNESS]
    made[:, _ALPHA] = np.maximum(GLOSS_MIN, given[:, ROUGHNESS] * given[:, ROUGHNESS])
    made[:, _GLOSSY] = (kind == COAT) | (kind == METAL)
    made[:, _METAL] = kind == METAL
    made[:, _MILKY] = np.where(kind == TRANSLUCENT, given[:, TRANSLUCENCY], 0.0)
    made[:, _GLOWS], made[:, _TEXTURE] = given[:, EMISSION], given[:, TEXTURE]
    return made


@kernel
def _shade(
    geometry: _Geometry,
    skin: _Skin,
    lighting: _Lighting,
    grid: Grid,
    view: _View,
    into: tuple[Singles, Singles, Singles],
    room: _Room,
) -> None:
    faces, given, material = geometry
    cam, bends, centres, width, height, offsets, seen, _, step, first_row = view
    count = len(offsets)
    pixel, cx, cy = np.float32(1.0 / cam[CAM_FOCAL]), np.float32(cam[CAM_CX]), np.float32(cam[CAM_CY])
    inverse, a_sample = _ONE / np.float32(step), _ONE / np.float32(count)
    everyone = (1 << count) - 1
    filled = kinds = 0
    for y in range(height):
        top = (y + first_row) // step
        down = np.float32(y + first_row - top * step) * inverse
        left = beside = 0
        for x in range(width):
            at = y * width + x
            px, py = np.float32(x + 0.5), np.float32(y + 0.5)
            if bends:
                px, py = np.float32(centres[at, 0] * (1.0 / FIXED)), np.float32(centres[at, 1] * (1.0 / FIXED))
            ray = ((px - cx) * pixel, (py - cy) * pixel)
            cell = (left, top, np.float32(beside) * inverse, down)
            done = 0
            is_whole = _is_whole(seen, at)
            for s in range(count):
                if done & (1 << s):
                    continue
                t = seen[at, s]
                if t >= 0 and not given[7][t]:
                    describe(t, given, faces)
                group = everyone if is_whole else _together(at, s, done, ray, geometry, view)
                done |= group
                share = np.float32(_bits(group)) * a_sample
                if t < 0:
                    _background(at, cam, ray, lighting[1], share, into[0])
                    continue
                row = material[t]
                kinds |= _coat(skin[0], row, filled, room[0])
                room[0][chunk.SHARE + filled] = share
                room[1][filled] = 2 * at + (1 if s == 0 else 0)
                looks = (ray[0] + offsets[s, 0], ray[1] + offsets[s, 1])
                _meet(looks, (t, row), (faces, cell, pixel), skin, lighting, grid, filled, room)
                filled += 1
                if filled == CHUNK:
                    light_chunk(lighting[0], lighting[1], lighting[2], room[0], (kinds & 1) != 0, (kinds & 2) != 0)
                    _pour(filled, room, into)
                    filled = kinds = 0
                if is_whole:
                    break
            beside += 1
            if beside == step:
                left, beside = left + 1, 0
    if filled:
        light_chunk(lighting[0], lighting[1], lighting[2], room[0], (kinds & 1) != 0, (kinds & 2) != 0)
        _pour(filled, room, into)


@inlined
def _is_whole(seen: Ints, at: int) -> bool:
    """Whether all samples of a pixel see the same triangle."""
    is_whole = True
    for s in range(1, seen.shape[1]):
        is_whole = is_whole and seen[at, s] == seen[at, 0]
    return is_whole


@inlined
def _bits(mask: int) -> int:
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count


@inlined
def _background(
    at: int, cam: Floats, ray: tuple[np.float32, np.float32], sky: Singles, share: np.float32, light: Singles
) -> None:
    """Add the sky that is seen where there is nothing else."""
    x, y = float(ray[0]), float(ray[1])
    z = (cam[2] * x + cam[5] * y + cam[8]) / math.sqrt(x * x + y * y + 1.0)
    for channel in range(3):
        light[at, channel] += share * np.float32(sky_seen(sky, channel, z))


@inlined
def _together(at: int, s: int, done: int, ray: tuple[np.float32, np.float32], geometry: _Geometry, view: _View) -> int:
    """Which of a pixel's samples see the same surface as sample `s`, as bits: they are shaded as one."""
    faces, given, material = geometry
    offsets, seen, nearness = view[5], view[6], view[7]
    owner, known = given[2], given[7]
    t = seen[at, s]
    group = 1 << s
    for other in range(s + 1, len(offsets)):
        u = seen[at, other]
        if u == t:
            group |= 1 << other
            continue
        if u < 0 or t < 0 or done & (1 << other) or owner[u] != owner[t] or material[u] != material[t]:
            continue
        if not known[u]:
            describe(u, given, faces)
        if not facing_same(faces, t, u, _SAME_FACING):
            continue
        x, y = ray[0] + offsets[other, 0], ray[1] + offsets[other, 1]
        near = faces[t, NEAR] * x + faces[t, NEAR + 1] * y + faces[t, NEAR + 2]
        if abs(near - nearness[at, other]) <= _SAME_DEPTH * near:
            group |= 1 << other
    return group


@inlined
def _coat(skins: Singles, row: int, filled: int, room: Singles) -> int:
    """Fill in a surface's material; 1 when it mirrors, 2 when light enters it, 3 for both."""
    room[chunk.SPECULAR + filled] = skins[row, _F0]
    room[chunk.RIM + filled] = skins[row, _RIM]
    room[chunk.ALPHA + filled] = skins[row, _ALPHA]
    room[chunk.GLOSSY + filled] = skins[row, _GLOSSY]
    room[chunk.METAL + filled] = skins[row, _METAL]
    room[chunk.MILKY + filled] = skins[row, _MILKY]
    room[chunk.GLOWS + filled] = skins[row, _GLOWS]
    return (1 if skins[row, _GLOSSY] > _ZERO else 0) + (2 if skins[row, _MILKY] > _ZERO else 0)


@inlined
def _meet(
    ray: tuple[np.float32, np.float32],
    what: tuple[int, int],
    where: tuple[Singles, Cell, np.float32],
    skin: _Skin,
    lighting: _Lighting,
    grid: Grid,
    filled: int,
    room: _Room,
) -> None:
    """Fill in the place that the ray (x, y, 1) meets, its colour, and what it sees of sky and lights.

    `what` is met there: a triangle and its material.
    """
    t, row = what
    faces, cell, pixel = where
    x, y = ray
    depth = _ONE / max(_TINY, faces[t, NEAR] * x + faces[t, NEAR + 1] * y + faces[t, NEAR + 2])
    # The sample may lie a hair beside the triangle, whose corners were rounded.
    a = max(_ZERO, (faces[t, FIRST] * x + faces[t, FIRST + 1] * y + faces[t, FIRST + 2]) * depth)
    b = max(_ZERO, (faces[t, SECOND] * x + faces[t, SECOND + 1] * y + faces[t, SECOND + 2]) * depth)
    if a + b > _ONE:
        whole = _ONE / (a + b)
        a, b = a * whole, b * whole
    place = (x * depth, y * depth, depth)
    chunked = room[0]
    chunked[chunk.X + filled], chunked[chunk.Y + filled], chunked[chunk.Z + filled] = place
    _put_normal(faces, t, a, b, filled, chunked)
    red, green, blue = skin[0][row, _RED], skin[0][row, _GREEN], skin[0][row, _BLUE]
    texture = int(skin[0][row, _TEXTURE])
    if texture >= 0:
        u = faces[t, UVS] + a * faces[t, UVS + 2] + b * faces[t, UVS + 4]
        v = faces[t, UVS + 1] + a * faces[t, UVS + 3] + b * faces[t, UVS + 5]
        foot = _foot(faces, t, u, v, depth, pixel)
        r, g, b = sampled(skin[1], skin[3], skin[2], texture, u, v, foot)
        red, green, blue = red * r, green * g, blue * b
    chunked[chunk.RED + filled], chunked[chunk.GREEN + filled], chunked[chunk.BLUE + filled] = red, green, blue
    is_open, count = grid_around(cell, t, faces, grid, room[2])
    chunked[chunk.OPEN + filled] = is_open
    is_sliver = chunked[chunk.SHARE + filled] <= _SLIVER
    for light in range(len(lighting[0])):
        seen = -_ONE
        if count > 0 or (is_sliver and count < 0):
            seen = grid_light(light, abs(count), grid, room[2])
        if seen < _ZERO:
            seen = asked(light, place, faces, t, lighting[3])
        is_opaque_to_sun = lighting[0][light, IS_AREA] == _ZERO and skin[0][row, _MILKY] == _ZERO
        if is_opaque_to_sun and _is_behind(faces, t, lighting[0], light):
            seen = _ZERO
        chunked[chunk.SEEN + light * CHUNK + filled] = seen


@inlined
def _put_normal(faces: Singles, t: int, a: np.float32, b: np.float32, filled: int, room: Singles) -> None:
    """Fill in the smooth normal on the side of the triangle that the camera sees, of any length."""
    nx = faces[t, NORMALS] + a * faces[t, NORMALS + 3] + b * faces[t, NORMALS + 6]
    ny = faces[t, NORMALS + 1] + a * faces[t, NORMALS + 4] + b * faces[t, NORMALS + 7]
    nz = faces[t, NORMALS + 2] + a * faces[t, NORMALS + 5] + b * faces[t, NORMALS + 8]
    fx, fy, fz = faces[t, NEAR], faces[t, NEAR + 1], faces[t, NEAR + 2]
    if nx * nx + ny * ny + nz * nz < _SHORT:
        nx, ny, nz = -fx, -fy, -fz
    elif nx * fx + ny * fy + nz * fz > _ZERO:  # seen from behind
        nx, ny, nz = -nx, -ny, -nz
    room[chunk.NX + filled], room[chunk.NY + filled], room[chunk.NZ + filled] = nx, ny, nz


@inlined
def _foot(
    faces: Singles, t: int, u: np.float32, v: np.float32, depth: np.float32, pixel: np.float32
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """How far the texture moves to the next pixel right and down: the derivative of a quotient."""
    right, down = faces[t, NEAR] * pixel, faces[t, NEAR + 1] * pixel
    return (
        (faces[t, FEET] - u * right) * depth,
        (faces[t, FEET + 1] - v * right) * depth,
        (faces[t, FEET + 2] - u * down) * depth,
        (faces[t, FEET + 3] - v * down) * depth,
    )


@inlined
def _is_behind(faces: Singles, t: int, lights: Singles, light: int) -> bool:
    """Whether a triangle, as the camera sees it, turns its back to a sun, whatever its smooth normal says."""
    towards = (
        faces[t, NEAR] * lights[light, 0]
        + faces[t, NEAR + 1] * lights[light, 1]
        + faces[t, NEAR + 2] * lights[light, 2]
    )
    is_back: bool = towards < _ZERO
    return is_back


@inlined
def _pour(filled: int, room: _Room, into: tuple[Singles, Singles, Singles]) -> None:
    """Hand a chunk of lit surfaces to their pixels."""
    light, normals, illumination = into
    lit = room[0]
    for i in range(filled):
        at = room[1][i] >> 1
        light[at, 0] += lit[chunk.SENT_R + i]
        light[at, 1] += lit[chunk.SENT_G + i]
        light[at, 2] += lit[chunk.SENT_B + i]
        if room[1][i] & 1:
            normals[at, 0], normals[at, 1], normals[at, 2] = lit[chunk.NX + i], lit[chunk.NY + i], lit[chunk.NZ + i]
            illumination[at] = (lit[chunk.MATT_R + i] + lit[chunk.MATT_G + i] + lit[chunk.MATT_B + i]) * _THIRD
