"""Columns of a shard that hold files: how an image, a layer or a clip becomes bytes, and back.

Owns the Arrow types, the types by which Hugging Face `datasets` knows them, and the checks that nothing hides in a
column. Knows one column at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadShard, BadUnit
from neuromation.synthetic.formats.png import decode_pngs, encode_png, unpacked_sizes
from neuromation.synthetic.formats.wav import decode_wav, encode_wav
from neuromation.synthetic.generator import Layer

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[Any]
File = bytes | list[bytes]  # a clip is a file a frame

IMAGE = Layer("picture", "image", "uint8", "the unit's image")  # of the column `image`, whose name layers may not have
FRAMES_MAX = 10_000


def arrow_type(layer: Layer) -> pa.DataType:
    """The column's type: a struct of bytes and path, as Hugging Face stores images and audio; a list of them for a clip."""
    import pyarrow as pa

    file = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.list_(file) if layer.kind == "video" else file


def feature(layer: Layer) -> dict[str, Any]:
    """The column's type as Hugging Face `datasets` names it."""
    if layer.kind == "audio":
        return {"sampling_rate": int(layer.rate_hz), "_type": "Audio"}
    return {"feature": {"_type": "Image"}, "_type": "List"} if layer.kind == "video" else {"_type": "Image"}


def pack(layer: Layer, array: Array, *, value_max: int = 255) -> File:
    """One unit's file in this column. Raises BadUnit when the array is not what the layer holds."""
    layer.check(array)
    if layer.kind == "audio":
        return encode_wav(array, rate_hz=layer.rate_hz)
    if layer.kind == "image":
        return encode_png(array, value_max=value_max)
    if len(array) > FRAMES_MAX:
        raise BadUnit(f"a clip has at most {FRAMES_MAX:,} frames, not {len(array):,}")
    return [encode_png(frame) for frame in array]


def to_column(layer: Layer, files: Sequence[File | None]) -> pa.Array:
    """The Arrow column of these files; None where a unit has none."""
    import pyarrow as pa

    if layer.kind == "video":
        rows = [[{"bytes": frame, "path": None} for frame in clip] for clip in files if clip is not None]
        return pa.array(rows, arrow_type(layer))
    missing = pa.array([file is None for file in files], pa.bool_())
    return pa.StructArray.from_arrays(
        [pa.array(files, pa.binary()), pa.nulls(len(files), pa.string())],
        ["bytes", "path"],
        mask=missing if None in files else None,
    )


def from_column(layer: Layer, column: pa.ChunkedArray, *, optional: bool = False) -> list[File | None]:
    """The files of each row. Raises BadShard for what is missing, and for anything hidden beside them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count and not optional:
        raise BadShard(f"a {layer.name} of this shard is missing")
    structs = column
    if layer.kind == "video":
        flat = [chunk.flatten() for chunk in column.chunks]
        structs = pa.chunked_array(flat, type=arrow_type(IMAGE))
        if structs.null_count:
            raise BadShard(f"a frame of {layer.name} is missing")
    paths, data = pc.struct_field(structs, "path"), pc.struct_field(structs, "bytes")
    if paths.null_count != len(structs) or data.null_count != structs.null_count:
        raise BadShard(f"a {layer.name} of this shard is missing, or has a path, which shards do not use")
    files = data.to_pylist()
    if layer.kind != "video":
        return list(files)
    lengths = pc.list_value_length(column).to_pylist()
    if not all(1 <= length <= FRAMES_MAX for length in lengths):
        raise BadShard(f"a clip has 1 to {FRAMES_MAX:,} frames")
    ends = np.cumsum(lengths)
    return [files[end - length : end] for length, end in zip(lengths, ends.tolist(), strict=True)]


def memories(layer: Layer, files: Sequence[File | None]) -> list[int]:
    """The bytes that each file takes when it is unpacked, told by headers alone. Raises BadShard."""
    if layer.kind == "audio":
        return [0 if file is None else len(file) for file in files]
    if layer.kind == "video":
        return [sum(unpacked_sizes(file or [], dtype=layer.dtype)) for file in files if not isinstance(file, bytes)]
    sizes = iter(unpacked_sizes([file for file in files if isinstance(file, bytes)], dtype=layer.dtype))
    return [0 if file is None else next(sizes) for file in files]


def unpack(layer: Layer, files: Sequence[File], *, value_max: int = 255, bytes_max: int) -> list[Array]:
    """The arrays of some files of one column, as `pack` was given them. Raises BadShard, ShardTooLarge."""
    if layer.kind == "audio":
        return [decode_wav(file, rate_hz=layer.rate_hz) for file in files if isinstance(file, bytes)]
    if layer.kind == "image":
        pngs = [file for file in files if isinstance(file, bytes)]
        return decode_pngs(pngs, value_max=value_max, bytes_max=bytes_max, dtype=layer.dtype)
    return [_clip(layer, file, bytes_max) for file in files if isinstance(file, list)]


def _clip(layer: Layer, frames: list[bytes], bytes_max: int) -> Array:
    images = decode_pngs(frames, bytes_max=bytes_max, dtype=layer.dtype)
    if len({image.shape for image in images}) > 1:
        raise BadShard(f"the frames of a {layer.name} differ in size")
    return np.stack(images)
