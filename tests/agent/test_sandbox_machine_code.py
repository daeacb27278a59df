"""Compiled code goes into a sandbox with the task: no task compiles what its host has compiled already."""

from __future__ import annotations

from pathlib import Path

import pytest
from sandbox_probe import a_session, ask, needs_bwrap

from neuromation.agent.sandbox import SandboxLimits
from neuromation.kernel import machine_code

ROOMY = SandboxLimits(memory_mib=1024, processes=24, out_mib=4, tmp_mib=64, wall_s=120)
SINE = """
from neuromation.synthetic.exact import exact_sin
exact_sin(0.5)
value = [sum(exact_sin.stats.cache_hits.values()), sum(exact_sin.stats.cache_misses.values())]
"""


@pytest.mark.parametrize("unsafe", [pytest.param(False, marks=needs_bwrap), True])
def test_a_task_finds_what_its_host_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsafe: bool) -> None:
    monkeypatch.setenv(machine_code.VARIABLE, str(tmp_path / "code"))
    inputs = tmp_path / "in"
    inputs.mkdir()
    (tmp_path / "code").mkdir()
    with a_session(inputs, ROOMY, unsafe=True) as host:  # without a sandbox it is the host's own folder that is used
        assert ask(host, SINE, timeout_s=100) == [0, 1]
    with a_session(inputs, ROOMY, unsafe=unsafe) as session:
        assert ask(session, SINE, timeout_s=100) == [1, 0]


@needs_bwrap
def test_a_task_cannot_change_what_its_host_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(machine_code.VARIABLE, str(tmp_path / "code"))
    for name in ("in", "code"):
        (tmp_path / name).mkdir()
    (tmp_path / "code" / "kernel.nbc").write_text("the host's")
    with a_session(tmp_path / "in", ROOMY) as session:
        code = "open(os.environ['NUMBA_CACHE_DIR'] + '/kernel.nbc', 'w').write('mine'); value = 1"
        assert ask(session, code) == 1
        code = """
try:
    open('/machine-code/kernel.nbc', 'w')
    value = 'written'
except OSError as error:
    value = type(error).__name__
"""
        assert ask(session, code) != "written"
    assert (tmp_path / "code" / "kernel.nbc").read_text() == "the host's"
