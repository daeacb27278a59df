"""The embedded database is there when it is said to be, whatever its last life ended by."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from neuromation import wiring

SCRIPT = """
import sys
from pathlib import Path
from neuromation import wiring
wiring.connect(wiring.embedded_database(Path(sys.argv[1]))).connect()
"""


def use_it(folder: Path) -> None:
    """Start the database, or find it, and connect, in a process of its own, with which it stops."""
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def a_dying_process(seconds: float) -> int:
    """A process that is nobody's child and ends by itself."""
    return int(subprocess.check_output(["sh", "-c", f"sleep {seconds} > /dev/null & echo $!"], text=True))


def test_a_killed_database_that_is_still_dying_is_not_taken_for_a_running_one() -> None:
    with tempfile.TemporaryDirectory(prefix="nm-") as short:  # the path of PostgreSQL's socket has a limit
        folder = Path(short)
        use_it(folder)
        left = folder / "postgres" / "postmaster.pid"
        lines = [a_dying_process(2), left.parent, 1, 5432, left.parent, "", "1 1", "ready   "]
        left.write_text("\n".join(map(str, lines)) + "\n")
        use_it(folder)


def test_a_database_that_never_answers_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "_answers", lambda url: False)
    monkeypatch.setattr(wiring, "DATABASE_START_S", 0.0)
    with tempfile.TemporaryDirectory(prefix="nm-") as short, pytest.raises(wiring.Conflict, match="does not answer"):
        wiring.embedded_database(Path(short))
