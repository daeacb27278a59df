"""A data set as a folder: generate it, keep it whole, read it again. Works offline and knows nothing of the market.

manifest.json  README.md  croissant.json  certificate.json  leaves.bin  data/shard-00000.parquet ...
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from neuromation.kernel.files import sweep_parts, write_whole
from neuromation.synthetic.errors import BadDataset, BadShard, OtherDataset, WorkerLost
from neuromation.synthetic.formats.card import CARD_FILE, card
from neuromation.synthetic.formats.certificate import CERTIFICATE_FILE, LEAVES_FILE, certificate, leaves_of
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
    PackedShard,
    ShardFacts,
    ShardPacker,
    check_shard,
    facts_of,
    units_a_shard,
)
from neuromation.synthetic.generator import Generator, get_generator, parse_params, unit_hash

MANIFEST_FILE = "manifest.json"
SHARD_UNITS = 1_000  # of a shard at most, when nobody chose
WORKERS_MAX = 256
TELL_EVERY_S = 0.1

Progress = Callable[[int, int], None]
Span = tuple[str, int, int]  # a shard's file, its first unit, how many units
Tick = Callable[[], None]


@dataclass
class Effort:
    """What a run took: the units that were made, not those that were there already, and their CPU-seconds."""

    units: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True)
class _Work:
    """What every shard of one data set shares."""

    out: Path
    generator: Generator
    params: BaseModel
    seed: int


def generate_shard(generator: Generator, params: BaseModel, seed: int, first_unit: int, units: int) -> bytes:
    """The shard with units `first_unit` to `first_unit + units - 1`: what one generate task makes."""
    return make_shard(generator, params, seed, first_unit, units).data


def make_shard(
    generator: Generator, params: BaseModel, seed: int, first_unit: int, units: int, *, tick: Tick | None = None
) -> PackedShard:
    """The same, with what was found out on the way; `tick` is called after each unit."""
    packer = ShardPacker(recipe_of(generator, params, seed))
    for index in range(first_unit, first_unit + units):
        packer.add(generator.unit(params, seed, index))
        if tick:
            tick()
    return packer.finish()


def generate_dataset(
    generator: Generator,
    params: BaseModel,
    *,
    seed: int,
    units: int,
    out: Path,
    shard_units: int | None = None,
    workers: int = 1,
    created: datetime | None = None,
    on_progress: Progress | None = None,
    effort: Effort | None = None,
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
        shard_units: units a shard; the last may hold fewer. None: so many that a shard takes about 24 MiB, at most 1,000.
        workers: processes to share the work; 1 works in this one. The result is the same.
        created: time to write into the manifest; no part of the data set's identity.
        on_progress: called with (units done, units in all), a few times a second and at the end.
        effort: is filled with what the run took.

    Raises BadDataset for numbers out of range, OtherDataset when the folder holds another data set, and WorkerLost when
    a process ends early; what it finished is kept.
    """
    _check_plan(units, 1 if shard_units is None else shard_units, workers)
    if shard_units is None:
        shard_units = units_a_shard(generator, params, seed, units_max=SHARD_UNITS)
    _check_shards(units, shard_units)
    plan = [(shard_file(at // shard_units), at, min(shard_units, units - at)) for at in range(0, units, shard_units)]
    work = _Work(out, generator, params, seed)
    _check_folder(work, {file for file, _, _ in plan})
    (out / "data").mkdir(parents=True, exist_ok=True)
    for place in (out, out / "data"):
        sweep_parts(place)
    facts = [kept for span in plan if (kept := _kept(work, *span))]
    have = {shard.file for shard in facts}
    progress = _Reported(on_progress, sum(shard.units for shard in facts), units)
    took = effort if effort is not None else Effort()
    for shard, cpu_s in _make(work, [span for span in plan if span[0] not in have], workers, progress):
        facts.append(shard)
        took.units += shard.units
        took.cpu_s += cpu_s
    progress.finish()
    manifest = assemble(facts, generator=generator, params=params, seed=seed, created=created)
    write_whole(out / LEAVES_FILE, leaves_of(facts))
    write_metadata(out, manifest)
    return manifest


class _Reported:
    """Progress as it is told: at once what was there before, then a few times a second, then the end."""

    def __init__(self, tell: Progress | None, kept: int, units: int) -> None:
        self._tell, self._kept, self._units = tell, kept, units
        self._made, self._next, self._told = 0, 0.0, 0
        if kept:
            self.made(0)

    def tick(self) -> None:
        """One more unit is made."""
        self._made += 1
        if time.monotonic() >= self._next:
            self.made(self._made)

    def made(self, units: int) -> None:
        """So many are made in all."""
        self._made, self._next = units, time.monotonic() + TELL_EVERY_S
        done = min(self._kept + units, self._units)
        if self._tell and done != self._told:
            self._told = done
            self._tell(done, self._units)

    def finish(self) -> None:
        """Everything is made."""
        self.made(self._units - self._kept)


def write_metadata(folder: Path, manifest: Manifest) -> None:
    """Write card, Croissant, certificate and, last, the manifest beside the shards."""
    write_whole(folder / CARD_FILE, card(manifest))
    write_whole(folder / CROISSANT_FILE, croissant(manifest))
    write_whole(folder / CERTIFICATE_FILE, certificate(manifest))
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


def _check_plan(units: int, shard_units: int, workers: int) -> None:
    if not 1 <= units <= DATASET_UNITS_MAX:
        raise BadDataset(f"a data set has 1 to {DATASET_UNITS_MAX:,} units, not {units:,}")
    if not 1 <= shard_units <= UNITS_MAX:
        raise BadDataset(f"a shard has 1 to {UNITS_MAX:,} units, not {shard_units:,}")
    if not 1 <= workers <= WORKERS_MAX:
        raise BadDataset(f"1 to {WORKERS_MAX} processes can work, not {workers}")


def _check_shards(units: int, shard_units: int) -> None:
    if -(-units // shard_units) > SHARDS_MAX:
        raise BadDataset(f"a data set has at most {SHARDS_MAX:,} shards; put more than {shard_units:,} units into one")


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
        held = check_shard(data)
    except (BadDataset, BadShard):
        return None
    if (held.first_unit, len(held.hashes)) != (first, count):
        return None
    if not same_recipe(held.recipe, recipe_of(work.generator, work.params, work.seed)):
        return None
    if unit_hash(work.generator.unit(work.params, work.seed, first)) != held.hashes[0]:
        return None
    return facts_of(data, file=file, checked=held)


Made = tuple[ShardFacts, float]  # a shard on disk, and the CPU-seconds it took


def _make(work: _Work, shards: Sequence[Span], workers: int, progress: _Reported) -> Iterator[Made]:
    """Make `shards` and yield each when it is on disk, in whatever order they are done."""
    if workers == 1 or len(shards) < 2:
        for span in shards:
            yield _write_shard(work, span, progress.tick)
        return
    generator = work.generator
    if get_generator(generator.name) is not generator:
        raise BadDataset(
            f"generator {generator.name} is not installed, so other processes cannot load it; use 1 process"
        )
    values = work.params.model_dump(mode="json")
    # A fresh interpreter a worker: forking would copy the threads and locks of whoever calls.
    context = multiprocessing.get_context("spawn")
    count: Any = context.Value("q", 0)
    pool = ProcessPoolExecutor(min(workers, len(shards)), mp_context=context, initializer=_enter, initargs=(count,))
    with pool, _cancelling(pool):
        tasks = {pool.submit(_write_elsewhere, work.out, generator.name, values, work.seed, span) for span in shards}
        while tasks:
            done, tasks = wait(tasks, timeout=TELL_EVERY_S, return_when=FIRST_COMPLETED)
            progress.made(count.value)
            for task in done:
                yield _result(task)


def _result(task: Future[Made]) -> Made:
    try:
        return task.result()
    except BrokenProcessPool as error:
        raise WorkerLost(
            "a process that made units ended early: it was killed, or memory ran out; run the same command again, "
            "what is finished is kept, and fewer workers need less memory"
        ) from error


@contextlib.contextmanager
def _cancelling(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Start nothing more once one shard failed or the caller stopped listening."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


_counted: Any = None  # in a worker: the units that all workers made


def _enter(count: Any) -> None:
    """A worker begins: it shares the count, and ends with its parent, which may be killed at any time."""
    global _counted  # noqa: PLW0603
    _counted = count
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _count_one() -> None:
    with _counted.get_lock():
        _counted.value += 1


def _write_elsewhere(out: Path, name: str, values: dict[str, Any], seed: int, span: Span) -> Made:
    """`_write_shard` for another process, which gets the generator by name."""
    generator = get_generator(name)
    return _write_shard(_Work(out, generator, parse_params(generator, values), seed), span, _count_one)


def _write_shard(work: _Work, span: Span, tick: Tick) -> Made:
    file, first, count = span
    start = time.process_time()
    packed = make_shard(work.generator, work.params, work.seed, first, count, tick=tick)
    write_whole(work.out / file, packed.data)
    return packed.facts(file), time.process_time() - start
