"""The only SQL of the accounts context."""

# ruff: noqa: S608 - the statements are put together from constants of this file; every value is a bound parameter.

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from neuromation.accounts.model import Account, Failures, Token

_ACCOUNT = "id, email, name, roles, created, disabled"
_TOKEN = "id, account_id, name, kind, subject, created, expires"  # noqa: S105 - column names

INSERT_ACCOUNT = text(f"""
    insert into account (id, email, name, roles, password_hash, created)
    values (:id, :email, :name, :roles, :password_hash, :now)
    on conflict (email) do nothing returning {_ACCOUNT}
""")
ACCOUNT = text(f"select {_ACCOUNT} from account where id = :id")
ACCOUNT_LOCKED = text("select id from account where id = :id for no key update")
ACCOUNT_BY_EMAIL = text(f"select {_ACCOUNT} from account where email = :email")
CREDENTIALS = text(f"select {_ACCOUNT}, password_hash from account where email = :email")
PASSWORD_OF = text("select password_hash from account where id = :id")
ACCOUNTS = text(f"""
    select {_ACCOUNT} from account where cast(:after as text) is null or id > :after order by id limit :limit
""")
SET_PASSWORD = text("update account set password_hash = :password_hash where id = :id")
SET_ROLES = text(f"update account set roles = :roles where id = :id returning {_ACCOUNT}")
SET_DISABLED = text(f"""
    update account set disabled = case when :disabled then coalesce(disabled, :now) end
    where id = :id returning {_ACCOUNT}
""")

INSERT_TOKEN = text(f"""
    insert into account_token (id, account_id, hash, name, kind, subject, created, expires)
    values (:id, :account_id, :hash, :name, :kind, :subject, :now, :expires)
    returning {_TOKEN}
""")
BY_HASH = text("""
    select t.id, t.account_id, t.kind, t.subject, t.expires, t.revoked, a.roles, a.disabled
    from account_token t join account a on a.id = t.account_id where t.hash = :hash
""")
LIVE = text("""
    select count(*) from account_token
    where account_id = :account_id and kind = any(:kinds) and revoked is null and (expires is null or expires > :now)
""")
TOKENS = text(f"""
    select {_TOKEN} from account_token
    where account_id = :account_id and revoked is null and (expires is null or expires > :now)
        and (cast(:after as text) is null or id > :after)
    order by id limit :limit
""")
TOKEN_OF = text("select 1 from account_token where id = :id and account_id = :account_id")
REVOKE = text("update account_token set revoked = :now where id = :id and account_id = :account_id and revoked is null")
REVOKE_ALL = text("""
    update account_token set revoked = :now
    where account_id = :account_id and kind = :kind and revoked is null
        and (cast(:subject as text) is null or subject = :subject)
""")
REVOKE_OLD_SESSIONS = text("""
    update account_token set revoked = :now where id in (
        select id from account_token where account_id = :account_id and kind = 'session' and revoked is null
        order by created desc, id desc offset :keep)
""")
DELETE_DEAD = text("delete from account_token where (revoked < :before or expires < :before)")

FAILURES = text("select failures, last, locked_until from account_login_failure where email = :email")
FAILURES_LOCKED = text("select failures, last, locked_until from account_login_failure where email = :email for update")
SET_FAILURES = text("""
    insert into account_login_failure (email, failures, last, locked_until)
    values (:email, :failures, :last, :locked_until)
    on conflict (email) do update set
        failures = excluded.failures, last = excluded.last,
        locked_until = greatest(account_login_failure.locked_until, excluded.locked_until)
""")
CLEAR_FAILURES = text("delete from account_login_failure where email = :email")
DELETE_STALE_FAILURES = text("delete from account_login_failure where last < :before and locked_until < :before")


def _account(row: Any) -> Account:
    return Account(row.id, row.email, row.name, frozenset(row.roles), row.created, row.disabled)


def _token(row: Any) -> Token:
    return Token(row.id, row.account_id, row.name, row.kind, row.subject, row.created, row.expires)


def insert_account(conn: Connection, *, account: Account, password_hash: str) -> Account | None:
    """The account as stored; None when its email is taken."""
    row = conn.execute(
        INSERT_ACCOUNT,
        {
            "id": account.id,
            "email": account.email,
            "name": account.name,
            "roles": sorted(account.roles),
            "password_hash": password_hash,
            "now": account.created,
        },
    ).one_or_none()
    return _account(row) if row else None


def account(conn: Connection, account_id: str, *, lock: bool = False) -> Account | None:
    """The account; with `lock`, its row is locked until the transaction ends."""
    if lock:
        conn.execute(ACCOUNT_LOCKED, {"id": account_id})
    row = conn.execute(ACCOUNT, {"id": account_id}).one_or_none()
    return _account(row) if row else None


def account_by_email(conn: Connection, email: str) -> Account | None:
    row = conn.execute(ACCOUNT_BY_EMAIL, {"email": email}).one_or_none()
    return _account(row) if row else None


def credentials(conn: Connection, email: str) -> tuple[Account | None, str | None]:
    """The account with this email, and its password's hash."""
    row = conn.execute(CREDENTIALS, {"email": email}).one_or_none()
    return (_account(row), row.password_hash) if row else (None, None)


def password_of(conn: Connection, account_id: str) -> str | None:
    value: str | None = conn.execute(PASSWORD_OF, {"id": account_id}).scalar_one_or_none()
    return value


def accounts(conn: Connection, *, after: str | None, limit: int) -> list[Account]:
    return [_account(row) for row in conn.execute(ACCOUNTS, {"after": after, "limit": limit})]


def set_password(conn: Connection, account_id: str, password_hash: str) -> None:
    conn.execute(SET_PASSWORD, {"id": account_id, "password_hash": password_hash})


def set_roles(conn: Connection, account_id: str, roles: frozenset[str]) -> Account | None:
    row = conn.execute(SET_ROLES, {"id": account_id, "roles": sorted(roles)}).one_or_none()
    return _account(row) if row else None


def set_disabled(conn: Connection, account_id: str, *, disabled: bool, now: datetime) -> Account | None:
    row = conn.execute(SET_DISABLED, {"id": account_id, "disabled": disabled, "now": now}).one_or_none()
    return _account(row) if row else None


def insert_token(conn: Connection, *, token: Token, digest: bytes) -> Token:
    values = {
        "id": token.id,
        "account_id": token.account_id,
        "hash": digest,
        "name": token.name,
        "kind": token.kind,
        "subject": token.subject,
        "now": token.created,
        "expires": token.expires,
    }
    return _token(conn.execute(INSERT_TOKEN, values).one())


def by_hash(conn: Connection, digest: bytes) -> Any | None:
    """The token with this hash beside its account's roles and state; None when there is none."""
    return conn.execute(BY_HASH, {"hash": digest}).one_or_none()


def live_tokens(conn: Connection, account_id: str, kinds: list[str], *, now: datetime) -> int:
    return int(conn.execute(LIVE, {"account_id": account_id, "kinds": kinds, "now": now}).scalar_one())


def tokens(conn: Connection, account_id: str, *, after: str | None, limit: int, now: datetime) -> list[Token]:
    values = {"account_id": account_id, "after": after, "limit": limit, "now": now}
    return [_token(row) for row in conn.execute(TOKENS, values)]


def has_token(conn: Connection, account_id: str, token_id: str) -> bool:
    return conn.execute(TOKEN_OF, {"id": token_id, "account_id": account_id}).first() is not None


def revoke(conn: Connection, account_id: str, token_id: str, *, now: datetime) -> None:
    conn.execute(REVOKE, {"id": token_id, "account_id": account_id, "now": now})


def revoke_all(conn: Connection, account_id: str, *, kind: str, subject: str | None, now: datetime) -> int:
    values = {"account_id": account_id, "kind": kind, "subject": subject, "now": now}
    return conn.execute(REVOKE_ALL, values).rowcount


def revoke_old_sessions(conn: Connection, account_id: str, *, keep: int, now: datetime) -> None:
    conn.execute(REVOKE_OLD_SESSIONS, {"account_id": account_id, "keep": keep, "now": now})


def delete_dead_tokens(conn: Connection, *, before: datetime) -> int:
    return conn.execute(DELETE_DEAD, {"before": before}).rowcount


def failures(conn: Connection, email: str, *, lock: bool = False) -> Failures | None:
    """The failures of an address; with `lock`, as they are after all attempts that came before."""
    row = conn.execute(FAILURES_LOCKED if lock else FAILURES, {"email": email}).one_or_none()
    return Failures(row.failures, row.last, row.locked_until) if row else None


def set_failures(conn: Connection, email: str, after: Failures) -> None:
    values = {"email": email, "failures": after.count, "last": after.last, "locked_until": after.locked_until}
    conn.execute(SET_FAILURES, values)


def clear_failures(conn: Connection, email: str) -> None:
    conn.execute(CLEAR_FAILURES, {"email": email})


def delete_stale_failures(conn: Connection, *, before: datetime) -> int:
    return conn.execute(DELETE_STALE_FAILURES, {"before": before}).rowcount
