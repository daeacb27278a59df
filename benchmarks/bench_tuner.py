"""The loop's tuner beside Optuna's TPE and CMA-ES, where a trial's value is half chance.

A valley with a known bottom stands for a generator: `dimensions` parameters, turned axes, a gain of 1 from the defaults to
the bottom, and noise on every value. Told is the share of that gain which the parameters that each method would go on with
really have, after so many trials: 1 is all of it, 0 the defaults, below 0 worse than no search. Run:
`python benchmarks/bench_tuner.py [--repeats N]`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from neuromation.kernel.rng import unit_rng
from neuromation.learning.adaptation import Parameter, Tuner, best
from neuromation.learning.quiet import quiet

DIMENSIONS, TRIALS, NOISES = (6, 11, 21), (12, 24, 48), (0.3, 0.6)
Found = dict[str, float]


@dataclass(frozen=True)
class Valley:
    """-(x - bottom)' A (x - bottom), as high above the defaults as 1; values carry noise."""

    bottom: NDArray[np.float64]
    shape: NDArray[np.float64]
    noise: float

    @classmethod
    def drawn(cls, dimensions: int, noise: float, seed: int) -> Valley:
        rng = unit_rng(seed, dimensions, "valley")
        bottom = np.clip(rng.normal(0, 0.5, dimensions), -1, 1)
        turned = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0]
        shape = turned @ np.diag(rng.exponential(1.0, dimensions)) @ turned.T
        return cls(bottom, shape / (bottom @ shape @ bottom), noise)

    def gain(self, params: Mapping[str, float]) -> float:
        """What these parameters are really worth: at most 1."""
        off = np.array(list(params.values())) - self.bottom
        return float(1.0 - off @ self.shape @ off)


def ours(space: list[Parameter], value: Callable[[Found], float], trials: int, seed: int) -> Found:
    """What the trials together speak for."""
    tuner = Tuner(space, seed=seed)
    for _ in range(trials):
        (trial,) = tuner.ask()
        tuner.tell(trial.number, value(dict(trial.params)))
    return tuner.recommended()


def luckiest(space: list[Parameter], value: Callable[[Found], float], trials: int, seed: int) -> Found:
    """The same trials, and the best of them."""
    tuner = Tuner(space, seed=seed)
    for _ in range(trials):
        (trial,) = tuner.ask()
        tuner.tell(trial.number, value(dict(trial.params)))
    return dict(best(tuner.trials).params)


def tpe(space: list[Parameter], value: Callable[[Found], float], trials: int, seed: int) -> Found:
    """Optuna's TPE, which begins with the defaults; its best trial."""
    import optuna

    with quiet("optuna"):
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True)
        )
        study.enqueue_trial({p.name: p.default for p in space})
        study.optimize(
            lambda trial: value({p.name: trial.suggest_float(p.name, p.low, p.high) for p in space}), n_trials=trials
        )
        return {p.name: float(study.best_params[p.name]) for p in space}


def cma_es(space: list[Parameter], value: Callable[[Found], float], trials: int, seed: int) -> Found:
    """CMA-ES from the defaults with generations as large as ours; its mean."""
    from cmaes import CMA

    bounds = np.array([[p.low, p.high] for p in space])
    size = min(20, trials)
    search = CMA(np.array([p.default for p in space]), 0.58, bounds=bounds, seed=seed, population_size=size)
    for _ in range(trials // size):
        asked = [search.ask() for _ in range(size)]
        search.tell([(x, -value(dict(zip((p.name for p in space), x, strict=True)))) for x in asked])
    mean = np.clip(search.mean, bounds[:, 0], bounds[:, 1])
    return {p.name: float(x) for p, x in zip(space, mean, strict=True)}


METHODS = {"this tuner": ours, "its best trial": luckiest, "TPE, best trial": tpe, "CMA-ES, mean": cma_es}


def reached(method: str, dimensions: int, noise: float, trials: int, repeats: int) -> float:
    """Mean share of the gain over drawn valleys."""
    space = [Parameter(f"p{i}", -1.0, 1.0, 0.0) for i in range(dimensions)]
    shares = []
    for seed in range(repeats):
        valley, rng = Valley.drawn(dimensions, noise, seed), unit_rng(seed, dimensions, "noise")

        def told(params: Mapping[str, float], valley: Valley = valley, rng: np.random.Generator = rng) -> float:
            return valley.gain(params) + valley.noise * rng.standard_normal()

        found = METHODS[method](space, told, trials, seed)
        shares.append(valley.gain(found))
    return float(np.mean(shares))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=40)
    repeats = parser.parse_args().repeats
    table = Table(title=f"Share of the possible gain, mean of {repeats} valleys: more is better")
    for title in ("params", "noise", "trials", *METHODS):
        table.add_column(title, justify="right")
    for dimensions in DIMENSIONS:
        for noise in NOISES:
            for trials in TRIALS:
                cells = [f"{reached(method, dimensions, noise, trials, repeats):+.2f}" for method in METHODS]
                table.add_row(str(dimensions), f"{noise:g}", str(trials), *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
