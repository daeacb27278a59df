"""What a network is given: pictures and boxes move together, everything repeats, and answers find their way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import PICTURES, SOUNDS, some_objects, some_pictures, some_sounds

from neuromation.kernel.rng import unit_rng
from neuromation.learning.augmentation import Augment
from neuromation.learning.batches import PAD_SHARE, SampleOrder, batch, check_compatible, class_shares, fit_input
from neuromation.learning.errors import BadRecipe, BadTrainingData, WrongProblem
from neuromation.learning.problem import IGNORED, NO_CLASS, Boxes, InputSpec, Problem, Samples

EVERYTHING = Augment(
    flip_x=True,
    flip_y=True,
    turn=True,
    crop_min=0.5,
    zoom=(0.7, 1.3),
    shift=0.1,
    rotate_deg=20,
    brightness=0.3,
    contrast=0.3,
    colour=0.3,
    grey=0.2,
    blur=0.7,
    noise=0.05,
    erase=0.2,
    shift_s=0.01,
    gain_db=6,
    mask_time=0.2,
    mask_frequency=0.2,
)
MOVES = st.builds(
    Augment,
    flip_x=st.booleans(),
    flip_y=st.booleans(),
    turn=st.booleans(),
    crop_min=st.sampled_from([0.0, 0.6, 0.9]),
    zoom=st.sampled_from([(1.0, 1.0), (0.6, 1.4)]),
    shift=st.sampled_from([0.0, 0.2]),
    rotate_deg=st.sampled_from([0.0, 15.0]),
)


def drawn(samples: Samples, spec: InputSpec, knobs: Augment, seed: int = 0) -> tuple[Any, list[Any]]:
    return batch(samples, range(len(samples)), spec, rng=unit_rng(seed, 0), augment=knobs)


@pytest.mark.parametrize("kind", ["pictures", "objects", "sounds"])
def test_a_batch_is_decided_by_its_seed(kind: str) -> None:
    samples = {"pictures": some_pictures, "objects": some_objects, "sounds": some_sounds}[kind](4)
    spec = SOUNDS if kind == "sounds" else PICTURES
    knobs = replace(EVERYTHING, mixup=0.0 if kind == "objects" else 0.4)
    first, again, other = (drawn(samples, spec, knobs, seed) for seed in (1, 1, 2))
    assert first[0].dtype == np.float32 and first[0].shape == (4, *spec.shape)
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


@settings(max_examples=60, deadline=None)
@given(knobs=MOVES, seed=st.integers(0, 10_000), side=st.sampled_from([24, 40, 90]))
def test_boxes_move_with_their_pictures(knobs: Augment, seed: int, side: int) -> None:
    spec = InputSpec(height=60, width=80)
    inputs, targets = drawn(some_objects(1, seed=seed, side=side), spec, knobs, seed)
    bright = inputs[0].min(axis=0) > 160
    if not len(targets[0]):
        return
    left, top, width, height = targets[0].xywh[0]
    assert left >= 0 and top >= 0 and left + width <= 80.001 and top + height <= 60.001
    if bright.sum() < 12 or min(width, height) < 4:
        return  # cut to a corner, or smaller than a pixel can say
    rows, columns = np.nonzero(bright)
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    slack = 2.0 + 0.18 * max(width, height)  # blurred edges; a turned square lies between ellipse and rectangle
    assert np.abs(found - [left, top, left + width, top + height]).max() <= slack


@settings(max_examples=50, deadline=None)
@given(height=st.integers(8, 300), width=st.integers(8, 300), x=st.floats(0, 0.8), y=st.floats(0, 0.8))
def test_an_answer_comes_back_to_where_the_target_was(height: int, width: int, x: float, y: float) -> None:
    box = np.array([[x * width, y * height, 0.2 * width, 0.2 * height]], np.float32)
    spec = InputSpec(height=48, width=64)
    picture = np.zeros((height, width, 3), np.uint8)
    samples = Samples(Problem.DETECTION, [picture], [Boxes(box, np.zeros(1, np.int64))], ("a", "b"))
    _, targets = drawn(samples, spec, Augment())
    back = fit_input(picture, spec)[1].back(targets[0])
    assert isinstance(back, Boxes)
    assert np.allclose(back.xywh, box, atol=1e-3 * max(height, width))


def test_a_mask_comes_back_to_its_picture() -> None:
    mask = np.zeros((30, 50), np.uint8)
    mask[:15] = 1
    samples = Samples(Problem.SEGMENTATION, [np.zeros((30, 50), np.uint8)], [mask], ("floor", "wall"))
    inputs, targets = drawn(samples, InputSpec(height=64, width=64), Augment())
    assert targets[0].shape == (64, 64)
    assert set(np.unique(targets[0])) == {0, 1, IGNORED}
    assert np.all(inputs[0][:, targets[0] == IGNORED] == np.float32(PAD_SHARE * 255))
    back = fit_input(samples.inputs[0], InputSpec(height=64, width=64))[1].back(targets[0])
    assert np.mean(back != mask) < 0.04


def test_masks_of_objects_move_with_their_boxes() -> None:
    masks = np.zeros((1, 24, 24), bool)
    masks[0, 4:10, 14:20] = True
    target = Boxes(np.array([[14, 4, 6, 6]], np.float32), np.zeros(1, np.int64), None, masks)
    samples = Samples(Problem.INSTANCE_SEGMENTATION, [np.zeros((24, 24), np.uint8)], [target], ("a", "b"))
    _, moved = drawn(samples, InputSpec(height=48, width=48), Augment(turn=True, flip_x=True), seed=3)
    x, y, width, height = moved[0].xywh[0].round().astype(int)
    assert moved[0].masks[0, y : y + height, x : x + width].all()
    assert moved[0].masks[0].sum() == width * height == 144


def test_nothing_is_changed_when_no_knob_is_turned() -> None:
    picture = unit_rng(0, 0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    inputs, _ = drawn(Samples(Problem.CLASSIFICATION, [picture], [0], ("a", "b")), PICTURES, Augment())
    assert np.array_equal(inputs[0], picture.transpose(2, 0, 1))


def test_grey_and_coloured_pictures_serve_either_network() -> None:
    grey = np.full((16, 16), 77, np.uint8)
    assert np.array_equal(fit_input(grey, PICTURES)[0], np.full((3, 16, 16), 77, np.float32))
    colour = np.stack([grey] * 3, axis=2)
    assert np.array_equal(fit_input(colour, InputSpec(1, 16, 16))[0], np.full((1, 16, 16), 77, np.float32))


def test_a_long_picture_is_shown_whole() -> None:
    shown, place = fit_input(np.full((10, 40, 3), 200, np.uint8), PICTURES)
    assert (place.top, place.left) == (6, 0)
    assert np.all(shown[:, 6:10] == 200) and np.all(shown[:, :6] == np.float32(PAD_SHARE * 255))


@pytest.mark.parametrize("length", [1, 399, 400, 5_000])
def test_a_sound_lies_in_the_middle(length: int) -> None:
    sound = np.zeros(length, np.int16)
    sound[length // 2] = 16_384
    shown, _ = fit_input(sound, SOUNDS)
    assert shown.shape == (400,) and shown.max() == 0.5
    assert abs(int(shown.argmax()) - 200) <= 1


def test_a_tone_keeps_its_pitch_at_another_rate() -> None:
    tone = (10_000 * np.sin(2 * np.pi * 500 * np.arange(1_600) / 8_000)).astype(np.int16)
    shown, _ = fit_input(tone, InputSpec(samples=800, rate_hz=4_000), rate_hz=8_000)
    assert np.argmax(np.abs(np.fft.rfft(shown))) * 4_000 / 800 == 500
    assert abs(float(np.abs(shown).max()) - 10_000 / 32_768) < 0.02


def test_mixed_samples_have_mixed_classes() -> None:
    _, targets = drawn(some_pictures(20), PICTURES, Augment(mixup=1.0))
    shares = np.stack(targets)
    assert np.allclose(shares.sum(axis=1), 1)
    assert np.any((shares > 0.05) & (shares < 0.95))


def test_a_sample_of_no_class_asks_for_a_bit_of_each() -> None:
    mixed = np.array([0.25, 0.75], np.float32)
    assert class_shares([1, NO_CLASS, mixed], 2).tolist() == [[0, 1], [0.5, 0.5], [0.25, 0.75]]


def test_every_sample_is_used_once_before_any_is_used_again() -> None:
    order = SampleOrder(10, 4)
    drawn_places = np.concatenate([order.batch(step, 4) for step in range(5)])
    assert sorted(drawn_places[:10]) == sorted(drawn_places[10:]) == list(range(10))


def test_a_batch_may_be_larger_than_the_data() -> None:
    assert np.bincount(SampleOrder(3, 4).batch(1, 9)).tolist() == [3, 3, 3]


def test_samples_of_another_problem_are_refused() -> None:
    check_compatible(Problem.DETECTION, some_objects(1))
    with pytest.raises(WrongProblem, match="made for detection and the samples are of classification"):
        check_compatible(Problem.DETECTION, some_pictures(1))


def test_a_sound_is_no_picture() -> None:
    with pytest.raises(BadTrainingData, match="takes pictures and was given a sound"):
        fit_input(np.zeros(10, np.int16), PICTURES)
    with pytest.raises(BadTrainingData, match="takes sounds and was given a picture"):
        fit_input(np.zeros((8, 8), np.uint8), SOUNDS)


@pytest.mark.parametrize("change", [{"shift": 1.5}, {"noise": -1}, {"zoom": (2, 1)}, {"rotate_deg": float("nan")}])
def test_a_knob_out_of_range_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadRecipe):
        Augment(**change)
