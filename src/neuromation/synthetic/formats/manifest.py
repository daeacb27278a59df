"""The manifest of a data set: what it was made with, its shards, and one Merkle root over all of its units.

Owns the rules by which shards become one data set; knows no folder and no Parquet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from neuromation.kernel.hashing import canonical_json, merkle_root_of_runs, sha256_hex
from neuromation.kernel.rng import SEED_MAX
from neuromation.synthetic.errors import BadDataset
from neuromation.synthetic.formats.recipe import CLASSES_MAX
from neuromation.synthetic.formats.shard import ShardFacts
from neuromation.synthetic.generator import LAYERS_MAX, Generator, Layer

SHARDS_MAX = 10_000
DATASET_UNITS_MAX = 100_000_000
MANIFEST_BYTES_MAX = 16 * 2**20
LICENCE = "CC0-1.0"  # nothing in a generated unit was copied from anybody

Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Line = Annotated[str, StringConstraints(max_length=2_000)]


class ShardEntry(BaseModel):
    """One shard of a data set; `root` is the Merkle root over its own unit hashes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(pattern=r"^data/[a-z0-9][a-z0-9._-]{0,79}\.parquet$")
    sha256: Hex
    size: int = Field(ge=1)
    first_unit: int = Field(ge=0)
    units: int = Field(ge=1)
    root: Hex


class ManifestLayer(BaseModel):
    """One layer of a data set's units; see `generator.Layer`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    kind: Literal["image", "audio", "video"]
    dtype: Literal["uint8", "uint16", "int16"]
    meaning: Line
    rate_hz: float = Field(0.0, ge=0, le=1e6)


class Manifest(BaseModel):
    """Everything that defines a data set. `created` is told, and is no part of its identity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["neuromation-dataset/1"] = "neuromation-dataset/1"
    generator: Line
    version: Line
    title: Line
    description: Line
    modality: Line
    params: dict[str, Any]
    seed: int = Field(ge=0, le=SEED_MAX)
    units: int = Field(ge=1, le=DATASET_UNITS_MAX)
    size: int = Field(ge=1, description="bytes of all shards")
    value_max: int = Field(ge=1, le=255)
    classes: list[Line] = Field(max_length=CLASSES_MAX)
    class_counts: list[int] = Field(max_length=CLASSES_MAX)
    object_counts: list[int] = Field([], max_length=CLASSES_MAX)
    null_objects: int = Field(0, ge=0)
    layers: list[ManifestLayer] = Field([], max_length=LAYERS_MAX)
    licence: Line
    shards: list[ShardEntry] = Field(min_length=1, max_length=SHARDS_MAX)
    merkle_root: Hex
    created: datetime | None = None

    def canonical(self) -> bytes:
        """The one spelling of what defines the data set, without `created`, and without what plain pictures do not have."""
        told = self.model_dump(mode="json", exclude={"created"})
        absent = {name for name in ("object_counts", "null_objects", "layers") if not told[name]}
        return canonical_json({name: value for name, value in told.items() if name not in absent})

    def layer_list(self) -> tuple[Layer, ...]:
        """The layers as generators declare them. Raises BadUnit when one cannot be."""
        return tuple(Layer(**layer.model_dump()) for layer in self.layers)

    @property
    def identity(self) -> str:
        """The sha256 of `canonical()`: equal recipes and units give equal identities."""
        return sha256_hex(self.canonical())

    def to_json(self) -> bytes:
        """The manifest as it is stored, to be read by people too."""
        return (self.model_dump_json(indent=2) + "\n").encode()


def parse_manifest(data: bytes) -> Manifest:
    """Read a stored manifest. Raises BadDataset when it is none, or contradicts itself."""
    if len(data) > MANIFEST_BYTES_MAX:
        raise BadDataset(f"a manifest is at most {MANIFEST_BYTES_MAX:,} bytes, not {len(data):,}")
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadDataset(f"this is no manifest of a data set: {field[:80]}: {first['msg'][:120]}") from error
    _check_order([(shard.first_unit, shard.units) for shard in manifest.shards])
    if sum(shard.units for shard in manifest.shards) != manifest.units:
        raise BadDataset("the manifest's shards do not hold as many units as it says")
    return manifest


def assemble(
    shards: Sequence[ShardFacts],
    *,
    generator: Generator,
    params: BaseModel,
    seed: int,
    licence: str = LICENCE,
    created: datetime | None = None,
) -> Manifest:
    """One manifest over shards that together hold units 0..n without a gap; they may come in any order.

    Raises BadDataset when units are missing or double.
    """
    ordered = sorted(shards, key=lambda shard: shard.first_unit)
    _check_order([(shard.first_unit, shard.units) for shard in ordered])
    if len({shard.file for shard in ordered}) < len(ordered):
        raise BadDataset("two shards of the data set have the same file name")
    objects = [shard.objects for shard in ordered if shard.objects]
    by_class = [sum(counts) for counts in zip(*objects, strict=True)]
    return Manifest(
        generator=generator.name,
        version=generator.version,
        title=generator.title,
        description=generator.description,
        modality=generator.modality,
        params=params.model_dump(mode="json"),
        seed=seed,
        units=sum(shard.units for shard in ordered),
        size=sum(shard.size for shard in ordered),
        value_max=generator.value_max,
        classes=list(generator.classes_for(params)),
        class_counts=[sum(counts) for counts in zip(*(shard.class_counts for shard in ordered), strict=True)],
        object_counts=by_class[:-1],
        null_objects=by_class[-1] if by_class else 0,
        layers=[ManifestLayer(**asdict(layer)) for layer in generator.layers(params)],
        licence=licence,
        shards=[_entry(shard) for shard in ordered],
        merkle_root=merkle_root_of_runs([(shard.hashes, shard.root) for shard in ordered]),
        created=created,
    )


def shard_file(number: int) -> str:
    """The path of shard `number` inside a data set."""
    return f"data/shard-{number:05d}.parquet"


def _entry(shard: ShardFacts) -> ShardEntry:
    return ShardEntry(
        file=shard.file,
        sha256=shard.sha256,
        size=shard.size,
        first_unit=shard.first_unit,
        units=shard.units,
        root=shard.root,
    )


def _check_order(runs: Sequence[tuple[int, int]]) -> None:
    at = 0
    for first, units in runs:
        if first != at:
            raise BadDataset(
                f"unit {min(first, at)} of the data set is missing or double; shards must follow each other"
            )
        at += units
    if not runs:
        raise BadDataset("a data set has at least one shard")
