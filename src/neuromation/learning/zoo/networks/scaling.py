"""Raw values to the range that a network was designed for; refuses to know the network."""

from __future__ import annotations

import torch
from torch import nn

Range = tuple[tuple[float, float, float], tuple[float, float, float]]  # mean and deviation, a channel each

# Of ImageNet's pictures with values 0..1: what torchvision's networks, and their published weights, expect.
IMAGENET: Range = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CENTRED: Range = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
# Of the first SSD: Caffe's mean colour, and no scale.
CAFFE: Range = ((0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255))


class Scaling(nn.Module):
    """(values / 255 - mean) / deviation, channel by channel, of pictures (N, 3, H, W)."""

    factor: torch.Tensor
    offset: torch.Tensor

    def __init__(self, mean_and_deviation: Range) -> None:
        super().__init__()
        means, deviations = mean_and_deviation
        factor = [1 / (255 * deviation) for deviation in deviations]
        offset = [-mean / deviation for mean, deviation in zip(means, deviations, strict=True)]
        # Not persistent: they are facts of the architecture, not weights.
        self.register_buffer("factor", torch.tensor(factor).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("offset", torch.tensor(offset).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures * self.factor + self.offset
