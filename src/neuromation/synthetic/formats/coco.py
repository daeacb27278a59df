"""COCO: boxes, masks as run lengths, keypoints; written for foreign readers and read as a real set.

The form is that of cocodataset.org/#format-data. Null objects are left out: to a detector they are background, and a
detection of one is an error that an evaluation shall count.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from neuromation.synthetic.annotations import Thing, has_objects, objects_of
from neuromation.synthetic.errors import BadExport
from neuromation.synthetic.formats.manifest import Manifest
from neuromation.synthetic.formats.pictures import save_picture
from neuromation.synthetic.generator import Unit

ANNOTATIONS_FILE = "annotations.json"

_NO_OBJECTS = "holds boxes, and the units of this data set have none; export it as imagefolder or jsonl"


def write_coco(units: Iterable[Unit], manifest: Manifest, out: Path) -> None:
    """`images/*.png` and `annotations.json`; an annotation has its mask and keypoints where the units have them.

    Raises BadExport when the units have no objects.
    """
    images: list[dict[str, Any]] = []
    points: dict[int, dict[str, None]] = {}  # names of keypoints of each category, in the order they were met
    with tempfile.TemporaryFile("w+", dir=out, encoding="utf-8") as lines:
        count = 0
        for unit in units:
            if not has_objects(unit.annotations):
                raise BadExport(f"COCO {_NO_OBJECTS}")
            height, width = unit.picture.shape[:2]
            name = save_picture(out, unit, manifest, "images")
            images.append({"id": unit.index + 1, "file_name": name[len("images/") :], "width": width, "height": height})
            for thing in objects_of(unit.annotations, manifest.classes):
                if not thing.is_null:
                    count += 1
                    mark = _mark(thing, count, unit.index + 1, (height, width), points)
                    lines.write(json.dumps(mark, separators=(",", ":")) + "\n")
        lines.seek(0)
        with (out / ANNOTATIONS_FILE).open("w", encoding="utf-8") as file:
            _write(file, images, lines, points, manifest)


def _mark(
    thing: Thing, number: int, image: int, size: tuple[int, int], points: dict[int, dict[str, None]]
) -> dict[str, Any]:
    assert thing.label is not None, "null objects are left out"
    mark: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": thing.label + 1,
        "bbox": list(thing.box),
        "area": thing.area,
        "iscrowd": 0,
    }
    if thing.rle:
        mark["segmentation"] = {"size": list(size), "counts": thing.rle}
    if thing.keypoints:
        names = points.setdefault(thing.label, {})
        names.update(dict.fromkeys(thing.keypoints))
        found = [thing.keypoints.get(name, (0.0, 0.0, 0)) for name in names]
        mark["keypoints"] = [value for x, y, v in found for value in ((x, y, v) if v else (0, 0, 0))]
        mark["num_keypoints"] = sum(v > 0 for _, _, v in found)
    return mark


def _write(
    file: TextIO,
    images: list[dict[str, Any]],
    lines: TextIO,
    points: dict[int, dict[str, None]],
    manifest: Manifest,
) -> None:
    """The document, whose annotations are streamed: a large set has millions."""
    info = {
        "description": f"{manifest.title}: {manifest.description}",
        "version": manifest.version,
        "contributor": f"generator {manifest.generator}, seed {manifest.seed}",
        "url": f"urn:sha256:{manifest.merkle_root}",
    }
    categories = [
        {
            "id": number + 1,
            "name": name,
            "supercategory": "",
            **({"keypoints": list(points[number]), "skeleton": []} if number in points else {}),
        }
        for number, name in enumerate(manifest.classes)
    ]
    head = {"info": info, "licenses": [{"id": 1, "name": manifest.licence, "url": ""}], "categories": categories}
    file.write(json.dumps({**head, "images": images}, ensure_ascii=False)[:-1] + ', "annotations": [')
    for place, line in enumerate(lines):
        file.write(",\n" if place else "\n")
        file.write(_padded(line.rstrip("\n"), points))
    file.write("\n]}\n")


def _padded(line: str, points: dict[int, dict[str, None]]) -> str:
    """An annotation with as many keypoints as its category came to have."""
    if not points or '"keypoints"' not in line:
        return line
    mark = json.loads(line)
    wanted = 3 * len(points[mark["category_id"] - 1])
    mark["keypoints"] += [0] * (wanted - len(mark["keypoints"]))
    return json.dumps(mark, separators=(",", ":"))
