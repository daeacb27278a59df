"""The words and colours of packages: brands, kinds of goods, varieties, claims, ingredients, bar codes. Draws nothing.

Every brand, claim and recipe is made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuromation.synthetic.errors import BadScene

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Goods:
    """A kind of goods: what its package says and shows.

    Attributes:
        name: its class.
        title: what stands on the package, when it is given no other name.
        grounds: usual colours of the package, sRGB.
        pictures: what may be shown, names of `packaging_pictures.PICTURES`, each with a tone.
        layouts: families of layouts that suit it.
        varieties: names of flavours and the like.
        claims: short lines of praise.
        contents: what it is made of, or how it is used.
        amounts: usual net weights.
    """

    name: str
    title: str
    grounds: tuple[Colour, ...]
    pictures: tuple[tuple[str, Colour], ...]
    layouts: tuple[str, ...]
    varieties: tuple[str, ...]
    claims: tuple[str, ...]
    contents: str
    amounts: tuple[str, ...]


_HEX = {
    "white": "f8f6f0", "cream": "f4ead2", "red": "c8242e", "deepred": "8e1620", "orange": "ee7a1c", "yellow": "f6c624",
    "green": "2f8a44", "deepgreen": "15502e", "lime": "9cc53a", "mint": "a8dcc8", "teal": "127e86", "sky": "58b4e2",
    "blue": "1c5cb0", "navy": "142a5c", "purple": "65307f", "pink": "ea7ca4", "brown": "6c3f22", "choco": "3e2215",
    "kraft": "c8a474", "black": "1c1b1e", "grey": "aeb4ba", "silver": "d4d8dc", "gold": "c69c44", "peach": "f8bf9a",
}  # fmt: skip


def colour(name: str) -> Colour:
    """A named colour, sRGB 0..255."""
    text = _HEX[name]
    return float(int(text[:2], 16)), float(int(text[2:4], 16)), float(int(text[4:], 16))


# name | title | grounds | pictures name:colour | layouts | varieties | claims | contents | amounts
_GOODS = """
milk | Fresh Milk | white white sky green navy | cow:red cow:navy splash:white glass:white | band scene type clean | Whole; Semi; Skimmed; Organic | 3.5 % FAT; RICH IN CALCIUM; FROM OUR FARMS; PASTEURISED | Whole cow's milk, pasteurised and homogenised. Keep cool at +2 to +8 °C. Use within 4 days of opening | 1 l; 500 ml; 1.5 l
yoghurt | Yoghurt | white cream pink sky yellow | strawberry:red berries:navy splash:white bowl:cream banana:yellow cherries:deepred | band clean full panel | Plain; Vanilla; Strawberry; Blueberry; Honey; Peach | MILD & CREAMY; LIVE CULTURES; NO ADDED SUGAR | Milk, fruit (12 %), sugar, maize starch, live cultures, natural flavouring. Contains milk | 500 g; 1 kg; 180 g
oat drink | Oat Drink | sky cream mint kraft grey | grain:gold splash:cream glass:cream mug:brown | type clean scene | Natural; Barista; Cocoa; Calcium | 100 % PLANT BASED; NO ADDED SUGAR; SOURCE OF FIBRE | Oat base (water, oats 10 %), rapeseed oil, calcium carbonate, salt, vitamins D2, B12. Contains oats | 1 l
butter | Butter | yellow cream white gold blue | butter:yellow cow:green flower:white grain:gold | band panel scene | Salted; Unsalted; Light; Spreadable | CHURNED SLOWLY; 82 % FAT; SEA SALT | Cream, sea salt (1.2 %). Milk fat 82 %. Keep below +8 °C | 250 g; 400 g
juice | Juice | white black green orange yellow | citrus:orange apple:red glass:orange orange:orange apple:lime cherries:deepred | clean dark full band | Apple; Orange; Mango; Peach; Cherry; Red Grapefruit | 100 % PRESSED FRUIT; NOT FROM CONCENTRATE; WITH PULP; VITAMIN C | Juice of pressed fruit. Contains only sugars that occur in fruit. Shake well. Keep cool | 1 l; 850 ml; 250 ml
soda | Soda | red navy green orange yellow black purple | citrus:orange bubbles:sky cherries:red drop:sky | badge swirl dark full | Cola; Orange; Lemon; Ginger; Cherry; Zero | ZERO SUGAR; EXTRA FIZZ; SERVE ICE COLD | Carbonated water, sugar, citric acid, natural flavourings, caffeine | 330 ml; 500 ml; 250 ml
water | Spring Water | white sky blue teal | drop:sky bubbles:sky splash:sky | clean scene swirl | Still; Sparkling; Lime; Mint | FROM DEEP ROCK; LOW IN SODIUM; NATURAL | Natural mineral water. Calcium 58 mg/l, magnesium 17 mg/l, sodium 6 mg/l, bicarbonate 210 mg/l | 500 ml; 1.5 l
beer | Lager | deepgreen gold deepred navy white | grain:gold grain:yellow bubbles:gold | badge panel swirl | Lager; Pale Ale; Stout; Wheat; Alcohol Free | BREWED SLOWLY; SINCE 1871; 4.8 % VOL | Water, barley malt, hops, yeast. 4.8 % vol. Contains barley | 330 ml; 500 ml
coffee | Ground Coffee | choco black gold deepred cream | beans:brown mug:brown beans:choco | dark panel badge full | Mild; Dark; Espresso; Decaf | 100 % ARABICA; ROASTED SLOWLY; INTENSITY 8; FAIR TRADE | Roasted ground coffee. Store airtight, cool and dry. Suitable for filters and plungers | 500 g; 250 g; 200 g
tea | Tea | deepgreen cream mint gold purple | flower:white mug:orange mug:gold berries:purple | panel full clean | Green; Earl Grey; Mint; Camomile; Rooibos | 20 TEA BAGS; HAND PICKED; NATURALLY CALM | Tea leaves, dried blossoms, natural flavouring. Pour on boiling water, draw 5 minutes | 20 bags; 50 g
cereal | Cereal | yellow red blue orange green choco | bowl:gold bowl:brown bowl:orange bowl:red | full swirl badge | Flakes; Honey Rings; Choco; Muesli; Oat; Berry | WHOLE GRAIN; 8 VITAMINS; CRUNCHY; NEW RECIPE | Whole grain oats (48 %), wheat, sugar, honey (4 %), salt, barley malt, vitamins, iron. May contain nuts | 375 g; 500 g; 450 g
biscuits | Biscuits | red navy yellow brown cream | biscuits:gold biscuits:kraft biscuits:choco chocolate:choco | full badge swirl band | Butter; Choco; Lemon; Oat; Ginger | WITH REAL BUTTER; 14 PIECES; CRISPY | Wheat flour, sugar, butter (16 %), chocolate (12 %), eggs, salt, raising agent. Contains gluten, milk, egg | 250 g; 200 g
crisps | Crisps | red green blue orange purple yellow black | crisps:yellow crisps:gold crisps:orange | badge full swirl | Salted; Paprika; Onion; Vinegar; Chilli; Sour Cream | HAND COOKED; EXTRA CRUNCH; NO PALM OIL; SEA SALT | Potatoes, sunflower oil (33 %), seasoning (sugar, onion powder, paprika, salt), salt | 175 g; 90 g; 160 g
nuts | Nuts | green navy black kraft gold | beans:gold beans:kraft beans:brown | badge panel dark | Mixed; Almonds; Cashew; Peanuts | ROASTED; UNSALTED; HIGH IN PROTEIN | Roasted nuts (peanuts, almonds, cashew), sea salt. May contain traces of other nuts | 200 g; 250 g
chocolate | Chocolate | purple choco red navy gold cream | chocolate:choco chocolate:brown beans:brown berries:gold | panel swirl dark full | Milk; Dark; Hazelnut; White; Caramel | 70 % COCOA; SWISS STYLE; FINE | Sugar, cocoa butter, whole milk powder, cocoa mass, lecithin, vanilla. Cocoa solids at least 32 % | 100 g; 200 g
pasta | Pasta | blue navy red green yellow | pasta:gold pasta:yellow grain:gold tomato:red | band full panel | Spaghetti; Penne; Fusilli; Farfalle | DURUM WHEAT; 9 MIN; BRONZE DRAWN | Durum wheat semolina, water. Cook for 9 minutes in plenty of salted water. Contains gluten | 500 g
rice | Rice | white green yellow orange navy | grains:white grains:cream bowl:white | band panel clean | Basmati; Jasmine; Risotto; Brown | AROMATIC; LONG GRAIN; 10 MIN | Long grain rice. Rinse, then simmer with twice its volume of water for 10 minutes | 1 kg; 500 g
flour | Flour | white kraft sky yellow red | grain:gold grains:cream grain:kraft | band panel scene type | Wheat; Rye; Spelt | STONE MILLED; TYPE 405; FOR CAKES | Wheat flour. Store dry. Not to be eaten raw. Contains gluten | 1 kg
canned vegetables | Vegetables | green red yellow white navy | tomato:red peas:green carrot:orange beans:deepred | full band panel badge | Tomatoes; Peas; Corn; Beans; Chick Peas | NO ADDED SALT; HARVEST FRESH; DRAINED 240 g | Vegetables, water, salt. Drained weight 240 g. Store at room temperature | 400 g; 200 g
canned fish | Tuna | blue navy teal red yellow | fish:sky fish:blue fish:grey | band badge full | Tuna; Sardines; Mackerel; Salmon | IN OLIVE OIL; LINE CAUGHT; HIGH IN OMEGA 3 | Fish (65 %), olive oil, salt. Drained weight 130 g. Contains fish | 185 g; 125 g
soup | Soup | red yellow green cream orange | bowl:red tomato:red carrot:orange bowl:orange | full panel band | Tomato; Chicken; Mushroom; Pumpkin | READY IN 5 MIN; LIKE HOME MADE; NO MSG | Water, tomatoes (38 %), cream, onions, sugar, salt, herbs, pepper. Contains milk, celery | 400 g; 80 g
sauce | Sauce | red white cream green yellow | tomato:red olives:deepgreen peas:green carrot:orange | panel band full clean | Tomato; Basil; Pesto; Curry; Mustard; Ketchup | SUN RIPENED; WITH OLIVE OIL; NO PRESERVATIVES | Tomatoes (80 %), onions, olive oil (3 %), sugar, salt, basil, garlic. Shake well | 400 g; 450 ml
jam | Jam | cream white red peach purple | strawberry:red cherries:deepred berries:purple citrus:orange | panel clean band | Strawberry; Apricot; Raspberry; Cherry; Orange | 55 % FRUIT; EXTRA JAM; GRANDMA'S WAY | Fruit (55 g in 100 g), sugar, pectin, lemon juice. Refrigerate after opening | 340 g; 250 g
spices | Spice | cream black deepgreen orange kraft | grains:red grains:choco grains:yellow flower:purple | panel dark type | Pepper; Paprika; Curry; Oregano; Salt | FINELY GROUND; AROMA SEALED | Ground spice. May contain traces of celery, mustard and sesame. Keep dry and dark | 45 g; 60 g
oil | Oil | cream yellow deepgreen white gold | olives:deepgreen olives:choco drop:gold flower:yellow | panel clean scene | Olive; Sunflower; Rapeseed | EXTRA VIRGIN; COLD PRESSED; FIRST HARVEST | Vegetable oil. Store away from light. Harmless clouding may occur below 8 °C | 750 ml; 500 ml
baby food | Baby Food | white peach sky lime | carrot:orange apple:red banana:yellow peas:green | clean band panel | Carrot; Apple; Banana; Pumpkin | FROM 4 MONTHS; NO SALT ADDED; ORGANIC | Organic vegetables 70 %, water, rice, rapeseed oil. Warm gently and stir | 190 g; 100 g
pet food | Pet Food | red purple teal gold black | paw:brown fish:sky paw:gold | full badge swirl | Beef; Chicken; Fish; Lamb | WITH REAL MEAT; GRAIN FREE; COMPLETE MEAL | Meat and animal derivatives (of which 14 % beef), cereals, vegetables, minerals | 400 g; 1 kg; 100 g
detergent | Detergent | blue green white purple orange | shine:sky bubbles:sky flower:pink shine:blue | swirl full badge | Colour; White; Fresh; Sensitive | 40 WASHES; DEEP CLEAN; WORKS AT 20 °C | 5-15 % anionic surfactants, < 5 % soap, enzymes, perfume. Keep out of reach of children | 1.5 l; 2 kg
dish soap | Dish Soap | lime yellow sky green orange | citrus:yellow bubbles:sky shine:lime | swirl clean full | Lemon; Original; Aloe | CUTS GREASE; GENTLE TO HANDS; 2 x POWER | 5-15 % anionic surfactants, < 5 % amphoteric surfactants, perfume. Irritates eyes | 500 ml; 1 l
shampoo | Shampoo | white purple pink teal black mint | shine:purple flower:white drop:sky bubbles:mint | clean dark swirl type | Repair; Fresh; Volume; Mild | WITH KERATIN; 0 % SILICONE; FOR EVERY DAY | Aqua, sodium laureth sulfate, cocamidopropyl betaine, glycerin, parfum, citric acid | 300 ml; 250 ml
"""  # noqa: E501 - a table
_TINTS: dict[str, str] = {
    "strawberry": "red", "raspberry": "pink", "cherry": "deepred", "berry": "purple", "blueberry": "navy",
    "orange": "orange", "peach": "peach", "apricot": "orange", "mango": "yellow", "lemon": "yellow", "lime": "lime",
    "apple": "green", "banana": "yellow", "vanilla": "yellow", "honey": "gold", "choco": "choco", "cocoa": "choco",
    "mint": "mint", "green": "green", "salted": "blue", "paprika": "red", "onion": "green", "vinegar": "purple",
    "chilli": "deepred", "tomato": "red", "tomatoes": "red", "basil": "green", "pesto": "green", "curry": "yellow",
    "mustard": "yellow", "whole": "blue", "semi": "green", "skimmed": "red", "organic": "deepgreen", "dark": "black",
    "milk": "blue", "hazelnut": "green", "white": "grey", "caramel": "gold", "espresso": "black", "mild": "sky",
    "decaf": "green", "zero": "black", "cola": "deepred", "ginger": "gold", "still": "sky", "sparkling": "blue",
    "peas": "green", "corn": "yellow", "beans": "deepred", "carrot": "orange", "pumpkin": "orange", "fish": "blue",
    "salmon": "peach", "beef": "deepred", "chicken": "yellow", "lamb": "purple", "fresh": "teal", "sensitive": "pink",
    "colour": "purple", "aloe": "green", "olive": "deepgreen", "sunflower": "yellow", "volume": "pink", "repair": "purple",
    "red grapefruit": "deepred", "sour cream": "green", "light": "sky", "unsalted": "green", "plain": "sky",
}  # fmt: skip
_SHOWN: dict[str, tuple[str, str]] = {
    "strawberry": ("strawberry", "red"), "raspberry": ("berries", "pink"), "cherry": ("cherries", "deepred"),
    "berry": ("berries", "navy"), "blueberry": ("berries", "navy"), "orange": ("citrus", "orange"),
    "peach": ("orange", "peach"), "apricot": ("orange", "orange"), "mango": ("orange", "yellow"),
    "lemon": ("citrus", "yellow"), "lime": ("citrus", "lime"), "apple": ("apple", "red"), "banana": ("banana", "yellow"),
    "red grapefruit": ("citrus", "deepred"), "tomato": ("tomato", "red"), "tomatoes": ("tomato", "red"),
    "carrot": ("carrot", "orange"), "peas": ("peas", "green"), "beans": ("beans", "deepred"), "fish": ("fish", "sky"),
    "olive": ("olives", "deepgreen"), "camomile": ("flower", "yellow"), "oat": ("grain", "gold"),
    "almonds": ("beans", "kraft"), "hazelnut": ("beans", "brown"), "chick peas": ("beans", "gold"),
    "ketchup": ("tomato", "red"), "pesto": ("peas", "green"), "basil": ("tomato", "red"),
}  # fmt: skip
_SYLLABLES = (
    "Al Bel Cor Dal El Fjor Gra Hol Il Jo Kal Lum Mar Nor Or Pel Quin Ros Sol Tav Ul Ver Wil Zan Bri Mo",
    "va mora etti dal ina ora berg wick ello una quist aro ley is ando eva o ia da mond",
)


def _table() -> dict[str, Goods]:
    table = {}
    for row in _GOODS.strip().splitlines():
        name, title, grounds, pictures, layouts, varieties, claims, contents, amounts = (
            part.strip() for part in row.split("|")
        )
        shown = [item.split(":") for item in pictures.split()]
        table[name] = Goods(
            name,
            title,
            tuple(colour(word) for word in grounds.split()),
            tuple((what, colour(tone)) for what, tone in shown),
            tuple(layouts.split()),
            tuple(part.strip() for part in varieties.split(";")),
            tuple(part.strip() for part in claims.split(";")),
            contents,
            tuple(part.strip() for part in amounts.split(";")),
        )
    return table


GOODS = _table()


def tint_of(variety: str) -> Colour | None:
    """The colour that goes with a variety, or None where none does."""
    name = _TINTS.get(variety.lower())
    return colour(name) if name else None


def shown_of(variety: str) -> tuple[str, Colour] | None:
    """The picture that goes with a variety, and its tone."""
    found = _SHOWN.get(variety.lower())
    return (found[0], colour(found[1])) if found else None


def invented_brand(draws: Sequence[float]) -> str:
    """A made-up brand name from two numbers 0..1."""
    words = [syllables.split() for syllables in _SYLLABLES]
    return "".join(choice[int(draw * len(choice))] for choice, draw in zip(words, draws, strict=True))


_LEFT = ("0001101", "0011001", "0010011", "0111101", "0100011", "0110001", "0101111", "0111011", "0110111", "0001011")
_PARITY = ("LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG", "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL")


def ean_check_digit(digits: str) -> str:
    """The 13th digit for twelve: weights 1 and 3 in turn, up to the next ten (GS1 General Specifications, 7.9)."""
    if len(digits) != 12 or not digits.isascii() or not digits.isdigit():
        raise BadScene(f"an EAN-13 has twelve digits before its check digit, not {digits[:20]!r}")
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return str(-total % 10)


def ean_bars(digits: str) -> str:
    """The 95 modules of an EAN-13, "1" black (GS1 General Specifications, 5.2). Raises BadScene for a wrong check digit."""
    if len(digits) != 13 or ean_check_digit(digits[:12]) != digits[12]:
        raise BadScene(f"{digits[:20]!r} is no EAN-13 with its right check digit")
    right = ["".join("1" if module == "0" else "0" for module in code) for code in _LEFT]
    left = "".join(
        _LEFT[int(digit)] if kind == "L" else right[int(digit)][::-1]
        for digit, kind in zip(digits[1:7], _PARITY[int(digits[0])], strict=True)
    )
    return "101" + left + "01010" + "".join(right[int(digit)] for digit in digits[7:]) + "101"
