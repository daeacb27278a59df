"""What a model may learn from units and real samples: plain arrays of inputs, classes, boxes, masks and regions.

Owns how they are read out of shards and tables; refuses to know models, and which of it one of them is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.annotations import has_objects, objects_of
from neuromation.synthetic.errors import BadUnit
from neuromation.synthetic.formats.labelled import read_labelled
from neuromation.synthetic.formats.real import RealSample, RealTable, check_recording, is_real, read_real
from neuromation.synthetic.formats.recipe import Recipe
from neuromation.synthetic.formats.shard import ShardReader
from neuromation.synthetic.generator import Generator, Layer, Unit
from neuromation.synthetic.render.rle import mask_of

# Boxes float32 (n, 4) as x, y, width, height in pixels; labels int64 (n,); masks bool (n, H, W), or None.
Objects = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_] | None]
_REGIONS = "semantic"
_NULL = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65_535}


@dataclass(frozen=True, eq=False)
class Examples:
    """Samples in their order, with all that is known of each.

    Attributes:
        inputs: pictures uint8 (H, W) or (H, W, 3), or sounds int16 (T,) in one channel.
        labels: number of the class; None where there is no single one.
        objects: without null objects, which are background; None where nobody lists objects.
        regions: uint16 (H, W) of label + 1, 0 for none; None where there are none.
        classes: what labels number.
        rate_hz: of sounds; None for pictures.
    """

    inputs: list[NDArray[Any]]
    labels: list[int | None]
    objects: list[Objects | None]
    regions: list[NDArray[np.uint16] | None]
    classes: tuple[str, ...]
    rate_hz: int | None = None


def examples_of_units(
    units: Iterable[Unit], *, classes: Sequence[str], layers: Sequence[Layer], masks: bool = False
) -> Examples:
    """The examples in some units of a generator.

    Args:
        classes, layers: what the generator says of them under the units' parameters.
        masks: whether masks of objects are unpacked, which takes a picture's memory each.

    Raises:
        BadUnit: a unit is neither picture nor sound, or its objects are not described as objects are.
    """
    sound = next((layer for layer in layers if layer.kind == "audio"), None)
    found = Examples([], [], [], [], tuple(classes), None if sound is None else round(sound.rate_hz))
    for unit in units:
        value: NDArray[Any] | None = unit.image
        if value is None and sound is not None:
            value = _one_channel(unit.layers[sound.name])
        if value is None:
            raise BadUnit(f"unit {unit.index} is neither a picture nor a sound, so no model here can learn from it")
        _add(found, value, unit.label, unit.annotations, masks=masks)
        found.regions[-1] = _regions(unit.layers.get(_REGIONS))
    return found


def examples_of_shard(data: bytes, *, masks: bool = False) -> Examples:
    """The examples in a shard, every byte of it checked. Raises BadShard, ShardTooLarge, BadUnit."""
    reader = ShardReader(data)
    recipe: Recipe = reader.recipe
    return examples_of_units(reader.units(), classes=recipe.classes, layers=recipe.layers, masks=masks)


def examples_of_generator(generator: Generator, params: Any, units: Iterable[Unit], *, masks: bool = False) -> Examples:
    """The examples in units that this generator has just made. Raises BadUnit."""
    classes, layers = generator.classes_for(params), generator.layers(params)
    return examples_of_units(units, classes=classes, layers=layers, masks=masks)


def examples_of_table(data: bytes, *, split: str | None = None, masks: bool = False) -> Examples:
    """The examples in an imported table of either form, of one split or all; there may be none.

    Raises BadTable, BadImport, TooLarge; BadUnit when recordings differ in their rate.
    """
    if not is_real(data):
        table = read_labelled(data)
        chosen = table if split is None else table.of_split(split)
        count = len(chosen.labels)
        labels: list[int | None] = [int(label) for label in chosen.labels]
        return Examples(list(chosen.images), labels, [None] * count, [None] * count, table.classes)
    real = read_real(data)
    samples = [sample for sample in real.samples if split is None or sample.split == split]
    found = Examples([], [], [], [], real.classes, _rate_of(real, samples))
    for sample in samples:
        value = sample.pixels() if real.kind == "image" else _one_channel(sample.sound())
        _add(found, value, sample.label, sample.annotations, masks=masks)
    return found


def _rate_of(table: RealTable, samples: Sequence[RealSample]) -> int | None:
    if table.kind == "image":
        return None
    rates = {int(check_recording(sample.data, sample.file)["rate_hz"]) for sample in samples}
    if len(rates) > 1:
        raise BadUnit(f"the recordings have {len(rates)} different rates, {sorted(rates)[:3]} Hz; bring them to one")
    return rates.pop() if rates else 1


def _add(
    found: Examples, value: NDArray[Any], label: int | None, annotations: Mapping[str, Any], *, masks: bool
) -> None:
    found.inputs.append(value)
    found.labels.append(label)
    found.regions.append(None)
    listed = has_objects(annotations) and value.ndim > 1
    found.objects.append(_objects(annotations, found.classes, value.shape[:2], masks=masks) if listed else None)


def _objects(
    annotations: Mapping[str, Any], classes: Sequence[str], size: tuple[int, ...], *, masks: bool
) -> Objects | None:
    things = [t for t in objects_of(annotations, classes) if t.label is not None and t.box[2] > 0 and t.box[3] > 0]
    boxes = np.array([thing.box for thing in things], np.float32).reshape(-1, 4)
    labels = np.array([thing.label for thing in things], np.int64)
    if not masks or any(not thing.rle for thing in things):
        return boxes, labels, None
    height, width = size
    cut = [mask_of(thing.rle, width=width, height=height).astype(bool) for thing in things]
    return boxes, labels, np.array(cut, bool).reshape(-1, height, width)


def _regions(layer: NDArray[Any] | None) -> NDArray[np.uint16] | None:
    if layer is None:
        return None
    return np.where(layer == _NULL[layer.dtype], 0, layer).astype(np.uint16)


def _one_channel(sound: NDArray[Any]) -> NDArray[np.int16]:
    return sound if sound.ndim == 1 else np.rint(sound.mean(axis=1)).astype(np.int16)
