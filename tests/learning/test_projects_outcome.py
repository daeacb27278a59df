"""Outcomes of projects: two runs compared, and what a record may say."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.learning.errors import BadProjectSource, BadRun
from neuromation.learning.projects.outcome import METRIC_FLOOR, RUN_BYTES_MAX, Outcome, read_outcome
from neuromation.learning.projects.sources import content_of, pack_project, take_packed

HASH = "ab" * 32
metrics = st.dictionaries(st.sampled_from("abc"), st.floats(-1e9, 1e9))


def ended(metrics: dict[str, float], outputs: tuple[str, ...] = ("metrics.json",)) -> Outcome:
    return Outcome("", "", metrics, dict.fromkeys(outputs, HASH))


FAILED = Outcome("project-failed", "exit code 1", {}, {})


@given(metrics, st.floats(0, 0.5))
def test_a_run_agrees_with_itself_and_with_one_within_the_tolerance(found: dict[str, float], tolerance: float) -> None:
    near = {name: value * (1 - 0.99 * tolerance) for name, value in found.items()}
    assert ended(found).agrees(ended(found), tolerance=0)
    assert ended(found).agrees(ended(near), tolerance=tolerance)


@given(metrics, metrics, st.floats(0, 0.5))
def test_agreement_has_no_order(one: dict[str, float], other: dict[str, float], tolerance: float) -> None:
    first, second = ended(one), ended(other)
    assert first.agrees(second, tolerance=tolerance) == second.agrees(first, tolerance=tolerance)


def test_a_metric_beyond_the_tolerance_another_name_or_a_failure_disagrees() -> None:
    one = ended({"accuracy": 0.9})
    assert not one.agrees(ended({"accuracy": 0.88}), tolerance=0.01)
    assert not one.agrees(ended({"recall": 0.9}), tolerance=0.5)
    assert not one.agrees(ended({"accuracy": 0.9}, ("metrics.json", "more")), tolerance=0.5)
    assert not one.agrees(FAILED, tolerance=0.5) and not FAILED.agrees(one, tolerance=0.5)
    assert FAILED.agrees(Outcome("project-timed-out", "", {}, {}), tolerance=0)
    assert ended({"error": 0.0}).agrees(ended({"error": METRIC_FLOOR}), tolerance=0)


def test_the_leaf_tells_runs_apart_and_overlooks_the_message() -> None:
    assert FAILED.leaf == Outcome("project-failed", "other words", {}, {}).leaf
    assert len({FAILED.leaf, ended({}).leaf, ended({"a": 1.0}).leaf, ended({"a": math.nextafter(1, 2)}).leaf}) == 4


def test_a_record_is_read_back() -> None:
    body = {"format": "neuromation-run/1", "seconds": 3, "metrics": {"a": 1}, "outputs": {"metrics.json": HASH}}
    assert read_outcome(json.dumps(body).encode()) == ended({"a": 1.0})
    failed = {"failed": {"reason": "project-failed", "message": "exit code 1"}, "metrics": {}, "outputs": {}}
    assert read_outcome(json.dumps(failed).encode()) == FAILED


@pytest.mark.parametrize(
    "body",
    [
        {"outputs": {}},
        {"metrics": {"a": "x"}, "outputs": {}},
        {"metrics": {"a": math.nan}, "outputs": {}},
        {"metrics": {}, "outputs": {"a": "no hash"}},
        {"metrics": {"a": 1}, "outputs": {}, "failed": {"reason": "project-failed", "message": ""}},
        {"metrics": {}, "outputs": {}, "failed": {"reason": "Bad Reason", "message": ""}},
        {"metrics": {}, "outputs": {}, "padding": "x" * RUN_BYTES_MAX},
        [],
    ],
)
def test_a_record_that_makes_no_sense_is_refused(body: Any) -> None:
    with pytest.raises(BadRun, match="record of a run"):
        read_outcome(json.dumps(body).encode())


def test_a_packed_project_is_the_project_and_always_the_same_bytes(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "deep").mkdir(parents=True)
    (project / "MLproject").write_text("name: x")
    (project / "deep/run.sh").write_text("exit 0")
    (project / "deep/run.sh").chmod(0o755)
    (project / "link").symlink_to("deep/run.sh")
    packed = [tmp_path / "one", tmp_path / "other"]
    for path in packed:
        pack_project(project, path)
    assert packed[0].read_bytes() == packed[1].read_bytes()
    taken = take_packed(packed[0], tmp_path / "taken")
    assert taken.content_hash == content_of(project)[0] and (taken.folder / "link").is_symlink()


def test_an_archive_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"PKnothing")
    with pytest.raises(BadProjectSource, match="cannot be read as an archive"):
        take_packed(tmp_path / "noise", tmp_path / "taken")
