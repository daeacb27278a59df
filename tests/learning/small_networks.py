"""Networks and samples of every kind that are small enough to be trained in a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import nn
from torch.nn import functional

from neuromation.kernel.rng import unit_rng
from neuromation.learning.batches import class_shares
from neuromation.learning.learner import Learner
from neuromation.learning.problem import Answer, Boxes, InputSpec, Problem, Samples

SIDE = 16


class NoKnobs(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SmallClassifier(Learner):
    """Batch normalisation and dropout: what makes a training hard to repeat."""

    problem = Problem.CLASSIFICATION

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU()
        )
        self.head = nn.Linear(8 * (SIDE // 4) ** 2, classes)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.head(self.body(inputs / 255.0).flatten(1)),)

    def loss(self, inputs: torch.Tensor, targets: Sequence[Any]) -> torch.Tensor:
        return functional.cross_entropy(self(inputs)[0], torch.from_numpy(class_shares(targets, self.classes)))

    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return [np.exp(row) / np.exp(row).sum() for row in outputs[0]]


class SmallDetector(Learner):
    """Answers with one box a picture: its middle, nothing else."""

    problem = Problem.DETECTION

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(6 * (SIDE // 2) ** 2, 2))

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.body(inputs / 255.0),)

    def loss(self, inputs: torch.Tensor, targets: Sequence[Any]) -> torch.Tensor:
        middles = [
            (b.xywh[0, :2] + b.xywh[0, 2:] / 2) / SIDE if len(b) else np.full(2, 0.5, np.float32) for b in targets
        ]
        return functional.mse_loss(self(inputs)[0], torch.from_numpy(np.stack(middles)))

    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return [Boxes(np.array([[*(row * SIDE - 2), 4, 4]], np.float32), np.zeros(1, np.int64)) for row in outputs[0]]


class SmallListener(Learner):
    """A sound's class."""

    problem = Problem.AUDIO_CLASSIFICATION

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.body = nn.Sequential(
            nn.Conv1d(1, 8, 16, 8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, classes)
        )

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.body(inputs[:, None]),)

    def loss(self, inputs: torch.Tensor, targets: Sequence[Any]) -> torch.Tensor:
        return functional.cross_entropy(self(inputs)[0], torch.from_numpy(class_shares(targets, self.classes)))

    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return list(outputs[0])


@dataclass(frozen=True)
class SmallNetwork:
    """What `trainer.Network` asks for."""

    name: str
    problem: Problem
    build: Callable[[Any, int], Learner]
    input_of: Callable[[Any], InputSpec]

    def check_config(self, config: Any, /) -> NoKnobs:
        return NoKnobs.model_validate(dict(config))


PICTURES = InputSpec(height=SIDE, width=SIDE)
SOUNDS = InputSpec(samples=400, rate_hz=4_000)
CLASSIFIER = SmallNetwork("small", Problem.CLASSIFICATION, lambda _, n: SmallClassifier(n), lambda _: PICTURES)
DETECTOR = SmallNetwork("small-detector", Problem.DETECTION, lambda _, n: SmallDetector(n), lambda _: PICTURES)
LISTENER = SmallNetwork("small-listener", Problem.AUDIO_CLASSIFICATION, lambda _, n: SmallListener(n), lambda _: SOUNDS)


def some_pictures(count: int, *, seed: int = 1, sides: tuple[int, int] = (20, 24)) -> Samples:
    """Red and blue squares on noise, in pictures of two sizes."""
    rng = unit_rng(seed, 0)
    labels = [int(n) for n in rng.integers(0, 2, count)]
    inputs = []
    for number, label in enumerate(labels):
        side = sides[number % 2]
        picture = rng.integers(0, 80, (side, side + 4, 3)).astype(np.uint8)
        picture[4:14, 4:14, 2 * label] = 230
        inputs.append(picture)
    return Samples(Problem.CLASSIFICATION, inputs, labels, ("red", "blue"))


def some_objects(count: int, *, seed: int = 1, side: int = 24) -> Samples:
    """One bright square of 6 pixels in each picture, at a random place."""
    rng = unit_rng(seed, 1)
    inputs, targets = [], []
    for _ in range(count):
        picture = rng.integers(0, 60, (side, side, 3)).astype(np.uint8)
        x, y = (int(n) for n in rng.integers(2, side - 8, 2))
        picture[y : y + 6, x : x + 6] = 240
        inputs.append(picture)
        targets.append(Boxes(np.array([[x, y, 6, 6]], np.float32), np.zeros(1, np.int64)))
    return Samples(Problem.DETECTION, inputs, targets, ("square", "circle"))


def some_sounds(count: int, *, seed: int = 1, rate_hz: int = 4_000) -> Samples:
    """Low and high tones of about a tenth of a second."""
    rng = unit_rng(seed, 2)
    labels = [int(n) for n in rng.integers(0, 2, count)]
    inputs = []
    for label in labels:
        time_s = np.arange(int(rng.integers(rate_hz // 15, rate_hz // 8))) / rate_hz
        tone = np.sin(2 * np.pi * (200 if label == 0 else 900) * time_s + rng.uniform(0, 6))
        inputs.append((12_000 * tone).astype(np.int16))
    return Samples(Problem.AUDIO_CLASSIFICATION, inputs, labels, ("low", "high"), rate_hz=rate_hz)
