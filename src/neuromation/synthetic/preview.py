"""Contact sheets: samples of a generator with their labels on one PNG.

Small pictures with a class lie side by side as tiles; units with more labels have a row each, image beside boxes, masks,
depth, normals, light, sound or frames. Owns the layout, which the input alone decides; knows no generator by name.
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
from neuromation.synthetic.generator import Generator, Layer, Unit

if TYPE_CHECKING:
    from PIL import Image, ImageFont

    from neuromation.synthetic.panels import Look, Panel

Theme = Literal["light", "dark"]

TILES_MAX = 1_000
COLUMNS_MAX = 40
ROWS_MAX = 40  # units with a row each
ROWS = 6  # of them, when nobody says how many
LARGE_TILES = 24  # of large pictures, when nobody says how many
_LOOKED_AT_MAX = 40  # units looked at for each tile, to find enough of every class
_TILE, _GAP, _CAPTION, _MARGIN, _HEADER = 72, 10, 20, 32, 84
_LARGE_TILE, _LARGE_COLUMNS = 208, 6
_SHEET_WIDTH, _PANEL_MIN, _PANEL_MAX = 1_900, 190, 450
_COLUMNS_WIDE = 5
_TITLE, _LEGEND, _ROW_GAP = 20, 34, 18
_COLOURS = {"light": ("#ffffff", "#16202c", "#77828f", "#f1f4f7"), "dark": ("#10161d", "#eef2f6", "#8a96a3", "#1b242e")}


@dataclass(frozen=True)
class Tile:
    """One sample: uint8 pixels 0..255, grey or RGB, and the words under it."""

    image: NDArray[np.uint8]
    caption: str


def preview(
    generator: Generator,
    params: BaseModel,
    *,
    seed: int,
    columns: int = 12,
    rows: int = 10,
    units: int | None = None,
    theme: Theme = "light",
) -> bytes:
    """A PNG of samples that `generator` makes.

    Small pictures with a class: `columns` x `rows` tiles, one row a class where there are at most `rows` classes. Units
    with boxes, layers, sound, frames or text: a row each.

    Args:
        generator: what makes the units.
        params: from `parse_params`.
        seed: 0..2^63-1.
        columns, rows: of tiles; of large pictures at most as many tiles are drawn.
        units: how many samples at most; None: as many as suit their kind.
        theme: colours of the paper.

    Raises BadDataset when columns, rows or units are out of range.
    """
    if not (1 <= columns <= COLUMNS_MAX and rows >= 1 and columns * rows <= TILES_MAX):
        raise BadDataset(
            f"a preview has 1 to {COLUMNS_MAX} columns and at most {TILES_MAX} tiles, not {columns} x {rows}"
        )
    if units is not None and not 1 <= units <= TILES_MAX:
        raise BadDataset(f"a preview shows 1 to {TILES_MAX} samples, not {units}")
    first = generator.unit(params, seed, 0)
    subtitle = f"generator {generator.name} {generator.version},  seed {seed}"
    if _has_more(first):
        count = min(ROWS_MAX, units or min(ROWS, columns * rows))
        shown = [first, *(generator.unit(params, seed, index) for index in range(1, count))]
        return label_sheet(
            shown, generator.layers(params), generator.classes_for(params), value_max=generator.value_max,
            title=generator.title, subtitle=subtitle, theme=theme,
        )  # fmt: skip
    tile = _TILE
    if max(first.picture.shape[:2]) > _TILE:
        tile, columns = min(_LARGE_TILE, max(first.picture.shape[:2])), min(columns, _LARGE_COLUMNS)
        rows = -(-min(units or LARGE_TILES, columns * rows) // columns)
    found = _samples(generator, params, seed, columns, rows)
    classes = generator.classes_for(params)
    tiles = [Tile(_shown(unit, generator.value_max), _caption(unit, classes)) for unit in found]
    return contact_sheet(tiles, columns=columns, title=generator.title, subtitle=subtitle, theme=theme, tile=tile)


def contact_sheet(
    tiles: Sequence[Tile], *, columns: int, title: str, subtitle: str = "", theme: Theme = "light", tile: int = _TILE
) -> bytes:
    """A PNG with `tiles` in rows of `columns`, each `tile` pixels wide, enlarged without smoothing where it is small."""
    from PIL import Image, ImageDraw

    paper, ink, faint, _ = _COLOURS[theme]
    rows = -(-len(tiles) // columns)
    width = max(2 * _MARGIN + columns * (tile + _GAP) - _GAP, 420)
    height = _HEADER + rows * (tile + _CAPTION + _GAP) + _MARGIN - _GAP
    sheet = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(sheet)
    _head(sheet, title, subtitle, ink, faint)
    letters = max(12, tile // 6)
    for place, item in enumerate(tiles):
        x = _MARGIN + place % columns * (tile + _GAP)
        y = _HEADER + place // columns * (tile + _CAPTION + _GAP)
        picture = _enlarged(item.image, tile)
        draw.rectangle((x, y, x + tile - 1, y + tile - 1), fill="#05080b")
        sheet.paste(picture, (x + (tile - picture.width) // 2, y + (tile - picture.height) // 2))
        draw.text((x + tile // 2, y + tile + 4), item.caption[:letters], fill=faint, font=_font(12), anchor="ma")
    return _png(sheet)


def label_sheet(
    units: Sequence[Unit],
    layers: Sequence[Layer],
    classes: Sequence[str],
    *,
    value_max: int = 255,
    title: str,
    subtitle: str = "",
    theme: Theme = "light",
) -> bytes:
    """A PNG with a row a unit: every label that it has as a picture, under it what the colours mean."""
    from PIL import Image

    from neuromation.synthetic import panels

    paper, ink, faint, card = _COLOURS[theme]
    look = panels.Look(paper, ink, faint, card)
    trial = panels.panels(units[0], layers, classes, value_max, _PANEL_MIN, look)
    spans = sum(panel.span for panel in trial)
    columns = spans if spans <= _COLUMNS_WIDE else -(-spans // 2)  # many panels: two lines a unit, each twice as large
    widest = _PANEL_MAX if units[0].image is not None or units[0].layers else _PANEL_MIN  # words need no more
    width = min(widest, max(_PANEL_MIN, (_SHEET_WIDTH - 2 * _MARGIN) // max(columns, 3) - _GAP))
    rows = [
        (unit, line)
        for unit in units
        for line in _lines(panels.panels(unit, layers, classes, value_max, width, look), columns)
    ]
    heights = [max(panel.picture.height + _legend_height(panel) for panel in line) + _TITLE for _, line in rows]
    across = max(sum(panel.span for panel in line) for _, line in rows)
    sheet_width = 2 * _MARGIN + max(across, 2) * (width + _GAP) - _GAP
    sheet = Image.new("RGB", (sheet_width, _HEADER + sum(heights) + _ROW_GAP * len(rows) + _MARGIN // 2), paper)
    _head(sheet, title, subtitle, ink, faint)
    y = _HEADER
    for (unit, line), height in zip(rows, heights, strict=True):
        _draw_row(sheet, unit, line, y, width, look)
        y += height + _ROW_GAP
    return _png(sheet)


def _lines(row: Sequence[Panel], columns: int) -> list[list[Panel]]:
    """A unit's panels in lines that span at most so many columns."""
    lines: list[list[Panel]] = [[]]
    for panel in row:
        if lines[-1] and sum(other.span for other in lines[-1]) + panel.span > columns:
            lines.append([])
        lines[-1].append(panel)
    return lines


def _draw_row(sheet: Image.Image, unit: Unit, row: Sequence[Panel], y: int, width: int, look: Look) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(sheet)
    x = _MARGIN
    for place, panel in enumerate(row):
        name = panel.title if place or panel.title.startswith("unit ") else f"unit {unit.index}   {panel.title}"
        draw.text((x, y), name, fill=look.ink, font=_font(13))
        room = panel.span * (width + _GAP) - _GAP
        picture = panel.picture if panel.span == 1 else panel.picture.resize((room, panel.picture.height))
        sheet.paste(picture, (x, y + _TITLE))
        _draw_legend(sheet, panel, x, y + _TITLE + panel.picture.height + 5, room, look)
        x += room + _GAP


def _legend_height(panel: Panel) -> int:
    legend = panel.legend
    return _LEGEND if legend.low or legend.high else _LEGEND // 2 if legend.words else 0


def _draw_legend(sheet: Image.Image, panel: Panel, x: int, y: int, width: int, look: Look) -> None:
    """The words under a panel, and its scale of colours with both ends."""
    from PIL import Image, ImageDraw

    from neuromation.synthetic import colours

    draw = ImageDraw.Draw(sheet)
    type = _font(11)
    legend = panel.legend
    words = legend.words
    while len(words) > 4 and draw.textlength(words, font=type) > width:
        words = words[:-2].rstrip(" .") + "."
    draw.text((x, y), words, fill=look.faint, font=type)
    if legend.low or legend.high:
        y += 15
        left = x + int(draw.textlength(legend.low, font=type)) + 6
        right = x + width - int(draw.textlength(legend.high, font=type)) - 6
        draw.text((x, y), legend.low, fill=look.faint, font=type)
        draw.text((x + width, y), legend.high, fill=look.faint, font=type, anchor="ra")
        if right > left + 8:
            ramp = np.linspace(0, 1, right - left)[None].repeat(8, axis=0)
            shown = colours.scale(ramp, legend.scale) if legend.scale else (ramp * 255).astype(np.uint8)
            sheet.paste(Image.fromarray(shown).convert("RGB"), (left, y + 3))


def _head(sheet: Image.Image, title: str, subtitle: str, ink: str, faint: str) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, 20), title, fill=ink, font=_font(24))
    draw.text((_MARGIN, 52), subtitle, fill=faint, font=_font(13))


def _png(sheet: Image.Image) -> bytes:
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=sheet.width * sheet.height < 2**21)
    return out.getvalue()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _enlarged(image: NDArray[np.uint8], tile: int) -> Image.Image:
    """The image in a tile: whole multiples of small pixels stay crisp, large images are reduced."""
    from PIL import Image

    picture = Image.fromarray(image)
    longest = max(picture.size)
    if longest > tile:
        picture.thumbnail((tile, tile), Image.Resampling.LANCZOS)
        return picture
    times = tile // longest
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _has_more(unit: Unit) -> bool:
    """Whether a unit has more to show than a picture and its class."""
    known = unit.annotations
    return unit.image is None or bool(unit.layers) or bool(known.get("objects") or known.get("boxes"))


def _samples(generator: Generator, params: BaseModel, seed: int, columns: int, rows: int) -> list[Unit]:
    if 2 <= len(generator.classes_for(params)) <= rows:
        return _by_class(generator, params, seed, columns)
    return [generator.unit(params, seed, index) for index in range(columns * rows)]


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
