"""Real labelled samples as Parquet tables: pictures of any size with a class or boxes, or recordings with a class.

The columns are `image` or `audio` (a struct of bytes, as Hugging Face `datasets` reads it), `label`, `split`, `file_name`
and `annotations`, the latter as JSON in the same form as those of generated units, so that whoever reads one reads both.
Files stay as they came. Owns the table and its limits; `neuromation.synthetic.importing` makes such tables from folders.
"""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from neuromation.kernel.errors import TooLarge
from neuromation.synthetic.errors import BadImport
from neuromation.synthetic.generator import PIXELS_MAX

if TYPE_CHECKING:
    from PIL import Image

Kind = Literal["image", "audio"]

SAMPLES_MAX = 1_000_000
CLASSES_MAX = 10_000
SPLITS_MAX = 20
TABLE_BYTES_MAX = 256 * 2**20
FILE_BYTES_MAX = 64 * 2**20  # of one picture or recording
SECONDS_MAX = 3_600
ANNOTATION_BYTES_MAX = 4 * 2**20
META = b"neuromation.labelled"
PICTURE_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")


@dataclass(frozen=True)
class RealSample:
    """One sample of the real world.

    Attributes:
        file: where it came from, inside its folder.
        split: the part of the set that it belongs to.
        label: number of its class, or None where it has no single one.
        annotations: what else is known, `objects` above all, as generated units have it.
        data: the picture's or recording's file.
    """

    file: str
    split: str
    label: int | None
    annotations: dict[str, Any]
    data: bytes

    def pixels(self) -> NDArray[np.uint8]:
        """The picture, uint8 (height, width, 3). Raises BadImport when it is none."""
        with open_picture(self.data, self.file) as picture:
            return np.asarray(picture.convert("RGB"))

    def sound(self) -> NDArray[np.int16]:
        """The recording, int16 (samples,) or (samples, channels). Raises BadImport when it is none."""
        check_recording(self.data, self.file)
        with wave.open(io.BytesIO(self.data)) as file:
            width, channels, data = file.getsampwidth(), file.getnchannels(), file.readframes(file.getnframes())
        raw = np.frombuffer(data, np.uint8).reshape(-1, width)
        if width == 1:  # 8 bits alone have no sign
            samples = (raw[:, 0].astype(np.int16) - 128) * 256
        else:  # of more bits the highest 16
            samples = np.ascontiguousarray(raw[:, -2:]).view("<i2")[:, 0].astype(np.int16)
        return samples if channels == 1 else samples.reshape(-1, channels)


@dataclass(frozen=True)
class RealTable:
    """The samples of one table, all of a kind, and the classes that their labels number."""

    kind: Kind
    classes: tuple[str, ...]
    samples: list[RealSample]

    def split_sizes(self) -> dict[str, int]:
        """How many samples each split has."""
        sizes: dict[str, int] = {}
        for sample in self.samples:
            sizes[sample.split] = sizes.get(sample.split, 0) + 1
        return dict(sorted(sizes.items()))


def open_picture(data: bytes, name: str) -> Image.Image:
    """A picture whose size is known to be bearable, before any pixel of it is unpacked. Raises BadImport, TooLarge."""
    import warnings

    from PIL import Image, UnidentifiedImageError

    if len(data) > FILE_BYTES_MAX:
        raise TooLarge(f"{name}: a picture's file is at most {FILE_BYTES_MAX:,} bytes, not {len(data):,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=PICTURE_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"{name}: a picture has at most {PIXELS_MAX:,} pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadImport(f"{name}: this is no picture that can be read") from error
    if picture.width * picture.height > PIXELS_MAX:
        raise TooLarge(
            f"{name}: a picture has at most {PIXELS_MAX:,} pixels, not {picture.width:,} x {picture.height:,}; reduce it"
        )
    return picture


def check_recording(data: bytes, name: str) -> dict[str, Any]:
    """Rate, channels and seconds of a WAV file. Raises BadImport, TooLarge."""
    if len(data) > FILE_BYTES_MAX:
        raise TooLarge(f"{name}: a recording's file is at most {FILE_BYTES_MAX:,} bytes, not {len(data):,}")
    try:
        with wave.open(io.BytesIO(data)) as file:
            rate, channels, frames = file.getframerate(), file.getnchannels(), file.getnframes()
            whole = len(file.readframes(frames)) == frames * channels * file.getsampwidth()
    except (wave.Error, EOFError, ValueError) as error:
        raise BadImport(f"{name}: this is no WAV file with PCM samples") from error
    if not whole or not frames or not rate:
        raise BadImport(f"{name}: this recording is cut, or has no samples")
    if frames / rate > SECONDS_MAX:
        raise TooLarge(f"{name}: a recording lasts at most {SECONDS_MAX:,} s, not {frames / rate:,.0f}")
    return {"rate_hz": rate, "channels": channels, "duration_s": round(frames / rate, 6)}


def encode_real(samples: Sequence[RealSample], *, kind: Kind, classes: Sequence[str]) -> bytes:
    """A table as Parquet bytes; `read_real` reads it back. Raises BadImport for labels and splits that cannot be."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check(samples, classes)
    files = pa.StructArray.from_arrays(
        [pa.array([sample.data for sample in samples], pa.binary()), pa.nulls(len(samples), pa.string())],
        ["bytes", "path"],
    )
    texts = [json.dumps(sample.annotations, ensure_ascii=False) for sample in samples]
    if max(map(len, texts)) > ANNOTATION_BYTES_MAX:
        raise TooLarge(f"the annotations of a sample take at most {ANNOTATION_BYTES_MAX:,} bytes")
    text = {"dtype": "string", "_type": "Value"}
    features = {
        kind: {"_type": "Image" if kind == "image" else "Audio"},
        "label": {"names": list(classes), "_type": "ClassLabel"},
        "split": text,
        "file_name": text,
        "annotations": text,
    }
    meta = {
        META: json.dumps({"classes": list(classes), "value_max": 255, "kind": kind}).encode(),
        b"huggingface": json.dumps({"info": {"features": features}}).encode(),
    }
    columns = {
        kind: files,
        "label": pa.array([sample.label for sample in samples], pa.int64()),
        "split": pa.array([sample.split for sample in samples], pa.string()),
        "file_name": pa.array([sample.file for sample in samples], pa.string()),
        "annotations": pa.array(texts, pa.string()),
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns).replace_schema_metadata(meta), sink, compression="none", use_dictionary=False)
    data = bytes(sink.getvalue())
    if len(data) > TABLE_BYTES_MAX:
        raise TooLarge(f"a table is at most {TABLE_BYTES_MAX:,} bytes, not {len(data):,}")
    return data


def is_real(data: bytes) -> bool:
    """Whether a Parquet file is a table of this form, judged by its columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return {"file_name", "annotations", "split"} <= set(pq.read_schema(pa.BufferReader(data)).names)
    except (pa.ArrowException, OSError):
        return False


def read_real(data: bytes) -> RealTable:
    """The samples of a table, their files not yet unpacked. Raises BadImport, TooLarge; the bytes may be a stranger's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if len(data) > TABLE_BYTES_MAX:
        raise TooLarge(f"a table is at most {TABLE_BYTES_MAX:,} bytes, not {len(data):,}")
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        _check_unpacked(file)
        claim = from_json((file.schema_arrow.metadata or {})[META], allow_inf_nan=False)
        kind: Kind = claim["kind"]
        if kind not in ("image", "audio"):
            raise ValueError(f"kind {str(kind)[:20]!r}")
        table = file.read(columns=[kind, "label", "split", "file_name", "annotations"])
        table.validate(full=True)
        samples = list(_samples(table, kind))
        classes = tuple(str(name) for name in claim["classes"])
    except (pa.ArrowException, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise BadImport(f"this is no Parquet table of real samples ({str(error)[:120]})") from error
    _check(samples, classes)
    return RealTable(kind, classes, samples)


def check_files(table: RealTable) -> None:
    """Open every file of a table and read its head. Raises BadImport, TooLarge."""
    for sample in table.samples:
        if table.kind == "audio":
            check_recording(sample.data, sample.file)
        else:
            open_picture(sample.data, sample.file).close()


def _check_unpacked(file: Any) -> None:
    form = file.metadata
    if form.num_rows > SAMPLES_MAX:
        raise TooLarge(f"a table has at most {SAMPLES_MAX:,} samples, not {form.num_rows:,}")
    groups = range(form.num_row_groups)
    size = sum(form.row_group(g).column(c).total_uncompressed_size for g in groups for c in range(form.num_columns))
    if size > 2 * TABLE_BYTES_MAX:
        raise TooLarge(f"a table unpacks to at most {2 * TABLE_BYTES_MAX:,} bytes, not {size:,}")


def _samples(table: Any, kind: Kind) -> Iterator[RealSample]:
    rows = zip(*(table[name].to_pylist() for name in (kind, "label", "split", "file_name", "annotations")), strict=True)
    for content, label, split, name, text in rows:
        annotations = from_json(text, allow_inf_nan=False)
        if not isinstance(annotations, dict) or not isinstance(content["bytes"], bytes):
            raise ValueError(f"sample {name!r}")
        yield RealSample(str(name), str(split), label, annotations, content["bytes"])


def _check(samples: Sequence[RealSample], classes: Sequence[str]) -> None:
    if not 1 <= len(samples) <= SAMPLES_MAX:
        raise BadImport(f"a table has 1 to {SAMPLES_MAX:,} samples, not {len(samples):,}")
    if not 1 <= len(classes) <= CLASSES_MAX or len(set(classes)) < len(classes):
        raise BadImport(f"a real set names 1 to {CLASSES_MAX:,} classes, each once; here are {len(classes):,}")
    for sample in samples:
        if sample.label is not None and not 0 <= sample.label < len(classes):
            raise BadImport(f"{sample.file}: label {sample.label} is out of the {len(classes)} classes")
    if len({sample.split for sample in samples}) > SPLITS_MAX:
        raise BadImport(f"a data set has at most {SPLITS_MAX} splits")
