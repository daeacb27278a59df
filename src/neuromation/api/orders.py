"""Quotes and jobs over HTTP, with their events as a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from neuromation.api.deps import V1, Customer, IdempotencyKey, Person, TheWorld
from neuromation.api.doorbell import Doorbell
from neuromation.api.errors import problems, stream_problems
from neuromation.client import schemas as wire
from neuromation.workflows import ordering, reads

router = APIRouter(prefix=V1, tags=["orders"])

JobId = Annotated[str, Path(max_length=60)]
STREAM_WAIT_S = 10.0


@router.post("/quotes", status_code=201, responses=problems(401, 403, 404, 409, 413, 422), operation_id="quote")
def quote(body: wire.QuoteRequest, principal: Customer, world: TheWorld) -> wire.Quote:
    """What an order would cost now, and how long it would take; nothing is bought. When no pool of nodes could do it,
    the answer is 409 `no-feasible-pool`, whose message names the binding constraint."""
    with world.transaction() as conn:
        return ordering.quote(world, conn, principal, body.order)


@router.get("/quotes/{quote_id}", responses=problems(401, 403, 404, 422), operation_id="show_quote")
def show_quote(quote_id: JobId, principal: Customer, world: TheWorld) -> wire.Quote:
    """A quote given before."""
    with world.transaction() as conn:
        return ordering.shown_quote(conn, principal, quote_id)


@router.post("/jobs", status_code=202, responses=problems(401, 403, 404, 409, 413, 422), operation_id="order")
def order(
    body: wire.NewJob,
    principal: Customer,
    world: TheWorld,
    idempotency_key: IdempotencyKey = None,
) -> wire.Job:
    """Order what was quoted: the quote's maximum is held, and the job starts. With an `Idempotency-Key` a repeat gives
    the same job; the same key with another quote is refused."""
    with world.transaction() as conn:
        return ordering.place(world, conn, principal, body.quote, key=idempotency_key or body.quote)


@router.get("/jobs", responses=problems(401, 403, 422), operation_id="list_jobs")
def list_jobs(
    principal: Person,
    world: TheWorld,
    after: Annotated[str | None, Query(max_length=60)] = None,
    limit: Annotated[int, Query(ge=1, le=wire.PAGE_MAX)] = 50,
) -> wire.JobList:
    """The caller's jobs, newest first; an operator sees everybody's."""
    with world.transaction() as conn:
        return reads.job_list(conn, principal, after=after, limit=limit)


@router.get("/jobs/{job_id}", responses=problems(401, 403, 404, 422), operation_id="show_job")
def show_job(job_id: JobId, principal: Person, world: TheWorld) -> wire.Job:
    """A job: its state, tasks, bill and result."""
    with world.transaction() as conn:
        return reads.job_of(conn, principal, job_id)


@router.post("/jobs/{job_id}/cancel", responses=problems(401, 403, 404, 409, 422), operation_id="cancel_job")
def cancel_job(job_id: JobId, principal: Customer, world: TheWorld) -> wire.Job:
    """Stop a job: verified work is paid, the rest of the escrow flows back."""
    with world.transaction() as conn:
        return ordering.cancel(world, conn, principal, job_id)


def _watched(job_id: JobId, principal: Person, world: TheWorld) -> str:
    """The job, when the caller may see it: checked before the stream begins, while an error still has a status."""
    with world.transaction() as conn:
        return reads.job_of(conn, principal, job_id).id


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    responses=stream_problems(401, 403, 404, 422),
    operation_id="job_events",
)
async def job_events(
    job_id: Annotated[str, Depends(_watched)],
    request: Request,
    principal: Person,
    world: TheWorld,
    last_event_id: Annotated[str | None, Header(max_length=18, pattern=r"^[0-9]+$")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """What happens to a job, live; resumes after `Last-Event-ID` and ends after the event `finished`."""
    bell: Doorbell = request.app.state.bell
    seq = int(last_event_id or 0)
    while not await request.is_disconnected():
        ring = bell.next_ring()
        events, is_over = await run_in_threadpool(_events, world, principal, job_id, seq)
        for event in events:
            seq = event.seq
            yield ServerSentEvent(id=str(seq), event=event.type, data=event.model_dump(mode="json"))
        if not events and is_over:
            return
        if not events:
            await bell.wait(ring, STREAM_WAIT_S)


def _events(world: TheWorld, principal: Person, job_id: str, seq: int) -> tuple[list[wire.JobEvent], bool]:
    with world.transaction() as conn:
        return reads.events_of(conn, principal, job_id, after=seq)
