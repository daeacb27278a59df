"""One number to compare trials by: smooth where the figure that people read is too coarse; refuses to know trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuromation.learning.evaluation.figures import Report
from neuromation.learning.problem import NO_CLASS, Samples

CHANCE_MIN = 1e-4  # one hopeless sample must not decide between two trials


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
