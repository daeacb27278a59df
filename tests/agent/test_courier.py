"""Results on their way to the platform: uploaded at once, committed together, lost or given back without a fuss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from client.stand_in_platform import Asked, Reply, StandIn, ok, problem
from neuromation import agent
from neuromation.agent.courier import Courier
from neuromation.agent.sandbox import Response
from neuromation.client import NodeClient
from neuromation.client import schemas as wire
from neuromation.kernel.hashing import merkle_root, sha256_hex

LEAVES = [sha256_hex(b"unit")]
GOOD: dict[str, Any] = {"root": merkle_root(LEAVES), "leaves": LEAVES, "metrics": {"seconds": 1.5}, "cpu_s": 1.0}
DATA = b"shard"
Told = list[tuple[str, dict[str, Any]]]


def a_lease(number: int) -> wire.TaskLease:
    return wire.TaskLease(
        id=f"task_{number}", job="job_1", kind="generate", attempt=1, spec={}, inputs={}, cu=0.5, lease_s=60
    )


def accept(asked: Asked) -> Reply:
    return ok(wire.Committed(accepted=[commit["task"] for commit in asked.json()["commits"]], refused={}))


@pytest.fixture
def platform() -> Iterator[StandIn]:
    with StandIn() as server:
        server.on("POST", "/node/commits", accept)
        server.on("POST", "/node/failures", Reply(status=204))
        for number in range(40):
            path = f"/node/tasks/task_{number}/outputs/{sha256_hex(DATA)}"
            server.on("PUT", path, ok(wire.Uploaded(sha256=sha256_hex(DATA), size=len(DATA))))
        yield server


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def dropped() -> set[str]:
    return set()


@pytest.fixture
def courier(platform: StandIn, told: Told, dropped: set[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Courier]:
    monkeypatch.setattr(agent.courier, "GATHER_S", 600.0)  # however slow the machine is
    with NodeClient(platform.endpoint, "node-key", timeout_s=5, sleep=lambda _: None) as client:
        courier = Courier(client, lambda what, facts: told.append((what, facts)), dropped)
        courier.start()
        yield courier
        courier.end()
        assert not courier.is_alive()


def deliver(courier: Courier, number: int, *, is_last: bool = False, **changes: Any) -> None:
    courier.take(a_lease(number), Response(GOOD | changes, {"shard.parquet": DATA}), 1.5, is_last=is_last)


def sent_together(platform: StandIn) -> list[list[str]]:
    return [[c["task"] for c in asked.json()["commits"]] for asked in platform.of("POST", "/node/commits")]


def test_results_are_committed_together_at_once_after_the_last(courier: Courier, platform: StandIn, told: Told) -> None:
    for number in range(5):
        deliver(courier, number, is_last=number == 4)
    courier.end()
    assert sent_together(platform) == [[f"task_{number}" for number in range(5)]]
    assert [what for what, _ in told] == ["committed"] * 5 and courier.held() == []


def test_a_result_does_not_wait_for_others_for_long(
    courier: Courier, platform: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.courier, "GATHER_S", 0.1)
    deliver(courier, 0)
    until = time.monotonic() + 30
    while not sent_together(platform) and time.monotonic() < until:
        time.sleep(0.01)
    assert sent_together(platform) == [["task_0"]]


def test_no_more_go_together_than_the_platform_takes(courier: Courier, platform: StandIn) -> None:
    for number in range(40):
        deliver(courier, number, is_last=number == 39)
    courier.end()
    assert sorted(task for together in sent_together(platform) for task in together) == sorted(
        f"task_{number}" for number in range(40)
    )
    assert max(map(len, sent_together(platform))) <= wire.COMMITS_MAX


def test_what_the_platform_took_back_is_not_uploaded(courier: Courier, platform: StandIn, dropped: set[str]) -> None:
    dropped.add("task_0")
    deliver(courier, 0)
    deliver(courier, 1, is_last=True)
    courier.end()
    assert [asked.path for asked in platform.asked if asked.method == "PUT"] == [
        f"/v1/node/tasks/task_1/outputs/{sha256_hex(DATA)}"
    ]
    assert sent_together(platform) == [["task_1"]] and courier.held() == []


def test_a_refused_commit_does_not_void_its_neighbours(courier: Courier, platform: StandIn, told: Told) -> None:
    platform.on("POST", "/node/commits", ok(wire.Committed(accepted=["task_1"], refused={"task_0": "stale"})))
    deliver(courier, 0)
    deliver(courier, 1, is_last=True)
    courier.end()
    assert [(what, facts["task"], facts["why"]) for what, facts in told] == [
        ("refused", "task_0", "stale"),
        ("committed", "task_1", ""),
    ]


@pytest.mark.parametrize("route", ["upload", "commit"])
def test_a_platform_that_says_no_loses_the_tasks_and_not_the_courier(
    courier: Courier, platform: StandIn, told: Told, route: str
) -> None:
    if route == "upload":
        platform.on("PUT", f"/node/tasks/task_0/outputs/{sha256_hex(DATA)}", problem(409, "stale-lease"))
    else:
        platform.on("POST", "/node/commits", problem(409, "conflict"), accept)
    deliver(courier, 0, is_last=True)
    deliver(courier, 1, is_last=True)
    courier.end()
    assert [(what, facts["task"]) for what, facts in told] == [("lost", "task_0"), ("committed", "task_1")]


@pytest.mark.parametrize(
    "nonsense",
    [
        {"root": "short"},
        {"leaves": None},
        {"leaves": [1, 2]},
        {"metrics": ["seconds"]},
        {"metrics": {"seconds": "soon"}},
        {"cpu_s": None},
        {"cpu_s": -1},
    ],
    ids=str,
)
def test_a_result_that_makes_no_sense_is_given_back_and_the_next_goes_out(
    courier: Courier, platform: StandIn, told: Told, nonsense: dict[str, Any]
) -> None:
    deliver(courier, 0, **nonsense)
    deliver(courier, 1, is_last=True)
    courier.end()
    failure = platform.of("POST", "/node/failures")[0].json()
    assert failure["task"] == "task_0" and failure["reason"] == "task-crashed"
    assert next(iter(nonsense)) in failure["message"]
    assert sent_together(platform) == [["task_1"]] and [what for what, _ in told] == ["failed", "committed"]
