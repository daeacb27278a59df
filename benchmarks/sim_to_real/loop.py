"""The adaptation loop against the same budget without it: several seeds, the untouched half of the real samples, a plot.

Run: `python -m benchmarks.sim_to_real.loop spoken-digits --minutes 6 --seeds 1 2 3 [--plot loop.svg] [--json]` from the
repository's root. Both sides begin with the generator's own defaults, not with the parameters that were found by hand, and
have the same minutes of one thread, by costs measured before. The loop sees the half of the real samples that may choose;
what is printed is measured on the other half.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.sim_to_real.domain import NAMES, Domain, RealDataMissing, domain_of
from benchmarks.sim_to_real.making import cache_folder, cpu_s
from benchmarks.sim_to_real.plot import Pair, dumbbells
from benchmarks.sim_to_real.session import answers_of, train
from neuromation.learning.adaptation import Parameter, around
from neuromation.learning.loop import Effort, Outcome, Plan, Tried, affordable, draw_by_class, outcome_of, run_loop
from neuromation.synthetic import get_generator, search_space

GENERATORS = {"groceries": "product-photo"}  # where it has another name than the domain
REACH = 0.2  # of a parameter's range on both sides of its default
TRIAL_SHARE = 0.15  # of the budget for one full trial: a bracket of nine with its promotions takes about half
TRIAL_FIXED_MINUTES = 0.02  # loading and measuring, whatever the effort


@dataclass(slots=True)
class DomainSubject:
    """A domain as the loop sees it; costs are minutes."""

    domain: Domain
    full_minutes: float
    reported: dict[str, float] | None = None  # the figures on the untouched half, of the last trial

    @property
    def space(self) -> Sequence[Parameter]:
        """The domain's tunable parameters from their generator's ranges."""
        generator = get_generator(GENERATORS.get(self.domain.name, self.domain.name))
        known = {t.name: t for t in search_space(generator)}
        whole = [Parameter(n, known[n].low, known[n].high, known[n].default, known[n].log) for n in self.domain.space]
        return around(whole, REACH)

    def cost(self, effort: Effort) -> float:
        """Minutes of one thread."""
        return TRIAL_FIXED_MINUTES + self.full_minutes * effort.share

    def trial(
        self, params: Mapping[str, float], effort: Effort, *, seed: int, class_weights: Sequence[float]
    ) -> Outcome:
        """Make, train, and measure on the half that may choose."""
        plan = self.domain.plan(self.full_minutes * effort.share, seed)
        samples = self.domain.make({name: round(value, 6) for name, value in params.items()}, plan.units, seed)
        if class_weights and samples.problem.is_classification:
            samples = samples.only(draw_by_class(samples.targets, class_weights, len(samples), seed=seed))
        weights, _ = train(self.domain, samples, plan.recipe)
        choosing, report = self.domain.real("choose"), self.domain.real("report")
        self.reported = self.domain.measure(answers_of(self.domain, weights, report), report)
        return outcome_of(answers_of(self.domain, weights, choosing), choosing)


@dataclass(frozen=True, slots=True)
class Compared:
    """One seed of one domain: figures on the untouched half, and the processor minutes that each side took."""

    domain: str
    figure: str
    seed: int
    minutes: float
    without: float
    with_loop: float
    without_cpu_minutes: float
    with_loop_cpu_minutes: float
    trials: int
    params: dict[str, float]


def compare(domain: Domain, minutes: float, seed: int) -> Compared:
    """Spend the budget twice. Raises RealDataMissing."""
    figure = domain.bars[0].figure
    subject = DomainSubject(domain, minutes * TRIAL_SHARE)
    plan = Plan(budget=minutes, final_share=0.5, seed=1_000 * seed)
    record = cache_folder() / f"loop-{domain.name}-{minutes:g}-{seed}.jsonl"
    with _scratch():
        began = cpu_s()
        found = run_loop(subject, plan, record=record, tell=_told)
        looped_s, reported = cpu_s() - began, subject.reported
        if reported is None:  # everything was on record: only the last training is needed again
            last = found.tried[-1]
            subject.trial(last.params, Effort(last.share), seed=plan.seed + 1, class_weights=found.class_weights)
            reported = subject.reported or {}
        with_loop = reported[figure]
        began = cpu_s()
        defaults = {p.name: p.default for p in subject.space}
        share = affordable(subject, plan.budget)
        subject.trial(defaults, Effort(share), seed=plan.seed + 1, class_weights=())
        without = (subject.reported or {})[figure]
        plain_s = cpu_s() - began
    return Compared(
        domain.name,
        figure,
        seed,
        minutes,
        round(without, 6),
        round(with_loop, 6),
        round(plain_s / 60, 2),
        round(looped_s / 60, 2),
        len(found.tried),
        {name: round(value, 6) for name, value in found.params.items()},
    )


def _told(tried: Tried) -> None:
    what = "final" if tried.rung < 0 else f"rung {tried.rung}"
    outcome = f"score {tried.outcome.score:.4f}, figure {tried.outcome.figure:.3f}"
    print(f"trial {tried.of}, {what}, {tried.cost:.2f} min: {outcome}", file=sys.stderr)


@contextmanager
def _scratch() -> Iterator[None]:
    """Data of trials are made in a folder that goes: each is used once."""
    before = os.environ.get("NEUROMATION_SIM_TO_REAL")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NEUROMATION_SIM_TO_REAL"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["NEUROMATION_SIM_TO_REAL"]
            else:
                os.environ["NEUROMATION_SIM_TO_REAL"] = before


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, draw; the exit status is 1 where the loop does not win on average."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sim_to_real.loop", description=__doc__)
    parser.add_argument("domains", nargs="+", choices=sorted(NAMES))
    parser.add_argument("--minutes", type=float, default=6.0, help="of one thread, for each side and seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--plot", type=Path, help="an SVG file to write")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    rows: list[Compared] = []
    began = time.monotonic()
    try:
        for name in asked.domains:
            rows += [compare(domain_of(name), asked.minutes, seed) for seed in asked.seeds]
    except RealDataMissing as absent:
        print(f"skipped: {absent}")
        return 0
    if asked.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        show(rows, time.monotonic() - began)
    if asked.plot:
        pairs = [Pair(f"{row.domain}, seed {row.seed}", row.without, row.with_loop) for row in rows]
        asked.plot.write_text(dumbbells(pairs, left="without the loop", right="with it"), encoding="utf-8")
    return 0 if all(gain > 0 for gain in gains(rows).values()) else 1


def gains(rows: Sequence[Compared]) -> dict[str, float]:
    """Mean gain by domain."""
    names = sorted({row.domain for row in rows})
    return {name: float(np.mean([r.with_loop - r.without for r in rows if r.domain == name])) for name in names}


def show(rows: Sequence[Compared], seconds: float) -> None:
    """Print the comparison."""
    table = Table(title="The loop beside the same budget without it, on real samples that nothing was chosen on")
    for title in ("domain", "figure", "seed", "minutes", "without", "with the loop", "gain", "CPU min", "trials"):
        table.add_column(title, justify="left" if title in ("domain", "figure") else "right")
    for row in rows:
        cells: list[Any] = [row.domain, row.figure, row.seed, row.minutes, f"{row.without:.3f}", f"{row.with_loop:.3f}"]
        cells += [f"{row.with_loop - row.without:+.3f}"]
        cells += [f"{row.without_cpu_minutes:.1f} / {row.with_loop_cpu_minutes:.1f}", row.trials]
        table.add_row(*(str(cell) for cell in cells))
    for name, gain in gains(rows).items():
        table.add_row(name, "mean gain", "", "", "", "", f"{gain:+.3f}", "", "")
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    console.print(f"{seconds / 60:.0f} minutes in all")


if __name__ == "__main__":
    sys.exit(main())
