"""The shop around a shelf: which kind of furniture, its colours, the lamps, and where the shopper's phone is.

Owns what is drawn once a picture from ranges that were looked up in photos of shops; knows no product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from numpy.random import Generator

from neuromation.synthetic.exact import composed, exact_cos, exact_sin, look_at, rotation_about
from neuromation.synthetic.products.planogram import Planogram
from neuromation.synthetic.scene.model import AreaLight, Camera, Sky, Vector

Fixture = Literal["gondola", "cooler", "wire", "chest", "pallet"]
EXPOSURE = 1.2  # of a phone that meters a shop: whites come out white
DEGREE = 0.017453292519943295

# Reflectances of boards, backs, price rails and floors, linear.
_BOARDS: tuple[Vector, ...] = (
    (0.72, 0.72, 0.70),
    (0.60, 0.60, 0.58),
    (0.78, 0.75, 0.68),
    (0.10, 0.10, 0.11),
    (0.45, 0.33, 0.22),
)
_DARK: tuple[Vector, ...] = ((0.02, 0.02, 0.022), (0.04, 0.04, 0.044), (0.5, 0.51, 0.52))
_RAILS: tuple[Vector, ...] = (
    (0.75, 0.76, 0.78),
    (0.42, 0.40, 0.58),
    (0.50, 0.52, 0.55),
    (0.55, 0.06, 0.05),
    (0.05, 0.16, 0.45),
    (0.78, 0.55, 0.05),
    (0.04, 0.04, 0.045),
)
_FLOORS: tuple[Vector, ...] = ((0.42, 0.40, 0.37), (0.30, 0.30, 0.31), (0.55, 0.52, 0.46), (0.22, 0.2, 0.18))


@dataclass(frozen=True)
class Store:
    """The shop of one picture: reflectances of its furniture, its lamps, its sky of reflected light."""

    fixture: Fixture
    board: Vector
    back: Vector
    rail: Vector
    floor: Vector
    lights: tuple[AreaLight, ...]
    sky: Sky
    brightness: float  # of the lamps, relative
    warmth: float  # -1 cold .. 1 warm
    has_glass: bool  # a cooler with doors, in whose panes the shop is mirrored


def draw_store(fixture: Fixture, plan: Planogram, *, glare: float, light: float, rng: Generator) -> Store:
    """Furniture and lamps of one picture."""
    d = [float(value) for value in rng.random(16)]
    is_cold = fixture in ("cooler", "chest")
    boards = _DARK if fixture == "cooler" else _BOARDS
    board = _shade(boards[int(d[0] * len(boards))], d[1])
    back = _shade(_DARK[int(d[2] * 3)] if fixture == "cooler" else board, 0.2 + 0.8 * d[3])
    rail = _shade(_RAILS[int(d[4] * len(_RAILS))], d[5])
    if fixture == "pallet":
        rail = _shade((0.42, 0.30, 0.18), d[5])
    floor = _shade(_FLOORS[int(d[6] * len(_FLOORS))], d[7])
    warmth = (d[8] + d[9] - 0.8) * 0.8 - (0.1 if is_cold else 0.0)
    brightness = light * (0.75 + 0.5 * d[10])
    if fixture == "chest":
        lights = _lights_over_chest(plan, warmth, brightness, d)
    elif is_cold:
        lights = _cooler_lights(plan, warmth, brightness, d)
    else:
        lights = _aisle_lights(plan, warmth, brightness, rng)
    haze = (0.13 if is_cold else 0.2) * brightness * (0.7 + 0.6 * d[11])
    white = light_colour(warmth * 0.7)
    bounce = tuple(0.55 * haze * (0.5 * white[axis] + floor[axis]) for axis in range(3))
    sky = Sky(
        zenith=_times(white, 1.25 * haze),
        horizon=_times(white, 0.85 * haze),
        ground=(bounce[0], bounce[1], bounce[2]),
    )
    has_glass = fixture == "cooler" and float(rng.random()) < glare
    return Store(fixture, board, back, rail, floor, lights, sky, brightness, warmth, has_glass)


def light_colour(warmth: float) -> Vector:
    """The tint of a lamp, -1 (bluish, about 7,000 K) to 1 (yellowish, about 3,000 K)."""
    return (1.0 + 0.16 * warmth, 1.0 + 0.015 * warmth, 1.0 - 0.26 * warmth)


def _shade(colour: Vector, draw: float) -> Vector:
    return _times(colour, 0.8 + 0.35 * draw)


def _times(colour: Vector, factor: float) -> Vector:
    return (min(colour[0] * factor, 1.0), min(colour[1] * factor, 1.0), min(colour[2] * factor, 1.0))


def _aisle_lights(plan: Planogram, warmth: float, brightness: float, rng: Generator) -> tuple[AreaLight, ...]:
    """Two or three strips of tubes under the ceiling; no two tubes are of quite the same white."""
    d = [float(value) for value in rng.random(12)]
    count = 2 + int(d[0] * 1.6)
    along = d[1] < 0.7  # strips along the aisle, or across it
    lights = []
    for k in range(count):
        colour = light_colour(warmth + 0.25 * (d[2 + k] - 0.5))
        height_m = 2.9 + 0.9 * d[5]
        if along:
            at = (plan.width_m * (0.2 + 0.6 * d[6 + k]), -0.7 - 1.2 * k - 0.5 * d[9], height_m)
            u, v = (0.0, 0.09, 0.0), (1.3 + 1.2 * d[10], 0.0, 0.0)
        else:
            at = (
                plan.width_m * (0.5 + (k - 0.5 * (count - 1)) * 0.8 + 0.2 * (d[6 + k] - 0.5)),
                -1.6 - 0.5 * d[9],
                height_m,
            )
            u, v = (0.0, 1.3, 0.0), (0.09, 0.0, 0.0)
        # u x v must point down, for that is where a strip shines to.
        lights.append(AreaLight(at, u, v, colour, 40.0 * brightness * (0.7 + 0.6 * d[11]) * (2.0 / count)))
    return tuple(lights)


def _cooler_lights(plan: Planogram, warmth: float, brightness: float, d: list[float]) -> tuple[AreaLight, ...]:
    """The strip of diodes over a cooler's shelves, and the hall's own light from behind the shopper."""
    middle_m, top_m = 0.5 * plan.width_m, plan.top_m
    led = AreaLight(
        (middle_m, -0.10, top_m + 0.10),
        (0.0, 0.05, 0.03),
        (0.6 * plan.width_m, 0.0, 0.0),
        light_colour(warmth - 0.2 + 0.3 * d[12]),
        28.0 * brightness,
    )
    hall = AreaLight(
        (middle_m + (d[13] - 0.5) * 1.5, -1.9 - d[14], 3.0),
        (0.0, 0.16, 0.0),
        (1.6, 0.0, 0.0),
        light_colour(warmth + 0.3 * (d[15] - 0.3)),
        17.0 * brightness,
    )
    return led, hall


def _lights_over_chest(plan: Planogram, warmth: float, brightness: float, d: list[float]) -> tuple[AreaLight, ...]:
    """Two strips of the ceiling as a chest sees them that lies on its back: straight before it."""
    lights = []
    for k in range(2):
        at = (plan.width_m * (0.2 + 0.6 * d[12 + k]), -2.2 - 0.4 * d[14], plan.top_m * (0.2 + 0.7 * k + 0.3 * d[15]))
        colour = light_colour(warmth + 0.2 * (d[13 - k] - 0.5))
        # u x v points into the chest, to +y.
        lights.append(AreaLight(at, (0.0, 0.0, 0.1), (1.6, 0.0, 0.0), colour, 17.0 * brightness))
    return tuple(lights)


@dataclass(frozen=True)
class Stance:
    """How a photo is taken: shares of what the parameters allow, drawn once a picture."""

    oblique_deg: float  # most turn to either side
    tilt_deg: float  # most look up or down
    roll_deg: float
    fronts: float  # how many the picture is to show
    zoom_spread: float
    focal: float  # focal length over the picture's longer side
    from_below: bool = False  # the shelf lies on its back: the photographer stands at what is then its near side


def place_camera(width: int, height: int, plan: Planogram, stance: Stance, rng: Generator) -> Camera:
    """A phone before the shelf: it looks at some place of the plan, from one side, from the height of a chest or head."""
    d = [float(value) for value in rng.random(10)]
    focal_px = stance.focal * max(width, height) * (0.94 + 0.12 * d[0])
    low_m, high_m = plan.rows[0].z_m, plan.top_m
    seen_m = min(_width_with(stance.fronts, plan, width / height), 1.15 * plan.width_m)
    seen_m *= 1.0 + stance.zoom_spread * (2.0 * d[1] - 1.0)
    distance_m = max(seen_m * focal_px / width, 0.35)
    yaw = _signed_square(d[2]) * stance.oblique_deg * DEGREE
    seen_high_m = seen_m * height / width
    reach_x = max(0.0, plan.width_m - 0.9 * seen_m)
    reach_z = max(0.0, high_m - low_m - 0.9 * seen_high_m)
    target = (
        0.5 * plan.width_m + reach_x * (d[3] - 0.5),
        0.05,
        0.5 * (low_m + high_m) + reach_z * (d[4] - 0.5),
    )
    eye_m = 1.15 + 0.5 * d[5]
    rise = max(-1.0, min(1.0, (eye_m - target[2]) / distance_m))
    limit = exact_sin(stance.tilt_deg * DEGREE)
    rise = max(-limit, min(limit, rise + 0.25 * limit * (2.0 * d[6] - 1.0)))
    if stance.from_below:
        rise = -0.35 - 0.3 * d[5]
    flat_m = distance_m * (1.0 - rise * rise) ** 0.5
    position = (
        target[0] + flat_m * exact_sin(yaw),
        -flat_m * exact_cos(yaw),
        target[2] + distance_m * rise,
    )
    roll = rotation_about((0.0, 0.0, 1.0), (2.0 * d[7] - 1.0) * stance.roll_deg * DEGREE)
    return Camera(
        width=width,
        height=height,
        focal_px=focal_px,
        position=position,
        rotation=composed(roll, look_at(position, target)),
        k1=-0.07 + 0.1 * d[8],
        k2=0.02 * (d[9] - 0.5),
        exposure=EXPOSURE,
        focus_m=distance_m,
    )


def _width_with(fronts: float, plan: Planogram, aspect: float) -> float:
    """The width of the piece of a shelf, as wide and high as a picture, that shows so many fronts, metres."""
    high_m = plan.top_m - plan.rows[0].z_m
    per_square = plan.fronts / (plan.width_m * high_m)
    width_m = (fronts * aspect / per_square) ** 0.5
    return width_m if width_m <= aspect * high_m else fronts / (per_square * high_m)


def _signed_square(draw: float) -> float:
    """-1..1 with most weight near 0: most photos are taken about straight on."""
    s = 2.0 * draw - 1.0
    return s * abs(s) * 0.5 + 0.5 * s
