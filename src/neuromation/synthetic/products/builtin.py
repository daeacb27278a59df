"""The catalogue that needs no files: invented brands and articles of a supermarket, product n a function of n alone.

Owns the invented words and sizes. Every brand and name is made up; a likeness to a real one is chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.errors import BadCatalogue
from neuromation.synthetic.products.model import (
    BUILT_IN,
    CLASSES_MAX,
    FORMS,
    ONE_CLASS,
    Form,
    Keys,
    Naming,
    Product,
    product_key,
)

BUILT_IN_DEFAULT = 400  # products that a data set draws from unless it says otherwise
BUILT_IN_MAX = 4_000
CLUTTER_FIRST, CLUTTER_COUNT = 4_000, 160  # products beyond the catalogue, which stand behind others and have no label
LOOKALIKE_FIRST = 1_000_000  # numbers from here on are in no catalogue: packages that are no product of the shop


@dataclass(frozen=True)
class Kind:
    """A class of articles: the packages it comes in, with sizes in mm (width, depth, height), and its varieties."""

    name: str
    coarse: str
    packages: tuple[tuple[Form, tuple[int, int, int], str], ...]
    varieties: tuple[str, ...]


_TABLE = """
milk | dairy | gable 70x70x235 1 l, gable 95x62x190 1 l | Whole, Semi, Skimmed, Organic
yoghurt | dairy | tub 95x95x100 500 g, gable 70x70x210 1 kg, tub 75x75x78 180 g | Plain, Vanilla, Strawberry, Honey
oat drink | dairy | gable 72x72x240 1 l, carton 64x92x196 1 l | Natural, Barista, Cocoa, Calcium
butter | dairy | tub 120x120x62 400 g, carton 112x64x40 250 g | Salted, Unsalted, Light
juice | drinks | gable 70x70x240 1 l, bottle 82x82x250 1 l, carton 62x90x198 1 l | Apple, Orange, Mango, Peach, Cherry
soda | drinks | can 66x66x115 330 ml, bottle 66x66x232 500 ml, can 57x57x144 250 ml | Cola, Orange, Lemon, Ginger, Cherry, Zero
water | drinks | bottle 68x68x225 500 ml, bottle 88x88x315 1.5 l | Still, Sparkling, Lime
beer | drinks | can 66x66x168 500 ml, bottle 62x62x232 330 ml | Lager, Pale Ale, Stout, Wheat, Alcohol Free
coffee | hot drinks | pouch 92x62x180 500 g, jar 80x80x150 200 g, carton 110x60x165 250 g | Mild, Dark, Espresso, Decaf
tea | hot drinks | carton 125x68x78 20 bags, carton 75x62x140 50 g | Green, Earl Grey, Mint, Camomile, Rooibos
cereal | breakfast | carton 192x58x290 375 g, carton 235x70x310 500 g | Flakes, Honey Rings, Choco, Muesli, Oat, Berry
biscuits | snacks | carton 150x48x205 250 g, pouch 165x62x120 200 g, carton 218x55x62 200 g | Butter, Choco, Lemon, Oat, Ginger
crisps | snacks | pouch 185x70x270 175 g, can 75x75x230 160 g, pouch 150x60x215 90 g | Salted, Paprika, Onion, Vinegar, Chilli
nuts | snacks | pouch 130x50x190 200 g, jar 84x84x105 250 g | Mixed, Almonds, Cashew, Peanuts
chocolate | snacks | carton 82x16x165 100 g, carton 180x38x120 200 g | Milk, Dark, Hazelnut, White, Caramel
pasta | staples | carton 92x48x265 500 g, pouch 150x70x230 500 g | Spaghetti, Penne, Fusilli, Farfalle
rice | staples | carton 130x52x190 1 kg, pouch 135x65x215 1 kg | Basmati, Jasmine, Risotto, Brown
flour | staples | carton 104x66x178 1 kg, pouch 108x72x190 1 kg | Wheat, Rye, Spelt
canned vegetables | tins | can 74x74x109 400 g, can 84x84x57 200 g | Tomatoes, Peas, Corn, Beans, Chick Peas
canned fish | tins | can 84x84x42 185 g, carton 108x24x62 125 g | Tuna, Sardines, Mackerel, Salmon
soup | tins | can 74x74x112 400 g, pouch 120x30x165 80 g | Tomato, Chicken, Mushroom, Pumpkin
sauce | condiments | jar 78x78x142 400 g, bottle 66x58x200 450 ml | Tomato, Basil, Pesto, Curry, Mustard, Ketchup
jam | condiments | jar 72x72x96 340 g, jar 64x64x110 250 g | Strawberry, Apricot, Raspberry, Cherry, Orange
spices | condiments | jar 48x48x108 45 g, carton 62x42x105 60 g | Pepper, Paprika, Curry, Oregano, Salt
oil | condiments | bottle 72x72x268 750 ml, bottle 60x60x238 500 ml | Olive, Sunflower, Rapeseed
baby food | family | jar 66x66x92 190 g, pouch 88x42x142 100 g | Carrot, Apple, Banana, Pumpkin
pet food | family | can 76x76x110 400 g, pouch 98x32x138 100 g, carton 190x82x265 1 kg | Beef, Chicken, Fish, Lamb
detergent | household | bottle 135x72x265 1.5 l, carton 180x95x255 2 kg | Colour, White, Fresh, Sensitive
dish soap | household | bottle 82x52x215 500 ml, pouch 150x60x220 1 l | Lemon, Original, Aloe
shampoo | care | bottle 72x45x205 300 ml, bottle 60x60x172 250 ml | Repair, Fresh, Volume, Mild
"""
_HEADS = "Al Bel Cor Dal El Fjor Gra Hol Il Jo Kal Lum Mar Nor Or Pel Quin Ros Sol Tav Ul Ver Wil Zan"
_TAILS = "va mora etti dal ina ora berg wick ello una quist aro ley is ando eva o ia"
BRANDS_PER_KIND = 7


def _kind(row: str) -> Kind:
    name, coarse, packages, varieties = row.split(" | ")
    return Kind(name, coarse, tuple(_package(words) for words in packages.split(", ")), tuple(varieties.split(", ")))


def _package(words: str) -> tuple[Form, tuple[int, int, int], str]:
    form, size, amount = words.split(" ", 2)
    width, depth, height = (int(side) for side in size.split("x"))
    return FORMS[[str(known) for known in FORMS].index(form)], (width, depth, height), amount


KINDS: tuple[Kind, ...] = tuple(_kind(row) for row in _TABLE.strip().splitlines())


def _brand(kind: int, which: int) -> str:
    """An invented brand; a kind has seven of its own, and neighbours share some, as house brands do."""
    rng = unit_rng(0, (kind // 2) * 64 + which if which < 2 else kind * 64 + which, "brand")
    heads, tails = _HEADS.split(), _TAILS.split()
    return heads[int(rng.integers(len(heads)))] + tails[int(rng.integers(len(tails)))]


@lru_cache(maxsize=BUILT_IN_MAX + 1_000)
def built_in_product(number: int) -> Product:
    """Product `number` of the built-in catalogue; from LOOKALIKE_FIRST on packages that no shop lists."""
    rng = unit_rng(0, number, "product")
    place = int(rng.integers(len(KINDS)))
    kind = KINDS[place]
    form, base_mm, amount = kind.packages[int(rng.integers(len(kind.packages)))]
    variety = kind.varieties[int(rng.integers(len(kind.varieties)))]
    brand = _brand(place, int(rng.integers(BRANDS_PER_KIND)))
    # Makers choose their own moulds: the same article is some millimetres wider or lower in another brand.
    width, depth, height = (max(10, round(side * (0.94 + 0.12 * float(rng.random())))) for side in base_mm)
    if base_mm[0] == base_mm[1]:
        depth = width
    sku = f"{'NX' if number >= LOOKALIKE_FIRST else 'NB'}-{number:06d}"
    return Product(
        sku=sku,
        name=f"{brand} {variety} {kind.name} {amount}",
        brand=brand,
        category=kind.name,
        coarse=kind.coarse,
        form=form,
        size_m=(width / 1000, depth / 1000, height / 1000),
        variety=variety,
        amount=amount,
    )


class BuiltInCatalogue:
    """4,000 invented products; a data set draws from the first so many of them."""

    reference = BUILT_IN

    def __len__(self) -> int:
        return BUILT_IN_MAX

    @property
    def keys(self) -> Keys:
        return _keys()

    def product(self, number: int) -> Product:
        """Product `number`, 0 to 3,999."""
        if not 0 <= number < BUILT_IN_MAX:
            raise BadCatalogue(f"the built-in catalogue has {BUILT_IN_MAX:,} products and none of number {number}")
        return built_in_product(number)

    def names(self, naming: Naming, count: int) -> Sequence[str]:
        """Classes of the built-in kinds, all of them whatever `count`, so that they never change their numbers."""
        if naming == "product":
            return [ONE_CLASS]
        if naming == "class":
            return [kind.name for kind in KINDS]
        if naming == "coarse":
            return list(dict.fromkeys(kind.coarse for kind in KINDS))
        return [self.product(number).sku for number in range(min(count, CLASSES_MAX))]

    def packshot_pixels(self, product: Product) -> NDArray[np.uint8]:
        """None of them has a photo."""
        raise BadCatalogue(f"SKU {product.sku} of the built-in catalogue has no packshot")


@cache
def _keys() -> Keys:
    return np.array([product_key(f"NB-{number:06d}") for number in range(BUILT_IN_MAX)], dtype=np.uint64)


@cache
def clutter_keys() -> Keys:
    """The keys of the products CLUTTER_FIRST and up, uint64 (CLUTTER_COUNT,)."""
    numbers = range(CLUTTER_FIRST, CLUTTER_FIRST + CLUTTER_COUNT)
    return np.array([product_key(f"NB-{number:06d}") for number in numbers], dtype=np.uint64)


@cache
def built_in_catalogue() -> BuiltInCatalogue:
    """The one built-in catalogue."""
    return BuiltInCatalogue()
