"""The small dialect of PNG that shards carry: 8 or 16 bits, grey or RGB, not interlaced, one IDAT, one filter for all rows.

Any viewer reads it; a reader of strangers' files needs no image library to. Owns pixels and bytes, knows no units.
Follows the PNG specification (W3C, third edition): sections 5 (chunks), 9 (filters) and 10 (compression).

Packing is ISA-L's where it is installed: at 640 x 480 it takes a tenth of zlib's time for the same size
(benchmarks/bench_synthesis.py), so that storing a picture costs less than making it. Both read each other's files.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadShard, BadUnit, ShardTooLarge
from neuromation.synthetic.generator import PIXELS_MAX

_packing: Any
try:
    from isal import isal_zlib as _packing
except ImportError:
    _packing = zlib

Pixels = NDArray[Any]  # uint8 or uint16, (height, width) or (height, width, 3)
Bytes = NDArray[np.uint8]
Shape = tuple[int, ...]

SIDE_MAX = 8192
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">8sI4sIIBBBBBI")  # signature, then the whole IHDR chunk
_LENGTH = struct.Struct(">I")
_CHECKS = struct.Struct(">II")  # behind the pixels: of the unpacked bytes, then of the chunk
_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_GREY, _RGB = 0, 2
_NONE, _UP = 0, 2
_STORED_MAX = 256  # raw bytes up to which packing gains nothing worth its time
_PACK_LEVEL = 1
_TOGETHER_MAX = 16 * 2**10  # raw bytes of one image up to which many are unfiltered in one step


@lru_cache(maxsize=256)
def brightness(value_max: int) -> Bytes:
    """How bright each value 0..`value_max` is shown, 256 entries; a different brightness for each value."""
    values = np.minimum(np.arange(256), value_max)
    return ((values * 255 + value_max // 2) // value_max).astype(np.uint8)


@lru_cache(maxsize=256)
def _values(value_max: int) -> tuple[Bytes, NDArray[np.bool_]]:
    """The value of each brightness, and which brightnesses are one."""
    shown = brightness(value_max)[: value_max + 1]
    values, known = np.zeros(256, dtype=np.uint8), np.zeros(256, dtype=np.bool_)
    values[shown], known[shown] = np.arange(value_max + 1), True
    return values, known


@lru_cache(maxsize=256)
def _header(shape: Shape, bits: int) -> bytes:
    colour = _RGB if len(shape) == 3 else _GREY
    body = b"IHDR" + struct.pack(">IIBBBBB", shape[1], shape[0], bits, colour, 0, 0, 0)
    return _SIGNATURE + _LENGTH.pack(13) + body + _LENGTH.pack(zlib.crc32(body))


def encode_png(image: Pixels, *, value_max: int = 255) -> bytes:
    """`image` as PNG: uint16 as it is, uint8 with its values 0..`value_max` spread over black to white without loss.

    Raises BadUnit.
    """
    _check_shape(image)
    if image.dtype == np.uint8 and value_max != 255:
        if image.max() > value_max:
            raise BadUnit(f"a pixel is {image.max()}, but the generator's values end at {value_max}")
        image = brightness(value_max)[image]
    rows = _bytes_of(image)
    lines = np.empty((rows.shape[0], rows.shape[1] + 1), dtype=np.uint8)
    if lines.size <= _STORED_MAX:
        lines[:, 0], lines[:, 1:] = _NONE, rows
        packed = zlib.compress(lines.tobytes(), 0)
    else:
        lines[:, 0], lines[0, 1:] = _UP, rows[0]
        np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
        packed = _packing.compress(lines, _PACK_LEVEL)
    check = _LENGTH.pack(_packing.crc32(packed, zlib.crc32(b"IDAT")))
    head = _header(image.shape, 8 * image.dtype.itemsize)
    return b"".join((head, _LENGTH.pack(len(packed)), b"IDAT", packed, check, _END))


def _check_shape(image: Pixels) -> None:
    shape = image.shape
    if image.dtype not in (np.uint8, np.uint16) or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3):
        raise BadUnit(
            f"an image is uint8 or uint16 of (height, width) or (height, width, 3), not {image.dtype} {shape}"
        )
    if not 1 <= min(shape[:2]) <= max(shape[:2]) <= SIDE_MAX or shape[0] * shape[1] > PIXELS_MAX:
        raise BadUnit(
            f"an image is 1 to {SIDE_MAX} pixels wide and high and has at most {PIXELS_MAX:,}, not {shape[1]} x {shape[0]}"
        )


def _bytes_of(image: Pixels) -> Bytes:
    """The rows of an image as PNG orders their bytes: of 16 bits the high byte first."""
    if image.dtype.itemsize == 2 and sys.byteorder == "little":
        image = image.byteswap()
    return np.ascontiguousarray(image).view(np.uint8).reshape(len(image), -1)


def decode_pngs(files: Sequence[bytes], *, value_max: int = 255, bytes_max: int, dtype: str = "uint8") -> list[Pixels]:
    """The images of `files`, exactly as they were encoded with the same `value_max`, all of type `dtype`.

    Raises BadShard when a file is not of this dialect or damaged; ShardTooLarge when all of them would take more than
    `bytes_max` bytes of memory. Sizes are checked before anything is unpacked.
    """
    shapes = _shapes(files, np.dtype(dtype))
    depth = np.dtype(dtype).itemsize
    total = sum(_size(shape, depth) for shape in shapes)
    if total > bytes_max:
        raise ShardTooLarge(f"the images of this shard take {total:,} bytes; at most {bytes_max:,} are read")
    shown_up_to = value_max if depth == 1 else 255
    images: list[Pixels | None] = [None] * len(files)
    for shape in dict.fromkeys(shapes):
        places = [place for place, other in enumerate(shapes) if other == shape]
        chosen = [files[place] for place in places]
        if _size(shape, depth) <= _TOGETHER_MAX:
            found: Iterable[Pixels] = _unspread(_small(chosen, shape, depth), shown_up_to)
        else:
            found = (_unspread(_large(_lines(file, shape, depth), shape, depth), shown_up_to) for file in chosen)
        for place, image in zip(places, found, strict=True):
            images[place] = image
    return [image for image in images if image is not None]


def decode_png(data: bytes, *, value_max: int = 255, dtype: str = "uint8") -> Pixels:
    """One image; see `decode_pngs`. Raises BadShard."""
    return decode_pngs([data], value_max=value_max, bytes_max=8 * PIXELS_MAX, dtype=dtype)[0]


def unpacked_sizes(files: Sequence[bytes], *, dtype: str = "uint8") -> list[int]:
    """The bytes that each file takes in memory, by its header alone. Raises BadShard."""
    kind = np.dtype(dtype)
    return [_size(shape, kind.itemsize) for shape in _shapes(files, kind)]


def _shapes(files: Sequence[bytes], kind: np.dtype[Any]) -> list[Shape]:
    least = _HEAD.size + 12 + len(_END)
    if not all(len(data) >= least and data.endswith(_END) for data in files):
        raise BadShard("an image is no complete PNG")
    heads = [data[: _HEAD.size] for data in files]
    shapes = {head: _shape_of(head, kind) for head in set(heads)}  # the images of a shard have few different headers
    return [shapes[head] for head in heads]


def _shape_of(head: bytes, kind: np.dtype[Any]) -> Shape:
    signature, length, name, width, height, bits, colour, *method, crc = _HEAD.unpack(head)
    if signature != _SIGNATURE:
        raise BadShard("an image is no complete PNG")
    if (length, name, bits) != (13, b"IHDR", 8 * kind.itemsize) or colour not in (_GREY, _RGB) or any(method):
        raise BadShard(
            f"an image is not {8 * kind.itemsize}-bit grey or RGB without interlace, which is all that shards carry here"
        )
    if crc != zlib.crc32(head[12:29]):
        raise BadShard("an image's header is damaged")
    if not (1 <= width <= SIDE_MAX and 1 <= height <= SIDE_MAX) or width * height > PIXELS_MAX:
        raise BadShard(
            f"an image is 1 to {SIDE_MAX} pixels wide and high with at most {PIXELS_MAX:,}, not {width} x {height}"
        )
    return (height, width, 3) if colour == _RGB else (height, width)


def _size(shape: Shape, depth: int) -> int:
    return shape[0] * (1 + depth * shape[1] * (3 if len(shape) == 3 else 1))


def _lines(data: bytes, shape: Shape, depth: int) -> bytes:
    """The unpacked lines of a file, each with its filter's number first."""
    start = _HEAD.size
    stop = start + 8 + _LENGTH.unpack_from(data, start)[0]
    if data[start + 4 : start + 8] != b"IDAT" or stop + 4 + len(_END) != len(data):
        raise BadShard("an image has other chunks than IHDR, one IDAT and IEND")
    if _LENGTH.unpack_from(data, stop)[0] != _packing.crc32(data[start + 4 : stop]):
        raise BadShard("an image's pixels are damaged")
    unpacker = _packing.decompressobj()
    size = _size(shape, depth)
    try:
        lines: bytes = unpacker.decompress(data[start + 8 : stop], size + 1)
    except (zlib.error, _packing.error) as error:
        raise BadShard(f"an image's pixels cannot be unpacked: {error}") from error
    if len(lines) != size or not unpacker.eof or unpacker.unused_data:
        raise BadShard("an image has more or fewer pixels than its header says")
    return lines


def _small(files: Sequence[bytes], shape: Shape, depth: int) -> Pixels:
    """Many small images of one shape together, (count, *shape)."""
    lines = _stored(files, _size(shape, depth))
    if lines is None:
        lines = np.frombuffer(b"".join(_lines(file, shape, depth) for file in files), dtype=np.uint8)
    rows = lines.reshape(len(files), shape[0], -1)
    up = _check_filters(rows[:, :, 0])
    pixels = rows[:, :, 1:].copy()
    if up.any():
        pixels[up] = np.add.accumulate(pixels[up], axis=1, dtype=np.uint8)
    return _values_of(pixels, (len(files), *shape), depth)


def _stored(files: Sequence[bytes], size: int) -> Bytes | None:
    """The lines of images that were stored as they are, (count, `size`), read all at once at a tenth of `_lines`' cost.

    None when one is packed, other or damaged: `_lines` then says which way.
    """
    if size > _STORED_MAX:
        return None
    packed = zlib.compress(bytes(size), 0)
    lead = len(packed) - size - 4  # bytes in front of the lines; four behind check them
    name = _HEAD.size + 4
    begin, end = name + 4 + lead, name + 4 + lead + size
    length = end + 8 + len(_END)
    front = _LENGTH.pack(len(packed)) + b"IDAT" + packed[:lead]
    for file in files:
        if len(file) != length or file[_HEAD.size : begin] != front:
            return None
        checks = zlib.adler32(file[begin:end]), zlib.crc32(file[name : end + 4])
        if _CHECKS.unpack_from(file, end) != checks:
            return None
    return np.frombuffer(b"".join(files), dtype=np.uint8).reshape(len(files), length)[:, begin:end]


def _large(lines: bytes, shape: Shape, depth: int) -> Pixels:
    """One large image: row by row is twice as fast as accumulating over an axis."""
    rows = np.frombuffer(lines, dtype=np.uint8).reshape(shape[0], -1)
    up = _check_filters(rows[None, :, 0])
    pixels = rows[:, 1:].copy()
    if up[0]:
        for above, row in pairwise(pixels):
            np.add(above, row, out=row)
    return _values_of(pixels, shape, depth)


def _check_filters(filters: Bytes) -> NDArray[np.bool_]:
    """Which images of (count, height) row filters are filtered upwards; BadShard for other or mixed filters."""
    up: NDArray[np.bool_] = filters[:, 0] == _UP
    if not (filters == np.where(up, _UP, _NONE)[:, None]).all():
        raise BadShard("an image uses other row filters than the shard's writer does")
    return up


def _values_of(pixels: Bytes, shape: Shape, depth: int) -> Pixels:
    """Whole values from bytes; the counterpart of `_bytes_of`."""
    if depth == 1:
        return pixels.reshape(shape)
    values = pixels.view(np.uint16).reshape(shape)
    return values.byteswap() if sys.byteorder == "little" else values


def _unspread(images: Bytes, value_max: int) -> Bytes:
    if value_max == 255:
        return images
    values, known = _values(value_max)
    if not known[images].all():
        raise BadShard(f"a pixel has a brightness that no value of 0..{value_max} is shown with")
    return values[images]
