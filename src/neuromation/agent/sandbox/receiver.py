"""Turns frames of an untrusted process into one answer; owns every check of what it says, refuses to know processes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

from neuromation.agent.sandbox.errors import OutputTooLarge, ProtocolViolation
from neuromation.agent.sandbox.frames import BadFrame, Decoder, Kind
from neuromation.agent.sandbox.model import FILES_MAX, Response, is_plain_name, is_reason, printable

MIB = 1 << 20
Progress = Callable[[float, str], None]


class HandlerError(Exception):
    """The handler answered with an error: `reason` and `message`, both checked for shape and not for truth."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class Receiver:
    """Collects the answer to one request.

    Args:
        out_mib: the most that all output files of the answer may hold together.
        progress_max: the most PROGRESS frames; what a well-behaved child sends in the time-out, and some.
        on_progress: told the fraction in [0, 1] and a line of text.
    """

    def __init__(self, *, out_mib: int, progress_max: int, on_progress: Progress | None = None) -> None:
        self._decoder = Decoder()
        self._room = out_mib * MIB
        self._out_mib = out_mib
        self._progress_left = progress_max
        self._on_progress = on_progress
        self._outputs: dict[str, bytes] = {}
        self._chunks: list[bytes] = []
        self._open: tuple[str, int] | None = None
        self._left = 0
        self._answer: dict[str, Any] | None = None

    def feed(self, data: bytes) -> Response | None:
        """The answer when `data` completes it, else None.

        Raises ProtocolViolation, OutputTooLarge, or HandlerError for an ERROR frame.
        """
        try:
            for kind, payload in self._decoder.feed(data):
                if self._answer is not None:
                    _violation("it sent more after its answer")
                self._take(kind, payload)
        except BadFrame as error:
            raise ProtocolViolation(f"the task's process broke the protocol: {error}; its work is discarded") from error
        if self._answer is None:
            return None
        if self._decoder.pending:
            _violation("it sent more after its answer")
        if "reason" in self._answer:
            raise HandlerError(self._answer["reason"], self._answer["message"])
        return Response(result=self._answer["result"], outputs=self._outputs)

    def _take(self, kind: Kind, payload: bytes) -> None:
        if self._open is not None and kind is not Kind.CHUNK:
            _violation(f"it sent {kind.name} inside the file {self._open[0]}")
        match kind:
            case Kind.PROGRESS:
                self._progress(_object(payload))
            case Kind.FILE:
                self._file(_object(payload))
            case Kind.CHUNK:
                self._chunk(payload)
            case Kind.RESULT:
                self._answer = {"result": _object(payload)}
            case Kind.ERROR:
                self._answer = _error(_object(payload))
            case _:
                _violation(f"it sent {kind.name} during a request")

    def _progress(self, value: dict[str, Any]) -> None:
        self._progress_left -= 1
        if self._progress_left < 0:
            _violation("it reported progress without end")
        fraction, text = value.get("fraction"), value.get("text")
        if not isinstance(fraction, int | float) or not math.isfinite(fraction) or not isinstance(text, str):
            _violation("it reported progress that is no number and text")
        if self._on_progress is not None:
            self._on_progress(min(1.0, max(0.0, float(fraction))), printable(text, length_max=200))

    def _file(self, value: dict[str, Any]) -> None:
        name, size = value.get("name"), value.get("size")
        if not is_plain_name(name) or not isinstance(name, str):
            _violation(f"it named an output {printable(repr(name), length_max=80)}, which is no plain file name")
        if type(size) is not int or size < 0:
            _violation(f"it gave the output {name} no size")
        if name in self._outputs or len(self._outputs) >= FILES_MAX:
            _violation(f"it sent {name} twice or more than {FILES_MAX} outputs")
        if size > self._room:
            raise OutputTooLarge(
                f"the task's outputs are over {self._out_mib} MiB at {name}; write less or raise out_mib"
            )
        self._room -= size
        self._open, self._left, self._chunks = (name, size), size, []
        self._close_when_whole()

    def _chunk(self, payload: bytes) -> None:
        if self._open is None or not payload or len(payload) > self._left:
            _violation("it sent bytes that belong to no output")
        self._chunks.append(payload)
        self._left -= len(payload)
        self._close_when_whole()

    def _close_when_whole(self) -> None:
        if self._open is not None and self._left == 0:
            self._outputs[self._open[0]] = b"".join(self._chunks)
            self._open, self._chunks = None, []


def _error(value: dict[str, Any]) -> dict[str, Any]:
    reason, message = value.get("reason"), value.get("message")
    if not isinstance(message, str):
        _violation("it sent an error without a message")
    return {"reason": reason if is_reason(reason) else "task-crashed", "message": printable(message)}


def _object(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(payload, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        _violation("it sent a frame that is no JSON object")
    return value


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _violation(what: str) -> NoReturn:
    raise ProtocolViolation(f"the task's process broke the protocol: {what}; its work is discarded")
