"""One photo of a product before a plain ground becomes a picture for a mesh. Owns cutting out; knows no catalogue.

The ground is what is connected to the border and looks like it. Rows of the product are evened to one width, so that a
bottle's shoulders or a carton seen a little from the side fill a rectangle. Exact arithmetic throughout.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.errors import BadScene

Picture = NDArray[np.uint8]
SIDE_MAX_PX = 4096
GROUND_APART = (20, 10)  # a pixel this near to the ground's colour, in its farthest channel, is ground
_KEPT_LEAST = 0.95
_FILLED_LEAST = 0.02  # a product covers at least this share of its photo


def _checked(image: Picture) -> Picture:
    shape = image.shape
    if image.dtype != np.uint8 or len(shape) != 3 or shape[2] not in (3, 4):
        raise BadScene(f"a packshot is uint8 (height, width, 3 or 4), not {image.dtype} {shape}")
    if not (8 <= shape[0] <= SIDE_MAX_PX and 8 <= shape[1] <= SIDE_MAX_PX):
        raise BadScene(f"a packshot is 8 to {SIDE_MAX_PX} pixels wide and high, not {shape[1]} x {shape[0]}")
    return image


@compiled
def _flood(image: Picture, tone: NDArray[np.int64], apart: int) -> NDArray[np.bool_]:
    """What is connected to the border and within `apart` of a tone: True is ground."""
    height, width = image.shape[0], image.shape[1]
    ground = np.zeros((height, width), dtype=np.bool_)
    stack = np.empty((height * width, 2), dtype=np.int32)
    size = 0
    for y in range(height):
        for x in range(width):
            if y in (0, height - 1) or x in (0, width - 1):
                far = 0
                for c in range(3):
                    far = max(far, abs(np.int64(image[y, x, c]) - tone[c]))
                if far <= apart and not ground[y, x]:
                    ground[y, x] = True
                    stack[size, 0], stack[size, 1] = y, x
                    size += 1
    while size > 0:
        size -= 1
        y0, x0 = stack[size, 0], stack[size, 1]
        for k in range(4):
            y = y0 + (1 if k == 0 else -1 if k == 1 else 0)
            x = x0 + (1 if k == 2 else -1 if k == 3 else 0)
            if not (0 <= y < height and 0 <= x < width) or ground[y, x]:
                continue
            far = 0
            for c in range(3):
                far = max(far, abs(np.int64(image[y, x, c]) - tone[c]))
            if far <= apart:
                ground[y, x] = True
                stack[size, 0], stack[size, 1] = y, x
                size += 1
    return ground


def product_mask(image: Picture) -> NDArray[np.bool_]:
    """Where the product is, bool (height, width): its alpha where there is one, else what is not ground.

    Where the border has no one colour (a photo, no packshot) everything is product. Raises BadScene for no product.
    """
    image = _checked(image)
    if image.shape[2] == 4 and int(image[:, :, 3].min()) < 128:
        mask = image[:, :, 3] >= 128
    else:
        rgb = image[:, :, :3]
        border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]]).astype(np.int64)
        tone = np.sort(border, axis=0, kind="stable")[len(border) // 2]
        plain = (np.abs(border - tone).max(axis=1) <= GROUND_APART[0]).mean()
        if plain < 0.5:
            return np.ones(image.shape[:2], dtype=np.bool_)
        strict, careful = (_body(rgb, tone, apart) for apart in GROUND_APART)
        # A careful cut keeps the ground's shadows; it is taken where a strict one loses much of a pale product.
        mask = strict if strict.sum() >= _KEPT_LEAST * careful.sum() else careful
    if mask.mean() < _FILLED_LEAST:
        raise BadScene("the packshot shows no product: nearly all of it is as its border")
    return mask


def _body(rgb: Picture, tone: NDArray[np.int64], apart: int) -> NDArray[np.bool_]:
    """What is not ground; a white pack leaks into a white ground, so all between its outermost pixels is product."""
    ground = _flood(np.ascontiguousarray(rgb), tone, apart)
    return _between(~ground, 1) & _between(~ground, 0)


def _between(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Filled from the first to the last True along an axis."""
    after = np.logical_or.accumulate(mask, axis=axis)
    before = np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis=axis), axis)
    filled: NDArray[np.bool_] = after & before
    return filled


def cutout(image: Picture) -> Picture:
    """The product alone, cut to its box, uint8 (h, w, 4) with coverage: for a card that is seen from the front."""
    mask = product_mask(image)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    alpha = np.where(mask[box], 255, 0).astype(np.uint8)
    out: Picture = np.concatenate([image[box][:, :, :3], alpha[:, :, None]], axis=2)
    return out


@compiled
def _evened(image: Picture, left: NDArray[np.float64], right: NDArray[np.float64], width: int, height: int) -> Picture:
    """Every target pixel is the mean over its rectangle in the source, between left and right of its row."""
    out = np.empty((height, width, 3), dtype=np.uint8)
    rows = image.shape[0]
    for y in range(height):
        v0, v1 = y * rows / height, (y + 1) * rows / height
        for x in range(width):
            red = green = blue = weight = 0.0
            first, last = int(v0), min(int(np.ceil(v1)), rows)
            for row in range(first, max(last, first + 1)):
                high = min(v1, row + 1.0) - max(v0, float(row))
                span = right[row] - left[row]
                u0 = left[row] + span * x / width
                u1 = left[row] + span * (x + 1) / width
                for column in range(int(u0), max(int(np.ceil(u1)), int(u0) + 1)):
                    part = (min(u1, column + 1.0) - max(u0, float(column))) * high
                    place = min(max(column, 0), image.shape[1] - 1)
                    if part > 0.0:
                        red += part * image[row, place, 0]
                        green += part * image[row, place, 1]
                        blue += part * image[row, place, 2]
                        weight += part
            scale = 1.0 / weight if weight > 0.0 else 0.0
            out[y, x, 0] = np.uint8(min(red * scale + 0.5, 255.0))
            out[y, x, 1] = np.uint8(min(green * scale + 0.5, 255.0))
            out[y, x, 2] = np.uint8(min(blue * scale + 0.5, 255.0))
    return out


def packshot_texture(image: Picture, width_px: int = 0, height_px: int = 0) -> Picture:
    """The front of the product as a rectangle without ground, uint8 (height, width, 3).

    Args:
        image: uint8 (h, w, 3 or 4), a product before a plain ground or with transparency around it.
        width_px, height_px: of the picture wanted; 0 keeps the product's own size.

    Rows that are much narrower than the rest (a cap, a neck) keep the ground's place filled with their border's colour.
    Raises BadScene.
    """
    mask = product_mask(image)
    rows = np.flatnonzero(mask.any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    body = mask[top:bottom]
    pixels = np.ascontiguousarray(image[top:bottom, :, :3])
    first = body.argmax(axis=1).astype(np.float64)
    last = (body.shape[1] - body[:, ::-1].argmax(axis=1)).astype(np.float64)
    raw_first, raw_last = first, last
    # White packs lose pieces to a white ground; packages bulge, so their outline is their convex hull.
    first, last = -_envelope(-first), _envelope(last)
    wide = last - first
    usual = float(np.sort(wide, kind="stable")[len(wide) * 3 // 4])
    middle = 0.5 * (
        float(np.sort(first, kind="stable")[len(first) // 4]) + float(np.sort(last, kind="stable")[len(last) * 3 // 4])
    )
    narrow = wide < 0.62 * usual
    shoulder = int(np.argmax(raw_last - raw_first >= 0.62 * usual))
    above = np.arange(len(wide)) < shoulder  # a cap or a neck has its own outline
    pixels = _filled(pixels, np.where(above, raw_first, np.floor(first)), np.where(above, raw_last, np.ceil(last)))
    left = np.where(narrow, middle - 0.5 * usual, first)
    right = np.where(narrow, middle + 0.5 * usual, last)
    # Edges of a photo are a blend with the ground: stay a pixel inside.
    inset = np.minimum(1.5, 0.02 * wide)
    width = width_px or max(8, round(usual))
    height = height_px or max(8, bottom - top)
    if not (8 <= width <= SIDE_MAX_PX and 8 <= height <= SIDE_MAX_PX):
        raise BadScene(f"a texture is 8 to {SIDE_MAX_PX} pixels wide and high, not {width} x {height}")
    return _evened(pixels, left + inset, right - inset, width, height)


def _envelope(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The upper convex envelope of a row of values (Andrew, 1979)."""
    hull: list[int] = []
    for k in range(len(values)):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (values[b] - values[a]) * (k - a) > (values[k] - values[a]) * (b - a):
                break
            hull.pop()
        hull.append(k)
    out = np.empty(len(values))
    for a, b in pairwise(hull):
        out[a : b + 1] = values[a] + (values[b] - values[a]) * np.arange(b - a + 1) / (b - a)
    if len(hull) == 1:
        out[:] = values
    return out


def _filled(pixels: Picture, first: NDArray[np.float64], last: NDArray[np.float64]) -> Picture:
    """Rows drawn out to both sides from just inside the product."""
    width = pixels.shape[1]
    columns = np.arange(width)[None, :]
    inner = np.clip(columns, first.astype(np.int64)[:, None] + 1, np.maximum(last.astype(np.int64)[:, None] - 2, 0))
    filled: Picture = np.take_along_axis(pixels, np.clip(inner, 0, width - 1)[:, :, None], axis=1)
    return filled


def packshot_tone(image: Picture) -> tuple[float, float, float]:
    """The colour that a package's other sides may have, sRGB 0..255: the middle one along the product's borders."""
    texture = packshot_texture(image, 64, 64)
    edge = np.concatenate([texture[20:, :6].reshape(-1, 3), texture[20:, -6:].reshape(-1, 3)])
    tone = np.sort(edge, axis=0, kind="stable")[len(edge) // 2]
    return float(tone[0]), float(tone[1]), float(tone[2])
