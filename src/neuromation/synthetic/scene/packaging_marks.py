"""What layouts of packages are made of: lines of text in boxes, the brand's logo, seals, rays, patterns, small print."""

from __future__ import annotations

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
    """The design's picture, or another, around a middle."""
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
    text = d.brand.upper() if len(d.brand) % 2 else d.brand
    if d.logo in ("oval", "box", "ribbon", "disc"):
        _logo_on_field(c, d, area, ground, text)
        return
    ink, face = legible(d.brand_colour, ground), d.brand_face
    if d.emblem and d.logo != "arched":
        emblem(c, d.emblem, *area.at(0.5, 0.13), 0.17 * min(area.h, area.w), legible(d.tint, ground))
        area = area.part(0.0, 0.3, 1.0, 0.7)
    em = min(area.h / 0.72, area.w / max(fonts.width_of(text, face), 1e-6))
    wide, high = em * fonts.width_of(text, face), 0.72 * em
    x, y = area.x + 0.5 * area.w, area.y + 0.5 * area.h
    if d.logo == "arched":
        radius = 1.1 * area.w
        c.fill(fonts.around(text, face, radius=radius, em=0.86 * em).moved(x, y + radius + 0.2 * area.h), ink)
        c.fill(stroke(arc_line(x, y + radius + 0.45 * area.h, radius, -0.30, -0.20), 0.05 * area.h), ink)
    elif d.logo == "shadowed":
        placed = fonts.line(text, face).scaled(em).moved(x - wide / 2, y + high / 2)
        behind = darker(ink, 0.5) if brightness(ink) > 90 else lighter(ink, 0.6)
        for k in range(3, 0, -1):
            c.fill(placed.moved(0.025 * em * k, 0.025 * em * k), behind)
        c.fill(placed, ink)
    else:
        text_in(c, text, face, ink, area)
    if d.logo == "underlined":
        line = [(-wide / 2, 0.85 * high), (0.0, 0.68 * high), (wide / 2, 0.8 * high), (0.0, 0.8 * high)]
        c.fill(smooth(line).moved(x, y), legible(d.tint, ground))


def _logo_on_field(c: Canvas, d: Design, area: Area, ground: Colour, text: str) -> None:
    """A name in an oval, a box, a ribbon or a disc of the brand's colour."""
    apart = abs(brightness(d.brand_colour) - brightness(ground))
    field = d.brand_colour if apart > 40 else mixed(d.brand_colour, ink_on(ground), 0.85)
    rim = PAPER if brightness(field) < 150 else DARK
    x, y = area.x + 0.5 * area.w, area.y + 0.5 * area.h
    inner = area.part(0.14, 0.24, 0.72, 0.52)
    if d.logo == "oval":
        c.fill(ellipse(x, y, 0.52 * area.w, 0.58 * area.h), rim)
        shade = linear(lighter(field, 0.12), darker(field, 0.15), (x, y - area.h / 2), (x, y + area.h / 2))
        c.fill(ellipse(x, y, 0.50 * area.w, 0.54 * area.h), shade)
    elif d.logo == "box":
        c.fill(rounded(area.x, area.y, area.w, area.h, 0.2 * area.h), field)
    elif d.logo == "ribbon":
        tails = ((-0.06, 0.2), (1.06, 0.08), (1.0, 0.5), (1.06, 0.88), (-0.06, 0.96), (0.0, 0.58))
        c.fill(polygon([area.at(u, v) for u, v in tails]), darker(field, 0.3))
        c.fill(polygon([area.at(0.02, 0.08), area.at(0.98, 0.0), area.at(0.98, 0.86), area.at(0.02, 0.98)]), field)
    else:
        r = 0.62 * min(area.h, 0.6 * area.w)
        c.fill(ellipse(x, y, r * 1.35, r), rim)
        c.fill(ellipse(x, y, r * 1.27, r * 0.92), field)
        inner = Area(x - r, y - 0.5 * r, 2 * r, r)
    text_in(c, text, d.brand_face, rim, inner)


def emblem(c: Canvas, name: str, x: float, y: float, s: float, ink: Colour) -> None:
    """A brand's small sign: one of `packaging_design.EMBLEMS`."""
    shapes: dict[str, list[Path]] = {
        "crown": [polygon([(-1, 0.6), (-1, -0.5), (-0.5, 0.05), (0, -0.8), (0.5, 0.05), (1, -0.5), (1, 0.6)])],
        "leaf": [smooth([(-0.9, 0.6), (-0.6, -0.3), (0.3, -0.8), (0.9, -0.7), (0.7, 0.1), (0.0, 0.6)])],
        "sun": [ellipse(0, 0, 0.5, points=24), *(rectangle(0.62, -0.07, 0.36, 0.14).turned(k / 10) for k in range(10))],
        "peak": [polygon([(-1, 0.6), (-0.3, -0.7), (0.15, 0.05), (0.4, -0.3), (1, 0.6)])],
        "star": [star(0, 0, 0.95, 0.4, 5)],
        "waves": [
            stroke([(-0.9, v), (-0.45, v - 0.2), (0, v), (0.45, v - 0.2), (0.9, v)], 0.18) for v in (-0.3, 0.15, 0.6)
        ],
        "heart": [smooth([(0, 0.8), (-0.85, -0.05), (-0.6, -0.7), (0, -0.35), (0.6, -0.7), (0.85, -0.05)])],
        "diamonds": [polygon([(a, -0.6), (a + 0.4, 0), (a, 0.6), (a - 0.4, 0)]) for a in (-0.7, 0.0, 0.7)],
    }
    c.fill(joined(shapes[name]).scaled(s).moved(x, y), ink)


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
    """The net weight."""
    text_in(c, d.amount, "sans-bold", ink, area, anchor=anchor)


def rays(c: Canvas, a: Area, x: float, y: float, tone: Colour) -> None:
    """Rays from a point to beyond the area."""
    reach = a.w + a.h
    rays = []
    for k in range(14):
        s0, c0 = sine_cosine(k / 14)
        s1, c1 = sine_cosine((k + 0.5) / 14)
        rays.append(clipped([(x, y), (x + reach * c0, y + reach * s0), (x + reach * c1, y + reach * s1)], a))
    c.fill(joined(rays), tone, 0.35)


def clipped(points: list[tuple[float, float]], a: Area) -> Path:
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


def pattern(c: Canvas, d: Design, a: Area, tone: Colour) -> None:
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


def details(c: Canvas, d: Design, a: Area) -> None:
    """What makes print look like print: a mark of origin, lozenges with nutrients, a line of small letters."""
    ink = ink_on(c.tone_at(int(a.x + 0.05 * a.w), int(a.y + 0.6 * a.h)))
    if d.draws[30] < 0.45:
        x, y = a.at(0.085 if d.draws[31] < 0.5 else 0.915, 0.05)
        r = 0.055 * min(a.w, 0.75 * a.h)
        tone = ((58.0, 128.0, 60.0), (20.0, 90.0, 160.0), (190.0, 30.0, 40.0), (226.0, 170.0, 30.0))[
            int(d.draws[32] * 4)
        ]
        c.fill(ellipse(x, y, r), PAPER)
        c.fill(ellipse(x, y, 0.88 * r), tone)
        c.fill(
            smooth(
                [
                    (x - 0.5 * r, y + 0.35 * r),
                    (x - 0.3 * r, y - 0.4 * r),
                    (x + 0.5 * r, y - 0.5 * r),
                    (x + 0.2 * r, y + 0.35 * r),
                ]
            ),
            PAPER,
        )
    if d.draws[33] < 0.35 and a.h > 0.8 * a.w:
        wide_, high = 0.062 * a.w, 0.05 * a.h
        for k in range(4):
            top = a.y + (0.56 + 0.058 * k) * a.h
            box = rounded(a.x + 0.025 * a.w, top, wide_, high, 0.3 * wide_)
            c.fill(box, ink, 0.9)
            number = f"{int(1 + 30 * d.draws[34 + k])}%"
            text_in(
                c, number, "sans-bold", ink_on(ink), Area(a.x + 0.032 * a.w, top + 0.3 * high, 0.048 * a.w, 0.4 * high)
            )
    if d.draws[40] < 0.7:
        note = "Serving suggestion. Store in a cool, dry place. Best before: see top of pack."
        text_in(
            c,
            note,
            d.text_face,
            ink_on(c.tone_at(int(a.x + 0.3 * a.w), int(a.y + 0.985 * a.h))),
            a.part(0.05, 0.978, 0.6, 0.014),
            anchor=0.0,
        )


def claim_lines(c: Canvas, d: Design, area: Area, ink: Colour) -> None:
    """The claims, one below the other."""
    for k, claim in enumerate(d.claims):
        text_in(c, claim, d.text_face, ink, area.part(0, k / len(d.claims), 1, 0.72 / len(d.claims)))
