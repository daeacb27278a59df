"""What every network that names one class shares: its loss and its answer; refuses to know layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from neuromation.learning.batches import class_shares
from neuromation.learning.learner import Learner
from neuromation.learning.problem import Answer, Problem

LABEL_SMOOTHING = 0.1


class Classifier(Learner):
    """A network whose only raw output are logits (N, classes)."""

    problem = Problem.CLASSIFICATION

    def loss(self, inputs: torch.Tensor, targets: Sequence[Any]) -> torch.Tensor:
        logits = self(inputs)[0]
        wanted = torch.from_numpy(class_shares(targets, logits.shape[1]))
        return functional.cross_entropy(logits, wanted.to(logits.device), label_smoothing=LABEL_SMOOTHING)

    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return list(softmax(outputs[0]))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities along axis 1, of the same shape."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return chances
