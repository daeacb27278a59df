"""A compressed model is smaller, answers like the one it came from, can be read back, and is refused where it cannot be."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_builders import CLASSES, MODEL, some_symbols
from measuring_builders import a_picture
from onnx import helper

from neuromation.kernel.rng import unit_rng
from neuromation.learning import engine
from neuromation.learning.compression.distillation import Imitation, imitation
from neuromation.learning.compression.latency import fastest_ms
from neuromation.learning.compression.mobile import mobile_program, mobile_run
from neuromation.learning.compression.pipeline import REPORT_FILE, compress
from neuromation.learning.compression.pruning import prune_channels, remove_layers
from neuromation.learning.compression.quantising import quantised
from neuromation.learning.compression.recipe import CompressionRecipe, CompressionReport, Stage
from neuromation.learning.compression.surgery import narrowed, without_layers
from neuromation.learning.errors import (
    BadCalibration,
    BadExport,
    BadRecipe,
    ClassesMismatch,
    NothingToPrune,
    UnknownOperators,
    WrongProblem,
)
from neuromation.learning.evaluation import Figure, measure, predict_module
from neuromation.learning.export import INT8_FILE, ExportedModel, export_model, load_exported
from neuromation.learning.learner import Learner
from neuromation.learning.problem import Boxes, Problem, Samples
from neuromation.learning.trainer import Recipe
from neuromation.learning.training import Trained
from neuromation.learning.zoo import get_model, initial_weights

RESNET = ("small-resnet", {"height": 32, "width": 32, "base": 8, "stages": 2, "blocks": 2})
DETECTOR = ("heatmap-detector", {"height": 64, "width": 64, "channels": 8, "depth": 2})


def symbols(count: int = 120, *, seed: int = 9) -> Samples:
    images, labels = some_symbols(count, seed=seed)
    return Samples(Problem.CLASSIFICATION, list(images), [int(n) for n in labels], CLASSES)


def untrained(model: str, config: dict[str, Any], *, seed: int = 1) -> Learner:
    module: Any = engine.module_of(initial_weights(model, config, CLASSES, seed), model, config, CLASSES)
    return module


def some_inputs(module_of: tuple[str, dict[str, Any]], count: int = 8) -> tuple[np.ndarray[Any, Any], list[Any]]:
    entry = get_model(module_of[0])
    spec = entry.input_of(entry.check_config(module_of[1]))
    rng = unit_rng(3, 0)
    inputs = (rng.random((count, *spec.shape)) * 255).astype(np.float32)
    if entry.problem is Problem.DETECTION:
        box = Boxes(np.array([[8, 8, 20, 24], [40, 30, 12, 12]], np.float32), np.array([0, 2]))
        return inputs, [box] * count
    return inputs, [int(n) for n in rng.integers(0, 3, count)]


@pytest.fixture(scope="module")
def folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("model")
    card = {"generator": "symbols", "licence": "MIT"}
    for name, data in export_model(trained.weights, MODEL, {}, CLASSES, card=card).items():
        (root / name).write_bytes(data)
    return root


@pytest.fixture(scope="module")
def smaller(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CompressionReport]:
    out = tmp_path_factory.mktemp("smaller") / "model"
    heal = Recipe(steps=60, batch_size=32, lr=3e-3)
    recipe = CompressionRecipe(prune=0.5, heal=heal, int8=True, calibration=32)
    report = compress(folder, recipe, out, samples=symbols(400), real=symbols(200, seed=5), watch_s=0.0)
    return out, report


# ---- the whole way


def test_every_step_is_measured_and_the_model_shrinks(smaller: tuple[Path, CompressionReport]) -> None:
    _, report = smaller
    assert [stage.name for stage in report.stages] == [
        "as it came", "50% of the channels pruned", "distilled", "int8",
    ]  # fmt: skip
    first, pruned, healed, last = report.stages
    assert pruned.parameters == healed.parameters < first.parameters / 2
    assert pruned.macs is not None and first.macs is not None and pruned.macs < first.macs
    assert last.size_bytes < healed.size_bytes < first.size_bytes
    assert all(stage.figure is not None and stage.latency_ms["onnx"] > 0 for stage in report.stages)
    assert (report.headline, report.measured_on) == ("accuracy", 200)


def test_healing_brings_back_what_pruning_lost(smaller: tuple[Path, CompressionReport]) -> None:
    _, report = smaller
    first, pruned, healed, last = (stage.figure.value for stage in report.stages if stage.figure is not None)
    assert healed > pruned
    assert first - healed < 0.05
    assert abs(healed - last) < 0.05


def test_a_pruned_model_is_read_back_from_its_files(smaller: tuple[Path, CompressionReport]) -> None:
    out, report = smaller
    model = load_exported(out)
    samples = symbols(200, seed=5)
    by_onnx, by_torch = model.answers(samples), predict_module(model.learner(), model.input, samples)
    assert np.allclose(np.asarray(by_onnx), np.asarray(by_torch), atol=1e-4)
    figure = report.stages[2].figure
    assert figure is not None and measure(by_onnx, samples)["accuracy"] == pytest.approx(figure.value)
    assert measure(model.answers(samples, int8=True), samples)["accuracy"] > 0.8
    assert model.facts["lineage"]["compressed_from"]
    assert model.facts["lineage"]["generator"] == "symbols"
    assert "## Compression" in (out / "README.md").read_text()
    assert json.loads((out / REPORT_FILE).read_text())["smaller"] == pytest.approx(report.smaller)


def test_a_compressed_model_teaches_a_student_of_another_kind(
    smaller: tuple[Path, CompressionReport], tmp_path: Path
) -> None:
    out, _ = smaller
    recipe = CompressionRecipe(
        student=MODEL, student_config={"channels": 4, "hidden": 16}, heal=Recipe(steps=150, batch_size=32, lr=5e-3)
    )
    report = compress(out, recipe, tmp_path / "s", samples=symbols(400), real=symbols(200, seed=5), watch_s=0.0)
    assert load_exported(tmp_path / "s").config["channels"] == 4
    assert report.loss_points < 15
    assert report.stages[-1].parameters < report.stages[0].parameters / 2


def test_a_student_with_another_input_is_refused(folder: Path, tmp_path: Path) -> None:
    recipe = CompressionRecipe(student=MODEL, student_config={"height": 16}, heal=Recipe(steps=1))
    with pytest.raises(BadRecipe, match="same input"):
        compress(folder, recipe, tmp_path / "s", samples=symbols())


# ---- pruning, removal and surgery


@pytest.mark.parametrize("network", [RESNET, DETECTOR], ids=["resnet", "detector"])
def test_pruning_keeps_the_form_of_the_answers(network: tuple[str, dict[str, Any]]) -> None:
    module = untrained(*network)
    inputs, targets = some_inputs(network)
    before = [output.shape for output in module(torch.from_numpy(inputs))]
    count = sum(p.numel() for p in module.parameters())
    prune_channels(module, inputs, targets, share=0.5)
    assert [output.shape for output in module(torch.from_numpy(inputs))] == before
    assert sum(p.numel() for p in module.parameters()) < 0.5 * count


@pytest.mark.parametrize("network", [RESNET, DETECTOR], ids=["resnet", "detector"])
def test_a_pruned_network_is_built_again_from_the_shapes_of_its_weights(network: tuple[str, dict[str, Any]]) -> None:
    module = untrained(*network)
    inputs, targets = some_inputs(network)
    removed = remove_layers(module, inputs, targets, count=1)
    prune_channels(module, inputs, targets, share=0.4)
    weights = engine.weights_of(module)
    other = narrowed(without_layers(untrained(*network, seed=2), removed), {k: v.shape for k, v in weights.items()})
    engine.load_weights(other, weights)
    module.eval(), other.eval()
    for left, right in zip(module(torch.from_numpy(inputs)), other(torch.from_numpy(inputs)), strict=True):
        assert torch.equal(left, right)


def test_the_layer_that_does_nothing_is_the_one_that_goes() -> None:
    """A block whose last normalisation multiplies by 0 adds nothing to its shortcut."""
    module: Any = untrained(*RESNET)
    blocks = [name for name, part in module.named_modules() if type(part).__name__ == "_Block"]
    idle: Any = module.get_submodule(blocks[1])
    with torch.no_grad():
        idle.norm2.weight.zero_()
        idle.norm2.bias.zero_()
    inputs, targets = some_inputs(RESNET)
    before = module.eval()(torch.from_numpy(inputs))[0].detach()
    module.loss = lambda taken, _targets: (module(taken)[0] - before).square().mean()
    assert remove_layers(module, inputs, targets, count=1) == (blocks[1],)


def test_more_layers_than_can_go_are_refused() -> None:
    inputs, targets = some_inputs(RESNET)
    with pytest.raises(NothingToPrune, match="not 40"):
        remove_layers(untrained(*RESNET), inputs, targets, count=40)


def test_a_network_of_one_layer_has_nothing_to_prune() -> None:
    class Single(Learner):
        problem = Problem.CLASSIFICATION

        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(8, 3)

        def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (self.head(inputs),)

        def loss(self, inputs: torch.Tensor, targets: Any) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(self(inputs)[0], torch.tensor(targets))

        def decode(self, outputs: Any) -> list[Any]:
            return list(outputs[0])

    with pytest.raises(NothingToPrune):
        prune_channels(Single(), np.ones((4, 8), np.float32), [0, 1, 2, 0], share=0.5)


def test_weights_larger_than_the_network_are_no_compression_of_it() -> None:
    small, large = untrained(MODEL, {"channels": 4}), untrained(MODEL, {"channels": 8})
    with pytest.raises(BadExport, match="at most"):
        narrowed(small, {k: v.shape for k, v in engine.weights_of(large).items()})


def test_layers_that_do_not_fit_each_other_are_refused() -> None:
    weights = engine.weights_of(untrained(MODEL, {}))
    weights["conv2.weight"] = weights["conv2.weight"][:, :5]
    model = ExportedModel(MODEL, {}, CLASSES, weights, b"")
    with pytest.raises(BadExport, match="fit each other"):
        model.learner()


def test_a_layer_that_does_not_exist_cannot_have_been_removed() -> None:
    with pytest.raises(BadExport, match="no layer"):
        without_layers(untrained(MODEL, {}), ["blocks.7"])


# ---- imitation


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([Problem.CLASSIFICATION, Problem.SEGMENTATION, Problem.DETECTION]))
def test_imitation_costs_nothing_when_equal_and_something_else(seed: int, problem: Problem) -> None:
    rng = unit_rng(seed, 0)
    forms = {
        Problem.CLASSIFICATION: [(4, 7)],
        Problem.SEGMENTATION: [(2, 3, 5, 5)],
        Problem.DETECTION: [(2, 1, 6, 6), (2, 3, 6, 6), (2, 4, 6, 6)],
    }[problem]
    wanted = [torch.from_numpy(rng.standard_normal(form).astype(np.float32)) for form in forms]
    other = [w + 0.5 * torch.from_numpy(rng.standard_normal(w.shape).astype(np.float32)) for w in wanted]
    assert float(imitation(problem, wanted, wanted, temperature=4.0)) == pytest.approx(0.0, abs=1e-5)
    assert float(imitation(problem, other, wanted, temperature=4.0)) > 1e-4


def test_outputs_of_other_detectors_are_imitated_as_numbers() -> None:
    wanted = [torch.randn(2, 9, 4), torch.randn(2, 9, 3)]
    assert float(imitation(Problem.DETECTION, wanted, wanted, temperature=4.0)) == 0.0
    assert float(imitation(Problem.DETECTION, [w + 1 for w in wanted], wanted, temperature=4.0)) > 0.1


def test_the_teacher_is_no_part_of_the_students_weights_and_does_not_learn() -> None:
    student, teacher = untrained(MODEL, {}), untrained(MODEL, {}, seed=2)
    lesson = Imitation(student, teacher, share=1.0, temperature=4.0)
    assert all(name.startswith("student.") for name in engine.weights_of(lesson))
    before = engine.weights_of(teacher)
    images, labels = some_symbols(8)
    torch.autograd.backward(lesson.loss(torch.from_numpy(images.astype(np.float32))[:, None], list(labels)))
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.grad is not None for p in student.parameters())
    assert all(np.array_equal(before[n], a) for n, a in engine.weights_of(teacher).items())


# ---- 8 bits


def test_quantised_weights_are_a_quarter_and_answers_stay(folder: Path) -> None:
    model = load_exported(folder)
    inputs = np.stack(symbols(64).inputs).astype(np.float32)[:, None]
    for keep_ends in (False, True):
        made = quantised(model.onnx, inputs, keep_ends=keep_ends)
        answers = replace(model, int8=made).answers(symbols(), int8=True)
        assert measure(answers, symbols())["accuracy"] > 0.85
        assert len(made) < 0.5 * len(model.onnx)


def test_no_samples_to_calibrate_by_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadCalibration, match="2 or more"):
        quantised(load_exported(folder).onnx, np.zeros((0, 1, 8, 8), np.float32))
    with pytest.raises(BadCalibration, match="there are none"):
        compress(folder, CompressionRecipe(int8=True), tmp_path / "x", watch_s=0.0)
    assert not (tmp_path / "x").exists()


def test_unknown_operators_are_named() -> None:
    node = helper.make_node("Frobnicate", ["x"], ["y"], domain="")
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    graph = helper.make_graph([node], "g", [value[0]], [value[1]])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString()
    with pytest.raises(UnknownOperators, match="Frobnicate"):
        quantised(data, np.zeros((4, 4), np.float32))


def test_an_int8_file_that_is_not_there_is_asked_for_in_vain(folder: Path) -> None:
    with pytest.raises(BadExport, match=INT8_FILE):
        load_exported(folder).answers(symbols(2), int8=True)


# ---- phones, clocks, reports, bad input


@pytest.mark.slow
def test_a_mobile_program_answers_as_torch_does() -> None:
    module = untrained(MODEL, {})
    inputs = np.stack(symbols(4).inputs).astype(np.float32)[:, None]
    run = mobile_run(mobile_program(module, inputs))
    with torch.inference_mode():
        expected = module(torch.from_numpy(inputs[:1]))[0].numpy()
    assert np.allclose(run(inputs[:1])[0], expected, atol=1e-4)


def test_the_fastest_of_many_runs_counts() -> None:
    calls: list[int] = []
    assert fastest_ms(lambda: calls.append(1), watch_s=0.0) >= 0.0
    assert len(calls) >= 7


def test_the_report_tells_ratios_and_what_was_not_measured() -> None:
    stages = (
        Stage("as it came", 1000, 5_000_000, 4_000, {"torch": 2.0, "onnx": 1.0}, Figure(0.9, 0.8, 0.95)),
        Stage("int8", 500, None, 1_000, {"onnx": 0.25}, Figure(0.895)),
    )
    report = CompressionReport(stages, "accuracy", 10)
    assert (report.smaller, report.faster, report.loss_points) == pytest.approx((4.0, 4.0, 0.5))
    assert "| int8 | 500 | - | 1 kB | - | 0.25 | 0.895 |" in report.as_text()
    bare = CompressionReport((replace(stages[0], figure=None, latency_ms={}),))
    assert math.isnan(bare.faster)
    assert json.loads(json.dumps(bare.to_json(), allow_nan=False))["loss_points"] is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "nothing is asked"),
        ({"prune": 1.0}, "prune must be"),
        ({"remove_layers": -1}, "remove layers must be"),
        ({"student": MODEL}, "knows nothing"),
    ],
)
def test_recipes_out_of_range_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRecipe, match=words):
        CompressionRecipe(**wrong)


def test_samples_of_other_classes_or_another_problem_are_refused(folder: Path, tmp_path: Path) -> None:
    recipe = CompressionRecipe(int8=True)
    other = replace(symbols(4), classes=("cat", "dog", "cow"))
    with pytest.raises(ClassesMismatch, match="the model knows"):
        compress(folder, recipe, tmp_path / "x", samples=other)
    boxes = Samples(Problem.DETECTION, [a_picture(8, 8)], [Boxes.none()], CLASSES)
    with pytest.raises(WrongProblem):
        compress(folder, recipe, tmp_path / "x", samples=boxes)


def test_a_full_folder_is_not_written_to(folder: Path) -> None:
    with pytest.raises(BadExport, match="not an empty folder"):
        compress(folder, CompressionRecipe(prune=0.5), folder, samples=symbols())
