"""The knobs of `heatmap-detector` and how it is built; loads no torch until the network is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from neuromation.learning.problem import InputSpec

if TYPE_CHECKING:
    from neuromation.learning.zoo.networks.heatmap import HeatmapDetector

SIDE_MAX = 1_024  # pixels of an input


class HeatmapDetectorConfig(BaseModel):
    """The knobs of `heatmap-detector`: the size of its pictures, of itself, and how it answers.

    The network is fully convolutional: the same weights serve any `height` and `width`, so that it can be trained on
    parts of pictures and used on whole ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int = Field(320, ge=32, le=SIDE_MAX, description="height of the input, pixels")
    width: int = Field(320, ge=32, le=SIDE_MAX, description="width of the input, pixels")
    value_max: float = Field(255.0, gt=0, le=65_535, description="the brightest value of the raw pictures")
    channels: int = Field(
        24, ge=4, le=128, description="channels at half size; at strides 4, 8, 16, 32 it has 2, 4, 6, 8 times as many"
    )
    depth: int = Field(2, ge=1, le=6, description="residual blocks at every stride from 4 on")
    stride: Literal[4, 8] = Field(8, description="pixels between the places at which objects are looked for")
    deepest: Literal[8, 16, 32] = Field(
        16, description="the largest stride; what is seen there is added to the finer levels, for large objects"
    )
    mirrors: Literal[1, 2, 4] = Field(
        1, description="in use: the mean over the picture and its mirror images, 2: left to right, 4: and upside down"
    )
    score_min: float = Field(0.02, ge=0, lt=1, description="answers below this score are left out")
    overlap_max: float = Field(
        0.5, ge=0, le=1, description="of two objects that overlap by more (intersection over union), the better stays"
    )
    answers_max: int = Field(200, ge=1, le=2_000, description="most objects in one answer")

    @model_validator(mode="after")
    def _deep_enough(self) -> Self:
        if self.deepest > min(self.height, self.width):
            raise ValueError(f"a stride of {self.deepest} needs pictures of {self.deepest} pixels or more")
        if self.mirrors > 1 and (self.height % self.stride or self.width % self.stride):
            raise ValueError(f"mirrors need sides that are multiples of the stride, {self.stride}")
        return self


def heatmap_detector_input(config: HeatmapDetectorConfig) -> InputSpec:
    """What a `heatmap-detector` of this configuration takes."""
    return InputSpec(channels=3, height=config.height, width=config.width, value_max=config.value_max)


def build_heatmap_detector(config: HeatmapDetectorConfig, classes: int) -> HeatmapDetector:
    """The network, its weights not yet set."""
    from neuromation.learning.zoo.networks.heatmap import HeatmapDetector

    return HeatmapDetector(config, classes)
