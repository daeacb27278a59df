"""Networks that say what a picture shows: their knobs and origins; refuses to load them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from neuromation.learning.problem import InputSpec, Problem
from neuromation.learning.zoo.spec import ModelConfig, ModelSpec, Source

if TYPE_CHECKING:
    from neuromation.learning.learner import Learner


class DigitsCnnConfig(ModelConfig):
    """The knobs of `digits-cnn`: the size of its pictures, their brightest value, and the network's width."""

    height: int = Field(8, ge=8, le=64, description="picture height in pixels")
    width: int = Field(8, ge=8, le=64, description="picture width in pixels")
    value_max: float = Field(16.0, gt=0, le=65_535, description="the brightest value of the raw pictures")
    channels: int = Field(
        12, ge=4, le=64, description="channels of the first convolution; the next have 2 and 4 times as many"
    )
    hidden: int = Field(96, ge=8, le=512, description="units of the hidden layer")


def _digits_cnn_input(config: DigitsCnnConfig) -> InputSpec:
    return InputSpec(channels=1, height=config.height, width=config.width, value_max=config.value_max)


def _build_digits_cnn(config: DigitsCnnConfig, classes: int) -> Learner:
    from neuromation.learning.networks import DigitsCnn

    return DigitsCnn(
        height=config.height,
        width=config.width,
        value_max=config.value_max,
        channels=config.channels,
        hidden=config.hidden,
        classes=classes,
    )


SPECS = (
    ModelSpec(
        name="digits-cnn",
        title="Small convolutional network for one-channel symbols",
        problem=Problem.CLASSIFICATION,
        family="small CNN",
        config_model=DigitsCnnConfig,
        cu_per_sample=1 / 10_000,
        input_description="float32 (N, 1, height, width), raw values 0..value_max; scaled inside the network",
        output_description="logits (N, classes)",
        source=Source(
            library="neuromation",
            licence="Apache-2.0",
            paper="LeCun et al., Gradient-based learning applied to document recognition, 1998",
            url="https://doi.org/10.1109/5.726791",
        ),
        build=_build_digits_cnn,
        input_of=_digits_cnn_input,
    ),
)
