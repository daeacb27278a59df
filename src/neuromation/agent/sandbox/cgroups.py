"""Memory and process limits for a whole process tree through cgroups, v1, v2 or both; refuses to know the sandbox.

A group is made below the host's own group, or below the nearest ancestor that may hold one. Its name carries the host's
process id and start, so that groups left by a host that was killed can be told from live ones and removed.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

CONTROLLERS = ("memory", "pids")
PREFIX = "neuromation-"
_serial = itertools.count(1)


@dataclass(frozen=True)
class Hierarchy:
    """Where one controller is governed: the cgroup version, its mount, and the folder of this process in it."""

    version: int
    mount: Path
    own: Path


@dataclass(frozen=True)
class Groups:
    """The folders made for one session, and the controllers that could not be had."""

    folders: tuple[Path, ...]
    missing: tuple[str, ...]


def hierarchies(mountinfo: str, membership: str) -> dict[str, Hierarchy]:
    """Who governs each of CONTROLLERS, from the text of /proc/self/mountinfo and /proc/self/cgroup."""
    own: dict[str, str] = {}
    for line in membership.splitlines():
        _, names, path = line.split(":", 2)
        own.update(dict.fromkeys(names.split(","), path))
    found: dict[str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind, _, options = after.split(maxsplit=2)
        for name in CONTROLLERS:
            if kind == "cgroup" and name in options.split(",") and name in own:
                found[name] = Hierarchy(1, Path(mount), _inside(mount, root, own[name]))
            elif kind == "cgroup2" and name not in own and "" in own:
                found[name] = Hierarchy(2, Path(mount), _inside(mount, root, own[""]))
    return found


def create(*, memory_mib: int, processes: int) -> Groups:
    """A new group for each controller that this machine lets us have. Removes stale ones on the way."""
    found = hierarchies(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    name = f"{PREFIX}{os.getpid()}-{_started(os.getpid())}-{next(_serial)}"
    limits = {"memory": memory_mib << 20, "pids": processes}
    folders: dict[Path, None] = {}
    missing = []
    for controller in CONTROLLERS:
        folder = _make(found[controller], controller, name, limits[controller]) if controller in found else None
        if folder is None:
            missing.append(controller)
        else:
            folders[folder] = None
    return Groups(tuple(folders), tuple(missing))


def remove(groups: Groups) -> None:
    """Remove the groups; one that still holds a process, or is gone, is left as it is."""
    for folder in groups.folders:
        _remove(folder)


def _inside(mount: str, root: str, path: str) -> Path:
    """The folder of group `path` under a mount that shows the tree from `root` down."""
    pure = PurePosixPath(path)
    relative = pure.relative_to(root) if pure.is_relative_to(root) else pure.relative_to("/")
    return Path(mount) / relative


def _make(hierarchy: Hierarchy, controller: str, name: str, limit: int) -> Path | None:
    for parent in _candidates(hierarchy):
        try:
            if hierarchy.version == 2:
                _delegate(parent, controller)
            _sweep(parent)
            folder = parent / name
            folder.mkdir(exist_ok=True)
        except OSError:
            continue
        try:
            _limit(folder, hierarchy.version, controller, limit)
        except OSError:
            _remove(folder)
            continue
        return folder
    return None


def _candidates(hierarchy: Hierarchy) -> Iterator[Path]:
    folder = hierarchy.own
    while folder.is_relative_to(hierarchy.mount):
        if folder.is_dir():
            yield folder
        folder = folder.parent


def _delegate(parent: Path, controller: str) -> None:
    """Have `parent` govern its children's `controller`; OSError where the kernel refuses (it holds processes)."""
    control = parent / "cgroup.subtree_control"
    if controller not in control.read_text().split():
        control.write_text(f"+{controller}")


def _limit(folder: Path, version: int, controller: str, limit: int) -> None:
    if controller == "pids":
        (folder / "pids.max").write_text(str(limit))
    elif version == 1:
        (folder / "memory.limit_in_bytes").write_text(str(limit))
        _try(folder / "memory.memsw.limit_in_bytes", str(limit))
        _try(folder / "memory.swappiness", "0")
    else:
        (folder / "memory.max").write_text(str(limit))
        _try(folder / "memory.swap.max", "0")
        _try(folder / "memory.oom.group", "1")


def _try(file: Path, text: str) -> None:
    """Write what some kernels lack: without swap there is no swap to limit."""
    try:
        if file.exists():
            file.write_text(text)
    except OSError:
        return


def _sweep(parent: Path) -> None:
    """Remove the empty groups of hosts that no longer run. Never kills: a process in one belongs to somebody."""
    for folder in parent.glob(f"{PREFIX}*-*-*"):
        pid, started, _ = folder.name.removeprefix(PREFIX).split("-", 2)
        if not (pid.isdecimal() and _started(int(pid)) == started):
            _remove(folder)


def _remove(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _started(pid: int) -> str:
    """When process `pid` started, in clock ticks since the boot, or nothing when it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
