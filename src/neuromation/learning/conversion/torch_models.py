"""Between torch modules and ONNX; refuses to know files and other frameworks.

ONNX becomes torch through a small interpreter. onnx2torch 1.5.15 was measured first: of the operators that it covers, 25 are
missing in the form that operator sets from 18 on have (Reshape, Pad, AveragePool, the sums), which is what exporters write.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from neuromation.learning.conversion.onnx_models import Array, OnnxModel, Slot
from neuromation.learning.conversion.operators import OPERATORS, NotCovered, sizes_of, tensor
from neuromation.learning.errors import BadModelFile, NoConversion, UnknownOperators

_SIZES_MAX = 64  # constants of so many integers may be sizes
_SHARED_DOMAINS = ("", "ai.onnx")


class OnnxModule(nn.Module):
    """An ONNX graph as a torch module: weights are parameters, so that it can be trained further.

    `forward` takes the graph's inputs and gives a tuple of its outputs.

    Raises:
        UnknownOperators: operators, or forms of them, that are not covered; by name.
    """

    def __init__(self, model: OnnxModel) -> None:
        super().__init__()
        graph = model.proto.graph
        missing = {
            node.op_type for node in graph.node if node.op_type not in OPERATORS or node.domain not in _SHARED_DOMAINS
        }
        if missing:
            raise _not_covered(sorted(missing))
        self._constants: dict[str, Any] = {}
        self._held: dict[str, str] = {}
        for name, array in model.weights.items():
            if array.dtype == np.int64 and array.ndim <= 1 and array.size <= _SIZES_MAX:
                self._constants[name] = sizes_of(array.tolist(), scalar=array.ndim == 0)
            else:
                self._hold(name, array)
        self._inputs = [one.name for one in graph.input if one.name not in model.weights]
        self._outputs = [one.name for one in graph.output]
        self._steps = [_step(node) for node in graph.node]

    def _hold(self, name: str, array: Array) -> None:
        held = "".join(c if c.isalnum() else "_" for c in name) or "tensor"
        while hasattr(self, held):
            held += "_"
        values = torch.from_numpy(np.array(array))
        self._held[name] = held
        if values.is_floating_point():
            self.register_parameter(held, nn.Parameter(values))
        else:
            self.register_buffer(held, values)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        known: dict[str, Any] = dict(self._constants)
        known.update({name: getattr(self, held) for name, held in self._held.items()})
        known.update(zip(self._inputs, inputs, strict=True))
        for name, taken, given, attributes in self._steps:
            operands = [known[one] if one else None for one in taken]
            try:
                made = OPERATORS[name](*operands, **attributes)
            except NotCovered as error:
                raise _not_covered([str(error)]) from error
            known.update(zip(given, made if isinstance(made, tuple) else (made,), strict=False))
        return tuple(tensor(known[name]) for name in self._outputs)


def _step(node: Any) -> tuple[str, list[str], list[str], dict[str, Any]]:
    from onnx import helper, numpy_helper

    attributes: dict[str, Any] = {}
    for one in node.attribute:
        value = helper.get_attribute_value(one)
        if hasattr(value, "data_type"):
            array = numpy_helper.to_array(value)
            is_small = array.dtype == np.int64 and array.ndim <= 1 and array.size <= _SIZES_MAX
            held = is_small and node.op_type == "Constant"
            value = sizes_of(array.tolist(), scalar=array.ndim == 0) if held else torch.from_numpy(np.array(array))
        attributes[one.name] = value.decode() if isinstance(value, bytes) else value
    if node.op_type in ("Split", "MaxPool"):
        attributes["outputs"] = len(node.output)
    if node.op_type == "Dropout" and len(node.output) > 1 and node.output[1]:
        raise _not_covered(["Dropout with its mask"])
    return node.op_type, list(node.input), list(node.output), attributes


def _not_covered(names: Sequence[str]) -> UnknownOperators:
    return UnknownOperators(
        f"torch is not given these operators of ONNX: {', '.join(names[:10])}", operators=list(names)
    )


@dataclass(frozen=True)
class TorchModel:
    """A torch module as a model like any other: arrays in, arrays out."""

    module: nn.Module
    inputs: tuple[Slot, ...]

    kind = "torch"

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs on these inputs."""
        training = self.module.training
        self.module.eval()
        try:
            with torch.inference_mode():
                made = self.module(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))
        finally:
            self.module.train(training)
        return [one.numpy() for one in flat(made)]

    def file(self, example: Sequence[Array]) -> bytes:
        """The module as an exported program (.pt2), which torch loads without this package.

        Raises NoConversion when torch cannot trace it.
        """
        arrays = [torch.from_numpy(np.ascontiguousarray(array)) for array in example]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                program = torch.export.export(self.module.eval(), tuple(arrays), dynamic_shapes=_free(self))
                held = io.BytesIO()
                torch.export.save(program, held)
        except Exception as error:  # the exporter raises classes of its own, without a common public base
            raise NoConversion(f"torch cannot trace this model ({' '.join(str(error).split())[:200]})") from error
        return held.getvalue()


def flat(made: Any) -> list[torch.Tensor]:
    """The tensors of an output, whatever it is nested in. Raises BadModelFile for anything but tensors."""
    if isinstance(made, torch.Tensor):
        return [made]
    if isinstance(made, dict):
        made = list(made.values())
    if isinstance(made, list | tuple):
        return [one for part in made for one in flat(part)]
    raise BadModelFile(f"the torch module gives {type(made).__name__}; tensors are needed, or lists of them")


def torch_model(module: nn.Module, samples: Sequence[Array]) -> TorchModel:
    """A module with inputs like these arrays, whose first axis is the batch."""
    slots = (Slot(f"input_{n}" if n else "input", str(a.dtype), (None, *a.shape[1:])) for n, a in enumerate(samples))
    return TorchModel(module, tuple(slots))


class _Called(nn.Module):
    """A module whose inputs are given one by one."""

    def __init__(self, call: Callable[..., list[torch.Tensor]], module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._call = call

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self._call(*inputs))


def called(call: Callable[..., list[torch.Tensor]], module: nn.Module, inputs: tuple[Slot, ...]) -> TorchModel:
    """A module of another framework that stands on torch; `call` takes its inputs one by one."""
    return TorchModel(_Called(call, module), inputs)


def module_of(model: OnnxModel) -> TorchModel:
    """An ONNX model as a torch module. Raises UnknownOperators."""
    return TorchModel(OnnxModule(model).eval(), model.inputs)


def to_onnx(model: TorchModel, example: Sequence[Array], *, opset: int) -> bytes:
    """The module as an ONNX file with a free batch. Raises NoConversion when torch cannot write it."""
    arrays = tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in example)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model.module.eval(), arrays, dynamo=True, opset_version=opset, external_data=False, verbose=False,
                dynamic_shapes=_free(model), input_names=[slot.name for slot in model.inputs],
            )  # fmt: skip
    except Exception as error:
        raise NoConversion(f"torch cannot write this model as ONNX ({' '.join(str(error).split())[:200]})") from error
    assert program is not None, "dynamo=True without a file returns the program"
    return bytes(program.model_proto.SerializeToString())


def _free(model: TorchModel) -> tuple[Any, ...]:
    """Which sizes of the inputs are free, in the form of the module's own arguments."""
    batch = torch.export.Dim("batch")
    free = tuple({0: batch} if slot.shape and slot.shape[0] is None else None for slot in model.inputs)
    return (free,) if isinstance(model.module, OnnxModule | _Called) else free
