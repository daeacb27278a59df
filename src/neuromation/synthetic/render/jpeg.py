"""What JPEG does to a picture: the loss of a round trip, without a file.

Owns the arithmetic of ITU-T T.81 from colour to quantised coefficients and back; the lossless rest of the format does not
change pixels and is left out. Libraries round differently on different processors; this is plain float32 and does not.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled

Plane = NDArray[np.float32]
Picture = NDArray[np.uint8]

BLOCK = 8
# ITU-T T.81, tables K.1 and K.2: steps of quantisation of brightness and of colour at quality 50.
_BRIGHTNESS_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_COLOUR_STEPS = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
# Half the cosine of k pi / 16, k = 0..8; the first is the constant's own factor, 1 / sqrt(8).
_HALF_COSINES = (
    0.3535533905932738,
    0.4903926402016152,
    0.4619397662556434,
    0.4157348061512726,
    0.3535533905932738,
    0.2777851165098011,
    0.1913417161825449,
    0.0975451610080642,
    0.0,
)


def jpeg_artefacts(picture: Picture, quality: int) -> Picture:
    """A picture as it looks after it was saved as a baseline JPEG with halved colour (4:2:0).

    Args:
        picture: uint8 (height, width, 3), sRGB.
        quality: 1..100 on the scale of the Independent JPEG Group's software.

    Returns:
        uint8 (height, width, 3).
    """
    brightness, blue, red = _planes(picture)
    _coarsened(brightness, _cosines(), _steps(_BRIGHTNESS_STEPS, quality, brightness.shape[1]))
    colour_steps = _steps(_COLOUR_STEPS, quality, blue.shape[1])
    _coarsened(blue, _cosines(), colour_steps)
    _coarsened(red, _cosines(), colour_steps)
    return _picture(brightness, blue, red, picture.shape[0], picture.shape[1])


@cache
def _cosines() -> Plane:
    """float32 (8, 8): the orthonormal discrete cosine transform, frequency by sample."""
    table = np.empty((BLOCK, BLOCK))
    for frequency in range(BLOCK):
        for sample in range(BLOCK):
            angle = frequency * (2 * sample + 1) % 32  # in pi / 16; cosine repeats after 32 and mirrors at 16
            folded = min(angle, 32 - angle)
            value = _HALF_COSINES[folded] if folded <= 8 else -_HALF_COSINES[16 - folded]
            is_unit = folded in (0, 16)  # only frequency 0 meets it
            table[frequency, sample] = _HALF_COSINES[0] if is_unit else value
    return table.astype(np.float32)


@cache
def _steps(table: tuple[tuple[int, ...], ...], quality: int, width: int) -> Plane:
    """float32 (8, width): steps at a quality, by horizontal frequency down and vertical frequency across, repeated."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps = np.clip((np.array(table) * scale + 50) // 100, 1, 255).astype(np.float32)
    return np.tile(np.ascontiguousarray(steps.T), (1, width // BLOCK))


@compiled
def _planes(picture: Picture) -> tuple[Plane, Plane, Plane]:
    """Brightness less 128, and both colour differences at half size; sides filled up to whole blocks with the border."""
    height, width = picture.shape[0], picture.shape[1]
    half_height, half_width = (height + 15) // 16 * 8, (width + 15) // 16 * 8
    brightness = np.empty((2 * half_height, 2 * half_width), np.float32)
    blue = np.zeros((half_height, half_width), np.float32)
    red = np.zeros((half_height, half_width), np.float32)
    for y in range(2 * half_height):
        row = min(y, height - 1)
        for x in range(2 * half_width):
            column = min(x, width - 1)
            r = np.float32(picture[row, column, 0])
            g = np.float32(picture[row, column, 1])
            b = np.float32(picture[row, column, 2])
            grey = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
            brightness[y, x] = grey - np.float32(128.0)
            # A quarter of each of four pixels; 0.564 is 1 / (2 - 2 * 0.114), 0.713 is 1 / (2 - 2 * 0.299).
            blue[y >> 1, x >> 1] += np.float32(0.25 * 0.5643341) * (b - grey)
            red[y >> 1, x >> 1] += np.float32(0.25 * 0.7132668) * (r - grey)
    return brightness, blue, red


@compiled
def _coarsened(plane: Plane, cosines: Plane, steps: Plane) -> None:
    """Turn every block into frequencies, round these to their steps, and turn them back, in place.

    Eight rows at a time: both transforms run down columns, so that they go along memory, with a turn in between.
    """
    height, width = plane.shape
    one = np.empty((BLOCK, width), np.float32)
    other = np.empty((BLOCK, width), np.float32)
    for top in range(0, height, BLOCK):
        one[:] = plane[top : top + BLOCK]
        _transformed(one, other, cosines, False)
        _turned(other, one)
        _transformed(one, other, cosines, False)
        for row in range(BLOCK):
            for x in range(width):
                other[row, x] = np.rint(other[row, x] / steps[row, x]) * steps[row, x]
        _transformed(other, one, cosines, True)
        _turned(one, other)
        _transformed(other, one, cosines, True)
        plane[top : top + BLOCK] = one


@compiled
def _transformed(source: Plane, target: Plane, cosines: Plane, is_inverse: bool) -> None:
    for row in range(BLOCK):
        line = target[row]
        line[:] = np.float32(0.0)
        for term in range(BLOCK):
            factor = cosines[term, row] if is_inverse else cosines[row, term]
            values = source[term]
            for x in range(len(line)):
                line[x] += factor * values[x]


@compiled
def _turned(source: Plane, target: Plane) -> None:
    """Every block of 8 x 8 mirrored at its diagonal."""
    for left in range(0, source.shape[1], BLOCK):
        for row in range(BLOCK):
            for column in range(BLOCK):
                target[column, left + row] = source[row, left + column]


@compiled
def _picture(brightness: Plane, blue: Plane, red: Plane, height: int, width: int) -> Picture:
    """The planes as sRGB; colours are drawn out by a triangle filter, 3/4 of the nearer and 1/4 of the farther value."""
    out = np.empty((height, width, 3), np.uint8)
    half_height, half_width = blue.shape
    blues, reds = np.empty(half_width, np.float32), np.empty(half_width, np.float32)
    near, far = np.float32(0.75), np.float32(0.25)
    for y in range(height):
        beside = min(max((y >> 1) + (1 if y & 1 else -1), 0), half_height - 1)
        for x in range(half_width):
            blues[x] = near * blue[y >> 1, x] + far * blue[beside, x]
            reds[x] = near * red[y >> 1, x] + far * red[beside, x]
        for x in range(width):
            here, other = x >> 1, min(max((x >> 1) + (1 if x & 1 else -1), 0), half_width - 1)
            b = near * blues[here] + far * blues[other]
            r = near * reds[here] + far * reds[other]
            grey = brightness[y, x] + np.float32(128.5)  # the half rounds
            out[y, x, 0] = _byte(grey + np.float32(1.402) * r)
            out[y, x, 1] = _byte(grey - np.float32(0.3441363) * b - np.float32(0.7141363) * r)
            out[y, x, 2] = _byte(grey + np.float32(1.772) * b)
    return out


@compiled
def _byte(value: np.float32) -> int:
    clipped: np.float32 = min(max(value, np.float32(0.0)), np.float32(255.0))
    return int(clipped)
