"""Accounts, tokens and the rules for emails, names, passwords and roles; pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from neuromation.accounts.errors import BadAccount, BadPage, BadToken, RoleNotOpen

Role = Literal["customer", "provider", "vendor", "labeller", "operator"]
TokenKind = Literal["session", "api", "node"]

ROLES = frozenset({"customer", "provider", "vendor", "labeller", "operator"})
OPEN_ROLES = ROLES - {"operator"}  # what anybody may give to themselves
TOKEN_KINDS = frozenset({"session", "api", "node"})

EMAIL_MAX, LOCAL_PART_MAX = 254, 64  # RFC 5321 4.5.3.1
NAME_MAX = 100
PASSWORD_MIN, PASSWORD_MAX = 12, 200
PAGE_MAX = 200

TOKENS_MAX = 1_000  # live api and node tokens of one account
SESSIONS_MAX = 50  # live sessions of one account; a newer one ends the oldest
SESSION_TTL_S = 14 * 24 * 3600
TOKEN_TTL_MAX_S = 10 * 366 * 24 * 3600

FAILURES_FREE = 5  # wrong passwords in a row before the address is locked
FAILURES_FORGOTTEN_S = 3600  # a quiet hour starts the count anew
LOCK_FIRST_S, LOCK_MAX_S = 30, 900

_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
_TOKEN = re.compile(r"nm_[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True)
class Account:
    """A person or an organisation. `disabled` is None while the account works."""

    id: str
    email: str
    name: str
    roles: frozenset[str]
    created: datetime
    disabled: datetime | None


@dataclass(frozen=True)
class Token:
    """What is known of a token, its text never. `subject` is a node token's node; `expires` None means never."""

    id: str
    account_id: str
    name: str
    kind: str
    subject: str
    created: datetime
    expires: datetime | None


@dataclass(frozen=True)
class IssuedToken:
    """A fresh token with its text, which exists only here and with its holder."""

    text: str
    token: Token


@dataclass(frozen=True)
class Principal:
    """Who calls, by which token. `subject` is the node of a node's token, else empty."""

    account_id: str
    roles: frozenset[str]
    token_id: str
    kind: str
    subject: str


@dataclass(frozen=True)
class Failures:
    """Wrong passwords in a row for one address."""

    count: int
    last: datetime
    locked_until: datetime


def normal_email(text: str) -> str:
    """The one spelling of an address: trimmed, lower case. Raises BadAccount when it is no address."""
    email = text.strip().lower()
    local, _, domain = email.rpartition("@")
    fits = text.isascii() and len(email) <= EMAIL_MAX and len(local) <= LOCAL_PART_MAX and len(domain) < EMAIL_MAX
    # The pattern is linear in its input, and the lengths are checked before it runs.
    if not fits or not _EMAIL.fullmatch(email) or ".." in local or local.startswith(".") or local.endswith("."):
        raise BadAccount(f"{text[:60]!r} is no email address; write one such as ada@example.org", reason="bad-email")
    return email


def normal_name(text: str, *, what: str = "name") -> str:
    """A printable name of 1..100 characters, trimmed. Raises BadAccount."""
    name = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise BadAccount(f"a {what} has 1 to {NAME_MAX} printable characters, not {text[:60]!r}", reason="bad-name")
    return name


def checked_roles(roles: Collection[str], *, allowed: frozenset[str] = ROLES) -> frozenset[str]:
    """The roles as a set. Raises BadAccount for none or unknown ones, RoleNotOpen for ones outside of `allowed`."""
    asked = frozenset(roles)
    if not asked or not asked <= ROLES:
        met = ", ".join(sorted(repr(role[:20]) for role in asked - ROLES)) or "none"
        raise BadAccount(
            f"an account has one or more of the roles {', '.join(sorted(ROLES))}; met {met}", reason="bad-role"
        )
    if not asked <= allowed:
        raise RoleNotOpen(asked - allowed)
    return asked


def normal_password(text: str) -> str:
    """The password as it is hashed: NFKC, as NIST SP 800-63B 5.1.1.2 asks, so that every keyboard gives the same bytes.

    Raises BadAccount, which never repeats the password.
    """
    password = unicodedata.normalize("NFKC", text) if len(text) <= PASSWORD_MAX else text
    if len(text) > PASSWORD_MAX or len(password) < PASSWORD_MIN:
        raise BadAccount(
            f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters, not {len(text)}; a few words make a good one",
            reason="bad-password",
        )
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in password):
        raise BadAccount("a password has no control characters; type it again without them", reason="bad-password")
    return password


def checked_page(limit: int) -> int:
    """A page's size, 1..200. Raises BadPage."""
    if not 1 <= limit <= PAGE_MAX:
        raise BadPage(f"a page has 1 to {PAGE_MAX} rows, not {limit}; ask for several pages")
    return limit


def checked_token(*, name: str, kind: str, subject: str, ttl_s: float | None) -> str:
    """The token's name, checked together with the rest. Raises BadToken or BadAccount."""
    if kind not in TOKEN_KINDS:
        raise BadToken(f"a token is one of {', '.join(sorted(TOKEN_KINDS))}, not {kind[:20]!r}")
    if (kind == "node") != bool(subject) or len(subject) > NAME_MAX or not subject.isprintable():
        raise BadToken(f"a node's token names its node and no other token does; met kind {kind} and {subject[:60]!r}")
    if ttl_s is not None and not 1 <= ttl_s <= TOKEN_TTL_MAX_S:
        raise BadToken(f"a token lives 1 to {TOKEN_TTL_MAX_S} seconds, or for ever with None, not {ttl_s}")
    return normal_name(name, what="token's name")


def token_hash(text: str, *, secret: bytes) -> bytes:
    """What is stored of a token: HMAC-SHA256 under the platform's secret (RFC 2104), 32 bytes.

    A token has 256 random bits, so a slow hash would add nothing but its price on every request.
    """
    return hmac.new(secret, text.encode(), hashlib.sha256).digest()


def is_token(text: str) -> bool:
    """Tell whether a text has a token's shape, so that anything else never reaches the database."""
    return _TOKEN.fullmatch(text) is not None


def next_failure(before: Failures | None, *, now: datetime) -> Failures:
    """The count after one more wrong password; from the fifth on, each locks for twice as long, up to 15 minutes."""
    stale = before is None or now - before.last > timedelta(seconds=FAILURES_FORGOTTEN_S)
    count = 1 if before is None or stale else before.count + 1
    over = min(count - FAILURES_FREE, 10)
    lock_s = min(LOCK_FIRST_S * 2**over, LOCK_MAX_S) if over >= 0 else 0
    return Failures(count=count, last=now, locked_until=now + timedelta(seconds=lock_s))
