"""A node's side: its key, its inputs and outputs, its commits."""

from __future__ import annotations

import pytest

from client.stand_in_platform import DROP, Reply, StandIn, a_node, ok, problem
from neuromation.client import Corrupted, NodeClient, Unreachable
from neuromation.client import schemas as wire
from neuromation.client.errors import ServerFault
from neuromation.kernel.errors import Invalid
from neuromation.kernel.hashing import sha256_hex


def test_a_node_reports_its_speed_with_its_own_key(platform: StandIn, node_client: NodeClient) -> None:
    platform.on("POST", "/node/benchmark", ok(a_node()))
    assert node_client.benchmark(render_cu_per_s=0.7, train_cu_per_s=0.2).id == "node_1"
    assert platform.asked[0].headers["authorization"] == "Bearer node-key"
    assert platform.asked[0].json() == {"render_cu_per_s": 0.7, "train_cu_per_s": 0.2}


def test_a_poll_brings_work(platform: StandIn, node_client: NodeClient) -> None:
    lease = {
        "id": "task_1",
        "job": "job_1",
        "kind": "generate",
        "attempt": 1,
        "spec": {"generator": "digits"},
        "inputs": {},
        "cu": 0.5,
        "lease_s": 60,
    }
    platform.on("POST", "/node/poll", ok({"state": "active", "auctions": [], "leases": [lease], "cancelled": []}))
    assert node_client.poll(wire.Poll(free_slots=1, tasks_max=8)).leases[0].spec == {"generator": "digits"}


def test_a_poll_whose_answer_was_lost_is_left_to_the_node_which_says_so(
    platform: StandIn, node_client: NodeClient
) -> None:
    nothing = ok({"state": "eligible", "auctions": [], "leases": [], "cancelled": []})
    platform.on("POST", "/node/poll", problem(500, "internal"), DROP, problem(503, "busy"), nothing)
    with pytest.raises(ServerFault):
        node_client.poll(wire.Poll(tasks_max=8))
    with pytest.raises(Unreachable):
        node_client.poll(wire.Poll(tasks_max=8, missed=True))
    # Of one that did nothing no answer is lost.
    assert node_client.poll(wire.Poll(tasks_max=8, missed=True)).state == "eligible"


def test_a_failure_that_broke_is_not_told_twice(platform: StandIn, node_client: NodeClient) -> None:
    platform.on("POST", "/node/failures", DROP)
    with pytest.raises(Unreachable):
        node_client.fail(wire.TaskFailure(task="task_1", attempt=1, reason="shutdown"))
    assert len(platform.asked) == 1


def test_an_input_is_verified_and_a_broken_one_fetched_again(platform: StandIn, node_client: NodeClient) -> None:
    info = wire.InputInfo(sha256=sha256_hex(b"weights"), size=7)
    platform.on("GET", "/node/tasks/task_1/inputs/start", Reply(b"wei", cut=4), Reply(b"weights"))
    assert node_client.download_input("task_1", "start", info) == b"weights"


def test_an_input_that_stays_wrong_is_refused(platform: StandIn, node_client: NodeClient) -> None:
    info = wire.InputInfo(sha256=sha256_hex(b"weights"), size=7)
    platform.on("GET", "/node/tasks/task_1/inputs/start", Reply(b"WEIGHTS"))
    with pytest.raises(Corrupted):
        node_client.download_input("task_1", "start", info)
    assert len(platform.asked) == 2


def test_an_output_comes_back_as_the_reference_for_its_commit(platform: StandIn, node_client: NodeClient) -> None:
    sha256 = sha256_hex(b"shard")
    platform.on("PUT", f"/node/tasks/task_1/outputs/{sha256}", DROP, ok({"sha256": sha256, "size": 5}, 201))
    assert node_client.upload_output("task_1", b"shard") == wire.OutputRef(sha256=sha256, size=5)


def test_a_commit_is_repeated_until_it_is_heard(platform: StandIn, node_client: NodeClient) -> None:
    platform.on("POST", "/node/commits", DROP, ok({"accepted": ["task_1"], "refused": {}}))
    commit = wire.Commit(task="task_1", attempt=1, root="0" * 64, leaves=["1" * 64])
    assert node_client.commit([commit]).accepted == ["task_1"]


def test_a_failure_is_reported(platform: StandIn, node_client: NodeClient) -> None:
    platform.on("POST", "/node/failures", Reply(b"", 204))
    node_client.fail(wire.TaskFailure(task="task_1", attempt=2, reason="out-of-memory"))
    assert platform.asked[0].json()["reason"] == "out-of-memory"


def test_a_bid_that_is_no_amount_is_refused_here(platform: StandIn, node_client: NodeClient) -> None:
    with pytest.raises(Invalid, match="price_per_cu"):
        node_client.bid(auction="auc_1", price_per_cu="-1", capacity_tasks=1)
    assert platform.asked == []
