"""What the two domains of detection share: real photos with COCO boxes, and their figures. Refuses to know either domain."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neuromation.learning.evaluation.figures import Figure, Report
from neuromation.learning.problem import Boxes, Problem, Samples


def coco_photos(
    folder: Path, tables: Sequence[str], classes: tuple[str, ...], *, wanted: Callable[[str], bool] = lambda name: True
) -> Samples:
    """The photos of some COCO tables whose file names are wanted, with their boxes."""
    inputs, targets, names = [], [], []
    for table in tables:
        content = json.loads((folder / table).read_text())
        label = {row["id"]: classes.index(row["name"]) for row in content["categories"]}
        drawn: dict[int, list[dict[str, Any]]] = {}
        for row in content["annotations"]:
            drawn.setdefault(row["image_id"], []).append(row)
        for row in content["images"]:
            path = folder / row["file_name"]
            if not wanted(path.name):
                continue
            boxes = drawn.get(row["id"], [])
            inputs.append(np.asarray(Image.open(path).convert("RGB")))
            targets.append(
                Boxes(
                    np.array([box["bbox"] for box in boxes], np.float32).reshape(-1, 4),
                    np.array([label[box["category_id"]] for box in boxes], np.int64),
                )
            )
            names.append(path.name)
    return Samples(Problem.DETECTION, inputs, targets, classes, names=names)


def quarters(photos: Samples, side_px: int) -> Samples:
    """Squares of that side cut from the photos without overlap; a box belongs to the square that holds its middle."""
    inputs, targets = [], []
    for photo, boxes in zip(photos.inputs, photos.targets, strict=True):
        middle = boxes.xywh[:, :2] + boxes.xywh[:, 2:] / 2
        for top in range(0, photo.shape[0] - side_px + 1, side_px):
            for left in range(0, photo.shape[1] - side_px + 1, side_px):
                corner = np.array([left, top], np.float32)
                inside = ((middle >= corner) & (middle < corner + side_px)).all(axis=1)
                low = np.clip(boxes.xywh[inside, :2] - corner, 0, side_px)
                high = np.clip(boxes.xywh[inside, :2] + boxes.xywh[inside, 2:] - corner, 0, side_px)
                inputs.append(photo[top : top + side_px, left : left + side_px])
                targets.append(Boxes(np.concatenate([low, high - low], axis=1), boxes.labels[inside]))
    return Samples(photos.problem, inputs, targets, photos.classes)


class MeasuredByBoxes:
    """The figures of a domain of detection: COCO's average precision at an overlap of 0.5."""

    def figures(self, report: Report) -> dict[str, Figure]:
        """The mean of the classes, any object, each class."""
        found = {"mAP@0.5": report.figures["map50"], "any@0.5": report.figures["any50"]}
        return found | {row.name: row.figures["ap50"] for row in report.per_class}
