"""Fronts of packages: eight families of layouts, as graphic designers compose them, and the logo they share.

Each layout draws into an area of a canvas, in sizes relative to it, over a ground that may go on beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neuromation.synthetic.scene import fonts
from neuromation.synthetic.scene.meshes_build import sine_cosine
from neuromation.synthetic.scene.packaging_canvas import (
    Canvas,
    Colour,
    Path,
    arc_line,
    ellipse,
    joined,
    linear,
    polygon,
    radial,
    rectangle,
    rounded,
    smooth,
    star,
    stroke,
)
from neuromation.synthetic.scene.packaging_design import DARK, PAPER, Design, brightness, ink_on, legible
from neuromation.synthetic.scene.packaging_pictures import PICTURES, darker, lighter, mixed

GREEKED_EM_PX = 2.6  # text smaller than this is drawn as bars


@dataclass(frozen=True)
class Area:
    """A rectangle of a canvas, pixels."""

    x: float
    y: float
    w: float
    h: float

    def at(self, u: float, v: float) -> tuple[float, float]:
        return self.x + u * self.w, self.y + v * self.h

    def part(self, u: float, v: float, w: float, h: float) -> Area:
        return Area(self.x + u * self.w, self.y + v * self.h, w * self.w, h * self.h)


def text_in(
    c: Canvas,
    text: str,
    face: str,
    ink: Colour,
    area: Area,
    *,
    anchor: float = 0.5,
    shadow: float = 0.0,
    slant: float = 0.0,
) -> None:
    """One line as large as fits an area, in its middle from top to bottom."""
    path, em = fonts.fitted(text, face, width=area.w, height=area.h, anchor=anchor)
    if em < GREEKED_EM_PX:
        wide = min(area.w, em * fonts.width_of(text, face))
        c.fill(rectangle(area.x + anchor * (area.w - wide), area.y + 0.3 * area.h, wide, 0.4 * em), ink, 0.5)
        return
    if slant:
        path = path.sheared(slant)
    placed = path.moved(area.x + anchor * area.w, area.y + 0.5 * area.h + 0.36 * em)
    if shadow:
        c.fill(placed.moved(shadow * em, shadow * em), (0.0, 0.0, 0.0), 0.45)
    c.fill(placed, ink)


def picture_in(c: Canvas, d: Design, x: float, y: float, s: float, name: str = "", tone: Colour | None = None) -> None:
    PICTURES[name or d.picture](c, x, y, s, tone or d.picture_tone, d.draws)


def wave(area: Area, v: float, swing: float, cycles: float = 0.5, shift: float = 0.0) -> Path:
    """All of an area below a wavy line at height v."""
    points = [(area.x, area.y + area.h), (area.x, area.y)]
    line = []
    for k in range(25):
        s, _ = sine_cosine(shift + cycles * k / 24)
        line.append((area.x + area.w * k / 24, area.y + (v + swing * s) * area.h))
    return polygon([points[0], *line, (area.x + area.w, area.y + area.h)])


def logo(c: Canvas, d: Design, area: Area, ground: Colour) -> None:
    """The brand's name, as this brand always writes it, over a ground."""
    tone, face = d.brand_colour, d.brand_face
    text = d.brand.upper() if len(d.brand) % 2 else d.brand
    em = min(area.h / 0.72, area.w / max(fonts.width_of(text, face), 1e-6))
    wide, high = em * fonts.width_of(text, face), 0.72 * em
    x, y = area.x + 0.5 * area.w, area.y + 0.5 * area.h
    if d.logo in ("oval", "box", "ribbon", "disc"):
        field = (
            tone if abs(brightness(tone) - brightness(ground)) > 40 else mixed(lighter(tone, 0.0), ink_on(ground), 0.85)
        )
        rim = PAPER if brightness(field) < 150 else DARK
        inner = area.part(0.14, 0.24, 0.72, 0.52)
        if d.logo == "oval":
            c.fill(ellipse(x, y, 0.52 * area.w, 0.58 * area.h), rim)
            c.fill(
                ellipse(x, y, 0.50 * area.w, 0.54 * area.h),
                linear(lighter(field, 0.12), darker(field, 0.15), (x, y - area.h / 2), (x, y + area.h / 2)),
            )
        elif d.logo == "box":
            c.fill(rounded(area.x, area.y, area.w, area.h, 0.2 * area.h), field)
        elif d.logo == "ribbon":
            c.fill(
                polygon(
                    [
                        area.at(-0.06, 0.2),
                        area.at(1.06, 0.08),
                        area.at(1.0, 0.5),
                        area.at(1.06, 0.88),
                        area.at(-0.06, 0.96),
                        area.at(0, 0.58),
                    ]
                ),
                darker(field, 0.3),
            )
            c.fill(polygon([area.at(0.02, 0.08), area.at(0.98, 0.0), area.at(0.98, 0.86), area.at(0.02, 0.98)]), field)
        else:
            r = 0.62 * min(area.h, 0.6 * area.w)
            c.fill(ellipse(x, y, r * 1.35, r), rim)
            c.fill(ellipse(x, y, r * 1.27, r * 0.92), field)
            inner = Area(x - r, y - 0.5 * r, 2 * r, r)
        text_in(c, text, face, rim, inner)
        return
    ink = legible(tone, ground)
    if d.logo == "arched":
        radius = 1.1 * area.w
        c.fill(fonts.around(text, face, radius=radius, em=0.86 * em).moved(x, y + radius + 0.2 * area.h), ink)
        c.fill(stroke(arc_line(x, y + radius + 0.45 * area.h, radius, -0.30, -0.20), 0.05 * area.h), ink)
        return
    if d.logo == "shadowed":
        placed = fonts.line(text, face).scaled(em).moved(x - wide / 2, y + high / 2)
        for k in range(3, 0, -1):
            c.fill(
                placed.moved(0.025 * em * k, 0.025 * em * k),
                darker(ink, 0.5) if brightness(ink) > 90 else lighter(ink, 0.6),
            )
        c.fill(placed, ink)
        return
    text_in(c, text, face, ink, area)
    if d.logo == "underlined":
        c.fill(
            smooth(
                [
                    (x - wide / 2, y + 0.85 * high),
                    (x, y + 0.68 * high),
                    (x + wide / 2, y + 0.8 * high),
                    (x, y + 0.8 * high),
                ]
            ),
            legible(d.tint, ground),
        )


def seal(c: Canvas, d: Design, x: float, y: float, r: float, text: str, tone: Colour) -> None:
    """A round claim: a disc, a jagged seal or a tilted disc with two lines."""
    kind = int(d.draws[1] * 3)
    path = star(x, y, r, 0.88 * r, 26) if kind == 0 else ellipse(x, y, r)
    c.fill(path.moved(0.04 * r, 0.06 * r), (0.0, 0.0, 0.0), 0.25)
    c.fill(path, tone)
    if kind == 1:
        c.fill(ellipse(x, y, 0.9 * r), ink_on(tone))
        c.fill(ellipse(x, y, 0.84 * r), tone)
    words = text.split()
    half = (len(words) + 1) // 2
    lines = [" ".join(words[:half]), " ".join(words[half:])] if len(words) > 1 else [text]
    high = 0.42 * r if len(lines) > 1 else 0.5 * r
    for k, line in enumerate(lines):
        top = y - 0.5 * high * len(lines) + k * high
        text_in(c, line, "sans-black", ink_on(tone), Area(x - 0.72 * r, top + 0.12 * high, 1.44 * r, 0.76 * high))


def amount(c: Canvas, d: Design, area: Area, ink: Colour, anchor: float = 1.0) -> None:
    text_in(c, d.amount, "sans-bold", ink, area, anchor=anchor)


def _title(c: Canvas, d: Design, area: Area, ink: Colour, second: Colour) -> None:
    """Title and variety, one above the other."""
    upper = d.draws[2] < 0.45
    title = d.title.upper() if upper else d.title
    words = title.split()
    if len(words) > 1 and len(title) > 9 and area.h > 0.35 * area.w:
        half = (len(words) + 1) // 2
        text_in(c, " ".join(words[:half]), d.title_face, ink, area.part(0, 0, 1, 0.34))
        text_in(c, " ".join(words[half:]), d.title_face, ink, area.part(0, 0.37, 1, 0.34))
        text_in(c, d.variety, d.text_face, second, area.part(0.1, 0.78, 0.8, 0.22))
        return
    text_in(c, title, d.title_face, ink, area.part(0, 0, 1, 0.6))
    text_in(c, d.variety, d.text_face, second, area.part(0.08, 0.68, 0.84, 0.32))


def _claims(c: Canvas, d: Design, area: Area, ink: Colour) -> None:
    for k, claim in enumerate(d.claims):
        text_in(c, claim, d.text_face, ink, area.part(0, k / len(d.claims), 1, 0.72 / len(d.claims)))


def band(c: Canvas, d: Design, a: Area) -> None:
    """A coloured head with a curved lower edge, white below, a picture at the foot."""
    paper = PAPER if brightness(d.ground) < 215 else lighter(d.ground, 0.3)
    head = d.ground if brightness(d.ground) < 215 else d.tint
    c.fill(rectangle(a.x, a.y, a.w, a.h), paper)
    split = 0.24 + 0.10 * d.draws[3]
    humps = 1 + int(d.draws[4] * 3)
    c.fill(rectangle(a.x, a.y, a.w, a.h), head)
    if d.draws[5] < 0.5:
        c.fill(wave(a, split, 0.03, 0.5 * humps, 0.5 * (humps % 2)), paper)
    else:  # a cloud's edge
        discs = [ellipse(a.x + a.w * (k + 0.5) / 4, a.y + split * a.h, 0.19 * a.w, points=28) for k in range(4)]
        c.fill(joined([*discs, rectangle(a.x, a.y + split * a.h, a.w, a.h)]), paper)
    logo(c, d, a.part(0.18, 0.06, 0.64, split - 0.12), head)
    _title(
        c,
        d,
        a.part(0.1, split + 0.045, 0.8, 0.17),
        legible(darker(d.tint, 0.15), paper),
        legible(d.brand_colour, paper),
    )
    s = min(0.4 * a.w, 0.5 * (0.9 - split - 0.23) * a.h)
    foot = legible(d.tint, paper)
    if d.draws[6] < 0.5:
        c.fill(wave(a, 0.88, 0.03, 0.5, 0.25), d.tint)
        foot = ink_on(d.tint)
    picture_in(c, d, *a.at(0.5, 0.5 * (split + 0.225 + 0.91)), s)
    if d.draws[7] < 0.6:
        seal(c, d, *a.at(0.84, split + 0.3), 0.12 * a.w, d.claims[0], d.brand_colour)
    amount(c, d, a.part(0.62, 0.925, 0.33, 0.045), foot)
    text_in(c, d.claims[-1], d.text_face, foot, a.part(0.06, 0.93, 0.5, 0.032), anchor=0.0)


def full(c: Canvas, d: Design, a: Area) -> None:
    """A ground graded from bright to deep, a large tilted name, a hero picture below."""
    g = d.ground if brightness(d.ground) < 235 else d.tint
    x, y = a.at(0.5, 0.62)
    c.fill(rectangle(a.x, a.y, a.w, a.h), radial(lighter(g, 0.45), darker(g, 0.18), (x, y), 0.75 * max(a.w, a.h)))
    if d.draws[3] < 0.5:
        _rays(c, a, x, y, lighter(g, 0.35))
    c.fill(wave(a, 0.84, 0.05, 0.5, 0.5 * d.draws[4]), mixed(d.tint, g, 0.1))
    logo(c, d, a.part(0.1, 0.05, 0.8, 0.16), g)
    ink = ink_on(g)
    text_in(
        c,
        d.title.upper() if d.draws[2] < 0.5 else d.title,
        d.title_face,
        ink,
        a.part(0.06, 0.25, 0.88, 0.1),
        shadow=0.03,
        slant=0.12 * (d.draws[5] < 0.5),
    )
    flavour = a.part(0.2, 0.375, 0.6, 0.065)
    c.fill(
        rounded(flavour.x, flavour.y, flavour.w, flavour.h, 0.5 * flavour.h),
        d.tint if brightness(mixed(d.tint, g, 0)) != brightness(g) else ink,
    )
    text_in(c, d.variety, "human-bold", ink_on(d.tint), flavour.part(0.08, 0.2, 0.84, 0.6))
    picture_in(c, d, x, y + 0.04 * a.h, min(0.42 * a.w, 0.22 * a.h))
    if d.draws[6] < 0.7:
        seal(
            c,
            d,
            *a.at(0.82 if d.draws[8] < 0.5 else 0.18, 0.52),
            0.14 * min(a.w, 0.8 * a.h),
            d.claims[0],
            lighter(d.brand_colour, 0.05),
        )
    amount(c, d, a.part(0.6, 0.93, 0.34, 0.04), ink_on(d.tint))
    _claims(c, d, a.part(0.06, 0.89, 0.45, 0.08), ink_on(d.tint))


def _rays(c: Canvas, a: Area, x: float, y: float, tone: Colour) -> None:
    """Rays from a point to beyond the area."""
    reach = a.w + a.h
    rays = []
    for k in range(14):
        s0, c0 = sine_cosine(k / 14)
        s1, c1 = sine_cosine((k + 0.5) / 14)
        rays.append(_clipped([(x, y), (x + reach * c0, y + reach * s0), (x + reach * c1, y + reach * s1)], a))
    c.fill(joined(rays), tone, 0.35)


def _clipped(points: list[tuple[float, float]], a: Area) -> Path:
    """A convex polygon cut to an area (Sutherland and Hodgman, 1974)."""
    for axis, limit, sign in ((0, a.x, 1), (0, a.x + a.w, -1), (1, a.y, 1), (1, a.y + a.h, -1)):
        kept: list[tuple[float, float]] = []
        for k, point in enumerate(points):
            before = points[k - 1]
            inside, was = sign * (point[axis] - limit) >= 0, sign * (before[axis] - limit) >= 0
            if inside != was:
                t = (limit - before[axis]) / (point[axis] - before[axis])
                kept.append((before[0] + t * (point[0] - before[0]), before[1] + t * (point[1] - before[1])))
            if inside:
                kept.append(point)
        points = kept
        if not points:
            break
    return polygon(points or [(a.x, a.y)] * 3)


def clean(c: Canvas, d: Design, a: Area) -> None:
    """White and quiet: a hero picture above, the brand in the middle, little text."""
    paper = lighter(d.ground, 0.88) if brightness(d.ground) < 215 else d.ground
    c.fill(rectangle(a.x, a.y, a.w, a.h), linear(paper, darker(paper, 0.05), a.at(0, 0), a.at(0, 1)))
    s = min(0.40 * a.w, 0.19 * a.h)
    picture_in(c, d, *a.at(0.5 + 0.1 * (d.draws[3] - 0.5), 0.27), s)
    if d.draws[4] < 0.5:
        picture_in(c, d, *a.at(0.78, 0.37), 0.45 * s)
    logo(c, d, a.part(0.14, 0.48, 0.72, 0.12), paper)
    c.fill(rectangle(a.x + 0.4 * a.w, a.y + 0.645 * a.h, 0.2 * a.w, max(1.0, 0.004 * a.h)), d.tint)
    _title(c, d, a.part(0.16, 0.68, 0.68, 0.15), legible(d.tint, paper), legible(darker(d.tint, 0.3), paper))
    _claims(c, d, a.part(0.25, 0.85, 0.5, 0.06), mixed(DARK, paper, 0.35))
    c.fill(rectangle(a.x, a.y + 0.965 * a.h, a.w, 0.035 * a.h), d.tint)
    amount(c, d, a.part(0.55, 0.92, 0.4, 0.03), DARK)


def type_only(c: Canvas, d: Design, a: Area) -> None:
    """Words as large as they go, stacked, in two colours; hardly a picture."""
    g = d.ground
    c.fill(rectangle(a.x, a.y, a.w, a.h), g)
    ink, second = legible(d.tint, g), ink_on(g)
    logo(c, d, a.part(0.2, 0.05, 0.6, 0.11), g)
    words = [word for text in (d.title, d.variety, *d.claims[:2]) for word in text.split()][:7]
    y, face = 0.22, ("sans-black", "thin-caps-bold", "human-black", "pen", "modern-extrabold")[int(d.draws[3] * 5)]
    for k, word in enumerate(words):
        wide = max(fonts.width_of(word.upper(), face), 0.5)
        high = min(0.72 * 0.84 * a.w / wide / a.h, 0.17)
        if y + high > 0.86:
            break
        text_in(
            c,
            word.upper(),
            face,
            ink if k % 2 else second,
            a.part(0.08, y, 0.84, high),
            anchor=0.5 if d.draws[4] < 0.5 else 0.0,
        )
        y += high + 0.018
    if y < 0.68:
        picture_in(c, d, *a.at(0.62, 0.5 * (y + 0.93)), min(0.3 * a.w, 0.42 * (0.93 - y) * a.h))
    amount(c, d, a.part(0.5, 0.93, 0.44, 0.04), second)


def dark(c: Canvas, d: Design, a: Area) -> None:
    """Night with a light behind the picture, thin letters."""
    g = (24.0, 22.0, 24.0) if d.draws[3] < 0.6 else darker(d.ground, 0.62)
    x, y = a.at(0.5, 0.66)
    c.fill(rectangle(a.x, a.y, a.w, a.h), g)
    c.fill(rectangle(a.x, a.y, a.w, a.h), radial(mixed(g, d.picture_tone, 0.75), g, (x, y), 0.34 * a.h), 1.0)
    logo(c, d, a.part(0.22, 0.08, 0.56, 0.13), g)
    bright = lighter(d.tint, 0.25) if brightness(d.tint) > 60 else (222.0, 178.0, 96.0)
    text_in(
        c, d.variety.lower() if d.draws[2] < 0.5 else d.variety, d.title_face, bright, a.part(0.14, 0.27, 0.72, 0.075)
    )
    text_in(c, d.title.upper(), d.text_face, PAPER, a.part(0.2, 0.37, 0.6, 0.035))
    c.fill(rectangle(a.x + 0.3 * a.w, a.y + 0.425 * a.h, 0.4 * a.w, max(1.0, 0.003 * a.h)), bright)
    picture_in(c, d, x, y, min(0.38 * a.w, 0.2 * a.h))
    _claims(c, d, a.part(0.15, 0.88, 0.7, 0.05), mixed(PAPER, g, 0.3))
    amount(c, d, a.part(0.3, 0.945, 0.4, 0.03), PAPER, 0.5)


def badge(c: Canvas, d: Design, a: Area) -> None:
    """A big emblem in the upper middle over rays or diagonal fields."""
    g = d.ground if brightness(d.ground) < 235 else d.tint
    c.fill(rectangle(a.x, a.y, a.w, a.h), linear(lighter(g, 0.15), darker(g, 0.25), a.at(0, 0), a.at(0, 1)))
    x, y = a.at(0.5, 0.33)
    _rays(c, a, x, y, lighter(g, 0.3)) if d.draws[3] < 0.6 else c.fill(
        _clipped([a.at(0, 0.55), a.at(1, 0.3), a.at(1, 1), a.at(0, 1)], a), d.tint
    )
    r = min(0.42 * a.w, 0.24 * a.h)
    rim = PAPER if brightness(g) < 160 else d.brand_colour
    shape = (
        ellipse(x, y, r * 1.05, r * 0.8),
        star(x, y, 1.08 * r, 0.95 * r, 20),
        rounded(x - r, y - 0.62 * r, 2 * r, 1.24 * r, 0.3 * r),
    )[int(d.draws[4] * 3)]
    c.shadow(shape, x=0.02 * r, y=0.06 * r, alpha=0.4)
    c.fill(shape, rim)
    field = d.brand_colour if rim == PAPER else PAPER
    c.fill(
        shape.moved(-x, -y).scaled(0.92).moved(x, y),
        linear(lighter(field, 0.1), darker(field, 0.15), (x, y - r), (x, y + r)),
    )
    text_in(c, d.brand, d.brand_face, ink_on(field), Area(x - 0.72 * r, y - 0.36 * r, 1.44 * r, 0.5 * r), shadow=0.02)
    text_in(
        c,
        d.title.upper(),
        d.text_face,
        mixed(ink_on(field), field, 0.12),
        Area(x - 0.6 * r, y + 0.2 * r, 1.2 * r, 0.2 * r),
    )
    strip = a.part(0.0, 0.575, 1.0, 0.075)
    c.fill(rectangle(strip.x, strip.y, strip.w, strip.h), d.tint)
    text_in(c, d.variety.upper(), "human-black", ink_on(d.tint), strip.part(0.1, 0.2, 0.8, 0.6))
    picture_in(c, d, *a.at(0.5, 0.79), min(0.38 * a.w, 0.15 * a.h))
    if d.draws[5] < 0.5:
        seal(c, d, *a.at(0.84, 0.08), 0.12 * min(a.w, a.h), d.claims[0], lighter(d.tint, 0.1))
    amount(c, d, a.part(0.62, 0.94, 0.33, 0.035), ink_on(darker(g, 0.25)))


def panel(c: Canvas, d: Design, a: Area) -> None:
    """A paper label on a patterned ground, framed, in book type: jam, tea, fine chocolate."""
    g = d.ground
    c.fill(rectangle(a.x, a.y, a.w, a.h), g)
    _pattern(c, d, a, mixed(g, d.tint, 0.35) if abs(brightness(g) - brightness(d.tint)) > 20 else darker(g, 0.15))
    paper = PAPER if brightness(g) < 225 else lighter(d.tint, 0.82)
    label = a.part(0.12, 0.1, 0.76, 0.8)
    r = 0.12 * label.w if d.draws[4] < 0.5 else 0.0
    c.fill(rounded(label.x, label.y, label.w, label.h, r).moved(0.006 * a.w, 0.008 * a.h), (0.0, 0.0, 0.0), 0.2)
    c.fill(rounded(label.x, label.y, label.w, label.h, r), paper)
    line = legible(d.tint, paper)
    for grow, tone in ((0.035, line), (0.045, paper)):
        inset = grow * label.w
        c.fill(rounded(label.x + inset, label.y + inset, label.w - 2 * inset, label.h - 2 * inset, 0.8 * r), tone)
    logo(c, d, label.part(0.16, 0.09, 0.68, 0.15), paper)
    picture_in(c, d, *label.at(0.5, 0.45), min(0.28 * label.w, 0.15 * label.h))
    text_in(c, d.variety, d.title_face, line, label.part(0.12, 0.645, 0.76, 0.09))
    text_in(c, d.title, "serif-italic", DARK, label.part(0.2, 0.755, 0.6, 0.055))
    _claims(c, d, label.part(0.2, 0.84, 0.6, 0.05), mixed(DARK, paper, 0.25))
    amount(c, d, label.part(0.3, 0.905, 0.4, 0.04), DARK, 0.5)


def _pattern(c: Canvas, d: Design, a: Area, tone: Colour) -> None:
    """Stripes, dots, gingham or small drops."""
    kind, step = int(d.draws[5] * 4), a.w / (6 + int(d.draws[6] * 8))
    rows, columns = int(a.h / step) + 1, int(a.w / step) + 1
    right, bottom = a.x + a.w, a.y + a.h
    pieces = []
    if kind in (0, 2):
        pieces += [
            rectangle(a.x + k * step, a.y, min(0.5 * step, right - a.x - k * step), a.h)
            for k in range(columns)
            if a.x + k * step < right
        ]
        c.fill(joined(pieces), tone, 0.7 if kind == 0 else 0.4)
        pieces = []
    if kind == 2:
        pieces = [
            rectangle(a.x, a.y + k * step, a.w, min(0.5 * step, bottom - a.y - k * step))
            for k in range(rows)
            if a.y + k * step < bottom
        ]
        c.fill(joined(pieces), tone, 0.4)
    if kind in (1, 3):
        for row in range(rows):
            for column in range(columns):
                x, y = a.x + (column + 0.5 * (row % 2) + 0.25) * step, a.y + (row + 0.5) * step
                if x + 0.2 * step < right and y + 0.2 * step < bottom:
                    pieces.append(
                        ellipse(x, y, 0.2 * step, points=10) if kind == 1 else star(x, y, 0.28 * step, 0.1 * step, 4)
                    )
        c.fill(joined(pieces), tone, 0.8)


def scene(c: Canvas, d: Design, a: Area) -> None:
    """A landscape of plain bands with small trees and a picture on it, the name in the sky."""
    sky = PAPER if brightness(d.ground) > 200 or d.draws[3] < 0.5 else lighter(d.ground, 0.7)
    land = legible(d.tint, sky) if brightness(d.ground) > 200 else d.ground
    c.fill(rectangle(a.x, a.y, a.w, a.h), linear(mixed(sky, land, 0.12), sky, a.at(0, 0), a.at(0, 0.6)))
    if d.draws[4] < 0.6:
        c.fill(ellipse(*a.at(0.8 - 0.6 * d.draws[5], 0.12), 0.09 * a.w), (248.0, 204.0, 64.0))
    for k in range(4):
        v = 0.66 + 0.09 * k
        tone = land if k % 2 == 0 else (lighter(land, 0.75) if d.draws[6] < 0.5 else mixed(land, d.tint, 0.6))
        c.fill(wave(a, v, 0.025, 0.8, d.draws[7 + k]), tone)
        for j in range(3):
            x, y = a.at(0.08 + 0.3 * j + 0.2 * d.draws[12 + 3 * k + j], v + 0.005)
            if k < 3 and a.x + 0.05 * a.w < x < a.x + 0.95 * a.w:
                c.fill(
                    joined(
                        [
                            ellipse(x, y - 0.022 * a.h, 0.03 * a.w, 0.02 * a.h, 16),
                            rectangle(x - 0.004 * a.w, y - 0.015 * a.h, 0.008 * a.w, 0.025 * a.h),
                        ]
                    ),
                    darker(land, 0.25),
                )
    logo(c, d, a.part(0.22, 0.07, 0.56, 0.13), sky)
    picture_in(
        c,
        d,
        *a.at(0.5, 0.335),
        min(0.26 * a.w, 0.10 * a.h),
        tone=d.picture_tone if brightness(d.picture_tone) < 225 else d.brand_colour,
    )
    _title(c, d, a.part(0.1, 0.455, 0.8, 0.15), legible(d.tint, sky), legible(land, sky))
    amount(c, d, a.part(0.6, 0.94, 0.34, 0.035), ink_on(land))
    text_in(c, d.claims[0], d.text_face, ink_on(land), a.part(0.06, 0.945, 0.45, 0.025), anchor=0.0)


def swirl(c: Canvas, d: Design, a: Area) -> None:
    """Sweeping curves of two colours, gloss, slanted letters: soda and detergent."""
    g = d.ground if brightness(d.ground) < 225 else d.tint
    c.fill(rectangle(a.x, a.y, a.w, a.h), linear(lighter(g, 0.2), darker(g, 0.3), a.at(0, 0), a.at(1, 1)))
    for k, (v, tone) in enumerate(((0.52, lighter(d.tint, 0.1)), (0.60, PAPER), (0.635, d.tint))):
        c.fill(wave(a, v, 0.13 - 0.01 * k, 0.62, d.draws[3] * 0.3 + 0.02 * k), tone)
    c.fill(wave(a, 0.78, 0.1, 0.5, 0.4 + 0.2 * d.draws[4]), darker(d.tint, 0.25))
    logo(c, d, a.part(0.08, 0.08, 0.84, 0.2), g)
    text_in(c, d.title.upper(), "human-blackitalic", ink_on(g), a.part(0.14, 0.335, 0.72, 0.075), shadow=0.03)
    picture_in(c, d, *a.at(0.5, 0.63), min(0.36 * a.w, 0.17 * a.h))
    text_in(c, d.variety, "human-blackitalic", ink_on(d.tint), a.part(0.16, 0.845, 0.68, 0.06), shadow=0.02)
    if d.draws[5] < 0.7:
        seal(c, d, *a.at(0.82, 0.46), 0.13 * min(a.w, a.h), d.claims[0], (250.0, 214.0, 60.0))
    amount(c, d, a.part(0.62, 0.94, 0.33, 0.035), ink_on(darker(d.tint, 0.25)))


LAYOUTS: dict[str, Callable[[Canvas, Design, Area], None]] = {
    "band": band,
    "full": full,
    "clean": clean,
    "type": type_only,
    "dark": dark,
    "badge": badge,
    "panel": panel,
    "scene": scene,
    "swirl": swirl,
}
