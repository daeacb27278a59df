"""Models of torch, Keras and JAX go through ONNX and back, and answer alike."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_builders import CLASSES, MODEL, some_symbols
from torch import nn

from neuromation.learning.conversion.converting import Converted, convert, read_safetensors
from neuromation.learning.conversion.onnx_models import read_onnx
from neuromation.learning.conversion.torch_models import module_of
from neuromation.learning.weights import Weights

# Keras would look for TensorFlow first.
os.environ.setdefault("KERAS_BACKEND", "torch")


class Small(nn.Module):
    """Convolutions, a normalisation, a pool, and a reshape that needs the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.GroupNorm(2, 6)
        self.second = nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False)
        self.batch_norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.gelu(self.norm(self.first(x)))
        x = torch.nn.functional.hardswish(self.batch_norm(self.second(x)))
        return torch.softmax(self.head(x.reshape(x.shape[0], -1)), dim=-1)


@pytest.fixture(scope="module")
def small() -> Converted:
    torch.manual_seed(1)
    module = Small().eval()
    module.batch_norm.running_mean += 0.3  # type: ignore[operator]
    samples = np.random.default_rng(0).uniform(0, 16, (5, 1, 8, 8)).astype(np.float32)
    return convert(module, to="onnx", samples=samples)


# There and back.


def test_torch_becomes_onnx_and_torch_again_with_the_same_answers(small: Converted, tmp_path: Path) -> None:
    assert small.equality.max_abs_diff < 1e-5 and (small.equality.random, small.equality.given) == (16, 5)
    path = small.write(tmp_path / "small")
    back = convert(path, to="torch")
    assert back.equality.max_abs_diff < 1e-5
    x = torch.rand(3, 1, 8, 8)
    program = torch.export.load(str(back.write(tmp_path / "small"))).module()  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(program(x)[0].detach().numpy(), small.model.run([x.numpy()])[0], atol=1e-5)


def test_a_module_made_from_onnx_can_be_trained_further(small: Converted) -> None:
    module = module_of(small.model).module
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    x, labels = torch.rand(8, 1, 8, 8), torch.arange(8) % 5
    losses = []
    for _ in range(5):
        optimiser.zero_grad()
        losses.append(torch.nn.functional.nll_loss(module(x)[0].log(), labels))
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < losses[0]


def test_weights_alone_come_back_bit_for_bit(small: Converted, tmp_path: Path) -> None:
    converted = convert(small.data, to="safetensors")
    arrays = read_safetensors(converted.write(tmp_path / "w"))
    assert {name: a.tobytes() for name, a in arrays.items()} == {n: a.tobytes() for n, a in small.model.weights.items()}


def test_an_exported_model_of_ours_is_read_from_its_weights(trained: Any, tmp_path: Path) -> None:
    from neuromation.learning.export import export_model

    weights: Weights = trained.weights
    for name, data in export_model(weights, MODEL, {}, CLASSES, card={}).items():
        (tmp_path / name).write_bytes(data)
    images, _ = some_symbols(20)
    samples = images[:, None].astype(np.float32)
    converted = convert(tmp_path / "model.safetensors", to="onnx", samples=samples)
    assert converted.equality.given == 20
    ours = read_onnx((tmp_path / "model.onnx").read_bytes()).run([samples])[0]
    np.testing.assert_allclose(converted.model.run([samples])[0], ours, atol=1e-3)


KERAS_LAYERS = {
    "picture": (lambda k: [k.Input((8, 8, 1)), k.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
                           k.layers.BatchNormalization(), k.layers.AveragePooling2D(2, padding="same"), k.layers.Flatten(),
                           k.layers.Dense(3, activation="softmax")]),
    "numbers": (lambda k: [k.Input((6,)), k.layers.Dense(5, activation="gelu"),
                           k.layers.LayerNormalization(), k.layers.Dense(2)]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "to"), [("numbers", "onnx"), ("picture", "torch"), ("picture", "safetensors")])
def test_a_keras_file_becomes_onnx_torch_and_safetensors(name: str, to: str, tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="Keras is in the extra keras: pip install '.[keras]'")
    import keras

    keras.utils.set_random_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of numpy 2, met by Keras on torch
        keras.Sequential(KERAS_LAYERS[name](keras)).save(tmp_path / "model.keras")
    converted = convert(tmp_path / "model.keras", to=to)
    assert converted.equality.max_abs_diff < 1e-5
    if to != "safetensors":
        assert converted.model.inputs[0].shape[0] is None


@pytest.mark.slow  # jax2onnx loads a thousand plug-ins: half a minute of processor time
def test_a_jax_function_becomes_onnx_and_torch() -> None:
    pytest.importorskip("jax2onnx", reason="JAX is in the extra jax: pip install '.[jax]'")
    import jax

    from neuromation.learning.conversion.jax_models import jax_model

    rng = np.random.default_rng(0)
    kernel, weight = (rng.standard_normal(s).astype(np.float32) for s in ((3, 3, 1, 4), (8 * 8 * 4, 3)))

    def network(x: Any) -> Any:
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jax.nn.softmax(jax.nn.relu(x).reshape(x.shape[0], -1) @ weight * 0.1)

    source = jax_model(network, (None, 8, 8, 1))
    assert convert(source, to="onnx").equality.max_abs_diff < 1e-5
    assert convert(source, to="torch").equality.max_abs_diff < 1e-5
