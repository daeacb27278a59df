"""Photographs of dice on a table, with a box around every die and its upper face as the class.

Owns the parameters and the unit; `dice_scene` draws the plan, `dice_body`, `dice_looks`, `dice_surface` and `dice_light`
make what is in it. The boxes may be as loose as those that people draw: `annotation_margin_px`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from neuromation.synthetic.generator import BaseGenerator, Layer, Unit
from neuromation.synthetic.generators.dice_scene import CLASSES, DICE_MAX, tabletop
from neuromation.synthetic.render.labels import SceneParams, drawn_unit, scene_layers

Box = list[int]


class DiceParams(SceneParams):
    """Which dice, where they lie, on what and in which light. Shares are parts of all dice or of all photographs."""

    width: int = Field(640, ge=64, le=1920, description="width of the picture, pixels")
    height: int = Field(640, ge=64, le=1920, description="height of the picture, pixels")
    dice_mean: float = Field(7.5, ge=1, le=20, description="mean number of dice and look-alikes of a photograph")
    dice_max: int = Field(DICE_MAX, ge=1, le=DICE_MAX, description="largest number of them")
    side_mm: float = Field(15.0, ge=8, le=30, description="mean side of a die, millimetres")
    side_spread: float = Field(0.14, ge=0, le=0.4, description="spread of the side between sets of dice, relative")
    large_share: float = Field(
        0.03, ge=0, le=1, description="share of sets of dice that are half as large again or more"
    )
    variety: float = Field(
        1.0, ge=0, le=1, description="0: all dice of a photograph are of one set; 1: up to one set a die"
    )
    pearl_share: float = Field(0.28, ge=0, le=1, description="share of marbled, pearlescent dice")
    clear_share: float = Field(0.15, ge=0, le=1, description="share of dice that look translucent")
    metal_share: float = Field(0.03, ge=0, le=1, description="share of metal dice")
    wood_share: float = Field(0.03, ge=0, le=1, description="share of wooden dice")
    sharp_share: float = Field(0.25, ge=0, le=1, description="share of dice with sharp edges")
    cut_share: float = Field(0.5, ge=0, le=1, description="share of rounded dice whose corners are cut by a sphere")
    cluster_share: float = Field(0.3, ge=0, le=1, description="share of dice that lie against others")
    stack_share: float = Field(0.01, ge=0, le=1, description="share of dice that carry another one")
    leaning_share: float = Field(0.01, ge=0, le=1, description="share of dice that lean on a chip")
    border_share: float = Field(0.02, ge=0, le=1, description="share of dice at the border of the picture, mostly cut")
    null_share: float = Field(0.06, ge=0, le=1, description="share of look-alikes, which are no dice: class none")
    spread: float = Field(0.22, ge=0.05, le=0.5, description="how far dice lie from the middle, widths of the picture")
    plain_share: float = Field(
        0.5, ge=0, le=1, description="share of plain grounds; others are wood, felt, mats and so on"
    )
    tray_share: float = Field(0.2, ge=0, le=1, description="share of photographs of a tray or a box with dice in it")
    clutter: float = Field(0.3, ge=0, le=1, description="how much else lies at the border of the picture")
    distance_m: float = Field(0.36, ge=0.15, le=2, description="mean distance of the camera, metres")
    distance_spread: float = Field(0.25, ge=0, le=0.6, description="spread of the distance, relative")
    tilt_deg: float = Field(14.0, ge=0, le=60, description="mean lean of the camera from straight above, degrees")
    view_deg: float = Field(54.0, ge=15, le=90, description="angle of view across the picture, degrees")
    soft_light: float = Field(
        0.5, ge=0, le=1, description="share of soft light from all around; else window, lamp, flash, sun"
    )
    colour_cast: float = Field(0.35, ge=0, le=1, description="how warm or cool lights may be")
    brightness: float = Field(0.68, ge=0.1, le=1.5, description="how bright a white ground is in the picture, linear")
    annotation_margin_px: float = Field(
        3.0,
        ge=-6,
        le=12,
        description="how much looser than the visible die its box is, pixels on each side; < 0: tighter",
    )
    square_boxes: bool = Field(True, description="boxes are squares, as some people annotate dice")


def annotated_box(tight: Box, *, margin_px: float, is_square: bool, width: int, height: int) -> Box:
    """A box (x, y, width, height) as an annotator would draw it around a tight one, inside the picture, whole pixels.

    Args:
        tight: the tight box of the visible die.
        margin_px: by which it grows on each side, or shrinks; one pixel is left.
        is_square: the shorter side grows to the longer one, about the middle.
        width, height: of the picture, pixels.
    """
    x, y, w, h = tight
    left, right, top, bottom = x - margin_px, x + w + margin_px, y - margin_px, y + h + margin_px
    if is_square:
        more = 0.5 * ((right - left) - (bottom - top))
        left, right = left - max(0.0, -more), right + max(0.0, -more)
        top, bottom = top - max(0.0, more), bottom + max(0.0, more)
    first = (max(0, round(left)), max(0, round(top)))
    first = (min(first[0], width - 1), min(first[1], height - 1))
    last = (max(first[0] + 1, min(width, round(right))), max(first[1] + 1, min(height, round(bottom))))
    return [*first, last[0] - first[0], last[1] - first[1]]


class Dice(BaseGenerator):
    """Dice on tables, in photographs."""

    name = "dice"
    title = "Dice on a table"
    description = (
        "Photographs of one to thirty dice of many makes on tables, felt, mats and in trays, with boxes by the face that "
        "looks up, masks, poses and keypoints; look-alikes are labelled none."
    )
    version = "2"
    classes: ClassVar[list[str]] = list(CLASSES)
    cu_per_unit = 0.41
    params_model = DiceParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """The dense labels that the parameters ask for."""
        assert isinstance(params, DiceParams), "parse_params makes the parameters"
        return scene_layers(params, classes=len(CLASSES))

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The photograph `index`; objects have `bbox` as annotators draw it and `bbox_tight` around visible pixels."""
        assert isinstance(params, DiceParams), "parse_params makes the parameters"
        plan = tabletop(params, seed, index)
        unit = drawn_unit(index, plan.scene(), params, seed=seed, classes=CLASSES, extra=plan.facts())
        objects = [self._loosened(entry, params) for entry in unit.annotations["objects"]]
        return replace(unit, annotations={**unit.annotations, "objects": objects})

    @staticmethod
    def _loosened(entry: dict[str, Any], params: DiceParams) -> dict[str, Any]:
        box = annotated_box(
            entry["bbox"],
            margin_px=params.annotation_margin_px,
            is_square=params.square_boxes,
            width=params.width,
            height=params.height,
        )
        return {**entry, "bbox": box, "bbox_tight": entry["bbox"]}


DICE = Dice()
