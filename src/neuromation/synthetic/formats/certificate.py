"""The certificate of a data set: what it takes to prove that units are what a recipe makes, in one small file.

It names the recipe, the Merkle root over all units and the root of each shard, and the software that made them. Whoever
holds it can check any unit alone: make it again, hash it, and compare; or check a whole copy by its root. The unit hashes
themselves lie beside it. Owns the form of both files; `neuromation.synthetic.verify` does the checking.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neuromation.kernel.hashing import merkle_root
from neuromation.synthetic.errors import BadDataset
from neuromation.synthetic.formats.manifest import (
    DATASET_UNITS_MAX,
    MANIFEST_BYTES_MAX,
    SHARDS_MAX,
    Hex,
    Line,
    Manifest,
)
from neuromation.synthetic.formats.shard import ShardFacts

CERTIFICATE_FILE = "certificate.json"
LEAVES_FILE = "leaves.bin"
LEAF_BYTES = 32
_SOFTWARE = ("neuromation", "numpy", "numba", "pillow", "pyarrow", "isal")


class ShardProof(BaseModel):
    """The Merkle root over one shard's unit hashes, and which units they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Line
    first_unit: int = Field(ge=0)
    units: int = Field(ge=1)
    root: Hex


class Certificate(BaseModel):
    """What a data set is proven by; `software` and `machine` say where it was put together, and prove nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["neuromation-certificate/1"] = "neuromation-certificate/1"
    generator: Line
    version: Line
    params: dict[str, Any]
    seed: int
    units: int = Field(ge=1, le=DATASET_UNITS_MAX)
    unit_hash: Literal["sha256 of pixels, layers, label and annotations"] = (
        "sha256 of pixels, layers, label and annotations"
    )
    tree: Literal["RFC 6962"] = "RFC 6962"
    merkle_root: Hex
    identity: Hex
    shards: list[ShardProof] = Field(min_length=1, max_length=SHARDS_MAX)
    software: dict[str, Line] = Field(max_length=40)
    machine: Line


def certificate(manifest: Manifest) -> bytes:
    """The `certificate.json` of a data set made by the software that runs now."""
    made = Certificate(
        **_claims(manifest),
        software={
            "python": platform.python_version(),
            **{name: found for name in _SOFTWARE if (found := _version(name))},
        },
        machine=f"{platform.system()} {platform.machine()}",
    )
    return (made.model_dump_json(indent=2) + "\n").encode()


def leaves_of(shards: Sequence[ShardFacts]) -> bytes:
    """The `leaves.bin` of a data set: the hash of every unit in order, 32 bytes each.

    They are the leaves under the Merkle root, so that a reader of one shard can prove it without the others.
    """
    ordered = sorted(shards, key=lambda shard: shard.first_unit)
    return b"".join(bytes.fromhex(leaf) for shard in ordered for leaf in shard.hashes)


def parse_leaves(data: bytes, manifest: Manifest) -> list[str]:
    """The unit hashes of a data set, in hex. Raises BadDataset when they are too few, too many, or of another one."""
    if len(data) != manifest.units * LEAF_BYTES:
        raise BadDataset(
            f"{LEAVES_FILE} needs {LEAF_BYTES} bytes for each of {manifest.units:,} units, and has {len(data):,}"
        )
    leaves = [data[at : at + LEAF_BYTES].hex() for at in range(0, len(data), LEAF_BYTES)]
    for shard in manifest.shards:
        if merkle_root(leaves[shard.first_unit : shard.first_unit + shard.units]) != shard.root:
            raise BadDataset(f"{LEAVES_FILE} does not lead to the root of {shard.file}")
    return leaves


def parse_certificate(data: bytes) -> Certificate:
    """Read a certificate. Raises BadDataset when it is none."""
    if len(data) > MANIFEST_BYTES_MAX:
        raise BadDataset(f"a certificate is at most {MANIFEST_BYTES_MAX:,} bytes, not {len(data):,}")
    try:
        return Certificate.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadDataset(f"this is no certificate of a data set: {field[:80]}: {first['msg'][:120]}") from error


def differences(held: Certificate, manifest: Manifest) -> list[tuple[str, str, str]]:
    """Where a certificate and a manifest contradict each other: (field, certified, found)."""
    wanted = Certificate(**_claims(manifest), software={}, machine="").model_dump(exclude={"software", "machine"})
    certified = held.model_dump(exclude={"software", "machine"})
    return [
        (name, str(certified[name])[:200], str(value)[:200])
        for name, value in wanted.items()
        if certified[name] != value
    ]


def _claims(manifest: Manifest) -> dict[str, Any]:
    names = ("generator", "version", "params", "seed", "units", "merkle_root", "identity")
    shards = [
        ShardProof(file=shard.file, first_unit=shard.first_unit, units=shard.units, root=shard.root)
        for shard in manifest.shards
    ]
    return {**{name: getattr(manifest, name) for name in names}, "shards": shards}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
