"""Networks that name every pixel: their knobs and origins; refuses to load them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from neuromation.learning.errors import BadConfig
from neuromation.learning.problem import IGNORED, Problem
from neuromation.learning.zoo.spec import (
    COLOUR,
    SIDE_MAX,
    ModelConfig,
    ModelSpec,
    Source,
    torchvision_source,
)

if TYPE_CHECKING:
    from neuromation.learning.learner import Learner


class FcnConfig(ModelConfig):
    """The knobs of `fcn`."""

    height: int = Field(320, ge=32, le=SIDE_MAX, description="picture height in pixels")
    width: int = Field(320, ge=32, le=SIDE_MAX, description="picture width in pixels")


class SegNetConfig(ModelConfig):
    """The knobs of `segnet`."""

    height: int = Field(320, ge=32, le=SIDE_MAX, multiple_of=32, description="picture height in pixels")
    width: int = Field(320, ge=32, le=SIDE_MAX, multiple_of=32, description="picture width in pixels")
    base: int = Field(16, ge=4, le=64, description="channels of the first stage; 64 in the paper")


def _fcn(config: FcnConfig, classes: int) -> Learner:
    from neuromation.learning.zoo.networks.segmenters import fcn

    _check(classes)
    return fcn(config, classes)


def _segnet(config: SegNetConfig, classes: int) -> Learner:
    from neuromation.learning.zoo.networks.segmenters import segnet

    _check(classes)
    return segnet(config, classes)


def _check(classes: int) -> None:
    if classes > IGNORED:
        raise BadConfig(
            f"a mask is bytes, of which {IGNORED} counts for nothing: {IGNORED} classes at most, not {classes}"
        )


_LOGITS = "logits (N, classes, height, width)"

SPECS = (
    ModelSpec(
        name="fcn",
        title="FCN on ResNet-50: convolutions with holes, enlarged to the picture's size",
        problem=Problem.SEGMENTATION,
        family="FCN",
        config_model=FcnConfig,
        cu_per_sample=5,
        input_description=COLOUR,
        output_description=_LOGITS,
        source=torchvision_source(
            "Long et al., Fully convolutional networks for semantic segmentation, 2014",
            "https://arxiv.org/abs/1411.4038",
        ),
        build=_fcn,
        prefix="net.",
        pretrained="torchvision FCN_ResNet50_Weights; the auxiliary head is left out",
    ),
    ModelSpec(
        name="segnet",
        title="SegNet: an encoder that remembers its maxima, and its mirror image",
        problem=Problem.SEGMENTATION,
        family="SegNet",
        config_model=SegNetConfig,
        cu_per_sample=0.55,
        input_description="float32 (N, 3, height, width), sRGB values 0..255; sides are multiples of 32",
        output_description=_LOGITS,
        source=Source(
            library="neuromation",
            licence="Apache-2.0",
            paper="Badrinarayanan et al., SegNet: A deep convolutional encoder-decoder architecture, 2015",
            url="https://arxiv.org/abs/1511.00561",
        ),
        build=_segnet,
    ),
)
