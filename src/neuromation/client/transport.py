"""One connection to a platform: addresses, tokens, retries and errors; refuses to know what is asked.

A request is repeated only when that cannot do harm: when nothing was sent (the connection was refused), when the
platform said that it did nothing (429, 503), or when the request is idempotent.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ValidationError

from neuromation import __version__
from neuromation.client.errors import Corrupted, ServerFault, Unreachable, error_of
from neuromation.client.schemas import Problem
from neuromation.kernel.errors import Invalid, NeuromationError, TooMany

RETRIES_MAX = 20
RETRY_AFTER_MAX_S = 60.0  # a longer wait is the caller's to decide
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.2, 5.0
ANSWER_MAX_BYTES = 64 * 2**20

_UNDONE = frozenset({429, 503})  # the platform did nothing
_DOUBTFUL = frozenset({500, 502, 504})  # it may have done it

Body = bytes | Callable[[], IO[bytes]]
A = TypeVar("A", bound=BaseModel)
_dice = random.SystemRandom()


def backoff_s(attempt: int) -> float:
    """Seconds to wait before repeat number `attempt` (0..): doubling, bounded, with half of it random."""
    full: float = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(attempt, 16))
    return full / 2 + _dice.random() * full / 2


def segment(text: str) -> str:
    """An id, name or reference as one part of a path. Raises Invalid for an empty text and for dots alone."""
    if not text.strip("."):
        raise Invalid(f"{text!r} is no id and no name; list what there is, and take one of those")
    return quote(text, safe="@")


class Transport:
    """Sends requests below `/v1` of one endpoint.

    Args:
        endpoint: such as "http://localhost:8000"; a trailing "/v1" is accepted.
        token: the bearer token; None for requests that need none.
        timeout_s: for connecting, and for each silence while reading or writing.
        retries: repeats at most of one request, 0..20.
        sleep: waits some seconds; tests pass their own.
    """

    def __init__(
        self,
        endpoint: str,
        token: str | None,
        *,
        timeout_s: float,
        retries: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not 0 <= retries <= RETRIES_MAX or timeout_s <= 0:
            raise Invalid(f"retries must be in 0..{RETRIES_MAX} and timeout_s > 0, not {retries} and {timeout_s}")
        self.endpoint = _checked(endpoint)
        self.token = token
        self.timeout_s = timeout_s
        self.retries = retries
        self.sleep = sleep
        # Redirects are not followed, so a token never leaves for another host; and loading the certificates for an
        # address without TLS would cost every command 0.15 s.
        self.http = httpx2.Client(
            base_url=self.endpoint + "/v1",
            timeout=timeout_s,
            verify=self.endpoint.startswith("https"),
            headers={"User-Agent": f"neuromation/{__version__}"},
        )

    def close(self) -> None:
        self.http.close()

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The headers of a request, with the token when there is one."""
        return ({"Authorization": f"Bearer {self.token}"} if self.token else {}) | dict(more or {})

    def get(self, answer: type[A], path: str, **params: Any) -> A:
        """GET an answer of a wire model; parameters that are None are left out."""
        return self.ask(answer, "GET", path, params={k: v for k, v in params.items() if v is not None}, idempotent=True)

    def ask(
        self,
        answer: type[A],
        method: str,
        path: str,
        message: BaseModel | Body | None = None,
        *,
        idempotent: bool,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> A:
        """Send a message or raw bytes, if any, and read the answer as a wire model. Raises NeuromationError."""
        data = self.send(method, path, message, idempotent=idempotent, headers=headers, params=params)
        try:
            return answer.model_validate_json(data)
        except ValidationError as error:
            raise Corrupted(
                f"{self.endpoint} gave an answer to {method} {path} that is no {answer.__name__}; "
                "is it a Neuromation platform, and this client as new as it?"
            ) from error

    def send(
        self,
        method: str,
        path: str,
        message: BaseModel | Body | None = None,
        *,
        idempotent: bool,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Send, repeat where that is safe, and return the answer's bytes. Raises NeuromationError."""
        body, media_type = _encoded(message)
        headers = ({"Content-Type": media_type} if media_type else {}) | dict(headers or {})
        for attempt in range(self.retries + 1):
            content = body() if callable(body) else body
            try:
                with self._opened(method, path, content, headers, params) as response:
                    return self._bytes_of(response)
            except NeuromationError as error:
                wait_s = _wait_before_repeat(error, attempt, idempotent=idempotent)
                if wait_s is None or attempt == self.retries:
                    raise
            finally:
                if content is not None and not isinstance(content, bytes):
                    content.close()
            self.sleep(wait_s)
        raise AssertionError("unreachable")

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> Iterator[httpx2.Response]:
        """Open a GET whose body is read piece by piece. Raises NeuromationError, also for a break in the middle."""
        with self._opened("GET", path, None, headers, None) as response:
            yield response

    @contextmanager
    def _opened(
        self,
        method: str,
        path: str,
        content: bytes | IO[bytes] | None,
        headers: Mapping[str, str] | None,
        params: Mapping[str, Any] | None,
    ) -> Iterator[httpx2.Response]:
        with (
            trouble(self.endpoint),
            self.http.stream(method, path, content=content, headers=self.headers(headers), params=params) as response,
        ):
            if not response.is_success:
                raise problem_of(response)
            yield response

    def _bytes_of(self, response: httpx2.Response) -> bytes:
        data = bytearray()
        for piece in response.iter_bytes():
            data += piece
            if len(data) > ANSWER_MAX_BYTES:
                raise Corrupted(
                    f"{self.endpoint} answered with more than {ANSWER_MAX_BYTES >> 20} MiB; nothing was kept"
                )
        return bytes(data)


def _checked(endpoint: str) -> str:
    address = endpoint.strip().rstrip("/").removesuffix("/v1")
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise Invalid(
            f"{endpoint[:200]!r} is no address; write one such as http://localhost:8000", reason="bad-endpoint"
        ) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise Invalid(
            f"{endpoint[:200]!r} is no address; write one such as http://localhost:8000", reason="bad-endpoint"
        )
    return address


def _encoded(message: BaseModel | Body | None) -> tuple[Body | None, str]:
    """A request's body and its media type."""
    if isinstance(message, BaseModel):
        return message.model_dump_json().encode(), "application/json"
    return message, "" if message is None else "application/octet-stream"


@contextmanager
def trouble(endpoint: str) -> Iterator[None]:
    """Turn trouble with the connection into Unreachable; `details["sent"]`: the platform may have heard."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        raise Unreachable(
            f"no platform answers at {endpoint} ({error}); check the address, or start one with `neuromation serve`",
            sent=False,
        ) from error
    except httpx2.TimeoutException as error:
        raise Unreachable(f"{endpoint} did not answer in time; try again, or allow more time", sent=True) from error
    except httpx2.HTTPError as error:
        raise Unreachable(f"the connection to {endpoint} broke ({error}); try again", sent=True) from error


def problem_of(response: httpx2.Response) -> NeuromationError:
    """The typed error of an answer that is no success; reads its body."""
    data = b""
    for piece in response.iter_bytes():
        data += piece
        if len(data) > 2**20:
            break
    wait_s = _retry_after_s(response)
    try:
        problem = Problem.model_validate_json(data)
    except ValidationError:
        text = data[:200].decode(errors="replace").strip()
        message = f"{response.request.url} answered {response.status_code} without saying why: {text or 'no text'}"
        return error_of(status=response.status_code, reason="", message=message, details=_about(response, wait_s))
    details = problem.details | _about(response, wait_s)
    return error_of(status=response.status_code, reason=problem.reason, message=problem.message, details=details)


def _about(response: httpx2.Response, retry_after_s: float | None) -> dict[str, Any]:
    about: dict[str, Any] = {"status": response.status_code}
    return about if retry_after_s is None else about | {"retry_after_s": retry_after_s}


def _retry_after_s(response: httpx2.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _wait_before_repeat(error: NeuromationError, attempt: int, *, idempotent: bool) -> float | None:
    """Seconds after which the request may be repeated, or None when it may not."""
    if isinstance(error, Unreachable):
        return backoff_s(attempt) if idempotent or not error.details["sent"] else None
    if not isinstance(error, ServerFault | TooMany):
        return None
    status = error.details["status"]
    if status not in _UNDONE and not (idempotent and status in _DOUBTFUL):
        return None
    asked = error.details.get("retry_after_s")
    if not isinstance(asked, int | float):
        return backoff_s(attempt)
    return float(asked) if 0 <= asked <= RETRY_AFTER_MAX_S else None
