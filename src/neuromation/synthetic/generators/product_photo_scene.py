"""From parameters, seed and index to the scene of one product: in a hand before a shelf, or on the shelf itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.exact import composed, exact_cos, exact_sin, look_at, rotated, rotation_about, transposed
from neuromation.synthetic.generators.product_photo_hand import VARIANTS, grip
from neuromation.synthetic.generators.retail_shelf_clutter import CLOTHS, SKINS
from neuromation.synthetic.generators.retail_shelf_fixtures import furniture, price_tags
from neuromation.synthetic.generators.retail_shelf_scene import is_near_view, standing
from neuromation.synthetic.generators.retail_shelf_store import DEGREE, EXPOSURE, Fixture, Store, draw_store
from neuromation.synthetic.products.assortment import label_of, lookalike, shown_products
from neuromation.synthetic.products.builtin import CLUTTER_FIRST, built_in_product, clutter_keys
from neuromation.synthetic.products.choosing import choose
from neuromation.synthetic.products.looks import look_of
from neuromation.synthetic.products.model import BUILT_IN, ROUND_FORMS
from neuromation.synthetic.products.planogram import Disorder, Layout, Listed, Placed, Shelf, plan_shelf, stock_shelf
from neuromation.synthetic.render.labels import seen_through
from neuromation.synthetic.scene.model import Camera, Instance, Material, Pose, Rotation, Scene, Vector
from neuromation.synthetic.scene.textures import fabric, speckle

if TYPE_CHECKING:
    from neuromation.synthetic.generators.product_photo import ProductPhotoParams

# A product that faces the camera: its x to the right, its z up, its front (-y) towards the lens.
_FACING: Rotation = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0)
_FIXTURES: tuple[Fixture, ...] = ("gondola", "cooler", "wire", "cooler", "cooler")
CLUTTER_STREAM = "clutter"
_CLOSE_PX = 1_500.0  # pixels a metre of what is held up to a phone
_ARM_M = 0.27  # nearer than this nobody holds a thing to a camera
NEIGHBOURS = 7  # other products on the shelf behind


@dataclass(frozen=True, eq=False)
class PhotoScene:
    """A drawn photo: its scene, whose first instance is the subject, and what that is."""

    scene: Scene
    subject: Listed
    is_held: bool


def draw_photo_scene(params: ProductPhotoParams, seed: int, index: int) -> PhotoScene:
    """The scene of unit `index`."""
    rng = unit_rng(seed, index, "photo")
    d = [float(draw) for draw in rng.random(4)]
    target = shown_products(params, seed=seed, unit=index, count=1)[0]
    if d[0] < params.null:
        target = lookalike(target, int(d[1] * 64))
    is_held = d[2] < params.held
    shelf, store = _shelf(params, target, seed, index, with_target=not is_held or d[3] < 0.5)
    if is_held:
        camera, hand = _hand_scene(params, target, shelf, unit_rng(seed, index, "held"))
        subject, around = hand[0], hand[1:]
        standing_ = list(shelf.placed)
    else:
        own = [place for place, placed in enumerate(shelf.placed) if _is_candidate(placed, target)]
        chosen = own[int(d[1] * len(own))]
        camera = _shelf_camera(params, shelf.placed[chosen], unit_rng(seed, index, "camera"))
        subject, around = _labelled(_clutter(shelf.placed[chosen], params, _CLOSE_PX), target, params), []
        standing_ = [placed for place, placed in enumerate(shelf.placed) if place != chosen]
    seen_px = camera.focal_px / (camera.focus_m + (0.5 if is_held else 0.1))
    others = [_clutter(placed, params, seen_px) for placed in standing_ if is_near_view(placed, camera)]
    camera = seen_through(camera, params, unit_rng(seed, index, "character"))
    around += furniture(shelf.plan, store, unit_rng(seed, index, "furniture"))
    around += price_tags(shelf.plan, store, promo=0.15, rng=unit_rng(seed, index, "tags"))
    return PhotoScene(Scene((subject, *others, *around), camera, store.lights, store.sky), target, is_held)


def _is_candidate(placed: Placed, target: Listed) -> bool:
    return placed.listed.number == target.number and placed.depth == 0


def _shelf(
    params: ProductPhotoParams, target: Listed, seed: int, index: int, *, with_target: bool
) -> tuple[Shelf, Store]:
    """The shelf behind or around the product, of products that have no label unless the catalogue's own are asked for."""
    rng = unit_rng(seed, index, "plan")
    if params.clutter == "catalogue":
        around = shown_products(params, seed=seed, unit=index, count=NEIGHBOURS, stream=CLUTTER_STREAM)
    else:
        numbers = choose(clutter_keys(), seed=seed, unit=index, count=NEIGHBOURS, stream=CLUTTER_STREAM)
        # Negative numbers: they are in no catalogue, so that none is taken for a product that has a label.
        around = [Listed(-1 - n, built_in_product(CLUTTER_FIRST + n)) for n in numbers]
    around = [listed for listed in around if listed.number != target.number]
    layout = Layout(rows=3, facings=34, facings_max=5, depth=2, stacking=0.3, plinth_m=0.5)
    plan = plan_shelf([target, *around] if with_target else around or [target], layout, rng)
    disorder = Disorder(gap=0.0, pushed_back=0.12, turned=0.05, leaning=0.0, misplaced=0.0, null=0.0, jitter=0.6)
    shelf = stock_shelf(plan, disorder, others=[], rng=unit_rng(seed, index, "stock"))
    fixture = _FIXTURES[int(float(rng.random()) * len(_FIXTURES))]
    store = draw_store(fixture, plan, glare=0.0, light=params.light, rng=unit_rng(seed, index, "store"))
    return shelf, store


def _clutter(placed: Placed, params: ProductPhotoParams, seen_px: float) -> Instance:
    """A package that is not the subject: an object where its product is of the catalogue, else surroundings."""
    listed = placed.listed
    if listed.number < 0:
        return standing(placed, look_of(listed.product, BUILT_IN, seen_px=seen_px))
    return _labelled(standing(placed, look_of(listed.product, params.catalogue, seen_px=seen_px)), listed, params)


def _labelled(instance: Instance, listed: Listed, params: ProductPhotoParams) -> Instance:
    return Instance(
        instance.mesh,
        instance.materials,
        instance.pose,
        label=label_of(params, listed),
        is_null=listed.is_null,
        attributes={"sku": listed.product.sku},
        group="product",
    )


def _distance_m(params: ProductPhotoParams, target: Listed, focal_px: float, draw: float) -> float:
    """How far the product is when it fills its share of the picture."""
    fill = params.fill * (1.0 + params.fill_spread * (2.0 * draw - 1.0))
    longest_m = max(target.product.size_m)
    return max(focal_px * longest_m / (fill * min(params.width, params.height)), 0.16)


def _shelf_camera(params: ProductPhotoParams, subject: Placed, rng: Generator) -> Camera:
    """A phone close to a package on its board, looking at it from aside and above."""
    d = [float(draw) for draw in rng.random(10)]
    focal_px = params.focal * max(params.width, params.height) * (0.92 + 0.16 * d[0])
    distance_m = _distance_m(params, subject.listed, focal_px, d[1])
    _, depth_m, height_m = subject.listed.product.size_m
    aim = (
        subject.x_m + params.off_centre * (2 * d[2] - 1) * distance_m * 0.6,
        subject.y_m - 0.3 * depth_m,
        subject.z_m + height_m * 0.5 + params.off_centre * (2 * d[3] - 1) * distance_m * 0.5,
    )
    yaw = (2 * d[4] - 1) * (0.4 + 0.6 * d[5]) * params.yaw_deg * DEGREE
    rise = (0.75 * d[6] - 0.08) * params.pitch_deg * 0.7 * DEGREE
    flat_m = distance_m * exact_cos(rise)
    position = (
        aim[0] + flat_m * exact_sin(yaw),
        aim[1] - flat_m * exact_cos(yaw),
        aim[2] + distance_m * exact_sin(rise),
    )
    return _camera(params, focal_px, position, aim, (2 * d[7] - 1) * params.roll_deg * 0.3, d[8], distance_m)


def _camera(
    params: ProductPhotoParams,
    focal_px: float,
    position: Vector,
    aim: Vector,
    roll_deg: float,
    draw: float,
    focus_m: float,
) -> Camera:
    roll = rotation_about((0.0, 0.0, 1.0), roll_deg * DEGREE)
    return Camera(
        width=params.width,
        height=params.height,
        focal_px=focal_px,
        position=position,
        rotation=composed(roll, look_at(position, aim)),
        k1=-0.06 + 0.09 * draw,
        exposure=EXPOSURE,
        focus_m=focus_m,
    )


def _hand_scene(
    params: ProductPhotoParams, target: Listed, shelf: Shelf, rng: Generator
) -> tuple[Camera, list[Instance]]:
    """The camera before the shelf, and the product with the hand that holds it up."""
    d = [float(draw) for draw in rng.random(24)]
    focal_px = params.focal * max(params.width, params.height) * (0.92 + 0.16 * d[0])
    distance_m = max(_distance_m(params, target, focal_px, d[1]), _ARM_M)
    plan = shelf.plan
    aim = (
        plan.width_m * (0.3 + 0.4 * d[2]),
        0.1,
        plan.rows[0].z_m + (0.2 + 0.5 * d[3]) * (plan.top_m - plan.rows[0].z_m),
    )
    away_m = distance_m + 0.35 + 0.7 * d[4]
    yaw, rise = (2 * d[5] - 1) * 50.0 * DEGREE, (0.1 + 0.5 * d[6] * d[6]) * 60.0 * DEGREE
    flat_m = away_m * exact_cos(rise)
    position = (aim[0] + flat_m * exact_sin(yaw), aim[1] - flat_m * exact_cos(yaw), aim[2] + away_m * exact_sin(rise))
    camera = _camera(params, focal_px, position, aim, (2 * d[7] - 1) * 10.0, d[8], distance_m)
    turn = _presented(params, d[9:15])
    world = composed(transposed(camera.rotation), turn)
    reach = params.off_centre * distance_m
    middle = rotated(transposed(camera.rotation), ((2 * d[15] - 1) * reach, (2 * d[16] - 1) * reach, distance_m))
    centre = tuple(position[axis] + middle[axis] for axis in range(3))
    return camera, _held(target, params, (centre[0], centre[1], centre[2]), world, d[17:])


def _presented(params: ProductPhotoParams, d: list[float]) -> Rotation:
    """How a product is held up to a camera, from its frame to the camera's: mostly face on, leaning with the hand."""
    yaw = (2 * d[0] - 1) * (0.35 + 0.65 * d[1]) * params.yaw_deg * DEGREE
    # Most are tipped a little; every third shows its top.
    pitch = (d[2] if d[3] < 0.33 else 0.3 * d[2] - 0.06) * params.pitch_deg * DEGREE
    roll = (2 * d[4] - 1) * (0.4 + 0.6 * d[5]) * params.roll_deg * DEGREE
    turned = composed(_FACING, rotation_about((0.0, 0.0, 1.0), yaw))
    tipped = composed(rotation_about((1.0, 0.0, 0.0), pitch), turned)
    return composed(rotation_about((0.0, 0.0, 1.0), roll), tipped)


def _held(
    target: Listed, params: ProductPhotoParams, centre: Vector, rotation: Rotation, d: list[float]
) -> list[Instance]:
    """The product with its middle at `centre`, and the arm that holds it."""
    product = target.product
    width_m, depth_m, height_m = product.size_m
    look = look_of(product, params.catalogue, seen_px=_CLOSE_PX)
    base = rotated(rotation, (0.0, 0.0, -0.5 * height_m))
    at = (centre[0] + base[0], centre[1] + base[1], centre[2] + base[2])
    subject = _labelled(Instance(look.mesh, look.materials, Pose(at, rotation)), target, params)
    hand = grip(
        width_m,
        depth_m,
        is_round=product.form in ROUND_FORMS,
        variant=int(d[0] * VARIANTS),
        from_left=d[1] < params.left_hand,
    )
    # Hands hold packages below their middle, and low ones where they can.
    height = (0.28 + 0.3 * d[2] - 0.5) * height_m
    grasp = rotated(rotation, (0.0, 0.0, height))
    where = Pose((centre[0] + grasp[0], centre[1] + grasp[1], centre[2] + grasp[2]), rotation)
    tone = SKINS[int(d[3] * d[3] * len(SKINS))]
    skin = Material(
        colour=tone, texture=speckle(3, (232.0, 226.0, 222.0), 0.1, 14), kind="coat", roughness=0.5, specular=0.028
    )
    nail = Material(colour=(min(1.0, tone[0] * 1.15), tone[1] * 1.12, tone[2] * 1.15), kind="coat", roughness=0.25)
    cloth = Material(
        colour=CLOTHS[int(d[4] * len(CLOTHS))], texture=fabric(int(d[5] * 4), (226.0, 226.0, 226.0), 16), kind="diffuse"
    )
    return [
        subject,
        Instance(hand.flesh, (skin,), where, group="person"),
        Instance(hand.nail, (nail,), where, group="person"),
        Instance(hand.sleeve, (cloth,), where, group="person"),
    ]
