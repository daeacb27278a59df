"""Randomness that any machine can repeat: Philox streams keyed by a seed and a unit."""

from __future__ import annotations

import hashlib

from numpy.random import Generator, Philox

SEED_MAX = 2**63 - 1  # fits PostgreSQL's bigint


def unit_rng(seed: int, unit: int, stream: str = "") -> Generator:
    """The generator of one unit of one seed: the same draws on every machine, in any order of units.

    Args:
        seed: the data set's seed, 0..2^63-1.
        unit: index of the unit, >= 0.
        stream: name of an independent stream of the same unit ("noise", "labels", ...).

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC11); Philox4x64-10 has a 128-bit key.
    """
    if not 0 <= seed <= SEED_MAX or unit < 0:
        raise ValueError(f"seed must be in 0..{SEED_MAX} and unit >= 0, not {seed} and {unit}")
    digest = hashlib.sha256(f"{seed}/{unit}/{stream}".encode()).digest()
    return Generator(Philox(key=int.from_bytes(digest[:16], "little")))
