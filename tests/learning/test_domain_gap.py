"""Schedules open evenly, styles tell how pictures look and not what they show, and few labels are chosen fairly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from neuromation.kernel.rng import unit_rng
from neuromation.learning.domain_gap.shots import few_shots, rehearsed
from neuromation.learning.domain_gap.starts import warm_start, with_real_statistics
from neuromation.learning.domain_gap.style import (
    STYLE_NAMES,
    Schedule,
    Span,
    Style,
    in_style,
    style_distance,
    style_of,
)
from neuromation.learning.errors import (
    BadRecipe,
    BadSchedule,
    BadTrainingData,
    BadWeights,
    ClassesMismatch,
    WrongProblem,
)
from neuromation.learning.evaluation import predict
from neuromation.learning.problem import Boxes, Problem, Samples
from neuromation.learning.zoo import initial_weights

shares = st.floats(0.0, 1.0)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    low, start, high = sorted(draw(st.tuples(*[st.floats(0.01, 100.0)] * 3)))
    return Span(start, low, high, log=draw(st.booleans()))


def a_picture(seed: int, *, side: int = 64, light: float = 0.5, contrast: float = 0.2) -> NDArray[np.uint8]:
    """Soft shapes in colour."""
    rng = unit_rng(seed, 0, "picture")
    coarse = rng.uniform(-1, 1, (8, 8, 3))
    fine = np.asarray(
        [
            Image.fromarray(coarse[..., c].astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
            for c in range(3)
        ]
    ).transpose(1, 2, 0)
    values = light + contrast * 2 * fine + 0.01 * rng.standard_normal((side, side, 3))
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def a_set(classes: int, each: int, *, seed: int = 0) -> Samples:
    labels = [label for label in range(classes) for _ in range(each)]
    inputs = [np.full((32, 32, 3), 10 * i % 256, np.uint8) for i in range(len(labels))]
    names = [f"sample-{i}" for i in range(len(labels))]
    return Samples(Problem.CLASSIFICATION, inputs, labels, tuple(f"class {i}" for i in range(classes)), names=names)


@settings(max_examples=40)
@given(span=spans(), calm=shares, wide=shares, along=shares, later=shares)
def test_ranges_only_widen_and_never_leave_their_ends(
    span: Span, calm: float, wide: float, along: float, later: float
) -> None:
    schedule = Schedule({"knob": span}, calm=min(calm, wide), wide=max(calm, wide))
    low, high = schedule.ranges(min(along, later))["knob"]
    lower, higher = schedule.ranges(max(along, later))["knob"]
    slack = 1e-9 * abs(span.high)
    assert span.low - slack <= lower <= low + slack
    assert high - slack <= higher <= span.high + slack


@settings(max_examples=30)
@given(span=spans(), count=st.integers(1, 40), seed=st.integers(0, 1_000))
def test_every_block_lies_in_its_range_and_is_the_same_each_time(span: Span, count: int, seed: int) -> None:
    schedule = Schedule({"a": span, "b": Span(0.0, -1.0, 1.0)})
    blocks = schedule.blocks(count, seed)
    assert blocks == schedule.blocks(count, seed)
    assert blocks[0]["b"] == 0.0
    for place, block in enumerate(blocks):
        for name, (low, high) in schedule.ranges(place / max(1, count - 1)).items():
            assert low <= block[name] <= high


def test_a_schedule_is_calm_before_it_widens_and_fully_open_after() -> None:
    schedule = Schedule({"yaw": Span(10.0, 0.0, 50.0)}, calm=0.2, wide=0.6)
    assert schedule.ranges(0.2)["yaw"] == (10.0, 10.0)
    assert schedule.ranges(0.4)["yaw"] == pytest.approx((5.0, 30.0))
    assert schedule.ranges(0.6)["yaw"] == (0.0, 50.0)


@pytest.mark.parametrize("ends", [(5.0, 0.0, 1.0), (float("nan"), 0.0, 1.0), (0.0, 0.0, float("inf"))])
def test_a_range_that_does_not_hold_its_start_is_refused(ends: tuple[float, float, float]) -> None:
    with pytest.raises(BadSchedule, match="starts within its ends"):
        Span(*ends)


def test_wrong_schedules_are_refused_by_name() -> None:
    with pytest.raises(BadSchedule, match="above 0"):
        Span(0.0, 0.0, 1.0, log=True)
    with pytest.raises(BadSchedule, match="a range at least"):
        Schedule({})
    with pytest.raises(BadSchedule, match="blocks, not 0"):
        Schedule({"a": Span(0.0, 0.0, 1.0)}).blocks(0, 1)


def test_equal_pictures_have_no_distance_and_distance_has_no_direction() -> None:
    one = style_of([a_picture(seed) for seed in range(8)])
    other = style_of([a_picture(seed, light=0.3, contrast=0.1) for seed in range(8)])
    assert style_distance(one, one) == 0.0
    assert style_distance(one, other) == style_distance(other, one) > 0.2


def test_other_contents_of_the_same_look_are_nearer_than_another_look() -> None:
    one, same = (style_of([a_picture(seed) for seed in seeds]) for seeds in (range(12), range(12, 24)))
    darker = style_of([a_picture(seed, light=0.25) for seed in range(12)])
    assert style_distance(one, same) < 0.5 * style_distance(one, darker)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("fine", lambda image: image.filter(ImageFilter.GaussianBlur(1.5))),
        ("noise", lambda image: image.filter(ImageFilter.GaussianBlur(1.5))),
        ("contrast", lambda image: image.point(lambda value: value // 2 + 60)),
        ("saturation", lambda image: image.convert("L").convert("RGB")),
        ("red", lambda image: Image.merge("RGB", [image.getchannel(0).point(lambda v: v // 2), *image.split()[1:]])),
    ],
)
def test_a_change_of_look_lowers_the_property_that_is_named_after_it(name: str, change: object) -> None:
    assert callable(change)
    pictures = [a_picture(seed) for seed in range(6)]
    changed = [np.asarray(change(Image.fromarray(picture))) for picture in pictures]
    place = STYLE_NAMES.index(name)
    assert style_of(changed).mean[place] < style_of(pictures).mean[place]


def test_jpeg_shows_as_blocks() -> None:
    import io

    pictures = [a_picture(seed, side=128) for seed in range(4)]
    packed = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=8)
        packed.append(np.asarray(Image.open(file)))
    place = STYLE_NAMES.index("blocks")
    assert style_of(packed).mean[place] > style_of(pictures).mean[place] + 0.05


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 100), light=st.floats(0.3, 0.7), contrast=st.floats(0.05, 0.25))
def test_pictures_in_a_style_are_nearer_to_it(seed: int, light: float, contrast: float) -> None:
    style = style_of([a_picture(1_000 + i, light=light, contrast=contrast) for i in range(10)])
    pictures = [a_picture(seed + i, light=0.85, contrast=0.4) for i in range(10)]
    moved = [in_style(p, style, strength=1.0, rng=unit_rng(seed, i, "style")) for i, p in enumerate(pictures)]
    assert style_distance(style_of(moved), style) < style_distance(style_of(pictures), style)


def test_no_strength_changes_nothing() -> None:
    style = style_of([a_picture(seed, light=0.3) for seed in range(3)])
    assert np.array_equal(in_style(a_picture(9), style, strength=0.0, rng=unit_rng(1, 0)), a_picture(9))


def test_what_is_no_picture_has_no_style() -> None:
    with pytest.raises(BadTrainingData, match="from 1 to"):
        style_of([])
    with pytest.raises(BadTrainingData, match="16 pixels a side"):
        style_of([np.zeros((8, 8), np.uint8)])
    style = Style(STYLE_NAMES, np.zeros(len(STYLE_NAMES)), np.zeros(len(STYLE_NAMES)))
    with pytest.raises(BadTrainingData, match="strength"):
        in_style(a_picture(1), style, strength=1.5, rng=unit_rng(1, 0))


def test_a_grey_picture_has_a_style_too() -> None:
    style = style_of([np.full((20, 30), 128, np.uint8)])
    assert np.isfinite(style.mean).all()
    assert style.to_json()["saturation"]["mean"] == 0.0


@settings(max_examples=30)
@given(classes=st.integers(2, 6), each=st.integers(1, 8), k=st.integers(1, 10), seed=st.integers(0, 99))
def test_k_shots_are_k_of_each_class_or_all_there_are(classes: int, each: int, k: int, seed: int) -> None:
    chosen = few_shots(a_set(classes, each), k, seed=seed)
    assert np.bincount(chosen.targets, minlength=classes).tolist() == [min(k, each)] * classes
    assert len(set(chosen.names)) == len(chosen)


@settings(max_examples=20)
@given(k=st.integers(1, 5), more=st.integers(1, 5), seed=st.integers(0, 99))
def test_fewer_shots_are_among_more_shots(k: int, more: int, seed: int) -> None:
    samples = a_set(3, 9)
    few, many = (set(few_shots(samples, count, seed=seed).names) for count in (k, k + more))
    assert few < many


def test_of_detections_pictures_are_taken_until_every_class_is_shown_often_enough() -> None:
    targets = [Boxes(np.zeros((2, 4), np.float32), np.array([i % 3, (i + 1) % 3], np.int64)) for i in range(12)]
    targets += [Boxes.none()] * 5
    samples = Samples(Problem.DETECTION, [np.zeros((8, 8, 3), np.uint8)] * 17, targets, ("a", "b", "c"))
    shown = [set(target.labels.tolist()) for target in few_shots(samples, 3, seed=1).targets]
    assert len(shown) < 9
    assert all(sum(label in labels for labels in shown) >= 3 for label in range(3))


@settings(max_examples=30)
@given(real=st.integers(1, 6), made=st.integers(2, 30), share=st.floats(0.05, 0.9), seed=st.integers(0, 9))
def test_a_rehearsal_keeps_all_made_samples_and_the_share_of_real_ones(
    real: int, made: int, share: float, seed: int
) -> None:
    mixed = rehearsed(a_set(2, real), a_set(2, made), real_share=share, seed=seed)
    count = len(mixed) - 2 * made
    assert count == max(2 * real, round(2 * made * share / (1 - share)))
    assert mixed.targets[: 2 * made] == a_set(2, made).targets


def test_what_cannot_be_mixed_or_chosen_is_refused() -> None:
    with pytest.raises(ClassesMismatch, match="same classes"):
        rehearsed(a_set(2, 3), a_set(3, 3), real_share=0.5, seed=0)
    with pytest.raises(BadRecipe, match="between 0 and 1"):
        rehearsed(a_set(2, 3), a_set(2, 3), real_share=1.0, seed=0)
    with pytest.raises(BadTrainingData, match="not 0"):
        few_shots(a_set(2, 3), 0, seed=0)
    mask = Samples(
        Problem.SEGMENTATION, [np.zeros((4, 4, 3), np.uint8)], [np.zeros((4, 4), np.uint8)], ("ground", "thing")
    )
    with pytest.raises(WrongProblem, match="counted by class"):
        few_shots(mask, 1, seed=0)


MODEL, CONFIG = "small-resnet", {"height": 32, "width": 32, "base": 8, "stages": 2}


def test_a_model_of_other_classes_gives_all_but_its_last_layer() -> None:
    source = initial_weights(MODEL, CONFIG, ["a", "b", "c"], 1)
    fresh = initial_weights(MODEL, CONFIG, ["x", "y"], 2)
    started = warm_start(source, fresh)
    assert set(started.drawn) == {"head.bias", "head.weight"}
    assert all(np.array_equal(started.weights[name], source[name]) for name in started.taken)
    assert all(np.array_equal(started.weights[name], fresh[name]) for name in started.drawn)


def test_another_network_gives_nothing_and_says_so() -> None:
    with pytest.raises(BadWeights, match="start afresh"):
        warm_start({"layer": np.zeros(3, np.float32)}, initial_weights(MODEL, CONFIG, ["a", "b"], 1))


def test_real_statistics_bring_answers_of_changed_pictures_back() -> None:
    pictures = [a_picture(seed, side=32) for seed in range(24)]
    classes = ("a", "b")
    config = {**CONFIG, "level": "fixed"}
    weights = initial_weights(MODEL, config, classes, 3)
    plain = Samples(Problem.CLASSIFICATION, pictures, [0] * 24, classes)
    darker = Samples(Problem.CLASSIFICATION, [picture // 2 for picture in pictures], [0] * 24, classes)
    fitted = with_real_statistics(MODEL, config, weights, plain)
    told = np.stack([np.asarray(answer) for answer in predict(fitted, MODEL, config, plain)])
    unaware = np.stack([np.asarray(answer) for answer in predict(fitted, MODEL, config, darker)])
    aware = with_real_statistics(MODEL, config, fitted, darker)
    adapted = np.stack([np.asarray(answer) for answer in predict(aware, MODEL, config, darker)])
    assert np.abs(adapted - told).mean() < 0.5 * np.abs(unaware - told).mean()


def test_no_share_of_real_statistics_changes_nothing() -> None:
    weights = initial_weights(MODEL, CONFIG, ["class 0", "class 1"], 3)
    same = with_real_statistics(MODEL, CONFIG, weights, a_set(2, 2), share=0.0)
    assert all(np.allclose(same[name], weights[name]) for name in weights)


def test_a_network_without_batch_normalisation_is_refused() -> None:
    samples = Samples(Problem.CLASSIFICATION, [np.zeros((8, 8), np.uint8)] * 2, [0, 1], ("a", "b"))
    with pytest.raises(BadWeights, match="no batch normalisation"):
        with_real_statistics("digits-cnn", {}, initial_weights("digits-cnn", {}, ["a", "b"], 1), samples)
