"""What a delivered model says of itself is enough to make it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from simulated_platform import Simulation

from neuromation.cli.main import main
from neuromation.client import schemas as wire
from neuromation.jobs.model import JobState
from neuromation.learning.export import load_exported
from neuromation.learning.weights import weights_hash, weights_to_bytes
from neuromation.workflows import publishing

Simulate = Callable[..., Simulation]


@pytest.fixture
def delivered(simulate: Simulate, tmp_path: Path) -> Path:
    """A model that nodes made over two rounds, as its customer downloads it."""
    sim = simulate(21)
    for _ in range(3):
        sim.add_node()
    data = {"kind": "dataset", "generator": "digits", "name": "digits", "units": 25, "shard_units": 8, "seed": 5}
    training = {"kind": "training", "name": "net", "model": "digits-cnn", "dataset": "digits@1", "rounds": 2}
    sizes = {"replicas": 2, "steps": 6, "segments": 2, "batch_size": 4, "learning_rate": 0.002}
    for order in (wire.DatasetOrder.model_validate(data), wire.TrainingOrder.model_validate(training | sizes)):
        job_id = sim.order(order)
        sim.run([job_id], steps=3000, faults=False)
        assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    result = sim.job(job_id).result
    assert result
    with sim.world.look() as conn:
        files = publishing.version_by_id(conn, result["version"]).files
    for name, file in files.items():
        (tmp_path / name).write_bytes(sim.world.blobs.get(file.sha256))
    return tmp_path


def test_a_delivered_model_is_made_again_from_its_lineage(delivered: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "reproduce", str(delivered), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["equal"]
    assert told["distance"] < 1e-4


def test_a_model_that_is_not_what_its_lineage_leads_to_is_found_out(
    delivered: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    held = load_exported(delivered)
    facts = json.loads((delivered / "config.json").read_text())
    other_seed = {**facts["lineage"], "recipe": {**facts["lineage"]["recipe"], "seed": 6}}
    (delivered / "config.json").write_text(json.dumps({**facts, "lineage": other_seed}))
    assert main(["model", "reproduce", str(delivered)]) != 0
    assert "another Merkle root" in capfd.readouterr().err
    other = {name: (array + np.float32(0.01)).astype(np.float32) for name, array in held.weights.items()}
    (delivered / "model.safetensors").write_bytes(weights_to_bytes(other))
    (delivered / "config.json").write_text(json.dumps({**facts, "weights_hash": weights_hash(other)}))
    assert main(["model", "reproduce", str(delivered)]) != 0
    assert "not what its lineage leads to" in capfd.readouterr().err
