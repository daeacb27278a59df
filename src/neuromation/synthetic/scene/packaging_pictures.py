"""Little pictures of what is in a package: fruit, bowls, grain, drinks, fish. Owns how they are drawn, not where.

Each takes a canvas, a middle and a half size in pixels, a tone and a list of numbers 0..1 that make one drawing differ
from the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    stroke,
)

Draws = Sequence[float]
Picture = Callable[[Canvas, float, float, float, Colour, Draws], None]

WHITE: Colour = (255.0, 255.0, 255.0)
CREAM: Colour = (250.0, 243.0, 226.0)
GREEN: Colour = (74.0, 138.0, 46.0)
BROWN: Colour = (110.0, 66.0, 34.0)
GOLD: Colour = (222.0, 168.0, 74.0)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """`one`, and `share` of `other`."""
    return (
        one[0] + (other[0] - one[0]) * share,
        one[1] + (other[1] - one[1]) * share,
        one[2] + (other[2] - one[2]) * share,
    )


def lighter(tone: Colour, share: float) -> Colour:
    return mixed(tone, WHITE, share)


def darker(tone: Colour, share: float) -> Colour:
    return mixed(tone, (0.0, 0.0, 0.0), share)


def _round(c: Canvas, path: Path, tone: Colour, x: float, y: float, s: float) -> None:
    """A shaded round thing lit from the upper left, with a shadow below and a gleam."""
    c.shadow(path, x=0.03 * s, y=0.10 * s, alpha=0.28)
    c.fill(path, radial(lighter(tone, 0.35), darker(tone, 0.34), (x - 0.35 * s, y - 0.4 * s), 1.65 * s))
    c.fill(ellipse(x - 0.36 * s, y - 0.42 * s, 0.22 * s, 0.13 * s, 20), WHITE, 0.5)


def leaf(c: Canvas, x: float, y: float, s: float, turns: float, tone: Colour = GREEN) -> None:
    """A leaf that grows from (x, y)."""
    outline = smooth(
        [(0, 0), (0.3 * s, -0.26 * s), (0.75 * s, -0.2 * s), (s, 0), (0.72 * s, 0.18 * s), (0.3 * s, 0.2 * s)]
    )
    c.fill(
        outline.turned(turns).moved(x, y), linear(lighter(tone, 0.2), darker(tone, 0.2), (x, y - s / 2), (x, y + s / 2))
    )
    c.fill(stroke([(0.05 * s, 0), (0.9 * s, 0)], 0.04 * s).turned(turns).moved(x, y), lighter(tone, 0.45), 0.7)


def apple(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    half = [(0, -0.72), (0.5, -0.9), (0.95, -0.5), (0.9, 0.2), (0.5, 0.85), (0, 0.78)]
    outline = smooth([*half, *((-a, b) for a, b in half[-2:0:-1])]).scaled(s).moved(x, y)
    _round(c, outline, tone, x, y, s)
    c.fill(stroke([(x, y - 0.7 * s), (x + 0.06 * s, y - 0.95 * s), (x + 0.16 * s, y - 1.12 * s)], 0.08 * s), BROWN)
    leaf(c, x + 0.06 * s, y - 0.9 * s, 0.62 * s, -0.05 - 0.06 * d[0])


def whole_fruit(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    _round(c, ellipse(x, y, s, 0.96 * s), tone, x, y, s)
    for k in range(10):
        a, b = d[k % len(d)] * 1.3 - 0.6, d[(k * 3 + 1) % len(d)] * 1.3 - 0.6
        c.fill(ellipse(x + a * s, y + b * s, 0.02 * s, points=8), darker(tone, 0.3), 0.4)
    leaf(c, x + 0.1 * s, y - 0.8 * s, 0.6 * s, -0.04 - 0.05 * d[0])


def cut_fruit(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """An orange, a lemon, a grapefruit cut in half."""
    disc = ellipse(x, y, s)
    c.shadow(disc, x=0.03 * s, y=0.1 * s, alpha=0.3)
    c.fill(disc, darker(tone, 0.12))
    c.fill(ellipse(x, y, 0.93 * s), lighter(tone, 0.8))
    turn = 0.1 * d[0]
    for k in range(9):
        s0, c0 = sine_cosine(turn + (k + 0.07) / 9)
        s1, c1 = sine_cosine(turn + (k + 0.5) / 9)
        s2, c2 = sine_cosine(turn + (k + 0.93) / 9)
        sides = [
            (r * a, r * b) for r, a, b in ((0.6, c0, s0), (0.84, c0, s0), (0.88, c1, s1), (0.84, c2, s2), (0.6, c2, s2))
        ]
        wedge = smooth([(0.1 * c1, 0.1 * s1), *sides], 4)
        c.fill(wedge.scaled(s).moved(x, y), radial(lighter(tone, 0.3), darker(tone, 0.06), (x, y), 0.9 * s))


def strawberry(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    outline = smooth(
        [(0, -0.7), (0.6, -0.75), (0.85, -0.3), (0.55, 0.45), (0, 0.98), (-0.55, 0.45), (-0.85, -0.3), (-0.6, -0.75)]
    )
    _round(c, outline.scaled(s).moved(x, y), tone, x, y, s)
    seeds = [
        ellipse(x + a * s + (0.05 * s if row % 2 else 0), y + b * s, 0.035 * s, 0.055 * s, 8)
        for row, b in enumerate((-0.4, -0.15, 0.1, 0.35, 0.6))
        for a in (-0.5, -0.25, 0.0, 0.25, 0.5)
        if a * a * 1.6 + max(0.0, b) * max(0.0, b) * 1.5 < 0.6
    ]
    c.fill(joined(seeds), (250.0, 214.0, 120.0))
    for k in range(5):
        leaf(c, x, y - 0.66 * s, 0.5 * s, 0.5 * k / 4 + 0.5 + 0.02 * d[k % len(d)])


def berries(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    places = [(-0.55, 0.35), (0.5, 0.4), (0.0, 0.5), (-0.3, -0.1), (0.35, -0.12), (0.02, -0.5)]
    for k, (a, b) in enumerate(places):
        r = (0.36 + 0.08 * d[k % len(d)]) * s
        _round(c, ellipse(x + a * s, y + b * s, r, points=28), tone, x + a * s, y + b * s, r)
        c.fill(ellipse(x + a * s + 0.08 * s, y + b * s - 0.06 * s, 0.09 * s, 0.07 * s, 10), darker(tone, 0.5), 0.6)
    leaf(c, x + 0.1 * s, y - 0.7 * s, 0.7 * s, -0.08)
    leaf(c, x, y - 0.66 * s, 0.6 * s, 0.58)


def cherries(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    for a, b in ((-0.45, 0.45), (0.5, 0.38)):
        c.fill(
            stroke(
                [(x + a * s, y + b * s - 0.3 * s), (x + a * 0.7 * s, y - 0.3 * s), (x + 0.1 * s, y - 0.95 * s)],
                0.05 * s,
            ),
            GREEN,
        )
        _round(c, ellipse(x + a * s, y + b * s, 0.46 * s, points=32), tone, x + a * s, y + b * s, 0.46 * s)
    leaf(c, x + 0.1 * s, y - 0.95 * s, 0.75 * s, 0.03 + 0.05 * d[0])


def banana(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    outline = smooth(
        [
            (-1, -0.35),
            (-0.8, -0.45),
            (-0.4, 0.05),
            (0.2, 0.2),
            (0.75, -0.1),
            (0.95, -0.6),
            (1.05, -0.55),
            (0.98, 0.1),
            (0.4, 0.65),
            (-0.35, 0.55),
        ]
    )
    path = outline.scaled(s).moved(x, y)
    c.shadow(path, x=0.03 * s, y=0.1 * s)
    c.fill(path, linear(lighter(tone, 0.35), darker(tone, 0.25), (x, y - 0.4 * s), (x, y + 0.6 * s)))
    c.fill(
        stroke([(x - 0.75 * s, y - 0.2 * s), (x - 0.2 * s, y + 0.35 * s), (x + 0.5 * s, y + 0.32 * s)], 0.03 * s),
        darker(tone, 0.3),
        0.5,
    )


def tomato(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    _round(c, ellipse(x, y, s, 0.86 * s), tone, x, y, s)
    for k in range(6):
        leaf(c, x, y - 0.62 * s, 0.44 * s, k / 6 + 0.03 * d[k % len(d)])


def carrot(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    for k in range(4):
        leaf(c, x + 0.6 * s, y - 0.55 * s, 0.6 * s, -0.18 + 0.07 * k, lighter(GREEN, 0.1))
    path = (
        smooth([(0.75, -0.62), (0.5, -0.75), (-0.4, 0.3), (-0.95, 0.98), (-0.2, 0.55), (0.8, -0.35)])
        .scaled(s)
        .moved(x, y)
    )
    c.shadow(path, x=0.03 * s, y=0.08 * s)
    c.fill(path, linear(lighter(tone, 0.3), darker(tone, 0.2), (x - 0.4 * s, y - 0.4 * s), (x + 0.4 * s, y + 0.4 * s)))
    for t in (0.2, 0.4, 0.6, 0.75):
        at = (x + (0.6 - 1.4 * t) * s, y + (-0.55 + 1.4 * t) * s)
        c.fill(stroke([at, (at[0] + 0.16 * s, at[1] + 0.1 * s)], 0.03 * s), darker(tone, 0.3), 0.7)


def peas(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    pod = smooth([(-1, 0.1), (-0.5, -0.35), (0.4, -0.4), (1, -0.2), (0.5, 0.4), (-0.5, 0.45)]).scaled(s).moved(x, y)
    c.shadow(pod, x=0.03 * s, y=0.1 * s)
    c.fill(pod, darker(tone, 0.2))
    for k in range(5):
        a = -0.62 + 0.31 * k
        _round(c, ellipse(x + a * s, y, 0.2 * s, points=24), lighter(tone, 0.15), x + a * s, y, 0.2 * s)


def ear_of_grain(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    for side in (-0.35, 0.0, 0.35):
        top = (x + 1.0 * side * s, y - 0.9 * s)
        c.fill(stroke([(x + 0.1 * side * s, y + s), (x + 0.6 * side * s, y), top], 0.035 * s), darker(tone, 0.2))
        for k in range(6):
            t = k / 6
            px, py = x + (0.65 + 0.35 * t) * side * s, y - 0.05 * s - 0.8 * t * s
            for turn in (-0.16, -0.34):
                leaf(c, px, py, 0.26 * s, turn + 0.06 * side, tone)
        leaf(c, top[0], top[1], 0.26 * s, -0.25, tone)


def splash(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """Milk or juice that splashes up, with drops."""
    points = []
    for k in range(14):
        spike = 0.35 + (0.65 * d[k % len(d)] if k % 2 else 0.0)
        sine, cosine = sine_cosine(0.5 + 0.5 * k / 13)
        points.append((x + cosine * s * (0.75 + 0.4 * spike), y + 0.3 * s + sine * s * 1.15 * spike))
    points += [(x + 0.9 * s, y + 0.75 * s), (x, y + 0.9 * s), (x - 0.9 * s, y + 0.75 * s)]
    path = smooth(points)
    c.shadow(path, x=0.02 * s, y=0.06 * s, alpha=0.22)
    c.fill(path, linear(lighter(tone, 0.6), darker(tone, 0.10), (x, y - 0.8 * s), (x, y + 0.9 * s)))
    for k in range(6):
        a, b = 2.2 * d[k % len(d)] - 1.1, -0.35 - 0.7 * d[(k + 5) % len(d)]
        c.fill(ellipse(x + a * s, y + b * s, (0.05 + 0.05 * d[(k + 2) % len(d)]) * s, points=16), lighter(tone, 0.3))


def bowl(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """A bowl heaped with flakes, rings or pieces of the tone, in milk."""
    c.fill(ellipse(x, y + 0.86 * s, 0.95 * s, 0.14 * s), (0.0, 0.0, 0.0), 0.22)
    c.fill(ellipse(x, y, 1.08 * s, 0.36 * s), (226.0, 226.0, 230.0))
    c.fill(ellipse(x, y, 1.0 * s, 0.30 * s), (250.0, 248.0, 242.0))
    for k in range(34):
        a, b = 1.7 * d[k % len(d)] - 0.85, d[(k * 5 + 3) % len(d)]
        room = max(0.0, 1 - a * a)
        px, py = x + a * s, y + (0.2 - 0.62 * b * room) * s
        r = (0.13 + 0.07 * d[(k * 7 + 1) % len(d)]) * s
        shade = mixed(lighter(tone, 0.25), darker(tone, 0.3), d[(k * 3 + 2) % len(d)])
        piece = ellipse(px, py, r, 0.62 * r, 14)
        c.fill(piece.moved(0.02 * s, 0.04 * s), darker(tone, 0.6), 0.35)
        c.fill(piece, shade)
        c.fill(ellipse(px - 0.2 * r, py - 0.15 * r, 0.4 * r, 0.2 * r, 10), lighter(shade, 0.5), 0.5)
    front = [
        (x + 1.08 * s, y + 0.02 * s),
        (x + 0.9 * s, y + 0.55 * s),
        (x + 0.42 * s, y + 0.88 * s),
        (x - 0.42 * s, y + 0.88 * s),
        (x - 0.9 * s, y + 0.55 * s),
        (x - 1.08 * s, y + 0.02 * s),
    ]
    rim = arc_line(0.0, 0.0, 1.0, 0.5, 0.0, 16) * [1.08 * s, 0.36 * s] + [x, y + 0.02 * s]
    bowl_path = polygon([*front, *rim.tolist()])
    c.fill(bowl_path, linear((248.0, 248.0, 250.0), (176.0, 180.0, 190.0), (x - s, y), (x + s, y + s)))


def glass(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """A glass of a drink."""
    body = polygon([(x - 0.5 * s, y - s), (x + 0.5 * s, y - s), (x + 0.4 * s, y + s), (x - 0.4 * s, y + s)])
    c.shadow(body, x=0.08 * s, y=0.08 * s, alpha=0.25)
    c.fill(body, (236.0, 240.0, 244.0), 0.75)
    drink = polygon(
        [
            (x - 0.45 * s, y - 0.62 * s),
            (x + 0.45 * s, y - 0.62 * s),
            (x + 0.37 * s, y + 0.93 * s),
            (x - 0.37 * s, y + 0.93 * s),
        ]
    )
    c.fill(drink, linear(lighter(tone, 0.15), darker(tone, 0.25), (x - 0.4 * s, y), (x + 0.5 * s, y + 0.4 * s)))
    c.fill(ellipse(x, y - 0.62 * s, 0.45 * s, 0.09 * s), lighter(tone, 0.4))
    c.fill(ellipse(x, y - s, 0.5 * s, 0.1 * s), WHITE, 0.35)
    c.fill(
        polygon(
            [
                (x - 0.38 * s, y - 0.9 * s),
                (x - 0.28 * s, y - 0.9 * s),
                (x - 0.24 * s, y + 0.8 * s),
                (x - 0.31 * s, y + 0.8 * s),
            ]
        ),
        WHITE,
        0.45,
    )


def mug(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """A cup with something hot."""
    c.fill(stroke(arc_line(x + 0.62 * s, y + 0.2 * s, 0.34 * s, -0.22, 0.22), 0.14 * s), (232.0, 230.0, 226.0))
    body = polygon(
        [
            (x - 0.7 * s, y - 0.4 * s),
            (x + 0.7 * s, y - 0.4 * s),
            (x + 0.55 * s, y + 0.8 * s),
            (x - 0.55 * s, y + 0.8 * s),
        ]
    )
    c.shadow(body, x=0.05 * s, y=0.1 * s)
    c.fill(body, linear(WHITE, (190.0, 188.0, 186.0), (x - 0.7 * s, y), (x + 0.7 * s, y)))
    c.fill(ellipse(x, y - 0.4 * s, 0.7 * s, 0.2 * s), (240.0, 238.0, 234.0))
    c.fill(
        ellipse(x, y - 0.38 * s, 0.6 * s, 0.15 * s),
        radial(lighter(tone, 0.25), darker(tone, 0.3), (x, y - 0.4 * s), 0.6 * s),
    )
    for a in (-0.25, 0.1):
        steam = [
            (x + a * s, y - 0.6 * s),
            (x + (a + 0.14) * s, y - 0.8 * s),
            (x + a * s, y - s),
            (x + (a + 0.12) * s, y - 1.2 * s),
        ]
        c.fill(stroke(steam, 0.06 * s), WHITE, 0.5)


def beans(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """Coffee beans, almonds, nuts: a heap of ovals with a crease."""
    for k in range(16):
        a, b = 1.8 * d[k % len(d)] - 0.9, 1.3 * d[(k * 5 + 2) % len(d)] - 0.55
        px, py, turn = x + a * s, y + b * s, d[(k * 3 + 1) % len(d)]
        bean = ellipse(0, 0, 0.3 * s, 0.19 * s, 22).turned(turn).moved(px, py)
        c.shadow(bean, x=0.02 * s, y=0.05 * s)
        c.fill(bean, radial(lighter(tone, 0.35), darker(tone, 0.35), (px - 0.08 * s, py - 0.1 * s), 0.36 * s))
        crease = stroke([(-0.24 * s, 0.02 * s), (0, -0.03 * s), (0.24 * s, 0.02 * s)], 0.035 * s).turned(turn)
        c.fill(crease.moved(px, py), darker(tone, 0.55), 0.8)


def crisps(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    for k in range(13):
        a, b = 1.7 * d[k % len(d)] - 0.85, 1.2 * d[(k * 5 + 2) % len(d)] - 0.6
        px, py, r = x + a * s, y + b * s, (0.36 + 0.1 * d[(k * 3) % len(d)]) * s
        w = [0.85 + 0.3 * d[(k + j) % len(d)] for j in range(8)]
        ring = [(r * w[j] * sine_cosine(j / 8)[1], 0.7 * r * w[j] * sine_cosine(j / 8)[0]) for j in range(8)]
        path = smooth(ring, 4).turned(d[(k * 7) % len(d)] * 0.5).moved(px, py)
        c.shadow(path, x=0.03 * s, y=0.07 * s)
        c.fill(path, linear(lighter(tone, 0.4), darker(tone, 0.1), (px - r, py - r), (px + r, py + r)))
        c.fill(ellipse(px + 0.1 * r, py + 0.1 * r, 0.55 * r, 0.32 * r, 20), darker(tone, 0.16), 0.35)
        c.fill(ellipse(px - 0.3 * r, py - 0.25 * r, 0.25 * r, 0.1 * r, 12), WHITE, 0.4)


def biscuits(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    for k, (a, b) in enumerate(((-0.45, 0.25), (0.5, 0.3), (0.02, -0.25))):
        px, py, r = x + a * s, y + b * s, 0.62 * s
        path = ellipse(px, py, r, points=40)
        c.shadow(path, x=0.04 * s, y=0.08 * s)
        c.fill(path, radial(lighter(tone, 0.35), darker(tone, 0.22), (px - 0.2 * r, py - 0.25 * r), 1.2 * r))
        for j in range(9):
            u, v = 1.4 * d[(k * 9 + j) % len(d)] - 0.7, 1.4 * d[(k * 5 + 3 * j + 1) % len(d)] - 0.7
            if u * u + v * v < 0.6:
                c.fill(ellipse(px + u * r, py + v * r, 0.11 * r, 0.09 * r, 12), darker(BROWN, 0.35))


def chocolate(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """A broken bar."""
    for row in range(3):
        for column in range(4):
            if row == 0 and column == 3:
                continue
            px, py = x + (column - 2) * 0.48 * s, y + (row - 1.4) * 0.44 * s
            square = rectangle(0, 0, 0.46 * s, 0.42 * s).sheared(-0.12).moved(px, py)
            c.fill(square.moved(0.03 * s, 0.05 * s), (0.0, 0.0, 0.0), 0.25)
            c.fill(square, linear(lighter(tone, 0.2), darker(tone, 0.2), (px, py), (px + 0.4 * s, py + 0.4 * s)))
            inner = rectangle(0.08 * s, 0.07 * s, 0.28 * s, 0.26 * s).sheared(-0.12).moved(px, py)
            c.fill(inner, linear(darker(tone, 0.15), lighter(tone, 0.12), (px, py), (px + 0.4 * s, py + 0.4 * s)))


def pasta(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    for k in range(15):
        a, b = 1.7 * d[k % len(d)] - 0.85, 1.2 * d[(k * 5 + 2) % len(d)] - 0.6
        px, py, turn = x + a * s, y + b * s, d[(k * 3 + 1) % len(d)]
        tube = polygon(
            [
                (-0.32 * s, -0.02 * s),
                (-0.24 * s, -0.11 * s),
                (0.32 * s, -0.11 * s),
                (0.24 * s, 0.11 * s),
                (-0.32 * s, 0.11 * s),
            ]
        )
        path = tube.turned(turn).moved(px, py)
        c.shadow(path, x=0.02 * s, y=0.05 * s)
        c.fill(
            path,
            linear(
                lighter(tone, 0.45), darker(tone, 0.15), (px - 0.1 * s, py - 0.15 * s), (px + 0.1 * s, py + 0.2 * s)
            ),
        )
        c.fill(ellipse(0.28 * s, 0, 0.035 * s, 0.1 * s, 12).turned(turn).moved(px, py), darker(tone, 0.5), 0.8)


def grains(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """Rice, flour, spices: a heap with grains."""
    heap = smooth(
        [
            (x - s, y + 0.6 * s),
            (x - 0.5 * s, y - 0.1 * s),
            (x, y - 0.5 * s),
            (x + 0.5 * s, y - 0.1 * s),
            (x + s, y + 0.6 * s),
            (x, y + 0.72 * s),
        ]
    )
    c.shadow(heap, x=0.03 * s, y=0.08 * s)
    c.fill(heap, linear(lighter(tone, 0.3), darker(tone, 0.2), (x - 0.4 * s, y - 0.4 * s), (x + 0.4 * s, y + 0.7 * s)))
    light: list[Path] = []
    dark: list[Path] = []
    for k in range(40):
        a, b = 1.5 * d[k % len(d)] - 0.75, d[(k * 5 + 3) % len(d)]
        py = y + 0.6 * s - b * (1 - a * a * 1.3) * 0.95 * s
        grain = ellipse(0, 0, 0.07 * s, 0.028 * s, 10).turned(d[(k * 3) % len(d)]).moved(x + a * s, py)
        (light if k % 2 else dark).append(grain)
    c.fill(joined(light), lighter(tone, 0.6), 0.9)
    c.fill(joined(dark), darker(tone, 0.3), 0.5)


def fish(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    outline = smooth(
        [
            (-1, 0),
            (-0.6, -0.32),
            (0, -0.42),
            (0.55, -0.15),
            (0.95, -0.42),
            (0.85, 0),
            (0.95, 0.42),
            (0.55, 0.15),
            (0, 0.38),
            (-0.6, 0.28),
        ]
    )
    path = outline.scaled(s).moved(x, y)
    c.shadow(path, x=0.03 * s, y=0.1 * s)
    c.fill(path, linear(darker(tone, 0.35), lighter(tone, 0.75), (x, y - 0.4 * s), (x, y + 0.35 * s)))
    c.fill(
        polygon([(x - 0.2 * s, y - 0.38 * s), (x + 0.25 * s, y - 0.6 * s), (x + 0.3 * s, y - 0.3 * s)]),
        darker(tone, 0.3),
    )
    c.fill(ellipse(x - 0.68 * s, y - 0.08 * s, 0.08 * s, points=16), WHITE)
    c.fill(ellipse(x - 0.68 * s, y - 0.08 * s, 0.045 * s, points=12), (20.0, 20.0, 24.0))
    c.fill(stroke(arc_line(x - 0.7 * s, y, 0.3 * s, -0.12, 0.12), 0.03 * s), darker(tone, 0.4), 0.7)


def cow(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """A cow in outline, as on milk."""
    body = smooth(
        [
            (-0.75, -0.25),
            (-0.2, -0.35),
            (0.45, -0.32),
            (0.72, -0.2),
            (0.75, 0.25),
            (0.3, 0.32),
            (-0.4, 0.32),
            (-0.75, 0.2),
        ]
    )
    legs = [rectangle(a, 0.15, 0.13, 0.6) for a in (-0.68, -0.45, 0.38, 0.6)]
    head = smooth([(-1.0, -0.35), (-0.8, -0.6), (-0.6, -0.5), (-0.6, -0.2), (-0.85, -0.02), (-1.02, -0.1)])
    horns = [
        polygon([(-0.86, -0.52), (-0.95, -0.78), (-0.78, -0.58)]),
        polygon([(-0.66, -0.52), (-0.58, -0.78), (-0.72, -0.58)]),
    ]
    tail = stroke([(0.72, -0.2), (0.9, 0.05), (0.86, 0.3)], 0.05)
    c.fill(joined([body, *legs, head, *horns, tail]).scaled(s).moved(x, y), tone)
    spots = [ellipse(-0.25, -0.05, 0.18, 0.14, 20), ellipse(0.35, 0.0, 0.2, 0.16, 20)]
    c.fill(joined(spots).scaled(s).moved(x, y), WHITE, 0.95)


def flower(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    for a, b, r in ((-0.4, 0.25, 0.55), (0.45, -0.1, 0.65), (-0.2, -0.55, 0.4)):
        px, py = x + a * s, y + b * s
        c.fill(stroke([(px, py), (x + 0.1 * s, y + s)], 0.04 * s), GREEN)
        for k in range(11):
            petal = ellipse(0.62 * r * s, 0, 0.36 * r * s, 0.14 * r * s, 14).turned(k / 11 + 0.03 * d[0]).moved(px, py)
            c.fill(petal, mixed(WHITE, tone, 0.12 + 0.2 * (k % 2)))
        _round(c, ellipse(px, py, 0.28 * r * s, points=24), (238.0, 186.0, 40.0), px, py, 0.28 * r * s)
    leaf(c, x + 0.1 * s, y + 0.8 * s, 0.6 * s, -0.06)
    leaf(c, x + 0.08 * s, y + 0.85 * s, 0.6 * s, 0.56)


def bubbles(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """Soap or fizz."""
    for k in range(15):
        a, b = 2 * d[k % len(d)] - 1, 2 * d[(k * 5 + 2) % len(d)] - 1
        r = (0.07 + 0.26 * d[(k * 3 + 1) % len(d)] * d[(k * 3 + 1) % len(d)]) * s
        px, py = x + 0.9 * a * s, y + 0.9 * b * s
        c.fill(ellipse(px, py, r, points=28), radial(lighter(tone, 0.85), lighter(tone, 0.25), (px, py), r), 0.65)
        c.fill(ellipse(px - 0.35 * r, py - 0.35 * r, 0.22 * r, 0.15 * r, 12), WHITE, 0.9)


def drop(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    path = smooth([(0, -1), (0.3, -0.4), (0.62, 0.15), (0.5, 0.7), (0, 0.95), (-0.5, 0.7), (-0.62, 0.15), (-0.3, -0.4)])
    _round(c, path.scaled(s).moved(x, y), tone, x, y, s)


def olives(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    c.fill(stroke([(x - s, y - 0.6 * s), (x, y - 0.35 * s), (x + s, y - 0.5 * s)], 0.05 * s), BROWN)
    for k, a in enumerate((-0.8, -0.3, 0.3, 0.8)):
        leaf(c, x + a * s, y - 0.45 * s, 0.6 * s, (-0.14 if k % 2 else 0.36) + 0.05 * d[k], darker(GREEN, 0.1))
    for a, b in ((-0.45, 0.1), (0.1, 0.3), (0.6, 0.05)):
        _round(c, ellipse(x + a * s, y + b * s, 0.26 * s, 0.36 * s, 28), tone, x + a * s, y + b * s, 0.3 * s)


def paw(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    pads = [
        ellipse(-0.6, -0.15, 0.2, 0.27, 20),
        ellipse(-0.22, -0.55, 0.22, 0.3, 20),
        ellipse(0.22, -0.55, 0.22, 0.3, 20),
        ellipse(0.6, -0.15, 0.2, 0.27, 20),
    ]
    heel = smooth(
        [(0, -0.05), (0.45, 0.25), (0.5, 0.65), (0.2, 0.75), (0, 0.68), (-0.2, 0.75), (-0.5, 0.65), (-0.45, 0.25)]
    )
    c.fill(
        joined([*pads, heel]).scaled(s).moved(x, y),
        linear(lighter(tone, 0.2), darker(tone, 0.15), (x, y - s), (x, y + s)),
    )


def shine(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """A swirl of freshness with sparkles, as on detergents and shampoos."""
    for k in range(3):
        ring = arc_line(x, y, (0.9 - 0.22 * k) * s, 0.1 + 0.3 * k + d[0], 0.8 + 0.3 * k + d[0], 30)
        c.fill(stroke(ring, (0.2 - 0.04 * k) * s), mixed(tone, WHITE, 0.25 * k), 0.85)
    for k in range(4):
        px, py, r = x + (2 * d[k] - 1) * 0.9 * s, y + (2 * d[k + 4] - 1) * 0.9 * s, 0.22 * s
        spark = polygon(
            [
                (px, py - r),
                (px + 0.15 * r, py - 0.15 * r),
                (px + r, py),
                (px + 0.15 * r, py + 0.15 * r),
                (px, py + r),
                (px - 0.15 * r, py + 0.15 * r),
                (px - r, py),
                (px - 0.15 * r, py - 0.15 * r),
            ]
        )
        c.fill(spark, WHITE, 0.95)


def sandwich(c: Canvas, x: float, y: float, s: float, tone: Colour, d: Draws) -> None:
    """A block of butter on a dish, a curl on it."""
    c.fill(ellipse(x, y + 0.5 * s, 1.1 * s, 0.25 * s), (214.0, 216.0, 222.0))
    c.fill(
        polygon(
            [
                (x - 0.8 * s, y - 0.1 * s),
                (x - 0.5 * s, y - 0.4 * s),
                (x + 0.85 * s, y - 0.4 * s),
                (x + 0.6 * s, y - 0.1 * s),
            ]
        ),
        lighter(tone, 0.45),
    )
    c.fill(rectangle(x - 0.8 * s, y - 0.1 * s, 1.4 * s, 0.55 * s), tone)
    c.fill(
        polygon(
            [
                (x + 0.6 * s, y - 0.1 * s),
                (x + 0.85 * s, y - 0.4 * s),
                (x + 0.85 * s, y + 0.15 * s),
                (x + 0.6 * s, y + 0.45 * s),
            ]
        ),
        darker(tone, 0.16),
    )
    c.fill(rounded(x - 0.75 * s, y - 0.28 * s, 0.4 * s, 0.2 * s, 0.1 * s), lighter(tone, 0.6), 0.9)


PICTURES: dict[str, Picture] = {
    "apple": apple, "orange": whole_fruit, "citrus": cut_fruit, "strawberry": strawberry, "berries": berries,
    "cherries": cherries, "banana": banana, "tomato": tomato, "carrot": carrot, "peas": peas, "grain": ear_of_grain,
    "splash": splash, "bowl": bowl, "glass": glass, "mug": mug, "beans": beans, "crisps": crisps, "biscuits": biscuits,
    "chocolate": chocolate, "pasta": pasta, "grains": grains, "fish": fish, "cow": cow, "flower": flower,
    "bubbles": bubbles, "drop": drop, "olives": olives, "paw": paw, "shine": shine, "butter": sandwich,
}  # fmt: skip
