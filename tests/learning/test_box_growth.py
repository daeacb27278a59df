"""How loosely people draw boxes shows in the boxes that a model finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.learning.evaluation import box_growth, margin_told
from neuromation.learning.problem import Boxes, InputSpec, Problem, Samples

SIDE = 24.0


def pictures(count: int, *, margin: float) -> Samples:
    """Pictures with four objects each, whose boxes are drawn `margin` pixels outside of them."""
    corners = np.array([[20, 20], [120, 30], [30, 120], [110, 110]], np.float32)
    drawn = np.concatenate([corners - margin, np.full((4, 2), SIDE + 2 * margin)], axis=1).astype(np.float32)
    blank = np.zeros((160, 160, 3), np.uint8)
    targets = [Boxes(drawn, np.zeros(4, np.int64)) for _ in range(count)]
    return Samples(Problem.DETECTION, [blank] * count, targets, ("thing",))


def found(samples: Samples, *, scores: tuple[float, ...] = (0.9,), margins: tuple[float, ...] = (0.0,)) -> list[Boxes]:
    """A model's answers: each object as often as there are margins, with these scores."""
    truth = pictures(1, margin=0).targets[0].xywh
    boxes = np.concatenate([np.concatenate([truth[:, :2] - m, truth[:, 2:] + 2 * m], axis=1) for m in margins])
    given = np.repeat(np.array(scores, np.float32), len(truth))
    return [Boxes(boxes.astype(np.float32), np.zeros(len(boxes), np.int64), given) for _ in samples.targets]


@given(margin=st.floats(-3, 6), said=st.floats(-2, 2))
def test_the_growth_is_how_much_farther_out_people_draw(margin: float, said: float) -> None:
    samples = pictures(6, margin=margin)
    growth = box_growth(found(samples, margins=(said,)), samples)
    assert growth == pytest.approx(margin - said, abs=1e-3)


def test_the_surest_box_counts_and_not_the_one_that_fits_best() -> None:
    samples = pictures(6, margin=3.0)
    assert box_growth(found(samples, scores=(0.9, 0.2), margins=(0.0, 3.0)), samples) == pytest.approx(3.0, abs=1e-3)


def test_what_nobody_has_drawn_and_what_was_not_found_tell_nothing() -> None:
    samples = pictures(12, margin=2.0)
    answers = found(samples)
    for place in range(6):
        answers[place] = Boxes(np.empty((0, 4), np.float32), np.empty(0, np.int64), np.empty(0, np.float32))
    assert box_growth(answers, samples) == pytest.approx(2.0, abs=1e-3)
    far = [Boxes(b.xywh + np.float32([70, 0, 0, 0]), b.labels, b.scores) for b in answers]
    assert box_growth(far, samples) is None


@pytest.mark.parametrize(("made", "told"), [((160, 160), 5.0), ((320, 320), 9.0), ((80, 60), 3.0)])
def test_a_margin_is_told_in_pixels_of_made_pictures(made: tuple[int, int], told: float) -> None:
    samples = pictures(6, margin=4.0)  # of 160 x 160 pixels
    inputs = InputSpec(channels=3, height=96, width=96)
    assert margin_told(1.0, found(samples), samples, made=made, inputs=inputs) == pytest.approx(told, abs=1e-3)
    few = pictures(4, margin=4.0)
    assert margin_told(1.0, found(few), few, made=made, inputs=inputs) is None


def test_few_pairs_tell_nothing() -> None:
    samples = pictures(4, margin=2.0)
    assert box_growth(found(samples), samples) is None


def test_only_boxes_have_a_growth() -> None:
    samples = Samples(Problem.CLASSIFICATION, [np.zeros((8, 8), np.uint8)], [0], ("a", "b"))
    assert box_growth([np.array([0.4, 0.6])], samples) is None
