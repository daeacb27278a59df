"""Paying for a job: one chain of transfers, escrow -> nodes, vendor, commission, refund of the rest; all or none."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from neuromation.client import schemas as wire
from neuromation.jobs import service as jobs
from neuromation.jobs.model import Job, JobState, TaskKind, TaskState
from neuromation.kernel.money import ZERO, Ntk, total
from neuromation.ledger import service as ledger
from neuromation.ledger.errors import HoldAlreadyResolved
from neuromation.ledger.model import Transfer
from neuromation.nodes import service as nodes
from neuromation.nodes.model import NodeState
from neuromation.workflows.plans import Plan
from neuromation.workflows.pool import price_of
from neuromation.workflows.world import World

COMMISSION = "platform:commission"
MICRO_PER_CU = 1_000_000


@dataclass(frozen=True)
class Payment:
    """One line of a bill before it is a transfer."""

    kind: str  # work | audit | royalty | commission | refund
    credit: str
    amount: Ntk
    memo: str = ""


def hold(conn: sa.Connection, job: Job, *, now: datetime) -> None:
    """Hold the job's maximum price. Raises InsufficientFunds."""
    ledger.open_account(conn, f"escrow:{job.id}", now=now)
    ledger.hold(
        conn,
        key=f"hold:{job.id}",
        amount=job.price_max,
        payer=f"user:{job.customer}",
        payee=f"escrow:{job.id}",
        kind="order",
        ref=job.id,
        timeout_s=int(job.spec["deadline_s"]) + 3600,
        now=now,
    )


def fund_escrow(conn: sa.Connection, job: Job, *, now: datetime) -> None:
    """A pool was found: what was held goes into escrow."""
    ledger.post(conn, f"hold:{job.id}", key=f"escrow:{job.id}", amount=None, now=now)


def refund(conn: sa.Connection, job: Job, *, reason: str, to_state: JobState, now: datetime) -> None:
    """Give back all that was held: nothing was bought."""
    if job.price_max > ZERO and job.state in (JobState.FUNDED, JobState.BIDDING):
        with suppress(HoldAlreadyResolved):  # its time ran out while the platform was down: the money is back already
            ledger.void(conn, f"hold:{job.id}", key=f"void:{job.id}", now=now)
    end(conn, job, to_state, reason=reason, result={}, now=now)


def settle(
    world: World,
    conn: sa.Connection,
    job: Job,
    plan: Plan,
    *,
    to_state: JobState,
    result: dict[str, Any],
    reason: str,
    now: datetime,
) -> None:
    """Pay for everything that was accepted, give back the rest, and end the job."""
    _accept_audits(conn, job, now=now)
    if job.price_max > ZERO:
        payments = bill_of(world, conn, job, plan)
        chain = [
            Transfer(
                key=f"settle:{job.id}:{i}",
                debit=f"escrow:{job.id}",
                credit=p.credit,
                amount=p.amount,
                kind=p.kind,
                ref=job.id,
                memo=p.memo,
            )
            for i, p in enumerate(payments)
            if p.amount > ZERO
        ]
        ledger.transfer(conn, chain, now=now)
        lines = [{"kind": p.kind, "account": p.credit, "amount": str(p.amount), "what": p.memo} for p in payments]
        jobs.emit(conn, job.id, "bill", {"lines": lines}, now=now)
    jobs.settle_all(conn, job.id, now=now)
    end(conn, job, to_state, reason=reason, result=result, now=now)


def end(
    conn: sa.Connection, job: Job, to_state: JobState, *, reason: str, result: dict[str, Any], now: datetime
) -> None:
    """Close the job and say so."""
    jobs.finish(conn, job.id, to_state, result=result, reason=reason, now=now)
    jobs.emit(conn, job.id, "finished", {"state": to_state.value, "reason": reason}, now=now)


def _accept_audits(conn: sa.Connection, job: Job, *, now: datetime) -> None:
    """Audits whose case was closed by something else were still work: pay them, unless their node was banned or outvoted.

    A case that was decided has accepted its fair audits, so one of them that is left is not fair.
    """
    done = jobs.tasks_of(conn, job.id, kind=TaskKind.AUDIT, states=[TaskState.COMMITTED], limit=1000)
    groups = {audit.group for audit in done}
    accepted = jobs.tasks_of(conn, job.id, kind=TaskKind.AUDIT, groups=groups, states=[TaskState.ACCEPTED], limit=1000)
    decided = {audit.group for audit in accepted}
    open_audits = [audit for audit in done if audit.group not in decided and audit.node_id]
    fair = [a.id for a in open_audits if a.node_id and nodes.get(conn, a.node_id).state is not NodeState.BANNED]
    jobs.accept(conn, fair, now=now)


def bill_of(world: World, conn: sa.Connection, job: Job, plan: Plan) -> list[Payment]:
    """Who gets what of the escrow; the amounts sum to what was held, exactly."""
    policy = world.policy
    payments: list[Payment] = []
    work_done = 0
    for line in jobs.earnings(conn, job.id):
        node = nodes.get(conn, line.node_id)
        is_audit = line.kind is TaskKind.AUDIT
        amount = price_of(plan, line.cu) if is_audit else line.price
        work_done += 0 if is_audit else line.tasks
        memo = (
            f"{node.id} {node.name}: {line.tasks} {'audits' if is_audit else 'tasks'}, {line.cu / MICRO_PER_CU:.4g} CU"
        )
        payments.append(Payment("audit" if is_audit else "work", f"user:{node.owner}", amount, memo))
    royalty = _earned_royalty(plan, work_done)
    held = ledger.balance_of(conn, f"escrow:{job.id}").posted
    left = held - royalty - royalty.share(policy.generator_commission_bp)
    payments = _affordable(payments, left, policy.compute_commission_bp)
    compute = total([p.amount for p in payments])
    payments.append(Payment("commission", COMMISSION, compute.share(policy.compute_commission_bp), "compute"))
    if royalty > ZERO:
        payments.append(Payment("royalty", f"user:{plan.vendor}", royalty, plan.facts.get("generator", "")))
        payments.append(Payment("commission", COMMISSION, royalty.share(policy.generator_commission_bp), "generator"))
    spent = total([p.amount for p in payments])
    if (
        spent > held
    ):  # the plan holds more than any outcome costs, so this is a bug, and nobody must be paid from nothing
        raise AssertionError(f"job {job.id} owes {spent} NTK but holds {held} NTK")
    return [*payments, Payment("refund", f"user:{job.customer}", held - spent, "not used")]


def _affordable(payments: list[Payment], left: Ntk, commission_bp: int) -> list[Payment]:
    """The payments, with the audits shortened alike where cheats or small shards made more of them than was held for.

    Work is never shortened: all of it is held for. The commission on both has to fit into `left` too.
    """
    work = total([p.amount for p in payments if p.kind == "work"])
    audits = [p.amount for p in payments if p.kind == "audit"]
    # The most audits a for which a + round((work + a) * commission) fits beside the work.
    room = max(0, ((left - work).micro * 10_000 - work.micro * commission_bp - 10_000) // (10_000 + commission_bp))
    if total(audits).micro <= room:
        return payments
    shorter = iter(Ntk(room).split([a.micro for a in audits]))
    return [replace(p, amount=next(shorter)) if p.kind == "audit" else p for p in payments]


def _earned_royalty(plan: Plan, work_done: int) -> Ntk:
    """The vendor's part for the share of the work that was delivered."""
    done = min(work_done, plan.tasks)
    return plan.royalty.split([done, plan.tasks - done])[0] if plan.royalty > ZERO else ZERO


def bill(conn: sa.Connection, job: Job) -> wire.Bill | None:
    """The bill as the ledger has it; None before the job is settled."""
    records = [r for r in ledger.transfers_of(conn, job.id) if r.debit == f"escrow:{job.id}"]
    if not records:
        return None
    lines = [wire.BillLine(account=r.credit, what=r.kind, amount=str(r.amount), work=r.memo) for r in records]
    refunded = total([r.amount for r in records if r.kind == "refund"])
    left = ledger.balance_of(conn, f"escrow:{job.id}").posted
    whole = total([r.amount for r in records])
    balanced = left == ZERO and whole == job.price_max
    return wire.Bill(held=str(job.price_max), lines=lines, paid=str(whole - refunded), balanced=balanced)
