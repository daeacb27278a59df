"""The forward models that ship: a drug in the body as one or two compartments, and a damped oscillator.

Each is a closed formula in exact arithmetic; the tests integrate the differential equations beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.synthetic.exact import exact_cos, exact_exp, exact_sin
from neuromation.synthetic.generators.inverse_problem import InverseProblem, Prior

Floats = NDArray[np.float64]

_APART = 1e-4  # rates nearer than this, relative, are moved apart: the formula divides by their difference


def _exp(values: Floats) -> Floats:
    return np.array([exact_exp(value) for value in values.tolist()], np.float64)


def _apart(rate: float, *others: float) -> float:
    """`rate`, moved by a ten-thousandth until it differs from all others."""
    while any(abs(rate - other) < _APART * other for other in others):
        rate *= 1.0 + 2.0 * _APART
    return rate


class OneCompartment:
    """A drug taken by mouth, absorbed and eliminated at constant rates: the Bateman function, summed over doses.

    Source: H. Bateman (1910); M. Gibaldi, D. Perrier, Pharmacokinetics, 2nd edition, chapter 1.
    """

    name = "one-compartment"
    title = "a drug in the body as one compartment, with absorption of first order"
    priors: tuple[Prior, ...] = (
        Prior("absorption_per_h", "lognormal", 1.2, 0.5),
        Prior("clearance_l_per_h", "lognormal", 5.0, 0.4),
        Prior("volume_l", "lognormal", 35.0, 0.3),
    )
    observable = "concentration_mg_per_l"
    time = "time_h"
    duration = 48.0
    scale = 3.0
    positive = True

    def conditions(self, rng: Generator) -> dict[str, Any]:
        """One to six equal doses of 50 to 300 mg, 6, 8, 12 or 24 hours apart."""
        interval_h = (6.0, 8.0, 12.0, 24.0)[int(rng.integers(4))]
        count = int(rng.integers(1, min(6, int(self.duration / interval_h)) + 1))
        dose_mg = 50.0 * int(rng.integers(1, 7))
        return {"dose_mg": dose_mg, "dose_times_h": [interval_h * k for k in range(count)]}

    def observed(self, parameters: Mapping[str, float], conditions: Mapping[str, Any], times: Floats) -> Floats:
        """Concentration in plasma, mg/l."""
        return _summed(conditions, times, self.after_one(parameters))

    def after_one(self, parameters: Mapping[str, float]) -> list[tuple[float, float]]:
        """The concentration after 1 mg as a sum of exponentials: (factor in 1/l, rate in 1/h) of each."""
        elimination = parameters["clearance_l_per_h"] / parameters["volume_l"]
        absorption = _apart(parameters["absorption_per_h"], elimination)
        factor = absorption / (parameters["volume_l"] * (absorption - elimination))
        return [(factor, elimination), (-factor, absorption)]


class TwoCompartments(OneCompartment):
    """The same with a second compartment, tissue, that fills from plasma and empties into it.

    Source: M. Gibaldi, D. Perrier, Pharmacokinetics, 2nd edition, chapter 2.
    """

    name = "two-compartments"
    title = "a drug in plasma and tissue, with absorption of first order"
    priors: tuple[Prior, ...] = (
        Prior("absorption_per_h", "lognormal", 1.2, 0.5),
        Prior("clearance_l_per_h", "lognormal", 5.0, 0.4),
        Prior("volume_l", "lognormal", 20.0, 0.3),
        Prior("exchange_l_per_h", "lognormal", 8.0, 0.4),
        Prior("tissue_volume_l", "lognormal", 60.0, 0.4),
    )

    def after_one(self, parameters: Mapping[str, float]) -> list[tuple[float, float]]:
        """Three exponentials: the two of the compartments, and absorption."""
        volume = parameters["volume_l"]
        out = parameters["clearance_l_per_h"] / volume
        there = parameters["exchange_l_per_h"] / volume
        back = parameters["exchange_l_per_h"] / parameters["tissue_volume_l"]
        total = out + there + back
        root = float(np.sqrt(total * total - 4 * out * back))
        fast, slow = (total + root) / 2, (total - root) / 2
        absorption = _apart(parameters["absorption_per_h"], fast, slow)
        rates = (fast, slow, absorption)
        factors = []
        for place, rate in enumerate(rates):
            one, other = rates[place - 2], rates[place - 1]
            factors.append((absorption / volume * (back - rate) / ((one - rate) * (other - rate)), rate))
        return factors


def _summed(conditions: Mapping[str, Any], times: Floats, terms: list[tuple[float, float]]) -> Floats:
    """What all doses together leave at `times`, by superposition: the equations are linear."""
    total = np.zeros(times.size)
    for dose_h in conditions["dose_times_h"]:
        since = times - dose_h
        after = since >= 0
        for factor, rate in terms:
            total[after] += conditions["dose_mg"] * factor * _exp(-rate * since[after])
    return np.maximum(total, 0.0)


class DampedOscillator:
    """A mass on a spring with friction, let go from a known place: amplitude falls, phase turns."""

    name = "damped-oscillator"
    title = "a mass on a spring with friction, let go at rest"
    priors: tuple[Prior, ...] = (
        Prior("frequency_hz", "loguniform", 0.2, 2.0),
        Prior("damping_ratio", "uniform", 0.01, 0.3),
    )
    observable = "displacement_m"
    time = "time_s"
    duration = 10.0
    scale = 0.3
    positive = False

    def conditions(self, rng: Generator) -> dict[str, Any]:
        """Where the mass is let go: 0.1 to 0.5 m from rest."""
        return {"start_m": 0.1 + 0.4 * float(rng.random())}

    def observed(self, parameters: Mapping[str, float], conditions: Mapping[str, Any], times: Floats) -> Floats:
        """Distance from the place of rest, m."""
        turn = 6.283185307179586 * parameters["frequency_hz"]
        decay = parameters["damping_ratio"] * turn
        swing = float(np.sqrt(turn * turn - decay * decay))
        return np.array(
            [
                conditions["start_m"]
                * exact_exp(-decay * t)
                * (exact_cos(swing * t) + decay / swing * exact_sin(swing * t))
                for t in times.tolist()
            ],
            np.float64,
        )


INVERSE_PROBLEM = InverseProblem(
    [OneCompartment(), TwoCompartments(), DampedOscillator()],
    name="inverse-problem",
    title="Inverse problems: pharmacokinetics and others",
)
