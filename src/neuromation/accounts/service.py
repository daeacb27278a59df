"""Use cases of accounts: register, log in, issue tokens, tell who calls."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from neuromation.accounts import model, store
from neuromation.accounts.errors import (
    BadAccount,
    EmailTaken,
    NoSuchAccount,
    NoSuchToken,
    TokenRefused,
    TooManyFailures,
    TooManyTokens,
    WrongPassword,
)
from neuromation.accounts.model import Account, IssuedToken, Principal, Token, TokenKind
from neuromation.accounts.passwords import STRONG, Passwords
from neuromation.kernel.ids import check_id, new_id

_NO_TOKEN = "this token is not known; log in, or create a token, and send it whole"  # noqa: S105 - a message


@dataclass(frozen=True)
class LogIn:
    """How an attempt to log in ended. Commit first, then call `or_raise`: a failed attempt must be remembered."""

    account: Account | None
    token: str
    refusal: WrongPassword | TooManyFailures | None = None

    def or_raise(self) -> tuple[Account, str]:
        """The account and its new session's token. Raises WrongPassword or TooManyFailures."""
        if self.account is None:
            assert self.refusal is not None
            raise self.refusal
        return self.account, self.token


def register(
    conn: Connection,
    *,
    email: str,
    password: str,
    name: str,
    roles: Collection[str],
    now: datetime,
    passwords: Passwords = STRONG,
) -> Account:
    """Open an account for whoever asks. Raises EmailTaken, BadAccount, and RoleNotOpen for the role operator."""
    model.checked_roles(roles, allowed=model.OPEN_ROLES)
    return create_account(conn, email=email, password=password, name=name, roles=roles, now=now, passwords=passwords)


def create_account(
    conn: Connection,
    *,
    email: str,
    password: str,
    name: str,
    roles: Collection[str],
    now: datetime,
    passwords: Passwords = STRONG,
) -> Account:
    """Open an account with any roles; for the operator's door alone. Raises EmailTaken or BadAccount."""
    account = Account(
        id=new_id("acc", now),
        email=model.normal_email(email),
        name=model.normal_name(name),
        roles=model.checked_roles(roles),
        created=now,
        disabled=None,
    )
    password = model.normal_password(password)
    if store.account_by_email(conn, account.email):
        raise EmailTaken(account.email)  # before the costly hash; the insert below decides between two at once
    stored = store.insert_account(conn, account=account, password_hash=passwords.hashed(password))
    if stored is None:
        raise EmailTaken(account.email)
    return stored


def account_of(conn: Connection, account_id: str) -> Account:
    """The account with this id. Raises NoSuchAccount."""
    found = store.account(conn, check_id(account_id, "acc"))
    if found is None:
        raise NoSuchAccount(account_id)
    return found


def account_by_email(conn: Connection, email: str) -> Account:
    """The account with this address, in any spelling of case. Raises NoSuchAccount."""
    found = store.account_by_email(conn, model.normal_email(email))
    if found is None:
        raise NoSuchAccount(email)
    return found


def list_accounts(conn: Connection, *, after: str | None = None, limit: int = 50) -> list[Account]:
    """A page of all accounts in order of id; the next page comes after the last one's id. For operators."""
    after = after and check_id(after, "acc")
    return store.accounts(conn, after=after, limit=model.checked_page(limit))


def set_roles(conn: Connection, account_id: str, roles: Collection[str]) -> Account:
    """Replace the roles of an account; for operators. They count from the holder's next request on."""
    changed = store.set_roles(conn, account_of(conn, account_id).id, model.checked_roles(roles))
    assert changed is not None
    return changed


def set_disabled(conn: Connection, account_id: str, *, disabled: bool, now: datetime) -> Account:
    """Shut an account out, or let it in again; its tokens stop and start with it. For operators."""
    changed = store.set_disabled(conn, account_of(conn, account_id).id, disabled=disabled, now=now)
    assert changed is not None
    return changed


def change_password(
    conn: Connection, account_id: str, *, old: str, new: str, now: datetime, passwords: Passwords = STRONG
) -> None:
    """Replace the password and end every session. Raises WrongPassword or BadAccount."""
    new = model.normal_password(new)
    account = account_of(conn, account_id)
    right, _ = _check(old, store.password_of(conn, account.id), passwords)
    if not right:
        raise WrongPassword
    store.set_password(conn, account.id, passwords.hashed(new))
    store.revoke_all(conn, account.id, kind="session", subject=None, now=now)


def log_in(
    conn: Connection, *, email: str, password: str, secret: bytes, now: datetime, passwords: Passwords = STRONG
) -> LogIn:
    """Trade an email and a password for a session's token.

    A refusal comes back as a value, because the count of failures must be committed with it: commit, then `or_raise()`.
    Unknown address, wrong password and disabled account cost the same time and read the same.
    Raises BadAccount when `email` is no address at all.
    """
    email = model.normal_email(email)
    before = store.failures(conn, email)
    if before and before.locked_until > now:
        return LogIn(None, "", TooManyFailures(wait_s=(before.locked_until - now).total_seconds()))
    account, stored = store.credentials(conn, email)
    right, fresh = _check(password, stored, passwords)
    if account is None or account.disabled or not right:
        # Read again: attempts made while this one was hashing count too.
        store.set_failures(conn, email, model.next_failure(store.failures(conn, email, lock=True), now=now))
        return LogIn(None, "", WrongPassword())
    if fresh:
        store.set_password(conn, account.id, fresh)
    if before:
        store.clear_failures(conn, email)
    issued = create_token(
        conn, account.id, name="log-in", kind="session", ttl_s=model.SESSION_TTL_S, secret=secret, now=now
    )
    return LogIn(account, issued.text)


def _check(password: str, stored: str | None, passwords: Passwords) -> tuple[bool, str | None]:
    """Check a password as typed; one that breaks the rules is wrong, at the price of any other."""
    try:
        return passwords.check(model.normal_password(password), stored)
    except BadAccount:
        return passwords.check("", None)


def create_token(
    conn: Connection,
    account_id: str,
    *,
    name: str,
    kind: TokenKind,
    secret: bytes,
    now: datetime,
    subject: str = "",
    ttl_s: float | None = None,
) -> IssuedToken:
    """Issue a token.

    Args:
        account_id: whose it is.
        name: what its owner calls it, 1..100 characters.
        kind: session (ends the oldest beyond 50), api, or node.
        secret: the platform's, which keys the stored hash.
        now: its birth.
        subject: the node that a node's token belongs to; empty for the others.
        ttl_s: seconds it lives; None means until it is revoked.

    Raises:
        NoSuchAccount, BadToken, TooManyTokens.
    """
    name = model.checked_token(name=name, kind=kind, subject=subject, ttl_s=ttl_s)
    # The lock makes two at once count one another.
    account = store.account(conn, check_id(account_id, "acc"), lock=True)
    if account is None:
        raise NoSuchAccount(account_id)
    if kind == "session":
        store.revoke_old_sessions(conn, account.id, keep=model.SESSIONS_MAX - 1, now=now)
    elif store.live_tokens(conn, account.id, ["api", "node"], now=now) >= model.TOKENS_MAX:
        raise TooManyTokens(maximum=model.TOKENS_MAX)
    text = f"nm_{secrets.token_urlsafe(32)}"
    expires = None if ttl_s is None else now + timedelta(seconds=ttl_s)
    token = Token(new_id("tok", now), account.id, name, kind, subject, now, expires)
    return IssuedToken(text, store.insert_token(conn, token=token, digest=model.token_hash(text, secret=secret)))


def authenticate(conn: Connection, token: str, *, secret: bytes, now: datetime) -> Principal:
    """Who holds this token: one look-up by a unique index. Raises TokenRefused (Unauthenticated)."""
    row = store.by_hash(conn, model.token_hash(token, secret=secret)) if model.is_token(token) else None
    if row is None:
        raise TokenRefused(_NO_TOKEN, reason="token-unknown")
    if row.revoked is not None:
        raise TokenRefused("this token was revoked; log in, or create another", reason="token-revoked")
    if row.expires is not None and row.expires <= now:
        raise TokenRefused("this token has expired; log in, or create another", reason="token-expired")
    if row.disabled is not None:
        raise TokenRefused("the account of this token is disabled; ask the operator", reason="account-disabled")
    return Principal(row.account_id, frozenset(row.roles), row.id, row.kind, row.subject)


def list_tokens(
    conn: Connection, account_id: str, *, now: datetime, after: str | None = None, limit: int = model.PAGE_MAX
) -> list[Token]:
    """A page of an account's working tokens, oldest first."""
    after = after and check_id(after, "tok")
    return store.tokens(conn, account_id, after=after, limit=model.checked_page(limit), now=now)


def revoke_token(conn: Connection, token_id: str, *, account_id: str, now: datetime) -> None:
    """End a token at once; again is no error. Raises NoSuchToken when it is not this account's."""
    if not store.has_token(conn, account_id, check_id(token_id, "tok")):
        raise NoSuchToken(token_id)
    store.revoke(conn, account_id, token_id, now=now)


def revoke_tokens(
    conn: Connection, account_id: str, *, kind: TokenKind, now: datetime, subject: str | None = None
) -> int:
    """End all tokens of a kind, or a node's alone, such as before it joins anew; how many ended."""
    return store.revoke_all(conn, account_id, kind=kind, subject=subject, now=now)


def sweep(conn: Connection, *, now: datetime) -> int:
    """Drop what nobody needs any more: tokens dead for 30 days, failures forgotten; how many rows went."""
    tokens = store.delete_dead_tokens(conn, before=now - timedelta(days=30))
    return tokens + store.delete_stale_failures(conn, before=now - timedelta(seconds=model.FAILURES_FORGOTTEN_S))
