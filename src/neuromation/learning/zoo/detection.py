"""Networks that find objects and outline them: their knobs and origins; refuses to load them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from neuromation.learning.problem import Problem
from neuromation.learning.zoo.networks.heatmap_config import (
    HeatmapDetectorConfig,
    build_heatmap_detector,
    heatmap_detector_input,
)
from neuromation.learning.zoo.spec import COLOUR, SIDE_MAX, Exporter, ModelConfig, ModelSpec, Source, torchvision_source

if TYPE_CHECKING:
    from neuromation.learning.learner import Learner


class SsdLiteConfig(ModelConfig):
    """The knobs of `ssdlite320`."""

    height: int = Field(320, ge=96, le=SIDE_MAX, description="picture height in pixels")
    width: int = Field(320, ge=96, le=SIDE_MAX, description="picture width in pixels")
    reduced_tail: bool = Field(True, description="half the channels in the last stage; the published weights have all")


class Ssd300Config(ModelConfig):
    """The knobs of `ssd300`: none; its default boxes are laid out for this size."""

    height: Literal[300] = Field(300, description="picture height in pixels")
    width: Literal[300] = Field(300, description="picture width in pixels")


class RcnnConfig(ModelConfig):
    """The knobs of `faster-rcnn` and `mask-rcnn`."""

    height: int = Field(320, ge=96, le=SIDE_MAX, description="picture height in pixels")
    width: int = Field(320, ge=96, le=SIDE_MAX, description="picture width in pixels")
    samples: int = Field(
        128, ge=16, le=512, description="regions a picture that the second stage learns from; 512 in the paper"
    )


class YoloxConfig(ModelConfig):
    """The knobs of `yolox`."""

    height: int = Field(320, ge=64, le=SIDE_MAX, multiple_of=32, description="picture height in pixels")
    width: int = Field(320, ge=64, le=SIDE_MAX, multiple_of=32, description="picture width in pixels")
    size: Literal["nano", "tiny", "s"] = Field("nano", description="0.9, 5 or 9 million parameters")


def _ssd(builder: str) -> Callable[[Any, int], Learner]:
    def build(config: Any, classes: int) -> Learner:
        from neuromation.learning.zoo.networks import ssd

        made: Learner = getattr(ssd, builder)(config, classes)
        return made

    return build


def _rcnn(builder: str) -> Callable[[Any, int], Learner]:
    def build(config: Any, classes: int) -> Learner:
        from neuromation.learning.zoo.networks import rcnn

        made: Learner = getattr(rcnn, builder)(config, classes)
        return made

    return build


def _yolox(config: YoloxConfig, classes: int) -> Learner:
    from neuromation.learning.zoo.networks.yolox import yolox

    return yolox(config, classes)


_SSD_PAPER = "Liu et al., SSD: Single shot multibox detector, 2015"
_SSD_OUTPUT = "class logits (N, boxes, classes + 1), class 0 the background; offsets from default boxes (N, boxes, 4)"

# As torchvision begins the layers that name and place boxes: nearly silent, so that training starts from the anchors.
_RCNN_INITIAL = {
    "rpn.head.cls_logits.weight": 0.01,
    "rpn.head.bbox_pred.weight": 0.01,
    "box_predictor.cls_score.weight": 0.01,
    "box_predictor.bbox_pred.weight": 0.01,
    "mask_predictor.mask_fcn_logits.weight": 0.01,
}

# Before training, one cell in a hundred holds an object (the logit of 0.01), and boxes have the size of their cell.
_YOLOX_INITIAL = {
    **{f"{part}_preds.{level}.bias": -4.595 for part in ("obj", "cls") for level in range(3)},
    **{f"{part}_preds.{level}.weight": 0.01 for part in ("obj", "cls", "reg") for level in range(3)},
}

SPECS = (
    ModelSpec(
        name="ssdlite320",
        title="SSDLite on MobileNet v3 large: one shot, depthwise heads",
        problem=Problem.DETECTION,
        family="SSD",
        config_model=SsdLiteConfig,
        cu_per_sample=0.17,
        input_description=COLOUR,
        output_description=_SSD_OUTPUT,
        source=torchvision_source(
            f"{_SSD_PAPER}; Howard et al., Searching for MobileNetV3, 2019", "https://arxiv.org/abs/1905.02244"
        ),
        build=_ssd("ssdlite320"),
        export_note="decoding and non-maximum suppression stay outside the file",
        # As torchvision begins the last layers of its heads.
        initial={f"head.module_list.{level}.1.weight": 0.03 for level in range(6)},
        prefix="net.",
        pretrained="torchvision SSDLite320_MobileNet_V3_Large_Weights, with reduced_tail=false",
    ),
    ModelSpec(
        name="ssd300",
        title="SSD300 on VGG-16",
        problem=Problem.DETECTION,
        family="SSD",
        config_model=Ssd300Config,
        cu_per_sample=3,
        input_description=COLOUR,
        output_description=_SSD_OUTPUT,
        source=torchvision_source(_SSD_PAPER, "https://arxiv.org/abs/1512.02325"),
        build=_ssd("ssd300"),
        export_note="decoding and non-maximum suppression stay outside the file",
        # Its input is not scaled, only centred: values of about 70 become activations of about 1.
        initial={"scale_weight": 20.0, "backbone.features.0.weight": 0.004},
        prefix="net.",
        pretrained="torchvision SSD300_VGG16_Weights",
    ),
    ModelSpec(
        name="faster-rcnn",
        title="Faster R-CNN on MobileNet v3 large with a feature pyramid",
        problem=Problem.DETECTION,
        family="Faster R-CNN",
        config_model=RcnnConfig,
        cu_per_sample=3,
        input_description=COLOUR,
        output_description="corners (N, 100, 4) in pixels, scores (N, 100), labels (N, 100); padding has score 0",
        source=torchvision_source(
            "Ren et al., Faster R-CNN: Towards real-time object detection with region proposal networks, 2015",
            "https://arxiv.org/abs/1506.01497",
        ),
        build=_rcnn("faster_rcnn"),
        exporter=Exporter.TRACED,
        export_note="a batch of one picture; proposals and suppression are in the file",
        initial=_RCNN_INITIAL,
        prefix="net.",
        pretrained="torchvision FasterRCNN_MobileNet_V3_Large_320_FPN_Weights",
    ),
    ModelSpec(
        name="mask-rcnn",
        title="Mask R-CNN on ResNet-50 with a feature pyramid",
        problem=Problem.INSTANCE_SEGMENTATION,
        family="Mask R-CNN",
        config_model=RcnnConfig,
        cu_per_sample=6.4,
        input_description=COLOUR,
        output_description=(
            "corners (N, 100, 4) in pixels, scores (N, 100), labels (N, 100), masks of the boxes (N, 100, 28, 28); "
            "padding has score 0"
        ),
        source=torchvision_source("He et al., Mask R-CNN, 2017", "https://arxiv.org/abs/1703.06870"),
        build=_rcnn("mask_rcnn"),
        exporter=Exporter.TRACED,
        export_note="a batch of one picture; proposals and suppression are in the file",
        initial=_RCNN_INITIAL,
        prefix="net.",
        pretrained="torchvision MaskRCNN_ResNet50_FPN_Weights",
    ),
    ModelSpec(
        name="yolox",
        title="YOLOX: a YOLO without anchors, in sizes nano, tiny and s",
        problem=Problem.DETECTION,
        family="YOLO",
        config_model=YoloxConfig,
        cu_per_sample=0.11,
        input_description="float32 (N, 3, height, width), sRGB values 0..255; sides are multiples of 32",
        output_description="cells (N, cells, 5 + classes): box in strides of the cell, logit of an object, logits of classes",
        source=Source(
            library="neuromation",
            licence="Apache-2.0",
            paper="Ge et al., YOLOX: Exceeding YOLO series in 2021, 2021",
            url="https://arxiv.org/abs/2107.08430",
        ),
        build=_yolox,
        export_note="decoding and non-maximum suppression stay outside the file",
        initial=_YOLOX_INITIAL,
        pretrained="the authors' YOLOX-nano, -tiny and -s (Apache-2.0)",
    ),
    ModelSpec(
        name="heatmap-detector",
        title="Small detector without anchors that trains well on a processor",
        problem=Problem.DETECTION,
        family="CenterNet",
        config_model=HeatmapDetectorConfig,
        cu_per_sample=0.23,
        input_description="float32 (N, 3, height, width), raw values 0..value_max; scaled inside the network",
        output_description="maps (N, channels, rows, columns): heat, logits of classes, boxes",
        source=Source(
            library="neuromation",
            licence="Apache-2.0",
            paper="Zhou et al., Objects as points, 2019",
            url="https://arxiv.org/abs/1904.07850",
        ),
        build=build_heatmap_detector,
        input_of=heatmap_detector_input,
        export_note="decoding stays outside the file",
    ),
)
