"""WaveNet as a classifier of sounds; owns its layers, refuses to know words and speakers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from neuromation.learning.classifier import Classifier
from neuromation.learning.problem import Problem


class WaveNet(Classifier):
    """Float32 (N, samples), -1..1, in; logits (N, classes) out.

    van den Oord et al., "WaveNet: A generative model for raw audio" (2016): causal convolutions with holes that double,
    gates, residual and skip connections. Section 3.4 turns it into a recogniser: the features are averaged over frames
    and two convolutions that are not causal read them. `stride` samples become one step of the first layer, which the
    paper leaves at 1.
    """

    problem = Problem.AUDIO_CLASSIFICATION

    def __init__(self, *, channels: int, layers: int, stacks: int, stride: int, frame: int, classes: int) -> None:
        super().__init__()
        self.stride, self.frame = stride, frame
        self.stem = nn.Conv1d(1, channels, 2 * stride, stride)
        self.layers = nn.ModuleList(Gated(channels, 2**depth) for _ in range(stacks) for depth in range(layers))
        self.mix = nn.Conv1d(channels, 2 * channels, 3, padding=1)
        self.last = nn.Conv1d(2 * channels, 2 * channels, 3, padding=1)
        self.head = nn.Linear(2 * channels, classes)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor]:
        # Each step hears its own samples and those before it, none after.
        x = self.stem(functional.pad(inputs.unsqueeze(1), (self.stride, 0)))
        heard = torch.zeros_like(x)
        for layer in self.layers:
            x, skip = layer(x)
            heard = heard + skip
        frames = functional.avg_pool1d(functional.relu(heard), self.frame, self.frame, ceil_mode=False)
        frames = functional.relu(self.last(functional.relu(self.mix(frames))))
        return (self.head(frames.mean(dim=2)),)


class Gated(nn.Module):
    """One layer: what passes, how much of it, and what it adds to the next layer and to the answer."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.gates = nn.Conv1d(channels, 2 * channels, 2, dilation=dilation)
        self.out = nn.Conv1d(channels, 2 * channels, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value, gate = self.gates(functional.pad(x, (self.dilation, 0))).chunk(2, dim=1)
        residual, skip = self.out(torch.tanh(value) * torch.sigmoid(gate)).chunk(2, dim=1)
        return x + residual, skip


def wavenet(config: Any, classes: int) -> WaveNet:
    return WaveNet(
        channels=config.channels,
        layers=config.layers,
        stacks=config.stacks,
        stride=config.stride,
        frame=config.frame,
        classes=classes,
    )
