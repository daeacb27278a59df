"""Failpoints: silent unless asked for, and then deadly at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from neuromation.kernel.failpoints import ENV, failpoint

SCRIPT = """
import atexit
from neuromation.kernel.failpoints import failpoint
atexit.register(print, "cleaned up")
for name in ("before", "here", "after", "here"):
    failpoint(name)
    print(name, flush=True)
"""


def played(wanted: str | None) -> tuple[int, list[str]]:
    """The exit status, and the steps that were reached, with this failpoint asked for."""
    environment = {key: value for key, value in os.environ.items() if key != ENV}
    if wanted is not None:
        environment[ENV] = wanted
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("wanted", [None, "", "elsewhere"])
def test_nothing_happens_unless_this_point_is_asked_for(wanted: str | None) -> None:
    assert played(wanted) == (0, ["before", "here", "after", "here", "cleaned up"])


def test_the_process_dies_at_the_point_without_cleaning_up() -> None:
    assert played("here") == (137, ["before"])


def test_with_a_file_it_dies_once(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    assert played(f"here:{marker}") == (137, ["before"])
    assert not marker.exists()
    assert played(f"here:{marker}")[0] == 0


def test_a_failpoint_of_another_name_leaves_the_file(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    assert played(f"elsewhere:{marker}")[0] == 0
    assert marker.exists()


def test_in_production_it_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV, raising=False)
    failpoint("anything")
