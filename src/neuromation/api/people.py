"""Accounts, sessions, tokens and wallets over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, status

from neuromation.api.deps import V1, Person, TheWorld
from neuromation.api.errors import problems
from neuromation.api.rates import slowly
from neuromation.client import schemas as wire
from neuromation.workflows import people, wallets

router = APIRouter(prefix=V1, tags=["people"])


@router.post("/accounts", status_code=201, responses=problems(403, 409, 413, 422, 429), operation_id="register")
def register(body: wire.Registration, request: Request, world: TheWorld) -> wire.Account:
    """Open an account. The role `operator` is given by an operator only."""
    slowly(request, "register")
    with world.transaction() as conn:
        return people.register(world, conn, body)


@router.post("/sessions", status_code=201, responses=problems(401, 413, 422, 429), operation_id="log_in")
def log_in(body: wire.Credentials, request: Request, world: TheWorld) -> wire.Session:
    """Trade an email and a password for a token that lives for a while."""
    slowly(request, "log-in")
    return people.log_in(world, body)


@router.get("/me", responses=problems(401, 403), operation_id="me")
def me(principal: Person, world: TheWorld) -> wire.Account:
    """The account of the token."""
    with world.transaction() as conn:
        return people.account(conn, principal.account_id)


@router.get("/tokens", responses=problems(401, 403), operation_id="list_tokens")
def list_tokens(principal: Person, world: TheWorld) -> wire.TokenList:
    """The caller's tokens, without their texts."""
    with world.transaction() as conn:
        return people.tokens(world, conn, principal.account_id)


@router.post("/tokens", status_code=201, responses=problems(401, 403, 409, 413, 422), operation_id="create_token")
def create_token(body: wire.NewToken, principal: Person, world: TheWorld) -> wire.Token:
    """A token for a program; its text is shown this once."""
    with world.transaction() as conn:
        return people.new_token(world, conn, principal.account_id, body)


@router.delete(
    "/tokens/{token_id}", status_code=204, responses=problems(401, 403, 404, 422), operation_id="revoke_token"
)
def revoke_token(token_id: str, principal: Person, world: TheWorld) -> Response:
    """End a token of the caller's, at once."""
    with world.transaction() as conn:
        people.revoke(world, conn, principal.account_id, token_id)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.get("/wallet", responses=problems(401, 403), operation_id="wallet")
def wallet(principal: Person, world: TheWorld) -> wire.Wallet:
    """What the caller can spend, and what is held or in escrow."""
    with world.transaction() as conn:
        return wallets.wallet(world, conn, principal.account_id)


@router.get("/wallet/entries", responses=problems(401, 403, 422), operation_id="statement")
def statement(
    principal: Person, world: TheWorld, limit: Annotated[int, Query(ge=1, le=wire.PAGE_MAX)] = 50
) -> wire.Statement:
    """The newest movements on the caller's account, newest first."""
    with world.transaction() as conn:
        return wallets.statement(conn, principal.account_id, limit=limit)
