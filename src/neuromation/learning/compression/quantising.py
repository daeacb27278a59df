"""An ONNX network in 8 bits, by ONNX Runtime's static quantisation; owns its settings, refuses to know the network.

Weights are quantised for every channel apart, activations for every tensor, in QDQ form, which every runtime reads
(onnxruntime.ai/docs/performance/model-optimizations/quantization.html, also on the range of weights).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.errors import BadCalibration, BadExport, UnknownOperators
from neuromation.learning.evaluation.classifiers import onnx_session
from neuromation.learning.quiet import quiet

CALIBRATION_MIN = 2
# Arithmetic that gains by 8 bits; spectra, normalisation and the like keep their range in float.
OPERATORS = (
    "Conv",
    "Gemm",
    "MatMul",
    "Add",
    "Relu",
    "Clip",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "Concat",
    "Resize",
)
_WEIGHTY = ("Conv", "Gemm", "MatMul")


def quantised(data: bytes, inputs: NDArray[np.float32], *, keep_ends: bool = False) -> bytes:
    """The network of an ONNX file with int8 weights and uint8 activations.

    Args:
        data: the float network, with one input and a free batch, or a batch of 1.
        inputs: float32 (N, ...) as the network takes them, typical ones: they show how far activations reach.
        keep_ends: the first and the last weighted layer stay float: nearly as small, often as good as before.

    Raises:
        BadCalibration: fewer than CALIBRATION_MIN inputs.
        UnknownOperators: ONNX Runtime does not know an operator of the file.
        BadExport: no ONNX file, or one that cannot be quantised.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if len(inputs) < CALIBRATION_MIN:
        raise BadCalibration(
            f"quantising needs {CALIBRATION_MIN} or more typical samples, not {len(inputs)}; a hundred serve well"
        )
    name = checked_session(data).get_inputs()[0].name
    with tempfile.TemporaryDirectory(prefix="neuromation-int8-") as folder, quiet(""):
        source, ready, made = (Path(folder) / part for part in ("float.onnx", "ready.onnx", "int8.onnx"))
        source.write_bytes(data)
        try:
            quant_pre_process(source, ready, skip_symbolic_shape=True)
            quantization.quantize_static(
                ready,
                made,
                _reader(name, inputs),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                # Weights of 7 bits: of 8, sums of two products overflow on processors without VNNI, and points are lost.
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=list(OPERATORS),
                nodes_to_exclude=_ends(ready) if keep_ends else [],
            )
        except Exception as error:  # ONNX Runtime's Python part raises many classes, without a common base
            raise BadExport(f"this network cannot be quantised ({str(error)[:200]}); deliver the float one") from error
        return made.read_bytes()


def checked_session(data: bytes) -> Any:
    """An ONNX Runtime session. Raises UnknownOperators, BadExport."""
    try:
        return onnx_session(data)
    except BadExport as error:
        text = error.message
        if any(words in text for words in ("is not a registered function/op", "No Op registered", "NOT_IMPLEMENTED")):
            names = _operators(data)
            raise UnknownOperators(
                f"ONNX Runtime does not know an operator of this file ({', '.join(names[:6])}); export it without",
                operators=names,
            ) from error
        raise


def _operators(data: bytes) -> list[str]:
    import onnx

    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    graph = onnx.load_model_from_string(data).graph
    return sorted(
        {node.op_type for node in graph.node if node.op_type not in known or node.domain not in ("", "ai.onnx")}
    )


def _ends(path: Path) -> list[str]:
    import onnx

    names = [node.name for node in onnx.load(path).graph.node if node.op_type in _WEIGHTY]
    return [names[0], names[-1]] if len(names) > 2 else []


def _reader(name: str, inputs: NDArray[np.float32]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        """One input at a time."""

        def __init__(self, rows: Sequence[NDArray[np.float32]]) -> None:
            self._rows = iter(rows)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            row = next(self._rows, None)
            return None if row is None else {name: row[None]}

    return Reader(list(inputs))
