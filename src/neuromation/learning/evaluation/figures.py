"""A figure with its interval, and the report that they make; owns the bootstrap, refuses to know any problem.

A problem is condensed once to a `Sheet`: what is known of each sample. Every figure is then a function of how often each
sample counts, so that one function gives the figure itself (each once), its bootstrap (drawn with replacement) and the
figures under a condition (the others not at all).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.learning.problem import Problem

RESAMPLES = 1_000
RESAMPLES_MIN = 200  # the ends of a 95 % interval then still rest on five values each
WORK_MAX = 60_000_000  # array elements a bootstrap may touch; larger sets get fewer resamples and need fewer
_CHUNK = 2_000_000  # array elements of one pass
CONDITIONS_MAX = 40  # words of one title that are shown; the rarest are left out
WORST_MAX = 24

Weights = NDArray[np.int64]  # (resamples, samples): how often each sample counts


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number and its 95 % interval by percentile bootstrap over samples; NaN where there is nothing to measure.

    The interval is widened to hold `value` where resampling is biased, as it is for the calibration error.
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "-"
        return f"{self.value:.3f}" if math.isnan(self.low) else f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def to_json(self) -> list[float | None]:
        """[value, low, high], None for NaN."""
        return [None if math.isnan(number) else float(number) for number in (self.value, self.low, self.high)]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: its figures by name, and how many samples, objects or pixels of it there are."""

    name: str
    support: int
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Condition:
    """The samples under one word of a condition ("light": "dim")."""

    title: str
    word: str
    samples: int
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of nearly equal confidence: how many, how sure they are on average, and the share that is right."""

    count: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a network did on one set of samples.

    Attributes:
        headline: the name of the figure that the problem is judged by.
        figures: by name, see docs/evaluation.md for each.
        confusion: rows are the truth, columns the answers; `confusion_names` name both. Empty where there is none.
        reliability: bins of confidence, for a diagram.
        score_min: detections: the score from which an answer counts in precision, recall, F1 and confusion; else NaN.
        null_samples: samples without any object or class, on which `false_alarms` rests.
        worst: indices of the worst errors, worst first, and a sentence for each in `worst_notes`.
    """

    problem: Problem
    samples: int
    classes: tuple[str, ...]
    headline: str
    figures: Mapping[str, Figure]
    per_class: tuple[ClassFigures, ...]
    conditions: tuple[Condition, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    confusion_names: tuple[str, ...] = ()
    reliability: tuple[Bin, ...] = ()
    score_min: float = math.nan
    null_samples: int = 0
    worst: tuple[int, ...] = ()
    worst_notes: tuple[str, ...] = field(default=())

    @property
    def main(self) -> Figure:
        """The figure that the problem is judged by."""
        return self.figures[self.headline]

    def __getitem__(self, name: str) -> float:
        """The value of a figure."""
        return self.figures[name].value

    def to_json(self) -> dict[str, Any]:
        """Plain data; figures as [value, low, high]."""
        return {
            "format": "neuromation-report/1",
            "problem": self.problem.value,
            "samples": self.samples,
            "classes": list(self.classes),
            "headline": self.headline,
            "figures": _plain(self.figures),
            "per_class": [{"name": c.name, "support": c.support, "figures": _plain(c.figures)} for c in self.per_class],
            "conditions": [
                {"title": c.title, "word": c.word, "samples": c.samples, "figures": _plain(c.figures)}
                for c in self.conditions
            ],
            "confusion": [list(row) for row in self.confusion],
            "confusion_names": list(self.confusion_names),
            "reliability": [[b.count, b.confidence, b.right] for b in self.reliability],
            "score_min": None if math.isnan(self.score_min) else self.score_min,
            "null_samples": self.null_samples,
            "worst": list(self.worst),
            "worst_notes": list(self.worst_notes),
        }


def _plain(figures: Mapping[str, Figure]) -> dict[str, list[float | None]]:
    return {name: figure.to_json() for name, figure in figures.items()}


class Sheet(Protocol):
    """A problem's answers and truth, condensed to what its figures need."""

    samples: int
    work: int  # array elements that one resample touches

    def figures(self, weights: Weights) -> dict[str, NDArray[np.float64]]:
        """Figures by name, of each row of weights: (R,) overall, or (R, classes) for each class; NaN where undefined."""


def measured(
    sheet: Sheet, *, seed: int, resamples: int, members: NDArray[np.bool_] | None = None
) -> dict[str, list[Figure]]:
    """Every figure of a sheet with its interval: one in the list overall, or one a class.

    Args:
        seed: of the bootstrap.
        resamples: wanted; large sets get fewer, at least RESAMPLES_MIN; 0 for no intervals.
        members: (samples,) the samples that count; None for all.
    """
    chosen = np.arange(sheet.samples) if members is None else np.flatnonzero(members)
    once = np.zeros((1, sheet.samples), np.int64)
    once[0, chosen] = 1
    points = {name: values.reshape(-1) for name, values in sheet.figures(once).items()}
    drawn = _resampled(sheet, chosen, seed, resamples) if resamples and len(chosen) else {}
    return {name: _with_intervals(values, drawn.get(name)) for name, values in points.items()}


def _resampled(sheet: Sheet, chosen: NDArray[np.int64], seed: int, resamples: int) -> dict[str, NDArray[np.float64]]:
    count = min(resamples, max(RESAMPLES_MIN, WORK_MAX // max(1, sheet.work)))
    rng = unit_rng(seed, 0, "bootstrap")
    parts: dict[str, list[NDArray[np.float64]]] = {}
    rows = max(1, min(count, _CHUNK // max(1, sheet.work, sheet.samples)))
    for first in range(0, count, rows):
        weights = np.zeros((min(rows, count - first), sheet.samples), np.int64)
        weights[:, chosen] = rng.multinomial(len(chosen), np.full(len(chosen), 1 / len(chosen)), size=len(weights))
        for name, values in sheet.figures(weights).items():
            parts.setdefault(name, []).append(values.reshape(len(weights), -1))
    return {name: np.concatenate(values) for name, values in parts.items()}


def _with_intervals(points: NDArray[np.float64], drawn: NDArray[np.float64] | None) -> list[Figure]:
    found = []
    for place, value in enumerate(points):
        known = np.empty(0) if drawn is None else drawn[:, place][~np.isnan(drawn[:, place])]
        if not len(known) or math.isnan(value):
            found.append(Figure(float(value)))
            continue
        low, high = np.quantile(known, [0.025, 0.975])
        found.append(Figure(float(value), min(float(low), float(value)), max(float(high), float(value))))
    return found


def by_condition(
    sheet: Sheet, conditions: Mapping[str, Sequence[str]], *, names: Sequence[str], seed: int, resamples: int
) -> tuple[Condition, ...]:
    """The figures of these names under each word of each condition, the most frequent words first."""
    found = []
    for title, row in conditions.items():
        words, counts = np.unique(np.asarray(row, dtype=str), return_counts=True)
        for place in np.argsort(-counts, kind="stable")[:CONDITIONS_MAX]:
            members = np.asarray(row, dtype=str) == words[place]
            figures = measured(sheet, seed=seed, resamples=min(resamples, RESAMPLES_MIN), members=members)
            kept = {name: figures[name][0] for name in names}
            found.append(Condition(title, str(words[place]), int(counts[place]), kept))
    return tuple(found)


def reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_], *, bins: int) -> tuple[Bin, ...]:
    """Equal bins of confidence 0..1 with the share that is right; empty bins are left out."""
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    found = []
    for number in np.unique(place):
        inside = place == number
        found.append(Bin(int(inside.sum()), float(confidence[inside].mean()), float(right[inside].mean())))
    return tuple(found)
