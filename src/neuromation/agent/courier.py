"""Uploads and commits what a slot has made, while the slot computes the next task: no processor waits for a network."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from neuromation.agent.sandbox import Response
from neuromation.client import NodeClient
from neuromation.client import schemas as wire
from neuromation.kernel.errors import NeuromationError

Tell = Callable[[str, dict[str, Any]], None]

UNDELIVERED_MAX = 2  # results that wait for the network in memory; then the slot waits, too
END_S = 30.0
GATHER_S = 2.0  # short tasks are committed together, while there are more to come
GATHER_MAX = 32
GATHER_LEAVES_MAX = 20_000  # keeps the body of a request below its limit


@dataclass(frozen=True)
class _Result:
    task: wire.TaskLease
    response: Response
    seconds: float
    is_last: bool


@dataclass(frozen=True)
class _Uploaded:
    """What is left of a result once its bytes are with the platform."""

    task: wire.TaskLease
    seconds: float
    commit: wire.Commit


class Courier(threading.Thread):
    """A slot's way to the platform: each result is uploaded at once, commits go together."""

    def __init__(self, client: NodeClient, tell: Tell, dropped: set[str]) -> None:
        super().__init__(daemon=True, name="courier")
        self._client = client
        self._tell = tell
        self._dropped = dropped
        self._results: queue.Queue[_Result | None] = queue.Queue(UNDELIVERED_MAX)
        self._held: dict[str, wire.TaskLease] = {}  # in the order of their delivery
        self._uploaded: list[_Uploaded] = []
        self._since = 0.0

    def take(self, task: wire.TaskLease, response: Response, seconds: float, *, is_last: bool) -> None:
        """Deliver a result, at once when it is the last for now; waits while too many are under way."""
        self._held[task.id] = task
        self._results.put(_Result(task, response, seconds, is_last))

    def held(self) -> list[wire.TaskLease]:
        """The tasks whose results are not committed yet."""
        return list(self._held.values())

    def end(self) -> None:
        """Deliver what is under way, then stop."""
        self._results.put(None)
        self.join(timeout=END_S)

    def run(self) -> None:
        """Deliver until a None comes out of the queue."""
        while True:
            try:
                wait_s = max(0.0, self._since + GATHER_S - time.monotonic()) if self._uploaded else None
                result = self._results.get(timeout=wait_s)
            except queue.Empty:
                self._commit()
                continue
            if result is None:
                self._commit()
                return
            self._upload(result)
            if result.is_last or self._is_full():
                self._commit()

    def _is_full(self) -> bool:
        leaves = sum(len(one.commit.leaves) for one in self._uploaded)
        return len(self._uploaded) >= GATHER_MAX or leaves > GATHER_LEAVES_MAX

    def _upload(self, result: _Result) -> None:
        task, found = result.task, result.response.result
        if task.id in self._dropped:
            self._held.pop(task.id, None)
            return
        try:
            outputs = {n: self._client.upload_output(task.id, data) for n, data in result.response.outputs.items()}
            facts = {name: found.get(name) for name in ("root", "leaves", "metrics", "cpu_s")}
            commit = wire.Commit.model_validate(facts | {"task": task.id, "attempt": task.attempt, "outputs": outputs})
        except NeuromationError as error:
            self._lose([task], error)
        except ValidationError as error:  # what ran in the sandbox may answer anything
            why = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
            give_back(self._client, self._tell, task, "task-crashed", f"the result makes no sense: {why}")
            self._held.pop(task.id, None)
        else:
            self._since = self._since if self._uploaded else time.monotonic()
            self._uploaded.append(_Uploaded(task, result.seconds, commit))

    def _commit(self) -> None:
        together, self._uploaded = self._uploaded, []
        if not together:
            return
        try:
            refused = self._client.commit([one.commit for one in together]).refused
        except NeuromationError as error:
            self._lose([one.task for one in together], error)
            return
        for one in together:
            task, why = one.task, refused.get(one.task.id, "")
            self._held.pop(task.id, None)
            facts = {"task": task.id, "kind": task.kind, "why": why, "seconds": one.seconds}
            self._tell("refused" if why else "committed", facts)

    def _lose(self, tasks: list[wire.TaskLease], error: NeuromationError) -> None:
        """The platform could not be asked, or no longer wants the tasks: their leases end by themselves."""
        for task in tasks:
            self._held.pop(task.id, None)
            self._tell("lost", {"task": task.id, "why": error.message})


def give_back(client: NodeClient, tell: Tell, task: wire.TaskLease, reason: Any, message: str) -> None:
    """Let another node have a task."""
    tell("failed", {"task": task.id, "kind": task.kind, "why": f"{reason}: {message}"})
    try:
        client.fail(wire.TaskFailure(task=task.id, attempt=task.attempt, reason=reason, message=message[:2000]))
    except NeuromationError as error:
        tell("lost", {"task": task.id, "why": error.message})
