"""A simulation a seed: everything random comes from it, the ids too."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from simulated_platform import Simulation

from neuromation.kernel import ids
from neuromation.workflows import driving
from neuromation.workflows.policy import Policy


def _broken(message: str, **facts: object) -> None:
    """A step that breaks is a bug, even where the platform would survive it: the error goes on to the test."""
    raise  # noqa: PLE0704 - called from an `except` block


@pytest.fixture
def simulate(engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Simulation]:
    """Make the simulation of a seed."""

    def make(seed: int, *, policy: Policy | None = None) -> Simulation:
        monkeypatch.setattr(driving, "log", SimpleNamespace(exception=_broken))
        monkeypatch.setattr(ids, "secrets", SimpleNamespace(randbits=random.Random(seed).getrandbits))
        return Simulation(engine, tmp_path, seed, **({"policy": policy} if policy else {}))

    return make
