"""Runs one project of a stranger in the sandbox and takes its results; refuses to know where the project came from.

The project sees its own files and its inputs, both read-only, and one folder that it may write to. It has no network,
bounded memory, time, processes and disk. Whatever it does, the caller gets a checked result or a typed error.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import stat
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuromation.agent.project_child import INPUTS, OUTPUT_DEPTH_MAX, PROJECT
from neuromation.agent.sandbox import (
    OutputTooLarge,
    Response,
    SandboxLimits,
    Session,
    TaskFailure,
    TaskKilled,
    TaskTimedOut,
)
from neuromation.agent.sandbox.model import is_plain_name, printable
from neuromation.kernel.errors import Conflict
from neuromation.kernel.hashing import sha256_hex
from neuromation.learning.errors import (
    BadMetrics,
    BadProjectOutputs,
    BadProjectSource,
    MissingLibraries,
    MissingMetrics,
    ProjectDiskFull,
    ProjectFailed,
    ProjectOutOfMemory,
    ProjectTimedOut,
    ProjectTooLarge,
    ProjectTooManyProcesses,
    ProjectWantsNetwork,
    ProjectWroteOutside,
)
from neuromation.learning.projects.contract import METRICS_FILE, Value, check_parameters, read_metrics, read_project
from neuromation.learning.projects.sources import content_of

CHILD = "neuromation.agent.project_child"
LIMITS = SandboxLimits(memory_mib=4096, processes=256, out_mib=512, tmp_mib=512, wall_s=4 * 3600.0)
TIMEOUT_S = 1800.0
LOG_FILE, RUN_FILE, OUTPUTS_FOLDER = "log.txt", "run.json", "outputs"
INPUT_FILES_MAX, INPUT_BYTES_MAX = 500_000, 16 << 30
_GRACE_S = 20.0  # for handing over the outputs, after the project's own time
_LOG_MAX = 64 << 10
_LAST_LINES = 20
_LOOKED_AT = 4096  # characters at the end of a log in which a cause is looked for

# What a program prints when the sandbox refused it something, and what that means. errno's own words (strerror).
_CAUSES: tuple[tuple[str, type[ProjectFailed], str], ...] = (
    (r"No space left on device|File too large|\(File size limit exceeded\)", ProjectDiskFull,
     "it wrote more than its folders hold; write less, or raise the limit of its outputs"),
    (r"Read-only file system", ProjectWroteOutside,
     "it wrote outside its outputs; write to the folder that NEUROMATION_OUTPUTS names, or to a temporary one"),
    (r"Address family not supported by protocol|Network is unreachable|name resolution|Name or service not known"
     r"|getaddrinfo failed|NameResolutionError|Could not resolve host", ProjectWantsNetwork,
     "it asked for the network, which it does not have; put what it needs into the project or its inputs"),
    (r"Resource temporarily unavailable|can't start new thread|Cannot fork|fork: retry", ProjectTooManyProcesses,
     "it started more processes or threads than it may have; start fewer workers"),
    (r"^MemoryError|Cannot allocate memory|can't allocate memory|std::bad_alloc|Unable to allocate|RESOURCE_EXHAUSTED",
     ProjectOutOfMemory, "it asked for more memory than it may have; use smaller batches, or raise the limit"),
)  # fmt: skip
_MISSING = re.compile(r"ModuleNotFoundError: No module named '([A-Za-z0-9_.]{1,100})'")


@dataclass(frozen=True, slots=True)
class ProjectRun:
    """A project that ended well.

    Attributes:
        folder: holds `outputs/`, `log.txt` and `run.json`, which says all that is needed to run it again.
        entry: the entry point; values: every parameter.
        metrics: by name; all finite.
        outputs: sha256 by name, relative to `outputs/`.
        seconds: the project's own time.
        log: the end of what it printed.
    """

    folder: Path
    entry: str
    values: Mapping[str, Value]
    metrics: Mapping[str, float]
    outputs: Mapping[str, str]
    seconds: float
    log: str


def run_project(
    project: Path,
    out: Path,
    *,
    entry: str | None = None,
    parameters: Mapping[str, Value] | None = None,
    data: Path | None = None,
    origin: Mapping[str, Any] | None = None,
    timeout_s: float = TIMEOUT_S,
    limits: SandboxLimits = LIMITS,
    on_progress: Callable[[float, str], None] | None = None,
    on_start: Callable[[Session], None] | None = None,
) -> ProjectRun:
    """Run an entry point of the project in a folder.

    Args:
        project: the folder; it is copied, and never written to.
        out: a new or empty folder for the results; it stays as it is when the project fails.
        entry: None for `train`, `main`, or the only one.
        parameters: values by name; the others take their defaults.
        data: a folder that the project sees as its inputs; None: an empty one.
        origin: where the project came from, for `run.json`.
        timeout_s: the project's own time.
        on_progress: told the fraction that the project claims, and lines that it prints.
        on_start: given the sandbox before the project runs in it, so that another thread can cancel it.

    Raises:
        BadProject, BadProjectParameters, MissingLibraries: it was not started.
        ProjectFailed: it did not end well; the kinds in `learning.errors` say why, `details["log"]` what it printed.
        MissingMetrics, BadMetrics, BadProjectOutputs: it ended well, and what it left is not what was agreed.
        TaskKilled: the sandbox was cancelled.
        SandboxUnavailable: this machine cannot isolate it.
    """
    described = read_project(project)
    name, point = described.entry(entry)
    values = check_parameters(point, parameters or {})
    if missing := described.libraries.missing():
        raise MissingLibraries(
            f"the project needs {', '.join(missing)}, not installed here; install it, nothing is downloaded for a project",
            libraries=list(missing),
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Conflict(f"{out} is not an empty folder; name another one")
    request = {"entry": point.model_dump(mode="json"), "values": values, "timeout_s": timeout_s}
    response, inputs = _answered(project, data, request, timeout_s, limits, on_progress, on_start)
    log = printable(str(response.result.get("log", "")), length_max=_LOG_MAX)
    _check_end(response, log, timeout_s)
    files = _files(response, log)
    metrics = _metrics(files, log)
    hashes = {path: sha256_hex(content) for path, content in sorted(files.items())}
    seconds = round(float(response.result.get("seconds", 0.0)), 3)
    run = ProjectRun(out, name, values, metrics, hashes, seconds, log)
    facts = {
        "format": "neuromation-run/1",
        "project": {"name": described.name, "licence": described.licence, "file": described.file, **(origin or {})},
        "entry": name,
        "parameters": values,
        "inputs": inputs,
        "metrics": metrics,
        "outputs": hashes,
        "seconds": seconds,
        "python": platform.python_version(),
        "libraries": {"needed": described.libraries.needed, "differing": described.libraries.differing()},
    }
    _write(out, files, log, facts)
    return run


def _answered(
    project: Path,
    data: Path | None,
    request: dict[str, Any],
    timeout_s: float,
    limits: SandboxLimits,
    on_progress: Callable[[float, str], None] | None,
    on_start: Callable[[Session], None] | None,
) -> tuple[Response, dict[str, Any]]:
    """What the sandbox answers, and what its inputs were. Raises ProjectFailed when it cannot answer."""
    lines: deque[str] = deque(maxlen=_LAST_LINES)

    def tell(fraction: float, line: str) -> None:
        lines.append(line)
        if on_progress is not None:
            on_progress(fraction, line)

    with tempfile.TemporaryDirectory(prefix="neuromation-project-") as stage:
        _stage(Path(stage), project, data)
        content_hash, files, _ = content_of(Path(stage) / INPUTS)
        try:
            with Session.start(CHILD, Path(stage), limits) as session:
                if on_start is not None:
                    on_start(session)
                response = session.run(request, timeout_s=timeout_s + _GRACE_S, on_progress=tell)
        except TaskFailure as error:
            if error.reason == "cancelled":
                raise
            raise _stopped(error, "\n".join(lines)) from error
    return response, {"content_hash": content_hash, "files": files}


# Before.


def _stage(stage: Path, project: Path, data: Path | None) -> None:
    """Copy project and inputs to where the sandbox shows them, readable for its user and free of links out."""
    shutil.copytree(project, stage / PROJECT, symlinks=True)
    if data is None:
        (stage / INPUTS).mkdir()
    else:
        _copy_inputs(data, stage / INPUTS)
    for folder, _, files in os.walk(stage):
        Path(folder).chmod(0o755)
        for path in (Path(folder, name) for name in files):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _copy_inputs(data: Path, to: Path) -> None:
    if not data.is_dir():
        raise BadProjectSource(
            f"there is no folder {data}; inputs are a data set in a folder, as `dataset export` writes it"
        )
    files, left = 0, INPUT_BYTES_MAX
    for folder, folders, names in os.walk(data):
        here = to / Path(folder).relative_to(data)
        here.mkdir()
        for path in (Path(folder, name) for name in (*names, *folders)):
            if path.is_symlink():
                raise BadProjectSource(
                    f"{path} is a link; inputs are plain files, so that a project cannot be led elsewhere"
                )
        for path in (Path(folder, name) for name in names):
            files, left = files + 1, left - path.stat().st_size
            if files > INPUT_FILES_MAX or left < 0:
                raise ProjectTooLarge(
                    f"{data} has more than {INPUT_FILES_MAX} files or {INPUT_BYTES_MAX >> 30} GiB; give a part"
                )
            shutil.copyfile(path, here / path.name)


# After.


def _stopped(error: TaskFailure, log: str) -> ProjectFailed:
    """The sandbox ended the project before it could say anything."""
    if isinstance(error, TaskTimedOut) or error.reason == "cpu-time":
        return ProjectTimedOut(
            "the project did not end in time and was killed; give it more time or less work", log=log
        )
    if isinstance(error, OutputTooLarge):
        return ProjectDiskFull("the project's outputs are larger than may be taken back; write less", log=log)
    if isinstance(error, TaskKilled) and error.reason in ("out-of-memory", "killed"):
        return ProjectOutOfMemory(
            "the project used more memory than it may and was killed; use smaller batches", log=log
        )
    return ProjectFailed(f"the project was stopped: {error.message}", log=log)


def _check_end(response: Response, log: str, timeout_s: float) -> None:
    """Raise what the project's end means, unless it ended with 0."""
    code = response.result.get("exit_code")
    if response.result.get("timed_out") is not False:
        raise ProjectTimedOut(
            f"the project did not end within {timeout_s:g} s and was killed; give it more time or less work", log=log
        )
    if type(code) is int and code == 0:
        return
    if missing := _MISSING.findall(log[-_LOOKED_AT:]):
        raise MissingLibraries(
            f"the project imports {missing[-1]}, not installed here; install it, nothing is downloaded for a project",
            libraries=[missing[-1]],
            log=log,
        )
    kind, why = _cause(code, log[-_LOOKED_AT:])
    raise kind(f"the project ended with {_spoken(code)}: {why}", log=log, exit_code=code)


def _cause(code: object, tail: str) -> tuple[type[ProjectFailed], str]:
    """The last thing in the log that the sandbox may have refused; a program may have survived those before it."""
    met = [
        (match.start(), kind, why)
        for pattern, kind, why in _CAUSES
        for match in re.finditer(pattern, tail, re.MULTILINE)
    ]
    if met:
        _, kind, why = max(met, key=lambda one: one[0])
        return kind, why
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        # Nobody else kills in there: the kernel does, for memory.
        return ProjectOutOfMemory, "it was killed, most likely because it used more memory than it may"
    if code in (-signal.SIGXCPU, 128 + signal.SIGXCPU):
        return ProjectTimedOut, "it used more processor time than it may"
    if code in (-signal.SIGXFSZ, 128 + signal.SIGXFSZ):
        return ProjectDiskFull, "it wrote a file larger than its folders hold"
    return ProjectFailed, "its log says why"


def _spoken(code: object) -> str:
    return (
        f"exit code {code}"
        if isinstance(code, int) and code >= 0
        else f"signal {-code}"
        if isinstance(code, int)
        else "no code"
    )


def _files(response: Response, log: str) -> dict[str, bytes]:
    """The outputs by name. What the child says of them is a claim like everything else."""
    if trouble := response.result.get("trouble"):
        raise BadProjectOutputs(
            f"the project's outputs cannot be taken: {printable(str(trouble), length_max=200)}; leave plain files there",
            log=log,
        )
    names = response.result.get("outputs")
    if not isinstance(names, list) or len(names) != len(response.outputs) or len({*map(str, names)}) != len(names):
        raise BadProjectOutputs(
            "the project's outputs and their names do not belong together; nothing is kept", log=log
        )
    files: dict[str, bytes] = {}
    for number, name in enumerate(names):
        parts = name.split("/") if isinstance(name, str) else []
        if (
            not 1 <= len(parts) <= OUTPUT_DEPTH_MAX
            or not all(map(is_plain_name, parts))
            or str(number) not in response.outputs
        ):
            raise BadProjectOutputs("the project's outputs have names that are none; nothing is kept", log=log)
        files[name] = response.outputs[str(number)]
    return files


def _metrics(files: Mapping[str, bytes], log: str) -> dict[str, float]:
    if METRICS_FILE not in files:
        raise MissingMetrics(
            f"the project ended well and left no {METRICS_FILE}; write it to the folder that NEUROMATION_OUTPUTS names",
            log=log,
        )
    try:
        return read_metrics(files[METRICS_FILE])
    except BadMetrics as error:
        error.details["log"] = log
        raise


def _write(out: Path, files: Mapping[str, bytes], log: str, facts: Mapping[str, Any]) -> None:
    """All of it, or nothing."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name, data in files.items():
            path = part / OUTPUTS_FOLDER / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (part / LOG_FILE).write_text(log, "utf-8")
        (part / RUN_FILE).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
        part.chmod(0o755)
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
