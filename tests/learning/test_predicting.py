"""Answers come back in the pixels of their own samples, one each, and classes are matched by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_builders import CLASSES, MODEL, some_symbols
from measuring_builders import a_picture, some_boxes
from numpy.typing import NDArray

from neuromation.learning.errors import BadWeights, ClassesMismatch, WrongProblem
from neuromation.learning.evaluation import measure, predict, renumbered
from neuromation.learning.evaluation.predicting import answers_of
from neuromation.learning.problem import IGNORED, NO_CLASS, Answer, Boxes, InputSpec, Problem, Samples
from neuromation.learning.training import Trained


def symbols(count: int = 60) -> Samples:
    images, labels = some_symbols(count, seed=9)
    return Samples(Problem.CLASSIFICATION, list(images), [int(n) for n in labels], CLASSES)


def test_a_trained_network_recognises_its_symbols(trained: Trained) -> None:
    samples = symbols()
    assert measure(predict(trained.weights, MODEL, {}, samples), samples)["accuracy"] > 0.9


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_the_size_of_a_batch_changes_nothing(batch_size: int, trained: Trained) -> None:
    samples = symbols(20)
    one, other = (predict(trained.weights, MODEL, {}, samples, batch_size=n) for n in (None, batch_size))
    assert np.allclose(np.asarray(one), np.asarray(other), atol=1e-5)


def test_samples_of_another_problem_or_number_of_classes_are_refused(trained: Trained) -> None:
    boxes = Samples(Problem.DETECTION, [a_picture(8, 8)], [Boxes.none()], CLASSES)
    with pytest.raises(WrongProblem):
        predict(trained.weights, MODEL, {}, boxes)
    with pytest.raises(BadWeights):
        predict(trained.weights, MODEL, {}, Samples(Problem.CLASSIFICATION, [a_picture(8, 8)], [0], ("a", "b")))


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 90), st.integers(20, 90), st.integers(0, 100))
def test_boxes_come_back_in_the_pixels_of_their_picture(height: int, width: int, seed: int) -> None:
    """A detector that answers with the very boxes of the input, as the letterbox moved them."""
    spec = InputSpec(1, 64, 64)
    target = some_boxes(seed, 0, least=1)
    scale = min(64 / height, 64 / width)
    wide, high = round(width * scale), round(height * scale)
    within = target.xywh * np.array([width / 64, height / 64] * 2, np.float32)

    def run(inputs: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        return [inputs]

    def decode(outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        moved = within * np.array([wide / width, high / height] * 2)
        moved[:, :2] += [(64 - wide) // 2, (64 - high) // 2]
        return [Boxes(moved.astype(np.float32), target.labels, np.ones(len(target), np.float32))]

    samples = Samples(Problem.DETECTION, [a_picture(height, width)], [target], ("a", "b", "c"))
    answer: Any = answers_of(run, decode, spec, samples)[0]
    assert np.allclose(answer.xywh, within, atol=1e-3)


def test_classes_are_matched_by_name() -> None:
    samples = Samples(Problem.CLASSIFICATION, [a_picture(8, 8)] * 3, [0, 1, NO_CLASS], ("post", "bar"))
    assert renumbered(samples, CLASSES).targets == [1, 0, NO_CLASS]
    other = Samples(Problem.CLASSIFICATION, [a_picture(8, 8)] * 2, [0, 1], ("post", "dog"))
    assert renumbered(other, CLASSES, called={"dog": "corner"}).targets == [1, 2]
    assert renumbered(other, CLASSES, called={"dog": ""}).targets == [1, NO_CLASS]
    with pytest.raises(ClassesMismatch, match="'dog'"):
        renumbered(other, CLASSES)


def test_a_class_that_no_sample_has_need_not_be_known() -> None:
    samples = Samples(Problem.CLASSIFICATION, [a_picture(8, 8)], [0], ("post", "dog"))
    assert renumbered(samples, CLASSES).classes == CLASSES


def test_objects_of_no_class_leave_and_unknown_pixels_count_neither_way() -> None:
    boxes = Boxes(np.array([[0, 0, 4, 4], [4, 4, 3, 3]], np.float32), np.array([0, 1]))
    found = renumbered(Samples(Problem.DETECTION, [a_picture()], [boxes], ("x", "bar")), CLASSES, called={"x": ""})
    assert (len(found.targets[0]), list(found.targets[0].labels)) == (1, [0])
    mask = np.array([[0, 1, IGNORED]], np.uint8)
    pixels = Samples(Problem.SEGMENTATION, [a_picture(1, 3)], [mask], ("x", "corner"))
    assert renumbered(pixels, CLASSES, called={"x": ""}).targets[0].tolist() == [[IGNORED, 2, IGNORED]]
