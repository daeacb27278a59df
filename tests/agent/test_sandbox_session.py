"""A session's life: requests in turn, typed failures, ends of every kind; bare and under bubblewrap."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_probe import PROGRAM, SMALL, a_session, ask, needs_bwrap

import neuromation
from neuromation.agent.sandbox import (
    Isolation,
    OutputTooLarge,
    ProtocolViolation,
    SandboxLimits,
    SandboxUnavailable,
    Session,
    TaskCrashed,
    TaskKilled,
    TaskRefused,
    TaskTimedOut,
    bubblewrap,
    detect,
)
from neuromation.agent.sandbox.session import _advice
from neuromation.kernel.errors import Conflict, Invalid, TooLarge

# What a liar sends instead of frames; it greets properly first.
LIAR = """
import os, sys, json, struct
fd = int(os.environ["NEUROMATION_FRAMES_FD"])
def frame(kind, payload): return struct.pack(">BI", kind, len(payload)) + payload
os.write(fd, frame(1, b"{}"))
sys.stdin.readline()
os.write(fd, eval(sys.argv[1]))
sys.stdin.read()
"""


@pytest.fixture(scope="module", params=[pytest.param(False, marks=needs_bwrap), True], ids=["bwrap", "bare"])
def unsafe(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inputs")


@pytest.fixture(scope="module")
def box(unsafe: bool, inputs: Path) -> Iterator[Session]:
    """One session for all the tests that leave it usable."""
    with a_session(inputs, unsafe=unsafe) as session:
        yield session


def processes_of(session: Session) -> list[int]:
    """The host's numbers of every process below the session's supervisor."""
    found, todo = [], [session._process._popen.pid]
    while todo:
        pid = todo.pop()
        children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        found += children
        todo += children
    return found


def wait_until_gone(pids: list[int], timeout_s: float = 10) -> bool:
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ready, _, _ = select.select([descriptor], [], [], timeout_s)
        os.close(descriptor)
        if not ready:
            return False
    return True


def test_many_requests_are_answered_in_one_process(box: Session) -> None:
    pids = {ask(box, f"value = [os.getpid(), {i}]")[0] for i in range(50)}
    assert len(pids) == 1


def test_outputs_come_back_and_are_gone_at_the_next_request(box: Session) -> None:
    response = box.run(
        {"code": "(out / 'a.bin').write_bytes(bytes(range(256)) * 9000); (out / 'empty').touch()"}, timeout_s=20
    )
    assert response.outputs == {"a.bin": bytes(range(256)) * 9000, "empty": b""}
    assert ask(box, "value = os.listdir(out)") == []


def test_inputs_added_later_are_seen(box: Session, inputs: Path) -> None:
    (inputs / "late.txt").write_text("late")
    (inputs / "late.txt").chmod(0o600)
    assert ask(box, "value = (inputs / 'late.txt').read_text()") == "late"


def test_progress_is_reported(box: Session) -> None:
    seen: list[tuple[float, str]] = []
    box.run({"code": "progress(1.0, 'done')"}, timeout_s=20, on_progress=lambda f, text: seen.append((f, text)))
    assert seen[-1] == (1.0, "done")


def test_prints_and_children_that_print_do_not_disturb_the_answer(box: Session) -> None:
    code = "print('x' * 9999); os.write(1, bytes(5000)); os.system('echo loud'); value = sys.stdin.read()"
    assert ask(box, code) == ""


def test_the_environment_is_the_canonical_one_and_nothing_else(
    unsafe: bool, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "leak")
    with a_session(inputs, unsafe=unsafe) as session:
        found = ask(session, "value = dict(os.environ)")
    expected = bubblewrap.environment(Path("/in"), Path("/out"), home="/tmp", code=Path("/code"), limits=SMALL)
    # bwrap sets PWD; libc's locale start-up may set LC_CTYPE.
    assert found.keys() - {"PWD", "LC_CTYPE"} == expected.keys()
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["OPENBLAS_CORETYPE"] == "Haswell"


def test_a_refusal_keeps_its_reason_and_the_session(box: Session) -> None:
    with pytest.raises(TaskRefused, match="the seed is negative") as caught:
        ask(
            box,
            "from neuromation.kernel.errors import Invalid; raise Invalid('the seed is negative', reason='bad-seed')",
        )
    assert caught.value.reason == "bad-seed"
    assert ask(box, "value = 1") == 1


def test_an_exception_is_a_crash_that_keeps_the_session(box: Session) -> None:
    with pytest.raises(TaskCrashed, match="ZeroDivisionError: division by zero"):
        ask(box, "1 / 0")
    assert box.alive


def test_a_memory_error_is_out_of_memory(box: Session) -> None:
    with pytest.raises(TaskKilled) as caught:
        ask(box, "raise MemoryError")
    assert caught.value.reason == "out-of-memory"


def test_a_result_that_is_no_json_is_a_crash(box: Session) -> None:
    with pytest.raises(TaskCrashed, match="not JSON"):
        ask(box, "value = float('nan')")


def test_an_output_in_a_folder_or_behind_a_link_is_refused(box: Session) -> None:
    for code in ("(out / 'd').mkdir()", "(out / 'l').symlink_to('/etc/passwd')", "os.mkfifo(out / 'f')"):
        with pytest.raises(TaskRefused, match="no plain file"):
            ask(box, code)
    assert ask(box, "value = os.listdir(out)") == []


def test_a_request_that_is_too_large_is_not_sent(box: Session) -> None:
    with pytest.raises(TooLarge, match="pass data as inputs"):
        box.run({"code": "x" * (5 << 20)}, timeout_s=5)
    assert box.alive


def test_a_hanging_task_is_killed_with_its_whole_tree(unsafe: bool, inputs: Path) -> None:
    with a_session(inputs, unsafe=unsafe) as session:
        # A child and a grandchild in a session of their own; the pipe ends when both have become another program.
        code = """
            r, w = os.pipe()
            os.fork() or (os.setsid(), os.fork(), os.execv("/usr/bin/sleep", ["sleep", "1000"]))
            os.close(w)
            os.read(r, 1)
        """
        ask(session, textwrap.dedent(code))
        pids = processes_of(session)
        assert len(pids) >= 3
        with pytest.raises(TaskTimedOut, match=r"within 0\.3 s"):
            ask(session, "while True: pass", timeout_s=0.3)
        assert not session.alive
        assert wait_until_gone(pids, 0)
        assert not any(folder.exists() for folder in session._process.groups.folders)
        with pytest.raises(Conflict, match="start another"):
            ask(session, "value = 1")


def test_a_task_that_talks_without_end_is_timed_out_too(unsafe: bool, inputs: Path) -> None:
    with a_session(inputs, unsafe=unsafe) as session, pytest.raises((TaskTimedOut, OutputTooLarge)):
        ask(session, "while True: os.write(2, bytes(65536))", timeout_s=0.5)


@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        ("sys.stderr.write('last words'); sys.stderr.flush(); os._exit(3)", TaskCrashed, "code 3 .*last words"),
        ("os.kill(os.getpid(), 11)", TaskCrashed, "code 139"),
        ("os.kill(os.getpid(), 9)", TaskKilled, "was killed"),
        ("os.closerange(3, 99)\nwhile True: pass", TaskCrashed, "closed its answers"),
    ],
)
def test_a_process_that_dies_in_the_middle_says_how(
    unsafe: bool, inputs: Path, code: str, expected: type[Exception], words: str
) -> None:
    with a_session(inputs, unsafe=unsafe) as session:
        with pytest.raises(expected, match=words):
            ask(session, code)
        assert not session.alive


@pytest.mark.parametrize(
    ("lie", "expected"),
    [
        ("struct.pack('>BI', 5, 2**32 - 1) + b'x' * 100000", ProtocolViolation),
        ("bytes(100000)", ProtocolViolation),
        ("b'HTTP/1.1 200 OK'", ProtocolViolation),
        ("frame(5, b'not json')", ProtocolViolation),
        ('frame(3, b\'{"name": "../x", "size": 1}\')', ProtocolViolation),
        ('frame(3, b\'{"name": "x", "size": 99999999}\')', OutputTooLarge),
        ("frame(5, b'{}') * 2", ProtocolViolation),
    ],
)
def test_a_process_that_lies_in_the_protocol_is_not_believed(inputs: Path, lie: str, expected: type[Exception]) -> None:
    program = [sys.executable, "-c", LIAR, lie]
    with Session.start(program, inputs, SMALL, unsafe=True) as session:
        with pytest.raises(expected):
            session.run({}, timeout_s=20)
        assert not session.alive


def test_a_program_that_does_not_serve_does_not_start(unsafe: bool, inputs: Path) -> None:
    with pytest.raises(TaskCrashed, match="No module named"):
        Session.start("neuromation.no_such_module", inputs, SMALL, unsafe=unsafe)


def test_a_program_that_never_gets_ready_is_killed(inputs: Path) -> None:
    with pytest.raises(TaskTimedOut):
        Session.start(["/bin/sleep", "1000"], inputs, SMALL, unsafe=True, ready_s=0.2)


def test_a_cancelled_task_is_killed(unsafe: bool, inputs: Path) -> None:
    with a_session(inputs, unsafe=unsafe) as session:
        with pytest.raises(TaskKilled) as caught:
            # Cancelled from another thread as soon as the task is known to run.
            session.run(
                {"code": "progress(1.0)\nwhile True: pass"},
                timeout_s=20,
                on_progress=lambda _fraction, _text: threading.Thread(target=session.cancel).start(),
            )
        assert caught.value.reason == "cancelled"


def test_an_error_of_the_host_ends_the_session(unsafe: bool, inputs: Path) -> None:
    def fail(_fraction: float, _text: str) -> None:
        raise LookupError

    with a_session(inputs, unsafe=unsafe) as session:
        with pytest.raises(LookupError):
            session.run({"code": "progress(1.0)"}, timeout_s=20, on_progress=fail)
        assert not session.alive


def test_a_session_outlives_the_thread_that_started_it(unsafe: bool, inputs: Path) -> None:
    started: list[Session] = []
    thread = threading.Thread(target=lambda: started.append(a_session(inputs, unsafe=unsafe)))
    thread.start()
    thread.join()
    with started[0] as session:
        assert ask(session, "value = 7") == 7


def test_processor_time_is_limited(unsafe: bool, inputs: Path) -> None:
    with a_session(inputs, SandboxLimits(memory_mib=256, cpu_s=1), unsafe=unsafe) as session:
        with pytest.raises(TaskKilled) as caught:
            ask(session, "while True: pass", timeout_s=60)
        assert caught.value.reason == "cpu-time"


HOST = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from sandbox_probe import a_session
from test_sandbox_session import processes_of
with a_session(Path(sys.argv[2]), unsafe=sys.argv[3] == "True") as session:
    pids = [session._process._popen.pid, *processes_of(session)]
    left = [*session._process.groups.folders, *filter(None, [session._process._scratch])]
    print(*pids, *left, flush=True)
    session.run({"code": "while True: pass"}, timeout_s=50)
"""


def test_nothing_outlives_a_host_that_is_killed(unsafe: bool, inputs: Path) -> None:
    command = [sys.executable, "-c", HOST, str(Path(__file__).parent), str(inputs), str(unsafe)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        words = host.stdout.readline().split()
        host.send_signal(signal.SIGKILL)
    pids = [int(word) for word in words if word.isdecimal()]
    folders = [Path(word) for word in words if not word.isdecimal()]
    assert len(folders) >= unsafe
    assert len(pids) >= 2
    assert wait_until_gone(pids)
    assert not any(folder.exists() for folder in folders)


def test_nothing_outlives_a_supervisor_that_is_killed(unsafe: bool, inputs: Path) -> None:
    with a_session(inputs, unsafe=unsafe) as session:
        pids = processes_of(session)
        session._process._popen.send_signal(signal.SIGKILL)
        assert wait_until_gone(pids)
        with pytest.raises(TaskCrashed):
            ask(session, "value = 1")
    assert not any(folder.exists() for folder in session._process.groups.folders)


@needs_bwrap
def test_this_machine_is_found_to_isolate() -> None:
    assert detect() is Isolation.BUBBLEWRAP


def test_without_bubblewrap_the_error_says_what_to_install(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    bubblewrap.executable.cache_clear()
    try:
        with pytest.raises(SandboxUnavailable, match="apt install bubblewrap"):
            Session.start(PROGRAM, inputs, SMALL)
    finally:
        bubblewrap.executable.cache_clear()


@needs_bwrap
def test_a_bubblewrap_that_fails_is_reported_in_its_own_words(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "_namespaces", lambda: ["--no-such-option"])
    with pytest.raises(SandboxUnavailable, match=r"cannot isolate tasks here: bwrap: Unknown option --no-such-option"):
        Session.start(PROGRAM, inputs, SMALL)


def test_a_kernel_that_forbids_user_namespaces_is_explained() -> None:
    said = _advice("the task's process ended; it printed last: bwrap: setting up uid map: Permission denied")
    assert "kernel.apparmor_restrict_unprivileged_userns=0" in said


def test_limits_out_of_range_are_refused() -> None:
    with pytest.raises(Invalid, match="memory_mib is 1"):
        SandboxLimits(memory_mib=1)


OTHER_HOST = """
import os, sys, tempfile
from pathlib import Path
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from neuromation.agent.sandbox import Session, SandboxLimits
program = [sys.executable, "-P", "-s", "-c", sys.argv[1]]
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "in.txt").write_text("in")
    with Session.start(program, Path(folder), SandboxLimits(memory_mib=256)) as session:
        code = "value = [open('/in/in.txt').read(), os.getuid(), open('/proc/1/environ').read()]"
        print(session.run({"code": code}, timeout_s=20).result["value"])
"""


@needs_bwrap
def test_an_unprivileged_host_can_isolate_too() -> None:
    if os.geteuid() != 0:
        pytest.skip("the host is unprivileged already: every other test here shows it")
    python = next((program for program in (sys.executable, "/usr/bin/python3") if _open_to_all(program)), None)
    if python is None:
        pytest.skip("there is no Python that another user may run")
    source = str(Path(neuromation.__file__).parents[1])
    done = subprocess.run(
        [python, "-P", "-B", "-c", OTHER_HOST, PROGRAM[-1]],
        env={"PYTHONPATH": source, "PATH": os.environ["PATH"], "SECRET": "leak"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "['in', 1000, '']\n", done.stderr


def _open_to_all(program: str) -> bool:
    """Whether a user who owns nothing may run `program`, and it is new enough."""
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    try:
        test = "import sys; sys.exit(sys.version_info < (3, 11))"
        return subprocess.run([program, "-c", test], check=False, cwd="/", env={}, **nobody).returncode == 0
    except OSError:
        return False


def test_a_runtime_that_lies_below_tmp_is_not_hidden_by_the_sandboxs_own_tmp(tmp_path: Path) -> None:
    options = bubblewrap.build(tmp_path, SandboxLimits()).options
    own_tmp = next(i for i, option in enumerate(options) if options[i - 1 : i + 1] == ("--tmpfs", "/tmp"))
    shown = options.index(str(bubblewrap.runtime()[0]))
    assert own_tmp < shown
