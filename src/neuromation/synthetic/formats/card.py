"""The card of a data set: a README with the front matter that Hugging Face reads."""

from __future__ import annotations

import json

from neuromation.synthetic.formats.manifest import Manifest

CARD_FILE = "README.md"

_CLASSES_SHOWN, _CELL_MAX = 60, 300

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(manifest: Manifest) -> bytes:
    """The `README.md` of a data set."""
    return f"{_front(manifest)}{_body(manifest)}".encode()


def _front(manifest: Manifest) -> str:
    size = next((name for limit, name in _SIZES if manifest.units < limit), "n>1M")
    lines = [
        "---",
        f"license: {json.dumps(manifest.licence.lower())}",
        f"pretty_name: {json.dumps(manifest.title)}",
        f"task_categories: [{_task(manifest)}]",
        f"size_categories: [{json.dumps(size)}]",
        "tags: [synthetic, croissant]",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path: data/*.parquet",
        "---",
        "",
    ]
    return "\n".join(lines)


def _task(manifest: Manifest) -> str:
    """What the data are for, in the words of Hugging Face."""
    if manifest.modality == "image":
        if manifest.object_counts:
            return "object-detection"
        return "image-classification" if manifest.classes else "other"
    known = {"audio": "audio-classification", "text": "text-classification", "video": "video-classification"}
    return known.get(manifest.modality, "other")


def _classes(manifest: Manifest) -> str:
    """How common each class is: units, and objects in pictures where there are any."""
    if not manifest.classes:
        return ""
    objects = manifest.object_counts or [0] * len(manifest.classes)
    rows = list(zip(manifest.classes, manifest.class_counts, objects, strict=True))
    shown = sorted(rows, key=lambda row: -(row[1] + row[2]))[:_CLASSES_SHOWN] if len(rows) > _CLASSES_SHOWN else rows
    if manifest.object_counts:
        table = "| class | units | objects |\n|---|---:|---:|\n"
        table += "\n".join(f"| {_cell(name)} | {units:,} | {count:,} |" for name, units, count in shown)
    else:
        table = "| class | units |\n|---|---:|\n" + "\n".join(
            f"| {_cell(name)} | {units:,} |" for name, units, _ in shown
        )
    more = f"\n\nand {len(rows) - len(shown):,} classes more." if len(rows) > len(shown) else ""
    nulls = (
        f"\n\n{manifest.null_objects:,} null objects look like objects and are none; exports to COCO, YOLO and VOC leave "
        "them out as background."
        if manifest.null_objects
        else ""
    )
    return f"## Classes\n\n{table}{more}{nulls}\n\n"


def _layers(manifest: Manifest) -> str:
    """What each unit has beside its image."""
    if not manifest.layers:
        return ""
    rates = {layer.name: f", {layer.rate_hz:g} Hz" if layer.rate_hz else "" for layer in manifest.layers}
    rows = "\n".join(
        f"| `{layer.name}` | {layer.kind} of {layer.dtype}{rates[layer.name]} | {_cell(layer.meaning)} |"
        for layer in manifest.layers
    )
    return f"## Layers\n\n| column | values | meaning |\n|---|---|---|\n{rows}\n\n"


def _cell(text: str) -> str:
    """A text inside a table: in one line, without the table's own sign, and not endless."""
    line = " ".join(text.split()).replace("|", "\\|")
    return line if len(line) <= _CELL_MAX else f"{line[:_CELL_MAX]}..."


def _body(manifest: Manifest) -> str:
    params = "\n".join(f"| `{name}` | {_cell(json.dumps(value))} |" for name, value in manifest.params.items())
    objects = sum(manifest.object_counts)
    told = f"{manifest.size // manifest.units:,} bytes a unit" + (
        f", {objects:,} objects, {objects / manifest.units:.1f} a picture" if manifest.object_counts else ""
    )
    values = "" if manifest.value_max == 255 else (
        f"\nThe generator's pixels are 0..{manifest.value_max}; the PNG files show them spread over 0..255, "
        "each value as one brightness, so nothing is lost.\n"
    )  # fmt: skip
    return f"""
# {manifest.title}

{manifest.description}

{manifest.units:,} units in {len(manifest.shards)} shards, {manifest.size:,} bytes: {told}. Every unit was generated: its
labels come from what was made, not from looking at it.

```python
from datasets import load_dataset

units = load_dataset("parquet", data_files="data/*.parquet", split="train")
```
{values}
{_classes(manifest)}{_layers(manifest)}## How it was made

Generator `{manifest.generator}`, version {manifest.version}, seed {manifest.seed}, with these parameters:

| parameter | value |
|---|---|
{params}

## How to check it

Any unit can be made again from parameters, seed and index. The Merkle root (RFC 6962) over the sha256 of all units, in
order, is

    {manifest.merkle_root}

`certificate.json` holds the root of every shard and the software that made them; `neuromation dataset verify` proves it.

## Licence

{manifest.licence}
"""
