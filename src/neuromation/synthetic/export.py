"""A data-set folder in the formats that other tools read; each has a module of its own in `formats/`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from neuromation.kernel.files import write_whole
from neuromation.synthetic.errors import BadExport, OtherDataset
from neuromation.synthetic.folder import load_manifest, read_file
from neuromation.synthetic.formats.coco import write_coco
from neuromation.synthetic.formats.folders import write_audiofolder, write_csv, write_imagefolder, write_jsonl
from neuromation.synthetic.formats.manifest import Manifest
from neuromation.synthetic.formats.shard import ShardReader
from neuromation.synthetic.formats.voc import write_voc
from neuromation.synthetic.formats.webdataset import write_webdataset
from neuromation.synthetic.formats.yolo import write_yolo
from neuromation.synthetic.generator import Unit

Progress = Callable[[int, int], None]
Writer = Callable[[Iterable[Unit], Manifest, Path], None]

_WRITERS: dict[str, Writer] = {
    "imagefolder": write_imagefolder,
    "audiofolder": write_audiofolder,
    "jsonl": write_jsonl,
    "coco": write_coco,
    "yolo": write_yolo,
    "voc": write_voc,
    "webdataset": write_webdataset,
}
FORMATS = ("parquet", *_WRITERS, "csv")


def export_dataset(folder: Path, format: str, out: Path, *, on_progress: Progress | None = None) -> Path:
    """Write the data set in `folder` to `out`, a new or empty folder, and return `out`.

    Formats: `parquet`, a copy of the folder; `imagefolder` and `audiofolder`, a file a unit in a folder a class with
    `metadata.jsonl`, as Hugging Face `datasets` and torchvision read; `jsonl`, files of everything and one line of
    annotations a unit; `csv`, a table of texts and numbers; `webdataset`, tar files of everything; `coco`, `yolo` and
    `voc` for units with objects.

    COCO, YOLO and VOC leave null objects out: to a detector they are background. The others keep them in the annotations.

    `on_progress` is called with (units done, units in all).

    Raises BadExport for a format that is unknown or does not suit the data, OtherDataset when `out` is not empty.
    """
    if format not in FORMATS:
        raise BadExport(f"{format[:40]!r} is no export format; choose one of {', '.join(FORMATS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OtherDataset(f"{out} is not an empty folder; name another one")
    manifest = load_manifest(folder)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        if format == "parquet":
            _copy(folder, manifest, part)
        elif format == "csv":
            write_csv(lambda: _units(folder, manifest, on_progress), manifest, part)
        else:
            _WRITERS[format](_units(folder, manifest, on_progress), manifest, part)
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _units(folder: Path, manifest: Manifest, on_progress: Progress | None) -> Iterator[Unit]:
    """Every unit in order, each checked against its hash."""
    for shard in manifest.shards:
        for unit in ShardReader(read_file(folder, shard.file)).units():
            yield unit
            if on_progress:
                on_progress(unit.index + 1, manifest.units)


def _copy(folder: Path, manifest: Manifest, out: Path) -> None:
    (out / "data").mkdir()
    for shard in manifest.shards:
        write_whole(out / shard.file, read_file(folder, shard.file))
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            write_whole(out / path.name, path.read_bytes())
