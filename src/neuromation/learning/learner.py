"""The one protocol of every network in the zoo, as a torch module; refuses to know data sets and optimisers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neuromation.learning.problem import Answer, Problem


class Learner(nn.Module):
    """A network that knows its loss and how its raw outputs become answers.

    `forward` takes what the network's `InputSpec` says and gives raw outputs, always a tuple: this is what is exported.
    `decode` is numpy only, so that outputs of torch, ONNX Runtime and other runtimes become answers in the same way.
    """

    problem: Problem
    outputs: tuple[str, ...] = ("logits",)
    """Names of the raw outputs, as exported files call them."""
    lists_objects: bool = False
    """Whether raw outputs list the objects found, best first: where scores tie, no two runtimes order them alike."""

    @abstractmethod
    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Raw outputs of a batch, each with the batch first."""

    @abstractmethod
    def loss(self, inputs: torch.Tensor, targets: Sequence[Any]) -> torch.Tensor:
        """The mean loss of a batch, a scalar; `targets` are `Target`s in pixels of the network's input."""

    @abstractmethod
    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        """One answer an input, in pixels of the network's input: probabilities, objects best first, or a mask."""
