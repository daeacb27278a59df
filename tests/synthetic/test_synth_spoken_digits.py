"""Spoken digits: every voice says every word, recordings repeat to the bit, and a missing program is named."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.synthetic import BadParameters, Unit, parse_params, search_space, unit_hash
from neuromation.synthetic.errors import MissingProgram, SpeechFailed
from neuromation.synthetic.generators import spoken_digits_speech as speech
from neuromation.synthetic.generators.spoken_digits import RATE_HZ, SPOKEN_DIGITS
from neuromation.synthetic.generators.spoken_digits_voices import ENGLISH, FOREIGN, NATIVE, speaker

speaks = pytest.mark.skipif(
    any(shutil.which(name) is None for name in speech.PROGRAMS),
    reason="needs the programs espeak-ng and flite; scripts/system-packages installs them",
)
seeds = st.integers(0, 2**63 - 1)


def parameters(**params: Any) -> Any:
    return parse_params(SPOKEN_DIGITS, {"speakers": 4, **params})


def a_recording(seed: int = 1, index: int = 0, **params: Any) -> Unit:
    return SPOKEN_DIGITS.unit(parameters(**params), seed, index)


@speaks
@given(index=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_a_recording_is_the_same_every_time_and_says_what_it_holds(index: int) -> None:
    unit = a_recording(5, index)
    again = a_recording(5, index)
    assert unit_hash(unit) == unit_hash(again)
    (layer,) = SPOKEN_DIGITS.layers(parameters())
    audio = unit.layers["audio"]
    layer.check(audio)
    facts = unit.annotations
    assert facts["digit"] == unit.label
    assert facts["duration_s"] == audio.size / RATE_HZ
    assert 0 <= facts["speech_start_s"] < facts["speech_end_s"] <= facts["duration_s"] < 5
    assert np.abs(audio).max() > 500


@speaks
def test_forgetting_what_was_spoken_changes_nothing() -> None:
    before = [unit_hash(a_recording(6, index)) for index in range(6)]
    speech.spoken.cache_clear()
    assert [unit_hash(a_recording(6, index)) for index in reversed(range(6))] == before[::-1]


@speaks
@pytest.mark.parametrize("accent", [*NATIVE, *FOREIGN])
def test_every_accent_says_eleven_words(accent: str) -> None:
    lines = NATIVE.get(accent, (f"language {accent}",))
    words = tuple(FOREIGN.get(accent, ENGLISH).split())
    voice = speech.EspeakVoice(lines, rate_wpm=150, pitch=50)
    rate_hz, parts = speech.spoken(voice, words, ".")
    assert len(parts) == 11
    assert all(0.08 < part.size / rate_hz < 1.2 and np.abs(part).max() > 3000 for part in parts)
    assert len({part.tobytes() for part in parts}) == 11


@speaks
def test_drawn_voices_speak_whatever_the_parameters() -> None:
    wild = parameters(timbre_spread=2.0, roughness=2.0, tract_spread=0.15, rate_spread=0.4, pitch_spread=2.0)
    for number in range(25):
        who = speaker(wild, 9, number)
        _, parts = speech.spoken(who.voice, who.words, ".,!?"[number % 4])
        assert len(parts) == 11


@speaks
def test_flite_says_the_words_one_by_one() -> None:
    voice = speech.FliteVoice("rms", stretch_percent=110, pitch_hz=100, pitch_spread_hz=12)
    rate_hz, parts = speech.spoken(voice, ("zero", "one", "seven"), ".")
    assert rate_hz == 16_000
    assert [0.2 < part.size / rate_hz < 1.0 for part in parts] == [True] * 3


def test_speakers_are_drawn_once_and_differ() -> None:
    params = parameters(flite_share=0.0)
    assert speaker(params, 3, 7) == speaker(params, 3, 7)
    assert len({speaker(params, 3, number).voice for number in range(50)}) == 50
    assert sum(speaker(params, 3, number).female for number in range(200)) == pytest.approx(50, abs=20)


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingProgram, match="install the package 'espeak-ng'"):
        speech.spoken(speech.EspeakVoice(("language en",), rate_wpm=111, pitch=1), ("one",), ".")
    with pytest.raises(MissingProgram, match="apt-get install flite"):
        speech.spoken(speech.FliteVoice("rms", 100, 101, 11), ("one",), ".")


def test_the_version_tells_which_programs_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "program_version", lambda name: {"espeak-ng": "1.52", "flite": None}[name])
    assert SPOKEN_DIGITS.version == "1+espeak-ng-1.52+flite-none"


@pytest.mark.parametrize(("program", "says"), [("/bin/false", "ended with 1"), ("/bin/echo", "no 16-bit mono wave")])
def test_a_program_that_fails_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch, program: str, says: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: program)
    with pytest.raises(SpeechFailed, match=says):
        speech.spoken(speech.EspeakVoice(("language en",), rate_wpm=112, pitch=1), ("one", "two"), ".")


@speaks
def test_shares_turn_effects_on_and_off() -> None:
    plain = {"room_share": 0.0, "codec_share": 0.0, "clip_share": 0.0, "band_share": 0.0, "flite_share": 0.0}
    facts = [a_recording(7, index, **plain).annotations for index in range(12)]
    assert not any(f["echo_s"] or f["mu_law"] or f["clipped"] or f["narrow_band"] for f in facts)
    full = dict.fromkeys(("room_share", "codec_share", "clip_share", "band_share", "oh_share"), 1.0)
    facts = [a_recording(7, index, **full).annotations for index in range(12)]
    assert all(f["echo_s"] and f["mu_law"] and f["clipped"] and f["narrow_band"] for f in facts)
    assert {f["word"] for f in facts if f["digit"] == 0} <= {"oh"}


@speaks
def test_less_noise_is_asked_for_and_heard() -> None:
    noisy, clean = (
        a_recording(8, 3, snr_db=snr_db, snr_spread_db=0.0, room_share=0.0, silence_s=1.0) for snr_db in (5.0, 55.0)
    )
    quiet = int(clean.annotations["speech_start_s"] * RATE_HZ) - 80
    assert quiet > 100
    before = [np.abs(unit.layers["audio"][:quiet].astype(float)).mean() for unit in (noisy, clean)]
    assert before[0] > 20 * before[1]


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(BadParameters, match="10 numbers"):
        parse_params(SPOKEN_DIGITS, {"class_weights": [1.0]})
    with pytest.raises(BadParameters, match="speakers"):
        parse_params(SPOKEN_DIGITS, {"speakers": 0})
    assert {"accent_share", "snr_db", "tract_spread", "echo_s"} <= {t.name for t in search_space(SPOKEN_DIGITS)}


@speaks
@pytest.mark.skipif(
    SPOKEN_DIGITS.version != "1+espeak-ng-1.51+flite-2.2", reason="the hashes are of espeak-ng 1.51 and flite 2.2"
)
def test_its_first_units_are_known_by_hash() -> None:
    """Any machine that computes otherwise, or any change of the code, shows here; a change needs a new version."""
    assert [unit_hash(a_recording(7, index))[:8] for index in range(4)] == [
        "d6a9cd76",
        "fe2bb3f3",
        "38946f39",
        "35cca5dc",
    ]
