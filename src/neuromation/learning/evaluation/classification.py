"""Figures of classifiers of pictures and sounds; owns their definitions, refuses to know where probabilities come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.errors import BadAnswers, ClassesMismatch
from neuromation.learning.evaluation.figures import WORST_MAX, Bin, Weights, reliability
from neuromation.learning.problem import NO_CLASS, Samples

TOP = 5
BINS = 15
ALARM_SCORE = 0.5


class ClassificationSheet:
    """What each sample is, what was said of it, and how sure the answer was.

    Samples of no class take no part in accuracy and the like; they are what `false_alarms` counts: the share of them
    that is given some class with a probability of at least `alarm_score`.
    """

    headline = "accuracy"

    def __init__(
        self,
        answers: Sequence[NDArray[np.float32]],
        samples: Samples,
        *,
        coarse: Mapping[str, str] | None = None,
        alarm_score: float | None = None,
    ) -> None:
        """Raises BadAnswers, ClassesMismatch."""
        self.classes = len(samples.classes)
        self.names = samples.classes
        self.samples = self.work = len(samples)
        self.labels = np.asarray(samples.targets, np.int64)
        self.scores = _stacked(answers, len(samples), self.classes)
        self.said = self.scores.argmax(axis=1)
        self.confidence = self.scores.max(axis=1)
        self.score_min = ALARM_SCORE if alarm_score is None else alarm_score
        self._known = self.labels != NO_CLASS
        self._right = self._known & (self.said == self.labels)
        self._near = self._known & self._among_the_best()
        self._coarse = self._coarsely_right(coarse) if coarse is not None else None
        self._alarm = ~self._known & (self.confidence >= self.score_min)
        self._bins = np.minimum((self.confidence * BINS).astype(np.int64), BINS - 1)

    def figures(self, weights: Weights) -> dict[str, NDArray[np.float64]]:
        """See `Sheet`."""
        known = weights * self._known
        total = known.sum(axis=1)
        hits = _summed(weights * self._right, self.said, self.classes)
        of_class = _summed(known, np.where(self._known, self.labels, 0), self.classes)
        given = _summed(known, self.said, self.classes)
        recall, precision = _share(hits, of_class), _share(hits, given)
        f1 = _share(2.0 * hits, of_class + given)
        seen = of_class > 0
        found = {
            "accuracy": _share(weights @ self._right, total),
            "top5": _share(weights @ self._near, total),
            # A class without samples has no recall. One that has some and is never answered has precision 0.
            "precision": _mean(np.where(np.isnan(precision), 0.0, precision), seen),
            "recall": _mean(recall, seen),
            "f1": _mean(f1, seen),
            "calibration_error": self._calibration_error(known, total),
        }
        if self._coarse is not None:
            found["coarse_accuracy"] = _share(weights @ self._coarse, total)
        if not self._known.all():
            found["false_alarms"] = _share(weights @ self._alarm, weights @ ~self._known)
        return found | {"class_precision": precision, "class_recall": recall, "class_f1": np.where(seen, f1, np.nan)}

    def support(self) -> NDArray[np.int64]:
        """Samples of each class."""
        return np.bincount(self.labels[self._known], minlength=self.classes)

    def confusion(self) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
        """Counts (classes, classes), rows the truth; samples of no class are left out."""
        counts = np.zeros((self.classes, self.classes), np.int64)
        np.add.at(counts, (self.labels[self._known], self.said[self._known]), 1)
        return tuple(tuple(int(n) for n in row) for row in counts), self.names

    def reliability(self) -> tuple[Bin, ...]:
        """Confidence against the share that is right."""
        return reliability(self.confidence[self._known], self._right[self._known], bins=BINS)

    def null_samples(self) -> int:
        """How many samples are of no class."""
        return int(np.sum(~self._known))

    def worst(self) -> list[tuple[int, str]]:
        """The wrong answers that were surest, and false alarms, each with a sentence."""
        wrong = np.flatnonzero((self._known & ~self._right) | self._alarm)
        order = wrong[np.argsort(-self.confidence[wrong], kind="stable")][:WORST_MAX]
        return [(int(i), f"{self._truth(i)} was taken for {self._answer(i)}") for i in order]

    def _truth(self, sample: int) -> str:
        return self.names[self.labels[sample]] if self._known[sample] else "none of the classes"

    def _answer(self, sample: int) -> str:
        return f"{self.names[self.said[sample]]} ({self.confidence[sample]:.0%} sure)"

    def _among_the_best(self) -> NDArray[np.bool_]:
        # Ties count against the answer, so that equal scores for all classes do not pass for knowledge.
        own = self.scores[np.arange(self.samples), np.where(self._known, self.labels, 0)]
        better: NDArray[np.bool_] = (self.scores >= own[:, None]).sum(axis=1) <= TOP
        return better

    def _coarsely_right(self, coarse: Mapping[str, str]) -> NDArray[np.bool_]:
        missing = [name for name in self.names if name not in coarse]
        if missing:
            raise ClassesMismatch(
                f"the coarse classes name none for {', '.join(map(repr, missing[:3]))}; name one each"
            )
        groups = np.unique([coarse[name] for name in self.names], return_inverse=True)[1]
        right: NDArray[np.bool_] = self._known & (groups[self.said] == groups[np.where(self._known, self.labels, 0)])
        return right

    def _calibration_error(self, known: Weights, total: NDArray[np.int64]) -> NDArray[np.float64]:
        """Expected calibration error over 15 equal bins (Guo et al. 2017)."""
        gaps = _summed(known * (self.confidence - self._right), self._bins, BINS)
        return _share(np.abs(gaps).sum(axis=1), total)


def _stacked(answers: Sequence[NDArray[np.float32]], count: int, classes: int) -> NDArray[np.float64]:
    if any(np.shape(answer) != (classes,) for answer in answers):
        met = next(np.shape(answer) for answer in answers if np.shape(answer) != (classes,))
        raise ClassesMismatch(
            f"an answer has the form {met}, and there are {classes} classes: a probability each is needed"
        )
    scores = np.asarray(answers, np.float64).reshape(count, classes)
    if not np.isfinite(scores).all() or scores.min() < -1e-6 or scores.max() > 1 + 1e-6:
        raise BadAnswers("an answer holds values that are no probabilities 0..1; give shares, not logits")
    return np.clip(scores, 0.0, 1.0)


def _summed(values: NDArray[Any], places: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Sums of the columns of `values` (R, N) by their place: (R, size)."""
    order = np.argsort(places, kind="stable")
    used, first = np.unique(places[order], return_index=True)
    sums = np.zeros((len(values), size))
    sums[:, used] = np.add.reduceat(values[:, order], first, axis=1)
    return sums


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    found: NDArray[np.float64] = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found


def _mean(values: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The mean along the last axis over the places that are seen; NaN where there are none."""
    return _share(np.where(seen, values, 0.0).sum(axis=-1), seen.sum(axis=-1))
