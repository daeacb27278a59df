"""SSD and SSDLite: torchvision's backbones, heads and loss behind our protocol; refuses to know how they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neuromation.learning.classifier import softmax
from neuromation.learning.learner import Learner
from neuromation.learning.problem import Answer, Problem
from neuromation.learning.vision_ops import vision
from neuromation.learning.zoo.networks.boxes import answer_of, targets_of
from neuromation.learning.zoo.networks.scaling import CAFFE, CENTRED, Range, Scaling

# torchvision's coding of offsets: tenths of the default box for centres, fifths for logarithms of sides.
_CENTRE, _SIDE = 10.0, 5.0
_LOG_SIDE_MAX = float(np.log(1000 / 16))
FOUND_MAX = 200
CANDIDATES_MAX = 400


class SingleShot(Learner):
    """Float32 (N, 3, height, width), values 0..255, in; class logits (N, boxes, classes + 1) and offsets (N, boxes, 4) out.

    Class 0 of the logits is the background. Offsets are relative to the default boxes, which depend on the size alone,
    so that decoding needs no network.
    """

    problem = Problem.DETECTION
    outputs = ("logits", "offsets")

    def __init__(self, net: Any, *, height: int, width: int, scaling: Range, score_min: float, overlap_max: float):
        super().__init__()
        self.scaling = Scaling(scaling)
        self.net = net
        self.height, self.width = height, width
        self.score_min, self.overlap_max = score_min, overlap_max

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = list(self.net.backbone(self.scaling(inputs)).values())
        outputs = self.net.head(features)
        return outputs["cls_logits"], outputs["bbox_regression"]

    def loss(self, inputs: torch.Tensor, targets: Sequence[Any]) -> torch.Tensor:
        logits, offsets = self(inputs)
        wanted = targets_of(targets, height=self.height, width=self.width, first_label=1, like=inputs)
        boxes = torch.from_numpy(self.default_boxes).to(inputs.device)
        iou = vision().ops.box_iou
        matches = [
            self.net.proposal_matcher(iou(target["boxes"], boxes))
            if len(target["boxes"])
            else torch.full((len(boxes),), -1, dtype=torch.int64, device=inputs.device)
            for target in wanted
        ]
        outputs = {"cls_logits": logits, "bbox_regression": offsets}
        parts = self.net.compute_loss(wanted, outputs, [boxes] * len(wanted), matches)
        total: torch.Tensor = parts["bbox_regression"] + parts["classification"]
        return total

    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return [
            answer_of(
                self._corners(offsets),
                softmax(logits)[:, 1:],
                height=self.height,
                width=self.width,
                score_min=self.score_min,
                overlap_max=self.overlap_max,
                candidates_max=CANDIDATES_MAX,
                found_max=FOUND_MAX,
            )
            for logits, offsets in zip(outputs[0], outputs[1], strict=True)
        ]

    def _corners(self, offsets: NDArray[np.float32]) -> NDArray[np.float32]:
        low, high = self.default_boxes[:, :2], self.default_boxes[:, 2:]
        size = high - low
        centre = low + size / 2 + offsets[:, :2] / _CENTRE * size
        half = size / 2 * np.exp(np.minimum(offsets[:, 2:] / _SIDE, _LOG_SIDE_MAX))
        return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)

    @cached_property
    def default_boxes(self) -> NDArray[np.float32]:
        """Corners float32 (boxes, 4) in pixels. Computed once, on shapes alone."""
        image_list = vision().models.detection.image_list.ImageList
        backbone = self.net.backbone
        shape = (2, 3, self.height, self.width)  # normalisation in training needs two
        state = {name: tensor.to("meta") for name, tensor in backbone.state_dict().items()}
        features = torch.func.functional_call(backbone, state, (torch.empty(shape, device="meta"),))
        grids = [torch.empty(tuple(feature.shape)) for feature in features.values()]
        pictures = image_list(torch.empty(shape), [shape[2:]] * 2)
        boxes: NDArray[np.float32] = self.net.anchor_generator(pictures, grids)[0].numpy()
        return boxes


def ssdlite320(config: Any, classes: int) -> SingleShot:
    """SSDLite on MobileNet v3 large: depthwise heads on six maps."""
    models = vision().models
    detection = models.detection
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    backbone = models.mobilenet_v3_large(weights=None, norm_layer=norm, reduced_tail=config.reduced_tail).features
    # The last stage begins at the last block that halves the picture; its expansion gives the first of the six maps.
    last_stage = max(i for i, block in enumerate(backbone) if getattr(block, "_is_cn", False))
    extractor = detection.ssdlite.SSDLiteFeatureExtractorMobileNet(backbone, last_stage, norm)
    anchors = detection.anchor_utils.DefaultBoxGenerator([[2, 3]] * 6, min_ratio=0.2, max_ratio=0.95)
    size = (config.height, config.width)
    channels = detection._utils.retrieve_out_channels(extractor, size)
    head = detection.ssdlite.SSDLiteHead(channels, anchors.num_anchors_per_location(), classes + 1, norm)
    net = detection.ssd.SSD(extractor, anchors, size, classes + 1, head=head)
    return SingleShot(net, height=size[0], width=size[1], scaling=CENTRED, score_min=0.02, overlap_max=0.55)


def ssd300(_config: Any, classes: int) -> SingleShot:
    """SSD300 on VGG-16."""
    net = vision().models.detection.ssd300_vgg16(weights=None, weights_backbone=None, num_classes=classes + 1)
    return SingleShot(net, height=300, width=300, scaling=CAFFE, score_min=0.02, overlap_max=0.45)
