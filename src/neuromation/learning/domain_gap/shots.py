"""A few labelled real samples: choosing k of each class, and going on from a model of made data; knows no generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neuromation.kernel.rng import unit_rng
from neuromation.learning.errors import BadRecipe, BadTrainingData, ClassesMismatch, WrongProblem
from neuromation.learning.problem import NO_CLASS, Boxes, Problem, Samples
from neuromation.learning.weights import Array, Weights

if TYPE_CHECKING:
    from neuromation.learning.trainer import Network, Recipe

SHOTS_MAX = 1_000


def few_shots(samples: Samples, k: int, *, seed: int) -> Samples:
    """`k` samples of each class, or all where a class has fewer; those of a smaller k are among those of a larger one.

    Of detections, pictures are taken until every class has `k` pictures that show it.

    Raises BadTrainingData when k is out of 1..SHOTS_MAX, WrongProblem for masks of whole pictures.
    """
    if not 1 <= k <= SHOTS_MAX:
        raise BadTrainingData(f"1 to {SHOTS_MAX} samples a class can be chosen, not {k}")
    if samples.problem is Problem.SEGMENTATION:
        raise WrongProblem("pictures whose every pixel has a class cannot be counted by class; choose them by hand")
    left = np.full(len(samples.classes), k)
    chosen = []
    for place in unit_rng(seed, 0, "few-shots").permutation(len(samples)):
        shown = _shown(samples.targets[int(place)])
        if any(left[label] > 0 for label in shown):
            chosen.append(int(place))
            left[list(shown)] -= 1
    if not chosen:
        raise BadTrainingData("no sample shows any of the classes")
    return samples.only(chosen)


def _shown(target: Any) -> set[int]:
    if isinstance(target, Boxes):
        return {int(label) for label in target.labels}
    return set() if target == NO_CLASS else {int(target)}


def rehearsed(real: Samples, made: Samples, *, real_share: float, seed: int) -> Samples:
    """Real samples, repeated until they are `real_share` of the whole, among all made ones.

    What was learned from made data is kept while the real ones are learned (rehearsal; French 1999); a few real samples
    alone would be learned by heart.

    Raises BadRecipe unless the share lies in 0..1 (both excluded), ClassesMismatch, WrongProblem.
    """
    if not 0.0 < real_share < 1.0:
        raise BadRecipe(f"real samples are a share between 0 and 1 of all, not {real_share}")
    if real.problem is not made.problem or real.rate_hz != made.rate_hz:
        raise WrongProblem("real and made samples are of one problem, and sounds of one rate")
    if real.classes != made.classes:
        raise ClassesMismatch("real and made samples need the same classes in the same order")
    wanted = max(len(real), round(len(made) * real_share / (1.0 - real_share)))
    order = unit_rng(seed, 0, "rehearsal").permutation(len(real))
    places = [int(order[i % len(real)]) for i in range(wanted)]
    return replace(
        made,
        inputs=[*made.inputs, *(real.inputs[i] for i in places)],
        targets=[*made.targets, *(real.targets[i] for i in places)],
        names=(),
        conditions={},
    )


@dataclass(frozen=True, slots=True)
class Shot:
    """One point of a curve: k samples a class (0: made data alone), all that were chosen, and the weights."""

    k: int
    samples: int
    weights: Weights


def shot_curve(
    model: str | Network,
    config: Mapping[str, object],
    weights: Mapping[str, Array],
    *,
    real: Samples,
    made: Samples,
    recipe: Callable[[int], Recipe],
    ks: Sequence[int] = (0, 1, 5, 10),
    real_share: float = 0.5,
    seed: int = 0,
) -> list[Shot]:
    """Fine-tune one model on k labelled real samples a class, for each k from the same start.

    Args:
        model, config, weights: what made data have taught.
        real: labelled real samples to choose from, never those that measure.
        made: some of the made samples, which are rehearsed.
        recipe: of the fine-tuning, by the number of real samples: few steps at a low rate for few samples.
        ks: samples a class; 0 gives the start.
        real_share: of what is trained on.

    Raises what `few_shots`, `rehearsed` and `trainer.fit` raise.
    """
    from neuromation.learning.trainer import fit

    curve = []
    for k in ks:
        if k == 0:
            curve.append(Shot(0, 0, dict(weights)))
            continue
        chosen = few_shots(real, k, seed=seed)
        mixed = rehearsed(chosen, made, real_share=real_share, seed=seed)
        fitted = fit(model, config, mixed, recipe(len(chosen)), start=weights)
        curve.append(Shot(k, len(chosen), fitted.weights))
    return curve
