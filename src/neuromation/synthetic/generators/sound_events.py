"""Sound events in noise and rooms: what is heard, from when to when, and how many things at once.

Owns the plan of a recording and its mixing; what each thing sounds like is `sound_events_sources`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.exact import exact_log
from neuromation.synthetic.generator import BaseGenerator, Layer, Unit
from neuromation.synthetic.generators import acoustics
from neuromation.synthetic.generators.draws import bell, pick
from neuromation.synthetic.generators.sound_events_sources import RATE_HZ, SOURCES

Floats = NDArray[np.float64]

CLASSES = sorted(SOURCES)
_AUDIBLE = 0.01  # of an event's peak: it starts and ends where its samples pass this
_TRIES = 12  # to place an event where not too many others are heard


class SoundEventsParams(BaseModel):
    """What is heard, where and how loud."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    duration_s: float = Field(
        5.0, ge=1, le=60, description="length of a recording, seconds", json_schema_extra={"tune": False}
    )
    events: float = Field(2.5, ge=1, le=20, description="mean number of events of a recording that has any")
    polyphony: int = Field(2, ge=1, le=6, description="events that may be heard at the same time")
    null_share: float = Field(0.1, ge=0, le=1, description="share of recordings without any event")
    variety: float = Field(1.0, ge=0.1, le=1, description="how far two events of one class may differ")
    snr_db: float = Field(14.0, ge=-6, le=50, description="mean level of an event over the background, dB")
    snr_spread_db: float = Field(6.0, ge=0, le=15, description="spread of that level, dB")
    background_db: float = Field(-38.0, ge=-70, le=-20, description="mean level of the background, dB of full scale")
    room_share: float = Field(0.6, ge=0, le=1, description="share of recordings in a room that echoes")
    echo_s: float = Field(
        0.5, ge=0.05, le=3, description="mean time in which an echo dies, seconds", json_schema_extra={"log": True}
    )
    tone_db: float = Field(3.0, ge=0, le=12, description="spread of loudness between bands: the microphone")
    class_weights: list[float] | None = Field(
        None, description="how common each class is, 12 numbers >= 0; null: all alike"
    )

    @field_validator("class_weights")
    @classmethod
    def _a_weight_each(cls, weights: list[float] | None) -> list[float] | None:
        if weights is not None and (len(weights) != len(CLASSES) or min(weights) < 0 or not 0 < sum(weights) <= 1e6):
            raise ValueError(f"{len(CLASSES)} numbers >= 0 with a sum > 0 are needed, one a class")
        return weights


@dataclass(frozen=True)
class Event:
    """One sound in a recording.

    Attributes:
        label: number of its class.
        start: sample at which it is first heard.
        end: sample after the last at which it is heard.
        snr_db: its level while it sounds over the background's.
        sound: (end - start,), peak 1.
    """

    label: int
    start: int
    end: int
    snr_db: float
    sound: Floats


def heard_at_once(spans: list[tuple[int, int]]) -> int:
    """The most spans [start, end) that hold one sample."""
    return max((sum(start <= at < end for start, end in spans) for at, _ in spans), default=0)


def events(params: SoundEventsParams, rng: Generator) -> list[Event]:
    """The sounds of one recording, by time of start."""
    if float(rng.random()) < params.null_share:
        return []
    length = int(params.duration_s * RATE_HZ)
    wanted = 1 + sum(float(draw) < (params.events - 1) / 20 for draw in rng.random(20))
    placed: list[Event] = []
    for _ in range(wanted):
        label = pick(params.class_weights or [1.0] * len(CLASSES), rng)
        sound = _audible(SOURCES[CLASSES[label]](rng, params.variety))[:length]
        snr_db = params.snr_db + params.snr_spread_db * bell(rng)
        for draw in rng.random(_TRIES):
            start = int(float(draw) * (length - sound.size + 1))
            spans = [(event.start, event.end) for event in placed] + [(start, start + sound.size)]
            if heard_at_once(spans) <= params.polyphony:
                placed.append(Event(label, start, start + sound.size, snr_db, sound))
                break
    return sorted(placed, key=lambda event: (event.start, event.end, event.label))


def _audible(sound: Floats) -> Floats:
    """The sound from its first to its last sample that can be heard, with its end faded where it is cut."""
    top = float(np.abs(sound).max())
    heard = np.flatnonzero(np.abs(sound) >= _AUDIBLE * top)
    kept = sound[heard[0] : heard[-1] + 1] / top
    edge = min(kept.size, 160)
    kept[kept.size - edge :] *= (np.arange(edge, 0, -1) - 0.5) / edge
    return kept


def mixed(params: SoundEventsParams, sounds: list[Event], rng: Generator) -> tuple[NDArray[np.int16], dict[str, Any]]:
    """The recording, int16 (samples,), and what was drawn of its surroundings."""
    length = int(params.duration_s * RATE_HZ)
    ground = acoustics.gain(params.background_db + 5.0 * bell(rng))
    dry = np.zeros(length)
    for event in sounds:
        loudness = ground * acoustics.gain(event.snr_db) / max(1e-9, acoustics.level(event.sound))
        dry[event.start : event.end] += loudness * event.sound
    echo_s, in_room = 0.0, float(rng.random()) < params.room_share
    longer, share = 0.4 + 1.2 * float(rng.random()), 0.1 + 0.5 * float(rng.random())
    if in_room:
        echo_s = min(5.0, max(0.05, params.echo_s * longer))
        dry = acoustics.in_room(dry, echo_s=echo_s, share=share, rate_hz=RATE_HZ, rng=rng)
    colour = acoustics.COLOURS[pick([2.0, 3.0, 3.0, 1.0, 1.0], rng)]
    sound = dry + ground * acoustics.noise(colour, length, rate_hz=RATE_HZ, rng=rng)
    for low_hz, high_hz in ((100, 600), (600, 2000), (2000, 7000)):
        at_hz = low_hz + (high_hz - low_hz) * float(rng.random())
        sound = acoustics.peak(sound, at_hz, params.tone_db * bell(rng), rate_hz=RATE_HZ, q=0.7)
    top = float(np.abs(sound).max())
    volume = min(1.0, 0.98 / max(1e-9, top))  # the recorder turns itself down before it clips
    facts = {"background": colour, "background_db": round(_decibels(ground * volume), 2), "echo_s": round(echo_s, 3)}
    return acoustics.whole(sound * volume), facts


def _decibels(factor: float) -> float:
    return 8.685889638065035 * float(exact_log(factor))


class SoundEvents(BaseGenerator):
    """Recordings of several seconds with labelled events: int16, 16,000 samples a second."""

    name = "sound-events"
    title = "Sound events"
    description = (
        "Twelve kinds of events - alarms, barks, claps, footsteps, breaking glass and others - built from resonances, "
        "harmonics and noise, mixed into rooms and backgrounds, with the times at which each is heard; 16 kHz, 16 bit."
    )
    modality = "audio"
    classes: ClassVar[list[str]] = CLASSES
    cu_per_unit = 0.038
    params_model = SoundEventsParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """The recording."""
        return (Layer("audio", "audio", "int16", "sound pressure, full scale 32,767, one microphone", RATE_HZ),)

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index`: a recording, and the class, onset and offset of every event; no single label."""
        assert isinstance(params, SoundEventsParams), "parse_params makes the parameters"
        planned = events(params, unit_rng(seed, index, "events"))
        audio, surroundings = mixed(params, planned, unit_rng(seed, index, "mix"))
        facts = {
            "duration_s": audio.size / RATE_HZ,
            "events": [
                {
                    "label": event.label,
                    "class": CLASSES[event.label],
                    "onset_s": event.start / RATE_HZ,
                    "offset_s": event.end / RATE_HZ,
                    "snr_db": round(event.snr_db, 2),
                }
                for event in planned
            ],
            "polyphony": heard_at_once([(event.start, event.end) for event in planned]),
            **surroundings,
        }
        return Unit(index, None, None, facts, {"audio": audio})


SOUND_EVENTS = SoundEvents()
