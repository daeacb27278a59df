"""Weights before training, the same on every machine; owns how each kind of tensor begins, refuses to know networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from neuromation.kernel.rng import unit_rng
from neuromation.learning.weights import Array, Weights
from neuromation.learning.zoo.registry import get_model

_PIECE = 1 << 20


def initial_weights(model: str, config: Mapping[str, object], classes: Sequence[str], seed: int) -> Weights:
    """Weights before training: the same on every machine for the same seed.

    Matrices and kernels are drawn by He et al., "Delving deep into rectifiers" (2015): normal with variance 2 / fan-in;
    biases and running means are 0, other vectors (scales and variances of normalisation) 1; a network's own `initial`
    goes before. The draws come from Philox keyed by (seed, index of the tensor), not from torch.
    """
    from neuromation.learning.engine import shapes_of

    rules = get_model(model).initial
    shapes = shapes_of(model, config, classes)
    return {name: _draw(name, shapes[name], rules, seed, unit) for unit, name in enumerate(sorted(shapes))}


def _draw(name: str, shape: tuple[int, ...], rules: Mapping[str, float], seed: int, unit: int) -> Array:
    rule = rules.get(max((end for end in rules if name.endswith(end)), key=len, default=""))
    if len(shape) < 2:
        usual = 0.0 if name.endswith(("bias", "running_mean")) else 1.0
        return np.full(shape, usual if rule is None else rule, np.float32)
    deviation = math.sqrt(2.0 / math.prod(shape[1:])) if rule is None else rule
    rng = unit_rng(seed, unit, "initial-weights")
    values = np.empty(math.prod(shape), np.float32)
    # In pieces, which draw the same as one call and keep a layer of 100 million values from being doubled in float64.
    for first in range(0, len(values), _PIECE):
        piece = values[first : first + _PIECE]
        piece[:] = rng.standard_normal(len(piece)) * deviation
    return values.reshape(shape)
