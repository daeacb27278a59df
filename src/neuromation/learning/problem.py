"""What a model is asked: kinds of problem, labelled samples, answers; refuses to know networks and files.

Arrays are numpy's everywhere outside the networks, so that data sets, other frameworks and ONNX Runtime meet here.
Pictures are uint8 (H, W) or (H, W, 3) in sRGB, sounds int16 (T,) in one channel. Boxes are (x, y, width, height) in
pixels of the picture they belong to, the origin at its upper left corner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.errors import BadTrainingData, ClassesMismatch

SAMPLES_MAX = 2_000_000
BOXES_MAX = 2_000  # in one picture
NO_CLASS = -1  # the target of a sample that shows none of the classes: a look-alike, an empty scene
IGNORED = 255  # a pixel that counts neither way


class Problem(StrEnum):
    """What is asked of one input."""

    CLASSIFICATION = "classification"  # which class the picture shows
    DETECTION = "detection"  # where the objects are, with their classes
    INSTANCE_SEGMENTATION = "instance-segmentation"  # the same with a mask each
    SEGMENTATION = "segmentation"  # the class of every pixel
    AUDIO_CLASSIFICATION = "audio-classification"  # which class is heard

    @property
    def is_classification(self) -> bool:
        """Whether one input has one class, and an answer is the probabilities of all."""
        return self in (Problem.CLASSIFICATION, Problem.AUDIO_CLASSIFICATION)


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The objects of one picture: the target of a detection, and with `scores` its answer.

    Attributes:
        xywh: float32 (n, 4), pixels.
        labels: int64 (n,), indices into the classes.
        scores: float32 (n,), 0..1; None in targets.
        masks: bool (n, H, W), or None.
    """

    xywh: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32] | None = None
    masks: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def none(cls) -> Boxes:
        """A picture without objects."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))


# An index into the classes (or NO_CLASS); the objects; uint8 (H, W) of indices into the classes (or IGNORED).
Target = int | Boxes | NDArray[np.uint8]
# float32 (classes,) probabilities; the objects found, best first; uint8 (H, W) of indices into the classes.
Answer = NDArray[np.float32] | Boxes | NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Labelled inputs of one problem, in a fixed order.

    Attributes:
        inputs: pictures or sounds, one array each; sizes may differ. An array (N, H, W[, 3]) serves as well.
        targets: one a sample, as `Target` says for the problem.
        classes: names; targets are indices into them.
        rate_hz: samples a second of the sounds; None for pictures.
        names: what a sample is called in a report; empty for none.
        conditions: by title, a word a sample ("light": "dim"), for figures by condition.
    """

    problem: Problem
    inputs: Sequence[NDArray[Any]]
    targets: Sequence[Any]
    classes: tuple[str, ...]
    rate_hz: int | None = None
    names: Sequence[str] = ()
    conditions: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises BadTrainingData, ClassesMismatch."""
        count = len(self.inputs)
        if not 1 <= count <= SAMPLES_MAX:
            raise BadTrainingData(f"a set has 1 to {SAMPLES_MAX} samples, not {count}")
        rows: Sequence[Sequence[Any]] = (self.targets, *([self.names] if self.names else []), *self.conditions.values())
        if any(len(row) != count for row in rows):
            raise BadTrainingData(f"there are {count} inputs, and {len(self.targets)} targets; each needs one")
        if (self.rate_hz is not None) != (self.problem is Problem.AUDIO_CLASSIFICATION):
            raise BadTrainingData("sounds need their rate in Hz, and pictures have none")
        for number, (made, target) in enumerate(zip(self.inputs, self.targets, strict=True)):
            self._check(number, made, target)

    def _check(self, number: int, made: NDArray[Any], target: Any) -> None:
        if self.problem is Problem.AUDIO_CLASSIFICATION:
            if made.ndim != 1 or made.dtype != np.int16:
                raise BadTrainingData(f"sound {number} is {made.dtype} {made.shape}; int16 in one channel is needed")
        elif made.dtype != np.uint8 or made.ndim not in (2, 3) or (made.ndim == 3 and made.shape[2] != 3):
            raise BadTrainingData(f"picture {number} is {made.dtype} {made.shape}; uint8 (H, W) or (H, W, 3) is needed")
        if isinstance(target, Boxes):
            labels = target.labels
            if target.xywh.shape != (len(labels), 4) or len(labels) > BOXES_MAX or not np.isfinite(target.xywh).all():
                raise BadTrainingData(
                    f"the boxes of picture {number} are damaged, or more than {BOXES_MAX}; check its annotations"
                )
        elif self.problem is Problem.SEGMENTATION:
            if target.shape != made.shape[:2] or target.dtype != np.uint8:
                raise BadTrainingData(
                    f"mask {number} is {target.dtype} {target.shape}; its picture is {made.shape[:2]}"
                )
            labels = np.unique(target[target != IGNORED]).astype(np.int64)
        else:
            labels = np.array([target] if target != NO_CLASS else [], np.int64)
        if labels.size and (labels.min() < 0 or labels.max() >= len(self.classes)):
            raise ClassesMismatch(
                f"sample {number} has class {int(labels.max())}, and the classes are 0..{len(self.classes) - 1}: "
                "give the names in the order of the labels"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def only(self, chosen: Sequence[int] | NDArray[np.int64]) -> Samples:
        """The samples at these places, in this order."""
        places = [int(i) for i in chosen]
        return replace(
            self,
            inputs=[self.inputs[i] for i in places],
            targets=[self.targets[i] for i in places],
            names=[self.names[i] for i in places] if self.names else (),
            conditions={title: [words[i] for i in places] for title, words in self.conditions.items()},
        )


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a network takes: pictures float32 (N, channels, height, width) of raw values 0..value_max, or sounds
    float32 (N, samples) in -1..1 at `rate_hz`. Scaling and normalisation happen inside the network."""

    channels: int = 3
    height: int = 0
    width: int = 0
    value_max: float = 255.0
    samples: int = 0
    rate_hz: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input, without the batch."""
        return (self.samples,) if self.rate_hz is not None else (self.channels, self.height, self.width)
