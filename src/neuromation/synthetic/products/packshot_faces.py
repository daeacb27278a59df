"""From one photo of a package to the pictures of its faces: which part of it is the front, which a side, which the roof.

Packshots are often taken from a corner, so that a front and a side share the silhouette. Where they meet is found by the
one upright edge that runs through all rows; how wide each is follows from the package's size. Owns no shape and no file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.exact import exact_sin
from neuromation.synthetic.scene.packaging_packshot import packshot_texture, packshot_tone

Picture = NDArray[np.uint8]

_EDGE_LEAST = 7.0  # levels by which both sides of a package's corner differ on average
_CORNER_SHARES = (0.12, 0.46)  # a side takes at least and at most so much of the silhouette
_TURNED_LEAST = 1.06  # a silhouette so much wider than the front is a view from a corner
_HALF_TURN = 3.141592653589793


@dataclass(frozen=True, eq=False)
class PackshotFaces:
    """Pictures (h, w, 3) cut out of a packshot, top to bottom over the package's whole height.

    Attributes:
        front: what is printed on its front.
        side: what is printed on a side, or None where the photo shows none.
        tone: of the rest, sRGB 0..255; cap: of its uppermost part.
    """

    front: Picture
    side: Picture | None
    tone: tuple[float, float, float]
    cap: tuple[float, float, float]


def packshot_faces(image: Picture, size_m: tuple[float, float, float], *, is_round: bool) -> PackshotFaces:
    """The faces of a package of this size (width, depth, height) in its photo, uint8 (h, w, 3 or 4).

    A photo without any ground around the product is taken for its front, from border to border.
    """
    try:
        flat, tone = packshot_texture(image), packshot_tone(image)
    except BadScene:
        flat = np.ascontiguousarray(image[:, :, :3])
        middle = np.sort(flat.reshape(-1, 3), axis=0, kind="stable")[flat.shape[0] * flat.shape[1] // 2]
        tone = (float(middle[0]), float(middle[1]), float(middle[2]))
    head = flat[: max(1, flat.shape[0] // 24), flat.shape[1] // 3 : max(flat.shape[1] * 2 // 3, flat.shape[1] // 3 + 1)]
    levels = np.sort(head.reshape(-1, 3), axis=0, kind="stable")[head.shape[0] * head.shape[1] // 2]
    cap = (float(levels[0]), float(levels[1]), float(levels[2]))
    corner = None if is_round else _corner(flat, size_m)
    if corner is None:
        return PackshotFaces(flat, None, tone, cap)
    one, other = flat[:, :corner], flat[:, corner:]
    front, side = (one, other) if corner >= flat.shape[1] - corner else (other, one)
    return PackshotFaces(np.ascontiguousarray(front), np.ascontiguousarray(side), tone, cap)


def _corner(flat: Picture, size_m: tuple[float, float, float]) -> int | None:
    """The column at which a front and a side meet, or None for a photo from straight ahead."""
    height, width = flat.shape[:2]
    if width / height < _TURNED_LEAST * size_m[0] / size_m[2]:
        return None
    grey = flat[height // 4 : height * 19 // 20].astype(np.int64).sum(axis=2)
    # The edge of a corner has one sign in most rows, unlike that of a picture or a letter.
    reach = max(2, width // 60)
    steps = (grey[:, 2 * reach :] - grey[:, : -2 * reach]).mean(axis=0) / 3.0
    columns = np.arange(reach, width - reach)
    low, high = (round(share * width) for share in _CORNER_SHARES)
    allowed = ((columns >= low) & (columns <= high)) | ((columns >= width - high) & (columns <= width - low))
    strength = np.where(allowed, np.abs(steps), 0.0)
    best = int(strength.argmax())
    return int(columns[best]) if strength[best] >= _EDGE_LEAST else None


def rows_between(picture: Picture, low_share: float, high_share: float) -> Picture:
    """The part of a picture between two heights of its package, 0 at the base and 1 at the top."""
    height = picture.shape[0]
    top = min(max(0, round((1.0 - high_share) * height)), height - 1)
    bottom = max(top + 1, min(height, round((1.0 - low_share) * height)))
    return picture[top:bottom]


def resized(picture: Picture, width_px: int, height_px: int) -> Picture:
    """A picture stretched to a size; every pixel is the mean of what it covers, in whole numbers."""
    from PIL import Image

    scaled = Image.fromarray(np.ascontiguousarray(picture)).resize((width_px, height_px), Image.Resampling.BICUBIC)
    return np.asarray(scaled, dtype=np.uint8)


def wrapped_around(picture: Picture, tone: tuple[float, float, float], width_px: int, height_px: int) -> Picture:
    """The label of a round package: its visible half unrolled in the middle, drawn out and faded to a tone behind."""
    source = resized(picture, max(8, width_px // 2), height_px)
    half = source.shape[1] / 2
    columns = np.empty(width_px, dtype=np.int64)
    fade = np.zeros(width_px)
    for x in range(width_px):
        angle = ((x + 0.5) / width_px - 0.5) * 2.0 * _HALF_TURN
        inside = max(-0.47 * _HALF_TURN, min(0.47 * _HALF_TURN, angle))
        columns[x] = min(max(int(half * (1.0 + exact_sin(inside))), 0), source.shape[1] - 1)
        fade[x] = min(1.0, abs(angle - inside) * 3.0)
    unrolled = source[:, columns].astype(np.float64)
    mixed = unrolled + (np.array(tone) - unrolled) * fade[None, :, None]
    return (mixed + 0.5).astype(np.uint8)
