"""One kind of lie at a time, among honest nodes and without other faults."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from safetensors.numpy import load
from simulated_platform import Lie, Result, Simulation, cut_file, false_audit, too_few_units, wrong_pixels

from neuromation.client import schemas as wire
from neuromation.jobs.model import JobState
from neuromation.kernel.money import ZERO, Ntk
from neuromation.learning.diloco import compress_delta
from neuromation.learning.weights import weights_hash

Simulate = Callable[..., Simulation]


def an_order(units: int = 40, **fields: object) -> wire.DatasetOrder:
    return wire.DatasetOrder.model_validate(
        {"generator": "digits", "units": units, "shard_units": 5, "name": "set", "seed": 7} | fields
    )


def a_training(**fields: object) -> wire.TrainingOrder:
    small = {"rounds": 2, "replicas": 2, "steps": 4, "segments": 2, "batch_size": 8}
    return wire.TrainingOrder.model_validate(
        {"dataset": "set", "model": "digits-cnn", "name": "net", **small, **fields}
    )


@pytest.mark.parametrize("lie", [wrong_pixels, too_few_units, cut_file])
def test_a_lying_maker_is_unpaid_and_its_work_done_by_others(simulate: Simulate, lie: Lie) -> None:
    # The cheapest node wins again whatever is bought again, so a node must be barred from tasks that it failed at.
    sim = simulate(1)
    for _ in range(3):
        sim.add_node()
    liar = sim.add_node(floor="0.5", lie=lie)
    order = an_order()
    job_id = sim.order(order)
    sim.play([job_id], faulty_steps=0)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    assert sim.units_of(job_id) == list(range(40))
    assert sim.job(job_id).result["merkle_root"] == sim.honest_root(order)  # type: ignore[index]
    assert sim.paid_to(liar.owner, kind="work") == ZERO
    is_proven = lie is wrong_pixels  # the others are refused at first sight
    assert sim.balance(f"stake:{liar.id}") == (ZERO if is_proven else Ntk.parse("5"))
    assert sim.balance("platform:seized") == (Ntk.parse("5") if is_proven else ZERO)


def test_a_lying_auditor_loses_its_stake_and_the_honest_maker_nothing(simulate: Simulate) -> None:
    sim = simulate(2)
    makers = [sim.add_node() for _ in range(3)]
    liar = sim.add_node(floor="4", lie=false_audit)
    job_id = sim.order(an_order(units=80))
    sim.play([job_id], faulty_steps=0)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    assert sim.balance(f"stake:{liar.id}") == ZERO and sim.balance("platform:seized") == Ntk.parse("5")
    assert all(sim.balance(f"stake:{maker.id}") == Ntk.parse("5") for maker in makers)


def test_an_auditor_that_only_fails_is_not_taken_for_a_liar(simulate: Simulate) -> None:
    sim = simulate(3)
    for _ in range(3):
        sim.add_node()

    def crash(task: wire.TaskLease, honest: Result, rng: random.Random) -> Result:
        if task.kind == "audit":
            raise FailsAudits
        return honest

    class FailsAudits(Exception):
        pass

    clumsy = sim.add_node(floor="4", lie=crash)
    finish = clumsy._finish

    def give_up_on_audits(task: wire.TaskLease, rng: random.Random, *, faults: bool) -> None:
        try:
            finish(task, rng, faults=faults)
        except FailsAudits:
            clumsy._give_back(task, random.Random(2))

    clumsy._finish = give_up_on_audits  # type: ignore[method-assign]
    job_id = sim.order(an_order())
    sim.play([job_id], faulty_steps=0)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    assert sim.balance("platform:seized") == ZERO


# ---- trainings --------------------------------------------------------------------------------------


def idle(sim: Simulation, task: wire.TaskLease, honest: Result) -> Result:
    """Every checkpoint is where the round began: nothing was trained, and all of it fits together."""
    start = load(sim.world.blobs.get(task.inputs["start.safetensors"].sha256))
    nothing = compress_delta({name: np.zeros_like(array) for name, array in start.items()})
    return [weights_hash(start)] * len(honest[0]), dict.fromkeys(honest[1], nothing)


def other_weights(sim: Simulation, task: wire.TaskLease, honest: Result) -> Result:
    """The hashes of an honest training beside the deltas of none."""
    return honest[0], idle(sim, task, honest)[1]


def not_a_number(sim: Simulation, task: wire.TaskLease, honest: Result) -> Result:
    """Deltas that would poison the average."""
    return honest[0], {name: _poisoned(data) for name, data in honest[1].items()}


def _poisoned(delta: bytes) -> bytes:
    head, body = delta[:40], bytearray(zlib.decompress(delta[40:]))
    body[:4] = struct.pack("<f", np.nan)  # the scale of the first tensor
    return head + zlib.compress(bytes(body))


@pytest.mark.parametrize("lie", [idle, other_weights, pytest.param(not_a_number, marks=pytest.mark.slow)])
def test_a_replica_that_did_not_train_what_it_says_is_unpaid_and_replaced(
    simulate: Simulate, lie: Callable[[Simulation, wire.TaskLease, Result], Result]
) -> None:
    sim = simulate(4)
    for _ in range(3):
        sim.add_node()
    data = sim.order(an_order(units=15))
    sim.play([data], faulty_steps=0)
    liar = sim.add_node(floor="0.3", lie=lambda task, true, rng: lie(sim, task, true) if task.kind == "train" else true)
    job_id = sim.order(a_training())
    sim.play([job_id], faulty_steps=0)
    job = sim.job(job_id)
    assert job.state is JobState.SETTLED, sim.picture(job_id)
    assert job.result is not None and len(job.result["rounds"]) == 2
    assert sim.paid_to(liar.owner, kind="work") == ZERO, sim.picture(job_id)


@pytest.mark.parametrize("seed", [20, pytest.param(21, marks=pytest.mark.slow)])
def test_a_training_in_a_faulty_world_ends_with_the_books_right(simulate: Simulate, seed: int) -> None:
    sim = simulate(seed)
    for _ in range(4):
        sim.add_node()
    data = sim.order(an_order(units=15))
    sim.play([data], faulty_steps=0)
    job_id = sim.order(a_training())
    sim.play([job_id], faulty_steps=150)
    assert sim.job(job_id).state in (JobState.SETTLED, JobState.REFUNDED), sim.picture(job_id)
