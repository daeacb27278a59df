"""Textures ready to be sampled: halved and halved again in linear light, all in one array, looked up without aliasing.

The smaller copies of a texture are kept as long as the texture lives. The array of all of them is filled as scenes need
it and emptied when it is full, so that memory stays bounded however many textures pass.
"""

from __future__ import annotations

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

POOL_BYTES = 96 * 2**20  # kept between scenes
SCENE_BYTES_MAX = 2**30  # of one scene's textures with their smaller copies
LEVELS_MAX = 13
_ENCODE_STEPS = 4096
_FULL = 255
_HOLE_BELOW = 128
_TAPS_MAX = 4
_SHARPER = 0.8  # of a pixel's width in texels: a little sharp rather than a little soft

# Columns of a texture's row: where it begins (texels), width, height, levels, whether it repeats.
_OFFSET, _WIDTH, _HEIGHT, _LEVELS, _REPEATS = range(5)


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
        texels: uint8 (T, 4), sRGB bytes and coverage, of all textures and their smaller copies.
        rows: int64 (textures, 5), where each begins, its size, how many levels it has and whether it repeats.
    """

    texels: Bytes
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
        rows = np.zeros((len(textures), 5), dtype=np.int64)
        for place, texture in enumerate(textures):
            start = self._starts.get(texture)
            if start is None:
                chain = _chain(texture)
                start = self._starts[texture] = self._used
                self._texels[start : start + len(chain)] = chain
                self._used += len(chain)
            height, width, _ = texture.pixels.shape
            rows[place] = start, width, height, _levels(width, height), texture.repeats
        return TextureTable(self._texels, rows)

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
def is_hole(texels: Bytes, rows: Longs, row: int, u: float, v: float) -> bool:
    """Whether a texture has no coverage at (u, v)."""
    if rows[row, _REPEATS]:
        u, v = u - np.floor(u), v - np.floor(v)
    x = _wrapped(int(np.floor(min(1.0, max(0.0, u)) * rows[row, _WIDTH])), rows[row, _WIDTH], rows[row, _REPEATS])
    y = _wrapped(int(np.floor(min(1.0, max(0.0, v)) * rows[row, _HEIGHT])), rows[row, _HEIGHT], rows[row, _REPEATS])
    covered: int = texels[rows[row, _OFFSET] + y * rows[row, _WIDTH] + x, 3]
    return covered < _HOLE_BELOW


@inlined
def _bilinear(
    texels: Bytes, linear: NDArray[np.float32], rows: Longs, row: int, start: int, level: int, u: float, v: float
) -> tuple[float, float, float]:
    """The mean of the four texels around (u, v) of one level that begins at `start`."""
    width, height = max(1, rows[row, _WIDTH] >> level), max(1, rows[row, _HEIGHT] >> level)
    x, y = u * width - 0.5, v * height - 0.5
    x, y = min(width - 0.5, max(-0.5, x)), min(height - 0.5, max(-0.5, y))
    left, top = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - left, y - top
    x0, x1 = _wrapped(left, width, rows[row, _REPEATS]), _wrapped(left + 1, width, rows[row, _REPEATS])
    y0, y1 = (
        start + _wrapped(top, height, rows[row, _REPEATS]) * width,
        start + _wrapped(top + 1, height, rows[row, _REPEATS]) * width,
    )
    a, b, c, d = y0 + x0, y0 + x1, y1 + x0, y1 + x1
    wa, wb, wc, wd = (1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy
    return (
        wa * linear[texels[a, 0]] + wb * linear[texels[b, 0]] + wc * linear[texels[c, 0]] + wd * linear[texels[d, 0]],
        wa * linear[texels[a, 1]] + wb * linear[texels[b, 1]] + wc * linear[texels[c, 1]] + wd * linear[texels[d, 1]],
        wa * linear[texels[a, 2]] + wb * linear[texels[b, 2]] + wc * linear[texels[c, 2]] + wd * linear[texels[d, 2]],
    )


@inlined
def _trilinear(
    texels: Bytes, linear: NDArray[np.float32], rows: Longs, row: int, u: float, v: float, texels_wide: float
) -> tuple[float, float, float]:
    """The texture at (u, v), filtered to `texels_wide` texels of its full size."""
    level, start = 0, rows[row, _OFFSET]
    last = rows[row, _LEVELS] - 1
    while texels_wide >= 2.0 and level < last:
        start += max(1, rows[row, _WIDTH] >> level) * max(1, rows[row, _HEIGHT] >> level)
        level += 1
        texels_wide *= 0.5
    coarse = min(1.0, max(0.0, texels_wide - 1.0))
    if coarse <= 0.02 or level == last:
        coarse = 0.0
    red = green = blue = 0.0
    for step in range(2 if coarse > 0.0 else 1):
        share = coarse if step else 1.0 - coarse
        r, g, b = _bilinear(texels, linear, rows, row, start, level, u, v)
        red, green, blue = red + share * r, green + share * g, blue + share * b
        start += max(1, rows[row, _WIDTH] >> level) * max(1, rows[row, _HEIGHT] >> level)
        level += 1
    return red, green, blue


@inlined
def sampled(
    texels: Bytes,
    linear: NDArray[np.float32],
    rows: Longs,
    row: int,
    u: float,
    v: float,
    footprint: tuple[float, float, float, float],
) -> tuple[float, float, float]:
    """The mean colour, linear, of a texture over a pixel.

    `footprint` is how far (u, v) moves to the next pixel right, then down. Where a surface is seen at a grazing angle,
    several samples along the pixel's longer side keep it sharp across (McCormack et al., 1999).
    """
    ax, ay = footprint[0] * rows[row, _WIDTH], footprint[1] * rows[row, _HEIGHT]
    bx, by = footprint[2] * rows[row, _WIDTH], footprint[3] * rows[row, _HEIGHT]
    one, other = ax * ax + ay * ay, bx * bx + by * by
    du, dv, long, short = footprint[0], footprint[1], one, other
    if other > one:
        du, dv, long, short = footprint[2], footprint[3], other, one
    # The pixel is a parallelogram: its area over its longer side is how wide it is across.
    area = abs(ax * by - ay * bx)
    long = np.sqrt(long)
    short = min(np.sqrt(short), area / long if long > 0.0 else 0.0)
    taps = 1
    if long > 1.3 and long > 1.5 * short:
        taps = min(_TAPS_MAX, int(long / max(short, 0.7) + 0.5))
    texels_wide = _SHARPER * max(short, long / taps)
    red = green = blue = 0.0
    for tap in range(taps):
        shift = (tap + 0.5) / taps - 0.5
        at_u, at_v = u + du * shift, v + dv * shift
        if rows[row, _REPEATS]:
            at_u, at_v = at_u - np.floor(at_u), at_v - np.floor(at_v)
        r, g, b = _trilinear(texels, linear, rows, row, at_u, at_v, texels_wide)
        red, green, blue = red + r, green + g, blue + b
    return red / taps, green / taps, blue / taps
