"""The events of a job as one unbroken stream, whatever the connection does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx2
from pydantic import ValidationError

from neuromation.client.errors import Corrupted, ServerFault, Unreachable, WaitTimedOut
from neuromation.client.schemas import JobEvent
from neuromation.client.transport import Transport, backoff_s, problem_of, segment, trouble
from neuromation.kernel.errors import NeuromationError, TooMany

RECONNECTS_MAX = 12  # in a row, none of which brought an event: about 40 s, a restart of a platform
SILENCE_MAX_S = 60.0  # a platform pings every 15 s; a longer silence is a dead connection

Clock = Callable[[], float]


class _Patience(httpx2.SyncByteStream):
    """A response's bytes, until a moment is reached: pings keep a silent job's stream alive for ever."""

    def __init__(self, stream: httpx2.SyncByteStream, check: Callable[[], float]) -> None:
        self._stream, self._check = stream, check

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._check()
            yield piece

    def close(self) -> None:
        self._stream.close()


def job_events(
    transport: Transport, job_id: str, *, after: int = 0, timeout_s: float | None = None, clock: Clock = time.monotonic
) -> Iterator[JobEvent]:
    """The events of a job with `seq` > `after`, each once and in order, up to and with `finished`.

    A broken connection is opened again with `Last-Event-ID`.

    Raises:
        WaitTimedOut: after `timeout_s` seconds without `finished`; None waits for ever.
        Unreachable: when RECONNECTS_MAX attempts in a row brought nothing.
    """
    deadline = None if timeout_s is None else clock() + timeout_s

    def check() -> float:
        """Seconds of silence that are still allowed."""
        left = SILENCE_MAX_S if deadline is None else deadline - clock()
        if left <= 0:
            raise WaitTimedOut(
                f"job {job_id} has not finished after {timeout_s:g} s; it goes on: wait for it again", job=job_id
            )
        return min(left, SILENCE_MAX_S)

    seq, fruitless = after, 0
    while True:
        try:
            for event in _connection(transport, job_id, seq, check):
                fruitless = 0
                if event.seq <= seq:
                    continue
                seq = event.seq
                yield event
                if event.type == "finished":
                    return
            error: NeuromationError = Unreachable(
                f"{transport.endpoint} ended the events of job {job_id} too early; try again"
            )
        except (Unreachable, ServerFault, TooMany) as met:
            error = met
        check()
        fruitless += 1
        if fruitless > RECONNECTS_MAX:
            raise error
        transport.sleep(min(backoff_s(fruitless - 1), check()))


def _connection(transport: Transport, job_id: str, seq: int, check: Callable[[], float]) -> Iterator[JobEvent]:
    """The events that one connection brings."""
    timeout = httpx2.Timeout(transport.timeout_s, read=check())
    headers = transport.headers({"Last-Event-ID": str(seq)})
    with (
        trouble(transport.endpoint),
        transport.http.sse(f"/jobs/{segment(job_id)}/events", headers=headers, timeout=timeout) as source,
    ):
        response = source.response
        if not response.is_success:
            raise problem_of(response)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Patience(response.stream, check)
        for event in source:
            if event.data:
                yield _read(event.data, job_id)


def _read(data: str, job_id: str) -> JobEvent:
    try:
        return JobEvent.model_validate_json(data)
    except ValidationError as error:
        raise Corrupted(f"an event of job {job_id} cannot be read: {data[:100]!r}") from error
