"""What a cooler's glass door adds to a picture: the shop behind the photographer, mirrored faintly in the pane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.synthetic.render.protocol import Frame
from neuromation.synthetic.scene.model import Scene

_CELLS = 12  # coarse cells a side of the mirrored shop, which is far out of focus


_BEFORE_GLASS = frozenset({"room", "person", "trolley"})


def with_glare(frame: Frame, scene: Scene, rng: Generator) -> Frame:
    """The frame with panes of glass before the shelf. Labels stay: what is behind a pane is still there.

    The reflection adds light: strips of the ceiling's lamps and a dim, blurred shop. Whole numbers, so that the bytes are
    the same everywhere.
    """
    assert frame.rgb is not None and frame.ids is not None, "a picture and its ids were asked for"
    height, width = frame.rgb.shape[:2]
    added = _blurred_shop(height, width, rng) + _lamps(height, width, rng)
    behind = np.array([False, *(instance.group not in _BEFORE_GLASS for instance in scene.instances)])
    added[~behind[frame.ids]] = 0
    rgb = frame.rgb.astype(np.int32)
    # Light adds to light, but these are sRGB bytes: the brighter a pixel is, the less of it shows.
    lit = rgb + added[:, :, None] * (255 - rgb) // 255
    return replace(frame, rgb=lit.clip(0, 255).astype(np.uint8))


def _blurred_shop(height: int, width: int, rng: Generator) -> NDArray[np.int32]:
    cells = rng.integers(0, 1024, (_CELLS + 1, _CELLS + 1))
    strength = int(rng.integers(8, 30))
    return (_smooth(cells, height, width) * strength // 1024).astype(np.int32)


def _smooth(cells: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """Cells stretched to (height, width), with straight lines between them."""
    y, x = np.arange(height) * (_CELLS * 256) // height, np.arange(width) * (_CELLS * 256) // width
    row, column, down, right = y >> 8, x >> 8, (y & 255)[:, None], (x & 255)[None, :]
    near = cells[row][:, column] * (256 - right) + cells[row][:, column + 1] * right
    far = cells[row + 1][:, column] * (256 - right) + cells[row + 1][:, column + 1] * right
    stretched: NDArray[np.int64] = (near * (256 - down) + far * down) >> 16
    return stretched


def _lamps(height: int, width: int, rng: Generator) -> NDArray[np.int32]:
    """Up to three mirrored strips: bright in the middle, soft at the border, a little askew."""
    total = np.zeros((height, width), dtype=np.int32)
    y, x = np.mgrid[0:height, 0:width].astype(np.int32)
    for _ in range(int(rng.integers(0, 4))):
        at_x, at_y = int(rng.integers(0, width)), int(rng.integers(0, height))
        slope = int(rng.integers(-80, 81))  # 256ths
        half = int(rng.integers(3, 6 + height // 24))
        reach = int(rng.integers(width // 8, width // 2))
        strength = int(rng.integers(40, 130))
        off = abs(y - at_y - (x - at_x) * slope // 256)
        across = (4 * half - off).clip(0, 3 * half) * 255 // (3 * half)
        along = (reach - abs(x - at_x)).clip(0, reach // 4 + 1) * 255 // (reach // 4 + 1)
        total += across * along // 255 * strength // 255
    return total.clip(0, 200)
