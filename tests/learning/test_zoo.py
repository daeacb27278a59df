"""Every registered network keeps the promises that its specification makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.learning import engine
from neuromation.learning.errors import BadConfig, UnknownModel
from neuromation.learning.problem import Problem
from neuromation.learning.zoo import CLASSES_MAX, ModelSpec, check_classes, get_model, initial_weights, list_models
from neuromation.learning.zoo.card import architecture_card

CLASSES = ("a", "b", "c", "d")


@pytest.mark.parametrize("spec", list_models(), ids=lambda spec: spec.name)
def test_a_network_is_found_by_name_and_says_what_it_is(spec: ModelSpec) -> None:
    assert get_model(spec.name) is spec
    assert spec.cu_per_sample > 0 and spec.licence in ("Apache-2.0", "BSD-3-Clause", "MIT")
    takes = spec.input_of(spec.check_config({}))
    assert (takes.rate_hz is not None) == (spec.problem is Problem.AUDIO_CLASSIFICATION)
    assert spec.title and spec.input_description and spec.output_description and spec.source.url.startswith("https://")


def test_a_network_that_is_none_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(UnknownModel, match=r"digits-cnn, .*yolox"):
        get_model("resnet-9000")


def test_masks_have_no_byte_for_a_256th_class() -> None:
    spec = get_model("segnet")
    with torch.device("meta"), pytest.raises(BadConfig, match="255 classes"):
        spec.build(spec.check_config({}), 256)


def test_normalisation_begins_as_the_identity_and_counters_are_no_weights() -> None:
    weights = initial_weights("small-resnet", {}, CLASSES, 1)
    means, variances = (
        [array for name, array in weights.items() if name.endswith(end)] for end in ("running_mean", "running_var")
    )
    assert means and all((array == 0).all() for array in means)
    assert variances and all((array == 1).all() for array in variances)
    assert not [name for name in weights if name.endswith("num_batches_tracked")]


def test_a_network_s_own_beginning_goes_before_the_rule() -> None:
    weights = initial_weights("yolox", {"height": 64, "width": 64}, CLASSES, 1)
    assert np.allclose(weights["head.obj_preds.0.bias"], -4.595)
    assert 0.005 < weights["head.cls_preds.1.weight"].std() < 0.015
    assert (weights["head.reg_preds.0.bias"] == 0).all()


@pytest.mark.slow
def test_the_document_lists_every_network_with_its_size() -> None:
    table = Path(__file__).parents[2].joinpath("docs/models.md").read_text(encoding="utf-8")
    for spec in list_models():
        card = architecture_card(spec.name)
        row = next(line for line in table.splitlines() if line.startswith(f"| `{spec.name}` |"))
        assert f"{card.parameters:,}" in row and f"{card.bytes / 1e6:.1f}" in row and spec.licence in row


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
    light = "adaptation, augmentation, card, diloco, evaluation, export, pretrained, suppression, training, trial, weights, zoo"
    heavy = "torch, torchvision, onnx, onnxruntime"
    code = (
        f"import sys; from neuromation.learning import {light}; "
        f"print([m for m in '{heavy}'.split(', ') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
