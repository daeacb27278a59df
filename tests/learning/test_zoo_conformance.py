"""Every network of the zoo keeps the one protocol: what it takes, answers, learns, and that it can be taken away."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from neuromation.learning import engine
from neuromation.learning.errors import BadConfig
from neuromation.learning.evaluation import onnx_session
from neuromation.learning.evaluation.predicting import onnx_run
from neuromation.learning.learner import Learner
from neuromation.learning.onnx_writing import agreement, to_onnx
from neuromation.learning.problem import IGNORED, NO_CLASS, Answer, Boxes, InputSpec, Problem
from neuromation.learning.weights import Weights, weights_from_bytes, weights_to_bytes
from neuromation.learning.zoo import Exporter, get_model, initial_weights, list_models
from neuromation.learning.zoo.card import some_input

CLASSES = ("a", "b", "c")
# The smallest configuration of each network.
SMALL: dict[str, dict[str, object]] = {
    "digits-cnn": {"channels": 4, "hidden": 8},
    "faster-rcnn": {"height": 96, "width": 96, "samples": 16},
    "fcn": {"height": 32, "width": 32},
    "googlenet": {"height": 32, "width": 32},
    "heatmap-detector": {"height": 64, "width": 64, "channels": 4, "depth": 1},
    "logmel-cnn": {"samples": 4096, "base": 8, "hidden": 8},
    "mask-rcnn": {"height": 96, "width": 96, "samples": 16},
    "mobilenet-v3-small": {"height": 32, "width": 32},
    "resnet18": {"height": 32, "width": 32},
    "segnet": {"height": 32, "width": 32, "base": 4},
    "small-resnet": {"height": 32, "width": 32, "base": 8},
    "squeezenet": {"height": 32, "width": 32},
    "ssd300": {},
    "ssdlite320": {"height": 96, "width": 96},
    "vgg11": {"height": 32, "width": 32, "hidden": 16},
    "wavenet": {"samples": 800, "channels": 4, "layers": 4},
    "yolox": {"height": 64, "width": 64},
}
# Minutes together, for their 2 to 45 million parameters.
HEAVY = ("faster-rcnn", "fcn", "googlenet", "mask-rcnn", "resnet18", "ssd300", "ssdlite320", "vgg11")
LEARNING_RATE = {"digits-cnn": 1e-2, "mask-rcnn": 1e-4, "ssd300": 1e-4, "vgg11": 1e-4, "yolox": 1e-2}
SCALES = (0.12, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 0.95)  # of the boxes, so that every level of a detector has its own

every = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in SMALL]
)


@cache
def first_weights(name: str) -> Weights:
    return initial_weights(name, SMALL[name], CLASSES, 1)


def network(name: str) -> Learner:
    return engine.module_of(first_weights(name), name, SMALL[name], CLASSES)  # type: ignore[return-value]


def taken(name: str) -> InputSpec:
    spec = get_model(name)
    return spec.input_of(spec.check_config(SMALL[name]))


def some_samples(name: str) -> tuple[torch.Tensor, list[Any]]:
    """Four inputs that differ, and their targets; pictures show bright boxes where their targets are."""
    problem, takes = get_model(name).problem, taken(name)
    inputs = some_input(takes, 4) * np.float32(0.3)
    if problem in (Problem.CLASSIFICATION, Problem.AUDIO_CLASSIFICATION):
        for number in range(len(inputs)):
            stripes = np.sin(np.arange(inputs.shape[-1]) * (0.1 + 0.4 * number))
            inputs[number] += np.float32(0.5 * takes.value_max) * np.clip(stripes, 0, 1).astype(np.float32)
        return torch.from_numpy(inputs), [0, 1, 2, 0]
    targets = [a_target(problem, takes, picture) for picture in inputs]
    return torch.from_numpy(inputs), targets


def a_target(problem: Problem, takes: InputSpec, picture: np.ndarray[Any, Any]) -> Any:
    height, width = takes.height, takes.width
    mask = np.zeros((height, width), np.uint8)
    rows, masks = [], []
    for number, scale in enumerate(reversed(SCALES)):
        w, h = scale * width, scale * height
        x, y = (width - w) * (number % 3) / 2, (height - h) * (number % 2)
        inside = np.zeros((height, width), bool)
        inside[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1] = True
        picture[number % 3, inside] = 80 + 20 * number
        mask[inside] = number % 3
        rows.append((x, y, w, h))
        masks.append(inside)
    if problem is Problem.SEGMENTATION:
        mask[0] = IGNORED
        return mask
    labels = np.arange(len(rows)) % 3
    outlined = np.stack(masks) if problem is Problem.INSTANCE_SEGMENTATION else None
    return Boxes(np.array(rows, np.float32), labels, None, outlined)


def test_every_registered_network_is_tested_here() -> None:
    assert [spec.name for spec in list_models()] == sorted(SMALL)


@every
def test_a_network_takes_and_answers_what_its_specification_says(name: str) -> None:
    spec, module = get_model(name), network(name).eval()
    assert module.problem is spec.problem
    inputs = some_input(taken(name), 2)
    with engine.canonical_runtime(), torch.inference_mode():
        outputs = module(torch.from_numpy(inputs))
    assert isinstance(outputs, tuple)
    assert all(output.shape[0] == 2 and torch.isfinite(output).all() for output in outputs)
    assert len(module.outputs) == len(outputs)
    for answer in module.decode([output.numpy() for output in outputs]):
        check_answer(answer, spec.problem, taken(name))


def check_answer(answer: Answer, problem: Problem, takes: InputSpec) -> None:
    if problem in (Problem.CLASSIFICATION, Problem.AUDIO_CLASSIFICATION):
        assert isinstance(answer, np.ndarray) and answer.dtype == np.float32
        assert answer.shape == (len(CLASSES),) and answer.min() >= 0 and abs(answer.sum() - 1) < 1e-5
    elif problem is Problem.SEGMENTATION:
        assert isinstance(answer, np.ndarray) and answer.dtype == np.uint8
        assert answer.shape == (takes.height, takes.width) and answer.max() < len(CLASSES)
    else:
        assert isinstance(answer, Boxes)
        low, high = answer.xywh[:, :2], answer.xywh[:, :2] + answer.xywh[:, 2:]
        assert (low >= 0).all() and (high <= np.array([takes.width, takes.height]) + 1e-3).all()
        assert (answer.xywh[:, 2:] > 0).all()
        assert answer.scores is not None and (np.diff(answer.scores) <= 0).all()
        assert ((answer.scores > 0) & (answer.scores <= 1)).all()
        assert ((answer.labels >= 0) & (answer.labels < len(CLASSES))).all()
        assert (answer.masks is None) == (problem is Problem.DETECTION)


@every
def test_first_weights_depend_on_the_seed_alone(name: str) -> None:
    first, again, other = (initial_weights(name, SMALL[name], CLASSES, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[tensor], again[tensor]) for tensor in first)
    assert any(not np.array_equal(first[tensor], other[tensor]) for tensor in first)


@every
def test_a_network_learns_a_few_samples_by_heart_and_every_parameter_takes_part(name: str) -> None:
    module = network(name).train()
    inputs, targets = some_samples(name)
    optimiser = torch.optim.AdamW(module.parameters(), lr=LEARNING_RATE.get(name, 1e-3))
    losses, idle = [], {parameter for parameter, _ in module.named_parameters()}
    torch.manual_seed(0)
    with engine.canonical_runtime():
        for _ in range(10):
            optimiser.zero_grad()
            loss = module.loss(inputs, targets)
            assert loss.ndim == 0 and torch.isfinite(loss)
            torch.autograd.backward(loss)
            idle -= {key for key, value in module.named_parameters() if value.grad is not None and value.grad.any()}
            optimiser.step()
            losses.append(loss.item())
    assert min(losses[-3:]) < 0.9 * losses[0]
    assert idle == set()


@every
def test_pictures_without_objects_have_a_finite_loss(name: str) -> None:
    spec = get_model(name)
    inputs, targets = some_samples(name)
    if spec.problem is Problem.SEGMENTATION:
        nothing: list[Any] = [np.full_like(target, IGNORED) for target in targets]
    elif spec.problem in (Problem.DETECTION, Problem.INSTANCE_SEGMENTATION):
        nothing = [Boxes.none()] * len(targets)
    else:
        nothing = [NO_CLASS] * len(targets)
    module = network(name).train()
    with engine.canonical_runtime():
        loss = module.loss(inputs, nothing)
        torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert all(value.grad is None or torch.isfinite(value.grad).all() for value in module.parameters())


@every
def test_weights_come_back_from_a_file_as_they_went(name: str) -> None:
    weights = first_weights(name)
    back = weights_from_bytes(weights_to_bytes(weights), weights)
    assert all(np.array_equal(weights[tensor], back[tensor]) for tensor in weights)
    assert set(engine.weights_of(network(name))) == set(weights)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SMALL))
def test_onnx_runtime_answers_as_torch_does(name: str) -> None:
    spec, takes = get_model(name), taken(name)
    module = trained_a_little(name).eval()
    inputs = some_samples(name)[0].numpy()
    data = to_onnx(module, takes, inputs, spec.exporter)
    found = agreement(data, module, takes, inputs)
    assert found.samples == found.argmax_equal == len(inputs)
    session = onnx_session(data)
    free = not isinstance(session.get_inputs()[0].shape[0], int)
    assert free == (spec.exporter is Exporter.DYNAMO)
    assert len(onnx_run(session, takes)(inputs[:1])) == len(module.outputs)


def trained_a_little(name: str) -> Learner:
    """After some steps running statistics and scores are no longer those of noise, where everything is a tie."""
    module = network(name).train()
    inputs, targets = some_samples(name)
    optimiser = torch.optim.AdamW(module.parameters(), lr=LEARNING_RATE.get(name, 1e-3))
    torch.manual_seed(0)
    with engine.canonical_runtime():
        for _ in range(4):
            optimiser.zero_grad()
            torch.autograd.backward(module.loss(inputs, targets))
            optimiser.step()
    return module


@pytest.mark.parametrize("name", list(SMALL))
def test_knobs_outside_their_ranges_are_refused_by_name(name: str) -> None:
    spec = get_model(name)
    with pytest.raises(BadConfig, match="colour_of_the_box"):
        spec.check_config({"colour_of_the_box": 1})
    side = "samples" if spec.problem is Problem.AUDIO_CLASSIFICATION else "height"
    with pytest.raises(BadConfig, match=side):
        spec.check_config({side: 1_000_000})
