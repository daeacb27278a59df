"""The ask/tell tuner of the adaptation loop, rebuilt from recorded trials; refuses to know what is tuned.

An evolution strategy with mirrored draws (Brockhoff et al. 2010) and weighted recombination, for a few dozen trials whose
values are half chance, in a dozen dimensions. `benchmarks/bench_tuner.py` has it beside Optuna's TPE and CMA-ES.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuromation.kernel.rng import SEED_MAX, unit_rng
from neuromation.learning.errors import BadSpace

SPACE_MAX = 64
TRIALS_MAX = 2_000
ASK_MAX = 64
GENERATION = 20  # trials around one centre: of fewer, a mean says little
SPREAD_KEPT, SPREAD_MIN = 0.7, 0.1  # of the space: each generation looks nearer around


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tuned number: low <= default <= high; `log` searches by ratio (low > 0)."""

    name: str
    low: float
    high: float
    default: float
    log: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluation: what was tried, and the value that came out, higher is better; None while it runs."""

    number: int
    params: Mapping[str, float]
    value: float | None = None


def around(space: Iterable[Parameter], reach: float) -> list[Parameter]:
    """The space within `reach` (over 0, up to 1) of each parameter's range on both sides of its default.

    A few dozen trials find nothing in the whole of a dozen ranges; near sensible defaults they do.
    """
    if not 0 < reach <= 1:
        raise BadSpace(f"the reach of a search is over 0 and at most 1, not {reach}")
    near = []
    for p in space:
        width = reach * (p.high - p.low)
        near.append(replace(p, low=max(p.low, p.default - width), high=min(p.high, p.default + width)))
    return near


class Tuner:
    """Proposes parameters and learns from their values, a generation at a time.

    Trial 0 is the defaults. Trials of a generation lie in pairs, mirrored at its centre: in the first around the
    defaults, later nearer around what the trials before it speak for. Trials without a value are pending or failed;
    several can be asked at once.

    Every proposal is a function of (space, seed, its number, the trials before it): a loop that crashed rebuilds its
    tuner from the recorded trials and goes on with the same proposals.
    """

    def __init__(
        self, space: Iterable[Parameter], *, seed: int, trials: Iterable[Trial] = (), generation: int = GENERATION
    ) -> None:
        """Begin with a space of 1..SPACE_MAX parameters and generations of an even number of trials. Raises BadSpace."""
        self.space = check_space(space)
        if not 2 <= generation <= TRIALS_MAX or generation % 2:
            raise BadSpace(f"a generation has an even number of 2..{TRIALS_MAX} trials, not {generation}")
        self._generation = generation
        if not 0 <= seed <= SEED_MAX:
            raise BadSpace(f"the seed must be 0..{SEED_MAX}, not {seed}")
        self._seed = seed
        self._trials: dict[int, Trial] = {}
        for trial in trials:
            self._add(trial)

    @classmethod
    def replay(cls, space: Iterable[Parameter], trials: Iterable[Trial], seed: int) -> Tuner:
        """The tuner that has proposed and heard exactly these trials. Raises BadSpace."""
        return cls(space, seed=seed, trials=trials)

    @property
    def trials(self) -> list[Trial]:
        """Every trial so far, by number."""
        return [self._trials[number] for number in sorted(self._trials)]

    def ask(self, count: int = 1) -> list[Trial]:
        """`count` new trials without a value, 1..ASK_MAX. Raises BadSpace beyond the maxima."""
        if not 1 <= count <= ASK_MAX or len(self._trials) + count > TRIALS_MAX:
            raise BadSpace(
                f"1..{ASK_MAX} trials are asked at once and {TRIALS_MAX} in all, not {count} after {len(self._trials)}"
            )
        return [self._propose() for _ in range(count)]

    def tell(self, number: int, value: float) -> None:
        """Record the value of a trial that was asked; higher is better. Raises BadSpace for unknown trials and NaN."""
        if number not in self._trials:
            raise BadSpace(f"trial {number} was never asked; ask first")
        if not math.isfinite(value):
            raise BadSpace(
                f"the value of trial {number} must be finite, not {value}; leave a failed trial without a value"
            )
        self._trials[number] = replace(self._trials[number], value=float(value))

    def _add(self, trial: Trial) -> None:
        if trial.number < 0 or len(self._trials) >= TRIALS_MAX or trial.number in self._trials:
            raise BadSpace(f"trial {trial.number} is recorded twice, negative, or one of more than {TRIALS_MAX}")
        check_params(self.space, trial.params)
        if trial.value is not None and not math.isfinite(trial.value):
            raise BadSpace(f"the value of trial {trial.number} must be finite, not {trial.value}")
        self._trials[trial.number] = trial

    def recommended(self) -> dict[str, float]:
        """The parameters that the newest trials together speak for; the defaults until two trials have values.

        They were never tried as such: try them beside the defaults before much is spent on them.
        """
        return self._centre(TRIALS_MAX)

    def _propose(self) -> Trial:
        number = max(self._trials, default=-1) + 1
        if number == 0:
            params = {p.name: float(p.default) for p in self.space}
        else:
            generation, place = divmod(number - 1, self._generation)
            draws = unit_rng(self._seed, (number - 1) // 2, "tuner").uniform(-0.5, 0.5, len(self.space))
            step = draws * max(SPREAD_MIN, SPREAD_KEPT**generation) * (1 if place % 2 == 0 else -1)
            centre = self._centre(number - place)
            params = {
                p.name: _at(p, min(1.0, max(0.0, _share(p, centre[p.name]) + float(d))))
                for p, d in zip(self.space, step, strict=True)
            }
        trial = Trial(number, params)
        self._trials[number] = trial
        return trial

    def _centre(self, before: int) -> dict[str, float]:
        """What the last generation's worth of values before a trial's number speaks for; the defaults before the second."""
        told = [t for t in self.trials if t.number < before and t.value is not None]
        if before == 1 or len(told) < 2:
            return {p.name: float(p.default) for p in self.space}
        return recombined(self.space, told[-self._generation :])


def recombined(space: Sequence[Parameter], trials: Sequence[Trial]) -> dict[str, float]:
    """The mean of the better half of two or more trials with values, the better ones weighing more.

    Weights fall with the logarithm of the rank, as in CMA-ES (Hansen 2016). Where a value is half chance, this mean
    keeps what good trials share and averages out what was luck; the best single trial keeps the luck.
    """
    ranked = sorted(trials, key=lambda t: (-_value(t), t.number))
    half = max(1, len(ranked) // 2)
    weights = math.log(half + 0.5) - np.log(np.arange(1, half + 1))
    weights /= weights.sum()
    shares = np.array([[_share(p, t.params[p.name]) for p in space] for t in ranked[:half]])
    return {p.name: _at(p, float(share)) for p, share in zip(space, weights @ shares, strict=True)}


def _value(trial: Trial) -> float:
    if trial.value is None:
        raise BadSpace(f"trial {trial.number} has no value yet; tell it first")
    return trial.value


def check_space(space: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """The parameters, checked. Raises BadSpace."""
    parameters = tuple(space)
    names = {p.name for p in parameters}
    if not 1 <= len(parameters) <= SPACE_MAX or len(names) != len(parameters):
        raise BadSpace(
            f"a space has 1..{SPACE_MAX} differently named parameters, not {len(parameters)} ({len(names)} names)"
        )
    for p in parameters:
        if not (math.isfinite(p.low) and math.isfinite(p.high) and p.low < p.high and p.low <= p.default <= p.high):
            raise BadSpace(
                f"parameter {p.name!r} needs low <= default <= high and low < high, not {p.low}, {p.default}, {p.high}"
            )
        if p.log and p.low <= 0:
            raise BadSpace(f"parameter {p.name!r} is searched by ratio and needs low > 0, not {p.low}")
    return parameters


def check_params(space: Sequence[Parameter], params: Mapping[str, float]) -> None:
    """Raise BadSpace unless every parameter of the space, and no other, has a value in its range."""
    if set(params) != {p.name for p in space}:
        odd = sorted(set(params) ^ {p.name for p in space})[:3]
        raise BadSpace(f"a trial names other parameters than its space; they differ in {', '.join(odd)}")
    for p in space:
        if not p.low <= params[p.name] <= p.high:
            raise BadSpace(f"parameter {p.name!r} must be {p.low}..{p.high}, not {params[p.name]}")


def best(trials: Iterable[Trial], *, prior_weight: float = 1.0) -> Trial:
    """The trial whose parameters are most credibly the best, noise considered.

    Trials with equal parameters are evaluations of one candidate. A candidate's score is its mean, drawn towards the
    mean of the better half of all candidates as if that had been seen `prior_weight` times: one lucky evaluation does
    not beat a good mean of several. Evaluate the good ones again before calling this.

    Returns:
        The candidate's first trial, with the plain mean of its values.

    Raises:
        BadSpace: no trial has a value.
    """
    groups = _by_params(trials)
    if not groups:
        raise BadSpace("no trial has a value yet; tell one first")
    means = sorted((float(np.mean(values)) for _, values in groups), reverse=True)
    prior = float(np.mean(means[: max(1, (len(means) + 1) // 2)]))
    # Groups come by number, and max keeps the first of equals: of two equal scores the earlier trial wins.
    chosen, values = max(
        groups, key=lambda group: (sum(group[1]) + prior_weight * prior) / (len(group[1]) + prior_weight)
    )
    return replace(chosen, value=float(np.mean(values)))


def _by_params(trials: Iterable[Trial]) -> list[tuple[Trial, list[float]]]:
    groups: dict[tuple[tuple[str, float], ...], tuple[Trial, list[float]]] = {}
    for trial in sorted(trials, key=lambda t: t.number):
        if trial.value is not None:
            key = tuple(sorted(trial.params.items()))
            groups.setdefault(key, (trial, []))[1].append(trial.value)
    return list(groups.values())


def _share(parameter: Parameter, value: float) -> float:
    """Where in its range a value lies, 0..1."""
    if parameter.log:
        return math.log(value / parameter.low) / math.log(parameter.high / parameter.low)
    return (value - parameter.low) / (parameter.high - parameter.low)


def _at(parameter: Parameter, share: float) -> float:
    if parameter.log:
        value = parameter.low * math.exp(share * math.log(parameter.high / parameter.low))
    else:
        value = parameter.low + (parameter.high - parameter.low) * share
    return min(parameter.high, max(parameter.low, value))


def space_from_schema(schema: Mapping[str, Any], names: Sequence[str]) -> list[Parameter]:
    """The named numbers of a JSON schema of parameters, as a space.

    Each needs `minimum`, `maximum` and `default`; `"log": true` beside them searches by ratio. Raises BadSpace.
    """
    properties = schema.get("properties", {})
    space = []
    for name in names:
        field = properties.get(name, {})
        if not all(isinstance(field.get(key), int | float) for key in ("minimum", "maximum", "default")):
            raise BadSpace(f"parameter {name!r} needs a minimum, a maximum and a default in the schema to be tuned")
        space.append(
            Parameter(name, field["minimum"], field["maximum"], field["default"], bool(field.get("log", False)))
        )
    return list(check_space(space))
