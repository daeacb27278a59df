"""YOLO: a picture and a text file of boxes a unit, and `data.yaml`; written for foreign readers.

A line is `class x y width height`, the middle of the box and its size as parts of the picture's width and height
(docs.ultralytics.com/datasets/detect). Null objects are left out, and a unit without objects has an empty file: a
background picture, as trainers of this family understand it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from neuromation.synthetic.annotations import Thing, has_objects, objects_of
from neuromation.synthetic.errors import BadExport
from neuromation.synthetic.formats.manifest import Manifest
from neuromation.synthetic.formats.pictures import save, save_picture, stem_of
from neuromation.synthetic.generator import Unit

DATA_FILE = "data.yaml"


def write_yolo(units: Iterable[Unit], manifest: Manifest, out: Path) -> None:
    """`images/train/*.png`, `labels/train/*.txt` and `data.yaml`. Raises BadExport when the units have no objects."""
    for unit in units:
        if not has_objects(unit.annotations):
            raise BadExport(
                "YOLO holds boxes, and the units of this data set have none; export it as imagefolder or jsonl"
            )
        save_picture(out, unit, manifest, "images/train")
        height, width = unit.picture.shape[:2]
        things = objects_of(unit.annotations, manifest.classes)
        lines = [_line(thing, width, height) for thing in things if not thing.is_null]
        save(out, f"labels/train/{stem_of(unit)}.txt", "".join(lines).encode())
    names = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(manifest.classes))
    text = (
        f"# {manifest.units} units of generator {manifest.generator}, Merkle root {manifest.merkle_root}\n"
        "# Validation on what was trained on says nothing: put pictures of the real world here.\n"
        f"path: .\ntrain: images/train\nval: images/train\nnames:\n{names}"
    )
    save(out, DATA_FILE, text.encode())


def _line(thing: Thing, width: int, height: int) -> str:
    x, y, w, h = thing.box
    numbers = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
    return f"{thing.label} " + " ".join(f"{number:.6f}" for number in numbers) + "\n"
