"""What may go wrong with accounts, log-ins and tokens."""

from __future__ import annotations

import math
from collections.abc import Collection

from neuromation.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated


class NoSuchAccount(NotFound):
    def __init__(self, who: str) -> None:
        super().__init__(f"there is no account {who[:260]!r}; check the spelling, or register it")


class NoSuchToken(NotFound):
    def __init__(self, token_id: str) -> None:
        super().__init__(f"there is no token {token_id[:60]!r} of yours; list your tokens to see their ids")


class EmailTaken(Conflict):
    def __init__(self, email: str) -> None:
        super().__init__(f"an account with the email {email} exists already; log in, or register another address")


class TooManyTokens(Conflict):
    def __init__(self, *, maximum: int) -> None:
        super().__init__(
            f"this account has {maximum:,} live tokens, the most there may be; revoke some first", maximum=maximum
        )


class RoleNotOpen(Forbidden):
    def __init__(self, roles: Collection[str]) -> None:
        super().__init__(
            f"the role {', '.join(sorted(roles))} cannot be taken, only given by an operator; leave it out"
        )


class BadAccount(Invalid):
    """An email, name, password or role that breaks a rule."""


class BadToken(Invalid):
    """A new token's kind, subject or life that breaks a rule."""


class BadPage(Invalid):
    """A page size outside of its bounds."""


class WrongPassword(Unauthenticated):
    """The same words whether the address is unknown, the password wrong, or the account disabled."""

    def __init__(self) -> None:
        super().__init__(
            "the email or the password is wrong; check both, or ask the operator when the account may be disabled"
        )


class TooManyFailures(TooMany):
    def __init__(self, *, wait_s: float) -> None:
        retry_after_s = max(1, math.ceil(wait_s))
        super().__init__(
            f"too many wrong passwords for this address; wait {retry_after_s} s, then try again",
            retry_after_s=retry_after_s,
        )


class TokenRefused(Unauthenticated):
    """A token that is unknown, expired or revoked, or whose account is disabled; `reason` says which."""
