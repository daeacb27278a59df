"""What data sets know, as the samples of one problem; owns the choice of targets, refuses to know files and generators.

Whoever reads data sets brings plain arrays here: nodes, which are given shards, and the platform, which keeps them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.batches import resized_sample
from neuromation.learning.errors import BadTrainingData, WrongProblem
from neuromation.learning.problem import IGNORED, NO_CLASS, Boxes, InputSpec, Problem, Samples

BACKGROUND = "background"  # the first class of every segmentation: pixels of nothing that is asked for
ROOM = 1.5  # pictures are kept this much larger than the network's input, so that crops and zooms lose nothing

Objects = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_] | None]


class Known(Protocol):
    """What is known of some samples, one entry each; None where it is not known of that one."""

    @property
    def inputs(self) -> Sequence[NDArray[Any]]: ...
    @property
    def labels(self) -> Sequence[int | None]: ...
    @property
    def objects(self) -> Sequence[Objects | None]: ...
    @property
    def regions(self) -> Sequence[NDArray[Any] | None]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def rate_hz(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Offers:
    """What a data set says that it knows, before anything of it is read."""

    sounds: bool = False
    labels: bool = False
    objects: bool = False
    masks: bool = False
    regions: bool = False


_NEEDS = {
    Problem.CLASSIFICATION: ("labels", "the class of each picture"),
    Problem.AUDIO_CLASSIFICATION: ("labels", "the class of each sound"),
    Problem.DETECTION: ("objects", "boxes of objects"),
    Problem.INSTANCE_SEGMENTATION: ("masks", 'a mask of each object; order it with the label "masks"'),
    Problem.SEGMENTATION: ("regions", 'a semantic layer; order it with the label "masks"'),
}


def check_offers(problem: Problem, offers: Offers, *, model: str, dataset: str) -> None:
    """Raise WrongProblem unless a data set knows what a model of this problem learns from."""
    need, words = _NEEDS[problem]
    listens = problem is Problem.AUDIO_CLASSIFICATION
    if offers.sounds != listens:
        takes, has = ("sounds", "pictures") if listens else ("pictures", "sounds")
        raise WrongProblem(f"model {model} takes {takes} and data set {dataset} has {has}; choose one of its kind")
    if not getattr(offers, need):
        raise WrongProblem(f"model {model} is made for {problem} and needs {words}; data set {dataset} has none")


def classes_for(problem: Problem, classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that a model answers with, when a data set has these: segmentations name the background, too."""
    return (BACKGROUND, *classes) if problem is Problem.SEGMENTATION else tuple(classes)


def gathered(problem: Problem, known: Known) -> Samples:
    """Samples with the targets of one problem.

    Samples of no class are kept in classifications: a model shall be unsure of them.

    Raises:
        WrongProblem: the problem's targets are not known.
        BadTrainingData, ClassesMismatch: what is known cannot be.
    """
    targets: list[Any]
    if problem.is_classification:
        if all(label is None for label in known.labels):
            raise _unknown(problem)
        targets = [NO_CLASS if label is None else label for label in known.labels]
    elif problem is Problem.SEGMENTATION:
        if len(known.classes) >= IGNORED:
            raise BadTrainingData(f"a segmentation tells at most {IGNORED - 1} classes apart, not {len(known.classes)}")
        targets = [_must(problem, regions).astype(np.uint8) for regions in known.regions]
    else:
        targets = [_boxes(problem, _must(problem, objects)) for objects in known.objects]
    return Samples(problem, known.inputs, targets, classes_for(problem, known.classes), rate_hz=known.rate_hz)


def _boxes(problem: Problem, objects: Objects) -> Boxes:
    boxes, labels, masks = objects
    if problem is Problem.INSTANCE_SEGMENTATION:
        return Boxes(boxes, labels, None, _must(problem, masks))
    return Boxes(boxes, labels)


def _must(problem: Problem, known: Any) -> Any:
    if known is None:
        raise _unknown(problem)
    return known


def _unknown(problem: Problem) -> WrongProblem:
    return WrongProblem(f"a model of {problem} needs {_NEEDS[problem][1]}, and some samples of this data set have none")


def reduced(samples: Samples, spec: InputSpec) -> Samples:
    """The samples with pictures that are no larger than a network of this input needs: less memory, faster batches."""
    if spec.rate_hz is not None:
        return samples
    pairs = [
        resized_sample(made, target, height_max=round(ROOM * spec.height), width_max=round(ROOM * spec.width))
        for made, target in zip(samples.inputs, samples.targets, strict=True)
    ]
    return replace(samples, inputs=[made for made, _ in pairs], targets=[target for _, target in pairs])


def joined(parts: Sequence[Samples]) -> Samples:
    """The samples of several parts of one data set, in order. Raises BadTrainingData when they do not belong together."""
    first = parts[0]
    if any((p.problem, p.classes, p.rate_hz) != (first.problem, first.classes, first.rate_hz) for p in parts):
        raise BadTrainingData("the parts of a data set differ in their classes, their kind or their rate")
    inputs = [made for part in parts for made in part.inputs]
    return replace(first, inputs=inputs, targets=[target for part in parts for target in part.targets])
