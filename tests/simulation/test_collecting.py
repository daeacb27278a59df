"""What nodes uploaded on the way is forgotten long after the job; what was delivered stays for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from simulated_platform import Simulation, wrong_pixels

from neuromation.client import schemas as wire
from neuromation.jobs.model import JobState
from neuromation.kernel.errors import Conflict
from neuromation.storage.blobs import BlobStore
from neuromation.workflows import goods, publishing
from neuromation.workflows.driving import tidy

Simulate = Callable[..., Simulation]


def hashes(sim: Simulation) -> set[str]:
    with sim.world.look() as conn:
        return set(conn.execute(sa.text("select sha256 from storage_blob")).scalars())


def delivered(sim: Simulation, job_id: str) -> set[str]:
    result = sim.job(job_id).result
    assert result
    with sim.world.look() as conn:
        version = publishing.version_by_id(conn, result["version"])
        return {file.sha256 for file in version.files.values()}


def test_work_thrown_away_is_collected_and_deliveries_stay(simulate: Simulate) -> None:
    sim = simulate(11)
    for _ in range(3):
        sim.add_node()
    sim.add_node(floor="0.5", lie=wrong_pixels)
    order = {"generator": "digits", "units": 40, "shard_units": 5, "name": "set", "seed": 7}
    job_id = sim.order(wire.DatasetOrder.model_validate(order))
    sim.play([job_id], faulty_steps=0)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    kept, before = delivered(sim, job_id), hashes(sim)
    assert kept < before, "the cheat's shards lie there, too"
    tidy(sim.world)
    assert hashes(sim) == before, "nothing is collected while a job may need it"
    sim.clock.advance(timedelta(days=46).total_seconds())
    tidy(sim.world)
    assert hashes(sim) == kept
    assert all(sim.world.blobs.exists(sha256) for sha256 in kept)
    assert not any(sim.world.blobs.exists(sha256) for sha256 in before - kept)


def test_the_weights_between_the_rounds_of_a_training_are_collected(simulate: Simulate) -> None:
    sim = simulate(14)
    for _ in range(3):
        sim.add_node()
    data = {"generator": "digits", "units": 24, "shard_units": 8, "name": "set", "seed": 7}
    made = sim.order(wire.DatasetOrder.model_validate(data))
    sim.run([made], steps=3000, faults=False)
    sizes = {"rounds": 2, "replicas": 2, "steps": 2, "segments": 1, "batch_size": 4}
    order = {"name": "net", "model": "digits-cnn", "dataset": "set@1", **sizes}
    trained = sim.order(wire.TrainingOrder.model_validate(order))
    sim.run([trained], steps=3000, faults=False)
    assert sim.job(trained).state is JobState.SETTLED, sim.picture(trained)
    kept = delivered(sim, made) | delivered(sim, trained)
    assert kept < hashes(sim)
    sim.clock.advance(timedelta(days=46).total_seconds())
    tidy(sim.world)
    assert hashes(sim) == kept


def test_an_upload_whose_bytes_are_collected_meanwhile_is_asked_for_again(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = simulate(12)
    put = BlobStore.put

    def put_and_lose(self: BlobStore, *args: object, **named: object) -> object:
        ref = put(self, *args, **named)  # type: ignore[arg-type]
        self.delete(ref.sha256)
        return ref

    monkeypatch.setattr(BlobStore, "put", put_and_lose)
    sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    with pytest.raises(Conflict, match="send them again"):
        goods.store_upload(sim.world, b"hello", sha256=sha256, owner="acc_a")
    assert sha256 not in hashes(sim), "no record without bytes"
