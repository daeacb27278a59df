"""What the zoo says of a network: its name, configuration, input, origin; refuses to know any one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neuromation.learning.errors import BadConfig
from neuromation.learning.problem import InputSpec, Problem

if TYPE_CHECKING:
    from neuromation.learning.learner import Learner

CLASSES_MAX = 1_000
CLASS_NAME_MAX = 100
SIDE_MAX = 1_024  # pixels of a network's input


class Exporter(StrEnum):
    """Which of torch's two ways writes a network as ONNX."""

    DYNAMO = "dynamo"  # torch.export; the batch is free
    TRACED = "traced"  # the older one, for networks whose number of answers depends on the picture; a batch of one


class ModelConfig(BaseModel):
    """The knobs of a network; each has a default and a range."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PictureConfig(ModelConfig):
    """The knobs of a network that takes pictures in colour."""

    height: int = Field(224, ge=32, le=SIDE_MAX, description="picture height in pixels")
    width: int = Field(224, ge=32, le=SIDE_MAX, description="picture width in pixels")


@dataclass(frozen=True, slots=True)
class Source:
    """Where an architecture comes from.

    Attributes:
        library: whose code builds it, or "neuromation".
        licence: of that code, an SPDX id.
        paper: authors, title, year.
        url: of the paper.
    """

    library: str
    licence: str
    paper: str
    url: str


def torchvision_source(paper: str, url: str) -> Source:
    """An architecture that torchvision builds."""
    return Source(library="torchvision", licence="BSD-3-Clause", paper=paper, url=url)


COLOUR = "float32 (N, 3, height, width), sRGB values 0..255; normalised inside the network"


def picture_input(config: Any) -> InputSpec:
    """The input of networks that take colour pictures of the size that their configuration says, values 0..255."""
    return InputSpec(channels=3, height=config.height, width=config.width)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A network that can be ordered.

    Attributes:
        name: what orders call it.
        title: one line for people.
        problem: what it answers.
        family: the architecture's name in the field, "SSD".
        config_model: its knobs.
        cu_per_sample: the work of one training step on one sample at the default configuration, in computing units of
            kind `train`: 1 CU is 10,000 sample-steps of `digits-cnn`.
        input_description, output_description: what goes in, and the raw outputs that come out, for people.
        source: library, licence and paper.
        build: the torch module of a validated configuration and a number of classes.
        input_of: what the network of a validated configuration takes.
        exporter: how it is written as ONNX.
        export_note: what the reader of that ONNX file has to know; empty for nothing.
        initial: by the end of a tensor's name, how it begins when the general rule does not serve: the value of a
            vector, the standard deviation of a matrix or kernel. The longest end that fits counts.
        prefix: what stands before the library's own names of tensors, for the import of pretrained weights.
        pretrained: the library's published weights that fit this network, and with which configuration.
    """

    name: str
    title: str
    problem: Problem
    family: str
    config_model: type[BaseModel]
    cu_per_sample: float
    input_description: str
    output_description: str
    source: Source
    build: Callable[[Any, int], Learner]
    input_of: Callable[[Any], InputSpec] = picture_input
    exporter: Exporter = Exporter.DYNAMO
    export_note: str = ""
    initial: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    prefix: str = ""
    pretrained: str = ""

    @property
    def licence(self) -> str:
        """Of the code that builds it; weights have licences of their own."""
        return self.source.licence

    def check_config(self, config: Mapping[str, object]) -> Any:
        """The validated configuration with its defaults filled in. Raises BadConfig naming the first wrong field."""
        try:
            return self.config_model.model_validate(dict(config))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "config"
            reason = first["msg"]
            if first["type"] == "extra_forbidden":
                reason = f"there is no such setting; {self.name} has {', '.join(self.config_model.model_fields)}"
            raise BadConfig(f"the configuration of {self.name} is wrong at {place}: {reason}") from error


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """The class names, checked: 2..CLASSES_MAX different short texts. Raises BadConfig."""
    names = tuple(classes)
    if not 2 <= len(names) <= CLASSES_MAX or len(set(names)) != len(names):
        raise BadConfig(
            f"a model needs 2 to {CLASSES_MAX} different classes, not {len(names)} ({len(set(names))} different)"
        )
    if any(not isinstance(name, str) or not 1 <= len(name) <= CLASS_NAME_MAX for name in names):
        raise BadConfig(f"a class name is a text of 1 to {CLASS_NAME_MAX} characters")
    return names
