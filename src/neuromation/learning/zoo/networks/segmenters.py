"""Networks that name every pixel: torchvision's FCN and our own SegNet; refuses to know how they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from neuromation.learning.learner import Learner
from neuromation.learning.problem import IGNORED, Answer, Problem
from neuromation.learning.vision_ops import vision
from neuromation.learning.zoo.networks.scaling import IMAGENET, Scaling


class Segmenter(Learner):
    """Float32 (N, 3, H, W), values 0..255, in; logits (N, classes, H, W) out."""

    problem = Problem.SEGMENTATION

    def loss(self, inputs: torch.Tensor, targets: Sequence[Any]) -> torch.Tensor:
        wanted = torch.from_numpy(np.stack(targets).astype(np.int64)).to(inputs.device)
        per_pixel = functional.cross_entropy(self(inputs)[0], wanted, ignore_index=IGNORED, reduction="sum")
        # Divided here, so that a batch without a pixel that counts costs 0 and not 0 / 0.
        return per_pixel / (wanted != IGNORED).sum().clamp(min=1)

    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return list(outputs[0].argmax(axis=1).astype(np.uint8))


class Fcn(Segmenter):
    """A backbone with holes in its kernels and two convolutions, enlarged to the picture's size."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.scaling = Scaling(IMAGENET)
        self.net = net

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.net(self.scaling(inputs))["out"],)


def fcn(_config: Any, classes: int) -> Fcn:
    """FCN on ResNet-50, without its auxiliary head."""
    models = vision().models.segmentation
    return Fcn(models.fcn_resnet50(weights=None, weights_backbone=None, num_classes=classes, aux_loss=False))


class SegNet(Segmenter):
    """An encoder that remembers where its maxima were, and a decoder that puts values back there.

    Badrinarayanan et al., "SegNet" (2015): VGG-16's 13 convolutions and their mirror image, each with normalisation.
    """

    def __init__(self, *, base: int, classes: int) -> None:
        super().__init__()
        self.scaling = Scaling(IMAGENET)
        stages = [(2, base), (2, 2 * base), (3, 4 * base), (3, 8 * base), (3, 8 * base)]
        inward = [3, *(channels for _, channels in stages[:-1])]
        self.encoder = nn.ModuleList(
            _convolutions([first] + [channels] * count) for first, (count, channels) in zip(inward, stages, strict=True)
        )
        self.decoder = nn.ModuleList(
            _convolutions([channels] * count + [first])
            for first, (count, channels) in reversed(list(zip([base, *inward[1:]], stages, strict=True)))
        )
        self.head = nn.Conv2d(base, classes, 3, padding=1)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor]:
        x = self.scaling(inputs)
        remembered = []
        for stage in self.encoder:
            x = stage(x)
            size = x.shape
            x, places = functional.max_pool2d(x, 2, 2, return_indices=True)
            remembered.append((places, size))
        for stage, (places, size) in zip(self.decoder, reversed(remembered), strict=True):
            x = stage(_put_back(x, places, size))
        return (self.head(x),)


def _put_back(x: torch.Tensor, places: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """max_unpool2d as a scatter, which is deterministic here: no two windows share a place."""
    empty = x.new_zeros((size[0], size[1], size[2] * size[3]))
    return empty.scatter(2, places.flatten(2), x.flatten(2)).reshape(size)


def _convolutions(channels: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inward, outward in pairwise(channels):
        layers += [
            nn.Conv2d(inward, outward, 3, padding=1, bias=False),
            nn.BatchNorm2d(outward),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def segnet(config: Any, classes: int) -> SegNet:
    return SegNet(base=config.base, classes=classes)
