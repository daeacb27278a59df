"""`heatmap-detector`: a small anchor-free detector that trains on a CPU; owns its layers, its loss and its answers.

Objects are points, after Zhou et al., "Objects as Points" (arXiv:1904.07850): a heat map says where the middles of objects
are, and every cell says which class and which box an object has whose middle lies there. Unlike in that paper the heat map
knows no classes, and classes compete: faces of dice, kinds of cells are told apart where something is, not everywhere.
Refuses to know data sets and optimisers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from neuromation.learning.learner import Learner
from neuromation.learning.problem import Answer, Boxes, Problem, Target
from neuromation.learning.suppression import suppress
from neuromation.learning.zoo.networks.heatmap_config import HeatmapDetectorConfig

Floats = NDArray[np.float32]

_PRIOR = -4.0  # logit of an object being at a cell, before anything is learned: there is one at about 2 % of them
_SIZE_CELLS = 4.0  # width and height, in cells, of a box whose raw size is 0
_SIZE_LOG_MAX = 4.0  # raw sizes are e^-4 .. e^4 of that
_SPREAD = 1 / 6  # standard deviation of an object's heat, in its shorter side
_SPREAD_MIN = 0.7  # the same, in cells
_CORE = 0.3  # cells nearer to the middle than this share of the sides answer for the object,
_REACH = 1.0  # and nearer than this many cells; the cell that holds the middle always does
_MIRRORED: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))  # axes of (N, channels, rows, columns)
_BLOCK = 256  # objects whose heat is drawn at once
_BOX_SHARE = 2.0  # of the box in the loss; heat and class count 1


class _Conv(nn.Sequential):
    """A 3x3 convolution, batch normalisation and a rectifier."""

    def __init__(self, inner: int, outer: int, *, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(inplace=True)
        )


class _Residual(nn.Module):
    """Two convolutions, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _Conv(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.second(self.first(x)))


class HeatmapDetector(Learner):
    """Halvings with residual blocks, one path back up to `stride`, and a head of three maps.

    Input float32 (N, 3, height, width), values 0..value_max. Outputs, with rows and columns the input's, divided by the
    stride and rounded up:

    - heat, (N, 1, rows, columns): logit of the middle of an object being there;
    - kinds, (N, classes, rows, columns): logits of its class, to be compared with each other;
    - places, (N, 4, rows, columns): the middle's offset from the cell's in cells, x and y, and the logarithm of width and
      height over four cells.
    """

    problem = Problem.DETECTION
    outputs = ("heat", "kinds", "places")

    def __init__(self, config: HeatmapDetectorConfig, classes: int) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        width = config.channels
        self.stem = _Conv(3, width, stride=2)
        self.stages, self.laterals = nn.ModuleList(), nn.ModuleList()
        inner, head = width, 4 * width
        for level in range(2, config.deepest.bit_length()):
            outer = width * (2 * level - 2)
            blocks = [_Residual(outer) for _ in range(config.depth)]
            self.stages.append(nn.Sequential(_Conv(inner, outer, stride=2), *blocks))
            if 2**level >= config.stride:
                self.laterals.append(nn.Conv2d(outer, head, 1))
            inner = outer
        self.neck = _Conv(head, head)
        self.head = nn.Conv2d(head, 1 + classes + 4, 1)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        mirrors = 1 if self.training else self.config.mirrors
        views = [self._maps(inputs.flip(axes) if axes else inputs, axes) for axes in _MIRRORED[:mirrors]]
        return views[0] if mirrors == 1 else tuple(torch.stack(maps).mean(dim=0) for maps in zip(*views, strict=True))

    def _maps(self, inputs: torch.Tensor, mirrored: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
        """The three maps of inputs that were mirrored along these axes, as they are for inputs that were not."""
        x = self.stem(inputs * (1.0 / self.config.value_max) - 0.5)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        levels = levels[-len(self.laterals) :]
        merged = self.laterals[-1](levels[-1])
        for lateral, level in zip(reversed(self.laterals[:-1]), reversed(levels[:-1]), strict=True):
            coarse = functional.interpolate(merged, scale_factor=2.0, mode="nearest")
            # A side that is no multiple of the coarser stride was rounded up.
            merged = lateral(level) + coarse[:, :, : level.shape[2], : level.shape[3]]
        maps = self.head(self.neck(functional.relu(merged)))
        heat, kinds, places = maps.split([1, self.classes, 4], dim=1)
        if mirrored:
            signs = torch.tensor([-1.0 if 3 in mirrored else 1.0, -1.0 if 2 in mirrored else 1.0, 1.0, 1.0])
            heat, kinds = heat.flip(mirrored), kinds.flip(mirrored)
            places = places.flip(mirrored) * signs.to(places.device)[:, None, None]
        return heat + _PRIOR, kinds, places

    def loss(self, inputs: torch.Tensor, targets: Sequence[Target]) -> torch.Tensor:
        """Penalty-reduced focal loss of the heat, cross entropy of classes, generalised IoU loss of boxes; a scalar."""
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        heat, kinds, places = (output.float() for output in self(inputs))
        rows, columns = heat.shape[2:]
        stride = self.config.stride
        wanted = [_wanted(target, rows, columns, stride) for target in targets if isinstance(target, Boxes)]
        assert len(wanted) == len(heat), "a detector is trained on boxes"
        device = heat.device
        truth = torch.from_numpy(np.stack([w.heat for w in wanted])).to(device)
        objects = max(1, sum(w.objects for w in wanted))
        total = _focal(heat[:, 0], truth) / objects
        number = torch.from_numpy(np.concatenate([np.full(len(w.row), n) for n, w in enumerate(wanted)])).to(device)
        if not len(number):
            alone: torch.Tensor = total + 0.0 * (kinds.sum() + places.sum())
            return alone
        row, column, label, box = (
            torch.from_numpy(np.concatenate([getattr(w, name) for w in wanted])).to(device)
            for name in ("row", "column", "label", "box")
        )
        found = _corners(places[number, :, row, column], row, column, stride)
        kind: torch.Tensor = functional.cross_entropy(kinds[number, :, row, column], label)
        return total + kind + _BOX_SHARE * _giou_loss(found, box).mean()

    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        """The objects of every input, best first, each with its best class only: classes do not share a place."""
        config = self.config
        answers: list[Answer] = []
        for heat, kinds, places in zip(*outputs, strict=True):
            peaks = peaks_of(
                heat, kinds, places, stride=config.stride, score_min=config.score_min, most=4 * config.answers_max
            )
            kept = suppress(peaks.corners, peaks.scores, overlap_max=config.overlap_max)[: config.answers_max]
            xywh = peaks.corners[kept]
            xywh[:, 2:] -= xywh[:, :2]
            answers.append(Boxes(xywh, peaks.labels[kept], peaks.scores[kept]))
        return answers


# -- what is wanted of one picture -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Wanted:
    """The heat (rows, columns) of a picture, and the cells that answer for an object with its label and its corners."""

    objects: int
    heat: Floats
    row: NDArray[np.int64]  # (cells,)
    column: NDArray[np.int64]
    label: NDArray[np.int64]
    box: Floats  # (cells, 4): left, top, right, bottom, pixels


def _wanted(target: Boxes, rows: int, columns: int, stride: int) -> _Wanted:
    size = np.maximum(target.xywh[:, 2:] / stride, 1e-3)
    middle = target.xywh[:, :2] / stride + size / 2  # in cells, from the corner of the picture
    seen = ((middle >= 0) & (middle < (columns, rows))).all(axis=1)
    size, middle, labels, boxes = size[seen], middle[seen], target.labels[seen], target.xywh[seen]
    heat = np.zeros((rows, columns), np.float32)
    nearest = np.full((rows, columns), np.inf, np.float32)  # how far the nearest object is, in its own sides
    owner = np.zeros((rows, columns), np.int64)
    home = middle.astype(np.int64)  # the cell that holds the middle
    for start in range(0, len(size), _BLOCK):
        part = slice(start, start + _BLOCK)
        x = np.arange(columns, dtype=np.float32) + 0.5 - middle[part, :1]  # (objects, columns)
        y = np.arange(rows, dtype=np.float32) + 0.5 - middle[part, 1:]
        spread = np.maximum(_SPREAD_MIN, _SPREAD * size[part].min(axis=1))[:, None]
        warm_x, warm_y = (np.exp(-(away**2) / (2 * spread**2)) for away in (x, y))
        heat = np.maximum(heat, (warm_y[:, :, None] * warm_x[:, None, :]).max(axis=0))
        far_x, far_y = (_far(away, size[part, k : k + 1]) for k, away in enumerate((x, y)))
        far = np.maximum(far_y[:, :, None], far_x[:, None, :])
        at_home = np.arange(len(far)), home[part, 1], home[part, 0]
        far[at_home] = np.minimum(far[at_home], _CORE)  # of tiny objects, too
        first = far.argmin(axis=0)
        least = np.take_along_axis(far, first[None], axis=0)[0]
        owner = np.where(least < nearest, first + start, owner)
        nearest = np.minimum(least, nearest)
    heat[home[:, 1], home[:, 0]] = 1.0
    row, column = np.nonzero(nearest <= _CORE)
    chosen = owner[row, column]
    box = np.concatenate([boxes[chosen, :2], boxes[chosen, :2] + boxes[chosen, 2:]], axis=1)
    return _Wanted(len(size), heat.astype(np.float32), row, column, labels[chosen], box.astype(np.float32))


def _far(away: NDArray[Any], size: NDArray[Any]) -> Floats:
    """How far cells are from a middle along one axis, in sides of the object; beyond any object where out of reach."""
    far: Floats = np.where(np.abs(away) <= _REACH + 0.5, np.abs(away) / size, np.inf).astype(np.float32)
    return far


def _focal(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The sum of the focal loss of CornerNet (arXiv:1808.01244, equation 1), alpha 2 and beta 4, in logits for safety."""
    share = torch.sigmoid(logits)
    hit = -((1 - share) ** 2) * functional.logsigmoid(logits)
    miss = -((1 - truth) ** 4) * share**2 * functional.logsigmoid(-logits)
    return torch.where(truth >= 1.0, hit, miss).sum()


def _corners(places: torch.Tensor, row: torch.Tensor, column: torch.Tensor, stride: int) -> torch.Tensor:
    """Left, top, right, bottom in pixels, (cells, 4), of raw places (cells, 4)."""
    middle = torch.stack([column, row], dim=1) + 0.5 + places[:, :2]
    half = 0.5 * _SIZE_CELLS * torch.exp(places[:, 2:].clamp(-_SIZE_LOG_MAX, _SIZE_LOG_MAX))
    return torch.cat([middle - half, middle + half], dim=1) * stride


def _giou_loss(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """1 - generalised IoU (Rezatofighi et al., arXiv:1902.09630) of pairs of boxes given by corners, (cells,)."""
    inner = (torch.minimum(found[:, 2:], truth[:, 2:]) - torch.maximum(found[:, :2], truth[:, :2])).clamp(min=0)
    outer = torch.maximum(found[:, 2:], truth[:, 2:]) - torch.minimum(found[:, :2], truth[:, :2])
    both, hull = inner.prod(dim=1), outer.prod(dim=1).clamp(min=1e-6)
    either = ((found[:, 2:] - found[:, :2]).prod(dim=1) + (truth[:, 2:] - truth[:, :2]).prod(dim=1) - both).clamp(
        min=1e-6
    )
    return 1 - both / either + (hull - either) / hull


# -- what was found in one picture -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Peaks:
    """Candidates, best first: corners float32 (n, 4) in pixels, labels int64 (n,), scores float32 (n,)."""

    corners: Floats
    labels: NDArray[np.int64]
    scores: Floats


def peaks_of(heat: Floats, kinds: Floats, places: Floats, *, stride: int, score_min: float, most: int) -> Peaks:
    """The cells whose heat is the largest of their 3 x 3 neighbourhood, as candidates, best first.

    Args:
        heat, kinds, places: the raw outputs for one input: (1, rows, columns), (classes, ...), (4, ...).
        stride: pixels a cell.
        score_min: the least score, which is the probability of an object times that of its class.
        most: how many candidates at most.
    """
    warm = heat[0].astype(np.float64)
    rows, columns = warm.shape
    padded = np.pad(warm, 1, constant_values=-np.inf)
    around = np.max([padded[r : r + rows, c : c + columns] for r in range(3) for c in range(3)], axis=0)
    row, column = np.nonzero(warm >= around)
    logits = kinds[:, row, column].astype(np.float64)
    likely = np.exp(logits - logits.max(axis=0, keepdims=True))
    likely /= likely.sum(axis=0, keepdims=True)
    scores = likely.max(axis=0) / (1 + np.exp(-np.clip(warm[row, column], -60, 60)))
    chosen = np.argsort(-scores, kind="stable")[:most]
    chosen = chosen[scores[chosen] >= score_min]
    row, column = row[chosen], column[chosen]
    raw = places[:, row, column].astype(np.float64)
    middle = np.stack([column, row]) + 0.5 + raw[:2]
    half = 0.5 * _SIZE_CELLS * np.exp(np.clip(raw[2:], -_SIZE_LOG_MAX, _SIZE_LOG_MAX))
    limits = np.array([[columns], [rows]], np.float64)
    corners = np.concatenate([np.clip(middle - half, 0, limits), np.clip(middle + half, 0, limits)]).T * stride
    return Peaks(
        corners.astype(np.float32), likely[:, chosen].argmax(axis=0).astype(np.int64), scores[chosen].astype(np.float32)
    )
