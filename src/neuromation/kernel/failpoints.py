"""Named places where a test may kill the process, to prove that any step can be the last one.

In production the environment variable is empty and a failpoint costs one dictionary look-up.
"""

from __future__ import annotations

import os
from pathlib import Path

ENV = "NEUROMATION_FAILPOINT"  # "name" or "name:path"; with a path the process dies only while that file exists


def failpoint(name: str) -> None:
    """Die here, at once and without clean-up, when the environment asks for it."""
    wanted = os.environ.get(ENV)
    if not wanted:
        return
    target, _, once = wanted.partition(":")
    if target != name:
        return
    if once:
        marker = Path(once)
        if not marker.exists():
            return
        marker.unlink()
    os._exit(137)
