"""The adapter of torch: weights in and out of modules, the inner loop, predictions; refuses to know batches' origin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from neuromation.learning.errors import TrainingDiverged
from neuromation.learning.weights import VALUE_MAX, Array, Weights, check_weights
from neuromation.learning.zoo import check_classes, get_model

LABEL_SMOOTHING = 0.1
WEIGHT_DECAY = 0.02
BETAS = (0.9, 0.99)
LOSS_MAX = 1e4  # guessing costs log(classes), below 7; nothing comes back from this far
_PREDICT_BATCH = 512

Batch = tuple[Array, NDArray[np.int64], float]  # pictures (B, H, W), labels (B,), learning rate of this step


@contextmanager
def canonical_runtime() -> Iterator[None]:
    """One thread and deterministic kernels inside the block; what was set before comes back after it.

    This makes results equal bit by bit on one kind of processor. Across kinds, set `CANONICAL_ENVIRONMENT` of
    `training.py` before torch is loaded, and compare with a tolerance.
    """
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)


def shapes_of(model: str, config: Mapping[str, object], classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the model's tensors; no memory is spent on their values."""
    spec = get_model(model)
    with torch.device("meta"):
        module = spec.build(spec.check_config(config), len(check_classes(classes)))
    return {name: tuple(tensor.shape) for name, tensor in _state(module).items()}


def _state(module: nn.Module) -> dict[str, torch.Tensor]:
    """A module's weights and running statistics; integer buffers, which only count, are none."""
    return {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}


def module_of(
    weights: Mapping[str, Array], model: str, config: Mapping[str, object], classes: Sequence[str]
) -> nn.Module:
    """The torch module of a model, holding copies of these weights. Raises BadWeights for another network's."""
    spec = get_model(model)
    module = spec.build(spec.check_config(config), len(check_classes(classes)))
    load_weights(module, weights)
    return module


def load_weights(module: nn.Module, weights: Mapping[str, Array]) -> None:
    """Put copies of these weights into a module. Raises BadWeights for another network's."""
    check_weights(weights, {name: tensor.numpy() for name, tensor in _state(module).items()})
    # Not strict, because of the counters; every other name was just compared.
    module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()}, strict=False)


def weights_of(module: nn.Module) -> Weights:
    """Copies of a module's tensors as float32 arrays, by name."""
    return {name: tensor.detach().numpy().copy() for name, tensor in sorted(_state(module).items())}


def run_steps(module: nn.Module, batches: Iterable[Batch]) -> list[float]:
    """Train `module` in place, one step a batch, and return the loss of each step.

    AdamW (Loshchilov and Hutter 2019) with label smoothing. The optimiser starts empty: its state is no part of the
    weights, so that whoever has the weights at the start can repeat these steps.

    Raises:
        TrainingDiverged: a loss is not a number or over LOSS_MAX, or a value of the result is over VALUE_MAX.
    """
    optimiser = torch.optim.AdamW(module.parameters(), lr=1.0, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True)
    losses: list[float] = []
    module.train()
    with canonical_runtime(), torch.enable_grad():
        for images, labels, lr in batches:
            optimiser.param_groups[0]["lr"] = lr
            optimiser.zero_grad()
            answers = module(torch.from_numpy(images).unsqueeze(1))[0]
            loss = functional.cross_entropy(answers, torch.from_numpy(labels), label_smoothing=LABEL_SMOOTHING)
            losses.append(float(loss.item()))
            if not losses[-1] <= LOSS_MAX:  # also when it is not a number
                raise _diverged(len(losses))
            torch.autograd.backward(loss)
            optimiser.step()
    if not all(bool((tensor.abs() <= VALUE_MAX).all()) for tensor in _state(module).values()):
        raise _diverged(len(losses))
    return losses


def _diverged(step: int) -> TrainingDiverged:
    return TrainingDiverged(f"the training diverged at step {step} of a segment; lower the learning rate", step=step)


def logits(module: nn.Module, images: NDArray[Any]) -> Array:
    """The module's raw answers, float32 (N, classes), on raw pictures (N, H, W)."""
    parts = []
    module.eval()
    with canonical_runtime(), torch.inference_mode():
        for first in range(0, len(images), _PREDICT_BATCH):
            batch = torch.from_numpy(np.asarray(images[first : first + _PREDICT_BATCH], np.float32)).unsqueeze(1)
            parts.append(module(batch)[0].numpy())
    return np.concatenate(parts)
