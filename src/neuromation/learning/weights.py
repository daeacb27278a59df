"""Weights as plain arrays: their bytes, their hash, their distance; refuses to know the network they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.hashing import canonical_json
from neuromation.learning.errors import BadWeights, WeightsTooLarge

Array = NDArray[np.float32]
Weights = dict[str, Array]

HEADER_MAX = 256 * 1024  # safetensors' JSON header: names, shapes and offsets
VALUE_MAX = 1e6  # a healthy network is far below; larger values overflow float32 in a few layers
# Of `relative_distance`: other processor kernels came 2e-5 away, a run with a tenth of its steps left out 0.1.
REPLAY_TOLERANCE = 0.01
_DROPPED_BITS = 7  # of float32's 23 bits of mantissa; 16 stay, a relative grid of 2^-16 = 1.5e-5


def weights_to_bytes(weights: Mapping[str, Array]) -> bytes:
    """The weights as a safetensors file of float32 tensors."""
    from safetensors.numpy import save

    return bytes(save({name: np.ascontiguousarray(weights[name], np.float32) for name in sorted(weights)}))


def weights_from_bytes(data: bytes, reference: Mapping[str, Array]) -> Weights:
    """Read a safetensors file that a stranger may have made.

    Args:
        data: the file.
        reference: weights of the same network; names and shapes must be equal.

    Returns:
        New float32 arrays, all finite and at most VALUE_MAX in size.

    Raises:
        WeightsTooLarge: longer than these tensors can need; nothing was parsed.
        BadWeights: no safetensors file, or other names, shapes or types, or values that are not finite or absurd.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    size_max = sum(array.size * 4 for array in reference.values()) + HEADER_MAX
    if len(data) > size_max:
        raise WeightsTooLarge(
            f"the weights have {len(data)} bytes and this network needs at most {size_max}; send its own tensors only"
        )
    try:
        tensors = load(data)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise BadWeights(
            f"the weights are no readable safetensors file ({str(error)[:200]}); save them again"
        ) from error
    check_weights(tensors, reference)
    return {name: np.array(tensors[name], np.float32) for name in sorted(tensors)}


def check_weights(weights: Mapping[str, Any], reference: Mapping[str, Array]) -> None:
    """Raise BadWeights unless names, shapes and types equal the reference's and all values are finite and sane."""
    if set(weights) != set(reference):
        odd = sorted(set(weights) ^ set(reference))[:3]
        raise BadWeights(
            f"the weights do not name the tensors of this network; they differ in {', '.join(map(repr, odd))}"[:400]
        )
    for name, array in weights.items():
        if array.dtype != np.float32 or array.shape != reference[name].shape:
            raise BadWeights(
                f"tensor {name!r} is {array.dtype} {array.shape} and this network needs float32 {reference[name].shape}"
            )
        if not np.all(np.isfinite(array)):
            raise BadWeights(
                f"tensor {name!r} holds values that are not finite; the training diverged or the file is damaged"
            )
        if array.size and float(np.max(np.abs(array))) > VALUE_MAX:
            raise BadWeights(
                f"tensor {name!r} holds values over {VALUE_MAX:g}; the training diverged or the file is damaged"
            )


def layout_digest(weights: Mapping[str, Array]) -> bytes:
    """32 bytes that name the tensors and their shapes, whatever their values."""
    return hashlib.sha256(canonical_json([[name, list(weights[name].shape)] for name in sorted(weights)])).digest()


def weights_hash(weights: Mapping[str, Array]) -> str:
    """The sha256 of the weights on a relative grid of 2^-16, 64 hex digits.

    Names, shapes and values count; the order of names, the sign of zero and the last 7 bits of the mantissa do not.
    Equal hashes mean equal work. Unequal hashes do not prove a cheat: values that differ in the last bit may fall on
    both sides of the grid, and on other kinds of processor they do; then compare `relative_distance` with a tolerance.
    """
    digest = hashlib.sha256(layout_digest(weights))
    for name in sorted(weights):
        digest.update(_on_grid(weights[name]).astype("<u4").tobytes())
    return digest.hexdigest()


def _on_grid(array: Array) -> NDArray[np.uint32]:
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    # Rounds half up in size; a carry into the exponent is the right neighbour on the grid. Below the largest float32
    # (VALUE_MAX is), it cannot reach infinity.
    rounded = ((bits + np.uint32(1 << (_DROPPED_BITS - 1))) >> np.uint32(_DROPPED_BITS)) << np.uint32(_DROPPED_BITS)
    return np.where(rounded == np.uint32(0x8000_0000), np.uint32(0), rounded)


def norm(weights: Mapping[str, Array]) -> float:
    """The Euclidean length of all values together."""
    return float(np.sqrt(sum(float(np.sum(np.square(weights[name], dtype=np.float64))) for name in sorted(weights))))


def difference(left: Mapping[str, Array], right: Mapping[str, Array]) -> Weights:
    """left - right, tensor by tensor."""
    return {name: np.asarray(left[name] - right[name], np.float32) for name in sorted(left)}


def relative_distance(
    claimed: Mapping[str, Array], replayed: Mapping[str, Array], *, start: Mapping[str, Array]
) -> float:
    """How far a claimed result lies from its replay, measured in lengths of the replayed step.

    0 means equal, about 1 and more means another step altogether; a start sent back unchanged gives exactly 1. When the
    replay did not move, 0 if the claim did not either and infinity if it did.
    """
    apart, moved = norm(difference(claimed, replayed)), norm(difference(replayed, start))
    if moved == 0.0:
        return 0.0 if apart == 0.0 else float("inf")
    return apart / moved
