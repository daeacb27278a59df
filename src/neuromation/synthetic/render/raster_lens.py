"""Where the pixels of a lens look: the straight-line picture that a distorting camera samples.

The Brown model sends a ray x to x (1 + k1 r^2 + k2 r^4). It is undone once per picture, by a table over the radius, and
every pixel then belongs to one exact ray; nothing is drawn straight and bent afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled, inlined, kernel
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.render.raster_pack import CAM_CX, CAM_CY, CAM_FOCAL, Floats
from neuromation.synthetic.scene.model import Camera

TILE_PX = 16
FIXED = 256  # steps of a pixel that positions are rounded to
_ENTRIES = 1024
_NEWTON_STEPS = 12


@dataclass(frozen=True)
class Lens:
    """How a window of a picture is sampled.

    Attributes:
        bends: whether there is any distortion; without, the other fields are empty.
        k: float64 (3,): k1, k2, and the largest undistorted radius in the picture.
        centres: int32 (height * width, 2), where the pixels' centres look in the straight picture, 1/256 pixels.
        tiles: int32 (rows, columns, 4), bounds of `centres` (left, top, right, bottom) in every tile of 16 pixels.
    """

    bends: bool
    k: Floats
    centres: NDArray[np.int32]
    tiles: NDArray[np.int32]


STRAIGHT = Lens(False, np.zeros(3), np.zeros((0, 2), dtype=np.int32), np.zeros((0, 0, 4), dtype=np.int32))


def lens_of(camera: Camera, cam: Floats, width: int, height: int) -> Lens:
    """How `camera` samples a window of (width, height) pixels that the packed camera `cam` describes.

    Raises BadScene for a lens that folds the picture over itself.
    """
    if camera.k1 == 0.0 and camera.k2 == 0.0:
        return STRAIGHT
    cx, cy, focal = float(cam[CAM_CX]), float(cam[CAM_CY]), float(cam[CAM_FOCAL])
    across, down = max(abs(cx), abs(width - cx)), max(abs(cy), abs(height - cy))
    outer = (across * across + down * down) / (focal * focal)
    factors, good = _undistortion(outer, camera.k1, camera.k2)
    if not good:
        raise BadScene(f"a lens of k1 {camera.k1} and k2 {camera.k2} folds the picture over itself; take smaller ones")
    centres = np.empty((height * width, 2), dtype=np.int32)
    _look_up(factors, outer, (cx, cy, focal), width, centres)
    rows, columns = -(-height // TILE_PX), -(-width // TILE_PX)
    tiles = np.empty((rows, columns, 4), dtype=np.int32)
    _bound(centres, width, height, tiles)
    radius = float(np.sqrt(outer)) * float(factors[-1])
    return Lens(True, np.array([camera.k1, camera.k2, radius]), centres, tiles)


@compiled
def _undistortion(outer: float, k1: float, k2: float) -> tuple[Floats, bool]:
    """Undistorted over distorted radius at equal steps of the squared distorted radius up to `outer`, by Newton.

    The second value tells whether distortion grows with the radius all the way, as it must.
    """
    factors = np.empty(_ENTRIES + 1)
    good = True
    guess = 1.0
    for entry in range(_ENTRIES + 1):
        radius = np.sqrt(outer * entry / _ENTRIES)
        r = guess * radius
        for _ in range(_NEWTON_STEPS):
            q = r * r
            slope = 1.0 + q * (3.0 * k1 + 5.0 * k2 * q)
            if not slope > 0.05:
                good = False
                slope = 1.0
            r -= (r * (1.0 + q * (k1 + k2 * q)) - radius) / slope
        if radius > 0.0:
            guess = r / radius
            if not abs(r * (1.0 + r * r * (k1 + k2 * r * r)) - radius) <= 1e-9 * radius:
                good = False
        factors[entry] = guess
    return factors, good


@kernel
def _look_up(
    factors: Floats, outer: float, lens: tuple[float, float, float], width: int, centres: NDArray[np.int32]
) -> None:
    """Fill in where every pixel's centre looks."""
    cx, cy, focal = lens
    scale = _ENTRIES / outer
    for at in range(len(centres)):
        x = (at % width + 0.5 - cx) / focal
        y = (at // width + 0.5 - cy) / focal
        place = (x * x + y * y) * scale
        low = min(int(place), _ENTRIES - 1)
        factor = factors[low] + (factors[low + 1] - factors[low]) * (place - low)
        centres[at, 0] = np.int32(np.floor((cx + x * factor * focal) * FIXED + 0.5))
        centres[at, 1] = np.int32(np.floor((cy + y * factor * focal) * FIXED + 0.5))


@kernel
def _bound(centres: NDArray[np.int32], width: int, height: int, tiles: NDArray[np.int32]) -> None:
    for row in range(tiles.shape[0]):
        for column in range(tiles.shape[1]):
            left, top, right, bottom = 1 << 30, 1 << 30, -(1 << 30), -(1 << 30)
            for y in range(row * TILE_PX, min(height, (row + 1) * TILE_PX)):
                for x in range(column * TILE_PX, min(width, (column + 1) * TILE_PX)):
                    u, v = centres[y * width + x, 0], centres[y * width + x, 1]
                    left, right = min(left, u), max(right, u)
                    top, bottom = min(top, v), max(bottom, v)
            # Sub-samples lie up to a pixel beside the centres.
            tiles[row, column, 0], tiles[row, column, 2] = left - FIXED, right + FIXED
            tiles[row, column, 1], tiles[row, column, 3] = top - FIXED, bottom + FIXED


@inlined
def distorted(x: float, y: float, k1: float, k2: float) -> tuple[float, float]:
    """Where a ray (x, y, 1) meets the picture, in units of the focal length."""
    q = x * x + y * y
    factor = 1.0 + q * (k1 + k2 * q)
    return x * factor, y * factor
