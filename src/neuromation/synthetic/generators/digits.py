"""Procedural handwriting: digits drawn with a pen, scanned and pre-processed as the UCI "optdigits" set was.

Every number is drawn from the unit's own Philox stream and every step uses only additions, multiplications, divisions
and comparisons, which IEEE 754 rounds alike everywhere: a unit is bit-identical on every machine. No real image is
used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generator import BaseGenerator, Unit
from neuromation.synthetic.generators.normalise import BOX_WIDTH, SIDE, Bitmap, block_counts, normalise
from neuromation.synthetic.generators.skeletons import FORMS, SKELETONS, Skeleton

Floats = NDArray[np.float64]

_POINTS_MAX = max(len(skeleton.points) for skeleton in SKELETONS)
_TURNS = 5  # places along the line at which the pen's pressure is drawn
_SCALARS = 16
_RADIUS_MIN_PX = 0.6  # a thinner line could fall between two pixels
_COLUMN_CENTRES = (np.arange(BOX_WIDTH) + 0.5) / BOX_WIDTH
_ROW_CENTRES = (np.arange(SIDE) + 0.5) / SIDE
_DEGREE = 0.017453292519943295


class DigitsParams(BaseModel):
    """How the digits are written. Spreads are standard deviations; lengths are in heights of a digit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    slant_deg: float = Field(5.0, ge=-30, le=30, description="mean lean of the writing to the right, degrees")
    slant_spread_deg: float = Field(8.0, ge=0, le=20, description="spread of the lean between digits, degrees")
    rotation_spread_deg: float = Field(4.0, ge=0, le=15, description="spread of the turn of the whole digit, degrees")
    jitter: float = Field(0.04, ge=0, le=0.12, description="spread of every control point of the line")
    proportion_spread: float = Field(
        0.15, ge=0, le=0.4, description="spread of waist height and of top against bottom width"
    )
    aspect: float = Field(0.75, ge=0.4, le=1.2, description="mean width over height")
    aspect_spread: float = Field(0.15, ge=0, le=0.4, description="spread of the width, relative")
    curl: float = Field(0.3, ge=-0.5, le=1.5, description="how far hooks and waves are drawn out")
    pen_width: float = Field(
        0.12, ge=0.04, le=0.3, description="mean width of the line", json_schema_extra={"log": True}
    )
    pen_spread: float = Field(0.2, ge=0, le=0.5, description="spread of the width between digits, relative")
    pressure: float = Field(0.12, ge=0, le=0.4, description="spread of the width along the line, relative")
    noise: float = Field(0.5, ge=0, le=2.0, description="raggedness of the scanned edge, pixels of the 32 x 32 bitmap")
    break_rate: float = Field(0.03, ge=0, le=0.3, description="share of digits whose line is interrupted")
    variant_mix: float = Field(
        0.7, ge=0, le=1, description="0: school forms only; 1: every form as common as in real writing"
    )
    class_weights: list[float] | None = Field(
        None, description="how common each digit is, 10 numbers >= 0; null: all alike"
    )

    @field_validator("class_weights")
    @classmethod
    def _ten_weights(cls, weights: list[float] | None) -> list[float] | None:
        if weights is not None and (len(weights) != 10 or min(weights) < 0 or not 0 < sum(weights) <= 1e6):
            raise ValueError("10 numbers >= 0 with a sum > 0 are needed, one a digit")
        return weights


@dataclass(frozen=True)
class Scene:
    """One digit before it is drawn: the pen's path as discs, and what the annotations say."""

    skeleton: Skeleton
    x: Floats  # (s,), heights of a digit
    y: Floats
    radius: Floats  # (s,), > 0
    roughness: Floats  # (20, 32), how far the edge is moved at each pixel of the box, pixels
    facts: dict[str, Any]


def _pick(weights: list[float], draw: float) -> int:
    """The place at which the running sum of `weights` passes `draw` (0..1) of their sum."""
    left = draw * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return max(place for place, weight in enumerate(weights) if weight > 0)


def _bell(draws: Floats) -> Floats:
    """Numbers of mean 0 and spread 1, at most 3 away, from (3, n) uniform draws; a true normal needs a logarithm."""
    bell: Floats = (draws[0] + draws[1] + draws[2] - 1.5) * 2.0
    return bell


def _lean(degrees: float) -> float:
    """The tangent of a small angle by its series, good to 0.2 % at 30 degrees; libraries differ in tan's last bit."""
    a = degrees * _DEGREE
    return a + a * a * a / 3 + 2 * a * a * a * a * a / 15


def scene(params: DigitsParams, seed: int, index: int) -> Scene:
    """The digit `index` as a plan: which form, and where the pen goes."""
    rng = unit_rng(seed, index)
    bell = _bell(rng.random((3, _SCALARS + _TURNS + 2 * _POINTS_MAX)))
    flat = rng.random(_SCALARS)
    digit = _pick(params.class_weights or [1.0] * 10, float(flat[0]))
    forms = FORMS[digit]
    skeleton = forms[
        _pick([forms[0].weight, *(params.variant_mix * form.weight for form in forms[1:])], float(flat[1]))
    ]
    b = [float(value) for value in bell[:_SCALARS]]

    points = skeleton.plain + skeleton.curl * (params.curl + 0.5 * b[0])
    count = points.shape[1]
    points = points + params.jitter * bell[_SCALARS + _TURNS : _SCALARS + _TURNS + 2 * count].reshape(2, count)
    picks, parts = skeleton.curve
    line = parts * points[:, picks]
    line = line[:, 0] + line[:, 1] + line[:, 2] + line[:, 3]
    x, y = _bent(line[0], line[1], params, b)

    slant_deg = params.slant_deg + params.slant_spread_deg * b[5]
    rotation_deg = params.rotation_spread_deg * b[6]
    x, y = _turned(x - _lean(slant_deg) * y, y, rotation_deg)

    pen = params.pen_width * max(0.3, 1 + params.pen_spread * b[7])
    radius = 0.5 * pen * _pressure(bell[_SCALARS : _SCALARS + _TURNS], len(x), params.pressure)
    broken = float(flat[2]) < params.break_rate
    if broken:
        keep = _gap(len(x), float(flat[3]), float(flat[4]))
        x, y, radius = x[keep], y[keep], radius[keep]
    facts = {
        "digit": digit,
        "form": skeleton.name,
        "slant_deg": round(slant_deg, 2),
        "pen_width": round(pen, 4),
        "broken": broken,
    }
    roughness = params.noise * (2 * rng.random((BOX_WIDTH, SIDE)) - 1)
    return Scene(skeleton, x, y, radius, roughness, facts)


def _bent(x: Floats, y: Floats, params: DigitsParams, b: list[float]) -> tuple[Floats, Floats]:
    """The line with other proportions, centred on the origin, y down."""
    spread = params.proportion_spread
    y = y + spread * b[1] * y * (1 - y)  # a lower or a higher waist
    x = x - 0.5 * float(x.min() + x.max())
    y = y - 0.5
    x = x * (params.aspect * max(0.3, 1 + params.aspect_spread * b[2]))
    x = x * (1 + 2 * spread * b[3] * y)  # wider at the top or at the bottom
    x = x + spread * b[4] * (y * y - 0.25) * 0.5  # a bow in the whole digit
    return x, y


def _turned(x: Floats, y: Floats, degrees: float) -> tuple[Floats, Floats]:
    """The line turned about the origin; sine and cosine come from the tangent of the half angle."""
    half = _lean(degrees / 2)
    scale = 1 + half * half
    cosine, sine = (1 - half * half) / scale, 2 * half / scale
    return cosine * x - sine * y, sine * x + cosine * y


def _pressure(turns: Floats, count: int, spread: float) -> Floats:
    """Relative radius along a line of `count` points: straight lines between the drawn turns."""
    low, share = _turns_along(count, len(turns) - 1)
    step = turns[1:] - turns[:-1]
    factor: Floats = np.maximum(0.4, 1 + spread * (turns[low] + step[low] * share))
    return factor


@lru_cache(maxsize=256)
def _turns_along(count: int, spans: int) -> tuple[NDArray[np.intp], Floats]:
    at: Floats = np.arange(count, dtype=np.float64) * (spans / count)
    low = at.astype(np.intp)
    share: Floats = at - low
    return low, share


def _gap(count: int, where: float, how_long: float) -> NDArray[np.bool_]:
    """Which points of the line remain when the pen lifts for 5 to 15 % of it."""
    keep = np.ones(count, dtype=np.bool_)
    length = int(count * (0.05 + 0.1 * how_long))
    start = int((0.1 + 0.8 * where) * (count - length))
    keep[start : start + length] = False
    return keep


def scan(drawn: Scene) -> Bitmap:
    """The digit's own box as 32 rows of 20 pixels, before its ink and slant are evened."""
    x, y, radius = drawn.x, drawn.y, drawn.radius
    left, top = float((x - radius).min()), float((y - radius).min())
    width, height = float((x + radius).max()) - left, float((y + radius).max()) - top
    radius = np.maximum(radius, _RADIUS_MIN_PX * max(width / BOX_WIDTH, height / SIDE))
    across = (left + width * _COLUMN_CENTRES)[:, None] - x
    down = (top + height * _ROW_CENTRES)[:, None] - y
    # A pixel is inked when the nearest disc of the pen reaches it: (20, 1, s) + (1, 32, s).
    reach = (across * across - radius * radius)[:, None, :] + (down * down)[None, :, :]
    edge = (height / SIDE) * 2.0 * float(radius[len(radius) // 2]) * drawn.roughness
    box: Bitmap = (reach.min(axis=2) <= edge).T
    return box


def bitmap(params: DigitsParams, seed: int, index: int) -> Bitmap:
    """The 32 x 32 bitmap that unit `index` is counted from."""
    return normalise(scan(scene(params, seed, index)))


class Digits(BaseGenerator):
    """Digits as small scans: 8 x 8 pixels of 0..16."""

    name = "digits"
    title = "Handwritten digits"
    description = (
        "Procedural handwriting: several forms of each digit, slants, pens, pressure and scanner noise, pre-processed "
        "to 8 x 8 pixels of 0..16 as the UCI optdigits set was."
    )
    classes: ClassVar[list[str]] = [str(digit) for digit in range(10)]
    value_max = 16
    cu_per_unit = 0.001  # 1 render CU is 1,000 of these units: the reference scene
    params_model = DigitsParams

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index`: an image (8, 8) of 0..16, its digit, and how it was drawn."""
        assert isinstance(params, DigitsParams), "parse_params makes the parameters"
        drawn = scene(params, seed, index)
        image = block_counts(normalise(scan(drawn)))
        return Unit(index, image, drawn.skeleton.digit, drawn.facts)


DIGITS = Digits()
