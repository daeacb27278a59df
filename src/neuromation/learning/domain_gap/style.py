"""Closing the gap between made and real pictures without labels: schedules of randomisation and matched style.

Three tools that need no network. A `Schedule` widens the ranges of a generator's parameters over a data set. `style_of`
describes how a handful of unlabelled real photos look - light, contrast, colour, sharpness, noise, traces of JPEG - in
numbers, `style_distance` says how far made pictures are from them, so that a generator's camera can be set by search,
and `in_style` brings made pictures nearer. Refuses to know generators, networks and labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.learning.errors import BadSchedule, BadTrainingData

BLOCKS_MAX = 10_000
PICTURES_MAX = 2_000
STYLE_SIDE_PX = 128  # pictures are reduced to this before they are described: sizes differ, and a network sees less
BANDS = 4  # octaves of the spectrum, from the finest
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_LEAST = 1e-3  # of a spread in 0..1, so that a picture of one tone has a style, too


@dataclass(frozen=True, slots=True)
class Span:
    """The range of one parameter: it begins as `start` alone and ends as all of `low`..`high`.

    `log` widens and draws by ratio: for lengths, brightnesses and whatever else is multiplied.
    """

    start: float
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Raises BadSchedule."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.start <= self.high):
            raise BadSchedule(f"a range starts within its ends, and {self.low}, {self.start}, {self.high} do not")
        if self.log and self.low <= 0:
            raise BadSchedule(f"a range by ratio lies above 0, and {self.low} does not")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Domain randomisation whose ranges widen while data are made (Tobin et al. 2017; as a curriculum, OpenAI 2019).

    Attributes:
        spans: by parameter.
        calm: share of the data with the starting values alone.
        wide: share of the data after which all ranges are fully open; between the two they widen evenly.
    """

    spans: Mapping[str, Span]
    calm: float = 0.0
    wide: float = 1.0

    def __post_init__(self) -> None:
        """Raises BadSchedule."""
        if not self.spans or not 0.0 <= self.calm <= self.wide <= 1.0:
            raise BadSchedule("a schedule has a range at least, and widens from a share of the data to a later one")

    def openness(self, along: float) -> float:
        """How far ranges are open, 0..1, after a share `along` of the data."""
        if self.wide == self.calm:
            return 1.0 if along >= self.wide else 0.0
        return min(1.0, max(0.0, (along - self.calm) / (self.wide - self.calm)))

    def ranges(self, along: float) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of every parameter after a share `along` of the data."""
        return {name: _opened(span, self.openness(along)) for name, span in self.spans.items()}

    def blocks(self, count: int, seed: int) -> list[dict[str, float]]:
        """Values for `count` blocks of a data set in their order; each block is one run of the generator.

        Raises BadSchedule when the count is out of 1..BLOCKS_MAX.
        """
        if not 1 <= count <= BLOCKS_MAX:
            raise BadSchedule(f"a schedule is drawn for 1 to {BLOCKS_MAX} blocks, not {count}")
        drawn = []
        for block in range(count):
            rng = unit_rng(seed, block, "schedule")
            ranges = self.ranges(block / max(1, count - 1))
            drawn.append({name: _drawn(*ranges[name], log=self.spans[name].log, rng=rng) for name in sorted(ranges)})
        return drawn


def _opened(span: Span, openness: float) -> tuple[float, float]:
    if openness >= 1.0:
        return span.low, span.high
    if span.log:
        return span.start * (span.low / span.start) ** openness, span.start * (span.high / span.start) ** openness
    return span.start + openness * (span.low - span.start), span.start + openness * (span.high - span.start)


def _drawn(low: float, high: float, *, log: bool, rng: Generator) -> float:
    draw = float(rng.random())
    value = low * (high / low) ** draw if log else low + draw * (high - low)
    return min(high, max(low, value))  # rounding may leave the range by a bit


@dataclass(frozen=True, slots=True, eq=False)
class Style:
    """How pictures look, whatever they show: means and spreads over pictures of each property below.

    Attributes:
        names: of the properties: `red`, `green`, `blue` (means of a channel, 0..1), `contrast` (standard deviation of
            the grey), `saturation`, `dark` and `bright` (share of grey below 0.1 and above 0.9), `fine`, `detail_2`,
            ... (log of the energy in octaves of the spectrum relative to the contrast, finest first: sharpness),
            `noise` (log of the spread in flat places), `blocks` (steps at borders of 8 x 8 over those beside: JPEG).
        mean, spread: float64 (properties,).
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    def to_json(self) -> dict[str, dict[str, float]]:
        """By property, its mean and spread."""
        return {
            name: {"mean": float(mean), "spread": float(spread)}
            for name, mean, spread in zip(self.names, self.mean, self.spread, strict=True)
        }


STYLE_NAMES = (
    *("red", "green", "blue", "contrast", "saturation", "dark", "bright"),
    *("fine", *(f"detail_{octave}" for octave in range(2, BANDS + 1))),
    *("noise", "blocks"),
)


def style_of(pictures: Sequence[NDArray[Any]]) -> Style:
    """The style of some pictures, uint8 (H, W) or (H, W, 3) of 16 pixels a side or more; 10 to 50 are enough.

    Raises BadTrainingData when there are none, too many, or something else.
    """
    if not 1 <= len(pictures) <= PICTURES_MAX:
        raise BadTrainingData(f"a style is read from 1 to {PICTURES_MAX} pictures, not {len(pictures)}")
    rows = np.array([_properties(picture) for picture in pictures])
    return Style(STYLE_NAMES, rows.mean(axis=0), rows.std(axis=0))


def style_distance(one: Style, other: Style) -> float:
    """How far two styles are apart, 0 for equal ones: the mean over properties of a distance between two normals.

    Each is the Frechet distance of one dimension, in units of the larger spread, and at most 10, so that no single
    property drowns the others.
    """
    scale = np.maximum(np.maximum(one.spread, other.spread), 0.02)
    apart = np.sqrt((one.mean - other.mean) ** 2 + (one.spread - other.spread) ** 2) / scale
    return float(np.minimum(apart, 10.0).mean())


def in_style(picture: NDArray[Any], style: Style, *, strength: float, rng: Generator) -> NDArray[np.uint8]:
    """A made picture with light, contrast, colour, sharpness and noise as real ones have.

    For each picture a target is drawn from the style's distribution, and the picture is moved a share of the way:
    channel means and contrast by a linear map (Reinhard et al. 2001, in RGB), sharpness by blurring to the drawn
    fineness (what is too soft already stays so), noise by adding what is missing.

    Args:
        picture: uint8 (H, W, 3).
        style: of real pictures.
        strength: 0 changes nothing, 1 goes all the way.
        rng: source of all randomness.

    Raises BadTrainingData for another array, or a strength outside of 0..1.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not 0.0 <= strength <= 1.0:
        raise BadTrainingData("a picture uint8 (H, W, 3) is brought nearer to a style by a strength of 0..1")
    wanted = dict(zip(style.names, style.mean + style.spread * rng.standard_normal(len(style.names)), strict=True))
    noise = rng.standard_normal(picture.shape[:2])
    if strength == 0.0:
        return picture
    own = dict(zip(STYLE_NAMES, _properties(picture), strict=True))
    values = picture.astype(np.float64) / 255.0
    values = _softened(values, own["fine"] - wanted["fine"], strength)
    gain = (max(_LEAST, wanted["contrast"]) / max(_LEAST, own["contrast"])) ** strength
    middle = values.mean(axis=(0, 1))
    target = np.array([wanted["red"], wanted["green"], wanted["blue"]])
    values = (values - middle) * min(gain, 3.0) + middle + strength * (np.clip(target, 0.02, 0.98) - middle)
    missing = math.exp(2 * wanted["noise"]) - math.exp(2 * own["noise"])
    if missing > 0:
        values = values + noise[:, :, None] * math.sqrt(missing) * strength
    changed: NDArray[np.uint8] = np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
    return changed


def _softened(values: NDArray[np.float64], excess: float, strength: float) -> NDArray[np.float64]:
    """Blurred by a binomial filter until about `excess` nepers of its finest octave are gone."""
    # One pass of (1, 2, 1) / 4 in both directions takes about 1.4 nepers of energy from the finest octave.
    passes = strength * max(0.0, excess) / 1.4
    for _ in range(min(4, int(passes))):
        values = _binomial(values)
    part = min(1.0, passes - int(passes)) if passes < 4 else 0.0
    return values + part * (_binomial(values) - values) if part > 0 else values


def _binomial(values: NDArray[np.float64]) -> NDArray[np.float64]:
    for axis in (0, 1):
        padded = np.pad(values, [(1, 1) if side == axis else (0, 0) for side in range(values.ndim)], mode="edge")
        left, middle, right = (np.take(padded, np.arange(k, k + values.shape[axis]), axis) for k in range(3))
        values = (left + 2.0 * middle + right) / 4.0
    return values


def _properties(picture: NDArray[Any]) -> NDArray[np.float64]:
    """One picture's row of STYLE_NAMES."""
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or min(picture.shape[:2]) < 16:
        raise BadTrainingData(f"a picture is uint8 with 16 pixels a side or more, not {picture.dtype} {picture.shape}")
    colours = picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)
    blocks = _blockiness(colours.astype(np.float64) @ _LUMA)
    values = _reduced(colours) / 255.0
    grey = values @ _LUMA
    contrast = float(grey.std())
    spread = values.max(axis=2) - values.min(axis=2)
    octaves, noise = _spectrum(grey, contrast)
    return np.array(
        [
            *values.mean(axis=(0, 1)),
            contrast,
            float((spread / np.maximum(values.max(axis=2), 0.05)).mean()),
            float((grey < 0.1).mean()),
            float((grey > 0.9).mean()),
            *octaves,
            noise,
            blocks,
        ]
    )


def _reduced(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Reduced to STYLE_SIDE_PX on the longer side, by Pillow's box filter."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((STYLE_SIDE_PX, STYLE_SIDE_PX), Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(image, np.float64)


def _spectrum(grey: NDArray[np.float64], contrast: float) -> tuple[list[float], float]:
    """Logs of the energy in BANDS octaves (a Laplacian pyramid) over the contrast, and of the noise in flat places."""
    octaves: list[float] = []
    level, noise = grey, 0.0
    for octave in range(BANDS):
        soft = _binomial(level)
        detail = level - soft
        if octave == 0:
            # In most pictures a quarter of all places is flat: what is left there is noise (Immerkaer 1996).
            noise = math.log(float(np.quantile(np.abs(detail), 0.25)) / 0.32 + _LEAST)
        octaves.append(math.log(float(detail.std()) / (contrast + _LEAST) + _LEAST))
        level = soft[::2, ::2]
    return octaves, noise


def _blockiness(grey: NDArray[np.float64]) -> float:
    """Steps across borders of 8 x 8 blocks over steps elsewhere, less 1: near 0 without JPEG."""
    steps = np.abs(np.diff(grey, axis=1))
    at_border = (np.arange(steps.shape[1]) % 8) == 7
    if not at_border.any():
        return 0.0
    return float(steps[:, at_border].mean() / (steps[:, ~at_border].mean() + 0.5) - 1.0)
