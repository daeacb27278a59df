"""Builders for the tests of accounts: cheap hashes, people, tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from neuromation.accounts import service
from neuromation.accounts.model import Account, IssuedToken
from neuromation.accounts.passwords import Passwords

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = b"the platform's secret of this test"
LIGHT = Passwords(passes=1, memory_kib=8, lanes=1)  # the least that argon2 takes
PASSWORD = "correct horse battery"


def an_account(conn: Connection, email: str = "ada@example.org", **changes: Any) -> Account:
    values: dict[str, Any] = {
        "password": PASSWORD,
        "name": "Ada",
        "roles": {"customer"},
        "now": NOW,
        "passwords": LIGHT,
    }
    return service.create_account(conn, email=email, **(values | changes))


def a_token(conn: Connection, account: Account, **changes: Any) -> IssuedToken:
    values: dict[str, Any] = {"name": "ci", "kind": "api", "secret": SECRET, "now": NOW}
    return service.create_token(conn, account.id, **(values | changes))


def an_attempt(
    conn: Connection, *, email: str = "ada@example.org", password: str, now: datetime = NOW
) -> service.LogIn:
    return service.log_in(conn, email=email, password=password, secret=SECRET, now=now, passwords=LIGHT)
