"""Photos of products on disk: checked before they are decoded, decoded when they are first looked at.

Owns the limits of a photo and the refusal of paths that leave its folder.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.hashing import sha256_hex
from neuromation.synthetic.errors import BadCatalogue
from neuromation.synthetic.products.model import Packshot

PHOTO_SIDE_MIN, PHOTO_SIDE_MAX = 16, 8_192
PHOTO_PIXELS_MAX = 40_000_000
PHOTO_BYTES_MAX = 64 * 2**20
PHOTO_SIDE_KEPT = 768  # a larger photo is reduced to this when it is decoded: no camera here sees more of it
_FORMATS = ("PNG", "JPEG", "WEBP")


def photo_path(folder: Path, file: str) -> Path:
    """Where the photo `file` lies below `folder`. Raises BadCatalogue when its path climbs out, by name or by link."""
    parts = PurePosixPath(file.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in file or "\0" in file:
        raise BadCatalogue(f"the path {file[:80]!r} leaves the folder of images; give it relative to that folder")
    path = (folder / parts).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise BadCatalogue(f"the path {file[:80]!r} leads out of the folder of images through a link")
    return path


def inspect(folder: Path, file: str, *, decode: bool) -> Packshot:
    """What the photo `file` is. `decode`: read every pixel once, to find damage now and not later.

    Raises BadCatalogue when it is missing, damaged, no photo, or out of the limits; size and format are read from its
    head, so that a huge one is refused before it takes any memory.
    """
    data = _read(photo_path(folder, file), file)
    width, height = _size(data, file)
    if decode:
        _decoded(data, file, side_max=64)
    return Packshot(file=file, sha256=sha256_hex(data), width=width, height=height)


def photo_pixels(folder: Path, packshot: Packshot) -> NDArray[np.uint8]:
    """The photo as uint8 (height, width, 3 or 4), reduced to 768 pixels a side.

    Raises BadCatalogue also when the file is no longer the one that was imported.
    """
    data = _read(photo_path(folder, packshot.file), packshot.file)
    if sha256_hex(data) != packshot.sha256:
        raise BadCatalogue(
            f"the photo {packshot.file[:80]!r} has changed since its catalogue was imported; import again"
        )
    _size(data, packshot.file)
    return _decoded(data, packshot.file, side_max=PHOTO_SIDE_KEPT)


def _read(path: Path, file: str) -> bytes:
    try:
        if path.stat().st_size > PHOTO_BYTES_MAX:
            raise BadCatalogue(f"the photo {file[:80]!r} is larger than {PHOTO_BYTES_MAX:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BadCatalogue(f"the photo {file[:80]!r} cannot be read: {error.strerror or error}") from error


def _size(data: bytes, file: str) -> tuple[int, int]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                width, height = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadCatalogue(f"the photo {file[:80]!r} has over {PHOTO_PIXELS_MAX:,} pixels; make it smaller") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise BadCatalogue(f"the photo {file[:80]!r} is no readable PNG, JPEG or WebP image") from error
    if min(width, height) < PHOTO_SIDE_MIN or max(width, height) > PHOTO_SIDE_MAX:
        raise BadCatalogue(
            f"the photo {file[:80]!r} is {width} x {height} pixels; a side has {PHOTO_SIDE_MIN} to {PHOTO_SIDE_MAX:,}"
        )
    if width * height > PHOTO_PIXELS_MAX:
        raise BadCatalogue(f"the photo {file[:80]!r} has over {PHOTO_PIXELS_MAX:,} pixels; make it smaller")
    return width, height


def _decoded(data: bytes, file: str, *, side_max: int) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if side_max < PHOTO_SIDE_KEPT:
                image.draft("RGB", (side_max, side_max))  # a JPEG is then decoded at an eighth, but to its end
            transparent = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
            picture = image.convert("RGBA" if transparent else "RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise BadCatalogue(f"the photo {file[:80]!r} is damaged: {str(error)[:80]}") from error
    # Pillow reduces in whole numbers, so the result is the same on every processor.
    picture.thumbnail((side_max, side_max), Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(picture, dtype=np.uint8)
