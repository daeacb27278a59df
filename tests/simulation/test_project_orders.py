"""Projects of a customer, run in the real sandbox by simulated nodes: run twice, compared, paid, delivered."""

from __future__ import annotations

import json
import random
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from simulated_platform import Result, Simulation

from agent.sandbox_probe import needs_bwrap
from neuromation.catalog import service as catalog
from neuromation.catalog.model import Viewer
from neuromation.client import schemas as wire
from neuromation.jobs import service as jobs
from neuromation.jobs.model import JobState
from neuromation.kernel.money import ZERO, Ntk
from neuromation.learning.projects.outcome import read_outcome
from neuromation.learning.projects.sources import pack_project
from neuromation.storage import service as storage

pytestmark = needs_bwrap
Simulate = Callable[..., Simulation]

FIT = """
    import json, os
    import numpy as np
    given = json.load(open(os.environ["NEUROMATION_PARAMETERS"]))
    inputs, out = os.environ["NEUROMATION_INPUTS"], os.environ["NEUROMATION_OUTPUTS"]
    rng = np.random.default_rng(given["seed"])
    x = rng.normal(size=(200, 3))
    y = x @ [1.0, 2.0, 3.0] + 0.01 * rng.normal(size=200)
    weights, *_ = np.linalg.lstsq(x, y, rcond=None)
    os.makedirs(out + "/model/parts")
    np.save(out + "/model/parts/weights.npy", weights)
    shards = sorted(os.listdir(inputs + "/data")) if os.path.exists(inputs + "/data") else []
    json.dump({"error": float(np.abs(x @ weights - y).mean()), "shards": len(shards)}, open(out + "/metrics.json", "w"))
    print("fitted", len(x), "points")
"""


def upload(sim: Simulation, folder: Path, code: str) -> str:
    """A project of one script with a parameter `seed`, as its customer uploads it; the hash of the archive."""
    project = folder / "project"
    project.mkdir()
    entry = {"command": "python main.py", "parameters": {"seed": {"type": "int", "default": 1}}}
    said = {"format": "neuromation-project/1", "name": "fit", "licence": "MIT", "entry_points": {"train": entry}}
    (project / "neuromation-project.yaml").write_text(json.dumps(said))  # JSON is YAML
    (project / "main.py").write_text(textwrap.dedent(code))
    pack_project(project, folder / "project.tar.gz")
    with sim.world.transaction() as conn:
        ref = sim.world.blobs.put((folder / "project.tar.gz").read_bytes())
        storage.record(conn, ref, owner=sim.customer.account_id, now=sim.world.now())
    return ref.sha256


def an_order(archive: str, **fields: object) -> wire.ProjectOrder:
    return wire.ProjectOrder.model_validate({"name": "fit", "archive": archive, "cu": 1, **fields})


def verdicts(sim: Simulation, job_id: str) -> list[str]:
    with sim.world.transaction() as conn:
        return [e.data["verdict"] for e in jobs.events_after(conn, job_id, 0) if e.type == "audit"]


def altered(change: Callable[[dict[str, Any]], None], *, of: str) -> Callable[..., Result]:
    """A lie about the record of a run: of the work, or of an audit of it."""

    def lie(task: wire.TaskLease, honest: Result, rng: random.Random) -> Result:
        if task.kind != of:
            return honest
        record = json.loads(honest[1]["run.json"])
        change(record)
        data = json.dumps(record).encode()
        return [read_outcome(data).leaf], {"run.json": data, "log.txt": b""} if record.get("failed") else {
            **honest[1], "run.json": data,
        }  # fmt: skip

    return lie


def says_it_failed(record: dict[str, Any]) -> None:
    record |= {"failed": {"reason": "project-failed", "message": "it failed"}, "metrics": {}, "outputs": {}}


def paid(sim: Simulation, owner: str) -> Ntk:
    return sim.paid_to(owner, kind="work") + sim.paid_to(owner, kind="audit")


def test_a_project_is_run_twice_and_its_outputs_are_delivered(simulate: Simulate, tmp_path: Path) -> None:
    sim = simulate(1)
    nodes = [sim.add_node() for _ in range(3)]
    data = wire.DatasetOrder(name="set", generator="digits", units=20, shard_units=10)
    made = sim.order(data)
    sim.play([made], faulty_steps=0)
    before = {node.owner: paid(sim, node.owner) for node in nodes}
    job_id = sim.order(an_order(upload(sim, tmp_path, FIT), dataset="set", params={"seed": "7"}))
    sim.play([job_id], faulty_steps=0)
    job = sim.job(job_id)
    assert job.state is JobState.SETTLED and job.result is not None, sim.picture(job_id)
    assert verdicts(sim, job_id) == ["pass"]
    assert 0 < job.result["metrics"]["error"] < 0.1 and job.result["metrics"]["shards"] == 2
    with sim.world.transaction() as conn:
        version = catalog.get_version(conn, job.result["model"], Viewer(sim.customer.account_id), kind="model")
        readable = storage.readable_sizes(
            conn, [f.sha256 for f in version.files.values()], owner=sim.customer.account_id
        )
    assert sorted(version.files) == ["log.txt", "outputs/metrics.json", "outputs/model/parts/weights.npy", "run.json"]
    assert len(readable) == 4 and version.item.licence == "MIT" and version.manifest["params"] == {"seed": 7}
    assert sim.world.blobs.get(version.files["log.txt"].sha256) == b"fitted 200 points\n"
    assert sum(paid(sim, node.owner) > before[node.owner] for node in nodes) == 2, "who ran it and who ran it again"


def test_a_project_that_fails_by_itself_ends_the_job_and_who_ran_it_is_paid(simulate: Simulate, tmp_path: Path) -> None:
    sim = simulate(2)
    nodes = [sim.add_node() for _ in range(2)]
    job_id = sim.order(an_order(upload(sim, tmp_path, "import sys; print('no gold here'); sys.exit(3)")))
    sim.play([job_id], faulty_steps=0)
    job = sim.job(job_id)
    assert job.state is JobState.REFUNDED and job.result is not None, sim.picture(job_id)
    assert job.reason.startswith("project-failed: ") and "exit code 3" in job.reason
    assert job.result["failed"] == "project-failed" and job.result["log"] == "no gold here\n"
    assert all(paid(sim, node.owner) > ZERO for node in nodes)
    assert all(sim.balance(f"stake:{node.id}") == Ntk.parse("5") for node in nodes)


def test_results_that_differ_each_time_accuse_nobody_and_pay_all_three(simulate: Simulate, tmp_path: Path) -> None:
    sim = simulate(3)
    nodes = [sim.add_node() for _ in range(3)]
    chance = """
        import json, os
        out = os.environ["NEUROMATION_OUTPUTS"]
        json.dump({"luck": int.from_bytes(os.urandom(4), "big")}, open(out + "/metrics.json", "w"))
    """
    job_id = sim.order(an_order(upload(sim, tmp_path, chance)))
    sim.play([job_id], faulty_steps=0)
    job = sim.job(job_id)
    assert job.state is JobState.REFUNDED and job.reason.startswith("project-unrepeatable"), sim.picture(job_id)
    assert verdicts(sim, job_id) == ["disagree", "unrepeatable"]
    assert all(paid(sim, node.owner) > ZERO for node in nodes)
    assert all(sim.balance(f"stake:{node.id}") == Ntk.parse("5") for node in nodes)


@pytest.mark.parametrize("change", [says_it_failed, lambda record: record["outputs"].popitem()], ids=["failed", "less"])
def test_a_node_that_is_outvoted_is_unpaid_and_another_does_it(
    simulate: Simulate, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    sim = simulate(4)
    for _ in range(3):
        sim.add_node()
    liar = sim.add_node(floor="0.5", lie=altered(change, of="project"))
    job_id = sim.order(an_order(upload(sim, tmp_path, FIT), reserve_per_cu="2"))
    sim.play([job_id], faulty_steps=0)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    assert sim.paid_to(liar.owner, kind="work") == ZERO
    assert sim.balance(f"stake:{liar.id}") == Ntk.parse("5"), "a program of the customer's is no proof of cheating"


def test_an_auditor_that_is_outvoted_is_unpaid(simulate: Simulate, tmp_path: Path) -> None:
    sim = simulate(5)
    honest = [sim.add_node() for _ in range(2)]
    liar = sim.add_node(floor="4", lie=altered(says_it_failed, of="audit"))
    job_id = sim.order(an_order(upload(sim, tmp_path, FIT)))
    # The auditor is whoever comes first: let it be the liar.
    while not verdicts(sim, job_id):
        sim.step(faults=False)
        if any(t.kind == "audit" and not t.node_id for t in _tasks(sim, job_id)):
            liar.act(sim.rng, faults=False)
    sim.play([job_id], faulty_steps=0)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    assert verdicts(sim, job_id) == ["disagree", "auditor-outvoted"]
    assert paid(sim, liar.owner) == ZERO and sim.balance(f"stake:{liar.id}") == Ntk.parse("5")
    assert all(paid(sim, node.owner) > ZERO for node in honest)


def _tasks(sim: Simulation, job_id: str) -> list[Any]:
    with sim.world.transaction() as conn:
        return sim.tasks(job_id, conn)


def test_faults_all_around_leave_a_project_done_and_the_books_right(simulate: Simulate, tmp_path: Path) -> None:
    sim = simulate(6)
    for _ in range(4):
        sim.add_node()
    job_id = sim.order(an_order(upload(sim, tmp_path, FIT)))
    sim.play([job_id], faulty_steps=120)
    assert sim.job(job_id).state in (JobState.SETTLED, JobState.REFUNDED), sim.picture(job_id)
