"""Training in segments that anyone can replay; owns the order of samples, refuses to know where data lies.

A run of `steps` is cut in `segments`; after each the weights are kept. Sample order and augmentation of a step depend
on (seed, step) alone, and the optimiser starts empty in each segment, so that a segment is a pure function of the
weights before it: an auditor repeats one without the others. The price is a short warm-up of the learning rate a
segment.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.rng import SEED_MAX, unit_rng
from neuromation.learning.augmentation import GENTLE, GENTLE_SOUND, SYMBOLS, Augment
from neuromation.learning.batches import SampleOrder, batch, check_compatible
from neuromation.learning.errors import BadRecipe, BadTrainingData, ClassesMismatch
from neuromation.learning.problem import Problem, Samples
from neuromation.learning.weights import Array, Weights
from neuromation.learning.zoo import check_classes, get_model

if TYPE_CHECKING:
    from neuromation.learning.engine import Batch
    from neuromation.learning.sharing import Share

STEPS_MAX = 100_000
SEGMENTS_MAX = 64
BATCH_MAX = 4_096
LR_MAX = 1.0
SAMPLES_MAX = 2_000_000
WARMUP_STEPS = 10  # of each segment: Adam's averages start empty

# Set before torch is loaded, these make processors with and without AVX-512 take the same kernels.
CANONICAL_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_CBWR": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
}


@dataclass(frozen=True, slots=True)
class SegmentMetrics:
    """How one segment went: losses are means over the first and last tenth of its steps."""

    steps: int
    loss_first: float
    loss_last: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Trained:
    """Weights after each segment, in order (the last are the result), and how each went."""

    segments: list[Weights]
    metrics: list[SegmentMetrics]

    @property
    def weights(self) -> Weights:
        return self.segments[-1]


@dataclass(frozen=True, slots=True)
class _Run:
    """Everything that a segment needs but its starting weights."""

    model: str
    config: Mapping[str, object]
    samples: Samples
    steps: int
    segments: int
    batch_size: int
    lr: float
    lr_end: float
    seed: int
    augment: Augment

    def bounds(self, segment: int) -> tuple[int, int]:
        return self.steps * segment // self.segments, self.steps * (segment + 1) // self.segments


def usual_augment(model: str, config: Mapping[str, object]) -> Augment:
    """What is changed at random in a network's samples when nobody has chosen. Raises UnknownModel, BadConfig."""
    spec = get_model(model)
    if spec.problem is Problem.AUDIO_CLASSIFICATION:
        return GENTLE_SOUND
    return SYMBOLS if spec.input_of(spec.check_config(config)).channels == 1 else GENTLE


def train_segments(
    model: str,
    config: Mapping[str, object],
    samples: Samples,
    start: Mapping[str, Array],
    *,
    steps: int,
    segments: int,
    batch_size: int,
    lr: float,
    seed: int,
    lr_end: float | None = None,
    augment: Augment | None = None,
    share: Share | None = None,
    settle: Callable[[Weights, Weights], Weights] | None = None,
    tell: Callable[[float], None] | None = None,
) -> Trained:
    """Train from `start` and keep the weights after each segment.

    Args:
        model: name in the zoo; `config` is its configuration.
        samples: what it learns from; its classes are theirs.
        start: weights to begin with; not changed.
        steps: optimiser steps in all, 1..STEPS_MAX.
        segments: pieces of nearly equal length, 1..min(steps, SEGMENTS_MAX).
        batch_size: samples a step, 1..BATCH_MAX; a data set may be smaller.
        lr: learning rate of the first step; it falls along a cosine to `lr_end` at the last (None: stays).
        seed: decides the order of samples, augmentation and dropout.
        augment: what changes in the samples at random; None: what is usual for the model.
        share: of this process in a cluster that trains together; None: it trains alone.
        settle: called with the weights before and after each segment; what it returns is kept, and the next segment
            begins with it. None: those after.
        tell: hears after each segment how much of all is done, 0..1.

    Raises:
        UnknownModel, BadConfig, BadWeights, BadRecipe, WrongProblem: the input is wrong.
        TrainingDiverged: the loss is no longer finite.
        OutOfMemory: the machine is too small for this batch.
    """
    run = _checked(
        model=model,
        config=config,
        samples=samples,
        steps=steps,
        segments=segments,
        batch_size=batch_size,
        lr=lr,
        lr_end=lr_end,
        seed=seed,
        augment=augment,
    )
    kept: list[Weights] = []
    metrics: list[SegmentMetrics] = []
    weights = dict(start)
    for segment in range(segments):
        after, measured = _train(run, weights, segment, share)
        weights = after if settle is None else settle(weights, after)
        kept.append(weights)
        metrics.append(measured)
        if tell is not None:
            tell((segment + 1) / segments)
    return Trained(kept, metrics)


def replay_segment(
    model: str,
    config: Mapping[str, object],
    samples: Samples,
    before: Mapping[str, Array],
    *,
    segment: int,
    steps: int,
    segments: int,
    batch_size: int,
    lr: float,
    seed: int,
    lr_end: float | None = None,
    augment: Augment | None = None,
) -> Weights:
    """The weights after `segment` (0..segments-1) of `train_segments` with the same arguments.

    `before` are the weights that the segment began with: the start for segment 0, else those after segment - 1.
    Raises what `train_segments` raises.
    """
    run = _checked(
        model=model,
        config=config,
        samples=samples,
        steps=steps,
        segments=segments,
        batch_size=batch_size,
        lr=lr,
        lr_end=lr_end,
        seed=seed,
        augment=augment,
    )
    if not 0 <= segment < segments:
        raise BadRecipe(f"there is no segment {segment}; this run has 0..{segments - 1}")
    return _train(run, before, segment)[0]


def _train(
    run: _Run, before: Mapping[str, Array], segment: int, share: Share | None = None
) -> tuple[Weights, SegmentMetrics]:
    from neuromation.learning import engine

    module = engine.module_of(before, run.model, run.config, run.samples.classes)
    began = time.perf_counter()
    with engine.memory_told(run.batch_size):
        losses = engine.run_steps(module, _batches(run, segment), share)
    seconds = time.perf_counter() - began
    tenth = max(1, len(losses) // 10)
    first, last = float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:]))
    return engine.weights_of(module), SegmentMetrics(len(losses), first, last, seconds)


def _batches(run: _Run, segment: int) -> Iterator[Batch]:
    first, end = run.bounds(segment)
    spec = get_model(run.model)
    taken = spec.input_of(spec.check_config(run.config))
    order = SampleOrder(len(run.samples), run.seed)
    for step in range(first, end):
        rng = unit_rng(run.seed, step, "augment")
        inputs, targets = batch(run.samples, order.batch(step, run.batch_size), taken, rng=rng, augment=run.augment)
        yield inputs, targets, _learning_rate(run, step, step - first), (run.seed * 1_000_003 + step) % 2**63


def _learning_rate(run: _Run, step: int, step_in_segment: int) -> float:
    along = step / max(1, run.steps - 1)
    planned = run.lr_end + (run.lr - run.lr_end) * 0.5 * (1.0 + math.cos(math.pi * along))
    return planned * min(1.0, (step_in_segment + 1) / WARMUP_STEPS)


def _checked(
    *,
    model: str,
    config: Mapping[str, object],
    samples: Samples,
    steps: int,
    segments: int,
    batch_size: int,
    lr: float,
    lr_end: float | None,
    seed: int,
    augment: Augment | None,
) -> _Run:
    get_model(model).check_config(config)
    check_classes(samples.classes)
    check_compatible(get_model(model).problem, samples)
    last = lr if lr_end is None else lr_end
    if not 1 <= steps <= STEPS_MAX or not 1 <= segments <= min(steps, SEGMENTS_MAX):
        raise BadRecipe(
            f"a run has 1..{STEPS_MAX} steps in 1..{SEGMENTS_MAX} segments of a step or more, "
            f"not {steps} steps in {segments}"
        )
    if not 1 <= batch_size <= BATCH_MAX:
        raise BadRecipe(f"a batch has 1..{BATCH_MAX} samples, not {batch_size}")
    if not (0 < lr <= LR_MAX and 0 <= last <= LR_MAX):
        raise BadRecipe(f"the learning rate must be over 0 and at most {LR_MAX}, not {lr} going to {last}")
    if not 0 <= seed <= SEED_MAX:
        raise BadRecipe(f"the seed must be 0..{SEED_MAX}, not {seed}")
    knobs = usual_augment(model, config) if augment is None else augment
    return _Run(model, config, samples, steps, segments, batch_size, lr, last, seed, knobs)


def check_data(
    images: NDArray[Any], labels: NDArray[Any], classes: Sequence[str], *, size: tuple[int, int] | None = None
) -> None:
    """Raise BadTrainingData or ClassesMismatch unless these are uint8 pictures (N, H, W) with labels of these classes.

    `size` is the (height, width) that the model takes; None takes any.
    """
    if images.dtype != np.uint8 or images.ndim != 3:
        raise BadTrainingData(f"images must be uint8 (N, H, W), not {images.dtype} {images.shape}")
    if labels.dtype != np.int64 or labels.shape != (len(images),):
        raise BadTrainingData(f"labels must be int64 ({len(images)},), one an image, not {labels.dtype} {labels.shape}")
    if not 1 <= len(images) <= SAMPLES_MAX:
        raise BadTrainingData(f"there must be 1 to {SAMPLES_MAX} images, not {len(images)}")
    if size is not None and images.shape[1:] != size:
        raise BadTrainingData(f"the model takes pictures of {size} pixels (height, width), not {images.shape[1:]}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(classes):
        raise ClassesMismatch(
            f"labels run from {low} to {high} and there are {len(classes)} classes, 0..{len(classes) - 1}"
        )
