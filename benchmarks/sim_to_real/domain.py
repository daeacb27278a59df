"""What a domain is: a generator, a real set, a model with its recipe, and a measure; refuses to know how they are run.

Real photos are found by `NEUROMATION_REAL_DATA`, by default `../shared/real` beside the repository. They measure; nothing
here trains on them but the yardstick and the few-shot curve, which say so.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from neuromation.learning.evaluation.figures import Figure, Report
    from neuromation.learning.problem import Samples
    from neuromation.learning.trainer import Recipe

# Parameters and recipes are chosen by looking at `choose` alone; `report` is what is claimed; `train` is the yardstick's.
Split = Literal["choose", "report", "train"]

NAMES = {
    "digits": "digits",
    "dice": "dice",
    "groceries": "groceries",
    "blood-cells": "blood_cells",
    "spoken-digits": "spoken_digits",
}


class RealDataMissing(Exception):
    """The real set of a domain is not on this machine."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure of a domain, a key of what `figures` gives: the value to reach, and the one to aim at."""

    figure: str
    reach: float
    aim: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a budget of minutes buys: so many units, and a training by this recipe."""

    units: int
    recipe: Recipe


class Domain(Protocol):
    """One row of the table."""

    name: str
    title: str
    model: str
    """Name in the zoo."""
    bars: tuple[Bar, ...]
    space: tuple[str, ...]
    """Names of the generator's parameters that a loop may tune; their ranges are the generator's own."""
    unseen: Mapping[str, float] = MappingProxyType({})
    """Of these, where a loop begins elsewhere than the generator: what was made the default by looking at the photos."""
    made_per_real: float = 1.0
    """Pixels of a made picture for one of a real one, as the network sees both."""

    @property
    def coarse(self) -> Mapping[str, str] | None:
        """The coarse class of each class, where there are any."""
        return None

    def fixed(self) -> dict[str, object]:
        """What is made, whatever it looks like: sizes, labels, catalogue."""
        return {}

    def params(self) -> dict[str, object]:
        """The generator's parameters that are known to do best, `fixed` among them."""

    def make(self, params: Mapping[str, object], units: int, seed: int) -> Samples:
        """Units 0..units-1 of that seed as labelled samples; they are kept on disk and made once."""

    def real(self, split: Split) -> Samples:
        """One part of the real set. Raises RealDataMissing, also where there is no training part."""

    def config(self) -> dict[str, object]:
        """The model's configuration."""

    def plan(self, minutes: float, seed: int) -> Plan:
        """How much data and training fit into so many minutes of one thread, by costs measured before."""

    def figures(self, report: Report) -> dict[str, Figure]:
        """What is told of a report, the first of `bars` among it."""


@runtime_checkable
class TrainedOnParts(Protocol):
    """A domain whose network sees parts of pictures in training, and whole ones in use."""

    def training_config(self) -> dict[str, object]:
        """The model's configuration in training; `config` is the one in use. Both have the same weights."""

    def make_whole(self, units: int, seed: int) -> Samples:
        """Made samples as they come in use, to measure on."""


def domain_of(name: str) -> Domain:
    """The domain of that name; its module is loaded now. Raises KeyError."""
    domain: Domain = importlib.import_module(f"benchmarks.sim_to_real.{NAMES[name]}").DOMAIN
    return domain


def real_folder(name: str) -> Path:
    """The folder of one real set. Raises RealDataMissing."""
    root = os.environ.get("NEUROMATION_REAL_DATA")
    base = Path(root) if root else Path(__file__).resolve().parents[3] / "shared" / "real"
    if not (base / name).is_dir():
        raise RealDataMissing(
            f"the real set {name!r} is not in {base}; set NEUROMATION_REAL_DATA to the folder that holds it"
        )
    return base / name


def is_for_choosing(file_name: str) -> bool:
    """Whether a real sample belongs to the half that parameters may be chosen on: a fixed hash of its file name."""
    return hashlib.sha256(file_name.encode()).digest()[0] % 2 == 0
