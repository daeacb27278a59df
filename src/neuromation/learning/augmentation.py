"""Light changes to training pictures, drawn from a given generator; refuses to know what the pictures show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

SHIFT_SHARE = 0.1  # of the pictures move by a pixel, in each direction of the grid
GAIN = 0.2  # strokes up to this share paler or darker
NOISE = 0.05  # standard deviation, as a share of the brightest value


def augment(images: NDArray[Any], *, value_max: float, rng: Generator) -> NDArray[np.float32]:
    """Shift, scale and disturb pictures.

    Args:
        images: raw values 0..value_max, (B, H, W).
        value_max: the brightest value.
        rng: source of all randomness.

    Returns:
        New float32 pictures of the same shape, values 0..value_max.
    """
    count, height, width = images.shape
    moved = _shift(images.astype(np.float32), rng)
    gain = 1.0 + GAIN * (2.0 * rng.random((count, 1, 1), np.float32) - 1.0)
    noise = NOISE * value_max * rng.standard_normal((count, height, width), np.float32)
    disturbed: NDArray[np.float32] = np.clip(moved * gain + noise, 0.0, value_max, dtype=np.float32)
    return disturbed


def _shift(images: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    count, height, width = images.shape
    step = np.where(rng.random((2, count)) < SHIFT_SHARE, rng.integers(0, 2, (2, count)) * 2 - 1, 0)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    rows = np.arange(height)[None, :, None] + 1 + step[0][:, None, None]
    columns = np.arange(width)[None, None, :] + 1 + step[1][:, None, None]
    moved: NDArray[np.float32] = padded[np.arange(count)[:, None, None], rows, columns]
    return moved
