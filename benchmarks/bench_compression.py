"""What compression costs and gains: a classifier and a detector of the zoo, trained here on synthetic data, made smaller.

The classifier is `small-resnet` on handwritten digits, measured on scikit-learn's real ones; the detector `heatmap-detector`
on blood cells, measured on real photos where they lie (NEUROMATION_REAL_DATA), else on made ones. Target: at least 4 times
smaller and 2 times faster at one point of loss. Times are the least of many runs on one thread; on a busy machine trust the
ratios. Run from the repository's root, with OMP_NUM_THREADS=1:

    python -m benchmarks.bench_compression [--only classifier|detector] [--minutes 6] [--mobile]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sim_to_real.blood_cells import DOMAIN as BLOOD_CELLS
from benchmarks.sim_to_real.domain import RealDataMissing
from benchmarks.sim_to_real.session import joined
from neuromation.learning.augmentation import Augment
from neuromation.learning.compression.pipeline import compress
from neuromation.learning.compression.recipe import CompressionRecipe, CompressionReport
from neuromation.learning.export import export_model
from neuromation.learning.gathering import gathered
from neuromation.learning.problem import Problem, Samples
from neuromation.learning.trainer import Recipe, fit
from neuromation.synthetic import get_generator, parse_params
from neuromation.synthetic.formats.examples import examples_of_generator

SMALLER, FASTER, POINTS = 4.0, 2.0, 1.0
HEAL_SHARE = 0.5  # of the minutes; the rest trains the model itself
CALIBRATION_STEPS = 5
DETECTOR_UNITS, HELD_BACK_UNITS = 300, 60


@dataclass(frozen=True)
class Case:
    """A network of the zoo and what it learns and is measured on."""

    name: str
    model: str
    config: Mapping[str, Any]
    samples: Samples
    real: Samples
    recipe: Recipe
    prune: float


def made(generator: str, params: dict[str, Any], units: int, problem: Problem, *, seed: int) -> Samples:
    """Units of a generator as samples."""
    source = get_generator(generator)
    parsed = parse_params(source, params)
    units_made = (source.unit(parsed, seed, index) for index in range(units))
    return gathered(problem, examples_of_generator(source, parsed, units_made))


def digits() -> Case:
    """`small-resnet` on 8x8 digits, shown at 32x32."""
    from sklearn.datasets import load_digits

    samples = _lit(made("digits", {}, 4_000, Problem.CLASSIFICATION, seed=1))
    found = load_digits()
    pictures = [np.minimum(picture * 15.9, 255).astype(np.uint8) for picture in found.images]
    real = replace(samples, inputs=pictures, targets=[int(n) for n in found.target])
    config = {"height": 32, "width": 32, "channels": 1, "base": 24, "stages": 3, "stem_stride": 1, "level": "fixed"}
    recipe = Recipe(
        steps=1, batch_size=32, lr=3e-3, augment=Augment(shift=0.06, rotate_deg=8, zoom=(0.9, 1.1), noise=0.03)
    )
    return Case("digits", "small-resnet", config, samples, real, recipe, 0.5)


def _lit(samples: Samples) -> Samples:
    """Values 0..16 as 0..255."""
    return replace(
        samples, inputs=[np.minimum(p.astype(np.float32) * 15.9, 255).astype(np.uint8) for p in samples.inputs]
    )


def blood_cells() -> Case:
    """`heatmap-detector` on smears at half their size."""
    samples = BLOOD_CELLS.make(BLOOD_CELLS.params(), DETECTOR_UNITS, 1)
    try:
        real = joined(BLOOD_CELLS.real("choose"), BLOOD_CELLS.real("report"))
    except RealDataMissing as absent:
        say(f"{absent}; measured on made pictures")
        real = BLOOD_CELLS.make(BLOOD_CELLS.params(), HELD_BACK_UNITS, 2)
    config = {**BLOOD_CELLS.config(), "mirrors": 1}
    return Case("blood cells", BLOOD_CELLS.model, config, samples, real, BLOOD_CELLS.plan(1.0, 1).recipe, 0.25)


def run(case: Case, *, minutes: float, mobile: bool) -> CompressionReport:
    """Train, compress, print the table."""
    say(f"{case.name}: training {case.model} on {len(case.samples):,} made samples")
    steps = max(50, int(60 * minutes * (1 - HEAL_SHARE) / step_s(case)))
    recipe = replace(case.recipe, steps=steps, warmup_steps=min(50, steps // 10), clip_norm=10.0)
    fitted = fit(case.model, case.config, case.samples, recipe)
    with tempfile.TemporaryDirectory(prefix="bench-compression-") as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        for name, data in export_model(fitted.weights, case.model, case.config, case.samples.classes, card={}).items():
            (folder / name).write_bytes(data)
        heal = replace(recipe, steps=max(50, int(60 * minutes * HEAL_SHARE / (1.2 * step_s(case)))), lr=recipe.lr / 2)
        wanted = CompressionRecipe(prune=case.prune, heal=heal, int8=True, mobile=mobile)
        report = compress(folder, wanted, Path(scratch) / "small", samples=case.samples, real=case.real, note=say)
    print(f"\n{case.name}, {case.model}, {report.headline} on {report.measured_on:,} samples\n\n{report.as_text()}")
    reached = report.smaller >= SMALLER and report.faster >= FASTER and report.loss_points <= POINTS
    print(
        f"\n{report.smaller:.1f} x smaller, {report.faster:.1f} x faster, {report.loss_points:+.2f} points lost: "
        f"target {'reached' if reached else 'missed'}\n"
    )
    return report


def step_s(case: Case) -> float:
    """Processor seconds of one training step, by a few of them."""
    fit(case.model, case.config, case.samples, replace(case.recipe, steps=1))
    began = time.process_time()
    fit(case.model, case.config, case.samples, replace(case.recipe, steps=CALIBRATION_STEPS))
    return (time.process_time() - began) / CALIBRATION_STEPS


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("classifier", "detector"))
    parser.add_argument("--minutes", type=float, default=6.0, help="of one thread, a case")
    parser.add_argument("--mobile", action="store_true", help="ExecuTorch, too")
    asked = parser.parse_args()
    for title, case in (("classifier", digits), ("detector", blood_cells)):
        if asked.only in (None, title):
            run(case(), minutes=asked.minutes, mobile=asked.mobile)


if __name__ == "__main__":
    main()
