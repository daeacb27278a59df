"""Packaged groceries: one packshot a product in, photos from stores to recognise; owns sizes, parameters and measure.

The packshots are printed on packages of the right form and size and photographed by the generator `product-photo`, half
of them before shelves of invented products, half before their own kind, as shops sort them. Sizes were read off the packshots'
proportions and the litres that packages of this kind hold.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.sim_to_real.domain import Bar, Domain, Plan, Split, is_for_choosing, real_folder
from benchmarks.sim_to_real.making import Source, made
from neuromation.learning.augmentation import Augment
from neuromation.learning.evaluation.figures import Figure, Report
from neuromation.learning.problem import Problem, Samples
from neuromation.learning.trainer import Recipe
from neuromation.synthetic import Unit

SIDE_PX = 160  # of a made picture; the network sees a crop of it
OTHER_HALF_SEED = 500_009
UNIT_S, SAMPLE_S = 0.08, 0.007  # processor seconds of one unit and of one sample of a step, measured
UNITS_MAX, BATCH = 10_000, 64

# Form, width, depth and height in mm by the class id of the real set.
_SIZES = {
    **dict.fromkeys((28, 29), ("gable", 95, 95, 225)),  # 1.5 litres
    **dict.fromkeys((30, 31, 32, 33), ("gable", 72, 72, 250)),
    **dict.fromkeys((34, 35, 36, 37), ("gable", 75, 75, 245)),
    **dict.fromkeys((38, 39, 40, 41, 42, 43, 45, 48), ("gable", 70, 70, 235)),
    44: ("carton", 75, 60, 200),
    **dict.fromkeys((46, 47), ("carton", 65, 50, 105)),  # 3 decilitres
    **dict.fromkeys((49, 50), ("gable", 90, 75, 170)),
    51: ("gable", 72, 72, 240),
    52: ("carton", 75, 60, 205),
    **dict.fromkeys((53, 54, 55), ("carton", 75, 65, 175)),
    56: ("gable", 72, 72, 235),
    **dict.fromkeys((57, 58), ("carton", 65, 65, 235)),
}


def sample_of(unit: Unit) -> tuple[NDArray[np.uint8], int]:
    """The photo and its product."""
    assert unit.image is not None and unit.label is not None, "every photo shows a product"
    return unit.image, unit.label


@cache
def _catalogue(folder: Path) -> str:
    """The reference of the packshots as an imported catalogue."""
    from neuromation.synthetic.products.store import import_catalogue

    rows = _classes(folder)
    with tempfile.TemporaryDirectory() as work:
        table = Path(work) / "groceries.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["sku", "name", "class", "coarse_class", "form", "width_mm", "depth_mm", "height_mm", "packshot"]
            )
            for number, (name, coarse) in rows.items():
                form, *sides = _SIZES[number]
                writer.writerow([name, name, name, coarse, form, *sides, f"{number:02}_{name}.jpg"])
        return import_catalogue(table, folder / "iconic").reference


@cache
def _classes(folder: Path) -> dict[int, tuple[str, str]]:
    """Name and coarse class of every packaged product by its id in the real set."""
    with (folder / "classes.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if "/Packages/" in row["Iconic Image Path (str)"]]
    return {int(row["Class ID (int)"]): (row["Class Name (str)"], row["Coarse Class Name (str)"]) for row in rows}


class Groceries(Domain):
    """31 packaged products, recognised in photos from stores by a model that has seen their packshots."""

    name = "groceries"
    title = "Packaged groceries, one packshot each"
    model = "small-resnet"
    bars = (Bar("top-1", 0.50, 0.80), Bar("coarse", 0.70, 0.95))
    space = ("fill", "fill_spread", "yaw_deg", "pitch_deg", "roll_deg", "exposure_spread", "white_balance_spread",
             "motion_px", "blur_px", "light", "held")  # fmt: skip

    @cached_property
    def _folder(self) -> Path:
        return real_folder("grocery")

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the catalogue and of the labels."""
        return tuple(name for name, _ in _classes(self._folder).values())

    def fixed(self) -> dict[str, object]:
        """Small pictures of the real set's products."""
        return {
            "width": SIDE_PX, "height": SIDE_PX, "samples": 1, "labels": [], "naming": "class",
            "catalogue": _catalogue(self._folder),
        }  # fmt: skip

    def params(self) -> dict[str, object]:
        """Held close, less turned than the generator's own default: a packshot knows one side."""
        return {
            **self.fixed(), "fill": 0.95, "fill_spread": 0.35, "off_centre": 0.15,
            "yaw_deg": 42.0, "pitch_deg": 60.0, "roll_deg": 45.0, "exposure_spread": 0.3, "white_balance_spread": 0.12,
        }  # fmt: skip

    def make(self, params: Mapping[str, object], units: int, seed: int) -> Samples:
        """Half of the units before invented products, half before products of the catalogue."""
        source = Source("product-photo", sample_of, "1", Problem.CLASSIFICATION, self.classes)
        invented = made(source, {**params, "clutter": "built-in"}, units - units // 2, seed)
        own = made(source, {**params, "clutter": "catalogue"}, units // 2, seed + OTHER_HALF_SEED)
        return replace(invented, inputs=[*invented.inputs, *own.inputs], targets=[*invented.targets, *own.targets])

    def real(self, split: Split) -> Samples:
        """Photos of packaged products: dev_val in two halves by a hash, dev_real_train."""
        table = "dev_real_train.csv" if split == "train" else "dev_val.csv"
        with (self._folder / table).open() as file:
            rows = [row for row in csv.DictReader(file) if row["class_name"] in self.classes]
        if split != "train":
            rows = [row for row in rows if is_for_choosing(row["file"]) == (split == "choose")]
        return Samples(
            Problem.CLASSIFICATION,
            [np.asarray(Image.open(self._folder / row["file"]).convert("RGB")) for row in rows],
            [self.classes.index(row["class_name"]) for row in rows],
            self.classes,
            names=[row["file"] for row in rows],
        )

    @property
    def coarse(self) -> dict[str, str]:
        """By product."""
        return dict(_classes(self._folder).values())

    def figures(self, report: Report) -> dict[str, Figure]:
        """Share of photos with the right product, and with a product of the right coarse class."""
        return {"top-1": report.figures["accuracy"], "coarse": report.figures["coarse_accuracy"]}

    def config(self) -> dict[str, object]:
        """A stem that reduces by 4: on a processor more pictures teach more than more pixels."""
        return {"height": 96, "width": 96, "stem_stride": 4, "base": 24}

    def plan(self, minutes: float, seed: int) -> Plan:
        """A third of the time for data."""
        seconds = 60.0 * minutes
        units = 50 * max(1, min(UNITS_MAX // 50, round(seconds / 3 / UNIT_S / 50)))
        steps = max(20, round((seconds - units * UNIT_S) / (SAMPLE_S * BATCH)))
        # Shops' lamps are warm and phones correct them little: hence the strong change of colour.
        augment = Augment(
            zoom=(0.8, 1.3), shift=0.1, rotate_deg=10, brightness=0.3, contrast=0.3, colour=0.5, blur=1.0,
            noise=0.03, erase=0.15,
        )  # fmt: skip
        return Plan(
            units,
            Recipe(
                steps=steps, batch_size=BATCH, lr=3e-3, warmup_steps=steps // 10, average=0.99, seed=seed,
                augment=augment,
            ),
        )  # fmt: skip


DOMAIN = Groceries()
