"""Contact sheets: enlarged samples with their labels on one PNG.

Owns the layout, which the input alone decides; knows no generator by name.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from neuromation.synthetic.errors import BadDataset
from neuromation.synthetic.formats.png import brightness
from neuromation.synthetic.generator import Generator, Unit

if TYPE_CHECKING:
    from PIL import Image, ImageFont

TILES_MAX = 1_000
COLUMNS_MAX = 40
_LOOKED_AT_MAX = 40  # units looked at for each tile, to find enough of every class
_TILE, _GAP, _CAPTION, _MARGIN, _HEADER = 72, 10, 20, 32, 84


@dataclass(frozen=True)
class Tile:
    """One sample: uint8 pixels 0..255, grey or RGB, and the words under it."""

    image: NDArray[np.uint8]
    caption: str


@dataclass(frozen=True)
class _Theme:
    paper: str
    ink: str
    faint: str


_THEMES = {"light": _Theme("#ffffff", "#16202c", "#77828f"), "dark": _Theme("#10161d", "#eef2f6", "#8a96a3")}


def preview(
    generator: Generator,
    params: BaseModel,
    *,
    seed: int,
    columns: int = 12,
    rows: int = 10,
    theme: Literal["light", "dark"] = "light",
) -> bytes:
    """A PNG of samples that `generator` makes: one row a class where it has at most `rows` classes, else in order.

    Raises BadDataset when columns or rows are out of range.
    """
    if not (1 <= columns <= COLUMNS_MAX and rows >= 1 and columns * rows <= TILES_MAX):
        raise BadDataset(
            f"a preview has 1 to {COLUMNS_MAX} columns and at most {TILES_MAX} tiles, not {columns} x {rows}"
        )
    count = columns * rows
    classes = generator.classes_for(params)
    if 2 <= len(classes) <= rows:
        units = _by_class(generator, params, seed, columns)
    else:
        units = [generator.unit(params, seed, index) for index in range(count)]
    return contact_sheet(
        [Tile(_shown(unit, generator.value_max), _caption(unit, classes)) for unit in units],
        columns=columns,
        title=generator.title,
        subtitle=f"generator {generator.name} {generator.version},  seed {seed}",
        theme=theme,
    )


def contact_sheet(
    tiles: Sequence[Tile], *, columns: int, title: str, subtitle: str = "", theme: Literal["light", "dark"] = "light"
) -> bytes:
    """A PNG with `tiles` in rows of `columns`, each enlarged without smoothing where it is small."""
    from PIL import Image, ImageDraw

    look = _THEMES[theme]
    rows = -(-len(tiles) // columns)
    width = max(2 * _MARGIN + columns * (_TILE + _GAP) - _GAP, 420)
    height = _HEADER + rows * (_TILE + _CAPTION + _GAP) + _MARGIN - _GAP
    sheet = Image.new("RGB", (width, height), look.paper)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, 20), title, fill=look.ink, font=_font(24))
    draw.text((_MARGIN, 52), subtitle, fill=look.faint, font=_font(13))
    for place, tile in enumerate(tiles):
        x = _MARGIN + place % columns * (_TILE + _GAP)
        y = _HEADER + place // columns * (_TILE + _CAPTION + _GAP)
        picture = _enlarged(tile.image)
        draw.rectangle((x, y, x + _TILE - 1, y + _TILE - 1), fill="#05080b")
        sheet.paste(picture, (x + (_TILE - picture.width) // 2, y + (_TILE - picture.height) // 2))
        draw.text((x + _TILE // 2, y + _TILE + 4), tile.caption[:12], fill=look.faint, font=_font(12), anchor="ma")
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _enlarged(image: NDArray[np.uint8]) -> Image.Image:
    """The image in a tile: whole multiples of small pixels stay crisp, large images are reduced."""
    from PIL import Image

    picture = Image.fromarray(image)
    longest = max(picture.size)
    if longest > _TILE:
        picture.thumbnail((_TILE, _TILE))
        return picture
    times = _TILE // longest
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _by_class(generator: Generator, params: BaseModel, seed: int, columns: int) -> list[Unit]:
    """The first `columns` units of each class, class by class; fewer of a class that is rare."""
    found: list[list[Unit]] = [[] for _ in generator.classes_for(params)]
    wanted = columns * len(found)
    for index in range(wanted * _LOOKED_AT_MAX):
        unit = generator.unit(params, seed, index)
        if unit.label is not None and len(found[unit.label]) < columns:
            found[unit.label].append(unit)
            wanted -= 1
        if not wanted:
            break
    return [unit for units in found for unit in units]


def _shown(unit: Unit, value_max: int) -> NDArray[np.uint8]:
    shown: NDArray[np.uint8] = brightness(value_max)[unit.picture]
    return shown


def _caption(unit: Unit, classes: Sequence[str]) -> str:
    return f"unit {unit.index}" if unit.label is None else classes[unit.label]
