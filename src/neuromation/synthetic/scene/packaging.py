"""The art of packages: a design from a key, and the pictures of its faces. Knows no shape that it is put on.

`design_for` decides, `face` draws; both depend on their arguments alone, so that a SKU looks the same in every data set.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene import fonts
from neuromation.synthetic.scene.packaging_canvas import Canvas, Colour, rectangle
from neuromation.synthetic.scene.packaging_design import DARK, PAPER, Design, brightness, design_for, ink_on, legible
from neuromation.synthetic.scene.packaging_layouts import front
from neuromation.synthetic.scene.packaging_marks import GREEKED_EM_PX, Area, amount, logo, picture_in, text_in
from neuromation.synthetic.scene.packaging_pictures import darker, lighter
from neuromation.synthetic.scene.packaging_words import ean_bars

__all__ = ["FACES", "Design", "design_for", "face", "face_tone", "price_label"]

FACES = ("front", "right", "back", "left", "top", "bottom", "label", "roof", "bag_front", "bag_back", "plain")
FACE_SIDE_MIN_PX, FACE_SIDE_MAX_PX = 8, 2048
SEAM = 0.05  # height of a bag's seam over that of the bag
_NUTRIENTS = ("Energy", "Fat", "of which saturates", "Carbohydrate", "of which sugars", "Fibre", "Protein", "Salt")


@lru_cache(maxsize=1024)
def face(design: Design, which: str, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """One face of a package, uint8 (height, width, 3), sRGB, not to be written to.

    Args:
        design: what it shows.
        which: "front"; "right" (facts), "left" (contents and bar code) and "back" of a box; "top", "bottom", "roof";
            "label", which goes around a can or a bottle with its front in the middle; "bag_front" and "bag_back", with
            the crimped seams of a bag above and below; "plain", the ground alone.
        width_px, height_px: 8 to 2048; choose them in the proportions of the face.

    Raises BadScene.
    """
    if which not in FACES:
        raise BadScene(f"a package has no face {which!r}; it has: {', '.join(FACES)}")
    low, high = FACE_SIDE_MIN_PX, FACE_SIDE_MAX_PX
    if not (low <= width_px <= high and low <= height_px <= high):
        raise BadScene(f"a face is {low} to {high} pixels wide and high, not {width_px} x {height_px}")
    canvas = Canvas(width_px, height_px, face_tone(design))
    area = Area(0.0, 0.0, float(width_px), float(height_px))
    if which == "front":
        front(canvas, design, area)
    elif which == "label":
        _label(canvas, design, area)
    elif which == "back":
        _back(canvas, design, area)
    elif which in ("bag_front", "bag_back"):
        _bag(canvas, design, area, which)
    elif which in ("right", "left"):
        _side(canvas, design, area, facts=which == "right")
    elif which in ("top", "bottom", "roof"):
        _top(canvas, design, area, which)
    pixels = canvas.pixels()
    pixels.setflags(write=False)
    return pixels


def face_tone(design: Design) -> Colour:
    """The colour that the whole package has, sRGB 0..255: of its sides, its top, its cap."""
    if design.layout in ("band", "full", "badge", "swirl"):
        limit = 215.0 if design.layout in ("band", "swirl") else 235.0
        return design.ground if brightness(design.ground) < limit else design.tint
    if design.layout == "clean":
        return lighter(design.ground, 0.88) if brightness(design.ground) < 215 else design.ground
    if design.layout == "dark":
        return (24.0, 22.0, 24.0) if design.draws[3] < 0.6 else darker(design.ground, 0.62)
    if design.layout == "scene":
        return PAPER if brightness(design.ground) > 200 or design.draws[3] < 0.5 else lighter(design.ground, 0.7)
    return design.ground


def _paragraph(c: Canvas, text: str, area: Area, ink: Colour, em: float, face_name: str) -> float:
    """A text set in lines of a size, as far as it fits; returns how high it became, pixels."""
    if em < GREEKED_EM_PX:
        rows = min(int(area.h / (1.3 * em)), max(1, int(0.5 * em * len(text) / max(area.w, 1.0)) + 1))
        for row in range(rows):
            wide = area.w * (1.0 if row < rows - 1 else 0.55)
            c.fill(rectangle(area.x, area.y + 1.3 * em * row + 0.3 * em, wide, 0.5 * em), ink, 0.45)
        return 1.3 * em * rows
    used = 0.0
    for line in fonts.wrapped(text, face_name, width_em=area.w / em):
        if used + 1.2 * em > area.h:
            break
        c.fill(fonts.line(line, face_name).scaled(em).moved(area.x, area.y + used + 0.9 * em), ink)
        used += 1.22 * em
    return used


def _facts(c: Canvas, d: Design, area: Area, ink: Colour) -> None:
    """The table of nutrients."""
    rows = len(_NUTRIENTS) + 1
    high = area.h / rows
    text_in(c, "Nutrition per 100 g", "sans-bold", ink, area.part(0.0, 0.0, 1.0, 0.8 / rows), anchor=0.0)
    for k, name in enumerate(_NUTRIENTS):
        top = area.y + high * (k + 1)
        c.fill(rectangle(area.x, top, area.w, max(0.6, 0.04 * high)), ink, 0.8)
        row = Area(area.x, top + 0.22 * high, area.w, 0.56 * high)
        value = (
            f"{int(80 + 480 * d.draws[20])} kcal"
            if k == 0
            else f"{30 * d.draws[20 + k] * (0.2 if k in (2, 7) else 1):.1f} g"
        )
        text_in(c, name, "sans", ink, row.part(0.03 if k in (2, 4) else 0.0, 0, 0.66, 1), anchor=0.0)
        text_in(c, value, "sans", ink, row.part(0.7, 0, 0.3, 1), anchor=1.0)


def _bar_code(c: Canvas, d: Design, area: Area) -> None:
    """An EAN-13 on white, in its quiet zone, with its digits."""
    c.fill(rectangle(area.x, area.y, area.w, area.h), (255.0, 255.0, 255.0))
    module = area.w / 113  # 95 modules, 11 of quiet zone to the left and 7 to the right
    bars = ean_bars(d.ean)
    k = 0
    while k < len(bars):
        stop = k
        while stop < len(bars) and bars[stop] == bars[k]:
            stop += 1
        if bars[k] == "1":
            guard = k < 3 or k > 91 or 45 <= k < 50
            high = (0.9 if guard else 0.82) * area.h
            c.fill(
                rectangle(
                    area.x + (11 + k) * module, area.y + 0.04 * area.h, (stop - k) * module, high - 0.04 * area.h
                ),
                DARK,
            )
        k = stop
    text_in(c, d.ean, "sans", DARK, area.part(0.1, 0.86, 0.8, 0.12))


def _side(c: Canvas, d: Design, a: Area, *, facts: bool) -> None:
    tone = face_tone(d)
    ink = ink_on(tone)
    logo(c, d, a.part(0.12, 0.04, 0.76, min(0.1, 0.3 * a.w / a.h)), tone)
    em = 0.085 * min(a.w, 0.6 * a.h)
    text_in(c, f"{d.title} {d.variety}", d.title_face, legible(d.tint, tone), a.part(0.1, 0.17, 0.8, 0.04))
    if facts:
        c.fill(rectangle(*a.at(0.08, 0.25), 0.84 * a.w, 0.36 * a.h), PAPER)
        _facts(c, d, a.part(0.12, 0.265, 0.76, 0.33), DARK)
        picture_in(c, d, *a.at(0.5, 0.77), min(0.34 * a.w, 0.12 * a.h))
        return
    used = _paragraph(c, "Ingredients: " + d.contents, a.part(0.1, 0.25, 0.8, 0.4), ink, em, "sans")
    rest = a.part(0.1, 0.27, 0.8, 0.5)
    _paragraph(
        c,
        "Best before: see top. Made for " + d.brand + ". Please recycle this pack.",
        Area(rest.x, rest.y + used, rest.w, 0.2 * a.h),
        ink,
        em,
        "sans",
    )
    _bar_code(c, d, a.part(0.12, 0.78, 0.76, min(0.16, 0.5 * a.w / a.h)))


def _back(c: Canvas, d: Design, a: Area) -> None:
    tone = face_tone(d)
    ink = ink_on(tone)
    logo(c, d, a.part(0.2, 0.04, 0.6, 0.1), tone)
    picture_in(c, d, *a.at(0.28, 0.27), min(0.17 * a.w, 0.09 * a.h))
    em = 0.042 * min(a.w, a.h)
    text_in(c, d.claims[0], d.title_face, legible(d.tint, tone), a.part(0.48, 0.18, 0.46, 0.05), anchor=0.0)
    story = f"{d.brand} has stood for {d.title.lower()} that tastes of what it is. {d.contents}."
    _paragraph(c, story, a.part(0.48, 0.25, 0.44, 0.2), ink, em, d.text_face)
    c.fill(rectangle(*a.at(0.06, 0.48), 0.46 * a.w, 0.34 * a.h), PAPER)
    _facts(c, d, a.part(0.09, 0.49, 0.4, 0.31), DARK)
    _paragraph(c, "Ingredients: " + d.contents, a.part(0.56, 0.48, 0.38, 0.3), ink, em, "sans")
    _bar_code(c, d, a.part(0.56, 0.83, 0.36, min(0.13, 0.24 * a.w / a.h)))
    amount(c, d, a.part(0.06, 0.88, 0.3, 0.04), ink, 0.0)


def _bag(c: Canvas, d: Design, a: Area, which: str) -> None:
    """A front or back between two crimped seams, which are as high as those of `meshes.pouch`."""
    inner = a.part(0.04, SEAM, 0.92, 1 - 2 * SEAM)
    front(c, d, inner) if which == "bag_front" else _back(c, d, inner)
    c.draw_out(int(inner.x) + 1, int(inner.x + inner.w) - 1)
    tone = face_tone(d)
    for v in (0.0, 1 - SEAM):
        seam = a.part(0, v, 1, SEAM)
        c.fill(rectangle(seam.x, seam.y, seam.w, seam.h), tone)
        ridges = max(2, round(0.25 * seam.h))
        for k in range(ridges):
            line = seam.part(0, (k + 0.15) / ridges, 1, 0.4 / ridges)
            c.fill(rectangle(line.x, line.y, line.w, line.h), darker(tone, 0.22), 0.8)
            shine = seam.part(0, (k + 0.62) / ridges, 1, 0.25 / ridges)
            c.fill(rectangle(shine.x, shine.y, shine.w, shine.h), lighter(tone, 0.4), 0.7)


def _top(c: Canvas, d: Design, a: Area, which: str) -> None:
    tone = face_tone(d)
    if which == "bottom":
        text_in(c, d.ean[:8], "sans", ink_on(tone), a.part(0.3, 0.4, 0.4, 0.1))
        return
    logo(c, d, a.part(0.2, 0.2, 0.6, 0.32), tone)
    text_in(c, f"{d.title} {d.variety}", d.title_face, legible(d.tint, tone), a.part(0.15, 0.62, 0.7, 0.14))


def _label(c: Canvas, d: Design, a: Area) -> None:
    """A label that goes around: its front in the middle, facts to the right, contents and bar code to the left."""
    wide = min(0.4 * a.w, 1.1 * a.h)
    middle = Area(a.x + 0.5 * (a.w - wide), a.y, wide, a.h)
    front(c, d, middle)
    # What the layout's own ground is at its sides goes on around: the outermost columns are drawn out.
    c.draw_out(int(middle.x), int(middle.x + middle.w))
    side = 0.5 * (a.w - wide)
    ink = ink_on(c.tone_at(int(a.x + 0.4 * side), int(0.3 * a.h)))
    em = 0.055 * min(a.h, 1.6 * side)
    left = Area(a.x + 0.12 * side, a.y, 0.72 * side, a.h)
    _paragraph(c, "Ingredients: " + d.contents, left.part(0, 0.1, 1, 0.4), ink, em, "sans")
    _bar_code(c, d, left.part(0.05, 0.58, 0.9, min(0.3, 0.55 * left.w / a.h)))
    right = Area(a.x + a.w - 0.86 * side, a.y, 0.72 * side, a.h)
    c.fill(rectangle(right.x, right.y + 0.12 * a.h, right.w, 0.6 * a.h), PAPER)
    _facts(c, d, right.part(0.06, 0.15, 0.88, 0.54), DARK)
    amount(c, d, right.part(0.0, 0.82, 0.9, 0.06), ink, 0.0)


@lru_cache(maxsize=1024)
def price_label(
    name: str, cents: int, width_px: int = 192, height_px: int = 96, offer: bool = False
) -> NDArray[np.uint8]:
    """A price tag: a name, a large price, a price per kilogram, a bar code; yellow or red where it is an offer."""
    if not 1 <= cents <= 999_999 or len(name) > 120:
        raise BadScene(f"a price is 0.01 to 9999.99 and its name at most 120 characters, not {cents} cents")
    paper: Colour = (252.0, 222.0, 60.0) if offer else (250.0, 250.0, 246.0)
    c = Canvas(width_px, height_px, paper)
    a = Area(0.0, 0.0, float(width_px), float(height_px))
    text_in(c, name, "sans-bold", DARK, a.part(0.05, 0.08, 0.9, 0.15), anchor=0.0)
    text_in(
        c,
        f"{cents // 100}",
        "sans-black",
        (190.0, 20.0, 24.0) if offer else DARK,
        a.part(0.38, 0.34, 0.36, 0.56),
        anchor=1.0,
    )
    text_in(
        c,
        f"{cents % 100:02d}",
        "sans-black",
        (190.0, 20.0, 24.0) if offer else DARK,
        a.part(0.76, 0.34, 0.19, 0.28),
        anchor=0.0,
    )
    text_in(c, f"1 kg = {cents / 31:.2f}", "sans", DARK, a.part(0.05, 0.36, 0.32, 0.1), anchor=0.0)
    bars = [
        rectangle(a.w * (0.05 + 0.006 * k), a.h * 0.62, a.w * 0.003 * (1 + (cents * (k + 3)) % 2), a.h * 0.25)
        for k in range(48)
    ]
    for bar in bars:
        c.fill(bar, DARK)
    pixels = c.pixels()
    pixels.setflags(write=False)
    return pixels
