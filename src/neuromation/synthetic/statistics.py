"""What a data set holds, in numbers: classes, sizes, visibility, brightness, duplicates; generated or real alike.

Owns the counting; `neuromation.synthetic.statistics_page` draws it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.annotations import Thing, events_of, has_objects, objects_of
from neuromation.synthetic.errors import BadDataset
from neuromation.synthetic.folder import MANIFEST_FILE, load_manifest, read_file
from neuromation.synthetic.formats.png import brightness
from neuromation.synthetic.formats.real import check_recording
from neuromation.synthetic.formats.shard import ShardReader
from neuromation.synthetic.generator import Unit
from neuromation.synthetic.importing import REAL_FILE, load_real, real_tables

SMALL_PX, LARGE_PX = 32, 96  # sides of the squares by whose areas COCO calls objects small, medium and large
NEAR_BITS = 3  # two pictures are near duplicates when their perceptual hashes differ in at most so many of 64 bits
NEAR_SIDE_MIN = 16  # smaller pictures have too little to compare
_BAND_BITS = 16  # 64 bits in 4 bands: hashes that differ in 3 bits agree in at least one of them
_CROWD = 64  # hashes with one band alike that are compared each with each
EXAMPLES_MAX = 20
_BINS = 20

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Seen:
    """What is looked at of one sample: its name, its split, its picture 0..255 if it is one, and its labels."""

    name: str
    split: str
    picture: NDArray[np.uint8] | None
    content: bytes  # a hash of picture or recording, or of the annotations where there is neither
    label: int | None
    things: Sequence[Thing] | None
    events: Sequence[str] = ()
    seconds: float | None = None


@dataclass
class Histogram:
    """Counts of numbers in equal bins from `low` to `high`; what is beyond counts in the last ones."""

    low: float
    high: float
    counts: list[int] = field(default_factory=lambda: [0] * _BINS)
    total: float = 0.0
    least: float | None = None
    most: float | None = None

    def add(self, value: float) -> None:
        """Count one number."""
        place = int((value - self.low) / (self.high - self.low) * len(self.counts))
        self.counts[min(max(place, 0), len(self.counts) - 1)] += 1
        self.total += value
        self.least = value if self.least is None else min(self.least, value)
        self.most = value if self.most is None else max(self.most, value)

    @property
    def number(self) -> int:
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        return self.total / self.number if self.number else None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        rounded = {key: None if (v := getattr(self, key)) is None else round(v, 6) for key in ("mean", "least", "most")}
        return {"low": self.low, "high": self.high, "counts": self.counts, "number": self.number, **rounded}


@dataclass
class Statistics:
    """What was counted of a data set.

    Attributes:
        title: of the data set.
        classes: names in order.
        samples: how many.
        splits: samples by split.
        labels: samples by class; objects: objects by class; nulls: null objects; events: events by class.
        objects_a_sample: how many objects a sample has.
        object_sides_px: sides of squares of the same area as each object's seen part.
        object_sizes: objects by COCO's small, medium and large.
        visibility: of objects, 0..1.
        brightness: of pictures, mean of all pixels, 0..1.
        picture_sizes: pictures by "width x height".
        seconds: how long recordings and clips last.
        exact: groups of samples with equal content; near: pairs of pictures that look alike.
        across_splits: duplicates, exact or near, in different splits: they spoil a measurement.
    """

    title: str
    classes: list[str]
    samples: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)
    nulls: int = 0
    events: Counter[str] = field(default_factory=Counter)
    objects_a_sample: Histogram = field(default_factory=lambda: Histogram(0, 40))
    object_sides_px: Histogram = field(default_factory=lambda: Histogram(0, 320))
    object_sizes: Counter[str] = field(default_factory=Counter)
    visibility: Histogram = field(default_factory=lambda: Histogram(0, 1))
    brightness: Histogram = field(default_factory=lambda: Histogram(0, 1))
    picture_sizes: Counter[str] = field(default_factory=Counter)
    seconds: Histogram = field(default_factory=lambda: Histogram(0, 20))
    exact: list[list[str]] = field(default_factory=list)
    near: list[tuple[str, str]] = field(default_factory=list)
    exact_samples: int = 0  # that have an equal one
    near_samples: int = 0  # that have one that looks alike
    across_splits: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON; lists of duplicates are cut to a few examples."""
        counters = ("splits", "labels", "objects", "events", "object_sizes", "picture_sizes")
        histograms = ("objects_a_sample", "object_sides_px", "visibility", "brightness", "seconds")
        return {
            "title": self.title,
            "samples": self.samples,
            "classes": self.classes,
            **{name: dict(getattr(self, name).most_common()) for name in counters},
            "null_objects": self.nulls,
            **{name: getattr(self, name).to_dict() for name in histograms},
            "duplicates": {
                "exact": self.exact_samples,
                "near": self.near_samples,
                "across_splits": self.across_splits,
                "exact_examples": self.exact[:EXAMPLES_MAX],
                "near_examples": self.near[:EXAMPLES_MAX],
            },
        }


def statistics_of(folder: Path, *, on_progress: Progress | None = None) -> Statistics:
    """Count a data-set folder, generated or imported. Raises BadDataset when it is neither.

    `on_progress` is called with (samples done, samples in all).
    """
    if (folder / MANIFEST_FILE).is_file():
        manifest = load_manifest(folder)
        found = Statistics(manifest.title, list(manifest.classes))
        return _counted(found, _generated(folder), manifest.units, on_progress)
    if (folder / REAL_FILE).is_file():
        facts = load_real(folder)
        found = Statistics(facts.source or folder.name, list(facts.classes))
        return _counted(found, _imported(folder), facts.samples, on_progress)
    raise BadDataset(f"{folder} holds neither {MANIFEST_FILE} nor {REAL_FILE}; name the folder of a data set")


def _generated(folder: Path) -> Iterator[Seen]:
    manifest = load_manifest(folder)
    shown = brightness(manifest.value_max)
    rates = {layer.name: layer.rate_hz for layer in manifest.layers if layer.kind != "image" and layer.rate_hz}
    for shard in manifest.shards:
        reader = ShardReader(read_file(folder, shard.file))
        for unit, leaf in zip(reader.units(), reader.hashes, strict=True):
            seconds = next((len(unit.layers[name]) / rate for name, rate in rates.items()), None)
            yield Seen(
                f"unit {unit.index}",
                "train",
                None if unit.image is None else shown[unit.image],
                _content(unit, leaf),
                unit.label,
                objects_of(unit.annotations, manifest.classes) if has_objects(unit.annotations) else None,
                [event.name for event in events_of(unit.annotations, manifest.classes)],
                seconds,
            )


def _content(unit: Unit, leaf: str) -> bytes:
    """A hash of what a sample is seen or heard as, whatever its labels say."""
    arrays = [array for array in (unit.image, *unit.layers.values()) if array is not None]
    if not arrays:
        return bytes.fromhex(leaf)
    first = arrays[0]
    return hashlib.sha256(f"{first.shape} {first.dtype}".encode() + np.ascontiguousarray(first).tobytes()).digest()


def _imported(folder: Path) -> Iterator[Seen]:
    for table in real_tables(folder):
        for sample in table.samples:
            heard = table.kind == "audio"
            picture = None if heard else sample.pixels()
            content = hashlib.sha256(sample.data if picture is None else picture.tobytes()).digest()
            yield Seen(
                sample.file,
                sample.split,
                picture,
                content,
                sample.label,
                objects_of(sample.annotations, table.classes) if has_objects(sample.annotations) else None,
                (),
                check_recording(sample.data, sample.file)["duration_s"] if heard else None,
            )


def _counted(found: Statistics, samples: Iterator[Seen], total: int, on_progress: Progress | None) -> Statistics:
    alike = _Alike()
    for done, seen in enumerate(samples, 1):
        _count(found, seen)
        alike.add(seen)
        if on_progress:
            on_progress(done, total)
    alike.finish(found)
    return found


def _count(found: Statistics, seen: Seen) -> None:
    found.samples += 1
    found.splits[seen.split] += 1
    if seen.label is not None:
        found.labels[found.classes[seen.label]] += 1
    found.events.update(seen.events)
    if seen.seconds is not None:
        found.seconds.add(seen.seconds)
    if seen.picture is not None:
        found.picture_sizes[f"{seen.picture.shape[1]} x {seen.picture.shape[0]}"] += 1
        found.brightness.add(float(seen.picture.mean()) / 255)
    if seen.things is None:
        return
    real = [thing for thing in seen.things if not thing.is_null]
    found.nulls += len(seen.things) - len(real)
    found.objects_a_sample.add(len(real))
    for thing in real:
        found.objects[thing.name] += 1
        found.object_sides_px.add(thing.area**0.5)
        size = "small" if thing.area < SMALL_PX**2 else "medium" if thing.area < LARGE_PX**2 else "large"
        found.object_sizes[size] += 1
        if thing.visibility is not None:
            found.visibility.add(thing.visibility)


# -- duplicates -------------------------------------------------------------------------------------------------------


def perceptual_hash(picture: NDArray[np.uint8]) -> int | None:
    """64 bits that pictures which look alike share: whether brightness grows along rows and columns of a coarse copy.

    None for a picture that is too small or too plain to be told from others. Half the bits compare neighbours in a row,
    half in a column (the "dHash" of image archives).
    """
    if min(picture.shape[:2]) < NEAR_SIDE_MIN:
        return None
    grey = picture if picture.ndim == 2 else picture.mean(axis=2)
    across = _reduced(grey, 4, 9)
    down = _reduced(grey, 9, 4)
    steps = np.concatenate([np.diff(across, axis=1).ravel(), np.diff(down, axis=0).ravel()])
    if np.abs(steps).max() < 4:
        return None
    return int(np.packbits(steps > 0).view(">u8")[0])


def _reduced(grey: NDArray[Any], rows: int, columns: int) -> NDArray[np.float64]:
    """Means of equal blocks; what is left at the right and at the bottom is cut."""
    high, wide = grey.shape[0] // rows, grey.shape[1] // columns
    blocks = grey[: high * rows, : wide * columns].reshape(rows, high, columns, wide)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float64)


class _Alike:
    """Finds equal samples, and pictures that look alike."""

    def __init__(self) -> None:
        self._equal: dict[bytes, list[int]] = {}
        self._names: list[str] = []
        self._splits: list[str] = []
        self._hashes: list[tuple[int, int]] = []  # (perceptual hash, sample), one of each content

    def add(self, seen: Seen) -> None:
        number = len(self._names)
        self._names.append(seen.name)
        self._splits.append(seen.split)
        group = self._equal.setdefault(seen.content, [])
        group.append(number)
        if len(group) == 1 and seen.picture is not None:
            print_of = perceptual_hash(seen.picture)
            if print_of is not None:
                self._hashes.append((print_of, number))

    def finish(self, found: Statistics) -> None:
        groups = [group for group in self._equal.values() if len(group) > 1]
        pairs = sorted(self._near())
        found.exact = [[self._names[n] for n in group] for group in groups]
        found.exact_samples = sum(map(len, groups))
        found.near = [(self._names[a], self._names[b]) for a, b in pairs]
        found.near_samples = len({n for pair in pairs for n in pair})
        apart = [group for group in [*groups, *map(list, pairs)] if len({self._splits[n] for n in group}) > 1]
        found.across_splits = len({n for group in apart for n in group})

    def _near(self) -> set[tuple[int, int]]:
        """Pairs of samples whose hashes differ in few bits: only those with an equal band are compared."""
        pairs = set()
        for band in range(0, 64, _BAND_BITS):
            buckets: dict[int, list[tuple[int, int]]] = {}
            for bits, number in self._hashes:
                buckets.setdefault(bits >> band & (1 << _BAND_BITS) - 1, []).append((bits, number))
            for bucket in buckets.values():
                for place, (bits, number) in enumerate(bucket):
                    for other, next_number in bucket[place + 1 : place + 1 + _CROWD]:
                        if (bits ^ other).bit_count() <= NEAR_BITS:
                            pairs.add((number, next_number))
        return pairs
