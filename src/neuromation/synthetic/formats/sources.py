"""Folders of real data as people keep them: where files lie, which classes and boxes they name, which split they are.

Owns the readers of COCO, YOLO, Pascal VOC, image and audio folders. They list and check names and numbers; files are
opened by `neuromation.synthetic.importing`. Whatever a folder says may be wrong: paths stay inside it, sizes are bounded.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from neuromation.synthetic.errors import BadImport
from neuromation.synthetic.formats.real import SAMPLES_MAX

JSON_BYTES_MAX = 1024 * 2**20
TEXT_BYTES_MAX = 16 * 2**20  # of one CSV, XML, YAML or label file
OBJECTS_MAX = 65_535  # of one picture
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
RECORDINGS = (".wav",)
_SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_FILE_COLUMNS = ("file", "file_name", "filename", "path", "image", "audio")
_CLASS_COLUMNS = ("class_name", "label_name", "class", "category", "label", "digit", "name")
_NUMBER_COLUMNS = ("class_id", "label_id", "category_id")


@dataclass(frozen=True)
class Marked:
    """One object as a folder names it: its class, its box x, y, width, height in pixels, and what else is known."""

    name: str
    box: tuple[float, float, float, float]
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """One file that a folder names.

    Attributes:
        path: where it is; inside the folder.
        file: the same as a text, from the folder on.
        split: what the folder says, or "".
        name: of its class, or "".
        marks: its objects; None where the folder's form has none. Parts of the picture's size for YOLO (`relative`).
        size: (width, height) as the folder tells it, or None.
        facts: what else its row says.
    """

    path: Path
    file: str
    split: str = ""
    name: str = ""
    marks: tuple[Marked, ...] | None = None
    size: tuple[int, int] | None = None
    relative: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """What a folder holds: its classes in their order, and its files."""

    classes: list[str]
    found: list[Found]


def inside(folder: Path, name: str) -> Path:
    """A path that a file names, below `folder`. Raises BadImport when it climbs out, by dots or by a link."""
    pure = PurePosixPath(name.replace("\\", "/"))
    path = folder / pure
    if pure.is_absolute() or ".." in pure.parts or not path.resolve().is_relative_to(folder.resolve()):
        raise BadImport(f"{name[:200]!r} leads out of {folder}; files of a data set lie in its folder")
    return path


def split_of(name: str) -> str:
    """The split that a name tells of (`dev_train.json`, `val2017`), or ""."""
    words = re.findall(r"[a-z]+", name.lower())
    return next((_SPLITS[word] for word in words if word in _SPLITS), "")


def _text(path: Path, most: int = TEXT_BYTES_MAX) -> str:
    try:
        if path.stat().st_size > most:
            raise BadImport(f"{path.name} is larger than {most:,} bytes")
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadImport(f"{path} cannot be read as text: {error}") from error


def _bounded(found: list[Found], folder: Path, what: str) -> list[Found]:
    if not found:
        raise BadImport(f"{folder} holds no {what}")
    if len(found) > SAMPLES_MAX:
        raise BadImport(f"{folder} names {len(found):,} files; at most {SAMPLES_MAX:,} are taken")
    return found


def _numbers(values: Any, count: int, where: str) -> list[float]:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise BadImport(f"{where}: {str(values)[:60]} are no {count} numbers") from error
    if len(numbers) != count or not all(math.isfinite(number) and abs(number) < 1e6 for number in numbers):
        raise BadImport(f"{where}: {str(values)[:60]} are no {count} numbers of a picture's size")
    return numbers


# -- COCO -------------------------------------------------------------------------------------------------------------


def read_coco(folder: Path) -> Listing:
    """Every COCO document in `folder` or its `annotations/`; a document's name tells its split. Raises BadImport."""
    names: dict[str, None] = {}
    found: list[Found] = []
    for path in sorted([*folder.glob("*.json"), *(folder / "annotations").glob("*.json")]):
        try:
            document = json.loads(_text(path, JSON_BYTES_MAX))
        except ValueError as error:
            raise BadImport(f"{path.name} is no JSON: {error}") from error
        if not isinstance(document, dict) or not {"images", "annotations", "categories"} <= document.keys():
            continue
        try:
            found += _coco_document(folder, path, document, names)
        except (KeyError, TypeError, AttributeError) as error:
            raise BadImport(
                f"{path.name} is not as COCO documents are: {type(error).__name__} {str(error)[:80]}"
            ) from error
    return Listing(list(names), _bounded(found, folder, "COCO document with images"))


def _coco_document(folder: Path, path: Path, document: dict[str, Any], names: dict[str, None]) -> Iterator[Found]:
    categories = {item["id"]: str(item["name"]) for item in sorted(document["categories"], key=lambda item: item["id"])}
    names.update(dict.fromkeys(categories.values()))
    marks: dict[Any, list[Marked]] = {item["id"]: [] for item in document["images"]}
    for item in document["annotations"]:
        if item["image_id"] not in marks or item["category_id"] not in categories:
            raise BadImport(f"{path.name}: annotation {item.get('id')} names a picture or a class that is not there")
        x, y, w, h = _numbers(item["bbox"], 4, f"{path.name}: box of annotation {item.get('id')}")
        more: dict[str, Any] = {"attributes": {"iscrowd": 1}} if item.get("iscrowd") else {}
        outline = item.get("segmentation")
        if isinstance(outline, dict) and isinstance(outline.get("counts"), str):
            more["rle"] = outline["counts"]
        if "area" in item:
            more["area"] = float(item["area"])
        marks[item["image_id"]].append(Marked(categories[item["category_id"]], (x, y, w, h), more))
    for image in document["images"]:
        if len(marks[image["id"]]) > OBJECTS_MAX:
            raise BadImport(f"{image['file_name']} has more than {OBJECTS_MAX:,} objects")
        place = _coco_file(folder, path, str(image["file_name"]))
        size = (int(image["width"]), int(image["height"])) if "width" in image and "height" in image else None
        file = place.relative_to(folder).as_posix()
        yield Found(place, file, split_of(path.stem), marks=tuple(marks[image["id"]]), size=size)


def _coco_file(folder: Path, document: Path, name: str) -> Path:
    """Where the picture of a document lies: beside it, in `images/`, or in a folder named like the document's split."""
    tries = [
        name,
        f"images/{name}",
        f"{document.stem.split('_')[-1]}/{name}",
        f"images/{document.stem.split('_')[-1]}/{name}",
    ]
    paths = [inside(folder, one) for one in tries]
    return next((path for path in paths if path.is_file()), paths[0])


# -- YOLO -------------------------------------------------------------------------------------------------------------


def read_yolo(folder: Path) -> Listing:
    """The folder of a `data.yaml`: pictures below `images/`, and boxes at the same place below `labels/`.

    Raises BadImport.
    """
    described = next((path for path in (folder / "data.yaml", *sorted(folder.glob("*.yaml"))) if path.is_file()), None)
    if described is None:
        raise BadImport(f"{folder} holds no data.yaml, which names the classes of a YOLO data set")
    classes, places = _yolo_facts(described)
    found = []
    for split, place in places:
        base = inside(folder, place.removeprefix("../").removeprefix("./"))
        for path in sorted(base.rglob("*")):
            if path.suffix.lower() in PICTURES:
                inside(folder, path.relative_to(folder).as_posix())
                marks = _yolo_marks(_yolo_labels(folder, path), classes)
                file = path.relative_to(folder).as_posix()
                found.append(Found(path, file, split, marks=marks, relative=True))
    return Listing(
        classes, _bounded(list({item.file: item for item in found}.values()), folder, "pictures that data.yaml names")
    )


def _yolo_facts(path: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """The classes, and (split, folder) of each list of pictures."""
    import yaml

    try:
        facts = yaml.safe_load(_text(path, 2**20))
        names = facts["names"]
        ordered = [names[key] for key in sorted(names, key=int)] if isinstance(names, dict) else list(names)
        listed = [(split_of(key), facts[key]) for key in ("train", "val", "valid", "test") if facts.get(key)]
        places = [(split, str(one)) for split, some in listed for one in (some if isinstance(some, list) else [some])]
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadImport(f"{path.name} is no description of a YOLO data set: {str(error)[:120]}") from error
    # The same folder for training and validation says nothing of a split.
    same = {place for _, place in places if len({split for split, other in places if other == place}) > 1}
    return [str(name) for name in ordered], [("" if place in same else split, place) for split, place in places]


def _yolo_labels(folder: Path, picture: Path) -> Path:
    parts = list(picture.relative_to(folder).parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return (folder / Path(*parts)).with_suffix(".txt")


def _yolo_marks(path: Path, classes: list[str]) -> tuple[Marked, ...]:
    """Boxes, or outlines as the boxes around them; as parts of the picture's size. No file: a background picture."""
    if not path.is_file():
        return ()
    marks = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        words = line.split()
        where = f"{path.name}, line {number}"
        if not words:
            continue
        if (len(words) > 5 and len(words) % 2 == 0) or len(words) < 5 or not words[0].isdigit():
            raise BadImport(f"{where}: {line[:60]!r} is no class with a box or an outline")
        label, values = int(words[0]), _numbers(words[1:], len(words) - 1, where)
        if label >= len(classes) or not all(-0.01 <= value <= 1.01 for value in values):
            raise BadImport(
                f"{where}: class {label} of {len(classes)}, or a number that is no part of the picture's size"
            )
        if len(values) == 4:
            x, y, w, h = values
            box = (x - w / 2, y - h / 2, w, h)
        else:
            xs, ys = values[::2], values[1::2]
            box = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
        marks.append(Marked(classes[label], box))
    return tuple(marks[:OBJECTS_MAX])


# -- Pascal VOC -------------------------------------------------------------------------------------------------------


def read_voc(folder: Path) -> Listing:
    """`Annotations/*.xml` with the pictures in `JPEGImages/`; `ImageSets/Main/*.txt` tells splits. Raises BadImport."""
    splits: dict[str, str] = {}
    for path in sorted((folder / "ImageSets/Main").glob("*.txt")):
        if path.stem in _SPLITS:
            splits |= {line.split()[0]: _SPLITS[path.stem] for line in _text(path).splitlines() if line.strip()}
    found = [_voc_document(folder, path, splits) for path in sorted((folder / "Annotations").glob("*.xml"))]
    names = sorted({mark.name for item in found for mark in item.marks or ()})
    return Listing(names, _bounded(found, folder, "Annotations/*.xml"))


def _voc_document(folder: Path, path: Path, splits: Mapping[str, str]) -> Found:
    text = _text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise BadImport(f"{path.name} declares entities of its own, which no VOC file needs")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  # nothing can be declared, see above
        name = root.findtext("filename") or f"{path.stem}.jpg"
        marks = [_voc_object(item, path.name) for item in root.iter("object")]
        width, height = int(root.findtext("size/width") or 0), int(root.findtext("size/height") or 0)
    except (ElementTree.ParseError, ValueError) as error:
        raise BadImport(f"{path.name} is not as VOC files are: {error}") from error
    picture = inside(folder, f"JPEGImages/{name}")
    if not picture.is_file():
        picture = next((p for end in PICTURES if (p := picture.with_suffix(end)).is_file()), picture)
    size = (width, height) if width and height else None
    file = picture.relative_to(folder).as_posix()
    return Found(picture, file, splits.get(path.stem, ""), marks=tuple(marks[:OBJECTS_MAX]), size=size)


def _voc_object(item: ElementTree.Element, file: str) -> Marked:
    values = [item.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
    left, top, right, bottom = _numbers(values, 4, f"{file}: a box")
    more = {key: 1 for key in ("truncated", "occluded", "difficult") if (item.findtext(key) or "0").strip() == "1"}
    # VOC counts pixels from 1 and includes both ends.
    box = (left - 1, top - 1, max(right - left + 1, 0), max(bottom - top + 1, 0))
    return Marked(item.findtext("name") or "", box, {"attributes": more} if more else {})


# -- folders of files -------------------------------------------------------------------------------------------------


def read_files(folder: Path, endings: tuple[str, ...], *, class_column: str = "") -> Listing:
    """Files of these endings with a class: from tables (CSV with a column of files), else a folder a class.

    Raises BadImport.
    """
    tables = [rows for path in sorted(folder.glob("*.csv")) if (rows := _table(folder, path, class_column))]
    if tables:
        found = [item for rows in tables for item in rows]
        numbers = {item.name: item.facts["class_number"] for item in found if "class_number" in item.facts}
    else:
        found, numbers = list(_folders(folder, endings)), {}
    classes = sorted({item.name for item in found}, key=lambda name: (numbers.get(name, 0), _natural(name)))
    return Listing(classes, _bounded(found, folder, f"files that end in {', '.join(endings)}"))


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() and len(name) < 10 else (10**10, name)


def _table(folder: Path, path: Path, class_column: str) -> list[Found]:
    """The files that one table names; none when it has no column of files."""
    rows = list(csv.DictReader(_text(path).splitlines()))
    columns = {name.strip().lower(): name for name in (rows[0] if rows else {}) if isinstance(name, str)}
    file = next((columns[name] for name in _FILE_COLUMNS if name in columns), None)
    if file is None:
        return []
    chosen = class_column or next((columns[name] for name in _CLASS_COLUMNS if name in columns), "")
    if chosen not in columns.values():
        raise BadImport(
            f"{path.name} has no column {chosen or 'of classes'!r}; it has {', '.join(columns.values())[:200]}"
        )
    number = next((columns[name] for name in _NUMBER_COLUMNS if name in columns), None)
    split = columns.get("split")
    found = []
    for row in rows:
        if not row[file] or not row[chosen]:
            raise BadImport(f"{path.name}: a row names no file or no class: {str(row)[:100]}")
        place = inside(folder, row[file])
        said = split_of(row[split]) or row[split] if split else split_of(path.stem)
        facts: dict[str, Any] = {k: v for k, v in row.items() if k not in (file, chosen, split, number) and k}
        if number and (row[number] or "").isdigit():
            facts["class_number"] = int(row[number])
        found.append(Found(place, place.relative_to(folder).as_posix(), str(said), row[chosen], facts=facts))
    return found


def _folders(folder: Path, endings: tuple[str, ...]) -> Iterator[Found]:
    """class/file or split/class/file."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in endings or not path.is_file():
            continue
        parts = path.relative_to(folder).parts
        inside(folder, "/".join(parts))
        if len(parts) < 2:
            raise BadImport(
                f"{parts[0]} lies in no folder of a class; make a folder a class, or a CSV with file and class"
            )
        split = split_of(parts[0]) if len(parts) > 2 else ""
        yield Found(path, "/".join(parts), split, parts[1] if len(parts) > 2 and split else parts[0])
