"""Finding the control groups in the text that the kernel gives, on machines of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from neuromation.agent.sandbox import cgroups
from neuromation.agent.sandbox.cgroups import Hierarchy, hierarchies

V1 = """\
30 29 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
31 29 0:27 / /sys/fs/cgroup/pids rw,relatime shared:10 - cgroup cgroup rw,pids
32 29 0:28 / /sys/fs/cgroup/unified rw,relatime shared:11 - cgroup2 cgroup2 rw,nsdelegate
"""
V2 = "30 29 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
IN_A_CONTAINER = "30 29 0:26 /docker/abc /sys/fs/cgroup/memory ro shared:9 - cgroup cgroup rw,memory\n"


def test_v1_controllers_are_found_each_in_its_own_tree() -> None:
    found = hierarchies(V1, "8:pids:/\n4:memory:/jobs/1\n0::/user\n")
    assert found == {
        "memory": Hierarchy(1, Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/memory/jobs/1")),
        "pids": Hierarchy(1, Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup/pids")),
    }


def test_v2_governs_both_from_one_tree() -> None:
    found = hierarchies(V2, "0::/user.slice/user-1000.slice\n")
    own = Path("/sys/fs/cgroup/user.slice/user-1000.slice")
    assert found == dict.fromkeys(("memory", "pids"), Hierarchy(2, Path("/sys/fs/cgroup"), own))


def test_a_mount_that_shows_a_part_of_the_tree_is_read_from_that_part() -> None:
    found = hierarchies(IN_A_CONTAINER, "4:memory:/docker/abc/inner\n")
    assert found["memory"].own == Path("/sys/fs/cgroup/memory/inner")


def test_no_mounts_means_no_controllers() -> None:
    assert hierarchies("", "0::/\n") == {}


def test_limits_of_version_two_are_written_below_the_nearest_ancestor_that_delegates(tmp_path: Path) -> None:
    own = tmp_path / "user.slice" / "session.scope"
    own.mkdir(parents=True)
    # The own group holds processes, so the kernel lets only its parent delegate; here it has no control file at all.
    (tmp_path / "user.slice" / "cgroup.subtree_control").write_text("memory pids\n")
    for name in ("memory", "pids"):
        folder = cgroups._make(Hierarchy(2, tmp_path, own), name, "neuromation-1-2-3", 64 << 20)
        assert folder == tmp_path / "user.slice" / "neuromation-1-2-3"
    assert (folder / "memory.max").read_text() == str(64 << 20)
    assert (folder / "pids.max").read_text() == str(64 << 20)


def test_a_tree_that_may_not_be_written_is_given_up(tmp_path: Path) -> None:
    assert cgroups._make(Hierarchy(2, tmp_path, tmp_path), "memory", "neuromation-1-2-3", 1) is None


def test_groups_of_dead_hosts_are_removed_and_those_of_the_living_kept(tmp_path: Path) -> None:
    me = os.getpid()
    gone = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    gone.wait()
    alive = tmp_path / f"neuromation-{me}-{cgroups._started(me)}-1"
    reused = tmp_path / f"neuromation-{me}-1-1"
    dead = tmp_path / f"neuromation-{gone.pid}-12345-1"
    other = tmp_path / "somebody-else"
    for folder in (alive, reused, dead, other):
        folder.mkdir()
    cgroups._sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([alive, other])


def test_created_groups_carry_the_limits_and_can_be_removed() -> None:
    groups = cgroups.create(memory_mib=64, processes=7)
    if groups.missing:
        pytest.skip(f"this machine gives no control group for {', '.join(groups.missing)}")
    assert any(
        (folder / "pids.max").read_text().strip() == "7" for folder in groups.folders if (folder / "pids.max").exists()
    )
    cgroups.remove(groups)
    assert not any(folder.exists() for folder in groups.folders)
