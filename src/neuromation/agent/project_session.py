"""Runs a project that somebody ordered: unpacks it, runs it in the sandbox, and answers as other tasks do.

A failure of the project's own is an answer, for the node has done the work; what this node lacks is a refusal, and
another node may do better.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from neuromation.agent.project_runner import LIMITS, LOG_FILE, OUTPUTS_FOLDER, RUN_FILE, run_project
from neuromation.agent.sandbox import Progress, Response, SandboxUnavailable, Session, TaskCrashed, TaskRefused
from neuromation.client import schemas as wire
from neuromation.kernel.errors import Invalid, NeuromationError
from neuromation.kernel.hashing import merkle_root
from neuromation.learning.errors import BadProjectOutputs
from neuromation.learning.projects.outcome import OWN_FAULTS, read_outcome
from neuromation.learning.projects.sources import take_packed

OUTPUTS_MAX = wire.OUTPUTS_MAX - 2  # beside them go the log and the record
TIME_MIN_S = 10.0  # Python starts and imports, whatever the work
TIME_SLACK = 2.0  # of the time in which this node does the CU that were ordered
TIME_MAX_S = LIMITS.wall_s - 60  # below the most that a lease may last, with room for unpacking and uploading
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99})*")
_NAME_MAX = 200


def is_project(kind: str, spec: Mapping[str, Any]) -> bool:
    """Whether a task runs a project: as its work, or as the audit of such work."""
    return kind == "project" or (kind == "audit" and spec["of"]["kind"] == "project")


class ProjectSession:
    """Runs one project task at a time; `cancel` may be called from another thread.

    Args:
        inputs: the folder of the tasks' inputs.
        cu_per_s: the node's measured speed of training; with the CU of a task it bounds the task's time.
        unsafe: the node has no sandbox, so it refuses projects: those are programs of strangers.
    """

    def __init__(self, inputs: Path, *, cu_per_s: float, unsafe: bool) -> None:
        self._inputs, self._cu_per_s, self._unsafe = inputs, cu_per_s, unsafe
        self._cancelled = threading.Event()
        self._sandbox: Session | None = None

    def cancel(self) -> None:
        """End what runs now."""
        self._cancelled.set()
        sandbox = self._sandbox
        if sandbox is not None:
            sandbox.cancel()

    def run(self, request: Mapping[str, Any], *, timeout_s: float, on_progress: Progress | None = None) -> Response:
        """The answer to a task of kind `project`, or to an audit of one: a leaf, and the files of the result folder.

        An audit hands over its record alone. Raises TaskRefused for what another node may be able to do, TaskKilled.
        """
        if self._unsafe:
            raise TaskRefused("this node has no sandbox, and projects of strangers run in one only", reason="bad-spec")
        self._cancelled.clear()
        spec = request["spec"]["of"]["spec"] if request["kind"] == "audit" else request["spec"]
        files = {name: self._inputs / file for name, file in request["inputs"].items()}
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="neuromation-task-") as folder:
            try:
                outputs = self._outputs(spec, files, Path(folder), timeout_s, on_progress)
            except (Invalid, SandboxUnavailable) as error:
                raise TaskRefused(error.message, reason="bad-spec") from error
            except OSError as error:
                raise TaskCrashed(f"this node could not keep the project's files: {error}") from error
            finally:
                self._sandbox = None
        leaf = read_outcome(outputs[RUN_FILE]).leaf
        if request["kind"] == "audit":
            outputs = {RUN_FILE: outputs[RUN_FILE]}
        metrics = {"seconds": time.monotonic() - start}
        result = {"leaves": [leaf], "root": merkle_root([leaf]), "metrics": metrics, "cpu_s": 0.0}
        return Response(result, outputs)

    def _outputs(
        self,
        spec: Mapping[str, Any],
        files: Mapping[str, Path],
        place: Path,
        timeout_s: float,
        on_progress: Progress | None,
    ) -> dict[str, bytes]:
        """The result folder, of a success or of a failure of the project's own."""
        bought_s = spec["cu"] / self._cu_per_s
        if bought_s > timeout_s:
            raise TaskRefused(
                f"{spec['cu']:g} CU take this node {bought_s:.0f} s, and a task may take {timeout_s:.0f} s",
                reason="bad-spec",
            )
        limit_s = min(timeout_s, TIME_MIN_S + TIME_SLACK * bought_s)
        take_packed(files["project"], place / "project")
        data = place / "data"
        data.mkdir()
        for number, name in enumerate(spec["files"]):
            if not _FILE_NAME.fullmatch(name):
                raise Invalid(f"{name[:100]!r} is no name of an input")
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            (data / name).hardlink_to(files[f"input-{number}"])
        try:
            run_project(
                place / "project", place / "out", entry=spec["entry"], parameters=spec["params"], data=data,
                origin={"archive": spec["archive"]}, timeout_s=limit_s, on_start=self._started, on_progress=on_progress,
                limits=replace(LIMITS, memory_mib=spec["memory_mib"]),
            )  # fmt: skip
            return _taken(place / "out")
        except OWN_FAULTS as error:
            if "log" not in error.details:  # it was never started: a library that it declares is missing here
                raise TaskRefused(error.message, reason="bad-spec") from error
            return _failure(error)

    def _started(self, sandbox: Session) -> None:
        self._sandbox = sandbox
        if self._cancelled.is_set():
            sandbox.cancel()


def _taken(out: Path) -> dict[str, bytes]:
    """The files of a result folder by name. Raises BadProjectOutputs for what cannot be delivered."""
    log = (out / LOG_FILE).read_text("utf-8")
    files = sorted(path for path in (out / OUTPUTS_FOLDER).rglob("*") if path.is_file())
    if len(files) > OUTPUTS_MAX:
        raise BadProjectOutputs(f"the project left {len(files)} files, and at most {OUTPUTS_MAX} are taken", log=log)
    for path in files:
        name = path.relative_to(out).as_posix()
        if not _FILE_NAME.fullmatch(name) or len(name) > _NAME_MAX:
            raise BadProjectOutputs(f"the output {name[:120]!r} has too long a name; shorten it", log=log)
        if path.stat().st_size > wire.BLOB_MAX_BYTES:
            raise BadProjectOutputs(f"{name} is over {wire.BLOB_MAX_BYTES >> 20} MiB; split it", log=log)
    kept = [*files, out / LOG_FILE, out / RUN_FILE]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in kept}


def _failure(error: NeuromationError) -> dict[str, bytes]:
    """A record of a failure, and the end of what the project printed."""
    failed = {"reason": error.reason, "message": error.message[:2_000], "exit_code": error.details.get("exit_code")}
    record = {"format": "neuromation-run/1", "failed": failed, "metrics": {}, "outputs": {}}
    return {
        RUN_FILE: json.dumps(record, ensure_ascii=False).encode(),
        LOG_FILE: str(error.details["log"]).encode("utf-8", "replace"),
    }
