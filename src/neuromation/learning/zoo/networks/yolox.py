"""YOLOX, a YOLO without anchors, written from its paper; owns layers and decoding, refuses to know its assignment.

Ge et al., "YOLOX: Exceeding YOLO series in 2021". Layers are named as in the authors' release (Apache-2.0), so that
weights published for it can be imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from neuromation.learning.learner import Learner
from neuromation.learning.problem import Answer, Problem
from neuromation.learning.zoo.networks.boxes import answer_of, sigmoid, targets_of
from neuromation.learning.zoo.networks.yolox_loss import Places, detection_loss, grid

STRIDES = (8, 16, 32)
SCORE_MIN = 0.02
OVERLAP_MAX = 0.65
FOUND_MAX = 200
CANDIDATES_MAX = 400
_LOG_SIDE_MAX = 6.0  # a side of e^6 = 400 cells


class Unit(nn.Module):
    """Convolution, normalisation, SiLU."""

    def __init__(self, inward: int, outward: int, size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inward, outward, size, stride, (size - 1) // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outward, eps=1e-3, momentum=0.03)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.silu(self.bn(self.conv(x)))


class Separable(nn.Module):
    """The same in two: each channel for itself, then across channels."""

    def __init__(self, inward: int, outward: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.dconv = Unit(inward, inward, size, stride, groups=inward)
        self.pconv = Unit(inward, outward, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.pconv(self.dconv(x))
        return y


def _unit(separable: bool, inward: int, outward: int, size: int, stride: int = 1) -> nn.Module:
    return Separable(inward, outward, size, stride) if separable else Unit(inward, outward, size, stride)


class Focus(nn.Module):
    """Every 2 x 2 pixels become channels of one cell, then a convolution."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.conv = Unit(4 * inward, outward, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        corners = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        y: torch.Tensor = self.conv(torch.cat(corners, dim=1))
        return y


class Bottleneck(nn.Module):
    def __init__(self, channels: int, *, shortcut: bool, separable: bool) -> None:
        super().__init__()
        self.conv1 = Unit(channels, channels, 1)
        self.conv2 = _unit(separable, channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv2(self.conv1(x))
        return x + y if self.shortcut else y


class Partial(nn.Module):
    """Half of the channels pass by `count` bottlenecks: Wang et al., "CSPNet" (2019)."""

    def __init__(self, inward: int, outward: int, count: int, *, shortcut: bool, separable: bool) -> None:
        super().__init__()
        half = outward // 2
        self.conv1 = Unit(inward, half, 1)
        self.conv2 = Unit(inward, half, 1)
        self.conv3 = Unit(2 * half, outward, 1)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut=shortcut, separable=separable) for _ in range(count)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv3(torch.cat([self.m(self.conv1(x)), self.conv2(x)], dim=1))
        return y


class Pyramid(nn.Module):
    """Maxima of three neighbourhoods beside the cell itself: He et al., "Spatial pyramid pooling" (2014)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Unit(channels, channels // 2, 1)
        self.conv2 = Unit(channels * 2, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        pooled = [functional.max_pool2d(x, size, 1, size // 2) for size in (5, 9, 13)]
        y: torch.Tensor = self.conv2(torch.cat([x, *pooled], dim=1))
        return y


class Darknet(nn.Module):
    """The backbone: maps at strides 8, 16 and 32 with 4, 8 and 16 times `base` channels."""

    def __init__(self, base: int, depth: int, *, separable: bool) -> None:
        super().__init__()
        self.stem = Focus(3, base)

        def stage(number: int, count: int, *, last: bool = False) -> nn.Sequential:
            inward, outward = base * 2**number, base * 2 ** (number + 1)
            halve = _unit(separable, inward, outward, 3, 2)
            body = Partial(outward, outward, count, shortcut=not last, separable=separable)
            return nn.Sequential(halve, Pyramid(outward), body) if last else nn.Sequential(halve, body)

        self.dark2 = stage(0, depth)
        self.dark3 = stage(1, 3 * depth)
        self.dark4 = stage(2, 3 * depth)
        self.dark5 = stage(3, depth, last=True)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        fine = self.dark3(self.dark2(self.stem(x)))
        middle = self.dark4(fine)
        return fine, middle, self.dark5(middle)


class PathAggregation(nn.Module):
    """The neck: what coarse maps know goes down to the fine ones, and back up: Liu et al., "PANet" (2018)."""

    def __init__(self, base: int, depth: int, *, separable: bool) -> None:
        super().__init__()
        fine, middle, coarse = 4 * base, 8 * base, 16 * base

        def mix(inward: int, outward: int) -> Partial:
            return Partial(inward, outward, depth, shortcut=False, separable=separable)

        self.backbone = Darknet(base, depth, separable=separable)
        self.lateral_conv0 = Unit(coarse, middle, 1)
        self.C3_p4 = mix(2 * middle, middle)
        self.reduce_conv1 = Unit(middle, fine, 1)
        self.C3_p3 = mix(2 * fine, fine)
        self.bu_conv2 = _unit(separable, fine, fine, 3, 2)
        self.C3_n3 = mix(2 * fine, middle)
        self.bu_conv1 = _unit(separable, middle, middle, 3, 2)
        self.C3_n4 = mix(2 * middle, coarse)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        fine, middle, coarse = self.backbone(x)
        down_middle = self.lateral_conv0(coarse)
        down_fine = self.reduce_conv1(self.C3_p4(torch.cat([_doubled(down_middle), middle], dim=1)))
        out_fine = self.C3_p3(torch.cat([_doubled(down_fine), fine], dim=1))
        out_middle = self.C3_n3(torch.cat([self.bu_conv2(out_fine), down_fine], dim=1))
        out_coarse = self.C3_n4(torch.cat([self.bu_conv1(out_middle), down_middle], dim=1))
        return out_fine, out_middle, out_coarse


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class Head(nn.Module):
    """Naming and placing apart: per cell 4 numbers of a box, whether there is an object, and a logit a class."""

    def __init__(self, base: int, classes: int, *, separable: bool) -> None:
        super().__init__()
        width = 4 * base
        self.stems = nn.ModuleList(Unit(channels * base, width, 1) for channels in (4, 8, 16))

        def branch() -> nn.ModuleList:
            return nn.ModuleList(
                nn.Sequential(_unit(separable, width, width, 3), _unit(separable, width, width, 3)) for _ in STRIDES
            )

        self.cls_convs, self.reg_convs = branch(), branch()
        self.cls_preds = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in STRIDES)
        self.reg_preds = nn.ModuleList(nn.Conv2d(width, 4, 1) for _ in STRIDES)
        self.obj_preds = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in STRIDES)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        outputs = []
        for level, features in enumerate(maps):
            x = self.stems[level](features)
            placing = self.reg_convs[level](x)
            parts = [
                self.reg_preds[level](placing),
                self.obj_preds[level](placing),
                self.cls_preds[level](self.cls_convs[level](x)),
            ]
            outputs.append(torch.cat(parts, dim=1).flatten(2))
        return torch.cat(outputs, dim=2).transpose(1, 2)


class YoloX(Learner):
    """Float32 (N, 3, height, width), values 0..255, in; raw cells (N, cells, 5 + classes) out.

    A cell holds the shift of the box's centre from the cell's corner and the logarithms of its sides, both in strides,
    then the logit of an object and those of the classes. Height and width are multiples of 32.
    """

    problem = Problem.DETECTION
    outputs = ("cells",)

    def __init__(self, *, height: int, width: int, base: int, depth: int, separable: bool, classes: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        self.backbone = PathAggregation(base, depth, separable=separable)
        self.head = Head(base, classes, separable=separable)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor]:
        # Blue first and not scaled, as the published weights were trained; normalisation follows the first convolution.
        return (self.head(self.backbone(inputs.flip(1))),)

    def loss(self, inputs: torch.Tensor, targets: Sequence[Any]) -> torch.Tensor:
        cells = self(inputs)[0]
        wanted = targets_of(targets, height=self.height, width=self.width, like=inputs)
        return detection_loss(cells, wanted, Places.of(self.height, self.width, STRIDES, like=cells))

    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return [self._answer(cells) for cells in outputs[0]]

    def _answer(self, cells: NDArray[np.float32]) -> Answer:
        corners, strides = grid(self.height, self.width, STRIDES)
        centre = corners + cells[:, :2] * strides
        half = np.exp(np.minimum(cells[:, 2:4], _LOG_SIDE_MAX)) * strides / 2
        return answer_of(
            np.concatenate([centre - half, centre + half], axis=1),
            sigmoid(cells[:, 4:5]) * sigmoid(cells[:, 5:]),
            height=self.height,
            width=self.width,
            score_min=SCORE_MIN,
            overlap_max=OVERLAP_MAX,
            candidates_max=CANDIDATES_MAX,
            found_max=FOUND_MAX,
        )


# Base channels and depth of the paper's sizes; the smallest has separable convolutions.
_SIZES = {"nano": (16, 1, True), "tiny": (24, 1, False), "s": (32, 1, False)}


def yolox(config: Any, classes: int) -> YoloX:
    """YOLOX in the size that `config.size` names."""
    base, depth, separable = _SIZES[config.size]
    return YoloX(height=config.height, width=config.width, base=base, depth=depth, separable=separable, classes=classes)
