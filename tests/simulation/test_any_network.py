"""Networks of every kind are trained over several nodes, audited, delivered and measured; what does not fit is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from simulated_platform import Simulation

from neuromation.client import schemas as wire
from neuromation.jobs.model import JobState
from neuromation.kernel.hashing import sha256_hex
from neuromation.learning.errors import WrongProblem
from neuromation.synthetic.formats.png import encode_png
from neuromation.synthetic.formats.real import RealSample, encode_real
from neuromation.synthetic.generator import get_generator, parse_params
from neuromation.workflows import goods
from neuromation.workflows.adapt_generator import propose
from neuromation.workflows.driving import drive
from neuromation.workflows.plans import Plan

Simulate = Callable[..., Simulation]

SETS: dict[str, dict[str, Any]] = {
    "dice": {"generator": "dice", "params": {"width": 64, "height": 64, "labels": ["masks"]}},
    "said": {"generator": "spoken-digits"},
    "digits": {"generator": "digits"},
}
SMALL_DETECTOR = {"height": 64, "width": 64, "channels": 4, "depth": 1, "deepest": 8}


def a_set(sim: Simulation, name: str, units: int = 24) -> None:
    order = {"kind": "dataset", "name": name, "units": units, "shard_units": 8, "seed": 5, **SETS[name]}
    job_id = sim.order(wire.DatasetOrder.model_validate(order))
    sim.run([job_id], steps=3000, faults=False)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)


def a_training(model: str, data: str, config: dict[str, Any] | None = None, **fields: Any) -> wire.TrainingOrder:
    order = {"name": f"{model}-{data}", "model": model, "config": config or {}, "dataset": f"{data}@1", "rounds": 2}
    sizes = {"replicas": 2, "steps": 4, "segments": 2, "batch_size": 4, "learning_rate": 0.002}
    return wire.TrainingOrder.model_validate({"kind": "training", **order, **sizes, **fields})


def result_of(sim: Simulation, order: Any) -> dict[str, Any]:
    job_id = sim.order(order)
    sim.run([job_id], steps=3000, faults=False)
    job = sim.job(job_id)
    assert job.state is JobState.SETTLED, sim.picture(job_id)
    return dict(job.result or {})


def figures_of(sim: Simulation, model: str, data: str) -> dict[str, Any]:
    """An evaluation is free: it has no escrow, and no node has a part in it."""
    order = {"kind": "evaluation", "name": "measured", "model": model, "dataset": f"{data}@1"}
    job_id = sim.order(wire.EvaluationOrder.model_validate(order))
    for _ in range(20):
        drive(sim.world)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    return dict(sim.job(job_id).result or {})


@pytest.mark.parametrize(
    ("data", "model", "config", "figure"),
    [
        ("dice", "heatmap-detector", SMALL_DETECTOR, "map50"),
        ("said", "logmel-cnn", {"base": 8, "hidden": 8}, "accuracy"),
    ],
)
def test_a_network_is_trained_on_what_its_problem_needs(
    data: str, model: str, config: dict[str, Any], figure: str, simulate: Simulate
) -> None:
    sim = simulate(31)
    for _ in range(3):
        sim.add_node()
    a_set(sim, data)
    made = result_of(sim, a_training(model, data, config))
    assert [story["round"] for story in made["rounds"]] == [0, 1]
    assert all(0 <= story[f"held_out_{figure}"] <= 1 and story["held_out_loss"] > 0 for story in made["rounds"])
    assert made["agreement"]["max_abs_diff"] < 1e-3
    measured = figures_of(sim, made["model"], data)
    value = measured["figures"][figure][0] if "figures" in measured else measured[figure]
    assert measured["origin"] == "synthetic" and 0 <= value <= 1


def test_a_data_set_that_does_not_suit_the_model_is_refused_with_the_quote(simulate: Simulate) -> None:
    sim = simulate(32)
    for _ in range(3):
        sim.add_node()
    for name in ("digits", "said"):
        a_set(sim, name)
    with pytest.raises(WrongProblem, match=r"heatmap-detector is made for detection and needs boxes of objects"):
        sim.order(a_training("heatmap-detector", "digits"))
    with pytest.raises(WrongProblem, match="takes pictures and data set said@1 has sounds"):
        sim.order(a_training("small-resnet", "said"))


def photos_of_dice(sim: Simulation) -> None:
    """An imported set with boxes: dice again, as files, since nothing real is in the repository."""
    generator = get_generator("dice")
    params = parse_params(generator, SETS["dice"]["params"])
    units = [generator.unit(params, 99, index) for index in range(6)]
    photos = [RealSample(f"{u.index}.png", "validation", None, u.annotations, encode_png(u.picture)) for u in units]
    data = encode_real(photos, kind="image", classes=generator.classes)
    sha256, owner = sha256_hex(data), sim.customer.account_id
    goods.store_upload(sim.world, data, sha256=sha256, owner=owner)
    facts = {"name": "photos", "title": "Dice", "licence": "CC0-1.0", "source": "made for a test"}
    body = wire.NewDataset.model_validate({**facts, "files": [{"name": "data.parquet", "sha256": sha256}]})
    with sim.world.transaction() as conn:
        goods.import_dataset(sim.world, conn, sim.customer, body)


def test_a_generator_is_adapted_to_photos_by_what_a_detector_makes_of_them(simulate: Simulate) -> None:
    sim = simulate(33)
    for _ in range(3):
        sim.add_node()
    photos_of_dice(sim)
    order = {
        "kind": "adaptation",
        "name": "tuned",
        "model": "heatmap-detector",
        "config": SMALL_DETECTOR,
        "generator": "dice",
    }
    small = {
        "params": SETS["dice"]["params"],
        "tune": ["exposure"],
        "trials": 2,
        "units": 10,
        "steps": 2,
        "batch_size": 4,
    }
    result = result_of(sim, wire.AdaptationOrder.model_validate({**order, **small, "real": "photos@1"}))
    assert [trial["number"] for trial in result["trials"]] == [0, 1]
    assert all(0 <= trial["accuracy"] == trial["score"] <= 1 for trial in result["trials"])
    with pytest.raises(WrongProblem, match="needs the class of each picture; data set photos@1 has none"):
        sim.order(
            wire.AdaptationOrder.model_validate(
                {**order, **small, "real": "photos@1", "model": "digits-cnn", "config": {}}
            )
        )


def test_the_margin_that_errors_tell_is_proposed_and_not_searched() -> None:
    order = wire.AdaptationOrder.model_validate(
        {"kind": "adaptation", "name": "tuned", "model": "heatmap-detector", "generator": "dice", "real": "photos@1",
         "tune": ["annotation_margin_px", "exposure"], "trials": 8, "parallel": 2}
    )  # fmt: skip
    params = get_generator("dice").params_model().model_dump(mode="json")
    plan = Plan(work="train", tasks=8, cu_per_task=1, facts={"generator": "dice", "params": params})
    trials: list[dict[str, Any]] = []
    for told in (5.5, 4.0, 4.5, 100.0):  # by each of the first trials' errors
        (first, *_) = propose(order, plan, trials)
        trials.append({**first, "score": 0.1, "accuracy": 0.1, "margin": told})
        expected = {0: 3.0, 1: 5.5, 2: 4.75, 3: 4.5}[first["number"]]
        assert first["params"]["annotation_margin_px"] == pytest.approx(expected)
    assert len({trial["params"]["exposure"] for trial in trials}) == 4
    trials += [{**trial, "score": 0.0} for trial in propose(order, plan, trials)[:1]]
    finalists = propose(order, plan, trials)
    assert [trial["final"] for trial in finalists] == [True] * 3
    spoken_for, defaults, _ = (trial["params"]["annotation_margin_px"] for trial in finalists)
    assert spoken_for == pytest.approx(5.0)
    assert defaults == 3.0
