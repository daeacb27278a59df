"""Nodes that run the real agent with one lie in it, among honest ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rig import Rig

from neuromation.client import schemas as wire
from neuromation.kernel.money import ZERO, Ntk

HONEST = ("elm", "fir", "hazel")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("cheats")) as rig:
        for name in HONEST:
            rig.start_node(name)
        rig.await_nodes(*HONEST)
        yield rig


@pytest.fixture(scope="module")
def data(rig: Rig) -> wire.Job:
    """A data set to train on, made before there was a cheat."""
    return rig.ended(rig.dataset("honest", units=60, shard_units=10))


def earned(rig: Rig, job: wire.Job, name: str, what: str) -> list[wire.BillLine]:
    """What a node was paid for in a job."""
    assert job.bill is not None
    return [line for line in job.bill.lines if rig.ids[name] in line.work and line.what == what]


def test_altered_units_are_found_unpaid_and_made_again_and_the_stake_is_seized(rig: Rig) -> None:
    rig.start_node("forger", floor="0.2", lie="pixels")
    rig.await_nodes("forger")
    before = rig.wallet_total()
    job = rig.ended(rig.dataset("forged", units=80))
    rig.check_dataset(job, units=80)
    rig.check_bill(job)
    rig.check_books()
    assert rig.node("forger").state == "banned", rig.about(job)
    assert rig.node("forger").stake == "0", "the stake was not seized"
    assert not earned(rig, job, "forger", "work")
    assert job.bill is not None and before - rig.wallet_total() == Ntk.parse(job.bill.paid), (
        "the customer got the stake"
    )
    seized = [e.data for e in rig.events(job, "warning") if e.data.get("node") == rig.ids["forger"]]
    assert any(Ntk.parse(data["seized"]) == Ntk.parse("5") for data in seized if "seized" in data), seized
    assert any(e.data["verdict"] == "cheat" for e in rig.events(job, "audit"))


def test_a_lying_auditor_is_found_out_by_a_third_node(rig: Rig) -> None:
    rig.start_node("slanderer", floor="9", lie="audit")
    rig.await_nodes("slanderer")
    for number in range(4):  # who audits is a race, so it may take more than one order
        job = rig.ended(rig.dataset(f"slandered-{number}", units=120, shard_units=5))
        rig.check_dataset(job, units=120)
        rig.check_bill(job)
        if rig.node("slanderer").state == "banned":
            break
    rig.check_books()
    assert rig.node("slanderer").state == "banned" and rig.node("slanderer").stake == "0", rig.about(job)
    assert not earned(rig, job, "slanderer", "audit"), "the false audit was paid"
    assert all(rig.node(name).state == "eligible" for name in HONEST), "an honest node was punished"


def test_a_shard_that_ends_early_is_refused_at_first_sight(rig: Rig) -> None:
    rig.start_node("miser", floor="0.3", lie="truncated")
    rig.await_nodes("miser")
    job = rig.ended(rig.dataset("short", units=60))
    rig.check_dataset(job, units=60)
    rig.check_bill(job)
    rig.check_books()
    rejected = [e for e in rig.events(job, "task") if e.data.get("node") == rig.ids["miser"] and "rejected" in e.data]
    assert rejected, rig.about(job)
    assert not earned(rig, job, "miser", "work")
    rig.nodes["miser"].stop()


@pytest.mark.parametrize("lie", ["delta", pytest.param("nan", marks=pytest.mark.slow)])
def test_a_replica_that_sends_something_else_than_it_trained_is_rejected(rig: Rig, data: wire.Job, lie: str) -> None:
    name = f"poisoner-{lie}"
    rig.start_node(name, floor="5", floor_train="0.2", lie=lie)
    rig.await_nodes(name)
    job = rig.ended(rig.training(f"poisoned-{lie}", data.result["dataset"]))
    assert job.state == "settled", rig.about(job)
    rejected = [e for e in rig.events(job, "task") if e.data.get("node") == rig.ids[name] and "rejected" in e.data]
    assert rejected, rig.about(job)
    assert not earned(rig, job, name, "work")
    assert sum(Ntk.parse(line.amount).micro for line in earned(rig, job, name, "audit")) >= ZERO.micro
    rig.check_bill(job)
    rig.check_books()
    rig.nodes[name].stop()
