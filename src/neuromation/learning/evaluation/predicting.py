"""Answers of a network to samples of any size, by torch or ONNX Runtime; owns the way there and back in pixels.

Refuses to know what is right: `measure` compares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.batches import check_compatible, fit_input
from neuromation.learning.errors import BadExport, ClassesMismatch
from neuromation.learning.problem import NO_CLASS, Answer, Boxes, InputSpec, Problem, Samples
from neuromation.learning.weights import Array

if TYPE_CHECKING:
    from neuromation.learning.learner import Learner
    from neuromation.learning.trainer import Network

Run = Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]  # a batch in, raw outputs out
Decode = Callable[[Sequence[NDArray[np.float32]]], list[Answer]]

BATCH_MAX = 128
_BATCH_VALUES = 4_000_000  # input values of one batch: 16 MB, and some hundred of them in a network's layers


def predict(
    weights: Mapping[str, Array],
    model: str | Network,
    config: Mapping[str, object],
    samples: Samples,
    *,
    batch_size: int | None = None,
) -> list[Answer]:
    """A network's answers by torch on one thread, each in pixels of its own sample.

    Args:
        weights: of this network.
        model: its name in the zoo, or an entry of its own.
        config: its configuration; its classes are the samples'.
        batch_size: samples at a time; None: as many as memory bears well.

    Raises:
        WrongProblem: the network answers another question than the samples ask.
        BadConfig, BadWeights, UnknownModel: the network is not what its name says, or has other classes.
    """
    from neuromation.learning import engine
    from neuromation.learning.zoo import get_model

    network: Network = get_model(model) if isinstance(model, str) else model
    settings = network.check_config(config)
    check_compatible(network.problem, samples)
    module = network.build(settings, len(samples.classes))
    engine.load_weights(module, weights)
    return predict_module(module, network.input_of(settings), samples, batch_size=batch_size)


def predict_module(
    module: Learner, spec: InputSpec, samples: Samples, *, batch_size: int | None = None
) -> list[Answer]:
    """Answers of a torch module; see `predict`."""
    with in_use(module) as run:
        return answers_of(run, module.decode, spec, samples, batch_size=batch_size)


def predict_onnx(
    data: bytes, decode: Decode, spec: InputSpec, samples: Samples, *, batch_size: int | None = None
) -> list[Answer]:
    """Answers of an ONNX file with the raw outputs of a network, by ONNX Runtime on one thread.

    Raises BadExport when the file cannot be loaded, or does not take what `spec` says.
    """
    from neuromation.learning.evaluation.classifiers import onnx_session

    session = onnx_session(data)
    fixed = session.get_inputs()[0].shape[0]
    size = int(fixed) if isinstance(fixed, int) else batch_size
    return answers_of(onnx_run(session, spec), decode, spec, samples, batch_size=size)


def onnx_run(session: Any, spec: InputSpec) -> Run:
    """What runs a batch through a session. Raises BadExport when the session takes another input than `spec` says."""
    taken = session.get_inputs()[0]
    wanted = [size for size in taken.shape[1:] if isinstance(size, int)]
    if len(taken.shape) != len(spec.shape) + 1 or (len(wanted) == len(spec.shape) and tuple(wanted) != spec.shape):
        raise BadExport(f"the ONNX file takes {taken.shape} and its configuration says {spec.shape}; export it again")

    def run(inputs: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        found: Sequence[NDArray[np.float32]] = session.run(None, {taken.name: inputs})
        return found

    return run


@contextmanager
def in_use(module: Learner) -> Iterator[Run]:
    """A module as it is used: on one thread, nothing left out at random, no gradients. It stays so after the block."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    module.eval()

    def run(inputs: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        with torch.inference_mode():
            return [output.float().numpy() for output in module(torch.from_numpy(inputs))]

    try:
        yield run
    finally:
        torch.set_num_threads(threads)


def answers_of(
    run: Run, decode: Decode, spec: InputSpec, samples: Samples, *, batch_size: int | None = None
) -> list[Answer]:
    """The answers to samples of any size, each in pixels of its own sample."""
    size = batch_size or max(1, min(BATCH_MAX, _BATCH_VALUES // max(1, math.prod(spec.shape))))
    found: list[Answer] = []
    for first in range(0, len(samples), size):
        fitted = [fit_input(made, spec, rate_hz=samples.rate_hz) for made in samples.inputs[first : first + size]]
        outputs = run(np.stack([array for array, _ in fitted]))
        found += [place.back(answer) for (_, place), answer in zip(fitted, decode(outputs), strict=True)]
    return found


def renumbered(samples: Samples, classes: Sequence[str], *, called: Mapping[str, str] | None = None) -> Samples:
    """The samples with their labels as numbers of another list of classes, matched by name.

    Args:
        classes: the model's.
        called: what a class of the samples is called there, where the names differ; the empty text for "no class".

    Raises ClassesMismatch when a class that some sample has is none of the model's.
    """
    numbers = {name: number for number, name in enumerate(classes)} | {"": NO_CLASS}
    names = called or {}
    to = [numbers.get(names.get(name, name)) for name in samples.classes]
    used = _used(samples)
    missing = [samples.classes[label] for label in used if to[label] is None]
    if missing:
        raise ClassesMismatch(
            f"the samples have the class {missing[0]!r:.60} and the model knows {', '.join(classes[:8])}"
            f"{' and more' if len(classes) > 8 else ''}; leave those samples out, or say what the model calls it"
        )
    table = np.array([NO_CLASS if number is None else number for number in to], np.int64)
    targets = [_retold(target, table, samples.problem) for target in samples.targets]
    return Samples(
        samples.problem, samples.inputs, targets, tuple(classes), samples.rate_hz, samples.names, samples.conditions
    )


def _used(samples: Samples) -> list[int]:
    if samples.problem is Problem.SEGMENTATION:
        return sorted({int(n) for t in samples.targets for n in np.unique(t) if n < len(samples.classes)})
    rows = [t.labels if isinstance(t, Boxes) else [t] for t in samples.targets]
    return sorted({int(label) for row in rows for label in row} - {NO_CLASS})


def _retold(target: Any, table: NDArray[np.int64], problem: Problem) -> Any:
    if isinstance(target, Boxes):
        labels = table[target.labels]
        kept = labels != NO_CLASS
        masks = None if target.masks is None else target.masks[kept]
        return Boxes(target.xywh[kept], labels[kept], None, masks)
    if problem is Problem.SEGMENTATION:
        # IGNORED is 255, and so is NO_CLASS (-1) as uint8: what the model does not know counts neither way.
        whole = np.full(256, 255, np.uint8)
        whole[: len(table)] = table.astype(np.uint8)
        return whole[target]
    return int(table[target]) if target != NO_CLASS else NO_CLASS
