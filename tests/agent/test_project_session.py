"""A project as a task of a node, in the real sandbox: what is an answer, what is a refusal, and how it is stopped."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sandbox_probe import needs_bwrap

from neuromation.agent.project_session import OUTPUTS_MAX, ProjectSession
from neuromation.agent.sandbox import Response, TaskKilled, TaskRefused
from neuromation.kernel.hashing import merkle_root
from neuromation.learning.projects.outcome import Outcome, read_outcome
from neuromation.learning.projects.sources import pack_project

pytestmark = needs_bwrap
METRICS = (
    "import json, os\nout = os.environ['NEUROMATION_OUTPUTS']\nopen(out + '/metrics.json', 'w').write('{\"a\": 1}')\n"
)


def a_request(folder: Path, code: str, *, requires: tuple[str, ...] = (), kind: str = "project", **spec: Any) -> Any:
    """A lease's request for a project of one script, whose archive lies in `folder`."""
    project = folder / "source"
    project.mkdir()
    entry = {"command": "python -S main.py"}
    said = {"format": "neuromation-project/1", "name": "x", "requires": list(requires), "entry_points": {"go": entry}}
    (project / "neuromation-project.yaml").write_text(json.dumps(said))
    (project / "main.py").write_text(code)
    pack_project(project, folder / "archive")
    work = {"archive": "0" * 64, "entry": "go", "params": {}, "files": [], "cu": 1.0, "memory_mib": 256} | spec
    whole = work if kind == "project" else {"of": {"kind": "project", "spec": work}}
    return {
        "kind": kind,
        "spec": whole,
        "inputs": {"project": "archive", **{f"input-{i}": "archive" for i in range(9)}},
    }


def run(folder: Path, code: str, *, cu_per_s: float = 1.0, **changes: Any) -> Response:
    session = ProjectSession(folder, cu_per_s=cu_per_s, unsafe=False)
    return session.run(a_request(folder, code, **changes), timeout_s=60)


def outcome_of(response: Response) -> Outcome:
    outcome = read_outcome(response.outputs["run.json"])
    assert response.result["leaves"] == [outcome.leaf] and response.result["root"] == merkle_root([outcome.leaf])
    return outcome


def test_a_project_answers_with_its_result_folder(tmp_path: Path) -> None:
    code = METRICS + "print(os.listdir(os.environ['NEUROMATION_INPUTS'] + '/data'))"
    done = run(tmp_path, code, files=["data/a.parquet", "data/b.parquet"])
    assert sorted(done.outputs) == ["log.txt", "outputs/metrics.json", "run.json"]
    assert outcome_of(done).metrics == {"a": 1.0}
    assert "a.parquet" in done.outputs["log.txt"].decode()


def test_a_project_tells_how_far_it_is(tmp_path: Path) -> None:
    heard: list[tuple[float, str]] = []
    request = a_request(tmp_path, METRICS + "print('progress 0.25 first epoch')")
    session = ProjectSession(tmp_path, cu_per_s=1.0, unsafe=False)
    session.run(request, timeout_s=60, on_progress=lambda fraction, text: heard.append((fraction, text)))
    assert (0.25, "first epoch") in heard


def test_an_audit_hands_over_its_record_alone(tmp_path: Path) -> None:
    done = run(tmp_path, METRICS, kind="audit")
    assert list(done.outputs) == ["run.json"] and outcome_of(done).metrics == {"a": 1.0}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('why'); raise SystemExit(2)", "project-failed"),
        ("print('why')", "missing-metrics"),
        ("print('why'); import undeclared_library", "missing-libraries"),
        (METRICS + f"print('why'); [open(f'{{out}}/{{n}}', 'w') for n in range({OUTPUTS_MAX})]", "bad-project-outputs"),
        (METRICS + "print('why'); open(out + '/' + 110 * 'n', 'w')", "bad-project-outputs"),
        ("print('why', flush=True); x = bytearray(1 << 30)", "project-out-of-memory"),
    ],
    ids=["exit", "no-metrics", "undeclared", "many", "long", "memory"],
)
def test_a_failure_of_the_projects_own_is_an_answer(tmp_path: Path, code: str, reason: str) -> None:
    done = run(tmp_path, code)
    outcome = outcome_of(done)
    assert (outcome.failed, outcome.metrics, outcome.outputs) == (reason, {}, {})
    assert outcome.message and "why" in done.outputs["log.txt"].decode()


def test_the_work_that_was_bought_bounds_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuromation.agent.project_session.TIME_MIN_S", 1.0)
    start = time.monotonic()
    done = run(tmp_path, "import time\nprint('asleep', flush=True)\ntime.sleep(50)", cu=0.5)
    assert outcome_of(done).failed == "project-timed-out" and time.monotonic() - start < 20
    assert "within 2 s" in outcome_of(done).message


@pytest.mark.parametrize(
    "changes",
    [
        {"requires": ("no-such-library",)},
        {"files": ["../evil"]},
        {"entry": "another"},
        {"cu": 1000.0, "cu_per_s": 0.1},
    ],
    ids=["library", "name", "entry", "too-slow"],
)
def test_what_another_node_may_be_able_to_do_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(TaskRefused) as caught:
        run(tmp_path, METRICS, **changes)
    assert caught.value.reason == "bad-spec"


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    request = a_request(tmp_path, METRICS)
    (tmp_path / "archive").write_bytes(b"nothing")
    with pytest.raises(TaskRefused):
        ProjectSession(tmp_path, cu_per_s=1, unsafe=False).run(request, timeout_s=60)


def test_a_node_without_a_sandbox_runs_no_program_of_a_stranger(tmp_path: Path) -> None:
    request = a_request(tmp_path, "open('/tmp/stolen', 'w')")
    with pytest.raises(TaskRefused, match="no sandbox"):
        ProjectSession(tmp_path, cu_per_s=1, unsafe=True).run(request, timeout_s=60)


def test_a_project_is_stopped_from_another_thread_and_is_no_failure(tmp_path: Path) -> None:
    request = a_request(tmp_path, "import time; time.sleep(50)")
    session = ProjectSession(tmp_path, cu_per_s=1, unsafe=False)
    timer = threading.Timer(1.5, session.cancel)
    timer.start()
    start = time.monotonic()
    with pytest.raises(TaskKilled, match="cancelled"):
        session.run(request, timeout_s=60)
    timer.join()
    assert time.monotonic() - start < 20
