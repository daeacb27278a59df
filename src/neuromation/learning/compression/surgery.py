"""A network with fewer layers and channels than its configuration says; owns how one is built again from its weights.

A removed layer is named; how wide the others are follows from the shapes of their weights. So a compressed model needs no
configuration of its own, and refuses to be anything but a smaller copy of the network that it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neuromation.learning.errors import BadExport

if TYPE_CHECKING:
    from torch import nn

    from neuromation.learning.learner import Learner

REMOVED_MAX = 1_000


def without_layers(module: Learner, removed: Sequence[str]) -> Learner:
    """The module, changed in place: the layers of these paths pass on what they get. Raises BadExport for no such layer."""
    from torch import nn

    if len(removed) > REMOVED_MAX:
        raise BadExport(f"at most {REMOVED_MAX} layers can be removed, not {len(removed)}")
    for path in removed:
        parent, _, name = path.rpartition(".")
        try:
            owner = module.get_submodule(parent)
            owner.get_submodule(name)
        except AttributeError as error:
            raise BadExport(f"there is no layer {path[:80]!r} to remove; the file is damaged") from error
        setattr(owner, name, nn.Identity())
    return module


def narrowed(module: Learner, shapes: Mapping[str, tuple[int, ...]]) -> Learner:
    """The module, changed in place: its tensors take these shapes, none longer than before in any direction.

    Values are undefined afterwards; load weights next. Raises BadExport for tensors that are missing, or larger than
    the network's own.
    """
    import torch

    for path, part in list(module.named_modules()):
        for table in (part._parameters, part._buffers):
            for name, tensor in table.items():
                full = f"{path}.{name}" if path else name
                if tensor is None or not tensor.is_floating_point() or name in part._non_persistent_buffers_set:
                    continue
                shape = shapes.get(full)
                if (
                    shape is None
                    or len(shape) != tensor.dim()
                    or any(not 1 <= s <= t for s, t in zip(shape, tensor.shape, strict=True))
                ):
                    raise BadExport(
                        f"tensor {full!r:.80} has the form {shape}, and at most {tuple(tensor.shape)} is possible"
                    )
                if shape != tuple(tensor.shape):
                    values = torch.zeros(shape)
                    table[name] = torch.nn.Parameter(values) if table is part._parameters else values
        _tell_width(part)
    return module


def _tell_width(part: nn.Module) -> None:
    """Bring the numbers that a layer keeps of its own width in line with its weights."""
    from torch import nn

    part_: Any = part
    if isinstance(part, nn.Conv1d | nn.Conv2d) and isinstance(part.weight, nn.Parameter):
        if part.groups > 1 and part.weight.shape[1] == 1:  # depthwise
            part.groups = part.weight.shape[0]
        part_.out_channels, part_.in_channels = part.weight.shape[0], part.weight.shape[1] * part.groups
    elif isinstance(part, nn.Linear):
        part_.out_features, part_.in_features = part.weight.shape
    elif isinstance(part, nn.modules.batchnorm._BatchNorm) and part.weight is not None:
        part_.num_features = len(part.weight)
    elif isinstance(part, nn.GroupNorm) and part.weight is not None:
        part_.num_channels = len(part.weight)


def shapes_of_file(data: bytes) -> dict[str, tuple[int, ...]]:
    """Names and shapes in a safetensors file whose length was checked. Raises BadExport."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return {name: tuple(array.shape) for name, array in load(data).items()}
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise BadExport(f"the weights are no readable safetensors file ({str(error)[:120]})") from error
