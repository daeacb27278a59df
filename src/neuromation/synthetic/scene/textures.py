"""Surfaces of the world as repeating pictures: wood, metal, cloth, stone, walls, shops out of focus.

Each function gives a frozen, cached `Texture` for a `variant` (a whole number: another piece of the same stuff) and a
`tone` (sRGB 0..255). Draw variants from a small pool, so that a scene does not pay for new ones. Everything is exact.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.model import Texture
from neuromation.synthetic.scene.textures_noise import Field, blurred, grain, noise, scratches, smeared, toned

Tone = tuple[float, float, float]
SIDE_PX = 256
VARIANTS_MAX = 2**31
_CACHED = 256


def _check(variant: int, size_px: int) -> None:
    if not 0 <= variant < VARIANTS_MAX or not 8 <= size_px <= 2048:
        raise BadScene(f"a texture has a variant >= 0 and 8 to 2048 pixels, not {variant} and {size_px}")


def _made(pixels: NDArray[np.uint8], repeats: bool = True) -> Texture:
    pixels.setflags(write=False)
    return Texture(pixels, repeats)


def shaded(tone: Tone, factor: float) -> Tone:
    """A tone made lighter or darker."""
    return tone[0] * factor, tone[1] * factor, tone[2] * factor


def mixed(one: Tone, other: Tone, share: float) -> Tone:
    """`one`, and `share` of `other`."""
    return (
        one[0] + (other[0] - one[0]) * share,
        one[1] + (other[1] - one[1]) * share,
        one[2] + (other[2] - one[2]) * share,
    )


def _rows(size_px: int) -> Field:
    rows: Field = ((np.arange(size_px, dtype=np.float32) + np.float32(0.5)) * np.float32(1 / size_px))[:, None]
    return rows


@lru_cache(maxsize=_CACHED)
def wood(variant: int = 0, tone: Tone = (176.0, 128.0, 82.0), size_px: int = SIDE_PX) -> Texture:
    """Planed wood with its grain along x."""
    _check(variant, size_px)
    n = size_px
    bent = noise(n, n, cells_y=2, cells_x=1, seed=variant, octaves=3)
    # Rings: a saw-tooth of a bent height, whose late wood is dark and narrow.
    at = (_rows(n) * 7 + bent * np.float32(4.0)) % np.float32(1.0)
    # The saw would jump at the seam of y: 7 whole rings fit, so it does not.
    late = at * at * at
    fibre = noise(n, n, cells_y=n // 2, cells_x=4, seed=variant + 11, octaves=2)
    pores = smeared((grain(n, n, variant + 23) > 0.985).astype(np.float32), 7, across=True)
    field = (
        np.float32(0.62)
        - np.float32(0.3) * late
        + np.float32(0.32) * (fibre - np.float32(0.5))
        - np.float32(2.2) * pores
    )
    return _made(toned(field, shaded(tone, 0.42), tone, shaded(tone, 1.22)))


@lru_cache(maxsize=_CACHED)
def planks(variant: int = 0, tone: Tone = (150.0, 108.0, 70.0), boards: int = 4, size_px: int = SIDE_PX) -> Texture:
    """A floor or a table of boards along x, each of its own shade, with dark joints."""
    _check(variant, size_px)
    pixels = wood(variant, tone, size_px).pixels.astype(np.float32)
    high = size_px // max(1, boards)
    draws = grain(max(1, boards), 2, variant + 5)
    for k in range(boards):
        rows = slice(k * high, (k + 1) * high)
        moved = np.roll(pixels[rows], int(draws[k, 0] * size_px), axis=1)
        pixels[rows] = moved * np.float32(0.82 + 0.36 * float(draws[k, 1]))
        pixels[k * high : k * high + max(1, size_px // 128)] *= np.float32(0.45)
    return _made(np.clip(pixels, 0, 255).astype(np.uint8))


@lru_cache(maxsize=_CACHED)
def brushed_metal(variant: int = 0, tone: Tone = (176.0, 178.0, 182.0), size_px: int = SIDE_PX) -> Texture:
    """Metal brushed along x."""
    _check(variant, size_px)
    lines = smeared(grain(size_px, size_px, variant), size_px // 10, across=True)
    field = np.float32(0.5) + (lines - np.float32(0.5)) * np.float32(2.6)
    return _made(toned(field, shaded(tone, 0.78), tone, shaded(tone, 1.2)))


@lru_cache(maxsize=_CACHED)
def plastic(variant: int = 0, tone: Tone = (90.0, 110.0, 140.0), size_px: int = SIDE_PX) -> Texture:
    """Moulded plastic: fine grain and a few marks of use."""
    _check(variant, size_px)
    field = np.float32(0.5) + (
        noise(size_px, size_px, cells_y=64, cells_x=64, seed=variant, octaves=2) - np.float32(0.5)
    ) * np.float32(0.25)
    field = field + scratches(size_px, size_px, count=14, seed=variant + 3) * np.float32(0.18)
    field = field + (noise(size_px, size_px, cells_y=3, cells_x=3, seed=variant + 7) - np.float32(0.5)) * np.float32(
        0.16
    )
    return _made(toned(field, shaded(tone, 0.72), tone, shaded(tone, 1.25)))


@lru_cache(maxsize=_CACHED)
def cardboard(variant: int = 0, tone: Tone = (188.0, 150.0, 108.0), size_px: int = SIDE_PX) -> Texture:
    """Kraft or cardboard: fibres, specks and a trace of the flutes below (along y)."""
    _check(variant, size_px)
    n = size_px
    fibre = smeared(grain(n, n, variant), 3, across=True) + smeared(grain(n, n, variant + 1), 3, across=False)
    cloud = noise(n, n, cells_y=4, cells_x=4, seed=variant + 2, octaves=3)
    at = (np.arange(n, dtype=np.float32) * np.float32(32 / n)) % np.float32(1.0)
    flute = (np.float32(4) * at * (np.float32(1) - at))[None, :]
    field = (
        np.float32(0.42) + (fibre - np.float32(1.0)) * np.float32(0.45) + (cloud - np.float32(0.5)) * np.float32(0.3)
    )
    field = (
        field
        + flute * np.float32(0.06)
        - (grain(n, n, variant + 4) > np.float32(0.997)).astype(np.float32) * np.float32(0.2)
    )
    return _made(toned(field, shaded(tone, 0.72), tone, shaded(tone, 1.18)))


@lru_cache(maxsize=_CACHED)
def fabric(variant: int = 0, tone: Tone = (96.0, 108.0, 122.0), threads: int = 48, size_px: int = SIDE_PX) -> Texture:
    """Plain-woven cloth with `threads` each way."""
    _check(variant, size_px)
    n = size_px
    at = (np.arange(n, dtype=np.float32) + np.float32(0.5)) * np.float32(threads / n)
    cell = at.astype(np.int64)
    inner = at - cell.astype(np.float32)
    bulge = np.float32(4) * inner * (np.float32(1) - inner)
    over = ((cell[:, None] + cell[None, :]) & 1).astype(np.float32)
    weave = over * bulge[:, None] * (np.float32(0.6) + np.float32(0.4) * bulge[None, :])
    weave = weave + (np.float32(1) - over) * bulge[None, :] * (np.float32(0.6) + np.float32(0.4) * bulge[:, None])
    uneven = smeared(grain(n, n, variant), 9, across=True) + smeared(grain(n, n, variant + 1), 9, across=False)
    field = np.float32(0.12) + weave * np.float32(0.6) + (uneven - np.float32(1)) * np.float32(0.8)
    return _made(toned(field, shaded(tone, 0.45), tone, shaded(tone, 1.3)))


@lru_cache(maxsize=_CACHED)
def felt(variant: int = 0, tone: Tone = (30.0, 96.0, 62.0), size_px: int = SIDE_PX) -> Texture:
    """Felt or baize: short fibres in all directions."""
    _check(variant, size_px)
    n = size_px
    mat = smeared(grain(n, n, variant), 2, across=True) + smeared(grain(n, n, variant + 1), 2, across=False)
    cloud = noise(n, n, cells_y=5, cells_x=5, seed=variant + 2, octaves=3)
    field = np.float32(0.5) + (mat - np.float32(1)) * np.float32(0.7) + (cloud - np.float32(0.5)) * np.float32(0.5)
    field = field + (scratches(n, n, count=30, seed=variant + 5)) * np.float32(0.14)
    return _made(toned(field, shaded(tone, 0.6), tone, shaded(tone, 1.45)))


@lru_cache(maxsize=_CACHED)
def concrete(variant: int = 0, tone: Tone = (150.0, 148.0, 143.0), size_px: int = SIDE_PX) -> Texture:
    """Concrete or plaster: clouds, pits and stains."""
    _check(variant, size_px)
    n = size_px
    # No larger clouds than a sixth: they would show how often the texture repeats.
    cloud = noise(n, n, cells_y=6, cells_x=6, seed=variant, octaves=5)
    pits = (noise(n, n, cells_y=64, cells_x=64, seed=variant + 1) > np.float32(0.86)).astype(np.float32)
    field = np.float32(0.5) + (cloud - np.float32(0.5)) * np.float32(0.8) - pits * np.float32(0.16)
    field = field + (grain(n, n, variant + 2) - np.float32(0.5)) * np.float32(0.16)
    return _made(toned(field, shaded(tone, 0.62), tone, shaded(tone, 1.22)))


@lru_cache(maxsize=_CACHED)
def tiles(
    variant: int = 0,
    tone: Tone = (214.0, 210.0, 200.0),
    across: int = 4,
    joint: Tone = (140.0, 136.0, 130.0),
    size_px: int = SIDE_PX,
) -> Texture:
    """Square tiles, `across` each way, each of its own shade, with joints."""
    _check(variant, size_px)
    n = size_px
    at = (np.arange(n, dtype=np.float32) + np.float32(0.5)) * np.float32(across / n)
    cell = at.astype(np.int64)
    inner = at - cell.astype(np.float32)
    edge = np.minimum(inner, np.float32(1) - inner)
    near = np.minimum(edge[:, None], edge[None, :])
    shade = grain(across, across, variant)[cell[:, None], cell[None, :]]
    cloud = noise(n, n, cells_y=8, cells_x=8, seed=variant + 1, octaves=4)
    field = np.float32(0.5) + (shade - np.float32(0.5)) * np.float32(0.22) + (cloud - np.float32(0.5)) * np.float32(0.3)
    field = field + np.float32(0.12) * (near < np.float32(0.05))
    pixels = toned(field, shaded(tone, 0.7), tone, shaded(tone, 1.16))
    pixels[near < np.float32(0.022)] = np.array(joint).astype(np.uint8)
    return _made(pixels)


@lru_cache(maxsize=_CACHED)
def marble(variant: int = 0, tone: Tone = (232.0, 230.0, 226.0), size_px: int = SIDE_PX) -> Texture:
    """Marble: thin dark veins where a bent field passes through its middle."""
    _check(variant, size_px)
    n = size_px
    bent = noise(n, n, cells_y=3, cells_x=3, seed=variant, octaves=5)
    other = noise(n, n, cells_y=5, cells_x=4, seed=variant + 1, octaves=4)
    vein = np.float32(1) - np.minimum(np.abs(bent - np.float32(0.5)) * np.float32(16), np.float32(1))
    fine = np.float32(1) - np.minimum(np.abs(other - np.float32(0.5)) * np.float32(34), np.float32(1))
    cloud = noise(n, n, cells_y=2, cells_x=2, seed=variant + 2, octaves=3)
    field = (
        np.float32(0.92)
        - vein * other * np.float32(0.85)
        - fine * np.float32(0.22)
        - (cloud - np.float32(0.5)) * np.float32(0.25)
    )
    return _made(toned(field, shaded(tone, 0.32), shaded(tone, 0.8), tone))


@lru_cache(maxsize=_CACHED)
def paper(variant: int = 0, tone: Tone = (238.0, 235.0, 228.0), size_px: int = SIDE_PX) -> Texture:
    """Paper: faint fibres."""
    _check(variant, size_px)
    fibre = smeared(grain(size_px, size_px, variant), 2, across=True)
    cloud = noise(size_px, size_px, cells_y=8, cells_x=8, seed=variant + 1, octaves=3)
    field = np.float32(0.7) + (fibre - np.float32(0.5)) * np.float32(0.5) + (cloud - np.float32(0.5)) * np.float32(0.3)
    return _made(toned(field, shaded(tone, 0.9), tone, shaded(tone, 1.05)))


@lru_cache(maxsize=_CACHED)
def wall_paint(variant: int = 0, tone: Tone = (222.0, 218.0, 208.0), size_px: int = SIDE_PX) -> Texture:
    """A painted wall: the orange peel of a roller, and patches."""
    _check(variant, size_px)
    n = size_px
    peel = noise(n, n, cells_y=72, cells_x=72, seed=variant, octaves=2)
    patch = noise(n, n, cells_y=2, cells_x=2, seed=variant + 1, octaves=4)
    slope = peel - np.roll(peel, 1, axis=0)
    field = np.float32(0.5) + slope * np.float32(0.55) + (patch - np.float32(0.5)) * np.float32(0.28)
    return _made(toned(field, shaded(tone, 0.82), tone, shaded(tone, 1.12)))


@lru_cache(maxsize=_CACHED)
def vinyl_floor(variant: int = 0, tone: Tone = (186.0, 182.0, 172.0), size_px: int = SIDE_PX) -> Texture:
    """A shop's floor: pale squares with flecks of two colours and scuffs."""
    _check(variant, size_px)
    n = size_px
    base = tiles(variant, tone, 2, shaded(tone, 0.9), size_px).pixels.astype(np.float32)
    fleck = noise(n, n, cells_y=90, cells_x=90, seed=variant + 8, octaves=2)
    base[fleck > np.float32(0.68)] *= np.float32(0.86)
    base[fleck < np.float32(0.27)] *= np.float32(1.08)
    scuff = scratches(n, n, count=18, seed=variant + 9)
    base *= (np.float32(1) - np.float32(0.25) * scuff)[:, :, None]
    return _made(np.clip(base, 0, 255).astype(np.uint8))


@lru_cache(maxsize=_CACHED)
def perforated(
    tone: Tone = (214.0, 214.0, 212.0), holes: int = 10, share: float = 0.3, size_px: int = SIDE_PX
) -> Texture:
    """A shelf's back of sheet metal with a grid of round holes, `holes` each way, `share` of their pitch wide."""
    _check(0, size_px)
    if not 1 <= holes <= 64 or not 0.0 < share < 1.0:
        raise BadScene(f"a sheet has 1 to 64 holes each way, 0 to 1 pitches wide, not {holes} and {share}")
    at = ((np.arange(size_px, dtype=np.float32) + np.float32(0.5)) * np.float32(holes / size_px)) % np.float32(1.0)
    off = at - np.float32(0.5)
    square = off[:, None] * off[:, None] + off[None, :] * off[None, :]
    radius = 0.5 * share
    soft = np.float32(1.0) / np.float32(2.0 * radius * holes / size_px)
    inside = np.clip((np.float32(radius * radius) - square) * soft + np.float32(0.5), 0.0, 1.0)
    return _made(toned(inside, tone, shaded(tone, 0.18)))


@lru_cache(maxsize=_CACHED)
def speckle(variant: int = 0, tone: Tone = (128.0, 128.0, 128.0), contrast: float = 0.2, cells: int = 8) -> Texture:
    """Clouds of a tone: fractal noise."""
    _check(variant, SIDE_PX)
    field = noise(SIDE_PX, SIDE_PX, cells_y=cells, cells_x=cells, seed=variant, octaves=5)
    return _made(toned(field, shaded(tone, 1 - contrast), shaded(tone, 1 + contrast)))


@lru_cache(maxsize=_CACHED)
def gradient(top: Tone, bottom: Tone, size_px: int = 64) -> Texture:
    """From one tone to another, downwards; does not repeat."""
    _check(0, size_px)
    return _made(toned(np.repeat(_rows(size_px), 8, axis=1), top, bottom), repeats=False)


@lru_cache(maxsize=_CACHED)
def stripes(one: Tone, other: Tone, count: int = 8, share: float = 0.5, size_px: int = SIDE_PX) -> Texture:
    """Stripes along y: `count` pairs, `other` taking `share` of each."""
    _check(0, size_px)
    at = ((np.arange(size_px, dtype=np.float32) + np.float32(0.5)) * np.float32(count / size_px)) % np.float32(1.0)
    field = np.broadcast_to((at < np.float32(share)).astype(np.float32)[None, :], (size_px, size_px))
    return _made(toned(np.ascontiguousarray(field), one, other))


@lru_cache(maxsize=_CACHED)
def checker(one: Tone, other: Tone, count: int = 8, size_px: int = SIDE_PX) -> Texture:
    """A chess board with `count` squares each way."""
    _check(0, size_px)
    cell = np.arange(size_px) * count // size_px
    field = ((cell[:, None] + cell[None, :]) & 1).astype(np.float32)
    return _made(toned(field, one, other))


def worn(texture: Texture, variant: int, amount: float = 0.5) -> Texture:
    """The texture with scratches and rubbed patches; amount 0..1."""
    _check(variant, 8)
    height, width = texture.pixels.shape[:2]
    rubbed = noise(height, width, cells_y=4, cells_x=4, seed=variant, octaves=5)
    lines = scratches(height, width, count=int(10 + 60 * amount), seed=variant + 1)
    light = np.clip((rubbed - np.float32(0.6)) * np.float32(1.2), 0, 1) * np.float32(amount)
    light = np.maximum(light, lines * np.float32(0.5 * amount))[:, :, None]
    pixels = texture.pixels.astype(np.float32)
    pixels[..., :3] += (np.float32(205.0) - pixels[..., :3]) * light
    return _made(np.clip(pixels, 0, 255).astype(np.uint8), texture.repeats)


_PACKS: tuple[Tone, ...] = (
    (196, 44, 40), (226, 140, 36), (238, 200, 60), (60, 140, 70), (40, 96, 160), (240, 236, 228), (120, 60, 130),
    (30, 34, 44), (150, 190, 210), (214, 120, 150), (112, 84, 60), (90, 170, 160),
)  # fmt: skip


@lru_cache(maxsize=64)
def shop_out_of_focus(variant: int = 0, blur_px: int = 6, size_px: int = SIDE_PX) -> Texture:
    """What is behind a product in a shop: shelves full of colours, strips of light above, all out of focus."""
    _check(variant, size_px)
    n = size_px
    picture = np.empty((n, n, 3), dtype=np.float32)
    picture[:] = (74.0, 72.0, 70.0)
    draws = grain(8, 256, variant).astype(np.float64)
    rows = 4 + int(draws[0, 0] * 3)
    high = n / rows
    for row in range(rows):
        x, k = -int(draws[1, row] * 20), 0
        base = int((row + 0.86) * high)
        while x < n and k < 250:
            wide = int(n * (0.03 + 0.07 * draws[2, k]))
            tone = np.array(_PACKS[int(draws[3, (k * 7 + row * 31) % 256] * len(_PACKS)) % len(_PACKS)])
            repeat = 1 + int(draws[4, (k + 40 * row) % 256] * 3)
            tall = int(high * (0.45 + 0.38 * draws[5, (k + 17 * row) % 256]))
            for _ in range(repeat):
                cells = slice(max(0, base - tall), base), slice(max(0, x), max(0, x + wide - 1))
                picture[cells] = tone * (0.62 + 0.3 * draws[6, (x + row) % 256])
                band = slice(max(0, base - int(0.7 * tall)), max(0, base - int(0.4 * tall)))
                picture[band, cells[1]] = np.array(_PACKS[(k * 5 + row) % len(_PACKS)]) * 0.8
                x += wide
            k += 1
        picture[base : base + max(2, int(0.07 * high))] = (206.0, 204.0, 198.0)
    lamps = slice(0, max(1, n // 24))
    picture[lamps] = (250.0, 248.0, 238.0)
    out = np.stack([blurred(np.ascontiguousarray(picture[:, :, c]), max(0, blur_px)) for c in range(3)], axis=-1)
    return _made(np.clip(out, 0, 255).astype(np.uint8), repeats=False)
