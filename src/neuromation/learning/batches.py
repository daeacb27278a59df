"""Samples into what a network takes, and its answers back into the sample's own pixels; refuses to know networks.

A picture is shown whole: scaled to fit the input, centred, the rest an even grey (a letterbox), in training and in use.
A sound is centred, cut or padded with silence. Values stay raw (0..value_max, or -1..1 of sounds): scaling is the
network's own business. Training and evaluation both come through here, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.learning.augmentation import LUMA, Augment, disturbed_sound, placed_at_random, recoloured
from neuromation.learning.augmentation import augment as augmented
from neuromation.learning.errors import BadTrainingData, WrongProblem
from neuromation.learning.problem import IGNORED, NO_CLASS, Answer, Boxes, InputSpec, Problem, Samples

PAD_SHARE = 114 / 255  # of value_max: the grey around a letterboxed picture, as YOLO's
VISIBLE_MIN = 0.25  # a box of which less than this share of the area is left is no object any more
SOUND_MAX = 32_768.0  # int16
_SHRINK = 0.75  # a picture that shrinks further is averaged first, else small things fall between the pixels

NOTHING = Augment()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in the network's input: input = scale * picture + (left, top), in pixels.

    `height` and `width` are the picture's own. Of sounds only that there is nothing to move: all are 0.
    """

    scale_x: float = 0.0
    scale_y: float = 0.0
    left: float = 0.0
    top: float = 0.0
    height: int = 0
    width: int = 0

    def back(self, answer: Answer) -> Answer:
        """An answer in pixels of the input, in pixels of the picture: boxes are cut at its edges."""
        if isinstance(answer, Boxes):
            corners = _corners(answer.xywh) - np.array([self.left, self.top] * 2)
            corners /= np.array([self.scale_x, self.scale_y] * 2)
            masks = None if answer.masks is None else np.stack([*map(self._mask, answer.masks)] or [self._no_mask()])
            boxes = _from_corners(_cut(corners, self.height, self.width))
            return replace(answer, xywh=boxes, masks=masks if masks is None or len(answer) else masks[:0])
        if answer.ndim == 2:
            return self._mask(answer)
        return answer

    def _no_mask(self) -> NDArray[Any]:
        return np.zeros((self.height, self.width), bool)

    def _mask(self, mask: NDArray[Any]) -> NDArray[Any]:
        rows = (np.arange(self.height) + 0.5) * self.scale_y + self.top
        columns = (np.arange(self.width) + 0.5) * self.scale_x + self.left
        at = [np.clip(p.astype(np.int64), 0, n - 1) for p, n in zip((rows, columns), mask.shape, strict=True)]
        found: NDArray[Any] = mask[at[0][:, None], at[1]]
        return found


class SampleOrder:
    """An endless series of shuffled epochs; any step's samples are found without those before it."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def batch(self, step: int, size: int) -> NDArray[np.int64]:
        """The places of the samples of a step, 0.., in batches of `size`."""
        places = np.arange(step * size, (step + 1) * size)
        epochs, within = np.divmod(places, self._count)
        return np.concatenate([self._shuffled(int(epoch))[within[epochs == epoch]] for epoch in np.unique(epochs)])

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            self._epoch, self._order = epoch, unit_rng(self._seed, epoch, "sample-order").permutation(self._count)
        return self._order


def check_compatible(problem: Problem, samples: Samples) -> None:
    """Raise WrongProblem unless a model of this problem can learn from, or be measured on, these samples.

    Objects with masks serve a detector as well.
    """
    with_masks = problem is Problem.DETECTION and samples.problem is Problem.INSTANCE_SEGMENTATION
    if samples.problem is not problem and not with_masks:
        raise WrongProblem(
            f"the model is made for {problem} and the samples are of {samples.problem}; choose a model of that kind"
        )


def fit_input(
    sample: NDArray[Any], spec: InputSpec, *, rate_hz: int | None = None
) -> tuple[NDArray[np.float32], Placement]:
    """One picture or sound as the network takes it, float32 of `spec.shape`, and where it lies there.

    Args:
        sample: a picture uint8 (H, W) or (H, W, 3), or a sound int16 (T,).
        rate_hz: of the sound; None: the network's own.

    Raises:
        BadTrainingData: a sound for a network of pictures, or the other way round.
    """
    _check_kind(sample, spec)
    if spec.rate_hz is not None:
        return _placed_sound(_resampled(sample, rate_hz, spec.rate_hz), spec.samples, 0), Placement()
    (height, width), into = sample.shape[:2], (spec.height, spec.width)
    scale = min(into[0] / height, into[1] / width)
    high, wide = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (into[0] - high) // 2, (into[1] - wide) // 2
    shown = _resized(_channels(sample, spec.channels), high, wide).astype(np.float32)
    if (high, wide) != into:
        whole = np.full((*into, spec.channels), PAD_SHARE * spec.value_max, np.float32)
        whole[top : top + high, left : left + wide] = shown
        shown = whole
    placement = Placement(wide / width, high / height, left, top, height, width)
    return np.ascontiguousarray(shown.transpose(2, 0, 1)), placement


def batch(
    samples: Samples,
    chosen: Sequence[int] | NDArray[np.int64],
    spec: InputSpec,
    *,
    rng: Generator,
    augment: Augment = NOTHING,
) -> tuple[NDArray[np.float32], list[Any]]:
    """Some samples as the network takes them, and their targets in pixels of its input.

    Args:
        samples: labelled inputs; chosen: places in them, B.
        rng: source of all randomness; the same one gives the same batch.
        augment: what changes at random.

    Returns:
        float32 (B, *spec.shape), and one target each as `problem.Target` says. With `mixup`, targets of classifications
        are float32 (classes,) shares instead of an index.
    """
    inputs, targets = _whole(samples, chosen, spec, augment) or _single(samples, chosen, spec, augment, rng)
    if augment.symbols:
        inputs = augmented(inputs[:, 0], value_max=spec.value_max, rng=rng)[:, None]
    if augment.mixup and samples.problem.is_classification:
        inputs, targets = _mixed(inputs, class_shares(targets, len(samples.classes)), augment.mixup, rng)
    return inputs, targets


def _single(
    samples: Samples, chosen: Sequence[int] | NDArray[np.int64], spec: InputSpec, knobs: Augment, rng: Generator
) -> tuple[NDArray[np.float32], list[Any]]:
    made = [_one(samples, int(place), spec, knobs, rng) for place in chosen]
    return np.stack([array for array, _ in made]), [target for _, target in made]


def _whole(
    samples: Samples, chosen: Sequence[int] | NDArray[np.int64], spec: InputSpec, knobs: Augment
) -> tuple[NDArray[np.float32], list[Any]] | None:
    """The same for grey pictures of the input's size, at once: one by one takes longer than a small network."""
    if knobs.one_by_one or spec.rate_hz is not None or spec.channels != 1 or not samples.problem.is_classification:
        return None
    pictures = [samples.inputs[int(place)] for place in chosen]
    if any(picture.shape != (spec.height, spec.width) for picture in pictures):
        return None
    return np.stack(pictures).astype(np.float32)[:, None], [samples.targets[int(place)] for place in chosen]


def class_shares(targets: Sequence[Any], classes: int) -> NDArray[np.float32]:
    """Targets of a classification as shares (N, classes), what a network should say: an index is all of its class.

    Mixed samples bring their shares. A sample of none of the classes should be answered with a bit of each, so that it is
    confidently nothing: Hendrycks et al., "Deep anomaly detection with outlier exposure" (2019).
    """
    shares = np.zeros((len(targets), classes), np.float32)
    for row, target in zip(shares, targets, strict=True):
        if isinstance(target, np.ndarray) and target.ndim == 1:
            row[:] = target
        elif target == NO_CLASS:
            row[:] = 1.0 / classes
        else:
            row[int(target)] = 1.0
    return shares


def _mixed(
    inputs: NDArray[np.float32], shares: NDArray[np.float32], strength: float, rng: Generator
) -> tuple[NDArray[np.float32], list[Any]]:
    count = len(inputs)
    other = rng.permutation(count)
    own = rng.beta(strength, strength, count).astype(np.float32)
    of_inputs = own.reshape(count, *[1] * (inputs.ndim - 1))
    mixed = of_inputs * inputs + (1 - of_inputs) * inputs[other]
    return mixed, list(own[:, None] * shares + (1 - own[:, None]) * shares[other])


def _one(
    samples: Samples, place: int, spec: InputSpec, knobs: Augment, rng: Generator
) -> tuple[NDArray[np.float32], Any]:
    sample, target = samples.inputs[place], samples.targets[place]
    _check_kind(sample, spec)
    if spec.rate_hz is not None:
        sound = _resampled(sample, samples.rate_hz, spec.rate_hz)
        shift = round(rng.uniform(-1, 1) * knobs.shift_s * spec.rate_hz) if knobs.shift_s else 0
        return disturbed_sound(_placed_sound(sound, spec.samples, shift), knobs, rng=rng), target
    if knobs.moves:
        into = (spec.height, spec.width)
        affine = placed_at_random(knobs, size=sample.shape[:2], into=into, rng=rng)
        shown = _warped(_channels(sample, spec.channels), affine, into, fill=PAD_SHARE * spec.value_max).astype(
            np.float32
        )
        target = _moved(target, affine, into)
    else:
        fitted, placement = fit_input(sample, spec)
        shown = fitted.transpose(1, 2, 0)
        target = _moved(target, _as_affine(placement), (spec.height, spec.width))
    shown = recoloured(shown, knobs, value_max=spec.value_max, rng=rng)
    return np.ascontiguousarray(shown.transpose(2, 0, 1)), target


def _check_kind(sample: NDArray[Any], spec: InputSpec) -> None:
    if (sample.ndim == 1) != (spec.rate_hz is not None):
        takes, given = ("sounds", "a picture") if spec.rate_hz is not None else ("pictures", "a sound")
        raise BadTrainingData(f"the model takes {takes} and was given {given}; choose a model of the data's kind")


# Sounds


def _resampled(sound: NDArray[Any], rate_hz: int | None, to_hz: int) -> NDArray[np.float32]:
    """int16 as float32 in -1..1 at another rate: the spectrum is cut, or continued with nothing."""
    values = sound.astype(np.float32) / np.float32(SOUND_MAX)
    if rate_hz is None or rate_hz == to_hz or not len(sound):
        return values
    count = max(1, round(len(sound) * to_hz / rate_hz))
    changed: NDArray[np.float32] = np.fft.irfft(_resized_spectrum(np.fft.rfft(values), count // 2 + 1), count).astype(
        np.float32
    )
    return changed * np.float32(count / len(sound))


def _resized_spectrum(spectrum: NDArray[Any], bins: int) -> NDArray[Any]:
    kept = spectrum[:bins]
    return np.pad(kept, (0, bins - len(kept)))


def _placed_sound(sound: NDArray[np.float32], count: int, shift: int) -> NDArray[np.float32]:
    """`count` values of a sound, its middle in the middle, moved by `shift`; silence around it."""
    placed = np.zeros(count, np.float32)
    first = (count - len(sound)) // 2 + shift  # of the sound, in the result
    start, end = max(0, first), min(count, first + len(sound))
    if start < end:
        placed[start:end] = sound[start - first : end - first]
    return placed


# Pictures


def _channels(picture: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """The picture as (H, W, channels): colours become grey, or grey a colour, as the network needs."""
    if picture.ndim == 2:
        return np.repeat(picture[:, :, None], channels, axis=2)
    if channels == 1:
        grey: NDArray[np.uint8] = np.rint(picture @ LUMA).astype(np.uint8)[:, :, None]
        return grey
    return picture


def _image(picture: NDArray[np.uint8]) -> Any:
    from PIL import Image

    return Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else np.ascontiguousarray(picture))


def _array(image: Any) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


def _resized(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if picture.shape[:2] == (height, width):
        return picture
    from PIL import Image

    return _array(_image(picture).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))


def _warped(
    picture: NDArray[np.uint8], affine: NDArray[np.float64], into: tuple[int, int], *, fill: float
) -> NDArray[np.uint8]:
    from PIL import Image

    scale = float(np.sqrt(abs(np.linalg.det(affine[:2, :2]))))
    if scale < _SHRINK:
        height, width = (max(1, round(n * scale)) for n in picture.shape[:2])
        affine = affine @ np.diag([picture.shape[1] / width, picture.shape[0] / height, 1.0])
        picture = _resized(picture, height, width)
    image = _image(picture)
    grey = round(fill)
    colour = grey if picture.shape[2] == 1 else (grey,) * 3
    back = np.linalg.inv(affine)[:2].ravel().tolist()
    size = (into[1], into[0])
    return _array(image.transform(size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR, fillcolor=colour))


def _as_affine(placement: Placement) -> NDArray[np.float64]:
    p = placement
    return np.array([[p.scale_x, 0.0, p.left], [0.0, p.scale_y, p.top], [0.0, 0.0, 1.0]])


def resized_sample(
    picture: NDArray[np.uint8], target: Any, *, height_max: int, width_max: int
) -> tuple[NDArray[np.uint8], Any]:
    """A picture within these sides, in its own proportions, and its target in the new pixels; smaller ones stay."""
    height, width = picture.shape[:2]
    scale = min(height_max / height, width_max / width)
    if scale >= 1:
        return picture, target
    high, wide = max(1, round(height * scale)), max(1, round(width * scale))
    smaller = _resized(picture[:, :, None] if picture.ndim == 2 else picture, high, wide)
    affine = np.diag([wide / width, high / height, 1.0])
    return smaller[:, :, 0] if picture.ndim == 2 else smaller, _moved(target, affine, (high, wide))


# Targets


def _moved(target: Any, affine: NDArray[np.float64], into: tuple[int, int]) -> Any:
    """A target in pixels of the picture, in pixels of the input."""
    if isinstance(target, Boxes):
        return _moved_boxes(target, affine, into)
    if isinstance(target, np.ndarray):
        return _moved_mask(target, affine, into, outside=IGNORED)
    return target


def _moved_mask(
    mask: NDArray[Any], affine: NDArray[np.float64], into: tuple[int, int], *, outside: int
) -> NDArray[Any]:
    """The nearest pixel of the mask under each of the input's, `outside` beyond its edges."""
    back = np.linalg.inv(affine)
    x, y = np.arange(into[1]) + 0.5, (np.arange(into[0]) + 0.5)[:, None]
    columns = np.floor(back[0, 0] * x + back[0, 1] * y + back[0, 2]).astype(np.int64)
    rows = np.floor(back[1, 0] * x + back[1, 1] * y + back[1, 2]).astype(np.int64)
    within = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    rows, columns = (np.clip(at, 0, n - 1) for at, n in zip((rows, columns), mask.shape, strict=True))
    moved: NDArray[Any] = np.where(within, mask[rows, columns], mask.dtype.type(outside))
    return moved


def _moved_boxes(boxes: Boxes, affine: NDArray[np.float64], into: tuple[int, int]) -> Boxes:
    centre = boxes.xywh[:, :2] + boxes.xywh[:, 2:] / 2
    half = boxes.xywh[:, 2:] / 2
    centre = centre @ affine[:2, :2].T + affine[:2, 2]
    # What is in the box is something between its rectangle and the ellipse within; after a turn, so is its new box.
    rectangle = half @ np.abs(affine[:2, :2]).T
    ellipse = np.sqrt(np.square(half) @ np.square(affine[:2, :2]).T)
    half = (rectangle + ellipse) / 2
    whole = np.concatenate([centre - half, centre + half], axis=1)
    seen = _cut(whole, *into)
    kept = _areas(seen) > np.maximum(VISIBLE_MIN * _areas(whole), 1e-3)
    masks = boxes.masks
    if masks is not None:
        masks = np.array([_moved_mask(mask, affine, into, outside=0) for mask in masks], bool).reshape(-1, *into)
        kept &= masks.any(axis=(1, 2))
        masks = masks[kept]
    return Boxes(_from_corners(seen[kept]), boxes.labels[kept], None, masks)


def _corners(xywh: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float64)


def _from_corners(corners: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).astype(np.float32)


def _cut(corners: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    return np.clip(corners, 0.0, np.array([width, height, width, height], np.float64))


def _areas(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 0.0)
    return sides[:, 0] * sides[:, 1]
