"""The platform killed between any two steps of a job, while its nodes run on: nothing is lost, minted, missing or double."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rig import Rig, until

from neuromation.client import schemas as wire

STATES = ("funded", "bidding", "running", "verifying", "delivering")
MOMENTS = ("before-commit", "after-commit")
STEPS = [f"{state}.{moment}" for state in STATES for moment in MOMENTS]
NAMES = ("oak", "pine", "yew")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("killed")) as rig:
        for name in NAMES:
            rig.start_node(name)
        rig.await_nodes(*NAMES)
        yield rig


@pytest.fixture(scope="module")
def data(rig: Rig) -> wire.Job:
    """A data set to train on."""
    return rig.ended(rig.dataset("to-learn", units=60, shard_units=10))


def check(rig: Rig, job: wire.Job, *, units: int = 0) -> None:
    """Whatever happened on the way, the end is a right one."""
    ended = rig.ended(job)
    rig.check_books()
    rig.check_bill(ended)
    if ended.state == "settled" and units:
        rig.check_dataset(ended, units=units)
    assert ended.state in ("settled", "refunded"), rig.about(job)


@pytest.mark.parametrize("state", STATES)
def test_a_data_set_survives_two_deaths_around_the_commit_of_a_step(rig: Rig, state: str) -> None:
    markers = [rig.arm(f"dataset.{state}.{moment}") for moment in MOMENTS]
    job = rig.dataset(f"set-{state}", units=30)
    check(rig, job, units=30)
    assert not any(marker.exists() for marker in markers), "no process reached the failpoint"
    assert rig.customer.job(job.id).state == "settled", rig.about(job)


@pytest.mark.parametrize("step", ["order.before-commit", "node-commit.before-commit"])
def test_a_data_set_survives_the_death_of_the_api_in_the_middle_of_a_request(rig: Rig, step: str) -> None:
    marker = rig.arm(step)
    job = rig.dataset(f"set-{step}", units=30)
    check(rig, job, units=30)
    assert not marker.exists(), "no process reached the failpoint"


def test_a_training_survives_a_death_in_each_of_its_states(rig: Rig, data: wire.Job) -> None:
    markers = [rig.arm(f"training.{state}.before-commit") for state in STATES]
    check(rig, rig.training("all-steps", data.result["dataset"]))
    left = [marker.name for marker in markers if marker.exists()]
    assert not left, f"no process reached {left}"


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_training_survives_the_death_of_the_process_at_this_step(rig: Rig, data: wire.Job, step: str) -> None:
    marker = rig.arm(f"training.{step}")
    check(rig, rig.training(f"net-{step}", data.result["dataset"]))
    assert not marker.exists(), "no process reached the failpoint"


def test_a_data_set_survives_the_death_of_everything_but_the_nodes(rig: Rig) -> None:
    job = rig.dataset("blackout", units=8000, shard_units=100)
    rig.reached(job, lambda now: now.tasks.accepted >= 3, "some shards to be accepted")
    rig.restart()  # SIGKILL to the API, the worker, their parent and the database
    until("the nodes to be back", lambda: all(rig.node(n).state == "eligible" for n in NAMES), told=rig.story)
    check(rig, job, units=8000)
    assert rig.customer.job(job.id).state == "settled", rig.about(job)
