"""Spoken digits: words of speech programs in, recordings of people to recognise; owns parameters, recipe and measure."""

from __future__ import annotations

import csv
import wave
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sim_to_real.domain import Bar, Domain, Plan, RealDataMissing, Split, is_for_choosing, real_folder
from benchmarks.sim_to_real.making import Source, made
from neuromation.learning.evaluation.figures import Figure, Report
from neuromation.learning.problem import Problem, Samples
from neuromation.learning.trainer import Recipe
from neuromation.synthetic import Unit

RATE_HZ = 8_000
CLASSES = tuple(str(digit) for digit in range(10))
UNIT_S, SAMPLE_S = 0.03, 0.0017  # processor seconds of one unit and of one sample of a step, measured
UNITS_MAX, STEPS_MAX, BATCH = 20_000, 6_000, 64


def sample_of(unit: Unit) -> tuple[NDArray[Any], int]:
    """The recording and its digit."""
    assert unit.label is not None, "every recording is of a digit"
    return unit.layers["audio"], unit.label


class SpokenDigits(Domain):
    """Digits said by six people, heard by a model that has heard programs only."""

    name = "spoken-digits"
    title = "Spoken digits"
    model = "logmel-cnn"
    bars = (Bar("accuracy", 0.80, 0.95),)
    space = ("flite_share", "accent_share", "female_share", "tract_spread", "timbre_spread", "roughness", "rate_wpm",
             "rate_spread", "pitch_spread", "liveliness", "speed_spread", "wobble", "breath", "tilt_db", "tone_db",
             "trim", "room_share", "echo_s", "snr_db", "band_share", "codec_share")  # fmt: skip

    @cached_property
    def _folder(self) -> Path:
        return real_folder("fsdd")

    def fixed(self) -> dict[str, object]:
        """More voices than a small data set needs."""
        return {"speakers": 400}

    def params(self) -> dict[str, object]:
        """The generator's own."""
        return self.fixed()

    def make(self, params: Mapping[str, object], units: int, seed: int) -> Samples:
        """Recordings of 8 kHz."""
        source = Source("spoken-digits", sample_of, "1", Problem.AUDIO_CLASSIFICATION, CLASSES, RATE_HZ)
        return made(source, params, units, seed)

    def real(self, split: Split) -> Samples:
        """The recordings in two halves by a hash of their file names; there is no training part."""
        if split == "train":
            raise RealDataMissing("the spoken digits have no real training part, so there is no yardstick")
        with (self._folder / "index.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if is_for_choosing(row["file"]) == (split == "choose")]
        return Samples(
            Problem.AUDIO_CLASSIFICATION,
            [_recording(self._folder / row["file"]) for row in rows],
            [int(row["digit"]) for row in rows],
            CLASSES,
            rate_hz=RATE_HZ,
            names=[row["file"] for row in rows],
            conditions={"speaker": [row["speaker"] for row in rows]},
        )

    def figures(self, report: Report) -> dict[str, Figure]:
        """Share of recordings with the right digit."""
        return {"accuracy": report.figures["accuracy"]}

    def config(self) -> dict[str, object]:
        """The network's size."""
        return {}

    def plan(self, minutes: float, seed: int) -> Plan:
        """Half of the time for data."""
        seconds = 60.0 * minutes
        units = 50 * max(1, min(UNITS_MAX // 50, round(seconds * 0.5 / UNIT_S / 50)))
        steps = max(20, min(STEPS_MAX, round((seconds - units * UNIT_S) / (SAMPLE_S * BATCH))))
        return Plan(
            units,
            Recipe(steps=steps, batch_size=BATCH, lr=4e-3, warmup_steps=steps // 10, average=0.99, seed=seed),
        )


def _recording(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE_HZ):
            raise ValueError(f"{path.name} is no recording of 16 bit and {RATE_HZ} Hz in one channel")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


DOMAIN = SpokenDigits()
