"""A model of one framework becomes one of another, through ONNX, and is proven to answer alike; trains nothing.

Loaders and exporters of each framework lie in `*_models.py`, which load it when it is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from neuromation.kernel.files import write_whole
from neuromation.kernel.rng import unit_rng
from neuromation.learning.conversion.onnx_models import ONNX_MAX_BYTES, Array, OnnxModel, Slot, read_onnx
from neuromation.learning.errors import BadModelFile, ConversionDisagrees, ModelTooLarge, NoConversion, UnknownShapes

TARGETS = ("onnx", "torch", "safetensors")
OPSET = 20
TOLERANCE = 1e-4  # of the largest value of an output, or of 1; float32 in another order of sums differs by 1e-7 to 1e-5
RANDOM = 16  # random inputs that every conversion is compared on
_VALUES_MAX = 1 << 24  # of one batch of random inputs
_ENDINGS = {"onnx": ".onnx", "torch": ".pt2", "safetensors": ".safetensors"}


class Model(Protocol):
    """What every framework's model can do here."""

    @property
    def kind(self) -> str: ...

    @property
    def inputs(self) -> tuple[Slot, ...]: ...

    def run(self, arrays: Sequence[Array], /) -> list[Array]: ...


@dataclass(frozen=True, slots=True)
class Equality:
    """Source against result on the same inputs.

    Attributes:
        random, given: how many inputs of each kind were compared.
        max_abs_diff: the largest difference of any value.
        largest: the largest value of the source's outputs.
        tolerance: what was allowed, of the largest value or of 1; 0 where bits were compared.
    """

    random: int
    given: int
    max_abs_diff: float
    largest: float
    tolerance: float


@dataclass(frozen=True)
class Converted:
    """A converted model: its kind, its file, how it compares with its source, and the model itself.

    `model` is an OnnxModel, a TorchModel (whose `module` can be trained further), or a dict of arrays by name.
    """

    kind: str
    data: bytes
    equality: Equality
    model: Any

    def write(self, path: Path) -> Path:
        """Write the file, whole or not at all; its ending is the kind's own unless the path has one."""
        target = path if path.suffix else path.with_suffix(_ENDINGS[self.kind])
        write_whole(target, self.data)
        return target

    def to_json(self) -> dict[str, Any]:
        """Facts for a report."""
        return {"to": self.kind, "bytes": len(self.data), **asdict(self.equality)}


def convert(
    source: Any,
    *,
    to: str,
    samples: Array | Sequence[Array] | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> Converted:
    """Convert a model and compare the result with its source.

    Args:
        source: the path of a .onnx, .keras or .safetensors file; the bytes of an ONNX file; a torch module; a Keras
            model; a `JaxModel`; anything that `load_model` gave.
        to: "onnx"; "torch", a module and an exported program (.pt2); "safetensors", the weights alone.
        samples: inputs to compare on, the batch first, one array an input of the model. A torch module needs them: they
            tell its shapes.
        tolerance: how far a value may be off, as a share of the output's largest value or of 1, whichever is more.
        seed: of the random inputs, which are compared as well.

    Raises:
        ConversionDisagrees: the difference is over the tolerance; nothing is returned.
        UnknownOperators, BadModelFile, ExternalData, ModelTooLarge, UnknownShapes: the source cannot be taken.
        NoConversion: there is no way from this source to there.
        MissingLibrary: the source's framework is not installed.
    """
    if to not in TARGETS:
        raise NoConversion(f"{to[:40]!r} is no kind of model to convert to; choose one of {', '.join(TARGETS)}")
    given = (
        [] if samples is None else [np.asarray(a) for a in ([samples] if isinstance(samples, np.ndarray) else samples)]
    )
    model = _model(source, given)
    _check_samples(model, given)
    if to == "safetensors":
        return _weights_alone(model)
    drawn = _drawn(model.inputs, given, seed)
    made: Any = _through_onnx(model, drawn)
    if to == "torch":
        from neuromation.learning.conversion.torch_models import module_of

        made = module_of(made)
    equality = _compared(model, made, drawn, given, tolerance)
    return Converted(to, made.data if to == "onnx" else made.file(drawn), equality, made)


def load_model(path: Path) -> Model:
    """The model in a file, by its ending: .onnx, .keras, or .safetensors beside the config.json of an exported model.

    Raises:
        BadModelFile, ModelTooLarge, ExternalData, UnknownOperators: it cannot be taken.
        NoConversion: an ending that is not read, or weights without a network.
    """
    ending = path.suffix.lower()
    if not path.is_file():
        raise BadModelFile(f"there is no file {path}")
    if ending == ".onnx":
        if path.stat().st_size > ONNX_MAX_BYTES:
            raise ModelTooLarge(f"{path.name} is larger than {ONNX_MAX_BYTES >> 20} MiB; compress the model")
        return read_onnx(path.read_bytes())
    if ending == ".keras":
        from neuromation.learning.conversion.keras_models import read_keras

        return read_keras(path)
    if ending == ".safetensors":
        return _exported(path)
    if ending in (".pt", ".pth", ".pt2", ".pkl", ".bin", ".ckpt"):
        raise NoConversion(
            f"{path.name} may hold code that runs when it is loaded; save it as ONNX or safetensors instead"
        )
    raise NoConversion(f"{path.name} is no model that is read; give a .onnx, .keras or .safetensors file")


def read_safetensors(path: Path) -> dict[str, Array]:
    """The arrays of a safetensors file by name. Raises BadModelFile, ModelTooLarge."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        if path.stat().st_size > ONNX_MAX_BYTES:
            raise ModelTooLarge(f"{path.name} is larger than {ONNX_MAX_BYTES >> 20} MiB")
        return dict(load(path.read_bytes()))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise BadModelFile(f"{path.name} is no safetensors file, or a damaged one ({str(error)[:100]})") from error


def _exported(path: Path) -> Model:
    """The network whose weights these are, as `export_model` describes it in the config.json beside them."""
    from neuromation.learning.conversion.torch_models import TorchModel
    from neuromation.learning.export import load_exported

    read_safetensors(path)
    if path.name != "model.safetensors" or not (path.parent / "config.json").is_file():
        raise NoConversion(
            f"{path.name} holds weights and no network; keep it as model.safetensors beside the config.json of its export"
        )
    exported = load_exported(path.parent)
    spec = exported.input
    name = "images" if spec.rate_hz is None else "sounds"
    return TorchModel(exported.learner(), (Slot(name, "float32", (None, *spec.shape)),))


def _model(source: Any, given: Sequence[Array]) -> Model:
    if isinstance(source, str | Path):
        return load_model(Path(source))
    if isinstance(source, bytes):
        return read_onnx(source)
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if keras is not None and isinstance(source, keras.Model):  # before torch: on that backend it is a module, too
        from neuromation.learning.conversion.keras_models import keras_model

        return keras_model(source)
    if torch is not None and isinstance(source, torch.nn.Module):
        from neuromation.learning.conversion.torch_models import torch_model

        if not given:
            raise UnknownShapes("a torch module does not tell its shapes; give samples, the batch first")
        return torch_model(source, given)
    if all(hasattr(source, name) for name in ("kind", "inputs", "run")):
        model: Model = source
        return model
    raise NoConversion(f"{type(source).__name__} is no model; give a file, a torch module, a Keras model or a JaxModel")


def _through_onnx(model: Model, drawn: Sequence[Array]) -> OnnxModel:
    if isinstance(model, OnnxModel):
        return model
    if model.kind == "torch":
        from neuromation.learning.conversion.torch_models import TorchModel, to_onnx

        assert isinstance(model, TorchModel), "the only kind of this name"
        return read_onnx(to_onnx(model, drawn, opset=OPSET))
    exported: bytes = model.to_onnx(drawn, opset=OPSET)  # type: ignore[attr-defined]
    return read_onnx(exported)


def _check_samples(model: Model, given: Sequence[Array]) -> None:
    if not given:
        return
    slots = model.inputs
    if len(given) != len(slots):
        raise NoConversion(
            f"the model has {len(slots)} inputs, and there are samples for {len(given)}; give one array each"
        )
    for slot, array in zip(slots, given, strict=True):
        fits = array.ndim == len(slot.shape) and all(
            wanted is None or wanted == size for wanted, size in zip(slot.shape[1:], array.shape[1:], strict=True)
        )
        if not fits or str(array.dtype) != slot.dtype or len(array) != len(given[0]) or not len(array):
            raise NoConversion(
                f"the samples for {slot.name[:60]!r} are {array.dtype} {array.shape}; {slot.dtype} {slot.shape} is needed"
            )


def _drawn(slots: Sequence[Slot], given: Sequence[Array], seed: int) -> list[Array]:
    """Random inputs: of the samples' range where there are some, else normal; whole numbers are 0 or 1."""
    drawn = []
    for place, slot in enumerate(slots):
        known = given[place].shape if given else slot.shape
        if any(size is None for size in known[1:]):
            raise UnknownShapes(f"the input {slot.name[:60]!r} is {slot.shape}: give samples, which say the free sizes")
        fixed = slot.shape[0] if slot.shape else None
        count = fixed if fixed is not None else RANDOM
        shape = (count, *known[1:]) if slot.shape else ()
        size = int(np.prod(shape, dtype=np.int64))
        if size > _VALUES_MAX and fixed is None:
            shape = (2, *known[1:])
        if int(np.prod(shape, dtype=np.int64)) > _VALUES_MAX:
            raise ModelTooLarge(
                f"one batch of the input {slot.name[:60]!r} has {size:,} values; at most {_VALUES_MAX:,} are drawn"
            )
        drawn.append(_values(unit_rng(seed, place, "conversion"), shape, slot, given[place] if given else None))
    return drawn


def _values(rng: np.random.Generator, shape: tuple[int, ...], slot: Slot, given: Array | None) -> Array:
    dtype = np.dtype(slot.dtype)
    if dtype.kind == "f":
        if given is None:
            return rng.standard_normal(shape).astype(dtype)
        return rng.uniform(float(given.min()), max(float(given.max()), float(given.min()) + 1e-6), shape).astype(dtype)
    low, high = (0, 1) if given is None else (int(given.min()), int(given.max()))
    return rng.integers(low, high, shape, endpoint=True).astype(dtype)


def _compared(
    source: Model, result: Model, drawn: Sequence[Array], given: Sequence[Array], tolerance: float
) -> Equality:
    """Raises ConversionDisagrees."""
    equality = Equality(
        len(drawn[0]) if drawn and drawn[0].ndim else 1, len(given[0]) if given else 0, 0.0, 0.0, tolerance
    )
    for arrays in [drawn, *([_of_size(source, given)] if given else [])]:
        wanted, met = source.run(arrays), result.run(arrays)
        if [a.shape for a in wanted] != [a.shape for a in met]:
            raise ConversionDisagrees(
                f"the {result.kind} model answers with {[a.shape for a in met]} and its {source.kind} source with "
                f"{[a.shape for a in wanted]}; nothing is delivered"
            )
        for left, right in zip(wanted, met, strict=True):
            diff, largest = _difference(left, right)
            if not diff <= tolerance * max(1.0, largest):
                raise ConversionDisagrees(
                    f"the {result.kind} model and its {source.kind} source differ by {diff:.2g}, and "
                    f"{tolerance * max(1.0, largest):.2g} is allowed; nothing is delivered",
                    max_abs_diff=diff,
                )
            equality = replace(
                equality, max_abs_diff=max(equality.max_abs_diff, diff), largest=max(equality.largest, largest)
            )
    return equality


def _of_size(model: Model, given: Sequence[Array]) -> list[Array]:
    """The samples, cut to the batch of a model that has a fixed one."""
    fixed = next((slot.shape[0] for slot in model.inputs if slot.shape and slot.shape[0] is not None), None)
    return [array[:fixed] for array in given]


def _difference(wanted: Array, met: Array) -> tuple[float, float]:
    """The largest difference, and the largest value. What is no number must be none in both."""
    left, right = wanted.astype(np.float64), met.astype(np.float64)
    odd = ~np.isfinite(left)
    if not left.size:
        return 0.0, 0.0
    if not np.array_equal(left[odd], right[odd], equal_nan=True):
        return float("inf"), 0.0
    left, right = left[~odd], right[~odd]
    return float(np.max(np.abs(left - right), initial=0.0)), float(np.max(np.abs(left), initial=0.0))


def _weights_alone(model: Model) -> Converted:
    from safetensors.numpy import load, save

    arrays = _weights_of(model)
    if not arrays:
        raise NoConversion("the model has no weights")
    data = bytes(save({name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}))
    again = load(data)
    if any(not np.array_equal(again[name], array, equal_nan=array.dtype.kind == "f") for name, array in arrays.items()):
        raise ConversionDisagrees("the weights that were written are not those that are read; nothing is delivered")
    largest = max(float(np.max(np.abs(a.astype(np.float64)), initial=0.0)) for a in arrays.values())
    return Converted("safetensors", data, Equality(0, 0, 0.0, largest, 0.0), arrays)


def _weights_of(model: Model) -> Mapping[str, Array]:
    if isinstance(model, OnnxModel):
        return model.weights
    if model.kind == "torch":
        return {name: one.detach().numpy() for name, one in model.module.state_dict().items()}  # type: ignore[attr-defined]
    if model.kind == "keras":
        weights: Mapping[str, Array] = model.weights()  # type: ignore[attr-defined]
        return weights
    raise NoConversion(f"the weights of a {model.kind} model have no names; convert it to onnx")
