"""Textures ready to be sampled: halved and halved again in linear light, all in one array, looked up without aliasing.

The smaller copies of a texture are kept as long as the texture lives. The array of all of them is filled as scenes need
it and emptied when it is full, so that memory stays bounded however many textures pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled, inlined, kernel
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.exact import exact_pow
from neuromation.synthetic.scene.model import Texture

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
Words = NDArray[np.uint32]
Singles = NDArray[np.float32]

POOL_BYTES = 96 * 2**20  # kept between scenes
SCENE_BYTES_MAX = 2**30  # of one scene's textures with their smaller copies
LEVELS_MAX = 13
_ENCODE_STEPS = 4096
_FULL = 255
_HOLE_BELOW = 128
_TAPS_MAX = 4
_SHARPER = np.float32(0.8)  # of a pixel's width in texels: a little sharp rather than a little soft
# A pixel that is so wide in texels, and so much longer than wide, is sampled several times along.
_STRETCHED, _LONGER, _SHORTEST = np.float32(1.3), np.float32(1.5), np.float32(0.7)
_LITTLE = np.float32(1.1)  # how wide a pixel is in the texels of a level whose next one begins to count
_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_BYTE, _EIGHT, _SIXTEEN, _COVERAGE = np.uint32(255), np.uint32(8), np.uint32(16), np.uint32(24)

# Columns of a texture's row: width, height, levels, whether it repeats, and where each of its levels begins (texels).
_WIDTH, _HEIGHT, _LEVELS, _REPEATS, _STARTS = range(5)
_ROW = _STARTS + LEVELS_MAX


@compiled
def _linear_of_srgb() -> NDArray[np.float32]:
    """Linear light of each sRGB byte (IEC 61966-2-1)."""
    table = np.empty(256, dtype=np.float32)
    for byte in range(256):
        s = byte / 255.0
        table[byte] = s / 12.92 if s <= 0.04045 else exact_pow((s + 0.055) / 1.055, 2.4)
    return table


@compiled
def _srgb_of_linear(steps: int) -> Bytes:
    """The sRGB byte nearest to each of `steps` + 1 equal steps of linear light from 0 to 1."""
    table = np.empty(steps + 1, dtype=np.uint8)
    for step in range(steps + 1):
        light = step / steps
        s = 12.92 * light if light <= 0.0031308 else 1.055 * exact_pow(light, 1.0 / 2.4) - 0.055
        table[step] = np.uint8(s * 255.0 + 0.5)
    return table


LINEAR = _linear_of_srgb()
_ENCODED = _srgb_of_linear(_ENCODE_STEPS)


@dataclass(frozen=True)
class TextureTable:
    """The textures of a scene.

    Attributes:
        texels: uint32 (T,), sRGB bytes, red in the lowest, and coverage, of all textures and their smaller copies.
        rows: int64 (textures, N), the size of each, how many levels it has, whether it repeats and where its levels begin.
    """

    texels: Words
    rows: Longs


_chains: WeakKeyDictionary[Texture, Bytes] = WeakKeyDictionary()


def _chain(texture: Texture) -> Bytes:
    """A texture and its smaller copies, one after the other, uint8 (texels, 4)."""
    chain = _chains.get(texture)
    if chain is None:
        height, width, channels = texture.pixels.shape
        chain = np.empty((_chain_texels(width, height), 4), dtype=np.uint8)
        chain[: width * height, :channels] = texture.pixels.reshape(-1, channels)
        if channels == 3:
            chain[: width * height, 3] = _FULL
        _halve(chain, width, height, LINEAR, _ENCODED)
        _chains[texture] = chain
    return chain


def _levels(width: int, height: int) -> int:
    return max(width, height).bit_length()


def _level_starts(start: int, width: int, height: int) -> list[int]:
    starts = [start]
    for level in range(_levels(width, height) - 1):
        starts.append(starts[-1] + max(1, width >> level) * max(1, height >> level))
    return starts


def _chain_texels(width: int, height: int) -> int:
    return sum(max(1, width >> level) * max(1, height >> level) for level in range(_levels(width, height)))


class TexturePool:
    """Holds the textures of the scenes that one thread draws."""

    def __init__(self) -> None:
        self._texels: Bytes = np.empty((0, 4), dtype=np.uint8)
        self._used = 0
        self._starts: WeakKeyDictionary[Texture, int] = WeakKeyDictionary()

    def table(self, textures: list[Texture]) -> TextureTable:
        """These textures, ready to be sampled until the next call. Raises BadScene when they are too many."""
        missing = [texture for texture in textures if texture not in self._starts]
        self._make_room(missing, textures)
        rows = np.zeros((len(textures), _ROW), dtype=np.int64)
        for place, texture in enumerate(textures):
            start = self._starts.get(texture)
            if start is None:
                chain = _chain(texture)
                start = self._starts[texture] = self._used
                self._texels[start : start + len(chain)] = chain
                self._used += len(chain)
            height, width, _ = texture.pixels.shape
            levels = _levels(width, height)
            rows[place, :_STARTS] = width, height, levels, texture.repeats
            rows[place, _STARTS : _STARTS + levels] = _level_starts(start, width, height)
        return TextureTable(self._texels.view(np.uint32).reshape(-1), rows)

    def _make_room(self, missing: list[Texture], textures: list[Texture]) -> None:
        needed = self._used + _texels_of(missing)
        if needed <= len(self._texels):
            return
        alone = _texels_of(textures)
        if 4 * alone > SCENE_BYTES_MAX:
            raise BadScene(
                f"the textures of a scene take {4 * alone:,} bytes with their smaller copies; at most "
                f"{SCENE_BYTES_MAX:,} are drawn: make them smaller or share them"
            )
        if needed * 4 > max(POOL_BYTES, 4 * alone):
            self._starts.clear()
            needed, self._used = alone, 0
        if needed > len(self._texels):
            grown = np.empty((min(max(2 * needed, 2**18), max(POOL_BYTES // 4, needed)), 4), dtype=np.uint8)
            grown[: self._used] = self._texels[: self._used]
            self._texels = grown


def _texels_of(textures: list[Texture]) -> int:
    return sum(_chain_texels(texture.pixels.shape[1], texture.pixels.shape[0]) for texture in textures)


@kernel
def _halve(chain: Bytes, width: int, height: int, linear: NDArray[np.float32], encoded: Bytes) -> None:
    """Fill in the smaller copies: means in linear light, weighted by coverage so that holes do not bleed."""
    start = 0
    while width > 1 or height > 1:
        wide, high = max(1, width >> 1), max(1, height >> 1)
        to = start + width * height
        for y in range(high):
            y0, y1 = 2 * y, min(2 * y + 1, height - 1)
            for x in range(wide):
                x0, x1 = 2 * x, min(2 * x + 1, width - 1)
                red = green = blue = weight = 0.0
                covered = 0
                for at in (y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1):
                    texel = chain[start + at]
                    share = texel[3] + 1e-3
                    red += share * linear[texel[0]]
                    green += share * linear[texel[1]]
                    blue += share * linear[texel[2]]
                    weight += share
                    covered += texel[3]
                scale = _ENCODE_STEPS / weight
                made = to + y * wide + x
                chain[made, 0] = encoded[int(red * scale + 0.5)]
                chain[made, 1] = encoded[int(green * scale + 0.5)]
                chain[made, 2] = encoded[int(blue * scale + 0.5)]
                chain[made, 3] = (covered + 2) >> 2
        start, width, height = to, wide, high


@inlined
def _wrapped(at: int, size: int, repeats: int) -> int:
    if at < 0:
        return at + size if repeats else 0
    if at >= size:
        return at - size if repeats else size - 1
    return at


@kernel
def is_hole(texels: Words, rows: Longs, row: int, u: float, v: float) -> bool:
    """Whether a texture has no coverage at (u, v)."""
    if rows[row, _REPEATS]:
        u, v = u - np.floor(u), v - np.floor(v)
    x = _wrapped(int(np.floor(min(1.0, max(0.0, u)) * rows[row, _WIDTH])), rows[row, _WIDTH], rows[row, _REPEATS])
    y = _wrapped(int(np.floor(min(1.0, max(0.0, v)) * rows[row, _HEIGHT])), rows[row, _HEIGHT], rows[row, _REPEATS])
    covered: int = texels[rows[row, _STARTS] + y * rows[row, _WIDTH] + x] >> _COVERAGE
    return covered < _HOLE_BELOW


@inlined
def _bilinear(
    texels: Words, linear: Singles, rows: Longs, row: int, level: int, u: np.float32, v: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """The mean of the four texels around (u, v) of one level."""
    width, height = max(1, rows[row, _WIDTH] >> level), max(1, rows[row, _HEIGHT] >> level)
    wide, high = np.float32(width), np.float32(height)
    x = min(wide - _HALF, max(-_HALF, u * wide - _HALF))
    y = min(high - _HALF, max(-_HALF, v * high - _HALF))
    left, top = math.floor(x), math.floor(y)
    fx, fy = x - np.float32(left), y - np.float32(top)
    x0, x1 = _wrapped(left, width, rows[row, _REPEATS]), _wrapped(left + 1, width, rows[row, _REPEATS])
    upper = rows[row, _STARTS + level] + _wrapped(top, height, rows[row, _REPEATS]) * width
    lower = rows[row, _STARTS + level] + _wrapped(top + 1, height, rows[row, _REPEATS]) * width
    a, b, c, d = texels[upper + x0], texels[upper + x1], texels[lower + x0], texels[lower + x1]
    wd = fx * fy
    wb, wc = fx - wd, fy - wd
    wa = _ONE - fx - wc
    return (
        wa * linear[a & _BYTE] + wb * linear[b & _BYTE] + wc * linear[c & _BYTE] + wd * linear[d & _BYTE],
        wa * linear[a >> _EIGHT & _BYTE]
        + wb * linear[b >> _EIGHT & _BYTE]
        + wc * linear[c >> _EIGHT & _BYTE]
        + wd * linear[d >> _EIGHT & _BYTE],
        wa * linear[a >> _SIXTEEN & _BYTE]
        + wb * linear[b >> _SIXTEEN & _BYTE]
        + wc * linear[c >> _SIXTEEN & _BYTE]
        + wd * linear[d >> _SIXTEEN & _BYTE],
    )


@inlined
def _trilinear(
    texels: Words, linear: Singles, rows: Longs, row: int, u: np.float32, v: np.float32, level: int, coarse: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """The texture at (u, v) between two levels: `coarse` is the share of the next one."""
    red, green, blue = _bilinear(texels, linear, rows, row, level, u, v)
    if coarse > _ZERO:
        r, g, b = _bilinear(texels, linear, rows, row, level + 1, u, v)
        red, green, blue = red + coarse * (r - red), green + coarse * (g - green), blue + coarse * (b - blue)
    return red, green, blue


@inlined
def sampled(
    texels: Words,
    linear: Singles,
    rows: Longs,
    row: int,
    u: np.float32,
    v: np.float32,
    footprint: tuple[np.float32, np.float32, np.float32, np.float32],
) -> tuple[np.float32, np.float32, np.float32]:
    """The mean colour, linear, of a texture over a pixel.

    `footprint` is how far (u, v) moves to the next pixel right, then down. Where a surface is seen at a grazing angle,
    several samples along the pixel's longer side keep it sharp across (McCormack et al., 1999).
    """
    width, height = np.float32(rows[row, _WIDTH]), np.float32(rows[row, _HEIGHT])
    ax, ay = footprint[0] * width, footprint[1] * height
    bx, by = footprint[2] * width, footprint[3] * height
    one, other = ax * ax + ay * ay, bx * bx + by * by
    du, dv, long, short = footprint[0], footprint[1], one, other
    if other > one:
        du, dv, long, short = footprint[2], footprint[3], other, one
    # The pixel is a parallelogram: its area over its longer side is how wide it is across.
    area = abs(ax * by - ay * bx)
    long = np.float32(math.sqrt(long))
    short = min(np.float32(math.sqrt(short)), area / long if long > _ZERO else _ZERO)
    taps = 1
    if long > _STRETCHED and long > _LONGER * short:
        taps = min(_TAPS_MAX, int(long / max(short, _SHORTEST) + _HALF))
    share = _ONE / np.float32(taps)
    texels_wide = _SHARPER * max(short, long * share)
    level, last = 0, rows[row, _LEVELS] - 1
    while texels_wide >= _TWO and level < last:
        level += 1
        texels_wide *= _HALF
    # Two levels are mixed only about half way between them, where the change from one to the other would show.
    coarse = min(_ONE, max(_ZERO, _TWO * (texels_wide - _LITTLE)))
    if level == last:
        coarse = _ZERO
    elif coarse >= _ONE:
        level, coarse = level + 1, _ZERO
    red = green = blue = _ZERO
    for tap in range(taps):
        shift = (np.float32(tap) + _HALF) * share - _HALF
        at_u, at_v = u + du * shift, v + dv * shift
        if rows[row, _REPEATS]:
            at_u, at_v = at_u - np.floor(at_u), at_v - np.floor(at_v)
        r, g, b = _trilinear(texels, linear, rows, row, at_u, at_v, level, coarse)
        red, green, blue = red + r, green + g, blue + b
    return red * share, green * share, blue * share
