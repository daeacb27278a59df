"""The events of a job: each once, in order, whatever the connection does."""

from __future__ import annotations

import pytest

from client.stand_in_platform import DROP, Reply, StandIn, a_job, an_event, ok, problem, stream
from neuromation.client import Client, Corrupted, Unreachable, WaitTimedOut
from neuromation.client.events import RECONNECTS_MAX
from neuromation.kernel.errors import NotFound

EVENTS = "/jobs/job_1/events"


def test_events_come_in_order_and_end_with_finished(platform: StandIn, client: Client) -> None:
    platform.on("GET", EVENTS, stream(an_event(1, "state"), an_event(2), an_event(3, "finished")))
    assert [(e.seq, e.type) for e in client.events("job_1")] == [(1, "state"), (2, "progress"), (3, "finished")]


def test_a_broken_stream_is_resumed_after_the_last_event(platform: StandIn, client: Client, naps: list[float]) -> None:
    platform.on(
        "GET",
        EVENTS,
        stream(an_event(1), an_event(2), cut=100),
        DROP,
        problem(503, "busy"),
        stream(an_event(3)),
        stream(an_event(4, "finished")),
    )
    assert [event.seq for event in client.events("job_1")] == [1, 2, 3, 4]
    assert [asked.headers["last-event-id"] for asked in platform.asked] == ["0", "2", "2", "2", "3"]
    assert len(naps) == 4


def test_an_event_sent_twice_is_seen_once(platform: StandIn, client: Client) -> None:
    platform.on(
        "GET", EVENTS, stream(an_event(1), an_event(2)), stream(an_event(1), an_event(2), an_event(3, "finished"))
    )
    assert [event.seq for event in client.events("job_1")] == [1, 2, 3]


def test_half_an_event_is_no_event(platform: StandIn, client: Client) -> None:
    whole = stream(an_event(1), an_event(2))
    half = Reply(whole.body[:-40], 200, whole.headers, cut=40)
    platform.on("GET", EVENTS, half, stream(an_event(2, "finished")))
    assert [event.type for event in client.events("job_1")] == ["progress", "finished"]


def test_events_can_start_in_the_middle(platform: StandIn, client: Client) -> None:
    platform.on("GET", EVENTS, stream(an_event(8, "finished")))
    assert [event.seq for event in client.events("job_1", after=7)] == [8]
    assert platform.asked[0].headers["last-event-id"] == "7"


def test_a_platform_that_stays_away_is_given_up(platform: StandIn, client: Client) -> None:
    platform.on("GET", EVENTS, DROP)
    with pytest.raises(Unreachable):
        list(client.events("job_1"))
    assert len(platform.asked) == RECONNECTS_MAX + 1


def test_a_stream_that_only_ever_ends_is_given_up(platform: StandIn, client: Client) -> None:
    platform.on("GET", EVENTS, stream())
    with pytest.raises(Unreachable, match="too early"):
        list(client.events("job_1"))


def test_an_unknown_job_is_said_at_once(platform: StandIn, client: Client) -> None:
    platform.on("GET", EVENTS, problem(404, "unknown-job", "there is no such job; list your jobs"))
    with pytest.raises(NotFound, match="list your jobs"):
        list(client.events("job_1"))
    assert len(platform.asked) == 1


def test_an_event_that_cannot_be_read_is_said(platform: StandIn, client: Client) -> None:
    platform.on("GET", EVENTS, Reply(b"id: 1\ndata: {nonsense}\n\n", 200, {"Content-Type": "text/event-stream"}))
    with pytest.raises(Corrupted, match="cannot be read"):
        list(client.events("job_1"))


def test_waiting_gives_the_finished_job_and_tells_its_events(platform: StandIn, client: Client) -> None:
    platform.on("GET", EVENTS, stream(an_event(1), an_event(2, "finished")))
    platform.on("GET", "/jobs/job_1", ok(a_job(state="refunded", reason="deadline")))
    seen: list[int] = []
    job = client.wait("job_1", on_event=lambda event: seen.append(event.seq))
    assert (job.state, seen) == ("refunded", [1, 2])


def test_patience_ends_although_pings_keep_the_stream_alive(platform: StandIn, client: Client) -> None:
    platform.on("GET", EVENTS, stream(an_event(1), endless=True))
    with pytest.raises(WaitTimedOut, match="it goes on"):
        client.wait("job_1", timeout_s=0.2)


def test_patience_ends_between_connections_too(platform: StandIn, client: Client) -> None:
    platform.on("GET", EVENTS, stream(an_event(1)))
    with pytest.raises(WaitTimedOut):
        client.wait("job_1", timeout_s=1e-9)
