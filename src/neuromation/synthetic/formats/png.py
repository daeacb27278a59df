"""The small dialect of PNG that shards carry: 8 bits, grey or RGB, not interlaced, one IDAT, one filter for all rows.

Any viewer reads it; a reader of strangers' files needs no image library to. Owns pixels and bytes, knows no units.
Follows the PNG specification (W3C, third edition): sections 5 (chunks), 9 (filters) and 10 (compression).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadShard, BadUnit, ShardTooLarge

Pixels = NDArray[np.uint8]
Shape = tuple[int, ...]

SIDE_MAX = 8192
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">8sI4sIIBBBBBI")  # signature, then the whole IHDR chunk
_LENGTH = struct.Struct(">I")
_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_GREY, _RGB = 0, 2
_NONE, _UP = 0, 2
_STORED_MAX = 256  # raw bytes up to which packing gains nothing worth its time
_PACK_LEVEL = 3


@lru_cache(maxsize=256)
def brightness(value_max: int) -> Pixels:
    """How bright each value 0..`value_max` is shown, 256 entries; a different brightness for each value."""
    values = np.minimum(np.arange(256), value_max)
    return ((values * 255 + value_max // 2) // value_max).astype(np.uint8)


@lru_cache(maxsize=256)
def _values(value_max: int) -> tuple[Pixels, NDArray[np.bool_]]:
    """The value of each brightness, and which brightnesses are one."""
    shown = brightness(value_max)[: value_max + 1]
    values, known = np.zeros(256, dtype=np.uint8), np.zeros(256, dtype=np.bool_)
    values[shown], known[shown] = np.arange(value_max + 1), True
    return values, known


@lru_cache(maxsize=256)
def _header(shape: Shape) -> bytes:
    colour = _RGB if len(shape) == 3 else _GREY
    body = b"IHDR" + struct.pack(">IIBBBBB", shape[1], shape[0], 8, colour, 0, 0, 0)
    return _SIGNATURE + _LENGTH.pack(13) + body + _LENGTH.pack(zlib.crc32(body))


def encode_png(image: Pixels, *, value_max: int = 255) -> bytes:
    """`image` as PNG, its values 0..`value_max` spread over black to white without loss. Raises BadUnit."""
    if max(image.shape[:2]) > SIDE_MAX:
        raise BadUnit(f"an image is at most {SIDE_MAX} pixels wide and high, not {image.shape}")
    if value_max != 255:
        if image.max() > value_max:
            raise BadUnit(f"a pixel is {image.max()}, but the generator's values end at {value_max}")
        image = brightness(value_max)[image]
    rows = image.reshape(len(image), -1)
    lines = np.empty((rows.shape[0], rows.shape[1] + 1), dtype=np.uint8)
    if lines.size <= _STORED_MAX:
        lines[:, 0], lines[:, 1:] = _NONE, rows
        packed = zlib.compress(lines.tobytes(), 0)
    else:
        lines[:, 0], lines[0, 1:], lines[1:, 1:] = _UP, rows[0], rows[1:] - rows[:-1]
        packed = zlib.compress(lines.tobytes(), _PACK_LEVEL)
    body = b"IDAT" + packed
    return b"".join((_header(image.shape), _LENGTH.pack(len(packed)), body, _LENGTH.pack(zlib.crc32(body)), _END))


def decode_pngs(files: Sequence[bytes], *, value_max: int = 255, bytes_max: int) -> list[Pixels]:
    """The images of `files`, exactly as they were encoded with the same `value_max`.

    Raises BadShard when a file is not of this dialect or damaged; ShardTooLarge when all of them would take more than
    `bytes_max` bytes of memory. Sizes are checked before anything is unpacked.
    """
    shapes = [_shape(data) for data in files]
    total = sum(_size(shape) for shape in shapes)
    if total > bytes_max:
        raise ShardTooLarge(f"the images of this shard take {total:,} bytes; at most {bytes_max:,} are read")
    images: list[Pixels | None] = [None] * len(files)
    for shape in dict.fromkeys(shapes):
        places = [place for place, other in enumerate(shapes) if other == shape]
        together = _unfiltered((_lines(files[place], shape) for place in places), shape, len(places))
        for place, image in zip(places, _unspread(together, value_max), strict=True):
            images[place] = image
    return [image for image in images if image is not None]


def decode_png(data: bytes, *, value_max: int = 255) -> Pixels:
    """One image; see `decode_pngs`. Raises BadShard."""
    return decode_pngs([data], value_max=value_max, bytes_max=3 * SIDE_MAX * (SIDE_MAX + 1))[0]


def _shape(data: bytes) -> Shape:
    if len(data) < _HEAD.size + 12 + len(_END) or data[:8] != _SIGNATURE or not data.endswith(_END):
        raise BadShard("an image is no complete PNG")
    _, length, kind, width, height, depth, colour, *method, crc = _HEAD.unpack_from(data)
    if (length, kind, depth) != (13, b"IHDR", 8) or colour not in (_GREY, _RGB) or any(method):
        raise BadShard("an image is not 8-bit grey or RGB without interlace, which is all that shards carry")
    if crc != zlib.crc32(data[12:29]):
        raise BadShard("an image's header is damaged")
    if not (1 <= width <= SIDE_MAX and 1 <= height <= SIDE_MAX):
        raise BadShard(f"an image is 1 to {SIDE_MAX} pixels wide and high, not {width} x {height}")
    return (height, width, 3) if colour == _RGB else (height, width)


def _size(shape: Shape) -> int:
    return shape[0] * (1 + shape[1] * (3 if len(shape) == 3 else 1))


def _lines(data: bytes, shape: Shape) -> bytes:
    """The unpacked lines of a file, each with its filter's number first."""
    start = _HEAD.size
    stop = start + 8 + _LENGTH.unpack_from(data, start)[0]
    if data[start + 4 : start + 8] != b"IDAT" or stop + 4 + len(_END) != len(data):
        raise BadShard("an image has other chunks than IHDR, one IDAT and IEND")
    if _LENGTH.unpack_from(data, stop)[0] != zlib.crc32(data[start + 4 : stop]):
        raise BadShard("an image's pixels are damaged")
    unpacker = zlib.decompressobj()
    size = _size(shape)
    try:
        lines = unpacker.decompress(data[start + 8 : stop], size + 1)
    except zlib.error as error:
        raise BadShard(f"an image's pixels cannot be unpacked: {error}") from error
    if len(lines) != size or not unpacker.eof or unpacker.unused_data:
        raise BadShard("an image has more or fewer pixels than its header says")
    return lines


def _unfiltered(lines: Iterable[bytes], shape: Shape, count: int) -> Pixels:
    """Images of one shape together, (count, *shape)."""
    rows = np.frombuffer(b"".join(lines), dtype=np.uint8).reshape(count, shape[0], -1)
    filters = rows[:, :, 0]
    up = filters[:, 0] == _UP
    if not (filters == np.where(up, _UP, _NONE)[:, None]).all():
        raise BadShard("an image uses other row filters than the shard's writer does")
    pixels = rows[:, :, 1:].copy()
    if up.any():
        pixels[up] = np.add.accumulate(pixels[up], axis=1, dtype=np.uint8)
    return pixels.reshape(count, *shape)


def _unspread(images: Pixels, value_max: int) -> Pixels:
    if value_max == 255:
        return images
    values, known = _values(value_max)
    if not known[images].all():
        raise BadShard(f"a pixel has a brightness that no value of 0..{value_max} is shown with")
    return values[images]
