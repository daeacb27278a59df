"""Builders for measuring: pictures, probabilities of a given skill, boxes and what a so-so detector makes of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.learning.problem import Boxes, Problem, Samples

CLASSES = ("a", "b", "c", "d", "e", "f", "g")


def a_picture(height: int = 64, width: int = 64) -> NDArray[np.uint8]:
    return np.zeros((height, width), np.uint8)


def classified(count: int, seed: int, *, skill: float = 1.0) -> tuple[list[NDArray[np.float32]], Samples]:
    """Probabilities that favour the right class by `skill`, and their samples."""
    rng = unit_rng(seed, 0)
    labels = rng.integers(0, len(CLASSES), count)
    logits = rng.standard_normal((count, len(CLASSES))) + skill * np.eye(len(CLASSES))[labels]
    powers = np.exp(logits)
    scores = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return list(scores), Samples(Problem.CLASSIFICATION, [a_picture(8, 8)] * count, [int(n) for n in labels], CLASSES)


def some_boxes(seed: int, unit: int, *, classes: int = 3, least: int = 0) -> Boxes:
    """Up to six boxes inside a picture of 64 pixels, none upon another."""
    rng = unit_rng(seed, unit)
    count = int(rng.integers(least, 7))
    cells = rng.permutation(9)[:count]
    corner = np.stack([cells % 3, cells // 3], axis=1) * 20.0
    return Boxes(
        np.concatenate([corner, rng.uniform(8, 18, (count, 2))], axis=1).astype(np.float32),
        rng.integers(0, classes, count).astype(np.int64),
    )


def some_detections(target: Boxes, seed: int, *, unit: int = 0, jitter: float = 2.0, classes: int = 3) -> Boxes:
    """The target's boxes moved about, some of another class, some missed, and some where nothing is."""
    rng = unit_rng(seed, unit, "found")
    kept = rng.random(len(target)) < 0.9
    extra = int(rng.integers(0, 3))
    moved = target.xywh[kept] + rng.normal(0, jitter, (int(kept.sum()), 4))
    moved[:, 2:] = np.maximum(moved[:, 2:], 1.0)
    invented = np.concatenate([rng.uniform(0, 50, (extra, 2)), rng.uniform(5, 14, (extra, 2))], axis=1)
    labels = np.concatenate([target.labels[kept], rng.integers(0, classes, extra)])
    other = rng.random(len(labels)) < 0.15
    labels = np.where(other, rng.integers(0, classes, len(labels)), labels)
    scores = rng.random(len(labels))
    return Boxes(
        np.concatenate([moved, invented]).astype(np.float32), labels.astype(np.int64), scores.astype(np.float32)
    )


def detected(pictures: int, seed: int, *, jitter: float = 2.0) -> tuple[list[Boxes], Samples]:
    """Targets of three classes, and what a so-so detector makes of them."""
    targets = [some_boxes(seed, n) for n in range(pictures)]
    answers = [some_detections(t, seed, unit=n, jitter=jitter) for n, t in enumerate(targets)]
    return answers, Samples(Problem.DETECTION, [a_picture()] * pictures, targets, ("a", "b", "c"))
