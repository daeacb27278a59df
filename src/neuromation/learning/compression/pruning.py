"""Fewer channels and fewer layers: which ones go is decided by what the loss says; refuses to know how the rest heals.

Channels that belong together, over shortcuts and concatenations, are found by torch-pruning's dependency graph (Fang et
al., "DepGraph: towards any structural pruning", CVPR 2023). Layers that can be taken out are blocks inside a sequence that
give what they get in the same form, as residual blocks do (Veit et al. 2016: such networks lose little with one of them).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.errors import NothingToPrune

if TYPE_CHECKING:
    import torch
    from torch import nn

    from neuromation.learning.learner import Learner

ROUND_TO = 4  # channels of a layer stay a multiple of this, which fits the registers of processors
_BATCH = 16


def prune_channels(module: Learner, inputs: NDArray[np.float32], targets: Sequence[Any], *, share: float) -> None:
    """Take a share of the channels out of every layer but those that answer, in place.

    A channel's worth is the first-order Taylor term of the loss (Molchanov et al., "Importance estimation for neural
    network pruning", CVPR 2019), summed over all layers that lose it together.

    Args:
        module: changed in place.
        inputs: float32 (N, ...) as the network takes them; targets: one each, in its own pixels.
        share: of the channels that go, 0..1.

    Raises:
        NothingToPrune: no layer has channels to spare, or they cannot be followed through the network.
    """
    import torch
    import torch_pruning

    example = torch.from_numpy(inputs[:2])
    before = _shapes(module, example)
    count = sum(parameter.numel() for parameter in module.parameters())
    module.eval()
    with _threads_and_gradients():
        try:
            graph = torch_pruning.DependencyGraph().build_dependency(module, example_inputs=example)
            pruner = torch_pruning.pruner.BasePruner(
                module,
                example,
                importance=torch_pruning.importance.GroupTaylorImportance(),
                pruning_ratio=share,
                ignored_layers=_answering(graph),
                round_to=ROUND_TO,
            )
            _gather_gradients(module, inputs, targets)
            pruner.step()
        except (RuntimeError, ValueError, KeyError, AttributeError, TypeError, IndexError, AssertionError) as error:
            raise NothingToPrune(
                f"the channels of this network cannot be followed through it ({str(error)[:160]}); "
                "leave pruning out, or teach a smaller network with `student`"
            ) from error
    module.zero_grad(set_to_none=True)
    if sum(parameter.numel() for parameter in module.parameters()) == count or _shapes(module, example) != before:
        raise NothingToPrune(
            "no layer of this network has channels to spare; leave pruning out, or prune a larger share"
        )


def macs_of(module: Learner, inputs: NDArray[np.float32]) -> int | None:
    """Multiplications with additions for one input, by torch-pruning; None where a layer defeats the count."""
    import torch
    import torch_pruning

    try:
        with _threads_and_gradients():
            macs, _ = torch_pruning.utils.count_ops_and_params(module.eval(), torch.from_numpy(inputs[:1]))
    except (RuntimeError, ValueError, KeyError, AttributeError, TypeError, IndexError):
        return None
    return int(macs)


def remove_layers(
    module: Learner, inputs: NDArray[np.float32], targets: Sequence[Any], *, count: int
) -> tuple[str, ...]:
    """Take out so many blocks in place, each time the one without which the loss is least; their paths, in that order.

    Args:
        module: changed in place.
        inputs: float32 (N, ...) as the network takes them; targets: one each, in its own pixels.

    Raises NothingToPrune when there are not so many blocks that can be taken out.
    """
    from torch import nn

    removed: list[str] = []
    for _ in range(count):
        found = _removable(module, inputs)
        losses = []
        for path in found:
            owner, name = _owner(module, path)
            kept = owner.get_submodule(name)
            setattr(owner, name, nn.Identity())
            losses.append(_loss(module, inputs, targets))
            setattr(owner, name, kept)
        if not losses or not np.isfinite(min(losses)):
            raise NothingToPrune(
                f"{len(removed)} blocks of this network can be taken out, not {count}: a block that can go lies in a "
                "sequence and gives what it gets in the same form"
            )
        best = found[int(np.argmin(losses))]
        owner, name = _owner(module, best)
        setattr(owner, name, nn.Identity())
        removed.append(best)
    return tuple(removed)


def _removable(module: Learner, inputs: NDArray[np.float32]) -> list[str]:
    """Paths of blocks (layers made of layers) in a `Sequential` whose output has the form of their input."""
    import torch
    from torch import nn

    paths = [
        f"{path}.{name}" if path else name
        for path, part in module.named_modules()
        if isinstance(part, nn.Sequential)
        for name, child in part.named_children()
        if next(child.children(), None) is not None and next(child.parameters(), None) is not None
    ]
    same: dict[str, bool] = {}

    def watch(path: str) -> Any:
        def hook(_: nn.Module, taken: tuple[Any, ...], given: Any) -> None:
            alike = (
                len(taken) == 1 and isinstance(given, torch.Tensor) and given.shape == getattr(taken[0], "shape", None)
            )
            same[path] = alike and same.get(path, True)

        return hook

    hooks = [module.get_submodule(path).register_forward_hook(watch(path)) for path in paths]
    try:
        _shapes(module, torch.from_numpy(inputs[:2]))
    finally:
        for one in hooks:
            one.remove()
    return [path for path in paths if same.get(path)]


def _owner(module: Learner, path: str) -> tuple[nn.Module, str]:
    parent, _, name = path.rpartition(".")
    return module.get_submodule(parent), name


def _answering(graph: Any) -> list[nn.Module]:
    """The layers with nothing but arithmetic between them and an output: their channels are the answer's."""
    from torch import nn

    weighty = (nn.modules.conv._ConvNd, nn.Linear)
    found: list[nn.Module] = []
    for part, node in graph.module2node.items():
        if isinstance(part, weighty):
            seen: set[int] = set()
            ahead = list(node.outputs)
            last = not ahead
            while ahead:
                one = ahead.pop()
                if id(one) in seen or isinstance(one.module, weighty):
                    continue
                seen.add(id(one))
                last = last or not one.outputs
                ahead += one.outputs
            if last:
                found.append(part)
    return found


def _gather_gradients(module: Learner, inputs: NDArray[np.float32], targets: Sequence[Any]) -> None:
    import torch

    module.zero_grad(set_to_none=True)
    for first in range(0, len(inputs), _BATCH):
        part = slice(first, first + _BATCH)
        torch.autograd.backward(module.loss(torch.from_numpy(inputs[part]), targets[part]))


def _loss(module: Learner, inputs: NDArray[np.float32], targets: Sequence[Any]) -> float:
    import torch

    module.eval()
    total = 0.0
    with torch.inference_mode():
        for first in range(0, len(inputs), _BATCH):
            part = slice(first, first + _BATCH)
            own = targets[part]
            try:
                total += float(module.loss(torch.from_numpy(inputs[part]), own)) * len(own)
            except RuntimeError:  # without this block the next does not fit
                return float("inf")
    return total / len(targets)


def _shapes(module: Learner, example: torch.Tensor) -> list[tuple[int, ...]]:
    import torch

    module.eval()
    with torch.inference_mode():
        return [tuple(output.shape) for output in module(example)]


@contextmanager
def _threads_and_gradients() -> Iterator[None]:
    """One thread, gradients on, and torch-pruning's remarks to its own developers off."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)
