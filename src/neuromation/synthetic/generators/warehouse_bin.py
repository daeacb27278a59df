"""Parts dropped into crates, seen by an industrial camera from above: classes, poses, depth and what can be grasped.

Owns the parameters, the draws of the bin and the unit; `warehouse_bin_parts` makes the parts. They fall by
`scene.placement`, so that they lie on each other and on the floor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from numpy.random import Generator
from pydantic import BaseModel, Field, field_validator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.exact import composed, exact_cos, exact_sin, look_at, rotation_z
from neuromation.synthetic.generator import BaseGenerator, Layer, Unit
from neuromation.synthetic.generators.dice_light import irradiance_of, panel
from neuromation.synthetic.generators.dice_looks import pick
from neuromation.synthetic.generators.warehouse_bin_parts import CLASSES, Part, drawn_part
from neuromation.synthetic.render.labels import LabelName, SceneParams, drawn_unit, scene_layers, seen_through
from neuromation.synthetic.scene.meshes import crate, plane, tray
from neuromation.synthetic.scene.model import AreaLight, Camera, Instance, Material, Mesh, Pose, Scene, Sky, Vector
from neuromation.synthetic.scene.placement import drop
from neuromation.synthetic.scene.textures import cardboard, concrete, plastic, wood

Container = Literal["tote", "crate", "tray", "box"]
LightKind = Literal["ring", "strip", "hall"]
PARTS_MAX = 150
_TURN = 6.283185307179586
_PI = 3.141592653589793
_CONTAINERS: tuple[Container, ...] = ("tote", "crate", "tray", "box")
_LIGHTS: tuple[LightKind, ...] = ("ring", "strip", "hall")
_BIN_LEAST_M = 0.12
_CELL_M = 0.0018  # of the map on which parts feel each other
_PALE = (226.0, 226.0, 226.0)


class WarehouseBinParams(SceneParams):
    """Which parts and how many, the container, the light and the camera."""

    labels: list[LabelName] = Field(
        ["masks", "amodal", "depth", "pose"],
        description="dense labels wanted beside boxes and classes: masks, amodal, depth, normals, illumination, pose",
    )
    parts_mean: float = Field(55.0, ge=1, le=120, description="mean number of parts in the bin")
    parts_spread: float = Field(0.6, ge=0, le=0.9, description="spread of the number of parts between bins, relative")
    parts_max: int = Field(PARTS_MAX, ge=1, le=PARTS_MAX, description="largest number of parts")
    kinds_max: int = Field(6, ge=1, le=14, description="most kinds of parts (class, size and material) of one bin")
    class_weights: list[float] | None = Field(
        None, description=f"how common each class is, {len(CLASSES)} numbers >= 0; null: all alike"
    )
    plastic_share: float = Field(0.15, ge=0, le=1, description="share of kinds made of plastic; others are metal")
    rust_share: float = Field(0.06, ge=0, le=1, description="share of metal kinds that are rusty")
    bin_width_m: float = Field(0.3, ge=0.12, le=0.8, description="mean width of the container, metres")
    bin_spread: float = Field(0.25, ge=0, le=0.5, description="spread of the width between bins, relative")
    camera_height_m: float = Field(
        0.75, ge=0.3, le=2.5, description="mean height of the camera above the floor, metres"
    )
    tilt_deg: float = Field(6.0, ge=0, le=40, description="largest lean of the camera from straight above, degrees")
    fill: float = Field(0.9, ge=0.5, le=1.5, description="width of the bin over the width of the picture")
    ring_share: float = Field(0.45, ge=0, le=1, description="share of pictures lit by a ring around the lens")
    strip_share: float = Field(0.35, ge=0, le=1, description="share of pictures lit by strips overhead; else the hall")
    graspable_from: float = Field(
        0.85,
        ge=0.1,
        le=1,
        description="visible share from which a part counts as graspable",
        json_schema_extra={"tune": False},
    )

    @field_validator("class_weights")
    @classmethod
    def _a_weight_each(cls, weights: list[float] | None) -> list[float] | None:
        if weights is not None and (len(weights) != len(CLASSES) or min(weights) < 0 or not 0 < sum(weights) <= 1e6):
            raise ValueError(f"{len(CLASSES)} numbers >= 0 with a sum > 0 are needed, one a class")
        return weights


@dataclass(frozen=True, eq=False)
class Bin:
    """An empty container: its instance, the height of its floor, half its inside, and the height of its rim; metres."""

    kind: Container
    instance: Instance
    floor_m: float
    half_u_m: float
    half_v_m: float
    rim_m: float


@dataclass(frozen=True, eq=False)
class BinScene:
    """Everything of one picture; `parts` and the first instances of the scene go together."""

    scene: Scene
    parts: tuple[Part, ...]
    container: Container
    light: LightKind

    def facts(self) -> dict[str, Any]:
        return {"container": self.container, "light": self.light, "parts": len(self.parts)}


def bin_scene(params: WarehouseBinParams, seed: int, index: int) -> BinScene:
    """The picture `index` of the data set that parameters and seed describe."""
    rng = unit_rng(seed, index, "bin")
    container = _container(params, rng)
    parts = _parts(params, rng)
    poses = drop(
        [part.mesh for part in parts],
        unit_rng(seed, index, "drop"),
        half_x_m=container.half_u_m,
        half_y_m=container.half_v_m,
        floor_m=container.floor_m,
        height_max_m=0.9 * container.rim_m,
        cell_m=_CELL_M,
        spread=0.9,
    )
    instances = []
    kept = []
    for part, pose in zip(parts, poses, strict=True):
        if pose is None:
            continue
        facts = {"finish": part.finish, "size_mm": part.size_mm}
        label = CLASSES.index(part.name)
        instances.append(Instance(part.mesh, part.materials, pose, label=label, attributes=facts, group=part.name))
        kept.append(part)
    camera = _camera(params, container, rng)
    kind, lights, sky = _light(params, camera, unit_rng(seed, index, "light"))
    ground = Instance(plane((4.0, 4.0), 0.6), (_ground(rng),), Pose((0.0, 0.0, -0.001)), group="floor")
    camera = seen_through(camera, params, unit_rng(seed, index, "camera"))
    scene = Scene((*instances, container.instance, ground), camera, lights, sky)
    return BinScene(scene, tuple(kept), container.kind, kind)


def _container(params: WarehouseBinParams, rng: Generator) -> Bin:
    u = [float(draw) for draw in rng.random(8)]
    width = max(_BIN_LEAST_M, params.bin_width_m * (1 + params.bin_spread * (2 * u[0] - 1)))
    depth = width * (0.62 + 0.3 * u[1])
    kind = _CONTAINERS[int(u[2] * len(_CONTAINERS))]
    height = width * ((0.32, 0.4, 0.12, 0.3)[("tote", "crate", "tray", "box").index(kind)] + 0.1 * u[3])
    colour = _TOTES[int(u[4] * len(_TOTES))]
    if kind == "crate":
        wall = min(0.007, 0.03 * width)
        slats = u[5] < 0.5
        material = Material((0.55, 0.4, 0.25), wood(int(6 * u[6]), _PALE)) if slats else _plastic(colour, u[6])
        mesh = crate((width, depth, height), "slatted" if slats else "perforated", 3, wall)
        inset = wall * (5.2 if slats else 1.2)  # posts stand in the corners of a slatted one
        return Bin(kind, _placed(mesh, material), wall, width / 2 - inset, depth / 2 - inset, height)
    wall, slope = (0.004, 0.08 * u[5]) if kind == "box" else (0.003, 0.12 * u[5])
    slope = 0.0 if kind == "box" else slope
    paper = Material((0.5, 0.37, 0.24), cardboard(int(6 * u[6]), _PALE))
    material = paper if kind == "box" else _plastic(colour, u[6])
    mesh = tray((width, depth, height), wall, slope, 0.2)
    inset = wall + slope * height + 0.001
    return Bin(kind, _placed(mesh, material), wall, width / 2 - inset, depth / 2 - inset, height)


_TOTES: tuple[Vector, ...] = (
    (0.05, 0.1, 0.35),
    (0.3, 0.31, 0.32),
    (0.5, 0.05, 0.04),
    (0.6, 0.42, 0.06),
    (0.05, 0.22, 0.12),
    (0.02, 0.02, 0.022),
    (0.6, 0.6, 0.58),
)


def _placed(mesh: Mesh, material: Material) -> Instance:
    return Instance(mesh, (material,) * (int(mesh.parts.max()) + 1), group="container")


def _plastic(colour: Vector, draw: float) -> Material:
    return Material(colour, plastic(int(6 * draw), _PALE), kind="coat", roughness=0.32 + 0.25 * draw)


def _ground(rng: Generator) -> Material:
    u = float(rng.random())
    if u < 0.6:
        return Material((0.35, 0.35, 0.34), concrete(int(10 * u), _PALE))
    return Material((0.25, 0.2, 0.15), wood(int(10 * u), _PALE))


def _parts(params: WarehouseBinParams, rng: Generator) -> list[Part]:
    """A few kinds, each a number of times, in a drawn order."""
    spread = params.parts_spread * (2 * float(rng.random()) - 1)
    count = min(params.parts_max, max(1, round(params.parts_mean * (1 + spread))))
    weights = params.class_weights or [1.0] * len(CLASSES)
    kinds = []
    for _ in range(1 + int(params.kinds_max * float(rng.random()))):
        label = pick(weights, float(rng.random()))
        kinds.append(drawn_part(label, plastic_share=params.plastic_share, rust_share=params.rust_share, rng=rng))
    shares = [0.2 + float(rng.random()) for _ in kinds]
    return [kinds[pick(shares, float(rng.random()))] for _ in range(count)]


def _camera(params: WarehouseBinParams, container: Bin, rng: Generator) -> Camera:
    """A fixed camera above the bin that sees its inside, a little off the axis."""
    u = [float(draw) for draw in rng.random(6)]
    tilt = params.tilt_deg * u[0] / 360 * _TURN
    around = u[1] * _TURN
    far = params.camera_height_m * (0.9 + 0.2 * u[2])
    across = far * exact_sin(tilt)
    position = (across * exact_cos(around), across * exact_sin(around), far * exact_cos(tilt))
    target = (0.015 * (2 * u[3] - 1), 0.015 * (2 * u[4] - 1), container.floor_m)
    flat = look_at(position, target, (0.0, 1.0, 0.0))
    rotation = composed(rotation_z(0.04 * (2 * u[5] - 1)), flat)
    wide = 2 * max(container.half_u_m, container.half_v_m * params.width / params.height)
    rim = max(0.2 * far, far - 0.5 * container.rim_m)
    focal_px = params.fill * params.width * rim / wide
    return Camera(params.width, params.height, focal_px, position, rotation, exposure=1.25)


def _light(params: WarehouseBinParams, camera: Camera, rng: Generator) -> tuple[LightKind, tuple[AreaLight, ...], Sky]:
    """Light such that a white sheet at the bottom looks about white: from around the lens, from strips, or a hall's."""
    u = [float(draw) for draw in rng.random(6)]
    rest = max(0.0, 1 - params.ring_share - params.strip_share)
    kind = _LIGHTS[pick((params.ring_share + 1e-12, params.strip_share, rest), u[0])]
    key = {"ring": 0.65, "strip": 0.6, "hall": 0.4}[kind] + 0.15 * (u[1] - 0.5)
    x, y, z = camera.position
    around = u[2] * _TURN
    c, s = exact_cos(around), exact_sin(around)
    cool = 0.06 * (2 * u[3] - 1)
    colour = (1 - cool, 1.0, 1 + cool)
    if kind == "ring":
        spots = [(0.055, 0.0), (-0.055, 0.0), (0.0, 0.055), (0.0, -0.055)]
        lamps = [panel((x + a, y + b, z - 0.01), 0.018, 0.018, colour) for a, b in spots]
    elif kind == "strip":
        high, apart = 0.55 + 0.5 * u[4], 0.18 + 0.2 * u[5]
        u_half, v_half = (0.3 * c, 0.3 * s, 0.0), (0.015 * s, -0.015 * c, 0.0)
        lamps = [AreaLight((-s * side, c * side, high), u_half, v_half, colour, 1.0) for side in (-apart, apart)]
    else:
        lamps = [panel((1.2 * c, 1.2 * s, 2.2 + u[4]), 0.6, 0.15, colour)]
    given = sum(irradiance_of(lamp) for lamp in lamps)
    lamps = [replace(lamp, strength=key * _PI / given) for lamp in lamps]
    dim = 1 - key
    return kind, tuple(lamps), Sky((dim * 1.1,) * 3, (dim * 0.8,) * 3, (dim * 0.3,) * 3)


class WarehouseBin(BaseGenerator):
    """Bins full of parts."""

    name = "warehouse-bin"
    title = "Parts in a bin"
    description = (
        "Bolts, nuts, washers, brackets, gears, plates and pipes dropped into crates and totes, seen from above by an "
        "industrial camera: boxes, masks visible and whole, depth, poses, and which parts lie free enough to grasp."
    )
    version = "2"
    classes: ClassVar[list[str]] = list(CLASSES)
    cu_per_unit = 0.68
    params_model = WarehouseBinParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """The dense labels that the parameters ask for."""
        assert isinstance(params, WarehouseBinParams), "parse_params makes the parameters"
        return scene_layers(params, classes=len(CLASSES))

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The picture `index`; with amodal labels, every part also tells whether it is `graspable`."""
        assert isinstance(params, WarehouseBinParams), "parse_params makes the parameters"
        plan = bin_scene(params, seed, index)
        unit = drawn_unit(index, plan.scene, params, seed=seed, classes=CLASSES, extra=plan.facts())
        objects = [self._graspable(entry, params) for entry in unit.annotations["objects"]]
        return replace(unit, annotations={**unit.annotations, "objects": objects})

    @staticmethod
    def _graspable(entry: dict[str, Any], params: WarehouseBinParams) -> dict[str, Any]:
        if "visibility" not in entry:
            return entry
        free = bool(entry["visibility"] >= params.graspable_from)
        return {**entry, "attributes": {**entry["attributes"], "graspable": free}}


WAREHOUSE_BIN = WarehouseBin()
