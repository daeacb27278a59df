"""An exported model answers as the trained one, says where it comes from, and is refused when damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from learning_builders import CLASSES, MODEL, some_symbols

from neuromation.learning.errors import BadExport, BadWeights, ExportDisagrees
from neuromation.learning.evaluation import evaluate, predictor_onnx, predictor_torch
from neuromation.learning.export import compare_runtimes, export_model, load_exported
from neuromation.learning.training import Trained

IMAGES, LABELS = some_symbols(300, seed=2)


@pytest.fixture(scope="module")
def files(trained: Trained) -> dict[str, bytes]:
    result = evaluate(predictor_torch(trained.weights, MODEL, {}, CLASSES), IMAGES, LABELS, CLASSES).to_json()
    card = {
        "title": "Symbols",
        "licence": "Apache-2.0",
        "dataset": "symbols 1",
        "generator": "symbols",
        "generator_params": {"noise": 5},
        "nodes": ["node_a", "node_b"],
        "synthetic": result,
        "real": result | {"accuracy": 0.5},
        "limits": "Only\nthree | symbols.",
    }
    return export_model(trained.weights, MODEL, {}, CLASSES, card=card, samples=IMAGES)


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_both_runtimes_give_the_same_probabilities(files: dict[str, bytes], trained: Trained) -> None:
    by_onnx = predictor_onnx(files["model.onnx"])(IMAGES)
    by_torch = predictor_torch(trained.weights, MODEL, {}, CLASSES)(IMAGES)
    assert np.allclose(by_onnx, by_torch, atol=1e-5)
    assert by_onnx.shape == (300, 3)
    assert np.allclose(by_onnx.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_batch_is_free(batch: int, files: dict[str, bytes]) -> None:
    assert predictor_onnx(files["model.onnx"])(IMAGES[:batch]).shape == (batch, 3)


def test_the_agreement_is_recorded(files: dict[str, bytes]) -> None:
    agreement = json.loads(files["config.json"])["agreement"]
    assert agreement["samples"] == agreement["argmax_equal"] == 256
    assert agreement["max_abs_diff"] < 1e-4


def test_the_onnx_file_names_its_ends_and_no_path_of_the_exporting_machine(files: dict[str, bytes]) -> None:
    model = onnx.load_model_from_string(files["model.onnx"])
    assert [value.name for value in model.graph.input] == ["images"]
    assert [value.name for value in model.graph.output] == ["logits"]
    assert b"/src/" not in files["model.onnx"]


def test_the_card_states_lineage_and_both_results_side_by_side(files: dict[str, bytes]) -> None:
    card = files["README.md"].decode()
    assert card.startswith('---\nlicense: "apache-2.0"\n')
    assert "| | Synthetic | Real |" in card
    assert "| Accuracy |" in card
    assert "| 0.5000 [" in card
    assert '["node_a", "node_b"]' in card
    assert "Only three | symbols." in card


def test_loading_undoes_exporting(folder: Path, trained: Trained) -> None:
    loaded = load_exported(folder)
    assert (loaded.model, loaded.classes) == (MODEL, CLASSES)
    assert all(np.array_equal(loaded.weights[name], trained.weights[name]) for name in loaded.weights)
    assert loaded.predictor()(IMAGES).shape == (300, 3)


def test_other_weights_in_the_onnx_file_disagree(files: dict[str, bytes], trained: Trained) -> None:
    other = {name: np.asarray(array * np.float32(1.01)) for name, array in trained.weights.items()}
    with pytest.raises(ExportDisagrees):
        compare_runtimes(files["model.onnx"], other, MODEL, {}, CLASSES, pictures=IMAGES)


def test_weights_of_another_run_are_refused(folder: Path, trained: Trained) -> None:
    from neuromation.learning.weights import weights_to_bytes

    (folder / "model.safetensors").write_bytes(weights_to_bytes(trained.segments[0]))
    with pytest.raises(BadExport, match="not the one"):
        load_exported(folder)


def test_a_damaged_weights_file_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(BadWeights):
        load_exported(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": "digits-cnn", "config": {}, "classes": ["a"]}'])
def test_a_damaged_configuration_is_refused(text: str, folder: Path) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(BadExport, match=r"config\.json"):
        load_exported(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(BadExport, match=r"model\.onnx"):
        load_exported(folder)
