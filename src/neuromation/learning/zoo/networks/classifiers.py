"""torchvision's classifiers behind our protocol; refuses to know how they are trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from neuromation.learning.classifier import Classifier
from neuromation.learning.vision_ops import vision
from neuromation.learning.zoo.networks.scaling import CENTRED, IMAGENET, Range, Scaling


class PictureClassifier(Classifier):
    """Float32 (N, 3, H, W), values 0..255, in; logits (N, classes) out."""

    def __init__(self, net: nn.Module, scaling: Range = IMAGENET) -> None:
        super().__init__()
        self.scaling = Scaling(scaling)
        self.net = net

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.net(self.scaling(inputs)),)


def vgg11(config: Any, classes: int) -> PictureClassifier:
    """VGG-11; `config.hidden` units in each of its two hidden layers, 4,096 in the paper."""
    net = vision().models.vgg11(weights=None, init_weights=False, num_classes=classes)
    hidden = config.hidden
    net.classifier = nn.Sequential(
        nn.Linear(512 * 7 * 7, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(config.dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(config.dropout),
        nn.Linear(hidden, classes),
    )
    return PictureClassifier(net)


def googlenet(config: Any, classes: int) -> PictureClassifier:
    """GoogLeNet with batch normalisation and without its two auxiliary heads."""
    models = vision().models
    net = models.googlenet(
        weights=None, num_classes=classes, aux_logits=False, init_weights=False, dropout=config.dropout
    )
    return PictureClassifier(net, CENTRED)  # as its published weights were trained


def resnet18(_config: Any, classes: int) -> PictureClassifier:
    return PictureClassifier(vision().models.resnet18(weights=None, num_classes=classes))


def squeezenet(config: Any, classes: int) -> PictureClassifier:
    """SqueezeNet 1.1, which costs 2.4 times less than 1.0 at the same accuracy."""
    return PictureClassifier(vision().models.squeezenet1_1(weights=None, num_classes=classes, dropout=config.dropout))


def mobilenet(config: Any, classes: int) -> PictureClassifier:
    """MobileNet v3 small."""
    return PictureClassifier(
        vision().models.mobilenet_v3_small(weights=None, num_classes=classes, dropout=config.dropout)
    )
