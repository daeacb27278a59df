"""Attacks from inside the sandbox: each test is a task that tries to get out, to look around or to use too much."""

from __future__ import annotations

import errno
import os
import platform
import socket
import struct
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sandbox_probe import SMALL, a_session, ask, needs_bwrap

import neuromation
from neuromation.agent.sandbox import (
    SandboxLimits,
    Session,
    TaskCrashed,
    TaskFailure,
    TaskKilled,
    TaskTimedOut,
    cgroups,
    seccomp,
)
from neuromation.agent.sandbox.seccomp import DENIED, MACHINES

pytestmark = needs_bwrap
SECRET = "a-secret-of-the-host"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "given.txt").write_text("given")
    return folder


@pytest.fixture(scope="module")
def box(inputs: Path) -> Iterator[Session]:
    """One session, started by a host with a secret in its environment, for the attacks that fail quietly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_TOKEN", SECRET)
        with a_session(inputs) as session:
            yield session


def attack(session: Session, code: str, **request: Any) -> Any:
    """As `ask`, with the code's indentation taken off."""
    return ask(session, textwrap.dedent(code), **request)


# Looking around.


def test_files_of_the_host_are_not_there(box: Session, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    (Path(neuromation.__file__).parents[2] / "pyproject.toml").stat()
    wanted = [
        "/etc/shadow",
        "/etc/hostname",
        "/etc/ssl",
        "/root/.bashrc",
        "/root/.ssh",
        "/home",
        "/var",
        "/run",
        "/mnt",
        "/opt",
        "/boot",
        "/sys",
        "/srv",
        str(secret),
        str(Path(neuromation.__file__).parents[2] / "pyproject.toml"),
        str(Path(__file__)),
    ]
    assert attack(box, "value = [p for p in request['paths'] if os.path.exists(p)]", paths=wanted) == []


def test_only_the_runtime_and_the_task_own_folders_are_mounted(box: Session) -> None:
    top = {"bin", "dev", "etc", "in", "lib", "lib32", "lib64", "libx32", "machine-code", "out", "proc", "sbin", "tmp"}
    top |= {"usr"}
    runtime = {Path(p).parts[1] for p in (sys.prefix, sys.base_prefix, neuromation.__file__)}
    assert set(attack(box, "value = os.listdir('/')")) <= top | runtime
    assert attack(box, "value = sorted(os.listdir('/etc'))") == ["ld.so.cache", "passwd"]
    for parent in {Path("/root"), Path.home(), Path(neuromation.__file__).parents[2]}:
        seen = set(
            attack(box, "value = os.listdir(request['p']) if os.path.isdir(request['p']) else []", p=str(parent))
        )
        shown = {Path(p).relative_to(parent).parts[0] for p in _shown() if Path(p).is_relative_to(parent)}
        assert seen <= shown


def _shown() -> list[str]:
    return [sys.prefix, sys.base_prefix, neuromation.__file__]


def test_nothing_readable_belongs_to_a_closed_place(box: Session) -> None:
    """Walk everything: whatever is not under the runtime, /proc or /dev must be the task's own."""
    code = """
        runtime = tuple(request["runtime"]) + ("/usr", "/proc", "/dev", "/etc/ld.so.cache", "/bin", "/sbin", "/lib")
        runtime += ("/machine-code", "/tmp/machine-code")  # what the host has compiled, and the task's copy
        value = []
        for folder, folders, files in os.walk("/"):
            folders[:] = [f for f in folders if not os.path.join(folder, f).startswith(runtime)]
            value += [os.path.join(folder, f) for f in files if not os.path.join(folder, f).startswith(runtime)]
    """
    package = str(Path(neuromation.__file__).parent)
    prefixes = [str(Path(p).resolve()) for p in (sys.prefix, sys.base_prefix)]
    assert sorted(attack(box, code, runtime=[*prefixes, package])) == ["/etc/passwd", "/in/given.txt"]


def test_the_environment_of_the_host_is_not_readable_from_any_process(box: Session) -> None:
    code = """
        import glob
        value = ""
        for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/task/*/environ"):
            with open(path) as file:
                value += file.read()
    """
    found = attack(box, code)
    assert SECRET not in found
    assert "OMP_NUM_THREADS=1" in found
    assert attack(box, "value = open('/proc/1/environ').read()") == ""


def test_the_command_lines_show_no_folder_of_the_host(box: Session, inputs: Path) -> None:
    assert str(inputs.parent) not in attack(box, "value = open('/proc/1/cmdline').read()")


def test_processes_of_the_host_are_not_seen_and_cannot_be_signalled(box: Session) -> None:
    pids = attack(box, "value = [int(p) for p in os.listdir('/proc') if p.isdecimal()]")
    assert len(pids) <= 3
    code = """
        try:
            os.kill(request["pid"], 9)
        except OSError as error:
            value = error.errno
    """
    assert attack(box, code, pid=4_000_000) == errno.ESRCH
    assert attack(box, "value = os.getpid()") < 100


def test_no_descriptor_of_the_host_is_inherited(box: Session) -> None:
    code = """
        value = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                value.append(os.readlink(f"/proc/self/fd/{fd}"))
            except FileNotFoundError:
                pass
    """
    names = attack(box, code)
    assert all(name.startswith("pipe:") or name == "/dev/null" for name in names)
    assert len(names) <= 5


def test_the_task_has_no_privilege_and_cannot_gain_one(box: Session) -> None:
    status = dict(
        line.split(":\t", 1)
        for line in attack(box, "value = open('/proc/self/status').read()").splitlines()
        if ":\t" in line
    )
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split() == ["1000"] * 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only a root host becomes somebody else")
def test_a_root_host_is_not_root_for_the_kernel_either(box: Session) -> None:
    supervisor = box._process._popen.pid
    bwrap = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()[0]
    status = Path(f"/proc/{bwrap}/status").read_text()
    users = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
    assert all(int(user) >= 1_900_000_000 for user in users)
    assert "\nGroups:\t \n" in status


def test_there_is_no_terminal(box: Session) -> None:
    code = """
        try:
            os.open("/dev/tty", os.O_RDWR)
        except OSError as error:
            value = error.errno
    """
    assert attack(box, code) == errno.ENXIO


# The network.


def test_no_socket_reaches_the_network(box: Session) -> None:
    code = """
        import socket
        value = []
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_VSOCK, 38):
            try:
                socket.socket(family, socket.SOCK_STREAM)
            except OSError as error:
                value.append(error.errno)
    """
    assert attack(box, code) == [errno.EAFNOSUPPORT] * 6


def test_the_network_namespace_is_empty_too(box: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = f"{server.getsockname()[1]:04X}"
        assert f":{port} " in Path("/proc/net/tcp").read_text()
        assert f":{port} " not in attack(box, "value = open('/proc/net/tcp').read()")
    devices = attack(box, "value = open('/proc/net/dev').read()").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]


def test_abstract_sockets_of_the_host_are_not_reachable(box: Session) -> None:
    name = f"\0neuromation-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        code = """
            import socket
            try:
                socket.socket(socket.AF_UNIX).connect(request["name"])
            except OSError as error:
                value = error.errno
        """
        assert attack(box, code, name=name) == errno.ECONNREFUSED


# The kernel.

CALL = """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    value = []
    for call in request["calls"]:
        result = libc.syscall(*[ctypes.c_long(word) for word in call])
        value.append(ctypes.get_errno() if result == -1 else 0)
"""


def test_dangerous_calls_are_refused(box: Session) -> None:
    machine = MACHINES[platform.machine()]
    numbers = {name: row[machine.column] for name, row in DENIED.items() if row[machine.column] is not None}
    results = attack(box, CALL, calls=[[number, 0, 0, 0, 0, 0, 0] for number in numbers.values()])
    assert dict(zip(numbers, results, strict=True)) == dict.fromkeys(numbers, errno.EPERM)


def test_no_namespace_can_be_made(box: Session) -> None:
    machine = MACHINES[platform.machine()]
    calls = [[machine.clone, flag | 17, 0, 0, 0, 0] for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000)]
    calls += [[machine.clone3, 0, 0], [5000, 0]]
    assert attack(box, CALL, calls=calls) == [errno.EPERM] * 4 + [errno.ENOSYS] * 2


def test_programs_that_change_the_world_fail(box: Session) -> None:
    code = """
        import shutil, subprocess
        commands = ["unshare -Ur true", "mount -t tmpfs none /tmp", "su -c true", "nsenter -t 1 -m true"]
        present = [command.split() for command in commands if shutil.which(command.split()[0])]
        value = [subprocess.run(command, capture_output=True).returncode != 0 for command in present]
    """
    assert all(attack(box, code))


def test_namespaces_alone_hold_when_the_filter_is_gone(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two walls are two only if each stands alone: here the filter lets everything pass."""
    allow_all = struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000)
    monkeypatch.setattr(seccomp, "program", lambda: allow_all)
    code = """
        import ctypes, socket
        libc = ctypes.CDLL(None, use_errno=True)
        value = {}
        for name, flag in (("user", 0x10000000), ("mounts", 0x20000), ("network", 0x40000000)):
            value[name] = libc.unshare(flag) and ctypes.get_errno()
        value["mount"] = libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) and ctypes.get_errno()
        value["remount"] = libc.mount(b"none", b"/usr", b"", 32 | 4096, None) and ctypes.get_errno()
        value["unmount"] = libc.umount2(b"/in", 0) and ctypes.get_errno()
        value["chroot"] = libc.chroot(b"/tmp") and ctypes.get_errno()
        for host in ("127.0.0.1", "1.1.1.1"):
            with socket.socket() as s:
                value[host] = s.connect_ex((host, request["port"]))
    """
    with socket.create_server(("127.0.0.1", 0)) as server, a_session(inputs) as session:
        found = attack(session, code, port=server.getsockname()[1])
    assert found.pop("user") in (errno.ENOSPC, errno.EPERM)
    assert found.pop("127.0.0.1") == errno.ECONNREFUSED
    assert found.pop("1.1.1.1") == errno.ENETUNREACH
    assert found == dict.fromkeys(found, errno.EPERM)


# Writing where it must not.


def test_nothing_outside_its_own_folders_can_be_written(box: Session, inputs: Path) -> None:
    places = [
        "/",
        "/etc",
        "/usr",
        "/usr/bin",
        "/dev",
        "/in",
        "/proc",
        "/proc/sys/kernel",
        sys.prefix,
        f"{sys.prefix}/lib",
    ]
    places.append(str(Path(neuromation.__file__).parent))
    code = """
        value = []
        for place in request["places"]:
            try:
                open(os.path.join(place, "planted"), "w")
                value.append(place)
            except OSError:
                pass
    """
    planted = attack(box, code, places=places)
    assert not [place for place in places if (Path(place) / "planted").exists()]
    # A runtime that lies below /tmp has its parents in the sandbox's own /tmp: those it may write, and nobody sees it.
    assert [place for place in planted if not place.startswith("/tmp/")] == []
    for change in ("open('/in/given.txt', 'a')", "os.remove('/in/given.txt')", "os.chmod('/in/given.txt', 0o777)"):
        with pytest.raises(TaskCrashed, match=r"OSError|PermissionError"):
            attack(box, change)
    assert [path.name for path in inputs.iterdir()] == ["given.txt"]


@pytest.mark.parametrize("place", ["/out", "/tmp", "/dev/shm"])
def test_a_full_disk_is_the_task_own_problem(box: Session, place: str) -> None:
    code = """
        value = 0
        try:
            for i in range(64):
                with open(f"{request['place']}/fill{i}", "wb") as file:
                    for _ in range(16):
                        value += file.write(bytes(65536))
        except OSError as error:
            value = [error.errno, value]
        finally:
            for name in os.listdir(request["place"]):
                if name.startswith("fill"):  # a checkout below /tmp shows its runtime there, too
                    os.remove(f"{request['place']}/{name}")
    """
    number, written = attack(box, code, place=place)
    assert number == errno.ENOSPC
    assert written <= 4 << 20


def test_one_file_is_bounded_wherever_it_lies(box: Session) -> None:
    code = """
        try:
            os.truncate(os.memfd_create("m"), 1 << 30)
        except OSError as error:
            value = error.errno
    """
    assert attack(box, code) == errno.EFBIG


# Using too much.


def test_a_memory_bomb_is_killed_and_named(inputs: Path) -> None:
    with a_session(inputs, SandboxLimits(memory_mib=96)) as session:
        with pytest.raises(TaskKilled) as caught:
            attack(session, "hoard = []\nwhile True: hoard.append(bytes(1 << 20).replace(b'\\0', b'x'))")
        assert caught.value.reason == "out-of-memory"


def test_memory_that_is_no_process_own_counts_too(inputs: Path) -> None:
    with a_session(inputs, SandboxLimits(memory_mib=96)) as session:
        if "memory" in session.missing_limits:
            pytest.skip("this machine gives no control group for memory")
        code = """
            files = []
            while True:
                files.append(os.memfd_create("m"))
                os.write(files[-1], bytes(8 << 20))
        """
        with pytest.raises(TaskKilled) as caught:
            attack(session, code)
        assert caught.value.reason == "out-of-memory"


def test_without_control_groups_memory_is_still_bounded(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", lambda _mounts, _membership: {})
    with a_session(inputs, SandboxLimits(memory_mib=96, processes=8)) as session:
        assert session.missing_limits == ("memory", "pids")
        with pytest.raises(TaskKilled) as caught:
            attack(session, "hoard = bytes(200 << 20)")
        assert caught.value.reason == "out-of-memory"
        assert attack(session, FORKS) < 8


FORKS = """
    import signal
    value = 0
    try:
        while value < 5000:
            if os.fork() == 0:
                signal.pause()
                os._exit(0)
            value += 1
    except OSError:
        pass
"""


def test_a_fork_bomb_stops_at_the_limit(inputs: Path) -> None:
    with a_session(inputs) as session:
        assert 1 <= attack(session, FORKS) < SMALL.processes


def test_a_fork_bomb_that_never_answers_is_removed_whole(inputs: Path) -> None:
    with a_session(inputs) as session:
        folders = session._process.groups.folders
        with pytest.raises(TaskFailure):
            attack(session, "while True:\n  try: os.fork()\n  except OSError: pass", timeout_s=0.5)
        assert not session.alive
        assert not any(folder.exists() for folder in folders)


def test_threads_count_as_processes(inputs: Path) -> None:
    code = """
        import threading
        stop, value = threading.Event(), 0
        try:
            while value < 500:
                threading.Thread(target=stop.wait, daemon=True).start()
                value += 1
        except RuntimeError:
            pass
        stop.set()
    """
    with a_session(inputs) as session:
        assert attack(session, code) <= SMALL.processes


def test_open_files_are_limited(box: Session) -> None:
    code = """
        held = []
        try:
            while True:
                held.append(open("/dev/null"))
        except OSError as error:
            value = [error.errno, len(held)]
        finally:
            for file in held:
                file.close()
    """
    number, count = attack(box, code)
    assert number == errno.EMFILE
    assert count < SMALL.open_files


def test_ignoring_every_signal_does_not_help(inputs: Path) -> None:
    with a_session(inputs) as session:
        code = """
            import signal
            for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_IGN)
            while True:
                pass
        """
        with pytest.raises(TaskTimedOut):
            attack(session, code, timeout_s=0.4)


# And what a task is for.


def test_numpy_and_torch_work_inside(inputs: Path) -> None:
    code = """
        import numpy, torch
        torch.set_num_threads(1)
        weight = torch.ones(1, 1, 3, 3, requires_grad=True)
        torch.nn.functional.conv2d(torch.ones(2, 1, 28, 28), weight).sum().backward()
        value = [float((numpy.eye(50) @ numpy.ones(50)).sum()), weight.grad.tolist()[0][0][0]]
    """
    pytest.importorskip("torch")
    with a_session(inputs, replace(SMALL, memory_mib=1024)) as session:
        assert attack(session, code, timeout_s=60) == [50.0, [1352.0] * 3]
