"""`neuromation project order`, as somebody types it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cli.conftest import Run
from client.stand_in_platform import Asked, Reply, StandIn, a_job, a_quote, an_event, ok, stream
from neuromation.learning.projects.sources import take_packed, take_project

MLPROJECT = (
    "name: tiny\nentry_points:\n  train:\n    parameters: {epochs: {type: int}}\n    command: python main.py {epochs}\n"
)
ORDER = ("--name", "tiny-net", "--param", "epochs=3", "--cu", "2", "--yes")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project in git, in a folder."""
    folder = tmp_path / "repository"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner/MLproject").write_text(MLPROJECT)
    (folder / "inner/main.py").write_text("print('hello')")
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "-m", "first"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    return folder


def _stored(asked: Asked) -> Reply:
    return ok({"sha256": asked.path.rsplit("/", 1)[1], "size": len(asked.body)}, 201)


@pytest.fixture
def uploads(platform: StandIn, repository: Path, tmp_path: Path) -> str:
    """A platform that takes the repository's project and runs it well; the path of its upload."""
    from neuromation.client.files import file_sha256
    from neuromation.learning.projects.sources import pack_project

    taken = take_project(f"{repository}#inner", tmp_path / "expected")
    pack_project(taken.folder, tmp_path / "expected.tar.gz")
    path = f"/uploads/{file_sha256(tmp_path / 'expected.tar.gz')}"
    platform.on("PUT", path, _stored)
    platform.on("POST", "/quotes", ok(a_quote(), 201))
    platform.on("POST", "/jobs", ok(a_job(state="bidding", bill=None, finished=None), 202))
    events = [an_event(1, "progress", fraction=0.5, tasks={"accepted": 1}), an_event(2, "finished", state="settled")]
    platform.on("GET", "/jobs/job_1/events", stream(*events))
    result = {"model": "tiny-net@1", "metrics": {"accuracy": 0.9875}}
    platform.on("GET", "/jobs/job_1", ok(a_job(kind="project", result=result)))
    return path


def test_a_project_is_packed_uploaded_and_ordered(
    ada: Run, platform: StandIn, repository: Path, uploads: str, tmp_path: Path
) -> None:
    done = ada("project", "order", f"{repository}#inner", *ORDER, "--data", "digits-2k@1", "--json")
    assert done.code == 0, done.err
    assert done.json()["result"]["metrics"] == {"accuracy": 0.9875}
    (sent,) = platform.of("PUT", uploads)
    (tmp_path / "sent").write_bytes(sent.body)
    taken = take_packed(tmp_path / "sent", tmp_path / "taken")
    assert taken.content_hash == take_project(f"{repository}#inner", tmp_path / "local").content_hash
    order = platform.of("POST", "/quotes")[0].json()["order"]
    assert (order["kind"], order["archive"], order["params"]) == ("project", uploads[9:], {"epochs": "3"})
    assert (order["dataset"], order["cu"], order["entry"], order["tolerance"]) == ("digits-2k@1", 2.0, None, 0.01)


def test_metrics_are_shown_and_progress_goes_to_stderr(ada: Run, repository: Path, uploads: str) -> None:
    done = ada("project", "order", f"{repository}#inner", *ORDER)
    assert "accuracy" in done.out and "0.9875" in done.out
    assert "uploading 2 files" in done.err and "50%" in done.err


def test_a_failed_project_shows_the_end_of_its_log_and_is_exit_code_7(
    ada: Run, platform: StandIn, repository: Path, uploads: str
) -> None:
    result = {"failed": "project-failed", "message": "exit code 1", "log": "AssertionError: too often\n"}
    reason = "project-failed: the project ended with exit code 1"
    platform.on("GET", "/jobs/job_1", ok(a_job(kind="project", state="refunded", reason=reason, result=result)))
    done = ada("project", "order", f"{repository}#inner", *ORDER)
    assert done.code == 7
    assert "too often" in done.err and "project-failed" in done.err and "too often" not in done.out


@pytest.mark.parametrize(
    "words", [("--entry", "fly"), ("--param", "speed=1"), ("--param", "epochs=many"), ("--cu", "0"), ("--commit", "no")]
)
def test_what_is_wrong_is_told_before_anything_is_sent(
    ada: Run, platform: StandIn, repository: Path, words: tuple[str, str]
) -> None:
    done = ada("project", "order", f"{repository}#inner", "--name", "x", "--yes", *words)
    assert done.code == 2, done.err
    assert platform.asked == []
