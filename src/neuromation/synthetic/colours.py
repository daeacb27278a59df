"""Colours in which labels are shown: a colour a class or object, scales for depth and light, arrows of flow.

Owns the palette of previews and statistics; knows no picture library.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]
Pixels = NDArray[np.uint8]

NOTHING: Rgb = (16, 20, 28)  # where a map says "nothing here"
NULL: Rgb = (150, 158, 168)  # null objects
_GOLDEN = 0.6180339887498949  # of a turn: neighbours in number lie far apart in hue
# Near to far: light sand, ochre, brick, plum, night.
_DEPTH = ((255, 244, 214), (250, 190, 96), (214, 98, 78), (122, 48, 104), (36, 26, 74))
# Dark to light, as a lamp warms up.
_LIGHT = ((10, 10, 20), (64, 44, 92), (168, 74, 76), (236, 152, 70), (255, 236, 176), (255, 255, 255))
# Silence to loud.
_SOUND = ((12, 16, 36), (30, 60, 110), (24, 132, 138), (118, 196, 112), (246, 232, 110))


def hue(turn: float, *, saturation: float, value: float) -> Rgb:
    """A colour by its place on the colour wheel, 0..1."""
    sector, part = divmod(turn % 1.0 * 6, 1)
    low = value * (1 - saturation)
    down, up = value * (1 - saturation * part), value * (1 - saturation * (1 - part))
    red, green, blue = (
        (value, up, low), (down, value, low), (low, value, up), (low, down, value), (up, low, value), (value, low, down),
    )[int(sector)]  # fmt: skip
    return round(255 * red), round(255 * green), round(255 * blue)


def class_colour(label: int | None) -> Rgb:
    """The colour of a class; grey for none."""
    if label is None:
        return NULL
    return hue(0.58 + label * _GOLDEN, saturation=(0.78, 0.6)[label % 2], value=(0.95, 1.0, 0.85)[label % 3])


def object_colours(ids: NDArray[Any]) -> Pixels:
    """A map of ids as colours, uint8 (height, width, 3); 0 is nothing."""
    count = int(ids.max()) + 1 if ids.size else 1
    table = np.array([NOTHING, *(hue(i * _GOLDEN, saturation=0.65, value=0.97) for i in range(1, count))], np.uint8)
    shown: Pixels = table[ids]
    return shown


def label_colours(classes: NDArray[Any], *, null: int) -> Pixels:
    """A map of classes, 0 for nothing and `null` for null objects, as colours."""
    count = int(classes.max()) + 1
    table = np.array([NOTHING, *(class_colour(n) for n in range(count - 1))], np.uint8)
    if null < count:
        table[null] = NULL
    shown: Pixels = table[classes]
    return shown


def scale(values: NDArray[Any], colours: str) -> Pixels:
    """Numbers 0..1 as colours of a scale: `depth`, `light`, `sound`; uint8 (..., 3)."""
    anchors = np.array({"depth": _DEPTH, "light": _LIGHT, "sound": _SOUND}[colours], np.float64)
    places = np.clip(values, 0, 1) * (len(anchors) - 1)
    low = np.minimum(places.astype(np.intp), len(anchors) - 2)
    share = (places - low)[..., None]
    mixed: Pixels = (anchors[low] * (1 - share) + anchors[low + 1] * share + 0.5).astype(np.uint8)
    return mixed


def flow_colours(flow: NDArray[np.uint16]) -> tuple[Pixels, float]:
    """Optical flow in KITTI's coding as colours, direction as hue and length as saturation; and the longest, pixels."""
    moved = (flow[..., :2].astype(np.float64) - 32768) / 64
    length = np.hypot(moved[..., 0], moved[..., 1])
    valid = flow[..., 2] > 0
    longest = float(length[valid].max()) if valid.any() else 0.0
    turns = np.arctan2(moved[..., 1], moved[..., 0]) / (2 * np.pi) % 1.0
    wheel = np.array([hue(n / 256, saturation=1, value=1) for n in range(256)], np.float64)
    share = (length / max(longest, 1e-9))[..., None]
    shown = 255 * (1 - share) + wheel[(turns * 255).astype(np.intp)] * share
    shown[~valid] = NOTHING
    return np.clip(shown, 0, 255).astype(np.uint8), longest
