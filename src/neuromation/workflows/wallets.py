"""What people own: balances, statements, funding by the operator, and the audit of the books."""

from __future__ import annotations

from decimal import Decimal

import sqlalchemy as sa

from neuromation.accounts import service as accounts
from neuromation.accounts.model import Principal
from neuromation.client import schemas as wire
from neuromation.jobs import service as jobs
from neuromation.jobs.model import JobState
from neuromation.kernel.errors import Invalid
from neuromation.kernel.ids import new_id
from neuromation.kernel.money import MICRO_PER_NTK, SUPPLY_MAX_NTK, ZERO, Ntk, total
from neuromation.ledger import service as ledger
from neuromation.ledger.model import CUSTODY, Transfer
from neuromation.workflows.world import World

PLATFORM_ACCOUNTS = ("platform:commission", "platform:seized")
NEWEST = 2**62  # above every entry's version
IN_ESCROW = (JobState.RUNNING, JobState.VERIFYING, JobState.DELIVERING)


def open_platform_accounts(world: World, conn: sa.Connection) -> None:
    """Custody, commission and the pool of seized stakes; twice is once."""
    now = world.now()
    ledger.open_account(conn, CUSTODY, overdraft=Ntk(SUPPLY_MAX_NTK * MICRO_PER_NTK), now=now)
    for code in PLATFORM_ACCOUNTS:
        ledger.open_account(conn, code, now=now)


def fiat(world: World, amount: Ntk) -> str:
    """An amount in ordinary money at the operator's estimate, such as "3.75 USD (estimate)"."""
    value = Decimal(amount.micro) / MICRO_PER_NTK * Decimal(world.policy.fiat_per_ntk)
    return f"{value:.2f} {world.policy.fiat_currency} (estimate)"


def wallet(world: World, conn: sa.Connection, account_id: str) -> wire.Wallet:
    """What an account can spend, and what is bound."""
    balance = ledger.balance_of(conn, f"user:{account_id}")
    running = jobs.list_jobs(conn, customer=account_id, states=IN_ESCROW, limit=1000)
    escrow = total([ledger.balance_of(conn, f"escrow:{job.id}").posted for job in running if job.price_max > ZERO])
    return wire.Wallet(
        account=account_id,
        available=str(balance.available),
        held=str(balance.pending_out),
        escrow=str(escrow),
        fiat=fiat(world, balance.available),
    )


def statement(conn: sa.Connection, account_id: str, *, limit: int) -> wire.Statement:
    """The newest movements, newest first."""
    entries = ledger.statement(conn, f"user:{account_id}", before=NEWEST, limit=limit)
    lines = [
        wire.WalletEntry(at=e.created, kind=e.kind, ref=e.ref, amount=str(e.amount), balance=str(e.balance))
        for e in entries
    ]
    return wire.Statement(entries=lines)


def fund(
    world: World, conn: sa.Connection, principal: Principal, body: wire.Funding, *, key: str | None = None
) -> wire.Wallet:
    """Credit an account from custody, once for all requests of an operator's key.

    Raises NotFound for an unknown email, InsufficientFunds beyond the supply, KeyReused for another body.
    """
    now = world.now()
    amount = Ntk.parse(body.amount)
    if amount == ZERO:
        raise Invalid("an amount of 0 funds nothing; give a positive amount of NTK", reason="zero-amount")
    account = accounts.account_by_email(conn, body.email)
    credit = Transfer(
        key=f"fund:{principal.account_id}:{key}" if key else new_id("xfr", now),
        debit=CUSTODY,
        credit=f"user:{account.id}",
        amount=amount,
        kind="funding",
        ref=account.id,
        memo=principal.account_id,
    )
    ledger.transfer(conn, [credit], now=now)
    return wallet(world, conn, account.id)


def audit(conn: sa.Connection) -> wire.Audit:
    """Check the books from the first transfer on."""
    findings = ledger.audit(conn)
    transfers, open_accounts = ledger.size(conn)
    return wire.Audit(
        balanced=not findings,
        findings=[wire.Finding(check=f.rule, subject=f.subject, message=f.detail) for f in findings],
        transfers=transfers,
        accounts=open_accounts,
        in_circulation=str(-ledger.balance_of(conn, CUSTODY).posted),
    )
