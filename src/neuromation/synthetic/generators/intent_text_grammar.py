"""What people ask for: intents of several domains with the sentences that express them, and how a template is filled.

In a template `(a|b)` is one of several, `[a]` may be left out, `{slot}` is filled by `intent_text_values`, `{slot:maker}` by
another maker than the slot's own. Owns wording; typing errors, fillers and spelling come later, in `intent_text`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from numpy.random import Generator

from neuromation.synthetic.errors import BadCatalogue
from neuromation.synthetic.generators.intent_text_values import MAKERS, Value


@dataclass(frozen=True)
class Intent:
    """One thing that is wanted.

    Attributes:
        name: lower case with underscores.
        domain: what it belongs to.
        commands: templates in the imperative, which politeness can be wrapped around.
        others: templates of questions and statements, which stand alone; `?` at the end of a question.
    """

    name: str
    domain: str
    commands: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A stretch of a sentence: plain words, or the value of a slot."""

    text: str
    slot: str | None = None
    value: Value | None = None


INTENTS: tuple[Intent, ...] = (
    Intent(
        "light_on", "home",
        ("(turn|switch) on the {lamp} in the {room}", "(turn|switch) the {room} {lamp} on", "light up the {room}",
         "make the {lamp} in the {room} {colour}", "set the {room} {lamp} to {colour}"),
        ("it is too dark in the {room}", "I need [some] light in the {room}", "I can't see anything in the {room}"),
    ),
    Intent(
        "light_off", "home",
        ("(turn|switch) off the {lamp} in the {room}", "(turn|switch|shut) the {room} {lamp} off",
         "kill the {lamp} in the {room}", "turn everything off in the {room}"),
        ("nobody is in the {room}, we do not need the {lamp}", "no more light in the {room}"),
    ),
    Intent(
        "set_brightness", "home",
        ("(dim|lower) the {lamp} in the {room} to {percent}", "set the {room} {lamp} to {percent}",
         "(raise|increase|bring up) the brightness of the {lamp} to {percent}"),
        ("I (want|would like) the {lamp} in the {room} at {percent}",),
    ),
    Intent(
        "set_temperature", "home",
        ("set the (heating|thermostat|temperature) in the {room} to {degrees}", "(heat|cool) the {room} to {degrees}",
         "make it {degrees} in the {room} by {time}", "turn the {room} (heating|radiator) to {degrees}"),
        ("I (want|would like) {degrees} in the {room}", "can we have {degrees} in the {room}?"),
    ),
    Intent(
        "lock_door", "home",
        ("lock the {door}", "make sure [that] the {door} is locked", "close and lock the {door} at {time}"),
        ("did anyone lock the {door}?", "I forgot to lock the {door}", "is the {door} locked?"),
    ),
    Intent(
        "find_product", "shop",
        ("(find|show|search for) [me] (a {item}|{item:items})",
         "(find|show me) (a {item}|{item:items}) (under|below|for less than) {amount}",
         "look for (a {item}|{item:items}) at {shop}", "compare prices of {item:items}"),
        ("do you (have|sell|stock) {item:items}?", "I am looking for (a {item}|{item:items}) (under|below) {amount}",
         "where can I (get|buy|find) (a {item}|{item:items})?", "does {shop} have {item:items}?"),
    ),
    Intent(
        "add_to_cart", "shop",
        ("(add|put) {quantity} {item:items} (to|in|into) my (cart|basket)", "order {quantity} {item:items}",
         "buy {quantity} {item:items} from {shop}", "get me {quantity} {item:items}"),
        ("I (want|need|will take) {quantity} {item:items}", "I would like to order {quantity} {item:items}"),
    ),
    Intent(
        "order_status", "shop",
        ("track [my] order {order}", "(check|look up) the status of order {order}",
         "tell me where order {order} is"),
        ("where is my order {order}?", "when will order {order} arrive?", "has order {order} been (shipped|sent)?",
         "I am still waiting for order {order}", "what happened to my order from {shop}?"),
    ),
    Intent(
        "return_item", "shop",
        ("start a return for order {order}", "send back the {item} from order {order}", "refund my order {order}"),
        ("I want to (return|send back) the {item}", "how (can|do) I return the {item} [from {shop}]?",
         "the {item} from {shop} (is|arrived) broken, I want my money back", "the {item} does not fit"),
    ),
    Intent(
        "book_flight", "travel",
        ("(book|find|get) [me] a flight from {from_city} to {to_city} [on {date:day}]",
         "book a {travel_class} (flight|ticket) to {to_city} for {date:day}", "fly me to {to_city} {date} at {time}"),
        ("I (need|want) to fly from {from_city} to {to_city} {date}", "is there a flight to {to_city} {date} around {time}?",
         "how much is a {travel_class} flight from {from_city} to {to_city}?"),
    ),
    Intent(
        "book_hotel", "travel",
        ("(book|reserve|find) [me] a (hotel|room) in {city} for {nights} from {date:day}",
         "(book|reserve) {nights} in {city}", "find a hotel in {city} (under|below) {amount} [a night]"),
        ("I need a (hotel|place to stay) in {city} for {nights}", "are there rooms in {city} {date}?"),
    ),
    Intent(
        "train_times", "travel",
        ("(show|list|give) me [the] trains from {from_city} to {to_city} {date}",
         "find a train to {to_city} after {time}"),
        ("when does the [next] train (to|for) {to_city} leave?", "what trains go from {from_city} to {to_city} {date}?",
         "can I get to {to_city} by {time} by train?", "which platform is the {time} train to {to_city}?"),
    ),
    Intent(
        "balance", "bank",
        ("(show|tell|give) me the balance of my {account}", "check my {account}"),
        ("how much [money] (is|do I have) (in|on) my {account}?", "what is (on|the balance of) my {account}?",
         "is there enough in my {account} for {amount}?", "did {payee} pay {amount} into my {account}?"),
    ),
    Intent(
        "transfer", "bank",
        ("(send|transfer|wire) {amount} to {payee}", "(move|transfer) {amount} from my {account} to {payee}",
         "pay {payee} {amount} [from my {account}] [on {date:day}]"),
        ("I (owe|want to pay|need to send) {payee} {amount}", "I would like to transfer {amount} to {payee} {date}"),
    ),
    Intent(
        "block_card", "bank",
        ("(block|freeze|lock|cancel) my {card}", "stop all payments with my {card}"),
        ("I (lost|cannot find) my {card} [in {city}]", "my {card} (was stolen|is gone|has disappeared) [{date}]",
         "someone is using my {card} in {city}", "there is a payment of {amount} on my {card} that is not mine"),
    ),
    Intent(
        "create_event", "calendar",
        ("(schedule|add|create|plan) [a] {event} (on|for) {date:day} at {time}",
         "put {event} with {person} in my calendar for {date:day}",
         "(book|set up) [a] {event} with {person} at {time} {date}", "block {duration} for {event} {date}"),
        ("I have [a] {event} {date} at {time}", "I am (meeting|seeing) {person} for {event} {date}"),
    ),
    Intent(
        "cancel_event", "calendar",
        ("(cancel|delete|remove|drop) [my|the] {event} {date}", "take {event} with {person} off my calendar",
         "call off the {event} at {time}"),
        ("I (cannot|won't) make it to [the] {event} {date}", "{event} with {person} is not happening"),
    ),
    Intent(
        "list_events", "calendar",
        ("(show|read|tell) me my (calendar|schedule|appointments) for {date:day}", "list everything after {time} {date}"),
        ("what (do I have|is on|is planned) {date}?", "am I (free|busy) {date} at {time}?", "when is [my|the] {event}?",
         "when am I seeing {person}?"),
    ),
    Intent(
        "set_reminder", "calendar",
        ("remind me to {task} (at {time}|{date}|in {duration})", "set a reminder to {task} {date} at {time}",
         "don't let me forget to {task} {date}", "wake me [up] at {time} {date}", "set a timer for {duration}"),
        ("I (have|need) to {task} {date}, remind me", "tell {person} to {task} {date}"),
    ),
    Intent(
        "play_music", "music",
        ("play [some] {genre} [on the {speaker}]", "play {song} by {artist}", "(play|start|put on) my {playlist}",
         "(play|put on) something by {artist} on the {speaker}"),
        ("I (want|would like) to hear {artist}", "do you know {song} by {artist}?", "I am in the mood for {genre}"),
    ),
    Intent(
        "set_volume", "music",
        ("(set|turn) the volume [on the {speaker}] to {percent}", "turn the {speaker} (up|down) to {percent}",
         "make the {speaker} (louder|quieter|softer)"),
        ("the {speaker} is too (loud|quiet)", "I can (hardly|barely) hear the {speaker}"),
    ),
    Intent(
        "stop_music", "music",
        ("(stop|pause) the music (in|for) {duration}", "(pause|stop|mute) the {speaker}", "stop playing {genre}",
         "stop the {playlist}"),
        ("no more {genre}", "I have heard enough of {artist}", "that is enough {genre} for today"),
    ),
)  # fmt: skip

# What belongs to no intent: talk, and wishes of domains that nobody serves. Near the others in words, on purpose.
NOTHING: tuple[str, ...] = (
    "how (are you|old are you|is it going) [today]?", "who (made|built) you?", "tell me a joke [about {city}]",
    "the {item} I saw in {city} was (nice|ugly|too big)", "{person} (called|was here|says hello) {date}",
    "what is the capital of the country around {city}?",
    "(my|the) {room} is so (nice|messy|small)",
    "I (love|hate|miss) {city}", "{artist} (split up|played in {city}) {date}", "is {genre} popular in {city}?",
    "how do you spell {person}?", "what rhymes with {colour}?", "{amount} is (a lot|not much)",
    "did it rain in {city} {date}?",
    "translate {task} into French", "how many calories has {quantity} {item:items}?", "it is {time} already", "never mind",
    "my (sofa|car|hat) is {colour}", "who is {person}?", "(thanks|thank you) for {date:day}", "the {door} is {colour}",
)  # fmt: skip

_TRIES = 8  # to find a value that the sentence does not have

Part = str | tuple[str, tuple["Part", ...]]


@cache
def parsed(template: str) -> tuple[Part, ...]:
    """A template as nested parts: text, ("slot", name and maker), ("any", choices), ("maybe", parts), ("all", parts).

    Raises BadCatalogue for brackets that do not fit or a slot that has no values.
    """
    parts, place = _sequence(template, 0, "")
    if place != len(template):
        raise BadCatalogue(f"template {template!r} has a bracket too many at {place}")
    return parts


def _sequence(template: str, place: int, ends: str) -> tuple[tuple[Part, ...], int]:
    parts: list[Part] = []
    text = ""
    while place < len(template) and template[place] not in ends + ("" if ends else ")]}"):
        mark = template[place]
        if mark not in "([{":
            text += mark
            place += 1
            continue
        if text:
            parts.append(text)
            text = ""
        part, place = _bracket(template, place)
        parts.append(part)
    if text:
        parts.append(text)
    return tuple(parts), place


def _bracket(template: str, place: int) -> tuple[Part, int]:
    mark = template[place]
    if mark == "{":
        end = template.find("}", place)
        name, _, maker = template[place + 1 : end].partition(":")
        if end < 0 or (maker or name) not in MAKERS:
            raise BadCatalogue(f"template {template!r} has a slot that has no values at {place}")
        return ("slot", (name, maker or name)), end + 1
    close = ")" if mark == "(" else "]"
    choices: list[Part] = []
    while True:
        inner, place = _sequence(template, place + 1, f"|{close}")
        choices.append(("all", inner))
        if place >= len(template):
            raise BadCatalogue(f"template {template!r} does not close a {mark}")
        if template[place] == close:
            return ("any" if mark == "(" else "maybe", tuple(choices)), place + 1


def filled(template: str, rng: Generator, *, spoken: bool) -> list[Piece]:
    """A template with its choices made and its slots filled, left to right."""
    pieces: list[Piece] = []
    for part in parsed(template):
        _fill(part, rng, spoken, pieces)
    return pieces


def _fill(part: Part, rng: Generator, spoken: bool, pieces: list[Piece]) -> None:
    if isinstance(part, str):
        pieces.append(Piece(part))
        return
    kind, inner = part
    if kind == "slot":
        name, maker = (str(item) for item in inner)
        taken = {piece.value.normal for piece in pieces if piece.value}
        for _ in range(_TRIES):
            value = MAKERS[maker](rng, spoken)
            if value.normal not in taken:  # nobody flies from Paris to Paris
                break
        pieces.append(Piece(value.text, name, value))
    elif kind == "all":
        for item in inner:
            _fill(item, rng, spoken, pieces)
    elif kind == "any" or float(rng.random()) < 0.5:
        _fill(inner[int(rng.integers(len(inner)))], rng, spoken, pieces)
