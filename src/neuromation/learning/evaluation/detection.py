"""Figures of detectors, COCO's average precision above all; owns their definitions, refuses to know how objects are found.

Average precision is COCO's: precision made monotone, read at 101 recalls, the mean over classes that have objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.errors import BadAnswers, ClassesMismatch
from neuromation.learning.evaluation.figures import WORST_MAX, Bin, Weights, reliability
from neuromation.learning.evaluation.matching import IOUS, Ranking, Shape, rankings
from neuromation.learning.problem import Boxes, Problem, Samples

RECALLS = np.linspace(0.0, 1.0, 101)
ALARM_SCORE = 0.5
BINS = 10
BACKGROUND = "(nothing)"


class DetectionSheet:
    """The objects found and to be found, matched once.

    Figures: `map` (IoU 0.5 to 0.95), `map50`, `any` and `any50` (the same of "an object", whatever class is said), and
    `precision`, `recall`, `f1` over all objects at the score of the best F1, or at `alarm_score` when it is given.
    `false_alarms` are detections of at least that score per picture without objects. Masks add `mask_map`, `mask_map50`.
    """

    def __init__(self, answers: Sequence[Boxes], samples: Samples, *, alarm_score: float | None = None) -> None:
        """Raises BadAnswers, ClassesMismatch."""
        self.names = samples.classes
        self.classes = len(samples.classes)
        self.samples = len(samples)
        masks = samples.problem is Problem.INSTANCE_SEGMENTATION
        self.headline = "mask_map50" if masks else "map50"
        targets = [target if isinstance(target, Boxes) else Boxes.none() for target in samples.targets]
        answers = [_checked(n, answer, self.classes) for n, answer in enumerate(answers)]
        if masks:
            _check_masks(answers, targets, samples)
        self._shapes: dict[str, list[Ranking]] = {}
        for shape in ("bbox", "segm") if masks else ("bbox",):
            self._shapes[shape] = rankings(answers, targets, classes=self.classes, shape=_shape(shape))
        self._any = rankings(answers, targets, classes=self.classes, agnostic=True)[0]
        ranked = self._shapes["segm" if masks else "bbox"]
        self.work = len(IOUS) * max(1, len(self._any.score)) * len(self._shapes)
        self._empty = np.array([not len(target) for target in targets])
        self.score_min = _best_score(ranked) if alarm_score is None else alarm_score
        self._hits, self._given, self._wanted = _counts(ranked, self.score_min)
        self._alarms = np.array([_sure(answer, self.score_min) for answer in answers])

    def figures(self, weights: Weights) -> dict[str, NDArray[np.float64]]:
        """See `Sheet`."""
        found: dict[str, NDArray[np.float64]] = {}
        for shape, ranked in self._shapes.items():
            curves = np.stack([average_precision(one, weights) for one in ranked], axis=1)  # (R, classes, IoUs)
            prefix = "mask_" if shape == "segm" else ""
            each, each50 = curves.mean(axis=2), curves[:, :, 0]
            found |= {f"{prefix}map": _mean(each), f"{prefix}map50": _mean(each50)}
            found |= {f"class_{prefix}ap": each, f"class_{prefix}ap50": each50}
        whatever = average_precision(self._any, weights)
        found |= {"any": whatever.mean(axis=1), "any50": whatever[:, 0]}
        hits, given, wanted = (weights @ counts for counts in (self._hits, self._given, self._wanted))
        found |= _rates(hits.sum(axis=1), given.sum(axis=1), wanted.sum(axis=1), "")
        found |= _rates(hits, given, wanted, "class_")
        found["class_f1"] = np.where(wanted > 0, found["class_f1"], np.nan)
        if self._empty.any():
            found["false_alarms"] = _share(weights @ (self._alarms * self._empty), weights @ self._empty)
        return found

    def support(self) -> NDArray[np.int64]:
        """Objects of each class."""
        total: NDArray[np.int64] = self._wanted.sum(axis=0)
        return total

    def confusion(self) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
        """Counts at IoU 0.5 and `score_min`; the last row is what was found where nothing is, the last column what was missed."""
        sure = self._any.score >= self.score_min
        truth, said = self._any.truth[sure], self._any.label[sure]
        counts = np.zeros((self.classes + 1, self.classes + 1), np.int64)
        np.add.at(counts, (truth, said), 1)  # -1, no object, is the last row
        counts[:-1, -1] = self.support() - counts[:-1, :-1].sum(axis=1)
        return tuple(tuple(int(n) for n in row) for row in counts), (*self.names, BACKGROUND)

    def reliability(self) -> tuple[Bin, ...]:
        """Scores against the share of detections that match an object of their class at IoU 0.5."""
        ranked = self._shapes.get("segm", self._shapes["bbox"])
        scores = np.concatenate([one.score for one in ranked])
        return reliability(scores, np.concatenate([one.hit[0] for one in ranked]), bins=BINS) if len(scores) else ()

    def null_samples(self) -> int:
        """Pictures without objects."""
        return int(self._empty.sum())

    def worst(self) -> list[tuple[int, str]]:
        """Pictures with the most missed and invented objects, each with a sentence."""
        missed = (self._wanted - self._hits).sum(axis=1)
        invented = (self._given - self._hits).sum(axis=1)
        order = np.argsort(-(missed + invented), kind="stable")[:WORST_MAX]
        return [
            (int(i), f"{missed[i]} of {self._wanted[i].sum()} missed, {invented[i]} wrong")
            for i in order
            if missed[i] + invented[i]
        ]


def average_precision(ranking: Ranking, weights: Weights, *, ious: int = len(IOUS)) -> NDArray[np.float64]:
    """COCO's average precision when each picture counts as often as its weight: (R, ious); NaN without objects.

    A picture drawn k times repeats its detections k times at equal scores; precision within such a run only rises or
    only falls towards its end, so that counting runs as a whole gives what repeating the picture would give.
    """
    wanted = weights @ ranking.wanted
    if not len(ranking.score):
        return np.where(wanted[:, None] > 0, 0.0, np.nan) * np.ones(ious)
    counted = weights[:, ranking.picture]
    every = np.cumsum(counted, axis=1)
    need = _needed(wanted)
    found = np.empty((len(weights), ious))
    for iou in range(ious):
        right = np.cumsum(counted * ranking.hit[iou], axis=1)
        precision = right / np.maximum(every, 1)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        found[:, iou] = _read(envelope, right, need)
    found[wanted == 0] = np.nan
    return found


def _needed(wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least number of objects that reaches each of the recalls, (R, 101), exact as the division is."""
    total = np.maximum(wanted, 1)[:, None]
    guess = np.ceil(RECALLS * total).astype(np.int64)
    lower = guess - 1
    enough: NDArray[np.int64] = np.where((lower >= 0) & (lower / total >= RECALLS), lower, guess)
    return np.where(enough / total >= RECALLS, enough, enough + 1)


def _read(envelope: NDArray[np.float64], right: NDArray[np.int64], need: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of the envelope where `right` first reaches each need, 0 where it never does."""
    rows, size = right.shape
    # One search for all rows: each row's counts are lifted above those of the rows before it.
    lift = (np.arange(rows) * (int(max(right.max(), need.max())) + 2))[:, None]
    place = (
        np.searchsorted((right + lift).ravel(), (need + lift).ravel()).reshape(need.shape)
        - size * np.arange(rows)[:, None]
    )
    reached = place < size
    values = np.take_along_axis(envelope, np.minimum(place, size - 1), axis=1)
    read: NDArray[np.float64] = np.where(reached, values, 0.0).mean(axis=1)
    return read


def _best_score(ranked: Sequence[Ranking]) -> float:
    """The score from which F1 over all classes at IoU 0.5 is best; ALARM_SCORE when nothing was found or to be found."""
    score = np.concatenate([one.score for one in ranked])
    hit = np.concatenate([one.hit[0] for one in ranked])
    wanted = sum(int(one.wanted.sum()) for one in ranked)
    if not wanted or not hit.any():
        return ALARM_SCORE
    order = np.argsort(-score, kind="stable")
    score, right = score[order], np.cumsum(hit[order])
    f1 = 2.0 * right / (np.arange(1, len(score) + 1) + wanted)
    f1[:-1][score[:-1] == score[1:]] = -1.0  # equal scores cannot be told apart
    return float(score[int(np.argmax(f1))])


def _counts(ranked: Sequence[Ranking], score_min: float) -> tuple[NDArray[np.int64], ...]:
    """Hits, detections and objects by picture and class, each (pictures, classes)."""
    pictures = len(ranked[0].wanted)
    hits, given = (np.zeros((pictures, len(ranked)), np.int64) for _ in range(2))
    for label, one in enumerate(ranked):
        sure = one.score >= score_min
        given[:, label] = np.bincount(one.picture[sure], minlength=pictures)
        hits[:, label] = np.bincount(one.picture[sure & one.hit[0]], minlength=pictures)
    return hits, given, np.stack([one.wanted for one in ranked], axis=1)


def _rates(
    hits: NDArray[np.int64], given: NDArray[np.int64], wanted: NDArray[np.int64], prefix: str
) -> dict[str, NDArray[np.float64]]:
    return {
        f"{prefix}precision": _share(hits, given),
        f"{prefix}recall": _share(hits, wanted),
        f"{prefix}f1": _share(2 * hits, given + wanted),
    }


def _sure(answer: Boxes, score_min: float) -> int:
    return 0 if answer.scores is None else int(np.sum(answer.scores >= score_min))


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return found


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over classes, those without objects left out; NaN where all are."""
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1)
    found: NDArray[np.float64] = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return found


def _shape(name: str) -> Shape:
    return "segm" if name == "segm" else "bbox"


def _checked(number: int, answer: Boxes, classes: int) -> Boxes:
    if not isinstance(answer, Boxes) or answer.scores is None or answer.scores.shape != (len(answer),):
        raise BadAnswers(f"answer {number} is no list of boxes with a score each; a detector answers with `Boxes`")
    if (
        answer.xywh.shape != (len(answer), 4)
        or not np.isfinite(answer.xywh).all()
        or not np.isfinite(answer.scores).all()
    ):
        raise BadAnswers(
            f"answer {number} has boxes {answer.xywh.shape} or values that are not finite; (n, 4) is needed"
        )
    if len(answer) and not 0 <= int(answer.labels.min()) <= int(answer.labels.max()) < classes:
        raise ClassesMismatch(
            f"answer {number} names a class beyond the {classes} of the samples: another model's answer?"
        )
    order = np.argsort(-answer.scores, kind="stable")
    chosen = None if answer.masks is None else answer.masks[order]
    return replace(
        answer, xywh=answer.xywh[order], labels=answer.labels[order], scores=answer.scores[order], masks=chosen
    )


def _check_masks(answers: Sequence[Boxes], targets: Sequence[Boxes], samples: Samples) -> None:
    for number, made in enumerate(samples.inputs):
        for one in (answers[number], targets[number]):
            met = None if one.masks is None else one.masks.shape
            if len(one) and met != (len(one), *made.shape[:2]):
                raise BadAnswers(f"the masks of picture {number} are {met}; {(len(one), *made.shape[:2])} is needed")
