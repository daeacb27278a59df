"""A provider's own cluster does the train tasks: each is handed to `torchrun` or Ray Train, and one result comes back.

Nothing of a stranger's is run in a train task, only read (weights, shards), so it may leave the sandbox when the owner
asks for that; every other kind of task stays inside. Owns the hand-over; knows no network, no node and no money.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuromation.agent.sandbox import Progress, Response, TaskFailure
from neuromation.agent.sandbox.errors import TaskCrashed, TaskKilled, TaskRefused, TaskTimedOut
from neuromation.agent.sandbox.model import CANONICAL_RUNTIME, printable
from neuromation.kernel.errors import Invalid, NeuromationError
from neuromation.kernel.files import write_whole

WORKERS_MAX = 64
KINDS = ("torchrun", "ray")
_ANSWER, _JOB, _DONE = "answer.json", "job.json", "done"
_POLL_S = 0.1
_ANSWER_MAX = 4 << 20


@dataclass(frozen=True, slots=True)
class Cluster:
    """Who trains, and by how many processes."""

    kind: str
    workers: int

    @classmethod
    def parse(cls, text: str) -> Cluster:
        """Read "torchrun:2" or "ray:4". Raises Invalid, also when Ray is asked for and not installed."""
        kind, _, count = text.partition(":")
        if kind not in KINDS or not count.isdecimal() or not 1 <= int(count) <= WORKERS_MAX:
            raise Invalid(f"a trainer is torchrun:N or ray:N with 1 to {WORKERS_MAX} processes, not {text[:40]!r}")
        if kind == "ray" and importlib.util.find_spec("ray") is None:
            raise Invalid("Ray is not installed: pip install '.[cluster]' --constraint constraints.txt")
        return cls(kind, int(count))

    @property
    def command(self) -> list[str]:
        """What is started; the folder of the job follows."""
        worker = "neuromation.agent.cluster"
        if self.kind == "ray":
            return [sys.executable, "-m", worker, "--ray", str(self.workers)]
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={self.workers}"]
        return [sys.executable, *launcher, "-m", worker]


class ClusterSession:
    """Hands one task at a time to the cluster; `cancel` may be called from another thread."""

    def __init__(self, cluster: Cluster, inputs: Path) -> None:
        self._cluster, self._inputs = cluster, inputs
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End what runs now."""
        self._cancelled.set()

    def run(self, request: dict[str, Any], *, timeout_s: float, on_progress: Progress | None = None) -> Response:
        """The answer to a task of kind `train`. Raises TaskFailure of the same kinds as the sandbox."""
        self._cancelled.clear()
        with tempfile.TemporaryDirectory(prefix="neuromation-cluster-") as folder:
            place = Path(folder)
            (place / "out").mkdir()
            job = {"request": request, "inputs": str(self._inputs), "out": str(place / "out")}
            (place / _JOB).write_text(json.dumps(job))
            with (place / "log").open("wb") as log:
                process = subprocess.Popen(
                    [*self._cluster.command, folder],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **CANONICAL_RUNTIME, "RAY_worker_niceness": "0"},
                    start_new_session=True,
                    preexec_fn=_end_with_slot,  # noqa: PLW1509 - it calls the kernel and nothing else
                )
                try:
                    self._await(process, timeout_s, place / _DONE, on_progress)
                finally:
                    _end(process)
            return self._response(place)

    def _await(
        self, process: subprocess.Popen[bytes], timeout_s: float, done: Path, on_progress: Progress | None
    ) -> None:
        until = time.monotonic() + timeout_s
        while process.poll() is None:
            if on_progress is not None and done.exists():
                on_progress(float(done.read_text()), "training")
            if self._cancelled.wait(_POLL_S):
                raise TaskKilled("the task was cancelled", reason="cancelled")
            if time.monotonic() > until:
                raise TaskTimedOut(f"the cluster did not answer within {timeout_s:g} s", reason="task-timed-out")

    def _response(self, place: Path) -> Response:
        try:
            answer = json.loads((place / _ANSWER).read_bytes()[:_ANSWER_MAX])
        except (OSError, ValueError):
            tail = printable((place / "log").read_text(errors="replace"))
            raise TaskCrashed(f"the cluster ended without an answer: {tail}", reason="task-crashed") from None
        if "refused" in answer:
            raise TaskRefused(str(answer["message"]), reason=str(answer["refused"]))
        outputs = {file.name: file.read_bytes() for file in sorted((place / "out").iterdir())}
        return Response(answer["result"], outputs)


def _end_with_slot() -> None:
    """Ask the kernel to end the launcher when the slot's thread is gone (prctl(2): PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the launcher with everything that it started."""
    for stop in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, stop)
        except ProcessLookupError:
            break
        try:
            process.wait(5)
            break
        except subprocess.TimeoutExpired:
            continue


def work(folder: Path) -> None:
    """The part of one process; the first one writes the outputs and the answer. `torch.distributed` is set up."""
    from neuromation.agent import runner
    from neuromation.learning.sharing import Share

    share = Share.of_this_process()
    job = json.loads((folder / _JOB).read_text())
    request, inputs = job["request"], Path(job["inputs"])
    files = {name: inputs / file for name, file in request.get("inputs", {}).items()}
    start, cpu = time.perf_counter(), time.process_time()

    def tell(fraction: float, _: str) -> None:
        if share.rank == 0:
            write_whole(folder / _DONE, str(fraction).encode())

    with tempfile.TemporaryDirectory() as nowhere:
        out = Path(job["out"]) if share.rank == 0 else Path(nowhere)
        try:
            result = runner.train(request["spec"], files, out, tell, share=share)
        except NeuromationError as error:
            answer: dict[str, Any] = {"refused": error.reason, "message": error.message}
        else:
            result["metrics"]["seconds"] = time.perf_counter() - start
            result["cpu_s"] = (time.process_time() - cpu) * share.count
            answer = {"result": result}
    if share.rank == 0:
        (folder / _ANSWER).write_text(json.dumps(answer))


def _under_torchrun(folder: Path) -> None:
    from torch import distributed

    distributed.init_process_group("gloo")
    try:
        work(folder)
    finally:
        distributed.destroy_process_group()


__all__ = ["Cluster", "ClusterSession", "TaskFailure", "work"]

if __name__ == "__main__":
    if sys.argv[1] == "--ray":
        from neuromation.agent.cluster_ray import train_under_ray

        train_under_ray(Path(sys.argv[3]), int(sys.argv[2]))
    else:
        _under_torchrun(Path(sys.argv[1]))
