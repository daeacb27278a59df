"""The arithmetic of sound: filters, resampling, rooms and codecs do what textbooks say, here checked with numpy's FFT."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generators import acoustics

RATE_HZ = 8000.0


def a_tone(frequency_hz: float, *, rate_hz: float = RATE_HZ, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate_hz)) / rate_hz)


def resampled(signal: np.ndarray, *, rate_hz: float, wanted_hz: float) -> np.ndarray:
    step = rate_hz / wanted_hz
    positions = np.arange(int(signal.size / step)) * step
    return acoustics.interpolated(signal, positions, cutoff=min(1.0, 0.97 / step))


def response_db(filtered: np.ndarray, frequency_hz: float) -> float:
    """What a filter did to a tone of level 0.707, away from its start."""
    return float(20 * np.log10(acoustics.level(filtered[2000:]) * np.sqrt(2)))


@given(st.floats(-80, 20))
def test_gain_is_ten_to_the_twentieth(decibels: float) -> None:
    assert acoustics.gain(decibels) == pytest.approx(10 ** (decibels / 20), rel=1e-12)


@pytest.mark.parametrize(("wanted_hz", "tone_hz"), [(8000, 440), (16_000, 3000), (11_025, 1234)])
def test_a_tone_survives_resampling(wanted_hz: int, tone_hz: int) -> None:
    made = resampled(a_tone(tone_hz, rate_hz=22_050), rate_hz=22_050, wanted_hz=wanted_hz)
    assert len(made) == pytest.approx(wanted_hz, abs=1)
    truth = a_tone(tone_hz, rate_hz=wanted_hz)[: len(made)]
    assert np.abs(made - truth)[200:-200].max() < 0.005


def test_what_the_new_rate_cannot_hold_is_taken_out() -> None:
    folded = resampled(a_tone(5500, rate_hz=22_050), rate_hz=22_050, wanted_hz=8000)
    assert acoustics.level(folded[100:-100]) < 0.003


@pytest.mark.parametrize(("at_hz", "db"), [(200, 0), (1000, -3.01), (3600, -45)])
def test_a_low_pass_lets_lows_through(at_hz: int, db: float) -> None:
    seen = response_db(acoustics.low_pass(a_tone(at_hz), 1000, rate_hz=RATE_HZ), at_hz)
    assert seen < -30 if db == -45 else abs(seen - db) < 0.2


def test_high_and_band_passes_and_peaks_do_what_they_say() -> None:
    assert response_db(acoustics.high_pass(a_tone(1000), 1000, rate_hz=RATE_HZ), 1000) == pytest.approx(-3.01, abs=0.1)
    assert response_db(acoustics.high_pass(a_tone(60), 1000, rate_hz=RATE_HZ), 60) < -40
    assert response_db(acoustics.band_pass(a_tone(700), 700, rate_hz=RATE_HZ, q=3), 700) == pytest.approx(0, abs=0.1)
    assert response_db(acoustics.peak(a_tone(700), 700, 9.0, rate_hz=RATE_HZ), 700) == pytest.approx(9, abs=0.1)
    assert response_db(acoustics.peak(a_tone(50), 3000, 9.0, rate_hz=RATE_HZ, q=3), 50) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize(("colour", "slope_db"), [("white", 0), ("pink", -3), ("brown", -6)])
def test_noises_have_their_slopes(colour: acoustics.Colour, slope_db: float) -> None:
    made = acoustics.noise(colour, 2**16, rate_hz=RATE_HZ, rng=unit_rng(1, 0))
    power = np.abs(np.fft.rfft(made)) ** 2
    bands = [power[2**k : 2 ** (k + 1)].mean() for k in range(9, 14)]  # octaves from 62 to 2,000 Hz
    slopes = 10 * np.diff(np.log10(bands))
    assert slopes.mean() == pytest.approx(slope_db, abs=1.0)


@pytest.mark.parametrize("colour", acoustics.COLOURS)
def test_every_noise_has_level_one(colour: acoustics.Colour) -> None:
    assert acoustics.level(acoustics.noise(colour, 5000, rate_hz=RATE_HZ, rng=unit_rng(2, 0))) == pytest.approx(1)


@given(echo_s=st.floats(0.2, 1.5), seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_an_echo_dies_in_its_time(echo_s: float, seed: int) -> None:
    click = np.zeros(int(RATE_HZ * 2))
    click[0] = 1.0
    sound = acoustics.in_room(click, echo_s=echo_s, share=1.0, rate_hz=RATE_HZ, rng=unit_rng(seed, 0))
    energy_left = np.cumsum(sound[1:][::-1] ** 2)[::-1]
    early, late = (int(RATE_HZ * echo_s * part) for part in (0.15, 0.45))
    fallen_db = 10 * np.log10(energy_left[early] / energy_left[late])
    assert 15 < fallen_db < 50  # 18 by the delay lines; their damping makes highs die faster


@given(st.integers(-32768, 32767))
def test_mu_law_keeps_a_sample_to_three_percent(value: int) -> None:
    heard = acoustics.telephoned(np.array([value / 32767.0]))[0] * 32767
    assert abs(heard - value) <= 0.033 * abs(value) + 9
    assert acoustics.telephoned(np.array([heard / 32767.0]))[0] * 32767 == pytest.approx(
        heard
    )  # coding twice is coding once


def test_mu_law_has_255_values() -> None:
    heard = acoustics.telephoned(np.arange(-32768, 32768) / 32767.0)
    assert 250 <= len(np.unique(np.round(heard * 32767))) <= 256


def test_whole_numbers_are_rounded_and_clipped() -> None:
    made = acoustics.whole(np.array([0.0, 1.0, -1.0, 2.0, -2.0, 0.6 / 32767]))
    assert made.tolist() == [0, 32767, -32767, 32767, -32768, 1]
    assert made.dtype == np.int16


def test_reading_along_lines_stops_at_the_ends() -> None:
    read = acoustics.along(np.array([0.0, 1.0, 3.0]), np.array([-1.0, 0.5, 1.5, 9.0]))
    assert read.tolist() == [0.0, 0.5, 2.0, 3.0]
