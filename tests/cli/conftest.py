"""A stand-in platform, a home of its own for each test, and the command line as one call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from client.stand_in_platform import StandIn
from neuromation.cli.main import main


@dataclass(frozen=True)
class Done:
    """What one command line did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Run(Protocol):
    """Runs one command line."""

    def __call__(self, *args: str) -> Done: ...


@pytest.fixture
def platform() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration folder, and no settings of whoever runs the tests."""
    for name in ("ENDPOINT", "TOKEN", "PASSWORD", "DEBUG"):
        monkeypatch.delenv(f"NEUROMATION_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def anyone(home: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command line of somebody who has not logged in."""

    def run(*args: str) -> Done:
        capfd.readouterr()
        code = main(args)
        captured = capfd.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture
def ada(anyone: Run, platform: StandIn, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line of Ada, a customer of the stand-in platform."""
    monkeypatch.setenv("NEUROMATION_ENDPOINT", platform.endpoint)
    monkeypatch.setenv("NEUROMATION_TOKEN", "secret-token")
    return anyone
