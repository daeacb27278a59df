"""Utterances with intent and slots: a template filled, made polite, spoken or typed, with every value's place known.

Owns how a sentence is written down and where its slots lie; what is asked is `intent_text_grammar`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

from numpy.random import Generator
from pydantic import BaseModel, ConfigDict, Field, field_validator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generator import BaseGenerator, Unit
from neuromation.synthetic.generators.draws import pick
from neuromation.synthetic.generators.intent_text_grammar import INTENTS, NOTHING, Intent, Piece, filled

CLASSES = [*(intent.name for intent in INTENTS), "nothing"]
_TOKEN = re.compile(r"[^\W_]+|\S")
_WRAPS = (  # around a command, which takes the place of the dots
    "please ...", "... please", "could you ...", "could you please ...", "can you ... please", "would you ...",
    "I want you to ...", "I need you to ...", "I'd like you to ...", "hey, ...", "okay, ...", "can you ...", "..., thanks",
    "let's see, ...", "be so kind and ...", "go ahead and ...", "now ...", "quickly ...", "kindly ...", "hi, please ...",
)  # fmt: skip
_OPENINGS = ("hey,", "hello,", "sorry,", "listen,", "excuse me,", "hi there,", "quick question,", "okay,")
_CLOSINGS = (", please", ", thanks", ", thank you", ", okay")
_FILLERS = ("uh", "um", "well", "like", "you know", "er", "hmm", "so", "let me think")
_NEIGHBOURS = dict(zip(  # on a keyboard
    "qwertyuiopasdfghjklzxcvbnm",
    ("wa", "es", "rd", "tf", "yg", "uh", "ij", "ok", "pl", "o", "sq", "wd", "sf",
     "dg", "fh", "gj", "hk", "jl", "kp", "xa", "zc", "xv", "cb", "vn", "bm", "n"), strict=True
))  # fmt: skip


class IntentTextParams(BaseModel):
    """How people write and speak. Shares are parts of all utterances, rates are parts of all words."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    polite_share: float = Field(0.5, ge=0, le=1, description="share with a please, a greeting or a could-you")
    spoken_share: float = Field(
        0.4, ge=0, le=1, description="share as a speech recogniser writes: no capitals, no marks"
    )
    careless_share: float = Field(
        0.4, ge=0, le=1, description="share of the typed ones without capitals or a full stop"
    )
    filler_rate: float = Field(0.04, ge=0, le=0.3, description="fillers such as 'um' in spoken ones, per word")
    typo_rate: float = Field(
        0.02, ge=0, le=0.3, description="typing errors in typed ones, per word of 4 letters or more"
    )
    question_share: float = Field(0.4, ge=0, le=1, description="share of questions and statements against commands")
    null_share: float = Field(0.08, ge=0, le=1, description="share of utterances that ask for nothing: class 'nothing'")
    class_weights: list[float] | None = Field(
        None, description=f"how common each intent is, {len(INTENTS)} numbers >= 0; null: all alike"
    )

    @field_validator("class_weights")
    @classmethod
    def _a_weight_each(cls, weights: list[float] | None) -> list[float] | None:
        if weights is not None and (len(weights) != len(INTENTS) or min(weights) < 0 or not 0 < sum(weights) <= 1e6):
            raise ValueError(f"{len(INTENTS)} numbers >= 0 with a sum > 0 are needed, one an intent")
        return weights


@dataclass(frozen=True)
class Word:
    """One word of an utterance before it is joined.

    Attributes:
        text: without blanks.
        slot: place of its slot in the sentence's list of slots, None outside of all.
        close: whether it stands right after the word before it, as a comma does.
    """

    text: str
    slot: int | None = None
    close: bool = False


def _one_of(items: tuple[str, ...], rng: Generator) -> str:
    return items[int(rng.integers(len(items)))]


def _words(pieces: list[Piece]) -> tuple[list[Word], list[Piece]]:
    """The pieces as words, marks apart from the words before them, and the pieces that are slots."""
    words: list[Word] = []
    slots: list[Piece] = []
    for piece in pieces:
        slot = None
        if piece.slot is not None:
            slot = len(slots)
            slots.append(piece)
        for part in piece.text.split():
            found = [part] if slot is not None else re.findall(r"[^,?]+|[,?]", part)
            words += [Word(text, slot, close=text in {",", "?"}) for text in found]
    for place, (word, after) in enumerate(pairwise(words)):
        if word.text == "a" and after.text[0].lower() in "aeiou":
            words[place] = replace(word, text="an")
    return words, slots


def _politely(pieces: list[Piece], command: bool, rng: Generator) -> list[Piece]:
    """The sentence with a wrap, a greeting or thanks around it."""
    if command:
        before, after = _one_of(_WRAPS, rng).split("...")
        return [Piece(before), *pieces, Piece(after)]
    if float(rng.random()) < 0.6:
        return [Piece(_one_of(_OPENINGS, rng)), *pieces]
    if pieces[-1].text.endswith("?"):
        pieces = [*pieces[:-1], Piece(pieces[-1].text[:-1])] if pieces[-1].slot is None else pieces
        return [*pieces, Piece(_one_of(_CLOSINGS, rng)), Piece("?")]
    return [*pieces, Piece(_one_of(_CLOSINGS, rng))]


def _with_fillers(words: list[Word], rate: float, rng: Generator) -> list[Word]:
    """Fillers before some words, never inside of a slot."""
    made: list[Word] = []
    for place, word in enumerate(words):
        inside = place > 0 and word.slot is not None and words[place - 1].slot == word.slot
        if float(rng.random()) < rate and not inside and not word.close:
            made += [Word(text) for text in _one_of(_FILLERS, rng).split()]
        made.append(word)
    return made


def _mistyped(word: str, rng: Generator) -> str:
    """The word with one letter swapped, lost, doubled or hit beside its key; the first stays."""
    place = 1 + int(rng.integers(len(word) - 2))
    kind = int(rng.integers(4))
    if kind == 0:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if kind == 1:
        return word[:place] + word[place + 1 :]
    if kind == 2:
        return word[:place] + word[place] + word[place:]
    keys = _NEIGHBOURS.get(word[place], word[place])
    return word[:place] + keys[int(rng.integers(len(keys)))] + word[place + 1 :]


def _typed(words: list[Word], params: IntentTextParams, rng: Generator) -> tuple[list[Word], int]:
    """The words as fingers type them, and how many errors they made."""
    errors, made = 0, []
    for word in words:
        if len(word.text) >= 4 and word.text.isalpha() and float(rng.random()) < params.typo_rate:
            other = _mistyped(word.text, rng)
            errors += other != word.text
            word = replace(word, text=other)  # noqa: PLW2901 - the same word, mistyped
        made.append(word)
    if float(rng.random()) >= params.careless_share:
        made[0] = replace(made[0], text=made[0].text[0].upper() + made[0].text[1:])
        if made[-1].text != "?":
            made.append(Word(".", close=True))
        return made, errors
    keep_marks = float(rng.random()) < 0.5
    return [replace(word, text=word.text.lower()) for word in made if keep_marks or not word.close], errors


def _joined(words: list[Word], slots: list[Piece]) -> tuple[str, list[dict[str, Any]]]:
    """The sentence, and its slots with the places [start, end) of their characters in it."""
    text = ""
    spans: dict[int, tuple[int, int]] = {}
    for word in words:
        if text and not word.close:
            text += " "
        start = len(text)
        text += word.text
        if word.slot is not None:
            spans[word.slot] = (spans.get(word.slot, (start, 0))[0], len(text))
    found = []
    for place, (start, end) in sorted(spans.items()):
        piece = slots[place]
        assert piece.value is not None, "a slot has a value"
        found.append(
            {"name": piece.slot, "start": start, "end": end, "value": text[start:end], "normal": piece.value.normal}
        )
    return text, found


def tagged(text: str, slots: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """A sentence's tokens (runs of letters and digits, or single marks) and their tags in the BIO scheme.

    Source of the scheme: Ramshaw and Marcus, "Text chunking using transformation-based learning" (1995).
    """
    tokens, tags = [], []
    for match in _TOKEN.finditer(text):
        tokens.append(match[0])
        slot = next((s for s in slots if s["start"] <= match.start() < s["end"]), None)
        tags.append("O" if slot is None else ("B-" if match.start() == slot["start"] else "I-") + slot["name"])
    return tokens, tags


def _chosen(params: IntentTextParams, rng: Generator) -> Intent | None:
    """What is wanted; None for nothing."""
    null = float(rng.random()) < params.null_share
    place = pick(params.class_weights or [1.0] * len(INTENTS), rng)
    return None if null else INTENTS[place]


class IntentText(BaseGenerator):
    """Short texts that ask for something: intent, slots with places, tokens with tags."""

    name = "intent-text"
    title = "Utterances with intents and slots"
    description = (
        f"English requests to an assistant, {len(INTENTS)} intents in six domains and talk that asks for nothing: typed or "
        "spoken, polite or not, with fillers and typing errors; every slot's value with its exact place."
    )
    modality = "text"
    classes: ClassVar[list[str]] = CLASSES
    cu_per_unit = 0.0006
    params_model = IntentTextParams

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index`: annotations with `text`, `intent`, `domain`, `slots`, `tokens` and `tags`; no image.

        For every slot, `text[start:end]` is its `value`; `normal` is what it means, free of typing errors.
        """
        assert isinstance(params, IntentTextParams), "parse_params makes the parameters"
        rng = unit_rng(seed, index)
        intent = _chosen(params, rng)
        spoken = float(rng.random()) < params.spoken_share
        command = intent is not None and float(rng.random()) >= params.question_share
        templates = NOTHING if intent is None else (intent.commands if command else intent.others)
        pieces = filled(_one_of(templates, rng), rng, spoken=spoken)
        if float(rng.random()) < params.polite_share:
            pieces = _politely(pieces, command, rng)
        words, slots = _words(pieces)
        errors = 0
        if spoken:
            words = [replace(word, text=word.text.lower()) for word in words if not word.close]
            words = _with_fillers(words, params.filler_rate, rng)
        else:
            words, errors = _typed(words, params, rng)
        text, found = _joined(words, slots)
        tokens, tags = tagged(text, found)
        name = intent.name if intent else "nothing"
        facts = {
            "text": text,
            "language": "en",
            "intent": name,
            "domain": intent.domain if intent else "none",
            "slots": found,
            "tokens": tokens,
            "tags": tags,
            "spoken": spoken,
            "typos": errors,
        }
        return Unit(index, None, CLASSES.index(name), facts)


INTENT_TEXT = IntentText()
