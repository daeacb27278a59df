"""Faster R-CNN and Mask R-CNN: torchvision's two stages behind our protocol; refuses to know how they are trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neuromation.learning.learner import Learner
from neuromation.learning.problem import Answer, Boxes, Problem
from neuromation.learning.vision_ops import vision
from neuromation.learning.zoo.networks.boxes import boxes_of, targets_of
from neuromation.learning.zoo.networks.scaling import IMAGENET, Scaling

FOUND_MAX = 100  # objects of a picture
MASK_MIN = 0.5  # probability from which a pixel belongs to the object


class TwoStage(Learner):
    """Float32 (N, 3, height, width), values 0..255, in; the objects found out, best first and padded to FOUND_MAX.

    Raw outputs: corners (N, FOUND_MAX, 4) in pixels, scores (N, FOUND_MAX), labels (N, FOUND_MAX) as float32, and from
    Mask R-CNN the probabilities (N, FOUND_MAX, 28, 28) of the pixels of each box. Padding has score 0.
    """

    lists_objects = True

    def __init__(self, net: Any, *, height: int, width: int, masks: bool) -> None:
        super().__init__()
        self.problem = Problem.INSTANCE_SEGMENTATION if masks else Problem.DETECTION
        self.outputs = ("corners", "scores", "labels", *(("masks",) if masks else ()))
        self.scaling = Scaling(IMAGENET)
        self.net = net
        self.height, self.width = height, width

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with self._phase(training=False):
            found, _ = self._both_stages(inputs, None)
        outputs = [
            torch.stack([_padded(one["boxes"]) for one in found]),
            torch.stack([_padded(one["scores"]) for one in found]),
            torch.stack([_padded((one["labels"] - 1).to(inputs.dtype)) for one in found]),
        ]
        if self.problem is Problem.INSTANCE_SEGMENTATION:
            outputs.append(torch.stack([_padded(one["masks"][:, 0]) for one in found]))
        return tuple(outputs)

    def loss(self, inputs: torch.Tensor, targets: Sequence[Any]) -> torch.Tensor:
        wanted = targets_of(targets, height=self.height, width=self.width, first_label=1, like=inputs)
        if self.problem is Problem.INSTANCE_SEGMENTATION:
            for target in wanted:  # a picture without objects needs no masks
                target.setdefault("masks", inputs.new_zeros((0, self.height, self.width), dtype=torch.uint8))
        with self._phase(training=True):
            _, parts = self._both_stages(inputs, wanted)
        return torch.stack([parts[name] for name in sorted(parts)]).sum()

    def decode(self, outputs: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return [self._answer(*one) for one in zip(*outputs, strict=True)]

    def _answer(
        self,
        corners: NDArray[np.float32],
        scores: NDArray[np.float32],
        labels: NDArray[np.float32],
        masks: NDArray[np.float32] | None = None,
    ) -> Boxes:
        there = np.flatnonzero(scores > 0)
        there = there[np.argsort(-scores[there], kind="stable")]
        corners = np.clip(corners[there], 0, np.array([self.width, self.height] * 2, np.float32))
        pasted = None if masks is None else paste(masks[there], corners, height=self.height, width=self.width)
        return boxes_of(corners, np.rint(labels[there]).astype(np.int64), scores[there], pasted)

    def _both_stages(
        self, inputs: torch.Tensor, targets: list[dict[str, torch.Tensor]] | None
    ) -> tuple[list[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
        sizes = [(self.height, self.width)] * len(inputs)
        pictures = self.scaling(inputs)
        features = self.net.backbone(pictures)
        images = vision().models.detection.image_list.ImageList(pictures, sizes)
        proposals, proposal_losses = self.net.rpn(images, features, targets)
        found, losses = self.net.roi_heads(features, proposals, sizes, targets)
        return found, {**losses, **proposal_losses}

    @contextmanager
    def _phase(self, *, training: bool) -> Iterator[None]:
        """The stages give losses or objects by their own flags; their layers (dropout, normalisation) keep theirs."""
        stages = (self.net.rpn, self.net.roi_heads)
        before = [stage.training for stage in stages]
        for stage in stages:
            stage.training = training
        try:
            yield
        finally:
            for stage, was in zip(stages, before, strict=True):
                stage.training = was


def _padded(rows: torch.Tensor) -> torch.Tensor:
    return torch.cat([rows, rows.new_zeros((FOUND_MAX, *rows.shape[1:]))])[:FOUND_MAX]


def paste(masks: NDArray[np.float32], corners: NDArray[np.float32], *, height: int, width: int) -> NDArray[np.bool_]:
    """Masks of boxes as masks of the picture.

    Args:
        masks: float32 (n, rows, columns), probabilities, stretched over the box.
        corners: float32 (n, 4) in pixels.

    Returns:
        Bool (n, height, width): bilinear samples at the pixels' centres of MASK_MIN and more.
    """
    made = np.zeros((len(masks), height, width), bool)
    for number, (mask, (left, top, right, bottom)) in enumerate(zip(masks, corners.tolist(), strict=True)):
        down = _hats(top, bottom, mask.shape[0], height)
        across = _hats(left, right, mask.shape[1], width)
        made[number] = down @ mask @ across.T >= MASK_MIN
    return made


def _hats(low: float, high: float, cells: int, pixels: int) -> NDArray[np.float32]:
    """Weights (pixels, cells) of linear interpolation; pixels outside low..high have none."""
    centres = np.arange(pixels) + 0.5
    at = (centres - low) / max(high - low, 1e-6) * cells - 0.5
    near = np.clip(1.0 - np.abs(np.clip(at, 0, cells - 1)[:, None] - np.arange(cells)), 0, None)
    weights: NDArray[np.float32] = (near * ((centres > low) & (centres < high))[:, None]).astype(np.float32)
    return weights


def faster_rcnn(config: Any, classes: int) -> TwoStage:
    """Faster R-CNN on MobileNet v3 large with a feature pyramid, at its low resolution."""
    net = vision().models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=classes + 1,
        rpn_post_nms_top_n_train=1_000,
        box_batch_size_per_image=config.samples,
        box_detections_per_img=FOUND_MAX,
    )
    return TwoStage(net, height=config.height, width=config.width, masks=False)


def mask_rcnn(config: Any, classes: int) -> TwoStage:
    """Mask R-CNN on ResNet-50 with a feature pyramid."""
    net = vision().models.detection.maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=classes + 1,
        rpn_post_nms_top_n_train=1_000,
        rpn_post_nms_top_n_test=300,
        box_batch_size_per_image=config.samples,
        box_detections_per_img=FOUND_MAX,
    )
    return TwoStage(net, height=config.height, width=config.width, masks=True)
