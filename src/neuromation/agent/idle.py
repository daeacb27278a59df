"""The idle command: what the owner's machine does when it has no task, such as mining; never beside a task."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess

STOP_WAIT_S = 5.0
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Have the kernel end the command when the agent dies, so that it never runs beside the next agent's tasks."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class IdleCommand:
    """Runs a command whenever it is resumed, and kills its whole process group when it is paused."""

    def __init__(self, command: str) -> None:
        self._argv = shlex.split(command)
        self._process: subprocess.Popen[bytes] | None = None

    def resume(self) -> None:
        """Start it unless it runs; a command that ended by itself is started again."""
        if not self._argv or (self._process is not None and self._process.poll() is None):
            return
        self._process = subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - called before any thread of ours holds a lock
        )

    def pause(self) -> None:
        """Stop it and wait until it is gone: gently first, then for certain."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
