"""A sandboxed program that runs whatever code it is sent, so that each test can be its own attacker."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from neuromation.agent.sandbox import SandboxLimits, Session

SOURCE = """
import os, sys
from neuromation.agent.sandbox.child import serve

def handle(request, inputs, out, progress):
    scope = {"inputs": inputs, "out": out, "progress": progress, "request": request, "os": os, "sys": sys}
    exec(request["code"], scope)
    return {"value": scope.get("value")}

serve(handle)
"""
PROGRAM = [sys.executable, "-P", "-s", "-c", SOURCE]
SMALL = SandboxLimits(memory_mib=256, processes=24, out_mib=4, tmp_mib=4, wall_s=60)

needs_bwrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed: apt install bubblewrap, then run these tests"
)


def a_session(inputs: Path, limits: SandboxLimits = SMALL, *, unsafe: bool = False) -> Session:
    """A session of PROGRAM."""
    return Session.start(PROGRAM, inputs, limits, unsafe=unsafe)


def ask(session: Session, code: str, *, timeout_s: float = 20, **request: Any) -> Any:
    """What `code` leaves in the name `value` when it runs inside."""
    return session.run({"code": code, **request}, timeout_s=timeout_s).result["value"]
