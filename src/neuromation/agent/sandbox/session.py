"""One long-lived sandboxed process and its requests; owns time-outs and clean-up, trusts nothing it reads."""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import selectors
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self, TypeVar

from neuromation.agent.sandbox import bubblewrap, cgroups, supervisor
from neuromation.agent.sandbox.errors import (
    OutputTooLarge,
    ProtocolViolation,
    SandboxUnavailable,
    TaskCrashed,
    TaskFailure,
    TaskKilled,
    TaskRefused,
    TaskTimedOut,
)
from neuromation.agent.sandbox.frames import BadFrame, Decoder, Kind
from neuromation.agent.sandbox.model import (
    PROGRESS_INTERVAL_S,
    REQUEST_MAX,
    STDERR_KEPT,
    STDERR_MAX,
    Isolation,
    Response,
    SandboxLimits,
    printable,
)
from neuromation.agent.sandbox.receiver import HandlerError, Progress, Receiver
from neuromation.kernel import machine_code
from neuromation.kernel.errors import Conflict, TooLarge

_READ = 1 << 18
_READY_S = 60.0
_LAST_WORD_S = 2.0
_END_S = 15.0
_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)


class Session:
    """A sandboxed process that answers requests one at a time.

    Use it from one thread; only `cancel` may come from another. An error that the handler raised leaves the session
    `alive`; after every other failure its process tree is gone.
    """

    def __init__(self, process: _Process, inputs_dir: Path, limits: SandboxLimits, isolation: Isolation) -> None:
        self._process = process
        self._inputs = inputs_dir
        self._limits = limits
        self.isolation = isolation
        self.missing_limits = process.groups.missing

    @classmethod
    def start(
        cls,
        program: str | Sequence[str],
        inputs_dir: Path,
        limits: SandboxLimits,
        *,
        unsafe: bool = False,
        ready_s: float = _READY_S,
    ) -> Self:
        """Start `program` and wait until it is ready for requests.

        Args:
            program: a module to run as `python -m`, or a whole command. It must call `child.serve`.
            inputs_dir: shown read-only at /in; files added later appear there. It belongs to the session: when the host
                is root its files are made readable to all, for the task runs as somebody else.
            limits: what the session may use. `missing_limits` names the control groups that could not be had.
            unsafe: no isolation at all, only a process of its own with rlimits. For machines without secrets.
            ready_s: how long the program may take to start.

        Raises:
            SandboxUnavailable: this machine cannot isolate.
            TaskCrashed, TaskTimedOut, ProtocolViolation: the program did not become ready.
        """
        isolation = Isolation.NONE if unsafe else Isolation.BUBBLEWRAP
        command = [sys.executable, "-P", "-s", "-m", program] if isinstance(program, str) else list(program)
        groups = cgroups.create(
            memory_mib=limits.memory_mib, processes=limits.processes + (0 if unsafe else bubblewrap.OWN_PROCESSES)
        )
        try:
            session = cls._launch(command, inputs_dir, limits, isolation, groups)
        except BaseException:
            cgroups.remove(groups)
            raise
        try:
            session._await_ready(ready_s)
        except TaskCrashed as error:
            if supervisor.JOIN_FAILED not in error.message:
                raise
            groups = cgroups.Groups((), cgroups.CONTROLLERS)
            session = cls._launch(command, inputs_dir, limits, isolation, groups)
            session._await_ready(ready_s)
        if session.missing_limits:
            _log.warning(
                "no control group for %s: limits hold for each process only", ", ".join(session.missing_limits)
            )
        return session

    @classmethod
    def _launch(
        cls, command: list[str], inputs_dir: Path, limits: SandboxLimits, isolation: Isolation, groups: cgroups.Groups
    ) -> Self:
        plan: dict[str, Any] = {
            "cgroups": [str(folder) for folder in groups.folders],
            "rlimits": bubblewrap.rlimits(limits, memory_is_grouped="memory" not in groups.missing),
            "host_pid": os.getpid(),
            "scratch": "",
        }
        scratch = None
        if isolation is Isolation.NONE:
            scratch = Path(tempfile.mkdtemp(prefix="neuromation-task-"))
            home, out = scratch / "tmp", scratch / "out"
            home.mkdir()
            out.mkdir()
            env = bubblewrap.environment(
                inputs_dir.resolve(), out, home=str(home), code=machine_code.folder(), limits=limits
            )
            plan |= {"command": command, "options": [], "env": env, "uid": None, "data": {}, "scratch": str(scratch)}
        else:
            world = bubblewrap.build(inputs_dir, limits)
            plan |= {"command": [bubblewrap.executable(), *command], "options": world.options, "env": {}}
            plan |= {"uid": world.uid, "staged": world.staged, "data": world.data}
            if world.uid is not None:
                _share(inputs_dir)
        return cls(_Process(plan, groups, scratch), inputs_dir, limits, isolation)

    @property
    def alive(self) -> bool:
        """Whether the session can take another request."""
        return not self._process.ended

    def run(self, request: dict[str, Any], *, timeout_s: float, on_progress: Progress | None = None) -> Response:
        """Have the process answer `request`, a JSON object of at most REQUEST_MAX bytes.

        Args:
            timeout_s: seconds until the whole process tree is killed; at most the session's wall_s.
            on_progress: told the fraction in [0, 1] and a line of text while the task runs.

        Raises:
            TaskRefused, TaskTimedOut, TaskKilled, TaskCrashed, ProtocolViolation, OutputTooLarge: see their words.
            TooLarge: the request. Conflict: the session is over.
        """
        line = json.dumps(request, allow_nan=False).encode() + b"\n"
        if len(line) > REQUEST_MAX:
            raise TooLarge(f"the request takes {len(line)} bytes and at most {REQUEST_MAX} fit; pass data as inputs")
        if not self.alive:
            raise Conflict("this sandbox session is over; start another")
        if self._process.runs_as_other:
            _share(self._inputs)
        timeout_s = min(timeout_s, self._limits.wall_s)
        progress_max = 100 + int(2 * timeout_s / PROGRESS_INTERVAL_S)
        receiver = Receiver(out_mib=self._limits.out_mib, progress_max=progress_max, on_progress=on_progress)
        try:
            return self._process.exchange(line, receiver, timeout_s)
        except HandlerError as error:
            _raise_answered(error)
        except BaseException:
            # Whatever went wrong, the stream is at no known place: the process cannot be used again.
            self.close()
            raise

    def cancel(self) -> None:
        """Kill the task from another thread; the `run` that waits for it raises TaskKilled("cancelled")."""
        self._process.stop("cancelled")

    def close(self) -> None:
        """Kill the process tree and remove what it left. Twice is once."""
        self._process.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _await_ready(self, ready_s: float) -> None:
        try:
            self._process.await_hello(ready_s)
        except TaskFailure as error:
            self.close()
            if "bwrap: " in error.message and supervisor.JOIN_FAILED not in error.message:
                raise SandboxUnavailable(f"bubblewrap cannot isolate tasks here: {_advice(error.message)}") from error
            raise
        except BaseException:
            self.close()
            raise


class _Process:
    """The supervisor with its pipes: bytes in, frames out, the last words of stderr, and a certain end."""

    def __init__(self, plan: dict[str, Any], groups: cgroups.Groups, scratch: Path | None) -> None:
        self.groups = groups
        self.ended = False
        self.runs_as_other = plan["uid"] is not None
        self._scratch = scratch
        self._stopped: str | None = None
        self._lock = threading.Lock()
        self._tail = b""
        control, self._control = os.pipe()
        self._status, status = os.pipe()
        try:
            self._popen = self._spawn(control, status)
        except BaseException:
            os.close(self._control)
            os.close(self._status)
            raise
        finally:
            os.close(control)
            os.close(status)
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)
        os.write(self._control, supervisor.packed(plan))

    @staticmethod
    def _spawn(control: int, status: int) -> subprocess.Popen[bytes]:
        # The supervisor gets no environment either: what it hands on cannot leak.
        return subprocess.Popen(
            [sys.executable, "-I", "-S", supervisor.__file__, str(control), str(status)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(control, status),
            env={},
            start_new_session=True,
            bufsize=0,
        )

    def await_hello(self, timeout_s: float) -> None:
        """Wait for the HELLO frame and for nothing else."""
        decoder = Decoder()

        def feed(data: bytes) -> bool | None:
            try:
                frames = list(decoder.feed(data))
            except BadFrame:
                frames = [(Kind.ERROR, b"")]
            if not frames:
                return None
            if [kind for kind, _ in frames] != [Kind.HELLO] or decoder.pending:
                raise ProtocolViolation(
                    "the task's process did not greet as the protocol asks; it does not call serve()"
                )
            return True

        self._pump(b"", feed, timeout_s)

    def exchange(self, line: bytes, receiver: Receiver, timeout_s: float) -> Response:
        """Send one request and collect its answer."""
        return self._pump(line, receiver.feed, timeout_s)

    def stop(self, why: str) -> None:
        """Tell the supervisor to kill the tree; returns at once. The first reason is kept."""
        with self._lock:
            if self.ended or self._stopped is not None:
                return
            self._stopped = why
            try:
                os.write(self._control, b"\n")
            except BrokenPipeError:
                return

    def end(self) -> None:
        """Kill the tree, wait until it is gone, close and remove everything."""
        self.stop("closed")
        with self._lock:
            if self.ended:
                return
            self.ended = True
        try:
            self._popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            # The kernel kills the tree when its supervisor dies.
            self._popen.send_signal(signal.SIGKILL)
            self._popen.wait()
        for pipe in self._pipes():
            pipe.close()
        os.close(self._control)
        os.close(self._status)
        cgroups.remove(self.groups)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _pipes(self) -> list[IO[bytes]]:
        pipes = [self._popen.stdin, self._popen.stdout, self._popen.stderr]
        return [pipe for pipe in pipes if pipe is not None]

    def _pump(self, line: bytes, feed: Callable[[bytes], _Answer | None], timeout_s: float) -> _Answer:
        """Write `line`, pass what comes back to `feed` until it has an answer, keep the tail of stderr."""
        deadline = time.monotonic() + timeout_s
        stdin, stdout, stderr = (pipe.fileno() for pipe in self._pipes())
        left, noise = memoryview(line), 0
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            selector.register(stderr, selectors.EVENT_READ)
            if left:
                selector.register(stdin, selectors.EVENT_WRITE)
            while True:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                # Asked after the wait, so that a task which never stops talking cannot push its deadline away.
                if time.monotonic() >= deadline:
                    self._time_out(timeout_s)
                for key, _ in ready:
                    if key.fd == stdin:
                        left = _write(stdin, left)
                        if not left:
                            selector.unregister(stdin)
                        continue
                    data = os.read(key.fd, _READ)
                    if key.fd == stderr:
                        noise += len(data)
                        self._keep(data)
                        if not data:
                            selector.unregister(stderr)
                        if noise > STDERR_MAX:
                            raise OutputTooLarge(f"the task printed over {STDERR_MAX >> 20} MiB; print less")
                    elif not data:
                        self._fail()
                    elif (answer := feed(data)) is not None:
                        return answer

    def _time_out(self, timeout_s: float) -> NoReturn:
        if self._stopped is not None:
            self._fail()
        self.stop("timed out")
        raise TaskTimedOut(
            f"the task did not answer within {timeout_s:g} s and was killed; give it more time or less work",
            timeout_s=timeout_s,
        )

    def _fail(self) -> NoReturn:
        """The process closed its stream: find out why it ended and say so."""
        report = self._last_word()
        if self._stopped is not None:
            raise TaskKilled(f"the task was {self._stopped} by the host", reason="cancelled")
        if report is None:
            raise TaskCrashed(f"the task's process closed its answers and went on{self._said()}")
        code, oom_kills = report
        if oom_kills:
            raise TaskKilled("the task used more memory than it may and was killed", reason="out-of-memory")
        if code == 128 + signal.SIGXCPU:
            raise TaskKilled("the task used more processor time than it may and was killed", reason="cpu-time")
        if code == 128 + signal.SIGKILL:
            raise TaskKilled(f"the task's process was killed{self._said()}", reason="killed")
        raise TaskCrashed(f"the task's process ended with code {code} and no answer{self._said()}", exit_code=code)

    def _last_word(self) -> tuple[int, int] | None:
        """The exit code and how many processes were killed for memory; None when the tree lives on without a stream."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._status, selectors.EVENT_READ)
            ready = selector.select(_LAST_WORD_S)
        line = os.read(self._status, 4096) if ready else b""
        # What the tree printed is read after its end, so nothing is missed.
        for _ in range(STDERR_MAX // _READ):
            try:
                data = os.read(self._pipes()[2].fileno(), _READ)
            except BlockingIOError:
                break
            if not data:
                break
            self._keep(data)
        if not line:
            return None
        code, oom_kills = line.split()
        return int(code), int(oom_kills)

    def _keep(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-STDERR_KEPT:]

    def _said(self) -> str:
        tail = printable(self._tail.decode(errors="replace"), length_max=STDERR_KEPT).strip()
        return f"; it printed last: {tail}" if tail else ""


@functools.cache
def detect() -> Isolation:
    """How this machine can isolate tasks, found by doing it once; later calls answer from memory.

    Raises:
        SandboxUnavailable: it cannot, and what to install or allow.
    """
    with tempfile.TemporaryDirectory(prefix="neuromation-detect-") as folder:
        try:
            Session.start("neuromation.agent.sandbox.child", Path(folder), SandboxLimits()).close()
        except TaskFailure as error:
            raise SandboxUnavailable(f"Python does not start in the sandbox here: {error.message}") from error
    return Isolation.BUBBLEWRAP


def _write(fd: int, left: memoryview) -> memoryview:
    try:
        return left[os.write(fd, left) :]
    except BlockingIOError:
        return left
    except BrokenPipeError:
        # The process is gone; the end of its answers will say so.
        return left[len(left) :]


def _share(folder: Path) -> None:
    """Make the folder and the plain files in it readable to all; links are left alone, for they may lead elsewhere."""
    folder.chmod(folder.stat().st_mode | 0o555)
    for entry in os.scandir(folder):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISREG(mode) and mode & 0o444 != 0o444:
            Path(entry.path).chmod(mode | 0o444)


def _raise_answered(error: HandlerError) -> NoReturn:
    if error.reason == "out-of-memory":
        raise TaskKilled(error.message, reason="out-of-memory") from error
    if error.reason == "task-crashed":
        raise TaskCrashed(error.message) from error
    raise TaskRefused(error.message, reason=error.reason) from error


def _advice(message: str) -> str:
    said = message[message.index("bwrap: ") :].strip()
    if re.search(r"uid map|namespace|Operation not permitted|Permission denied", said):
        return (
            f"{said}; allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1; on Ubuntu "
            "kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for bwrap; in a container, a "
            "seccomp profile that lets it make namespaces)"
        )
    return said
