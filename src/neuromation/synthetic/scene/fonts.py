"""Text as outlines: open fonts from pip packages, read by fontTools and laid out here. Draws no pixel.

Outlines go to the exact scan converter of `packaging_canvas`, so text has the same bytes on every processor and with
every version of FreeType. No hinting, no kerning, no ligatures: at the size of print on a package none is missed.
Licences: Roboto and Caladea Apache 2.0; the others SIL OFL 1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.packaging_canvas import Path, joined

TEXT_MAX = 4000  # characters of one text
_CURVE_STEPS = 4
FACES = (
    "sans",
    "sans-bold",
    "sans-black",
    "sans-italic",
    "sans-light",
    "human",
    "human-bold",
    "human-black",
    "human-blackitalic",
    "serif",
    "serif-bold",
    "serif-black",
    "serif-italic",
    "book-bold",
    "book-bolditalic",
    "modern-bold",
    "modern-extrabold",
    "modern-light",
    "round",
    "thin-caps",
    "thin-caps-bold",
    "pen",
)


def _file_of(face: str) -> str:
    """Where the file of a face lies."""
    import font_amatic_sc
    import font_caladea
    import font_fredoka_one
    import font_intuitive
    import font_lato
    import font_manrope
    import font_roboto
    import font_source_serif_pro

    files: dict[str, tuple[Any, str]] = {
        "sans": (font_roboto, "Roboto-Regular"),
        "sans-bold": (font_roboto, "Roboto-Bold"),
        "sans-black": (font_roboto, "Roboto-Black"),
        "sans-italic": (font_roboto, "Roboto-Italic"),
        "sans-light": (font_roboto, "Roboto-Light"),
        "human": (font_lato, "Lato-Regular"),
        "human-bold": (font_lato, "Lato-Bold"),
        "human-black": (font_lato, "Lato-Black"),
        "human-blackitalic": (font_lato, "Lato-BlackItalic"),
        "serif": (font_source_serif_pro, "SourceSerifPro-Regular"),
        "serif-bold": (font_source_serif_pro, "SourceSerifPro-Bold"),
        "serif-black": (font_source_serif_pro, "SourceSerifPro-Black"),
        "serif-italic": (font_source_serif_pro, "SourceSerifPro-It"),
        "book-bold": (font_caladea, "Caladea-Bold"),
        "book-bolditalic": (font_caladea, "Caladea-BoldItalic"),
        "modern-bold": (font_manrope, "Manrope-Bold"),
        "modern-extrabold": (font_manrope, "Manrope-ExtraBold"),
        "modern-light": (font_manrope, "Manrope-Light"),
        "round": (font_fredoka_one, "FredokaOne-Regular"),
        "thin-caps": (font_amatic_sc, "AmaticSC-Regular"),
        "thin-caps-bold": (font_amatic_sc, "AmaticSC-Bold"),
        "pen": (font_intuitive, "Intuitive"),
    }
    if face not in files:
        raise BadScene(f"no font face is called {face!r}; there are: {', '.join(FACES)}")
    package, name = files[face]
    return str(FilePath(package.__file__).parent / "files" / f"{name}.ttf")


@dataclass(frozen=True, eq=False)
class Glyph:
    """A letter: outlines in ems, y down from the baseline, and how far the next letter is."""

    path: Path
    advance: float


class _Outlines:
    """Collects a glyph's outlines as straight pieces; what fontTools calls a pen."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.pieces: list[list[tuple[float, float]]] = []

    def _put(self, x: float, y: float) -> None:
        self.pieces[-1].append((x * self.scale, -y * self.scale))

    def moveTo(self, point: tuple[float, float]) -> None:
        self.pieces.append([])
        self._at = point
        self._put(*point)

    def lineTo(self, point: tuple[float, float]) -> None:
        self._at = point
        self._put(*point)

    def curveTo(self, *points: tuple[float, float]) -> None:
        (x0, y0), ((x1, y1), (x2, y2), (x3, y3)) = self._at, points
        for k in range(1, 2 * _CURVE_STEPS + 1):
            t = k / (2 * _CURVE_STEPS)
            s = 1 - t
            a, b, c, d = s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t
            self._put(a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3)
        self._at = (x3, y3)

    def qCurveTo(self, *points: tuple[float, float] | None) -> None:
        known = [p for p in points if p is not None]
        if points[-1] is None:  # a closed curve without a point on it: begin halfway
            first, last = known[0], known[-1]
            start = (0.5 * (first[0] + last[0]), 0.5 * (first[1] + last[1]))
            self.moveTo(start)
            known.append(start)
        for k in range(len(known) - 1):
            (x0, y0), (x1, y1) = self._at, known[k]
            x2, y2 = known[k + 1]
            if k + 2 < len(known):
                x2, y2 = 0.5 * (x1 + x2), 0.5 * (y1 + y2)
            for step in range(1, _CURVE_STEPS + 1):
                t = step / _CURVE_STEPS
                s = 1 - t
                self._put(s * s * x0 + 2 * s * t * x1 + t * t * x2, s * s * y0 + 2 * s * t * y1 + t * t * y2)
            self._at = (x2, y2)

    def closePath(self) -> None:
        return

    def endPath(self) -> None:
        return


@lru_cache(maxsize=32)
def _font(face: str) -> tuple[Any, dict[int, str], float]:
    from fontTools.ttLib import TTFont

    font = TTFont(FilePath(_file_of(face)), lazy=True)
    return font.getGlyphSet(), dict(font.getBestCmap()), 1.0 / float(font["head"].unitsPerEm)


@lru_cache(maxsize=4096)
def glyph(face: str, letter: str) -> Glyph:
    """A letter of a face; one that the face lacks is drawn as the face draws what it lacks."""
    from fontTools.pens.recordingPen import DecomposingRecordingPen

    glyphs, names, scale = _font(face)
    drawn = glyphs[names.get(ord(letter), ".notdef")]
    pen = _Outlines(scale)
    record = DecomposingRecordingPen(glyphs)
    drawn.draw(record)
    record.replay(pen)
    pieces = [piece for piece in pen.pieces if len(piece) > 2]
    points: NDArray[np.float64] = np.array([p for piece in pieces for p in piece], dtype=np.float64).reshape(-1, 2)
    ends = np.cumsum([len(piece) for piece in pieces]).astype(np.int64)
    return Glyph(Path(points, ends), float(drawn.width) * scale)


def width_of(text: str, face: str, tracking: float = 0.0) -> float:
    """How wide a line of text is, ems; `tracking`: more room between letters, ems."""
    return sum(glyph(face, letter).advance + tracking for letter in text) - (tracking if text else 0.0)


@lru_cache(maxsize=2048)
def line(text: str, face: str, tracking: float = 0.0) -> Path:
    """A line of text as a path: starts at x = 0, stands on y = 0, one em is 1."""
    if len(text) > TEXT_MAX:
        raise BadScene(f"a text has at most {TEXT_MAX:,} characters, not {len(text):,}")
    x, pieces = 0.0, []
    for letter in text:
        shape = glyph(face, letter)
        if len(shape.path.points):
            pieces.append(shape.path.moved(x, 0.0))
        x += shape.advance + tracking
    return joined(pieces)


def fitted(
    text: str, face: str, *, width: float, height: float, tracking: float = 0.0, anchor: float = 0.5
) -> tuple[Path, float]:
    """A line as large as fits a box, its left at x = 0 (anchor 0), middle (0.5) or right (1), standing on y = 0.

    Returns the path and its size in pixels an em. `height` counts capitals' height (0.72 em).
    """
    em = min(height / 0.72, width / max(width_of(text, face, tracking), 1e-6))
    return line(text, face, tracking).scaled(em).moved(-anchor * em * width_of(text, face, tracking), 0.0), em


def around(text: str, face: str, *, radius: float, em: float, middle_turns: float = -0.25) -> Path:
    """A line bent around a circle about the origin, its middle at an angle (-0.25 turns is the top), read clockwise."""
    whole = width_of(text, face, 0.04) * em
    per_turn = 6.283185307179586 * radius
    x, pieces = 0.0, []
    for letter in text:
        shape = glyph(face, letter)
        half = 0.5 * shape.advance * em
        turns = middle_turns + (x + half - 0.5 * whole) / per_turn
        if len(shape.path.points):
            placed = shape.path.scaled(em).moved(-half, -radius).turned(turns + 0.25)
            pieces.append(placed)
        x += shape.advance * em + 0.04 * em
    return joined(pieces)


def wrapped(text: str, face: str, *, width_em: float) -> list[str]:
    """The text broken into lines that are at most `width_em` ems wide, at spaces."""
    lines: list[str] = []
    current, used = "", 0.0
    space = glyph(face, " ").advance
    for word in text.split():
        wide = width_of(word, face)
        if current and used + space + wide > width_em:
            lines.append(current)
            current, used = word, wide
        else:
            used += wide + (space if current else 0.0)
            current = f"{current} {word}".strip()
    return [*lines, current] if current else lines
