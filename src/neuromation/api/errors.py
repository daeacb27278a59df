"""Maps the kernel's kinds of errors to HTTP; the only file that does."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException

from neuromation.client.schemas import Problem
from neuromation.kernel import errors

log = structlog.get_logger()

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
_REASONS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "media-type"}
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
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer with these errors."""
    return {status: {"model": Problem, "description": _MEANINGS[status]} for status in statuses}


def _answer(status: int, reason: str, message: str, details: dict[str, Any] | None = None) -> JSONResponse:
    problem = Problem(status=status, reason=reason, message=message, details=details or {})
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if status == 429 and details and "retry_after_s" in details:
        headers["Retry-After"] = str(max(1, round(float(str(details["retry_after_s"])))))
    return JSONResponse(problem.model_dump(), status_code=status, headers=headers)


def _plain(details: dict[str, object]) -> dict[str, Any]:
    return {
        k: v if isinstance(v, bool | int | float | str | list | dict | None) else str(v) for k, v in details.items()
    }


def _expected(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.NeuromationError)
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    return _answer(status, error.reason, error.message, _plain(error.details))


def _malformed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [
        {"where": ".".join(str(part) for part in fault["loc"]), "what": str(fault["msg"])[:300]}
        for fault in error.errors()[:20]
    ]
    first = faults[0] if faults else {"where": "body", "what": "cannot be read"}
    return _answer(422, "invalid-request", f"{first['where']}: {first['what']}", {"faults": faults})


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    reason = _REASONS.get(error.status_code, "http-error")
    answer = _answer(error.status_code, reason, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _unstorable(_: Request, error: Exception) -> JSONResponse:
    log.warning("unstorable input", error=str(error)[:300])
    return _answer(422, "invalid-request", "the request holds a character or a number that cannot be stored")


def _busy(_: Request, error: Exception) -> JSONResponse:
    log.warning("the database refused", error=str(error)[:300])
    return _answer(503, "busy", "the platform is busy; nothing of this request was kept, try again in a moment")


def _bug(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", path=request.url.path, exc_info=error)
    return _answer(500, "internal", "something broke on the platform's side; nothing of this request was kept")


def install(app: FastAPI) -> None:
    """Make every error leave the app as a Problem."""
    app.add_exception_handler(errors.NeuromationError, _expected)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(OperationalError, _busy)
    app.add_exception_handler(Exception, _bug)
