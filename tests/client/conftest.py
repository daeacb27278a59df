"""A stand-in platform and a client of it that never really sleeps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from client.stand_in_platform import StandIn
from neuromation.client import Client, NodeClient


@pytest.fixture
def platform() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.fixture
def naps() -> list[float]:
    """The waits that the client asked for, none of which was slept."""
    return []


@pytest.fixture
def client(platform: StandIn, naps: list[float]) -> Iterator[Client]:
    with Client(platform.endpoint, "secret-token", timeout_s=5, retries=3, sleep=naps.append) as client:
        yield client


@pytest.fixture
def node_client(platform: StandIn, naps: list[float]) -> Iterator[NodeClient]:
    with NodeClient(platform.endpoint, "node-key", timeout_s=5, sleep=naps.append) as client:
        yield client
