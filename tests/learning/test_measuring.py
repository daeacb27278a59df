"""Figures equal those computed by hand, by numpy and by pycocotools, and intervals behave as intervals do."""

from __future__ import annotations

import contextlib
import io
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measuring_builders import CLASSES, a_picture, classified, detected, some_boxes
from sklearn import metrics

from neuromation.kernel.rng import unit_rng
from neuromation.learning.errors import BadAnswers, ClassesMismatch
from neuromation.learning.evaluation import Figure, measure, side_by_side
from neuromation.learning.evaluation.detection import average_precision
from neuromation.learning.evaluation.matching import IOUS, _coco, rankings
from neuromation.learning.problem import IGNORED, NO_CLASS, Boxes, Problem, Samples

quick = settings(max_examples=15, deadline=None)


# ---- classification


@quick
@given(st.integers(2, 200), st.integers(0, 1000), st.floats(0, 4))
def test_classification_equals_scikit_learn(count: int, seed: int, skill: float) -> None:
    answers, samples = classified(count, seed, skill=skill)
    got = measure(answers, samples, resamples=0)
    said = np.argmax(answers, axis=1)
    labels = np.asarray(samples.targets)
    present = np.unique(labels)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(labels, said, labels=present, zero_division=0)
    assert got["accuracy"] == pytest.approx(metrics.accuracy_score(labels, said))
    assert (got["precision"], got["recall"], got["f1"]) == pytest.approx((precision.mean(), recall.mean(), f1.mean()))
    assert np.array_equal(got.confusion, metrics.confusion_matrix(labels, said, labels=range(len(CLASSES))))


@quick
@given(st.integers(2, 200), st.integers(0, 1000))
def test_top_5_equals_scikit_learn(count: int, seed: int) -> None:
    answers, samples = classified(count, seed)
    expected = metrics.top_k_accuracy_score(
        np.asarray(samples.targets), np.asarray(answers), k=5, labels=range(len(CLASSES))
    )
    assert measure(answers, samples, resamples=0)["top5"] == pytest.approx(expected)


@quick
@given(st.integers(5, 100), st.integers(0, 1000))
def test_the_order_of_samples_does_not_matter(count: int, seed: int) -> None:
    answers, samples = classified(count, seed)
    order = unit_rng(seed, 1).permutation(count)
    left = measure(answers, samples, resamples=0)
    right = measure([answers[i] for i in order], samples.only(order), resamples=0)
    for name, figure in left.figures.items():
        assert right.figures[name].value == pytest.approx(figure.value, nan_ok=True)


@quick
@given(st.integers(20, 300), st.integers(0, 1000))
def test_intervals_hold_the_figure_and_repeat_with_the_seed(count: int, seed: int) -> None:
    answers, samples = classified(count, seed)
    got = measure(answers, samples, seed=seed)
    assert got.to_json() == measure(answers, samples, seed=seed).to_json()
    for figure in got.figures.values():
        assert figure.low <= figure.value <= figure.high


def test_the_interval_of_accuracy_is_as_wide_as_the_binomial_says() -> None:
    answers, samples = classified(1000, 3)
    got = measure(answers, samples).main
    assert got.high - got.low == pytest.approx(2 * 1.96 * math.sqrt(got.value * (1 - got.value) / 1000), rel=0.1)


def test_a_coarse_answer_is_right_when_its_group_is() -> None:
    answers, samples = classified(200, 4)
    coarse = dict(zip(CLASSES, "aabbccd", strict=True))
    got = measure(answers, samples, coarse=coarse)
    said = np.argmax(answers, axis=1)
    expected = np.mean([coarse[CLASSES[s]] == coarse[CLASSES[t]] for s, t in zip(said, samples.targets, strict=True)])
    assert got["coarse_accuracy"] == pytest.approx(expected)
    with pytest.raises(ClassesMismatch, match="coarse"):
        measure(answers, samples, coarse={"a": "x"})


def test_samples_of_no_class_count_as_false_alarms_and_nowhere_else() -> None:
    sure, unsure = np.eye(7, dtype=np.float32)[2], np.full(7, 1 / 7, np.float32)
    samples = Samples(Problem.CLASSIFICATION, [a_picture()] * 4, [2, 2, NO_CLASS, NO_CLASS], CLASSES)
    got = measure([sure, sure, sure, unsure], samples)
    assert (got["accuracy"], got["false_alarms"], got.null_samples) == (1.0, 0.5, 2)
    assert got.worst == (2,)
    assert "none of the classes" in got.worst_notes[0]


def test_sure_and_wrong_is_not_calibrated() -> None:
    labels = np.arange(70) % 7
    samples = Samples(Problem.CLASSIFICATION, [a_picture()] * 70, [int(n) for n in labels], CLASSES)
    wrong = list(np.eye(7, dtype=np.float32)[(labels + 1) % 7])
    assert measure(wrong, samples)["calibration_error"] == pytest.approx(1)


def test_conditions_split_the_figures() -> None:
    right = list(np.eye(7, dtype=np.float32)[[0, 1, 1, 1]])
    samples = Samples(
        Problem.CLASSIFICATION,
        [a_picture()] * 4,
        [0, 1, 2, 3],
        CLASSES,
        conditions={"light": ["day", "day", "night", "night"]},
    )
    got = {c.word: c.figures["accuracy"].value for c in measure(right, samples).conditions}
    assert got == {"day": 1.0, "night": 0.0}


def test_a_class_without_samples_has_no_recall_and_does_not_pull_the_mean_down() -> None:
    samples = Samples(Problem.CLASSIFICATION, [a_picture()] * 2, [0, 1], CLASSES)
    got = measure(list(np.eye(7, dtype=np.float32)[:2]), samples)
    assert got["recall"] == 1.0
    assert math.isnan(got.per_class[6].figures["recall"].value)


# ---- detection


def by_pycocotools(answers: list[Boxes], targets: list[Boxes]) -> tuple[float, float]:
    """mAP and mAP@0.5 by the library from end to end."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        run = COCOeval(_coco(targets, 3, "bbox"), _coco(answers, 3, "bbox"), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(run.stats[0]), float(run.stats[1])


@quick
@given(st.integers(1, 12), st.integers(0, 10_000), st.floats(0.5, 6))
def test_detection_equals_pycocotools(pictures: int, seed: int, jitter: float) -> None:
    answers, samples = detected(pictures, seed, jitter=jitter)
    got = measure(answers, samples, resamples=0)
    expected = by_pycocotools(answers, list(samples.targets))
    if max(expected) < 0:  # no objects at all: the library says -1
        assert math.isnan(got["map"])
    else:
        assert (got["map"], got["map50"]) == pytest.approx(expected)


@quick
@given(st.integers(2, 8), st.integers(0, 10_000))
def test_counting_a_picture_k_times_equals_repeating_it(pictures: int, seed: int) -> None:
    answers, samples = detected(pictures, seed)
    counts = unit_rng(seed, 3).integers(0, 4, pictures)
    places = np.repeat(np.arange(pictures), counts)
    if not len(places):
        return
    once = rankings(answers, samples.targets, classes=3)
    again = rankings([answers[i] for i in places], [samples.targets[i] for i in places], classes=3)
    for left, right in zip(once, again, strict=True):
        weighted = average_precision(left, counts[None])[0]
        repeated = average_precision(right, np.ones((1, len(places)), np.int64))[0]
        assert weighted == pytest.approx(repeated, nan_ok=True)


def test_average_precision_of_a_small_case_by_hand() -> None:
    """Two objects; found: right (0.9), wrong (0.8), right (0.7). Precision 1 up to recall 1/2, then 2/3."""
    target = Boxes(np.array([[0, 0, 10, 10], [30, 30, 10, 10]], np.float32), np.zeros(2, np.int64))
    found = Boxes(
        np.array([[0, 0, 10, 10], [60, 0, 10, 10], [30, 30, 10, 10]], np.float32),
        np.zeros(3, np.int64),
        np.array([0.9, 0.8, 0.7], np.float32),
    )
    samples = Samples(Problem.DETECTION, [a_picture()], [target], ("a",))
    expected = (51 * 1.0 + 50 * 2 / 3) / 101
    got = measure([found], samples)
    assert (got["map50"], got["map"], got["any50"]) == pytest.approx((expected, expected, expected))
    assert (got["precision"], got["recall"], got.score_min) == pytest.approx((2 / 3, 1.0, 0.7))


@quick
@given(st.integers(1, 8), st.integers(0, 1000))
def test_perfect_answers_reach_one(pictures: int, seed: int) -> None:
    targets = [some_boxes(seed, n, least=1) for n in range(pictures)]
    samples = Samples(Problem.DETECTION, [a_picture()] * pictures, targets, ("a", "b", "c"))
    answers = [replace(t, scores=np.full(len(t), 0.9, np.float32)) for t in targets]
    got = measure(answers, samples, resamples=50)
    for name in ("map", "map50", "any50", "precision", "recall", "f1"):
        assert got.figures[name].to_json() == [1.0, 1.0, 1.0]
    assert got.worst == ()


def test_a_wrong_face_is_still_a_die() -> None:
    target = Boxes(np.array([[0, 0, 10, 10]], np.float32), np.array([0]))
    other = Boxes(target.xywh, np.array([1]), np.array([0.8], np.float32))
    samples = Samples(Problem.DETECTION, [a_picture()], [target], ("one", "two"))
    got = measure([other], samples)
    assert (got["map50"], got["any50"]) == (0.0, 1.0)
    assert got.confusion == ((0, 1, 0), (0, 0, 0), (0, 0, 0)) or got.score_min <= 0.8
    assert got.confusion[0][1] == 1


def test_missed_and_invented_objects_stand_at_the_edge_of_the_confusion() -> None:
    target = Boxes(np.array([[0, 0, 10, 10]], np.float32), np.array([0]))
    away = Boxes(np.array([[40, 40, 10, 10]], np.float32), np.array([1]), np.array([0.8], np.float32))
    samples = Samples(Problem.DETECTION, [a_picture()], [target], ("one", "two"))
    got = measure([away], samples, alarm_score=0.5)
    assert got.confusion == ((0, 0, 1), (0, 0, 0), (0, 1, 0))


def test_detections_on_empty_pictures_are_false_alarms() -> None:
    found = Boxes(
        np.array([[0, 0, 9, 9], [5, 5, 9, 9]], np.float32), np.zeros(2, np.int64), np.array([0.9, 0.2], np.float32)
    )
    samples = Samples(Problem.DETECTION, [a_picture()] * 2, [Boxes.none(), NO_CLASS], ("a",))
    got = measure([found, Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))], samples)
    assert (got["false_alarms"], got.null_samples) == (0.5, 2)
    assert math.isnan(got["map50"])


@quick
@given(st.integers(2, 10), st.integers(0, 1000))
def test_the_order_of_pictures_and_of_boxes_does_not_matter(pictures: int, seed: int) -> None:
    answers, samples = detected(pictures, seed)
    rng = unit_rng(seed, 9)
    order = rng.permutation(pictures)
    mixed = []
    for i in order:
        own = rng.permutation(len(answers[i]))
        scores = answers[i].scores
        assert scores is not None
        mixed.append(Boxes(answers[i].xywh[own], answers[i].labels[own], scores[own]))
    left = measure(answers, samples, resamples=0)
    right = measure(mixed, samples.only(order), resamples=0)
    for name, figure in left.figures.items():
        assert right.figures[name].value == pytest.approx(figure.value, nan_ok=True)


def test_masks_are_judged_by_their_own_overlap() -> None:
    """Equal boxes, but the answer's mask is a half of the truth's: IoU 0.5 counts at 0.5 alone."""
    whole = np.zeros((1, 64, 64), np.bool_)
    whole[0, 10:20, 10:30] = True
    half = whole.copy()
    half[0, 10:20, 20:30] = False
    box = np.array([[10, 10, 20, 10]], np.float32)
    target = Boxes(box, np.array([0]), None, whole)
    samples = Samples(Problem.INSTANCE_SEGMENTATION, [a_picture()], [target], ("a",))
    got = measure([Boxes(box, np.array([0]), np.array([0.9], np.float32), half)], samples)
    assert got.headline == "mask_map50"
    assert (got["map"], got["mask_map50"], got["mask_map"]) == pytest.approx((1.0, 1.0, 1 / len(IOUS)))
    with pytest.raises(BadAnswers, match="masks"):
        measure([Boxes(box, np.array([0]), np.array([0.9], np.float32))], samples)


# ---- segmentation


def some_masks(count: int, seed: int, classes: int = 4) -> tuple[list[Any], Samples]:
    rng = unit_rng(seed, 0)
    truth = [rng.integers(0, classes, (12, 10)).astype(np.uint8) for _ in range(count)]
    said = [np.where(rng.random((12, 10)) < 0.3, rng.integers(0, classes, (12, 10)), t).astype(np.uint8) for t in truth]
    for mask in truth:
        mask[0, :3] = IGNORED
    pictures = [a_picture(12, 10)] * count
    return said, Samples(Problem.SEGMENTATION, pictures, truth, ("background", "a", "b", "c")[:classes])


@quick
@given(st.integers(1, 6), st.integers(0, 1000), st.integers(2, 4))
def test_segmentation_equals_numpy(count: int, seed: int, classes: int) -> None:
    said, samples = some_masks(count, seed, classes)
    truth, answer = np.stack(samples.targets), np.stack(said)
    kept = truth != IGNORED
    ious = []
    for label in range(classes):
        either = ((truth == label) | (answer == label)) & kept
        ious.append(((truth == label) & (answer == label) & kept).sum() / either.sum())
    got = measure(said, samples, resamples=50)
    assert got["miou"] == pytest.approx(np.mean(ious))
    assert got["pixel_accuracy"] == pytest.approx(np.mean(truth[kept] == answer[kept]))
    assert [c.figures["iou"].value for c in got.per_class] == pytest.approx(ious)


def test_objects_seen_in_pure_background_are_false_alarms() -> None:
    truth = [np.zeros((10, 10), np.uint8)] * 2
    seen = truth[0].copy()
    seen[:5] = 1
    samples = Samples(Problem.SEGMENTATION, [a_picture(10, 10)] * 2, truth, ("background", "a"))
    got = measure([truth[0], seen], samples)
    assert (got["false_alarms"], got.null_samples, got.worst) == (0.5, 2, (1,))


# ---- what goes in, and side by side


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda a: a[:-1], BadAnswers, "one each"),
        (lambda a: [x[:3] for x in a], ClassesMismatch, "probability each"),
        (lambda a: [x * 9 for x in a], BadAnswers, "not logits"),
        (lambda a: [x * np.nan for x in a], BadAnswers, "not logits"),
    ],
)
def test_answers_of_another_form_are_refused(spoil: Any, error: type[Exception], words: str) -> None:
    answers, samples = classified(10, 1)
    with pytest.raises(error, match=words):
        measure(spoil(answers), samples)


def test_boxes_without_scores_or_of_unknown_classes_are_refused() -> None:
    answers, samples = detected(2, 1)
    with pytest.raises(BadAnswers, match="score each"):
        measure([replace(a, scores=None) for a in answers], samples)
    extra = Boxes(np.array([[1, 1, 5, 5]], np.float32), np.array([2]), np.array([0.5], np.float32))
    with pytest.raises(ClassesMismatch, match="another model"):
        measure([extra] * 2, replace(samples, classes=("a", "b"), targets=[Boxes.none()] * 2))


def test_masks_of_another_size_are_refused() -> None:
    said, samples = some_masks(2, 1)
    with pytest.raises(BadAnswers, match="needed"):
        measure([m[:5] for m in said], samples)
    with pytest.raises(ClassesMismatch, match="class 9"):
        measure([np.full_like(m, 9) for m in said], samples)


def test_synthetic_and_real_stand_side_by_side_with_their_gap() -> None:
    easy, hard = (measure(*classified(200, 1, skill=skill)) for skill in (4.0, 1.0))
    table = side_by_side(easy, hard)
    assert table.gap == pytest.approx(easy["accuracy"] - hard["accuracy"])
    assert "| accuracy |" in table.as_text()
    assert json.loads(json.dumps(table.to_json(), allow_nan=False))["gap"] == pytest.approx(table.gap)
    with pytest.raises(BadAnswers, match="side by side"):
        side_by_side(easy, measure(*detected(2, 1)))


def test_a_report_goes_through_json_even_where_nothing_could_be_measured() -> None:
    samples = Samples(Problem.DETECTION, [a_picture()], [Boxes.none()], ("a",))
    empty = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))
    plain = json.loads(json.dumps(measure([empty], samples).to_json(), allow_nan=False))
    assert plain["figures"]["map50"] == [None, None, None]
    assert str(Figure(math.nan)) == "-"
