"""The registry of networks; owns names, configurations and initial weights, refuses to know data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neuromation.kernel.rng import unit_rng
from neuromation.learning.errors import BadConfig, UnknownModel
from neuromation.learning.weights import Weights

if TYPE_CHECKING:
    from torch import nn

CLASSES_MAX = 1_000
CLASS_NAME_MAX = 100


class DigitsCnnConfig(BaseModel):
    """The knobs of `digits-cnn`: the size of its pictures, their brightest value, and the network's width."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int = Field(8, ge=8, le=64, description="picture height in pixels")
    width: int = Field(8, ge=8, le=64, description="picture width in pixels")
    value_max: float = Field(16.0, gt=0, le=65_535, description="the brightest value of the raw pictures")
    channels: int = Field(
        12, ge=4, le=64, description="channels of the first convolution; the next have 2 and 4 times as many"
    )
    hidden: int = Field(96, ge=8, le=512, description="units of the hidden layer")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A network that can be ordered.

    `cu_per_sample` is the work of one training step on one sample in computing units of kind `train`: 1 CU is 10,000
    sample-steps of `digits-cnn`. `build` gives the torch module of a validated configuration and a number of classes;
    its input is raw values as float32 (N, 1, H, W), its output logits as float32 (N, classes).
    """

    name: str
    title: str
    config_model: type[BaseModel]
    cu_per_sample: float
    input_description: str
    build: Callable[[Any, int], nn.Module]

    def check_config(self, config: Mapping[str, object]) -> Any:
        """The validated configuration with its defaults filled in. Raises BadConfig naming the first wrong field."""
        try:
            return self.config_model.model_validate(dict(config))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "config"
            raise BadConfig(f"the configuration of {self.name} is wrong at {field}: {first['msg']}") from error


def _build_digits_cnn(config: DigitsCnnConfig, classes: int) -> nn.Module:
    from neuromation.learning.networks import DigitsCnn

    return DigitsCnn(
        height=config.height,
        width=config.width,
        value_max=config.value_max,
        channels=config.channels,
        hidden=config.hidden,
        classes=classes,
    )


_MODELS = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="digits-cnn",
            title="Small convolutional network for one-channel symbols",
            config_model=DigitsCnnConfig,
            cu_per_sample=1 / 10_000,
            input_description="float32 (N, 1, height, width), raw values 0..value_max; scaled inside the network",
            build=_build_digits_cnn,
        ),
    )
}


def get_model(name: str) -> ModelSpec:
    """The registered network of that name. Raises UnknownModel."""
    spec = _MODELS.get(name)
    if spec is None:
        raise UnknownModel(f"there is no model {name[:60]!r}; there are {', '.join(sorted(_MODELS))}")
    return spec


def list_models() -> list[ModelSpec]:
    """Every registered network, by name."""
    return [_MODELS[name] for name in sorted(_MODELS)]


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


def initial_weights(model: str, config: Mapping[str, object], classes: Sequence[str], seed: int) -> Weights:
    """Weights before training: the same on every machine for the same seed.

    Matrices and kernels are drawn by He et al., "Delving deep into rectifiers" (2015): normal with variance 2 / fan-in;
    biases are 0 and other vectors (scales of normalisation) 1. The draws come from Philox keyed by (seed, index of the
    tensor), not from torch.
    """
    from neuromation.learning.engine import shapes_of

    shapes = shapes_of(model, config, classes)
    return {name: _draw(name, shapes[name], seed, unit) for unit, name in enumerate(sorted(shapes))}


def _draw(name: str, shape: tuple[int, ...], seed: int, unit: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    if len(shape) < 2:
        return np.ones(shape, np.float32)
    fan_in = math.prod(shape[1:])
    normal = unit_rng(seed, unit, "initial-weights").standard_normal(shape)
    return (normal * math.sqrt(2.0 / fan_in)).astype(np.float32)
