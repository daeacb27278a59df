"""Nodes over HTTP: their owners' side, and the side of the machines themselves, which only ever call out."""

from __future__ import annotations

import math
import time
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from neuromation.api.deps import V1, Node, Person, Provider, TheWorld
from neuromation.api.doorbell import Doorbell
from neuromation.api.errors import problems
from neuromation.api.goods import received, streamed
from neuromation.client import schemas as wire
from neuromation.workflows import node_work, reads

router = APIRouter(prefix=V1, tags=["nodes"])

BEAT_S = 2.0  # how often a waiting poll counts as a sign of life

Id = Annotated[str, Path(max_length=60)]


@router.post("/nodes", status_code=201, responses=problems(401, 403, 409, 413, 422), operation_id="join")
def join(body: wire.NodeJoin, principal: Provider, world: TheWorld) -> wire.Joined:
    """Register a machine, or the same machine again after a restart; the answer carries the node's own key."""
    with world.transaction() as conn:
        return node_work.join(world, conn, principal, body)


@router.get("/nodes", responses=problems(401, 403), operation_id="list_nodes")
def list_nodes(principal: Person, world: TheWorld) -> wire.NodeList:
    """The caller's nodes; an operator sees all."""
    with world.transaction() as conn:
        return reads.node_list(conn, principal)


@router.get("/nodes/{node_id}", responses=problems(401, 403, 404, 422), operation_id="show_node")
def show_node(node_id: Id, principal: Person, world: TheWorld) -> wire.NodeInfo:
    """One node: speed, floors, standing, stake, earnings."""
    with world.transaction() as conn:
        return reads.node_of(conn, principal, node_id)


@router.post("/nodes/{node_id}/stake", responses=problems(401, 403, 404, 409, 413, 422), operation_id="stake")
def stake(node_id: Id, body: wire.NewStake, principal: Provider, world: TheWorld) -> wire.NodeInfo:
    """Raise or lower the node's stake to `amount`, from or to its owner's balance. Proven cheating loses it.

    It is lowered only when none of the node's work waits for a job to end (409, `stake-in-use`).
    """
    with world.transaction() as conn:
        return node_work.stake(world, conn, principal, node_id, body)


@router.get("/market/prices", responses=problems(401, 403, 422), operation_id="prices", tags=["market"])
def prices(
    _: Person,
    world: TheWorld,
    kind: Literal["render", "train"] | None = None,
    limit: Annotated[int, Query(ge=1, le=wire.PAGE_MAX)] = 50,
) -> wire.PriceIndex:
    """Clearing prices of past auctions, newest first."""
    with world.transaction() as conn:
        return reads.price_index(conn, kind, limit=limit)


@router.post("/node/benchmark", responses=problems(401, 403, 413, 422), operation_id="report_benchmark")
def report_benchmark(body: wire.Benchmark, principal: Node, world: TheWorld) -> wire.NodeInfo:
    """How fast the node is, measured by the agent with the product's own code; re-checked against real tasks."""
    with world.transaction() as conn:
        return node_work.report_benchmark(world, conn, principal.subject, body)


@router.post("/node/poll", responses=problems(401, 403, 413, 422), operation_id="poll")
async def poll(body: wire.Poll, request: Request, principal: Node, world: TheWorld) -> wire.PollAnswer:
    """A heartbeat that brings back auctions to bid in and tasks to do; waits up to `wait_s` for some."""
    bell: Doorbell = request.app.state.bell
    deadline, beat_at = time.monotonic() + body.wait_s, -math.inf
    while True:
        ring = bell.next_ring()
        if time.monotonic() - beat_at >= BEAT_S:
            beat_at = time.monotonic()
            await run_in_threadpool(node_work.beat, world, principal.subject)
        answer = await run_in_threadpool(node_work.poll, world, principal.subject, body)
        left_s = deadline - time.monotonic()
        if answer.auctions or answer.leases or answer.cancelled or left_s <= 0:
            return answer
        await bell.wait(ring, max(0.05, left_s), poll_s=BEAT_S)
        if await request.is_disconnected():
            return answer


@router.post("/node/bids", status_code=201, responses=problems(401, 403, 404, 409, 413, 422), operation_id="bid")
def bid(body: wire.NewBid, principal: Node, world: TheWorld) -> wire.NewBid:
    """A sealed bid; a later one replaces it until the auction closes."""
    with world.transaction() as conn:
        return node_work.bid(world, conn, principal.subject, body)


@router.get(
    "/node/tasks/{task_id}/inputs/{name}",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}}, **problems(401, 403, 404, 409, 422)},
    operation_id="task_input",
)
def task_input(
    task_id: Id, name: Annotated[wire.FileName, Path()], principal: Node, world: TheWorld
) -> StreamingResponse:
    """An input of a task that this node has leased."""
    with world.transaction() as conn:
        blob = node_work.input_of(conn, principal.subject, task_id, name)
    return streamed(world, blob.sha256, blob.size, "application/octet-stream")


@router.put(
    "/node/tasks/{task_id}/outputs/{sha256}",
    status_code=201,
    responses=problems(401, 403, 404, 409, 413, 422),
    operation_id="task_output",
    max_body_size=wire.BLOB_MAX_BYTES,
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
async def task_output(
    task_id: Id, sha256: Annotated[wire.Sha256, Path()], request: Request, principal: Node, world: TheWorld
) -> wire.Uploaded:
    """Bytes that a leased task made, verified against their hash."""
    await run_in_threadpool(node_work.check_lease, world, principal.subject, task_id)
    return await received(request, world, sha256, owner=principal.subject)


@router.post("/node/commits", responses=problems(401, 403, 409, 413, 422), operation_id="commit")
def commit(body: wire.Commits, principal: Node, world: TheWorld) -> wire.Committed:
    """Say what tasks made, before any audit of them is drawn. A repeat is no change; another body is refused."""
    with world.transaction() as conn:
        return node_work.commit(world, conn, principal.subject, body.commits)


@router.post("/node/failures", status_code=204, responses=problems(401, 403, 404, 409, 413, 422), operation_id="fail")
def fail(body: wire.TaskFailure, principal: Node, world: TheWorld) -> Response:
    """Give a task back, with a typed reason; it goes to another node."""
    with world.transaction() as conn:
        node_work.fail(world, conn, principal.subject, body)
    return Response(status_code=204)
