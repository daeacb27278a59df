"""Pairs of parameters and what is observed under them, from any forward model with a prior: data for inverse problems.

Owns the protocol of a forward model, priors, sampling times, noise; knows no science. Whoever trains on the units learns
the way back, from observations to parameters (simulation-based inference, calibration, system identification).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, cast

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, create_model

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.errors import BadUnit
from neuromation.synthetic.exact import exact_cos, exact_exp, exact_log
from neuromation.synthetic.generator import BaseGenerator, Unit

Floats = NDArray[np.float64]
Shape = Literal["lognormal", "normal", "uniform", "loguniform"]

SAMPLES_MAX = 1024
_TWO_PI = 6.283185307179586


def normal(rng: Generator) -> float:
    """One number of the standard normal distribution, exact on every machine. Source: Box and Muller (1958)."""
    first, second = rng.random(2)
    radius = float(np.sqrt(-2.0 * exact_log(1.0 - float(first))))
    return radius * float(exact_cos(_TWO_PI * float(second)))


@dataclass(frozen=True)
class Prior:
    """What is believed about one parameter before anything is observed.

    Attributes:
        name: of the parameter; its unit comes last, such as `clearance_l_per_h`.
        shape: `lognormal` (`a` is the median, `b` the spread of the logarithm), `normal` (`a` the mean, `b` the spread),
            `uniform` or `loguniform` (from `a` to `b`).
        a: see `shape`; > 0 where a logarithm is taken.
        b: see `shape`; > 0, and > `a` of a range.
    """

    name: str
    shape: Shape
    a: float
    b: float

    def __post_init__(self) -> None:
        in_range = self.b > (self.a if self.shape in {"uniform", "loguniform"} else 0)
        if not in_range or (self.shape.startswith("log") and self.a <= 0):
            raise BadUnit(f"prior {self.name} cannot be {self.shape} of {self.a} and {self.b}")

    def drawn(self, rng: Generator, *, width: float = 1.0) -> float:
        """A value of the parameter; `width` scales the spread, or the range about its middle."""
        if self.shape == "normal":
            return self.a + width * self.b * normal(rng)
        if self.shape == "lognormal":
            return self.a * float(exact_exp(width * self.b * normal(rng)))
        place = 0.5 + width * (float(rng.random()) - 0.5)
        if self.shape == "uniform":
            return self.a + place * (self.b - self.a)
        low, high = float(exact_log(self.a)), float(exact_log(self.b))
        return float(exact_exp(low + place * (high - low)))


class ForwardModel(Protocol):
    """From parameters to what an instrument would show. Pure, and exact to the bit: see docs/vendor.md.

    Attributes:
        name: lower-case words with hyphens.
        title: what it is, for people.
        priors: its parameters, at least one.
        observable: what is observed, with its unit last, such as `concentration_mg_per_l`.
        time: what it is observed over, with its unit last, such as `time_h`.
        duration: length of an experiment in that unit, > 0.
        scale: a usual size of the observable, > 0; constant noise is a part of it.
        positive: whether the observable cannot be negative, so that noise stops at 0.
    """

    name: str
    title: str
    priors: tuple[Prior, ...]
    observable: str
    time: str
    duration: float
    scale: float
    positive: bool

    def conditions(self, rng: Generator) -> dict[str, Any]:
        """What is known of one experiment, as plain JSON: doses, forces, temperatures; {} where nothing varies."""

    def observed(self, parameters: Mapping[str, float], conditions: Mapping[str, Any], times: Floats) -> Floats:
        """The observable without noise, (n,), at times (n,) that rise from 0 to `duration`."""


class ExperimentParams(BaseModel):
    """How an experiment is made and measured."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    samples: int = Field(12, ge=2, le=SAMPLES_MAX, description="observations of one experiment")
    prior_width: float = Field(1.0, ge=0.1, le=2, description="spread of every prior over its own")
    time_jitter: float = Field(0.5, ge=0, le=1, description="0: evenly spaced observations; 1: anywhere in their slots")
    early: float = Field(0.5, ge=0, le=1, description="0: as many late as early observations; 1: most of them early")
    noise_relative: float = Field(0.1, ge=0, le=0.5, description="spread of the error, a part of the value")
    noise_absolute: float = Field(0.01, ge=0, le=0.5, description="spread of the error, a part of the usual size")
    missing_share: float = Field(0.0, ge=0, le=0.9, description="share of observations that are missing: null")


class InverseProblem(BaseGenerator):
    """Experiments with known parameters, from one or several forward models.

    A forward model of one's own becomes a generator with `MINE = InverseProblem([MyModel()], name="my-problem")` and an
    entry point that names `MINE`.
    """

    modality = "table"
    classes: ClassVar[list[str]] = []
    cu_per_unit = 0.001

    def __init__(self, models: Sequence[ForwardModel], *, name: str, title: str = "", version: str = "1") -> None:
        """A generator of these models; the parameter `model` chooses one, the first unless told."""
        self._models = {model.name: model for model in models}
        if len(self._models) != len(models) or not models:
            raise BadUnit(f"generator {name} needs forward models of different names")
        self.name = name
        self.version = version
        self.title = title or models[0].title
        self.description = (
            "Parameters drawn from a prior, and noisy observations of an experiment under them, to learn the way back: "
            + "; ".join(f"{model.name}: {model.title}" for model in models)
            + "."
        )
        choice = Field(models[0].name, description="forward model")
        self.params_model: type[BaseModel] = create_model(
            "InverseProblemParams", __base__=ExperimentParams, model=(cast(Any, Literal[tuple(self._models)]), choice)
        )

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index`: annotations with `model`, `parameters` (the truth), `conditions`, `observation` (noisy series
        by name, null where missing) and `noiseless`; no image and no label."""
        assert isinstance(params, ExperimentParams), "parse_params makes the parameters"
        model = self._models[str(getattr(params, "model"))]  # noqa: B009 - the field is made by create_model
        rng = unit_rng(seed, index, model.name)
        truth = {prior.name: prior.drawn(rng, width=params.prior_width) for prior in model.priors}
        conditions = model.conditions(rng)
        times = sampling_times(params, model.duration, rng)
        exact = model.observed(truth, conditions, times)
        if exact.shape != times.shape or not np.isfinite(exact).all():
            raise BadUnit(f"forward model {model.name} did not give {times.size} finite numbers for {truth}")
        seen = measured(params, model, exact, rng)
        return Unit(
            index,
            None,
            None,
            {
                "model": model.name,
                "parameters": truth,
                "conditions": conditions,
                "observation": {model.time: times.tolist(), model.observable: seen},
                "noiseless": exact.tolist(),
            },
        )


def sampling_times(params: ExperimentParams, duration: float, rng: Generator) -> Floats:
    """When is observed: (samples,), rising, after 0 and before `duration`, one in each slot of an even grid; `early`
    bends the grid so that slots are shorter at the start."""
    count = params.samples
    even = (np.arange(count) + 0.5 + params.time_jitter * (rng.random(count) - 0.5)) / count
    bent = even * (1.0 - params.early + params.early * even * even)
    return np.asarray(duration * bent, np.float64)


def measured(params: ExperimentParams, model: ForwardModel, exact: Floats, rng: Generator) -> list[float | None]:
    """Values as an instrument gives them: with an error of two parts, and gaps."""
    seen: list[float | None] = []
    for value in exact.tolist():
        error = params.noise_relative * value * normal(rng) + params.noise_absolute * model.scale * normal(rng)
        noisy = max(0.0, value + error) if model.positive else value + error
        seen.append(None if float(rng.random()) < params.missing_share else noisy)
    return seen
