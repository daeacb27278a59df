"""The knobs of `small-resnet` and `logmel-cnn` and how they are built; loads no torch until a network is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from neuromation.learning.problem import InputSpec

if TYPE_CHECKING:
    from neuromation.learning.zoo.networks.small import LogMelCnn, SmallResNet


class SmallResNetConfig(BaseModel):
    """The knobs of `small-resnet`: its pictures, how wide and deep it is, and how it levels pictures out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int = Field(96, ge=32, le=512, description="picture height in pixels")
    width: int = Field(96, ge=32, le=512, description="picture width in pixels")
    channels: Literal[1, 3] = Field(3, description="1 for grey pictures, 3 for colour")
    value_max: float = Field(255.0, gt=0, le=65_535, description="the brightest value of the raw pictures")
    base: int = Field(24, ge=8, le=128, description="feature maps of the first stage; every stage has twice as many")
    stages: int = Field(4, ge=2, le=5, description="stages; each after the first halves height and width")
    blocks: int = Field(1, ge=1, le=4, description="residual blocks a stage")
    stem_stride: Literal[1, 2, 4] = Field(2, description="how far the first layer reduces the picture")
    level: Literal["fixed", "picture"] = Field(
        "picture", description="scale values by fixed numbers, or by each picture's own mean and spread"
    )
    dropout: float = Field(0.2, ge=0, le=0.8, description="share of features left out before the last layer")

    @model_validator(mode="after")
    def _keeps_a_pixel(self) -> Self:
        least = self.stem_stride * 2 ** (self.stages - 1)
        if min(self.height, self.width) < least:
            raise ValueError(f"{self.stages} stages need pictures of {least} pixels a side; take fewer stages")
        return self


def small_resnet_input(config: SmallResNetConfig) -> InputSpec:
    """What a `small-resnet` of this configuration takes."""
    return InputSpec(config.channels, config.height, config.width, config.value_max)


def build_small_resnet(config: SmallResNetConfig, classes: int) -> SmallResNet:
    """The network, its weights not yet set."""
    from neuromation.learning.zoo.networks.small import SmallResNet

    return SmallResNet(config, classes)


class LogMelCnnConfig(BaseModel):
    """The knobs of `logmel-cnn`: its sounds, their spectrum, the network's width, and what training leaves out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate_hz: int = Field(8_000, ge=4_000, le=48_000, description="samples a second")
    samples: int = Field(8_192, ge=1_024, le=480_000, description="length of a sound in samples")
    window: Literal[128, 256, 512, 1024] = Field(256, description="samples of a spectrum")
    hop: int = Field(128, ge=32, le=512, description="samples from one spectrum to the next")
    bands: Literal[32, 40, 48, 64] = Field(32, description="mel bands")
    low_hz: float = Field(80.0, ge=0, le=1_000, description="lower edge of the lowest band")
    trim_db: float = Field(
        30.0, ge=0, le=80, description="quieter ends, against the loudest moment, are cut off; 0: nothing is"
    )
    frames: Literal[32, 48, 64, 96, 128] = Field(48, description="moments to which what is heard is stretched")
    base: int = Field(16, ge=8, le=128, description="feature maps of the first layer; the next have 2 and 4 times more")
    hidden: int = Field(64, ge=8, le=512, description="units of the hidden layer")
    dropout: float = Field(0.4, ge=0, le=0.8, description="share of features left out in training")
    mask_bands: int = Field(6, ge=0, le=24, description="most bands silenced at once in training")
    mask_frames: int = Field(7, ge=0, le=24, description="most moments silenced at once in training")
    shift_bands: int = Field(2, ge=0, le=6, description="most bands by which training moves a voice up or down")
    warp: float = Field(0.25, ge=0, le=0.6, description="how unevenly training stretches time, relative")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.samples < 4 * self.window or self.hop > self.window:
            raise ValueError("a sound needs four windows at least, and a hop is no longer than a window")
        return self


def logmel_cnn_input(config: LogMelCnnConfig) -> InputSpec:
    """What a `logmel-cnn` of this configuration takes."""
    return InputSpec(channels=1, value_max=1.0, samples=config.samples, rate_hz=config.rate_hz)


def build_logmel_cnn(config: LogMelCnnConfig, classes: int) -> LogMelCnn:
    """The network, its weights not yet set."""
    from neuromation.learning.zoo.networks.small import LogMelCnn

    return LogMelCnn(config, classes)
