"""A data set as a folder: generate it, keep it whole, read it again. Works offline and knows nothing of the market.

manifest.json  README.md  croissant.json  data/shard-00000.parquet ...
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from neuromation.synthetic.errors import BadDataset, BadShard, OtherDataset
from neuromation.synthetic.formats.card import CARD_FILE, card
from neuromation.synthetic.formats.croissant import CROISSANT_FILE, croissant
from neuromation.synthetic.formats.manifest import (
    DATASET_UNITS_MAX,
    SHARDS_MAX,
    Manifest,
    assemble,
    parse_manifest,
    shard_file,
)
from neuromation.synthetic.formats.recipe import recipe_of, same_recipe
from neuromation.synthetic.formats.shard import (
    BYTES_MAX,
    UNITS_MAX,
    ShardFacts,
    encode_shard,
    facts_of,
    read_shard,
)
from neuromation.synthetic.generator import Generator, get_generator, parse_params, unit_hash

MANIFEST_FILE = "manifest.json"
SHARD_UNITS = 1_000
WORKERS_MAX = 256

Progress = Callable[[int, int], None]
Span = tuple[str, int, int]  # a shard's file, its first unit, how many units


@dataclass(frozen=True)
class _Work:
    """What every shard of one data set shares."""

    out: Path
    generator: Generator
    params: BaseModel
    seed: int


def generate_shard(generator: Generator, params: BaseModel, seed: int, first_unit: int, units: int) -> bytes:
    """The shard with units `first_unit` to `first_unit + units - 1`: what one generate task makes."""
    made = [generator.unit(params, seed, index) for index in range(first_unit, first_unit + units)]
    return encode_shard(made, generator=generator, params=params, seed=seed)


def generate_dataset(
    generator: Generator,
    params: BaseModel,
    *,
    seed: int,
    units: int,
    out: Path,
    shard_units: int = SHARD_UNITS,
    workers: int = 1,
    created: datetime | None = None,
    on_progress: Progress | None = None,
) -> Manifest:
    """Generate a data set into the folder `out` and return its manifest.

    Files appear whole or not at all, the manifest last. When the folder holds part of the same data set, its good
    shards are kept and only the others are made: an interrupted run goes on where it stopped.

    Args:
        generator: what makes the units; with `workers` > 1 it must be an installed one.
        params: from `parse_params`.
        seed: 0..2^63-1.
        units: how many, >= 1.
        out: the folder; made when it does not exist.
        shard_units: units a shard; the last may hold fewer.
        workers: processes to share the work; 1 works in this one. The result is the same.
        created: time to write into the manifest; no part of the data set's identity.
        on_progress: called with (units done, units in all) after each shard.

    Raises BadDataset for numbers out of range and OtherDataset when the folder holds another data set.
    """
    _check_plan(units, shard_units, workers)
    plan = [(shard_file(at // shard_units), at, min(shard_units, units - at)) for at in range(0, units, shard_units)]
    work = _Work(out, generator, params, seed)
    _check_folder(work, {file for file, _, _ in plan})
    (out / "data").mkdir(parents=True, exist_ok=True)
    facts = [kept for span in plan if (kept := _kept(work, *span))]
    have = {shard.file for shard in facts}
    done = sum(shard.units for shard in facts)
    if on_progress and done:
        on_progress(done, units)
    for shard in _make(work, [span for span in plan if span[0] not in have], workers):
        facts.append(shard)
        done += shard.units
        if on_progress:
            on_progress(done, units)
    manifest = assemble(facts, generator=generator, params=params, seed=seed, created=created)
    write_metadata(out, manifest)
    return manifest


def write_metadata(folder: Path, manifest: Manifest) -> None:
    """Write card, Croissant and, last, the manifest beside the shards."""
    write_whole(folder / CARD_FILE, card(manifest))
    write_whole(folder / CROISSANT_FILE, croissant(manifest))
    write_whole(folder / MANIFEST_FILE, manifest.to_json())


def load_manifest(folder: Path) -> Manifest:
    """The manifest of a data-set folder. Raises BadDataset when there is none or it is damaged."""
    try:
        return parse_manifest((folder / MANIFEST_FILE).read_bytes())
    except OSError as error:
        raise BadDataset(
            f"{folder} holds no readable {MANIFEST_FILE}; name the folder of a finished data set"
        ) from error


def read_file(folder: Path, file: str) -> bytes:
    """The bytes of a shard named by a manifest. Raises BadDataset when it is missing or over the limit."""
    path = folder / file
    try:
        if path.stat().st_size > BYTES_MAX:
            raise BadDataset(f"{file} is larger than a shard can be")
        return path.read_bytes()
    except OSError as error:
        raise BadDataset(f"{file} of the data set cannot be read: {error.strerror}") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _check_plan(units: int, shard_units: int, workers: int) -> None:
    if not 1 <= units <= DATASET_UNITS_MAX:
        raise BadDataset(f"a data set has 1 to {DATASET_UNITS_MAX:,} units, not {units:,}")
    if not 1 <= shard_units <= UNITS_MAX:
        raise BadDataset(f"a shard has 1 to {UNITS_MAX:,} units, not {shard_units:,}")
    if -(-units // shard_units) > SHARDS_MAX:
        raise BadDataset(f"a data set has at most {SHARDS_MAX:,} shards; put more than {shard_units:,} units into one")
    if not 1 <= workers <= WORKERS_MAX:
        raise BadDataset(f"1 to {WORKERS_MAX} processes can work, not {workers}")


def _check_folder(work: _Work, planned: set[str]) -> None:
    """Refuse a folder that holds something else than a part of this data set."""
    out, generator = work.out, work.generator
    if (out / MANIFEST_FILE).exists():
        held = load_manifest(out)
        wanted = (generator.name, generator.version, work.params.model_dump(mode="json"), work.seed)
        if (held.generator, held.version, held.params, held.seed) != wanted:
            raise OtherDataset(f"{out} already holds another data set, of {held.generator}; name another folder")
    strange = {f"data/{path.name}" for path in (out / "data").glob("*.parquet")} - planned
    if strange:
        raise OtherDataset(
            f"{out} already holds {min(strange)}, which is no part of this data set; name another folder"
        )


def _kept(work: _Work, file: str, first: int, count: int) -> ShardFacts | None:
    """What is known of a shard that is already there, when it is whole and its first unit is the right one."""
    try:
        data = read_file(work.out, file)
        shard = read_shard(data)
    except (BadDataset, BadShard):
        return None
    if (shard.units[0].index, len(shard.units)) != (first, count):
        return None
    if not same_recipe(shard.recipe, recipe_of(work.generator, work.params, work.seed)):
        return None
    if unit_hash(work.generator.unit(work.params, work.seed, first)) != shard.hashes[0]:
        return None
    return facts_of(data, file=file)


def _make(work: _Work, shards: Sequence[Span], workers: int) -> Iterator[ShardFacts]:
    """Make `shards` and yield each when it is on disk, in whatever order they are done."""
    if workers == 1 or len(shards) < 2:
        for span in shards:
            yield _write_shard(work, span)
        return
    generator = work.generator
    if get_generator(generator.name) is not generator:
        raise BadDataset(
            f"generator {generator.name} is not installed, so other processes cannot load it; use 1 process"
        )
    values = work.params.model_dump(mode="json")
    # A fresh interpreter a worker: forking would copy the threads and locks of whoever calls.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(shards)), mp_context=context) as pool, _cancelling(pool):
        tasks = [pool.submit(_write_elsewhere, work.out, generator.name, values, work.seed, span) for span in shards]
        for task in as_completed(tasks):
            yield task.result()


@contextlib.contextmanager
def _cancelling(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Start nothing more once one shard failed or the caller stopped listening."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _write_elsewhere(out: Path, name: str, values: dict[str, Any], seed: int, span: Span) -> ShardFacts:
    """`_write_shard` for another process, which gets the generator by name."""
    generator = get_generator(name)
    return _write_shard(_Work(out, generator, parse_params(generator, values), seed), span)


def _write_shard(work: _Work, span: Span) -> ShardFacts:
    file, first, count = span
    data = generate_shard(work.generator, work.params, work.seed, first, count)
    write_whole(work.out / file, data)
    return facts_of(data, file=file)
