"""A platform and its nodes as real processes on this machine: what the demo plays on."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from neuromation.kernel.errors import NeuromationError

START_S = 120.0
STOP_S = 20.0
COMMAND = [sys.executable, "-m", "neuromation.cli.main"]


class DidNotStart(NeuromationError):
    """A process of the demo ended, or said nothing, before it was ready."""


@dataclass(frozen=True)
class Rig:
    """A node to be started: whose it is, how much of a core it may use, and what its owner asks."""

    name: str
    owner: str
    cpu_share: float
    floor_render: str
    floor_train: str
    stake: str = "5"


class Process:
    """A child that tells what it does as lines of JSON on stdout; its stderr goes to a log."""

    def __init__(self, arguments: list[str], *, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        with log.open("ab") as errors:
            self.popen = subprocess.Popen(
                [*COMMAND, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment
            )
        assert self.popen.stdout is not None
        threading.Thread(target=self._read, args=(self.popen.stdout,), daemon=True).start()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            try:
                self._lines.put(json.loads(line))
            except ValueError:
                continue  # a stray print of a library is no message
        self._lines.put(None)

    def until(self, key: str, value: str | None = None) -> dict[str, Any]:
        """The next message with this key (and value). Raises DidNotStart."""
        while True:
            try:
                message = self._lines.get(timeout=START_S)
            except queue.Empty:
                message = None
            if message is None:
                raise DidNotStart(f"a process did not get ready; its log ends with: {self._tail()}")
            if key in message and value in (None, message[key]):
                return message

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-1500:] or f"nothing; see {self._log}"

    def stop(self) -> None:
        """End it, gently first."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class Stage:
    """A running platform with an operator; nodes are added as they are needed. Ends everything when it is left."""

    def __init__(self, folder: Path, *, policy: dict[str, Any], environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "platform"
        self.nodes: dict[str, Process] = {}
        self._environment = {**os.environ, "NEUROMATION_POLICY": json.dumps(policy), **(environment or {})}
        folder.mkdir(parents=True, exist_ok=True)
        self.server = self._start(
            ["serve", "--host", "127.0.0.1", "--port", "0", "--data", str(self.data), "--json"], "platform"
        )
        self.endpoint = str(self.server.until("endpoint")["endpoint"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def operator(self) -> dict[str, str]:
        """The email and password of the platform's operator."""
        credentials: dict[str, str] = json.loads((self.data / "operator.json").read_text())
        return credentials

    def start_node(self, rig: Rig, *, token: str, unsafe: bool) -> Process:
        """Start a node for its owner; `joined` waits for it."""
        arguments = ["node", "start", "--endpoint", self.endpoint, "--token", token, "--name", rig.name, "--json"]
        arguments += ["--floor", rig.floor_render, "--floor-train", rig.floor_train, "--stake", rig.stake]
        arguments += ["--cpu-share", str(rig.cpu_share)]
        if unsafe:
            arguments.append("--unsafe-no-sandbox")
        self.nodes[rig.name] = self._start(arguments, rig.name)
        return self.nodes[rig.name]

    def _start(self, arguments: list[str], name: str) -> Process:
        return Process(arguments, log=self.folder / f"{name}.log", environment=self._environment)

    def close(self) -> None:
        """Stop the nodes, then the platform."""
        for node in self.nodes.values():
            node.popen.terminate()
        for node in self.nodes.values():
            node.stop()
        self.server.stop()
