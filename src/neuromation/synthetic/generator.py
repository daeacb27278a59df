"""What a generator is: (parameters, seed, index) -> unit; and the ways to find one and to read its parameters.

Owns the unit, its hash and the register of installed generators; knows no file format and no market.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from neuromation.kernel.hashing import canonical_json
from neuromation.synthetic.errors import BadParameters, BadUnit, UnknownGenerator

ENTRY_POINTS = "neuromation.generators"
DECIMALS = 6  # of a float annotation: more are neither hashed nor stored
PIXELS_MAX = 16 * 2**20  # of one image
_HASH_HEAD = "neuromation unit 2"


@dataclass(frozen=True, eq=False)
class Unit:
    """One labelled sample.

    Attributes:
        index: its place in the data set, >= 0. Not part of the hash: the Merkle tree holds the order.
        image: uint8, (height, width) or (height, width, 3); 0..`value_max` of its generator.
        label: number of its class, or None where a unit has no single class.
        annotations: what else is known, as plain JSON with texts as keys.
    """

    index: int
    image: NDArray[np.uint8]
    label: int | None
    annotations: dict[str, Any]

    def __post_init__(self) -> None:
        image = self.image
        if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
            raise BadUnit(
                f"an image is uint8 of (height, width) or (height, width, 3), not {image.dtype} {image.shape}"
            )
        if not 1 <= image.size <= 3 * PIXELS_MAX:
            raise BadUnit(f"an image has 1 to {PIXELS_MAX:,} pixels, not {image.shape}")
        if self.index < 0:
            raise BadUnit(f"a unit's index is 0 or more, not {self.index}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unit):
            return NotImplemented
        return (
            self.index == other.index
            and self.label == other.label
            and self.annotations == other.annotations
            and np.array_equal(self.image, other.image)
        )

    __hash__ = None  # type: ignore[assignment]  # it holds an array; `unit_hash` names its content


def unit_hash(unit: Unit) -> str:
    """The sha256 of a unit's content, 64 hex digits: equal pixels, label and annotations give equal hashes.

    Raises BadUnit when the annotations are no JSON.
    """
    return content_hash(unit.image, unit.label, annotations_text(unit))


def annotations_text(unit: Unit) -> bytes:
    """A unit's annotations as they are stored and hashed: canonical JSON, floats to 6 decimals. Raises BadUnit.

    Two machines that differ in the last bit of a float so agree.
    """
    try:
        return canonical_json(_rounded(unit.annotations))
    except (TypeError, ValueError) as error:
        raise BadUnit(f"the annotations of unit {unit.index} are no JSON: {error}") from error


def content_hash(image: NDArray[np.uint8], label: int | None, annotations: bytes) -> str:
    """The hash of a unit from its parts, `annotations` as `annotations_text` spells them."""
    head = f"{_HASH_HEAD} uint8 {image.shape} {label} {len(annotations)}\n".encode()
    return hashlib.sha256(head + annotations + image.tobytes()).hexdigest()


def _rounded(value: Any) -> Any:
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
    modality: str  # "image"
    classes: list[str]
    value_max: int  # the brightest value of a pixel, 1..255
    cu_per_unit: float  # render CU that one unit at default parameters costs

    @property
    def params_model(self) -> type[BaseModel]:
        """A pydantic model with a range for every number; unknown fields are forbidden."""

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index` of the data set that `params` and `seed` describe."""


@cache
def _registered() -> dict[str, Generator]:
    return {entry.name: entry.load() for entry in entry_points(group=ENTRY_POINTS)}


def list_generators() -> list[Generator]:
    """Every installed generator, by name."""
    return [generator for _, generator in sorted(_registered().items())]


def get_generator(name: str, version: str | None = None) -> Generator:
    """The installed generator of this name. Raises UnknownGenerator; also when its version is not the one asked for."""
    generator = _registered().get(name)
    if generator is None:
        known = ", ".join(sorted(_registered())) or "none"
        raise UnknownGenerator(f"no generator is called {name[:60]!r}; installed are: {known}")
    if version is not None and generator.version != version:
        raise UnknownGenerator(
            f"generator {name} is installed in version {generator.version}, but version {version[:20]!r} is needed; "
            "install the package that brings it"
        )
    return generator


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


def search_space(generator: Generator) -> list[Tunable]:
    """The bounded float parameters of a generator, in the order of its model.

    A field opts out with `json_schema_extra={"tune": False}` and asks for a logarithmic scale with `{"log": True}`.
    """
    space = []
    for name, field in generator.params_model.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        if field.annotation is not float or extra.get("tune") is False:
            continue
        low = _bound(field.metadata, "ge")
        high = _bound(field.metadata, "le")
        if low is None or high is None:
            continue
        space.append(Tunable(name, low, high, float(field.default), bool(extra.get("log", False))))
    return space


def _bound(metadata: Sequence[Any], name: str) -> float | None:
    found = [getattr(item, name) for item in metadata if getattr(item, name, None) is not None]
    return float(found[0]) if found else None
