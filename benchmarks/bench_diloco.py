"""Bytes that four nodes exchange until they reach a loss: DiLoCo rounds beside averaging gradients at every step.

Both sides train `digits-cnn` from the same weights, seed and shards, on the same number of samples. Averaging at every step
sends a gradient up and the mean down, float32, from and to each node (a parameter server; a ring moves half as much again).
The platform sends the round's weights down in float32 and a compressed delta up for each segment that an audit may replay.
Beside it stand rounds with one delta in all, whole or sparse, with error feedback or without. The loss is on held-out data,
which no node has. `equal` is where the averaged training first reaches DiLoCo's last loss: the ratio counts its bytes until
there and no further.

    python benchmarks/bench_diloco.py [--rounds 6] [--steps 240] [--nodes 4] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from neuromation.kernel.rng import unit_rng
from neuromation.learning import diloco, engine
from neuromation.learning.augmentation import SYMBOLS
from neuromation.learning.batches import SampleOrder, batch
from neuromation.learning.gathering import gathered
from neuromation.learning.problem import Samples
from neuromation.learning.rounds import outer_step, train_locally
from neuromation.learning.training import train_segments
from neuromation.learning.weights import Weights, weights_to_bytes
from neuromation.learning.zoo import get_model, initial_weights
from neuromation.synthetic.formats.examples import examples_of_generator
from neuromation.synthetic.generator import get_generator

MODEL, BATCH, LR = "digits-cnn", 16, 3e-3
UNITS, HELD_OUT = 800, 1_000
EVERY = 20  # steps between two looks at the averaged training's loss
RATIO_TARGET, OVERHEAD_TARGET_S = 100, 1.0


@dataclass(frozen=True)
class Row:
    """One way to talk: what it cost to reach its loss."""

    way: str
    loss: float
    megabytes: float
    equal_step: int | None  # of the averaged training; None when it never got so low
    ratio: float
    overhead_s: float  # a round, all nodes' packing and the outer step together


def shard(seed: int, first: int, count: int) -> Samples:
    """Units first..first+count-1 of one data set."""
    generator = get_generator("digits")
    params = generator.params_model()
    units = [generator.unit(params, seed, index) for index in range(first, first + count)]
    return gathered(get_model(MODEL).problem, examples_of_generator(generator, params, units))


class Course:
    """The data, the start, and both trainings on them."""

    def __init__(self, nodes: int, rounds: int, steps: int, seed: int) -> None:
        self.nodes, self.rounds, self.steps, self.seed = nodes, rounds, steps, seed
        self.shards = [shard(seed, node * UNITS, UNITS) for node in range(nodes)]
        self.held_out = shard(seed, nodes * UNITS, HELD_OUT)
        self.input = get_model(MODEL).input_of(get_model(MODEL).check_config({}))
        self.start = initial_weights(MODEL, {}, self.held_out.classes, seed)
        self.step_bytes = 2 * 4 * sum(array.size for array in self.start.values()) * nodes

    def loss(self, weights: Weights) -> float:
        return engine.loss_of(engine.module_of(weights, MODEL, {}, self.held_out.classes), self.input, self.held_out)

    def averaged(self) -> list[tuple[int, float]]:
        """(steps done, loss) of the training that averages gradients at every step."""
        module = engine.module_of(self.start, MODEL, {}, self.held_out.classes)
        orders = [SampleOrder(UNITS, self.seed + node) for node in range(self.nodes)]
        total, seen = self.rounds * self.steps, []

        def batches() -> Iterator[Any]:
            for step in range(total):
                if step % EVERY == 0:
                    seen.append((step, engine.loss_of(module, self.input, self.held_out)))
                    module.train()
                parts = [
                    batch(
                        mine, order.batch(step, BATCH), self.input, rng=unit_rng(self.seed + n, step), augment=SYMBOLS
                    )
                    for n, (mine, order) in enumerate(zip(self.shards, orders, strict=True))
                ]
                along = 0.5 * (1 + np.cos(np.pi * step / max(1, total - 1)))
                lr = LR * (diloco.LR_FLOOR + (1 - diloco.LR_FLOOR) * along) * min(1.0, (step + 1) / 10)
                # The mean loss of the joined batch has the mean of the nodes' gradients.
                yield np.concatenate([inputs for inputs, _ in parts]), [t for _, ts in parts for t in ts], lr, step

        engine.run_steps(module, batches())
        return [*seen, (total, engine.loss_of(module, self.input, self.held_out))]

    def platform(self, *, segments: int) -> tuple[float, int, float]:
        """Last loss, bytes in all, and seconds a round that go into packing and the outer step, as the platform does it."""
        weights, momentum, sent, spent_s = self.start, None, 0, 0.0
        for number in range(self.rounds):
            done = [
                train_locally(MODEL, {}, mine, weights, **self.task(number, node, segments))
                for node, mine in enumerate(self.shards)
            ]
            began = time.perf_counter()
            for _, trained in done:  # what it took to pack them
                for before, after in pairwise([weights, *trained.segments]):
                    diloco.settled(before, after)
            deltas = [diloco.delta_of(weights, diloco.applied(weights, *packed)) for packed, _ in done]
            sent += sum(len(data) for packed, _ in done for data in packed)
            sent += self.nodes * len(weights_to_bytes(weights))
            weights, momentum = outer_step(weights, deltas, momentum)
            spent_s += time.perf_counter() - began
        return self.loss(weights), sent, spent_s / self.rounds

    def task(self, number: int, node: int, segments: int) -> dict[str, Any]:
        """The recipe of a node's part of a round."""
        lr, lr_end = diloco.learning_rates(LR, rounds=self.rounds)[number]
        seed = self.seed * 1_000_003 + number * 1_009 + node
        return {
            "steps": self.steps,
            "segments": segments,
            "batch_size": BATCH,
            "lr": lr,
            "lr_end": lr_end,
            "seed": seed,
        }

    def sparse(self, *, keep: float, feedback: bool) -> tuple[float, int, float]:
        """The same with a share of the values of one delta a round."""
        weights, momentum, sent, spent_s = self.start, None, 0, 0.0
        residuals: list[Weights | None] = [None] * self.nodes
        for number in range(self.rounds):
            ends = [
                train_segments(MODEL, {}, mine, weights, **self.task(number, node, 1)).weights
                for node, mine in enumerate(self.shards)
            ]
            began = time.perf_counter()
            deltas = []
            for node, end in enumerate(ends):
                delta = diloco.delta_of(weights, end)
                data = diloco.compress_delta(delta, residuals[node], keep=keep)
                if feedback:
                    residuals[node] = diloco.residual_after(delta, data, residuals[node])
                deltas.append(diloco.decompress_delta(data, weights))
                sent += len(data) + len(weights_to_bytes(weights))
            weights, momentum = outer_step(weights, deltas, momentum)
            spent_s += time.perf_counter() - began
        return self.loss(weights), sent, spent_s / self.rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rounds", 6), ("steps", 240), ("nodes", 4), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    course = Course(options.nodes, options.rounds, options.steps, options.seed)
    averaged = course.averaged()
    last = averaged[-1][1]
    rows = [Row("averaged every step", last, averaged[-1][0] * course.step_bytes / 1e6, averaged[-1][0], 1.0, 0.0)]
    ways: dict[str, Callable[[], tuple[float, int, float]]] = {
        "rounds, four segments": lambda: course.platform(segments=4),
        "rounds, one segment": lambda: course.platform(segments=1),
        "rounds, a quarter, feedback": lambda: course.sparse(keep=0.25, feedback=True),
        "rounds, a tenth, feedback": lambda: course.sparse(keep=0.1, feedback=True),
        "rounds, a tenth, none": lambda: course.sparse(keep=0.1, feedback=False),
    }
    for way, run in ways.items():
        loss, sent, overhead_s = run()
        equal = next((step for step, value in averaged if value <= loss), None)
        ratio = (averaged[-1][0] if equal is None else equal) * course.step_bytes / sent
        rows.append(Row(way, loss, sent / 1e6, equal, ratio, overhead_s))
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    print(f"{'way':<30}{'loss':>8}{'MB':>10}{'equal at step':>15}{'fewer bytes':>13}{'overhead a round':>18}")
    for row in rows:
        equal_text = "-" if row.equal_step is None else str(row.equal_step)
        print(
            f"{row.way:<30}{row.loss:>8.4f}{row.megabytes:>10.2f}{equal_text:>15}{row.ratio:>12.0f}x{row.overhead_s:>16.3f} s"
        )
    print(f"targets: {RATIO_TARGET}x fewer bytes at equal loss, under {OVERHEAD_TARGET_S:g} s a round")


if __name__ == "__main__":
    main()
