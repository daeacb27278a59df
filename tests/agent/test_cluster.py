"""A train task that a cluster does comes back as one processor would have done it, within the audit's tolerance."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neuromation.agent import runner
from neuromation.agent.cluster import Cluster, ClusterSession, work
from neuromation.agent.sandbox.errors import TaskCrashed, TaskKilled, TaskTimedOut
from neuromation.kernel.errors import Invalid
from neuromation.learning.diloco import applied
from neuromation.learning.rounds import delta_file
from neuromation.learning.weights import REPLAY_TOLERANCE, relative_distance, weights_to_bytes
from neuromation.learning.zoo import initial_weights
from neuromation.synthetic.formats.shard import encode_shard
from neuromation.synthetic.generator import get_generator

CLASSES = list("0123456789")
HAS_RAY = importlib.util.find_spec("ray") is not None


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder as a slot has it: the start and a shard."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    generator = get_generator("digits")
    params = generator.params_model()
    units = [generator.unit(params, 1, index) for index in range(60)]
    (folder / "shard").write_bytes(encode_shard(units, generator=generator, params=params, seed=1))
    (folder / "start").write_bytes(weights_to_bytes(initial_weights("digits-cnn", {}, CLASSES, 2)))
    return folder


def a_task(**changes: Any) -> dict[str, Any]:
    spec = {"model": "digits-cnn", "config": {}, "classes": CLASSES, "seed": 4, "steps": 12, "segments": 2}
    rates = {"batch_size": 15, "lr": 3e-3, "lr_end": 1e-3}
    names = {"start.safetensors": "start", "data-0.parquet": "shard"}
    return {"kind": "train", "spec": {**spec, **rates, **changes}, "inputs": names}


def test_one_task_on_two_processes_equals_one_processor(inputs: Path, tmp_path: Path) -> None:
    compare("torchrun:2", inputs, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="ray is not installed: pip install 'neuromation[cluster]'")
def test_one_task_on_two_workers_of_ray_equals_one_processor(inputs: Path, tmp_path: Path) -> None:
    compare("ray:2", inputs, tmp_path)


def compare(trainer: str, inputs: Path, tmp_path: Path) -> None:
    heard: list[float] = []
    session = ClusterSession(Cluster.parse(trainer), inputs)
    together = session.run(a_task(), timeout_s=500, on_progress=lambda fraction, _: heard.append(fraction))
    assert heard == sorted(heard)
    alone = tmp_path / "alone"
    alone.mkdir()
    answer = runner.handle(a_task(), inputs, alone, lambda *_: None)
    start = initial_weights("digits-cnn", {}, CLASSES, 2)
    assert set(together.outputs) == {file.name for file in alone.iterdir()}
    assert len(together.result["leaves"]) == len(answer["leaves"]) == 2
    names = [delta_file(1), delta_file(2)]
    ends = [
        applied(start, *(together.outputs[name] for name in names)),
        applied(start, *((alone / name).read_bytes() for name in names)),
    ]
    assert relative_distance(ends[0], ends[1], start=start) < REPLAY_TOLERANCE / 10
    assert together.result["metrics"]["loss_last"] == pytest.approx(answer["metrics"]["loss_last"], rel=1e-3)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone, as a launcher would set it up."""
    from torch import distributed

    distributed.init_process_group(
        "gloo", store=distributed.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


def answer_to(task: dict[str, Any], inputs: Path, folder: Path) -> dict[str, Any]:
    (folder / "out").mkdir()
    (folder / "job.json").write_text(json.dumps({"request": task, "inputs": str(inputs), "out": str(folder / "out")}))
    work(folder)
    return dict(json.loads((folder / "answer.json").read_text()))


def test_a_process_answers_with_leaves_and_outputs(group: None, inputs: Path, tmp_path: Path) -> None:
    answer = answer_to(a_task(), inputs, tmp_path)
    assert (tmp_path / "done").read_text() == "1.0"
    assert len(answer["result"]["leaves"]) == 2 and answer["result"]["cpu_s"] > 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {delta_file(1), delta_file(2)}


def test_what_a_task_refuses_is_told_with_its_reason(group: None, inputs: Path, tmp_path: Path) -> None:
    answer = answer_to(a_task(model="digits-rnn"), inputs, tmp_path)
    assert answer["refused"] == "unknown-model" and "digits-rnn" in answer["message"]


def test_a_cluster_that_says_nothing_has_crashed(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "command", [sys.executable, "-c", "print('no such host')"])
    with pytest.raises(TaskCrashed, match="no such host"):
        ClusterSession(Cluster("torchrun", 2), inputs).run(a_task(), timeout_s=500)


def test_a_task_that_takes_too_long_or_is_cancelled_is_ended(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "command", [sys.executable, "-c", "import time; time.sleep(500)"])
    session = ClusterSession(Cluster("torchrun", 2), inputs)
    with pytest.raises(TaskTimedOut):
        session.run(a_task(), timeout_s=0.3)
    threading.Timer(0.3, session.cancel).start()
    with pytest.raises(TaskKilled):
        session.run(a_task(), timeout_s=400)


@pytest.mark.parametrize("text", ["", "torchrun", "torchrun:0", "torchrun:x", "slurm:2", "ray:1000", "ray:-1"])
def test_a_trainer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="torchrun:N or ray:N"):
        Cluster.parse(text)


def test_ray_is_asked_for_only_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Invalid, match="Ray is not installed: pip install"):
        Cluster.parse("ray:2")
