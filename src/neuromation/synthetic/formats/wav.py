"""The small dialect of WAV that shards carry: 16-bit PCM with a header of 44 bytes and nothing behind the samples.

Any player reads it; a reader of strangers' files needs no audio library to. Owns samples and bytes, knows no units.
Follows "Multimedia Programming Interface and Data Specifications 1.0" (IBM and Microsoft, 1991), chapter 3.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadShard, BadUnit

Samples = NDArray[np.int16]

CHANNELS_MAX = 8
RATE_MAX_HZ = 384_000
_HEAD = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM, _BITS = 1, 16


def encode_wav(samples: NDArray[Any], *, rate_hz: float) -> bytes:
    """A recording, int16 (samples,) or (samples, channels), as a WAV file. Raises BadUnit."""
    rate = int(rate_hz)
    if rate != rate_hz or not 1 <= rate <= RATE_MAX_HZ:
        raise BadUnit(f"a recording has a whole number of samples a second, 1 to {RATE_MAX_HZ:,}, not {rate_hz}")
    if samples.dtype != np.int16 or samples.ndim not in (1, 2) or samples.size == 0:
        raise BadUnit(f"a recording is int16 of (samples,) or (samples, channels), not {samples.dtype} {samples.shape}")
    channels = samples.shape[1] if samples.ndim == 2 else 1
    if samples.ndim == 2 and not 2 <= channels <= CHANNELS_MAX:
        raise BadUnit(f"a recording of one channel has the shape (samples,); more are 2 to {CHANNELS_MAX}")
    data = np.ascontiguousarray(samples, dtype="<i2").tobytes()
    return _head(channels, rate, len(data)) + data


def decode_wav(data: bytes, *, rate_hz: float) -> Samples:
    """The recording of a file, exactly as it was encoded. Raises BadShard when it is not of this dialect."""
    if len(data) < _HEAD.size + 2:
        raise BadShard("a recording is no complete WAV")
    channels = struct.unpack_from("<H", data, 22)[0]
    if not 1 <= channels <= CHANNELS_MAX or data[: _HEAD.size] != _head(channels, int(rate_hz), len(data) - _HEAD.size):
        raise BadShard(f"a recording is not 16-bit PCM at {int(rate_hz)} Hz with a plain header")
    if (len(data) - _HEAD.size) % (2 * channels):
        raise BadShard("a recording ends in the middle of a sample")
    samples = np.frombuffer(data, "<i2", offset=_HEAD.size).astype(np.int16)
    return samples if channels == 1 else samples.reshape(-1, channels)


def _head(channels: int, rate: int, size: int) -> bytes:
    block = channels * _BITS // 8
    form = (b"fmt ", 16, _PCM, channels, rate, rate * block, block, _BITS)
    return _HEAD.pack(b"RIFF", 36 + size, b"WAVE", *form, b"data", size)
