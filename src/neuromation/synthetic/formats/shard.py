"""Parquet shards: a run of units in one file that Hugging Face `datasets`, DuckDB and pandas read as it is.

Owns the columns, the limits and the checks: it reads strangers' files, so nothing in them is believed. Pages are
neither packed nor dictionary-coded (images are packed already), so that a small file cannot grow in memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from pydantic_core import from_json

from neuromation.kernel.hashing import canonical_json, merkle_root, sha256_hex
from neuromation.synthetic.errors import BadShard, BadUnit, ShardTooLarge
from neuromation.synthetic.formats.png import decode_pngs, encode_png
from neuromation.synthetic.generator import Generator, Unit, annotations_text, content_hash

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "neuromation-shard/1"
UNITS_MAX = 100_000  # of one shard
BYTES_MAX = 64 * 2**20  # of one shard's file
PIXEL_BYTES_MAX = 512 * 2**20  # of one shard's images in memory
ANNOTATION_BYTES_MAX = 256 * 2**10  # of one unit
CLASSES_MAX = 10_000
_ROW_GROUPS_MAX = 64
_BATCH = 1_000
_META, _HF = b"neuromation", b"huggingface"


@dataclass(frozen=True)
class Recipe:
    """What a shard says it was made with; a claim until its units are made again."""

    generator: str
    version: str
    params: dict[str, Any]
    seed: int
    classes: tuple[str, ...]
    value_max: int


@dataclass(frozen=True)
class Shard:
    """A decoded shard: units in order of index, their hashes computed from the content, and what it says of itself."""

    units: list[Unit]
    hashes: list[str]
    recipe: Recipe


@dataclass(frozen=True)
class ShardFacts:
    """All that a data set needs to know of one of its shards; see `facts_of`."""

    file: str
    sha256: str
    size: int
    first_unit: int
    hashes: tuple[str, ...]
    class_counts: tuple[int, ...]

    @property
    def units(self) -> int:
        return len(self.hashes)

    @property
    def root(self) -> str:
        """The Merkle root over this shard's unit hashes alone, as a node commits it."""
        return merkle_root(self.hashes)


@dataclass(frozen=True)
class CheckedShard:
    """What a platform asks of a stranger's shard, every byte of it checked, without making units of it."""

    recipe: Recipe
    first_unit: int
    labels: list[int | None]
    hashes: list[str]


@dataclass(frozen=True)
class PackedShard:
    """A shard's file, and the hashes of its units in order."""

    data: bytes
    hashes: list[str]


def recipe_of(generator: Generator, params: BaseModel, seed: int) -> Recipe:
    """The recipe that shards of this generator carry."""
    return Recipe(
        generator=generator.name,
        version=generator.version,
        params=params.model_dump(mode="json"),
        seed=seed,
        classes=tuple(generator.classes_for(params)),
        value_max=generator.value_max,
    )


def encode_shard(units: Sequence[Unit], *, generator: Generator, params: BaseModel, seed: int) -> bytes:
    """A shard of `units`, which may come in any order and must have consecutive indices.

    Floats in annotations are stored to 6 decimals, as they are hashed. Raises BadUnit when a unit cannot be stored and
    BadShard when there are none, too many, or gaps between them.
    """
    return pack_shard(units, generator=generator, params=params, seed=seed).data


def pack_shard(units: Sequence[Unit], *, generator: Generator, params: BaseModel, seed: int) -> PackedShard:
    """The same, with the hashes that were computed on the way."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = sorted(units, key=lambda unit: unit.index)
    recipe = recipe_of(generator, params, seed)
    _check_run([unit.index for unit in ordered])
    _check_labels([unit.label for unit in ordered], len(recipe.classes))
    pngs = [encode_png(unit.picture, value_max=recipe.value_max) for unit in ordered]
    texts = [annotations_text(unit) for unit in ordered]
    hashes = [content_hash(unit.image, unit.label, text) for unit, text in zip(ordered, texts, strict=True)]
    if max(map(len, texts)) > ANNOTATION_BYTES_MAX:
        raise BadUnit(f"the annotations of a unit take at most {ANNOTATION_BYTES_MAX:,} bytes")
    columns = [
        pa.array([unit.index for unit in ordered], pa.int64()),
        pa.StructArray.from_arrays([pa.array(pngs, pa.binary()), pa.nulls(len(pngs), pa.string())], ["bytes", "path"]),
        pa.array([unit.label for unit in ordered], pa.int64()),
        pa.array([text.decode() for text in texts], pa.string()),
        pa.array(hashes, pa.string()),
    ]
    table = pa.Table.from_arrays(columns, schema=_schema().with_metadata(_metadata(recipe)))
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression="none", use_dictionary=False, write_statistics=False, write_page_checksum=True
    )
    data = bytes(sink.getvalue())
    if len(data) > BYTES_MAX:
        raise ShardTooLarge(
            f"this shard takes {len(data):,} bytes; put fewer units into one, at most {BYTES_MAX:,} bytes"
        )
    return PackedShard(data, hashes)


def decode_shard(data: bytes) -> list[Unit]:
    """The units of a shard in order of index. Raises BadShard when the file is cut, damaged or none of ours."""
    return read_shard(data).units


def shard_hashes(data: bytes) -> list[str]:
    """The hash of every unit of a shard, in order, computed from the content. Raises BadShard."""
    return check_shard(data).hashes


def facts_of(data: bytes, *, file: str) -> ShardFacts:
    """What a data set needs to know of a shard, computed from its content. Raises BadShard."""
    shard = check_shard(data)
    counts = _class_counts(shard.labels, len(shard.recipe.classes))
    return ShardFacts(file, sha256_hex(data), len(data), shard.first_unit, tuple(shard.hashes), counts)


def facts_of_checked(data: bytes, *, file: str, first_unit: int, hashes: Sequence[str]) -> ShardFacts:
    """The same for a shard whose units were checked against `hashes` before: reads its labels alone. Raises BadShard."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        labels = pq.read_table(pa.BufferReader(data), columns=["label"])["label"].to_pylist()
        classes = _recipe((pq.read_schema(pa.BufferReader(data)).metadata or {})[_META]).classes
    except (pa.ArrowException, KeyError, OSError) as error:
        raise BadShard("this shard cannot be read any more") from error
    counts = _class_counts(labels, len(classes))
    return ShardFacts(file, sha256_hex(data), len(data), first_unit, tuple(hashes), counts)


def _class_counts(labels: Sequence[int | None], classes: int) -> tuple[int, ...]:
    counts = [0] * classes
    for label in labels:
        if label is not None:
            counts[label] += 1
    return tuple(counts)


def read_shard(data: bytes) -> Shard:
    """Decode a shard and check all of it, also every stored hash against its unit.

    Raises BadShard when the file is cut, damaged or none of ours, ShardTooLarge when it is over a limit.
    """
    checked, images, annotations = _read(data)
    try:
        rows = zip(images, checked.labels, annotations, strict=True)
        units = [Unit(checked.first_unit + place, *row) for place, row in enumerate(rows)]
    except BadUnit as error:
        raise BadShard(f"a unit of this shard is wrong: {error}") from error
    return Shard(units, checked.hashes, checked.recipe)


def check_shard(data: bytes) -> CheckedShard:
    """Check a shard as `read_shard` does. Raises BadShard, ShardTooLarge."""
    return _read(data)[0]


def _read(data: bytes) -> tuple[CheckedShard, list[NDArray[np.uint8]], list[dict[str, Any]]]:
    """A shard's facts, its images and its annotations, once all of it was checked."""
    if len(data) > BYTES_MAX:
        raise ShardTooLarge(f"a shard is at most {BYTES_MAX:,} bytes, not {len(data):,}")
    table, recipe = _open(data)
    indices = table["index"].to_pylist()
    labels = table["label"].to_pylist()
    _check_run(indices)
    _check_labels(labels, len(recipe.classes))
    pngs, texts = _images(table["image"]), table["annotations"].to_pylist()
    if None in pngs or None in texts:
        raise BadShard("a unit of this shard has no image or no annotations")
    images = decode_pngs(pngs, value_max=recipe.value_max, bytes_max=PIXEL_BYTES_MAX)
    annotations = [_annotations(text) for text in texts]
    hashes = [
        content_hash(image, label, text.encode()) for image, label, text in zip(images, labels, texts, strict=True)
    ]
    if hashes != table["unit_hash"].to_pylist():
        raise BadShard("a unit of this shard is not the one that its hash names")
    return CheckedShard(recipe, indices[0], labels, hashes), images, annotations


def _schema() -> pa.Schema:
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.schema(
        [
            ("index", pa.int64()),
            ("image", image),
            ("label", pa.int64()),
            ("annotations", pa.string()),
            ("unit_hash", pa.string()),
        ]
    )


def _metadata(recipe: Recipe) -> dict[bytes, bytes]:
    """Our recipe, and the column types as Hugging Face `datasets` reads them from a Parquet file."""
    label: dict[str, Any] = {"names": list(recipe.classes), "_type": "ClassLabel"}
    text = {"dtype": "string", "_type": "Value"}
    features = {
        "index": {"dtype": "int64", "_type": "Value"},
        "image": {"_type": "Image"},
        "label": label if recipe.classes else {"dtype": "int64", "_type": "Value"},
        "annotations": text,
        "unit_hash": text,
    }
    ours = {"format": FORMAT, **recipe.__dict__, "classes": list(recipe.classes)}
    return {_META: canonical_json(ours), _HF: json.dumps({"info": {"features": features}}).encode()}


def _open(data: bytes) -> tuple[pa.Table, Recipe]:
    """The table of a shard and its recipe, once its form is known to be ours and its size to be bearable."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        _check_form(file)
        batches, size = [], 0
        for batch in file.iter_batches(batch_size=_BATCH):
            size += batch.nbytes
            if size > 2 * BYTES_MAX:
                raise ShardTooLarge(f"this shard unpacks to more than {2 * BYTES_MAX:,} bytes")
            batches.append(batch)
        table = pa.Table.from_batches(batches, schema=file.schema_arrow)
        table.validate(full=True)
        return table, _recipe((file.schema_arrow.metadata or {}).get(_META, b""))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadShard(f"this is no readable shard; it may have been cut or damaged: {str(error)[:120]}") from error


def _check_form(file: Any) -> None:
    form = file.metadata
    if not file.schema_arrow.equals(_schema()):
        raise BadShard("this Parquet file has other columns than a shard")
    if not 1 <= form.num_rows <= UNITS_MAX or not 1 <= form.num_row_groups <= _ROW_GROUPS_MAX:
        raise ShardTooLarge(
            f"a shard has 1 to {UNITS_MAX:,} units in at most {_ROW_GROUPS_MAX} groups, not {form.num_rows:,}"
        )
    for group in range(form.num_row_groups):
        for column in range(form.num_columns):
            chunk = form.row_group(group).column(column)
            if chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
                raise BadShard("this Parquet file is packed in a way that shards are not")


def _recipe(text: bytes) -> Recipe:
    try:
        claim = from_json(text, allow_inf_nan=False)
        found = claim.pop("format")
        recipe = Recipe(**{**claim, "classes": tuple(claim["classes"])})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadShard("this Parquet file does not say which generator made it") from error
    typed = (
        (recipe.generator, str),
        (recipe.version, str),
        (recipe.params, dict),
        (recipe.seed, int),
        (recipe.value_max, int),
    )
    if found != FORMAT or not all(isinstance(value, kind) for value, kind in typed):
        raise BadShard(f"this Parquet file is no shard of format {FORMAT}")
    names = recipe.classes
    if len(names) > CLASSES_MAX or not all(isinstance(name, str) for name in names) or not 1 <= recipe.value_max <= 255:
        raise BadShard("the classes or the values that this shard names are out of bounds")
    return recipe


def _images(column: pa.ChunkedArray) -> list[bytes]:
    """The PNG bytes of each row, and a refusal of anything hidden beside them."""
    import pyarrow.compute as pc

    if column.null_count or pc.struct_field(column, "path").null_count != len(column):
        raise BadShard("an image of this shard is missing, or has a path, which shards do not use")
    files: list[bytes] = pc.struct_field(column, "bytes").to_pylist()
    return files


def _annotations(text: str) -> dict[str, Any]:
    if len(text) > ANNOTATION_BYTES_MAX:
        raise ShardTooLarge(f"the annotations of a unit take at most {ANNOTATION_BYTES_MAX:,} bytes")
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise BadShard("the annotations of a unit are no JSON") from error
    if not isinstance(value, dict):
        raise BadShard("the annotations of a unit are no JSON object")
    return value


def _check_run(indices: Sequence[int | None]) -> None:
    count = len(indices)
    if not 1 <= count <= UNITS_MAX:
        raise ShardTooLarge(f"a shard has 1 to {UNITS_MAX:,} units, not {count:,}")
    first = indices[0]
    if first is None or first < 0 or list(indices) != list(range(first, first + count)):
        raise BadShard("the units of a shard have consecutive indices; here some are missing, double or negative")


def _check_labels(labels: Sequence[int | None], classes: int) -> None:
    if any(label is not None and not 0 <= label < classes for label in labels):
        raise BadShard(f"a label is out of the {classes} classes that the generator names")


def same_recipe(recipe: Recipe, other: Recipe | Mapping[str, Any]) -> bool:
    """Tell whether two recipes describe the same data set."""
    values = other.__dict__ if isinstance(other, Recipe) else dict(other)
    return canonical_json({**recipe.__dict__, "classes": list(recipe.classes)}) == canonical_json(
        {**values, "classes": list(values["classes"])}
    )
