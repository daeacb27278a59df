"""The generator `retail-shelf`: shelves of a shop as a phone sees them, every package labelled with its planned place.

Owns the parameters and the annotations; the plan is in `synthetic.products.planogram`, the scene in `retail_shelf_scene`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, Field, field_validator

from neuromation.kernel.rng import SEED_MAX, unit_rng
from neuromation.synthetic.generator import BaseGenerator, Layer, Unit
from neuromation.synthetic.generators.retail_shelf_glare import with_glare
from neuromation.synthetic.generators.retail_shelf_scene import ShelfScene, draw_shelf_scene
from neuromation.synthetic.generators.retail_shelf_store import Fixture
from neuromation.synthetic.products.assortment import CatalogueParams
from neuromation.synthetic.products.builtin import BUILT_IN_DEFAULT, built_in_catalogue
from neuromation.synthetic.products.model import label_text
from neuromation.synthetic.products.planogram import ROWS_MAX, Gap, Slot
from neuromation.synthetic.render import renderer_named
from neuromation.synthetic.render.labels import labelled_unit, passes_for, projected, scene_layers
from neuromation.synthetic.scene.model import Camera

FACINGS_SEEN_MAX = 600
_GAP_PX_MIN = 4  # a gap of which less is seen is no gap in the picture


class RetailShelfParams(CatalogueParams):
    """What stands on the shelves, how orderly, in which furniture, and from where it is seen. Lengths are metres."""

    contrast: float = Field(
        0.25, ge=0, le=1, description="how softly highlights roll off: 0 clips them, 1 is film-like"
    )
    facings: int = Field(120, ge=4, le=FACINGS_SEEN_MAX, description="mean number of fronts that a picture shows")
    facings_spread: float = Field(0.35, ge=0, le=0.9, description="spread of that number between pictures, relative")
    assortment: int = Field(32, ge=1, le=200, description="different products of one picture, at most")
    rows: int = Field(0, ge=0, le=ROWS_MAX, description="boards above each other; 0: as many as suit the picture")
    facings_max: int = Field(5, ge=1, le=16, description="most facings of a product side by side in one slot")
    depth: int = Field(2, ge=1, le=4, description="packages that stand behind each other, at most")
    stacking: float = Field(0.6, ge=0, le=1, description="share of the products with flat lids that are stacked")
    fixtures: list[Fixture] = Field(
        ["gondola", "cooler", "wire", "chest", "pallet"], min_length=1, description="kinds of furniture that are drawn"
    )
    gap: float = Field(0.06, ge=0, le=0.9, description="share of planned facings at which nothing stands")
    pushed_back: float = Field(0.12, ge=0, le=1, description="share of facings whose front has been taken")
    turned: float = Field(0.05, ge=0, le=1, description="share of packages that are turned away")
    leaning: float = Field(0.04, ge=0, le=0.12, description="how often packages beside a gap tip over, relative")
    misplaced: float = Field(0.03, ge=0, le=0.5, description="share of facings taken by another product of the shelf")
    null: float = Field(
        0.03, ge=0, le=0.5, description="share of facings taken by a look-alike, which is labelled none"
    )
    jitter: float = Field(0.5, ge=0, le=1, description="how carelessly packages are lined up")
    promo: float = Field(0.12, ge=0, le=1, description="share of slots with a promotional label")
    occluders: float = Field(
        0.35, ge=0, le=1, description="share of pictures with a shopper's arm, a basket or strips before the shelf"
    )
    glare: float = Field(0.6, ge=0, le=1, description="share of coolers whose glass reflects the shop")
    light: float = Field(1.0, ge=0.3, le=3, description="mean brightness of the lamps", json_schema_extra={"log": True})
    oblique_deg: float = Field(35.0, ge=0, le=60, description="most turn of the view to either side, degrees")
    tilt_deg: float = Field(16.0, ge=0, le=40, description="most look up or down, degrees")
    roll_deg: float = Field(3.0, ge=0, le=20, description="most tilt of the phone, degrees")
    zoom: float = Field(1.0, ge=0.2, le=1.5, description="width of what is seen over that with `facings` fronts")
    zoom_spread: float = Field(0.25, ge=0, le=0.9, description="spread of that width, relative")
    focal: float = Field(0.8, ge=0.5, le=3.0, description="focal length over the picture's longer side")

    def shown_max(self) -> dict[str, int]:
        """At most its assortment."""
        return {"": self.assortment}

    @field_validator("fixtures")
    @classmethod
    def _each_fixture_once(cls, fixtures: list[Fixture]) -> list[Fixture]:
        if len(set(fixtures)) != len(fixtures):
            raise ValueError("each kind of furniture is named once")
        return fixtures


class RetailShelf(BaseGenerator):
    """Shelves with hundreds of packages."""

    name = "retail-shelf"
    title = "Retail shelves"
    description = (
        "Shelves of a shop from a planogram: gondolas, coolers, wire shelves, freezers and end caps with packages of a "
        "catalogue, gaps, misplaced and turned products, price tags, people and trolleys in the way; each package with "
        "box, mask and its planned place."
    )
    version = "2"
    cu_per_unit = 1.1
    params_model = RetailShelfParams
    classes: ClassVar[list[str]] = list(built_in_catalogue().names("sku", BUILT_IN_DEFAULT))

    def classes_for(self, params: BaseModel) -> list[str]:
        """The names that the catalogue gives its products, as `naming` says."""
        assert isinstance(params, RetailShelfParams), "parse_params makes the parameters"
        return list(params.class_names())

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """The dense labels that are asked for."""
        assert isinstance(params, RetailShelfParams), "parse_params makes the parameters"
        return scene_layers(params, classes=len(params.class_names()))

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index`: a picture of a shelf, its packages and its plan."""
        assert isinstance(params, RetailShelfParams), "parse_params makes the parameters"
        drawn = draw_shelf_scene(params, seed, index)
        noise_seed = int(unit_rng(seed, index, "camera noise").integers(SEED_MAX))
        frame = renderer_named(params.tier).render(
            drawn.scene, passes_for(params.labels), seed=noise_seed, samples=params.samples
        )
        if drawn.has_glass:
            frame = with_glare(frame, drawn.scene, unit_rng(seed, index, "glare"))
        return labelled_unit(
            index,
            drawn.scene,
            frame,
            classes=params.class_names(),
            extra=plan_facts(drawn, params),
            labels=params.labels,
        )


def plan_facts(drawn: ShelfScene, params: RetailShelfParams) -> dict[str, Any]:
    """What the annotations say of the shelf beside its packages: the plan, the gaps in it, and the products."""
    plan = drawn.shelf.plan
    seen = {placed.listed.number: placed.listed for placed in drawn.shelf.placed}
    planned = {slot.listed.number: slot.listed for slot in plan.slots}
    products = {
        listed.product.sku: {
            "name": listed.product.name,
            "brand": listed.product.brand,
            "class": label_text(listed.product, "class"),
            "form": listed.product.form,
            "size_m": list(listed.product.size_m),
        }
        for _, listed in sorted({**seen, **planned}.items())
        if not listed.is_null
    }
    return {
        "planogram": {
            "fixture": drawn.store.fixture,
            "width_m": plan.width_m,
            "rows": [
                {"row": place, "height_m": row.z_m, "clear_m": row.clear_m} for place, row in enumerate(plan.rows)
            ],
            "slots": [_slot_facts(slot) for slot in plan.slots],
        },
        "gaps": [
            facts for gap in drawn.shelf.gaps if (facts := gap_facts(gap, drawn.scene.camera, plan.depth_m)) is not None
        ],
        "products": products,
    }


def _slot_facts(slot: Slot) -> dict[str, Any]:
    return {
        "row": slot.row,
        "slot": slot.slot,
        "sku": slot.listed.product.sku,
        "x_m": slot.x_m,
        "facings": slot.facings,
        "layers": slot.layers,
        "depth": slot.depth,
    }


def gap_facts(gap: Gap, camera: Camera, depth_m: float) -> dict[str, Any] | None:
    """A planned front that is absent, with the box in which it should be seen; None where that is out of the picture."""
    y_m = min(0.015, depth_m)
    corners = [
        projected(camera, (gap.x_m + across * gap.width_m, y_m, gap.z_m + up * gap.height_m))
        for across in (0.0, 0.5, 1.0)
        for up in (0.0, 0.5, 1.0)
    ]
    found = [corner for corner in corners if corner is not None]
    if len(found) < len(corners):
        return None
    left, right = (max(0.0, min(float(camera.width), edge(x for x, _, _ in found))) for edge in (min, max))
    top, bottom = (max(0.0, min(float(camera.height), edge(y for _, y, _ in found))) for edge in (min, max))
    box = [round(left), round(top), round(right) - round(left), round(bottom) - round(top)]
    if min(box[2], box[3]) < _GAP_PX_MIN:
        return None
    return {
        "row": gap.slot.row,
        "slot": gap.slot.slot,
        "facing": gap.facing,
        "sku": gap.slot.listed.product.sku,
        "bbox": box,
    }


RETAIL_SHELF = RetailShelf()
