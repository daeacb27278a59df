"""The card of a data set: a README with the front matter that Hugging Face reads."""

from __future__ import annotations

import json

from neuromation.synthetic.formats.manifest import Manifest

CARD_FILE = "README.md"

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
        f"task_categories: [{'image-classification' if manifest.classes else 'other'}]",
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


def _body(manifest: Manifest) -> str:
    params = "\n".join(f"| `{name}` | {json.dumps(value)} |" for name, value in manifest.params.items())
    counts = "\n".join(
        f"| {name} | {count:,} |" for name, count in zip(manifest.classes, manifest.class_counts, strict=True)
    )
    classes = f"## Classes\n\n| class | units |\n|---|---:|\n{counts}\n\n" if manifest.classes else ""
    values = "" if manifest.value_max == 255 else (
        f"\nThe generator's pixels are 0..{manifest.value_max}; the PNG files show them spread over 0..255, "
        "each value as one brightness, so nothing is lost.\n"
    )  # fmt: skip
    return f"""
# {manifest.title}

{manifest.description}

{manifest.units:,} units in {len(manifest.shards)} shards, {manifest.size:,} bytes. Every unit was generated: its
label comes from what was drawn, not from looking at the picture, and no real image went into it.

```python
from datasets import load_dataset

units = load_dataset("parquet", data_files="data/*.parquet", split="train")
```
{values}
{classes}## How it was made

Generator `{manifest.generator}`, version {manifest.version}, seed {manifest.seed}, with these parameters:

| parameter | value |
|---|---|
{params}

## How to check it

Any unit can be made again from parameters, seed and index. The Merkle root (RFC 6962) over the sha256 of all units, in
order, is

    {manifest.merkle_root}

## Licence

{manifest.licence}
"""
