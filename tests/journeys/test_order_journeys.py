"""Orders on a platform of real processes with sandboxed nodes of three owners: the happy ones, the refused, the cancelled."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rig import Rig

from neuromation.client import schemas as wire
from neuromation.kernel.errors import Conflict
from neuromation.kernel.money import Ntk

NAMES = ("ash", "birch", "cedar")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("orders")) as rig:
        for name, floor in zip(NAMES, ("0.8", "1.0", "1.2"), strict=True):
            rig.start_node(name, floor=floor, unsafe=False)
        rig.await_nodes(*NAMES)
        yield rig


def test_a_data_set_is_made_paid_and_proven(rig: Rig) -> None:
    before = rig.wallet_total()
    job = rig.ended(rig.dataset("happy", units=95, shard_units=10))
    rig.check_dataset(job, units=95)
    rig.check_bill(job)
    rig.check_books()
    assert job.bill is not None
    assert before - rig.wallet_total() == Ntk.parse(job.bill.paid)
    kinds = {line.what for line in job.bill.lines}
    assert kinds == {"work", "audit", "commission", "royalty", "refund"}
    assert len({e.data["node"] for e in rig.events(job, "audit")}) >= 2, "two nodes at least should have worked"


def test_a_job_over_every_limit_of_the_market_is_refused_with_the_limit_named(rig: Rig) -> None:
    def refusal(**fields: object) -> Conflict:
        order = wire.DatasetOrder.model_validate({"generator": "digits", "units": 60, "name": "never", **fields})
        with pytest.raises(Conflict) as caught:
            rig.customer.quote(order)
        assert caught.value.reason == "no-feasible-pool", caught.value
        return caught.value

    assert refusal(nodes_min=9).details["constraint"] == "owner-share+pool-size"
    assert refusal(reserve_per_cu="0.01").details["constraint"] == "price"
    assert refusal(units=2_000_000, deadline_s=10).details["constraint"] == "deadline"


def test_a_job_cancelled_while_it_is_bid_for_costs_nothing(rig: Rig) -> None:
    before = rig.wallet_total()
    job = rig.dataset("early", units=60)
    try:
        rig.customer.cancel(job.id)
    except Conflict as error:
        assert error.reason == "job-ended"
    ended = rig.ended(job)
    assert ended.state == "cancelled", rig.about(job)
    assert rig.wallet_total() == before - Ntk.parse(ended.bill.paid if ended.bill else "0")
    rig.check_books()


def test_a_job_cancelled_while_it_runs_pays_what_was_accepted_and_gives_back_the_rest(rig: Rig) -> None:
    before = rig.wallet_total()
    job = rig.dataset("late", units=60_000, shard_units=250)  # half a minute of work: never done before it is cancelled
    rig.reached(job, lambda now: now.tasks.accepted >= 2, "two shards to be accepted")
    rig.customer.cancel(job.id)
    ended = rig.ended(job)
    assert ended.state == "cancelled" and ended.bill is not None, rig.about(job)
    rig.check_bill(ended)
    rig.check_books()
    assert ended.tasks.accepted < 240 and Ntk.parse("0") < Ntk.parse(ended.bill.paid) < Ntk.parse(ended.bill.held)
    assert before - rig.wallet_total() == Ntk.parse(ended.bill.paid)
    with pytest.raises(Conflict):
        rig.customer.cancel(job.id)


def test_a_project_is_run_by_two_nodes_and_downloaded(rig: Rig, tmp_path: Path) -> None:
    entry = {"command": "python main.py", "parameters": {"seed": {"type": "int"}}}
    said = {"format": "neuromation-project/1", "name": "fit", "entry_points": {"train": entry}}
    code = """
import json, os
import numpy as np
given = json.load(open(os.environ["NEUROMATION_PARAMETERS"]))
out = os.environ["NEUROMATION_OUTPUTS"]
values = np.random.default_rng(given["seed"]).normal(size=100)
np.save(out + "/values.npy", values)
json.dump({"mean": float(values.mean())}, open(out + "/metrics.json", "w"))
"""
    packed = tmp_path / "project.zip"
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("neuromation-project.yaml", json.dumps(said))
        made.writestr("main.py", code)
    archive = rig.customer.upload(packed).sha256
    job = rig.ended(rig.order(kind="project", name="fit", archive=archive, params={"seed": 5}, cu=1))
    assert job.state == "settled", rig.about(job)
    mean = float(np.random.default_rng(5).normal(size=100).mean())
    assert job.result["metrics"]["mean"] == pytest.approx(mean)
    assert [e.data["verdict"] for e in rig.events(job, "audit")] == ["pass"]
    paths = rig.customer.download(rig.customer.model(job.result["model"]), tmp_path / "fit")
    assert np.load(tmp_path / "fit/outputs/values.npy").mean() == pytest.approx(mean) and len(paths) == 4
    rig.check_bill(job)
    rig.check_books()


@pytest.mark.slow  # a shorter one, with deaths in it, is in test_killed_platform.py
def test_a_training_is_done_in_rounds_by_two_nodes_and_paid(rig: Rig) -> None:
    data = rig.ended(rig.dataset("to-learn", units=100, shard_units=20))
    job = rig.ended(rig.training("net", data.result["dataset"]))
    assert job.state == "settled", rig.about(job)
    assert [story["round"] for story in job.result["rounds"]] == [0, 1]
    assert {f.name for f in rig.customer.model(job.result["model"]).files} >= {"model.onnx", "model.safetensors"}
    rig.check_bill(job)
    rig.check_books()
