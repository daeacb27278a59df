"""Keras models and .keras files (keras.io, format v3) on whichever backend Keras has; refuses to know other frameworks.

A .keras file names the classes that it is built from, and Keras would import and call what it names. So the file is read
before Keras sees it, and only Keras' own layers pass.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuromation.learning.conversion.onnx_models import Array, Slot
from neuromation.learning.errors import BadModelFile, MissingLibrary, ModelTooLarge, NoConversion, UnknownOperators

KERAS_MAX_BYTES = 512 * 1024 * 1024  # unpacked
_CONFIG_MAX_BYTES = 16 * 1024 * 1024
_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_MODULES = re.compile(
    r"keras(\.(src\.)?(layers|models|initializers|regularizers|constraints|activations|dtype_policies|ops)(\.[a-z0-9_.]+)?)?"
)
# Layers that run code, read other files, or hold another framework's objects.
_REFUSED = frozenset(
    {"Lambda", "__lambda__", "TorchModuleWrapper", "FlaxLayer", "JaxLayer", "TFSMLayer", "StringLookup", "IntegerLookup",
     "TextVectorization", "HashedCrossing"}
)  # fmt: skip
_FUNCTION = re.compile(r"[a-z][a-z0-9_]{0,60}")


@dataclass(frozen=True)
class KerasModel:
    """A Keras model as a model like any other: arrays in, arrays out."""

    model: Any
    inputs: tuple[Slot, ...]

    kind = "keras"

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs on these inputs."""
        keras = _keras()
        return [_array(keras, one) for one in self._call(*arrays)]

    def to_onnx(self, example: Sequence[Array], *, opset: int) -> bytes:
        """The model as an ONNX file. Raises NoConversion when it cannot be written."""
        self.run(example)  # Keras writes no model that was never called
        if _keras().backend.backend() == "torch":
            # Keras itself would use torch's older exporter here, which knows fewer of its layers.
            from neuromation.learning.conversion.torch_models import called, to_onnx

            return to_onnx(called(self._call, self.model, self.inputs), example, opset=opset)
        with tempfile.TemporaryDirectory(prefix="neuromation-keras-") as folder:
            path = Path(folder) / "model.onnx"
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    self.model.export(str(path), format="onnx", verbose=False, opset_version=opset)
                return path.read_bytes()
            except Exception as error:  # whatever the backend's exporter raises
                said = " ".join(str(error).split())[:200]
                raise NoConversion(f"Keras cannot write this model as ONNX ({said})") from error

    def _call(self, *inputs: Any) -> list[Any]:
        made = self.model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
        return list(_keras().tree.flatten(made))

    def weights(self) -> dict[str, Array]:
        """Weights by path."""
        keras = _keras()
        return {one.path: _array(keras, one) for one in self.model.weights}


def keras_model(model: Any) -> KerasModel:
    """A model that is in memory and built. Raises BadModelFile when its inputs are not known."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise BadModelFile("the Keras model does not know its inputs; build it, or begin it with keras.Input")
    return KerasModel(model, tuple(Slot(one.name, str(one.dtype), tuple(one.shape)) for one in inputs))


def read_keras(path: Path) -> KerasModel:
    """Check a .keras file and load it.

    Raises:
        UnknownOperators: layers that are not Keras' own, or that run code of the file; by name.
        ModelTooLarge, BadModelFile: too large, damaged, or no .keras file.
        MissingLibrary: Keras is not installed.
    """
    _check(path)
    keras = _keras()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever a layer's constructor raises
        raise BadModelFile(
            f"Keras cannot load {path.name} ({' '.join(str(error).split())[:200]}); save it again"
        ) from error
    return keras_model(model)


def _check(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist()}
            if odd := sorted(set(infos) - set(_MEMBERS)) or sorted({"config.json", "model.weights.h5"} - set(infos)):
                raise BadModelFile(
                    f"{path.name} is no plain .keras file: {odd[0][:80]!r}; save it again with model.save"
                )
            if sum(info.file_size for info in infos.values()) > KERAS_MAX_BYTES:
                raise ModelTooLarge(f"{path.name} is larger than {KERAS_MAX_BYTES >> 20} MiB unpacked")
            with archive.open("config.json") as file:
                config = file.read(_CONFIG_MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise BadModelFile(f"{path.name} is no .keras file, or a damaged one; save it again with model.save") from error
    if len(config) > _CONFIG_MAX_BYTES:
        raise ModelTooLarge(f"the description in {path.name} is larger than {_CONFIG_MAX_BYTES >> 20} MiB")
    try:
        names = sorted(set(_strange(json.loads(config))))
    except (ValueError, RecursionError) as error:
        raise BadModelFile(f"the description in {path.name} is no JSON; save it again with model.save") from error
    if names:
        raise UnknownOperators(
            f"the model uses layers that are not Keras' own, or that run code: {', '.join(names[:10])}; use built-in layers",
            operators=names,
        )


def _strange(value: Any) -> Iterator[str]:
    """Names of all that a configuration would have imported beyond Keras' own layers."""
    if isinstance(value, list):
        for item in value:
            yield from _strange(item)
    elif isinstance(value, dict):
        if "class_name" in value and not _is_own(value):
            yield str(value["class_name"])[:60]
        for key, item in value.items():
            if key not in ("compile_config", "build_config"):  # neither is used: the model is not compiled
                yield from _strange(item)


def _is_own(value: dict[str, Any]) -> bool:
    name, module = value["class_name"], value.get("module")
    if not isinstance(name, str) or name in _REFUSED:
        return False
    if name == "function":
        function = value.get("config")
        return (
            module in (None, "builtins", "keras.activations")
            and isinstance(function, str)
            and bool(_FUNCTION.fullmatch(function))
        )
    if module is None:
        # Tensors, shapes and type policies of Keras' own forms.
        return name in (
            "__keras_tensor__",
            "__tuple__",
            "__ellipsis__",
            "__slice__",
            "__numpy__",
            "__tensor__",
            "__typespec__",
        )
    return (
        isinstance(module, str)
        and _MODULES.fullmatch(module) is not None
        and value.get("registered_name") in (None, name)
    )


def _array(keras: Any, value: Any) -> Array:
    with warnings.catch_warnings():
        # Keras on torch asks numpy for a copy in a way that numpy 2 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.asarray(keras.ops.convert_to_numpy(value))


def _keras() -> Any:
    # torch is there already; Keras would look for TensorFlow first.
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import keras
    except ImportError as error:
        raise MissingLibrary("keras", extra="keras") from error
    return keras
