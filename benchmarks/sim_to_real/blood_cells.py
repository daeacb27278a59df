"""Blood cells: boxes of red cells, white cells and platelets, measured on photos of stained smears."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.sim_to_real.boxes import MeasuredByBoxes, coco_photos
from benchmarks.sim_to_real.domain import Bar, Domain, Plan, Split, is_for_choosing, real_folder
from benchmarks.sim_to_real.making import Source, made
from neuromation.learning.augmentation import Augment
from neuromation.learning.problem import Boxes, Problem, Samples
from neuromation.learning.trainer import Recipe
from neuromation.synthetic import Unit

CLASSES = ("RBC", "WBC", "Platelets")
SHRINK = 2  # the network reads pictures half as wide: cells are still 15 to 100 pixels wide
HEIGHT_PX, WIDTH_PX = 240, 320

UNIT_COST_S, UNIT_SHARE, UNITS_MAX = 0.085, 0.15, 5_000
SAMPLE_COST_S, BATCH = 0.055, 8


def sample_of(unit: Unit) -> tuple[Any, Boxes]:
    """The photograph at half its size, and the boxes of its cells as annotators draw them."""
    objects = unit.annotations["objects"]
    return np.asarray(Image.fromarray(unit.picture).reduce(SHRINK)), Boxes(
        np.array([entry["bbox"] for entry in objects], np.float32).reshape(-1, 4) / np.float32(SHRINK),
        np.array([entry["label"] for entry in objects], np.int64),
    )


SOURCE = Source("blood-cells", sample_of, "boxes of cells at half size 1", Problem.DETECTION, CLASSES)


class BloodCells(MeasuredByBoxes, Domain):
    """Cells, found and told apart by a model that has seen drawn smears."""

    name = "blood-cells"
    title = "Blood cells"
    model = "heatmap-detector"
    bars = (Bar("mAP@0.5", 0.65, 0.90),)
    space = ("annotation_margin_px", "annotation_jitter_px", "annotation_inside_min", "annotation_covered_max",
             "annotation_miss_rate", "platelet_diameter_px", "red_diameter_px", "white_diameter_px", "clumping",
             "red_density", "brownness")  # fmt: skip
    unseen: Mapping[str, float] = MappingProxyType(
        {
            "annotation_margin_px": 0.0,
            "annotation_jitter_px": 0.0,
            "annotation_inside_min": 0.0,
            "annotation_covered_max": 1.0,
            "annotation_miss_rate": 0.0,
        }
    )

    def fixed(self) -> dict[str, object]:
        """Boxes only."""
        return {"labels": []}

    def params(self) -> dict[str, object]:
        """Smaller platelets than the generator's own, as their boxes show, more chains, and pictures that differ more."""
        return {
            **self.fixed(), "platelet_diameter_px": 25.0, "platelets": 1.8, "clumping": 0.62,
            "lamp_spread": 0.05, "tint_spread": 0.025, "stain_spread": 0.25, "noise": 2.5,
        }  # fmt: skip

    def make(self, params: Mapping[str, object], units: int, seed: int) -> Samples:
        """Smears with boxes of cells."""
        return made(SOURCE, params, units, seed)

    def real(self, split: Split) -> Samples:
        """dev_val in two halves by a hash; dev_train for the yardstick."""
        folder = real_folder("bccd")
        if split == "train":
            return coco_photos(folder, ["dev_train.json"], CLASSES)
        is_first = split == "choose"
        return coco_photos(folder, ["dev_val.json"], CLASSES, wanted=lambda name: is_for_choosing(name) == is_first)

    def config(self) -> dict[str, object]:
        """Deep enough to see all of a white cell."""
        return {
            "channels": 16, "depth": 1, "deepest": 32, "height": HEIGHT_PX, "width": WIDTH_PX, "mirrors": 4,
            "overlap_max": 0.6,
        }  # fmt: skip

    def plan(self, minutes: float, seed: int) -> Plan:
        """A seventh of the time for data."""
        seconds = 60 * minutes
        units = max(BATCH, min(UNITS_MAX, round(seconds * UNIT_SHARE / UNIT_COST_S)))
        steps = max(10, round((seconds - units * UNIT_COST_S) / (BATCH * SAMPLE_COST_S)))
        augment = Augment(
            flip_x=True, flip_y=True, zoom=(0.85, 1.2), shift=0.1,
            brightness=0.15, contrast=0.25, colour=0.25, grey=0.1, blur=0.8, noise=0.02,
        )  # fmt: skip
        recipe = Recipe(
            steps=steps, batch_size=BATCH, lr=3e-3, lr_end_share=0.02, warmup_steps=min(100, steps // 10),
            weight_decay=0.01, clip_norm=5.0, average=0.998, seed=seed, augment=augment,
        )  # fmt: skip
        return Plan(units, recipe)


DOMAIN = BloodCells()
