"""Operators compute what ONNX Runtime computes; files of strangers are refused with the right word."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from neuromation.learning.conversion.converting import convert, load_model
from neuromation.learning.conversion.onnx_models import ONNX_MAX_BYTES, read_onnx
from neuromation.learning.conversion.operators import OPERATORS
from neuromation.learning.conversion.torch_models import module_of
from neuromation.learning.errors import (
    BadModelFile,
    ConversionDisagrees,
    ExternalData,
    ModelTooLarge,
    NoConversion,
    UnknownOperators,
    UnknownShapes,
)


def a_graph(
    *nodes: Any,
    inputs: dict[str, tuple[Any, ...]],
    weights: dict[str, Any] | None = None,
    opset: int = 20,
    domains: tuple[str, ...] = (),
) -> bytes:
    """A model of these nodes; its output is "y"."""
    held = [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()]
    slots = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in inputs.items()]
    graph = helper.make_graph(nodes, "g", slots, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], held)
    sets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=sets, ir_version=9))
    output = model.graph.output[0]
    if not output.type.tensor_type.HasField("shape"):  # of operators that nobody knows
        output.CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None]))
    return bytes(model.SerializeToString())


def a_linear(**changes: Any) -> bytes:
    weight = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
    return a_graph(
        helper.make_node("MatMul", ["x", "w"], ["y"]), inputs={"x": ("batch", 4)}, weights={"w": weight}, **changes
    )


# Single operators against ONNX Runtime.

SHAPES = (("x", (2, 3, 4, 6)),)
ONE_BY_ONE: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "unsqueeze and squeeze": (
        [helper.make_node("Unsqueeze", ["x", "a"], ["u"]), helper.make_node("Squeeze", ["u", "a"], ["y"])],
        {"a": np.array([0, 2])},
    ),
    "slice backwards": (
        [helper.make_node("Slice", ["x", "s", "e", "a", "t"], ["y"])],
        {"s": np.array([-1, 0]), "e": np.array([-9, 3]), "a": np.array([3, 2]), "t": np.array([-2, 2])},
    ),
    "gather negative": ([helper.make_node("Gather", ["x", "i"], ["y"], axis=1)], {"i": np.array([[-1, 0], [1, 1]])}),
    "split evenly and concat": (
        [helper.make_node("Split", ["x"], ["p", "q"], axis=2, num_outputs=2),
         helper.make_node("Concat", ["q", "p"], ["y"], axis=3)], {},
    ),
    "pad edges": ([helper.make_node("Pad", ["x", "p"], ["y"], mode="edge")], {"p": np.array([0, 0, 1, 2, 0, 0, 0, 1])}),
    "pad with a value": (
        [helper.make_node("Pad", ["x", "p", "v", "a"], ["y"])],
        {"p": np.array([1, 2]), "v": np.float32(7), "a": np.array([1])},
    ),
    "pool with uneven padding": (
        [helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 3], pads=[0, 1, 1, 1], strides=[1, 2])], {},
    ),
    "average pool without its padding": (
        [helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 0, 1], strides=[2, 2])], {},
    ),
    "scatter": (
        [helper.make_node("ScatterElements", ["x", "i", "u"], ["y"], axis=3)],
        {"i": np.full((1, 1, 1, 3), [[[[0, -1, 2]]]]), "u": np.ones((1, 1, 1, 3), np.float32)},
    ),
    "average pool rounded up": (
        [helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[3, 4], strides=[2, 3], ceil_mode=1)], {},
    ),
    "convolution with automatic padding": (
        [helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_LOWER", strides=[2, 1])],
        {"w": np.linspace(-1, 1, 5 * 3 * 4, dtype=np.float32).reshape(5, 3, 2, 2)},
    ),
    "transposed convolution": (
        [helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 0, 0, 1], output_padding=[1, 0])],
        {"w": np.linspace(-1, 1, 3 * 2 * 9, dtype=np.float32).reshape(3, 2, 3, 3)},
    ),
    "sums": ([helper.make_node("ReduceSum", ["x", "a"], ["y"], keepdims=0)], {"a": np.array([-1, 1])}),
    "group normalisation": (
        [helper.make_node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=3)],
        {"s": np.array([1, 2, 3], np.float32), "b": np.array([0, 1, 2], np.float32)},
    ),
    "resize": (
        [helper.make_node("Resize", ["x", "", "s"], ["y"], mode="nearest", nearest_mode="floor",
                          coordinate_transformation_mode="asymmetric")],
        {"s": np.array([1, 1, 2, 2], np.float32)},
    ),
    "resize linearly": (
        [helper.make_node("Resize", ["x", "", "", "z"], ["y"], mode="linear")], {"z": np.array([2, 3, 7, 5])},
    ),
    "shapes that are computed": (
        [
            helper.make_node("Shape", ["x"], ["h"]), helper.make_node("Gather", ["h", "i"], ["n"]),
            helper.make_node("Concat", ["n", "m"], ["t"], axis=0), helper.make_node("Reshape", ["x", "t"], ["y"]),
        ],
        {"i": np.array([0]), "m": np.array([-1])},
    ),
    "expand to a computed shape": (
        [
            helper.make_node("Shape", ["x"], ["h"]), helper.make_node("Expand", ["c", "h"], ["e"]),
            helper.make_node("Add", ["x", "e"], ["y"]),
        ],
        {"c": np.float32([[1], [2], [3], [4]])},
    ),
    "gemm": (
        [helper.make_node("Flatten", ["x"], ["f"]),
         helper.make_node("Gemm", ["f", "w", "b"], ["y"], transB=1, alpha=0.5, beta=2.0)],
        {"w": np.linspace(-1, 1, 72 * 2, dtype=np.float32).reshape(2, 72), "b": np.float32([1, 2])},
    ),
    "depth to space": (
        [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1, 3]),
         helper.make_node("DepthToSpace", ["t"], ["y"], blocksize=2)], {},
    ),
    "clip and powers": (
        [helper.make_node("Clip", ["x", "l", ""], ["c"]), helper.make_node("Pow", ["c", "p"], ["y"])],
        {"l": np.float32(0), "p": np.float32(2)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ONE_BY_ONE))
def test_an_operator_computes_what_onnx_runtime_computes(name: str) -> None:
    nodes, weights = ONE_BY_ONE[name]
    model = read_onnx(a_graph(*nodes, inputs=dict(SHAPES), weights=weights, opset=21))
    x = np.random.default_rng(1).standard_normal((2, 3, 4, 6)).astype(np.float32)
    wanted, met = model.run([x])[0], module_of(model).run([x])[0]
    assert wanted.shape == met.shape
    np.testing.assert_allclose(met, wanted, atol=1e-5)


OTHERWISE = (
    "Arg", "Reduce", "Global", "Constant", "Not", "Shape", "Size", "Einsum", "DepthToSpace", "MaxPool", "AveragePool", "Cast",
    "IsNaN", "IsInf",
)  # fmt: skip


def _functions() -> list[str]:
    """Operators that take one array of any numbers to another."""
    schemas = [onnx.defs.get_schema(name) for name in OPERATORS]
    return [s.name for s in schemas if s.min_input == 1 == s.max_input and not s.name.startswith(OTHERWISE)]


@pytest.mark.parametrize("name", _functions())
@settings(max_examples=5)
@given(st.lists(st.floats(0.0625, 4, width=32), min_size=2, max_size=6))
def test_a_function_of_one_value_is_the_same(name: str, values: list[float]) -> None:
    model = read_onnx(a_graph(helper.make_node(name, ["x"], ["y"]), inputs={"x": ("n", 1)}))
    x = np.array(values, np.float32)[:, None]
    np.testing.assert_allclose(module_of(model).run([x])[0], model.run([x])[0], rtol=1e-5, atol=1e-6)


# What is refused.


def test_unknown_operators_are_named() -> None:
    strange = helper.make_node("Frobnicate", ["x"], ["y"])
    with pytest.raises(UnknownOperators, match="Frobnicate") as caught:
        read_onnx(a_graph(strange, inputs={"x": (1, 2)}))
    assert caught.value.details["operators"] == ["Frobnicate"]
    with pytest.raises(UnknownOperators, match="acme::Magic"):
        read_onnx(
            a_graph(helper.make_node("Magic", ["x"], ["y"], domain="acme"), inputs={"x": (1, 2)}, domains=("acme",))
        )
    with pytest.raises(UnknownOperators, match="NoSuchThing"):
        node = helper.make_node("NoSuchThing", ["x"], ["y"], domain="com.microsoft")
        read_onnx(a_graph(node, inputs={"x": (1, 2)}, domains=("com.microsoft",)))
    with pytest.raises(UnknownOperators, match="Hardmax"):
        convert(a_graph(helper.make_node("Hardmax", ["x"], ["y"]), inputs={"x": (1, 2)}), to="torch")
    places = helper.make_node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2])
    with pytest.raises(UnknownOperators, match="MaxPool with places"):
        convert(a_graph(places, inputs={"x": (1, 1, 4, 4)}), to="torch")


def test_operators_hidden_in_branches_are_met() -> None:
    value = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    branch = helper.make_graph([helper.make_node("Frobnicate", ["x"], ["o"])], "b", [], [value])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    with pytest.raises(UnknownOperators, match="Frobnicate"):
        read_onnx(a_graph(node, inputs={"x": (1, 2)}, weights={"c": np.array(True)}))


def test_weights_in_other_files_are_refused() -> None:
    proto = onnx.load_model_from_string(a_linear())
    held = proto.graph.initializer[0]
    held.data_location = TensorProto.EXTERNAL
    held.ClearField("raw_data")
    entry = held.external_data.add()
    entry.key, entry.value = "location", "../../../../etc/passwd"
    with pytest.raises(ExternalData, match="'w' in another file"):
        read_onnx(proto.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x08\x07", b"PK\x03\x04" * 20])
def test_what_is_no_onnx_is_refused(data: bytes) -> None:
    with pytest.raises(BadModelFile, match="ONNX file"):
        read_onnx(data)


@given(st.data())
@settings(max_examples=60)
def test_a_damaged_file_is_refused_or_read_and_never_anything_else(data: st.DataObject) -> None:
    whole = bytearray(a_linear())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_onnx(bytes(whole[: data.draw(st.integers(1, len(whole)))]))
    except (BadModelFile, UnknownOperators):
        pass


def test_other_reasons_to_refuse_an_onnx_file(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="operator set 9"):
        read_onnx(a_linear(opset=9))
    with pytest.raises(BadModelFile, match="operator set 999"):
        read_onnx(a_linear(opset=999))
    with pytest.raises(ModelTooLarge):
        read_onnx(bytes(ONNX_MAX_BYTES + 1))
    free = a_graph(helper.make_node("Relu", ["x"], ["y"]), inputs={"x": ("n", 3, "height", "width")})
    with pytest.raises(UnknownShapes, match="give samples"):
        convert(free, to="torch")
    assert convert(free, to="torch", samples=np.ones((2, 3, 5, 4), np.float32)).equality.given == 2
    huge = a_graph(helper.make_node("Relu", ["x"], ["y"]), inputs={"x": ("n", 1 << 20, 1 << 20)})
    with pytest.raises(ModelTooLarge, match="one batch"):
        convert(huge, to="torch")


def test_a_difference_over_the_tolerance_is_refused() -> None:
    class Other:
        kind, inputs = "onnx", read_onnx(a_linear()).inputs

        def run(self, arrays: Any) -> Any:
            return [array @ np.ones((4, 3), np.float32) for array in arrays]

        def to_onnx(self, _example: Any, *, opset: int) -> bytes:
            return a_linear()

    with pytest.raises(ConversionDisagrees, match="nothing is delivered"):
        convert(Other(), to="onnx")


def test_samples_that_do_not_fit_are_refused() -> None:
    for samples in (np.ones((2, 5), np.float32), np.ones((2, 4)), np.ones((0, 4), np.float32)):
        with pytest.raises(NoConversion, match="is needed"):
            convert(a_linear(), to="torch", samples=samples)
    with pytest.raises(NoConversion, match="1 inputs"):
        convert(a_linear(), to="torch", samples=[np.ones((2, 4), np.float32)] * 2)
    with pytest.raises(UnknownShapes, match="give samples"):
        convert(torch.nn.Linear(2, 2), to="onnx")


def test_files_that_are_not_read_say_what_to_do(tmp_path: Path) -> None:
    for name, match in {"m.pt": "may hold code", "m.pkl": "may hold code", "m.txt": "no model that is read"}.items():
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(NoConversion, match=match):
            load_model(tmp_path / name)
    for name in ("m.safetensors", "m.keras", "m.onnx", "none.onnx"):
        if name[0] == "m":
            (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(BadModelFile):
            load_model(tmp_path / name)
    (tmp_path / "w.safetensors").write_bytes(convert(a_linear(), to="safetensors").data)
    with pytest.raises(NoConversion, match="weights and no network"):
        load_model(tmp_path / "w.safetensors")
    with pytest.raises(NoConversion, match="choose one of"):
        convert(a_linear(), to="tensorflow")


def a_keras_file(path: Path, layer: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "config.json", json.dumps({"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}})
        )
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", b"")
    return path


EVIL: dict[str, Callable[[], dict[str, Any]]] = {
    "Lambda": lambda: {"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}},
    "system": lambda: {"module": "os", "class_name": "system", "config": "id"},
    "get_file": lambda: {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "https://example.org"}},
    "Mine": lambda: {"module": None, "class_name": "Mine", "registered_name": "Custom>Mine", "config": {}},
    "Other": lambda: {"module": "keras.layers", "class_name": "Other", "registered_name": "Custom>Dense", "config": {}},
    "function": lambda: {"module": "keras.layers", "class_name": "Dense", "config": {
        "activation": {"module": "subprocess", "class_name": "function", "config": "call"}}},
    "TorchModuleWrapper": lambda: {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
    "StringLookup": lambda: {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
}  # fmt: skip


@pytest.mark.parametrize("name", list(EVIL))
def test_a_keras_file_that_would_run_code_is_refused_before_keras_sees_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownOperators, match=name):
        load_model(a_keras_file(tmp_path / "evil.keras", EVIL[name]()))
