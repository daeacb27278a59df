"""WebDataset: tar files in which the files of a unit follow each other; written for foreign readers.

A unit `00000007` has `.png` (its image), one file a layer (`.depth.png`, `.audio.wav`, `.video.0003.png`), `.cls` (its
class as a number) and `.json` (annotations, null objects among them). Equal data sets give equal bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

from neuromation.synthetic.formats.manifest import Manifest
from neuromation.synthetic.formats.pictures import layer_files, picture_of, stem_of
from neuromation.synthetic.generator import Unit

TAR_BYTES = 64 * 2**20  # after which the next file begins


def write_webdataset(units: Iterable[Unit], manifest: Manifest, out: Path) -> None:
    """`shard-00000.tar` and so on, each of about `TAR_BYTES`, and `dataset.json` with classes and layers."""
    layers = manifest.layer_list()
    number, size = 0, 0
    tar = _opened(out, number)
    try:
        for unit in units:
            if size > TAR_BYTES:
                tar.close()
                number, size = number + 1, 0
                tar = _opened(out, number)
            files = {} if unit.image is None else {".png": picture_of(unit, manifest)}
            for layer in layers:
                files |= layer_files(layer, unit)
            if unit.label is not None:
                files[".cls"] = str(unit.label).encode()
            files[".json"] = json.dumps(unit.annotations, ensure_ascii=False).encode()
            for ending, data in files.items():
                size += _add(tar, stem_of(unit) + ending, data)
    finally:
        tar.close()
    told = manifest.model_dump(mode="json", include={"title", "generator", "version", "params", "seed", "units"})
    told |= {"classes": manifest.classes, "layers": [layer.model_dump() for layer in manifest.layers]}
    told |= {"merkle_root": manifest.merkle_root, "shards": number + 1}
    (out / "dataset.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _opened(out: Path, number: int) -> tarfile.TarFile:
    return tarfile.open(out / f"shard-{number:05d}.tar", "w", format=tarfile.USTAR_FORMAT)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> int:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    tar.addfile(member, io.BytesIO(data))
    return len(data)
