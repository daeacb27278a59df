"""Tables of curves that libraries round differently: sRGB both ways, and the quantiles of the normal distribution.

Each is made once with additions, multiplications, divisions and square roots alone, which IEEE 754 rounds alike on
every processor, so that what looks values up in them is exact too.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

ENCODING_STEPS = 65_536  # of linear light from 0 to 1; the error in the darkest greys is 0.05 of a step of 255
QUANTILE_BITS = 12  # of a uniform draw: 4,096 quantiles reach 3.7 standard deviations
_NEWTON_STEPS = 32  # twice what the smallest value needs
_SERIES_TERMS = 60
_ROOT_OF_TWO_PI = 2.5066282746310002


def _cube_root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cube root of numbers in 0..1 by Newton's iteration from 1, which falls to it from above."""
    root = np.ones_like(values)
    for _ in range(_NEWTON_STEPS):
        root = (2.0 * root + values / (root * root)) / 3.0
    return np.where(values > 0.0, root, 0.0)


def srgb_of(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light 0..1 as sRGB 0..1 (IEC 61966-2-1). The power 1 / 2.4 is a cube root of a fourth root of x^5."""
    fifth = linear * linear * linear * linear * linear
    power = _cube_root(np.sqrt(np.sqrt(fifth)))
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * power - 0.055)


def linear_of(srgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB 0..1 as linear light 0..1. The power 2.4 is a square times the square of a fifth root, found by Newton."""
    base = (srgb + 0.055) / 1.055
    root = np.ones_like(base)
    for _ in range(_NEWTON_STEPS):
        root = (4.0 * root + base / (root * root * root * root)) / 5.0
    return np.where(srgb <= 0.04045, srgb / 12.92, base * base * root * root)


@cache
def srgb_bytes() -> NDArray[np.uint8]:
    """uint8 (ENCODING_STEPS + 1,): the nearest sRGB byte of linear light place / ENCODING_STEPS."""
    light = np.arange(ENCODING_STEPS + 1, dtype=np.float64) / ENCODING_STEPS
    table: NDArray[np.uint8] = np.floor(255.0 * srgb_of(light) + 0.5).astype(np.uint8)
    table.setflags(write=False)
    return table


@cache
def linear_floats() -> NDArray[np.float32]:
    """float32 (256,): the linear light of every sRGB byte."""
    table: NDArray[np.float32] = linear_of(np.arange(256, dtype=np.float64) / 255.0).astype(np.float32)
    table.setflags(write=False)
    return table


@cache
def normal_quantiles() -> NDArray[np.float32]:
    """float32 (4096,): standard normal numbers, of which a uniform draw of 12 bits picks one.

    Newton's iteration on the distribution's own series (Abramowitz and Stegun, 26.2.10), which from 0 never overshoots.
    """
    half = 1 << (QUANTILE_BITS - 1)
    share = (np.arange(half, dtype=np.float64) + 0.5) / (2 * half)  # of the distribution between 0 and x
    x = np.zeros(half)
    for _ in range(_NEWTON_STEPS):
        area, density = _normal_series(x)
        x = x + (share - area) / density
    table: NDArray[np.float32] = np.concatenate([-x[::-1], x]).astype(np.float32)
    table.setflags(write=False)
    return table


def _normal_series(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The area of the normal distribution between 0 and x, and its density at x, for x up to about 4."""
    half_square = 0.5 * x * x
    term = np.ones_like(x)
    density, area = np.ones_like(x), np.ones_like(x)
    for n in range(1, _SERIES_TERMS):
        term = -term * half_square / n
        density = density + term
        area = area + term / (2 * n + 1)
    return x * area / _ROOT_OF_TWO_PI, density / _ROOT_OF_TWO_PI
