"""How fast this machine is, measured in the very sandbox that tasks run in."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from neuromation.agent.sandbox import SandboxLimits, Session

RUNNER = "neuromation.agent.runner"
BENCHMARK_MAX_S = 120.0
COMPILE_MAX_S = 1_800.0


@dataclass(frozen=True)
class Speeds:
    """CU/s of one slot for each kind of work."""

    render: float
    train: float


def compile_ahead() -> None:
    """Compile every installed generator for this processor, once, so that no task pays for it; a minute or two."""
    # A process of its own: the agent itself never loads a generator. What fails here fails again in its task, and is told.
    command = [sys.executable, "-m", "neuromation.synthetic.warm"]
    subprocess.run(command, check=False, timeout=COMPILE_MAX_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(*, unsafe: bool, cpu_share: float) -> Speeds:
    """Run the reference work of both kinds once. A share below 1 slows the node down by as much as it will rest."""
    with tempfile.TemporaryDirectory(prefix="neuromation-bench-") as folder:
        inputs = Path(folder) / "in"
        inputs.mkdir()
        with Session.start(RUNNER, inputs, SandboxLimits(), unsafe=unsafe) as session:
            answer = session.run({"kind": "benchmark", "spec": {}}, timeout_s=BENCHMARK_MAX_S).result
    return Speeds(answer["render_cu_per_s"] * cpu_share, answer["train_cu_per_s"] * cpu_share)
