"""Speech from the programs espeak-ng and flite: finding them, asking for words, cutting what they say. Knows no rooms.

Both are started as programs of their own, so their licences stay theirs, and both were found to give equal samples on
every processor tried. What they say does depend on their version, which therefore is part of the generator's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import MissingProgram, SpeechFailed

Samples = NDArray[np.int16]

PROGRAMS = ("espeak-ng", "flite")
BATCHES_MAX = 512  # kept in memory; ten words take about 180 kB
_AMPLITUDE = "60"  # of 200; at its usual 100 espeak-ng clips its louder voices
_TIMEOUT_S = 60.0
_HEADER_BYTES = 44  # of the wave files that both programs write
_GAP = 6000  # samples of nothing at 22,050 Hz part two words; inside of a word there are at most 2,500
_BREAK = '<break time="700ms"/>'
_VERSION = re.compile(r"(?:text-to-speech: |flite-)(\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class EspeakVoice:
    """How espeak-ng speaks.

    Attributes:
        lines: a voice file (docs/voices.md of espeak-ng): language, formants, breath, ...; whole numbers only.
        rate_wpm: words a minute, 80..400.
        pitch: 0..99.
    """

    lines: tuple[str, ...]
    rate_wpm: int
    pitch: int

    program = "espeak-ng"


@dataclass(frozen=True)
class FliteVoice:
    """How flite speaks.

    Attributes:
        name: one of its voices: kal, kal16, awb, rms, slt.
        stretch_percent: length of a sound over its usual length.
        pitch_hz, pitch_spread_hz: of the melody.
    """

    name: str
    stretch_percent: int
    pitch_hz: int
    pitch_spread_hz: int

    program = "flite"


@cache
def program_version(name: str) -> str | None:
    """The version of an installed speech program, such as `1.51`; None where it is not installed."""
    path = shutil.which(name)
    if path is None:
        return None
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    found = _VERSION.search(said.stdout + said.stderr)
    return found[1] if found else "unknown"


def _path(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise MissingProgram(
            f"spoken-digits speaks with the program {name}, which is not installed here; install the package {name!r} "
            f"(on Debian and Ubuntu: apt-get install {name})"
        )
    return path


@lru_cache(maxsize=BATCHES_MAX)
def spoken(voice: EspeakVoice | FliteVoice, words: tuple[str, ...], mark: str) -> tuple[int, tuple[Samples, ...]]:
    """What a voice makes of some words, in one run of its program.

    Args:
        voice: who speaks.
        words: 1 to 64 of them, in the spelling of the voice's language.
        mark: `.`, `,`, `!` or `?`: the tone in which each is said.

    Returns:
        Samples a second, and int16 samples of each word with a little silence around.

    Raises:
        MissingProgram: the voice's program is not installed.
        SpeechFailed: it failed, or said something else than these words.
    """
    rate_hz, parts = _by_espeak(voice, words, mark) if isinstance(voice, EspeakVoice) else _by_flite(voice, words, mark)
    if len(parts) != len(words):
        raise SpeechFailed(f"{voice.program} was given {len(words)} words and spoke {len(parts)}: {voice}")
    for part in parts:
        part.setflags(write=False)
    return rate_hz, tuple(parts)


def _run(command: list[str], text: str, folder: str) -> bytes:
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, cwd=folder, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpeechFailed(f"{command[0]} did not run: {error}") from error
    if done.returncode != 0:
        raise SpeechFailed(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[:300]}")
    return done.stdout


def _wave(data: bytes, program: str) -> tuple[int, Samples]:
    if len(data) <= _HEADER_BYTES or data[:4] != b"RIFF" or data[22:24] != b"\x01\0" or data[34:36] != b"\x10\0":
        raise SpeechFailed(f"{program} wrote {len(data)} bytes that are no 16-bit mono wave file")
    body = data[_HEADER_BYTES : len(data) - len(data) % 2]
    return int.from_bytes(data[24:28], "little"), np.frombuffer(body, "<i2").astype(np.int16)


def _by_espeak(voice: EspeakVoice, words: tuple[str, ...], mark: str) -> tuple[int, list[Samples]]:
    text = "<speak>" + "".join(f"{word}{mark}{_BREAK} " for word in words) + "</speak>"
    with tempfile.TemporaryDirectory(prefix="neuromation-voice-") as folder:
        (Path(folder) / "voice").write_text("\n".join(voice.lines) + "\n")
        options = ["-a", _AMPLITUDE, "-s", str(voice.rate_wpm), "-p", str(voice.pitch), "-m", "--stdin", "--stdout"]
        data = _run([_path("espeak-ng"), "--load", "-v", "voice", *options], text, folder)
    rate_hz, samples = _wave(data, "espeak-ng")
    return rate_hz, _parted(samples)


def _parted(samples: Samples) -> list[Samples]:
    """The stretches between long silences, which espeak-ng makes of exact zeros."""
    sounding = np.flatnonzero(samples)
    if sounding.size == 0:
        return []
    gaps = np.flatnonzero(np.diff(sounding) > _GAP)
    starts = [sounding[0], *sounding[gaps + 1]]
    ends = [*sounding[gaps], sounding[-1]]
    return [samples[start : end + 1].copy() for start, end in zip(starts, ends, strict=True)]


def _by_flite(voice: FliteVoice, words: tuple[str, ...], mark: str) -> tuple[int, list[Samples]]:
    options = {
        "duration_stretch": f"{voice.stretch_percent / 100:.2f}",
        "int_f0_target_mean": str(voice.pitch_hz),
        "int_f0_target_stddev": str(voice.pitch_spread_hz),
    }
    with tempfile.TemporaryDirectory(prefix="neuromation-voice-") as folder:
        command = [_path("flite"), "-voice", voice.name, "-psdur"]
        for name, value in options.items():
            command += ["--setf", f"{name}={value}"]
        sounds = _run([*command, "-t", " ".join(word + mark for word in words), "-o", "said.wav"], "", folder)
        rate_hz, samples = _wave((Path(folder) / "said.wav").read_bytes(), "flite")
    return rate_hz, _cut(samples, sounds.decode(), rate_hz)


def _cut(samples: Samples, sounds: str, rate_hz: int) -> list[Samples]:
    """The words between pauses, from the list of sounds and the seconds at which they end that flite prints."""
    parts, start, opened = [], 0.0, False
    before = 0.0
    for item in sounds.split():
        name, _, end = item.partition(":")
        end_s = float(end)
        if name != "pau":
            opened = True
        elif opened:
            middle = 0.5 * (before + end_s)
            parts.append(samples[int(start * rate_hz) : int(middle * rate_hz)].copy())
            start, opened = middle, False
        else:
            start = 0.5 * (before + end_s)
        before = end_s
    return parts
