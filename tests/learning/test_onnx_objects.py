"""Two runtimes find the same objects, in whatever order they list those whose scores tie."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neuromation.learning.onnx_writing import object_partners
from neuromation.learning.problem import Boxes


@st.composite
def found(draw: st.DrawFn) -> Boxes:
    """Up to a dozen objects, some in the same place, all of the same score."""
    count = draw(st.integers(1, 12))
    places = draw(st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=count, max_size=count))
    labels = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    return Boxes(np.array(places, np.float32) * 10, np.array(labels, np.int64), np.ones(count, np.float32))


def picked(boxes: Boxes, order: list[int]) -> Boxes:
    assert boxes.scores is not None
    return Boxes(boxes.xywh[order], boxes.labels[order], boxes.scores[order])


@given(boxes=found(), data=st.data())
def test_the_same_objects_in_another_order_and_a_hair_aside_are_the_same(boxes: Boxes, data: st.DataObject) -> None:
    other = picked(boxes, data.draw(st.permutations(range(len(boxes)))))
    partners = object_partners(boxes, dataclasses.replace(other, xywh=other.xywh + np.float32(0.3)))
    assert partners is not None
    assert sorted(partners.tolist()) == list(range(len(boxes)))
    assert np.array_equal(boxes.xywh, other.xywh[partners]) and np.array_equal(boxes.labels, other.labels[partners])


@given(boxes=found(), data=st.data())
def test_one_object_elsewhere_or_of_another_class_or_certainty_is_another(boxes: Boxes, data: st.DataObject) -> None:
    assert boxes.scores is not None
    at = data.draw(st.integers(0, len(boxes) - 1))
    places, labels, scores = boxes.xywh.copy(), boxes.labels.copy(), boxes.scores.copy()
    places[at] += 3.0
    labels[at] += 3
    scores[at] -= 0.1
    assert object_partners(boxes, dataclasses.replace(boxes, xywh=places)) is None
    assert object_partners(boxes, dataclasses.replace(boxes, labels=labels)) is None
    assert object_partners(boxes, dataclasses.replace(boxes, scores=scores)) is None
    assert object_partners(boxes, picked(boxes, [n for n in range(len(boxes)) if n != at])) is None


def test_nothing_is_the_same_as_nothing() -> None:
    partners = object_partners(Boxes.none(), Boxes.none())
    assert partners is not None and len(partners) == 0
