"""One network trained on the symbols, shared by the tests of a process."""

from __future__ import annotations

from typing import Any

import pytest
from learning_builders import CLASSES, MODEL, symbol_samples

from neuromation.learning.training import Trained, train_segments
from neuromation.learning.weights import Weights
from neuromation.learning.zoo import initial_weights


@pytest.fixture(scope="session")
def run_arguments() -> dict[str, Any]:
    """A run that learns the symbols in some seconds, in three segments of unequal length."""
    return {
        "samples": symbol_samples(600),
        "steps": 100,
        "segments": 3,
        "batch_size": 32,
        "lr": 3e-3,
        "lr_end": 3e-4,
        "seed": 5,
    }


@pytest.fixture(scope="session")
def start_weights() -> Weights:
    return initial_weights(MODEL, {}, CLASSES, 3)


@pytest.fixture(scope="session")
def trained(start_weights: Weights, run_arguments: dict[str, Any]) -> Trained:
    return train_segments(MODEL, {}, start=start_weights, **run_arguments)
