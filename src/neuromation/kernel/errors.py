"""The four expected ways a request can fail; owns the kinds, refuses to know HTTP."""

from __future__ import annotations


class NeuromationError(Exception):
    """Anything that the caller did, or met, that is not a bug.

    The message is one sentence for a person: what was met, what was needed, what to do. `reason` is the typed,
    stable word for a program; it defaults to the class name in kebab case.
    """

    reason: str = ""

    def __init__(self, message: str, *, reason: str | None = None, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).reason or _kebab(type(self).__name__)
        self.details = details


class NotFound(NeuromationError):
    """The thing named does not exist, or the caller may not know that it does."""


class Conflict(NeuromationError):
    """The request is well formed but the state of the world refuses it."""


class Forbidden(NeuromationError):
    """The caller is known, and may not do this."""


class Unauthenticated(Forbidden):
    """The caller is not known: no token, or one that is wrong, expired or revoked."""


class Invalid(NeuromationError):
    """The request itself is wrong and will be wrong tomorrow."""


class TooLarge(Invalid):
    """The request is over a stated maximum."""


class TooMany(Conflict):
    """The caller asks too often; `details["retry_after_s"]` says when to try again."""


def _kebab(name: str) -> str:
    return "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-")
