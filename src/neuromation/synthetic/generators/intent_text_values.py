"""What slots are filled with: rooms, dates, times, amounts, names, each as it is written or said and as it is meant.

All names of people, bands and shops are made up of ordinary words. Owns values only; sentences are `intent_text_grammar`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator


@dataclass(frozen=True)
class Value:
    """One filling of a slot: `text` as it stands in the sentence, `normal` as a machine would want it."""

    text: str
    normal: str


Maker = Callable[[Generator, bool], Value]


def _listed(words: str) -> list[str]:
    return words.split()


_SMALL = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = _listed("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
_ORDINALS = _listed(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
_MONTHS = _listed("January February March April May June July August September October November December")
_DAYS = _listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")


def in_words(number: int) -> str:
    """A number of 0..9,999 as it is said: 342 is "three hundred forty two"."""
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f" {_SMALL[ones]}" if ones else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    many, rest = divmod(number, size)
    return f"{in_words(many)} {name}" + (f" {in_words(rest)}" if rest else "")


def ordinal_in_words(number: int) -> str:
    """The place of 1..31 as it is said: 21 is "twenty first"."""
    if number <= 20:
        return _ORDINALS[number - 1]
    tens, ones = divmod(number, 10)
    return "thirtieth" if ones == 0 else f"{_TENS[tens]} {_ORDINALS[ones - 1]}"


def one_of(items: list[str], rng: Generator) -> str:
    """Any of them, all alike."""
    return items[int(rng.integers(len(items)))]


def _from(words: str) -> Maker:
    """A slot of fixed fillings, parted by commas."""
    items = [word.strip() for word in words.split(",")]

    def make(rng: Generator, spoken: bool) -> Value:
        text = one_of(items, rng)
        return Value(text, text.lower())

    return make


def _of_two(first: str, second: str) -> Maker:
    """A slot of two parts, each from a list: hundreds of fillings from a few words."""
    starts, ends = ([word.strip() for word in words.split(",")] for words in (first, second))

    def make(rng: Generator, spoken: bool) -> Value:
        text = f"{one_of(starts, rng)} {one_of(ends, rng)}"
        return Value(text, text.lower())

    return make


def _number(low: int, high: int, *, step: int = 1, unit: str = "", sign: str = "", said: str = "") -> Maker:
    """A slot of a number: digits with `sign` or `unit` when written, words and `said` when spoken."""

    def make(rng: Generator, spoken: bool) -> Value:
        number = low + step * int(rng.integers((high - low) // step + 1))
        worded = spoken or (number <= 12 and rng.random() < 0.4)
        if worded:
            return Value(f"{in_words(number)}{said}", str(number))
        return Value(f"{number}{sign or said}" if rng.random() < 0.6 else f"{number}{unit or said}", str(number))

    return make


def _time(rng: Generator, spoken: bool) -> Value:
    hour, quarter = int(rng.integers(24)), int(rng.integers(4))
    minute = 15 * quarter
    normal = f"{hour:02d}:{minute:02d}"
    if minute == 0 and hour in {0, 12} and rng.random() < 0.6:
        return Value("midnight" if hour == 0 else "noon", normal)
    short, half = (hour - 1) % 12 + 1, "am" if hour < 12 else "pm"
    part = "in the morning" if hour < 12 else ("in the afternoon" if hour < 18 else "in the evening")
    if spoken or rng.random() < 0.35:
        past = ("", "quarter past ", "half past ", "quarter to ")[quarter]
        named = (short if quarter < 3 else short % 12 + 1) if past else short
        late = (hour + (quarter == 3)) % 24
        part = "in the morning" if late < 12 else ("in the afternoon" if late < 18 else "in the evening")
        return Value(f"{past}{in_words(named)} {part}", normal)
    forms = [f"{short}:{minute:02d} {half}", f"{hour:02d}:{minute:02d}", f"{short}:{minute:02d}{half}"]
    if minute == 0:
        forms += [f"{short} {half}", f"{short}{half}", f"{short} {part}"]
    return Value(one_of(forms, rng), normal)


def _date(rng: Generator, spoken: bool) -> Value:
    """When, without a word before it: "tomorrow", "next Friday", "in three days", "May 3rd"."""
    kind = int(rng.integers(4))
    if kind == 0:
        text = one_of(["today", "tomorrow", "the day after tomorrow", "this weekend", "next week"], rng)
        return Value(text, text)
    if kind == 1:
        day = one_of(_DAYS, rng)
        text = one_of([f"next {day}", f"this {day}", f"{day} morning", f"{day} night"], rng)
        return Value(text, text.lower())
    if kind == 2:
        days = 2 + int(rng.integers(20))
        number = in_words(days) if spoken or rng.random() < 0.3 else str(days)
        return Value(f"in {number} days", f"+{days}d")
    return _day(rng, spoken)


def _day(rng: Generator, spoken: bool) -> Value:
    """A day that "on" or "for" can stand before."""
    if rng.random() < 0.3:
        day = one_of(_DAYS, rng)
        return Value(day, day.lower())
    month, day_of = int(rng.integers(12)), 1 + int(rng.integers(28))
    normal = f"{month + 1:02d}-{day_of:02d}"
    if spoken:
        said = ordinal_in_words(day_of)
        return Value(one_of([f"{_MONTHS[month]} {said}", f"the {said} of {_MONTHS[month]}"], rng), normal)
    ending = "th" if 10 < day_of < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day_of % 10, "th")
    forms = [f"{_MONTHS[month]} {day_of}", f"{day_of} {_MONTHS[month]}", f"{_MONTHS[month]} {day_of}{ending}"]
    return Value(one_of(forms, rng), normal)


def _amount(rng: Generator, spoken: bool) -> Value:
    number = int(rng.integers(1, 40)) * (5 if rng.random() < 0.7 else 25)
    code, sign, name = (("USD", "$", "dollars"), ("EUR", "€", "euros"), ("GBP", "£", "pounds"))[int(rng.integers(3))]
    if spoken:
        return Value(f"{in_words(number)} {name}", f"{number} {code}")
    return Value(one_of([f"{sign}{number}", f"{number} {name}", f"{number} {code}"], rng), f"{number} {code}")


def _duration(rng: Generator, spoken: bool) -> Value:
    number = int(rng.integers(1, 12)) * (5 if rng.random() < 0.6 else 1)
    name, code = (("minute", "min"), ("hour", "h"))[int(number <= 8 and rng.random() < 0.5)]
    worded = in_words(number) if spoken or rng.random() < 0.25 else str(number)
    return Value(f"{worded} {name}{'s' if number > 1 else ''}", f"{number} {code}")


def _order(rng: Generator, spoken: bool) -> Value:
    digits = "".join(str(int(digit)) for digit in rng.integers(0, 10, 5))
    if spoken:
        return Value(" ".join(_SMALL[int(digit)] for digit in digits), digits)
    return Value(one_of([digits, f"#{digits}"], rng), digits)


_PEOPLE = (
    "Anna, Ben, Carla, David, Elif, Farid, Greta, Hugo, Ines, Jonas, Keiko, Liam, Mara, Nadia, Omar, Paula, Quentin, "
    "Rosa, Sami, Tara, Uma, Viktor, Wanda, Yusuf, Zoe, my mother, my brother, the landlord, Doctor Lang, Mister Okoye"
)
_CITIES = (
    "Berlin, Paris, London, Madrid, Rome, Vienna, Oslo, Lisbon, Dublin, Athens, Warsaw, Prague, New York, Boston, "
    "Chicago, San Francisco, Toronto, Mexico City, Tokyo, Osaka, Seoul, Singapore, Sydney, Cape Town, Nairobi, Cairo"
)

_KINDS = "black, white, red, blue, green, grey, large, small, cheap, organic, wooden, waterproof, second hand, handmade"

MAKERS: dict[str, Maker] = {
    "room": _from(
        "kitchen, bedroom, living room, bathroom, hallway, garage, guest room, office, cellar, attic, nursery, "
        "dining room, garden, balcony, upstairs corridor, laundry room"
    ),
    "lamp": _from("light, lights, lamp, ceiling light, floor lamp, desk lamp, spotlights, reading light, night light"),
    "colour": _from("red, blue, green, warm white, purple, orange, pink, yellow, turquoise, cold white"),
    "percent": _number(5, 100, step=5, unit=" percent", sign="%", said=" percent"),
    "degrees": _number(15, 27, unit=" degrees", sign="°", said=" degrees"),
    "door": _from("front door, back door, garage door, patio door, cellar door, side gate, balcony door"),
    "item": _of_two(
        _KINDS, "backpack, raincoat, desk, office chair, kettle, tent, bicycle helmet, bookshelf, garden hose"
    ),
    "items": _of_two(
        _KINDS,
        "shoes, socks, headphones, running shirts, water bottles, notebooks, frying pans, blankets, phone cases, plates",
    ),
    "quantity": _number(2, 12),
    "order": _order,
    "shop": _of_two("Blue, Green, Corner, Market, River, North, Golden", "Basket, Barn, Door, Lane, House"),
    "from_city": _from(_CITIES),
    "to_city": _from(_CITIES),
    "city": _from(_CITIES),
    "date": _date,
    "day": _day,
    "time": _time,
    "travel_class": _from("economy, business, first class, premium economy, second class"),
    "nights": _number(1, 14, unit=" nights", said=" nights"),
    "amount": _amount,
    "account": _from(
        "checking account, savings account, joint account, business account, travel account, main account"
    ),
    "card": _from("credit card, debit card, bank card, company card, gold card, prepaid card, old card"),
    "payee": _from(_PEOPLE),
    "person": _from(_PEOPLE),
    "event": _from(
        "dentist appointment, team meeting, yoga class, lunch, project review, parents evening, birthday party, "
        "haircut, job interview, dinner, piano lesson, board meeting, car inspection, book club, doctor's visit"
    ),
    "task": _from(
        "water the plants, call the bank, pick up the parcel, buy milk, pay the rent, take the pills, charge the car, "
        "walk the dog, renew the passport, send the invoice, take out the bins, book a table"
    ),
    "duration": _duration,
    "artist": _of_two(
        "The Velvet, The Paper, The Silent, The Northern, Electric, Midnight, The Broken, Golden, The Distant",
        "Harbour, Lanterns, Foxes, Orchard, Engines, Sparrows, Mirrors, Cartographers, Tides, Avenue",
    ),
    "song": _of_two(
        "Summer, Broken, Slow, Paper, Winter, Lonely, Crystal, Second, Early, Neon",
        "Rain, Morning, Hearts, Highway, Letters, River, Dance, Fire, Train, Home",
    ),
    "genre": _from("jazz, classical music, hip hop, folk, techno, blues, reggae, metal, soul, ambient, country, salsa"),
    "playlist": _of_two("morning, party, workout, sunday, study, road trip, dinner, sleep", "mix, playlist, list"),
    "speaker": _from("kitchen speaker, living room speaker, headset, soundbar, bedroom speaker, car stereo"),
}
