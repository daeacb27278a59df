"""One measure for every problem; owns the choice of figures, refuses to know their definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neuromation.learning.errors import BadAnswers
from neuromation.learning.evaluation.classification import ClassificationSheet
from neuromation.learning.evaluation.detection import DetectionSheet
from neuromation.learning.evaluation.figures import RESAMPLES, ClassFigures, Report, by_condition, measured
from neuromation.learning.evaluation.segmentation import SegmentationSheet
from neuromation.learning.problem import Problem, Samples

AnySheet = ClassificationSheet | DetectionSheet | SegmentationSheet


def measure(
    answers: Sequence[Any],
    samples: Samples,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    coarse: Mapping[str, str] | None = None,
    alarm_score: float | None = None,
) -> Report:
    """Measure answers against the truth.

    Args:
        answers: one a sample in their order, in pixels of the sample's own picture; see `problem.Answer`.
        samples: inputs and truth; `conditions` give figures by condition.
        seed: of the bootstrap; the same seed gives the same intervals.
        resamples: of the bootstrap, fewer where the set is large; 0 for figures without intervals, which is fast.
        coarse: classification: the coarse class of every class, for `coarse_accuracy`.
        alarm_score: from which score an answer counts as a false alarm, and for detections as an answer at all;
            None: 0.5, and for detections the score of the best F1. Choose it on other data than these for a
            figure that holds.

    Returns:
        A `Report`; docs/evaluation.md defines its figures.

    Raises:
        BadAnswers, ClassesMismatch: the answers are not of this problem, these samples or these classes.
    """
    if len(answers) != len(samples):
        raise BadAnswers(f"there are {len(answers)} answers and {len(samples)} samples; give one each, in their order")
    sheet = _sheet(answers, samples, coarse, alarm_score)
    figures = measured(sheet, seed=seed, resamples=resamples)
    overall = {name: row[0] for name, row in figures.items() if not name.startswith("class_")}
    each = {name.removeprefix("class_"): row for name, row in figures.items() if name.startswith("class_")}
    support = sheet.support()
    confusion, confusion_names = sheet.confusion()
    worst = sheet.worst()
    return Report(
        problem=samples.problem,
        samples=len(samples),
        classes=samples.classes,
        headline=sheet.headline,
        figures=overall,
        per_class=tuple(
            ClassFigures(name, int(support[place]), {title: row[place] for title, row in each.items()})
            for place, name in enumerate(samples.classes)
        ),
        conditions=by_condition(sheet, samples.conditions, names=list(overall), seed=seed, resamples=resamples),
        confusion=confusion,
        confusion_names=confusion_names,
        reliability=sheet.reliability(),
        score_min=sheet.score_min,
        null_samples=sheet.null_samples(),
        worst=tuple(place for place, _ in worst),
        worst_notes=tuple(note for _, note in worst),
    )


def _sheet(
    answers: Sequence[Any], samples: Samples, coarse: Mapping[str, str] | None, alarm_score: float | None
) -> AnySheet:
    if samples.problem.is_classification:
        return ClassificationSheet(answers, samples, coarse=coarse, alarm_score=alarm_score)
    if samples.problem is Problem.SEGMENTATION:
        return SegmentationSheet(answers, samples, alarm_share=alarm_score)
    return DetectionSheet(answers, samples, alarm_score=alarm_score)
