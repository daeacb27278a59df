"""Inside the sandbox: runs the command of one project and hands over what it left; judges nothing that it did.

It runs beside code that nobody trusts, so nothing here protects anybody: the host checks all that comes out.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from neuromation.agent.sandbox.model import CANONICAL_RUNTIME, FILES_MAX, is_plain_name
from neuromation.learning.projects.contract import EntryPoint, Places, command_line, placed

Json = dict[str, Any]
LOG_KEPT = 64 << 10  # bytes of what the project printed; the end of it
OUTPUT_DEPTH_MAX = 8
PROJECT, INPUTS = "project", "inputs"
_OUTPUTS, _READ, _LINE_MAX, _LAST_WORDS_S = "outputs", 1 << 16, 4096, 0.5
_PROGRESS = re.compile(r"\s*progress[:= ]\s*(0(?:\.\d+)?|1(?:\.0+)?)\s*(.*)", re.DOTALL)


def handle(request: Json, inputs: Path, out: Path, progress: Callable[[float, str], None]) -> Json:
    """Run the project's command; `request` holds entry, values, timeout_s.

    Returns how it ended, the end of its log, and the names of its outputs in the order of the files "0", "1", ...;
    a project that did not end with 0 has no outputs.
    """
    home = Path(os.environ["HOME"])
    places = Places(inputs / PROJECT, inputs / INPUTS, home / "parameters.json", out / _OUTPUTS)
    entry = EntryPoint.model_validate(request["entry"])
    places.outputs.mkdir()
    places.parameters.write_text(json.dumps(placed(entry, request["values"], places)))
    start = time.monotonic()
    code, timed_out, log = _run(
        command_line(entry, request["values"], places), places, start + request["timeout_s"], progress
    )
    names, trouble = _flattened(places.outputs, out) if code == 0 else ([], "")
    shutil.rmtree(places.outputs, ignore_errors=True)
    return {
        "exit_code": code,
        "timed_out": timed_out,
        "log": log.decode(errors="replace"),
        "outputs": names,
        "trouble": trouble,
        "seconds": time.monotonic() - start,
    }


def environment(places: Places) -> dict[str, str]:
    """What the project's process finds in its environment: the same Python, one thread for maths, where things are."""
    home = os.environ["HOME"]
    return {
        **CANONICAL_RUNTIME,
        "HOME": home,
        "LANG": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": home,
        "TZ": "UTC",
        "USER": "task",
        "NEUROMATION_INPUTS": str(places.inputs),
        "NEUROMATION_OUTPUTS": str(places.outputs),
        "NEUROMATION_PARAMETERS": str(places.parameters),
    }


def _run(
    command: str, places: Places, deadline: float, progress: Callable[[float, str], None]
) -> tuple[int, bool, bytes]:
    """The exit code (negative: a signal), whether time ran out, and the end of the log."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=places.project,
        env=environment(places),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        bufsize=0,
    )
    assert process.stdout is not None
    kept, line, told = b"", b"", 0.0
    for data in _printed(process, process.stdout.fileno(), deadline):
        kept = (kept + data)[-LOG_KEPT:]
        *whole, line = (line + data)[-_LINE_MAX:].split(b"\n")
        for text in (part.decode(errors="replace") for part in whole):
            if said := _PROGRESS.fullmatch(text):
                told, text = float(said[1]), said[2]  # noqa: PLW2901
            progress(told, text)
    timed_out = process.poll() is None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # also what it left running in the background
    return process.wait(), timed_out, kept


def _printed(process: subprocess.Popen[bytes], fd: int, deadline: float) -> Iterator[bytes]:
    """What the process prints until it has ended or its time is over; what it left running does not count."""
    os.set_blocking(fd, False)
    exited = os.pidfd_open(process.pid)
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        selector.register(exited, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            ready = {key.fd for key, _ in selector.select(max(0.0, deadline - time.monotonic()))}
            if exited in ready:  # something in the background may go on printing
                deadline = min(deadline, time.monotonic() + _LAST_WORDS_S)
            if fd in ready:
                data = os.read(fd, _READ)
                if data:
                    yield data
                    continue
                selector.unregister(fd)
            if exited in ready:
                break
    os.close(exited)


def _flattened(outputs: Path, out: Path) -> tuple[list[str], str]:
    """Move the outputs to files that are sent, named by number; their names, and what is wrong with them."""
    names: list[str] = []
    for folder, _, files in os.walk(outputs):
        for path in sorted(Path(folder, name) for name in files):
            relative = path.relative_to(outputs)
            if path.is_symlink() or not path.is_file():
                return [], f"{str(relative)[:100]!r} is no plain file"
            if len(relative.parts) > OUTPUT_DEPTH_MAX or not all(map(is_plain_name, relative.parts)):
                return (
                    [],
                    f"{str(relative)[:100]!r} is no plain name: letters, digits and . _ - only, at most 8 folders deep",
                )
            names.append(relative.as_posix())
        if any(Path(folder, name).is_symlink() for name in os.listdir(folder)):  # noqa: PTH208
            return [], "there is a link among them"
    if len(names) > FILES_MAX:
        return [], f"there are {len(names)} files and at most {FILES_MAX} are taken back"
    for number, name in enumerate(names):
        (outputs / name).rename(out / str(number))
    return names, ""


if __name__ == "__main__":
    from neuromation.agent.sandbox.child import serve

    serve(handle, generates=False)
