"""The framing that a task's process answers in: kind, length, payload; refuses to know what the payloads mean.

A frame is one byte of kind, four bytes of length (big endian) and the payload. An answer is any number of PROGRESS
frames and files (FILE names one and its size, CHUNKs follow until the size is reached), then one RESULT or ERROR.
HELLO is sent once, when the process is ready for its first request.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

FRAME_MAX = 4 << 20
CHUNK = 1 << 20
_HEADER = struct.Struct(">BI")


class Kind(IntEnum):
    HELLO = 1
    PROGRESS = 2
    FILE = 3
    CHUNK = 4
    RESULT = 5
    ERROR = 6


_KINDS = frozenset(Kind)


class BadFrame(ValueError):
    """The bytes are no frame: an unknown kind or a length over FRAME_MAX."""


def encode(kind: Kind, payload: bytes) -> bytes:
    """One frame. Raises BadFrame when the payload is over FRAME_MAX."""
    if len(payload) > FRAME_MAX:
        raise BadFrame(f"a frame of {len(payload)} bytes is over {FRAME_MAX}")
    return _HEADER.pack(kind, len(payload)) + payload


class Decoder:
    """Cuts a stream into frames; holds at most one frame and one read, whatever the sender claims."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes held that are not yet a whole frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """The frames that `data` completes. Raises BadFrame on a wrong header, before its payload is read."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._buffer)
            if kind not in _KINDS or length > FRAME_MAX:
                raise BadFrame(f"kind {kind} with {length} bytes is no frame of this protocol")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            yield Kind(kind), payload
