"""When no pool exists, the answer names the limit that binds, and doing as told makes the request feasible."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from market_builders import Market, a_bid, a_node, a_request, markets

from neuromation.kernel.money import Ntk
from neuromation.market.clearing import clear
from neuromation.market.model import MICRO_PER_CU, Clearing, Infeasible, Request


@settings(max_examples=150, deadline=None)
@given(markets())
def test_doing_as_told_makes_the_request_feasible(market: Market) -> None:
    request, bids, nodes = market
    answer = clear(*market)
    assume(isinstance(answer, Infeasible))
    assert isinstance(answer, Infeasible)
    able = [n for n in nodes if n.cu_per_s > 0]
    assert (answer.constraint == "no-nodes") == (not able)
    for remedy in answer.remedies:
        assert remedy.request != request
        assert isinstance(clear(remedy.request, bids, nodes), Clearing)
    assert answer.remedy is None or answer.remedy.advice in answer.message


def _answer(request: Request, *nodes: Any, capacity: int = 100) -> Infeasible:
    answer = clear(request, [a_bid(n, None, capacity) for n in nodes], nodes)
    assert isinstance(answer, Infeasible)
    return answer


@pytest.mark.parametrize(
    ("request_fields", "node_fields", "constraint", "advice"),
    [
        ({"reserve_per_cu": Ntk(9)}, {}, "price", "raise the maximum to 0.00001 NTK/CU"),
        ({"deadline_s": 3}, {}, "deadline", "allow 4 s"),
        ({"memory_gib": 16.0}, {}, "memory", "make a task fit in 8 GiB of memory"),
        ({"disk_gib": 500.0}, {}, "disk", "make a task fit in 100 GiB of disk"),
        ({"gpu": True}, {}, "gpu", "allow machines without a GPU"),
        (
            {"sandbox": True},
            {"sandbox": False},
            "sandbox",
            "wait for machines with a sandbox, without which none runs a stranger's program",
        ),
        ({"excluded_nodes": frozenset({"n1"})}, {}, "exclusion", "allow the machines and owners that were excluded"),
        ({"share_max_bp": 5_000}, {}, "owner-share", "allow one owner 100 % of the tasks"),
        ({"pool_min": 2}, {}, "pool-size", "accept a pool of 1 machine"),
    ],
)
def test_each_limit_is_named_with_the_least_change(
    request_fields: dict[str, Any], node_fields: dict[str, Any], constraint: str, advice: str
) -> None:
    answer = _answer(a_request(**request_fields), a_node(**node_fields))
    assert answer.constraint == constraint
    assert answer.message.endswith(f"to make it feasible, {advice}")


def test_machines_that_offer_too_little_are_named_as_capacity() -> None:
    answer = _answer(a_request(tasks=9), a_node("a"), a_node("b"), capacity=3)
    assert answer.constraint == "capacity"
    assert "they can take 6 of 9 tasks" in answer.message
    assert "order 6 tasks" in answer.message


def test_fewer_tasks_are_offered_as_another_way_out() -> None:
    answer = _answer(a_request(tasks=200, deadline_s=100), a_node(), capacity=200)
    assert [r.constraint for r in answer.remedies] == ["deadline", "capacity"]
    assert [r.request.tasks for r in answer.remedies] == [200, 100]


def test_two_limits_that_bind_together_are_named_together() -> None:
    answer = _answer(a_request(reserve_per_cu=Ntk(9), gpu=True), a_node())
    assert answer.constraint == "price+gpu"
    assert "raise the maximum to 0.00001 NTK/CU and allow machines without a GPU" in answer.message


def test_no_machines_at_all_is_said_plainly() -> None:
    answer = _answer(a_request())
    assert answer.constraint == "no-nodes"
    assert answer.remedy is None
    assert "wait for nodes to come online" in answer.message


def test_machines_of_another_kind_or_without_speed_are_no_machines() -> None:
    answer = _answer(a_request(), a_node("a", kind="train"), a_node("b", cu_per_s=0))
    assert answer.constraint == "no-nodes"


def test_machines_too_slow_for_any_deadline_leave_no_single_way_out() -> None:
    answer = _answer(a_request(cu_per_task=10_000_000 * MICRO_PER_CU // 100, deadline_s=1), a_node(cu_per_s=1))
    assert answer.constraint == "no-nodes"
    assert "split the job" in answer.message
