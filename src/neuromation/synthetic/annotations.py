"""The usual annotations as typed things: objects in a picture, events in time (docs/annotations.md).

Owns how they are read, also from strangers' JSON; knows no file format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neuromation.synthetic.errors import BadUnit

OBJECTS_MAX = 65_535  # of one unit: ids are 16 bits
Box = tuple[float, float, float, float]  # x, y, width, height in pixels; (0, 0) is the corner of the top left pixel


@dataclass(frozen=True)
class Thing:
    """One object in a picture.

    Attributes:
        label: number of its class; None for a null object, which looks like an object and is none.
        name: of its class, "none" for a null object.
        box: around what is seen of it.
        whole: around all of it, seen or hidden; the same as `box` where nobody knows.
        area: pixels that are seen of it.
        visibility: the part of it that is seen, 0..1; None where nobody knows.
        rle: its mask as COCO's compressed text, or "".
        keypoints: (x, y, v) by name; v is 2 for visible, 1 for hidden, 0 for outside the picture.
    """

    label: int | None
    name: str
    box: Box
    whole: Box
    area: float
    visibility: float | None = None
    rle: str = ""
    keypoints: Mapping[str, tuple[float, float, int]] = field(default_factory=dict)

    @property
    def is_null(self) -> bool:
        return self.label is None


def has_objects(annotations: Mapping[str, Any]) -> bool:
    """Whether a unit's annotations list objects, be it none at all."""
    return isinstance(annotations.get("objects", annotations.get("boxes")), list)


def objects_of(annotations: Mapping[str, Any], classes: Sequence[str]) -> list[Thing]:
    """The objects of a unit in order, null objects among them. Raises BadUnit when they are not as they should be."""
    listed = annotations.get("objects", annotations.get("boxes"))
    if not isinstance(listed, list):
        return []
    if len(listed) > OBJECTS_MAX:
        raise BadUnit(f"a unit has at most {OBJECTS_MAX:,} objects, not {len(listed):,}")
    try:
        return [_thing(item, classes) for item in listed]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadUnit(f"an object of a unit is not described as objects are: {type(error).__name__} {error}") from error


def _thing(item: Mapping[str, Any], classes: Sequence[str]) -> Thing:
    label = None if item.get("null") or item.get("label") is None else int(item["label"])
    if label is not None and not 0 <= label < len(classes):
        raise ValueError(f"label {label} of {len(classes)} classes")
    box = _box(item["bbox"])
    points = {str(name): (float(x), float(y), int(v)) for name, (x, y, v) in item.get("keypoints", {}).items()}
    seen = item.get("visibility")
    return Thing(
        label=label,
        name="none" if label is None else classes[label],
        box=box,
        whole=_box(item.get("bbox_amodal", box)),
        area=float(item.get("area", box[2] * box[3])),
        visibility=None if seen is None else float(seen),
        rle=str(item.get("rle", "")),
        keypoints=points,
    )


def _box(values: Sequence[float]) -> Box:
    x, y, width, height = (float(value) for value in values)
    if not (width >= 0 and height >= 0 and abs(x) < 1e6 and abs(y) < 1e6 and width < 1e6 and height < 1e6):
        raise ValueError(f"box {values}")
    return x, y, width, height


@dataclass(frozen=True)
class Event:
    """Something that happens from `onset_s` to `offset_s`, seconds from the start of a recording or clip."""

    label: int | None
    name: str
    onset_s: float
    offset_s: float


def events_of(annotations: Mapping[str, Any], classes: Sequence[str]) -> list[Event]:
    """The events of a unit in order. Raises BadUnit when they are not as they should be."""
    listed = annotations.get("events")
    if not isinstance(listed, list):
        return []
    try:
        return [_event(item, classes) for item in listed]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BadUnit(f"an event of a unit is not described as events are: {type(error).__name__} {error}") from error


def _event(item: Mapping[str, Any], classes: Sequence[str]) -> Event:
    """One event: of a class of the data set, or of a kind of its own (`event`), as clips have it."""
    label = item.get("label")
    name = item.get("class") or item.get("event") or classes[item["label"]]
    onset = float(item["onset_s"] if "onset_s" in item else item["start_s"])
    offset = item.get("offset_s", item.get("end_s"))
    return Event(label, str(name), onset, onset if offset is None else float(offset))
