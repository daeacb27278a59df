"""ONNX files of strangers: read, checked, run by ONNX Runtime; refuses to know other frameworks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from neuromation.learning.errors import BadModelFile, ExternalData, ModelTooLarge, UnknownOperators

ONNX_MAX_BYTES = 256 * 1024 * 1024
NODES_MAX = 100_000
OPSET_MIN = 13  # before, Softmax, Squeeze and others meant something else
_NAMED_MAX = 10
_OWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
# Operators that only ONNX Runtime has; whether it has this one is found by loading.
_RUNTIME_DOMAINS = ("com.microsoft", "com.ms.internal.nhwc")
_NUMBERS = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(int16)": "int16", "tensor(int8)": "int8", "tensor(uint8)": "uint8", "tensor(bool)": "bool",
}  # fmt: skip

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """One input or output of a model: its name, numpy's name of its type, and its sizes; None for a free one."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxModel:
    """A checked ONNX model. `data` is the file."""

    data: bytes

    kind = "onnx"

    @cached_property
    def proto(self) -> Any:
        """The parsed file."""
        import onnx

        return onnx.load_model_from_string(self.data)

    @cached_property
    def session(self) -> Any:
        """ONNX Runtime on one thread. Raises BadModelFile, UnknownOperators."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(self.data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises its own classes, without a common base that is public
            said = " ".join(str(error).split())
            if named := re.search(
                r"implementation for (\w+)|(\w+)\(-?\d+\) is not a registered|No Op registered for (\w+)", said
            ):
                raise _unknown([next(filter(None, named.groups()))]) from error
            raise BadModelFile(f"ONNX Runtime cannot load this model ({said[:200]}); export it again") from error

    @cached_property
    def inputs(self) -> tuple[Slot, ...]:
        """What the model takes. Raises BadModelFile for inputs that are no tensors of numbers."""
        return tuple(_slot(one) for one in self.session.get_inputs())

    @cached_property
    def outputs(self) -> tuple[Slot, ...]:
        """What the model gives."""
        return tuple(_slot(one) for one in self.session.get_outputs())

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs on these inputs, in order. Raises BadModelFile when they do not fit or the model fails."""
        names = [slot.name for slot in self.inputs]
        try:
            return list(self.session.run(None, dict(zip(names, arrays, strict=True))))
        except Exception as error:
            raise BadModelFile(f"the ONNX model fails on {[a.shape for a in arrays]} ({str(error)[:200]})") from error

    @cached_property
    def weights(self) -> dict[str, Array]:
        """The constant tensors of the graph by name."""
        from onnx import numpy_helper

        return {one.name: numpy_helper.to_array(one) for one in self.proto.graph.initializer}


def read_onnx(data: bytes) -> OnnxModel:
    """Check an ONNX file and load it.

    Raises:
        ModelTooLarge: over ONNX_MAX_BYTES; nothing was parsed.
        ExternalData: it keeps tensors in other files.
        UnknownOperators: operators that neither ONNX nor ONNX Runtime knows, by name.
        BadModelFile: no ONNX file, a damaged one, or one of an operator set before OPSET_MIN.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if len(data) > ONNX_MAX_BYTES:
        raise ModelTooLarge(
            f"the ONNX file has {len(data)} bytes and at most {ONNX_MAX_BYTES} are read; compress the model"
        )
    model = OnnxModel(data)
    try:
        proto = model.proto
    except (DecodeError, ValueError, RecursionError) as error:
        raise BadModelFile("this is no ONNX file, or a damaged one; export it again") from error
    if not proto.graph.output or not proto.graph.node:
        raise BadModelFile("this ONNX file holds no network; export it again")
    graphs = [*_graphs(proto.graph)]
    if outside := next((name for graph in graphs for name in _external(graph)), None):
        raise ExternalData(
            f"the ONNX model keeps {outside[:80]!r} in another file; save it as one file (external_data=False)"
        )
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [node for function in proto.functions for node in function.node]
    if len(nodes) > NODES_MAX:
        raise ModelTooLarge(f"the ONNX model has {len(nodes)} nodes and at most {NODES_MAX} are read")
    _check_operators(proto, nodes)
    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise BadModelFile(
            f"the ONNX model is damaged ({' '.join(str(error).split())[:200]}); export it again"
        ) from error
    _ = model.inputs, model.outputs
    return model


def _check_operators(proto: Any, nodes: Sequence[Any]) -> None:
    import onnx

    sets = {one.domain: one.version for one in proto.opset_import}
    version = sets.get("", sets.get("ai.onnx", 0))
    newest = onnx.defs.onnx_opset_version()
    if not OPSET_MIN <= version <= newest:
        raise BadModelFile(
            f"the ONNX model uses operator set {version} and {OPSET_MIN} to {newest} are read; export it with one of these"
        )
    own = {(function.domain, function.name) for function in proto.functions}

    def known(node: Any) -> bool:
        if (node.domain, node.op_type) in own or node.domain in _RUNTIME_DOMAINS:
            return True
        if node.domain not in _OWN_DOMAINS:
            return False
        domain = "" if node.domain == "ai.onnx" else node.domain
        try:
            onnx.defs.get_schema(node.op_type, sets.get(node.domain, version), domain)
        except onnx.defs.SchemaError:
            return False
        return True

    names = {f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in nodes if not known(node)}
    if names:
        raise _unknown(sorted(names))


def _unknown(names: Sequence[str]) -> UnknownOperators:
    shown = ", ".join(name[:60] for name in names[:_NAMED_MAX]) + (", ..." if len(names) > _NAMED_MAX else "")
    return UnknownOperators(
        f"the model uses operators that are not known here: {shown}; export it without custom operators",
        operators=list(names),
    )


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph and those inside of its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from _graphs(inner)


def _external(graph: Any) -> Iterator[str]:
    import onnx

    tensors = [*graph.initializer]
    for one in graph.sparse_initializer:
        tensors += [one.values, one.indices]
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
    for one in tensors:
        if one.data_location == onnx.TensorProto.EXTERNAL or one.external_data:
            yield one.name or "a tensor"


def _slot(one: Any) -> Slot:
    if one.type not in _NUMBERS:
        raise BadModelFile(f"{one.name[:60]!r} of the ONNX model is {one.type}; only tensors of numbers are converted")
    return Slot(one.name, _NUMBERS[one.type], tuple(size if isinstance(size, int) else None for size in one.shape))
