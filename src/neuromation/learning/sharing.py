"""One training by several processes of a cluster: each takes its part of every batch, and all take the same step.

Owns the split and the sum of gradients, over `torch.distributed` as whoever started the processes has set it up (torchrun,
Ray Train); refuses to know who that was. The result is that of one process, but for the order of sums, so that an auditor
with one processor can repeat it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

from neuromation.learning.learner import Learner

WHOLE_MAX = 1e-5  # relative, between the loss of a batch and the mean of its parts' losses


@dataclass(frozen=True, slots=True)
class Share:
    """One process of `count`, number `rank`."""

    rank: int
    count: int

    @classmethod
    def of_this_process(cls) -> Share:
        """The share in the process group that was set up."""
        return cls(distributed.get_rank(), distributed.get_world_size())

    def divides(self, module: Learner, inputs: torch.Tensor, targets: Sequence[Any], *, seed: int) -> bool:
        """Whether the loss of a batch is the mean of its parts' losses, tried on this one.

        It is not where samples of a batch meet each other (batch normalisation), where something is left out at random
        (dropout), or where a loss counts objects instead of samples. Such networks are not split: every process does
        the whole steps, so that they end alike.
        """
        tried = copy.deepcopy(module)
        with torch.no_grad():
            torch.manual_seed(seed)
            whole = float(tried.loss(inputs, targets))
            parts = 0.0
            for rank in range(self.count):
                mine = _places(len(targets), rank, self.count)
                if mine:
                    torch.manual_seed(seed)
                    loss = tried.loss(inputs[mine], [targets[i] for i in mine])
                    parts += float(loss) * len(mine) / len(targets)
        return abs(whole - parts) <= WHOLE_MAX * max(1.0, abs(whole))

    def backward(self, module: Learner, inputs: torch.Tensor, targets: Sequence[Any]) -> float:
        """Set the gradients of the whole batch's loss, of which this process computes its part; the loss itself."""
        mine = _places(len(targets), self.rank, self.count)
        total = torch.zeros(1)
        if mine:
            loss = module.loss(inputs[mine], [targets[i] for i in mine]) * (len(mine) / len(targets))
            torch.autograd.backward(loss)
            total += loss.detach()
        parameters = [p for p in module.parameters() if p.requires_grad]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.reshape(-1) for p in parameters if p.grad is not None] + [total])
        distributed.all_reduce(flat)
        at = 0
        for parameter in parameters:
            size = parameter.numel()
            parameter.grad = flat[at : at + size].reshape(parameter.shape).clone()
            at += size
        return float(flat[-1])


def _places(count: int, rank: int, of: int) -> list[int]:
    return list(range(rank, count, of))
