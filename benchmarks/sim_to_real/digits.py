"""Handwritten digits: a procedural pen in, the 1,797 scanned digits of scikit-learn to recognise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.sim_to_real.domain import Bar, Domain, Plan, RealDataMissing, Split, is_for_choosing
from benchmarks.sim_to_real.making import Source, made
from neuromation.learning.evaluation.figures import Figure, Report
from neuromation.learning.problem import Problem, Samples
from neuromation.learning.trainer import Recipe
from neuromation.synthetic import Unit

UNIT_S, SAMPLE_S = 0.0006, 0.0003  # processor seconds of one unit and of one sample of a step, measured
UNITS_MAX, STEPS_MAX, BATCH = 50_000, 10_000, 64
CLASSES = tuple(str(digit) for digit in range(10))


def sample_of(unit: Unit) -> tuple[NDArray[np.uint8], int]:
    """The picture, 8 x 8 values 0..16, and its digit."""
    assert unit.image is not None and unit.label is not None, "every picture shows a digit"
    return unit.image.astype(np.uint8), unit.label


class Digits(Domain):
    """Scanned digits of 13 people, read by a model that has seen a procedural pen."""

    name = "digits"
    title = "Handwritten digits"
    model = "digits-cnn"
    bars = (Bar("accuracy", 0.95, 0.98),)
    space = ("slant_deg", "slant_spread_deg", "rotation_spread_deg", "jitter", "proportion_spread", "aspect",
             "aspect_spread", "curl", "pen_width", "pen_spread", "pressure", "noise", "break_rate",
             "variant_mix")  # fmt: skip

    def params(self) -> dict[str, object]:
        """The generator's own."""
        return {}

    def make(self, params: Mapping[str, object], units: int, seed: int) -> Samples:
        """Pictures of 8 x 8."""
        return made(Source("digits", sample_of, "1", Problem.CLASSIFICATION, CLASSES), params, units, seed)

    def real(self, split: Split) -> Samples:
        """scikit-learn's digits in two halves by a hash of their numbers; there is no training part.

        Raises RealDataMissing.
        """
        if split == "train":
            raise RealDataMissing("scikit-learn's digits are a test set of others and have no training part")
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise RealDataMissing("scikit-learn is not installed, and its digits with it") from None
        found = load_digits()
        names = [f"digit-{number}" for number in range(len(found.images))]
        kept = [i for i, name in enumerate(names) if is_for_choosing(name) == (split == "choose")]
        return Samples(
            Problem.CLASSIFICATION,
            found.images.astype(np.uint8)[kept],
            [int(found.target[i]) for i in kept],
            CLASSES,
            names=[names[i] for i in kept],
        )

    def figures(self, report: Report) -> dict[str, Figure]:
        """Share of pictures with the right digit."""
        return {"accuracy": report.figures["accuracy"]}

    def config(self) -> dict[str, object]:
        """The network's size."""
        return {"channels": 24, "hidden": 128}

    def plan(self, minutes: float, seed: int) -> Plan:
        """Half of the time for data."""
        seconds = 60.0 * minutes
        units = 50 * max(1, min(UNITS_MAX // 50, round(seconds * 0.5 / UNIT_S / 50)))
        steps = max(20, min(STEPS_MAX, round((seconds - units * UNIT_S) / (SAMPLE_S * BATCH))))
        return Plan(
            units,
            Recipe(steps=steps, batch_size=BATCH, lr=4e-3, warmup_steps=steps // 10, average=0.99, seed=seed),
        )


DOMAIN = Digits()
