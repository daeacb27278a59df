"""Units of a generator as samples, made once and kept outside the repository; refuses to know what they show.

Data sets are kept in pieces of `PIECE` units under `NEUROMATION_SIM_TO_REAL` (by default ~/.cache/neuromation/sim-to-real),
named by the generator, its version, the parameters and the seed, so that a larger set of the same recipe continues one;
the last piece of a set may be smaller.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.hashing import canonical_json, sha256_hex
from neuromation.learning.problem import Boxes, Problem, Samples
from neuromation.synthetic import Unit, get_generator, parse_params

PIECE = 250  # units

Sample = tuple[NDArray[Any], Any]
SampleOf = Callable[
    [Unit], Sample
]  # the input and the target of a unit; a module's own function, as processes share it


@dataclass(slots=True)
class Spent:
    """What making data has cost since the program began; found data count with what they cost when they were made."""

    units: int = 0
    cpu_s: float = 0.0


SPENT = Spent()


@dataclass(frozen=True, slots=True)
class Source:
    """Where units come from and what becomes of each; `tag` changes when `sample_of` gives something else."""

    generator: str
    sample_of: SampleOf
    tag: str
    problem: Problem
    classes: tuple[str, ...]
    rate_hz: int | None = None


def cache_folder() -> Path:
    """Where generated samples are kept."""
    named = os.environ.get("NEUROMATION_SIM_TO_REAL")
    return Path(named) if named else Path.home() / ".cache" / "neuromation" / "sim-to-real"


def cpu_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def made(source: Source, params: Mapping[str, object], units: int, seed: int, *, processes: int = 1) -> Samples:
    """Units 0..units-1 of a seed, from disk where they were made before.

    Raises what the generator raises for parameters and for programs that are missing.
    """
    generator = get_generator(source.generator)
    parse_params(generator, dict(params))  # what is wrong with them is said here, not in a child
    facts = {"generator": source.generator, "version": generator.version, "params": dict(params), "seed": seed}
    folder = cache_folder() / f"{source.generator}-{sha256_hex(canonical_json({**facts, 'tag': source.tag}))[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    pieces = [(first, min(PIECE, units - first)) for first in range(0, units, PIECE)]
    missing = [(first, count) for first, count in pieces if not _piece(folder, first, count).exists()]
    tasks = [(source, dict(params), seed, first, count, _piece(folder, first, count)) for first, count in missing]
    if processes > 1 and len(tasks) > 1:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            _told(pool.map(_make_piece, tasks), len(tasks))
    else:
        _told(map(_make_piece, tasks), len(tasks))
    inputs: list[NDArray[Any]] = []
    targets: list[Any] = []
    for first, count in pieces:
        found, labels, cost_s = _read(_piece(folder, first, count))
        SPENT.units += count
        SPENT.cpu_s += cost_s
        inputs += found
        targets += labels
    return Samples(source.problem, inputs, targets, source.classes, rate_hz=source.rate_hz)


def _piece(folder: Path, first: int, count: int) -> Path:
    return folder / f"{first}-{count}.npz"


def _told(pieces: Any, count: int) -> None:
    began = time.perf_counter()
    for done, _ in enumerate(pieces, 1):
        left = (time.perf_counter() - began) / done * (count - done)
        progress(f"made {done * PIECE:,} of {count * PIECE:,} units, {left:.0f} s left")
    if count:
        progress("")


def progress(told: str) -> None:
    """Say how far it is, over what was said before; nothing where nobody looks. An empty text ends the line."""
    if sys.stderr.isatty():
        print(f"\r{told:<70}" if told else "", end="" if told else "\n", file=sys.stderr, flush=True)


def _make_piece(task: tuple[Source, dict[str, object], int, int, int, Path]) -> None:
    source, raw, seed, first, count, path = task
    generator = get_generator(source.generator)
    params = parse_params(generator, raw)
    began = cpu_s()
    samples = [source.sample_of(generator.unit(params, seed, index)) for index in range(first, first + count)]
    _write(path, samples, cpu_s() - began)


def _write(path: Path, samples: Sequence[Sample], cost_s: float) -> None:
    """A piece as one file without pickles: all values in a row, with the shapes that cut them."""
    inputs = [made for made, _ in samples]
    targets = [target for _, target in samples]
    columns: dict[str, Any] = {
        "values": np.concatenate([made.ravel() for made in inputs]),
        "shapes": np.array([(*made.shape, 0, 0, 0)[:3] for made in inputs], np.int64),
        "cost_s": np.array(cost_s),
    }
    if isinstance(targets[0], Boxes):
        columns["counts"] = np.array([len(boxes) for boxes in targets], np.int64)
        columns["xywh"] = np.concatenate([boxes.xywh for boxes in targets])
        columns["labels"] = np.concatenate([boxes.labels for boxes in targets])
    else:
        columns["targets"] = np.array(targets, np.int64)
    part = path.with_suffix(f".{os.getpid()}.part.npz")
    np.savez_compressed(part, **columns)
    part.replace(path)


def _read(path: Path) -> tuple[list[NDArray[Any]], list[Any], float]:
    with np.load(path) as columns:
        shapes = [tuple(int(side) for side in row if side) for row in columns["shapes"]]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        values, cost_s = columns["values"], float(columns["cost_s"])
        inputs = [part.reshape(shape) for part, shape in zip(np.split(values, ends[:-1]), shapes, strict=True)]
        if "targets" in columns:
            return inputs, [int(target) for target in columns["targets"]], cost_s
        cuts = np.cumsum(columns["counts"])[:-1]
        xywh, labels = np.split(columns["xywh"], cuts), np.split(columns["labels"], cuts)
    return inputs, [Boxes(boxes, of) for boxes, of in zip(xywh, labels, strict=True)], cost_s
