"""One slot of a node: takes leased tasks from a queue, runs each in the sandbox; its courier delivers."""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
import threading
import time
from pathlib import Path

from neuromation.agent.bench import RUNNER
from neuromation.agent.cluster import Cluster, ClusterSession
from neuromation.agent.courier import Courier, Tell, give_back
from neuromation.agent.project_session import TIME_MAX_S as PROJECT_MAX_S
from neuromation.agent.project_session import ProjectSession, is_project
from neuromation.agent.sandbox import Response, SandboxLimits, Session, TaskFailure
from neuromation.client import NodeClient
from neuromation.client import schemas as wire
from neuromation.kernel.errors import NeuromationError
from neuromation.kernel.files import write_whole

INPUTS_PREFIX = "neuromation-in-"
TASK_MAX_S = 3600.0
LINGER_S = 20.0  # a runner takes seconds to import torch
_REASONS = {
    "out-of-memory": "out-of-memory",
    "task-timed-out": "task-timed-out",
    "training-diverged": "training-diverged",
    "bad-spec": "bad-spec",
    # What this node lacks or does not understand another may have: the task goes elsewhere at once.
    "unknown-generator": "bad-spec",
    "bad-parameters": "bad-spec",
    "unknown-model": "bad-spec",
    "bad-config": "bad-spec",
    "missing-library": "bad-spec",
    "wrong-problem": "bad-spec",
}


def remove_stale_inputs() -> None:
    """Remove the inputs that agents left behind which were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{INPUTS_PREFIX}*-*"):
        pid = folder.name.removeprefix(INPUTS_PREFIX).split("-", 1)[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)


class Slot(threading.Thread):
    """A thread with at most one sandbox, which lives as long as its tasks come from one job.

    Tasks of two jobs never share a sandbox: one customer's code and inputs are not another's to see.
    """

    def __init__(
        self,
        client: NodeClient,
        tasks: queue.Queue[wire.TaskLease | None],
        *,
        cpu_share: float,
        unsafe: bool,
        tell: Tell,
        train_cu_per_s: float,
        trainer: Cluster | None = None,
    ) -> None:
        super().__init__(daemon=True, name="slot")
        self.current: wire.TaskLease | None = None
        self._client = client
        self._tasks = tasks
        self._share = cpu_share
        self._unsafe = unsafe
        self._tell = tell
        self._session: Session | None = None
        self._computing: Session | ClusterSession | ProjectSession | None = (
            None  # only then may a task be cancelled: its session dies with it
        )
        self._job = ""
        self._inputs = Path(tempfile.mkdtemp(prefix=f"{INPUTS_PREFIX}{os.getpid()}-"))
        self.dropped: set[str] = set()  # tasks that the platform took back: not worth starting
        self._done = 0.0  # of the task that runs now
        self._courier = Courier(client, tell, self.dropped)
        self._projects = ProjectSession(self._inputs, cu_per_s=train_cu_per_s, unsafe=unsafe)
        self._cluster = None if trainer is None else ClusterSession(trainer, self._inputs)

    def run(self) -> None:
        """Work until a None comes out of the queue."""
        self._courier.start()
        try:
            while (task := self._next()) is not None:
                if task.id not in self.dropped:
                    self._done = 0.0
                    self.current = task
                    self._do(task)
                    self.current = None
        finally:
            self._close()
            self._courier.end()
            shutil.rmtree(self._inputs, ignore_errors=True)

    def _next(self) -> wire.TaskLease | None:
        """The next task; a sandbox that waits for long is closed, one that waits for a job's next round is kept warm."""
        try:
            return self._tasks.get(timeout=LINGER_S)
        except queue.Empty:
            self._close()
            return self._tasks.get()

    def held(self) -> list[wire.TaskLease]:
        """What the slot works on, and what it has made and not yet committed."""
        current = self.current
        return self._courier.held() + ([] if current is None else [current])

    def done(self) -> dict[str, float]:
        """How far the task that runs now is, 0..1, as far as it tells."""
        current = self.current
        return {} if current is None else {current.id: self._done}

    def cancel(self) -> None:
        """Stop what runs now; the platform no longer wants it."""
        session = self._computing
        if session is not None:
            session.cancel()

    def _do(self, task: wire.TaskLease) -> None:
        start = time.monotonic()
        try:
            response = self._work(task)
            worked_s = time.monotonic() - start
            self._courier.take(task, response, worked_s, is_last=self._tasks.empty())
        except TaskFailure as error:
            give_back(self._client, self._tell, task, _REASONS.get(error.reason, "task-crashed"), error.message)
            worked_s = time.monotonic() - start
        except NeuromationError as error:
            self._tell("lost", {"task": task.id, "why": error.message})  # its inputs could not be had
            worked_s = time.monotonic() - start
        self._rest(worked_s)

    def _work(self, task: wire.TaskLease) -> Response:
        if task.job != self._job:
            self._close()
            self._job = task.job
        files = {name: self._fetched(task, name, info) for name, info in task.inputs.items()}
        session = self._computer(task)
        request = {"kind": task.kind, "spec": task.spec, "inputs": files}
        self._computing = session
        try:
            limit_s = PROJECT_MAX_S if session is self._projects else TASK_MAX_S
            return session.run(request, timeout_s=limit_s, on_progress=self._heard)
        finally:
            self._computing = None

    def _heard(self, fraction: float, text: str) -> None:
        self._done = fraction

    def _computer(self, task: wire.TaskLease) -> Session | ClusterSession | ProjectSession:
        """Who does a task: the owner's cluster a training, where there is one, a sandbox of its own a project, and the
        sandbox all else."""
        if is_project(task.kind, task.spec):
            return self._projects
        if self._cluster is not None and task.kind == "train":
            return self._cluster
        if self._session is None or not self._session.alive:
            self._session = Session.start(RUNNER, self._inputs, SandboxLimits(), unsafe=self._unsafe)
        return self._session

    def _fetched(self, task: wire.TaskLease, name: str, info: wire.InputInfo) -> str:
        """The file of an input in this job's folder, named by its hash; downloaded once."""
        path = self._inputs / info.sha256
        if not path.exists():
            data = self._client.download_input(task.id, name, info)
            write_whole(path, data)
            path.chmod(0o644)
        return info.sha256

    def _close(self) -> None:
        """End the sandbox and forget the job's inputs."""
        session, self._session, self._job = self._session, None, ""
        if session is not None:
            session.close()
        for file in self._inputs.glob("*"):
            file.unlink(missing_ok=True)

    def _rest(self, worked_s: float) -> None:
        """Honour the owner's limit on processor share: rest in proportion to the work."""
        if self._share < 1:
            time.sleep(worked_s * (1 / self._share - 1))
