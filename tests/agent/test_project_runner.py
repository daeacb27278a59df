"""Projects in the real sandbox: the good one gives its results, and each way to misbehave has an error of its own."""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sandbox_probe import needs_bwrap

from neuromation.agent.project_runner import LIMITS, ProjectRun, run_project
from neuromation.kernel.errors import Conflict
from neuromation.learning.errors import (
    BadMetrics,
    BadProjectOutputs,
    BadProjectParameters,
    BadProjectSource,
    MissingLibraries,
    MissingMetrics,
    ProjectDiskFull,
    ProjectFailed,
    ProjectOutOfMemory,
    ProjectTimedOut,
    ProjectTooManyProcesses,
    ProjectWantsNetwork,
    ProjectWroteOutside,
)

pytestmark = needs_bwrap
SMALL = replace(LIMITS, memory_mib=256, processes=32, out_mib=8, tmp_mib=8)
METRICS = "import json, os; out = os.environ['NEUROMATION_OUTPUTS']\nopen(out + '/metrics.json', 'w').write('{\"score\": 1}')\n"


def a_project(
    folder: Path, code: str, *, parameters: dict[str, Any] | None = None, requires: tuple[str, ...] = ()
) -> Path:
    """A project of one script, which is told its parameters by file and by command."""
    folder.mkdir(exist_ok=True)
    words = " ".join(f"--{name} {{{name}}}" for name in parameters or {})
    said = {
        "format": "neuromation-project/1",
        "name": "tiny",
        "requires": list(requires),
        "entry_points": {"train": {"command": f"python -S main.py {words}", "parameters": parameters or {}}},
    }
    (folder / "neuromation-project.yaml").write_text(json.dumps(said))  # JSON is YAML
    (folder / "main.py").write_text(textwrap.dedent(code))
    return folder


def run(tmp_path: Path, code: str, **options: Any) -> ProjectRun:
    project = a_project(tmp_path / "project", code)
    return run_project(project, tmp_path / "out", limits=SMALL, timeout_s=options.pop("timeout_s", 30), **options)


def fails(kind: type[Exception], tmp_path: Path, code: str, *, match: str = "the project", **options: Any) -> Any:
    with pytest.raises(kind, match=match) as caught:
        run(tmp_path, code, **options)
    assert type(caught.value) is kind
    assert not (tmp_path / "out").exists()
    return caught.value


def test_a_project_reads_its_inputs_and_parameters_and_gives_outputs_and_metrics(tmp_path: Path) -> None:
    code = """
        import json, os, sys
        given = json.load(open(os.environ["NEUROMATION_PARAMETERS"]))
        text = open(os.environ["NEUROMATION_INPUTS"] + "/deep/in/it.txt").read()
        assert given["where"] == sys.argv[4] and given["tag"] == sys.argv[6], (given, sys.argv)
        out = os.environ["NEUROMATION_OUTPUTS"]
        os.makedirs(out + "/model/parts")
        open(out + "/model/parts/weights.bin", "w").write(text * given["times"])
        print("progress 0.5 half way", flush=True)
        print("the end")
        json.dump({"loss/train": 0.25, "steps": 3}, open(out + "/metrics.json", "w"))
    """
    parameters: dict[str, Any] = {
        "times": {"type": "int"}, "where": {"type": "path", "default": "inputs/deep"}, "tag": {"default": "a; $(touch /out/x)'"},
    }  # fmt: skip
    project = a_project(tmp_path / "project", code, parameters=parameters)
    (tmp_path / "data/deep/in").mkdir(parents=True)
    (tmp_path / "data/deep/in/it.txt").write_text("xy")
    told: list[tuple[float, str]] = []
    done = run_project(
        project, tmp_path / "out", parameters={"times": "3"}, data=tmp_path / "data", origin={"commit": "c"}, limits=SMALL,
        on_progress=lambda fraction, line: told.append((fraction, line)),
    )  # fmt: skip
    assert done.metrics == {"loss/train": 0.25, "steps": 3.0}
    assert list(done.outputs) == ["metrics.json", "model/parts/weights.bin"]
    assert (tmp_path / "out/outputs/model/parts/weights.bin").read_text() == "xyxyxy"
    assert (0.5, "half way") in told
    assert "the end" in (tmp_path / "out/log.txt").read_text()
    facts = json.loads((tmp_path / "out/run.json").read_text())
    assert facts["project"]["commit"] == "c" and facts["parameters"] == {
        "times": 3, "where": "inputs/deep", "tag": "a; $(touch /out/x)'",
    }  # fmt: skip
    assert facts["outputs"] == done.outputs and facts["metrics"] == done.metrics
    assert facts["inputs"]["files"] == 1 and len(facts["inputs"]["content_hash"]) == 64


def test_two_runs_of_the_same_project_give_the_same_outputs(tmp_path: Path) -> None:
    project = a_project(tmp_path / "project", METRICS + "open(out + '/hash', 'w').write(str(hash('x')))")
    first, second = (run_project(project, tmp_path / name, limits=SMALL, timeout_s=30) for name in ("a", "b"))
    assert first.outputs == second.outputs


@pytest.mark.parametrize("target", ["/in/inputs/x", "main.py"])
def test_writing_outside_its_folder_is_met(target: str, tmp_path: Path) -> None:
    error = fails(ProjectWroteOutside, tmp_path, f"open({target!r}, 'w')", match="wrote outside")
    assert "Read-only file system" in error.details["log"] and error.details["exit_code"] == 1


def test_what_is_outside_stays_as_it_was_even_when_the_project_says_nothing(tmp_path: Path) -> None:
    code = (
        METRICS
        + f"""
places = ["main.py", "/in/project/added", "/in/x", "/root/x", "/home/x", "/usr/x", "/etc/x", "/x"]
for path in [{str(tmp_path / "stolen")!r}, *places]:
    try:
        open(path, "w").write("x")
    except OSError:
        pass
"""
    )
    run(tmp_path, code)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "project"]
    assert sorted(p.name for p in (tmp_path / "project").iterdir()) == ["main.py", "neuromation-project.yaml"]
    assert "stolen" in (tmp_path / "project/main.py").read_text()


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)",
        "import urllib.request; urllib.request.urlopen('https://example.org/weights', timeout=5)",
    ],
    ids=["socket", "url"],
)
def test_asking_for_the_network_is_met(code: str, tmp_path: Path) -> None:
    fails(ProjectWantsNetwork, tmp_path, code, match="asked for the network")


def test_forking_forever_is_met(tmp_path: Path) -> None:
    fails(ProjectTooManyProcesses, tmp_path, "import os\nwhile True: os.fork()", match="more processes")


def test_forking_forever_without_a_word_ends_with_the_time(tmp_path: Path) -> None:
    code = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    fails(ProjectTimedOut, tmp_path, code, timeout_s=1.5, match=r"within 1\.5 s")


@pytest.mark.parametrize("folder", ["os.environ['NEUROMATION_OUTPUTS']", "'/tmp'"])
def test_filling_the_disk_is_met(folder: str, tmp_path: Path) -> None:
    code = f"import os\nfor n in range(9):\n open({folder} + f'/{{n}}', 'wb').write(bytes(2 << 20))"
    fails(ProjectDiskFull, tmp_path, code, match="more than its folders hold")


def test_one_file_that_is_too_large_is_met(tmp_path: Path) -> None:
    fails(ProjectDiskFull, tmp_path, "open('/tmp/x', 'wb').truncate(1 << 40)")
    code = METRICS + "\nfor n in range(5): open(out + f'/{n}', 'wb').truncate(4 << 20)"
    fails(ProjectDiskFull, tmp_path, code, match="larger than may be taken back")


def test_using_too_much_memory_is_met(tmp_path: Path) -> None:
    code = "kept = []\nwhile True: kept.append(bytearray(os.urandom(1)) * (8 << 20))"
    fails(ProjectOutOfMemory, tmp_path, "import os\n" + code, match="memory")


def test_running_too_long_is_met_and_the_log_is_kept(tmp_path: Path) -> None:
    error = fails(ProjectTimedOut, tmp_path, "import time\nprint('began', flush=True)\ntime.sleep(60)", timeout_s=1.5)
    assert "began" in error.details["log"]


@pytest.mark.parametrize("text", ['{"loss": NaN}'])
def test_metrics_that_are_not_finite_are_met(text: str, tmp_path: Path) -> None:
    code = f"import os; open(os.environ['NEUROMATION_OUTPUTS'] + '/metrics.json', 'w').write('''{text}''')"
    fails(BadMetrics, tmp_path, code, match="did the training diverge")


def test_missing_metrics_are_met(tmp_path: Path) -> None:
    error = fails(MissingMetrics, tmp_path, "print('done')", match=r"no metrics\.json")
    assert "done" in error.details["log"]


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"])
def test_a_wrong_exit_code_is_met(code: str, tmp_path: Path) -> None:
    fails(ProjectFailed, tmp_path, METRICS + code, match=r"exit code (3|139)|signal 11")


def test_a_library_that_is_missing_is_named(tmp_path: Path) -> None:
    error = fails(MissingLibraries, tmp_path, "import no_such_library", match="imports no_such_library")
    assert error.details["libraries"] == ["no_such_library"]
    project = a_project(tmp_path / "project", METRICS, requires=("numpy>=1", "no-such-library[x]>=2,<3"))
    with pytest.raises(MissingLibraries, match="needs no-such-library, not installed"):
        run_project(project, tmp_path / "out")


@pytest.mark.parametrize(
    "code",
    [
        "os.symlink('/etc', out + '/l')",
        "os.makedirs(out + '/a' * 9); open(out + '/a' * 9 + '/f', 'w')",
        "[open(out + f'/{n}', 'w').close() for n in range(300)]",
    ],
)  # fmt: skip
def test_outputs_that_are_no_plain_files_are_met(code: str, tmp_path: Path) -> None:
    fails(BadProjectOutputs, tmp_path, METRICS + code, match="cannot be taken")


def test_what_runs_on_in_the_background_neither_holds_up_the_result_nor_outlives_it(tmp_path: Path) -> None:
    code = METRICS + "if os.fork() == 0:\n    os.setsid()\n    while True: print('still here' * 100, flush=True)"
    run(tmp_path, code)
    found = [p for p in Path("/proc").glob("[0-9]*/cmdline") if _reads(p).endswith(b"main.py\0")]
    assert found == []


def _reads(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_printing_without_end_keeps_the_end(tmp_path: Path) -> None:
    done = run(tmp_path, METRICS + "for n in range(30_000): print('line', n)")
    assert done.log.rstrip().endswith("line 29999") and len(done.log) <= 64 << 10


def test_the_environment_of_the_host_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "of-the-host")
    done = run(tmp_path, METRICS + "print(dict(os.environ))")
    assert "NEUROMATION_OUTPUTS" in done.log and "of-the-host" not in done.log


def test_what_is_wrong_before_the_start_starts_nothing(tmp_path: Path) -> None:
    project = a_project(tmp_path / "project", METRICS, parameters={"n": {"type": "int", "default": 1, "maximum": 3}})
    with pytest.raises(BadProjectParameters, match="give -inf to 3"):
        run_project(project, tmp_path / "out", parameters={"n": 4})
    with pytest.raises(BadProjectSource, match="no folder"):
        run_project(project, tmp_path / "out", data=tmp_path / "none")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/link").symlink_to("/etc")
    with pytest.raises(BadProjectSource, match="is a link"):
        run_project(project, tmp_path / "out", data=tmp_path / "data")
    with pytest.raises(Conflict, match="not an empty folder"):
        run_project(project, tmp_path / "data")
