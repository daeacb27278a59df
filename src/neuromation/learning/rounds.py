"""A DiLoCo training as a pure function of its course: what each replica does in each round, and the whole of it again.

The platform deals these tasks to nodes; whoever has a model's lineage repeats them here, one after the other, and
arrives at the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from neuromation.learning import diloco
from neuromation.learning.errors import BadRecipe
from neuromation.learning.problem import Samples
from neuromation.learning.training import Trained, train_segments
from neuromation.learning.weights import Weights
from neuromation.learning.zoo import initial_weights

# How far a whole training may end from its replay, in lengths of the way that the weights went: rounding differs between
# processors, and grows from round to round.
REPRODUCED_WITHIN = 0.05

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a training over several nodes goes: rounds of `steps` local steps by each of `replicas`."""

    rounds: int
    replicas: int
    steps: int
    batch_size: int
    learning_rate: float
    segments: int
    seed: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Course:
        """Read a course from an order or a lineage; other entries are left out. Raises BadRecipe."""
        try:
            whole = {
                name: int(data[name]) for name in ("rounds", "replicas", "steps", "batch_size", "segments", "seed")
            }
            return cls(**whole, learning_rate=float(data["learning_rate"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadRecipe(f"this does not tell how a training over rounds went ({str(error)[:80]})") from error

    def task(self, number: int, replica: int) -> dict[str, Any]:
        """The arguments of `train_segments` for a replica in round `number`."""
        lr, lr_end = diloco.learning_rates(self.learning_rate, rounds=self.rounds)[number]
        return {
            "seed": (self.seed * 1_000_003 + number * 1_009 + replica) % 2**62,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "lr": lr,
            "lr_end": lr_end,
            "segments": self.segments,
        }

    def shards_of(self, replica: int, shards: Sequence[T]) -> list[T]:
        """The shards that a replica learns from, of all that train."""
        return list(shards[replica :: self.replicas])


def delta_file(segment: int) -> str:
    """The name under which the delta of a segment (from 1 on) is sent."""
    return f"segment-{segment}.delta"


def train_locally(
    model: str, config: Mapping[str, object], samples: Samples, start: Weights, **task: Any
) -> tuple[list[bytes], Trained]:
    """A replica's part of a round, from the round's weights; `task` and errors are `train_segments`'.

    Returns:
        A compressed delta for each segment, from where the one before leads, and the training, whose weights are where
        they lead.
    """
    deltas: list[bytes] = []

    def settle(before: Weights, after: Weights) -> Weights:
        delta, end = diloco.settled(before, after)
        deltas.append(delta)
        return end

    return deltas, train_segments(model, config, samples, start, settle=settle, **task)


def outer_step(start: Weights, deltas: Sequence[Weights], momentum: Weights | None) -> tuple[Weights, Weights]:
    """The next round's weights and momentum, by the constants that suit few rounds."""
    return diloco.outer_step(start, deltas, momentum, lr=diloco.FEW_ROUNDS_LR, momentum=diloco.FEW_ROUNDS_MOMENTUM)


def replay(
    model: str,
    config: Mapping[str, object],
    course: Course,
    samples: Sequence[Samples],
    *,
    tell: Callable[[int, int], None] | None = None,
) -> Weights:
    """The weights that a training ends with, computed here, task after task.

    Args:
        samples: of each replica, in order.
        tell: called with (tasks done, tasks in all) after each.

    Raises:
        BadRecipe: there are not as many sets of samples as replicas.
        What `train_segments` raises.
    """
    if len(samples) != course.replicas:
        raise BadRecipe(f"{course.replicas} replicas need as many sets of samples, not {len(samples)}")
    weights = initial_weights(model, config, samples[0].classes, course.seed)
    momentum: Weights | None = None
    for number in range(course.rounds):
        deltas = []
        for replica, mine in enumerate(samples):
            _, done = train_locally(model, config, mine, weights, **course.task(number, replica))
            deltas.append(diloco.delta_of(weights, done.weights))
            if tell is not None:
                tell(number * course.replicas + replica + 1, course.rounds * course.replicas)
        weights, momentum = outer_step(weights, deltas, momentum)
    return weights
