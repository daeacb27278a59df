"""Plain folders: pictures or recordings in a folder a class, lines of JSON, a table; written for foreign readers.

`metadata.jsonl` is what Hugging Face `datasets` reads beside an image or audio folder.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from neuromation.synthetic.annotations import has_objects, objects_of
from neuromation.synthetic.errors import BadExport
from neuromation.synthetic.formats.columns import pack
from neuromation.synthetic.formats.manifest import Manifest
from neuromation.synthetic.formats.pictures import class_folder, layer_files, save, save_picture, stem_of
from neuromation.synthetic.generator import Unit

METADATA_FILE, UNITS_FILE, TABLE_FILE = "metadata.jsonl", "units.jsonl", "units.csv"


def write_imagefolder(units: Iterable[Unit], manifest: Manifest, out: Path) -> None:
    """One PNG a unit in a folder a class, or in `images/` where units have objects instead, and `metadata.jsonl`.

    Raises BadExport when units have neither class nor objects.
    """
    with (out / METADATA_FILE).open("w", encoding="utf-8") as lines:
        for unit in units:
            row: dict[str, Any] = {"file_name": save_picture(out, unit, manifest, _folder(unit, manifest, "images"))}
            row |= {"label": unit.label, "index": unit.index, "annotations": json.dumps(unit.annotations)}
            if has_objects(unit.annotations):
                things = [thing for thing in objects_of(unit.annotations, manifest.classes) if not thing.is_null]
                boxes = [list(thing.box) for thing in things]
                row["objects"] = {"bbox": boxes, "categories": [thing.label for thing in things]}
            lines.write(json.dumps(row) + "\n")


def write_audiofolder(units: Iterable[Unit], manifest: Manifest, out: Path) -> None:
    """One WAV a unit in a folder a class, or in `audio/` where units have none, and `metadata.jsonl`.

    Raises BadExport when the units are no recordings.
    """
    layer = next((layer for layer in manifest.layer_list() if layer.kind == "audio"), None)
    if layer is None:
        raise BadExport("an audio folder holds recordings, and the units of this data set are none")
    with (out / METADATA_FILE).open("w", encoding="utf-8") as lines:
        for unit in units:
            folder = "audio" if unit.label is None else class_folder(manifest.classes, unit.label)
            file = pack(layer, unit.layers[layer.name])
            assert isinstance(file, bytes), "a recording is one file"
            name = save(out, f"{folder}/{stem_of(unit)}.wav", file)
            row = {"file_name": name, "label": unit.label, "index": unit.index}
            lines.write(json.dumps({**row, "annotations": json.dumps(unit.annotations)}) + "\n")


def write_jsonl(units: Iterable[Unit], manifest: Manifest, out: Path) -> None:
    """Files of images and layers, and `units.jsonl`: one line of everything a unit."""
    layers = manifest.layer_list()
    with (out / UNITS_FILE).open("w", encoding="utf-8") as lines:
        for unit in units:
            row: dict[str, Any] = {"index": unit.index}
            if unit.image is not None:
                row["image"] = save_picture(out, unit, manifest, "images")
            files = {
                layer.name: [
                    save(out, f"{layer.name}/{stem_of(unit)}{ending.removeprefix('.' + layer.name)}", data)
                    for ending, data in layer_files(layer, unit).items()
                ]
                for layer in layers
            }
            if files:
                row["layers"] = {name: found if len(found) > 1 else found[0] for name, found in files.items()}
            label = None if unit.label is None else manifest.classes[unit.label]
            row |= {"label": unit.label, "class": label, "annotations": unit.annotations}
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_csv(again: Callable[[], Iterable[Unit]], manifest: Manifest, out: Path) -> None:
    """`units.csv`: index, label, class, and a column a key of the annotations; what is no number or text is JSON.

    `again` gives the units from the start each time: the first pass finds the columns. Raises BadExport for units with
    pictures or recordings, which no table holds.
    """
    keys: dict[str, None] = {}
    for unit in again():
        if unit.image is not None or unit.layers:
            raise BadExport("a table holds no pictures and no recordings; export this data set as jsonl")
        keys.update(dict.fromkeys(unit.annotations))
    taken = {"index", "label", "class"}
    with (out / TABLE_FILE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["index", "label", "class", *(f"annotation_{key}" if key in taken else key for key in keys)])
        for unit in again():
            label = "" if unit.label is None else manifest.classes[unit.label]
            values = [_cell(unit.annotations.get(key)) for key in keys]
            table.writerow([unit.index, "" if unit.label is None else unit.label, label, *values])


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    return json.dumps(value, ensure_ascii=False)


def _folder(unit: Unit, manifest: Manifest, otherwise: str) -> str:
    if unit.label is not None:
        return class_folder(manifest.classes, unit.label)
    if has_objects(unit.annotations):
        return otherwise
    raise BadExport("a unit of this data set has no class, so an image folder does not suit it; export it as jsonl")
