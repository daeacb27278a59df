"""Seeded runs in which nodes vanish, lie and repeat, and the server stops between any two statements."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from simulated_platform import (
    Simulation,
    cut_file,
    false_audit,
    too_few_units,
    wrong_pixels,
)

from neuromation.client import schemas as wire
from neuromation.jobs.model import FINAL_STATES, JobState

Simulate = Callable[..., Simulation]


def an_order(units: int = 40, **fields: object) -> wire.DatasetOrder:
    return wire.DatasetOrder.model_validate(
        {"generator": "digits", "units": units, "shard_units": 5, "name": "set", "seed": 7, "deadline_s": 3600} | fields
    )


@pytest.mark.parametrize(
    "seed", [0, 1, 2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
def test_a_faulty_world_ends_every_job_with_every_unit_once_and_the_books_right(simulate: Simulate, seed: int) -> None:
    sim = simulate(seed)
    for floor in ("1", "1.1", "1.2", "1.3"):
        sim.add_node(floor=floor)
    cheat = sim.add_node(floor="0.9", lie=wrong_pixels)
    sim.add_node(floor="0.95", lie=(false_audit, too_few_units, cut_file)[seed % 3])
    order = an_order()
    ids = [sim.order(order), sim.order(an_order(units=12, seed=8, name="small"))]
    sim.play(ids)
    for job_id, wanted in zip(ids, (order, an_order(units=12, seed=8, name="small")), strict=True):
        job = sim.job(job_id)
        assert job.state in (JobState.SETTLED, JobState.REFUNDED), sim.picture(job_id)
        if job.state is JobState.SETTLED:
            assert sim.units_of(job_id) == list(range(wanted.units)), sim.picture(job_id)
            assert job.result is not None and job.result["merkle_root"] == sim.honest_root(wanted)
    assert not sim.paid_to(cheat.owner, kind="work").micro, "altered units were paid"


@pytest.mark.parametrize("seed", [100, 101])
def test_a_job_cancelled_at_any_moment_pays_what_was_accepted_and_gives_back_the_rest(
    simulate: Simulate, seed: int
) -> None:
    sim = simulate(seed)
    for _ in range(3):
        sim.add_node()
    job_id = sim.order(an_order())
    sim.run([job_id], steps=sim.rng.randrange(5, 250), faults=True)
    if sim.job(job_id).state not in FINAL_STATES and sim.job(job_id).state is not JobState.DELIVERING:
        sim.cancel(job_id)
        sim.play([job_id], faulty_steps=50)
        assert sim.job(job_id).state is JobState.CANCELLED, sim.picture(job_id)
