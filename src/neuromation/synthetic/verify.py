"""Verification of a finished data set: its files against its root, and a sample of units against their generator.

Owns the checks; where the shards come from is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from neuromation.kernel.hashing import merkle_root, sha256_hex
from neuromation.synthetic.errors import BadDataset, BadShard
from neuromation.synthetic.folder import load_manifest, read_file
from neuromation.synthetic.formats.certificate import (
    CERTIFICATE_FILE,
    LEAVES_FILE,
    differences,
    parse_certificate,
    parse_leaves,
)
from neuromation.synthetic.formats.manifest import Manifest, ShardEntry
from neuromation.synthetic.formats.shard import ShardReader
from neuromation.synthetic.generator import Generator, Unit, annotations_text, get_generator, parse_params, unit_hash

FAILURES_MAX = 1_000  # listed in a report; more are only counted

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Failure:
    """One thing that is not as published; `unit` is None when it concerns a whole file or the data set.

    `how` says of a unit in what it differs: image, a layer, the label, a place in the annotations.
    """

    kind: str  # "file" | "shard" | "root" | "unit" | "certificate" | "leaves"
    where: str
    unit: int | None
    expected: str
    found: str
    how: str = ""

    def __str__(self) -> str:
        place = self.where if self.unit is None else f"unit {self.unit} in {self.where}"
        reason = f" ({self.how})" if self.how else ""
        return f"{place}: {self.kind} should be {self.expected[:16]}, is {self.found[:60]}{reason}"


@dataclass
class VerifyReport:
    """What a verification did and what it found."""

    units: int
    merkle_root: str
    sampled: list[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    failed: int = 0
    certified: bool = False  # a certificate was there and agreed
    whole: bool = True  # every shard was read, not only those of the sample

    @property
    def ok(self) -> bool:
        return self.failed == 0

    def add(self, failure: Failure) -> None:
        """Count a failure, and list it while there is room."""
        self.failed += 1
        if len(self.failures) < FAILURES_MAX:
            self.failures.append(failure)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON."""
        listed = [failure.__dict__ for failure in self.failures]
        return {**self.__dict__, "ok": self.ok, "failures": listed}


def verify_dataset(
    folder: Path,
    *,
    sample: int,
    rng: np.random.Generator,
    published_root: str | None = None,
    on_progress: Progress | None = None,
) -> VerifyReport:
    """Verify a data-set folder, all of it; see `verify_shards`. Raises BadDataset when it has no readable manifest."""
    manifest = load_manifest(folder)
    path, leaves = folder / CERTIFICATE_FILE, folder / LEAVES_FILE
    return verify_shards(
        manifest,
        lambda file: read_file(folder, file),
        sample=sample,
        rng=rng,
        published_root=published_root,
        certificate=path.read_bytes() if path.is_file() else None,
        leaves=leaves.read_bytes() if leaves.is_file() else None,
        on_progress=on_progress,
    )


def verify_shards(
    manifest: Manifest,
    read: Callable[[str], bytes],
    *,
    sample: int,
    rng: np.random.Generator,
    published_root: str | None = None,
    certificate: bytes | None = None,
    leaves: bytes | None = None,
    whole: bool = True,
    on_progress: Progress | None = None,
) -> VerifyReport:
    """Check every shard and the root, and make `sample` units again.

    Args:
        manifest: of the data set.
        read: gives the bytes of a shard by its file name; may raise BadDataset when it cannot.
        sample: how many units to regenerate, >= 0; all when there are fewer.
        rng: chooses them.
        published_root: the Merkle root that the units must lead to, where it is known from elsewhere; by default the
            manifest's.
        certificate: the data set's, where it has one; it must say what the manifest says.
        leaves: the data set's `leaves.bin`, where it has one; they must lead to the root of every shard.
        whole: read every shard. Otherwise, and when there are `leaves`, only the shards of the sample are read; that
            the others were published with these units is proven, that their files are whole is not.
        on_progress: called with (units done, units in all) after each shard and each unit that was made again; such a
            unit counts as one more.

    Raises UnknownGenerator when a sample is asked for and its generator is not installed in the same version.
    """
    report = VerifyReport(manifest.units, manifest.merkle_root)
    _check_certificate(certificate, manifest, report)
    again: _Again | None = None
    if sample > 0:
        generator = get_generator(manifest.generator, manifest.version)
        picked = rng.choice(manifest.units, size=min(sample, manifest.units), replace=False)
        report.sampled = sorted(int(index) for index in picked)
        again = _Again(generator, parse_params(generator, manifest.params), manifest.seed)
    known = _check_leaves(leaves, manifest, report)
    report.whole = whole or known is None
    found: list[str] = []
    done = 0
    for shard in manifest.shards:
        here = range(shard.first_unit, shard.first_unit + shard.units)
        inside = [i for i in report.sampled if i in here]
        if known is not None and not report.whole and not inside:
            found += known[here.start : here.stop]
            done += shard.units
            continue
        for step, hashes in _check_shard(shard, read, inside, again, report):
            done += step
            found += hashes
            if on_progress:
                on_progress(done, manifest.units + len(report.sampled))
    if on_progress:
        on_progress(manifest.units + len(report.sampled), manifest.units + len(report.sampled))
    root = published_root or manifest.merkle_root
    if len(found) == manifest.units and (led_to := merkle_root(found)) != root:
        report.add(Failure("root", "data set", None, root, led_to))
    return report


@dataclass(frozen=True)
class _Again:
    """What makes units again."""

    generator: Generator
    params: BaseModel
    seed: int

    def unit(self, index: int) -> Unit:
        return self.generator.unit(self.params, self.seed, index)


def _check_certificate(data: bytes | None, manifest: Manifest, report: VerifyReport) -> None:
    if data is None:
        return
    try:
        wrong = differences(parse_certificate(data), manifest)
    except BadDataset as error:
        report.add(Failure("certificate", CERTIFICATE_FILE, None, "a certificate", error.message))
        return
    for name, certified, found in wrong:
        report.add(
            Failure("certificate", CERTIFICATE_FILE, None, certified, found, f"{name} is another in the manifest")
        )
    report.certified = not wrong


def _check_leaves(data: bytes | None, manifest: Manifest, report: VerifyReport) -> list[str] | None:
    """The published unit hashes, when there are any and they are right."""
    if data is None:
        return None
    try:
        return parse_leaves(data, manifest)
    except BadDataset as error:
        report.add(Failure("leaves", LEAVES_FILE, None, "the hash of every unit", error.message))
        return None


def _check_shard(
    shard: ShardEntry, read: Callable[[str], bytes], inside: list[int], again: _Again | None, report: VerifyReport
) -> Iterator[tuple[int, list[str]]]:
    """Check one shard and the units of the sample in it; yields (work done, unit hashes) step by step."""
    try:
        data = read(shard.file)
        reader = ShardReader(data)
        right_place = (reader.first_unit, len(reader.hashes)) == (shard.first_unit, shard.units)
        wanted = {index - reader.first_unit for index in inside} if right_place else set()
        kept = {place: unit for place, unit in enumerate(reader.units()) if place in wanted}
    except (BadDataset, BadShard) as error:
        report.add(Failure("file", shard.file, None, shard.sha256, error.message))
        yield shard.units + len(inside), []
        return
    found = sha256_hex(data)
    if found != shard.sha256:
        report.add(Failure("file", shard.file, None, shard.sha256, found))
    if not right_place:
        report.add(Failure("shard", shard.file, None, f"units from {shard.first_unit}", "other units"))
        yield shard.units + len(inside), []
        return
    root = merkle_root(reader.hashes)
    if root != shard.root:
        report.add(Failure("shard", shard.file, None, shard.root, root))
    yield shard.units, reader.hashes
    for unit in kept.values():
        assert again is not None, "only a sample names units"
        made = again.unit(unit.index)
        if unit_hash(made) != unit_hash(unit):
            report.add(
                Failure("unit", shard.file, unit.index, unit_hash(made), unit_hash(unit), difference(made, unit))
            )
        yield 1, []


def difference(made: Unit, stored: Unit) -> str:
    """In what a stored unit differs from the one that its generator makes, in words."""
    told = []
    if made.label != stored.label:
        told.append(f"the label is {stored.label} instead of {made.label}")
    told += _arrays("the image", made.image, stored.image)
    for name in sorted(made.layers.keys() | stored.layers.keys()):
        told += _arrays(f"layer {name}", made.layers.get(name), stored.layers.get(name))
    if annotations_text(made) != annotations_text(stored):
        told.append(_first_difference(made.annotations, stored.annotations, "annotations"))
    return "; ".join(told)


def _arrays(what: str, made: NDArray[Any] | None, stored: NDArray[Any] | None) -> list[str]:
    if made is None or stored is None:
        return [] if made is stored else [f"{what} is {'missing' if stored is None else 'one too many'}"]
    if made.shape != stored.shape or made.dtype != stored.dtype:
        return [f"{what} is {stored.dtype} {stored.shape} instead of {made.dtype} {made.shape}"]
    gaps = np.abs(made.astype(np.int64) - stored)
    places = np.argwhere(gaps)
    if not len(places):
        return []
    first = tuple(int(at) for at in places[0])
    return [f"{what} differs at {len(places):,} of {made.size:,} values, by {gaps.max()} at most, first at {first}"]


def _first_difference(made: Any, stored: Any, path: str) -> str:
    """The first place at which two pieces of JSON differ."""
    if isinstance(made, dict) and isinstance(stored, dict):
        for key in sorted(made.keys() | stored.keys(), key=str):
            if key not in stored or key not in made:
                return f"{path}.{key} is {'missing' if key not in stored else 'one too many'}"
            if found := _first_difference(made[key], stored[key], f"{path}.{key}"):
                return found
        return ""
    if isinstance(made, list | tuple) and isinstance(stored, list | tuple):
        if len(made) != len(stored):
            return f"{path} has {len(stored)} entries instead of {len(made)}"
        texts = (_first_difference(a, b, f"{path}[{n}]") for n, (a, b) in enumerate(zip(made, stored, strict=True)))
        return next((text for text in texts if text), "")
    # Stored floats are rounded to 6 decimals.
    numbers = isinstance(made, float) and isinstance(stored, int | float)
    alike = made == stored or (numbers and abs(made - stored) <= 1e-6)
    return "" if alike else f"{path} is {str(stored)[:60]} instead of {str(made)[:60]}"
