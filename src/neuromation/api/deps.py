"""What routes ask for: the world, who calls, and whether they may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from neuromation.accounts import service as accounts
from neuromation.accounts.model import Principal
from neuromation.kernel.errors import Forbidden, Unauthenticated
from neuromation.workflows.world import World

V1 = "/v1"  # the prefix of every router itself: a route's own path is what the metrics show
_bearer = HTTPBearer(
    auto_error=False, description="a token of POST /v1/sessions or POST /v1/tokens; a node's own key for /v1/node/*"
)


def world_of(request: Request) -> World:
    world: World = request.app.state.world
    return world


def caller(
    request: Request,
    world: Annotated[World, Depends(world_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """Who calls. Raises Unauthenticated."""
    if credentials is None:
        raise Unauthenticated("this needs a token; log in, then send it as 'Authorization: Bearer TOKEN'")
    with world.look() as conn:
        return accounts.authenticate(conn, credentials.credentials, secret=world.secret, now=world.now())


def person(principal: Annotated[Principal, Depends(caller)]) -> Principal:
    """A person's token of any role; a node's key is refused."""
    if principal.kind == "node":
        raise Forbidden("a node's key can do a node's work only; use a token of its owner", reason="node-key")
    return principal


def having(*roles: str) -> Callable[..., Principal]:
    """A dependency that lets only people with one of `roles` pass."""

    def check(principal: Annotated[Principal, Depends(person)]) -> Principal:
        if not principal.roles & set(roles):
            raise Forbidden(
                f"this needs the role {' or '.join(roles)}; this account has {', '.join(sorted(principal.roles))}",
                reason="missing-role",
            )
        return principal

    return check


def node(principal: Annotated[Principal, Depends(caller)]) -> Principal:
    """A node's key."""
    if principal.kind != "node":
        raise Forbidden(
            "this is for nodes; join with `neuromation node start` to get a node's key", reason="node-key-needed"
        )
    return principal


IdempotencyKey = Annotated[str | None, Header(min_length=8, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]
TheWorld = Annotated[World, Depends(world_of)]
Person = Annotated[Principal, Depends(person)]
Customer = Annotated[Principal, Depends(having("customer", "vendor"))]
Provider = Annotated[Principal, Depends(having("provider"))]
Vendor = Annotated[Principal, Depends(having("vendor", "operator"))]
Operator = Annotated[Principal, Depends(having("operator"))]
Node = Annotated[Principal, Depends(node)]
