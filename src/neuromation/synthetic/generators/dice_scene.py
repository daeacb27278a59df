"""A photograph of dice as a plan: which dice lie where, on what, in which light, seen by which camera.

Owns the draws of a whole scene, its physics (what rests, rests on something and touches nothing else) and the rule of
labels: the class of a die is the face that looks up most. Renders nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Any, Literal

from numpy.random import Generator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.exact import (
    composed,
    exact_cos,
    exact_sin,
    look_at,
    rotated,
    rotation_about,
    rotation_z,
    transposed,
)
from neuromation.synthetic.generators import dice_surface as surface
from neuromation.synthetic.generators.dice_body import (
    GRAINS,
    ROUNDINGS,
    Look,
    die_materials,
    die_mesh,
    face_normals,
    support,
)
from neuromation.synthetic.generators.dice_layout import Footprint, Layout, Pen, Spot
from neuromation.synthetic.generators.dice_light import Lit, drawn_light
from neuromation.synthetic.generators.dice_looks import Shares, chip_mesh, drawn_look, drawn_null, pick
from neuromation.synthetic.generators.dice_surface import TURN, Ground
from neuromation.synthetic.render.labels import seen_through
from neuromation.synthetic.scene.model import Camera, Instance, Material, Pose, Rotation, Scene, Vector

if TYPE_CHECKING:
    from neuromation.synthetic.generators.dice import DiceParams

Rest = Literal["flat", "stacked", "leaning"]
DICE_MAX = 30
CLASSES = ("one", "two", "three", "four", "five", "six")
_ROOT_HALF = 0.7071067811865476
_LEAN_TURNS = (0.012, 0.03)  # about 4 to 11 degrees
# Turns of a die that bring each of its six sides up.
_UP: tuple[Rotation, ...] = (
    (1, 0, 0, 0, 1, 0, 0, 0, 1),
    (1, 0, 0, 0, -1, 0, 0, 0, -1),
    (0, 0, 1, 0, 1, 0, -1, 0, 0),
    (0, 0, -1, 0, 1, 0, 1, 0, 0),
    (1, 0, 0, 0, 0, 1, 0, -1, 0),
    (1, 0, 0, 0, 0, -1, 0, 1, 0),
)


@dataclass(frozen=True)
class Die:
    """One die at rest: its look, its side, where its centre is, how it is turned, and how it came to rest."""

    look: Look
    side_m: float
    centre: Vector
    rotation: Rotation
    rest: Rest

    @property
    def face(self) -> int:
        """The face whose outward normal points up most, 1..6."""
        normals = face_normals(self.look.left_handed)
        return max(normals, key=lambda face: rotated(self.rotation, normals[face])[2])

    def instance(self) -> Instance:
        """It as an object of a scene; a blank one is a null object."""
        look, face = self.look, self.face
        facts: dict[str, Any] = {
            "colour": look.name,
            "finish": look.finish,
            "side_mm": self.side_m * 1000,
            "rest": self.rest,
        }
        if look.pips:
            facts["face"] = face
        else:
            facts["kind"] = "blank"
        return Instance(
            die_mesh(look.rounding, look.cut, look.left_handed),
            die_materials(look),
            Pose(self.centre, self.rotation, (self.side_m, self.side_m, self.side_m)),
            label=face - 1 if look.pips else None,
            is_null=not look.pips,
            attributes=facts,
            group=CLASSES[face - 1] if look.pips else "none",
        )


@dataclass(frozen=True)
class Tabletop:
    """Everything of one photograph."""

    dice: tuple[Die, ...]
    others: tuple[Instance, ...]  # look-alikes, table, tray and clutter
    camera: Camera
    lit: Lit
    ground: Ground
    has_tray: bool

    def scene(self) -> Scene:
        instances = (*(die.instance() for die in self.dice), *self.others)
        return Scene(instances, self.camera, self.lit.lights, self.lit.sky)

    def facts(self) -> dict[str, Any]:
        return {"ground": self.ground, "tray": self.has_tray, "light": self.lit.kind, "dice": len(self.dice)}


def tabletop(params: DiceParams, seed: int, index: int) -> Tabletop:
    """The photograph `index` of the data set that parameters and seed describe."""
    rng = unit_rng(seed, index, "table")
    camera = _camera(params, rng)
    has_tray = bool(rng.random() < params.tray_share)
    ground = _ground(params, rng)
    turns = float(rng.random())
    pen, surroundings = None, []
    if has_tray:
        half_u, half_v = _tray_size(params, camera, rng)
        # Trays stand about parallel to the picture more often than not.
        turns = float(rng.integers(4)) / 4 + 0.02 * float(rng.random() - 0.5) if rng.random() < 0.7 else turns
        pen = Pen(turns, half_u - 0.001, half_v - 0.001)
        surroundings += surface.tray(half_u, half_v, turns, rng)
    height_m = -surface.FLOOR_M if has_tray else 0.0
    material = surface.ground_material(ground, rng)
    surroundings.append(surface.table(ground, material, float(rng.random()), height_m))

    layout = Layout(pen)
    view = _View(camera, params.spread, params.border_share)
    dice, nulls = _dropped(params, layout, view, rng)
    clutter = [] if has_tray else _clutter(params, layout, view, rng)
    lit = drawn_light(params, camera, unit_rng(seed, index, "light"))
    others = (*nulls, *surroundings, *clutter)
    camera = replace(camera, exposure=_metered(params, material.colour))
    camera = seen_through(camera, params, unit_rng(seed, index, "camera"))
    return Tabletop(tuple(dice), others, camera, lit, ground, has_tray)


def _ground(params: DiceParams, rng: Generator) -> Ground:
    if rng.random() < params.plain_share:
        return "plain"
    return surface.GROUNDS[1 + int(rng.random() * (len(surface.GROUNDS) - 1))]


def _camera(params: DiceParams, rng: Generator) -> Camera:
    """A hand-held camera about above the table, that looks at its middle."""
    u = [float(draw) for draw in rng.random(8)]
    tilt = params.tilt_deg * (u[0] + u[1] + u[2]) / 1.5 * TURN / 360
    around = u[3] * TURN
    distance = params.distance_m * (1 + params.distance_spread * (2 * u[4] - 1))
    half_view = 0.5 * params.view_deg * TURN / 360
    focal_px = 0.5 * params.width * exact_cos(half_view) / exact_sin(half_view)
    across, up = exact_sin(tilt) * distance, exact_cos(tilt) * distance
    position = (across * exact_cos(around), across * exact_sin(around), up)
    rotation = look_at(position, (0.0, 0.0, 0.0), (0.0, 1.0, 0.0) if across < 0.02 * up else (0.0, 0.0, 1.0))
    roll = (u[5] + u[6] - 1.0) * 0.12
    turned = composed(rotation_z(roll), rotation)
    return Camera(params.width, params.height, focal_px, position, turned)


class _View:
    """Where on the table a place of the picture lies, and which places dice prefer."""

    def __init__(self, camera: Camera, spread: float, border_share: float) -> None:
        self._camera, self._spread, self._border_share = camera, spread, border_share

    def on_table(self, across: float, down: float) -> Spot | None:
        """The spot (x, y) on z = 0 that is seen at a place of the picture, 0..1 each; None above the horizon."""
        camera = self._camera
        cx, cy = camera.centre
        u = (across * camera.width - cx) / camera.focal_px
        v = (down * camera.height - cy) / camera.focal_px
        r, (px, py, pz) = camera.rotation, camera.position
        dx, dy, dz = (u * r[k] + v * r[3 + k] + r[6 + k] for k in range(3))
        if dz > -0.05:
            return None
        way = -pz / dz
        return (px + way * dx, py + way * dy)

    def in_picture(self, spot: Spot) -> tuple[float, float]:
        """Where a spot on the table is seen, 0..1 each within the picture."""
        camera = self._camera
        r, (px, py, pz) = camera.rotation, camera.position
        offset = (spot[0] - px, spot[1] - py, -pz)
        x, y, z = rotated(r, offset)
        if z <= 0:
            return (-9.0, -9.0)
        cx, cy = camera.centre
        return ((cx + camera.focal_px * x / z) / camera.width, (cy + camera.focal_px * y / z) / camera.height)

    def allowed(self, spot: Spot) -> bool:
        across, down = self.in_picture(spot)
        return 0.05 < across < 0.95 and 0.05 < down < 0.95

    def drawn(self, rng: Generator) -> Spot:
        """A spot as photographers leave them: around the middle, now and then cut by the border."""
        if rng.random() < self._border_share:
            along, side = float(rng.random()), int(rng.integers(4))
            edge = 0.01 * float(rng.random())
            across, down = ((along, edge), (along, 1 - edge), (edge, along), (1 - edge, along))[side]
        else:
            bell = rng.random((3, 2))
            across, down = (
                min(0.94, max(0.06, 0.5 + self._spread * 2 * float(bell[0, k] + bell[1, k] + bell[2, k] - 1.5)))
                for k in range(2)
            )
        return self.on_table(across, down) or (0.0, 0.0)


def _tray_size(params: DiceParams, camera: Camera, rng: Generator) -> tuple[float, float]:
    """Half the sides of a tray that fills most of the picture and sometimes more."""
    seen_m = camera.width / camera.focal_px * params.distance_m
    half_u = max(0.045, 0.5 * seen_m * (0.55 + 0.6 * float(rng.random())))
    return half_u, max(0.04, half_u * (0.65 + 0.35 * float(rng.random())))


def _dropped(params: DiceParams, layout: Layout, view: _View, rng: Generator) -> tuple[list[Die], list[Instance]]:
    """Dice and look-alikes, each at a free place; what finds none is left out."""
    u = [float(draw) for draw in rng.random(3)]
    # Most photographs have about the mean; one of eight has a heap.
    spread = (u[0] + u[1]) * (2.2 if u[2] < 0.125 else 0.83)
    wanted = min(params.dice_max, 1 + int((params.dice_mean - 1) * spread + 0.5))
    shares = Shares(
        params.pearl_share,
        params.clear_share,
        params.metal_share,
        params.wood_share,
        params.sharp_share,
        params.cut_share,
    )
    sets = 1 + int(params.variety * wanted * float(rng.random()))
    looks = [(drawn_look(shares, rng), _side(params, rng)) for _ in range(sets)]
    dice: list[Die] = []
    nulls: list[Instance] = []
    while len(dice) + len(nulls) < wanted:
        wanted_null = bool(rng.random() < params.null_share) and bool(dice)
        if wanted_null and rng.random() < 0.8:
            thing = _look_alike(layout, view, rng)
            if thing is None:
                break
            nulls.append(thing)
            continue
        look, side_m = looks[int(rng.random() * sets)]
        look = replace(look, pips=not wanted_null, grain=(look.grain + int(rng.integers(4))) % GRAINS)
        placed = _placed(params, look, side_m, layout, view, rng, nulls)
        if not placed:
            break
        dice += placed[: wanted - len(dice) - len(nulls)]
    return dice, nulls


def _side(params: DiceParams, rng: Generator) -> float:
    bell = float(rng.random() + rng.random() + rng.random() - 1.5)
    side_mm = params.side_mm * (1 + params.side_spread * 2 * bell)
    if rng.random() < params.large_share:
        side_mm *= 1.4 + 0.5 * float(rng.random())
    return min(40.0, max(7.0, side_mm)) / 1000


def _placed(
    params: DiceParams, look: Look, side_m: float, layout: Layout, view: _View, rng: Generator, nulls: list[Instance]
) -> list[Die]:
    """One die, flat or leaning on a chip, or a pile of two; none when there is no room."""
    rest = ("flat", "stacked", "leaning")[
        pick(
            (max(0.0, 1 - params.stack_share - params.leaning_share) + 1e-9, params.stack_share, params.leaning_share),
            rng.random(),
        )
    ]
    turns = float(rng.random())
    up = _UP[int(rng.integers(6))]
    quarter = composed(up, rotation_z(TURN / 4 * int(rng.integers(4))))
    if rest == "leaning":
        return _leaning(look, side_m, turns, quarter, layout, view, rng, nulls)
    half = side_m / 2
    offset, upper_turns, upper_side = (0.0, 0.0), 0.0, side_m * (0.75 + 0.25 * float(rng.random()))
    if rest == "stacked":
        offset = (0.2 * upper_side * float(rng.random() - 0.5), 0.2 * upper_side * float(rng.random() - 0.5))
        upper_turns = float(rng.random())
        half = max(half, _ROOT_HALF * upper_side + abs(offset[0]) + abs(offset[1]))
    footprint = Footprint(0.0, 0.0, turns, half, half)
    if layout.taken and rng.random() < params.cluster_share:
        near = layout.taken[int(rng.random() * len(layout.taken))]
        gap = 0.004 * float(rng.random()) * float(rng.random())
        spot = layout.beside(footprint, near, gap, rng, view.allowed)
    else:
        spot = layout.scattered(footprint, lambda: view.drawn(rng))
    if spot is None:
        return []
    below = Die(look, side_m, (spot.x, spot.y, side_m / 2), composed(rotation_z(turns * TURN), quarter), "flat")
    if rest == "flat":
        return [below]
    above = composed(rotation_z(upper_turns * TURN), _UP[int(rng.integers(6))])
    centre = (spot.x + offset[0], spot.y + offset[1], side_m + upper_side / 2)
    return [below, Die(look, upper_side, centre, above, "stacked")]


def _leaning(
    look: Look,
    side_m: float,
    turns: float,
    quarter: Rotation,
    layout: Layout,
    view: _View,
    rng: Generator,
    nulls: list[Instance],
) -> list[Die]:
    """A die with one edge on the table and its bottom on the rim of a chip, which is as thick as the lean needs.

    With the lean's angle a, the side s and the edge's radius r, the middle of the bottom is (s/2 - r) sin a + r (1 - cos a)
    above the table; the rim touches it w further up the slope, beyond the centre of mass.
    """
    angle = TURN * (_LEAN_TURNS[0] + (_LEAN_TURNS[1] - _LEAN_TURNS[0]) * float(rng.random()))
    s, c = exact_sin(angle), exact_cos(angle)
    radius = ROUNDINGS[look.rounding] * side_m
    slope_m = side_m * (0.15 + 0.2 * float(rng.random()))
    look = replace(look, cut=0)
    thick_m = (side_m / 2 - radius + slope_m) * s + radius * (1 - c)
    chip_m = 0.009 + 0.004 * float(rng.random())
    reach = side_m / 2 + slope_m + 2 * chip_m
    footprint = Footprint(0.0, 0.0, turns, reach / 2 + 0.001, max(chip_m, side_m / 2))
    spot = layout.scattered(footprint, lambda: view.drawn(rng))
    if spot is None:
        return []
    yaw = rotation_z(turns * TURN)
    leant = composed(yaw, rotation_about((0.0, 1.0, 0.0), -angle))
    rotation = composed(leant, quarter)
    down = rotated(transposed(rotation), (0.0, 0.0, -1.0))
    height = support(down, look, side_m)
    # Along the lean, from the middle of the footprint: the die's centre, and the rim of the chip.
    centre = -reach / 2 + side_m / 2
    rim = centre + side_m / 2 * s + slope_m * c
    place = (spot.x + yaw[0] * (rim + chip_m), spot.y + yaw[3] * (rim + chip_m), 0.0)
    shade = 0.1 + 0.6 * float(rng.random())
    chip = Material((shade, 0.5 * shade, 0.4 * shade), kind="coat", roughness=0.3)
    mesh = chip_mesh(chip_m * 1000, thick_m * 1000)
    nulls.append(Instance(mesh, (chip,), Pose(place), is_null=True, attributes={"kind": "chip"}, group="none"))
    at = (spot.x + yaw[0] * centre, spot.y + yaw[3] * centre, height)
    return [Die(look, side_m, at, rotation, "leaning")]


def _look_alike(layout: Layout, view: _View, rng: Generator) -> Instance | None:
    thing = drawn_null(rng)
    turns = float(rng.random())
    spot = layout.scattered(Footprint(0.0, 0.0, turns, thing.half_m, thing.half_m), lambda: view.drawn(rng))
    if spot is None:
        return None
    pose = Pose((spot.x, spot.y, 0.0), rotation_z(turns * TURN))
    return Instance(thing.mesh, thing.materials, pose, is_null=True, attributes={"kind": thing.kind}, group="none")


def _clutter(params: DiceParams, layout: Layout, view: _View, rng: Generator) -> list[Instance]:
    """Things at the border of the picture: bars, books, cards, pens; cut by the frame as a rule."""
    made = []
    for _ in range(4):
        if rng.random() >= params.clutter:
            continue
        along, side = float(rng.random()), int(rng.integers(4))
        edge = 0.1 * float(rng.random()) - 0.02
        across, down = ((along, edge), (along, 1 - edge), (edge, along), (1 - edge, along))[side]
        spot = view.on_table(across, down)
        if spot is None:
            continue
        made += surface.clutter_thing(spot, layout, rng)
    return made


def _metered(params: DiceParams, colour: Vector) -> float:
    """The exposure of a camera that meters the ground.

    Light is drawn so that white gets 1 at the middle of the table. A camera brings a ground's reflectance half way (in
    ratios) to its aim: snow stays brighter than coal.
    """
    reflectance = 0.25 * colour[0] + 0.6 * colour[1] + 0.15 * colour[2]
    return params.brightness / sqrt(max(0.02, 0.9 * reflectance))
