"""From a wish to a running job: quote, order, cancel."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from neuromation.accounts.model import Principal
from neuromation.client import schemas as wire
from neuromation.jobs import quotes
from neuromation.jobs import service as jobs
from neuromation.jobs.errors import QuoteExpired
from neuromation.jobs.model import Job, JobKind, JobState
from neuromation.kernel.errors import Conflict
from neuromation.kernel.failpoints import failpoint
from neuromation.kernel.money import ZERO, Ntk, total
from neuromation.market import clearing as auctions
from neuromation.market.model import MICRO_PER_CU, Clearing, Infeasible, reserve_max, serves
from neuromation.workflows import settlement
from neuromation.workflows.errors import NoFeasiblePool
from neuromation.workflows.kinds import work_of
from neuromation.workflows.plans import Plan
from neuromation.workflows.pool import capabilities, check_auditor, refused, request_of
from neuromation.workflows.reads import job_view
from neuromation.workflows.wallets import fiat
from neuromation.workflows.world import World

CANCELLED = "cancelled by the customer"


def quote(world: World, conn: sa.Connection, principal: Principal, order: wire.Order) -> wire.Quote:
    """What an order would cost and take, kept for a while. Raises NoFeasiblePool naming the binding constraint."""
    now = world.now()
    plan = work_of(order.kind).plan(world, conn, principal.account_id, order)
    answer = _free(world, plan, order.kind, now) if plan.work is None else _priced(world, conn, plan, order, now)
    body, plan = answer
    kept = quotes.create_quote(
        conn,
        customer=principal.account_id,
        request=order.model_dump(mode="json"),
        answer={"quote": body.model_dump(mode="json"), "plan": plan.to_json()},
        expires_at=body.expires,
        now=now,
    )
    return body.model_copy(update={"id": kept.id})


def _free(world: World, plan: Plan, kind: str, now: datetime) -> tuple[wire.Quote, Plan]:
    """Work that the platform does itself and asks nothing for."""
    expires = now + timedelta(seconds=world.policy.quote_ttl_s)
    body = wire.Quote(
        id="", kind=kind, expires=expires, tasks=plan.tasks, cu=0, price_per_cu="0", price_estimate="0", price_max="0",
        fiat_estimate=fiat(world, ZERO), lines=[], nodes_eligible=0, duration_estimate_s=5,
    )  # fmt: skip
    return body, plan


def _priced(world: World, conn: sa.Connection, plan: Plan, order: wire.Order, now: datetime) -> tuple[wire.Quote, Plan]:
    assert plan.work is not None
    able = capabilities(world, conn, plan.work, now=now)
    check_auditor(able, plan)
    wanted = Ntk.parse(order.reserve_per_cu) if order.reserve_per_cu else None
    top = reserve_max(tasks=plan.tasks, cu_per_task=plan.cu_per_task)
    request = request_of(plan, tasks=plan.tasks, reserve=wanted or top, deadline_s=order.deadline_s)
    estimate = auctions.quote_for(request, able)
    if isinstance(estimate, Infeasible):
        raise refused(estimate)
    plan = replace(plan, reserve_micro=(wanted or estimate.maximum_per_cu).micro)
    expected = _lines(world, plan, estimate.cost, expected=True)
    most = _lines(world, plan, _compute_max(plan), expected=False)
    duration_s = _duration(plan, estimate.clearing, {c.node_id: c.cu_per_s * c.slots for c in able})
    if plan.reruns and duration_s > order.deadline_s:
        raise _too_late(duration_s)
    price = total([Ntk.parse(line.amount) for line in expected])
    body = wire.Quote(
        id="",
        kind=order.kind,
        expires=now + timedelta(seconds=world.policy.quote_ttl_s),
        tasks=plan.tasks,
        cu=plan.cu_total / MICRO_PER_CU,
        price_per_cu=str(estimate.price_per_cu),
        price_estimate=str(price),
        price_max=str(total([Ntk.parse(line.amount) for line in most])),
        fiat_estimate=fiat(world, price),
        lines=expected,
        nodes_eligible=sum(serves(request, c) for c in able),
        duration_estimate_s=duration_s,
    )
    return body, plan


def _compute_max(plan: Plan) -> Ntk:
    """All tasks at the customer's maximum; a spare micro-NTK a task and node for rounding."""
    per_task = Ntk(-(-plan.reserve_micro * plan.cu_per_task // MICRO_PER_CU) + 2)
    return per_task * plan.tasks


def _lines(world: World, plan: Plan, compute: Ntk, *, expected: bool) -> list[wire.PriceLine]:
    """What makes up a price. Audits are held at their allowance, and expected at a sixth of it; full runs at one."""
    policy = world.policy
    allowance = compute * plan.reruns if plan.reruns else compute.share(policy.audit_budget_bp)
    usual = compute if plan.reruns else allowance.split([1, 5])[0]
    audits = usual if expected else allowance + Ntk(1000)
    fee = (compute + audits).share(policy.compute_commission_bp) + Ntk(0 if expected else 1)
    lines = [
        ("compute", compute),
        ("verification", audits),
        (f"commission on compute, {policy.compute_commission_bp / 100:g} %", fee),
    ]
    if plan.royalty > ZERO:
        share = policy.generator_commission_bp
        lines += [
            ("generator royalty", plan.royalty),
            (f"commission on the royalty, {share / 100:g} %", plan.royalty.share(share)),
        ]
    return [wire.PriceLine(what=what, amount=str(amount)) for what, amount in lines]


def _duration(plan: Plan, clearing: Clearing, speeds: dict[str, int]) -> float:
    """Seconds until the slowest winner is done, and until its work was run again where all of it is."""
    work_s = max(
        (award.tasks * plan.cu_per_task / max(1, speeds[award.node_id]) for award in clearing.awards), default=0.0
    )
    return work_s * 2 if plan.reruns else work_s


def _too_late(duration_s: float) -> NoFeasiblePool:
    wanted_s = math.ceil(duration_s)
    return NoFeasiblePool(
        "deadline", f"the work and its full run again take about {wanted_s} s, more than the deadline", [f"allow {wanted_s} s"]
    )  # fmt: skip


def shown_quote(conn: sa.Connection, principal: Principal, quote_id: str) -> wire.Quote:
    """A quote given before. Raises NoSuchQuote."""
    kept = quotes.get_quote(conn, quote_id, customer=principal.account_id)
    return wire.Quote.model_validate({**kept.answer["quote"], "id": kept.id})


def place(world: World, conn: sa.Connection, principal: Principal, quote_id: str, *, key: str) -> wire.Job:
    """Order what was quoted: hold its maximum and start. Raises QuoteExpired, InsufficientFunds, KeyReused, QuoteUsed."""
    now = world.now()
    kept = quotes.get_quote(conn, quote_id, customer=principal.account_id)
    body = wire.Quote.model_validate({**kept.answer["quote"], "id": kept.id})
    job, is_new = jobs.create_job(
        conn,
        customer=principal.account_id,
        key=key,
        kind=JobKind(body.kind),
        spec=kept.request,
        plan=kept.answer["plan"],
        price_max=Ntk.parse(body.price_max),
        quote_id=kept.id,
        quote=body.model_dump(mode="json"),
        now=now,
    )
    if is_new:
        if kept.is_expired(now):
            raise QuoteExpired(kept.id)
        _start(conn, job, now=now)
        failpoint("order.before-commit")
    return job_view(conn, jobs.get_job(conn, job.id))


def _start(conn: sa.Connection, job: Job, *, now: datetime) -> None:
    if job.price_max > ZERO:
        settlement.hold(conn, job, now=now)
    jobs.advance(conn, job.id, [JobState.QUOTED], JobState.FUNDED, now=now)
    jobs.schedule(conn, job.id, now)


def cancel(world: World, conn: sa.Connection, principal: Principal, job_id: str) -> wire.Job:
    """Stop a job. Nothing bought: all flows back. Work under way: no new task is given out, what is done is verified and
    paid, the rest flows back; the job ends as soon as that is over. Raises Conflict when the job has ended."""
    now = world.now()
    # A step that the worker takes meanwhile would change the state that is decided on, or forget the stop.
    job = jobs.get_job(conn, job_id, customer=principal.account_id, lock=True)
    if job.state in (JobState.FUNDED, JobState.BIDDING):
        settlement.refund(conn, job, reason=CANCELLED, to_state=JobState.CANCELLED, now=now)
    elif job.state in (JobState.RUNNING, JobState.VERIFYING):
        jobs.stop_leasing(conn, job.id, now=now)
        jobs.set_plan(conn, job.id, Plan.from_json(job.plan).remembering(stop=CANCELLED).to_json())
        jobs.wake(conn, [job.id], now=now)
    else:
        raise Conflict(
            f"job {job.id} is {job.state.value}; only a job that has not ended can be cancelled", reason="job-ended"
        )
    return job_view(conn, jobs.get_job(conn, job_id))
