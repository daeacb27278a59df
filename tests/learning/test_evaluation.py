"""Figures of an evaluation equal scikit-learn's, and its intervals behave as intervals do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from neuromation.kernel.rng import unit_rng
from neuromation.learning.errors import BadExport, ClassesMismatch
from neuromation.learning.evaluation import WORST_MAX, Evaluation, accuracy_gain, evaluate, predictor_onnx

CLASSES = ("a", "b", "c", "d")


def some_scores(count: int, seed: int, *, skill: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Probabilities that favour the right class by `skill`, and the right classes."""
    rng = unit_rng(seed, 0)
    labels = rng.integers(0, len(CLASSES), count)
    logits = rng.standard_normal((count, len(CLASSES))) + skill * np.eye(len(CLASSES))[labels]
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), labels.astype(np.int64)


def giving(scores: NDArray[np.float32]) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    return lambda images: scores


def evaluated(
    count: int, seed: int, *, skill: float = 1.0
) -> tuple[Evaluation, NDArray[np.float32], NDArray[np.int64]]:
    scores, labels = some_scores(count, seed, skill=skill)
    return evaluate(giving(scores), np.zeros((count, 8, 8), np.uint8), labels, CLASSES), scores, labels


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(0, 1000), st.floats(0, 4))
def test_figures_equal_those_of_scikit_learn(count: int, seed: int, skill: float) -> None:
    got, scores, labels = evaluated(count, seed, skill=skill)
    predicted = scores.argmax(axis=1)
    asked = {"labels": range(4), "zero_division": 0}
    precision, recall, f1, support = metrics.precision_recall_fscore_support(labels, predicted, **asked)
    assert got.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert (got.precision, got.recall, got.f1) == pytest.approx((precision.mean(), recall.mean(), f1.mean()))
    assert [c.f1 for c in got.per_class] == pytest.approx(list(f1))
    assert [c.support for c in got.per_class] == list(support)
    assert np.array_equal(got.confusion, metrics.confusion_matrix(labels, predicted, labels=range(4)))


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 300), st.integers(0, 1000))
def test_intervals_hold_the_figure_and_repeat_with_the_seed(count: int, seed: int) -> None:
    got, _, _ = evaluated(count, seed)
    assert 0 <= got.accuracy_interval[0] <= got.accuracy <= got.accuracy_interval[1] <= 1
    assert got.accuracy_interval == evaluated(count, seed)[0].accuracy_interval


def test_the_interval_is_as_wide_as_the_binomial_says() -> None:
    got, _, _ = evaluated(1000, 3)
    width = got.accuracy_interval[1] - got.accuracy_interval[0]
    assert width == pytest.approx(2 * 1.96 * np.sqrt(got.accuracy * (1 - got.accuracy) / 1000), rel=0.1)


def test_more_pictures_make_narrower_intervals() -> None:
    few, many = (evaluated(count, 1)[0].f1_interval for count in (50, 2000))
    assert many[1] - many[0] < few[1] - few[0]


def test_confident_and_right_is_calibrated_confident_and_wrong_is_not() -> None:
    labels = np.arange(100) % 4
    images = np.zeros((100, 8, 8), np.uint8)
    right, wrong = np.eye(4, dtype=np.float32)[labels], np.eye(4, dtype=np.float32)[(labels + 1) % 4]
    assert evaluate(giving(right), images, labels, CLASSES).calibration_error == pytest.approx(0)
    assert evaluate(giving(wrong), images, labels, CLASSES).calibration_error == pytest.approx(1)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_worst_errors_are_errors_by_falling_confidence(seed: int) -> None:
    got, scores, labels = evaluated(120, seed)
    worst = list(got.worst)
    assert len(worst) == min(WORST_MAX, round(120 * (1 - got.accuracy)))
    assert all(scores[i].argmax() != labels[i] for i in worst)
    assert [scores[i].max() for i in worst] == sorted((scores[i].max() for i in worst), reverse=True)


def test_the_plain_form_goes_through_json() -> None:
    import json

    got, _, _ = evaluated(50, 1)
    assert json.loads(json.dumps(got.to_json()))["accuracy"] == got.accuracy


def test_the_gain_counts_pictures_that_one_model_alone_got_right() -> None:
    labels = np.zeros(100, np.int64)
    images = np.zeros((100, 8, 8), np.uint8)
    before = evaluate(giving(np.eye(4, dtype=np.float32)[np.arange(100) % 2]), images, labels, CLASSES)
    after = evaluate(
        giving(np.eye(4, dtype=np.float32)[(np.arange(100) % 4 == 3).astype(int)]), images, labels, CLASSES
    )
    gain = accuracy_gain(before, after, labels)
    assert (gain["better"], gain["worse"], gain["gain"]) == (25, 0, 0.25)
    assert 0.15 < gain["low"] < 0.25 < gain["high"] < 0.35


def test_a_predictor_of_another_number_of_classes_is_refused() -> None:
    scores = np.ones((10, 3), np.float32) / 3
    with pytest.raises(ClassesMismatch, match="predictor"):
        evaluate(giving(scores), np.zeros((10, 8, 8), np.uint8), np.zeros(10, np.int64), CLASSES)


def test_bytes_that_are_no_onnx_are_refused() -> None:
    with pytest.raises(BadExport, match="cannot load"):
        predictor_onnx(b"no model")
