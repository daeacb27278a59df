"""What flat pictures are drawn with: outlines by angle, lattice noise, bells, absorption, soft focus.

Additions, multiplications, divisions, comparisons and square roots only, in a fixed order: the same bits everywhere.
Knows no cell and no sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled, inlined
from neuromation.synthetic.exact import exact_cos, exact_sin

Floats = NDArray[np.float64]
Plane = NDArray[np.float32]

ANGLES = 256  # entries of an outline, spread evenly over the diamond angle 0..4
HARMONICS_MAX = 16
_TURN = 6.283185307179586
LATTICE_SIDE = 64  # of a noise table; a power of two, for it wraps


@inlined
def smooth(x: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, a cubic between them that leaves and arrives level."""
    t = (x - low) / (high - low)
    t = min(1.0, max(0.0, t))
    return t * t * (3.0 - 2.0 * t)


@inlined
def bell(x: float) -> float:
    """1 at 0, 0 from -1 and 1 on: (1 - x^2)^2."""
    t = max(0.0, 1.0 - x * x)
    return t * t


@inlined
def transmission(density: float) -> float:
    """The share of light that passes: e to the power of -density, to 1e-5 of itself below 3 and 0.4 % at 12.

    The 64th power of a short series: arithmetic that rounds alike everywhere, in a loop that vectorises.
    """
    x = density / 64.0
    t = 1.0 / (1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0))))
    t *= t
    t *= t
    t *= t
    t *= t
    t *= t
    return t * t


@inlined
def diamond_angle(x: float, y: float) -> float:
    """The direction of (x, y) as 0..4, a quarter of a turn each 1; not even, but exact and without an arctangent."""
    total = abs(x) + abs(y)
    if total == 0.0:
        return 0.0
    if y >= 0.0:
        return y / total if x >= 0.0 else 1.0 - x / total
    return 2.0 - y / total if x < 0.0 else 3.0 + x / total


@inlined
def radius_at(outline: Floats, x: float, y: float) -> float:
    """The radius of an outline in the direction of (x, y)."""
    place = diamond_angle(x, y) * (ANGLES / 4)
    low = int(place)
    share = place - low
    low &= ANGLES - 1
    return float(outline[low] * (1.0 - share) + outline[(low + 1) & (ANGLES - 1)] * share)


@compiled
def outlines(cosines: Floats, sines: Floats) -> Floats:
    """Closed outlines 1 + sum of a_k cos(k t) + b_k sin(k t) about a centre.

    Args:
        cosines: float64 (N, K), a_1..a_K of each outline.
        sines: float64 (N, K), b_1..b_K.

    Returns:
        float64 (N, ANGLES): radii at even steps of the diamond angle, at least 0.2.
    """
    count, harmonics = cosines.shape
    table = np.ones((count, ANGLES))
    for place in range(ANGLES):
        along = place / (ANGLES / 4)
        quarter = int(along)
        share = along - quarter
        x, y = 1.0 - share, share
        for _ in range(quarter):
            x, y = -y, x
        length = np.sqrt(x * x + y * y)
        c, s = x / length, y / length
        for n in range(count):
            ck, sk = c, s
            radius = 1.0
            for k in range(harmonics):
                radius += cosines[n, k] * ck + sines[n, k] * sk
                ck, sk = ck * c - sk * s, sk * c + ck * s
            table[n, place] = max(0.2, radius)
    return table


@inlined
def noise_at(lattice: Plane, x: float, y: float) -> float:
    """Smooth noise of -1..1 with one independent value a unit length; `lattice` float32 (64, 64) of -1..1, wrapped."""
    column, row = np.floor(x), np.floor(y)
    u, v = x - column, y - row
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    mask = LATTICE_SIDE - 1
    c0, r0 = int(column) & mask, int(row) & mask
    c1, r1 = (c0 + 1) & mask, (r0 + 1) & mask
    top = lattice[r0, c0] * (1.0 - u) + lattice[r0, c1] * u
    bottom = lattice[r1, c0] * (1.0 - u) + lattice[r1, c1] * u
    return float(top * (1.0 - v) + bottom * v)


@inlined
def cloud_at(lattice: Plane, x: float, y: float) -> float:
    """Three octaves of noise, -1..1: clouds, mottling, dirt."""
    coarse = noise_at(lattice, x, y)
    middle = noise_at(lattice, 2.03 * x + 17.3, 2.03 * y + 5.1)
    fine = noise_at(lattice, 4.1 * x + 3.7, 4.1 * y + 29.9)
    return (coarse + 0.5 * middle + 0.25 * fine) / 1.75


def lattice(rng: np.random.Generator) -> Plane:
    """A table for `noise_at`: float32 (64, 64) of -1..1."""
    return rng.random((LATTICE_SIDE, LATTICE_SIDE), dtype=np.float32) * np.float32(2) - np.float32(1)


def direction(turns: float) -> tuple[float, float]:
    """Cosine and sine of an angle in turns."""
    return exact_cos(turns * _TURN), exact_sin(turns * _TURN)


def bell_kernel(radius_px: float, shift_px: float) -> Floats:
    """Weights of a soft-focus filter whose centre lies between pixels; odd in number, their sum is 1."""
    reach = max(1.0, radius_px)
    half = int(reach + abs(shift_px)) + 1
    weights = [float(bell((tap - shift_px) / reach)) for tap in range(-half, half + 1)]
    total = 0.0
    for weight in weights:
        total += weight
    return np.array([weight / total for weight in weights])


@compiled
def blur_plane(plane: Plane, across: Floats, down: Floats) -> Plane:
    """A plane filtered along its rows and then its columns; beyond the edge the outermost pixel goes on.

    Args:
        plane: float32 (height, width).
        across, down: float64 (odd,), weights.
    """
    height, width = plane.shape
    half_x, half_y = len(across) // 2, len(down) // 2
    rows = np.empty((height, width), np.float32)
    padded = np.empty(width + 2 * half_x, np.float32)
    total = np.empty(width, np.float32)
    for y in range(height):
        padded[:half_x] = plane[y, 0]
        padded[half_x : half_x + width] = plane[y]
        padded[half_x + width :] = plane[y, width - 1]
        total[:] = np.float32(0)
        for tap in range(len(across)):
            weight = np.float32(across[tap])
            for x in range(width):
                total[x] += weight * padded[x + tap]
        rows[y] = total
    out = np.empty((height, width), np.float32)
    for y in range(height):
        total[:] = np.float32(0)
        for tap in range(len(down)):
            weight = np.float32(down[tap])
            source = rows[min(height - 1, max(0, y + tap - half_y))]
            for x in range(width):
                total[x] += weight * source[x]
        out[y] = total
    return out


def mixed(weights: Any, draw: float) -> int:
    """The place at which the running sum of `weights` passes `draw` (0..1) of their sum."""
    values = [float(weight) for weight in weights]
    total = 0.0
    for weight in values:
        total += weight
    left = draw * total
    for place, weight in enumerate(values):
        left -= weight
        if left < 0:
            return place
    return max(place for place, weight in enumerate(values) if weight > 0)
