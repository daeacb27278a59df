"""What trials are compared by, and what their errors tell directly; refuses to know trials.

The number to compare by is smooth where the figure that people read is too coarse.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.evaluation.figures import Report
from neuromation.learning.problem import NO_CLASS, Boxes, InputSpec, Problem, Samples

CHANCE_MIN = 1e-4  # one hopeless sample must not decide between two trials
PAIRS_MIN = 20  # of fewer boxes a median says little
PAIR_OVERLAP_MIN = 0.3  # boxes 1.8 times as wide as they should be still count


def log_score(answers: Sequence[Any], samples: Samples, *, chance_min: float = CHANCE_MIN) -> float:
    """The mean log-probability of the right class, 0 at best: far less noisy than the share of right answers.

    Args:
        answers: probabilities (classes,) of each sample of a classification; samples of no class are left out.
        chance_min: the least probability that counts.
    """
    chances, labels = np.stack([np.asarray(answer) for answer in answers]), np.asarray(samples.targets, np.int64)
    known = labels != NO_CLASS
    return float(np.log(np.clip(chances[known, labels[known]], chance_min, 1.0)).mean())


def trial_score(answers: Sequence[Any], samples: Samples, report: Report) -> float:
    """What trials are compared by, higher is better: `log_score` of classes, two figures of boxes, else the headline.

    Boxes are found long before their classes are told apart, and an overlap of 0.5 hardly minds a margin too wide:
    so beside the headline stands the precision over all overlaps, whatever class is said.
    """
    if samples.problem.is_classification:
        return log_score(answers, samples)
    main = report.figures[report.headline]
    fit = report.figures.get("any", main)
    return float(np.nan_to_num([main.value, fit.value]).mean())


def box_growth(answers: Sequence[Any], samples: Samples) -> float | None:
    """By how many pixels of the real pictures people draw each side of a box farther out than a model does.

    The median over the objects that the model has found, whatever class it said: how loosely somebody annotates is one
    number, and it shows in every pair. Below 0 the model's boxes are the looser ones.

    Returns:
        None without boxes, and of fewer than PAIRS_MIN pairs.
    """
    if samples.problem is not Problem.DETECTION:
        return None
    pairs = [_pairs(answer, target) for answer, target in zip(answers, samples.targets, strict=True)]
    wider = np.concatenate([drawn[:, 2:] - said[:, 2:] for said, drawn in pairs]) if pairs else np.empty((0, 2))
    return float(np.median(wider)) / 2 if len(wider) >= PAIRS_MIN else None


def margin_told(
    margin: float, answers: Sequence[Any], samples: Samples, *, made: Sequence[int], inputs: InputSpec
) -> float | None:
    """The margin that made boxes should have, by the errors of a model that was trained on boxes of `margin`.

    Args:
        margin: pixels of the made pictures.
        made: height and width of those, which the network resizes to its `inputs` as it does the real ones.

    Returns:
        Pixels of the made pictures; None where `box_growth` is.
    """
    growth = box_growth(answers, samples)
    if growth is None:
        return None
    real = median(_resizing(picture.shape, inputs) for picture in samples.inputs)
    return margin + growth * real / _resizing(made, inputs)


def _resizing(shape: Sequence[int], inputs: InputSpec) -> float:
    return min(inputs.height / shape[0], inputs.width / shape[1])


def _pairs(answer: Boxes, target: Boxes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The surest answer for each object that has one, and the object, both (n, 4)."""
    if not len(answer) or not len(target):
        return np.empty((0, 4), np.float32), np.empty((0, 4), np.float32)
    low = np.maximum(answer.xywh[:, None, :2], target.xywh[None, :, :2])
    high = np.minimum(
        answer.xywh[:, None, :2] + answer.xywh[:, None, 2:], target.xywh[None, :, :2] + target.xywh[None, :, 2:]
    )
    both = np.clip(high - low, 0, None).prod(axis=2)
    overlap = both / (answer.xywh[:, None, 2:].prod(axis=2) + target.xywh[None, :, 2:].prod(axis=2) - both + 1e-9)
    # The surest, not the best fitting one: that would hide what is asked for.
    scores = np.ones(len(answer), np.float32) if answer.scores is None else answer.scores
    surest = np.where(overlap >= PAIR_OVERLAP_MIN, scores[:, None], -1.0)
    found = surest.max(axis=0) >= 0
    return answer.xywh[surest.argmax(axis=0)[found]], target.xywh[found]
