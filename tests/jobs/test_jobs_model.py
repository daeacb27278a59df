"""The rules of states and sizes, without a database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs_builders import a_task

from neuromation.jobs.errors import BadOrder, IllegalMove, OverLimit
from neuromation.jobs.model import (
    BACKOFF_S_MAX,
    FINAL_STATES,
    JOB_MOVES,
    Commit,
    JobState,
    backoff_s,
    check_moves,
    check_task,
    check_word,
)


def test_every_state_has_a_row_in_the_table_of_moves() -> None:
    assert set(JOB_MOVES) == set(JobState)


@pytest.mark.parametrize("state", sorted(set(JobState) - FINAL_STATES))
def test_a_job_can_give_the_money_back_from_every_state_that_is_not_final(state: JobState) -> None:
    check_moves([state], JobState.REFUNDED)


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.QUOTED}))
def test_every_state_is_reached_from_quoted(state: JobState) -> None:
    reached, new = set(), {JobState.QUOTED}
    while new:
        reached |= new
        new = set().union(*(JOB_MOVES[s] for s in new)) - reached
    assert state in reached


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_nothing_moves_on_from_a_final_state(state: JobState) -> None:
    for to_state in JobState:
        with pytest.raises(IllegalMove, match="nothing more"):
            check_moves([state], to_state)


@given(st.integers(1, 10_000))
def test_the_wait_after_a_broken_step_grows_up_to_its_maximum(failures: int) -> None:
    assert 1 <= backoff_s(failures) <= backoff_s(failures + 1) <= BACKOFF_S_MAX


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": -1},
        {"round": -1},
        {"cu": -1},
        {"memory_gib": 0.0},
        {"memory_gib": float("nan")},
        {"attempts_max": 0},
        {"attempts_max": 21},
        {"priority": 101},
        {"spec": {"x": float("inf")}},
        {"spec": {"x": "\0"}},
        {"inputs": {"x": object()}},
    ],
)
def test_a_task_out_of_its_bounds_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadOrder):
        check_task(a_task(**changes))


@pytest.mark.parametrize("changes", [{"group": "g" * 101}, {"spec": {"x": "y" * 300_000}}])
def test_a_task_that_is_too_long_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(OverLimit):
        check_task(a_task(**changes))


@pytest.mark.parametrize("root", ["abc", "G" * 64, "0" * 63, "A" * 64])
def test_a_root_that_is_no_sha256_is_refused(root: str) -> None:
    with pytest.raises(BadOrder, match="root"):
        Commit("task_1", 1, root, [], {}).body()


def test_a_commit_with_too_many_outputs_is_refused() -> None:
    with pytest.raises(OverLimit, match="outputs"):
        Commit("task_1", 1, "", [], {str(i): {} for i in range(65)}).body()


@given(st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8")), st.integers()))
def test_a_commit_has_one_spelling_whatever_the_order_of_its_keys(metrics: dict[str, int]) -> None:
    turned = dict(reversed(metrics.items()))
    assert Commit("task_1", 1, "", [], {}, metrics).body() == Commit("task_1", 1, "", [], {}, turned).body()


@pytest.mark.parametrize("word", ["", "State", "1st", "a b", "x" * 51, "é"])
def test_a_word_that_is_no_word_is_refused(word: str) -> None:
    with pytest.raises(BadOrder):
        check_word("a type", word)
