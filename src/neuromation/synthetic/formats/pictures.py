"""Files of units as exports lay them out: pictures, layers, recordings and frames under the unit's number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neuromation.synthetic.errors import BadExport
from neuromation.synthetic.formats import columns
from neuromation.synthetic.formats.manifest import Manifest
from neuromation.synthetic.formats.png import encode_png
from neuromation.synthetic.generator import Layer, Unit


def stem_of(unit: Unit) -> str:
    """The name of a unit's files, without folder and ending."""
    return f"{unit.index:08d}"


def picture_of(unit: Unit, manifest: Manifest) -> bytes:
    """The unit's image as PNG. Raises BadExport for a unit that is no picture."""
    if unit.image is None:
        raise BadExport(
            f"unit {unit.index} of this data set is no picture; export it as audiofolder, jsonl, csv, webdataset or parquet"
        )
    return encode_png(unit.image, value_max=manifest.value_max)


def save_picture(out: Path, unit: Unit, manifest: Manifest, inside: str) -> str:
    """Write the unit's image as PNG into the folder `inside` of `out`; the file's path inside `out`."""
    return save(out, f"{inside}/{stem_of(unit)}.png", picture_of(unit, manifest))


def save(out: Path, name: str, data: bytes) -> str:
    """Write a file of an export; its name again."""
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return name


def layer_files(layer: Layer, unit: Unit) -> dict[str, bytes]:
    """The files of one layer of a unit, by what follows the unit's name: `.depth.png`, `.audio.wav`, `.video.003.png`."""
    file: Any = columns.pack(layer, unit.layers[layer.name])
    if isinstance(file, list):
        return {f".{layer.name}.{number:04d}.png": frame for number, frame in enumerate(file)}
    return {f".{layer.name}.{'wav' if layer.kind == 'audio' else 'png'}": file}


def class_folder(classes: list[str], label: int) -> str:
    """The name of a class as a folder that cannot lead elsewhere and that no other class has."""
    name = classes[label]
    safe = "".join(c if c.isalnum() or c in "-_ " else "_" for c in name).strip() or str(label)
    return safe if [c for c in classes if c == safe] == [name] else f"{label}_{safe}"
