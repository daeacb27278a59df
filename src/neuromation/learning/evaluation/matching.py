"""Which found object is which real one: COCO's greedy matching by pycocotools, kept by picture.

Owns the way in and out of pycocotools; refuses to know what is made of the matches. `COCOeval.accumulate` is not used:
the curves of a thousand resampled sets follow from one matching (see `detection.average_precision`).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.problem import Boxes

IOUS = np.linspace(0.5, 0.95, 10)
DETECTIONS_MAX = 100  # of a picture and class, the best; COCO's rule

Shape = Literal["bbox", "segm"]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What was found of one class in all pictures, surest first.

    Attributes:
        picture: int64 (D,), index of the picture.
        score: float64 (D,).
        label: int64 (D,), the class that was answered.
        truth: int64 (D,), the class of the object matched at IoU 0.5, or -1.
        hit: bool (IoUs, D), whether an object of the truth was matched.
        wanted: int64 (pictures,), objects that were to be found.
    """

    picture: NDArray[np.int64]
    score: NDArray[np.float64]
    label: NDArray[np.int64]
    truth: NDArray[np.int64]
    hit: NDArray[np.bool_]
    wanted: NDArray[np.int64]


def rankings(
    answers: Sequence[Boxes], targets: Sequence[Boxes], *, classes: int, shape: Shape = "bbox", agnostic: bool = False
) -> list[Ranking]:
    """The matches of every class; with `agnostic`, of all together, whatever class was answered.

    Args:
        answers, targets: one a picture; answers have scores, and both masks for `shape` "segm".
    """
    evaluation = _evaluated(answers, targets, classes=classes, shape=shape, agnostic=agnostic)
    labels = np.concatenate([np.zeros(0, np.int64), *(target.labels for target in targets)])
    said = np.concatenate([np.zeros(0, np.int64), *(answer.labels for answer in answers)])
    rows = evaluation.evalImgs
    found = []
    for place in range(1 if agnostic else classes):
        own = rows[place * len(targets) : (place + 1) * len(targets)]
        found.append(_ranking(own, labels=labels, said=said))
    return found


def _ranking(rows: Sequence[dict[str, Any] | None], *, labels: NDArray[np.int64], said: NDArray[np.int64]) -> Ranking:
    kept = [(number, row) for number, row in enumerate(rows) if row is not None]
    picture = np.concatenate([np.zeros(0, np.int64), *(np.full(len(r["dtScores"]), n, np.int64) for n, r in kept)])
    score = np.concatenate([np.zeros(0), *(np.asarray(r["dtScores"], np.float64) for _, r in kept)])
    matched = np.concatenate(
        [np.zeros((len(IOUS), 0)), *(r["dtMatches"].reshape(len(IOUS), -1) for _, r in kept)], axis=1
    ).astype(np.int64)
    found = np.concatenate([np.zeros(0, np.int64), *(np.asarray(r["dtIds"], np.int64) for _, r in kept)])
    wanted = np.zeros(len(rows), np.int64)
    for number, row in kept:
        wanted[number] = len(row["gtIds"])
    order = np.argsort(-score, kind="stable")
    matched = matched[:, order]
    truth = np.full(len(order), -1, np.int64)
    first = matched[0]
    truth[first > 0] = labels[first[first > 0] - 1]
    return Ranking(picture[order], score[order], said[found[order] - 1], truth, matched > 0, wanted)


def _evaluated(
    answers: Sequence[Boxes], targets: Sequence[Boxes], *, classes: int, shape: Shape, agnostic: bool
) -> Any:
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it tells its progress
        evaluation = COCOeval(_coco(targets, classes, shape), _coco(answers, classes, shape), shape)
        params = evaluation.params
        params.imgIds, params.catIds = list(range(len(targets))), list(range(classes))
        params.iouThrs, params.maxDets, params.useCats = IOUS, [DETECTIONS_MAX], int(not agnostic)
        params.areaRng, params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
    return evaluation


def _coco(boxes: Sequence[Boxes], classes: int, shape: Shape) -> Any:
    """An annotation set in memory. Ids count from 1 over all pictures: 0 stands for "no match" in pycocotools."""
    from pycocotools import mask as masks
    from pycocotools.coco import COCO

    rows: list[dict[str, Any]] = []
    for number, one in enumerate(boxes):
        codes = _codes(one, masks) if shape == "segm" else [None] * len(one)
        for place in range(len(one)):
            x, y, w, h = (float(value) for value in one.xywh[place])
            row = {
                "id": len(rows) + 1,
                "image_id": number,
                "category_id": int(one.labels[place]),
                "bbox": [x, y, w, h],
                "area": float(masks.area(codes[place])) if shape == "segm" else w * h,
                "iscrowd": 0,
            }
            if one.scores is not None:
                row["score"] = float(one.scores[place])
            if shape == "segm":
                row["segmentation"] = codes[place]
            rows.append(row)
    document = COCO()
    document.dataset = {
        "images": [{"id": number, "height": 0, "width": 0} for number in range(len(boxes))],  # asked for, not used
        "categories": [{"id": number} for number in range(classes)],
        "annotations": rows,
    }
    document.createIndex()
    return document


def _codes(boxes: Boxes, masks: Any) -> list[Any]:
    if not len(boxes) or boxes.masks is None:
        return []
    return list(masks.encode(np.asfortranarray(boxes.masks.transpose(1, 2, 0).astype(np.uint8))))
