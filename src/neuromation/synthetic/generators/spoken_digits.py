"""Spoken digits as small recordings: speech of many drawn voices, in drawn rooms, through drawn microphones and codecs.

The words come from speech programs, everything after from plain arithmetic on numbers of the unit's own Philox stream:
with equal versions of the programs, a unit is bit-identical on every machine. No real recording is used.
"""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generator import BaseGenerator, Layer, Unit
from neuromation.synthetic.generators import spoken_digits_recording as recording
from neuromation.synthetic.generators import spoken_digits_speech as speech
from neuromation.synthetic.generators.draws import pick
from neuromation.synthetic.generators.spoken_digits_recording import RATE_HZ
from neuromation.synthetic.generators.spoken_digits_voices import Speaker, speaker

Floats = NDArray[np.float64]

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TONES = (",", "!", "?")  # a listed, a called and an asked word; stated ones end in a full stop
_TONE_WEIGHTS = (5.0, 3.0, 1.0)


class SpokenDigitsParams(BaseModel):
    """Who speaks, where, and into what. Shares are parts of all speakers or units, spreads standard deviations."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    speakers: int = Field(160, ge=1, le=10_000, description="different voices of the data set")
    flite_share: float = Field(0.5, ge=0, le=1, description="share of speakers by flite, from recorded voices")
    accent_share: float = Field(0.35, ge=0, le=1, description="share of the other speakers with a foreign accent")
    female_share: float = Field(0.2, ge=0, le=1, description="share of speakers with a woman's voice")
    tract_spread: float = Field(0.07, ge=0, le=0.15, description="spread of the length of throats, relative")
    timbre_spread: float = Field(1.0, ge=0, le=2, description="how far formants, tone and consonants differ")
    roughness: float = Field(0.6, ge=0, le=2, description="how rough, breathy and unsteady voices may be")
    rate_wpm: float = Field(140.0, ge=90, le=280, description="mean speed of speech, words a minute")
    rate_spread: float = Field(0.18, ge=0, le=0.4, description="spread of the speed between speakers, relative")
    pitch_spread: float = Field(1.0, ge=0, le=2, description="spread of pitch and melody between speakers")
    liveliness: float = Field(0.5, ge=0, le=1, description="share of words called, asked or listed, not stated")
    oh_share: float = Field(0.03, ge=0, le=1, description="share of zeros said as 'oh'")
    speed_spread: float = Field(0.07, ge=0, le=0.2, description="spread of the speed of playing, with pitch, relative")
    wobble: float = Field(0.1, ge=0, le=0.2, description="changes of speed inside of a word, relative")
    breath: float = Field(0.25, ge=0, le=1, description="noise that rides on the voice")
    tilt_db: float = Field(-6.0, ge=-12, le=6, description="mean level of what lies above 700 Hz over its own, dB")
    tone_db: float = Field(5.0, ge=0, le=12, description="spread of loudness between bands: microphone and distance")
    trim: float = Field(
        0.45, ge=0, le=0.6, description="how much of weak ends a careless cut may take, a part of the loudest level"
    )
    silence_s: float = Field(0.04, ge=0, le=1, description="longest silence before and after the word, seconds")
    room_share: float = Field(0.5, ge=0, le=1, description="share of units in a room that echoes")
    echo_s: float = Field(
        0.3, ge=0.05, le=2, description="mean time in which an echo dies, seconds", json_schema_extra={"log": True}
    )
    snr_db: float = Field(22.0, ge=0, le=60, description="mean level of the word over the background, dB")
    snr_spread_db: float = Field(11.0, ge=0, le=20, description="spread of that level, dB")
    band_share: float = Field(0.3, ge=0, le=1, description="share of units through a narrow band, such as a telephone")
    codec_share: float = Field(0.2, ge=0, le=1, description="share of units through an 8-bit mu-law codec")
    clip_share: float = Field(0.05, ge=0, le=1, description="share of units recorded too loud, so that peaks are cut")
    class_weights: list[float] | None = Field(
        None, description="how common each digit is, 10 numbers >= 0; null: all alike"
    )

    @field_validator("class_weights")
    @classmethod
    def _ten_weights(cls, weights: list[float] | None) -> list[float] | None:
        if weights is not None and (len(weights) != 10 or min(weights) < 0 or not 0 < sum(weights) <= 1e6):
            raise ValueError("10 numbers >= 0 with a sum > 0 are needed, one a digit")
        return weights


def _said(who: Speaker, digit: int, *, oh: bool, mark: str) -> tuple[int, Floats]:
    """A word as its program speaks it: samples a second, and values of full scale 1."""
    if isinstance(who.voice, speech.FliteVoice) and mark != ".":
        mark = ","  # flite calls and asks as it lists, and its runs are dear
    # All of a speaker's words in one tone are spoken in one run: starting a program costs more than its words.
    rate_hz, parts = speech.spoken(who.voice, who.words, mark)
    return rate_hz, parts[10 if oh else digit] / 32768.0


class _VersionWithPrograms:
    """The version of this code and of the programs that speak, for with others other units come out: asked for late."""

    def __get__(self, generator: object, kind: type | None = None) -> str:
        found = (f"{name}-{speech.program_version(name) or 'none'}" for name in speech.PROGRAMS)
        return "+".join(("1", *found))


class SpokenDigits(BaseGenerator):
    """Digits spoken in English: 8,000 samples of int16 a second."""

    name = "spoken-digits"
    title = "Spoken digits"
    description = (
        "The digits zero to nine, said by drawn voices with native and foreign accents, in rooms and noise, through "
        "microphones, telephones and codecs; 8 kHz, 16 bit. Needs the programs espeak-ng and flite."
    )
    version = cast(str, _VersionWithPrograms())
    modality = "audio"
    classes: ClassVar[list[str]] = [str(digit) for digit in range(10)]
    cu_per_unit = 0.026
    params_model = SpokenDigitsParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """The recording."""
        return (Layer("audio", "audio", "int16", "sound pressure, full scale 32,767, one microphone", RATE_HZ),)

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index`: a recording, its digit, and how it came about.

        Raises MissingProgram where a speech program is not installed.
        """
        assert isinstance(params, SpokenDigitsParams), "parse_params makes the parameters"
        rng = unit_rng(seed, index)
        digit = pick(params.class_weights or [1.0] * 10, rng)
        number = int(rng.integers(params.speakers))
        who = speaker(params, seed, number)
        lively, tone = float(rng.random()) < params.liveliness, _TONES[pick(_TONE_WEIGHTS, rng)]
        oh = digit == 0 and float(rng.random()) < params.oh_share
        rate_hz, sound = _said(who, digit, oh=oh, mark=tone if lively else ".")
        draw = float(rng.random())
        quiet = recording.QUIET_MIN + params.trim * draw * draw
        played = recording.played(params, sound, rate_hz=rate_hz, tract=who.tract, rng=rng)
        word = recording.voiced(params, recording.trimmed(played, quiet), rng)
        surrounded, place = recording.surrounded(params, word, rng)
        audio, way = recording.recorded(params, surrounded, rng)
        facts = {
            "digit": digit,
            "word": "oh" if oh else _WORDS[digit],
            "speaker": number,
            "female": who.female,
            "accent": who.accent,
            "program": f"{who.voice.program} {speech.program_version(who.voice.program)}",
            "duration_s": audio.size / RATE_HZ,
            **place,
            **way,
        }
        return Unit(index, None, digit, facts, {"audio": audio})


SPOKEN_DIGITS = SpokenDigits()
