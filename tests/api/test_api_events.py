"""The stream of a job's events: in order, resumed without loss or doubles, ended after the last, and left without a trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2 as httpx
import pytest

from api.api_builders import Caller, Json, Platform, an_order, done, problem


@contextmanager
def listening(caller: Caller, job_id: str, after: int | None = None) -> Iterator[Iterator[Json]]:
    """The events of a job as they come, as `{"id", "event", "data"}`."""
    headers = {"Authorization": f"Bearer {caller.token}"}
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    with caller.http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-cache"
        yield _parsed(answer)


def _parsed(answer: httpx.Response) -> Iterator[Json]:
    event: Json = {}
    for line in answer.iter_lines():
        assert not line.startswith(":"), "the stream pings for want of an event"
        name, _, value = line.partition(":")
        if name:
            event[name] = value.strip()
        elif line == "" and "data" in event:
            yield {"id": int(event["id"]), "event": event["event"], "data": json.loads(event["data"])}
            event = {}


def _all(caller: Caller, job_id: str, after: int | None = None) -> list[Json]:
    with listening(caller, job_id, after) as events:
        return list(events)


@pytest.fixture(scope="module")
def ended(platform: Platform, customer: Caller) -> str:
    """A job with many events that has ended."""
    platform.pool()
    job = customer.ordered(an_order())["id"]
    platform.turn()
    for node in platform.machines:
        node.bid_in_all()
    assert platform.finish(customer, job)["state"] == "settled"
    return str(job)


def test_a_finished_job_tells_its_whole_story_in_order(customer: Caller, ended: str) -> None:
    story = _all(customer, ended)
    numbers = [e["id"] for e in story]
    assert numbers == sorted(set(numbers))
    assert story[-1]["event"] == "finished"
    assert [e["event"] for e in story].count("finished") == 1
    kinds = {e["event"] for e in story}
    assert {"state", "auction", "award", "progress", "bill", "finished"} <= kinds
    for event in story:
        assert (event["data"]["seq"], event["data"]["type"]) == (event["id"], event["event"])


def test_a_job_tells_how_far_its_nodes_are(platform: Platform, customer: Caller) -> None:
    job, leases = platform.running(customer, an_order())
    owners = {node.node: node for node in platform.machines}
    whole = sum(len(tasks) for tasks in leases.values())
    for node, tasks in leases.items():
        owners[node].poll(free_slots=0, running=[t["id"] for t in tasks], done={t["id"]: 0.5 for t in tasks})
    platform.turn()
    told = done(customer.get(f"/v1/jobs/{job['id']}"))
    assert told["tasks"]["leased"] == whole
    assert 0.4 < told["progress"] < 0.5  # a task's check is still to come
    problem(platform.machines[0].post("/v1/node/poll", {"wait_s": 0, "done": {"task": 1.5}}), 422)
    done(customer.post(f"/v1/jobs/{job['id']}/cancel"))


def test_a_reader_resumes_after_any_event_without_loss_or_doubles(customer: Caller, ended: str) -> None:
    story = _all(customer, ended)
    for seen, event in enumerate(story, 1):
        assert _all(customer, ended, after=event["id"]) == story[seen:]
    assert _all(customer, ended, after=0) == story


def test_a_reader_ahead_of_the_story_is_let_go(customer: Caller, ended: str) -> None:
    assert _all(customer, ended, after=10**17) == []


def test_events_arrive_while_the_job_goes_on(platform: Platform, customer: Caller) -> None:
    platform.pool()
    job = customer.ordered(an_order())["id"]
    with listening(customer, job) as events:
        assert next(events)["data"]["data"]["state"] == "funded"
        platform.turn()
        auction, state = next(events), next(events)
        assert [auction["event"], state["event"]] == ["auction", "state"]
        with listening(customer, job, after=auction["id"]) as others:  # a second reader hears the same
            done(customer.post(f"/v1/jobs/{job}/cancel"))
            rest, same = list(events), list(others)
    assert [e["event"] for e in rest] == ["state", "finished"]
    assert same == [state, *rest]


def test_a_reader_who_leaves_is_forgotten(platform: Platform, customer: Caller) -> None:
    platform.pool()
    job = customer.ordered(an_order())["id"]
    tasks = platform.server.server_state.tasks
    with httpx.Client(base_url=platform.url, timeout=30) as leaving:
        readers = Caller(leaving, customer.token)
        for _ in range(5):
            with listening(readers, job) as events:
                next(events)
    for _ in range(3000):  # each request gives the server a moment; none of the readers may stay
        done(platform.nobody().get("/healthz"))
        if len(tasks) <= 1:
            break
    assert len(tasks) <= 1
    done(customer.post(f"/v1/jobs/{job}/cancel"))


def test_a_node_that_waits_hears_of_an_auction_at_once(platform: Platform, customer: Caller) -> None:
    node = platform.pool()[0]
    customer.ordered(an_order())
    platform.turn()
    assert node.poll(free_slots=0, wait_s=20)["auctions"]


def test_a_node_that_nobody_needs_is_answered_when_its_wait_is_over(platform: Platform) -> None:
    node = platform.machine(stake="")
    answer = node.poll(wait_s=0.1)
    assert answer == {"state": "eligible", "auctions": [], "leases": [], "cancelled": []}
