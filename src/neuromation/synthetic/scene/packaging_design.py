"""What a package looks like, as plain data: brand, colours, type, layout, words. Decided by a key alone; draws nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.packaging_words import (
    GOODS,
    Colour,
    Goods,
    colour,
    ean_check_digit,
    invented_brand,
    shown_of,
    tint_of,
)

TEXT_MAX = 120
DRAWS = 64  # numbers that a design has for its pictures
LOGOS = ("plain", "oval", "box", "ribbon", "arched", "disc", "shadowed", "underlined")
EMBLEMS = ("crown", "leaf", "sun", "peak", "star", "waves", "heart", "diamonds")
_BRAND_FACES = (
    "human-black", "sans-black", "serif-black", "round", "book-bolditalic", "modern-extrabold", "thin-caps-bold", "pen",
    "human-blackitalic", "serif-italic", "modern-bold", "book-bold",
)  # fmt: skip
_TITLE_FACES = (
    "sans-bold",
    "human-bold",
    "modern-bold",
    "serif-bold",
    "thin-caps-bold",
    "round",
    "sans-black",
    "book-bold",
)
_BRAND_COLOURS = (
    "red",
    "blue",
    "green",
    "navy",
    "deepgreen",
    "orange",
    "purple",
    "teal",
    "black",
    "deepred",
    "brown",
    "gold",
)
DARK: Colour = (28.0, 27.0, 30.0)
PAPER: Colour = (250.0, 248.0, 242.0)


@dataclass(frozen=True)
class Design:
    """Everything that the art of one package depends on.

    Attributes:
        key: what it was made from; the same key, the same bytes.
        brand, title, variety, amount: the words on the front.
        goods: the kind of goods.
        layout: family of the front.
        ground, tint, brand_colour: colours of the package, of its variety and of its brand, sRGB 0..255.
        brand_face, title_face, text_face: faces of `fonts.FACES`.
        logo: one of LOGOS.
        emblem: one of EMBLEMS, or "" for a brand without.
        picture, picture_tone: what is shown.
        claims, contents, ean: more words.
        draws: numbers 0..1 for its pictures.
    """

    key: str
    brand: str
    title: str
    variety: str
    amount: str
    goods: Goods
    layout: str
    ground: Colour
    tint: Colour
    brand_colour: Colour
    brand_face: str
    title_face: str
    text_face: str
    logo: str
    emblem: str
    picture: str
    picture_tone: Colour
    claims: tuple[str, ...]
    contents: str
    ean: str
    draws: tuple[float, ...]

    @property
    def ink(self) -> Colour:
        """What is legible on the ground."""
        return ink_on(self.ground)


def brightness(tone: Colour) -> float:
    """How bright a tone looks, 0..255 (Rec. 601 weights on sRGB)."""
    return 0.299 * tone[0] + 0.587 * tone[1] + 0.114 * tone[2]


def ink_on(ground: Colour) -> Colour:
    """Black or white, whichever is legible."""
    return DARK if brightness(ground) > 150 else PAPER


def legible(tone: Colour, ground: Colour) -> Colour:
    """The tone, or black or white where it would drown in the ground."""
    apart = abs(brightness(tone) - brightness(ground))
    return tone if apart > 62 else ink_on(ground)


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little")


def _pick(options: tuple[str, ...], draw: float) -> str:
    return options[min(int(draw * len(options)), len(options) - 1)]


@lru_cache(maxsize=4096)
def design_for(
    key: int | str,
    *,
    brand: str = "",
    title: str = "",
    variety: str = "",
    category: str = "",
    amount: str = "",
) -> Design:
    """The design of an article.

    Args:
        key: a SKU, or any text or number. What is not given below is drawn from it alone, so that adding an article
            changes no other.
        brand: its brand; all articles of one brand share logo, type and colour.
        title: what it is called on its front; "" for what is usual.
        variety: "Strawberry"; decides a colour and a picture where it names a known one.
        category: a key of `packaging_words.GOODS`; another text is shown as its title.
        amount: net weight.

    Raises BadScene when a text is longer than 120 characters.
    """
    for text in (str(key), brand, title, variety, category, amount):
        if len(text) > TEXT_MAX:
            raise BadScene(f"a text on a package has at most {TEXT_MAX} characters, not {len(text):,}")
    rng = unit_rng(_seed(f"design/{key}"), 0, "packaging")
    d = rng.random(24).tolist()
    goods = GOODS.get(category.lower()) or GOODS[sorted(GOODS)[int(d[0] * len(GOODS))]]
    unknown = category if category and category.lower() not in GOODS else ""
    brand = brand or invented_brand(d[1:3])
    b = unit_rng(_seed(f"brand/{brand}"), 0, "packaging").random(8).tolist()
    variety = variety or _pick(tuple(v for v in goods.varieties if v != (title or goods.title)), d[3])
    ground = goods.grounds[int(d[4] * len(goods.grounds))]
    brand_colour = colour(_pick(_BRAND_COLOURS, b[0]))
    if d[5] < 0.35:  # a house with a colour of its own
        ground = brand_colour
    tint = tint_of(variety) or colour(_pick(_BRAND_COLOURS, d[6]))
    usual = goods.pictures[int(d[8] * len(goods.pictures))]
    named = shown_of(variety)
    picture, tone = named if named and d[7] < 0.75 else usual
    count = 1 + int(d[9] * min(3, len(goods.claims)))
    first = int(d[10] * len(goods.claims))
    claims = tuple(goods.claims[(first + k) % len(goods.claims)] for k in range(count))
    digits = "40" + str(_seed(f"ean/{key}") % 10**10).zfill(10)
    return Design(
        key=str(key),
        brand=brand,
        title=title or unknown or goods.title,
        variety=variety,
        amount=amount or _pick(goods.amounts, d[11]),
        goods=goods,
        layout=_pick(goods.layouts, d[12]),
        ground=ground,
        tint=tint,
        brand_colour=brand_colour,
        brand_face=_pick(_BRAND_FACES, b[1]),
        title_face=_pick(_TITLE_FACES, d[13]),
        text_face=("sans", "human")[int(d[14] * 2)],
        logo=_pick(LOGOS, b[2]),
        emblem=_pick(EMBLEMS, b[3]) if b[4] < 0.5 else "",
        picture=picture,
        picture_tone=tone,
        claims=claims,
        contents=goods.contents,
        ean=digits + ean_check_digit(digits),
        draws=tuple(rng.random(DRAWS).tolist()),
    )
