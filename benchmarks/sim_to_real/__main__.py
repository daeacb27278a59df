"""How a model that saw synthetic data only does on real photos and recordings: a table for one domain.

Run: `python -m benchmarks.sim_to_real groceries [--minutes 20] [--seed 1] [--yardstick] [--few-shot] [--json]` from the
repository's root; the domains are digits, dice, groceries, blood-cells and spoken-digits. `--few-shot` goes on from the
synthetic model with k labelled real samples a class. Processor time is that of all threads and processes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.sim_to_real.domain import NAMES, Domain, RealDataMissing, domain_of
from benchmarks.sim_to_real.session import Outcome, synthetic_run, yardstick_run
from neuromation.learning.domain_gap.starts import warm_start_from_folder
from neuromation.learning.evaluation.figures import Figure
from neuromation.learning.weights import Weights, weights_to_bytes
from neuromation.learning.zoo import initial_weights


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one domain and print its table; the exit status is 1 where a bar is not reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sim_to_real", description=__doc__)
    parser.add_argument("domain", choices=sorted(NAMES))
    parser.add_argument("--minutes", type=float, default=20.0, help="of one thread, for data and training together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--yardstick", action="store_true", help="also train on the real training part, where one is")
    parser.add_argument("--few-shot", action="store_true", help="fine-tune on 0, 1, 5 and 10 real samples a class")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, no table")
    parser.add_argument(
        "--start", metavar="FOLDER", help="begin with the weights of a downloaded model, where they fit"
    )
    parser.add_argument("--save", metavar="FILE", help="keep the synthetic model's weights as safetensors")
    asked = parser.parse_args(arguments)
    domain = domain_of(asked.domain)
    try:
        outcome, weights = synthetic_run(domain, asked.minutes, asked.seed, _start(domain, asked.start, asked.seed))
        outcomes = [outcome]
        if asked.save:
            Path(asked.save).write_bytes(weights_to_bytes(weights))
        if asked.few_shot:
            from benchmarks.sim_to_real.few_shot import few_shot_runs

            outcomes += few_shot_runs(domain, weights, asked.minutes, asked.seed)
        yardstick = yardstick_run(domain, asked.minutes, asked.seed) if asked.yardstick else None
        outcomes += [yardstick] if yardstick else []
    except RealDataMissing as absent:
        print(f"skipped: {absent}")
        return 0
    if asked.json:
        print(json.dumps([found.to_json() for found in outcomes], indent=1))
    else:
        show(domain, outcomes)
    reached = outcome.figures["real, whole"]
    return 0 if all(reached[bar.figure].value >= bar.reach for bar in domain.bars) else 1


def _start(domain: Domain, folder: str | None, seed: int) -> Weights | None:
    """The weights of a model's folder as far as they fit, the rest as the zoo begins. Raises BadExport, BadWeights."""
    if folder is None:
        return None
    classes = domain.make(domain.params(), 1, seed).classes
    started = warm_start_from_folder(folder, initial_weights(domain.model, domain.config(), classes, seed))
    print(f"{len(started.taken)} tensors come from {folder}; {', '.join(started.drawn) or 'none'} begin anew")
    return started.weights


def show(domain: Domain, outcomes: Sequence[Outcome]) -> None:
    """Print figures side by side: a row a figure and part, a column a model."""
    table = Table(title=f"{domain.title}: {domain.model}")
    for title in ("figure", "measured on", "samples", "reach / aim"):
        table.add_column(title)
    for found in outcomes:
        table.add_column(f"trained on {found.trained_on}", justify="right")
    bars = {bar.figure: f"{bar.reach:.2f} / {bar.aim:.2f}" for bar in domain.bars}
    first = outcomes[0]
    for name in first.figures["real, whole"]:
        for part, samples in first.samples.items():
            cells = [_cell(found.figures.get(part, {}).get(name)) for found in outcomes]
            bar = bars.get(name, "") if part.startswith("real") else ""
            table.add_row(name, part, f"{samples:,}", bar, *cells)
    table.add_row("data made", "", "", "", *(f"{found.units:,} units" if found.units else "" for found in outcomes))
    table.add_row("CPU, making", "", "", "", *(_minutes(found.made_cpu_s) for found in outcomes))
    table.add_row("CPU, training", "", "", "", *(_minutes(found.trained_cpu_s) for found in outcomes))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _cell(figure: Figure | None) -> str:
    return str(figure or "")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds else ""


if __name__ == "__main__":
    sys.exit(main())
