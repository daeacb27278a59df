"""Parquet shards: a run of units in one file that Hugging Face `datasets`, DuckDB and pandas read as it is.

Owns the columns, the limits and the checks: it reads strangers' files, so nothing in them is believed. Pages are
neither packed nor dictionary-coded (images are packed already), so that a small file cannot grow in memory.

The columns are `index`, `image` (where units are pictures), one a layer, `label`, `annotations`, `unit_hash`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from pydantic_core import from_json

from neuromation.kernel.hashing import merkle_root, sha256_hex
from neuromation.synthetic.errors import BadShard, BadUnit, ShardTooLarge
from neuromation.synthetic.formats import columns
from neuromation.synthetic.formats.recipe import Recipe, read_recipe, recipe_of, write_recipe
from neuromation.synthetic.generator import Generator, Layer, Unit, annotations_text, content_hash

if TYPE_CHECKING:
    import pyarrow as pa

UNITS_MAX = 100_000  # of one shard
BYTES_MAX = 64 * 2**20  # of one shard's file
PIXEL_BYTES_MAX = 1024 * 2**20  # of one shard's images, layers and recordings, unpacked; never all at once
ANNOTATION_BYTES_MAX = 4 * 2**20  # of one unit
SHARD_BYTES_AIM = 24 * 2**20  # of a shard whose size nobody chose: quick to fetch, few enough files
_STEPS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)  # round numbers of units
_ROW_GROUPS_MAX = 64
_BATCH = 1_000
_TOGETHER_BYTES = 8 * 2**20  # unpacked content of the units that are checked in one step
META, _HF = b"neuromation", b"huggingface"
_PLAIN = ("index", "label", "annotations", "unit_hash")

ObjectCounts = tuple[int, ...]  # by class, then null objects
Counts = tuple[tuple[int, ...], ObjectCounts]  # units by class, objects


@dataclass(frozen=True)
class Shard:
    """A decoded shard: units in order of index, their hashes computed from the content, and what it says of itself."""

    units: list[Unit]
    hashes: list[str]
    recipe: Recipe


@dataclass(frozen=True)
class ShardFacts:
    """All that a data set needs to know of one of its shards; see `facts_of`.

    `root`: the Merkle root over this shard's unit hashes alone, as a node commits it. `class_counts`: units by class.
    `objects`: objects in pictures by class, then null objects; empty where units have none.
    """

    file: str
    sha256: str
    size: int
    first_unit: int
    hashes: tuple[str, ...]
    root: str
    class_counts: tuple[int, ...]
    objects: ObjectCounts = ()

    @property
    def units(self) -> int:
        return len(self.hashes)


@dataclass(frozen=True)
class CheckedShard:
    """What a platform asks of a stranger's shard, every byte of it checked, without making units of it."""

    recipe: Recipe
    first_unit: int
    labels: list[int | None]
    hashes: list[str]
    objects: ObjectCounts = ()

    @property
    def counts(self) -> Counts:
        """What is in it, by class."""
        return _class_counts(self.labels, len(self.recipe.classes)), self.objects


@dataclass(frozen=True)
class PackedShard:
    """A shard's file, and what was found out on the way; `memory` is what its content takes unpacked, bytes."""

    data: bytes
    hashes: list[str]
    first_unit: int
    class_counts: tuple[int, ...]
    objects: ObjectCounts
    memory: int

    def facts(self, file: str) -> ShardFacts:
        """What a data set needs to know of it under this file name, without reading it again."""
        return ShardFacts(
            file,
            sha256_hex(self.data),
            len(self.data),
            self.first_unit,
            tuple(self.hashes),
            merkle_root(self.hashes),
            self.class_counts,
            self.objects,
        )


def encode_shard(units: Sequence[Unit], *, generator: Generator, params: BaseModel, seed: int) -> bytes:
    """A shard of `units`, which may come in any order and must have consecutive indices.

    Floats in annotations are stored to 6 decimals, as they are hashed. Raises BadUnit when a unit cannot be stored and
    BadShard when there are none, too many, or gaps between them.
    """
    return pack_shard(units, generator=generator, params=params, seed=seed).data


def pack_shard(units: Sequence[Unit], *, generator: Generator, params: BaseModel, seed: int) -> PackedShard:
    """The same, with what was found out on the way."""
    packer = ShardPacker(recipe_of(generator, params, seed))
    for unit in sorted(units, key=lambda unit: unit.index):
        packer.add(unit)
    return packer.finish()


class ShardPacker:
    """Packs units one after another, in order of index, so that only packed ones are kept in memory."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._rows: dict[str, list[Any]] = {name: [] for name in (*_PLAIN, "image")}
        self._files: dict[str, list[columns.File]] = {layer.name: [] for layer in recipe.layers}
        self._objects = _Objects(len(recipe.classes))
        self.memory = 0
        self.packed_bytes = 0

    def add(self, unit: Unit) -> str:
        """Pack one unit; its hash. Raises BadUnit when it is not what the recipe says or cannot be stored."""
        recipe, rows = self.recipe, self._rows
        _check_unit(unit, recipe)
        text = annotations_text(unit)
        if len(text) > ANNOTATION_BYTES_MAX:
            raise BadUnit(f"the annotations of a unit take at most {ANNOTATION_BYTES_MAX:,} bytes, not {len(text):,}")
        image = None if unit.image is None else columns.pack(columns.IMAGE, unit.image, value_max=recipe.value_max)
        files = [(layer.name, columns.pack(layer, unit.layers[layer.name])) for layer in recipe.layers]
        arrays = [array for array in (unit.image, *unit.layers.values()) if array is not None]
        self.memory += sum(array.nbytes for array in arrays)
        self.packed_bytes += len(text) + sum(
            sum(map(len, file)) if isinstance(file, list) else len(file or b"")
            for file in (image, *(file for _, file in files))
        )
        leaf = content_hash(unit.image, unit.label, text, unit.layers)
        self._objects.add(unit.annotations)
        values = (unit.index, unit.label, text.decode(), leaf, image)
        for name, value in zip((*_PLAIN, "image"), values, strict=True):
            rows[name].append(value)
        for name, file in files:
            self._files[name].append(file)
        return leaf

    def finish(self) -> PackedShard:
        """The shard. Raises BadShard when there are gaps between units, ShardTooLarge when it is over a limit."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        recipe, rows = self.recipe, self._rows
        _check_run(rows["index"])
        _check_labels(rows["label"], len(recipe.classes))
        if self.memory > PIXEL_BYTES_MAX:
            raise ShardTooLarge(
                f"this shard unpacks to {self.memory:,} bytes; put fewer units into one, at most {PIXEL_BYTES_MAX:,} bytes"
            )
        made: dict[str, Any] = {
            "index": pa.array(rows["index"], pa.int64()),
            "label": pa.array(rows["label"], pa.int64()),
            "annotations": pa.array(rows["annotations"], pa.string()),
            "unit_hash": pa.array(rows["unit_hash"], pa.string()),
        }
        if recipe.image:
            made["image"] = columns.to_column(columns.IMAGE, rows["image"])
        for layer in recipe.layers:
            made[layer.name] = columns.to_column(layer, self._files[layer.name])
        schema = schema_of(recipe)
        table = pa.Table.from_arrays([made[name] for name in schema.names], schema=schema.with_metadata(_meta(recipe)))
        sink = pa.BufferOutputStream()
        pq.write_table(
            table, sink, compression="none", use_dictionary=False, write_statistics=False, write_page_checksum=True
        )
        data = bytes(sink.getvalue())
        if len(data) > BYTES_MAX:
            raise ShardTooLarge(
                f"this shard takes {len(data):,} bytes; put fewer units into one, at most {BYTES_MAX:,} bytes"
            )
        counts = _class_counts(rows["label"], len(recipe.classes))
        return PackedShard(data, rows["unit_hash"], rows["index"][0], counts, self._objects.counts, self.memory)


def units_a_shard(generator: Generator, params: BaseModel, seed: int, *, units_max: int) -> int:
    """How many units make a shard of about `SHARD_BYTES_AIM` bytes, 1 to `units_max`, judged by the first unit.

    A round number, so that packers that differ by a little choose alike.
    """
    packer = ShardPacker(recipe_of(generator, params, seed))
    packer.add(generator.unit(params, seed, 0))
    # Half of what may be unpacked: later units may be larger than the first.
    room = min(SHARD_BYTES_AIM / (packer.packed_bytes + 1), PIXEL_BYTES_MAX / 2 / (packer.memory + 1))
    if room >= units_max:
        return units_max
    scale = 1
    while room >= 10 * scale:
        scale *= 10
    return max([1, *(int(step * scale) for step in _STEPS if step * scale <= room)])


def _check_unit(unit: Unit, recipe: Recipe) -> None:
    if unit.layers.keys() != {layer.name for layer in recipe.layers}:
        raise BadUnit(
            f"unit {unit.index} has the layers {sorted(unit.layers)}; generator {recipe.generator} declares "
            f"{sorted(layer.name for layer in recipe.layers)}"
        )
    if unit.image is not None and not recipe.image:
        raise BadUnit(f"unit {unit.index} has an image, but generator {recipe.generator} says that its units are none")


def decode_shard(data: bytes) -> list[Unit]:
    """The units of a shard in order of index. Raises BadShard when the file is cut, damaged or none of ours."""
    return read_shard(data).units


def shard_hashes(data: bytes) -> list[str]:
    """The hash of every unit of a shard, in order, computed from the content. Raises BadShard."""
    return check_shard(data).hashes


def facts_of(data: bytes, *, file: str, checked: CheckedShard | None = None) -> ShardFacts:
    """What a data set needs to know of a shard, computed from its content. Raises BadShard."""
    shard = checked or check_shard(data)
    leaves = tuple(shard.hashes)
    return ShardFacts(file, sha256_hex(data), len(data), shard.first_unit, leaves, merkle_root(leaves), *shard.counts)


def counts_of(data: bytes) -> Counts:
    """What is in a shard that was checked before, by class; reads nothing else. Raises BadShard."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data), columns=["label", "annotations"])
        labels, texts = table["label"].to_pylist(), table["annotations"].to_pylist()
        classes = read_recipe((pq.read_schema(pa.BufferReader(data)).metadata or {})[META]).classes
    except (pa.ArrowException, KeyError, OSError) as error:
        raise BadShard("this shard cannot be read any more") from error
    objects = _Objects(len(classes))
    for text in texts:
        if '"objects"' in text:
            objects.add(_annotations(text))
    return _class_counts(labels, len(classes)), objects.counts


class _Objects:
    """Counts objects by class, and null objects; strangers' ones may be of any form."""

    def __init__(self, classes: int) -> None:
        self._counts = [0] * (classes + 1)
        self._met = False

    def add(self, annotations: dict[str, Any]) -> None:
        listed = annotations.get("objects")
        if not isinstance(listed, list):
            return
        self._met = True
        for item in listed:
            label = item.get("label") if isinstance(item, dict) else None
            if not isinstance(label, int) or not 0 <= label < len(self._counts) - 1:
                label = -1  # none
            self._counts[label] += 1

    @property
    def counts(self) -> ObjectCounts:
        return tuple(self._counts) if self._met else ()


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
    reader = ShardReader(data)
    return Shard(list(reader.units()), reader.hashes, reader.recipe)


def check_shard(data: bytes) -> CheckedShard:
    """Check a shard as `read_shard` does. Raises BadShard, ShardTooLarge."""
    reader = ShardReader(data)
    objects = _Objects(len(reader.recipe.classes))
    for _, _, known in reader.contents():
        objects.add(known)
    return CheckedShard(reader.recipe, reader.first_unit, reader.labels, reader.hashes, objects.counts)


Content = tuple[NDArray[np.uint8] | None, dict[str, NDArray[Any]], dict[str, Any]]


class ShardReader:
    """A shard whose form, size and order were checked at once, and whose units are checked as they are read.

    Attributes:
        recipe: what the shard says of itself.
        first_unit: the index of its first unit.
        labels: of every unit, checked.
        hashes: as stored; `contents` and `units` raise BadShard at the first unit that is another.

    Raises BadShard, ShardTooLarge.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) > BYTES_MAX:
            raise ShardTooLarge(f"a shard is at most {BYTES_MAX:,} bytes, not {len(data):,}")
        table, self.recipe = _open(data)
        indices = table["index"].to_pylist()
        self.labels: list[int | None] = table["label"].to_pylist()
        _check_run(indices)
        _check_labels(self.labels, len(self.recipe.classes))
        self.first_unit: int = indices[0]
        self.hashes: list[str] = table["unit_hash"].to_pylist()
        self._texts: list[str] = table["annotations"].to_pylist()
        if None in self._texts or None in self.hashes:
            raise BadShard("a unit of this shard has no annotations or no hash")
        self._columns: list[tuple[Layer, list[columns.File | None]]] = []
        if self.recipe.image:
            self._columns.append((columns.IMAGE, columns.from_column(columns.IMAGE, table["image"], optional=True)))
        self._columns += [(layer, columns.from_column(layer, table[layer.name])) for layer in self.recipe.layers]
        taken = [columns.memories(layer, files) for layer, files in self._columns]
        self._sizes = [sum(sizes) for sizes in zip(*taken, strict=True)] if taken else [0] * len(indices)
        if sum(self._sizes) > PIXEL_BYTES_MAX:
            raise ShardTooLarge(
                f"the images of this shard take {sum(self._sizes):,} bytes; at most {PIXEL_BYTES_MAX:,} are read"
            )

    def units(self) -> Iterator[Unit]:
        """Every unit in order, each checked against its hash. Raises BadShard."""
        for place, (image, layers, known) in enumerate(self.contents()):
            try:
                yield Unit(self.first_unit + place, image, self.labels[place], known, layers)
            except BadUnit as error:
                raise BadShard(f"a unit of this shard is wrong: {error}") from error

    def contents(self) -> Iterator[Content]:
        """Image, layers and annotations of every unit in order, each checked against its hash. Raises BadShard."""
        start = 0
        while start < len(self._sizes):
            stop, room = start + 1, _TOGETHER_BYTES - self._sizes[start]
            while stop < len(self._sizes) and room >= self._sizes[stop]:
                room -= self._sizes[stop]
                stop += 1
            yield from self._some(start, stop)
            start = stop

    def _some(self, start: int, stop: int) -> Iterator[Content]:
        images: list[Any] = [None] * (stop - start)
        arrays: dict[str, list[Any]] = {}
        for layer, files in self._columns:
            if layer is columns.IMAGE:
                images = _in_places(layer, files[start:stop], self.recipe.value_max)
            else:
                arrays[layer.name] = _in_places(layer, files[start:stop], 255)
        for place in range(start, stop):
            image = images[place - start]
            layers = {name: found[place - start] for name, found in arrays.items()} if arrays else {}
            text = self._texts[place]
            annotations = _annotations(text)
            if content_hash(image, self.labels[place], text.encode(), layers) != self.hashes[place]:
                raise BadShard(f"unit {self.first_unit + place} of this shard is not the one that its hash names")
            yield image, layers, annotations


def _in_places(layer: Layer, files: Sequence[columns.File | None], value_max: int) -> list[Any]:
    """The arrays of some rows; None where there is no file."""
    here = [file for file in files if file is not None]
    found = iter(columns.unpack(layer, here, value_max=value_max, bytes_max=PIXEL_BYTES_MAX))
    return [None if file is None else next(found) for file in files]


def schema_of(recipe: Recipe) -> pa.Schema:
    """The columns of a shard of this recipe."""
    import pyarrow as pa

    files = [("image", columns.arrow_type(columns.IMAGE))] if recipe.image else []
    files += [(layer.name, columns.arrow_type(layer)) for layer in recipe.layers]
    texts = [("annotations", pa.string()), ("unit_hash", pa.string())]
    return pa.schema([("index", pa.int64()), *files, ("label", pa.int64()), *texts])


def _meta(recipe: Recipe) -> dict[bytes, bytes]:
    """Our recipe, and the column types as Hugging Face `datasets` reads them from a Parquet file."""
    label: dict[str, Any] = {"names": list(recipe.classes), "_type": "ClassLabel"}
    text, number = {"dtype": "string", "_type": "Value"}, {"dtype": "int64", "_type": "Value"}
    features = {
        "index": number,
        **({"image": columns.feature(columns.IMAGE)} if recipe.image else {}),
        **{layer.name: columns.feature(layer) for layer in recipe.layers},
        "label": label if recipe.classes else number,
        "annotations": text,
        "unit_hash": text,
    }
    return {META: write_recipe(recipe), _HF: json.dumps({"info": {"features": features}}).encode()}


def _open(data: bytes) -> tuple[pa.Table, Recipe]:
    """The table of a shard and its recipe, once its form is known to be ours and its size to be bearable."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        recipe = _check_form(file)
        batches, size = [], 0
        for batch in file.iter_batches(batch_size=_BATCH):
            size += batch.nbytes
            if size > 2 * BYTES_MAX:
                raise ShardTooLarge(f"this shard unpacks to more than {2 * BYTES_MAX:,} bytes")
            batches.append(batch)
        table = pa.Table.from_batches(batches, schema=file.schema_arrow)
        table.validate(full=True)
        return table, recipe
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadShard(f"this is no readable shard; it may have been cut or damaged: {str(error)[:120]}") from error


def _check_form(file: Any) -> Recipe:
    form, schema = file.metadata, file.schema_arrow
    if not set(_PLAIN) <= set(schema.names):
        raise BadShard("this Parquet file has other columns than a shard")
    recipe = read_recipe((schema.metadata or {}).get(META, b""))
    if not schema.equals(schema_of(recipe)):
        raise BadShard("this Parquet file has other columns than a shard of its recipe")
    if not 1 <= form.num_rows <= UNITS_MAX or not 1 <= form.num_row_groups <= _ROW_GROUPS_MAX:
        raise ShardTooLarge(
            f"a shard has 1 to {UNITS_MAX:,} units in at most {_ROW_GROUPS_MAX} groups, not {form.num_rows:,}"
        )
    for group in range(form.num_row_groups):
        for column in range(form.num_columns):
            chunk = form.row_group(group).column(column)
            if chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
                raise BadShard("this Parquet file is packed in a way that shards are not")
    return recipe


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
