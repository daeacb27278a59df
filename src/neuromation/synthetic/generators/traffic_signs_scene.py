"""What stands at a roadside: parameters and chance become plain arrays, before anything is drawn.

Owns the placing of signs, their wear and light, and what is around them; knows no pixel loops.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generators import traffic_signs_draw as td
from neuromation.synthetic.generators.ink import Floats, Plane, direction, lattice
from neuromation.synthetic.generators.traffic_signs_catalogue import NAMES, signs
from neuromation.synthetic.generators.traffic_signs_lures import lure
from neuromation.synthetic.generators.traffic_signs_marks import COLOURS, Inked, Mark, box, inked, line

SIGNS_MAX = 12
_TRIES = 20
_HALF_HEIGHT_M = 0.35  # of a usual sign
_REACH = 1.35  # of the farthest mark from a sign's centre, in units of the sign
_DEGREE = 1.0 / 360.0


class RoadsideParams(BaseModel):
    """Which signs stand where, in what weather and state. Spreads are standard deviations, shares are of pictures."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    mode: Literal["scene", "crop"] = Field("scene", description="a roadside with boxes, or one sign to classify")
    width: int = Field(640, ge=64, le=1920, description="of a scene, pixels")
    height: int = Field(480, ge=64, le=1920, description="of a scene, pixels")
    crop_px: int = Field(64, ge=16, le=512, description="width and height of a crop")
    resolution_min_px: int = Field(16, ge=8, le=512, description="a crop was at least so many pixels wide when taken")
    signs: float = Field(2.6, ge=0, le=SIGNS_MAX, description="mean number of signs in a scene, look-alikes included")
    null_share: float = Field(0.2, ge=0, le=1, description="share of signs that are advertising and look alike")
    stacked_share: float = Field(0.25, ge=0, le=1, description="share of signs that hang below another one")
    size_min_px: float = Field(18.0, ge=6, le=400, description="least height of a sign in a scene")
    size_max_px: float = Field(130.0, ge=8, le=900, description="greatest height of a sign in a scene")
    only: list[str] | None = Field(None, description="names of the classes to draw; null: all, alike often")
    yaw_spread_deg: float = Field(20.0, ge=0, le=50, description="turn of the plate about its post")
    pitch_spread_deg: float = Field(5.0, ge=0, le=30, description="lean of the plate towards the road")
    roll_spread_deg: float = Field(4.0, ge=0, le=40, description="turn of the plate in its plane")
    perspective: float = Field(0.12, ge=0, le=0.4, description="size of a plate over its distance: 0 none")
    sun: float = Field(0.75, ge=0, le=2, description="mean brightness that the sun adds to the sky's")
    light_spread: float = Field(0.35, ge=0, le=0.9, description="of the light on a plate, relative")
    shadow_share: float = Field(0.3, ge=0, le=1, description="share of signs with a shadow across")
    night_share: float = Field(0.12, ge=0, le=1, description="pictures under headlights")
    glare: float = Field(0.5, ge=0, le=2, description="strength of what signs send back and the lens scatters at night")
    fog_share: float = Field(0.12, ge=0, le=1, description="pictures in fog")
    rain_share: float = Field(0.12, ge=0, le=1, description="pictures in rain")
    dirt: float = Field(0.22, ge=0, le=1, description="mean strength of dirt on a plate")
    fading: float = Field(0.2, ge=0, le=1, description="mean bleaching of a plate")
    damage_share: float = Field(0.25, ge=0, le=1, description="share of signs with scratches or stickers")
    leaves_share: float = Field(0.18, ge=0, le=1, description="share of signs with leaves before them")

    @field_validator("only")
    @classmethod
    def _known(cls, only: list[str] | None) -> list[str] | None:
        unknown = sorted(set(only or []) - set(NAMES))
        if only is not None and (unknown or not only):
            raise ValueError(f"{unknown[0]!r} is no sign" if unknown else "at least one class is needed")
        return only

    @model_validator(mode="after")
    def _ordered(self) -> RoadsideParams:
        if self.size_min_px > self.size_max_px:
            raise ValueError(f"size_min_px {self.size_min_px:g} is more than size_max_px {self.size_max_px:g}")
        if self.mode == "crop" and self.resolution_min_px > self.crop_px:
            raise ValueError(f"resolution_min_px {self.resolution_min_px} is more than crop_px {self.crop_px}")
        return self


@dataclass(frozen=True, eq=False)
class StandingSign:
    """A sign in the picture. `label` is None for a look-alike; `size_px` is the half height; boxes are of the plate."""

    label: int | None
    name: str
    ink: Inked
    centre: tuple[float, float]
    size_px: float
    to_sign: Floats  # (9,)
    corners: Floats  # (4, 2), where (-1, -1), (1, -1), (1, 1), (-1, 1) are, pixels
    window: NDArray[np.int64]  # (4,)
    surface: Floats  # (SURFACE,)
    post: Floats  # (6,)
    post_colour: Floats  # (6,)
    leaves: Floats  # (L, 9)
    glow: Floats  # (G, 6)


@dataclass(frozen=True, eq=False)
class Roadside:
    """Everything in a picture; signs far to near."""

    width: int
    height: int
    view: Floats
    buildings: Floats
    trees: Floats
    lattice: Plane
    signs: tuple[StandingSign, ...]
    rain: Floats  # (R, 5)
    weather: Literal["day", "night", "fog", "rain"]
    attributes: dict[str, float] = field(default_factory=dict)


def _bells(rng: Generator, count: int) -> list[float]:
    """Draws of mean 0 and spread 1, at most 3 away."""
    draws = rng.random((3, count))
    return [float(value) for value in (draws[0] + draws[1] + draws[2] - 1.5) * 2.0]


def sample_roadside(params: RoadsideParams, seed: int, index: int) -> Roadside:
    """What unit `index` shows, at the resolution at which it is drawn."""
    rng = unit_rng(seed, index, "roadside")
    table = lattice(rng)
    f = rng.random(12).tolist()
    weather = _weather(params, f)
    if params.mode == "crop":
        low, high = params.resolution_min_px, params.crop_px
        width = height = low + int((high - low + 1) * f[4] * f[4] * 0.999)
        zoom = width / 90.0
    else:
        width, height = params.width, params.height
        zoom = width / 640
    view = _view(params, weather, width, height, zoom, rng)
    buildings, trees = _surroundings(weather, rng)
    signs = _signs(params, weather, view, width, height, unit_rng(seed, index, "signs"))
    rain = _rain(width, height, rng) if weather == "rain" else np.zeros((0, 5))
    return Roadside(width, height, view, buildings, trees, table, signs, rain, weather)


def _weather(params: RoadsideParams, f: list[float]) -> Literal["day", "night", "fog", "rain"]:
    if f[0] < params.night_share:
        return "night"
    if f[1] < params.fog_share:
        return "fog"
    return "rain" if f[2] < params.rain_share else "day"


def _view(params: RoadsideParams, weather: str, width: int, height: int, zoom: float, rng: Generator) -> Floats:
    """The numbers of the view, `traffic_signs_draw.VIEW` of them."""
    f = rng.random(20).tolist()
    sky = [(0.16, 0.32, 0.68), (0.3, 0.42, 0.62), (0.55, 0.6, 0.66)][int(3 * f[0])]
    low = (0.72, 0.78, 0.84) if f[1] < 0.75 else (0.95, 0.78, 0.6)
    clouds, sun = f[2], (0.55 + 0.6 * f[3]) * (0.5 + 0.5 * min(1.5, params.sun))
    density, headlight = 0.0015 * f[4], 0.0
    fog = [0.7, 0.74, 0.78]
    if weather == "night":
        sky, low, clouds, sun, headlight = (0.002, 0.003, 0.007), (0.012, 0.012, 0.018), 0.0, 0.012 + 0.03 * f[3], 0.55
        fog, density = [0.01, 0.01, 0.013], 0.001
    elif weather in {"fog", "rain"}:
        grey = 0.5 + 0.25 * f[5]
        sky = low = (grey, 1.02 * grey, 1.05 * grey)
        fog = [grey, 1.02 * grey, 1.05 * grey]
        clouds, sun = 1.0, 0.5 * sun
        density = 0.012 + 0.035 * f[6] * f[6] if weather == "fog" else 0.004 + 0.006 * f[6]
    focal = zoom * 640 * (0.75 + 0.5 * f[7])
    if params.mode == "crop":  # signs hang about the horizon or above it
        x, horizon = width * (0.5 + 2.5 * (f[8] - 0.5)), height * (0.2 + 1.6 * f[9])
        focal *= 0.8
    else:
        x, horizon = width * (0.35 + 0.3 * f[8]), height * (0.48 + 0.18 * f[9])
    left = -2.2 - 3.5 * f[10]
    return np.array(
        [
            *(focal, x, horizon, left, left + 5.5 + 3.5 * f[11], 0.0035 * (f[12] - 0.5), 1.2 + 0.6 * f[13], density),
            *(*fog, *sky, *low, clouds, sun, headlight, 0.1 * f[14] * f[14], float(f[15] < 0.4), 64 * f[16]),
        ]
    )


def _surroundings(weather: str, rng: Generator) -> tuple[Floats, Floats]:
    """Houses and trees, far ones first, over the focal length; many, some or none of each."""
    f = rng.random((70, 10)).tolist()
    town = f[0][0]
    houses = []
    for k in range(int(9 * town * town)):
        g = f[1 + k]
        left, wide = 2.4 * (g[0] - 0.5), 0.09 + 0.22 * g[1]
        tone = 0.18 + 0.45 * g[2]
        tint = (1.0, 0.9 - 0.2 * g[3], 0.78 - 0.4 * g[3])
        rise = 0.07 + 0.2 * g[4] * town
        houses.append(
            [
                *(left, left + wide, rise, tone * tint[0], tone * tint[1], tone * tint[2]),
                *(0.018 + 0.02 * g[5], 0.03 + 0.015 * g[6], 0.35 + 0.3 * g[7], 64 * g[8]),
            ]
        )
    trees = []
    season = f[0][2]
    for k in range(int(16 * f[0][1]) + int(34 * f[0][3])):
        g = f[12 + k]
        bush = k >= int(16 * f[0][1])
        far = 14 + 90 * g[0]
        tall = (1.2 + 1.2 * g[1] if bush else 3.0 + 6.0 * g[1]) / far
        wide = tall * (0.7 + 1.1 * g[3] if bush else 0.4 + 0.3 * g[3])
        side = (5.0 + 40 * g[2]) / far  # beside the road, which bends little
        middle = 1.1 / far - 0.3 * tall if bush else 1.4 / far - 0.75 * tall
        hue = min(1.0, max(0.0, 0.75 * season + 0.5 * (g[5] - 0.3)))
        trees.append(
            [
                *(side if g[9] < 0.5 else -side, middle, wide, tall * (0.55 if bush else 0.5 + 0.12 * g[4])),
                *(
                    0.045 + 0.09 * hue,
                    0.09 + 0.04 * hue,
                    0.018 + 0.02 * g[6],
                    0.0 if bush else 0.35 / far,
                    far,
                    64 * g[7],
                ),
            ]
        )
    trees.sort(key=lambda tree: -tree[8])
    return np.array(houses).reshape(-1, td.BUILDING), np.array(trees).reshape(-1, td.TREE)


# -- signs -------------------------------------------------------------------------------------------------------------


def _signs(
    params: RoadsideParams, weather: str, view: Floats, width: int, height: int, rng: Generator
) -> tuple[StandingSign, ...]:
    places = [_crop_place(width, rng)] if params.mode == "crop" else _places(params, view, width, height, rng)
    labels = [NAMES.index(name) for name in params.only] if params.only is not None else list(range(len(NAMES)))
    found = []
    for x, y, size, hangs in sorted(places, key=lambda place: place[2]):
        f = rng.random(4).tolist()
        if f[0] < params.null_share:
            label, (name, marks) = None, lure(rng)
        else:
            label = labels[int(f[1] * len(labels))]
            name, marks = signs()[label].name, list(signs()[label].marks)
        if f[2] < params.damage_share:
            marks = [*marks, *_damage(rng)]
        found.append(_standing(params, weather, view, (label, name, inked(marks)), (x, y, size, hangs), height, rng))
    return tuple(found)


def _crop_place(side: int, rng: Generator) -> tuple[float, float, float, bool]:
    f = rng.random(3).tolist()
    size = 0.5 * side * (0.72 + 0.2 * f[0])
    shift = 0.12 * (side - 1.6 * size)
    return 0.5 * side + shift * (f[1] - 0.5), 0.5 * side + shift * (f[2] - 0.5), size, False


def _places(
    params: RoadsideParams, view: Floats, width: int, height: int, rng: Generator
) -> list[tuple[float, float, float, bool]]:
    """Middle and half height of signs that do not hide each other, and whether another one hangs above.

    A sign of a given size is so far away, and stands so high and beside the road; where that would be outside the
    picture, the camera is taken to look at it.
    """
    whole = int(params.signs)
    draws = rng.random(3).tolist()
    count = whole + int(draws[0] < params.signs - whole)
    if count > 0:
        count = min(SIGNS_MAX, max(1, count + int(draws[1] * 3) - 1))
    ratio = params.size_max_px / params.size_min_px
    places: list[tuple[float, float, float, bool]] = []
    for _ in range(count):
        for a, b, c, d in rng.random((_TRIES, 4)).tolist():
            # Sizes as perspective makes them: many small ones. 1 / size is drawn evenly.
            size = 0.5 * params.size_min_px * ratio / (ratio - (ratio - 1) * d)
            hangs = bool(places) and c < params.stacked_share and not places[-1][3]
            if hangs:
                x, above, size, _ = places[-1]
                y = above + 2.12 * size
            else:
                far_m = view[td.V_FOCAL] * _HALF_HEIGHT_M / size
                side_m = view[td.V_ROAD_RIGHT] + 0.6 + 4 * a * a if c < 0.7 else view[td.V_ROAD_LEFT] - 0.6 - 4 * a * a
                x = view[td.V_X] + view[td.V_FOCAL] * (side_m / far_m + view[td.V_BEND] * far_m)
                if not size < x < width - size:
                    x = width * (0.72 + 0.26 * a if c < 0.7 else 0.28 - 0.26 * a)
                y = view[td.V_HORIZON] - size * (1.9 + 1.4 * b - view[td.V_EYE_M]) / _HALF_HEIGHT_M
                y = max((0.75 + 0.6 * b) * size, y)
            if y + size < height and all(max(abs(x - o[0]), abs(y - o[1])) > 1.04 * (size + o[2]) for o in places):
                places.append((x, y, size, hangs))
                break
    return places


def _standing(
    params: RoadsideParams,
    weather: str,
    view: Floats,
    what: tuple[int | None, str, Inked],
    place: tuple[float, float, float, bool],
    height: int,
    rng: Generator,
) -> StandingSign:
    """One sign with all that is drawn for it; `what` is its label, its name and its marks, `height` the picture's."""
    x, y, size, hangs = place
    b, f = _bells(rng, 10), rng.random(16).tolist()
    from_sign = _homography(params, b, x, y, size)
    corners = np.array([_through(from_sign, u, v) for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    window = np.array(
        [int(x - _REACH * size) - 2, int(y - _REACH * size) - 2, int(x + _REACH * size) + 3, int(y + _REACH * size) + 3]
    )
    far_m = view[td.V_FOCAL] * _HALF_HEIGHT_M / size
    clear = 1.0
    if weather in {"fog", "rain"}:
        clear = 1.0 / (1.0 + view[td.V_FOG] * far_m + 0.5 * (view[td.V_FOG] * far_m) ** 2)
    surface = _surface(params, weather, view, clear, b, f)
    dark = 1.0 if weather != "night" else 0.06
    grey = (0.2 + 0.2 * f[8]) * dark
    foot = _through(from_sign, 0.0, 1.0)
    fog = [float(view[td.V_FOG_R + c]) for c in range(3)]
    top = y if hangs else foot[1] - 0.4 * size
    ground = min(float(height), view[td.V_HORIZON] + size * view[td.V_EYE_M] / _HALF_HEIGHT_M)
    post = np.array([foot[0], top, x + 0.02 * size * b[6], max(ground, y), max(0.7, 0.085 * size), clear])
    leaves = _leaves(x, y, size, dark, rng) if f[9] < params.leaves_share else np.zeros((0, 9))
    glow = np.zeros((0, 6))
    if weather == "night":
        back = params.glare * 0.1 * (0.5 + f[10])
        glow = np.array([[x, y, 3.2 * size, back, back, 1.05 * back]])
    return StandingSign(
        *what, (x, y), size, _inverse(from_sign), corners, window, surface, post,
        np.array([grey, grey, 1.03 * grey, *fog]), leaves, glow,
    )  # fmt: skip


def _surface(
    params: RoadsideParams, weather: str, view: Floats, clear: float, b: list[float], f: list[float]
) -> Floats:
    """Wear and light of one plate, `traffic_signs_draw.SURFACE` numbers."""
    light = max(0.25, 1 + params.light_spread * b[3])
    ambient, sun, retro, sheen = 0.55 * light, params.sun * light * f[0], 0.0, 0.015 * f[1]
    if weather == "night":
        ambient, sun, retro, sheen = 0.02 + 0.06 * f[0], 0.0, (0.15 + 2.2 * f[1] * f[1]) * (0.4 + params.glare), 0.0
    elif weather in {"fog", "rain"}:
        sun, sheen = 0.15 * sun, 0.02 + 0.03 * f[1]
    elif f[2] > 0.92:  # against the light
        ambient, sun = 0.5 * ambient, 0.0
    c, s = direction(f[3])
    shadow = (0.75 + 0.25 * f[4]) if f[5] < params.shadow_share and sun > 0 else 0.0
    fog = [float(view[td.V_FOG_R + channel]) for channel in range(3)]
    fade = min(1.0, params.fading * 3 * f[6] * f[6])
    dirt = min(0.9, params.dirt * 3 * f[7] * f[7])
    return np.array(
        [
            *(fade, dirt, 64 * f[11], ambient, sun, shadow, c, s, 1.2 * (f[12] - 0.5), float(f[13] < 0.5)),
            *(retro, sheen, clear, *fog, 0.12 * b[4]),
        ]
    )


def _homography(params: RoadsideParams, b: list[float], x: float, y: float, size: float) -> list[float]:
    """From a plate's frame to pixels: turned about its post, leant, rolled, seen from a finite distance."""
    (cy, sy), (cp, sp), (cr, sr) = (
        direction(min(60.0, max(-60.0, spread * value)) * _DEGREE)
        for spread, value in (
            (params.yaw_spread_deg, b[0]),
            (params.pitch_spread_deg, b[1]),
            (params.roll_spread_deg, b[2]),
        )
    )
    # Columns of R = yaw * pitch * roll for the plate's x and y axes.
    ax, ay, az = cy * cr + sy * sp * sr, cp * sr, -sy * cr + cy * sp * sr
    bx, by, bz = -cy * sr + sy * sp * cr, cp * cr, sy * sr + cy * sp * cr
    p = params.perspective
    row_w = (p * az, p * bz, 1.0)
    return [
        size * ax + x * row_w[0], size * bx + x * row_w[1], x,
        size * ay + y * row_w[0], size * by + y * row_w[1], y,
        *row_w,
    ]  # fmt: skip


def _through(m: list[float], u: float, v: float) -> tuple[float, float]:
    w = m[6] * u + m[7] * v + m[8]
    return (m[0] * u + m[1] * v + m[2]) / w, (m[3] * u + m[4] * v + m[5]) / w


def _inverse(m: list[float]) -> Floats:
    """The inverse of a 3 x 3 matrix by its adjugate."""
    a, b, c, d, e, f, g, h, i = m
    rows = [e * i - f * h, c * h - b * i, b * f - c * e]
    rows += [f * g - d * i, a * i - c * g, c * d - a * f]
    rows += [d * h - e * g, b * g - a * h, a * e - b * d]
    whole = a * rows[0] + b * rows[3] + c * rows[6]
    return np.array([value / whole for value in rows])


def _damage(rng: Generator) -> list[Mark]:
    """Scratches and stickers, in units of the sign; they lie inside the plate of every shape."""
    f = rng.random(12).tolist()
    marks: list[Mark] = []
    if f[0] < 0.6:
        for a, b, c, d in (rng.random((1 + int(6 * f[1]), 4)) - 0.5).tolist():
            marks.append(line("grey", 0.012 + 0.02 * f[2], (a, b), (a + 0.6 * c, b + 0.5 * d)))
    if f[0] > 0.4:
        inks = list(COLOURS)
        ground, ink = inks[int(f[3] * len(inks))], inks[int(f[4] * len(inks))]
        x, y, half = 0.8 * (f[5] - 0.5), 0.8 * (f[6] - 0.5), 0.08 + 0.12 * f[7]
        marks += [box(ground, x, y, half, half * (0.5 + 0.5 * f[8]), rounding=0.02)]
        marks += [box(ink, x, y, 0.6 * half, 0.25 * half)]
    return marks


def _leaves(x: float, y: float, size: float, dark: float, rng: Generator) -> Floats:
    """A twig's leaves, from one side over the sign's rim."""
    f = rng.random(4).tolist()
    c, s = direction(f[0])
    count = 4 + int(18 * f[1])
    middle = size * (0.85 - 0.35 * f[2])
    b = rng.random((count, 7)).tolist()
    rows = []
    for g in b:
        long = size * (0.1 + 0.16 * g[0])
        turn_c, turn_s = direction(g[1])
        away, along = middle + size * 0.8 * (g[2] - 0.35), size * 1.3 * (g[3] - 0.5)
        tone = (0.5 + 0.9 * g[4]) * dark
        rows.append(
            [
                *(x + c * away - s * along, y + s * away + c * along, long, long * (0.3 + 0.2 * g[5]), turn_c, turn_s),
                *((0.05 + 0.08 * f[3]) * tone, (0.14 + 0.03 * f[3]) * tone, 0.025 * tone),
            ]
        )
    return np.array(rows)


def _rain(width: int, height: int, rng: Generator) -> Floats:
    """Streaks of falling drops."""
    f = rng.random(3).tolist()
    count = min(900, int(width * height / 2500 * (0.3 + f[0])))
    draws = rng.random((count, 4))
    scale = width / 640
    rows = np.empty((count, 5))
    rows[:, 0] = draws[:, 0] * width
    rows[:, 1] = draws[:, 1] * 1.1 * height - 0.1 * height
    rows[:, 3] = (8 + 26 * draws[:, 2]) * scale
    rows[:, 2] = rows[:, 3] * (f[1] - 0.5) * 0.5
    rows[:, 4] = 0.1 + 0.22 * draws[:, 3]
    return rows
