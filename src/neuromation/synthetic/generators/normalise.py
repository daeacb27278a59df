"""The pre-processing of scanned digits that the UCI "optdigits" set went through, on 32 x 32 bitmaps.

Follows the public-domain routines of the NIST form-based handprint recognition system (Garris et al., NISTIR 5469,
1994): a character's box is stretched to 20 x 32 pixels in the middle of 32 x 32, strokes are thinned or thickened until
the ink lies within bounds, and rows are shifted until the left edges at top and bottom stand over each other. Owns no
drawing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Bitmap = NDArray[np.bool_]

SIDE = 32  # pixels of a bitmap, both ways
BOX_WIDTH = 20  # pixels that a character's width is stretched to
MARGIN = (SIDE - BOX_WIDTH) // 2
INK_TWICE_THICKER, INK_THICKER, INK_THINNER, INK_TWICE_THINNER = 108, 256, 412, 560
EDGE_ROWS = 2  # rows at top and bottom that are too ragged to measure the slant at


def normalise(box: Bitmap) -> Bitmap:
    """The bitmap (32, 32) of a character whose box was already sampled at (32, 20)."""
    bitmap = np.zeros((SIDE, SIDE), dtype=np.bool_)
    bitmap[:, MARGIN : MARGIN + BOX_WIDTH] = box
    return upright(even_ink(bitmap))


def even_ink(bitmap: Bitmap) -> Bitmap:
    """The bitmap with its strokes thinned or thickened, at most twice, when it has too much or too little ink."""
    ink = int(np.count_nonzero(bitmap))
    if ink > INK_THINNER:
        bitmap = _thinner(bitmap)
        return _thinner(bitmap) if ink > INK_TWICE_THINNER else bitmap
    if ink < INK_THICKER:
        bitmap = _thicker(bitmap)
        return _thicker(bitmap) if ink < INK_TWICE_THICKER else bitmap
    return bitmap


def upright(bitmap: Bitmap) -> Bitmap:
    """The bitmap with its rows shifted so that the left edges near the top and near the bottom line up."""
    filled: NDArray[np.bool_] = np.asarray(bitmap.any(axis=1))
    top = int(filled.argmax()) + EDGE_ROWS
    bottom = SIDE - 1 - int(filled[::-1].argmax()) - EDGE_ROWS
    if bottom - top < 1 or not (filled[top] and filled[bottom]):
        return bitmap
    lean = int(bitmap[top].argmax()) - int(bitmap[bottom].argmax())
    if lean == 0:
        return bitmap
    return np.append(bitmap, False)[_shifted(lean, bottom - top)]


@lru_cache(maxsize=SIDE * SIDE)
def _shifted(lean: int, height: int) -> NDArray[np.intp]:
    """Where each pixel of an upright bitmap comes from, as a flat index; `SIDE * SIDE` where nothing comes in."""
    # Whole numbers only, so that every machine rounds alike: half away from zero.
    rise = (np.arange(SIDE) - SIDE // 2) * lean
    shift = np.sign(rise) * ((2 * np.abs(rise) + height) // (2 * height))
    column = np.arange(SIDE)[None, :] - shift[:, None]
    inside = (column >= 0) & (column < SIDE)
    return np.where(inside, np.arange(SIDE)[:, None] * SIDE + column, SIDE * SIDE)


def block_counts(bitmap: Bitmap) -> NDArray[np.uint8]:
    """How many pixels are on in each 4 x 4 block: (8, 8), 0..16."""
    counts: NDArray[np.uint8] = bitmap.reshape(8, 4, 8, 4).sum(axis=(1, 3), dtype=np.uint8)
    return counts


def _thinner(bitmap: Bitmap) -> Bitmap:
    """Erosion by the four neighbours; what lies outside the bitmap counts as empty."""
    out = np.zeros_like(bitmap)
    inner = bitmap[1:-1, 1:-1]
    out[1:-1, 1:-1] = inner & bitmap[:-2, 1:-1] & bitmap[2:, 1:-1] & bitmap[1:-1, :-2] & bitmap[1:-1, 2:]
    return out


def _thicker(bitmap: Bitmap) -> Bitmap:
    """Dilation by the four neighbours."""
    out = bitmap.copy()
    out[1:] |= bitmap[:-1]
    out[:-1] |= bitmap[1:]
    out[:, 1:] |= bitmap[:, :-1]
    out[:, :-1] |= bitmap[:, 1:]
    return out
