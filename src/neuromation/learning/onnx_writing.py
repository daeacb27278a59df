"""A torch module as an ONNX file, and how far its two runtimes agree; refuses to know where files are kept."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.errors import BadExport, ExportDisagrees
from neuromation.learning.evaluation.classifiers import onnx_session
from neuromation.learning.evaluation.predicting import in_use, onnx_run
from neuromation.learning.problem import Answer, Boxes, InputSpec
from neuromation.learning.quiet import quiet
from neuromation.learning.zoo import Exporter

if TYPE_CHECKING:
    from neuromation.learning.learner import Learner

OPSET = 20
DISAGREEMENT_MAX = 1e-3  # of logits, whose size is about 10; float32 in another order of sums differs by 1e-6 to 1e-5
_DISAGREEMENT_SHARE = 1e-4  # of the largest value of an output, where outputs are larger than logits
_BOX_MOVED_MAX_PX = 0.5
_SCORE_MOVED_MAX = 1e-2
_MASK_SAME_MIN = 0.999


@dataclass(frozen=True, slots=True)
class Agreement:
    """ONNX Runtime against torch on the same inputs: the largest difference of a raw output, and equal answers.

    Of networks that list objects it is the largest difference of two scores of the same object.
    """

    samples: int
    max_abs_diff: float
    argmax_equal: int


def to_onnx(module: Learner, spec: InputSpec, inputs: NDArray[np.float32], exporter: Exporter) -> bytes:
    """The module as an ONNX file; input and outputs are named by `input_name` and `output_names`.

    The batch is free with the newer exporter and 1 with the older one. Raises BadExport when torch cannot write it.
    """
    import torch

    module.eval()
    names: dict[str, Any] = {
        "opset_version": OPSET,
        "input_names": [input_name(spec)],
        "output_names": list(output_names(module, spec)),
    }
    with quiet("torch.onnx", "onnxscript", "onnx_ir"):
        try:
            if exporter is Exporter.TRACED:
                return _traced(module, torch.from_numpy(inputs[:1]), names)
            # Two of them: a batch of one would be taken for a constant.
            example = torch.from_numpy(np.concatenate([inputs[:1], inputs[-1:]]))
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
                **names,
            )
        except Exception as error:  # the exporters raise classes of their own, without a common public base
            raise BadExport(f"torch cannot write this network as ONNX ({str(error)[:200]})") from error
    assert program is not None, "dynamo=True without a file returns the program"
    return _without_source_notes(program.model_proto)


def _traced(module: Learner, example: Any, names: dict[str, Any]) -> bytes:
    import onnx
    import torch

    with tempfile.TemporaryDirectory(prefix="neuromation-onnx-") as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(module, (example,), path, dynamo=False, **names)
        return _without_source_notes(onnx.load(path))


def input_name(spec: InputSpec) -> str:
    """What the ONNX input is called."""
    return "images" if spec.rate_hz is None else "sounds"


def output_names(module: Learner, spec: InputSpec) -> tuple[str, ...]:
    """What the ONNX outputs are called: as the network says, or by their number where it says another number of them."""
    import torch

    with in_use(module) as run, torch.inference_mode():
        count = len(run(np.zeros((1, *spec.shape), np.float32)))
    named = tuple(module.outputs)
    return named if len(named) == count else tuple(f"output_{place}" for place in range(count))


def agreement(onnx_bytes: bytes, module: Learner, spec: InputSpec, inputs: NDArray[np.float32]) -> Agreement:
    """How far ONNX Runtime and torch agree on inputs (N, *spec.shape).

    Raises ExportDisagrees when a raw output differs by more than DISAGREEMENT_MAX (or a ten thousandth of the largest
    value, when that is more), or, of a network that lists objects, when one finds what the other does not.
    """
    session = onnx_session(onnx_bytes)
    fixed = session.get_inputs()[0].shape[0]
    size = fixed if isinstance(fixed, int) else len(inputs)
    parts = [inputs[first : first + size] for first in range(0, len(inputs), size)]
    with in_use(module) as run:
        by_torch = [run(part) for part in parts]
    other = onnx_run(session, spec)
    by_onnx = [other(part) for part in parts]
    worst = 0.0
    for left, right in zip(by_onnx, by_torch, strict=True):
        if [a.shape for a in left] != [a.shape for a in right]:
            raise ExportDisagrees(
                f"the ONNX model answers with {[a.shape for a in left]} and torch with {[a.shape for a in right]}; "
                "nothing is delivered"
            )
        if not module.lists_objects:
            worst = max(worst, *(_difference(a, b) for a, b in zip(left, right, strict=True)))
    pairs = [(a, b) for x, y in zip(by_onnx, by_torch, strict=True) for a, b in _decoded(module, x, y)]
    if module.lists_objects:
        worst = max(_objects_apart(a, b) for a, b in pairs)
    return Agreement(len(inputs), worst, sum(_same(a, b) for a, b in pairs))


def _difference(by_onnx: NDArray[np.float32], by_torch: NDArray[np.float32]) -> float:
    if not by_torch.size:
        return 0.0
    diff = float(np.max(np.abs(by_onnx - by_torch)))
    allowed = max(DISAGREEMENT_MAX, _DISAGREEMENT_SHARE * float(np.max(np.abs(by_torch))))
    if not diff <= allowed:
        raise ExportDisagrees(f"ONNX Runtime and torch differ by {diff:.2g}, over {allowed:g}; nothing is delivered")
    return diff


def _decoded(
    module: Learner, left: Sequence[NDArray[np.float32]], right: Sequence[NDArray[np.float32]]
) -> list[tuple[Answer, Answer]]:
    return list(zip(module.decode(left), module.decode(right), strict=True))


def _objects_apart(left: Answer, right: Answer) -> float:
    """The largest difference of two scores of the same object."""
    assert isinstance(left, Boxes) and isinstance(right, Boxes), "a network that lists objects answers with boxes"
    partners = object_partners(left, right)
    if partners is None or left.scores is None or right.scores is None:
        raise ExportDisagrees(
            f"ONNX Runtime finds {len(left)} objects and torch {len(right)}, and they are not the same; nothing is delivered"
        )
    return float(np.max(np.abs(left.scores - right.scores[partners]), initial=0.0))


def object_partners(left: Boxes, right: Boxes) -> NDArray[np.int64] | None:
    """The place in `right` of every object of `left`, in whatever order; None when they are not the same objects."""
    if len(left) != len(right):
        return None
    apart = np.abs(left.xywh[:, None] - right.xywh[None]).max(axis=2, initial=0.0)
    is_other = (left.labels[:, None] != right.labels[None]) | (apart > _BOX_MOVED_MAX_PX)
    if left.scores is not None and right.scores is not None:
        is_other |= np.abs(left.scores[:, None] - right.scores[None]) > _SCORE_MOVED_MAX
    apart[is_other] = np.inf
    partners = np.empty(len(left), np.int64)
    # Networks leave no two boxes of a class this close together, so that taking the nearest never takes another's.
    for place in range(len(left)):
        partners[place] = apart[place].argmin()
        if apart[place, partners[place]] == np.inf:
            return None
        apart[:, partners[place]] = np.inf
    return partners


def _same(left: Answer, right: Answer) -> bool:
    if isinstance(left, Boxes) and isinstance(right, Boxes):
        return object_partners(left, right) is not None
    if isinstance(left, Boxes) or isinstance(right, Boxes):
        return False
    if left.ndim == 1:
        return int(left.argmax()) == int(right.argmax())
    return bool(np.mean(left == right) >= _MASK_SAME_MIN)


def _without_source_notes(proto: Any) -> bytes:
    """The same model without the exporter's notes on source lines and paths: smaller, and equal on every machine."""
    import onnx

    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.metadata_props[:]
    proto.producer_name, proto.producer_version = "neuromation", ""
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))
