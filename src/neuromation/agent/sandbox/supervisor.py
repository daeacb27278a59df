"""Stands between the host and one sandbox so that nothing outlives either; knows a plan, refuses to know tasks.

It runs as a script of its own (`python -I -S supervisor.py CONTROL STATUS`) with one thread, so the kernel's
parent-death signal and fork are safe here, which in a host with threads they are not; the host imports only its
constants and `packed`. It reads the plan from the file descriptor CONTROL and starts the command. When the host closes
CONTROL, writes to it or dies, the whole tree is killed. At the end the control groups are removed and one line, the
exit code and the number of processes killed for memory, goes to the file descriptor STATUS.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import select
import sys
import time

# json, signal and typing would double the time that every sandbox takes to start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_SIGKILL = 9
# linux/prctl.h, linux/sched.h, linux/mount.h
_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36
_NEW_MOUNTS = 0x20000
_NO_SUID, _NO_DEVICES, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 4096, 16384, 1 << 18

# Where the private mount namespace shows the host folders that the sandbox's own user could not reach by their paths.
STAGE = "/tmp/neuromation-stage"  # noqa: S108 - on a tmpfs that only this process tree sees
JOIN_FAILED = "cannot join the control group"
_REMOVE_TRIES = 200

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Read the plan, run it to its end, report."""
    control, status = int(sys.argv[1]), int(sys.argv[2])
    for fd in (control, status):
        os.set_inheritable(fd, False)
    _libc.prctl(_SET_SUBREAPER, 1, 0, 0, 0)
    plan = _read_plan(control)
    child = os.fork()
    if child == 0:
        _become(plan)
    for fd in (0, 1, 2):
        # The pipes belong to the task now: the host must see their end when the task ends.
        os.dup2(os.open(os.devnull, os.O_RDWR), fd)
    code = _wait(child, control, plan["host_pid"])
    oom_kills = _oom_kills(plan["cgroups"])
    for folder in plan["cgroups"]:
        _remove(folder)
    if plan["scratch"]:
        # Only a bare task has one; a sandbox leaves nothing on the disk.
        import shutil

        shutil.rmtree(plan["scratch"], ignore_errors=True)
    os.write(status, f"{code} {oom_kills}\n".encode())


def _read_plan(control: int) -> dict[str, Any]:
    """The plan, in the form of `packed`. marshal is no format for strangers, but this comes from our own host."""
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4]):
        more = os.read(control, 65536)
        if not more:
            raise SystemExit(1)
        data += more
    plan: dict[str, Any] = marshal.loads(data[4:])  # noqa: S302
    return plan


def packed(plan: dict[str, Any]) -> bytes:
    """A plan as the supervisor reads it: four bytes of length, then marshal."""
    data = marshal.dumps(plan)
    return len(data).to_bytes(4) + data


def _wait(child: int, control: int, host_pid: int) -> int:
    """Wait for the child's end or the host's word, then kill whatever is left; the child's exit code, 128 + signal."""
    poll = select.poll()
    poll.register(control, select.POLLIN | select.POLLHUP)
    poll.register(os.pidfd_open(child), select.POLLIN)
    if (host := _host(host_pid)) is not None:
        poll.register(host, select.POLLIN)
    poll.poll()
    ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, _SIGKILL)
        _, status = os.waitpid(child, 0)
    _reap_all()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _host(host_pid: int) -> int | None:
    """A descriptor that becomes readable when the host ends; None when only the end of CONTROL can tell.

    A copy of CONTROL may live on in a process that the host forked, so its end alone is not enough.
    """
    try:
        host = os.pidfd_open(host_pid)
    except OSError:
        host = None
    if os.getppid() != host_pid:
        return os.open(os.devnull, os.O_RDONLY)
    return host


def _reap_all() -> None:
    """Kill the orphans, which all come to this process, until there are none."""
    while True:
        for pid in _children():
            _kill(pid)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    me = os.getpid()
    try:
        with open(f"/proc/self/task/{me}/children") as file:  # noqa: PTH123 - pathlib is slow to load
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, _SIGKILL)
    except ProcessLookupError:
        return


def _oom_kills(folders: list[str]) -> int:
    """How many processes the memory group killed; v2 says it in memory.events, v1 in memory.oom_control."""
    count = 0
    for folder in folders:
        for name in ("memory.events", "memory.oom_control"):
            try:
                with open(f"{folder}/{name}") as file:  # noqa: PTH123
                    count += sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
            except OSError:
                continue
    return count


def _remove(folder: str) -> None:
    """Remove one group; the kernel may need a moment after the last process in it died."""
    for _ in range(_REMOVE_TRIES):
        try:
            os.rmdir(folder)  # noqa: PTH106
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return


def _become(plan: dict[str, Any]) -> NoReturn:
    """In the forked child: take on the limits and the user, then become the command."""
    try:
        _join(plan["cgroups"])
        if plan["uid"] is not None:
            _stage(plan["staged"])
        for name, (soft, hard) in plan["rlimits"].items():
            _limit(getattr(resource, name), soft, hard)
        if plan["uid"] is not None:
            os.setgroups([])
            os.setresgid(plan["uid"], plan["uid"], plan["uid"])
            os.setresuid(plan["uid"], plan["uid"], plan["uid"])
        _execute(plan)
    except OSError as error:
        os.write(2, f"neuromation sandbox: {error}\n".encode())
    finally:
        os._exit(125)


def _join(folders: list[str]) -> None:
    for folder in folders:
        try:
            with open(f"{folder}/cgroup.procs", "w") as file:  # noqa: PTH123
                file.write("0")
        except OSError as error:
            raise OSError(f"{JOIN_FAILED} {folder}: {error.strerror}") from error


def _stage(sources: list[str]) -> None:
    """Show each source at STAGE/index, in mounts that only this process tree sees.

    The sandbox's user must not be able to walk through the host's folders, and the runtime may well lie below one
    that is closed to it (/root). So root binds the few folders needed to a place that everybody can reach.
    """
    _check(_libc.unshare(_NEW_MOUNTS), "unshare")
    _mount("none", "/", "", _RECURSIVE | _PRIVATE, "")
    # Opened before the tmpfs hides what lies in /tmp.
    handles = [(source, os.open(source, os.O_PATH)) for source in sources]
    _mount("tmpfs", os.path.dirname(STAGE), "tmpfs", _NO_SUID | _NO_DEVICES, "mode=1777,size=1m")  # noqa: PTH120
    os.mkdir(STAGE, 0o755)  # noqa: PTH102
    for index, (source, handle) in enumerate(handles):
        target = f"{STAGE}/{index}"
        if os.path.isdir(source) or os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112
            os.mkdir(target, 0o755)  # noqa: PTH102
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        _mount(f"/proc/self/fd/{handle}", target, "", _BIND | _RECURSIVE, "")
        os.close(handle)


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    code = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _check(code, f"mount {target}")


def _check(code: int, what: str) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _limit(which: int, soft: int, hard: int) -> None:
    """Set a limit, never above the hard one that this process already has."""
    _, most = resource.getrlimit(which)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(which, (soft, hard))


def _execute(plan: dict[str, Any]) -> NoReturn:
    """Point 1 at 2, keep the frames on a descriptor of their own, fill in the descriptors' numbers, and exec."""
    frames = os.dup(1)
    os.set_inheritable(frames, True)
    os.dup2(2, 1)
    numbers = {"{frames}": str(frames)}
    for mark, text in plan["data"].items():
        numbers[mark] = str(_memory_file(bytes.fromhex(text)))
    command = [numbers.get(word, word) for word in plan["command"]]
    if options := plan["options"]:
        # bwrap reads its options from a descriptor, so that /proc/1/cmdline shows no paths of the host.
        words = "".join(numbers.get(word, word) + "\0" for word in options)
        command = [command[0], "--args", str(_memory_file(words.encode())), "--", *command[1:]]
    else:
        os.chdir(plan["env"]["HOME"])
    os.setsid()
    _libc.prctl(_SET_DEATH_SIGNAL, _SIGKILL, 0, 0, 0)
    env = {name: numbers.get(value, value) for name, value in plan["env"].items()}
    os.execve(command[0], command, env)  # noqa: S606 - no shell is the point


def _memory_file(data: bytes) -> int:
    fd = os.memfd_create("plan", 0)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


if __name__ == "__main__":
    main()
