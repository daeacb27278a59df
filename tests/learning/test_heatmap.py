"""The small detector: what it is asked of each cell, what it answers, that it learns, and that it leaves torch whole."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from neuromation.kernel.rng import unit_rng
from neuromation.learning.problem import Boxes
from neuromation.learning.suppression import overlaps
from neuromation.learning.zoo.networks.heatmap import HeatmapDetector, _wanted, peaks_of
from neuromation.learning.zoo.networks.heatmap_config import (
    HeatmapDetectorConfig,
    build_heatmap_detector,
    heatmap_detector_input,
)

CLASSES = 3
SMALL = {"height": 64, "width": 64, "channels": 8, "depth": 1}


def a_detector(**knobs: object) -> HeatmapDetector:
    """A small detector with the same weights in every test."""
    torch.manual_seed(3)
    return build_heatmap_detector(HeatmapDetectorConfig(**{**SMALL, **knobs}), CLASSES)  # type: ignore[arg-type]


def some_pictures(count: int, *, seed: int = 1, side: int = 64) -> tuple[torch.Tensor, list[Boxes]]:
    """Squares of three colours on grey, up to two a picture, that do not touch."""
    rng = unit_rng(seed, 0)
    pictures = rng.integers(90, 130, (count, side, side, 3)).astype(np.float32)
    targets = []
    for picture in pictures:
        rows, labels = [], []
        for left in (2, side // 2):
            if rng.random() < 0.8:
                wide = int(rng.integers(10, 20))
                x, y, label = left + int(rng.integers(0, 8)), int(rng.integers(0, side - wide)), int(rng.integers(3))
                picture[y : y + wide, x : x + wide, label] = 250
                rows.append((x, y, wide, wide))
                labels.append(label)
        targets.append(Boxes(np.array(rows, np.float32).reshape(-1, 4), np.array(labels, np.int64)))
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), targets


@st.composite
def separate_boxes(draw: st.DrawFn) -> Boxes:
    """Up to four boxes in a picture of 64 x 64, one in each quarter, of any class."""
    rows, labels = [], []
    for corner in ((0, 0), (32, 0), (0, 32), (32, 32)):
        if draw(st.booleans()):
            wide, high = (draw(st.floats(4, 30)) for _ in range(2))
            rows.append(
                (corner[0] + draw(st.floats(0, 31 - wide)), corner[1] + draw(st.floats(0, 31 - high)), wide, high)
            )
            labels.append(draw(st.integers(0, CLASSES - 1)))
    return Boxes(np.array(rows, np.float32).reshape(-1, 4), np.array(labels, np.int64))


def told_of(target: Boxes, *, stride: int, rows: int = 0, columns: int = 0) -> list[np.ndarray]:
    """The raw outputs of a network that says exactly what is wanted of it for a picture of 64 x 64."""
    rows, columns = rows or 64 // stride, columns or 64 // stride
    wanted = _wanted(target, rows, columns, stride)
    heat = np.where(wanted.heat >= 1, 8.0, 16 * wanted.heat - 12)[None].astype(np.float32)
    kinds, places = np.zeros((CLASSES, rows, columns), np.float32), np.zeros((4, rows, columns), np.float32)
    kinds[wanted.label, wanted.row, wanted.column] = 9.0
    size = wanted.box[:, 2:] - wanted.box[:, :2]
    middle = (wanted.box[:, :2] + size / 2) / stride
    places[:2, wanted.row, wanted.column] = (middle - np.stack([wanted.column, wanted.row], 1) - 0.5).T
    places[2:, wanted.row, wanted.column] = np.log(size / stride / 4).T
    return [heat, kinds, places]


@given(separate_boxes(), st.sampled_from([4, 8]))
def test_what_is_wanted_of_a_picture_decodes_to_its_objects(target: Boxes, stride: int) -> None:
    detector = a_detector(stride=stride, score_min=0.5)
    (found,) = detector.decode([output[None] for output in told_of(target, stride=stride)])
    assert sorted(found.labels) == sorted(target.labels)
    corners = [np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1) for b in (found.xywh, target.xywh)]
    best = overlaps(*corners)
    if len(target):
        assert best.max(axis=1).min() > 0.99
        assert (target.labels[best.argmax(axis=1)] == found.labels).all()


@given(separate_boxes(), st.sampled_from([4, 8]))
def test_every_object_has_a_cell_that_answers_for_it_alone(target: Boxes, stride: int) -> None:
    wanted = _wanted(target, 64 // stride, 64 // stride, stride)
    answered = {tuple(box) for box in wanted.box.round(3).tolist()}
    assert wanted.objects == len(target) == len(answered)
    assert len({*zip(wanted.row.tolist(), wanted.column.tolist(), strict=True)}) == len(wanted.row)
    assert (wanted.heat == 1).sum() == len(target) and wanted.heat.max(initial=0) <= 1


@given(st.permutations(range(4)))
def test_the_order_of_objects_changes_nothing_that_is_wanted(order: list[int]) -> None:
    rows = np.array([[2, 2, 20, 18], [30, 4, 12, 12], [8, 34, 9, 22], [40, 40, 20, 20]], np.float32)
    labels = np.array([0, 1, 2, 1])
    one, other = _wanted(Boxes(rows, labels), 16, 16, 4), _wanted(Boxes(rows[order], labels[order]), 16, 16, 4)
    np.testing.assert_array_equal(one.heat, other.heat)
    np.testing.assert_array_equal(one.box, other.box)
    np.testing.assert_array_equal(one.label, other.label)


def test_an_object_whose_middle_is_outside_is_not_asked_for() -> None:
    target = Boxes(np.array([[60, 10, 20, 20], [10, 10, 8, 8]], np.float32), np.array([1, 2]))
    assert set(_wanted(target, 8, 8, 8).label) == {2}


def test_of_two_objects_at_one_place_only_the_better_is_answered_whatever_its_class() -> None:
    detector = a_detector(stride=4, score_min=0.1)
    heat, kinds, places = (np.zeros((n, 16, 16), np.float32) for n in (1, CLASSES, 4))
    heat[:] = -9
    heat[0, 8, 8], heat[0, 8, 10] = 3.0, 2.0
    kinds[0, 8, 8], kinds[1, 8, 10] = 9.0, 9.0
    places[0, 8, 10] = -2.0
    (found,) = detector.decode([heat[None], kinds[None], places[None]])
    assert found.labels.tolist() == [0]


def test_answers_are_best_first_within_their_number_and_inside_the_picture() -> None:
    detector = a_detector(answers_max=7, score_min=0.0, overlap_max=1.0)
    rng = unit_rng(1, 0)
    raw = [rng.standard_normal((2, n, 8, 8)).astype(np.float32) * 3 for n in (1, CLASSES, 4)]
    for found in detector.decode(raw):
        assert found.scores is not None and 1 <= len(found) <= 7
        assert (np.diff(found.scores) <= 0).all() and ((found.scores > 0) & (found.scores <= 1)).all()
        assert (found.xywh[:, :2] >= 0).all() and (found.xywh[:, :2] + found.xywh[:, 2:] <= 64.001).all()


def test_a_level_heat_is_full_of_peaks_and_still_gives_a_bounded_answer() -> None:
    heat, kinds, places = (np.zeros((n, 30, 30), np.float32) for n in (1, CLASSES, 4))
    assert len(peaks_of(heat, kinds, places, stride=4, score_min=0.01, most=50).labels) == 50


@settings(deadline=None, max_examples=8)
@given(st.sampled_from([4, 8]), st.sampled_from([8, 16, 32]), st.sampled_from([(64, 64), (72, 100), (33, 47)]))
def test_maps_have_the_input_divided_by_the_stride_for_any_size(
    stride: int, deepest: int, size: tuple[int, int]
) -> None:
    detector = a_detector(stride=stride, deepest=deepest, height=size[0], width=size[1]).eval()
    with torch.no_grad():
        outputs = detector(torch.zeros(1, 3, *size))
    expected = tuple(-(-side // stride) for side in size)
    assert [tuple(output.shape) for output in outputs] == [(1, n, *expected) for n in (1, CLASSES, 4)]


@pytest.mark.parametrize("mirrors", [2, 4])
def test_mirror_images_change_nothing_when_their_mean_is_taken(mirrors: int) -> None:
    detector = a_detector(mirrors=mirrors, score_min=0.0).eval()
    inputs = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(5)) * 255
    with torch.no_grad():
        heat, kinds, places = detector(inputs)
        mirrored = detector(inputs.flip(3))
    places = places * torch.tensor([-1.0, 1.0, 1.0, 1.0])[:, None, None]
    for one, other in zip((heat, kinds, places), mirrored, strict=True):
        torch.testing.assert_close(one, other.flip(3), atol=1e-4, rtol=1e-4)


def test_mirrors_are_for_use_not_for_training() -> None:
    plain, mirrored = a_detector().train(), a_detector(mirrors=4).train()
    inputs = torch.zeros(2, 3, 64, 64)
    torch.testing.assert_close(plain(inputs), mirrored(inputs))


def test_the_same_weights_serve_pictures_of_any_size() -> None:
    trained, used = a_detector(), a_detector(height=96, width=128)
    used.load_state_dict(trained.state_dict())
    assert heatmap_detector_input(used.config).shape == (3, 96, 128)


def test_a_batch_without_any_object_has_a_finite_loss_that_can_be_followed() -> None:
    detector = a_detector()
    loss = detector.loss(torch.zeros(2, 3, 64, 64), [Boxes.none(), Boxes.none()])
    loss.backward()
    assert torch.isfinite(loss) and all(p.grad is None or torch.isfinite(p.grad).all() for p in detector.parameters())


def test_it_learns_to_find_squares_and_to_tell_their_colours() -> None:
    torch.set_num_threads(1)
    detector = a_detector(deepest=8, score_min=0.3)
    pictures, targets = some_pictures(96)
    optimiser = torch.optim.AdamW(detector.parameters(), 4e-3)
    for step in range(150):
        optimiser.param_groups[0]["lr"] = 4e-3 if step < 105 else 1e-3
        chosen = [(8 * step + k) % 96 for k in range(8)]
        optimiser.zero_grad()
        detector.loss(pictures[chosen], [targets[n] for n in chosen]).backward()
        optimiser.step()
    detector.eval()
    fresh, wanted = some_pictures(16, seed=2)
    with torch.no_grad():
        answers = detector.decode([output.numpy() for output in detector(fresh)])
    right = objects = 0
    for found, target in zip(answers, wanted, strict=True):
        objects += max(len(target), len(found))
        corners = [np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1) for b in (found.xywh, target.xywh)]
        same = found.labels[:, None] == target.labels
        right += int(((overlaps(*corners) > 0.5) & same).any(axis=0).sum())
    assert right >= 0.85 * objects > 10


def test_what_is_exported_answers_as_torch_does() -> None:
    detector = a_detector(stride=4, deepest=8, height=36, width=60).eval()
    inputs = torch.rand(1, 3, 36, 60, generator=torch.Generator().manual_seed(1)) * 255
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, to its developers
        program = torch.onnx.export(detector, (inputs,), dynamo=True, verbose=False)
    assert program is not None
    file = io.BytesIO()
    program.save(file)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = detector(inputs)
    for made, wanted in zip(session.run(None, {session.get_inputs()[0].name: inputs.numpy()}), expected, strict=True):
        np.testing.assert_allclose(made, wanted.numpy(), atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "knobs",
    [{"stride": 16}, {"deepest": 64}, {"channels": 2}, {"height": 8}, {"colours": 3}, {"mirrors": 2, "width": 60}],
)
def test_knobs_out_of_range_are_refused(knobs: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HeatmapDetectorConfig(**{**SMALL, **knobs})  # type: ignore[arg-type]
