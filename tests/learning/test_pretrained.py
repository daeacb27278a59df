"""Weights that others trained become a network of ours, or are refused with the tensors that do not fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from neuromation.cli.main import main
from neuromation.learning import engine
from neuromation.learning.errors import BadPretrained, BadWeights, ChecksumMismatch, PretrainedMismatch
from neuromation.learning.onnx_writing import to_onnx
from neuromation.learning.pretrained import FILE_MAX_BYTES, import_weights, read_pretrained
from neuromation.learning.weights import Weights
from neuromation.learning.zoo import get_model, initial_weights
from neuromation.learning.zoo.card import some_input

MODEL, CONFIG, CLASSES = "squeezenet", {"height": 32, "width": 32}, ("a", "b", "c")
HEAD = ("net.classifier.1.bias", "net.classifier.1.weight")


@pytest.fixture(scope="module")
def trained() -> Weights:
    return initial_weights(MODEL, CONFIG, CLASSES, 7)


def published(weights: Weights) -> Weights:
    """As the library itself names its tensors."""
    return {name.removeprefix("net."): array for name, array in weights.items()}


def as_safetensors(path: Path, tensors: Weights) -> None:
    save_file(tensors, path)


def as_state_dict(path: Path, tensors: Weights) -> None:
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, path)


def as_checkpoint(path: Path, tensors: Weights) -> None:
    held = {f"module.{name}": torch.from_numpy(array) for name, array in tensors.items()}
    counters = {"module.features.0.num_batches_tracked": torch.tensor(5)}
    torch.save({"epoch": 3, "optimizer": {"state": {}, "lr": 0.1}, "model": {**held, **counters}}, path)


def as_half(path: Path, tensors: Weights) -> None:
    save_file({name: array.astype(np.float16) for name, array in tensors.items()}, path)


@pytest.mark.parametrize("write", [as_safetensors, as_state_dict, as_checkpoint])
def test_a_file_of_any_kind_gives_the_same_weights(
    write: Callable[[Path, Weights], None], trained: Weights, tmp_path: Path
) -> None:
    path = tmp_path / "weights.bin"
    write(path, published(trained))
    stated = hashlib.sha256(path.read_bytes()).hexdigest()
    found = import_weights(
        read_pretrained(path, sha256=stated.upper()), MODEL, CONFIG, CLASSES, licence="MIT", source="a shelf"
    )
    assert set(found.weights) == set(trained) == set(found.taken)
    assert all(np.array_equal(found.weights[name], trained[name]) for name in trained)
    assert found.head == found.drawn == found.left_out == ()
    assert found.origin["sha256"] == stated and found.origin["licence"] == "MIT" and found.origin["source"] == "a shelf"
    json.dumps(found.origin)


def test_half_floats_become_floats(trained: Weights, tmp_path: Path) -> None:
    as_half(tmp_path / "half", published(trained))
    found = import_weights(read_pretrained(tmp_path / "half"), MODEL, CONFIG, CLASSES, licence="MIT")
    assert all(np.allclose(found.weights[name], trained[name], atol=1e-3) for name in trained)
    assert all(array.dtype == np.float32 for array in found.weights.values())


@pytest.mark.slow
def test_an_onnx_file_of_ours_gives_its_weights_back(trained: Weights, tmp_path: Path) -> None:
    spec = get_model(MODEL)
    # Trained weights have no two biases alike; equal ones, such as zeros, the exporter writes once.
    rng = np.random.default_rng(1)
    trained = {name: (a + rng.normal(0, 1e-2, a.shape)).astype(np.float32) for name, a in trained.items()}
    module: Any = engine.module_of(trained, MODEL, CONFIG, CLASSES)
    takes = spec.input_of(spec.check_config(CONFIG))
    (tmp_path / "model").write_bytes(to_onnx(module, takes, some_input(takes, 2), spec.exporter))
    read = read_pretrained(tmp_path / "model")
    assert read.format == "onnx"
    found = import_weights(read, MODEL, CONFIG, CLASSES, licence="MIT")
    assert all(np.array_equal(found.weights[name], trained[name]) for name in trained)


def test_another_number_of_classes_gets_a_new_last_layer(trained: Weights, tmp_path: Path) -> None:
    as_safetensors(tmp_path / "w", published(trained))
    read = read_pretrained(tmp_path / "w")
    found = import_weights(read, MODEL, CONFIG, ("x", "y"), licence="MIT", seed=3)
    assert found.head == HEAD
    fresh = initial_weights(MODEL, CONFIG, ("x", "y"), 3)
    assert all(np.array_equal(found.weights[name], fresh[name]) for name in HEAD)
    assert all(np.array_equal(found.weights[name], trained[name]) for name in set(trained) - set(HEAD))


def test_missing_unexpected_and_misshapen_tensors_are_named(trained: Weights, tmp_path: Path) -> None:
    tensors = published(trained)
    tensors["surplus.weight"] = np.zeros(3, np.float32)
    del tensors["features.0.bias"]
    tensors["features.0.weight"] = np.zeros((64, 3, 5, 5), np.float32)
    as_safetensors(tmp_path / "w", tensors)
    read = read_pretrained(tmp_path / "w")
    with pytest.raises(PretrainedMismatch) as caught:
        import_weights(read, MODEL, CONFIG, CLASSES, licence="MIT")
    assert caught.value.details == {
        "missing": ["net.features.0.bias"],
        "misshapen": ["net.features.0.weight"],
        "unexpected": ["surplus.weight"],
    }
    assert "net.features.0.bias" in str(caught.value) and "surplus.weight" in str(caught.value)
    found = import_weights(read, MODEL, CONFIG, CLASSES, licence="MIT", partial=True)
    assert found.drawn == ("net.features.0.bias", "net.features.0.weight") and found.left_out == ("surplus.weight",)


def test_auxiliary_heads_of_published_files_are_left_out(trained: Weights, tmp_path: Path) -> None:
    as_safetensors(tmp_path / "w", {**published(trained), "aux_classifier.0.weight": np.zeros(3, np.float32)})
    found = import_weights(read_pretrained(tmp_path / "w"), MODEL, CONFIG, CLASSES, licence="MIT")
    assert found.left_out == ("aux_classifier.0.weight",)


@pytest.mark.slow
def test_old_names_of_detectors_are_translated(tmp_path: Path) -> None:
    config = {"height": 96, "width": 96}
    weights = initial_weights("mask-rcnn", config, CLASSES, 1)
    old = {}
    for name, array in published(weights).items():
        was = name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        if "fpn." in was:
            was = was.replace(".0.weight", ".weight").replace(".0.bias", ".bias")
        if "mask_head." in was:
            was = was.replace("mask_head.", "mask_head.mask_fcn").replace(".0.weight", ".weight")
            was = was.replace(".0.bias", ".bias")
            number = int(was.split("mask_fcn")[1].split(".")[0])
            was = was.replace(f"mask_fcn{number}", f"mask_fcn{number + 1}")
        old[was] = array
    as_safetensors(tmp_path / "w", old)
    found = import_weights(read_pretrained(tmp_path / "w"), "mask-rcnn", config, CLASSES, licence="MIT")
    assert all(np.array_equal(found.weights[name], weights[name]) for name in weights)


def test_another_file_than_the_publisher_states_is_refused(trained: Weights, tmp_path: Path) -> None:
    as_safetensors(tmp_path / "w", trained)
    with pytest.raises(ChecksumMismatch, match="sha256"):
        read_pretrained(tmp_path / "w", sha256="0" * 64)


class Nasty:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        import os

        return os.system, ("touch owned",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Nasty()}, tmp_path / "w")
    with pytest.raises(BadPretrained, match="no plain state dict"):
        read_pretrained(tmp_path / "w")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "data", [b"", b"x", b"PK\x03\x04 no archive", b"\x10\0\0\0\0\0\0\0{ no header", b"\x80\x02 no pickle", bytes(400)]
)
def test_what_is_no_file_of_weights_is_refused_with_a_sentence(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(BadPretrained, match=r"^w "):
        read_pretrained(tmp_path / "w")


def test_no_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(BadPretrained):
            read_pretrained(path)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "w").open("wb") as opened:
        opened.truncate(FILE_MAX_BYTES + 1)
    with pytest.raises(BadPretrained, match=str(FILE_MAX_BYTES)):
        read_pretrained(tmp_path / "w")


def test_another_network_no_licence_and_values_that_are_none_are_refused(trained: Weights, tmp_path: Path) -> None:
    as_safetensors(tmp_path / "other", {"decoder.weight": np.zeros(3, np.float32)})
    with pytest.raises(BadPretrained, match="another network"):
        import_weights(read_pretrained(tmp_path / "other"), MODEL, CONFIG, CLASSES, licence="MIT")
    as_safetensors(tmp_path / "w", trained)
    with pytest.raises(BadPretrained, match="licence"):
        import_weights(read_pretrained(tmp_path / "w"), MODEL, CONFIG, CLASSES, licence=" ")
    broken = {**trained, "net.features.0.bias": np.full(64, np.nan, np.float32)}
    as_safetensors(tmp_path / "nan", broken)
    with pytest.raises(BadWeights, match="not finite"):
        import_weights(read_pretrained(tmp_path / "nan"), MODEL, CONFIG, CLASSES, licence="MIT")


@pytest.mark.slow
def test_the_command_writes_a_model_that_loads(
    trained: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from neuromation.learning.export import load_exported

    as_safetensors(tmp_path / "w", published(trained))
    words = ["model", "import-weights", str(tmp_path / "w"), "--model", MODEL, "--classes", "cat,dog"]
    words += ["--licence", "BSD-3-Clause", "--config", "height=32", "--config", "width=32"]
    assert main([*words, "--out", str(tmp_path / "net"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    loaded = load_exported(tmp_path / "net")
    assert said["head"] == list(HEAD) and loaded.classes == ("cat", "dog")
    assert loaded.facts["licence"] == "BSD-3-Clause"
    assert loaded.facts["lineage"]["pretrained"]["sha256"] == said["sha256"]
