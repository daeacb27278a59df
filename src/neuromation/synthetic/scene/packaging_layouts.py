"""Fronts of packages: families of layouts, as graphic designers compose them. Owns where things go, not what they are.

Each layout draws into an area of a canvas, in sizes relative to it, over a ground that may go on beyond it.
"""

from __future__ import annotations

from collections.abc import Callable

from neuromation.synthetic.scene import fonts
from neuromation.synthetic.scene.meshes_build import sine_cosine
from neuromation.synthetic.scene.packaging_canvas import (
    Canvas,
    Colour,
    ellipse,
    joined,
    linear,
    polygon,
    radial,
    rectangle,
    rounded,
    star,
)
from neuromation.synthetic.scene.packaging_design import DARK, PAPER, Design, brightness, ink_on, legible
from neuromation.synthetic.scene.packaging_marks import (
    Area,
    amount,
    claim_lines,
    clipped,
    details,
    logo,
    pattern,
    picture_in,
    rays,
    seal,
    text_in,
    wave,
)
from neuromation.synthetic.scene.packaging_pictures import darker, lighter, mixed

WIDE_LEAST = 1.35  # from this width over height on, a front is laid out in two columns


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
        rays(c, a, x, y, lighter(g, 0.35))
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
    pill = d.tint if abs(brightness(d.tint) - brightness(g)) > 12 else ink
    c.fill(rounded(flavour.x, flavour.y, flavour.w, flavour.h, 0.5 * flavour.h), pill)
    text_in(c, d.variety, "human-bold", ink_on(pill), flavour.part(0.08, 0.2, 0.84, 0.6))
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
    claim_lines(c, d, a.part(0.06, 0.89, 0.45, 0.08), ink_on(d.tint))


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
    claim_lines(c, d, a.part(0.25, 0.85, 0.5, 0.06), mixed(DARK, paper, 0.35))
    c.fill(rectangle(a.x, a.y + 0.965 * a.h, a.w, 0.035 * a.h), d.tint)
    amount(c, d, a.part(0.55, 0.92, 0.4, 0.03), DARK)


def type_only(c: Canvas, d: Design, a: Area) -> None:
    """Words as large as they go, stacked, in two colours; hardly a picture."""
    g = d.ground
    c.fill(rectangle(a.x, a.y, a.w, a.h), g)
    ink, second = legible(d.tint, g), ink_on(g)
    logo(c, d, a.part(0.2, 0.05, 0.6, 0.11), g)
    claims = [claim for claim in d.claims if all(len(word) > 2 and word.isalpha() for word in claim.split())]
    words = [word for text in (d.title, d.variety, *claims[:1]) for word in text.split()][:7]
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
    claim_lines(c, d, a.part(0.15, 0.88, 0.7, 0.05), mixed(PAPER, g, 0.3))
    amount(c, d, a.part(0.3, 0.945, 0.4, 0.03), PAPER, 0.5)


def badge(c: Canvas, d: Design, a: Area) -> None:
    """A big emblem in the upper middle over rays or diagonal fields."""
    g = d.ground if brightness(d.ground) < 235 else d.tint
    c.fill(rectangle(a.x, a.y, a.w, a.h), linear(lighter(g, 0.15), darker(g, 0.25), a.at(0, 0), a.at(0, 1)))
    x, y = a.at(0.5, 0.33)
    rays(c, a, x, y, lighter(g, 0.3)) if d.draws[3] < 0.6 else c.fill(
        clipped([a.at(0, 0.55), a.at(1, 0.3), a.at(1, 1), a.at(0, 1)], a), d.tint
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
    pattern(c, d, a, mixed(g, d.tint, 0.35) if abs(brightness(g) - brightness(d.tint)) > 20 else darker(g, 0.15))
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
    claim_lines(c, d, label.part(0.2, 0.84, 0.6, 0.05), mixed(DARK, paper, 0.25))
    amount(c, d, label.part(0.3, 0.905, 0.4, 0.04), DARK, 0.5)


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


def wide(c: Canvas, d: Design, a: Area) -> None:
    """A face much wider than high: name and title to the left, the picture to the right. For every family."""
    g = d.ground if brightness(d.ground) < 235 or d.layout in ("clean", "scene", "type") else d.tint
    if d.layout == "dark":
        g = darker(d.ground, 0.62)
    if d.layout == "panel":
        c.fill(rectangle(a.x, a.y, a.w, a.h), g)
        pattern(c, d, a, darker(g, 0.12))
        c.fill(rounded(a.x + 0.04 * a.w, a.y + 0.1 * a.h, 0.92 * a.w, 0.8 * a.h, 0.08 * a.h), PAPER)
        g = PAPER
    else:
        c.fill(rectangle(a.x, a.y, a.w, a.h), linear(lighter(g, 0.18), darker(g, 0.14), a.at(0, 0), a.at(0.2, 1)))
        bend = 0.62 + 0.1 * d.draws[3]
        edge = [a.at(bend + 0.05 * sine_cosine(0.5 * k / 12 + d.draws[4])[0], k / 12) for k in range(13)]
        c.fill(polygon([*edge, a.at(1, 1), a.at(1, 0)]), mixed(d.tint, PAPER, 0.0 if d.layout != "clean" else 0.8))
    x, y = a.at(0.81, 0.5)
    picture_in(c, d, x, y, min(0.34 * a.h, 0.15 * a.w))
    logo(c, d, a.part(0.08, 0.14, 0.46, 0.3), g)
    text_in(c, d.title, d.title_face, legible(darker(d.tint, 0.1), g), a.part(0.08, 0.5, 0.46, 0.18), anchor=0.5)
    text_in(c, d.variety, d.text_face, ink_on(g), a.part(0.08, 0.71, 0.46, 0.1), anchor=0.5)
    foot = a.part(0.62, 0.8, 0.32, 0.07) if d.layout == "panel" else a.part(0.08, 0.87, 0.2, 0.08)
    amount(c, d, foot, ink_on(g), 1.0 if d.layout == "panel" else 0.0)


def front(c: Canvas, d: Design, a: Area) -> None:
    """The front of a package in an area of any proportions."""
    if a.w > WIDE_LEAST * a.h:
        wide(c, d, a)
        return
    LAYOUTS[d.layout](c, d, a)
    details(c, d, a)


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
