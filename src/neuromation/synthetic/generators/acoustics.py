"""Sound as numbers: resampling, filters, rooms, noises, codecs; for generators of recordings. Knows no words or events.

Everything is float64 of shape (samples,), full scale 1.0, and one loop of additions and multiplications in a fixed order:
equal bits on every machine. There is no Fourier transform and no vector library in here for that reason.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.exact import exact_cos, exact_exp, exact_sin

Floats = NDArray[np.float64]
Colour = Literal["white", "pink", "brown", "hum", "crowd"]
COLOURS: tuple[Colour, ...] = ("white", "pink", "brown", "hum", "crowd")

PI = 3.141592653589793
FULL_SCALE = 32767
_DB = 0.11512925464970229  # ln(10) / 20
_CROSSINGS = 12  # of the resampling kernel on each side; 12 leave less than -70 dB of what is folded back
_STEPS = 256  # table entries between two crossings
_KAISER_BETA = 7.5
_LINES = 8  # delay lines of a room


def gain(decibels: float) -> float:
    """The factor that raises an amplitude by so many dB."""
    return float(exact_exp(decibels * _DB))


@compiled
def energy(signal: Floats) -> float:
    """The mean square of a signal."""
    total = 0.0
    for value in signal:
        total += value * value
    return total / max(1, signal.size)


def level(signal: Floats) -> float:
    """The root mean square of a signal."""
    return float(np.sqrt(energy(signal)))


@compiled
def _bessel(x: float) -> float:
    """I0 by its series (Abramowitz and Stegun 9.6.12)."""
    term = total = 1.0
    for k in range(1, 40):
        term *= (x / (2.0 * k)) * (x / (2.0 * k))
        total += term
    return total


@cache
def _kernel() -> Floats:
    """Half of a sinc under a Kaiser window, `_STEPS` entries a crossing and two spare zeros at the end."""
    table = np.zeros(_CROSSINGS * _STEPS + 2)
    table[0] = 1.0
    for place in range(1, _CROSSINGS * _STEPS):
        x = place / _STEPS
        window = _bessel(_KAISER_BETA * float(np.sqrt(1 - (x / _CROSSINGS) * (x / _CROSSINGS)))) / _bessel(_KAISER_BETA)
        table[place] = window * exact_sin(PI * x) / (PI * x)
    return table


@compiled
def _interpolated(
    signal: Floats, positions: Floats, cutoff: float, table: Floats, crossings: int, steps: int
) -> Floats:
    out = np.zeros(positions.size)
    reach = crossings / cutoff
    for n in range(positions.size):
        at = positions[n]
        first = max(0, int(np.floor(at - reach)) + 1)
        last = min(signal.size - 1, int(np.floor(at + reach)))
        total = 0.0
        for m in range(first, last + 1):
            place = abs(at - m) * cutoff * steps
            low = min(int(place), crossings * steps)
            total += signal[m] * (table[low] + (place - low) * (table[low + 1] - table[low]))
        out[n] = total * cutoff
    return out


def interpolated(signal: Floats, positions: Floats, *, cutoff: float = 1.0) -> Floats:
    """A signal read between its samples, by a windowed sinc.

    Args:
        signal: (m,).
        positions: (n,), where to read, in samples; outside of the signal there is silence.
        cutoff: highest frequency that is let through, over half the rate of `signal`, in 0.02..1; at most the step of
            reading backwards, or it folds.

    Returns:
        (n,).

    Source: J. O. Smith, "Digital Audio Resampling" (band-limited interpolation from a table).
    """
    return _interpolated(signal, positions, min(1.0, max(0.02, cutoff)), _kernel(), _CROSSINGS, _STEPS)


@compiled
def biquad(signal: Floats, b0: float, b1: float, b2: float, a1: float, a2: float) -> Floats:
    """The signal through a filter of second order, in the transposed direct form II; a0 is 1."""
    out = np.empty(signal.size)
    one = two = 0.0
    for n in range(signal.size):
        x = signal[n]
        y = b0 * x + one
        one = b1 * x - a1 * y + two
        two = b2 * x - a2 * y
        out[n] = y
    return out


def _corner(frequency_hz: float, rate_hz: float, q: float) -> tuple[float, float]:
    turn = 2 * PI * min(max(frequency_hz, 1.0), 0.49 * rate_hz) / rate_hz
    return float(exact_cos(turn)), float(exact_sin(turn)) / (2 * q)


def low_pass(signal: Floats, frequency_hz: float, *, rate_hz: float, q: float = 0.7071) -> Floats:
    """What lies below a frequency; 12 dB an octave. Source of all such filters: R. Bristow-Johnson, audio EQ cookbook."""
    cosine, alpha = _corner(frequency_hz, rate_hz, q)
    a0 = 1 + alpha
    b = (1 - cosine) / 2 / a0
    return biquad(signal, b, 2 * b, b, -2 * cosine / a0, (1 - alpha) / a0)


def high_pass(signal: Floats, frequency_hz: float, *, rate_hz: float, q: float = 0.7071) -> Floats:
    """What lies above a frequency; 12 dB an octave."""
    cosine, alpha = _corner(frequency_hz, rate_hz, q)
    a0 = 1 + alpha
    b = (1 + cosine) / 2 / a0
    return biquad(signal, b, -2 * b, b, -2 * cosine / a0, (1 - alpha) / a0)


def band_pass(signal: Floats, frequency_hz: float, *, rate_hz: float, q: float = 1.0) -> Floats:
    """What lies about a frequency, 0 dB there; the band is `frequency_hz / q` wide."""
    cosine, alpha = _corner(frequency_hz, rate_hz, q)
    a0 = 1 + alpha
    return biquad(signal, alpha / a0, 0.0, -alpha / a0, -2 * cosine / a0, (1 - alpha) / a0)


def peak(signal: Floats, frequency_hz: float, decibels: float, *, rate_hz: float, q: float = 1.0) -> Floats:
    """A band raised or lowered by so many dB."""
    cosine, alpha = _corner(frequency_hz, rate_hz, q)
    root = gain(decibels / 2)
    a0 = 1 + alpha / root
    return biquad(
        signal,
        (1 + alpha * root) / a0,
        -2 * cosine / a0,
        (1 - alpha * root) / a0,
        -2 * cosine / a0,
        (1 - alpha / root) / a0,
    )


@compiled
def one_pole(signal: Floats, keep: float) -> Floats:
    """A leaky average: each output is `keep` of the last one and the rest of the input; keep in 0..1."""
    out = np.empty(signal.size)
    last = 0.0
    for n in range(signal.size):
        last = keep * last + (1.0 - keep) * signal[n]
        out[n] = last
    return out


@compiled
def _pinked(white: Floats) -> Floats:
    """White noise at -3 dB an octave: three leaky averages whose corners lie a factor of ten apart, summed."""
    out = np.empty(white.size)
    slow = middle = fast = 0.0
    for n in range(white.size):
        slow = 0.997 * slow + 0.029 * white[n]
        middle = 0.963 * middle + 0.105 * white[n]
        fast = 0.57 * fast + 0.30 * white[n]
        out[n] = slow + middle + fast + 0.12 * white[n]
    return out


def white(count: int, rng: Generator) -> Floats:
    """Noise of equal power at all frequencies, level 1; bell-shaped enough for an ear: the sum of two draws."""
    draws = rng.random((2, count))
    noise: Floats = (draws[0] + draws[1] - 1.0) * 2.449489742783178
    return noise


@compiled
def _hum(count: int, turn: float, weights: Floats, phases: Floats) -> Floats:
    out = np.zeros(count)
    for k in range(weights.size):
        for n in range(count):
            out[n] += weights[k] * exact_sin(turn * (k + 1) * n + phases[k])
    return out


def noise(colour: Colour, count: int, *, rate_hz: float, rng: Generator) -> Floats:
    """Background of one colour at level 1.

    Args:
        colour: `white`; `pink`, -3 dB an octave; `brown`, -6 dB; `hum` of a mains with harmonics in a little hiss;
            `crowd`, bands of speech that swell a few times a second.
        count: samples, >= 1.
        rate_hz: samples a second.
        rng: source of its randomness.
    """
    if colour == "hum":
        mains_hz = 50.0 if rng.random() < 0.6 else 60.0
        weights, phases = rng.random(6) * np.array([1.0, 0.6, 0.7, 0.3, 0.4, 0.2]), rng.random(6) * 6.28
        made = _hum(count, 2 * PI * mains_hz / rate_hz, weights, phases) + 0.15 * white(count, rng)
    elif colour == "crowd":
        made = 0.1 * _pinked(white(count, rng))
        for _ in range(5):
            voice = band_pass(white(count, rng), 300 + 1500 * rng.random(), rate_hz=rate_hz, q=1.5)
            made = made + voice * swelling(count, rate_hz=rate_hz, beats_hz=3 + 3 * rng.random(), rng=rng)
    else:
        made = white(count, rng)
        if colour == "pink":
            made = _pinked(made)
        elif colour == "brown":
            made = high_pass(one_pole(made, 0.98), 30, rate_hz=rate_hz)
    return made / max(1e-9, level(made))


def swelling(count: int, *, rate_hz: float, beats_hz: float, rng: Generator) -> Floats:
    """A loudness of 0..1 that wanders between drawn values, `beats_hz` of them a second."""
    knots = int(count / rate_hz * beats_hz) + 3
    return along(rng.random(knots), np.arange(count, dtype=np.float64) * (beats_hz / rate_hz))


@compiled
def along(values: Floats, places: Floats) -> Floats:
    """Straight lines through `values` at 0, 1, 2, ..., read at `places`; beyond the ends the ends go on."""
    out = np.empty(places.size)
    for n in range(places.size):
        place = min(max(places[n], 0.0), values.size - 1.0)
        low = min(int(place), values.size - 2)
        out[n] = values[low] + (place - low) * (values[low + 1] - values[low])
    return out


@compiled
def _tail(signal: Floats, delays: NDArray[np.int64], gains: Floats, damping: float) -> Floats:
    """The late echo of a room: delay lines that feed each other through a Householder reflection, highs dying first."""
    lines = delays.size
    store = np.zeros((lines, delays.max()))
    places = np.zeros(lines, np.int64)
    dull = np.zeros(lines)
    out = np.empty(signal.size)
    for n in range(signal.size):
        total = wet = 0.0
        for k in range(lines):
            dull[k] = damping * dull[k] + (1.0 - damping) * store[k, places[k]]
            total += dull[k]
            wet += dull[k] if k % 2 == 0 else -dull[k]
        for k in range(lines):
            store[k, places[k]] = signal[n] + gains[k] * (dull[k] - 2.0 / lines * total)
            places[k] = places[k] + 1 if places[k] + 1 < delays[k] else 0
        out[n] = wet
    return out


@compiled
def _taps(signal: Floats, delays: NDArray[np.int64], gains: Floats) -> Floats:
    out = np.zeros(signal.size)
    for k in range(delays.size):
        for n in range(delays[k], signal.size):
            out[n] += gains[k] * signal[n - delays[k]]
    return out


def in_room(signal: Floats, *, echo_s: float, share: float, rate_hz: float, rng: Generator) -> Floats:
    """A signal as it sounds in a room; no longer than it was, so add silence first for the echo to ring out.

    Args:
        signal: (n,).
        echo_s: time in which the echo falls by 60 dB, 0.05..5 s.
        share: level of the echo over the level of what comes straight, 0..4.
        rate_hz: samples a second.
        rng: draws the walls: early reflections and the lengths of the delay lines.

    Source: J.-M. Jot, A. Chaigne, "Digital delay networks for designing artificial reverberators" (1991).
    """
    size_s = 0.008 + 0.018 * min(1.0, echo_s)
    delays = np.maximum(2, (size_s * rate_hz * (0.5 + 1.5 * rng.random(_LINES))).astype(np.int64))
    gains = np.array([gain(-60.0 * delay / (echo_s * rate_hz)) for delay in delays])
    early = np.maximum(1, (size_s * rate_hz * 1.5 * rng.random(6)).astype(np.int64))
    strength = (0.6 * rng.random(6) - 0.2) * np.array([1.0, 0.8, 0.7, 0.6, 0.5, 0.4])
    damping = 0.15 + 0.4 * rng.random()
    echo = _tail(signal, delays, gains, damping) + _taps(signal, early, strength)
    loud = level(echo)
    return signal if loud < 1e-9 else signal + echo * (share * level(signal) / loud)


@compiled
def whole(signal: Floats) -> NDArray[np.int16]:
    """A signal as int16, rounded half up; beyond full scale it is clipped."""
    out = np.empty(signal.size, np.int16)
    for n in range(signal.size):
        value = np.floor(signal[n] * 32767.0 + 0.5)
        out[n] = min(32767.0, max(-32768.0, value))
    return out


@compiled
def telephoned(signal: Floats) -> Floats:
    """A signal after 8-bit mu-law coding and decoding. Source: ITU-T G.711, whole numbers only."""
    out = np.empty(signal.size)
    for n in range(signal.size):
        value = int(np.floor(signal[n] * 32767.0 + 0.5))
        size = min(abs(value), 32635) + 132
        shift = 3
        while size >= (256 << (shift - 3)):
            shift += 1
        step = 1 << shift
        coded = (size // step) * step + step // 2 - 132
        out[n] = (coded if value >= 0 else -coded) / 32767.0
    return out
