"""The generator `product-photo`: one product as a customer's phone sees it, held up or on its shelf, for recognition.

Owns the parameters and the annotations; the scene is in `product_photo_scene`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from neuromation.synthetic.generator import BaseGenerator, Layer, Unit
from neuromation.synthetic.generators.product_photo_scene import CLUTTER_STREAM, NEIGHBOURS, draw_photo_scene
from neuromation.synthetic.products.assortment import CatalogueParams, label_of
from neuromation.synthetic.products.builtin import BUILT_IN_DEFAULT, built_in_catalogue
from neuromation.synthetic.render.labels import drawn_unit, scene_layers


class ProductPhotoParams(CatalogueParams):
    """How one product is photographed."""

    width: int = Field(224, ge=64, le=1920, description="width of the picture, pixels")
    height: int = Field(224, ge=64, le=1920, description="height of the picture, pixels")
    samples: int = Field(2, ge=1, le=4, description="shading samples a pixel's side: 1 is fast, 2 is smooth")
    aperture_mm: float = Field(
        1.6, ge=0, le=20, description="width of the lens's opening, which blurs the shelf behind; 0: all is sharp"
    )
    motion_px: float = Field(1.6, ge=0, le=16, description="longest movement during the exposure, pixels")
    exposure_spread: float = Field(0.2, ge=0, le=0.6, description="spread of the exposure between pictures, relative")
    white_balance_spread: float = Field(
        0.08, ge=0, le=0.25, description="spread of the white balance between pictures, warm to cool, relative"
    )
    contrast: float = Field(
        0.25, ge=0, le=1, description="how softly highlights roll off: 0 clips them, 1 is film-like"
    )
    sharpening: float = Field(0.7, ge=0, le=1.5, description="mean overdrawing of detail by the camera's software")
    held: float = Field(0.62, ge=0, le=1, description="share of photos of a product in a hand; the others stand")
    left_hand: float = Field(0.85, ge=0, le=1, description="share of hands that come from the left of the picture")
    fill: float = Field(0.85, ge=0.2, le=2.0, description="mean length of the product over the picture's shorter side")
    fill_spread: float = Field(0.35, ge=0, le=0.8, description="spread of that length, relative")
    off_centre: float = Field(
        0.12, ge=0, le=0.5, description="how far from the middle it may be, parts of its distance"
    )
    yaw_deg: float = Field(50.0, ge=0, le=180, description="most turn about its upright axis to either side, degrees")
    pitch_deg: float = Field(65.0, ge=0, le=90, description="most tip of its top towards the camera, degrees")
    roll_deg: float = Field(40.0, ge=0, le=180, description="most lean to either side in the picture, degrees")
    focal: float = Field(1.0, ge=0.5, le=3.0, description="focal length over the picture's longer side")
    light: float = Field(1.0, ge=0.3, le=3, description="mean brightness of the lamps", json_schema_extra={"log": True})
    clutter: Literal["built-in", "catalogue"] = Field(
        "built-in",
        description="products on the shelf behind; with built-in ones a new product changes its own photos alone",
    )
    null: float = Field(0.0, ge=0, le=0.9, description="share of photos of a look-alike, which has no label")

    def shown_max(self) -> dict[str, int]:
        """The product, and what stands behind it where that is of the catalogue."""
        return {"": 1, CLUTTER_STREAM: NEIGHBOURS} if self.clutter == "catalogue" else {"": 1}


class ProductPhoto(BaseGenerator):
    """Photos of one product each."""

    name = "product-photo"
    title = "Product photos"
    description = (
        "One product of a catalogue as a customer's phone sees it: held in a hand before a shelf, or standing on it "
        "among others; for recognition from a packshot."
    )
    version = "2"
    cu_per_unit = 0.6
    params_model = ProductPhotoParams
    classes: ClassVar[list[str]] = list(built_in_catalogue().names("sku", BUILT_IN_DEFAULT))

    def classes_for(self, params: BaseModel) -> list[str]:
        """The names that the catalogue gives its products, as `naming` says."""
        assert isinstance(params, ProductPhotoParams), "parse_params makes the parameters"
        return list(params.class_names())

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """The dense labels that are asked for."""
        assert isinstance(params, ProductPhotoParams), "parse_params makes the parameters"
        return scene_layers(params, classes=len(params.class_names()))

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index`: a photo, its product's class, and boxes of what else is known in it."""
        assert isinstance(params, ProductPhotoParams), "parse_params makes the parameters"
        drawn = draw_photo_scene(params, seed, index)
        product = drawn.subject.product
        facts = {"sku": product.sku, "name": product.name, "form": product.form, "held": drawn.is_held}
        return drawn_unit(
            index,
            drawn.scene,
            params,
            seed=seed,
            classes=params.class_names(),
            label=label_of(params, drawn.subject),
            extra={"subject": facts},
        )


PRODUCT_PHOTO = ProductPhoto()
