"""How a task's world is built with bubblewrap: what it sees, under which limits; refuses to know the protocol.

The recipe: user, pid, ipc, uts, net and cgroup namespaces, no further user namespaces, an empty environment from the
first process on, a read-only root that holds the Python runtime alone, sized tmpfs for everything writable, the
seccomp filter, rlimits. A host that is root first becomes a user that owns nothing: a uid that only looks different
inside a user namespace would still read root's files.
"""

from __future__ import annotations

import functools
import os
import re
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import neuromation
from neuromation.agent.sandbox import seccomp
from neuromation.agent.sandbox.errors import SandboxUnavailable
from neuromation.agent.sandbox.model import CANONICAL_RUNTIME, MACHINE_CODE, SandboxLimits
from neuromation.agent.sandbox.supervisor import STAGE
from neuromation.kernel import machine_code

MIB = 1 << 20
VERSION_MIN = (0, 8)
# bwrap itself is one process outside and one inside.
OWN_PROCESSES = 2
UID_INSIDE = "1000"
IN, OUT = Path("/in"), Path("/out")
OWN_CODE = Path("/tmp/machine-code")  # noqa: S108 - the copy of MACHINE_CODE that a task may add to
FRAMES, FILTER, PASSWD = "{frames}", "{filter}", "{passwd}"
# A range of user numbers that neither people, nor subuid, nor systemd hand out; one number a session.
_UID_FIRST, _UID_COUNT = 1_900_000_000, 1 << 24
# Address space is reserved far beyond what is used: torch alone takes 0.7 GiB, a thread 72 MiB.
_ADDRESS_SLACK_MIB = 16 << 10
_USR = Path("/usr")
_TOP = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_RUNTIME_PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")


@dataclass(frozen=True)
class World:
    """What the supervisor is told, all but control groups and the command."""

    options: tuple[str, ...]
    staged: tuple[str, ...]
    uid: int | None
    data: dict[str, str]


@functools.cache
def executable() -> str:
    """The path of a bwrap that is new enough.

    Raises:
        SandboxUnavailable: there is none, or this is no Linux on a machine that the filter knows.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise SandboxUnavailable(
            "bubblewrap is not installed; tasks of strangers need it: install it "
            "(apt install bubblewrap, dnf install bubblewrap), or use --unsafe-no-sandbox on a machine without secrets"
        )
    if os.uname().machine not in seccomp.MACHINES:
        raise SandboxUnavailable(f"there is no system-call filter for {os.uname().machine}; use x86_64 or aarch64")
    text = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, env={}).stdout
    version = tuple(int(number) for number in re.findall(r"\d+", text)[:2])
    if version < VERSION_MIN:
        raise SandboxUnavailable(f"{text.strip() or path} is too old; bubblewrap 0.8.0 or newer is needed")
    return path


def runtime() -> list[Path]:
    """The host folders and files that Python and this package need, beside /usr.

    Only the parts of a prefix that hold a runtime are shown, so a virtual environment in a project's root shows no
    project.

    Raises:
        SandboxUnavailable: a prefix is the root folder.
    """
    found: dict[Path, None] = {}
    prefixes = dict.fromkeys(
        Path(p).resolve() for p in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    )
    for prefix in prefixes:
        if prefix == Path("/"):
            raise SandboxUnavailable(
                "this Python's prefix is / and cannot be shown to a task; use a virtual environment"
            )
        found.update(dict.fromkeys(prefix / part for part in _RUNTIME_PARTS))
    found[Path(neuromation.__file__).resolve().parent] = None
    shown = [_USR]
    for path in found:
        if path.exists() and not any(path.resolve().is_relative_to(other) for other in shown):
            shown.append(path)
    return shown[1:]


def build(inputs_dir: Path, limits: SandboxLimits) -> World:
    """The world of one session: `inputs_dir` at /in, a tmpfs at /out, and nothing else of this machine."""
    drops = os.geteuid() == 0
    code = machine_code.folder()
    shown = {path: path for path in runtime()} | ({code.resolve(): MACHINE_CODE} if code.is_dir() else {})
    shown[inputs_dir.resolve(strict=True)] = IN
    sources, targets = list(shown), list(shown.values())
    options = [*_namespaces(), *_system()]
    options += ["--ro-bind-data", PASSWD, "/etc/passwd", "--proc", "/proc", "--dev", "/dev"]
    sizes_mib = {"/dev/shm": limits.tmp_mib, "/tmp": limits.tmp_mib, OUT: limits.out_mib}  # noqa: S108
    for target, size_mib in sizes_mib.items():
        options += ["--perms", "0700", "--size", str(size_mib * MIB), "--tmpfs", str(target)]
    # After /tmp, which would hide a runtime that lies below it.
    for index, (source, shown_at) in enumerate(zip(sources, targets, strict=True)):
        options += ["--ro-bind", f"{STAGE}/{index}" if drops else str(source), str(shown_at)]
    # Last, for it ends all changes: otherwise / and /dev are tmpfs without a size.
    options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--seccomp", FILTER]  # noqa: S108
    for name, value in environment(IN, OUT, home="/tmp", code=OWN_CODE, limits=limits).items():  # noqa: S108
        options += ["--setenv", name, value]
    passwd = f"task:x:{UID_INSIDE}:{UID_INSIDE}::/tmp:/usr/sbin/nologin\n"
    return World(
        options=tuple(options),
        staged=tuple(map(str, sources)) if drops else (),
        uid=_UID_FIRST + secrets.randbelow(_UID_COUNT) if drops else None,
        data={FILTER: seccomp.program().hex(), PASSWD: passwd.encode().hex()},
    )


def environment(inputs: Path, out: Path, *, home: str, code: Path, limits: SandboxLimits) -> dict[str, str]:
    """The whole environment of a task: the canonical runtime, where things are, and nothing of the host's."""
    return {
        **CANONICAL_RUNTIME,
        machine_code.VARIABLE: str(code),
        "HOME": home,
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path(neuromation.__file__).resolve().parent.parent),
        "TMPDIR": home,
        "TZ": "UTC",
        "USER": "task",
        "NEUROMATION_FRAMES_FD": FRAMES,
        "NEUROMATION_IN": str(inputs),
        "NEUROMATION_OUT": str(out),
        "NEUROMATION_PROCESSES": str(limits.processes),
    }


def rlimits(limits: SandboxLimits, *, memory_is_grouped: bool) -> dict[str, tuple[int, int]]:
    """Soft and hard limits of each process, by name in `resource`; without a memory group they bound its data too."""
    values = {
        "RLIMIT_AS": (limits.memory_mib + _ADDRESS_SLACK_MIB) * MIB,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": max(limits.out_mib, limits.tmp_mib) * MIB,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_MSGQUEUE": 0,
    }
    if not memory_is_grouped:
        values["RLIMIT_DATA"] = limits.memory_mib * MIB
    # The soft limit's signal tells why; the hard one is for those who ignore it.
    return {name: (value, value) for name, value in values.items()} | {"RLIMIT_CPU": (limits.cpu_s, limits.cpu_s + 5)}


def _namespaces() -> list[str]:
    return [
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup-try"),
        *("--disable-userns", "--uid", UID_INSIDE, "--gid", UID_INSIDE, "--hostname", "sandbox", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--clearenv"),
    ]


def _system() -> list[str]:
    """/usr, its aliases at the top as this distribution has them, and what the loader needs of /etc."""
    options = ["--ro-bind", "/usr", "/usr"]
    for name in _TOP:
        path = Path("/", name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    return [*options, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
