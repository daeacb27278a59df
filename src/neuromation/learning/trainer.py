"""Training on one machine, of any network on any samples, to be cut and gone on with; refuses to know nodes and files.

The loop is plain torch (docs/adr/0012 says why). A step depends on (weights, optimiser, seed, step)
alone: order of samples, augmentation and dropout are drawn anew for each step. So a run that was killed anywhere and
goes on from its checkpoint ends, on one machine, in the same bits as one that was not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.hashing import hash_json
from neuromation.kernel.rng import SEED_MAX, unit_rng
from neuromation.learning import checkpoints as kept
from neuromation.learning.augmentation import Augment
from neuromation.learning.batches import SampleOrder, batch, check_compatible
from neuromation.learning.checkpoints import Checkpoints
from neuromation.learning.errors import BadRecipe, TrainingDiverged
from neuromation.learning.problem import InputSpec, Problem, Samples
from neuromation.learning.weights import VALUE_MAX, Array, Weights
from neuromation.learning.zoo import check_classes, get_model

if TYPE_CHECKING:
    import torch

    from neuromation.learning.learner import Learner

STEPS_MAX = 10_000_000
BATCH_MAX = 4_096
THREADS_MAX = 256
LOSS_MAX = 1e6  # nothing comes back from this far
TOLD_MAX = 200  # entries of a history
BETAS = (0.9, 0.99)

Tell = Callable[
    [int, float, float, float], None
]  # step, mean loss since the last call, learning rate, samples a second


class Network(Protocol):
    """What the trainer asks of an entry of the zoo; `zoo.ModelSpec` is one."""

    @property
    def name(self) -> str: ...
    @property
    def problem(self) -> Problem: ...
    def check_config(self, config: Mapping[str, object], /) -> Any: ...
    @property
    def input_of(self) -> Callable[[Any], InputSpec]: ...
    @property
    def build(self) -> Callable[[Any, int], Learner]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes:
        steps: optimiser steps in all.
        batch_size: samples a step; a set may be smaller.
        lr: the highest learning rate, after `warmup_steps` steps of a straight rise; it falls along a cosine to
            `lr_end_share` of itself at the last step.
        weight_decay: of AdamW (Loshchilov and Hutter 2019), on kernels and matrices only.
        clip_norm: longest gradient, all weights together; 0 clips nothing.
        average: decay of the running mean of the weights (EMA) that is returned instead of the last ones; 0 for none.
            Its start counts less, so that short runs are not drawn to their beginning.
        bf16: compute in bfloat16 where that is safe: up to twice as fast on processors that have it.
        seed: decides the network's start, the order of samples, augmentation and dropout.
        augment: what changes in the samples at random.

    Raises:
        BadRecipe: a value is out of its range.
    """

    steps: int
    batch_size: int = 32
    lr: float = 2e-3
    lr_end_share: float = 0.01
    warmup_steps: int = 0
    weight_decay: float = 0.02
    clip_norm: float = 0.0
    average: float = 0.0
    bf16: bool = False
    seed: int = 0
    augment: Augment = dataclasses.field(default_factory=Augment)

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most or (isinstance(least, int) and not isinstance(value, int)):
                raise BadRecipe(f"{name.replace('_', ' ')} must be {least:g}..{most:g}, not {value}", field=name)

    def lr_at(self, step: int) -> float:
        """The learning rate of a step, 0..steps-1."""
        rise = min(1.0, (step + 1) / (self.warmup_steps + 1))
        along = step / max(1, self.steps - 1)
        return self.lr * rise * (self.lr_end_share + (1 - self.lr_end_share) * 0.5 * (1 + math.cos(math.pi * along)))

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` reads it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        """Read a recipe; what is left out has its default. Raises BadRecipe for unknown names and wrong values."""
        known = {field.name for field in dataclasses.fields(cls)}
        knobs = {field.name for field in dataclasses.fields(Augment)}
        augment = data.get("augment") or {}
        strange = sorted(set(data) - known) + sorted(set(augment) - knobs)
        if strange or "steps" not in data:
            raise BadRecipe(f"a recipe has no {strange[0]!r:.60}" if strange else "a recipe needs its number of steps")
        zoom = {"zoom": tuple(augment["zoom"])} if "zoom" in augment else {}
        try:
            return cls(**{**data, "augment": Augment(**{**augment, **zoom})})
        except (TypeError, ValueError) as error:
            raise BadRecipe(f"a recipe's values are numbers: {str(error)[:120]}") from error


_RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, STEPS_MAX),
    "batch_size": (1, BATCH_MAX),
    "lr": (1e-9, 10.0),
    "lr_end_share": (0.0, 1.0),
    "warmup_steps": (0, STEPS_MAX),
    "weight_decay": (0.0, 10.0),
    "clip_norm": (0.0, 1e6),
    "average": (0.0, 0.999999),
    "seed": (0, SEED_MAX),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One entry of a history: the mean loss since the one before, and the speed meanwhile."""

    step: int
    loss: float
    lr: float
    samples_per_s: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The weights (float32, by name; the running mean where the recipe asks for it), and how the training went."""

    weights: Weights
    history: list[Told]


def fit(
    model: str | Network,
    config: Mapping[str, object],
    samples: Samples,
    recipe: Recipe,
    *,
    start: Mapping[str, Array] | None = None,
    checkpoints: Checkpoints | None = None,
    tell: Tell | None = None,
    device: str = "cpu",
    threads: int = 1,
) -> Fitted:
    """Train a network.

    Args:
        model: a name in the zoo, or an entry of its own.
        config: the model's configuration; its classes are the samples'.
        samples: what it learns from.
        start: weights to begin with; None: the network's own initial ones, drawn by the recipe's seed.
        checkpoints: where the state is kept; a run that finds its own there goes on from it.
        tell: called after some steps (at most TOLD_MAX times in a run) with step, loss, learning rate, samples a second.
        device: of torch; results are repeatable bit by bit on "cpu" alone.
        threads: of the processor; another number may change the last bits.

    Raises:
        UnknownModel, BadConfig, BadWeights, BadRecipe, BadTrainingData: the input is wrong.
        ClassesMismatch, WrongProblem: the samples are not what the model is asked.
        BadCheckpoint: what was kept is damaged, or another run's.
        TrainingDiverged: the loss or the weights are no longer finite; the last checkpoint is from before that.
        OutOfMemory: the machine is too small for this batch.
    """
    network: Network = get_model(model) if isinstance(model, str) else model
    settings = network.check_config(config)
    check_compatible(network.problem, samples)
    if not 1 <= threads <= THREADS_MAX:
        raise BadRecipe(f"a training takes 1..{THREADS_MAX} threads, not {threads}")
    from neuromation.learning.engine import memory_told

    with memory_told(recipe.batch_size), _runtime(threads):
        run = _Run(network, settings, samples, recipe, device=device, start=start)
        owner = _owner(network, settings, samples, recipe, start) if checkpoints is not None else {}
        if checkpoints is not None and (state := kept.load(checkpoints.path, owner)) is not None:
            run.restore(state)
        for step in run.steps():
            if tell is not None and run.history and run.history[-1].step == step + 1:
                tell(*dataclasses.astuple(run.history[-1]))
            if checkpoints is not None and ((step + 1) % checkpoints.every_steps == 0 or step + 1 == recipe.steps):
                kept.save(checkpoints.path, run.state(), owner)
        return Fitted(run.weights(), run.history)


class _Run:
    """Network, optimiser and running mean, and how far they are."""

    def __init__(
        self,
        network: Network,
        settings: Any,
        samples: Samples,
        recipe: Recipe,
        *,
        device: str,
        start: Mapping[str, Array] | None,
    ) -> None:
        import torch

        from neuromation.learning import engine

        self._samples, self._recipe, self._device = samples, recipe, device
        self._input = network.input_of(settings)
        torch.manual_seed(recipe.seed)
        self._module = network.build(settings, len(check_classes(samples.classes)))
        if start is not None:
            engine.load_weights(self._module, start)
        self._module.to(device)
        self._pictures = self._input.rate_hz is None and self._input.channels > 1
        if self._pictures:  # laid out pixel by pixel, convolutions are about 1.4 times as fast on a processor
            self._module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        named = dict(self._module.named_parameters())
        self._optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in named.values() if p.ndim >= 2], "weight_decay": recipe.weight_decay},
                {"params": [p for p in named.values() if p.ndim < 2], "weight_decay": 0.0},
            ],
            lr=recipe.lr,
            betas=BETAS,
            fused=True,
        )
        self._mean = {name: tensor.detach().clone() for name, tensor in self._floats()} if recipe.average else {}
        self._done = 0
        self.history: list[Told] = []

    def _floats(self) -> Iterator[tuple[str, torch.Tensor]]:
        return ((name, t) for name, t in self._module.state_dict().items() if t.is_floating_point())

    def steps(self) -> Iterator[int]:
        """Do the steps that are left, one at a time; the number of each, from 0."""
        recipe = self._recipe
        order = SampleOrder(len(self._samples), recipe.seed)
        every = max(1, -(-recipe.steps // TOLD_MAX))
        losses: list[float] = []
        began = time.perf_counter()
        self._module.train()

        def made(step: int) -> tuple[NDArray[np.float32], list[Any]]:
            rng = unit_rng(recipe.seed, step, "augment")
            chosen = order.batch(step, recipe.batch_size)
            return batch(self._samples, chosen, self._input, rng=rng, augment=recipe.augment)

        # The next batch is made while torch computes; draws belong to steps, so that nothing depends on who is faster.
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as maker:
            coming: Future[Any] | None = None
            for step in range(self._done, recipe.steps):
                inputs, targets = made(step) if coming is None else coming.result()
                coming = maker.submit(made, step + 1) if step + 1 < recipe.steps else None
                losses.append(self._step(step, inputs, targets))
                self._done = step + 1
                if self._done % every == 0 or self._done == recipe.steps:
                    speed = len(losses) * recipe.batch_size / max(1e-9, time.perf_counter() - began)
                    self.history.append(Told(self._done, float(np.mean(losses)), recipe.lr_at(step), speed))
                    losses, began = [], time.perf_counter()
                yield step

    def _step(self, step: int, inputs: NDArray[np.float32], targets: Sequence[Any]) -> float:
        import torch

        recipe = self._recipe
        torch.manual_seed((recipe.seed * 1_000_003 + step) % 2**63)  # dropout
        taken = torch.from_numpy(inputs).to(self._device)
        if self._pictures:
            taken = taken.contiguous(memory_format=torch.channels_last)
        for group in self._optimiser.param_groups:
            group["lr"] = recipe.lr_at(step)
        self._optimiser.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=recipe.bf16):
            loss = self._module.loss(taken, targets)
        value = float(loss.detach().item())
        if not value <= LOSS_MAX:  # also when it is not a number
            raise _diverged(step)
        torch.autograd.backward(loss)
        if recipe.clip_norm:
            length = torch.nn.utils.clip_grad_norm_(self._module.parameters(), recipe.clip_norm)
            if not bool(torch.isfinite(length)):
                raise _diverged(step)
        self._optimiser.step()
        decay = min(recipe.average, (1 + step) / (10 + step))
        for name, tensor in self._floats() if recipe.average else ():
            self._mean[name].lerp_(tensor.detach(), 1.0 - decay)
        return value

    def weights(self) -> Weights:
        """The result so far. Raises TrainingDiverged."""
        tensors = self._mean.items() if self._recipe.average else self._floats()
        found = {name: t.detach().float().cpu().contiguous().numpy().copy() for name, t in sorted(tensors)}
        if not all(bool((np.abs(array) <= VALUE_MAX).all()) for array in found.values()):
            raise _diverged(self._done)
        return found

    def state(self) -> kept.State:
        """All that is needed to go on from here. Raises TrainingDiverged."""
        self.weights()
        tensors = {f"model/{name}": tensor for name, tensor in self._module.state_dict().items()}
        tensors |= {f"mean/{name}": tensor for name, tensor in self._mean.items()}
        for name, parameter in self._module.named_parameters():
            for key, value in self._optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser/{key}/{name}"] = value
        arrays = {name: t.detach().cpu().contiguous().numpy().copy() for name, t in tensors.items()}
        return kept.State(self._done, arrays, [list(dataclasses.astuple(entry)) for entry in self.history])

    def restore(self, state: kept.State) -> None:
        """Go on from a state of this very run, in place of the start."""
        import torch

        tensors = {name: torch.from_numpy(array) for name, array in state.tensors.items()}
        model = {name.removeprefix("model/"): t for name, t in tensors.items() if name.startswith("model/")}
        self._module.load_state_dict(model)
        for name in self._mean:
            self._mean[name].copy_(tensors[f"mean/{name}"])
        for name, parameter in self._module.named_parameters():
            keys = [key for key in ("step", "exp_avg", "exp_avg_sq") if f"optimiser/{key}/{name}" in tensors]
            for key in keys:
                value = tensors[f"optimiser/{key}/{name}"]
                like = torch.empty_like(parameter) if value.ndim else torch.empty((), device=self._device)
                self._optimiser.state[parameter][key] = like.copy_(value)
        self._done = state.step
        self.history = [Told(int(step), loss, lr, speed) for step, loss, lr, speed in state.told]


def _diverged(step: int) -> TrainingDiverged:
    return TrainingDiverged(
        f"the training diverged at step {step + 1}: its loss or gradient is no number any more; lower the learning rate",
        step=step + 1,
    )


@contextmanager
def _runtime(threads: int) -> Iterator[None]:
    """So many threads, deterministic kernels where there are any, and a random state of its own inside the block."""
    import torch

    from neuromation.learning.engine import canonical_runtime

    with canonical_runtime(threads), torch.random.fork_rng(devices=[]), torch.enable_grad():
        yield


def _owner(
    network: Network, settings: Any, samples: Samples, recipe: Recipe, start: Mapping[str, Array] | None
) -> dict[str, str]:
    """What a checkpoint must have in common with a run to go on with it."""
    begun = hashlib.sha256()
    for name in sorted(start or {}):
        begun.update(name.encode() + np.ascontiguousarray((start or {})[name]).tobytes())
    return {
        "model": hash_json([network.name, settings.model_dump(mode="json"), list(samples.classes)]),
        "recipe": hash_json(recipe.to_json()),
        "set of samples": _fingerprint(samples),
        "start": begun.hexdigest(),
    }


def _fingerprint(samples: Samples) -> str:
    digest = hashlib.sha256(f"{samples.problem} {len(samples)} {samples.rate_hz}".encode())
    for made, target in zip(samples.inputs, samples.targets, strict=True):
        parts = (target.xywh, target.labels, target.masks) if hasattr(target, "xywh") else (target,)
        for part in (made, *parts):
            array = np.asarray(part if part is not None else 0)
            digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
