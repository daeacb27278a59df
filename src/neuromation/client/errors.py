"""What may go wrong between a caller and a platform; turns a `Problem` back into the kernel's kinds of errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic_core import ValidationError

from neuromation.kernel.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NeuromationError,
    NotFound,
    TooLarge,
    TooMany,
    Unauthenticated,
)


class Unreachable(NeuromationError):
    """No answer came: the platform is down, the address is wrong, or the connection broke."""


class ServerFault(NeuromationError):
    """The platform answered that something broke on its side."""


class Corrupted(NeuromationError):
    """Bytes or an answer arrived that are not what was promised."""


class WaitTimedOut(NeuromationError):
    """The job was still running when the caller's patience ended; the job goes on."""


class JobFailed(NeuromationError):
    """A job ended without a result: refunded or cancelled. `reason` is the job's own."""


class InsufficientFunds(Conflict):
    """The balance is lower than what must be held."""


class NoFeasiblePool(Conflict):
    """No pool of nodes could do the order; the message names the binding constraint."""


_BY_STATUS: Mapping[int, type[NeuromationError]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: Invalid,
    409: Conflict,
    413: TooLarge,
    415: Invalid,
    422: Invalid,
    429: TooMany,
}
_BY_REASON: Mapping[str, type[NeuromationError]] = {
    "insufficient-funds": InsufficientFunds,
    "no-feasible-pool": NoFeasiblePool,
}


def error_of(*, status: int, reason: str, message: str, details: Mapping[str, Any]) -> NeuromationError:
    """The typed error that a problem stands for: by its reason, else by its status, else ServerFault."""
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(status, ServerFault)
    error = kind(message, reason=reason)
    error.details = dict(details)
    return error


@contextmanager
def checking() -> Iterator[None]:
    """Around the making of messages: what the wire format refuses becomes Invalid, naming field and bound."""
    try:
        yield
    except ValidationError as error:
        faults = [
            {"where": ".".join(str(part) for part in fault["loc"]), "what": fault["msg"]}
            for fault in error.errors()[:20]
        ]
        sentence = "; ".join(
            f"{fault['where']}: {fault['what']}" if fault["where"] else fault["what"] for fault in faults
        )
        raise Invalid(sentence, reason="invalid-request", faults=faults) from error
