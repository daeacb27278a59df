"""What things sound like: claps, bells, barks, engines, built from resonances, harmonics and bursts of noise.

Each source is a function of a random stream and of how far examples may differ; it returns one event, (samples,), with
its loudest sample at about 1. Owns sounds only: where and when they are heard is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.exact import exact_cos, exact_exp, exact_sin
from neuromation.synthetic.generators.acoustics import PI, along, band_pass, high_pass, low_pass, one_pole, white

Floats = NDArray[np.float64]
Source = Callable[[Generator, float], Floats]

RATE_HZ = 16_000


@compiled
def _ringing(count: int, rate_hz: float, frequencies_hz: Floats, decays_s: Floats, sizes: Floats) -> Floats:
    """Damped resonances struck at once: each falls to 1/e in its decay. Recursion of second order, no sine a sample."""
    out = np.zeros(count)
    for k in range(frequencies_hz.size):
        turn = 2.0 * PI * frequencies_hz[k] / rate_hz
        if turn >= 0.95 * PI:
            continue
        fall = exact_exp(-1.0 / (decays_s[k] * rate_hz))
        double, square = 2.0 * fall * exact_cos(turn), fall * fall
        before, last = 0.0, sizes[k] * fall * exact_sin(turn)
        for n in range(1, count):
            out[n] += last
            before, last = last, double * last - square * before
    return out


@compiled
def _harmonics(pitch_hz: Floats, rate_hz: float, weights: Floats) -> Floats:
    """A voice or a motor: whole multiples of a pitch that moves, each with its weight, none above what the rate holds."""
    out = np.empty(pitch_hz.size)
    phase = 0.0
    for n in range(pitch_hz.size):
        phase += pitch_hz[n] / rate_hz
        phase -= np.floor(phase)
        double = 2.0 * exact_cos(2.0 * PI * phase)
        before, last = 0.0, exact_sin(2.0 * PI * phase)
        total = 0.0
        for k in range(weights.size):
            if (k + 1) * pitch_hz[n] > 0.46 * rate_hz:
                break
            total += weights[k] * last
            before, last = last, double * last - before  # sine of the next multiple, by Chebyshev
        out[n] = total
    return out


@compiled
def fading(count: int, rate_hz: float, attack_s: float, decay_s: float) -> Floats:
    """An envelope that rises in a straight line and then falls to 1/e each `decay_s`."""
    out = np.empty(count)
    rise = max(1.0, attack_s * rate_hz)
    fall = exact_exp(-1.0 / (decay_s * rate_hz))
    value = 1.0
    for n in range(count):
        if n < rise:
            out[n] = n / rise
        else:
            out[n] = value
            value *= fall
    return out


def held(count: int, edge_s: float) -> Floats:
    """An envelope of 1 with straight edges."""
    edge = max(1.0, edge_s * RATE_HZ)
    places = np.arange(count, dtype=np.float64)
    envelope: Floats = np.minimum(1.0, np.minimum(places, places[::-1]) / edge)
    return envelope


def between(rng: Generator, low: float, high: float, variety: float = 1.0) -> float:
    """A number of the middle of a range; at `variety` 1 of all the range."""
    return 0.5 * (low + high) + 0.5 * (high - low) * min(1.0, variety) * (2.0 * float(rng.random()) - 1.0)


def _count(seconds: float) -> int:
    return max(2, int(seconds * RATE_HZ))


def _contour(values: list[float], count: int) -> Floats:
    """Straight lines through values at even distances, over `count` samples."""
    return along(np.array(values, np.float64), np.arange(count, dtype=np.float64) * ((len(values) - 1) / count))


def _strung(parts: list[tuple[float, Floats]]) -> Floats:
    """Sounds at their times in seconds, added up."""
    out = np.zeros(max(_count(at) + part.size for at, part in parts))
    for at, part in parts:
        start = int(at * RATE_HZ)
        out[start : start + part.size] += part
    return out


def _evened(sound: Floats) -> Floats:
    top = float(np.abs(sound).max())
    return sound / top if top > 0 else sound


def _burst(rng: Generator, *, seconds: float, decay_s: float, frequency_hz: float, q: float) -> Floats:
    """A band of noise that starts at once and dies."""
    count = _count(seconds)
    noise = band_pass(white(count, rng), frequency_hz, rate_hz=RATE_HZ, q=q)
    return _evened(noise * fading(count, RATE_HZ, 0.0005, decay_s))


def _struck(rng: Generator, *, seconds: float, modes: list[tuple[float, float, float]]) -> Floats:
    """A body that rings: (frequency in Hz, decay in seconds, size) of each of its modes."""
    table = np.array(modes, np.float64)
    return _ringing(_count(seconds), RATE_HZ, table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy())


def _repeats(rng: Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def alarm(rng: Generator, variety: float) -> Floats:
    """Beeps of one electronic tone."""
    pitch_hz, on_s = between(rng, 700, 3300, variety), between(rng, 0.07, 0.35, variety)
    off_s, weights = (
        on_s * between(rng, 0.5, 1.5, variety),
        np.array([1.0, 0.1, 0.35 * float(rng.random()), 0.05, 0.15]),
    )
    count = _count(on_s)
    beep = _harmonics(np.full(count, pitch_hz), RATE_HZ, weights) * held(count, 0.004)
    return _strung([(k * (on_s + off_s), beep) for k in range(_repeats(rng, 3, 7))])


def baby_cry(rng: Generator, variety: float) -> Floats:
    """Cries of a high voice that rises, breaks and falls, and a gasp between them."""
    parts, at = [], 0.0
    base = between(rng, 340, 520, variety)
    for _ in range(_repeats(rng, 1, 3)):
        seconds = between(rng, 0.5, 1.1, variety)
        count = _count(seconds)
        knots = [0.8, 1.1, 1.15 + 0.15 * float(rng.random()), 1.1, 1.0 + 0.1 * float(rng.random()), 0.75]
        trill = 1 + 0.02 * one_pole(white(count, rng), 0.995) * 10
        pitch = base * _contour(knots, count) * trill
        weights = np.array([1.0 / (1.0 + 0.25 * k) for k in range(22)])
        voice = _harmonics(pitch, RATE_HZ, weights) + 0.25 * white(count, rng)
        mouth = between(rng, 0.9, 1.15, variety)
        shaped = (
            band_pass(voice, 1150 * mouth, rate_hz=RATE_HZ, q=3)
            + 0.6 * band_pass(voice, 3100 * mouth, rate_hz=RATE_HZ, q=4)
            + 0.25 * voice
        )
        swell = _contour([0.0, 0.8, 1.0, 0.9, 0.7, 0.0], count)
        parts.append((at, _evened(shaped * swell)))
        gasp = _burst(rng, seconds=0.2, decay_s=0.08, frequency_hz=2200, q=0.8)
        parts.append((at + seconds + 0.05, 0.12 * gasp))
        at += seconds + between(rng, 0.25, 0.45, variety)
    return _strung(parts)


def bark(rng: Generator, variety: float) -> Floats:
    """One to four short, rough barks; small dogs are higher and shorter."""
    size = between(rng, 0.0, 1.0, variety)  # 0 a terrier, 1 a shepherd
    gap_s, parts, at = between(rng, 0.2, 0.5, variety), [], 0.0
    for _ in range(_repeats(rng, 1, 4)):
        seconds = 0.13 + 0.13 * size + 0.04 * float(rng.random())
        count = _count(seconds)
        high = (820 - 500 * size) * (0.9 + 0.2 * float(rng.random()))
        pitch = _contour([0.6 * high, high, 0.95 * high, 0.7 * high, 0.45 * high], count)
        pitch = pitch * (1 + 0.08 * white(count, rng))  # roughness
        voice = _harmonics(pitch, RATE_HZ, np.array([1.0 / (1 + 0.35 * k) for k in range(25)]))
        voice = voice + (0.5 + 0.4 * float(rng.random())) * white(count, rng)
        throat = 1.35 - 0.6 * size
        shaped = (
            band_pass(voice, 750 * throat, rate_hz=RATE_HZ, q=2)
            + 0.7 * band_pass(voice, 1700 * throat, rate_hz=RATE_HZ, q=2.5)
            + 0.2 * voice
        )
        parts.append((at, _evened(shaped * _contour([0.0, 1.0, 0.9, 0.45, 0.15, 0.0], count))))
        at += seconds + gap_s * (0.7 + 0.6 * float(rng.random()))
    return _strung(parts)


def bell(rng: Generator, variety: float) -> Floats:
    """A bell struck once or more: partials of a church bell, the higher the shorter."""
    note_hz, ring_s = between(rng, 260, 1500, variety), between(rng, 0.5, 1.6, variety)
    ratios = (0.5, 1.0, 1.2, 1.5, 2.0, 2.52, 2.67, 3.0, 4.02, 5.4)
    parts, at = [], 0.0
    for _ in range(_repeats(rng, 1, 2)):
        modes = [
            (
                note_hz * ratio * (0.995 + 0.01 * float(rng.random())),
                ring_s / (0.5 + ratio),
                0.3 + 0.7 * float(rng.random()),
            )
            for ratio in ratios
        ]
        sound = _struck(rng, seconds=3.0 * ring_s, modes=modes)
        parts.append((at, _evened(sound) + _padded(0.2 * _burst(
            rng, seconds=0.03, decay_s=0.005, frequency_hz=3500, q=0.7
        ), sound.size)))  # fmt: skip
        at += between(rng, 0.4, 0.9, variety)
    return _strung(parts)


def _padded(sound: Floats, count: int) -> Floats:
    out = np.zeros(count)
    out[: min(count, sound.size)] = sound[:count]
    return out


def clap(rng: Generator, variety: float) -> Floats:
    """Hand claps: fingers and palm meet at slightly different times, the hollow between them rings."""
    hollow_hz, gap_s = between(rng, 800, 1800, variety), between(rng, 0.22, 0.5, variety)
    parts, at = [], 0.0
    for _ in range(_repeats(rng, 1, 5)):
        strength = 0.7 + 0.3 * float(rng.random())
        for k in range(3):
            late = 0.001 * k * (1 + 2 * float(rng.random()))
            hit = _burst(rng, seconds=0.12, decay_s=0.006 + 0.02 * (k == 2), frequency_hz=hollow_hz, q=0.9)
            parts.append((at + late, strength * (0.5 + 0.25 * k) * hit))
        at += gap_s * (0.9 + 0.2 * float(rng.random()))
    return _evened(_strung(parts))


def engine(rng: Generator, variety: float) -> Floats:
    """A motor that runs, revs or starts off: harmonics of its firing, rattle that comes with every stroke."""
    seconds = between(rng, 1.2, 3.2, variety)
    count = _count(seconds)
    idle = between(rng, 22, 60, variety)
    pitch = idle * _contour([1 + 0.9 * float(rng.random()) for _ in range(5)], count)
    pitch = pitch * (1 + 0.004 * white(count, rng))
    weights = np.array([(0.35 + 0.65 * float(rng.random())) / (1 + 0.08 * k) for k in range(45)])
    motor = _harmonics(pitch, RATE_HZ, weights)
    stroke = np.maximum(0.0, _harmonics(pitch, RATE_HZ, np.array([1.0])))
    rattle = band_pass(white(count, rng), between(rng, 900, 2500, variety), rate_hz=RATE_HZ, q=0.6) * (0.2 + stroke)
    sound = low_pass(motor, between(rng, 500, 1600, variety), rate_hz=RATE_HZ)
    return _evened((_evened(sound) + 0.35 * _evened(rattle)) * held(count, 0.25))


def footsteps(rng: Generator, variety: float) -> Floats:
    """Steps on a floor: a thud, the click of a heel, the sole's scrape."""
    pace_s, floor_hz = between(rng, 0.38, 0.7, variety), between(rng, 70, 160, variety)
    heel, scrape = float(rng.random()), float(rng.random())
    parts: list[tuple[float, Floats]] = []
    for k in range(_repeats(rng, 3, 7)):
        at = k * pace_s * (0.96 + 0.08 * float(rng.random()))
        strength = 0.7 + 0.3 * float(rng.random())
        modes = [(floor_hz, 0.03, 1.0), (floor_hz * 2.3, 0.018, 0.6), (floor_hz * 4.1, 0.01, 0.4)]
        parts.append((at, strength * _evened(_struck(rng, seconds=0.2, modes=modes))))
        click = _burst(rng, seconds=0.06, decay_s=0.006, frequency_hz=1500 + 1500 * heel, q=0.8)
        parts.append((at, strength * (0.2 + 0.5 * heel) * click))
        sole = _burst(rng, seconds=0.15, decay_s=0.05, frequency_hz=3500, q=0.5)
        parts.append((at + 0.06, strength * 0.25 * scrape * sole))
    return _evened(_strung(parts))


def glass_break(rng: Generator, variety: float) -> Floats:
    """A pane that cracks and splinters that ring as they fall, fewer and fewer."""
    parts = [(0.0, _burst(rng, seconds=0.25, decay_s=0.03, frequency_hz=between(rng, 2200, 4500, variety), q=0.5))]
    spread_s = between(rng, 0.25, 0.7, variety)
    for _ in range(_repeats(rng, 18, 40)):
        draw = float(rng.random())
        at = spread_s * draw * draw * (1 + draw)
        pitch_hz = 2000 + 5000 * float(rng.random())
        modes = [
            (pitch_hz * ratio, 0.015 + 0.05 * float(rng.random()), float(rng.random())) for ratio in (1.0, 1.47, 1.93)
        ]
        parts.append((at, (0.15 + 0.45 * float(rng.random())) * _evened(_struck(rng, seconds=0.2, modes=modes))))
    return _evened(_strung(parts))


def knock(rng: Generator, variety: float) -> Floats:
    """Knuckles on a door: a wooden panel's few, dull modes."""
    panel_hz, gap_s = between(rng, 150, 480, variety), between(rng, 0.12, 0.28, variety)
    parts = []
    for k in range(_repeats(rng, 2, 5)):
        strength = 0.7 + 0.3 * float(rng.random())
        modes = [
            (panel_hz * ratio * (0.98 + 0.04 * float(rng.random())), 0.035 / ratio, 1.0 / ratio)
            for ratio in (1.0, 1.62, 2.41, 3.3, 4.7)
        ]
        blow = _evened(_struck(rng, seconds=0.25, modes=modes))
        tap = _burst(rng, seconds=0.02, decay_s=0.002, frequency_hz=1800, q=0.6)
        parts.append(
            (k * gap_s * (0.95 + 0.1 * float(rng.random())), strength * (blow + 0.5 * _padded(tap, blow.size)))
        )
    return _evened(_strung(parts))


def phone_ring(rng: Generator, variety: float) -> Floats:
    """A telephone: two tones at once, or two in fast turn, in rings with pauses."""
    low_hz, ring_s = between(rng, 420, 1100, variety), between(rng, 0.5, 1.0, variety)
    count, ratio = _count(ring_s), between(rng, 1.09, 1.33, variety)
    weights = np.array([1.0, 0.25, 0.12 * float(rng.random())])
    if float(rng.random()) < 0.5:
        tone = _harmonics(np.full(count, low_hz), RATE_HZ, weights)
        ring = tone + _harmonics(np.full(count, low_hz * ratio), RATE_HZ, weights)
    else:
        turns_hz = between(rng, 12, 26, variety)
        turn = np.floor(np.arange(count, dtype=np.float64) * (2 * turns_hz / RATE_HZ)) % 2
        ring = _harmonics(2 * low_hz * (1 + (ratio - 1) * turn), RATE_HZ, weights)
    ring = _evened(ring) * held(count, 0.01)
    return _strung([(k * (ring_s + 0.35), ring) for k in range(_repeats(rng, 1, 3))])


def siren(rng: Generator, variety: float) -> Floats:
    """A vehicle's siren: a wail, a fast yelp, or two tones in turn."""
    seconds = between(rng, 1.5, 3.0, variety)
    count = _count(seconds)
    low_hz, kind = between(rng, 420, 750, variety), int(rng.integers(3))
    places = np.arange(count, dtype=np.float64) / RATE_HZ
    if kind == 2:
        turn = np.floor(places / between(rng, 0.4, 0.7, variety)) % 2
        pitch = low_hz * (1 + 0.33 * turn)
    else:
        cycle = places * (between(rng, 0.35, 0.8, variety) if kind == 0 else between(rng, 2.5, 4.5, variety))
        saw = cycle - np.floor(cycle)
        sharp = low_hz * (1 + 1.1 * (1 - np.abs(2 * saw - 1)))
        start = np.full(RATE_HZ // 4, sharp[0])
        pitch = one_pole(np.concatenate([start, sharp]), 0.9992)[start.size :]  # a motor or a circuit lags behind
    weights = np.array([1.0, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.08])
    return _evened(_harmonics(pitch, RATE_HZ, weights)) * held(count, 0.15)


def whistle(rng: Generator, variety: float) -> Floats:
    """A whistle with lips: nearly a sine, with breath about it."""
    parts, at = [], 0.0
    for _ in range(_repeats(rng, 1, 3)):
        seconds = between(rng, 0.2, 0.7, variety)
        count = _count(seconds)
        base = between(rng, 1000, 2600, variety)
        pitch = base * _contour([0.9 + 0.4 * float(rng.random()) for _ in range(4)], count)
        tone = _harmonics(pitch, RATE_HZ, np.array([1.0, 0.03]))
        air = high_pass(white(count, rng), base, rate_hz=RATE_HZ)
        parts.append((at, (tone + 0.06 * air) * held(count, 0.03)))
        at += seconds + between(rng, 0.05, 0.2, variety)
    return _strung(parts)


SOURCES: dict[str, Source] = {
    "alarm": alarm,
    "baby-cry": baby_cry,
    "bark": bark,
    "bell": bell,
    "clap": clap,
    "engine": engine,
    "footsteps": footsteps,
    "glass-break": glass_break,
    "knock": knock,
    "phone-ring": phone_ring,
    "siren": siren,
    "whistle": whistle,
}
