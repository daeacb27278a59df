"""A data-set folder in the formats that other tools read: Parquet as it is, image folders, JSON lines and COCO."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neuromation.synthetic.errors import BadExport, OtherDataset
from neuromation.synthetic.folder import load_manifest, read_file, write_whole
from neuromation.synthetic.formats.manifest import Manifest
from neuromation.synthetic.formats.png import encode_png
from neuromation.synthetic.formats.shard import read_shard
from neuromation.synthetic.generator import Unit

FORMATS = ("parquet", "imagefolder", "jsonl", "coco")


def export_dataset(folder: Path, format: str, out: Path) -> Path:
    """Write the data set in `folder` to `out`, a new or empty folder, and return `out`.

    Formats: `parquet`, a copy of the folder; `imagefolder`, one PNG a unit in a folder a class with `metadata.jsonl`,
    as Hugging Face `datasets` and torchvision read; `jsonl`, PNG files and one line of annotations a unit; `coco`, PNG
    files and `annotations.json`, for units with `boxes`: [{"bbox": [x, y, width, height], "label": 0}, ...].

    Raises BadExport for a format that is unknown or does not suit the data, OtherDataset when `out` is not empty.
    """
    writers = {"parquet": _parquet, "imagefolder": _imagefolder, "jsonl": _jsonl, "coco": _coco}
    if format not in writers:
        raise BadExport(f"{format[:40]!r} is no export format; choose one of {', '.join(FORMATS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OtherDataset(f"{out} is not an empty folder; name another one")
    manifest = load_manifest(folder)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        writers[format](folder, manifest, part)
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _units(folder: Path, manifest: Manifest) -> Iterator[Unit]:
    for shard in manifest.shards:
        yield from read_shard(read_file(folder, shard.file)).units


def _parquet(folder: Path, manifest: Manifest, out: Path) -> None:
    (out / "data").mkdir()
    for shard in manifest.shards:
        write_whole(out / shard.file, read_file(folder, shard.file))
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            write_whole(out / path.name, path.read_bytes())


def _save(out: Path, unit: Unit, manifest: Manifest, inside: str) -> str:
    name = f"{inside}/{unit.index:08d}.png"
    (out / inside).mkdir(parents=True, exist_ok=True)
    (out / name).write_bytes(encode_png(unit.picture, value_max=manifest.value_max))
    return name


def _class_folder(manifest: Manifest, label: int | None) -> str:
    if label is None:
        raise BadExport("a unit of this data set has no class, so an image folder does not suit it; export it as jsonl")
    name = manifest.classes[label]
    safe = "".join(c if c.isalnum() or c in "-_ " else "_" for c in name).strip() or str(label)
    return safe if [c for c in manifest.classes if c == safe] == [name] else f"{label}_{safe}"


def _imagefolder(folder: Path, manifest: Manifest, out: Path) -> None:
    with (out / "metadata.jsonl").open("w", encoding="utf-8") as lines:
        for unit in _units(folder, manifest):
            name = _save(out, unit, manifest, _class_folder(manifest, unit.label))
            row = {
                "file_name": name,
                "label": unit.label,
                "index": unit.index,
                "annotations": json.dumps(unit.annotations),
            }
            lines.write(json.dumps(row) + "\n")


def _jsonl(folder: Path, manifest: Manifest, out: Path) -> None:
    with (out / "units.jsonl").open("w", encoding="utf-8") as lines:
        for unit in _units(folder, manifest):
            name = _save(out, unit, manifest, "images")
            label = None if unit.label is None else manifest.classes[unit.label]
            row = {
                "index": unit.index,
                "image": name,
                "label": unit.label,
                "class": label,
                "annotations": unit.annotations,
            }
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def _coco(folder: Path, manifest: Manifest, out: Path) -> None:
    images: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for unit in _units(folder, manifest):
        boxes = unit.annotations.get("boxes")
        if not isinstance(boxes, list):
            raise BadExport(
                "COCO holds boxes, and the units of this data set have none; export it as imagefolder or jsonl"
            )
        height, width = unit.picture.shape[:2]
        name = _save(out, unit, manifest, "images")
        images.append({"id": unit.index + 1, "file_name": name, "width": width, "height": height})
        for box in boxes:
            x, y, w, h = (float(value) for value in box["bbox"])
            marks.append(
                {
                    "id": len(marks) + 1,
                    "image_id": unit.index + 1,
                    "category_id": int(box["label"]) + 1,
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(manifest.classes)]
    document = {"images": images, "annotations": marks, "categories": categories}
    write_whole(out / "annotations.json", json.dumps(document).encode())
