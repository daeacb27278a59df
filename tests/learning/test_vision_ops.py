"""Suppression and region features in plain torch equal their definitions, written out box by box."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neuromation.learning import vision_ops
from neuromation.learning.errors import MissingLibrary
from neuromation.learning.suppression import overlaps, suppress, suppress_by_class
from neuromation.learning.vision_ops import define_operators, nms, roi_align, vision

numbers = st.integers(0, 40)


@st.composite
def boxes_and_scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Whole corners, so that overlaps meet the limit exactly now and then; scores with ties."""
    count = draw(st.integers(0, 30))
    low = draw(hnp.arrays(np.int64, (count, 2), elements=numbers))
    size = draw(hnp.arrays(np.int64, (count, 2), elements=numbers))
    scores = draw(hnp.arrays(np.int64, (count,), elements=st.integers(0, 9)))
    return np.concatenate([low, low + size], axis=1).astype(np.float32), (scores / 10).astype(np.float32)


def kept_one_by_one(boxes: np.ndarray, scores: np.ndarray, overlap_max: float) -> list[int]:
    kept: list[int] = []
    for place in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(overlap_of(boxes[place], boxes[other]) <= overlap_max for other in kept):
            kept.append(place)
    return kept


def overlap_of(left: np.ndarray, right: np.ndarray) -> float:
    across = max(0.0, min(left[2], right[2]) - max(left[0], right[0]))
    down = max(0.0, min(left[3], right[3]) - max(left[1], right[1]))
    union = (left[2] - left[0]) * (left[3] - left[1]) + (right[2] - right[0]) * (right[3] - right[1]) - across * down
    return float(np.float32(across * down) / np.float32(union)) if union > 0 else 0.0


@given(boxes_and_scores(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_suppression_keeps_what_comparing_one_by_one_keeps(
    given_boxes: tuple[np.ndarray, np.ndarray], overlap_max: float
) -> None:
    boxes, scores = given_boxes
    wanted = kept_one_by_one(boxes, scores, overlap_max)
    assert suppress(boxes, scores, overlap_max=overlap_max).tolist() == wanted
    assert nms(torch.from_numpy(boxes), torch.from_numpy(scores), overlap_max).tolist() == wanted


def test_suppression_in_blocks_equals_suppression_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    low = rng.random((300, 2)) * 50
    boxes = np.concatenate([low, low + rng.random((300, 2)) * 30], axis=1).astype(np.float32)
    scores = rng.random(300).astype(np.float32)
    at_once = suppress(boxes, scores, overlap_max=0.3)
    monkeypatch.setattr("neuromation.learning.suppression._BLOCK", 7)
    assert np.array_equal(suppress(boxes, scores, overlap_max=0.3), at_once)
    assert at_once.tolist() == kept_one_by_one(boxes, scores, 0.3)


@given(boxes_and_scores(), st.integers(1, 3))
def test_classes_do_not_suppress_each_other(given_boxes: tuple[np.ndarray, np.ndarray], classes: int) -> None:
    boxes, scores = given_boxes
    labels = np.arange(len(boxes)) % classes
    kept = suppress_by_class(boxes, scores, labels, overlap_max=0.5)
    alone = [
        np.flatnonzero(labels == label)[suppress(boxes[labels == label], scores[labels == label], overlap_max=0.5)]
        for label in range(classes)
    ]
    assert sorted(kept.tolist()) == sorted(np.concatenate(alone).tolist())
    assert (np.diff(scores[kept]) <= 0).all()


@given(boxes_and_scores())
def test_overlap_is_symmetric_and_one_with_itself(given_boxes: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, _ = given_boxes
    found = overlaps(boxes, boxes)
    assert np.array_equal(found, found.T)
    assert found.min(initial=0) >= 0 and found.max(initial=0) <= 1
    large = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    assert (found.diagonal()[large] == 1).all()


def aligned_one_by_one(
    features: np.ndarray, roi: list[float], *, scale: float, rows: int, columns: int, ratio: int, aligned: bool
) -> np.ndarray:
    """Section 3 of Mask R-CNN, as torchvision's kernel computes it, in float64."""
    picture = features[int(roi[0])].astype(np.float64)
    x1, y1, x2, y2 = (value * scale - (0.5 if aligned else 0.0) for value in roi[1:])
    width, height = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1.0), max(y2 - y1, 1.0))
    down = ratio if ratio > 0 else math.ceil(height / rows)
    across = ratio if ratio > 0 else math.ceil(width / columns)
    made = np.zeros((len(picture), rows, columns))
    for row in range(rows):
        for column in range(columns):
            for i in range(down):
                for j in range(across):
                    y = y1 + (row + (i + 0.5) / down) * height / rows
                    x = x1 + (column + (j + 0.5) / across) * width / columns
                    made[:, row, column] += bilinear(picture, y, x)
    return made / max(1, down * across)


def bilinear(picture: np.ndarray, y: float, x: float) -> np.ndarray:
    height, width = picture.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(len(picture))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    top = picture[:, y0, x0] * (1 - (x - x0)) + picture[:, y0, x1] * (x - x0)
    bottom = picture[:, y1, x0] * (1 - (x - x0)) + picture[:, y1, x1] * (x - x0)
    return top * (1 - (y - y0)) + bottom * (y - y0)


@settings(max_examples=40, deadline=None)
@given(
    rois=st.lists(
        st.tuples(st.integers(0, 1), *[st.floats(-30, 90, width=32)] * 2, *[st.floats(0, 60, width=32)] * 2), max_size=4
    ),
    ratio=st.integers(-1, 3),
    aligned=st.booleans(),
    seed=st.integers(0, 100),
)
def test_region_features_equal_samples_taken_one_by_one(
    rois: list[tuple[int, float, float, float, float]], ratio: int, aligned: bool, seed: int
) -> None:
    features = np.random.default_rng(seed).standard_normal((2, 3, 6, 9)).astype(np.float32)
    corners = [[float(b), x, y, x + w, y + h] for b, x, y, w, h in rois]
    found = roi_align(torch.from_numpy(features), torch.tensor(corners).reshape(-1, 5), 0.125, 2, 3, ratio, aligned)
    assert found.shape == (len(rois), 3, 2, 3)
    for one, roi in zip(found.numpy(), corners, strict=True):
        if not on_an_edge(roi, 0.125, (6, 9), ratio, aligned):
            wanted = aligned_one_by_one(features, roi, scale=0.125, rows=2, columns=3, ratio=ratio, aligned=aligned)
            assert np.allclose(one, wanted, atol=2e-4)


def on_an_edge(roi: list[float], scale: float, cells: tuple[int, int], ratio: int, aligned: bool) -> bool:
    """A number of samples, or a sample's place, that one rounding step changes; float32 and float64 may differ there."""
    x1, y1, x2, y2 = (value * scale - (0.5 if aligned else 0.0) for value in roi[1:])
    for low, high, count, limit in ((y1, y2, 2, cells[0]), (x1, x2, 3, cells[1])):
        size = high - low if aligned else max(high - low, 1.0)
        samples = ratio if ratio > 0 else math.ceil(size / count)
        if ratio <= 0 and abs(size / count - round(size / count)) < 1e-5:
            return True
        steps = (np.arange(count * max(1, samples)) + 0.5) / max(1, samples)
        places = low + steps * size / count
        if (np.abs(places + 1) < 1e-4).any() or (np.abs(places - limit) < 1e-4).any():
            return True
    return False


def test_gradients_of_region_features_are_those_of_differences() -> None:
    features = torch.randn(1, 2, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rois = torch.tensor([[0.0, 1, 2, 30, 25], [0.0, -9, 5, 12, 60]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: roi_align(x, rois, 0.125, 2, 2, 2, False), (features.requires_grad_(),))


def test_torchvision_loads_and_its_operators_are_there() -> None:
    ops = vision().ops
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    assert ops.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]
    assert ops.roi_align(torch.ones(1, 1, 8, 8), [boxes[:1]], 2, 0.5).shape == (1, 1, 2, 2)
    assert vision() is vision()


def test_defined_operators_are_those_of_this_module() -> None:
    define_operators("neuromation_test")
    found = torch.ops.neuromation_test
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10]])
    assert found.nms(boxes, torch.tensor([0.5, 0.9]), 0.5).tolist() == [1]
    assert found.qnms(boxes.int(), torch.tensor([5, 9]).int(), 0.5).tolist() == [1]
    features = torch.rand(1, 2, 8, 8, requires_grad=True)
    rois = torch.tensor([[0.0, 0, 0, 8, 8]])
    made = found.roi_align(features, rois, 1.0, 2, 2, 2, False)
    assert torch.equal(made, roi_align(features, rois, 1.0, 2, 2, 2, False))
    torch.autograd.backward(made.sum())
    assert features.grad is not None and features.grad.any()


def test_a_machine_without_torchvision_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setattr(vision_ops.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingLibrary, match=r"pip install 'neuromation\[learning\]'"):
        vision.__wrapped__()
