"""One run of a domain: make, train, measure on made and on real samples; owns the order of these, and no figure's look."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.sim_to_real.domain import Domain, RealDataMissing, TrainedOnParts
from benchmarks.sim_to_real.making import SPENT, cpu_s, progress
from neuromation.learning.evaluation.figures import RESAMPLES, Figure
from neuromation.learning.problem import Samples

if TYPE_CHECKING:
    from neuromation.learning.trainer import Recipe
    from neuromation.learning.weights import Weights

HELD_BACK_SHARE, HELD_BACK_MAX = 0.1, 500  # made samples that measure and never train
HELD_BACK_SEED = 1_000_003


@dataclass(slots=True)
class Outcome:
    """What one model did: figures by part ("synthetic", "real, report half", "real, whole") and name, and its cost."""

    domain: str
    model: str
    trained_on: str
    units: int = 0
    made_cpu_s: float = 0.0
    steps: int = 0
    trained_cpu_s: float = 0.0
    samples: dict[str, int] = field(default_factory=dict)
    figures: dict[str, dict[str, Figure]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def figures_of(domain: Domain, weights: Weights, samples: Samples, *, resamples: int = RESAMPLES) -> dict[str, Figure]:
    """The domain's figures of a model on these samples, with 95 % intervals unless nothing is drawn again."""
    from neuromation.learning import evaluation

    answers = evaluation.predict(weights, domain.model, domain.config(), samples)
    return domain.figures(evaluation.measure(answers, samples, resamples=resamples, coarse=domain.coarse))


def train(domain: Domain, samples: Samples, recipe: Recipe, start: Weights | None = None) -> tuple[Weights, float]:
    """Weights trained on these samples, and the processor seconds that it took."""
    from neuromation.learning import trainer

    began = cpu_s()

    def tell(step: int, loss: float, _lr: float, samples_per_s: float) -> None:
        left_s = (recipe.steps - step) * recipe.batch_size / samples_per_s
        progress(f"step {step:,} of {recipe.steps:,}, loss {loss:.3f}, {left_s:.0f} s left")

    config = domain.training_config() if isinstance(domain, TrainedOnParts) else domain.config()
    fitted = trainer.fit(domain.model, config, samples, recipe, start=start, tell=tell)
    progress("")
    return fitted.weights, cpu_s() - began


def real_parts(domain: Domain) -> dict[str, Samples]:
    """The real samples to report on: the half that nothing was chosen on, and all. Raises RealDataMissing."""
    choose, report = domain.real("choose"), domain.real("report")
    return {"real, report half": report, "real, whole": joined(choose, report)}


def joined(one: Samples, other: Samples) -> Samples:
    """Two sets of the same classes as one."""
    return Samples(
        one.problem,
        [*one.inputs, *other.inputs],
        [*one.targets, *other.targets],
        one.classes,
        rate_hz=one.rate_hz,
        names=[*one.names, *other.names],
    )


def synthetic_run(domain: Domain, minutes: float, seed: int, start: Weights | None = None) -> tuple[Outcome, Weights]:
    """Train on made data only, from `start` where it is given. Raises RealDataMissing."""
    parts = real_parts(domain)
    plan = domain.plan(minutes, seed)
    before = SPENT.cpu_s
    samples = domain.make(domain.params(), plan.units, seed)
    spent = SPENT.cpu_s - before
    held_back = min(HELD_BACK_MAX, max(50, round(plan.units * HELD_BACK_SHARE)))
    parts = {"synthetic": _held_back(domain, held_back, HELD_BACK_SEED + seed), **parts}
    weights, trained_s = train(domain, samples, plan.recipe, start)
    outcome = Outcome(domain.name, domain.model, "synthetic", plan.units, spent, plan.recipe.steps, trained_s)
    measure_into(outcome, domain, weights, parts)
    return outcome, weights


def _held_back(domain: Domain, units: int, seed: int) -> Samples:
    """Made samples that measure, as the network meets them in use."""
    if isinstance(domain, TrainedOnParts):
        return domain.make_whole(units, seed)
    return domain.make(domain.params(), units, seed)


def yardstick_run(domain: Domain, minutes: float, seed: int) -> Outcome | None:
    """The same model and recipe on the real training part; None where there is none."""
    try:
        samples = domain.real("train")
    except RealDataMissing as absent:
        print(absent, file=sys.stderr)
        return None
    recipe = domain.plan(minutes, seed).recipe
    weights, trained_s = train(domain, samples, recipe)
    outcome = Outcome(domain.name, domain.model, f"{len(samples)} real", 0, 0.0, recipe.steps, trained_s)
    measure_into(outcome, domain, weights, real_parts(domain))
    return outcome


def measure_into(outcome: Outcome, domain: Domain, weights: Weights, parts: dict[str, Samples]) -> None:
    """Fill in an outcome's figures."""
    for part, samples in parts.items():
        outcome.samples[part] = len(samples)
        outcome.figures[part] = figures_of(domain, weights, samples)
