"""Sound events: what is labelled is heard, when it is labelled; resonances and harmonics are physics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic import BadParameters, Unit, parse_params, search_space, unit_hash
from neuromation.synthetic.generators import sound_events_sources as sources
from neuromation.synthetic.generators.sound_events import CLASSES, RATE_HZ, SOUND_EVENTS, heard_at_once

seeds = st.integers(0, 2**63 - 1)


def a_recording(seed: int = 1, index: int = 0, **params: Any) -> Unit:
    return SOUND_EVENTS.unit(parse_params(SOUND_EVENTS, {"duration_s": 2.0, **params}), seed, index)


@given(seed=seeds, index=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_a_recording_is_the_same_every_time_and_fits_its_layer(seed: int, index: int) -> None:
    unit = a_recording(seed, index)
    assert unit_hash(unit) == unit_hash(a_recording(seed, index))
    (layer,) = SOUND_EVENTS.layers(parse_params(SOUND_EVENTS, {}))
    layer.check(unit.layers["audio"])
    assert unit.layers["audio"].shape == (2 * RATE_HZ,)
    assert unit.image is None and unit.label is None


@given(seed=seeds, polyphony=st.integers(1, 4), many=st.floats(1, 12))
@settings(max_examples=15, deadline=None)
def test_events_lie_in_the_recording_and_no_more_than_allowed_at_once(seed: int, polyphony: int, many: float) -> None:
    facts = a_recording(seed, polyphony=polyphony, events=many).annotations
    spans = [(round(e["onset_s"] * RATE_HZ), round(e["offset_s"] * RATE_HZ)) for e in facts["events"]]
    assert all(0 <= start < end <= 2 * RATE_HZ for start, end in spans)
    assert facts["polyphony"] == heard_at_once(spans) <= polyphony
    assert spans == sorted(spans)
    assert all(CLASSES[e["label"]] == e["class"] for e in facts["events"])


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=6))
def test_heard_at_once_counts_like_a_clock(parts: list[tuple[int, int]]) -> None:
    spans = [(start, start + length) for start, length in parts]
    assert heard_at_once(spans) == max((sum(a <= t < b for a, b in spans) for t in range(41)), default=0)


@pytest.mark.parametrize("name", CLASSES)
def test_a_labelled_event_is_heard_from_its_onset_to_its_offset_and_nowhere_else(name: str) -> None:
    weights = [float(other == name) for other in CLASSES]
    for index in range(6):
        unit = a_recording(
            index=index, class_weights=weights, events=1.0, null_share=0.0, snr_db=50.0, room_share=0.0, duration_s=5.0
        )
        (event,) = unit.annotations["events"]
        sound = np.abs(unit.layers["audio"].astype(float))
        start, end = round(event["onset_s"] * RATE_HZ), round(event["offset_s"] * RATE_HZ)
        outside = np.concatenate([sound[: max(0, start - 16)], sound[end + 400 :]])
        inside = sound[start:end].max()
        assert inside > 1000
        if outside.size:
            assert outside.max() < 0.15 * inside


@pytest.mark.parametrize("name", CLASSES)
def test_every_source_is_loud_finite_and_different_each_time(name: str) -> None:
    one, other = (sources.SOURCES[name](unit_rng(3, index), 1.0) for index in range(2))
    assert 0.5 < np.abs(one).max() < 2.0
    assert np.isfinite(one).all()
    assert one.size != other.size or not np.allclose(one, other)
    assert 0.1 < one.size / RATE_HZ < 8.0


def test_null_recordings_are_as_many_as_asked_for_and_have_a_background() -> None:
    units = [a_recording(index=index, null_share=0.5, duration_s=1.0) for index in range(80)]
    empty = [unit for unit in units if not unit.annotations["events"]]
    assert 25 <= len(empty) <= 55
    assert all(np.abs(unit.layers["audio"]).max() > 0 for unit in empty)


def test_a_resonance_rings_at_its_frequency_and_falls_to_a_third_in_its_decay() -> None:
    ring = sources._ringing(8000, 16_000.0, np.array([1000.0]), np.array([0.1]), np.array([1.0]))
    spectrum = np.abs(np.fft.rfft(ring))
    assert abs(int(spectrum.argmax()) * 2 - 1000) <= 2
    early, late = np.abs(ring[:160]).max(), np.abs(ring[1600:1760]).max()
    assert late / early == pytest.approx(np.exp(-1), rel=0.02)


def test_harmonics_stay_below_half_the_rate() -> None:
    tone = sources._harmonics(np.full(4096, 3000.0), 16_000.0, np.ones(10))
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(4096)))
    loud = set(np.flatnonzero(spectrum > 0.3 * spectrum.max()) * 16_000 // 4096 // 100)
    assert loud <= {29, 30, 59, 60}


def test_its_first_units_are_known_by_hash() -> None:
    """Any machine that computes otherwise, or any change of the code, shows here; a change needs a new version."""
    assert unit_hash(a_recording(7, 0))[:16] == "541533c9591b17ca"
    assert unit_hash(a_recording(7, 3))[:16] == "c397037de6b28220"


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(BadParameters, match="12 numbers"):
        parse_params(SOUND_EVENTS, {"class_weights": [1.0]})
    with pytest.raises(BadParameters, match="polyphony"):
        parse_params(SOUND_EVENTS, {"polyphony": 7})
    names = {tunable.name for tunable in search_space(SOUND_EVENTS)}
    assert {"snr_db", "echo_s", "variety"} <= names
    assert "duration_s" not in names
