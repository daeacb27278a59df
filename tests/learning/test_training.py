"""A run can be repeated bit by bit, as a whole or one segment alone; wrong input gets its own error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from learning_builders import CLASSES, MODEL, some_symbols, symbol_samples
from small_networks import some_objects

from neuromation.learning.augmentation import Augment
from neuromation.learning.errors import (
    BadConfig,
    BadRecipe,
    BadWeights,
    TrainingDiverged,
    UnknownModel,
    WrongProblem,
)
from neuromation.learning.evaluation import evaluate, predictor_torch
from neuromation.learning.training import Trained, replay_segment, train_segments
from neuromation.learning.trial import run_trial
from neuromation.learning.weights import Weights, relative_distance, weights_hash


def a_short_run(start: Weights, arguments: dict[str, Any], **changes: Any) -> Weights:
    return train_segments(MODEL, {}, start=start, **(arguments | {"steps": 6, "segments": 1} | changes)).weights


def test_the_network_learns_symbols_it_has_not_seen(trained: Trained) -> None:
    images, labels = some_symbols(300, seed=2)
    assert evaluate(predictor_torch(trained.weights, MODEL, {}, CLASSES), images, labels, CLASSES).accuracy > 0.95


def test_a_run_keeps_weights_and_metrics_of_every_segment(trained: Trained) -> None:
    assert len(trained.segments) == len(trained.metrics) == 3
    assert [metrics.steps for metrics in trained.metrics] == [33, 33, 34]
    assert trained.metrics[-1].loss_last < trained.metrics[0].loss_first


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_a_segment_replayed_alone_equals_the_original(
    segment: int, trained: Trained, start_weights: Weights, run_arguments: dict[str, Any]
) -> None:
    before = start_weights if segment == 0 else trained.segments[segment - 1]
    replayed = replay_segment(MODEL, {}, before=before, segment=segment, **run_arguments)
    assert all(np.array_equal(replayed[name], trained.segments[segment][name]) for name in replayed)
    assert weights_hash(replayed) == weights_hash(trained.segments[segment])


def test_training_leaves_its_start_alone(start_weights: Weights, run_arguments: dict[str, Any]) -> None:
    before = weights_hash(start_weights)
    a_short_run(start_weights, run_arguments)
    assert weights_hash(start_weights) == before


@pytest.mark.parametrize(
    "change", [{"seed": 6}, {"lr": 1e-3}, {"steps": 7}, {"batch_size": 31}, {"augment": Augment()}]
)
def test_another_recipe_gives_another_hash(
    change: dict[str, Any], start_weights: Weights, run_arguments: dict[str, Any]
) -> None:
    honest, other = a_short_run(start_weights, run_arguments), a_short_run(start_weights, run_arguments, **change)
    assert weights_hash(honest) != weights_hash(other)
    assert relative_distance(other, honest, start=start_weights) > 0.02


def test_work_on_other_data_is_far_from_the_replay(start_weights: Weights, run_arguments: dict[str, Any]) -> None:
    honest = a_short_run(start_weights, run_arguments)
    other = a_short_run(start_weights, run_arguments, samples=symbol_samples(600, seed=9))
    assert relative_distance(other, honest, start=start_weights) > 0.1


def test_the_runtime_of_the_process_is_as_before(start_weights: Weights, run_arguments: dict[str, Any]) -> None:
    import torch

    torch.set_num_threads(2)
    a_short_run(start_weights, run_arguments)
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)


def test_a_trial_repeats_bit_by_bit() -> None:
    samples = symbol_samples(100)
    first, again = (run_trial(MODEL, {}, samples, steps=5, batch_size=16, lr=3e-3, seed=8) for _ in range(2))
    assert weights_hash(first) == weights_hash(again)


def test_training_that_diverges_says_so(run_arguments: dict[str, Any], start_weights: Weights) -> None:
    huge = {name: np.full_like(array, 9e5) for name, array in start_weights.items()}
    with pytest.raises(TrainingDiverged, match="lower the learning rate"):
        train_segments(MODEL, {"value_max": 1e-9}, start=huge, **run_arguments)


def test_pictures_of_another_size_are_fitted(start_weights: Weights, run_arguments: dict[str, Any]) -> None:
    large = [np.kron(picture, np.ones((2, 2), np.uint8)) for picture in run_arguments["samples"].inputs]
    samples = replace(run_arguments["samples"], inputs=large)
    assert weights_hash(a_short_run(start_weights, run_arguments, samples=samples))


def test_samples_of_another_problem_are_refused(start_weights: Weights, run_arguments: dict[str, Any]) -> None:
    with pytest.raises(WrongProblem, match="made for classification"):
        a_short_run(start_weights, run_arguments, samples=some_objects(4))


def test_weights_of_another_number_of_classes_are_refused(
    start_weights: Weights, run_arguments: dict[str, Any]
) -> None:
    samples = replace(run_arguments["samples"], classes=(*CLASSES, "cross"))
    with pytest.raises(BadWeights, match="head"):
        train_segments(MODEL, {}, start=start_weights, **(run_arguments | {"samples": samples}))


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"steps": 10**9},
        {"segments": 7},
        {"segments": 0},
        {"batch_size": 0},
        {"batch_size": 10**6},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"lr_end": -1.0},
        {"seed": -1},
    ],
)
def test_a_recipe_out_of_range_is_refused(
    change: dict[str, Any], start_weights: Weights, run_arguments: dict[str, Any]
) -> None:
    with pytest.raises(BadRecipe):
        a_short_run(start_weights, run_arguments, **change)


def test_a_segment_that_does_not_exist_is_refused(start_weights: Weights, run_arguments: dict[str, Any]) -> None:
    with pytest.raises(BadRecipe, match="no segment 3"):
        replay_segment(MODEL, {}, before=start_weights, segment=3, **run_arguments)


def test_unknown_models_and_configurations_are_refused(start_weights: Weights, run_arguments: dict[str, Any]) -> None:
    with pytest.raises(UnknownModel, match="digits-cnn"):
        train_segments("digits-rnn", {}, start=start_weights, **run_arguments)
    with pytest.raises(BadConfig, match="channels"):
        train_segments(MODEL, {"channels": 0}, start=start_weights, **run_arguments)
    with pytest.raises(BadConfig, match="wings"):
        train_segments(MODEL, {"wings": 2}, start=start_weights, **run_arguments)
