"""One trial of the adaptation loop, its pure part: samples in, the weights of a small training out."""

from __future__ import annotations

from collections.abc import Mapping

from neuromation.learning.augmentation import Augment
from neuromation.learning.problem import Samples
from neuromation.learning.training import train_segments
from neuromation.learning.weights import Weights
from neuromation.learning.zoo import initial_weights

LR_END_SHARE = 0.02  # of the first learning rate is left at the last step


def run_trial(
    model: str,
    config: Mapping[str, object],
    samples: Samples,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    augment: Augment | None = None,
) -> Weights:
    """Train a network from scratch in one segment, the learning rate falling to nearly nothing.

    The same arguments give the same weights; `seed` decides initial weights, order and augmentation. Raises what
    `train_segments` raises.
    """
    start = initial_weights(model, config, samples.classes, seed)
    return train_segments(
        model,
        config,
        samples,
        start,
        steps=steps,
        segments=1,
        batch_size=batch_size,
        lr=lr,
        lr_end=lr * LR_END_SHARE,
        seed=seed,
        augment=augment,
    ).weights
