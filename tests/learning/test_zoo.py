"""Every registered network keeps the promises that its specification makes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.learning import engine
from neuromation.learning.errors import BadConfig
from neuromation.learning.weights import weights_hash
from neuromation.learning.zoo import CLASSES_MAX, ModelSpec, check_classes, get_model, initial_weights, list_models

CLASSES = ("a", "b", "c", "d")


@pytest.mark.parametrize("spec", list_models(), ids=lambda spec: spec.name)
def test_a_network_is_found_by_name_and_answers_a_logit_a_class(spec: ModelSpec) -> None:
    assert get_model(spec.name) is spec
    assert spec.cu_per_sample > 0
    weights = initial_weights(spec.name, {}, CLASSES, 1)
    settings = spec.check_config({})
    images = np.zeros((5, settings.height, settings.width), np.uint8)
    assert engine.logits(engine.module_of(weights, spec.name, {}, CLASSES), images).shape == (5, 4)


@pytest.mark.parametrize("spec", list_models(), ids=lambda spec: spec.name)
def test_initial_weights_depend_on_the_seed_alone(spec: ModelSpec) -> None:
    first, again, other = (initial_weights(spec.name, {}, CLASSES, seed) for seed in (1, 1, 2))
    assert weights_hash(first) == weights_hash(again) != weights_hash(other)


@settings(max_examples=15, deadline=None)
@given(st.integers(8, 64), st.integers(8, 64))
def test_digits_cnn_takes_pictures_of_any_small_size(height: int, width: int) -> None:
    config = {"height": height, "width": width, "channels": 4, "hidden": 8}
    module = engine.module_of(initial_weights("digits-cnn", config, CLASSES, 1), "digits-cnn", config, CLASSES)
    assert np.all(np.isfinite(engine.logits(module, np.full((2, height, width), 9, np.uint8))))


def test_digits_cnn_has_between_20_and_60_thousand_parameters() -> None:
    weights = initial_weights("digits-cnn", {}, [str(i) for i in range(10)], 1)
    assert 20_000 < sum(array.size for array in weights.values()) < 60_000


@pytest.mark.parametrize(
    "classes", [["a"], ["a", "a"], ["a", ""], ["a", "b" * 101], [str(i) for i in range(CLASSES_MAX + 1)]]
)
def test_classes_must_be_two_or_more_different_short_names(classes: list[str]) -> None:
    with pytest.raises(BadConfig):
        check_classes(classes)


def test_importing_the_package_and_its_light_parts_does_not_load_torch() -> None:
    light = "adaptation, augmentation, card, diloco, evaluation, export, training, trial, weights, zoo"
    heavy = "torch, onnx, onnxruntime, optuna"
    code = (
        f"import sys; from neuromation.learning import {light}; "
        f"print([m for m in '{heavy}'.split(', ') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
