"""Dice: boxes with the upper face as the class, measured on photos of dice on a table and in the lid of a box.

Units are pictures of 320 x 320 pixels, half as wide as a photo at the same size of dice: they cost a third, and hold as
many dice. The network is trained on parts of 160 x 160 and is fully convolutional, so that it reads whole photos. "any"
counts a die as found whatever its face.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.sim_to_real.boxes import MeasuredByBoxes, coco_photos, quarters
from benchmarks.sim_to_real.domain import Bar, Domain, Plan, Split, is_for_choosing, real_folder
from benchmarks.sim_to_real.making import Source, made
from neuromation.learning.augmentation import Augment
from neuromation.learning.problem import Boxes, Problem, Samples
from neuromation.learning.trainer import Recipe
from neuromation.synthetic import Unit

CLASSES = ("one", "two", "three", "four", "five", "six")
PHOTO_PX, PICTURE_PX, PART_PX = 640, 320, 160
INPUT_PX = 800  # photos are enlarged: their dice are smaller than most made ones, and pips are 3 pixels wide
TIGHT_MIN_PX = 12  # of the shorter side of a die cut by the border; what shows less is left out of the truth

UNIT_COST_S, UNIT_SHARE, UNITS_MAX = 0.12, 0.2, 6_000
SAMPLE_COST_S, BATCH = 0.019, 12


def sample_of(unit: Unit) -> tuple[Any, Boxes]:
    """The photograph and the boxes of its dice, as annotators draw them."""
    seen = [
        entry
        for entry in unit.annotations["objects"]
        if entry["label"] is not None and min(entry["bbox_tight"][2:]) >= TIGHT_MIN_PX
    ]
    return unit.picture, Boxes(
        np.array([entry["bbox"] for entry in seen], np.float32).reshape(-1, 4),
        np.array([entry["label"] for entry in seen], np.int64),
    )


SOURCE = Source("dice", sample_of, "boxes of dice 1", Problem.DETECTION, CLASSES)


class Dice(MeasuredByBoxes, Domain):
    """Dice, found and read by a model that has seen drawn ones."""

    name = "dice"
    title = "Dice on a table"
    model = "heatmap-detector"
    bars = (Bar("mAP@0.5", 0.75, 0.95), Bar("any@0.5", 0.95, 0.99))
    space = ("annotation_margin_px", "side_mm", "distance_m", "tilt_deg", "cluster_share", "soft_light", "brightness",
             "colour_cast")  # fmt: skip
    unseen: Mapping[str, float] = MappingProxyType({"annotation_margin_px": 0.0})
    made_per_real = INPUT_PX / PHOTO_PX

    def fixed(self) -> dict[str, object]:
        """Half a photo's width and angle of view, with many dice."""
        return {
            "width": PICTURE_PX,
            "height": PICTURE_PX,
            "view_deg": 27.0,
            "labels": [],
            "dice_mean": 20.0,
            "spread": 0.3,
        }

    def params(self) -> dict[str, object]:
        """Leant more, as dice far from a photo's middle are seen.

        The margin is what suits the photos that were chosen on (3 pixels), times the enlargement.
        """
        return {
            **self.fixed(), "tilt_deg": 16.0, "border_share": 0.03, "cluster_share": 0.5,
            "plain_share": 0.55, "soft_light": 0.55, "pearl_share": 0.35, "annotation_margin_px": 4.0,
        }  # fmt: skip

    def make(self, params: Mapping[str, object], units: int, seed: int) -> Samples:
        """Pictures with boxes of dice."""
        return made(SOURCE, params, units, seed)

    def make_whole(self, units: int, seed: int) -> Samples:
        """Pictures of a photo's size."""
        whole = {"width": PHOTO_PX, "height": PHOTO_PX, "view_deg": 54.0, "tilt_deg": 14.0, "annotation_margin_px": 3.0}
        return made(SOURCE, {**self.params(), **whole}, units, seed)

    def real(self, split: Split) -> Samples:
        """The photos in two halves by a hash; the yardstick trains on quarters of those that were chosen on."""
        is_first = split != "report"
        photos = coco_photos(
            real_folder("dice"), ["dev.json"], CLASSES, wanted=lambda name: is_for_choosing(name) == is_first
        )
        return quarters(photos, PICTURE_PX) if split == "train" else photos

    def config(self) -> dict[str, object]:
        """For whole photos, a quarter larger than they are; a mirrored die shows the same face."""
        return {"channels": 16, "depth": 1, "deepest": 8, "height": INPUT_PX, "width": INPUT_PX, "mirrors": 4}

    def training_config(self) -> dict[str, object]:
        """For parts of made pictures."""
        return {**self.config(), "height": PART_PX, "width": PART_PX}

    def plan(self, minutes: float, seed: int) -> Plan:
        """A fifth of the time for data."""
        seconds = 60 * minutes
        units = max(BATCH, min(UNITS_MAX, round(seconds * UNIT_SHARE / UNIT_COST_S)))
        steps = max(10, round((seconds - units * UNIT_COST_S) / (BATCH * SAMPLE_COST_S)))
        scale = PICTURE_PX / PART_PX  # from a picture that fits the input to one of its own size
        augment = Augment(
            flip_x=True, flip_y=True, turn=True, zoom=(0.8 * scale, 1.25 * scale), shift=0.45,
            brightness=0.25, contrast=0.25, colour=0.3, grey=0.1, blur=0.8, noise=0.02,
        )  # fmt: skip
        recipe = Recipe(
            steps=steps, batch_size=BATCH, lr=4e-3, lr_end_share=0.02, warmup_steps=min(100, steps // 10),
            weight_decay=0.01, clip_norm=5.0, average=0.998, seed=seed, augment=augment,
        )  # fmt: skip
        return Plan(units, recipe)


DOMAIN = Dice()
