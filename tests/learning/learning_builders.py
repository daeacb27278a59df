"""Builders for learning: small symbols, and random weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.learning.problem import Problem, Samples
from neuromation.learning.weights import Weights

MODEL = "digits-cnn"
CLASSES = ("bar", "post", "corner")


def some_symbols(count: int, *, seed: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """8x8 pictures of three symbols at random places under noise, and their classes."""
    rng = unit_rng(seed, 0)
    labels = rng.integers(0, 3, count)
    images = rng.integers(0, 5, (count, 8, 8))
    for i, (label, row, column) in enumerate(
        zip(labels, rng.integers(1, 7, count), rng.integers(1, 7, count), strict=True)
    ):
        if label in (0, 2):
            images[i, row, 1:7] += 10
        if label in (1, 2):
            images[i, 1:7, column] += 10
    return np.minimum(images, 16).astype(np.uint8), labels.astype(np.int64)


def symbol_samples(count: int, *, seed: int = 1) -> Samples:
    """The same, as samples."""
    images, labels = some_symbols(count, seed=seed)
    return Samples(Problem.CLASSIFICATION, images, labels.tolist(), CLASSES)


def some_weights(*, seed: int = 0, tensors: dict[str, tuple[int, ...]] | None = None) -> Weights:
    """Random weights of a tiny network that does not exist."""
    shapes = tensors or {"a.weight": (6, 5), "a.bias": (6,), "b.weight": (3, 6)}
    rng = unit_rng(seed, 0)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
