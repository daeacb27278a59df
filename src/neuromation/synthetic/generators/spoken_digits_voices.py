"""Who speaks: voices drawn at random, and how each language spells the English digits. Knows no sound.

A voice of espeak-ng is a short text of whole numbers (formants, breath, flutter, ...), so it can be drawn freely; a
foreign accent is the voice of another language that reads the digits as that language would write them down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from numpy.random import Generator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generators.draws import bell, pick
from neuromation.synthetic.generators.spoken_digits_speech import EspeakVoice, FliteVoice

# Lines of an espeak-ng voice that choose the sounds of an English-speaking region.
NATIVE: dict[str, tuple[str, ...]] = {
    "en-gb": ("language en-gb", "language en"),
    "en-us": ("language en-us", "language en", "phonemes en-us", "dictrules 3 6"),
    "en-us-nyc": ("language en-us-nyc", "language en", "phonemes en-us-nyc", "dictrules 3 6"),
    "en-gb-scotland": ("language en-gb-scotland", "language en", "phonemes en-sc", "dictrules 2 5 6 7"),
    "en-gb-lancaster": ("language en-gb-x-gbclan", "language en", "phonemes en-n"),
    "en-gb-west-midlands": ("language en-gb-x-gbcwmd", "language en", "phonemes en-wm", "dictrules 6"),
    "en-gb-received": ("language en-gb-x-rp", "language en", "phonemes en-rp"),
    "en-caribbean": ("language en-029", "language en", "phonemes en-wi", "dictrules 8"),
}
_NATIVE_WEIGHTS = (2.0, 4.0, 1.0, 0.7, 0.7, 0.7, 1.0, 0.6)
ENGLISH = "zero one two three four five six seven eight nine oh"

# Zero to nine, then "oh", spelled so that the language's own rules come nearest to how its speakers say them.
FOREIGN: dict[str, str] = {
    "de": "siro wann tu frih fohr faif sicks säwen ejt nain oh",
    "nl": "ziero wan toe tri foor fajv siks sevven ejt najn oow",
    "fr": "ziro ouanne tou sri faure faïve sixe sévène eïte naïne au",
    "es": "siro uan tu tri for faiv six seven eit nain ou",
    "it": "ziro uan tu tri for faiv sics seven eit nain ou",
    "el": "ζίρο ουάν του θρι φορ φάιβ σιξ σέβεν έιτ νάιν όου",
    "pl": "ziroł łan tu fri for fajw syks sewen ejt najn oł",
    "sv": "siro vann to tri får fajv sicks sevven ejt najn åo",
    "ru": "зироу уан ту сри фор файв сикс сэвен эйт найн оу",
    "hi": "ज़ीरो वन टू थ्री फ़ोर फ़ाइव सिक्स सेवन एट नाइन ओ",
    "tr": "ziro uan tu tri for fayv siks sevın eyt nayn o",
    "fi": "siro uan tuu srii foor faiv siks seven eit nain ou",
    "hu": "zíro uan tú szrí for fájv sziksz szeven éjt nájn ó",
    "cs": "zírou uan tú srí fór fajv siks sevn ejt najn ou",
    "ro": "zirou uan tu sri for faiv sics seven eit nain ou",
}
_FLITE_VOICES = (
    ("rms", 100.0),
    ("awb", 130.0),
    ("kal", 105.0),
    ("kal16", 105.0),
    ("slt", 175.0),
)  # and usual pitch, Hz


class VoiceRanges(Protocol):
    """What the parameters of a generator of speech say about its speakers; see `SpokenDigitsParams`."""

    flite_share: float
    accent_share: float
    female_share: float
    tract_spread: float
    timbre_spread: float
    roughness: float
    rate_wpm: float
    rate_spread: float
    pitch_spread: float


@dataclass(frozen=True)
class Speaker:
    """One voice with its language.

    Attributes:
        voice: how its program is asked.
        accent: a region of English, or the language whose sounds are used.
        female: whether it has the pitch and throat of a woman.
        words: how it spells zero to nine and "oh".
        tract: length of its throat over the usual one; the rest of the shift that the program itself does not make.
    """

    voice: EspeakVoice | FliteVoice
    accent: str
    female: bool
    words: tuple[str, ...]
    tract: float


def speaker(params: VoiceRanges, seed: int, number: int) -> Speaker:
    """The speaker `number` of a data set; the same for all its units."""
    rng = unit_rng(seed, number, "speaker")
    female = float(rng.random()) < params.female_share
    if float(rng.random()) < params.flite_share:
        return _flite_speaker(params, female, rng)
    foreign = float(rng.random()) < params.accent_share
    accents = tuple(FOREIGN) if foreign else tuple(NATIVE)
    accent = accents[pick((1.0,) * len(FOREIGN) if foreign else _NATIVE_WEIGHTS, rng)]
    lines = (f"language {accent}",) if foreign else NATIVE[accent]
    voice = EspeakVoice(
        lines=(*lines, *_timbre(params, female, rng)),
        rate_wpm=min(400, max(80, _near(params.rate_wpm * (1 + params.rate_spread * bell(rng))))),
        pitch=min(99, max(0, _near(50 + 15 * params.pitch_spread * bell(rng)))),
    )
    return Speaker(voice, accent, female, _spelt(FOREIGN[accent] if foreign else ENGLISH), 1.0)


def _spelt(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _near(value: float) -> int:
    """The nearest whole number; of a positive value."""
    return int(value + 0.5)


def _timbre(params: VoiceRanges, female: bool, rng: Generator) -> tuple[str, ...]:
    """The lines of a voice file that make a throat: pitch, formants, tone, breath."""
    tract = (1.14 if female else 0.98) * (1 + params.tract_spread * bell(rng))
    base = (170 if female else 85) * (1 + 0.16 * params.pitch_spread * bell(rng))
    top = base * (1.05 + 0.4 * params.pitch_spread * float(rng.random()))
    lines = [
        f"gender {'female' if female else 'male'}",
        f"pitch {_near(base)} {_near(top)}",
        f"flutter {_near(1 + 5 * params.roughness * float(rng.random()))}",
        f"roughness {min(7, _near(4 * params.roughness * float(rng.random())))}",
        f"voicing {_near(100 - 35 * params.timbre_spread * float(rng.random()))}",
        f"consonants {_near(100 + 30 * params.timbre_spread * bell(rng))} "
        f"{_near(100 + 25 * params.timbre_spread * bell(rng))}",
    ]
    for formant in range(9):
        own = 0.4 if formant == 0 else 1.0
        frequency = 100 * tract * (1 + own * 0.05 * params.timbre_spread * bell(rng))
        height = 100 * (1 + own * 0.18 * params.timbre_spread * bell(rng))
        width = 100 * (1.15 + own * 0.25 * params.timbre_spread * bell(rng))
        lines.append(f"formant {formant} {_near(frequency)} {max(20, _near(height))} {max(40, _near(width))}")
    if float(rng.random()) < 0.45 * params.roughness:
        lines.append("breath " + " ".join(str(int(1 + 5 * float(rng.random()))) for _ in range(8)))
    if float(rng.random()) < 0.6 * params.timbre_spread:
        heights = [_near(255 - 200 * params.timbre_spread * share * float(rng.random())) for share in (0.2, 0.7, 1, 1)]
        lines.append("tone " + " ".join(f"{at} {h}" for at, h in zip((300, 1000, 2200, 4500), heights, strict=True)))
    if float(rng.random()) < 0.2 * params.timbre_spread:
        lines.append(f"klatt {int(1 + 4 * float(rng.random()))}")
    return tuple(lines)


def _flite_speaker(params: VoiceRanges, female: bool, rng: Generator) -> Speaker:
    """One of flite's recorded voices, made longer, shorter, higher, lower; coarse steps, for each costs a run."""
    name, pitch_hz = _FLITE_VOICES[4] if female and rng.random() < 0.7 else _FLITE_VOICES[pick((3, 3, 1, 2), rng)]
    stretch = (145.0 / params.rate_wpm) * (1 + params.rate_spread * bell(rng))
    pitch = pitch_hz * (1 + 0.16 * params.pitch_spread * bell(rng))
    voice = FliteVoice(
        name,
        stretch_percent=min(200, max(50, _near(100 * stretch))),
        pitch_hz=_near(pitch),
        pitch_spread_hz=_near(pitch * (0.05 + 0.15 * float(rng.random()))),
    )
    tract = 1 + 0.8 * params.tract_spread * bell(rng)
    accent = "en-gb-scotland" if name == "awb" else "en-us"
    return Speaker(voice, accent, female and name == "slt", _spelt(ENGLISH), tract)
