"""Accounts and their tokens, with the ledger account that each person has."""

from __future__ import annotations

import sqlalchemy as sa

from neuromation.accounts import service as accounts
from neuromation.accounts.model import Account, Token
from neuromation.client import schemas as wire
from neuromation.ledger import service as ledger
from neuromation.workflows.world import World


def register(world: World, conn: sa.Connection, body: wire.Registration) -> wire.Account:
    """Open an account for whoever asks; never an operator's. Raises EmailTaken, Forbidden."""
    account = accounts.register(
        conn, email=body.email, password=body.password, name=body.name, roles=set(body.roles), now=world.now()
    )
    return _opened(world, conn, account)


def create(world: World, conn: sa.Connection, body: wire.Registration) -> wire.Account:
    """Open an account with any roles: the operator's door."""
    account = accounts.create_account(
        conn, email=body.email, password=body.password, name=body.name, roles=set(body.roles), now=world.now()
    )
    return _opened(world, conn, account)


def _opened(world: World, conn: sa.Connection, account: Account) -> wire.Account:
    ledger.open_account(conn, f"user:{account.id}", now=world.now())
    return view(account)


def log_in(world: World, body: wire.Credentials) -> wire.Session:
    """Trade a password for a token. Raises Unauthenticated, TooMany. Failed tries are counted, so they are committed."""
    now = world.now()
    with world.transaction() as conn:
        outcome = accounts.log_in(conn, email=body.email, password=body.password, secret=world.secret, now=now)
    account, token = outcome.or_raise()
    return wire.Session(token=token, account=view(account))


def account(conn: sa.Connection, account_id: str) -> wire.Account:
    return view(accounts.account_of(conn, account_id))


def everybody(conn: sa.Connection, *, after: str | None, limit: int) -> wire.AccountList:
    """A page of all accounts."""
    found = accounts.list_accounts(conn, after=after, limit=limit)
    return wire.AccountList(accounts=[view(a) for a in found], next_after=found[-1].id if len(found) == limit else None)


def tokens(world: World, conn: sa.Connection, account_id: str) -> wire.TokenList:
    """An account's living tokens."""
    return wire.TokenList(tokens=[_token_view(t) for t in accounts.list_tokens(conn, account_id, now=world.now())])


def new_token(world: World, conn: sa.Connection, account_id: str, body: wire.NewToken) -> wire.Token:
    """A token for a program; its text is in the answer, and nowhere else."""
    ttl_s = body.ttl_days * 86_400 if body.ttl_days else None
    made = accounts.create_token(
        conn, account_id, name=body.name, kind="api", ttl_s=ttl_s, secret=world.secret, now=world.now()
    )
    return _token_view(made.token).model_copy(update={"token": made.text})


def revoke(world: World, conn: sa.Connection, account_id: str, token_id: str) -> None:
    """End one of the account's tokens. Raises NotFound."""
    accounts.revoke_token(conn, token_id, account_id=account_id, now=world.now())


def view(account: Account) -> wire.Account:
    """An account as others see it."""
    return wire.Account(
        id=account.id, email=account.email, name=account.name, roles=sorted(account.roles), created=account.created
    )


def _token_view(token: Token) -> wire.Token:
    return wire.Token(
        id=token.id, name=token.name, kind=token.kind, created=token.created, expires=token.expires, token=None
    )
