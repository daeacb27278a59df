"""Draws from a random stream that round alike everywhere: a bell without logarithms, a choice by weights."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.random import Generator


def bell(rng: Generator) -> float:
    """A number of mean 0 and spread 1, at most 3 away: the sum of three even draws."""
    draws = rng.random(3)
    return 2.0 * (float(draws[0]) + float(draws[1]) + float(draws[2]) - 1.5)


def pick(weights: Sequence[float], rng: Generator) -> int:
    """A place in `weights`, as often as its part of their sum; never one of weight 0. The sum must be > 0."""
    left = float(rng.random()) * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return max(place for place, weight in enumerate(weights) if weight > 0)
