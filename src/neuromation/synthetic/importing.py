"""A folder of real data becomes a data set: every file opened, checked and kept with its labels in Parquet tables.

data/real-00000.parquet ...  real.json

Owns the checks of files, the numbering of classes and the choice of splits; the forms of folders are read by
`neuromation.synthetic.formats.sources`. What it makes is for measuring on: nothing here was generated or can be verified.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neuromation.kernel.errors import Invalid
from neuromation.kernel.files import write_whole
from neuromation.kernel.hashing import sha256_hex
from neuromation.synthetic.errors import BadImport, OtherDataset
from neuromation.synthetic.formats import sources
from neuromation.synthetic.formats.real import (
    FILE_BYTES_MAX,
    Kind,
    RealSample,
    RealTable,
    check_recording,
    encode_real,
    open_picture,
    read_real,
)
from neuromation.synthetic.formats.sources import Found, Listing

REAL_FILE = "real.json"
TABLE_BYTES = 48 * 2**20  # of files in one table; the next begins then
BROKEN_NAMED = 10
DEFAULT_SPLITS: Mapping[str, float] = {"validation": 0.3, "test": 0.7}
FORMATS = ("coco", "yolo", "voc", "imagefolder", "audiofolder")
_SIDEWAYS = range(5, 9)  # values of EXIF's orientation that exchange width and height
_ORIENTATION = 0x0112

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RealFacts:
    """What `real.json` says of an imported set."""

    kind: Kind
    classes: list[str]
    splits: dict[str, int]
    samples: int
    files: list[dict[str, Any]]
    format: str = "neuromation-real/1"
    source: str = ""
    licence: str = ""
    left_out: list[str] = field(default_factory=list)


def import_folder(
    folder: Path,
    format: str,
    out: Path,
    *,
    splits: Mapping[str, float] | None = None,
    class_column: str = "",
    skip_broken: bool = False,
    source: str = "",
    licence: str = "",
    on_progress: Progress | None = None,
) -> RealFacts:
    """Take a folder of real data into `out`, a new or empty folder.

    Args:
        folder: what to take over; it is only read.
        format: `coco`, `yolo`, `voc`, `imagefolder` or `audiofolder`.
        out: gets Parquet tables and `real.json`.
        splits: parts by name with their shares of the whole, drawn by a fixed hash of the file's name, for files of which
            the folder does not say it; default: validation 0.3, test 0.7.
        class_column: of CSV tables that name the files; default: guessed by usual names.
        skip_broken: leave out files that cannot be read, and name them in the result, instead of refusing the folder.
        source, licence: where the data come from and under which terms, for `real.json`.
        on_progress: called with (files done, files in all).

    Pictures have at most 16 Mpixel, are turned upright as EXIF says, and otherwise stay as they came. When a document
    tells the size of the picture as it lies in the file, its boxes fit that, and the picture stays as it lies.

    Raises BadImport, which names the files that are missing, broken or too large; OtherDataset when `out` is not empty.
    """
    if format not in FORMATS:
        raise BadImport(f"{format[:40]!r} is no form of a folder; choose one of {', '.join(FORMATS)}")
    if not folder.is_dir():
        raise BadImport(f"there is no folder {folder}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OtherDataset(f"{out} is not an empty folder; name another one")
    shares = _checked(DEFAULT_SPLITS if splits is None else splits)
    listing = _listed(folder, format, class_column)
    kind: Kind = "audio" if format == "audiofolder" else "image"
    broken: list[str] = []
    (out / "data").mkdir(parents=True, exist_ok=True)
    files: list[dict[str, Any]] = []
    sizes: dict[str, int] = {}
    for number, samples in enumerate(_tables(_samples(listing, kind, shares, broken, on_progress))):
        if broken and not skip_broken:
            continue  # go on only to name what else is broken
        data = encode_real(samples, kind=kind, classes=listing.classes)
        name = f"data/real-{number:05d}.parquet"
        write_whole(out / name, data)
        files.append({"file": name, "sha256": sha256_hex(data), "size": len(data), "samples": len(samples)})
        for sample in samples:
            sizes[sample.split] = sizes.get(sample.split, 0) + 1
    if broken and not (skip_broken and files):
        _empty(out, files)
        raise BadImport(_sentence(broken, len(listing.found)))
    facts = RealFacts(
        kind, listing.classes, dict(sorted(sizes.items())), sum(sizes.values()), files,
        source=source, licence=licence, left_out=broken,
    )  # fmt: skip
    write_whole(out / REAL_FILE, (json.dumps(facts.__dict__, indent=2, ensure_ascii=False) + "\n").encode())
    return facts


def load_real(folder: Path) -> RealFacts:
    """What `real.json` says. Raises BadImport when there is none."""
    try:
        claim = json.loads((folder / REAL_FILE).read_text("utf-8"))
        return RealFacts(**claim)
    except (OSError, ValueError, TypeError) as error:
        raise BadImport(f"{folder} holds no readable {REAL_FILE}; name the folder of an imported data set") from error


def real_tables(folder: Path) -> Iterator[RealTable]:
    """The tables of an imported set, one after another. Raises BadImport."""
    for entry in load_real(folder).files:
        path = sources.inside(folder, str(entry["file"]))
        try:
            yield read_real(path.read_bytes())
        except OSError as error:
            raise BadImport(f"{entry['file']} cannot be read: {error.strerror}") from error


def split_by_name(name: str, shares: Mapping[str, float]) -> str:
    """The split of a file by a hash of its name: always the same, whatever other files there are."""
    draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48
    for split, share in shares.items():
        draw -= share
        if draw < 0:
            return split
    return next(reversed(list(shares)))


def _checked(shares: Mapping[str, float]) -> Mapping[str, float]:
    total = sum(shares.values())
    if not 1 <= len(shares) <= 20 or min(shares.values(), default=-1) < 0 or not 0.999 < total < 1.001:
        raise BadImport(f"shares of splits are 1 to 20 numbers >= 0 that add up to 1, not {dict(shares)}")
    return shares


def _listed(folder: Path, format: str, class_column: str) -> Listing:
    if format == "coco":
        return sources.read_coco(folder)
    if format == "yolo":
        return sources.read_yolo(folder)
    if format == "voc":
        return sources.read_voc(folder)
    endings = sources.PICTURES if format == "imagefolder" else sources.RECORDINGS
    return sources.read_files(folder, endings, class_column=class_column)


def _samples(
    listing: Listing, kind: Kind, shares: Mapping[str, float], broken: list[str], on_progress: Progress | None
) -> Iterator[RealSample]:
    """Every file that can be read; the others are named in `broken`."""
    numbers = {name: number for number, name in enumerate(listing.classes)}
    for done, found in enumerate(listing.found, 1):
        try:
            data = _bytes(found)
            facts = check_recording(data, found.file) if kind == "audio" else {}
            if kind == "image":
                data, facts = _picture(data, found, numbers)
        except Invalid as error:
            broken.append(error.message)
        else:
            facts |= {key: value for key, value in found.facts.items() if key != "class_number"}
            label = numbers[found.name] if found.name else None
            yield RealSample(found.file, found.split or split_by_name(found.file, shares), label, facts, data)
        if on_progress:
            on_progress(done, len(listing.found))


def _bytes(found: Found) -> bytes:
    try:
        if found.path.stat().st_size > FILE_BYTES_MAX:
            raise BadImport(f"{found.file}: a file is at most {FILE_BYTES_MAX:,} bytes")
        return found.path.read_bytes()
    except OSError as error:
        raise BadImport(f"{found.file}: {error.strerror or error}") from error


def _picture(data: bytes, found: Found, numbers: Mapping[str, int]) -> tuple[bytes, dict[str, Any]]:
    """The picture's file, upright, and its size and objects as annotations."""
    from PIL import Image, ImageOps

    with open_picture(data, found.file) as picture:
        turn = picture.getexif().get(_ORIENTATION, 1)
        upright = picture.size[::-1] if turn in _SIDEWAYS else picture.size
        # People draw on what a viewer shows, upright, unless the document tells the size of what lies in the file.
        as_it_lies = found.size == picture.size != upright
        try:
            picture.load()
            shown = picture if as_it_lies else ImageOps.exif_transpose(picture)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise BadImport(f"{found.file}: this picture is cut or damaged ({str(error)[:60]})") from error
        size = shown.size
        if turn != 1 or picture.format not in ("JPEG", "PNG") or picture.mode not in ("RGB", "L"):
            data = _as_png(shown)
    if found.size is not None and found.size != size:
        raise BadImport(
            f"{found.file}: the picture is {size[0]} x {size[1]}, its document says {found.size[0]} x {found.size[1]}"
        )
    facts: dict[str, Any] = {"width": size[0], "height": size[1]}
    if found.marks is not None:
        facts["objects"] = [_object(mark, place, found, size, numbers) for place, mark in enumerate(found.marks, 1)]
    return data, facts


def _as_png(picture: Any) -> bytes:
    sink = io.BytesIO()
    picture.convert("RGB").save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def _object(
    mark: sources.Marked, number: int, found: Found, size: tuple[int, int], numbers: Mapping[str, int]
) -> dict[str, Any]:
    x, y, w, h = mark.box
    if found.relative:
        x, y, w, h = x * size[0], y * size[1], w * size[0], h * size[1]
    left, top = min(max(x, 0.0), size[0]), min(max(y, 0.0), size[1])
    right, bottom = min(max(x + w, left), size[0]), min(max(y + h, top), size[1])
    box = [round(value, 3) for value in (left, top, right - left, bottom - top)]
    area = round(box[2] * box[3], 3)
    return {"id": number, "label": numbers[mark.name], "class": mark.name, "bbox": box, "area": area, **mark.more}


def _tables(samples: Iterator[RealSample]) -> Iterator[list[RealSample]]:
    """Samples by tables of bearable size; one empty list when there are none."""
    table: list[RealSample] = []
    size = 0
    for sample in samples:
        if table and size + len(sample.data) > TABLE_BYTES:
            yield table
            table, size = [], 0
        table.append(sample)
        size += len(sample.data)
    if table:
        yield table


def _empty(out: Path, files: Sequence[Mapping[str, Any]]) -> None:
    for entry in files:
        (out / str(entry["file"])).unlink(missing_ok=True)
    (out / "data").rmdir()


def _sentence(broken: Sequence[str], total: int) -> str:
    named = "; ".join(broken[:BROKEN_NAMED])
    more = f"; and {len(broken) - BROKEN_NAMED} more" if len(broken) > BROKEN_NAMED else ""
    return f"{len(broken)} of {total:,} files cannot be taken over: {named}{more}"
