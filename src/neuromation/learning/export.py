"""The files of a finished model: safetensors, ONNX, configuration and card; refuses to know where they are kept."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.errors import Invalid
from neuromation.kernel.rng import unit_rng
from neuromation.learning.card import model_card
from neuromation.learning.errors import BadExport, ExportDisagrees
from neuromation.learning.evaluation import ONNX_MAX_BYTES, Predict, onnx_session, predictor_onnx
from neuromation.learning.weights import Array, Weights, weights_from_bytes, weights_hash, weights_to_bytes
from neuromation.learning.zoo import get_model, initial_weights

OPSET = 20
SAMPLES = 256  # pictures on which the two runtimes are compared when none are given
DISAGREEMENT_MAX = 1e-3  # of logits, whose size is about 10; float32 in another order of sums differs by 1e-6 to 1e-5
_CONFIG_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Agreement:
    """ONNX Runtime against torch on the same pictures: the largest difference of a logit, and equal answers."""

    samples: int
    max_abs_diff: float
    argmax_equal: int


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """An exported model read back, checked."""

    model: str
    config: dict[str, Any]
    classes: tuple[str, ...]
    weights: Weights
    onnx: bytes

    def predictor(self) -> Predict:
        """Probabilities by ONNX Runtime."""
        return predictor_onnx(self.onnx)


def export_model(
    weights: Mapping[str, Array],
    model: str,
    config: Mapping[str, object],
    classes: Sequence[str],
    *,
    card: Mapping[str, Any],
    samples: NDArray[np.uint8] | None = None,
) -> dict[str, bytes]:
    """Build the files that a customer downloads.

    Args:
        weights: of this model; `config` and `classes` are its configuration and class names.
        card: facts for README.md; see `card.model_card` for the keys, all optional.
        samples: pictures (N, H, W) to compare the runtimes on; None: random pictures.

    Returns:
        {"model.safetensors", "model.onnx", "config.json", "README.md"}. The ONNX input is "images", float32 raw values
        (batch, 1, height, width) with a free batch; its output is "logits". config.json records the agreement.

    Raises:
        BadWeights, BadConfig, UnknownModel: the input is wrong.
        ExportDisagrees: the two runtimes answer differently; nothing is returned.
    """
    settings = get_model(model).check_config(config)
    pictures = _samples(settings) if samples is None else samples[:SAMPLES]
    onnx_bytes = _to_onnx(weights, model, config, classes, pictures)
    agreement = compare_runtimes(onnx_bytes, weights, model, config, classes, pictures=pictures)
    facts: dict[str, Any] = {
        "format": "neuromation-model/1",
        "model": model,
        "config": settings.model_dump(mode="json"),
        "classes": list(classes),
        "weights_hash": weights_hash(weights),
        "parameters": sum(array.size for array in weights.values()),
        "onnx": {"input": "images", "output": "logits", "opset": OPSET, "bytes": len(onnx_bytes)},
        "agreement": {
            "samples": agreement.samples,
            "max_abs_diff": agreement.max_abs_diff,
            "argmax_equal": agreement.argmax_equal,
        },
    }
    return {
        "model.safetensors": weights_to_bytes(weights),
        "model.onnx": onnx_bytes,
        "config.json": (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode(),
        "README.md": model_card(facts, card).encode(),
    }


def compare_runtimes(
    onnx_bytes: bytes,
    weights: Mapping[str, Array],
    model: str,
    config: Mapping[str, object],
    classes: Sequence[str],
    *,
    pictures: NDArray[np.uint8],
) -> Agreement:
    """How far ONNX Runtime and torch agree on pictures (N, H, W).

    Raises ExportDisagrees when a logit differs by more than DISAGREEMENT_MAX, or an answer differs that is not a tie.
    """
    from neuromation.learning import engine

    module = engine.module_of(weights, model, config, classes)
    by_torch = engine.logits(module, pictures)
    session = onnx_session(onnx_bytes)
    by_onnx = session.run(None, {session.get_inputs()[0].name: pictures.astype(np.float32)[:, None]})[0]
    if by_onnx.shape != by_torch.shape:
        raise ExportDisagrees(
            f"the ONNX model answers with {by_onnx.shape} and torch with {by_torch.shape}; nothing is delivered"
        )
    diff = float(np.max(np.abs(by_onnx - by_torch)))
    top = np.sort(by_torch, axis=1)
    different = by_onnx.argmax(axis=1) != by_torch.argmax(axis=1)
    clear = top[:, -1] - top[:, -2] > 2 * DISAGREEMENT_MAX
    if not diff <= DISAGREEMENT_MAX or bool(np.any(different & clear)):
        raise ExportDisagrees(
            f"ONNX Runtime and torch differ by {diff:.2g} in a logit, over {DISAGREEMENT_MAX:g}; nothing is delivered"
        )
    return Agreement(len(pictures), diff, int(np.sum(~different)))


def load_exported(folder: str | Path) -> ExportedModel:
    """Read the files of `export_model` from a folder. Raises BadExport or BadWeights when missing or damaged."""
    root = Path(folder)
    try:
        facts = json.loads(_read(root / "config.json", _CONFIG_MAX_BYTES))
        model, config, classes = facts["model"], dict(facts["config"]), [str(name) for name in facts["classes"]]
        claimed = str(facts["weights_hash"])
        reference = initial_weights(model, config, classes, 0)
    except (ValueError, KeyError, TypeError, Invalid) as error:
        raise BadExport(
            f"config.json in {root.name} does not describe a model ({str(error)[:200]}); download it again"
        ) from error
    weights = weights_from_bytes(_read(root / "model.safetensors", ONNX_MAX_BYTES), reference)
    if weights_hash(weights) != claimed:
        raise BadExport("model.safetensors is not the one that config.json names; download the model again")
    return ExportedModel(model, config, tuple(classes), weights, _read(root / "model.onnx", ONNX_MAX_BYTES))


def _read(path: Path, size_max: int) -> bytes:
    try:
        if path.stat().st_size > size_max:
            raise BadExport(f"{path.name} is larger than {size_max} bytes; it is no exported model")
        return path.read_bytes()
    except OSError as error:
        raise BadExport(f"{path.name} cannot be read ({error.strerror}); download the model again") from error


def _samples(settings: Any) -> NDArray[np.uint8]:
    shape = (SAMPLES, settings.height, settings.width)
    return unit_rng(0, 0, "export-samples").integers(0, min(255, int(settings.value_max)) + 1, shape, dtype=np.uint8)


def _to_onnx(
    weights: Mapping[str, Array],
    model: str,
    config: Mapping[str, object],
    classes: Sequence[str],
    pictures: NDArray[np.uint8],
) -> bytes:
    import torch

    from neuromation.learning import engine

    module = engine.module_of(weights, model, config, classes).eval()
    example = torch.from_numpy(pictures[:2].astype(np.float32)).unsqueeze(1)
    with _quiet():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None, "dynamo=True without a file returns the program"
    return _without_source_notes(program.model_proto)


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


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter without its warnings and log lines, which speak to its own developers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
