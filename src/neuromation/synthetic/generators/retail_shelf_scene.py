"""From parameters, seed and index to the scene of a shelf: its plan, what stands there, the shop around it, the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.random import Generator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.exact import exact_cos, exact_sin, rotation_z
from neuromation.synthetic.generators.retail_shelf_clutter import occluders
from neuromation.synthetic.generators.retail_shelf_fixtures import furniture, price_tags
from neuromation.synthetic.generators.retail_shelf_store import Fixture, Stance, Store, draw_store, place_camera
from neuromation.synthetic.products.assortment import label_of, lookalike, shown_products
from neuromation.synthetic.products.looks import Look, look_of
from neuromation.synthetic.products.planogram import (
    ROWS_MAX,
    Disorder,
    Layout,
    Listed,
    Placed,
    Planogram,
    Shelf,
    plan_shelf,
    stock_shelf,
)
from neuromation.synthetic.render.labels import in_camera, seen_through
from neuromation.synthetic.scene.model import UPRIGHT, Camera, Instance, Pose, Rotation, Scene

if TYPE_CHECKING:
    from neuromation.synthetic.generators.retail_shelf import RetailShelfParams

TURN = 6.283185307179586
_WEIGHTS: dict[Fixture, float] = {"gondola": 4.0, "cooler": 3.0, "wire": 1.5, "chest": 1.0, "pallet": 1.2}
_LOOKALIKES = 8  # kinds of look-alikes of one picture
_LAYERS = 1.35  # fronts above each other on one board, in the mean
_BEYOND = 1.3  # length of a shelf over what the picture shows of it
_FROZEN = frozenset({"carton", "pouch", "tub"})
_SHADOW_M = 0.25  # how far beside the picture a package still darkens what is in it
_ROW_PITCH_M = 0.04  # of board and headroom, beside what stands there


@dataclass(frozen=True, eq=False)
class ShelfScene:
    """A drawn shelf: the scene to render, and the plan and state that its labels come from."""

    scene: Scene
    shelf: Shelf
    store: Store

    @property
    def has_glass(self) -> bool:
        """Whether the shop is mirrored in a cooler's door."""
        return self.store.has_glass


def draw_shelf_scene(params: RetailShelfParams, seed: int, index: int) -> ShelfScene:
    """The scene of unit `index`."""
    fixture = _fixture(params, unit_rng(seed, index, "fixture"))
    rng = unit_rng(seed, index, "plan")
    plan = _plan(params, fixture, seed, index, rng)
    others = _others(plan, rng) if params.null > 0 else []
    shelf = stock_shelf(plan, _disorder(params, fixture), others=others, rng=unit_rng(seed, index, "stock"))
    store = draw_store(fixture, plan, glare=params.glare, light=params.light, rng=unit_rng(seed, index, "store"))
    camera = _camera(params, fixture, plan, seed, index)
    seen_px = camera.focal_px / max(camera.focus_m, 0.1)
    packages = [packaged(placed, params, seen_px) for placed in shelf.placed if is_near_view(placed, camera)]
    around = [
        *furniture(plan, store, unit_rng(seed, index, "furniture")),
        *price_tags(plan, store, promo=params.promo, rng=unit_rng(seed, index, "tags")),
        *occluders(params.occluders, shelf, camera, unit_rng(seed, index, "occluders")),
    ]
    return ShelfScene(Scene((*packages, *around), camera, store.lights, store.sky), shelf, store)


def is_near_view(placed: Placed, camera: Camera) -> bool:
    """Whether a package can be seen, or throws a shadow on what can; what is further aside is not worth drawing."""
    width_m, depth_m, height_m = placed.listed.product.size_m
    x, y, z = in_camera(camera, (placed.x_m, placed.y_m, placed.z_m + 0.5 * height_m))
    reach_m = 0.5 * (width_m + depth_m + height_m) + _SHADOW_M
    half = 0.53 * max(z, 0.0) / camera.focal_px  # a little more than half, for lenses bend their border inwards
    return z > -reach_m and abs(x) < half * camera.width + reach_m and abs(y) < half * camera.height + reach_m


def packaged(placed: Placed, params: RetailShelfParams, seen_px: float) -> Instance:
    """One package of the shelf as an instance with its labels, seen at so many pixels a metre."""
    listed = placed.listed
    attributes: dict[str, Any] = {
        "sku": listed.product.sku,
        "row": placed.slot.row,
        "slot": placed.slot.slot,
        "facing": placed.facing,
        "layer": placed.layer,
        "depth": placed.depth,
        "misplaced": placed.is_misplaced,
    }
    if placed.is_misplaced:
        attributes["planned_sku"] = placed.slot.listed.product.sku
    look = look_of(listed.product, params.catalogue, seen_px=seen_px)
    return Instance(
        mesh=look.mesh,
        materials=look.materials,
        pose=_pose(placed),
        label=label_of(params, listed),
        is_null=listed.is_null,
        attributes=attributes,
        group="product",
    )


def standing(placed: Placed, look: Look) -> Instance:
    """One package of a shelf as a part of the surroundings."""
    return Instance(look.mesh, look.materials, _pose(placed), group="product")


def _pose(placed: Placed) -> Pose:
    """Where a package's mesh goes; one that leans turns about its lower edge on the side of the gap."""
    if placed.lean_turns == 0.0:
        return Pose((placed.x_m, placed.y_m, placed.z_m), _turned(placed.yaw_turns))
    half_m = 0.5 * placed.listed.product.size_m[0]
    angle = placed.lean_turns * TURN
    s, c = exact_sin(angle), exact_cos(angle)
    # Turned about y by the angle: the base's right end stays, its middle swings up around it.
    lean: Rotation = (c, 0.0, s, 0.0, 1.0, 0.0, -s, 0.0, c)
    x_m = placed.x_m + half_m - half_m * c
    return Pose((x_m, placed.y_m, placed.z_m + half_m * s), lean)


def _turned(turns: float) -> Rotation:
    if turns == 0.0:
        return UPRIGHT
    return rotation_z(turns * TURN)


def _fixture(params: RetailShelfParams, rng: Generator) -> Fixture:
    left = float(rng.random()) * sum(_WEIGHTS[name] for name in params.fixtures)
    for name in params.fixtures:
        left -= _WEIGHTS[name]
        if left < 0:
            return name
    return params.fixtures[-1]


def _plan(params: RetailShelfParams, fixture: Fixture, seed: int, index: int, rng: Generator) -> Planogram:
    seen = _seen(params, seed, index)
    kinds = max(1, min(params.assortment, round(seen / 3.0)))
    few = fixture == "pallet"
    shown = shown_products(params, seed=seed, unit=index, count=max(1, kinds // 5) if few else kinds)
    if fixture == "chest":
        # What is frozen comes in bags and cartons; nobody lays a bottle on its back.
        shown = [listed for listed in shown if listed.product.form in _FROZEN] or shown
    rows_seen = _rows_seen(shown, seen, params.width / params.height)
    rows = params.rows or max(1, min(ROWS_MAX, int(1.15 * rows_seen) + 1))
    # A shelf goes on beyond the picture, to all sides.
    planned = seen * _BEYOND * max(1.0, rows / rows_seen)
    layout = Layout(
        rows=rows,
        facings=max(4, round(planned)),
        facings_max=params.facings_max * (4 if few else 1),
        plinth_m=0.16 if fixture != "cooler" else 0.28,
        headroom_m=0.012 if fixture == "chest" else 0.03 + 0.07 * float(rng.random()),
        depth_m=0.3 if fixture == "chest" else 0.4,
        depth=params.depth,
        stacking=0.9 if few else 0.0 if fixture == "chest" else params.stacking,
    )
    return plan_shelf(shown, layout, rng)


def _seen(params: RetailShelfParams, seed: int, index: int) -> float:
    """How many fronts the picture is to show."""
    draw = float(unit_rng(seed, index, "facings").random())
    return params.facings * (1.0 + params.facings_spread * (2.0 * draw - 1.0))


def _rows_seen(shown: list[Listed], facings: float, aspect: float) -> float:
    """How many boards a picture of this aspect shows with so many fronts of usual width and height."""
    width_m = sum(listed.product.size_m[0] for listed in shown) / len(shown) + 0.008
    height_m = sum(listed.product.size_m[2] for listed in shown) / len(shown) * 1.3 + 2 * _ROW_PITCH_M
    return (facings * width_m / (_LAYERS * aspect * height_m)) ** 0.5


def _others(plan: Planogram, rng: Generator) -> list[Listed]:
    """Look-alikes of products of the plan."""
    pool = list({slot.listed.number: slot.listed for slot in plan.slots}.values())
    draws = rng.random((_LOOKALIKES, 2)).tolist()
    return [lookalike(pool[int(of * len(pool))], int(which * 64)) for of, which in draws]


def _disorder(params: RetailShelfParams, fixture: Fixture) -> Disorder:
    # In a chest nothing stands: there is nowhere to tip over to.
    return Disorder(
        gap=params.gap,
        pushed_back=params.pushed_back,
        turned=params.turned,
        leaning=0.0 if fixture == "chest" else params.leaning,
        misplaced=params.misplaced,
        null=params.null,
        jitter=params.jitter,
    )


def _camera(params: RetailShelfParams, fixture: Fixture, plan: Planogram, seed: int, index: int) -> Camera:
    stance = Stance(
        oblique_deg=params.oblique_deg * (0.6 if fixture == "chest" else 1.0),
        tilt_deg=params.tilt_deg,
        roll_deg=params.roll_deg,
        fronts=_seen(params, seed, index) * params.zoom * params.zoom,
        zoom_spread=params.zoom_spread,
        focal=params.focal,
        from_below=fixture == "chest",
    )
    camera = place_camera(params.width, params.height, plan, stance, unit_rng(seed, index, "camera"))
    return seen_through(camera, params, unit_rng(seed, index, "character"))
