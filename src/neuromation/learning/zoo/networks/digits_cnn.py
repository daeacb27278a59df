"""The networks themselves, as torch modules; owns the layers, refuses to know how they are trained."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from neuromation.learning.classifier import Classifier


class DigitsCnn(Classifier):
    """Three 3x3 convolutions, two halvings, one hidden layer; raw values in, logits out.

    Input float32 (N, 1, height, width) with values 0..value_max, output float32 (N, classes) as a tuple of one.
    Pictures whose short side has 16 pixels or more are first averaged down, so that the hidden layer sees 2 or 3 cells
    along it.
    """

    def __init__(self, *, height: int, width: int, value_max: float, channels: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.scale = 1.0 / value_max
        self.stride = max(1, min(height, width) // 8)
        rows, columns = (height // self.stride) // 4, (width // self.stride) // 4
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)
        self.hidden = nn.Linear(4 * channels * rows * columns, hidden)
        self.head = nn.Linear(hidden, classes)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor]:
        x = inputs * self.scale
        if self.stride > 1:
            x = functional.avg_pool2d(x, self.stride)
        x = functional.relu(self.conv1(x))
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv3(x)), 2)
        x = functional.relu(self.hidden(x.flatten(1)))
        return (self.head(x),)
