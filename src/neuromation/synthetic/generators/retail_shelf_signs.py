"""What is printed in a shop beside the goods: price tags with numbers and bars, promotional labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from numpy.random import Generator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.products.model import Product, product_key
from neuromation.synthetic.scene.fonts import fitted
from neuromation.synthetic.scene.model import Material, Texture
from neuromation.synthetic.scene.packaging_canvas import Canvas, Colour, ellipse, rectangle, rounded

_TAG_PX = (144, 88)
_SIGN_PX = 160
_SIGNS = 48  # different promotional labels


@dataclass(frozen=True)
class TagStyle:
    """How one shop prints its price tags: size in metres, colours 0..255."""

    size_m: tuple[float, float]
    ground: Colour
    ink: Colour
    band: Colour
    price_share: float  # width of the price


_STYLES: tuple[TagStyle, ...] = (
    TagStyle((0.068, 0.040), (246, 246, 242), (20, 20, 22), (246, 246, 242), 0.55),
    TagStyle((0.060, 0.036), (250, 250, 250), (24, 24, 26), (198, 28, 30), 0.6),
    TagStyle((0.074, 0.042), (226, 228, 224), (30, 32, 34), (226, 228, 224), 0.5),
    TagStyle((0.058, 0.038), (252, 238, 150), (28, 24, 20), (252, 238, 150), 0.62),
    TagStyle((0.078, 0.040), (250, 250, 248), (16, 60, 120), (24, 92, 168), 0.5),
    TagStyle((0.066, 0.042), (248, 248, 244), (22, 22, 22), (86, 158, 60), 0.58),
)


def draw_tag_style(rng: Generator) -> TagStyle:
    """The tags of one shop."""
    return _STYLES[int(rng.integers(len(_STYLES)))]


def price_of(product: Product) -> int:
    """What a product costs, hundredths: the same in every picture."""
    key = product_key(product.sku)
    whole = 5 + key % 23 + (key // 23) % 3 * (key // 97 % 25)
    return whole * 100 + (90, 95, 99, 50, 0)[key // 1_000_003 % 5]


def tag_material(style: TagStyle, product: Product, *, is_promo: bool) -> Material:
    """The face of a price tag; drawn once for every product and style, and kept."""
    return _tag(_STYLES.index(style), product.name[:24], price_of(product), is_promo)


@lru_cache(maxsize=2048)
def _tag(place: int, name: str, price: int, is_promo: bool) -> Material:
    style = _STYLES[place]
    ground: Colour = (255, 214, 0) if is_promo else style.ground
    ink: Colour = (190, 16, 20) if is_promo else style.ink
    width, height = _TAG_PX
    canvas = Canvas(width, height, ground)
    if style.band != style.ground or is_promo:
        canvas.fill(rectangle(0, 0, width, 20), (200, 20, 24) if is_promo else style.band)
    top_ink: Colour = (255, 255, 255) if style.band != style.ground or is_promo else ink
    words, _ = fitted(name or "offer", "sans-bold", width=width - 12, height=11, anchor=0.0)
    canvas.fill(words.moved(6, 15), top_ink)
    wide = style.price_share * width
    number, _ = fitted(f"{price // 100}", "sans-black", width=wide * 0.66, height=44, anchor=1.0)
    canvas.fill(number.moved(width - 0.32 * wide - 6, 76), ink)
    cents, _ = fitted(f"{price % 100:02d}", "sans-black", width=wide * 0.3, height=20, anchor=0.0)
    canvas.fill(cents.moved(width - 0.32 * wide - 2, 52), ink)
    small, _ = fitted(f"{price * 2 / 100:.2f}/kg", "sans", width=width * 0.36, height=8, anchor=0.0)
    canvas.fill(small.moved(6, 40), ink)
    x, bits = 6.0, price * 2_654_435_761 % 2**32
    while x < 0.4 * width:
        bar = 1 + (bits & 1)
        canvas.fill(rectangle(x, 54, bar, 24), ink)
        x += bar + 1 + (bits >> 1 & 1)
        bits = bits >> 2 | (bits & 3) << 30
    return Material(colour=(1.0, 1.0, 1.0), texture=Texture(canvas.pixels(), repeats=False), kind="coat", roughness=0.3)


def promo_material(rng: Generator) -> Material:
    """A promotional label, one of some dozens."""
    return _promo(int(rng.integers(_SIGNS)))


_GROUNDS: tuple[Colour, ...] = (
    (226, 24, 30),
    (255, 208, 0),
    (20, 130, 60),
    (240, 110, 10),
    (250, 250, 246),
    (20, 80, 170),
)
_WORDS = ("NEW", "SALE", "2 FOR 1", "-25%", "-30%", "-50%", "3 FOR 5", "FRESH", "LOCAL", "HIT")


@lru_cache(maxsize=_SIGNS)
def _promo(number: int) -> Material:
    rng = unit_rng(0, number, "promotional label")
    ground = _GROUNDS[int(rng.integers(len(_GROUNDS)))]
    is_light = ground[0] + ground[1] + ground[2] > 450
    ink: Colour = (200, 20, 24) if is_light else (255, 255, 255)
    canvas = Canvas(_SIGN_PX, _SIGN_PX, ground)
    middle = 0.5 * _SIGN_PX
    if rng.random() < 0.5:
        canvas.fill(ellipse(middle, middle, 0.46 * _SIGN_PX), ink)
        ink = ground
    else:
        canvas.fill(rounded(8, 8, _SIGN_PX - 16, _SIGN_PX - 16, 14), ink, 0.16)
    word, _ = fitted(
        _WORDS[int(rng.integers(len(_WORDS)))], "human-black", width=0.74 * _SIGN_PX, height=0.3 * _SIGN_PX
    )
    canvas.fill(word.moved(middle, middle + 0.08 * _SIGN_PX), ink)
    below, _ = fitted("only this week", "sans-bold", width=0.6 * _SIGN_PX, height=0.09 * _SIGN_PX)
    canvas.fill(below.moved(middle, 0.78 * _SIGN_PX), ink)
    texture = Texture(canvas.pixels(), repeats=False)
    return Material(colour=(1.0, 1.0, 1.0), texture=texture, kind="coat", roughness=0.35, two_sided=True)
