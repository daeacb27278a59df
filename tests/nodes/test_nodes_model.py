"""The rules of a node's state, trust and speed, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.kernel.money import Ntk
from neuromation.nodes.errors import BadNode
from neuromation.nodes.model import (
    AUDIT_SHARE_MIN,
    HALF_LIFE,
    SPEED_MAX,
    Hardware,
    NodeEvent,
    NodeState,
    Reputation,
    audit_probability,
    check_floor,
    check_hardware,
    check_name,
    check_speed,
    corrected_speed,
    next_state,
    stake_needed,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
counts = st.floats(0, 1e9)
speeds = st.integers(1, SPEED_MAX)


@given(counts, counts)
def test_the_audited_share_never_grows_with_passed_checks(a: float, b: float) -> None:
    few, many = sorted((a, b))
    assert AUDIT_SHARE_MIN <= audit_probability(many) <= audit_probability(few) <= 1


@pytest.mark.parametrize(("passed", "share"), [(0, 1.0), (4, 1.0), (9, 0.5), (99, 0.05), (249, 0.02), (1e6, 0.02)])
def test_the_audited_share_follows_the_formula(passed: float, share: float) -> None:
    assert audit_probability(passed) == pytest.approx(share)


@pytest.mark.parametrize("passed", [-1.0, float("nan")])
def test_a_negative_number_of_checks_is_refused(passed: float) -> None:
    with pytest.raises(ValueError, match="passed checks"):
        audit_probability(passed)


@given(st.integers(0, 10**9), st.floats(0.02, 1))
def test_with_the_stake_needed_a_cheat_expects_to_lose(pay: int, share: float) -> None:
    stake = stake_needed(Ntk(pay), share).micro
    assert (1 - share) * pay - share * stake <= 1e-6 * max(pay, 1)


def test_a_share_of_nothing_has_no_stake() -> None:
    with pytest.raises(ValueError, match="audit share"):
        stake_needed(Ntk(1), 0.0)


@given(counts, counts, st.floats(0, 400))
def test_checks_fade_and_never_grow(passed: float, failed: float, days: float) -> None:
    then = Reputation(passed, failed, NOW).at(NOW + timedelta(days=days))
    assert 0 <= then.passed <= passed and 0 <= then.failed <= failed


def test_checks_count_half_after_a_half_life() -> None:
    assert Reputation(8.0, 2.0, NOW).at(NOW + HALF_LIFE) == Reputation(4.0, 1.0, NOW + HALF_LIFE)


def test_a_clock_that_turns_back_changes_nothing() -> None:
    assert Reputation(8.0, 2.0, NOW).at(NOW - HALF_LIFE) == Reputation(8.0, 2.0, NOW)


def test_one_failed_check_takes_the_merit_away() -> None:
    after = Reputation(100.0, 0.0, NOW).with_check(passed=False, now=NOW)
    assert (after.passed, after.failed, audit_probability(after.passed)) == (0.0, 1.0, 1.0)


@given(speeds, speeds, st.integers(1, 10**12), st.floats(1e-3, 1e6))
def test_no_single_task_throws_a_speed(current: int, benchmark: int, cu: int, seconds: float) -> None:
    after = corrected_speed(current=current, benchmark=benchmark, cu=cu, seconds=seconds)
    assert 1 <= after <= SPEED_MAX
    assert benchmark / 10 - 1 <= after <= benchmark * 2 + 1
    if benchmark / 10 <= current <= benchmark * 2:
        assert 0.95 * current - 1 <= after <= 1.1 * current + 1


def test_a_speed_converges_to_what_tasks_show() -> None:
    speed = 1_000_000
    for _ in range(200):
        speed = corrected_speed(current=speed, benchmark=1_000_000, cu=1_500_000, seconds=3.0)
    assert speed == pytest.approx(500_000, rel=0.01)


@pytest.mark.parametrize(("cu", "seconds"), [(0, 1.0), (5, 0.0), (5, -1.0), (5, float("nan"))])
def test_a_task_without_size_or_time_teaches_nothing(cu: int, seconds: float) -> None:
    assert corrected_speed(current=7, benchmark=7, cu=cu, seconds=seconds) == 7


@given(st.sampled_from(NodeState), st.sampled_from(NodeEvent), st.booleans())
def test_banned_is_for_ever_and_only_a_ban_leads_there(state: NodeState, event: NodeEvent, benchmarked: bool) -> None:
    after = next_state(state, event, benchmarked=benchmarked)
    assert (after is NodeState.BANNED) == (state is NodeState.BANNED or event is NodeEvent.BANNED)


@given(st.sampled_from(NodeState), st.lists(st.sampled_from(NodeEvent)))
def test_a_node_without_a_benchmark_is_never_eligible(state: NodeState, events: list[NodeEvent]) -> None:
    for event in events:
        state = next_state(state, event, benchmarked=False)
    assert state is not NodeState.ELIGIBLE or not events or all(e is NodeEvent.MISSED for e in events)


@pytest.mark.parametrize("name", ["", "-rig", "a b", "x" * 64, "rig\n", "é"])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadNode):
        check_name(name)


@pytest.mark.parametrize(
    "changes",
    [
        {"cores": 0},
        {"slots": 0},
        {"cores": 10_000},
        {"memory_gib": 0.0},
        {"memory_gib": float("nan")},
        {"disk_gib": -1.0},
        {"disk_gib": float("inf")},
        {"gpu": "g" * 201},
        {"gpu": "\0"},
    ],
)
def test_hardware_out_of_its_bounds_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadNode):
        check_hardware(replace(Hardware(cores=2, memory_gib=8.0, disk_gib=50.0), **changes))


@pytest.mark.parametrize("speed", [-1, SPEED_MAX + 1])
def test_a_speed_out_of_its_bounds_is_refused(speed: int) -> None:
    with pytest.raises(BadNode):
        check_speed(speed)


def test_a_negative_floor_is_refused() -> None:
    with pytest.raises(BadNode):
        check_floor(Ntk(-1))
