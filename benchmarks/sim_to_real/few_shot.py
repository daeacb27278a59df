"""The curve over k labelled real samples a class: what a few labels add to a model that has seen made data only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.sim_to_real.domain import Domain, TrainedOnParts
from benchmarks.sim_to_real.making import cpu_s
from benchmarks.sim_to_real.session import Outcome, measure_into, real_parts
from neuromation.learning.domain_gap.shots import shot_curve

if TYPE_CHECKING:
    from neuromation.learning.trainer import Recipe
    from neuromation.learning.weights import Weights

KS = (1, 5, 10)
REHEARSED_MAX = 1_500  # made samples that are gone through again
STEPS_SHARE, LR_SHARE = 0.15, 0.3  # of the first training


def few_shot_runs(domain: Domain, weights: Weights, minutes: float, seed: int) -> list[Outcome]:
    """One outcome for each k, from the same weights. Raises RealDataMissing where there is no real training part."""
    real = domain.real("train")
    plan = domain.plan(minutes, seed)
    made = domain.make(domain.params(), min(plan.units, REHEARSED_MAX), seed)
    config = domain.training_config() if isinstance(domain, TrainedOnParts) else domain.config()

    def recipe(_samples: int) -> Recipe:
        steps = max(20, round(plan.recipe.steps * STEPS_SHARE))
        return replace(plan.recipe, steps=steps, lr=plan.recipe.lr * LR_SHARE, warmup_steps=steps // 10)

    outcomes = []
    for k in KS:
        began = cpu_s()
        (shot,) = shot_curve(domain.model, config, weights, real=real, made=made, recipe=recipe, ks=(k,), seed=seed)
        trained_s = cpu_s() - began
        outcome = Outcome(
            domain.name,
            domain.model,
            f"synthetic, then {k} a class ({shot.samples} real)",
            steps=recipe(shot.samples).steps,
            trained_cpu_s=trained_s,
        )
        measure_into(outcome, domain, shot.weights, real_parts(domain))
        outcomes.append(outcome)
    return outcomes
