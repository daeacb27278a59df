"""What one training step and one answer of every network cost here, relative to `digits-cnn`: the source of
`cu_per_sample` and of the table in docs/models.md.

Run: python benchmarks/bench_zoo.py [NETWORK ...] [--latency]. Processor time of one thread, so that other programs
disturb little.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from neuromation.learning import engine
from neuromation.learning.problem import Boxes, Problem
from neuromation.learning.zoo import ModelSpec, get_model, initial_weights, list_models
from neuromation.learning.zoo.card import architecture_card, some_input

CLASSES = [f"class {number}" for number in range(10)]
BATCH = 2
ENOUGH_S = 2.0  # a step that takes longer is measured once: what is prepared once hides in it
UNIT_SAMPLES = 10_000  # of digits-cnn are one computing unit


def targets(spec: ModelSpec, settings: Any, count: int) -> list[Any]:
    """Some of every problem: classes in turn, five boxes, stripes."""
    takes = spec.input_of(settings)
    if spec.problem.is_classification:
        return [number % len(CLASSES) for number in range(count)]
    if spec.problem is Problem.SEGMENTATION:
        return [np.tile(np.arange(takes.width) % len(CLASSES), (takes.height, 1)).astype(np.uint8)] * count
    side = min(takes.height, takes.width) / 6
    xywh = np.array([[i * side, i * side, (1 + i % 3) * side, side] for i in range(5)], np.float32)
    masks = None
    if spec.problem is Problem.INSTANCE_SEGMENTATION:
        rows, columns = np.mgrid[: takes.height, : takes.width]
        masks = np.stack([(columns >= x) & (columns < x + w) & (rows >= y) & (rows < y + h) for x, y, w, h in xywh])
    return [Boxes(xywh, np.arange(5), None, masks)] * count


def seconds_per_sample(name: str, batch: int, steps: int) -> float:
    """Processor time of forward, backward and one step of AdamW on one sample, at the default configuration."""
    spec = get_model(name)
    settings = spec.check_config({})
    module: Any = engine.module_of(initial_weights(name, {}, CLASSES, 1), name, {}, CLASSES).train()
    inputs = torch.from_numpy(some_input(spec.input_of(settings), batch))
    wanted = targets(spec, settings, batch)
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-5, fused=True)
    took = []
    with engine.canonical_runtime():
        for _ in range(steps + 1):
            began = time.process_time()
            optimiser.zero_grad()
            torch.autograd.backward(module.loss(inputs, wanted))
            optimiser.step()
            took.append(time.process_time() - began)
            if took[-1] > ENOUGH_S:
                break
    return min(took) / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=[spec.name for spec in list_models()])
    parser.add_argument("--latency", action="store_true", help="also of one answer, in torch and ONNX Runtime")
    asked = parser.parse_args()
    unit = UNIT_SAMPLES * seconds_per_sample("digits-cnn", 64, 20)
    print("| network | parameters | MB | ms a training sample | CU a sample | torch ms | ONNX Runtime ms |")
    print("|---|---|---|---|---|---|---|")
    for name in asked.networks:
        small = name == "digits-cnn"
        step = seconds_per_sample(name, 64 if small else BATCH, 20 if small else 2)
        card = architecture_card(name, measure=asked.latency)
        latency = card.latency
        times = f"{latency.torch_ms:.1f} | {latency.onnx_ms:.1f}" if latency else "- | -"
        size = f"{card.parameters:,} | {card.bytes / 1e6:.1f}"
        print(f"| {name} | {size} | {1_000 * step:.2f} | {step / unit:.2g} | {times} |", flush=True)


if __name__ == "__main__":
    main()
