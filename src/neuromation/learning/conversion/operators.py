"""What each ONNX operator computes, in torch; owns the table of operators, refuses to know files and graphs.

Semantics: github.com/onnx/onnx/blob/main/docs/Operators.md, from operator set 13 on. Sizes of tensors are not tensors here
but numpy arrays of Python integers (or of torch's symbolic ones), so that a graph that computes its shapes can be traced
with a free batch. An operator takes its inputs (None where one is left out) and its attributes, and returns one value or a
tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

Value = Any  # a torch.Tensor, or Sizes
Attributes = Mapping[str, Any]
Operator = Callable[..., Any]
Sizes = NDArray[np.object_]


class NotCovered(Exception):
    """A form of an operator that is not covered; the text names it."""


# ONNX TensorProto.DataType -> torch.
DTYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float16, 11: torch.float64, 16: torch.bfloat16,
}  # fmt: skip


def is_sizes(value: Value) -> bool:
    """Whether a value is sizes rather than a tensor."""
    return isinstance(value, np.ndarray)


def sizes_of(values: Sequence[Any] | Any, *, scalar: bool = False) -> Sizes:
    """Sizes from integers."""
    made = np.empty((), object) if scalar else np.empty(len(values), object)
    made[...] = values
    return made


def tensor(value: Value, like: torch.Tensor | None = None) -> torch.Tensor:
    """A value as a tensor, on the device of another."""
    if isinstance(value, torch.Tensor):
        return value
    device = None if like is None else like.device
    if all(type(item) is int for item in value.flat):
        return torch.tensor(value.tolist(), dtype=torch.int64, device=device)
    parts = [torch.scalar_tensor(item, dtype=torch.int64, device=device) for item in value.flat]
    return torch.stack(parts).reshape(value.shape)


def integers(value: Value) -> list[Any]:
    """A value as Python integers: sizes as they are, a tensor by what it holds."""
    return list(value.flat) if is_sizes(value) else [int(item) for item in value.reshape(-1).tolist()]


def _axes(inputs: Sequence[Value], place: int, attributes: Attributes) -> list[int] | None:
    """Axes as an input (newer operator sets) or as an attribute; None when neither is given."""
    if len(inputs) > place and inputs[place] is not None:
        return integers(inputs[place])
    return list(attributes["axes"]) if "axes" in attributes else None


# Element by element.


def _unary(compute: Callable[[torch.Tensor], torch.Tensor]) -> Operator:
    return lambda x, **_: compute(tensor(x))


def _folded(compute: Callable[[Any, Any], Any], *, sizes: Callable[[Any, Any], Any] | None = None) -> Operator:
    """An operator of any number of operands, from left to right; on sizes alone it gives sizes."""

    def run(*values: Value, **_: Any) -> Value:
        if sizes is not None and all(map(is_sizes, values)):
            return reduce(lambda a, b: np.asarray(sizes(a, b), object), values)
        like = next((value for value in values if isinstance(value, torch.Tensor)), None)
        return reduce(compute, (tensor(value, like) for value in values))

    return run


def _divide(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _where(condition: Value, a: Value, b: Value, **_: Any) -> Value:
    if all(map(is_sizes, (condition, a, b))):
        return np.where(condition.astype(bool), a, b)
    chosen = tensor(condition)
    return torch.where(chosen.bool(), tensor(a, chosen), tensor(b, chosen))


def _clip(x: Value, low: Value | None = None, high: Value | None = None, **_: Any) -> torch.Tensor:
    return torch.clamp(tensor(x), None if low is None else tensor(low), None if high is None else tensor(high))


def _gelu(x: torch.Tensor, approximate: str = "none", **_: Any) -> torch.Tensor:
    return functional.gelu(x, approximate=approximate)


def _hard_sigmoid(x: torch.Tensor, alpha: float = 0.2, beta: float = 0.5, **_: Any) -> torch.Tensor:
    return torch.clamp(alpha * x + beta, 0, 1)


def _prelu(x: torch.Tensor, slope: torch.Tensor, **_: Any) -> torch.Tensor:
    return torch.where(x < 0, x * slope, x)


def _cast(x: Value, to: int, **_: Any) -> Value:
    if is_sizes(x) and to in (6, 7):
        return x
    if to not in DTYPES:
        raise NotCovered(f"Cast to type {to}")
    return tensor(x).to(DTYPES[to])


# Shapes.


def _shape(x: Value, start: int = 0, end: int | None = None, **_: Any) -> Sizes:
    return sizes_of(list(x.shape)[start:end])


def _reshape(x: Value, shape: Value, allowzero: int = 0, **_: Any) -> Value:
    wanted = integers(shape)
    if not allowzero:
        wanted = [x.shape[place] if type(size) is int and size == 0 else size for place, size in enumerate(wanted)]
    return x.reshape(wanted)


def _flatten(x: torch.Tensor, axis: int = 1, **_: Any) -> torch.Tensor:
    axis = axis % x.ndim if x.ndim else 0
    return x.flatten(1) if axis == 1 and x.ndim > 1 else x.reshape(*_product(x.shape[:axis]), -1)


def _product(sizes: Sequence[Any]) -> list[Any]:
    return [reduce(lambda a, b: a * b, sizes, 1)]


def _transpose(x: torch.Tensor, perm: Sequence[int] | None = None, **_: Any) -> torch.Tensor:
    return x.permute(list(perm) if perm is not None else list(range(x.ndim))[::-1])


def _squeeze(x: Value, axes: Value = None, **attributes: Any) -> Value:
    chosen = _axes((x, axes), 1, attributes)
    places = [a % x.ndim for a in chosen] if chosen is not None else [p for p, size in enumerate(x.shape) if size == 1]
    return x.reshape([size for place, size in enumerate(x.shape) if place not in places])


def _unsqueeze(x: Value, axes: Value = None, **attributes: Any) -> Value:
    chosen = _axes((x, axes), 1, attributes) or []
    rank = x.ndim + len(chosen)
    places, rest = {a % rank for a in chosen}, iter(x.shape)
    return x.reshape([1 if place in places else next(rest) for place in range(rank)])


def _concat(*values: Value, axis: int, **_: Any) -> Value:
    if all(map(is_sizes, values)):
        return np.concatenate([np.atleast_1d(value) for value in values])
    return torch.cat([tensor(value) for value in values], dim=axis)


def _split(
    x: Value, sizes: Value = None, axis: int = 0, num_outputs: int = 0, outputs: int = 1, **_: Any
) -> tuple[Value, ...]:
    if sizes is not None:
        parts = integers(sizes)
    else:
        each = -(-int(x.shape[axis]) // (num_outputs or outputs))
        parts = [min(each, int(x.shape[axis]) - first) for first in range(0, int(x.shape[axis]), each)]
    if is_sizes(x):
        return tuple(np.split(x, np.cumsum(parts)[:-1].astype(int)))
    return torch.split(x, parts, dim=axis)


def _slice(x: Value, starts: Value, ends: Value, axes: Value = None, steps: Value = None, **_: Any) -> Value:
    first, last = integers(starts), integers(ends)
    places = integers(axes) if axes is not None else list(range(len(first)))
    strides = integers(steps) if steps is not None else [1] * len(first)
    for place, start, end, step in zip(places, first, last, strides, strict=True):
        axis = place % x.ndim
        if is_sizes(x):
            x = x[slice(start, end, step)]
        elif step < 0:
            kept = range(int(x.shape[axis]))[slice(start, None if end < -int(x.shape[axis]) else end, step)]
            x = x.index_select(axis, torch.tensor(list(kept), dtype=torch.int64, device=x.device))
        else:
            x = x[(slice(None),) * axis + (slice(start, None if type(end) is int and end >= 2**31 - 1 else end, step),)]
    return x


def _gather(x: Value, index: Value, axis: int = 0, **_: Any) -> Value:
    if is_sizes(x):
        return np.asarray(x[np.array(integers(index), int).reshape(index.shape)], object)
    places = tensor(index, x)
    size = x.shape[axis]
    flat = torch.where(places < 0, places + size, places).reshape(-1)
    axis = axis % x.ndim
    return x.index_select(axis, flat).reshape(*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])


def _gather_elements(x: torch.Tensor, index: torch.Tensor, axis: int = 0, **_: Any) -> torch.Tensor:
    return torch.gather(x, axis, torch.where(index < 0, index + x.shape[axis], index))


def _scatter_elements(
    x: Value, index: torch.Tensor, updates: torch.Tensor, axis: int = 0, reduction: str = "none", **_: Any
) -> torch.Tensor:
    if reduction != "none":
        raise NotCovered(f"ScatterElements with {reduction}")
    into = tensor(x)
    return into.scatter(axis, torch.where(index < 0, index + into.shape[axis], index), updates)


def _expand(x: Value, shape: Value, **_: Any) -> torch.Tensor:
    wanted = integers(shape)
    made = tensor(x)
    wanted = [1] * (made.ndim - len(wanted)) + wanted
    offset = len(wanted) - made.ndim
    return made.expand(
        [
            made.shape[p - offset] if p >= offset and type(size) is int and size == 1 else size
            for p, size in enumerate(wanted)
        ]
    )


def _tile(x: torch.Tensor, repeats: Value, **_: Any) -> torch.Tensor:
    return x.repeat(integers(repeats))


def _pad(
    x: torch.Tensor, pads: Value, value: Value = None, axes: Value = None, mode: str = "constant", **_: Any
) -> torch.Tensor:
    places = [a % x.ndim for a in integers(axes)] if axes is not None else list(range(x.ndim))
    amounts = integers(pads)
    by_axis = dict(zip(places, zip(amounts[: len(places)], amounts[len(places) :], strict=True), strict=True))
    lowest = 0 if mode == "constant" else min((a for a, both in by_axis.items() if both != (0, 0)), default=x.ndim - 1)
    widths = [width for axis in range(x.ndim - 1, lowest - 1, -1) for width in by_axis.get(axis, (0, 0))]
    modes = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    if mode != "constant":
        return functional.pad(x, widths, mode=modes[mode])
    return functional.pad(x, widths, value=0.0 if value is None else tensor(value).item())


def _constant_of_shape(shape: Value, value: torch.Tensor | None = None, **_: Any) -> torch.Tensor:
    filled = torch.zeros(1) if value is None else value
    return filled.reshape(()).expand(integers(shape))


def _range(start: Value, end: Value, step: Value, **_: Any) -> torch.Tensor:
    if all(map(is_sizes, (start, end, step))):
        return torch.arange(start.item(), end.item(), step.item())
    return torch.arange(tensor(start).item(), tensor(end).item(), tensor(step).item(), dtype=tensor(start).dtype)


def _depth_to_space(x: torch.Tensor, blocksize: int, mode: str = "DCR", **_: Any) -> torch.Tensor:
    if mode == "CRD":
        return functional.pixel_shuffle(x, blocksize)
    n, c, h, w = x.shape
    b = blocksize
    return x.reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // (b * b), h * b, w * b)


def _resize(
    x: torch.Tensor, _roi: Value = None, scales: Value = None, sizes: Value = None, **attributes: Any
) -> torch.Tensor:
    mode, how = attributes.get("mode", "nearest"), attributes.get("coordinate_transformation_mode", "half_pixel")
    if "axes" in attributes or attributes.get("antialias") or x.ndim < 3:
        raise NotCovered("Resize with axes or antialiasing")
    if sizes is not None and len(integers(sizes)):
        target = integers(sizes)[2:]
    else:
        shares = tensor(scales).tolist()[2:]
        target = [int(size * share) for size, share in zip(x.shape[2:], shares, strict=True)]
    if mode == "nearest":
        # Where sizes grow by whole numbers, both ways of counting pixels take the same ones.
        whole = all(int(t) % int(size) == 0 for t, size in zip(target, x.shape[2:], strict=True))
        floored = (how, attributes.get("nearest_mode", "round_prefer_floor")) == ("asymmetric", "floor")
        if not floored and not (whole and how == "half_pixel"):
            raise NotCovered(f"Resize nearest, {how}")
        return functional.interpolate(x, size=target, mode="nearest")
    if mode != "linear" or x.ndim != 4 or how not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise NotCovered(f"Resize {mode}, {how}")
    return functional.interpolate(x, size=target, mode="bilinear", align_corners=how == "align_corners")


# Sums over axes.


def _reduce(compute: Callable[..., torch.Tensor]) -> Operator:
    def run(x: Value, axes: Value = None, keepdims: int = 1, noop_with_empty_axes: int = 0, **attributes: Any) -> Value:
        chosen = _axes((x, axes), 1, attributes)
        if not chosen and noop_with_empty_axes:
            return x
        if is_sizes(x):
            x = tensor(x)
        return compute(x, [a % x.ndim for a in chosen] if chosen else list(range(x.ndim)), bool(keepdims))

    return run


def _reduce_prod(x: Value, axes: Value = None, keepdims: int = 1, **attributes: Any) -> Value:
    if is_sizes(x):
        return sizes_of(_product(list(x.flat))) if keepdims else sizes_of(_product(list(x.flat))[0], scalar=True)
    places = _axes((x, axes), 1, attributes) or list(range(x.ndim))
    for axis in sorted((a % x.ndim for a in places), reverse=True):
        x = x.prod(axis, keepdim=bool(keepdims))
    return x


def _arg(compute: Callable[..., torch.Tensor]) -> Operator:
    def run(x: torch.Tensor, axis: int = 0, keepdims: int = 1, select_last_index: int = 0, **_: Any) -> torch.Tensor:
        if select_last_index:
            raise NotCovered("ArgMax of the last index")
        return compute(x, dim=axis, keepdim=bool(keepdims))

    return run


def _top_k(x: torch.Tensor, k: Value, axis: int = -1, largest: int = 1, **_: Any) -> tuple[torch.Tensor, torch.Tensor]:
    values, places = torch.topk(x, integers(k)[0], dim=axis, largest=bool(largest))
    return values, places


def _cumsum(x: torch.Tensor, axis: Value, exclusive: int = 0, reverse: int = 0, **_: Any) -> torch.Tensor:
    if exclusive or reverse:
        raise NotCovered("CumSum backwards")
    return x.cumsum(integers(axis)[0])


# Layers.


def _gemm(
    a: torch.Tensor, b: torch.Tensor, c: Value = None, alpha: float = 1.0, beta: float = 1.0, **flags: Any
) -> torch.Tensor:
    made = (a.T if flags.get("transA") else a) @ (b.T if flags.get("transB") else b)
    made = made if alpha == 1.0 else alpha * made
    return made if c is None else made + (c if beta == 1.0 else beta * c)


def _spread(values: Sequence[int] | None, count: int) -> list[int]:
    return list(values) if values is not None else [1] * count


def _padding(x: torch.Tensor, kernel: Sequence[int], attributes: Attributes) -> list[tuple[int, int]]:
    """Padding before and after each axis in space."""
    space = len(kernel)
    auto = attributes.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        pads = list(attributes.get("pads") or [0] * (2 * space))
        return list(zip(pads[:space], pads[space:], strict=True))
    if auto == "VALID":
        return [(0, 0)] * space
    strides, dilations = _spread(attributes.get("strides"), space), _spread(attributes.get("dilations"), space)
    pairs = []
    for size, width, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        total = max(0, (-(-int(size) // stride) - 1) * stride + dilation * (width - 1) + 1 - int(size))
        pairs.append((total // 2, total - total // 2) if auto == "SAME_UPPER" else (total - total // 2, total // 2))
    return pairs


def _widened(x: torch.Tensor, pairs: Sequence[tuple[int, int]], value: float) -> torch.Tensor:
    widths = [width for pair in reversed(pairs) for width in pair]
    return functional.pad(x, widths, value=value) if any(widths) else x


def _conv(x: torch.Tensor, weight: torch.Tensor, bias: Value = None, group: int = 1, **attributes: Any) -> torch.Tensor:
    space = weight.ndim - 2
    pairs = _padding(x, list(weight.shape[2:]), attributes)
    even = all(before == after for before, after in pairs)
    compute = (functional.conv1d, functional.conv2d, functional.conv3d)[space - 1]
    return compute(
        x if even else _widened(x, pairs, 0.0), weight, bias, _spread(attributes.get("strides"), space),
        [before for before, _ in pairs] if even else 0, _spread(attributes.get("dilations"), space), group,
    )  # fmt: skip


def _conv_transpose(
    x: torch.Tensor, weight: torch.Tensor, bias: Value = None, group: int = 1, **attributes: Any
) -> torch.Tensor:
    space = weight.ndim - 2
    pairs = _padding(x, list(weight.shape[2:]), {key: v for key, v in attributes.items() if key != "auto_pad"})
    if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or "output_shape" in attributes:
        raise NotCovered("ConvTranspose with automatic padding")
    compute = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[space - 1]
    extra = list(attributes.get("output_padding") or [0] * space)
    made = compute(
        x,
        weight,
        bias,
        _spread(attributes.get("strides"), space),
        0,
        extra,
        group,
        _spread(attributes.get("dilations"), space),
    )
    for axis, (before, after) in enumerate(pairs, 2):
        made = made.narrow(axis, before, made.shape[axis] - before - after)
    return made


def _max_pool(
    x: torch.Tensor, kernel_shape: Sequence[int], ceil_mode: int = 0, outputs: int = 1, **attributes: Any
) -> torch.Tensor:
    if outputs > 1:
        raise NotCovered("MaxPool with places")
    space = len(kernel_shape)
    pairs = _padding(x, kernel_shape, attributes)
    compute = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[space - 1]
    return compute(
        _widened(x, pairs, float("-inf")), list(kernel_shape), _spread(attributes.get("strides"), space), 0,
        _spread(attributes.get("dilations"), space), ceil_mode=bool(ceil_mode),
    )  # fmt: skip


def _average_pool(
    x: torch.Tensor, kernel_shape: Sequence[int], ceil_mode: int = 0, count_include_pad: int = 0, **attributes: Any
) -> torch.Tensor:
    space = len(kernel_shape)
    pairs = _padding(x, kernel_shape, attributes)
    padded = any(pair != (0, 0) for pair in pairs)
    if any(step != 1 for step in _spread(attributes.get("dilations"), space)):
        raise NotCovered("AveragePool with dilations")
    pool: Any = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[space - 1]
    stride = _spread(attributes.get("strides"), space)
    run = partial(pool, kernel_size=list(kernel_shape), stride=stride, ceil_mode=bool(ceil_mode))
    made: torch.Tensor = run(_widened(x, pairs, 0.0))
    return made / run(_widened(torch.ones_like(x), pairs, 0.0)) if padded and not count_include_pad else made


def _batch_norm(
    x: torch.Tensor,
    scale: torch.Tensor,
    shift: torch.Tensor,
    mean: torch.Tensor,
    var: torch.Tensor,
    epsilon: float = 1e-5,
    **_: Any,
) -> torch.Tensor:
    return functional.batch_norm(x, mean, var, scale, shift, training=False, eps=epsilon)


def _layer_norm(
    x: torch.Tensor, scale: torch.Tensor, bias: Value = None, axis: int = -1, epsilon: float = 1e-5, **_: Any
) -> torch.Tensor:
    return functional.layer_norm(x, list(x.shape[axis % x.ndim :]), scale, bias, epsilon)


def _group_norm(
    x: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, num_groups: int, epsilon: float = 1e-5, **_: Any
) -> torch.Tensor:
    return functional.group_norm(x, num_groups, scale, bias, epsilon)


def _instance_norm(
    x: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, epsilon: float = 1e-5, **_: Any
) -> torch.Tensor:
    return functional.instance_norm(x, weight=scale, bias=bias, eps=epsilon)


def _global(compute: Callable[..., torch.Tensor]) -> Operator:
    return lambda x, **_: compute(x, list(range(2, x.ndim)), True)


def _same(x: Value, *_: Value, **__: Any) -> Value:
    return x


def _constant(
    value: torch.Tensor | None = None,
    value_int: int | None = None,
    value_ints: Any = None,
    value_float: Any = None,
    **_: Any,
) -> Value:
    if value is not None:
        return value
    if value_int is not None:
        return sizes_of(value_int, scalar=True)
    if value_ints is not None:
        return sizes_of(list(value_ints))
    if value_float is not None:
        return torch.tensor(value_float)
    raise NotCovered("Constant of this form")


def _average(*values: torch.Tensor, **_: Any) -> torch.Tensor:
    return reduce(torch.add, values) / len(values)


def _mean(x: torch.Tensor, axes: list[int], keep: bool) -> torch.Tensor:
    return x.mean(axes, keepdim=keep)


def _sum(x: torch.Tensor, axes: list[int], keep: bool) -> torch.Tensor:
    return x.sum(axes, keepdim=keep)


_EQUAL: Any = np.frompyfunc(lambda a, b: bool(a == b), 2, 1)

_FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Abs": torch.abs, "Ceil": torch.ceil, "Cos": torch.cos, "Erf": torch.erf, "Exp": torch.exp, "Floor": torch.floor,
    "HardSwish": functional.hardswish, "IsNaN": torch.isnan, "Log": torch.log, "Mish": functional.mish,
    "Neg": torch.neg, "Not": torch.logical_not, "Reciprocal": torch.reciprocal, "Relu": torch.relu,
    "Round": torch.round, "Sigmoid": torch.sigmoid, "Sign": torch.sign, "Sin": torch.sin,
    "Softplus": functional.softplus, "Softsign": functional.softsign, "Sqrt": torch.sqrt, "Tan": torch.tan,
    "Tanh": torch.tanh, "Atan": torch.atan, "IsInf": torch.isinf,
}  # fmt: skip

OPERATORS: dict[str, Operator] = {
    **{name: _unary(compute) for name, compute in _FUNCTIONS.items()},
    "Add": _folded(torch.add, sizes=lambda a, b: a + b), "Sub": _folded(torch.sub, sizes=lambda a, b: a - b),
    "Mul": _folded(torch.mul, sizes=lambda a, b: a * b), "Div": _folded(_divide, sizes=lambda a, b: a // b),
    "Sum": _folded(torch.add), "Mean": _average,
    "Max": _folded(torch.maximum, sizes=np.maximum), "Min": _folded(torch.minimum, sizes=np.minimum),
    "Pow": _folded(torch.pow), "And": _folded(torch.logical_and), "Or": _folded(torch.logical_or),
    "Xor": _folded(torch.logical_xor), "Equal": _folded(torch.eq, sizes=_EQUAL), "Greater": _folded(torch.gt),
    "GreaterOrEqual": _folded(torch.ge), "Less": _folded(torch.lt), "LessOrEqual": _folded(torch.le), "Where": _where,
    "Clip": _clip, "Gelu": _gelu, "HardSigmoid": _hard_sigmoid, "PRelu": _prelu, "Cast": _cast,
    "CastLike": lambda x, like, **_: tensor(x).to(like.dtype),
    "LeakyRelu": lambda x, alpha=0.01, **_: functional.leaky_relu(x, alpha),
    "Elu": lambda x, alpha=1.0, **_: functional.elu(x, alpha), "Selu": _unary(torch.selu),
    "Celu": lambda x, alpha=1.0, **_: functional.celu(x, alpha),
    "Softmax": lambda x, axis=-1, **_: torch.softmax(x, axis), "LogSoftmax": lambda x, axis=-1, **_: torch.log_softmax(x, axis),
    "Shape": _shape, "Size": lambda x, **_: sizes_of(x.numel(), scalar=True), "Reshape": _reshape, "Flatten": _flatten,
    "Transpose": _transpose, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Concat": _concat, "Split": _split,
    "Slice": _slice, "Gather": _gather, "GatherElements": _gather_elements, "ScatterElements": _scatter_elements,
    "Expand": _expand, "Tile": _tile, "Pad": _pad,
    "ConstantOfShape": _constant_of_shape, "Range": _range, "DepthToSpace": _depth_to_space, "Resize": _resize,
    "Identity": _same, "Dropout": _same, "Constant": _constant,
    "ReduceMean": _reduce(_mean), "ReduceSum": _reduce(_sum), "ReduceProd": _reduce_prod,
    "ReduceMax": _reduce(lambda x, axes, keep: x.amax(axes, keep)),
    "ReduceMin": _reduce(lambda x, axes, keep: x.amin(axes, keep)),
    "ReduceL2": _reduce(lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt()),
    "ReduceL1": _reduce(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    "ReduceSumSquare": _reduce(lambda x, axes, keep: x.square().sum(axes, keepdim=keep)),
    "ReduceLogSumExp": _reduce(torch.logsumexp),
    "ArgMax": _arg(torch.argmax), "ArgMin": _arg(torch.argmin), "TopK": _top_k, "CumSum": _cumsum,
    "MatMul": _folded(torch.matmul), "Gemm": _gemm,
    "Einsum": lambda *values, equation, **_: torch.einsum(equation, *values),
    "Conv": _conv, "ConvTranspose": _conv_transpose, "MaxPool": _max_pool, "AveragePool": _average_pool,
    "GlobalAveragePool": _global(_mean), "GlobalMaxPool": _global(lambda x, axes, keep: x.amax(axes, keep)),
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm, "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
}  # fmt: skip
