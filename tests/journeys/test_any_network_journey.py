"""A detector and a network that hears, trained by sandboxed nodes of three owners, audited, paid and measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rig import Rig

NAMES = ("dogwood", "elder", "fir")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("networks")) as rig:
        for name in NAMES:
            rig.start_node(name, unsafe=False)
        rig.await_nodes(*NAMES)
        yield rig


def trained_and_measured(rig: Rig, data: dict[str, Any], model: str, config: dict[str, Any]) -> dict[str, Any]:
    """Order a data set, a training on it and an evaluation; what was measured, once money and goods are in order."""
    name = f"for-{model}"
    made = rig.ended(rig.order(kind="dataset", name=name, units=24, shard_units=8, seed=3, **data))
    assert made.state == "settled", rig.about(made)
    sizes = {"rounds": 2, "replicas": 2, "steps": 4, "segments": 2, "batch_size": 4}
    order = {"kind": "training", "name": f"by-{model}", "model": model, "config": config, **sizes}
    job = rig.ended(rig.order(dataset=made.result["dataset"], **order))
    assert job.state == "settled", rig.about(job)
    rig.check_bill(job)
    assert len(job.result["rounds"]) == 2
    assert {e.data["verdict"] for e in rig.events(job, "audit")} <= {"pass"}
    files = {f.name for f in rig.customer.model(job.result["model"]).files}
    assert files >= {"model.onnx", "model.safetensors", "config.json", "README.md"}
    measured = rig.ended(
        rig.order(kind="evaluation", name="m", model=job.result["model"], dataset=made.result["dataset"])
    )
    assert measured.state == "settled", rig.about(measured)
    rig.check_books()
    return dict(measured.result)


def test_a_detector_learns_from_dice(rig: Rig) -> None:
    data = {"generator": "dice", "params": {"width": 64, "height": 64}}
    config = {"height": 64, "width": 64, "channels": 4, "depth": 1, "deepest": 8}
    measured = trained_and_measured(rig, data, "heatmap-detector", config)
    assert measured["problem"] == "detection" and 0 <= measured["figures"]["map50"][0] <= 1


@pytest.mark.slow  # the same way as the detector's; a shorter one is in tests/simulation/test_any_network.py
def test_a_network_that_hears_learns_from_spoken_digits(rig: Rig) -> None:
    config = {"base": 8, "hidden": 8, "dropout": 0}
    measured = trained_and_measured(rig, {"generator": "spoken-digits"}, "logmel-cnn", config)
    assert measured["problem"] == "audio-classification" and 0 <= measured["accuracy"] <= 1
