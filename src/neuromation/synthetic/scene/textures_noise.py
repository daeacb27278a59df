"""Random fields that repeat without a seam: value noise, sums of octaves, threads, scratches. Exact on every processor.

Whole-number hashes and polynomials alone; every field is a function of its arguments, with no state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled

Field = NDArray[np.float32]  # (height, width), mostly 0..1


@compiled
def _mixed(x: int, y: int, seed: int) -> float:
    """A number 0..1 that seems to be random, of a lattice point (Wellons' lowbias32 on a mixture of the three)."""
    mask = np.uint64(0xFFFFFFFF)
    h = (
        np.uint64(x) * np.uint64(0x9E3779B1)
        ^ np.uint64(y) * np.uint64(0x85EBCA77)
        ^ np.uint64(seed) * np.uint64(0xC2B2AE3D)
    )
    h &= mask
    h ^= h >> np.uint64(16)
    h = h * np.uint64(0x7FEB352D) & mask
    h ^= h >> np.uint64(15)
    h = h * np.uint64(0x846CA68B) & mask
    h ^= h >> np.uint64(16)
    return np.float64(h) / 4294967295.0


@compiled
def _add_octave(field: Field, cells_y: int, cells_x: int, seed: int, weight: float) -> None:
    """Add value noise with a lattice of cells_y x cells_x that wraps around at the borders."""
    height, width = field.shape
    lattice = np.empty((cells_y + 1, cells_x + 1), dtype=np.float64)
    for j in range(cells_y + 1):
        for i in range(cells_x + 1):
            lattice[j, i] = _mixed(i % cells_x, j % cells_y, seed) * weight
    left = np.empty(width, dtype=np.int64)
    share = np.empty(width, dtype=np.float64)
    for x in range(width):
        at = (x + 0.5) * cells_x / width
        left[x] = int(at)
        t = at - left[x]
        share[x] = t * t * (3.0 - 2.0 * t)
    row = np.empty(cells_x + 1, dtype=np.float64)
    for y in range(height):
        at = (y + 0.5) * cells_y / height
        top = int(at)
        t = at - top
        t = t * t * (3.0 - 2.0 * t)
        for i in range(cells_x + 1):
            row[i] = lattice[top, i] + (lattice[top + 1, i] - lattice[top, i]) * t
        for x in range(width):
            i = left[x]
            field[y, x] += row[i] + (row[i + 1] - row[i]) * share[x]


def noise(height_px: int, width_px: int, *, cells_y: int, cells_x: int, seed: int, octaves: int = 1) -> Field:
    """Value noise 0..1 (height, width) that repeats seamlessly; each octave has twice the cells and half the weight."""
    field: Field = np.zeros((height_px, width_px), dtype=np.float32)
    whole = 2.0 - 0.5 ** (octaves - 1)
    for octave in range(octaves):
        ny, nx = min(cells_y << octave, height_px), min(cells_x << octave, width_px)
        _add_octave(field, ny, nx, (seed * 31 + octave * 1013) & 0xFFFFFFFF, 0.5**octave / whole)
    return field


@compiled
def _grain(field: Field, seed: int) -> None:
    height, width = field.shape
    for y in range(height):
        for x in range(width):
            field[y, x] = _mixed(x, y, seed)


def grain(height_px: int, width_px: int, seed: int) -> Field:
    """White noise 0..1, one draw a pixel."""
    field: Field = np.empty((height_px, width_px), dtype=np.float32)
    _grain(field, seed & 0xFFFFFFFF)
    return field


@compiled
def _smear(field: Field, radius: int, across: bool) -> Field:
    """The mean over 2 radius + 1 pixels along one direction, wrapped around."""
    height, width = field.shape
    out = np.empty_like(field)
    count = 2 * radius + 1
    lines, length = (height, width) if across else (width, height)
    for line in range(lines):
        total = 0.0
        for k in range(-radius, radius + 1):
            total += field[line, k % length] if across else field[k % length, line]
        for k in range(length):
            value = total / count
            after, before = (k + radius + 1) % length, (k - radius) % length
            if across:
                out[line, k] = value
                total += field[line, after] - field[line, before]
            else:
                out[k, line] = value
                total += field[after, line] - field[before, line]
    return out


def smeared(field: Field, radius_px: int, *, across: bool) -> Field:
    """A field drawn out along x (`across`) or y, wrapped around."""
    return _smear(field, max(0, radius_px), across)


def blurred(field: Field, radius_px: int) -> Field:
    """A field blurred by two passes of a box each way, nearly a bell, wrapped around."""
    for _ in range(2):
        field = _smear(_smear(field, radius_px, True), radius_px, False)
    return field


@compiled
def _scratch(field: Field, x: float, y: float, dx: float, dy: float, steps: int, bend: float, strength: float) -> None:
    height, width = field.shape
    for k in range(steps):
        fade = 1.0 - abs(2.0 * k / steps - 1.0)
        i, j = int(np.floor(x)), int(np.floor(y))
        fx = x - i
        for c in range(2):
            value = strength * fade * ((1.0 - fx) if c == 0 else fx)
            place = (i + c) % width
            field[j % height, place] = max(field[j % height, place], value)
        x += dx
        y += dy
        dx, dy = dx - bend * dy, dy + bend * dx


def scratches(height_px: int, width_px: int, *, count: int, seed: int) -> Field:
    """Fine curved scratches 0..1 on nothing, seamless."""
    field: Field = np.zeros((height_px, width_px), dtype=np.float32)
    draws = grain(max(1, count), 6, seed).astype(np.float64)
    for k in range(count):
        a, b, c, d, e, f = (float(v) for v in draws[k])
        slope = 2 * c - 1
        length = (0.1 + 0.5 * d * d) * width_px
        root = float(np.sqrt(1 + slope * slope))
        _scratch(
            field, a * width_px, b * height_px, 1 / root, slope / root, int(length), (e - 0.5) * 0.02, 0.3 + 0.7 * f
        )
    return field


@compiled
def _toned(field: Field, stops: NDArray[np.float64], out: NDArray[np.uint8]) -> None:
    """Colours (k, 3) evenly spread over 0..1 of a field, as bytes."""
    height, width = field.shape
    last = stops.shape[0] - 1
    for y in range(height):
        for x in range(width):
            at = min(max(field[y, x], 0.0), 1.0) * last
            k = min(int(at), last - 1)
            t = at - k
            for c in range(3):
                value = stops[k, c] + (stops[k + 1, c] - stops[k, c]) * t
                out[y, x, c] = np.uint8(min(max(value, 0.0), 255.0) + 0.5) if value < 255.0 else np.uint8(255)


def toned(field: Field, *stops: tuple[float, float, float]) -> NDArray[np.uint8]:
    """A field as a picture: 0 has the first colour, 1 the last, others are spread evenly between; sRGB 0..255."""
    out = np.empty((*field.shape, 3), dtype=np.uint8)
    _toned(field, np.array(stops, dtype=np.float64), out)
    return out
