"""Figures of segmentation, pixel by pixel; owns their definitions, refuses to know how masks are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.errors import BadAnswers, ClassesMismatch
from neuromation.learning.evaluation.figures import WORST_MAX, Bin, Weights
from neuromation.learning.problem import IGNORED, Samples

BACKGROUND = "background"
ALARM_SHARE = 0.001  # of a picture's pixels called an object: fewer are specks


class SegmentationSheet:
    """Pixels by class of each picture: those right, those of the truth, those of the answer.

    `miou` is the mean over classes of the intersection over union of all pixels together, as in PASCAL VOC. Pictures
    whose truth is nothing but a class called "background" are the null set: `false_alarms` is the share of them in which
    more than ALARM_SHARE of the pixels are called anything else.
    """

    headline = "miou"

    def __init__(
        self, answers: Sequence[NDArray[np.uint8]], samples: Samples, *, alarm_share: float | None = None
    ) -> None:
        """Raises BadAnswers, ClassesMismatch."""
        self.names, self.classes, self.samples = samples.classes, len(samples.classes), len(samples)
        self.work = self.samples * self.classes
        self.score_min = ALARM_SHARE if alarm_share is None else alarm_share
        self._total = np.zeros((self.classes, self.classes), np.int64)
        rows = [self._counted(n, a, t) for n, (a, t) in enumerate(zip(answers, samples.targets, strict=True))]
        self._right, self._truth, self._said = (np.stack([row[i] for row in rows]) for i in range(3))
        pixels = np.maximum(self._truth.sum(axis=1), 1)
        behind = self.names.index(BACKGROUND) if BACKGROUND in self.names else None
        self._null = np.zeros(self.samples, np.bool_)
        self._alarm = np.zeros(self.samples, np.bool_)
        if behind is not None:
            self._null = self._truth[:, behind] == self._truth.sum(axis=1)
            self._alarm = self._null & (1.0 - self._said[:, behind] / pixels > self.score_min)

    def figures(self, weights: Weights) -> dict[str, NDArray[np.float64]]:
        """See `Sheet`."""
        right, truth, said = (weights @ counts for counts in (self._right, self._truth, self._said))
        iou = _share(right, truth + said - right)
        known = ~np.isnan(iou)
        found = {
            "miou": _share(np.where(known, iou, 0.0).sum(axis=1), known.sum(axis=1)),
            "pixel_accuracy": _share(right.sum(axis=1), truth.sum(axis=1)),
            "class_iou": iou,
            "class_precision": _share(right, said),
            "class_recall": _share(right, truth),
        }
        if self._null.any():
            found["false_alarms"] = _share(weights @ self._alarm, weights @ self._null)
        return found

    def support(self) -> NDArray[np.int64]:
        """Pixels of each class."""
        total: NDArray[np.int64] = self._truth.sum(axis=0)
        return total

    def confusion(self) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
        """Pixels, rows the truth."""
        return tuple(tuple(int(n) for n in row) for row in self._total), self.names

    def reliability(self) -> tuple[Bin, ...]:
        """None: a mask has no confidence."""
        return ()

    def null_samples(self) -> int:
        """Pictures of background alone."""
        return int(self._null.sum())

    def worst(self) -> list[tuple[int, str]]:
        """Pictures with the smallest share of right pixels, each with a sentence."""
        share = self._right.sum(axis=1) / np.maximum(self._truth.sum(axis=1), 1)
        order = np.argsort(share, kind="stable")[:WORST_MAX]
        return [(int(i), f"{share[i]:.1%} of the pixels are right") for i in order if share[i] < 1.0]

    def _counted(
        self, number: int, answer: NDArray[np.uint8], target: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        if np.shape(answer) != target.shape or answer.dtype != np.uint8:
            raise BadAnswers(f"answer {number} is {answer.dtype} {np.shape(answer)}; uint8 {target.shape} is needed")
        counted = target != IGNORED
        if counted.any() and int(answer[counted].max()) >= self.classes:
            raise ClassesMismatch(f"answer {number} names class {int(answer[counted].max())} of {self.classes}")
        cells = np.bincount(
            target[counted].astype(np.int64) * self.classes + answer[counted], minlength=self.classes**2
        ).reshape(self.classes, self.classes)
        self._total += cells
        return np.diagonal(cells).copy(), cells.sum(axis=1), cells.sum(axis=0)


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return found
