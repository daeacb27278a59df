"""From a spoken word to a recording of it: playing speed, breath, tone, room, background, microphone and codec.

Owns what happens to the sound; who speaks, and which word, is decided before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.synthetic.generators import acoustics
from neuromation.synthetic.generators.draws import bell, pick

if TYPE_CHECKING:
    from neuromation.synthetic.generators.spoken_digits import SpokenDigitsParams

Floats = NDArray[np.float64]

RATE_HZ = 8000
_FRAME = 80  # samples, 10 ms
QUIET_MIN = 0.015  # of the loudest frame's level: what lies below at both ends is silence in any case
_SECONDS_MAX = 4.0
_TILT_KEEP = 0.58  # of a leaky average with its corner at 700 Hz


def trimmed(sound: Floats, quiet: float) -> Floats:
    """The sound without its quiet ends: frames below `quiet`, a part of the loudest frame's level."""
    count = sound.size // _FRAME
    if count < 2:
        return sound
    levels = [acoustics.level(sound[k * _FRAME : (k + 1) * _FRAME]) for k in range(count)]
    loud = [k for k, value in enumerate(levels) if value > quiet * max(levels)]
    if not loud:
        return sound
    start, end = loud[0] * _FRAME, (loud[-1] + 1) * _FRAME
    fade = np.arange(_FRAME) / _FRAME
    kept = sound[start:end].copy()
    kept[:_FRAME] *= fade
    kept[-_FRAME:] *= fade[::-1]
    return kept


def played(params: SpokenDigitsParams, sound: Floats, *, rate_hz: int, tract: float, rng: Generator) -> Floats:
    """The word at 8 kHz, faster or slower than it was spoken and unevenly so, which moves pitch and formants along."""
    speed = tract * max(0.6, 1 + params.speed_spread * bell(rng)) * rate_hz / RATE_HZ
    knots = 1 + params.wobble * 1.7320508075688772 * (2 * rng.random(6) - 1)
    count = int(min(_SECONDS_MAX * RATE_HZ, sound.size / speed + 1))
    places = np.arange(count, dtype=np.float64) * (5.0 / count)
    steps = speed * acoustics.along(knots, places)
    positions = np.add.accumulate(steps)  # adds one after the other, so its bits are the same everywhere
    positions = (positions - positions[0]) * (speed * count / positions[-1])  # from the first sample to the last
    return acoustics.interpolated(sound, positions, cutoff=0.94 / speed)


def voiced(params: SpokenDigitsParams, sound: Floats, rng: Generator) -> Floats:
    """The word with breath in its voice and the tone of a mouth's distance and a microphone's character."""
    draw = float(rng.random())
    strength = params.breath * draw * draw
    envelope = acoustics.one_pole(np.abs(sound), 0.98)
    hiss = acoustics.high_pass(acoustics.white(sound.size, rng), 800 + 1200 * float(rng.random()), rate_hz=RATE_HZ)
    sound = sound + strength * envelope * hiss
    low = acoustics.one_pole(sound, _TILT_KEEP)
    sound = low + acoustics.gain(params.tilt_db + params.tone_db * bell(rng)) * (sound - low)
    for low_hz, high_hz in ((120, 400), (400, 1000), (1000, 2000), (2000, 3600)):
        at_hz = low_hz + (high_hz - low_hz) * float(rng.random())
        q = 0.5 + float(rng.random())
        sound = acoustics.peak(sound, at_hz, params.tone_db * bell(rng), rate_hz=RATE_HZ, q=q)
    return sound


def surrounded(params: SpokenDigitsParams, word: Floats, rng: Generator) -> tuple[Floats, dict[str, Any]]:
    """The word between silences, in a room, in front of a background; and what was drawn."""
    before, after = (int(params.silence_s * RATE_HZ * float(draw)) for draw in rng.random(2))
    sound = np.concatenate([np.zeros(before), word, np.zeros(after)])
    echo_s = 0.0
    in_room, longer = float(rng.random()) < params.room_share, 0.4 + 1.2 * float(rng.random())
    share = 0.1 + 0.6 * float(rng.random())
    if in_room:
        echo_s = min(3.0, max(0.05, params.echo_s * longer))
        sound = acoustics.in_room(sound, echo_s=echo_s, share=share, rate_hz=RATE_HZ, rng=rng)
    snr_db = max(-3.0, params.snr_db + params.snr_spread_db * bell(rng))
    colour = acoustics.COLOURS[pick((3.0, 3.0, 2.0, 1.0, 1.0), rng)]
    background = acoustics.noise(colour, sound.size, rate_hz=RATE_HZ, rng=rng)
    sound = sound + background * (acoustics.level(word) * acoustics.gain(-snr_db))
    facts = {
        "speech_start_s": before / RATE_HZ,
        "speech_end_s": (before + word.size) / RATE_HZ,
        "echo_s": round(echo_s, 3),
        "snr_db": round(snr_db, 2),
        "background": colour,
    }
    return sound, facts


def recorded(params: SpokenDigitsParams, sound: Floats, rng: Generator) -> tuple[NDArray[np.int16], dict[str, Any]]:
    """The sound as a microphone and a codec leave it: int16; and what was drawn."""
    shares = (params.band_share, params.codec_share, params.clip_share)
    narrow, coded, cut = (bool(draw < share) for draw, share in zip(rng.random(3), shares, strict=True))
    low_hz, high_hz = 60 + 340 * float(rng.random()), 2300 + 1500 * float(rng.random())
    sound = acoustics.high_pass(sound, low_hz if narrow else 35.0, rate_hz=RATE_HZ)
    if narrow:
        sound = acoustics.low_pass(sound, high_hz, rate_hz=RATE_HZ)
    top = max(1e-9, float(np.abs(sound).max()))
    peak_db = 6.0 + 6.0 * float(rng.random()) if cut else -1.0 - 20.0 * float(rng.random())
    sound = sound * (acoustics.gain(peak_db) / top)
    if cut:
        sound = np.minimum(1.0, np.maximum(-1.0, sound)) * (0.3 + 0.7 * float(rng.random()))
    if coded:
        sound = acoustics.telephoned(sound)
    return acoustics.whole(sound), {"narrow_band": narrow, "mu_law": coded, "clipped": cut}
