"""The files of a finished model: safetensors, ONNX, configuration and card; refuses to know where they are kept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.errors import Invalid
from neuromation.kernel.files import write_whole
from neuromation.kernel.rng import unit_rng
from neuromation.learning.batches import check_compatible, fit_input
from neuromation.learning.card import LINEAGE, model_card
from neuromation.learning.compression.surgery import narrowed, shapes_of_file, without_layers
from neuromation.learning.errors import BadExport, ExportDisagrees
from neuromation.learning.evaluation.classifiers import ONNX_MAX_BYTES, Predict, predictor_onnx
from neuromation.learning.evaluation.predicting import in_use, predict_onnx
from neuromation.learning.onnx_writing import (
    DISAGREEMENT_MAX,
    OPSET,
    Agreement,
    agreement,
    input_name,
    output_names,
    to_onnx,
)
from neuromation.learning.problem import Answer, InputSpec, Problem, Samples
from neuromation.learning.weights import Array, Weights, weights_from_bytes, weights_hash, weights_to_bytes
from neuromation.learning.zoo import check_classes, get_model

if TYPE_CHECKING:
    from neuromation.learning.learner import Learner

__all__ = [
    "DISAGREEMENT_MAX",
    "INT8_FILE",
    "OPSET",
    "Agreement",
    "ExportDisagrees",
    "ExportedModel",
    "compare_runtimes",
    "export_learner",
    "export_model",
    "load_exported",
]

SAMPLES = 256  # inputs on which the two runtimes are compared, at most
INT8_FILE = "model.int8.onnx"
_SAMPLE_VALUES = 2_000_000  # and no more than so many values in all: large networks are compared on few
_CONFIG_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """An exported model read back, checked.

    Attributes:
        removed: layers that a compression took out, by their paths.
        onnx: the float32 network; `int8` its quantised form, or None.
        facts: all of config.json.
    """

    model: str
    config: dict[str, Any]
    classes: tuple[str, ...]
    weights: Weights
    onnx: bytes
    removed: tuple[str, ...] = ()
    int8: bytes | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def problem(self) -> Problem:
        """What the model is asked."""
        return get_model(self.model).problem

    @property
    def input(self) -> InputSpec:
        """What the network takes."""
        spec = get_model(self.model)
        return spec.input_of(spec.check_config(self.config))

    def predictor(self) -> Predict:
        """Probabilities by ONNX Runtime, of grey pictures (N, H, W) of the network's own size."""
        return predictor_onnx(self.onnx)

    def learner(self) -> Learner:
        """The torch module with its weights. Raises BadExport when layers and weights do not fit together."""
        return _learner(self.model, self.config, self.classes, self.weights, self.removed)

    def answers(self, samples: Samples, *, int8: bool = False) -> list[Answer]:
        """Answers by ONNX Runtime, each in pixels of its own sample.

        Raises:
            WrongProblem: the samples ask another question.
            BadExport: `int8` is asked for and there is no such file.
        """
        check_compatible(self.problem, samples)
        data = self.int8 if int8 else self.onnx
        if data is None:
            raise BadExport(f"this model has no {INT8_FILE}; make one with `neuromation model compress --int8`")
        spec = get_model(self.model)
        decoder = spec.build(spec.check_config(self.config), len(self.classes))
        return predict_onnx(data, decoder.decode, self.input, samples)


def export_model(
    weights: Mapping[str, Array],
    model: str,
    config: Mapping[str, object],
    classes: Sequence[str],
    *,
    card: Mapping[str, Any],
    samples: NDArray[np.uint8] | Samples | None = None,
) -> dict[str, bytes]:
    """Build the files that a customer downloads.

    Args:
        weights: of this model; `config` and `classes` are its configuration and class names.
        card: facts for README.md; see `card.model_card` for the keys, all optional.
        samples: to compare the runtimes on, some of them: grey pictures (N, H, W) of the network's size, or samples of
            any size; None: random inputs.

    Returns:
        {"model.safetensors", "model.onnx", "config.json", "README.md"}. The ONNX input is "images" or "sounds", float32
        raw values (batch, ...) as `InputSpec` says; its outputs have the names that config.json lists ("logits" of
        classifiers), and `Learner.decode` makes answers of them. config.json records the agreement.

    Raises:
        BadWeights, BadConfig, UnknownModel: the input is wrong.
        BadExport: torch cannot write the network as ONNX.
        ExportDisagrees: the two runtimes answer differently; nothing is returned.
    """
    from neuromation.learning import engine

    module = engine.module_of(weights, model, config, classes)
    return export_learner(module, model, config, classes, card=card, samples=samples)


def export_learner(
    module: Learner,
    model: str,
    config: Mapping[str, object],
    classes: Sequence[str],
    *,
    card: Mapping[str, Any],
    samples: NDArray[np.uint8] | Samples | None = None,
    removed: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """The files of a module that may have lost channels, and the layers `removed`; see `export_model`.

    `more` are further facts for config.json.
    """
    from neuromation.learning import engine

    entry = get_model(model)
    settings = entry.check_config(config)
    spec = entry.input_of(settings)
    weights = engine.weights_of(module)
    inputs = _inputs(spec, samples)
    onnx_bytes = to_onnx(module, spec, inputs, entry.exporter)
    found = agreement(onnx_bytes, module, spec, inputs)
    names = output_names(module, spec)
    facts: dict[str, Any] = {
        "format": "neuromation-model/1",
        "model": model,
        "problem": entry.problem.value,
        "config": settings.model_dump(mode="json"),
        "classes": list(check_classes(classes)),
        "input": dataclasses.asdict(spec),
        "licence": str(card.get("licence") or "other"),
        "architecture": dataclasses.asdict(entry.source),
        "weights_hash": weights_hash(weights),
        "parameters": sum(array.size for array in weights.values()),
        "onnx": {
            "input": input_name(spec),
            "output": names[0],
            "outputs": list(names),
            "opset": OPSET,
            "bytes": len(onnx_bytes),
            "note": entry.export_note,
        },
        "agreement": dataclasses.asdict(found),
        "lineage": {key: card[key] for key, _ in LINEAGE if card.get(key) not in (None, "", [], {})},
        **({"removed": list(removed)} if removed else {}),
        **(more or {}),
    }
    return {
        "model.safetensors": weights_to_bytes(weights),
        "model.onnx": onnx_bytes,
        "config.json": config_bytes(facts),
        "README.md": model_card(facts, card).encode(),
    }


def write_model(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a model into a folder, which is made; config.json last, for with it the folder is a model."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == "config.json"):
        write_whole(folder / name, files[name])


def config_bytes(facts: Mapping[str, Any]) -> bytes:
    """config.json of these facts."""
    return (json.dumps(facts, indent=1, ensure_ascii=False, default=str) + "\n").encode()


def compare_runtimes(
    onnx_bytes: bytes,
    weights: Mapping[str, Array],
    model: str,
    config: Mapping[str, object],
    classes: Sequence[str],
    *,
    pictures: NDArray[np.uint8],
) -> Agreement:
    """How far ONNX Runtime and torch agree on grey pictures (N, H, W) of the network's size; see `agreement`."""
    from neuromation.learning import engine

    entry = get_model(model)
    spec = entry.input_of(entry.check_config(config))
    module = engine.module_of(weights, model, config, classes)
    return agreement(onnx_bytes, module, spec, pictures.astype(np.float32)[:, None])


def load_exported(folder: str | Path) -> ExportedModel:
    """Read the files of `export_model` from a folder. Raises BadExport or BadWeights when missing or damaged."""
    root = Path(folder)
    try:
        facts = json.loads(_read(root / "config.json", _CONFIG_MAX_BYTES))
        model, config, classes = facts["model"], dict(facts["config"]), [str(name) for name in facts["classes"]]
        claimed = str(facts["weights_hash"])
        removed = tuple(str(path) for path in facts.get("removed", ()))
        module = _built(model, config, classes, removed)
    except (ValueError, KeyError, TypeError, Invalid) as error:
        raise BadExport(
            f"config.json in {root.name} does not describe a model ({str(error)[:200]}); download it again"
        ) from error
    data = _read(root / "model.safetensors", ONNX_MAX_BYTES)
    weights = _weights(module, data, compressed=bool(removed) or "compression" in facts)
    if weights_hash(weights) != claimed:
        raise BadExport("model.safetensors is not the one that config.json names; download the model again")
    quantised = _read(root / INT8_FILE, ONNX_MAX_BYTES) if (root / INT8_FILE).exists() else None
    onnx_bytes = _read(root / "model.onnx", ONNX_MAX_BYTES)
    return ExportedModel(model, config, tuple(classes), weights, onnx_bytes, removed, quantised, facts)


def _built(model: str, config: Mapping[str, object], classes: Sequence[str], removed: Sequence[str]) -> Learner:
    spec = get_model(model)
    return without_layers(spec.build(spec.check_config(config), len(check_classes(classes))), removed)


def _weights(module: Learner, data: bytes, *, compressed: bool) -> Weights:
    from neuromation.learning import engine

    if compressed:
        module = narrowed(module, shapes_of_file(data))
    return weights_from_bytes(data, engine.weights_of(module))


def _learner(
    model: str, config: Mapping[str, object], classes: Sequence[str], weights: Weights, removed: Sequence[str]
) -> Learner:
    from neuromation.learning import engine

    module = _built(model, config, classes, removed)
    shapes = {name: array.shape for name, array in weights.items()}
    whole = not removed and shapes == {name: array.shape for name, array in engine.weights_of(module).items()}
    module = module if whole else narrowed(module, shapes)
    engine.load_weights(module, weights)
    if not whole:
        entry = get_model(model)
        try:
            with in_use(module) as run:
                run(np.zeros((1, *entry.input_of(entry.check_config(config)).shape), np.float32))
        except RuntimeError as error:
            raise BadExport(f"the layers of this model do not fit each other ({str(error)[:120]})") from error
    return module.eval()


def _read(path: Path, size_max: int) -> bytes:
    try:
        if path.stat().st_size > size_max:
            raise BadExport(f"{path.name} is larger than {size_max} bytes; it is no exported model")
        return path.read_bytes()
    except OSError as error:
        raise BadExport(f"{path.name} cannot be read ({error.strerror}); download the model again") from error


def _inputs(spec: InputSpec, samples: NDArray[np.uint8] | Samples | None) -> NDArray[np.float32]:
    count = max(2, min(SAMPLES, _SAMPLE_VALUES // int(np.prod(spec.shape))))
    if isinstance(samples, Samples):
        rows = [fit_input(made, spec, rate_hz=samples.rate_hz)[0] for made in samples.inputs[:count]]
        return np.stack(rows)
    if samples is not None:
        return samples[:count].astype(np.float32)[:, None]
    rng = unit_rng(0, 0, "export-samples")
    if spec.rate_hz is not None:
        return (0.1 * rng.standard_normal((count, *spec.shape))).astype(np.float32)
    return rng.integers(0, min(255, int(spec.value_max)) + 1, (count, *spec.shape), dtype=np.uint8).astype(np.float32)
