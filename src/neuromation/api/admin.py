"""The operator's door over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from neuromation.api.deps import V1, IdempotencyKey, Operator, TheWorld
from neuromation.api.errors import problems
from neuromation.client import schemas as wire
from neuromation.workflows import goods, people, wallets

router = APIRouter(prefix=f"{V1}/admin", tags=["operator"])


@router.post(
    "/accounts", status_code=201, responses=problems(401, 403, 409, 413, 422), operation_id="admin_create_account"
)
def create_account(body: wire.Registration, _: Operator, world: TheWorld) -> wire.Account:
    """Open an account with any roles, `operator` included."""
    with world.transaction() as conn:
        return people.create(world, conn, body)


@router.get("/accounts", responses=problems(401, 403, 422), operation_id="admin_list_accounts")
def list_accounts(
    _: Operator,
    world: TheWorld,
    after: Annotated[str | None, Query(max_length=60)] = None,
    limit: Annotated[int, Query(ge=1, le=wire.PAGE_MAX)] = 50,
) -> wire.AccountList:
    """Everybody, by id."""
    with world.transaction() as conn:
        return people.everybody(conn, after=after, limit=limit)


@router.post("/fund", responses=problems(401, 403, 404, 409, 413, 422), operation_id="admin_fund")
def fund(
    body: wire.Funding, principal: Operator, world: TheWorld, idempotency_key: IdempotencyKey = None
) -> wire.Wallet:
    """Credit an account from custody: tokens that the platform holds for it. Never beyond the supply. With an
    `Idempotency-Key` a repeat credits nothing more; the same key with another body is refused."""
    with world.transaction() as conn:
        return wallets.fund(world, conn, principal, body, key=idempotency_key)


@router.put(
    "/generators/{name}/vendor", responses=problems(401, 403, 404, 409, 413, 422), operation_id="admin_set_vendor"
)
def set_vendor(
    name: Annotated[wire.Name, Path()], body: wire.NewVendor, principal: Operator, world: TheWorld
) -> wire.GeneratorInfo:
    """Give a generator to the vendor who wrote it: its royalties are theirs, and theirs to set."""
    with world.transaction() as conn:
        return goods.set_vendor(conn, name, body, principal)


@router.get("/audit", responses=problems(401, 403), operation_id="admin_audit")
def audit(_: Operator, world: TheWorld) -> wire.Audit:
    """Check the books: transfers balance, nothing is minted or lost, the log is unbroken and rebuilds the balances."""
    with world.transaction() as conn:
        return wallets.audit(conn)
