"""Runs that make data sets: they tell how far they are, survive being killed, and what they made proves itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dataset_builders import BLOCKS, EVERY, NoParams
from synthetic_builders import digit_params, digits

from neuromation.kernel.files import sweep_parts
from neuromation.synthetic import (
    BadDataset,
    Effort,
    WorkerLost,
    decode_shard,
    encode_shard,
    generate_dataset,
    load_manifest,
    verify_dataset,
)
from neuromation.synthetic import folder as folders
from neuromation.synthetic.formats import certificate

PARAMS = NoParams()


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_run_tells_of_units_and_not_of_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "TELL_EVERY_S", 0.0)
    told: list[tuple[int, int]] = []
    effort = Effort()
    generate_dataset(
        BLOCKS, PARAMS, seed=1, units=20, out=tmp_path, on_progress=lambda *at: told.append(at), effort=effort
    )
    assert told == [(done, 20) for done in range(1, 21)]
    assert effort.units == 20
    assert effort.cpu_s > 0


def test_a_run_that_finds_everything_made_tells_so_at_once(tmp_path: Path) -> None:
    generate_dataset(BLOCKS, PARAMS, seed=1, units=6, out=tmp_path)
    told: list[tuple[int, int]] = []
    effort = Effort()
    generate_dataset(
        BLOCKS, PARAMS, seed=1, units=6, out=tmp_path, on_progress=lambda *at: told.append(at), effort=effort
    )
    assert (told, effort.units) == ([(6, 6)], 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_and_comes_to_the_same_root(tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out"
    script = (
        "from neuromation.synthetic import generate_dataset, get_generator, parse_params\n"
        "from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        "    d = get_generator('digits')\n"
        f"    generate_dataset(d, parse_params(d, {{}}), seed=5, units=100_000, out=Path({str(out)!r}),\n"
        f"        shard_units=20, workers={workers})\n"
    )
    path = tmp_path / "run.py"
    path.write_text(script)
    run = subprocess.Popen([sys.executable, str(path)], start_new_session=True)
    while len(list((out / "data").glob("*.parquet")) if out.exists() else []) < 3:
        assert run.poll() is None
        time.sleep(0.01)
    run.kill()
    run.wait()
    (out / "data" / f".shard-00099.parquet.{run.pid}.part").write_bytes(b"half")
    kept = {path: path.stat().st_mtime_ns for path in sorted((out / "data").glob("*.parquet"))[:3]}
    assert not (out / "manifest.json").exists()
    for extra in set((out / "data").glob("*.parquet")) - set(kept):
        extra.unlink()  # so that the rest of the test is short
    manifest = generate_dataset(digits(), digit_params(), seed=5, units=100, out=out, shard_units=20)
    whole = generate_dataset(digits(), digit_params(), seed=5, units=100, out=tmp_path / "whole", shard_units=50)
    assert manifest.merkle_root == whole.merkle_root
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for _ in range(200):  # a worker of the killed run may take a moment to end
        sweep_parts(out / "data")
        if not list(out.rglob("*.part")):
            return
        time.sleep(0.02)
    pytest.fail("half a file stays")


def test_workers_end_when_the_run_that_started_them_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import os, time\n"
        "from neuromation.synthetic import folder\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "import multiprocessing\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    count = context.Value('q', 0)\n"
        "    with ProcessPoolExecutor(1, mp_context=context, initializer=folder._enter, initargs=(count,)) as pool:\n"
        "        print(pool.submit(os.getpid).result(), flush=True)\n"
        "        pool.submit(time.sleep, 60).result()\n"
    )
    run = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert run.stdout
    worker = int(run.stdout.readline())
    run.kill()
    run.wait()
    run.stdout.close()
    for _ in range(500):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{worker}/stat").exists() and Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z":
            return  # ended, and nobody has asked for its status yet
        time.sleep(0.01)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker went on")


def test_a_worker_that_dies_is_told_of_in_a_sentence() -> None:
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    task: Future[folders.Made] = Future()
    task.set_exception(BrokenProcessPool("gone"))
    with pytest.raises(WorkerLost, match="run the same command again"):
        folders._result(task)


@pytest.mark.parametrize("generator", EVERY, ids=lambda g: g.name)
def test_a_data_set_of_every_kind_verifies_with_its_certificate(
    tmp_path: Path, generator: folders.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neuromation.synthetic.verify.get_generator", lambda name, version: generator)
    manifest = generate_dataset(generator, PARAMS, seed=1, units=7, out=tmp_path, shard_units=4)
    told: list[tuple[int, int]] = []
    report = verify_dataset(tmp_path, sample=3, rng=rng(), on_progress=lambda *at: told.append(at))
    assert (report.ok, report.certified, len(report.sampled)) == (True, True, 3)
    assert told[-1] == (10, 10)
    held = json.loads((tmp_path / certificate.CERTIFICATE_FILE).read_bytes())
    assert held["merkle_root"] == manifest.merkle_root
    assert [shard["root"] for shard in held["shards"]] == [shard.root for shard in manifest.shards]
    assert {"python", "numpy", "neuromation"} <= held["software"].keys()


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", 2), ("units", 9), ("merkle_root", "0" * 64), ("identity", "0" * 64), ("version", "2"), ("shards", [])],
)
def test_a_certificate_that_says_something_else_is_reported(tmp_path: Path, field: str, value: object) -> None:
    generate_dataset(BLOCKS, PARAMS, seed=1, units=4, out=tmp_path)
    path = tmp_path / certificate.CERTIFICATE_FILE
    path.write_text(json.dumps({**json.loads(path.read_bytes()), field: value}))
    report = verify_dataset(tmp_path, sample=0, rng=rng())
    assert [failure.kind for failure in report.failures] == ["certificate"]
    assert not report.certified


def test_a_file_that_is_no_certificate_is_refused() -> None:
    for data in (b"", b"{}", b"x" * 17_000_000):
        with pytest.raises(BadDataset, match="certificate"):
            certificate.parse_certificate(data)


def test_verification_says_in_what_a_unit_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuromation.synthetic.verify.get_generator", lambda name, version: BLOCKS)
    generate_dataset(BLOCKS, PARAMS, seed=1, units=5, out=tmp_path)
    path = tmp_path / load_manifest(tmp_path).shards[0].file
    units = decode_shard(path.read_bytes())
    units[0].picture[3, 4, 1] ^= 8
    units[1].layers["depth"][5, 6] += 3
    units[2].annotations["objects"][1]["bbox"][2] += 1
    units[3] = replace(units[3], label=1)
    path.write_bytes(encode_shard(units, generator=BLOCKS, params=PARAMS, seed=1))
    report = verify_dataset(tmp_path, sample=5, rng=rng())
    told = {failure.unit: failure.how for failure in report.failures if failure.kind == "unit"}
    assert sorted(told) == [0, 1, 2, 3]  # type: ignore[type-var]
    assert "the image differs at 1 of 9,216 values, by 8 at most, first at (3, 4, 1)" in told[0]
    assert "layer depth differs at 1 of 3,072 values, by 3 at most" in told[1]
    assert "annotations.objects[1].bbox[2] is" in told[2]
    assert "the label is 1 instead of None" in told[3]


def test_without_a_choice_shards_are_as_large_as_is_handy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(generate_dataset(BLOCKS, PARAMS, seed=1, units=30, out=tmp_path / "one").shards) == 1
    monkeypatch.setattr("neuromation.synthetic.formats.shard.SHARD_BYTES_AIM", 60_000)
    manifest = generate_dataset(BLOCKS, PARAMS, seed=1, units=30, out=tmp_path / "many")
    assert len(manifest.shards) > 1
    assert max(shard.size for shard in manifest.shards) < 80_000
