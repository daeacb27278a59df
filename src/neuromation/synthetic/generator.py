"""What a generator is: (parameters, seed, index) -> unit; and the ways to find one and to read its parameters.

Owns the unit, its hash and the register of installed generators; knows no file format and no market.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from neuromation.kernel.hashing import canonical_json
from neuromation.synthetic.errors import BadParameters, BadUnit, UnknownGenerator

ENTRY_POINTS = "neuromation.generators"
DECIMALS = 6  # of a float annotation: more are neither hashed nor stored
PIXELS_MAX = 16 * 2**20  # of one image
LAYERS_MAX = 16
LAYER_BYTES_MAX = 256 * 2**20  # of all layers of one unit, unpacked
_HASH_HEAD = "neuromation unit 2"
_LAYER_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RESERVED = frozenset({"index", "image", "label", "annotations", "unit_hash"})

_PLAIN = frozenset({str, int, bool, type(None)})  # values that no rounding changes

Kind = Literal["image", "audio", "video"]
_DTYPES: dict[Kind, tuple[str, ...]] = {
    "image": ("uint8", "uint16"),
    "audio": ("int16",),
    "video": ("uint8", "uint16"),
}


@dataclass(frozen=True)
class Layer:
    """An array that a unit has beside, or instead of, its image: a mask, a depth map, a recording, a clip.

    Attributes:
        name: what it is called in a unit and as a column of a shard, [a-z][a-z0-9_]*.
        kind: `image`, (height, width) or (height, width, 3); `audio`, (samples,) or (samples, channels); `video`,
            (frames, height, width) or (frames, height, width, 3).
        dtype: `uint8` or `uint16` of images and videos, `int16` of audio: whole numbers, so that hashes agree.
        meaning: one sentence that says what a value means, with its unit.
        rate_hz: samples or frames a second; 0 where that means nothing.
    """

    name: str
    kind: Kind
    dtype: str
    meaning: str
    rate_hz: float = 0.0

    def __post_init__(self) -> None:
        if not _LAYER_NAME.fullmatch(self.name) or self.name in _RESERVED:
            raise BadUnit(f"{self.name[:40]!r} is no name of a layer; use lower-case letters, digits and _")
        if self.dtype not in _DTYPES.get(self.kind, ()):
            raise BadUnit(f"a layer of kind {self.kind} has no values of type {self.dtype}")
        if self.rate_hz < 0 or (self.kind == "audio" and self.rate_hz < 1):
            raise BadUnit(f"layer {self.name} needs a rate in Hz, not {self.rate_hz}")

    def check(self, array: NDArray[Any]) -> None:
        """Raise BadUnit when an array is not what this layer holds."""
        shape = array.shape
        planes = shape[1:] if self.kind == "video" else shape
        fits = (
            (len(shape) == 1 or (len(shape) == 2 and 1 <= shape[1] <= 8))
            if self.kind == "audio"
            else (len(planes) == 2 or (len(planes) == 3 and planes[2] == 3))
        )
        if array.dtype != np.dtype(self.dtype) or not fits or array.size == 0:
            raise BadUnit(f"layer {self.name} ({self.kind} of {self.dtype}) does not take {array.dtype} of {shape}")
        if self.kind != "audio" and planes[0] * planes[1] > PIXELS_MAX:
            raise BadUnit(f"an image of layer {self.name} has 1 to {PIXELS_MAX:,} pixels, not {shape}")


@dataclass(frozen=True, eq=False)
class Unit:
    """One labelled sample.

    Attributes:
        index: its place in the data set, >= 0. Not part of the hash: the Merkle tree holds the order.
        image: uint8, (height, width) or (height, width, 3); 0..`value_max` of its generator. None where the unit is no
            picture: a recording, a text, a table.
        label: number of its class, or None where a unit has no single class.
        annotations: what else is known, as plain JSON with texts as keys; docs/annotations.md names the usual ones.
        layers: further arrays by name, as the generator's `layers` declares them.
    """

    index: int
    image: NDArray[np.uint8] | None
    label: int | None
    annotations: dict[str, Any]
    layers: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.index < 0:
            raise BadUnit(f"a unit's index is 0 or more, not {self.index}")
        if len(self.layers) > LAYERS_MAX or sum(layer.nbytes for layer in self.layers.values()) > LAYER_BYTES_MAX:
            raise BadUnit(f"a unit has at most {LAYERS_MAX} layers with {LAYER_BYTES_MAX:,} bytes")
        if self.image is not None:
            self._check_image(self.image)

    @staticmethod
    def _check_image(image: NDArray[np.uint8]) -> None:
        if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
            raise BadUnit(
                f"an image is uint8 of (height, width) or (height, width, 3), not {image.dtype} {image.shape}"
            )
        if not 1 <= image.size <= 3 * PIXELS_MAX:
            raise BadUnit(f"an image has 1 to {PIXELS_MAX:,} pixels, not {image.shape}")

    @property
    def picture(self) -> NDArray[np.uint8]:
        """The image of a unit that must have one. Raises BadUnit."""
        if self.image is None:
            raise BadUnit(f"unit {self.index} is no picture")
        return self.image

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unit):
            return NotImplemented
        return (
            self.index == other.index
            and self.label == other.label
            and self.annotations == other.annotations
            and _same(self.image, other.image)
            and self.layers.keys() == other.layers.keys()
            and all(_same(self.layers[name], other.layers[name]) for name in self.layers)
        )

    __hash__ = None  # type: ignore[assignment]  # it holds an array; `unit_hash` names its content


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and np.array_equal(one, other)


def unit_hash(unit: Unit) -> str:
    """The sha256 of a unit's content, 64 hex digits: equal pixels, layers, label and annotations give equal hashes.

    Raises BadUnit when the annotations are no JSON.
    """
    return content_hash(unit.image, unit.label, annotations_text(unit), unit.layers)


def annotations_text(unit: Unit) -> bytes:
    """A unit's annotations as they are stored and hashed: canonical JSON, floats to 6 decimals. Raises BadUnit.

    Two machines that differ in the last bit of a float so agree.
    """
    try:
        return canonical_json(_rounded(unit.annotations))
    except (TypeError, ValueError) as error:
        raise BadUnit(f"the annotations of unit {unit.index} are no JSON: {error}") from error


def content_hash(
    image: NDArray[np.uint8] | None,
    label: int | None,
    annotations: bytes,
    layers: Mapping[str, NDArray[Any]] | None = None,
) -> str:
    """The hash of a unit from its parts, `annotations` as `annotations_text` spells them.

    Every part tells its size first, and layers go in the order of their names, so no two units have the same bytes.
    """
    shape = "none" if image is None else _shape_text(image.shape)
    digest = hashlib.sha256(f"{_HASH_HEAD} uint8 {shape} {label} {len(annotations)}\n".encode() + annotations)
    if image is not None:
        digest.update(np.ascontiguousarray(image).data)
    for name, layer in sorted(layers.items()) if layers else ():
        digest.update(f"\n{name} {layer.dtype.name} {layer.shape}\n".encode())
        digest.update(np.ascontiguousarray(layer, dtype=layer.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _shape_text(shape: tuple[int, ...]) -> str:
    return str(shape)


def _rounded(value: Any) -> Any:
    kind = type(value)  # a unit with hundreds of objects has thousands of values: no call for what needs none
    if kind is dict:
        return {key: item if type(item) in _PLAIN else _rounded(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [
            item if (of := type(item)) in _PLAIN else round(item, DECIMALS) + 0.0 if of is float else _rounded(item)
            for item in value
        ]
    if isinstance(value, float):
        return round(value, DECIMALS) + 0.0  # adding zero turns -0.0 into 0.0
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


@runtime_checkable
class Generator(Protocol):
    """Makes units. Pure: a unit depends on parameters, seed and index alone, and is the same on every machine."""

    name: str
    version: str
    title: str
    description: str
    modality: str  # "image", "video", "audio", "text", "table"
    classes: list[str]
    value_max: int  # the brightest value of a pixel, 1..255
    cu_per_unit: float  # render CU that one unit at default parameters costs

    @property
    def params_model(self) -> type[BaseModel]:
        """A pydantic model with a range for every number; unknown fields are forbidden."""

    def classes_for(self, params: BaseModel) -> list[str]:
        """What a label numbers under these parameters: `classes`, unless a catalogue of parts or products decides."""

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """What its units have beside their image, which parameters may decide."""

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index` of the data set that `params` and `seed` describe."""


class BaseGenerator:
    """What most generators share; one of its own needs `name`, `title`, `description`, `params_model` and `unit`."""

    version = "1"
    modality = "image"
    classes: ClassVar[list[str]] = []
    value_max = 255
    cu_per_unit = 0.01

    def classes_for(self, params: BaseModel) -> list[str]:
        """The same for all parameters."""
        return list(self.classes)

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """None beside the image."""
        return ()


@cache
def _registered() -> dict[str, EntryPoint]:
    """What is installed, not loaded yet: a worker that makes one kind of unit imports one generator."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def list_generators() -> list[Generator]:
    """Every installed generator, by name."""
    return [_registered()[name].load() for name in sorted(_registered())]


def get_generator(name: str, version: str | None = None) -> Generator:
    """The installed generator of this name. Raises UnknownGenerator; also when its version is not the one asked for."""
    entry = _registered().get(name)
    if entry is None:
        known = ", ".join(sorted(_registered())) or "none"
        raise UnknownGenerator(f"no generator is called {name[:60]!r}; installed are: {known}")
    generator: Generator = entry.load()
    if version is not None and generator.version != version:
        raise UnknownGenerator(
            f"generator {name} is installed in version {generator.version}, but version {version[:20]!r} is needed; "
            "install the package that brings it"
        )
    return generator


def licence_of(name: str) -> str:
    """The SPDX expression that the package of an installed generator names; empty when it names none.

    Raises UnknownGenerator.
    """
    get_generator(name)
    dist = _registered()[name].dist
    key = "License-Expression"
    return dist.metadata[key] if dist is not None and key in dist.metadata else ""


def parse_params(generator: Generator, values: Mapping[str, Any] | BaseModel | None) -> BaseModel:
    """Parameters of `generator` from plain values, with its defaults for what is not named.

    Raises BadParameters with one sentence that names the first wrong field, what was met and what is allowed.
    """
    if isinstance(values, generator.params_model):
        return values
    if isinstance(values, BaseModel):
        raise BadParameters(f"generator {generator.name} does not take parameters of type {type(values).__name__}")
    try:
        return generator.params_model.model_validate(dict(values or {}))
    except ValidationError as error:
        raise BadParameters(_sentence(generator, error), fields=_fields(error)) from error


def check_exact(generator: Generator, params: BaseModel) -> None:
    """Raise BadParameters when units of these parameters may differ between machines, so that no stranger can check them."""
    tier = getattr(params, "tier", "exact")
    if tier != "exact":
        raise BadParameters(
            f"units of {generator.name} with tier {tier!r} differ in bits between machines, so that they cannot be ordered: "
            "work is verified by hash; order tier 'exact', or generate them on a machine of your own",
            fields=["tier"],
        )


def _fields(error: ValidationError) -> list[str]:
    return sorted({".".join(str(part) for part in item["loc"])[:80] for item in error.errors(include_url=False)})


def _sentence(generator: Generator, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    path = [str(part)[:60] for part in first["loc"]]
    field = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = ", ".join(generator.params_model.model_fields)
        return f"generator {generator.name} has no parameter {field!r}; it has: {known}"
    if not path:
        return f"the parameters of generator {generator.name} are wrong: {first['msg']}"
    allowed = _allowed(generator.params_model.model_json_schema().get("properties", {}).get(path[0], {}))
    return (
        f"parameter {field!r} of generator {generator.name} is {str(first['input'])[:40]!r}: "
        f"{first['msg'][0].lower()}{first['msg'][1:]}{allowed}"
    )


def _allowed(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    default = f"; the default is {schema['default']}" if schema.get("default") is not None else ""
    return f"; give a number from {low} to {high}{default}" if low is not None and high is not None else default


@dataclass(frozen=True)
class Tunable:
    """One number that an optimiser may choose, in its allowed range; `log` asks for steps on a logarithmic scale."""

    name: str
    low: float
    high: float
    default: float
    log: bool


# The parameter of a generator whose boxes may be as loose as people draw them, in pixels of its pictures on each side. A
# loop reads it from a model's errors instead of searching it.
BOX_MARGIN = "annotation_margin_px"


def search_space(generator: Generator) -> list[Tunable]:
    """The bounded float parameters of a generator, in the order of its model.

    A field opts out with `json_schema_extra={"tune": False}` and asks for a logarithmic scale with `{"log": True}`.
    """
    space = []
    for name, info in generator.params_model.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        if info.annotation is not float or extra.get("tune") is False:
            continue
        low = _bound(info.metadata, "ge")
        high = _bound(info.metadata, "le")
        if low is None or high is None:
            continue
        space.append(Tunable(name, low, high, float(info.default), bool(extra.get("log", False))))
    return space


def _bound(metadata: Sequence[Any], name: str) -> float | None:
    found = [getattr(item, name) for item in metadata if getattr(item, name, None) is not None]
    return float(found[0]) if found else None
