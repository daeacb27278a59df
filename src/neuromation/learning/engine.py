"""The adapter of torch: weights in and out of modules, the inner loop, predictions; refuses to know batches' origin."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neuromation.kernel.rng import unit_rng
from neuromation.learning.batches import batch
from neuromation.learning.errors import OutOfMemory, TrainingDiverged
from neuromation.learning.learner import Learner
from neuromation.learning.problem import InputSpec, Samples
from neuromation.learning.weights import VALUE_MAX, Array, Weights, check_weights
from neuromation.learning.zoo import check_classes, get_model

if TYPE_CHECKING:
    from neuromation.learning.sharing import Share

WEIGHT_DECAY = 0.02
CLIP_NORM = 10.0  # of all gradients together; healthy steps are well below
BETAS = (0.9, 0.99)
LOSS_MAX = 1e4  # guessing costs log(classes), below 7; nothing comes back from this far
_PREDICT_BATCH = 512
_LOSS_VALUES = 4_000_000  # input values of one batch without gradients

# Inputs (B, ...) and targets as `batches.batch` gives them, the learning rate of this step, and the seed of its dropout.
Batch = tuple[Array, Sequence[Any], float, int]


@contextmanager
def canonical_runtime(threads: int = 1) -> Iterator[None]:
    """One thread and deterministic kernels inside the block; what was set before comes back after it.

    This makes results equal bit by bit on one kind of processor. Across kinds, set `CANONICAL_ENVIRONMENT` of
    `training.py` before torch is loaded, and compare with a tolerance.
    """
    before, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads)
    # A few kernels say that they are not deterministic and are, with one thread of a processor: max_unpool2d.
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)
        torch.set_num_threads(before)


@contextmanager
def memory_told(batch_size: int) -> Iterator[None]:
    """Turn torch's and Python's ways to say that memory is short into one. Raises OutOfMemory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = str(error).lower()
        short = ("out of memory", "can't allocate memory", "not enough memory")
        if not isinstance(error, MemoryError) and not any(words in told for words in short):
            raise
        raise OutOfMemory(
            f"there is not enough memory for a batch of {batch_size} samples; lower batch_size "
            f"({max(1, batch_size // 2)}, say), or the size of the network's input",
            batch_size=batch_size,
        ) from error


def shapes_of(model: str, config: Mapping[str, object], classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the model's tensors; no memory is spent on their values."""
    spec = get_model(model)
    with torch.device("meta"):
        module = spec.build(spec.check_config(config), len(check_classes(classes)))
    return {name: tuple(tensor.shape) for name, tensor in _state(module).items()}


def constants_of(model: str, config: Mapping[str, object], classes: Sequence[str]) -> set[str]:
    """Names of the tensors that belong to the network's form and are no weights: an ONNX file holds them, too."""
    spec = get_model(model)
    with torch.device("meta"):
        module = spec.build(spec.check_config(config), len(check_classes(classes)))
    return {name for name, _ in module.named_buffers()} - set(module.state_dict())


def _state(module: nn.Module) -> dict[str, torch.Tensor]:
    """A module's weights and running statistics; integer buffers, which only count, are none."""
    return {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}


def module_of(
    weights: Mapping[str, Array], model: str, config: Mapping[str, object], classes: Sequence[str]
) -> Learner:
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


def run_steps(module: Learner, batches: Iterable[Batch], share: Share | None = None) -> list[float]:
    """Train `module` in place, one step a batch, and return the loss of each step.

    With a `share`, the processes of a cluster do so together; each is given all batches.

    AdamW (Loshchilov and Hutter 2019). The optimiser starts empty, and dropout is drawn by the batch's own seed: neither
    is part of the weights, so that whoever has the weights at the start can repeat these steps.

    Raises:
        TrainingDiverged: a loss is not a number or over LOSS_MAX, or a value of the result is over VALUE_MAX.
    """
    optimiser = torch.optim.AdamW(module.parameters(), lr=1.0, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True)
    losses: list[float] = []
    module.train()
    with canonical_runtime(), torch.random.fork_rng(devices=[]), torch.enable_grad():
        for inputs, targets, lr, seed in batches:
            taken = torch.from_numpy(inputs)
            if share is not None and not losses and not share.divides(module, taken, targets, seed=seed):
                share = None
            torch.manual_seed(seed)
            optimiser.param_groups[0]["lr"] = lr
            optimiser.zero_grad()
            losses.append(
                _backward(module, taken, targets) if share is None else share.backward(module, taken, targets)
            )
            if not losses[-1] <= LOSS_MAX:  # also when it is not a number
                raise _diverged(len(losses))
            torch.nn.utils.clip_grad_norm_(module.parameters(), CLIP_NORM)
            optimiser.step()
    if not all(bool((tensor.abs() <= VALUE_MAX).all()) for tensor in _state(module).values()):
        raise _diverged(len(losses))
    return losses


def _backward(module: Learner, inputs: torch.Tensor, targets: Sequence[Any]) -> float:
    loss = module.loss(inputs, targets)
    torch.autograd.backward(loss)
    return float(loss.detach())


def _diverged(step: int) -> TrainingDiverged:
    return TrainingDiverged(f"the training diverged at step {step} of a segment; lower the learning rate", step=step)


def loss_of(module: Learner, spec: InputSpec, samples: Samples) -> float:
    """The mean loss of a module in use, dropout and batch statistics at rest, on samples as they are."""
    total, size = 0.0, max(1, min(_PREDICT_BATCH, _LOSS_VALUES // math.prod(spec.shape)))
    module.eval()
    with canonical_runtime(), torch.inference_mode():
        for first in range(0, len(samples), size):
            places = range(first, min(first + size, len(samples)))
            inputs, targets = batch(samples, places, spec, rng=unit_rng(0, 0, "nothing is drawn"))
            total += float(module.loss(torch.from_numpy(inputs), targets).item()) * len(places)
    return total / len(samples)


def logits(module: nn.Module, images: NDArray[Any]) -> Array:
    """The module's raw answers, float32 (N, classes), on raw pictures (N, H, W)."""
    parts = []
    module.eval()
    with canonical_runtime(), torch.inference_mode():
        for first in range(0, len(images), _PREDICT_BATCH):
            some = torch.from_numpy(np.asarray(images[first : first + _PREDICT_BATCH], np.float32)).unsqueeze(1)
            parts.append(module(some)[0].numpy())
    return np.concatenate(parts)
