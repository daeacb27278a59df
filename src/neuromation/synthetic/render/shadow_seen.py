"""How much of a light a place sees, from the light's shadow map.

Penumbrae are as wide as the light's size and the blocker's distance make them (percentage-closer soft shadows, Fernando
2005), found without noise: the kernel is a box with soft borders over every texel in it, on a coarser copy of the map
where it is wide. Depths are compared with the receiver's own plane. Asked in the camera's frame, in float32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import inlined, kernel
from neuromation.synthetic.render.raster_pack import NEAR_M, Floats, Singles
from neuromation.synthetic.render.shadow import (
    BIAS,
    GROWS_X,
    GROWS_Y,
    NEAREST,
    ORIGIN,
    PERSPECTIVE,
    SCALE_X,
    SCALE_Y,
    SHIFT_X,
    SHIFT_Y,
    ShadowMaps,
)

_SOFT = np.float32(1.5)  # half the width of the narrowest kernel, texels
_BESIDE = np.float32(0.05)  # how far beside a map, of its side
# Half the width of a box in texels of its level, at most: of the search for blockers, and of the kernel.
_SEARCH_TEXELS, _KERNEL_TEXELS = np.float32(1.6), np.float32(3.0)
_SEARCH_MAX_TEXELS = np.float32(96.0)
_SLOPE_MIN = np.float32(-0.1)  # a receiver against the light, less than which its plane is not followed
_NEAR, _FAR = np.float32(NEAR_M), np.float32(1e30)
_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_NARROW = np.float32(1.5)

# The fields of ShadowMaps, with the frames in the camera's, for compiled code.
Maps = tuple[Singles, Singles, Singles, Singles, NDArray[np.int64]]
_Three = tuple[np.float32, np.float32, np.float32]


def maps_in_camera(maps: ShadowMaps, cam: Floats) -> Maps:
    """The maps as they are asked about places in a camera's frame."""
    frames = maps.frames.astype(np.float32)
    _turn_frames(maps.frames, cam, frames)
    return maps.depths, maps.lowest, maps.highest, frames, maps.layout


@kernel
def _turn_frames(frames: Floats, cam: Floats, made: Singles) -> None:
    for light in range(len(frames)):
        for first in (0, 3, 6, ORIGIN):
            x, y, z = frames[light, first], frames[light, first + 1], frames[light, first + 2]
            if first == ORIGIN:
                x, y, z = x - cam[9], y - cam[10], z - cam[11]
            for axis in range(3):
                made[light, first + axis] = cam[3 * axis] * x + cam[3 * axis + 1] * y + cam[3 * axis + 2] * z


@inlined
def _on_map(frames: Singles, light: int, place: _Three) -> _Three:
    """Where a place lies on a light's map, in its own units, and its depth there; _FAR for what the light cannot see."""
    dx, dy, dz = (
        place[0] - frames[light, ORIGIN],
        place[1] - frames[light, ORIGIN + 1],
        place[2] - frames[light, ORIGIN + 2],
    )
    across = frames[light, 0] * dx + frames[light, 1] * dy + frames[light, 2] * dz
    down = frames[light, 3] * dx + frames[light, 4] * dy + frames[light, 5] * dz
    ahead = frames[light, 6] * dx + frames[light, 7] * dy + frames[light, 8] * dz
    if frames[light, PERSPECTIVE] == _ZERO:
        return across, down, ahead
    if ahead < _NEAR:
        return _ZERO, _ZERO, _FAR
    inverse = _ONE / ahead
    return across * inverse, down * inverse, -inverse


@inlined
def _level_start(side: int, level: int) -> int:
    coarse = side >> level
    return (4 * (side * side - coarse * coarse)) // 3


@inlined
def _extremes(
    lowest: Singles,
    highest: Singles,
    start: int,
    side: int,
    x: np.float32,
    y: np.float32,
    wx: np.float32,
    wy: np.float32,
) -> tuple[np.float32, np.float32]:
    """The least and the greatest depth in a box of a map, on a level where it is a few texels wide."""
    level, scale = 0, _ONE
    wide = max(wx, wy)
    while wide > _NARROW and (side >> level) > 2:
        wide *= _HALF
        scale *= _HALF
        level += 1
    first = start + _level_start(side, level)
    size = side >> level
    left, right = max(0, int((x - wx) * scale)), min(size - 1, int((x + wx) * scale))
    top, bottom = max(0, int((y - wy) * scale)), min(size - 1, int((y + wy) * scale))
    least, most = _FAR, -_FAR
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            at = first + row * size + column
            least, most = min(least, lowest[at]), max(most, highest[at])
    return least, most


@inlined
def _blocked(
    depths: Singles,
    start: int,
    side: int,
    spot: tuple[np.float32, np.float32, np.float32, np.float32, np.float32],
    wide: _Three,
) -> tuple[np.float32, np.float32]:
    """How much of a box of a map lies before the receiver's plane, 0..1, and the mean depth of that part.

    `spot` is the box's middle (texels), the receiver's depth less the bias, and the plane's slopes (depth a texel).
    `wide` is half the box's width and height, and how many texels of a coarser level half of it may have.
    """
    x, y, t, slope_x, slope_y = spot
    level, step, inverse = 0, _ONE, _ONE
    while max(wide[0], wide[1]) > wide[2] * step and (side >> level) > 8:
        level += 1
        step *= _TWO
        inverse *= _HALF
    first = start + _level_start(side, level)
    size = side >> level
    # A coarser level holds every second texel, so its texels lie where those of the finest level do.
    mx, my = (x - _HALF) * inverse, (y - _HALF) * inverse
    wx, wy = max(_SOFT, wide[0] * inverse) + _HALF, max(_SOFT, wide[1] * inverse) + _HALF
    left, right = max(0, int(np.ceil(mx - wx))), min(size - 1, int(np.floor(mx + wx)))
    top, bottom = max(0, int(np.ceil(my - wy))), min(size - 1, int(np.floor(my + wy)))
    slope_x, slope_y = slope_x * step, slope_y * step
    weight = found = depth = _ZERO
    down = np.float32(top) - my
    for row in range(top, bottom + 1):
        share_y = min(_ONE, wy - abs(down))
        across = np.float32(left) - mx
        edge = t + down * slope_y
        for at in range(first + row * size + left, first + row * size + right + 1):
            share = share_y * min(_ONE, wx - abs(across))
            weight += share
            there = depths[at]
            hit = share if there < edge + across * slope_x else _ZERO
            found += hit
            depth += hit * there
            across += _ONE
        down += _ONE
    if found <= _ZERO:
        return _ZERO, t
    return found / weight, depth / found


@inlined
def _slopes(frames: Singles, light: int, spot: _Three, normal: _Three) -> tuple[np.float32, np.float32]:
    """How much the depth of a plane through a place on the map grows from texel to texel, across and down."""
    x, y, t = spot
    a = frames[light, 0] * normal[0] + frames[light, 1] * normal[1] + frames[light, 2] * normal[2]
    b = frames[light, 3] * normal[0] + frames[light, 4] * normal[1] + frames[light, 5] * normal[2]
    c = frames[light, 6] * normal[0] + frames[light, 7] * normal[1] + frames[light, 8] * normal[2]
    # Of a plane seen in perspective 1 / depth is linear on the map, and its slope is the normal over the distance.
    limit = _SLOPE_MIN
    if frames[light, PERSPECTIVE] != _ZERO:
        inverse = -_ONE / t
        c = (a * x + b * y + c) * inverse
        limit *= inverse
    if c > _ZERO:  # it faces away from the light
        a, b, c = -a, -b, -c
    scale = -_ONE / min(c, limit)
    return a * scale / frames[light, SCALE_X], b * scale / frames[light, SCALE_Y]


@kernel
def light_seen(maps: Maps, light: int, place: _Three, normal: _Three) -> np.float32:
    """How much of a light a place sees, 0..1. `normal` is of its flat surface, towards the light."""
    depths, lowest, highest, frames, layout = maps
    start, side = layout[light, 0], layout[light, 1]
    if side == 0:
        return _ONE
    x, y, t = _on_map(frames, light, place)
    if t >= _FAR:
        return _ONE
    slope_x, slope_y = _slopes(frames, light, (x, y, t), normal)
    bias = frames[light, BIAS]
    if frames[light, PERSPECTIVE] != _ZERO:
        bias *= t * t
    x, y = x * frames[light, SCALE_X] + frames[light, SHIFT_X], y * frames[light, SCALE_Y] + frames[light, SHIFT_Y]
    # The map was fitted to a part of the pixels: what lies a little beside it sees what its border sees.
    wide = np.float32(side)
    if min(x, y) < -_BESIDE * wide or max(x, y) > (_ONE + _BESIDE) * wide:
        return _ONE
    x, y = min(wide - _ONE, max(_ONE, x)), min(wide - _ONE, max(_ONE, y))
    t -= bias
    grows_x, grows_y = frames[light, GROWS_X], frames[light, GROWS_Y]
    behind = max(_ZERO, t - frames[light, NEAREST])
    wx = min(_SEARCH_MAX_TEXELS, grows_x * behind) + _SOFT
    wy = min(_SEARCH_MAX_TEXELS, grows_y * behind) + _SOFT
    for _ in range(2):
        least, most = _extremes(lowest, highest, start, side, x, y, wx, wy)
        slack = abs(slope_x) * wx + abs(slope_y) * wy
        if least >= t + slack:
            return _ONE
        if most < t - slack:
            return _ZERO
        behind = max(_ZERO, t - least)
        wx, wy = min(wx, grows_x * behind + _SOFT), min(wy, grows_y * behind + _SOFT)
    spot = (x, y, t, slope_x, slope_y)
    found = _ZERO
    # First, coarsely, for the mean depth of what blocks the light; then as wide as the penumbra that it makes.
    texels = _SEARCH_TEXELS
    for _ in range(2):
        found, depth = _blocked(depths, start, side, spot, (wx, wy, texels))
        if found <= _ZERO or (wx <= _SOFT and wy <= _SOFT):
            break
        wx, wy, texels = grows_x * (t - depth), grows_y * (t - depth), _KERNEL_TEXELS
    return _ONE - found
