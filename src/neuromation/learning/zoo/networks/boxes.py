"""Boxes between our targets and answers and the tensors of detectors; refuses to know the detectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neuromation.learning.problem import Boxes
from neuromation.learning.suppression import suppress_by_class

SIDE_MIN_PX = 1.0  # smaller targets have no pixel, and their logarithms no end


def targets_of(
    targets: Sequence[Boxes], *, height: int, width: int, first_label: int = 0, like: torch.Tensor
) -> list[dict[str, torch.Tensor]]:
    """Targets as torchvision's detectors take them, inside the picture and at least SIDE_MIN_PX large.

    Returns:
        A dict a picture: "boxes" float32 (n, 4) corners, "labels" int64 (n,) counted from `first_label`, and "masks"
        uint8 (n, height, width) where the target has them; on the device of `like`.
    """
    return [_target_of(target, height, width, first_label, like.device) for target in targets]


def _target_of(
    target: Boxes, height: int, width: int, first_label: int, device: torch.device
) -> dict[str, torch.Tensor]:
    corners = corners_of(target.xywh, height=height, width=width)
    there = ((corners[:, 2:] - corners[:, :2]) >= SIDE_MIN_PX).all(axis=1)
    made = {
        "boxes": torch.from_numpy(corners[there]).to(device),
        "labels": torch.from_numpy(target.labels[there].astype(np.int64) + first_label).to(device),
    }
    if target.masks is not None:
        made["masks"] = torch.from_numpy(target.masks[there].astype(np.uint8)).to(device)
    return made


def corners_of(xywh: NDArray[np.float32], *, height: int, width: int) -> NDArray[np.float32]:
    """Corners float32 (n, 4) of boxes, clipped to the picture."""
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32)
    return _clipped(corners, height, width)


def _clipped(corners: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    clipped: NDArray[np.float32] = np.clip(corners, 0, np.array([width, height, width, height], np.float32))
    return clipped


def answer_of(
    corners: NDArray[np.float32],
    chances: NDArray[np.float32],
    *,
    height: int,
    width: int,
    score_min: float,
    overlap_max: float,
    candidates_max: int,
    found_max: int,
) -> Boxes:
    """The objects of one picture, best first, from boxes with a probability a class.

    Args:
        corners: float32 (n, 4).
        chances: float32 (n, classes).
        score_min: what is less probable is left out.
        overlap_max: of two boxes of one class.
        candidates_max: of each class, before suppression.
        found_max: of the picture.
    """
    corners = _clipped(corners, height, width)
    large = ((corners[:, 2:] - corners[:, :2]) >= SIDE_MIN_PX).all(axis=1)
    places, labels = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for label in range(chances.shape[1]):
        own = np.flatnonzero(large & (chances[:, label] > score_min))
        best = own[np.argsort(-chances[own, label], kind="stable")[:candidates_max]]
        places.append(best)
        labels.append(np.full(len(best), label, np.int64))
    place, label_of = np.concatenate(places), np.concatenate(labels)
    scores = chances[place, label_of]
    kept = suppress_by_class(corners[place], scores, label_of, overlap_max=overlap_max)[:found_max]
    return boxes_of(corners[place][kept], label_of[kept], scores[kept])


def boxes_of(
    corners: NDArray[np.float32],
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    masks: NDArray[np.bool_] | None = None,
) -> Boxes:
    """An answer from corners (n, 4), already inside the picture and best first."""
    xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).astype(np.float32)
    return Boxes(xywh, labels.astype(np.int64), scores.astype(np.float32), masks)


def sigmoid(values: NDArray[Any]) -> NDArray[np.float32]:
    """1 / (1 + exp(-values)) without overflow."""
    chances: NDArray[np.float32] = (0.5 * (1.0 + np.tanh(0.5 * values))).astype(np.float32)
    return chances
