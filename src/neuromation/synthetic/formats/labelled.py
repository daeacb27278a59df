"""Labelled pictures of one size and any origin as one Parquet table: how a small real set travels, with its splits.

Pictures of different sizes, with boxes, and recordings are `neuromation.synthetic.formats.real`'s.

The columns are `image` (a struct of PNG bytes, as Hugging Face `datasets` reads it), `label` and `split`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.errors import Invalid, TooLarge
from neuromation.synthetic.formats.png import encode_png
from neuromation.synthetic.formats.real import META, open_picture
from neuromation.synthetic.generator import Unit

ROWS_MAX = 1_000_000
CLASSES_MAX = 1_000
BYTES_MAX = 256 * 2**20


class BadTable(Invalid):
    """A Parquet file that is no table of labelled pictures."""


@dataclass(frozen=True)
class Labelled:
    """Pictures (N, H, W), class indices (N,), the split of each, the class names and the brightest value."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    splits: NDArray[np.str_]
    classes: tuple[str, ...] = ()
    value_max: int = 255

    def of_split(self, split: str) -> Labelled:
        """Only the units of one split; there may be none."""
        chosen = self.splits == split
        return Labelled(self.images[chosen], self.labels[chosen], self.splits[chosen], self.classes, self.value_max)

    def split_sizes(self) -> dict[str, int]:
        """How many units each split has."""
        names, counts = np.unique(self.splits, return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def from_shard(units: Sequence[Unit]) -> Labelled:
    """The labelled units of a generated shard, all in the split `train`. Raises BadUnit, BadTable when they are no
    pictures of one size."""
    kept = [unit for unit in units if unit.label is not None]
    if len({unit.picture.shape for unit in kept}) > 1:
        raise BadTable("the pictures of this shard differ in size; a table of arrays needs one size")
    images = np.stack([unit.picture for unit in kept]) if kept else np.zeros((0, 1, 1), np.uint8)
    return Labelled(images, np.array([unit.label for unit in kept], np.int64), np.full(len(kept), "train"))


def encode_labelled(data: Labelled) -> bytes:
    """The table as Parquet bytes; `read_labelled` reads it back. Raises BadTable for arrays that do not fit together."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check(data)
    pngs = [encode_png(image, value_max=data.value_max) for image in data.images]
    image = pa.StructArray.from_arrays(
        [pa.array(pngs, pa.binary()), pa.nulls(len(pngs), pa.string())], ["bytes", "path"]
    )
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": list(data.classes), "_type": "ClassLabel"},
        "split": {"dtype": "string", "_type": "Value"},
    }
    meta = {
        META: json.dumps({"classes": list(data.classes), "value_max": data.value_max}).encode(),
        b"huggingface": json.dumps({"info": {"features": features}}).encode(),
    }
    columns = {
        "image": image,
        "label": pa.array(data.labels, pa.int64()),
        "split": pa.array(data.splits.tolist(), pa.string()),
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns).replace_schema_metadata(meta), sink)
    return bytes(sink.getvalue())


def read_labelled(data: bytes) -> Labelled:
    """The pictures of a table. Raises BadTable or TooLarge; the bytes may be a stranger's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if len(data) > BYTES_MAX:
        raise TooLarge(f"a table of pictures is at most {BYTES_MAX:,} bytes, not {len(data):,}")
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        if file.metadata.num_rows > ROWS_MAX:
            raise TooLarge(f"a table has at most {ROWS_MAX:,} pictures, not {file.metadata.num_rows:,}")
        table = file.read(columns=["image", "label", "split"])
        meta = json.loads((file.schema_arrow.metadata or {})[META])
        pngs = [row["bytes"] for row in table["image"].to_pylist()]
        images = np.stack([_decode(png, int(meta["value_max"])) for png in pngs])
        labels = np.array(table["label"].to_pylist(), np.int64)
        splits = np.array([str(s) for s in table["split"].to_pylist()])
        found = Labelled(images, labels, splits, tuple(str(c) for c in meta["classes"]), int(meta["value_max"]))
    except (pa.ArrowException, KeyError, TypeError, ValueError, OSError) as error:
        raise BadTable(
            f"this is no Parquet table of pictures with image, label and split ({str(error)[:120]})"
        ) from error
    _check(found)
    return found


def _decode(file: bytes, value_max: int) -> NDArray[np.uint8]:
    """One grey picture of any origin, its brightness 0..255 spread back to values 0..`value_max`."""
    with open_picture(file, "a picture of the table") as picture:
        grey = np.asarray(picture.convert("L"), np.uint16)
    return ((grey * value_max + 127) // 255).astype(np.uint8)


def _check(data: Labelled) -> None:
    count = len(data.images)
    if not 1 <= count <= ROWS_MAX or len(data.labels) != count or len(data.splits) != count:
        raise BadTable(f"{count} pictures, {len(data.labels)} labels and {len(data.splits)} splits do not fit together")
    if not 2 <= len(data.classes) <= CLASSES_MAX or data.labels.min() < 0 or data.labels.max() >= len(data.classes):
        raise BadTable(f"labels must be indices into 2 to {CLASSES_MAX} classes, here {len(data.classes)}")
    if len(np.unique(data.splits)) > 20:
        raise BadTable("a data set has at most 20 splits")
