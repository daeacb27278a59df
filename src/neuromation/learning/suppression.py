"""Non-maximum suppression on plain arrays; owns which of many boxes stay, refuses to know the networks they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1_024  # boxes compared with all others at a time: 1,024 x 10,000 overlaps are 40 MB


def overlaps(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Intersection over union of every pair.

    Args:
        left: float (n, 4) corners (x1, y1, x2, y2); right: float (m, 4).

    Returns:
        Float (n, m) in 0..1, of the inputs' type; 0 where both boxes have no area.
    """
    # Coordinate by coordinate: products over a short last axis are several times slower.
    across = np.minimum(left[:, None, 2], right[:, 2]) - np.maximum(left[:, None, 0], right[:, 0])
    down = np.minimum(left[:, None, 3], right[:, 3]) - np.maximum(left[:, None, 1], right[:, 1])
    shared = np.clip(across, 0, None) * np.clip(down, 0, None)
    union = _areas(left)[:, None] + _areas(right) - shared
    share: NDArray[Any] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return share


def _areas(boxes: NDArray[Any]) -> NDArray[Any]:
    areas: NDArray[Any] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def suppress(boxes: NDArray[Any], scores: NDArray[Any], *, overlap_max: float) -> NDArray[np.int64]:
    """Which boxes stay when, best first, each removes those that overlap it too much.

    Args:
        boxes: float (n, 4) corners (x1, y1, x2, y2).
        scores: float (n,); equal scores keep their order.
        overlap_max: two boxes with a larger intersection over union are one.

    Returns:
        int64 (kept,): indices into `boxes`, best first.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    removed = np.zeros(len(boxes), bool)
    for first in range(0, len(boxes), _BLOCK):
        # Only boxes that are still there can remove others, and only those after them.
        alive = first + np.flatnonzero(~removed[first : first + _BLOCK])
        rest = first + np.flatnonzero(~removed[first:])
        near = overlaps(boxes[alive], boxes[rest]) > overlap_max
        gone = np.zeros(len(rest), bool)
        for row in range(len(alive)):  # the first of `rest` are `alive`, in the same order
            if not gone[row]:
                gone[row + 1 :] |= near[row, row + 1 :]
        removed[rest[gone]] = True
    kept: NDArray[np.int64] = order[~removed].astype(np.int64)
    return kept


def suppress_by_class(
    boxes: NDArray[Any], scores: NDArray[Any], labels: NDArray[np.int64], *, overlap_max: float
) -> NDArray[np.int64]:
    """The same with boxes of different classes apart: int64 (kept,), best first whatever the class."""
    kept = [np.zeros(0, np.int64)]
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        kept.append(own[suppress(boxes[own], scores[own], overlap_max=overlap_max)])
    together = np.concatenate(kept)
    return together[np.argsort(-scores[together], kind="stable")]
