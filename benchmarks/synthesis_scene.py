"""The scenes of the synthesis benchmark: packages on shelves, every one of them placed, sized and lit anew in each unit.

Owns what is drawn, so that our renderers and their peers draw the same.
"""

from __future__ import annotations

from functools import cache
from typing import ClassVar, Literal

from numpy.random import Generator as Draws
from pydantic import BaseModel, Field

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generator import BaseGenerator, Layer, Unit
from neuromation.synthetic.render.labels import SceneParams, drawn_unit, scene_layers, seen_through
from neuromation.synthetic.scene import textures
from neuromation.synthetic.scene.meshes_build import turned_about
from neuromation.synthetic.scene.meshes_packages import bottle, box, can, pouch
from neuromation.synthetic.scene.meshes_shop import back_panel, shelf_board
from neuromation.synthetic.scene.model import (
    AreaLight,
    Camera,
    Instance,
    Material,
    Mesh,
    Pose,
    Scene,
    Sky,
    Texture,
    Vector,
)

CLASSES = ["box", "can", "bottle", "pouch"]
LABELS = 32  # different prints, 256 pixels wide
ROW_GAP_M = 0.33
PITCH_M = 0.095


class ShopParams(SceneParams):
    """How much stands there. The labels are those of the figure: masks, depth, normals, illumination."""

    labels: list[Literal["masks", "amodal", "depth", "normals", "illumination", "pose"]] = Field(
        ["masks", "depth", "normals", "illumination"]
    )
    products: int = Field(120, ge=1, le=2000, description="how many packages")
    rows: int = Field(5, ge=1, le=20, description="how many shelves")


@cache
def _prints() -> tuple[Texture, ...]:
    """Labels that are made once a process, as a catalogue's are."""
    made = []
    for number in range(LABELS):
        rng = unit_rng(0, number, "benchmark prints")
        one, other = (tuple(float(tone) for tone in rng.integers(30, 240, 3)) for _ in range(2))
        make = (textures.stripes, textures.checker, textures.stripes, textures.checker)[number % 4]
        made.append(textures.worn(make(one, other, int(rng.integers(3, 14)), size_px=256), number, 0.3))
    return tuple(made)


@cache
def _materials() -> tuple[tuple[Material, Material], ...]:
    """For each print the printed surface and a plain one that goes with it."""
    found = []
    for number, texture in enumerate(_prints()):
        shade = texture.pixels.reshape(-1, texture.pixels.shape[2])[number, :3].astype(float) / 255.0
        plain = Material(colour=(float(shade[0]), float(shade[1]), float(shade[2])), kind="coat", roughness=0.35)
        printed = Material(colour=(1.0, 1.0, 1.0), texture=texture, kind="coat", roughness=0.3 + 0.3 * (number % 3) / 2)
        found.append((printed, plain))
    return tuple(found)


@cache
def _shapes() -> tuple[tuple[Mesh, int, Vector, int, float], ...]:
    """Meshes of a width, depth and height, their classes, sizes in metres, numbers of parts and lowest points."""
    made: tuple[tuple[Mesh, int, Vector], ...] = (
        (box((0.07, 0.05, 0.2), 0.002), 0, (0.07, 0.05, 0.2)),
        (box((0.08, 0.08, 0.14), 0.003), 0, (0.08, 0.08, 0.14)),
        (can(0.033, 0.12), 1, (0.066, 0.066, 0.12)),
        (can(0.037, 0.11, "food"), 1, (0.074, 0.074, 0.11)),
        (bottle("soda", 0.033, 0.24), 2, (0.066, 0.066, 0.24)),
        (pouch((0.08, 0.05, 0.2)), 3, (0.08, 0.05, 0.2)),
    )
    return tuple((*shape, int(shape[0].parts.max()) + 1, float(shape[0].bounds[0][2])) for shape in made)


_METAL = Material(colour=(0.75, 0.75, 0.76), kind="metal", roughness=0.35)
_STEEL = Material(colour=(0.6, 0.61, 0.63), kind="coat", roughness=0.5)


def _package(rng: Draws, place: Vector) -> Instance:
    """A package of any kind, size and print at a place, nearly facing the front."""
    draws = [float(draw) for draw in rng.random(9)]
    mesh, label, size, parts, lowest = _shapes()[int(6 * draws[6])]
    printed, plain = _materials()[int(LABELS * draws[7])]
    scale = (0.9 + 0.2 * draws[0], 0.9 + 0.2 * draws[1], 0.85 + 0.3 * draws[2])
    materials = (
        (printed, _METAL, _METAL)[:parts] if label == 1 else (printed, printed, plain, plain, plain, plain)[:parts]
    )
    turn = turned_about("z", 0.06 * (draws[3] - 0.5))
    x = place[0] + 0.02 * (draws[4] - 0.5)
    y = place[1] + 0.06 * draws[5] + size[1] / 2
    height = -lowest * scale[2]
    pose = Pose((x, y, place[2] + height), turn, scale)
    return Instance(mesh, materials, pose, label=label, attributes={"print": int(1000 * draws[8])})


def shop_scene(params: ShopParams, seed: int, index: int) -> Scene:
    """Shelves full of packages under two strip lights, seen from about three metres."""
    rng = unit_rng(seed, index)
    a_row = -(-params.products // params.rows)
    width, height = a_row * PITCH_M, params.rows * ROW_GAP_M
    board = shelf_board((round(width + 0.1, 3), 0.35, 0.02))
    panel = back_panel((round(width + 0.6, 3), round(height + 0.6, 3)))
    steel = tuple(_STEEL for _ in range(int(board.parts.max()) + 1))
    instances = [Instance(panel, (_STEEL,), Pose((0.0, 0.3, -0.2)), group="shelf")]
    for row in range(params.rows):
        z = row * ROW_GAP_M
        instances.append(Instance(board, steel, Pose((0.0, 0.12, z)), group="shelf"))
        for place in range(min(a_row, params.products - row * a_row)):
            x = (place + 0.5) * PITCH_M - width / 2
            instances.append(_package(rng, (x, 0.0, z)))
    draws = rng.random(8)
    lights = tuple(
        AreaLight(
            (x + 0.3 * (draws[0] - 0.5), -1.2 - 0.5 * draws[1], height + 0.9), (0.6, 0.0, 0.0), (0.0, -0.1, -0.06),
            strength=10.0 + 6.0 * float(draws[2]),
        )
        for x in (-0.25 * width, 0.25 * width)
    )  # fmt: skip
    shade = 0.25 + 0.2 * float(draws[3])
    sky = Sky((shade, shade, shade), (0.8 * shade,) * 3, (0.4 * shade,) * 3)
    # The whole shelf fills the picture, from a little to the left or right, above or below.
    focal = 1.1 * params.width
    away = max(width * focal / params.width, height * focal / params.height) * (1.0 + 0.08 * draws[4])
    camera = Camera(
        params.width, params.height, focal,
        (0.3 * width * (draws[5] - 0.5) * 0.2, -away, height / 2 - 0.1 + 0.1 * (draws[6] - 0.5)),
        (1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0),
        focus_m=float(away),
    )  # fmt: skip
    return Scene(tuple(instances), seen_through(camera, params, rng), lights, sky)


class Shop(BaseGenerator):
    """The benchmark's generator; it is not installed."""

    name = "benchmark-shop"
    title = "Benchmark shop"
    description = "Packages on shelves, for the synthesis benchmark."
    classes: ClassVar[list[str]] = CLASSES
    params_model = ShopParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        assert isinstance(params, ShopParams)
        return scene_layers(params, classes=len(CLASSES))

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        assert isinstance(params, ShopParams)
        return drawn_unit(index, shop_scene(params, seed, index), params, seed=seed, classes=CLASSES)


SHOP = Shop()
