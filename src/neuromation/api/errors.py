"""Maps the kernel's kinds of errors to HTTP; the only file that does."""

from __future__ import annotations

import json
import math
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from neuromation.client.schemas import Problem
from neuromation.kernel import errors

log = structlog.get_logger()

BUSY_RETRY_S = 1

# The narrowest kind first: the first that fits decides.
_STATUS: tuple[tuple[type[errors.NeuromationError], int], ...] = (
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.TooMany, 429),
    (errors.Conflict, 409),
    (errors.TooLarge, 413),
    (errors.Invalid, 422),
)
# What the framework finds by itself: the reason, and a sentence better than its own.
_FRAMEWORK = {
    400: ("bad-request", "the request could not be read; send a well-formed JSON body"),
    404: ("not-found", "there is nothing at this address; the list of addresses is at /docs"),
    405: ("method-not-allowed", "this address does not take this method; the header `Allow` names those it takes"),
    413: ("too-large", "the body is over the limit of this address; send less at once"),
    415: ("media-type", "the body is of a wrong media type; send application/json"),
}
_MEANINGS = {
    400: "the request could not be read",
    401: "no valid token: log in, or create a token",
    403: "the caller may not do this",
    404: "the thing does not exist, or is not the caller's to see",
    409: "the state of the world refuses the request; the reason says why",
    413: "the body is over the limit",
    415: "the body is not of the expected media type",
    422: "the request is wrong; the message names the field and the bound",
    429: "too many requests; try again after `retry_after_s`",
    503: "`busy`: the database refused for the moment; nothing was kept, try again",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer with these errors, and of every route that the database is busy."""
    may_fail = {*statuses, 503} | ({400} if 413 in statuses else set())  # what has a body may have an unreadable one
    return {status: {"model": Problem, "description": _MEANINGS[status]} for status in sorted(may_fail)}


def stream_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for a route that answers with events: the framework would document its errors as events too."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {s: {"description": facts["description"], "content": content} for s, facts in problems(*statuses).items()}


def problem_body(status: int, reason: str, message: str, details: dict[str, Any] | None = None) -> bytes:
    """A Problem as JSON. A stranger's text may hold half a surrogate pair, which no UTF-8 can carry: it becomes `?`."""
    body = {"status": status, "reason": reason, "message": message, "details": details or {}}
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _answer(status: int, reason: str, message: str, details: dict[str, Any] | None = None) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if details and "retry_after_s" in details:
        headers["Retry-After"] = str(max(1, round(float(str(details["retry_after_s"])))))
    body = problem_body(status, reason, message, details)
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def _plain(details: dict[str, object]) -> dict[str, Any]:
    """Details as JSON can carry them."""
    return {name: _plain_value(value) for name, value in details.items()}


def _plain_value(value: object) -> Any:
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain_value(item) for name, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, bool | int | str | None) else str(value)


def _expected(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.NeuromationError)
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    return _answer(status, error.reason, error.message, _plain(error.details))


def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [
        {"where": ".".join(str(part) for part in fault["loc"]), "what": str(fault["msg"])[:300]}
        for fault in error.errors()[:20]
    ]
    first = faults[0] if faults else {"where": "body", "what": "cannot be read"}
    return _answer(422, "invalid-request", f"{first['where']}: {first['what']}", {"faults": faults})


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason, message = _FRAMEWORK.get(error.status_code, ("http-error", str(error.detail)))
    answer = _answer(error.status_code, reason, message)
    answer.headers.update(error.headers or {})
    return answer


def _unstorable(_: Request, error: Exception) -> Response:
    log.warning("unstorable input", error=str(error)[:300])
    return _answer(422, "invalid-request", "the request holds a character or a number that cannot be stored")


def _busy(_: Request, error: Exception) -> Response:
    log.warning("the database refused", error=str(error)[:300])
    message = "the platform is busy; nothing of this request was kept, try again in a moment"
    return _answer(503, "busy", message, {"retry_after_s": BUSY_RETRY_S})


def _gone(_: Request, error: Exception) -> Response:
    """The caller hung up in the middle of a body; nobody reads this."""
    return _answer(400, *_FRAMEWORK[400])


def _bug(request: Request, error: Exception) -> Response:
    log.error("unexpected error", path=request.url.path, exc_info=error)
    return _answer(500, "internal", "something broke on the platform's side; nothing of this request was kept")


def install(app: FastAPI) -> None:
    """Make every error leave the app as a Problem."""
    app.add_exception_handler(errors.NeuromationError, _expected)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(OperationalError, _busy)
    app.add_exception_handler(PoolTimeout, _busy)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _bug)
