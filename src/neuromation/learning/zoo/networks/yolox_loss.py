"""Which cell of YOLOX answers for which object, and what its mistakes cost; refuses to know layers.

Ge et al., "YOLOX" (2021): simplified optimal transport (SimOTA), IoU loss, and binary cross-entropy for object and class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

RADIUS_STRIDES = 2.5  # cells this near to an object's centre may answer for it
OVERLAPS = 10  # the best overlaps of an object, whose sum is the number of its cells
IOU_COST = 3.0
OUTSIDE_COST = 1e5  # of cells that are in the box or near its centre, but not both
BOX_WEIGHT = 5.0
_LOG_SIDE_MAX = 6.0  # a side of e^6 = 400 cells
_TINY = 1e-7


def grid(height: int, width: int, strides: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Upper left corners float32 (cells, 2) in pixels, and strides (cells, 1), in the order of the raw outputs."""
    corners, sizes = [], []
    for stride in strides:
        y, x = np.meshgrid(np.arange(0, height, stride), np.arange(0, width, stride), indexing="ij")
        corners.append(np.stack([x.ravel(), y.ravel()], axis=1))
        sizes.append(np.full((x.size, 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(sizes).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the cells lie: corners (cells, 2) and strides (cells, 1) in pixels."""

    corners: torch.Tensor
    strides: torch.Tensor

    @classmethod
    def of(cls, height: int, width: int, strides: Sequence[int], *, like: torch.Tensor) -> Places:
        corners, sizes = grid(height, width, strides)
        return cls(torch.from_numpy(corners).to(like.device), torch.from_numpy(sizes).to(like.device))

    @property
    def centres(self) -> torch.Tensor:
        return self.corners + self.strides / 2

    def boxes(self, cells: torch.Tensor) -> torch.Tensor:
        """Corners (..., cells, 4) in pixels of raw cells."""
        centre = self.corners + cells[..., :2] * self.strides
        half = cells[..., 2:4].clamp(max=_LOG_SIDE_MAX).exp() * self.strides / 2
        return torch.cat([centre - half, centre + half], dim=-1)


def detection_loss(cells: torch.Tensor, targets: Sequence[dict[str, torch.Tensor]], places: Places) -> torch.Tensor:
    """The loss of a batch, a scalar.

    Args:
        cells: raw outputs (N, cells, 5 + classes).
        targets: a dict a picture, "boxes" (n, 4) corners and "labels" (n,).
    """
    answering = 0
    box_loss, class_loss = cells.new_zeros(()), cells.new_zeros(())
    object_wanted = torch.zeros_like(cells[..., 4])
    for number, (raw, target) in enumerate(zip(cells, targets, strict=True)):
        if not len(target["boxes"]):
            continue
        chosen, objects, overlap = assign(raw.detach(), target, places)
        if not len(chosen):
            continue
        answering += len(chosen)
        object_wanted[number, chosen] = 1.0
        found = places.boxes(raw)[chosen]
        box_loss = box_loss + (1.0 - paired_overlaps(found, target["boxes"][objects]).square()).sum()
        wanted = torch.zeros_like(raw[chosen, 5:])
        wanted[torch.arange(len(chosen)), target["labels"][objects]] = overlap
        class_loss = class_loss + functional.binary_cross_entropy_with_logits(raw[chosen, 5:], wanted, reduction="sum")
    object_loss = functional.binary_cross_entropy_with_logits(cells[..., 4], object_wanted, reduction="sum")
    return (BOX_WEIGHT * box_loss + object_loss + class_loss) / max(1, answering)


@torch.no_grad()
def assign(
    raw: torch.Tensor, target: dict[str, torch.Tensor], places: Places
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Which cells answer for which objects of one picture.

    Args:
        raw: (cells, 5 + classes).
        target: "boxes" (n, 4) corners, n > 0, and "labels" (n,).

    Returns:
        Cells int64 (m,), each once; the object int64 (m,) of each; how much its present box overlaps it, (m,).
    """
    boxes, labels = target["boxes"], target["labels"]
    inside, near = _inside(boxes, places), _near(boxes, places)
    candidates = torch.nonzero((inside | near).any(dim=0)).squeeze(1)
    if not len(candidates):
        return candidates, candidates, raw.new_zeros(0)
    few = raw[candidates]
    overlap = all_overlaps(boxes, places.boxes(raw)[candidates])
    cost = _naming_cost(few, labels) - IOU_COST * (overlap + _TINY).log()
    cost = cost + OUTSIDE_COST * (~(inside & near)[:, candidates])
    counts = overlap.topk(min(OVERLAPS, len(candidates)), dim=1).values.sum(dim=1).int().clamp(min=1).tolist()
    taken = torch.zeros_like(cost, dtype=torch.bool)
    for number, count in enumerate(counts):
        taken[number, cost[number].topk(count, largest=False).indices] = True
    # A cell that several objects want answers for the one that it costs least.
    wanted_twice = taken.sum(dim=0) > 1
    cheapest = functional.one_hot(cost.argmin(dim=0), len(boxes)).T.bool()
    taken = torch.where(wanted_twice, cheapest, taken)
    objects, cells = torch.nonzero(taken, as_tuple=True)
    return candidates[cells], objects, overlap[objects, cells]


def _naming_cost(raw: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy (n, cells), over all classes, of a cell's class probabilities against each object's class."""
    chances = (raw[:, 5:].sigmoid() * raw[:, 4:5].sigmoid()).sqrt().clamp(_TINY, 1 - _TINY)
    yes, no = chances.log(), (-chances).log1p()
    return -(no.sum(dim=1)[None] + (yes - no).T[labels])


def _inside(boxes: torch.Tensor, places: Places) -> torch.Tensor:
    at = places.centres[None]
    return ((at > boxes[:, None, :2]) & (at < boxes[:, None, 2:])).all(dim=2)


def _near(boxes: torch.Tensor, places: Places) -> torch.Tensor:
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    return ((places.centres[None] - middle).abs() < RADIUS_STRIDES * places.strides[None]).all(dim=2)


def all_overlaps(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Intersection over union (n, m) of boxes (n, 4) and (m, 4), corners."""
    return _overlap(left[:, None], right[None])


def paired_overlaps(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Intersection over union (n,) of boxes (n, 4) and (n, 4), corners."""
    return _overlap(left, right)


def _overlap(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    sides = (torch.minimum(left[..., 2:], right[..., 2:]) - torch.maximum(left[..., :2], right[..., :2])).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    areas = [(boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]) for boxes in (left, right)]
    return shared / (areas[0] + areas[1] - shared + _TINY)
