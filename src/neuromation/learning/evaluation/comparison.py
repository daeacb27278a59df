"""Synthetic and real figures side by side; owns the table, refuses to measure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from neuromation.learning.errors import BadAnswers
from neuromation.learning.evaluation.figures import Figure, Report


@dataclass(frozen=True, slots=True)
class Comparison:
    """One network on synthetic and on real samples.

    `rows` are (name, synthetic, real) of the figures that either has; a figure that one lacks is NaN there.
    """

    synthetic: Report
    real: Report
    rows: tuple[tuple[str, Figure, Figure], ...]

    @property
    def gap(self) -> float:
        """By how much the headline figure is better on synthetic samples: the domain gap."""
        return self.synthetic.main.value - self.real.main.value

    def to_json(self) -> dict[str, Any]:
        """Plain data: both reports and the gap."""
        gap = None if math.isnan(self.gap) else self.gap
        return {"synthetic": self.synthetic.to_json(), "real": self.real.to_json(), "gap": gap}

    def as_text(self) -> str:
        """A Markdown table, one row a figure."""
        lines = [
            f"| | synthetic ({self.synthetic.samples:,}) | real ({self.real.samples:,}) | gap |",
            "|---|---:|---:|---:|",
        ]
        for name, left, right in self.rows:
            gap = left.value - right.value
            lines.append(f"| {name} | {left} | {right} | {'-' if math.isnan(gap) else f'{gap:+.3f}'} |")
        return "\n".join(lines)


def side_by_side(synthetic: Report, real: Report) -> Comparison:
    """Both reports of one network in one table. Raises BadAnswers when they are of two problems."""
    if synthetic.problem is not real.problem:
        raise BadAnswers(
            f"a {synthetic.problem} and a {real.problem} cannot stand side by side; measure one network on both sets"
        )
    names = [*real.figures, *(name for name in synthetic.figures if name not in real.figures)]
    missing = Figure(math.nan)
    rows = tuple((name, synthetic.figures.get(name, missing), real.figures.get(name, missing)) for name in names)
    return Comparison(synthetic, real, rows)
