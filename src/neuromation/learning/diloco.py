"""DiLoCo's outer loop on plain arrays: compressed deltas in, the next weights out; refuses to know torch or nodes.

A round: every replica starts from the same weights, trains some hundred steps alone, and sends its *delta*, start -
end, which acts as a gradient of the round. The outer step aggregates the deltas robustly and applies Nesterov momentum.
On the platform a replica sends one compressed delta a segment and goes on from where that leads (`settled`): whoever has
the start and the deltas has every checkpoint, so that none is sent whole.
Sources: Douillard et al., "DiLoCo: Distributed low-communication training of language models" (2023); Karimireddy et
al., "Error feedback fixes SignSGD" (2019); Yin et al., "Byzantine-robust distributed learning" (2018).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.errors import BadDelta, BadRecipe
from neuromation.learning.weights import VALUE_MAX, Array, Weights, check_weights, difference, layout_digest, norm

Robust = Literal["trimmed-mean", "median", "mean"]

REPLICAS_MAX = 256
CLIP = 1.25  # of two replicas, neither moves the weights further than this many times the other, or the running step
TRIMMED_SHARE = 0.25  # cut from each end of each value; at least one replica from three on

# What did best on `digits-cnn` with a few rounds; DiLoCo's own 0.7 and 0.9 settle only after tens of rounds.
FEW_ROUNDS_LR = 1.0
FEW_ROUNDS_MOMENTUM = 0.0
LR_FLOOR = 0.05  # of the inner learning rate is left at the end of the last round

_MAGIC = b"NMDELTA1"
_LEVELS = 127  # int8 from -127 to 127
_TENSOR = struct.Struct("<fB")  # scale, and how the values follow
_ALL, _SOME, _WHOLE = 0, 1, 2  # int8 each; a bitmap and int8 of those that are set; float32 each
# Of batch normalisation. Channels differ by orders of magnitude: on the grid of the largest, a small variance would turn
# negative. They are a thousandth of the values, so they are sent as they are.
_STATISTICS = ("running_mean", "running_var")
_VARIANCE = "running_var"


def learning_rates(lr: float, *, rounds: int) -> list[tuple[float, float]]:
    """The inner learning rate at the first and last step of each round: one cosine from `lr` to LR_FLOOR of it."""
    at = [lr * (LR_FLOOR + (1.0 - LR_FLOOR) * 0.5 * (1.0 + math.cos(math.pi * r / rounds))) for r in range(rounds + 1)]
    return list(pairwise(at))


def delta_of(start: Mapping[str, Array], end: Mapping[str, Array]) -> Weights:
    """The pseudo-gradient of a replica's round: start - end."""
    return difference(start, end)


def compress_delta(
    delta: Mapping[str, Array], residual: Mapping[str, Array] | None = None, *, keep: float = 1.0
) -> bytes:
    """Pack a delta: the largest values of each tensor, as int8 with one scale a tensor, deflated.

    Args:
        delta: start - end, float32, finite.
        residual: what former rounds of this replica left out (`residual_after`); it is added first. None: nothing.
        keep: share of each tensor's values that are sent, those of largest size, over 0 and at most 1.

    Returns:
        About 1 byte a value at keep=1, about 1/8 + keep bytes below; running statistics of normalisation are sent whole.
        `decompress_delta` reads it.
    """
    if not 0 < keep <= 1:
        raise BadRecipe(f"the share of values that is kept must be over 0 and at most 1, not {keep}")
    body = bytearray()
    for name in sorted(delta):
        values = delta[name].ravel() if residual is None else (delta[name] + residual[name]).ravel()
        body += _packed_whole(values) if name.endswith(_STATISTICS) else _packed(values, keep)
    return _MAGIC + layout_digest(delta) + zlib.compress(bytes(body), 6)


def _packed_whole(values: Array) -> bytes:
    _largest(values)
    return _TENSOR.pack(0.0, _WHOLE) + values.astype("<f4").tobytes()


def _largest(values: Array) -> float:
    largest = float(np.max(np.abs(values))) if values.size else 0.0
    if not np.isfinite(largest) or largest > VALUE_MAX:
        raise BadDelta(f"a delta's values must be finite and at most {VALUE_MAX:g}; the training diverged")
    return largest


def _packed(values: Array, keep: float) -> bytes:
    largest = _largest(values)
    scale = np.float32(largest / _LEVELS)
    if scale == 0.0:  # nothing moved, or less than float32 can say
        levels = np.zeros(values.size, np.int8)
    else:
        levels = np.clip(np.rint(values / scale), -_LEVELS, _LEVELS).astype(np.int8)
    kept = max(1, round(keep * values.size))
    if kept >= values.size:
        return _TENSOR.pack(scale, _ALL) + levels.tobytes()
    chosen = np.zeros(values.size, bool)
    chosen[np.argsort(-np.abs(values), kind="stable")[:kept]] = True
    return _TENSOR.pack(scale, _SOME) + np.packbits(chosen).tobytes() + levels[chosen].tobytes()


def decompress_delta(data: bytes, reference: Mapping[str, Array]) -> Weights:
    """Read a compressed delta that a stranger may have made.

    Args:
        data: what `compress_delta` returned.
        reference: weights of the same network; only names and shapes count.

    Raises:
        BadDelta: of another network, damaged, too long, or with values out of range. No more memory is ever taken than
            the reference's own tensors need.
    """
    prefix = _MAGIC + layout_digest(reference)
    body_max = sum(_TENSOR.size + _body_bytes_max(name, array) for name, array in reference.items())
    if len(data) > delta_bytes_max(reference) or not data.startswith(prefix):
        raise BadDelta("these bytes are no delta of this network; compress the difference to the round's start weights")
    body = _Reader(_inflated(data[len(prefix) :], body_max))
    delta = {name: _unpacked(body, name, reference[name].shape) for name in sorted(reference)}
    if body.left:
        raise BadDelta(f"the delta has {body.left} bytes too many; compress it again")
    return delta


def delta_bytes_max(reference: Mapping[str, Array]) -> int:
    """The most bytes that a compressed delta of this network may have."""
    return 1024 + sum(_body_bytes_max(name, array) + array.size // 2 + 16 for name, array in reference.items())


def _body_bytes_max(name: str, array: Array) -> int:
    return 4 * array.size if name.endswith(_STATISTICS) else array.size + -(-array.size // 8)


def _inflated(data: bytes, size_max: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(data, size_max + 1)
    except zlib.error as error:
        raise BadDelta(f"the delta is damaged ({error}); send it again") from error
    if len(body) > size_max or not inflater.eof or inflater.unused_data:
        raise BadDelta("the delta is truncated or longer than this network's tensors; send it again")
    return body


class _Reader:
    """Takes bytes from the front and refuses to read beyond the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise BadDelta("the delta ends too early; send it again")
        self._at += size
        return self._data[self._at - size : self._at]


def _unpacked(body: _Reader, name: str, shape: tuple[int, ...]) -> Array:
    size = int(np.prod(shape))
    scale, form = _TENSOR.unpack(body.take(_TENSOR.size))
    if form == _WHOLE and name.endswith(_STATISTICS):
        whole = np.frombuffer(body.take(4 * size), "<f4").astype(np.float32).reshape(shape)
        _largest(whole)
        return whole
    if not 0.0 <= scale * _LEVELS <= VALUE_MAX * 1.001 or form > _SOME:  # NaN fails the comparison
        raise BadDelta(f"the delta's scale {scale!r} is out of range; send a delta of a training that did not diverge")
    levels: NDArray[np.int8] = np.zeros(size, np.int8)
    if form == _SOME:
        chosen = np.unpackbits(np.frombuffer(body.take(-(-size // 8)), np.uint8), count=size).astype(bool)
        levels[chosen] = np.frombuffer(body.take(int(chosen.sum())), np.int8)
    else:
        levels[:] = np.frombuffer(body.take(size), np.int8)
    values: Array = (levels.astype(np.float32) * np.float32(scale)).reshape(shape)
    return values


def residual_after(delta: Mapping[str, Array], data: bytes, residual: Mapping[str, Array] | None = None) -> Weights:
    """What `data` left out of delta (+ residual): the error feedback that a replica adds in its next round."""
    sent = decompress_delta(data, delta)
    return {
        name: np.asarray(delta[name] + (0 if residual is None else residual[name]) - sent[name])
        for name in sorted(delta)
    }


def settled(before: Mapping[str, Array], after: Mapping[str, Array]) -> tuple[bytes, Weights]:
    """A way from `before` to `after` as it is sent, and the weights where that ends: near `after`, on the delta's grid.

    Who trains on from those weights has lost nothing to the wire: all who read the delta arrive at the same bits.
    Raises BadDelta when the way is too far or not finite.
    """
    data = compress_delta(delta_of(before, after))
    return data, applied(before, data)


def applied(start: Mapping[str, Array], *deltas: bytes) -> Weights:
    """The weights to which compressed deltas lead, one after another; strangers may have made them.

    Raises BadDelta, and BadWeights when they lead out of range.
    """
    weights = dict(start)
    for data in deltas:
        weights = difference(weights, decompress_delta(data, start))
    check_weights(weights, start)
    return weights


def outer_step(
    start: Mapping[str, Array],
    deltas: Sequence[Mapping[str, Array]],
    momentum_state: Mapping[str, Array] | None = None,
    *,
    lr: float = 0.7,
    momentum: float = 0.9,
    robust: Robust = "trimmed-mean",
) -> tuple[Weights, Weights]:
    """The weights that the next round starts from.

    Args:
        start: weights that every replica began the round with.
        deltas: one delta (start - end) a replica, 1..REPLICAS_MAX; their order does not matter.
        momentum_state: what the last round's outer step returned; None in the first round.
        lr: outer learning rate. momentum: Nesterov momentum, 0 <= momentum < 1. DiLoCo's 0.7 and 0.9 suit hundreds of
            rounds; with 4 to 6 rounds take lr=1 and momentum=0..0.3, else the momentum has not settled at the end.
        robust: how deltas become one. From three replicas on, each value is the mean without the lowest and highest
            TRIMMED_SHARE (at least one each), or the median: up to that many liars (of the median, any minority),
            whatever they send, leave every value between those of the honest. Of two replicas nobody can tell the liar,
            so both are clipped to CLIP times the smaller norm (or the running step of the momentum, if that is larger,
            so that a delta of zeros cannot stop the training) and averaged: a liar can waste the round, and no more;
            finding it is the audit's work. "mean" trusts all.

    Returns:
        (weights, momentum state), both new.

    Raises:
        BadWeights: a delta with other tensors than `start`, or with values that are not finite.
        BadRecipe: no or too many deltas, or lr or momentum out of range.
    """
    if not 1 <= len(deltas) <= REPLICAS_MAX or not 0 < lr <= 2 or not 0 <= momentum < 1:
        raise BadRecipe(
            f"an outer step takes 1..{REPLICAS_MAX} deltas, lr over 0 up to 2 and momentum 0 to below 1, "
            f"not {len(deltas)}, {lr} and {momentum}"
        )
    for delta in deltas:
        check_weights(delta, start)
    gradient = _aggregate(start, deltas, _running_step(momentum_state, momentum), robust)
    velocity = _zeros(start) if momentum_state is None else momentum_state
    velocity = {name: np.asarray(momentum * velocity[name] + gradient[name], np.float32) for name in gradient}
    weights = {
        name: np.asarray(start[name] - lr * (gradient[name] + momentum * velocity[name]), np.float32)
        for name in gradient
    }
    for name, value in weights.items():
        if name.endswith(_VARIANCE):  # momentum, or a liar, may lead below zero, where no answer is a number
            np.maximum(value, 0.0, out=value)
    return weights, velocity


def _running_step(momentum_state: Mapping[str, Array] | None, momentum: float) -> float:
    # A velocity that is fed the same delta for ever grows to delta / (1 - momentum); this undoes it.
    return 0.0 if momentum_state is None else norm(momentum_state) * (1.0 - momentum)


def _aggregate(
    start: Mapping[str, Array], deltas: Sequence[Mapping[str, Array]], running: float, robust: Robust
) -> Weights:
    if robust == "mean" or len(deltas) == 1:
        return {name: _mean([delta[name] for delta in deltas]) for name in sorted(start)}
    if len(deltas) == 2:
        norms = [norm(delta) for delta in deltas]
        norm_max = CLIP * max(min(norms), running)
        factors = [min(1.0, norm_max / size) if size > 0 else 1.0 for size in norms]
        return {
            name: _mean([delta[name] * np.float32(factor) for delta, factor in zip(deltas, factors, strict=True)])
            for name in sorted(start)
        }
    cut = (len(deltas) - 1) // 2 if robust == "median" else max(1, int(TRIMMED_SHARE * len(deltas)))
    return {name: _trimmed_mean(np.stack([delta[name] for delta in deltas]), cut) for name in sorted(start)}


def _mean(arrays: Sequence[Array]) -> Array:
    # Sorted sums, so that the order of the replicas does not show in the last bit.
    return _trimmed_mean(np.stack(arrays), 0)


def _trimmed_mean(stacked: Array, cut: int) -> Array:
    ordered = np.sort(stacked, axis=0)[cut : len(stacked) - cut]
    return np.asarray(ordered.mean(axis=0, dtype=np.float64), np.float32)


def _zeros(like: Mapping[str, Array]) -> Weights:
    return {name: np.zeros_like(array) for name, array in like.items()}
