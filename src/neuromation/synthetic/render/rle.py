"""What a map of ids says of every id at once: area, box, and its mask as COCO's compressed run lengths.

Owns the coding, bit for bit that of COCO's own reader and writer, in one pass over the picture instead of one an object.
COCO counts down the columns: pixels outside, inside, outside, ..., each but the first three as the difference to the count
two before, in groups of 5 bits, lowest first, with a sixth bit that says "more follows", as characters from "0" on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.errors import BadUnit

Ids = NDArray[np.uint16]
Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]

_COUNT_BYTES_MAX = 7  # of one count of a picture with up to 2^30 pixels


def measured(ids: Ids, count: int) -> tuple[Integers, Integers]:
    """Area and tight box of every id 0..count.

    Args:
        ids: uint16 (height, width), at most `count`.
        count: the highest id.

    Returns:
        int64 (count + 1,), pixels; int64 (count + 1, 4), x, y, width, height in pixels, zeros for an id that is not there.
    """
    if ids.size and int(ids.max()) > count:
        raise BadUnit(f"a map of ids names {int(ids.max())}, but there are only {count} things")
    return _measured(ids, count)


@compiled
def _measured(ids: Ids, count: int) -> tuple[Integers, Integers]:
    height, width = ids.shape
    areas = np.zeros(count + 1, np.int64)
    boxes = np.zeros((count + 1, 4), np.int64)
    boxes[:, 0], boxes[:, 1] = width, height  # the lowest x and y so far, then the highest
    for y in range(height):
        x = 0
        while x < width:  # a run at a time: ids change seldom along a row
            first, here = x, ids[y, x]
            x += 1
            while x < width and ids[y, x] == here:
                x += 1
            areas[here] += x - first
            box = boxes[here]
            box[0] = min(box[0], first)
            box[1] = min(box[1], y)
            box[2] = max(box[2], x)
            box[3] = max(box[3], y + 1)
    for place in range(count + 1):
        if areas[place] == 0:
            boxes[place] = 0
        else:
            boxes[place, 2] -= boxes[place, 0]
            boxes[place, 3] -= boxes[place, 1]
    return areas, boxes


def rle_texts(ids: Ids, count: int) -> list[str]:
    """The mask of every id 1..count as COCO's compressed text; place 0 of the list is id 1. `ids` are at most `count`."""
    if count == 0:
        return []
    columns = np.ascontiguousarray(ids.T).reshape(-1)
    packed, ends = _packed_ids(columns, count)
    text = packed.tobytes().decode("ascii")
    bounds = [0, *ends.tolist()]
    return [text[bounds[place] : bounds[place + 1]] for place in range(count)]


@compiled
def _packed_ids(columns: Ids, count: int) -> tuple[Bytes, Integers]:
    """The texts of all ids behind each other, and where each ends."""
    runs = np.zeros(count + 2, np.int64)  # of each id, then where its runs begin in the list of all
    total = len(columns)
    before = np.uint16(0)
    for here in columns:
        if here != before:
            runs[here + 1] += 1
            before = here
    runs[1] = 0  # id 0 is nobody's
    for place in range(1, count + 2):
        runs[place] += runs[place - 1]
    starts, ends = np.empty(runs[-1], np.int64), np.empty(runs[-1], np.int64)
    free = runs.copy()
    before = np.uint16(0)
    for place in range(total):
        here = columns[place]
        if here != before:
            if before:
                ends[free[before]] = place
                free[before] += 1
            if here:
                starts[free[here]] = place
            before = here
    if before:
        ends[free[before]] = total
    out = np.empty((2 * len(starts) + count) * _COUNT_BYTES_MAX, np.uint8)
    bounds = np.empty(count, np.int64)
    size = 0
    for place in range(1, count + 1):
        first, last = runs[place], runs[place + 1]
        size = _pack(starts[first:last], ends[first:last], total, out, size)
        bounds[place - 1] = size
    return out[:size], bounds


@compiled
def _pack(starts: Integers, ends: Integers, total: int, out: Bytes, size: int) -> int:
    """Write the counts of runs of a mask of `total` pixels to `out` from `size` on; where they end."""
    counts = np.empty(2 * len(starts) + 1, np.int64)
    before = 0
    for place in range(len(starts)):
        counts[2 * place] = starts[place] - before
        counts[2 * place + 1] = ends[place] - starts[place]
        before = ends[place]
    counts[-1] = total - before
    length = len(counts) - 1 if before == total and len(starts) > 0 else len(counts)
    for place in range(length):
        rest = counts[place] - (counts[place - 2] if place > 2 else 0)
        more = True
        while more:
            group = rest & 0x1F
            rest >>= 5
            more = rest != (-1 if group & 0x10 else 0)
            out[size] = 48 + (group | 0x20 if more else group)
            size += 1
    return size


def rle_text(mask: NDArray[np.bool_], *, left: int, top: int, width: int, height: int) -> str:
    """The COCO text of a mask that lies with its corner at (left, top) of a picture of this size, wholly inside it.

    Args:
        mask: bool (rows, columns).
    """
    rows, columns = mask.shape
    if not (0 <= left <= width - columns and 0 <= top <= height - rows):
        raise BadUnit(f"a mask of {columns} x {rows} at ({left}, {top}) leaves its picture of {width} x {height}")
    packed = _packed_mask(np.ascontiguousarray(mask), left, top, width, height)
    return packed.tobytes().decode("ascii")


@compiled
def _packed_mask(mask: NDArray[np.bool_], left: int, top: int, width: int, height: int) -> Bytes:
    rows, columns = mask.shape
    starts = np.empty(rows * columns // 2 + columns + 1, np.int64)
    ends = np.empty_like(starts)
    count = 0
    for x in range(columns):
        y = 0
        while y < rows:
            if not mask[y, x]:
                y += 1
                continue
            first = (left + x) * height + top + y
            while y < rows and mask[y, x]:
                y += 1
            if count > 0 and ends[count - 1] == first:  # it goes on from the column before
                count -= 1
            else:
                starts[count] = first
            ends[count] = (left + x) * height + top + y
            count += 1
    out = np.empty((2 * count + 1) * _COUNT_BYTES_MAX, np.uint8)
    size = _pack(starts[:count], ends[:count], width * height, out, 0)
    return out[:size]


def mask_of(text: str, *, width: int, height: int) -> NDArray[np.bool_]:
    """The mask of a COCO text, bool (height, width). Raises BadUnit when it is none of that size."""
    counts: list[int] = []
    value, shift = 0, 0
    for character in text.encode("ascii", "replace"):
        group = character - 48
        if not 0 <= group < 64 or shift > 5 * _COUNT_BYTES_MAX:
            raise BadUnit("this text is no COCO mask")
        value |= (group & 0x1F) << shift
        shift += 5
        if not group & 0x20:
            if group & 0x10:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, shift = 0, 0
    if shift or sum(counts) != width * height or min(counts, default=-1) < 0:
        raise BadUnit(f"this text is no COCO mask of {width} x {height} pixels")
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T
