"""Networks that name what is heard: their knobs and origins; refuses to load them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from neuromation.learning.problem import InputSpec, Problem
from neuromation.learning.zoo.networks.small_config import LogMelCnnConfig, build_logmel_cnn, logmel_cnn_input
from neuromation.learning.zoo.spec import ModelConfig, ModelSpec, Source

if TYPE_CHECKING:
    from neuromation.learning.learner import Learner


class WaveNetConfig(ModelConfig):
    """The knobs of `wavenet`."""

    samples: int = Field(8_000, ge=800, le=480_000, description="length of a sound in samples")
    rate_hz: int = Field(8_000, ge=4_000, le=48_000, description="samples a second")
    channels: int = Field(24, ge=4, le=128, description="channels of every layer")
    layers: int = Field(8, ge=2, le=11, description="layers of a stack; the holes double from 1 to 2^(layers - 1)")
    stacks: int = Field(2, ge=1, le=4, description="how often the stack is repeated")
    stride: int = Field(4, ge=1, le=32, description="samples that the first layer makes one step; 1 in the paper")
    frame: int = Field(20, ge=1, le=1_000, description="steps that are averaged to one frame; 10 ms in the paper")

    @model_validator(mode="after")
    def _has_a_frame(self) -> Self:
        if self.samples < self.stride * self.frame * 2:
            raise ValueError(f"a sound needs two frames at least, {self.stride * self.frame * 2} samples")
        return self


def _wavenet(config: WaveNetConfig, classes: int) -> Learner:
    from neuromation.learning.zoo.networks.wavenet import wavenet

    return wavenet(config, classes)


def _wavenet_input(config: WaveNetConfig) -> InputSpec:
    return InputSpec(channels=1, value_max=1.0, samples=config.samples, rate_hz=config.rate_hz)


_SOUND = "float32 (N, samples), -1..1, one channel at rate_hz"
_LOGITS = "logits (N, classes)"

SPECS = (
    ModelSpec(
        name="wavenet",
        title="WaveNet as a recogniser: gated causal convolutions on the raw wave",
        problem=Problem.AUDIO_CLASSIFICATION,
        family="WaveNet",
        config_model=WaveNetConfig,
        cu_per_sample=0.039,
        input_description=_SOUND,
        output_description=_LOGITS,
        source=Source(
            library="neuromation",
            licence="Apache-2.0",
            paper="van den Oord et al., WaveNet: A generative model for raw audio, 2016",
            url="https://arxiv.org/abs/1609.03499",
        ),
        build=_wavenet,
        input_of=_wavenet_input,
    ),
    ModelSpec(
        name="logmel-cnn",
        title="Small convolutional network on a logarithmic mel spectrum",
        problem=Problem.AUDIO_CLASSIFICATION,
        family="small CNN",
        config_model=LogMelCnnConfig,
        cu_per_sample=0.0046,
        input_description=_SOUND,
        output_description=_LOGITS,
        source=Source(
            library="neuromation",
            licence="Apache-2.0",
            paper="Park et al., SpecAugment: A simple data augmentation method for speech recognition, 2019",
            url="https://arxiv.org/abs/1904.08779",
        ),
        build=build_logmel_cnn,
        input_of=logmel_cnn_input,
    ),
)
