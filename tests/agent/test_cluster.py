"""A train task that a cluster does comes back as one processor would have done it, within the audit's tolerance."""

from __future__ import annotations

import importlib.util
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from neuromation.agent import runner
from neuromation.agent.cluster import Cluster, ClusterSession
from neuromation.agent.sandbox.errors import TaskKilled, TaskRefused, TaskTimedOut
from neuromation.kernel.errors import Invalid
from neuromation.learning.weights import REPLAY_TOLERANCE, relative_distance, weights_from_bytes, weights_to_bytes
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
    together = ClusterSession(Cluster.parse(trainer), inputs).run(a_task(), timeout_s=500)
    alone = tmp_path / "alone"
    alone.mkdir()
    answer = runner.handle(a_task(), inputs, alone, lambda *_: None)
    start = initial_weights("digits-cnn", {}, CLASSES, 2)
    assert set(together.outputs) == {file.name for file in alone.iterdir()}
    assert len(together.result["leaves"]) == len(answer["leaves"]) == 2
    name = "segment-2.safetensors"
    ends = [weights_from_bytes(data, start) for data in (together.outputs[name], (alone / name).read_bytes())]
    assert relative_distance(ends[0], ends[1], start=start) < REPLAY_TOLERANCE / 10
    assert together.result["metrics"]["loss_last"] == pytest.approx(answer["metrics"]["loss_last"], rel=1e-3)


def test_what_the_task_refuses_is_told_with_its_reason(inputs: Path) -> None:
    with pytest.raises(TaskRefused) as caught:
        ClusterSession(Cluster.parse("torchrun:1"), inputs).run(a_task(model="digits-rnn"), timeout_s=500)
    assert caught.value.reason == "unknown-model"


def test_a_task_that_takes_too_long_or_is_cancelled_is_ended(inputs: Path) -> None:
    session = ClusterSession(Cluster.parse("torchrun:2"), inputs)
    with pytest.raises(TaskTimedOut):
        session.run(a_task(), timeout_s=0.3)
    began = time.monotonic()
    threading.Timer(0.3, session.cancel).start()
    with pytest.raises(TaskKilled):
        session.run(a_task(), timeout_s=500)
    assert time.monotonic() - began < 400


@pytest.mark.parametrize("text", ["", "torchrun", "torchrun:0", "torchrun:x", "slurm:2", "ray:1000", "ray:-1"])
def test_a_trainer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="torchrun:N or ray:N"):
        Cluster.parse(text)
