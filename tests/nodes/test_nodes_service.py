"""Nodes join, are measured, live, are checked and banned, on the real database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from neuromation.kernel.clock import FakeClock
from neuromation.kernel.money import Ntk
from neuromation.nodes import service as nodes
from neuromation.nodes import store
from neuromation.nodes.errors import BadNode, NodeBanned, NoSuchNode, TooManyNodes
from neuromation.nodes.model import (
    Hardware,
    Isolation,
    Node,
    NodeEvent,
    NodeState,
    Silent,
    WorkKind,
    audit_probability,
    next_state,
)

RIG = Hardware(cores=4, memory_gib=8.0, disk_gib=100.0, gpu="", slots=2, isolation=Isolation.BUBBLEWRAP)


def a_node(conn: Connection, clock: FakeClock, name: str = "rig-1", **changes: Any) -> Node:
    """A node that was benchmarked and may bid."""
    node = nodes.join(conn, **({"owner": "acc_a", "name": name, "hardware": RIG, "now": clock.now()} | changes))
    nodes.report_benchmark(conn, node.id, render_cu_per_s=2_000_000, train_cu_per_s=500_000, now=clock.now())
    return nodes.set_floors(conn, node.id, render=Ntk(700_000), train=Ntk(900_000))


def test_a_node_joins_unmeasured(conn: Connection, clock: FakeClock) -> None:
    node = nodes.join(conn, owner="acc_a", name="rig-1", hardware=RIG, version="0.1.0", now=clock.now())
    assert (node.state, node.hardware, node.version) == (NodeState.REGISTERED, RIG, "0.1.0")
    assert nodes.get(conn, node.id, owner="acc_a") == node
    assert nodes.eligible_nodes(conn, WorkKind.RENDER, now=clock.now()) == []


def test_the_same_rig_joins_again_and_keeps_what_it_was(conn: Connection, clock: FakeClock) -> None:
    node = a_node(conn, clock)
    bigger = Hardware(cores=8, memory_gib=16.0, disk_gib=100.0)
    again = nodes.join(conn, owner="acc_a", name="rig-1", hardware=bigger, version="0.2.0", now=clock.advance(60))
    assert (again.id, again.hardware, again.version) == (node.id, bigger, "0.2.0")
    assert (again.floor_render, again.render_cu_per_s, again.state) == (Ntk(700_000), 2_000_000, NodeState.ELIGIBLE)


def test_two_owners_may_use_one_name(conn: Connection, clock: FakeClock) -> None:
    assert a_node(conn, clock).id != a_node(conn, clock, owner="acc_b").id


def test_a_bad_name_is_refused(conn: Connection, clock: FakeClock) -> None:
    with pytest.raises(BadNode):
        a_node(conn, clock, name="my rig")


def test_an_owner_has_a_maximum_of_nodes(conn: Connection, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "NODES_PER_OWNER_MAX", 1)
    a_node(conn, clock)
    a_node(conn, clock)
    with pytest.raises(TooManyNodes):
        a_node(conn, clock, name="rig-2")


def test_a_measured_node_with_a_floor_may_bid(conn: Connection, clock: FakeClock) -> None:
    node = a_node(conn, clock)
    (render,) = nodes.eligible_nodes(conn, WorkKind.RENDER, now=clock.now())
    (train,) = nodes.eligible_nodes(conn, WorkKind.TRAIN, now=clock.now())
    assert (render.node_id, render.owner, render.cu_per_s, render.floor) == (node.id, "acc_a", 2_000_000, Ntk(700_000))
    assert (train.kind, train.cu_per_s, train.floor) == (WorkKind.TRAIN, 500_000, Ntk(900_000))
    assert (train.slots, train.memory_gib, train.isolation) == (2, 8.0, Isolation.BUBBLEWRAP)


def test_a_kind_of_work_without_floor_or_speed_is_not_for_sale(conn: Connection, clock: FakeClock) -> None:
    no_floor, no_speed = a_node(conn, clock), a_node(conn, clock, name="rig-2")
    nodes.set_floors(conn, no_floor.id, render=Ntk(1), train=None)
    nodes.report_benchmark(conn, no_speed.id, render_cu_per_s=5, train_cu_per_s=0, now=clock.now())
    assert nodes.eligible_nodes(conn, WorkKind.TRAIN, now=clock.now()) == []
    assert len(nodes.eligible_nodes(conn, WorkKind.RENDER, now=clock.now())) == 2


def test_a_node_that_was_not_heard_may_not_bid_even_before_the_sweep(conn: Connection, clock: FakeClock) -> None:
    a_node(conn, clock)
    assert nodes.eligible_nodes(conn, WorkKind.RENDER, now=clock.advance(31)) == []


def test_silence_makes_unhealthy_then_dead(conn: Connection, clock: FakeClock) -> None:
    quiet, loud = a_node(conn, clock), a_node(conn, clock, name="rig-2")
    nodes.heartbeat(conn, [loud.id], now=clock.advance(29))
    assert nodes.mark_silent(conn, now=clock.now()) == []
    assert nodes.mark_silent(conn, now=clock.advance(1)) == [Silent(quiet.id, NodeState.UNHEALTHY)]
    nodes.heartbeat(conn, [loud.id], now=clock.advance(270))
    assert nodes.mark_silent(conn, now=clock.now()) == [Silent(quiet.id, NodeState.DEAD)]
    assert nodes.mark_silent(conn, now=clock.now()) == []


def test_a_node_silent_for_long_is_dead_at_the_first_sweep(conn: Connection, clock: FakeClock) -> None:
    node = a_node(conn, clock)
    assert nodes.mark_silent(conn, now=clock.advance(3_600)) == [Silent(node.id, NodeState.DEAD)]


def test_the_intervals_are_the_callers(conn: Connection, clock: FakeClock) -> None:
    a_node(conn, clock)
    clock.advance(3)
    changed = nodes.mark_silent(conn, now=clock.now(), interval_s=1, missed_max=2, dead_after_s=10)
    assert [s.state for s in changed] == [NodeState.UNHEALTHY]


def test_a_dead_node_that_is_heard_again_may_work_again(conn: Connection, clock: FakeClock) -> None:
    node = a_node(conn, clock)
    nodes.mark_silent(conn, now=clock.advance(600))
    assert nodes.heartbeat(conn, [node.id, "node_unknown"], now=clock.now()) == {node.id: NodeState.ELIGIBLE}
    assert len(nodes.eligible_nodes(conn, WorkKind.RENDER, now=clock.now())) == 1


def test_a_late_beat_does_not_turn_the_clock_back(conn: Connection, clock: FakeClock) -> None:
    node = a_node(conn, clock)
    early, late = clock.now(), clock.advance(20)
    nodes.heartbeat(conn, [node.id], now=late)
    nodes.heartbeat(conn, [node.id], now=early)
    assert nodes.get(conn, node.id).last_seen == late


@pytest.mark.parametrize("state", NodeState)
@pytest.mark.parametrize("benchmarked", [True, False])
def test_the_heartbeats_statement_follows_the_rule(
    conn: Connection, clock: FakeClock, state: NodeState, benchmarked: bool
) -> None:
    node = nodes.join(conn, owner="acc_a", name="rig-1", hardware=RIG, now=clock.now())
    nodes.report_benchmark(conn, node.id, render_cu_per_s=int(benchmarked), train_cu_per_s=0, now=clock.now())
    store.set_state(conn, node.id, state)
    heard = nodes.heartbeat(conn, [node.id], now=clock.now())
    assert heard[node.id] is next_state(state, NodeEvent.HEARD, benchmarked=benchmarked)


def test_too_many_heartbeats_at_once_are_refused(conn: Connection, clock: FakeClock) -> None:
    with pytest.raises(TooManyNodes):
        nodes.heartbeat(conn, ["node_x"] * 10_001, now=clock.now())


def test_a_banned_node_takes_no_part_any_more(conn: Connection, clock: FakeClock) -> None:
    node = a_node(conn, clock)
    banned = nodes.ban(conn, node.id, reason="wrong units in task_1", now=clock.now())
    assert (banned.state, banned.reason) == (NodeState.BANNED, "2026-01-01: wrong units in task_1")
    assert nodes.ban(conn, node.id, reason="again", now=clock.now()) == banned
    assert nodes.heartbeat(conn, [node.id], now=clock.now()) == {node.id: NodeState.BANNED}
    assert nodes.eligible_nodes(conn, WorkKind.RENDER, now=clock.now()) == []
    with pytest.raises(NodeBanned, match="wrong units"):
        nodes.join(conn, owner="acc_a", name="rig-1", hardware=RIG, now=clock.now())
    with pytest.raises(NodeBanned):
        nodes.report_benchmark(conn, node.id, render_cu_per_s=1, train_cu_per_s=1, now=clock.now())


def test_checks_are_counted_by_kind_and_fade(conn: Connection, clock: FakeClock) -> None:
    node = a_node(conn, clock)
    for _ in range(4):
        nodes.record_check(conn, node.id, "generate", passed=True, now=clock.now())
    nodes.record_check(conn, node.id, "train", passed=False, now=clock.now())
    assert nodes.all_reputations_of(conn, node.id, now=clock.now())["generate"].passed == 4.0
    week = clock.advance(7 * 86_400)
    read = nodes.all_reputations_of(conn, node.id, now=week)
    assert {kind: (r.passed, r.failed) for kind, r in read.items()} == {"generate": (2.0, 0.0), "train": (0.0, 0.5)}


def test_a_node_that_was_never_checked_is_always_audited(conn: Connection, clock: FakeClock) -> None:
    node = a_node(conn, clock)
    unchecked = nodes.reputations_of(conn, [node.id], "generate", now=clock.now())[node.id]
    assert audit_probability(unchecked.passed) == 1.0


def test_real_tasks_correct_the_speed_of_their_kind(conn: Connection, clock: FakeClock) -> None:
    node = a_node(conn, clock)
    after = nodes.observe_speed(conn, node.id, WorkKind.RENDER, cu=1_000_000, seconds=1.0)
    read = nodes.get(conn, node.id)
    assert after == read.render_cu_per_s == 1_900_000
    assert (read.render_benchmark, read.train_cu_per_s) == (2_000_000, 500_000)


def test_nodes_are_listed_page_by_page(conn: Connection, clock: FakeClock) -> None:
    ids = []
    for i in range(3):
        clock.advance(1)
        ids.append(a_node(conn, clock, name=f"rig-{i}").id)
    a_node(conn, clock, owner="acc_b")
    page = nodes.list_nodes(conn, owner="acc_a", limit=2)
    assert [n.id for n in page + nodes.list_nodes(conn, owner="acc_a", after=page[-1].id)] == ids
    assert len(nodes.list_nodes(conn)) == 4


def test_a_page_over_the_maximum_is_refused(conn: Connection) -> None:
    with pytest.raises(TooManyNodes):
        nodes.list_nodes(conn, limit=1_001)


def test_an_unknown_node_or_one_of_somebody_else_is_not_found(conn: Connection, clock: FakeClock) -> None:
    node = a_node(conn, clock)
    with pytest.raises(NoSuchNode):
        nodes.get(conn, "node_unknown")
    with pytest.raises(NoSuchNode):
        nodes.get(conn, node.id, owner="acc_b")
    with pytest.raises(NoSuchNode):
        nodes.record_check(conn, "node_unknown", "generate", passed=True, now=clock.now())


def test_the_same_rig_joining_at_once_is_one_node(engine: sa.Engine, clock: FakeClock) -> None:
    with engine.connect() as one, engine.connect() as two:
        first = nodes.join(one, owner="acc_a", name="rig-1", hardware=RIG, now=clock.now())
        one.commit()
        assert nodes.join(two, owner="acc_a", name="rig-1", hardware=RIG, now=clock.now()).id == first.id
