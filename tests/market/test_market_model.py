"""Requests: their limits, what they may cost, and their plain form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_builders import Market, a_node, a_request, markets

from neuromation.kernel.errors import Invalid
from neuromation.kernel.money import AMOUNT_MAX_MICRO, Ntk
from neuromation.market.model import CU_PER_TASK_MAX, MICRO_PER_CU, TASKS_MAX, Request, reserve_max, tasks_possible


@given(markets())
def test_a_request_survives_json(market: Market) -> None:
    assert Request.from_json(json.loads(json.dumps(market[0].to_json()))) == market[0]


@given(st.integers(1, TASKS_MAX), st.integers(1, CU_PER_TASK_MAX))
def test_the_highest_maximum_never_costs_more_than_there_is(tasks: int, cu_per_task: int) -> None:
    highest = reserve_max(tasks=tasks, cu_per_task=cu_per_task)
    request = a_request(tasks=tasks, cu_per_task=cu_per_task, reserve_per_cu=highest)
    assert request.cost_max.micro <= AMOUNT_MAX_MICRO


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "mine"},
        {"tasks": 0},
        {"tasks": TASKS_MAX + 1},
        {"cu_per_task": 0},
        {"deadline_s": 0},
        {"memory_gib": float("nan")},
        {"disk_gib": -1.0},
        {"share_max_bp": 0},
        {"pool_min": 5},
        {"reserve_per_cu": Ntk(-1)},
        {"reserve_per_cu": Ntk.parse("1000000"), "tasks": TASKS_MAX},
        {"excluded_nodes": frozenset(map(str, range(1001)))},
    ],
)
def test_absurd_requests_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        a_request(**fields)


def test_an_owner_may_always_have_one_task() -> None:
    assert a_request(tasks=2, share_max_bp=3_400).owner_tasks_max == 1
    assert a_request(tasks=100, share_max_bp=3_400).owner_tasks_max == 34


def test_speed_counts_whole_tasks_a_slot() -> None:
    node = a_node(cu_per_s=MICRO_PER_CU // 3, slots=2)
    assert tasks_possible(a_request(tasks=50, deadline_s=10), node) == 6
