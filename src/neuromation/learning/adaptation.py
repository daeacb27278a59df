"""The ask/tell tuner of the adaptation loop, rebuilt from recorded trials; refuses to know what is tuned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuromation.kernel.rng import SEED_MAX, unit_rng
from neuromation.learning.errors import BadSpace
from neuromation.learning.quiet import quiet

SPACE_MAX = 64
TRIALS_MAX = 2_000
ASK_MAX = 64
STARTUP_TRIALS = 8  # the defaults and random points before the model of the space begins to choose


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
    """Proposes parameters and learns from their values.

    Every proposal is a function of (space, seed, its number, the trials before it): a loop that crashed rebuilds its
    tuner from the recorded trials and goes on with the same proposals. Trial 0 is the defaults. Trials without a value
    count as pending: proposals keep away from them, so that several can be asked at once.
    """

    def __init__(self, space: Iterable[Parameter], *, seed: int, trials: Iterable[Trial] = ()) -> None:
        """Begin with a space of 1..SPACE_MAX parameters. Raises BadSpace."""
        self.space = check_space(space)
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

    def _propose(self) -> Trial:
        number = max(self._trials, default=-1) + 1
        if number == 0:
            params = {p.name: float(p.default) for p in self.space}
        elif number < STARTUP_TRIALS:
            params = self._random(number)
        else:
            params = self._modelled(number)
        trial = Trial(number, params)
        self._trials[number] = trial
        return trial

    def _random(self, number: int) -> dict[str, float]:
        draws = unit_rng(self._seed, number, "tuner").random(len(self.space))
        return {p.name: _at(p, float(share)) for p, share in zip(self.space, draws, strict=True)}

    def _modelled(self, number: int) -> dict[str, float]:
        import optuna
        from optuna.distributions import BaseDistribution, FloatDistribution
        from optuna.trial import TrialState, create_trial

        distributions: dict[str, BaseDistribution] = {
            p.name: FloatDistribution(p.low, p.high, log=p.log) for p in self.space
        }
        sampler_seed = int(unit_rng(self._seed, number, "tuner").integers(0, 2**31))
        with quiet("optuna"):
            sampler = optuna.samplers.TPESampler(
                seed=sampler_seed,
                multivariate=True,
                constant_liar=True,
                n_startup_trials=STARTUP_TRIALS // 2,
                n_ei_candidates=128,
            )
            study = optuna.create_study(direction="maximize", sampler=sampler)
            for trial in self.trials:
                state = TrialState.RUNNING if trial.value is None else TrialState.COMPLETE
                study.add_trial(
                    create_trial(state=state, params=dict(trial.params), distributions=distributions, value=trial.value)
                )
            asked = study.ask(distributions)
        return {p.name: min(p.high, max(p.low, float(asked.params[p.name]))) for p in self.space}


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
    not beat a good mean of several. Evaluate `candidates` again before calling this.

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


def candidates(trials: Iterable[Trial], count: int) -> list[Trial]:
    """The `count` best different parameter sets by plain mean, best first: those worth evaluating again."""
    groups = sorted(_by_params(trials), key=lambda group: (-float(np.mean(group[1])), group[0].number))
    return [replace(trial, value=float(np.mean(values))) for trial, values in groups[:count]]


def _by_params(trials: Iterable[Trial]) -> list[tuple[Trial, list[float]]]:
    groups: dict[tuple[tuple[str, float], ...], tuple[Trial, list[float]]] = {}
    for trial in sorted(trials, key=lambda t: t.number):
        if trial.value is not None:
            key = tuple(sorted(trial.params.items()))
            groups.setdefault(key, (trial, []))[1].append(trial.value)
    return list(groups.values())


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
