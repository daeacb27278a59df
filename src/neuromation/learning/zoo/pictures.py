"""Networks that say what a picture shows: their knobs and origins; refuses to load them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from neuromation.learning.problem import InputSpec, Problem
from neuromation.learning.zoo.networks.small_config import SmallResNetConfig, build_small_resnet, small_resnet_input
from neuromation.learning.zoo.spec import COLOUR, ModelConfig, ModelSpec, PictureConfig, Source, torchvision_source

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
    from neuromation.learning.zoo.networks.digits_cnn import DigitsCnn

    return DigitsCnn(
        height=config.height,
        width=config.width,
        value_max=config.value_max,
        channels=config.channels,
        hidden=config.hidden,
        classes=classes,
    )


class ResNetConfig(PictureConfig):
    """The knobs of `resnet18`."""


class DropoutConfig(PictureConfig):
    """The knobs of networks with one dropout before the last layer."""

    dropout: float = Field(0.2, ge=0, le=0.9, description="share of the last features that a training step leaves out")


class VggConfig(PictureConfig):
    """The knobs of `vgg11`."""

    hidden: int = Field(
        512, ge=16, le=4096, description="units of each of the two hidden layers; 4096 in the paper, 515 MB of weights"
    )
    dropout: float = Field(0.5, ge=0, le=0.9, description="share of hidden units that a training step leaves out")


def _from_torchvision(builder: str) -> Callable[[Any, int], Learner]:
    def build(config: Any, classes: int) -> Learner:
        from neuromation.learning.zoo.networks import classifiers

        made: Learner = getattr(classifiers, builder)(config, classes)
        return made

    return build


_LOGITS = "logits (N, classes)"
_DIGITS_CNN = ModelSpec(
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
)

SPECS = (
    _DIGITS_CNN,
    ModelSpec(
        name="vgg11",
        title="VGG-11: plain 3x3 convolutions, two large hidden layers",
        problem=Problem.CLASSIFICATION,
        family="VGG",
        config_model=VggConfig,
        cu_per_sample=0.76,
        input_description=COLOUR,
        output_description=_LOGITS,
        source=torchvision_source(
            "Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, 2014",
            "https://arxiv.org/abs/1409.1556",
        ),
        build=_from_torchvision("vgg11"),
        prefix="net.",
        pretrained="torchvision VGG11_Weights, with hidden=4096",
    ),
    ModelSpec(
        name="googlenet",
        title="GoogLeNet: inception modules, several kernel sizes side by side",
        problem=Problem.CLASSIFICATION,
        family="GoogLeNet",
        config_model=DropoutConfig,
        cu_per_sample=0.2,
        input_description=COLOUR,
        output_description=_LOGITS,
        source=torchvision_source(
            "Szegedy et al., Going deeper with convolutions, 2014", "https://arxiv.org/abs/1409.4842"
        ),
        build=_from_torchvision("googlenet"),
        prefix="net.",
        pretrained="torchvision GoogLeNet_Weights; the auxiliary heads are left out",
    ),
    ModelSpec(
        name="resnet18",
        title="ResNet-18: residual blocks",
        problem=Problem.CLASSIFICATION,
        family="ResNet",
        config_model=ResNetConfig,
        cu_per_sample=0.19,
        input_description=COLOUR,
        output_description=_LOGITS,
        source=torchvision_source(
            "He et al., Deep residual learning for image recognition, 2015", "https://arxiv.org/abs/1512.03385"
        ),
        build=_from_torchvision("resnet18"),
        prefix="net.",
        pretrained="torchvision ResNet18_Weights",
    ),
    ModelSpec(
        name="squeezenet",
        title="SqueezeNet 1.1: AlexNet's accuracy with fifty times fewer parameters",
        problem=Problem.CLASSIFICATION,
        family="SqueezeNet",
        config_model=DropoutConfig,
        cu_per_sample=0.046,
        input_description=COLOUR,
        output_description=_LOGITS,
        source=torchvision_source("Iandola et al., SqueezeNet, 2016", "https://arxiv.org/abs/1602.07360"),
        build=_from_torchvision("squeezenet"),
        prefix="net.",
        pretrained="torchvision SqueezeNet1_1_Weights",
    ),
    ModelSpec(
        name="mobilenet-v3-small",
        title="MobileNet v3 small: inverted residuals, squeeze and excitation",
        problem=Problem.CLASSIFICATION,
        family="MobileNet",
        config_model=DropoutConfig,
        cu_per_sample=0.038,
        input_description=COLOUR,
        output_description=_LOGITS,
        source=torchvision_source("Howard et al., Searching for MobileNetV3, 2019", "https://arxiv.org/abs/1905.02244"),
        build=_from_torchvision("mobilenet"),
        prefix="net.",
        pretrained="torchvision MobileNet_V3_Small_Weights",
    ),
    ModelSpec(
        name="small-resnet",
        title="Small residual network that trains well on a processor",
        problem=Problem.CLASSIFICATION,
        family="ResNet",
        config_model=SmallResNetConfig,
        cu_per_sample=0.015,
        input_description="float32 (N, channels, height, width), raw values 0..value_max; scaled inside the network",
        output_description=_LOGITS,
        source=Source(
            library="neuromation",
            licence="Apache-2.0",
            paper="He et al., Identity mappings in deep residual networks, 2016",
            url="https://arxiv.org/abs/1603.05027",
        ),
        build=build_small_resnet,
        input_of=small_resnet_input,
    ),
)
