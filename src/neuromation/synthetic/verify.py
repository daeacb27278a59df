"""Verification of a finished data set: its files against its root, and a sample of units against their generator.

Owns the checks; where the shards come from is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neuromation.kernel.hashing import merkle_root, sha256_hex
from neuromation.synthetic.errors import BadDataset, BadShard
from neuromation.synthetic.folder import load_manifest, read_file
from neuromation.synthetic.formats.manifest import Manifest, ShardEntry
from neuromation.synthetic.formats.shard import read_shard
from neuromation.synthetic.generator import Generator, get_generator, parse_params, unit_hash

FAILURES_MAX = 1_000  # listed in a report; more are only counted


@dataclass(frozen=True)
class Failure:
    """One thing that is not as published; `unit` is None when it concerns a whole file or the data set."""

    kind: str  # "file" | "shard" | "root" | "unit"
    where: str
    unit: int | None
    expected: str
    found: str

    def __str__(self) -> str:
        place = self.where if self.unit is None else f"unit {self.unit} in {self.where}"
        return f"{place}: {self.kind} should be {self.expected[:16]}, is {self.found[:60]}"


@dataclass
class VerifyReport:
    """What a verification did and what it found."""

    units: int
    merkle_root: str
    sampled: list[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    failed: int = 0

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
    folder: Path, *, sample: int, rng: np.random.Generator, published_root: str | None = None
) -> VerifyReport:
    """Verify a data-set folder; see `verify_shards`. Raises BadDataset when it has no readable manifest."""
    manifest = load_manifest(folder)
    return verify_shards(
        manifest, lambda file: read_file(folder, file), sample=sample, rng=rng, published_root=published_root
    )


def verify_shards(
    manifest: Manifest,
    read: Callable[[str], bytes],
    *,
    sample: int,
    rng: np.random.Generator,
    published_root: str | None = None,
) -> VerifyReport:
    """Check every shard and the root, and make `sample` units again.

    Args:
        manifest: of the data set.
        read: gives the bytes of a shard by its file name; may raise BadDataset when it cannot.
        sample: how many units to regenerate, >= 0; all when there are fewer.
        rng: chooses them.
        published_root: the Merkle root that the units must lead to, where it is known from elsewhere; by default the
            manifest's.

    Raises UnknownGenerator when a sample is asked for and its generator is not installed in the same version.
    """
    report = VerifyReport(manifest.units, manifest.merkle_root)
    hashes = {shard.file: _check_shard(shard, read, report) for shard in manifest.shards}
    root = published_root or manifest.merkle_root
    if all(hashes.values()):
        found = merkle_root([leaf for leaves in hashes.values() for leaf in leaves])
        if found != root:
            report.add(Failure("root", "data set", None, root, found))
    if sample > 0:
        generator = get_generator(manifest.generator, manifest.version)
        picked = rng.choice(manifest.units, size=min(sample, manifest.units), replace=False)
        report.sampled = sorted(int(index) for index in picked)
        _check_units(manifest, generator, hashes, report)
    return report


def _check_shard(shard: ShardEntry, read: Callable[[str], bytes], report: VerifyReport) -> list[str]:
    """The unit hashes of a shard, computed from its content; none when it cannot be read."""
    try:
        data = read(shard.file)
        decoded = read_shard(data)
    except (BadDataset, BadShard) as error:
        report.add(Failure("file", shard.file, None, shard.sha256, error.message))
        return []
    found = sha256_hex(data)
    if found != shard.sha256:
        report.add(Failure("file", shard.file, None, shard.sha256, found))
    if (decoded.units[0].index, len(decoded.units)) != (shard.first_unit, shard.units):
        report.add(Failure("shard", shard.file, None, f"units from {shard.first_unit}", "other units"))
        return []
    root = merkle_root(decoded.hashes)
    if root != shard.root:
        report.add(Failure("shard", shard.file, None, shard.root, root))
    return decoded.hashes


def _check_units(manifest: Manifest, generator: Generator, hashes: dict[str, list[str]], report: VerifyReport) -> None:
    params = parse_params(generator, manifest.params)
    for shard in manifest.shards:
        leaves = hashes[shard.file]
        for index in report.sampled:
            if not leaves or not shard.first_unit <= index < shard.first_unit + shard.units:
                continue
            expected = unit_hash(generator.unit(params, manifest.seed, index))
            found = leaves[index - shard.first_unit]
            if found != expected:
                report.add(Failure("unit", shard.file, index, expected, found))
