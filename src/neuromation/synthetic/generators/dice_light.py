"""The light that falls on a table: tents, windows, lamps, flashes and the sun.

Every light is scaled so that a white matt sheet in the middle of the table gets about as much as at exposure 1 looks
white; what the camera makes of it is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal

from numpy.random import Generator

from neuromation.synthetic.exact import exact_cos, exact_sin
from neuromation.synthetic.generators.dice_looks import pick
from neuromation.synthetic.scene.model import AreaLight, Camera, Sky, Sun, Vector

if TYPE_CHECKING:
    from neuromation.synthetic.generators.dice import DiceParams

LightKind = Literal["tent", "window", "lamp", "flash", "sun"]
_TURN = 6.283185307179586
_PI = 3.141592653589793


@dataclass(frozen=True)
class Lit:
    """The light of one photograph, and what it is called."""

    kind: LightKind
    lights: tuple[Sun | AreaLight, ...]
    sky: Sky


def drawn_light(params: DiceParams, camera: Camera, rng: Generator) -> Lit:
    """Light of a drawn kind: soft as in a tent, or with one main source and a dimmer room around it."""
    u = [float(draw) for draw in rng.random(12)]
    rest = 1.0 - params.soft_light
    kinds: tuple[LightKind, ...] = ("tent", "window", "lamp", "flash", "sun")
    kind = kinds[pick((params.soft_light + 1e-9, 0.35 * rest, 0.35 * rest, 0.15 * rest, 0.15 * rest), u[0])]
    warm = params.colour_cast * (2 * u[1] - 1)
    key_colour = (1 + 0.35 * warm, 1.0, 1 - 0.45 * warm)
    sky_colour = (1 - 0.12 * warm, 1.0, 1 + 0.16 * warm)
    around, height = u[2] * _TURN, 0.0
    if kind == "tent":
        key = 0.35 + 0.3 * u[3]
        lamps = _strips(around, 0.3 + 0.25 * u[4], 0.2 + 0.3 * u[5], key_colour)
    elif kind == "window":
        key, height = 0.45 + 0.35 * u[3], 0.25 + 0.6 * u[4]
        far = 0.6 + 1.2 * u[5]
        lamps = [panel((far * exact_cos(around), far * exact_sin(around), height), 0.3 + 0.4 * u[6], 0.4, key_colour)]
    elif kind == "lamp":
        key, height = 0.45 + 0.4 * u[3], 0.35 + 0.9 * u[4]
        far, size = 0.1 + 0.6 * u[5], 0.02 + 0.1 * u[6]
        lamps = [panel((far * exact_cos(around), far * exact_sin(around), height), size, size, key_colour)]
    elif kind == "flash":
        key = 0.5 + 0.3 * u[3]
        x, y, z = camera.position
        lamps = [panel((x + 0.02 * exact_cos(around), y + 0.02 * exact_sin(around), z), 0.006, 0.006, key_colour)]
    else:
        key, lamps = 0.55 + 0.3 * u[3], []
    dim = (1 - key) * (0.92 + 0.16 * u[7])
    # The camera and who holds it stand before the zenith, so that level faces mirror something dark.
    zenith, horizon = dim * (0.5 + 0.3 * u[9]), dim * (1.1 + 0.25 * u[8])
    sky = Sky(_times(sky_colour, zenith), _times(sky_colour, horizon), _times(sky_colour, 0.35 * dim))
    if kind == "sun":
        high = 0.35 + 0.6 * u[4]
        flat = sqrt(1 - high * high)
        direction = (-flat * exact_cos(around), -flat * exact_sin(around), -high)
        return Lit(kind, (Sun(direction, key_colour, key * _PI / high, 0.5 + 1.5 * u[5]),), sky)
    given = sum(irradiance_of(lamp) for lamp in lamps)
    strength = key * _PI / given
    return Lit(kind, tuple(AreaLight(lamp.position, lamp.u, lamp.v, lamp.colour, strength) for lamp in lamps), sky)


def _times(colour: Vector, factor: float) -> Vector:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def _strips(around: float, height: float, apart: float, colour: Vector) -> list[AreaLight]:
    """Two bars of light overhead, as photographers' tents have them."""
    c, s = exact_cos(around), exact_sin(around)
    u, v = (0.2 * c, 0.2 * s, 0.0), (0.02 * s, -0.02 * c, 0.0)  # u x v looks down
    return [AreaLight((-s * side, c * side, height), u, v, colour, 1.0) for side in (-apart, apart)]


def panel(position: Vector, half_u: float, half_v: float, colour: Vector) -> AreaLight:
    """A rectangle that faces the middle of the table, its u level."""
    x, y, z = position
    far = sqrt(x * x + y * y + z * z)
    flat = sqrt(x * x + y * y)
    to = (-x / far, -y / far, -z / far)
    side = (-y / flat, x / flat, 0.0) if flat > 1e-6 else (1.0, 0.0, 0.0)
    # v = to x side, so that side x v = to.
    v = (
        to[1] * side[2] - to[2] * side[1],
        to[2] * side[0] - to[0] * side[2],
        to[0] * side[1] - to[1] * side[0],
    )
    return AreaLight(position, _times(side, half_u), _times(v, half_v), colour, 1.0)


def irradiance_of(lamp: AreaLight) -> float:
    """What a lamp of its strength gives a level sheet at the origin, as if it were a point; W/m2 in the scene's units."""
    (x, y, z), u, v = lamp.position, lamp.u, lamp.v
    normal = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
    square = x * x + y * y + z * z
    towards = -(x * normal[0] + y * normal[1] + z * normal[2]) / sqrt(square)
    return lamp.strength * 4 * max(0.0, towards) * (z / sqrt(square)) / square
