"""Which products a unit shows: rendezvous hashing, so that a catalogue can grow without making old units again.

Every product has a weight in every unit, a hash of the data set's seed, the unit's index and the SKU alone; the unit
shows the products with the highest weights (Thaler and Ravishankar, "Using name-based mappings to increase hit rates",
1998). Appending one product to N therefore changes a unit that shows k of them with probability k / (N + 1), only if
the new one is among its k, and then by that one product; every other unit stays the same bit for bit. Removing one
changes the units that showed it and no others.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.products.model import Keys

_MIX_1, _MIX_2, _GOLDEN = (np.uint64(c) for c in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0x9E3779B97F4A7C15))
_S30, _S27, _S31 = (np.uint64(s) for s in (30, 27, 31))


def unit_weights(keys: Keys, *, seed: int, unit: int, stream: str = "") -> NDArray[np.uint64]:
    """The weight of every product in one unit, uint64 (products,).

    Args:
        keys: `product_key` of each.
        seed, unit: of the data set.
        stream: name of an independent choice in the same unit.

    Source of the mixing: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
    """
    salt = hashlib.sha256(f"products {seed}/{unit}/{stream}".encode()).digest()[:8]
    mixed = (keys ^ np.frombuffer(salt, dtype="<u8")[0]) + _GOLDEN  # whole numbers that wrap, alike everywhere
    mixed = (mixed ^ (mixed >> _S30)) * _MIX_1
    mixed = (mixed ^ (mixed >> _S27)) * _MIX_2
    weights: NDArray[np.uint64] = mixed ^ (mixed >> _S31)
    return weights


def choose(keys: Keys, *, seed: int, unit: int, count: int, stream: str = "") -> list[int]:
    """The numbers of the `count` products that a unit shows, the heaviest first; all when there are fewer."""
    weights = unit_weights(keys, seed=seed, unit=unit, stream=stream)
    count = min(count, len(keys))
    if count == 0:
        return []
    # Only the heaviest are sorted: a catalogue may have a hundred thousand products, a unit shows some dozens.
    threshold = np.partition(weights, len(weights) - count)[len(weights) - count]
    heavy = np.flatnonzero(weights >= threshold)
    # Ties are as likely as equal hashes of SKUs; the earlier product wins them.
    order = np.lexsort((heavy, ~weights[heavy]))[:count]
    return [int(number) for number in heavy[order]]
