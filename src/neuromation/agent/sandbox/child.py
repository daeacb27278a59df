"""The inside of a sandbox: takes requests, calls the task's handler, streams answers; refuses to know the host.

It runs beside code that nobody trusts, so nothing here protects anybody: the host checks all that comes out.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import stat
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neuromation.agent.sandbox.frames import CHUNK, FRAME_MAX, Kind, encode
from neuromation.agent.sandbox.model import MACHINE_CODE, PROGRESS_INTERVAL_S, TEXT_MAX, is_plain_name
from neuromation.kernel import machine_code
from neuromation.kernel.errors import Invalid, NeuromationError, TooLarge

Handler = Callable[[dict[str, Any], Path, Path, Callable[[float, str], None]], dict[str, Any]]


def serve(handler: Handler, *, generates: bool = True) -> None:
    """Answer requests until the host closes the pipe.

    Args:
        handler: called as handler(request, inputs, out, progress) and returns the result, which must be JSON. Plain
            files that it leaves in the folder `out` are sent to the host; the folder is emptied after each request.
            `inputs` is read-only. progress(fraction, text) may be called as often as it likes: most calls cost
            nothing.
        generates: whether the handler may run a generator, which needs what the host has compiled.
    """
    if generates:
        _bring_machine_code()
    channel = _Channel(int(os.environ["NEUROMATION_FRAMES_FD"]))
    inputs, out = Path(os.environ["NEUROMATION_IN"]), Path(os.environ["NEUROMATION_OUT"])
    _limit_processes(int(os.environ["NEUROMATION_PROCESSES"]))
    # A task that reads its standard input must not swallow the next request.
    requests = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    channel.send(Kind.HELLO, {})
    for line in requests:
        try:
            result = handler(json.loads(line), inputs, out, channel.progress)
            _send_files(channel, out)
            channel.send(Kind.RESULT, result)
        except Exception as error:
            channel.send(Kind.ERROR, _described(error))
        finally:
            _empty(out)


def _bring_machine_code() -> None:
    """Copy what the host has compiled to where this process may add to it: numba only reads folders that it may write."""
    own = os.environ[machine_code.VARIABLE]
    try:
        if MACHINE_CODE.is_dir():
            shutil.copytree(MACHINE_CODE, own, dirs_exist_ok=True)
    except OSError:  # it does not fit into a small /tmp: then this process compiles anew
        shutil.rmtree(own, ignore_errors=True)


class _Channel:
    """The frames' own descriptor, which neither prints nor child processes can reach."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._fd = fd
        self._next_progress = 0.0

    def send(self, kind: Kind, value: dict[str, Any]) -> None:
        payload = json.dumps(value, allow_nan=False).encode()
        if len(payload) > FRAME_MAX:
            raise TooLarge(
                f"the result takes {len(payload)} bytes as JSON and at most {FRAME_MAX} fit; write it to a file"
            )
        self.write(encode(kind, payload))

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def progress(self, fraction: float, text: str = "") -> None:
        now = time.monotonic()
        if now >= self._next_progress or fraction >= 1.0:
            self._next_progress = now + PROGRESS_INTERVAL_S
            self.send(Kind.PROGRESS, {"fraction": fraction, "text": text})


def _limit_processes(count: int) -> None:
    """A second limit on processes, for hosts without the pids control group.

    Since Linux 5.14 a user namespace counts its own processes; before, other processes of the host's user would count.
    """
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if Path("/proc/self/uid_map").read_text().split()[2:] == ["1"] and release >= (5, 14):
        resource.setrlimit(resource.RLIMIT_NPROC, (count + 1, count + 1))


def _send_files(channel: _Channel, out: Path) -> None:
    for entry in sorted(os.scandir(out), key=lambda item: item.name):
        if not is_plain_name(entry.name) or not entry.is_file(follow_symlinks=False):
            raise Invalid(
                f"the output {entry.name!r} is no plain file with a plain name; write files straight into /out"
            )
    for path in sorted(out.iterdir()):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb") as file:
            left = os.fstat(fd).st_size if stat.S_ISREG(os.fstat(fd).st_mode) else 0
            channel.send(Kind.FILE, {"name": path.name, "size": left})
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise Invalid(f"the output {path.name} shrank while it was sent; close files before you return")
                channel.write(encode(Kind.CHUNK, chunk))
                left -= len(chunk)


def _described(error: Exception) -> dict[str, str]:
    if isinstance(error, NeuromationError):
        return {"reason": error.reason, "message": error.message[:TEXT_MAX]}
    traceback.print_exception(error, limit=-8, file=sys.stderr)
    if isinstance(error, MemoryError):
        return {"reason": "out-of-memory", "message": "the task asked for more memory than it may have"}
    return {"reason": "task-crashed", "message": f"{type(error).__name__}: {error}"[:TEXT_MAX]}


def _empty(folder: Path) -> None:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink(missing_ok=True)


def _echo(
    request: dict[str, Any], _inputs: Path, _out: Path, _progress: Callable[[float, str], None]
) -> dict[str, Any]:
    return request


if __name__ == "__main__":
    # Run as a program it repeats what it is told: enough to find out whether a sandbox works.
    serve(_echo)
