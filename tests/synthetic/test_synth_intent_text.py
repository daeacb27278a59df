"""Utterances: every slot lies exactly where it is said to, tags follow slots, and sentences hardly repeat."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic import BadParameters, Unit, parse_params, search_space, unit_hash
from neuromation.synthetic.errors import BadCatalogue
from neuromation.synthetic.generators.intent_text import CLASSES, INTENT_TEXT
from neuromation.synthetic.generators.intent_text_grammar import INTENTS, NOTHING, filled, parsed
from neuromation.synthetic.generators.intent_text_values import MAKERS, in_words, ordinal_in_words

seeds = st.integers(0, 2**63 - 1)
shares = st.floats(0, 1)


def an_utterance(seed: int = 1, index: int = 0, **params: Any) -> Unit:
    return INTENT_TEXT.unit(parse_params(INTENT_TEXT, params), seed, index)


@given(seed=seeds, index=st.integers(0, 10**9), spoken=shares, typos=st.floats(0, 0.3), fillers=st.floats(0, 0.3))
@settings(deadline=None)
def test_every_slot_lies_where_it_is_said_to(
    seed: int, index: int, spoken: float, typos: float, fillers: float
) -> None:
    unit = an_utterance(seed, index, spoken_share=spoken, typo_rate=typos, filler_rate=fillers)
    facts = unit.annotations
    text, last = facts["text"], 0
    for slot in sorted(facts["slots"], key=lambda slot: slot["start"]):
        assert text[slot["start"] : slot["end"]] == slot["value"] != ""
        assert slot["value"] == slot["value"].strip()
        assert slot["start"] >= last  # slots do not overlap
        last = slot["end"]
    assert unit_hash(unit) == unit_hash(
        an_utterance(seed, index, spoken_share=spoken, typo_rate=typos, filler_rate=fillers)
    )
    assert unit.image is None and not unit.layers
    assert CLASSES[unit.label or 0] == facts["intent"]


@given(seed=seeds, index=st.integers(0, 10**9))
@settings(deadline=None)
def test_tags_and_tokens_spell_the_slots_again(seed: int, index: int) -> None:
    facts = an_utterance(seed, index).annotations
    assert "".join(facts["tokens"]) == re.sub(r"\s", "", facts["text"])
    assert len(facts["tokens"]) == len(facts["tags"])
    spelled: list[tuple[str, str]] = []
    for token, tag in zip(facts["tokens"], facts["tags"], strict=True):
        if tag.startswith("B-"):
            spelled.append((tag[2:], token))
        elif tag.startswith("I-"):
            assert spelled[-1][0] == tag[2:]
            spelled[-1] = (tag[2:], spelled[-1][1] + token)
    wanted = sorted(facts["slots"], key=lambda slot: slot["start"])
    assert spelled == [(slot["name"], re.sub(r"\s", "", slot["value"])) for slot in wanted]


@given(seed=seeds, index=st.integers(0, 10**9))
@settings(deadline=None)
def test_what_is_spoken_has_no_capitals_digits_of_amounts_or_marks(seed: int, index: int) -> None:
    facts = an_utterance(seed, index, spoken_share=1.0).annotations
    assert facts["text"] == facts["text"].lower()
    assert not re.search(r"[.,?$€£%]", facts["text"])
    assert facts["spoken"] and facts["typos"] == 0


@given(seed=seeds, index=st.integers(0, 10**9))
@settings(deadline=None)
def test_without_typing_errors_a_slot_says_what_it_means(seed: int, index: int) -> None:
    facts = an_utterance(seed, index, typo_rate=0.0, spoken_share=0.0).annotations
    for slot in facts["slots"]:
        if slot["name"] in {"room", "city", "person", "genre", "item", "event", "card"}:
            assert slot["value"].lower() == slot["normal"]


def test_sentences_repeat_no_more_than_chance_makes_them() -> None:
    texts = Counter(an_utterance(3, index).annotations["text"] for index in range(3000))
    assert len(texts) > 2800
    assert texts.most_common(1)[0][1] <= 12  # of the shortest sentences


def test_every_intent_comes_up_about_as_often_and_nothing_as_asked_for() -> None:
    names = Counter(an_utterance(4, index, null_share=0.2).annotations["intent"] for index in range(3000))
    assert set(names) == set(CLASSES)
    assert 500 <= names["nothing"] <= 700
    assert min(names[intent.name] for intent in INTENTS) > 60


def test_shares_are_followed() -> None:
    units = [an_utterance(5, index, spoken_share=0.3, typo_rate=0.3).annotations for index in range(600)]
    assert 0.22 < sum(facts["spoken"] for facts in units) / 600 < 0.38
    assert sum(facts["typos"] for facts in units) > 300


def test_there_are_a_dozen_intents_in_several_domains_with_ways_to_say_them() -> None:
    assert len(INTENTS) >= 12
    assert {intent.domain for intent in INTENTS} == {"home", "shop", "travel", "bank", "calendar", "music"}
    assert all(len(intent.commands) >= 2 and intent.others for intent in INTENTS)


@pytest.mark.parametrize("name", [intent.name for intent in INTENTS])
def test_every_template_can_be_filled(name: str) -> None:
    (intent,) = [intent for intent in INTENTS if intent.name == name]
    for template in (*intent.commands, *intent.others, *NOTHING):
        for index in range(4):
            pieces = filled(template, unit_rng(1, index), spoken=bool(index % 2))
            text = "".join(piece.text for piece in pieces)
            assert text and not set(text) & set("{}[]|()")


def test_nobody_travels_from_a_city_to_itself() -> None:
    weights = [float(intent.name == "book_flight") for intent in INTENTS]
    for index in range(300):
        slots = {s["name"]: s["normal"] for s in an_utterance(6, index, class_weights=weights).annotations["slots"]}
        assert "from_city" not in slots or slots["from_city"] != slots.get("to_city")


def test_brackets_that_do_not_fit_and_unknown_slots_are_named() -> None:
    for template in ("turn (on", "turn on)", "the {nonsense}", "[a", "{room"):
        with pytest.raises(BadCatalogue, match="template"):
            parsed(template)


def test_numbers_are_said_as_people_say_them() -> None:
    assert [in_words(n) for n in (0, 7, 13, 40, 58, 100, 342, 1975)] == [
        "zero", "seven", "thirteen", "forty", "fifty eight", "one hundred", "three hundred forty two",
        "one thousand nine hundred seventy five",
    ]  # fmt: skip
    assert [ordinal_in_words(n) for n in (1, 12, 20, 21, 30, 31)] == [
        "first", "twelfth", "twentieth", "twenty first", "thirtieth", "thirty first",
    ]  # fmt: skip


@given(seed=seeds, spoken=st.booleans())
@settings(deadline=None)
def test_times_mean_what_they_say(seed: int, spoken: bool) -> None:
    made = MAKERS["time"](unit_rng(seed, 0), spoken)
    hour, minute = (int(part) for part in made.normal.split(":"))
    assert 0 <= hour < 24 and minute in {0, 15, 30, 45}
    if made.text.endswith(("pm", "afternoon", "evening")):
        assert hour >= 12 or (hour == 11 and minute == 45)
    if made.text.endswith("am"):
        assert hour < 12
    if spoken and "half past" in made.text:
        assert minute == 30 and in_words((hour - 1) % 12 + 1) in made.text
    if spoken and "quarter to" in made.text:
        assert minute == 45 and in_words(hour % 12 + 1) in made.text


def test_its_first_units_are_known_by_hash() -> None:
    """Any machine that computes otherwise, or any change of the code, shows here; a change needs a new version."""
    assert [unit_hash(an_utterance(7, index))[:8] for index in range(3)] == ["c1d2a1c6", "38380834", "7d4884d3"]


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(BadParameters, match="22 numbers"):
        parse_params(INTENT_TEXT, {"class_weights": [1.0]})
    with pytest.raises(BadParameters, match="typo_rate"):
        parse_params(INTENT_TEXT, {"typo_rate": 0.9})
    assert {"typo_rate", "polite_share"} <= {tunable.name for tunable in search_space(INTENT_TEXT)}
