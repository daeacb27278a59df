"""A drawing board with an exact scan converter: closed paths, solid or graded colours, text. Knows no packaging.

Coverage of a pixel is the exact area that a path covers of it, by sums of signed trapezoids (as in the `font-rs` and
`stb_truetype` rasterisers); paths that overlap in one fill count once. Plain arithmetic only: the same bytes everywhere.
Lengths are pixels, x to the right, y down; colours are sRGB 0..255.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.meshes_build import circle, sine_cosine

Floats = NDArray[np.float64]
Colour = tuple[float, float, float]
SIDE_MAX_PX = 4096
FLAT_PX = 1e-12  # an edge that rises less covers nothing
_SOLID, _LINEAR, _RADIAL = 0, 1, 2


@compiled
def _box(points: Floats) -> tuple[float, float, float, float]:
    x0 = x1 = points[0, 0]
    y0 = y1 = points[0, 1]
    for k in range(1, len(points)):
        x0, x1 = min(x0, points[k, 0]), max(x1, points[k, 0])
        y0, y1 = min(y0, points[k, 1]), max(y1, points[k, 1])
    return x0, y0, x1, y1


@dataclass(frozen=True, eq=False)
class Path:
    """Closed outlines: points (N, 2); outline k are the points from ends[k - 1] (or 0) up to ends[k]."""

    points: Floats
    ends: NDArray[np.int64]

    def moved(self, x: float, y: float) -> Path:
        return Path(self.points + np.array([x, y]), self.ends)

    def scaled(self, x: float, y: float | None = None) -> Path:
        return Path(self.points * np.array([x, x if y is None else y]), self.ends)

    def turned(self, turns: float) -> Path:
        """Turned about the origin by whole turns, clockwise as seen (y is down)."""
        s, c = sine_cosine(turns)
        x, y = self.points[:, 0], self.points[:, 1]
        return Path(np.stack([c * x - s * y, s * x + c * y], axis=1), self.ends)

    def sheared(self, slope: float) -> Path:
        """Slanted: what is above the origin moves right by `slope` of its height."""
        return Path(np.stack([self.points[:, 0] - slope * self.points[:, 1], self.points[:, 1]], axis=1), self.ends)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom; zeros where there is nothing."""
        if not len(self.points):
            return 0.0, 0.0, 0.0, 0.0
        return _box(self.points)


def joined(paths: Sequence[Path]) -> Path:
    """One path of many; it is filled where any of them is."""
    if not paths:
        return Path(np.zeros((0, 2)), np.zeros(0, dtype=np.int64))
    sizes = np.cumsum([0] + [len(path.points) for path in paths])
    ends = [path.ends + sizes[k] for k, path in enumerate(paths)]
    return Path(np.concatenate([path.points for path in paths]), np.concatenate(ends))


def polygon(points: Sequence[Sequence[float]] | Floats) -> Path:
    at = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    return Path(at, np.array([len(at)], dtype=np.int64))


def rectangle(x: float, y: float, width: float, height: float) -> Path:
    return polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])


def ellipse(x: float, y: float, radius_x: float, radius_y: float | None = None, points: int = 48) -> Path:
    ring = circle(points)
    return polygon(ring * np.array([radius_x, radius_x if radius_y is None else radius_y]) + np.array([x, y]))


def rounded(x: float, y: float, width: float, height: float, radius: float) -> Path:
    """A rectangle with round corners."""
    r = min(radius, 0.5 * width, 0.5 * height)
    ring = circle(32)
    corners = [(x + width - r, y + height - r), (x + r, y + height - r), (x + r, y + r), (x + width - r, y + r)]
    pieces = []
    for quarter, corner in enumerate(corners):
        picks = [(8 * quarter + k) % 32 for k in range(9)]
        pieces.append(ring[picks] * r + np.array(corner))
    return polygon(np.concatenate(pieces))


def star(x: float, y: float, outer: float, inner: float, points: int, start_turns: float = -0.25) -> Path:
    """A star, or a jagged seal with many points."""
    ring = circle(2 * points, start_turns)
    radius = np.where(np.arange(2 * points) % 2 == 0, outer, inner)[:, None]
    return polygon(ring * radius + np.array([x, y]))


def smooth(points: Sequence[Sequence[float]] | Floats, steps: int = 6) -> Path:
    """A closed curve through points (Catmull and Rom, 1974)."""
    p = np.asarray(points, dtype=np.float64)
    before, after, second = np.roll(p, 1, axis=0), np.roll(p, -1, axis=0), np.roll(p, -2, axis=0)
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (q[:, None, :] for q in (before, p, after, second))
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return polygon(curve.reshape(-1, 2))


def stroke(points: Sequence[Sequence[float]] | Floats, width: float) -> Path:
    """An open line with round ends and joints."""
    p = np.asarray(points, dtype=np.float64)
    half = 0.5 * width
    step = p[1:] - p[:-1]
    length = np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1])
    pieces = [ellipse(float(q[0]), float(q[1]), half, points=12) for q in p]
    for k in range(len(step)):
        if length[k] > 0:
            side = np.array([-step[k, 1], step[k, 0]]) * (half / length[k])
            pieces.append(polygon([p[k] - side, p[k + 1] - side, p[k + 1] + side, p[k] + side]))
    return joined(pieces)


def arc_line(x: float, y: float, radius: float, start_turns: float, stop_turns: float, points: int = 24) -> Floats:
    """Points along a circle, clockwise as seen from `start_turns` (0 is right)."""
    turns = [start_turns + (stop_turns - start_turns) * k / (points - 1) for k in range(points)]
    line = np.array([sine_cosine(t)[::-1] for t in turns])
    out: Floats = line * radius + np.array([x, y])
    return out


@compiled
def _accumulate(points: Floats, ends: NDArray[np.int64], area: Floats) -> None:
    """Add to `area` (height, width + 2) what the cumulative sums along rows turn into coverage."""
    height, width = area.shape[0], area.shape[1] - 2
    start = 0
    for k in range(len(ends)):
        stop = ends[k]
        for i in range(start, stop):
            j = i + 1 if i + 1 < stop else start
            x0, y0, x1, y1 = points[i, 0], points[i, 1], points[j, 0], points[j, 1]
            sign = 1.0
            if y0 > y1:
                x0, y0, x1, y1, sign = x1, y1, x0, y0, -1.0
            if y1 - y0 < FLAT_PX:  # the slope may be infinite
                continue
            slope = (x1 - x0) / (y1 - y0)
            first, last = max(0, int(np.floor(y0))), min(height, int(np.ceil(y1)))
            for row in range(first, last):
                top, bottom = max(y0, float(row)), min(y1, row + 1.0)
                if bottom <= top:
                    continue
                xa, xb = x0 + (top - y0) * slope, x0 + (bottom - y0) * slope
                _cover(
                    area, row, min(max(xa, 0.0), float(width)), min(max(xb, 0.0), float(width)), sign * (bottom - top)
                )
        start = stop


@compiled
def _cover(area: Floats, row: int, xa: float, xb: float, d: float) -> None:
    """One edge's piece in one row, from xa to xb, of signed height d."""
    left, right = min(xa, xb), max(xa, xb)
    i, stop = int(left), int(np.ceil(right))
    if stop <= i + 1:
        inner = d * (0.5 * (left + right) - i)
        area[row, i] += d - inner
        area[row, i + 1] += inner
        return
    per = 1.0 / (right - left)
    f, g = left - i, right - stop + 1.0
    head, tail = 0.5 * per * (1.0 - f) * (1.0 - f), 0.5 * per * g * g
    area[row, i] += d * head
    if stop == i + 2:
        area[row, i + 1] += d * (1.0 - head - tail)
    else:
        second = per * (1.5 - f)
        area[row, i + 1] += d * (second - head)
        for k in range(i + 2, stop - 1):
            area[row, k] += d * per
        nearly = second + (stop - i - 3) * per
        area[row, stop - 1] += d * (1.0 - nearly - tail)
    area[row, stop] += d * tail


@compiled
def _blend(
    pixels: NDArray[np.float32],
    area: Floats,
    left: int,
    top: int,
    mode: int,
    geometry: Floats,
    stops: Floats,
    alpha: float,
) -> None:
    """Lay a colour over pixels (h, w, 3) where `area` covers them; `stops` (2, 3); `geometry` as `Shade` has it."""
    ax, ay, bx, by = geometry[0], geometry[1], geometry[2], geometry[3]
    for row in range(area.shape[0]):
        total = 0.0
        for column in range(area.shape[1] - 2):
            total += area[row, column]
            cover = min(abs(total), 1.0) * alpha
            if cover <= 0.0005:
                continue
            t = 0.0
            if mode != 0:
                x, y = left + column + 0.5 - ax, top + row + 0.5 - ay
                t = x * bx + y * by if mode == 1 else np.sqrt(x * x * bx * bx + y * y * by * by)
                t = min(max(t, 0.0), 1.0)
            for c in range(3):
                was = pixels[top + row, left + column, c]
                ink = stops[0, c] + (stops[1, c] - stops[0, c]) * t
                pixels[top + row, left + column, c] = was + (ink - was) * cover


@compiled
def _multiply(pixels: NDArray[np.float32], area: Floats, left: int, top: int, ink: NDArray[np.float32]) -> None:
    """Lay a picture of the size of the path's box over pixels where `area` covers them."""
    for row in range(area.shape[0]):
        total = 0.0
        for column in range(area.shape[1] - 2):
            total += area[row, column]
            cover = min(abs(total), 1.0)
            for c in range(3):
                was = pixels[top + row, left + column, c]
                pixels[top + row, left + column, c] = was + (ink[row, column, c] - was) * cover


@dataclass(frozen=True)
class Shade:
    """Two colours and how one becomes the other."""

    start: Colour
    stop: Colour
    mode: int
    geometry: tuple[float, float, float, float]


def linear(start: Colour, stop: Colour, at: tuple[float, float], to: tuple[float, float]) -> Shade:
    """From `start` at one point to `stop` at another."""
    dx, dy = to[0] - at[0], to[1] - at[1]
    square = dx * dx + dy * dy or 1.0
    return Shade(start, stop, _LINEAR, (at[0], at[1], dx / square, dy / square))


def radial(start: Colour, stop: Colour, at: tuple[float, float], radius_x: float, radius_y: float = 0.0) -> Shade:
    """From `start` in the middle to `stop` at a distance."""
    return Shade(start, stop, _RADIAL, (at[0], at[1], 1 / radius_x, 1 / (radius_y or radius_x)))


@lru_cache(maxsize=4096)
def _stops(start: Colour, stop: Colour) -> Floats:
    return np.array([start, stop], dtype=np.float64)


class Canvas:
    """A picture that paths are laid on, one above the other."""

    def __init__(self, width_px: int, height_px: int, ground: Colour = (255.0, 255.0, 255.0)) -> None:
        if not (1 <= width_px <= SIDE_MAX_PX and 1 <= height_px <= SIDE_MAX_PX):
            raise BadScene(f"a picture is 1 to {SIDE_MAX_PX} pixels wide and high, not {width_px} x {height_px}")
        self.width, self.height = width_px, height_px
        self._pixels = np.empty((height_px, width_px, 3), dtype=np.float32)
        self._pixels[:] = np.array(ground, dtype=np.float32)

    def fill(self, path: Path, ink: Colour | Shade, alpha: float = 1.0) -> None:
        """Lay an ink on all that a path covers."""
        found = self._area(path)
        if found is None:
            return
        area, left, top = found
        shade = ink if isinstance(ink, Shade) else Shade(ink, ink, _SOLID, (0.0, 0.0, 0.0, 0.0))
        _blend(
            self._pixels, area, left, top, shade.mode, np.array(shade.geometry), _stops(shade.start, shade.stop), alpha
        )

    def shadow(self, path: Path, *, x: float, y: float, alpha: float = 0.3, ink: Colour = (0.0, 0.0, 0.0)) -> None:
        """A soft shadow of a path, by laying it thrice a little apart."""
        for share in (0.6, 1.0, 1.4):
            self.fill(path.moved(x * share, y * share), ink, alpha / 3)

    def picture(self, pixels: NDArray[np.uint8], path: Path) -> None:
        """Lay a picture (h, w, 3), stretched to the path's box, where the path covers it; nearest pixels are taken."""
        found = self._area(path)
        if found is None:
            return
        area, left, top = found
        x0, y0, x1, y1 = path.bounds
        rows = (np.arange(area.shape[0]) + (top + 0.5 - y0)) * (pixels.shape[0] / max(y1 - y0, 1e-9))
        columns = (np.arange(area.shape[1] - 2) + (left + 0.5 - x0)) * (pixels.shape[1] / max(x1 - x0, 1e-9))
        rows = np.clip(rows.astype(np.int64), 0, pixels.shape[0] - 1)
        columns = np.clip(columns.astype(np.int64), 0, pixels.shape[1] - 1)
        _multiply(self._pixels, area, left, top, pixels[rows][:, columns].astype(np.float32))

    def draw_out(self, left: int, right: int) -> None:
        """Repeat the column at `left` to the left border, and the one before `right` to the right border."""
        self._pixels[:, :left] = self._pixels[:, left : left + 1]
        self._pixels[:, right:] = self._pixels[:, right - 1 : right]

    def tone_at(self, x: int, y: int) -> Colour:
        """The colour of a pixel."""
        red, green, blue = (float(value) for value in self._pixels[y, x])
        return red, green, blue

    def _area(self, path: Path) -> tuple[Floats, int, int] | None:
        x0, y0, x1, y1 = path.bounds
        left, top = max(0, int(np.floor(x0))), max(0, int(np.floor(y0)))
        right, bottom = min(self.width, int(np.ceil(x1))), min(self.height, int(np.ceil(y1)))
        if right <= left or bottom <= top:
            return None
        area = np.zeros((bottom - top, right - left + 2))
        _accumulate(path.points - np.array([left, top]), path.ends, area)
        return area, left, top

    def pixels(self) -> NDArray[np.uint8]:
        """What was drawn, uint8 (height, width, 3)."""
        shown: NDArray[np.uint8] = np.clip(self._pixels + np.float32(0.5), 0, 255).astype(np.uint8)
        return shown
