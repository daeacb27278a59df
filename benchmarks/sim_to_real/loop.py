"""The adaptation loop against the same budget without it: several seeds, the untouched half of the real samples, a plot.

Run: `python -m benchmarks.sim_to_real.loop spoken-digits --minutes 6 --seeds 1 2 3 [--plot loop.svg] [--json]` from the
repository's root. Both sides begin with the generator's own defaults and exact labels: neither with the parameters that were
found by hand, nor with the annotation style of the photos. They have the same minutes of one thread, by costs measured
before. The loop sees the half of the real samples that may choose; what is printed is measured on all others.
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
from benchmarks.sim_to_real.session import figures_of, joined, train
from neuromation.learning.adaptation import Parameter, around
from neuromation.learning.evaluation import box_growth, predict
from neuromation.learning.loop import (
    USUAL_FINAL_SHARE,
    USUAL_ROUNDS,
    USUAL_TRIAL_SHARE,
    USUAL_WARM_SHARE,
    Effort,
    Outcome,
    Plan,
    Training,
    Tried,
    outcome_of,
    run_loop,
    without_loop,
)
from neuromation.learning.problem import Problem
from neuromation.synthetic import BOX_MARGIN, get_generator, search_space

GENERATORS = {"groceries": "product-photo"}  # where it has another name than the domain
REACH, ANNOTATION_REACH = 0.2, 0.5  # of a parameter's range on both sides of its default
JUDGED_MAX = 40  # pictures with boxes that judge a trial: there each costs as much as a step of training
JUDGING_MINUTES = {"digits": 0.03, "spoken-digits": 0.05, "groceries": 0.02, "blood-cells": 0.03, "dice": 0.1}
# Whose real training parts serve yardsticks only: nothing was chosen on them.
SPARE_TRAINING = ("groceries", "blood-cells")


@dataclass(slots=True)
class DomainSubject:
    """A domain as the loop sees it; costs are minutes."""

    domain: Domain
    full_minutes: float

    @property
    def space(self) -> Sequence[Parameter]:
        """The domain's tunable parameters from their generator's ranges."""
        generator = get_generator(GENERATORS.get(self.domain.name, self.domain.name))
        known = {t.name: t for t in search_space(generator)}
        near = []
        for name in self.domain.space:
            begin = self.domain.unseen.get(name, known[name].default)
            whole = Parameter(name, known[name].low, known[name].high, begin, known[name].log)
            near += around([whole], ANNOTATION_REACH if name.startswith("annotation_") else REACH)
        return near

    def cost(self, effort: Effort) -> float:
        """Minutes of one thread."""
        return JUDGING_MINUTES[self.domain.name] + self.full_minutes * effort.share

    def trial(self, params: Mapping[str, float], training: Training) -> Outcome:
        """Make, train, and measure on the half that may choose."""
        plan = self.domain.plan(self.full_minutes * training.effort.share, training.seed)
        looks = {name: round(value, 6) for name, value in params.items()}
        samples = training.drawn(self.domain.make({**self.domain.fixed(), **looks}, plan.units, training.seed))
        weights, _ = train(self.domain, samples, training.recipe(plan.recipe), training.start)
        choosing, config = self.domain.real("choose"), dict(self.domain.config())
        if choosing.problem is Problem.DETECTION:
            choosing = choosing.only(range(min(JUDGED_MAX, len(choosing))))
            config["mirrors"] = 1
        answers = predict(weights, self.domain.model, config, choosing)
        readings, growth = {}, box_growth(answers, choosing)
        if BOX_MARGIN in params and growth is not None:
            readings[BOX_MARGIN] = params[BOX_MARGIN] + growth * self.domain.made_per_real
        return outcome_of(answers, choosing, weights, readings)

    def untouched(self, outcome: Outcome) -> dict[str, float]:
        """A trial's figures on the real samples that nothing was chosen on."""
        report = self.domain.real("report")
        if self.domain.name in SPARE_TRAINING:
            report = joined(report, self.domain.real("train"))
        assert outcome.weights, "a trial keeps what it trained"
        return {name: f.value for name, f in figures_of(self.domain, outcome.weights, report, resamples=0).items()}


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
    subject = DomainSubject(domain, minutes * USUAL_TRIAL_SHARE)
    shares = {"final_share": USUAL_FINAL_SHARE, "warm_share": USUAL_WARM_SHARE}
    plan = Plan(budget=minutes, rounds=USUAL_ROUNDS, seed=1_000 * seed, **shares)
    record = cache_folder() / f"loop-{domain.name}-{minutes:g}-{seed}.jsonl"
    with _scratch():
        began = cpu_s()
        found = run_loop(subject, plan, record=record, tell=_told)
        looped_s, began = cpu_s() - began, cpu_s()
        plain = without_loop(subject, plan)
        plain_s = cpu_s() - began
        with_loop, without = subject.untouched(found.final)[figure], subject.untouched(plain)[figure]
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
    outcome = f"score {tried.outcome.score:.4f}, figure {tried.outcome.figure:.3f}"
    print(f"trial {tried.of}, {tried.stage}, {tried.cost:.2f} min: {outcome}", file=sys.stderr)


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
    parser.add_argument("domains", nargs="*", metavar="DOMAIN", help=f"of {', '.join(sorted(NAMES))}")
    parser.add_argument("--minutes", type=float, default=6.0, help="of one thread, for each side and seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--plot", type=Path, help="an SVG or PNG file to write")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--shown", type=Path, nargs="+", help="show what --json printed before, instead of running")
    asked = parser.parse_args(arguments)
    if not (asked.domains or asked.shown) or set(asked.domains) - set(NAMES):
        parser.error(f"name domains of {', '.join(sorted(NAMES))}, or files with --shown")
    rows: list[Compared] = []
    began = time.monotonic()
    try:
        for file in asked.shown or ():
            rows += [Compared(**row) for row in json.loads(file.read_text(encoding="utf-8"))]
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
        plot(rows, asked.plot)
    return 0 if all(gain > 0 for gain in gains(rows).values()) else 1


def gains(rows: Sequence[Compared]) -> dict[str, float]:
    """Mean gain by domain."""
    names = sorted({row.domain for row in rows})
    return {name: float(np.mean([r.with_loop - r.without for r in rows if r.domain == name])) for name in names}


def plot(rows: Sequence[Compared], path: Path) -> None:
    """One line a seed, from the figure without the loop to the one with it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 0.9 + 0.34 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    names = [f"{row.domain}, seed {row.seed}" for row in rows]
    for place, row in enumerate(rows):
        colour = "tab:green" if row.with_loop >= row.without else "tab:red"
        axes.plot([row.without, row.with_loop], [place, place], color=colour, alpha=0.5, linewidth=3, zorder=1)
        axes.scatter(row.with_loop, place, color=colour, s=44, zorder=2)
        gain = f"{row.with_loop - row.without:+.3f}"
        axes.annotate(gain, (1.01, place), xycoords=("axes fraction", "data"), va="center", color=colour)
    axes.scatter(
        [row.without for row in rows], range(len(rows)), color="0.55", s=36, zorder=2, label="without the loop"
    )
    axes.scatter([], [], color="tab:green", s=44, label="with it, same budget")
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("accuracy or mAP@0.5 on real samples that nothing was chosen on")
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


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
