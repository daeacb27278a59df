"""A platform for each test module: a database of its own, the real app on a socket, blobs in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
import sqlalchemy as sa
from api.api_builders import Platform, a_platform

from neuromation import wiring
from neuromation.kernel.clock import FakeClock
from neuromation.storage.blobs import BlobStore
from neuromation.workflows.policy import Policy
from neuromation.workflows.world import World


@pytest.fixture(scope="module")
def module_engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on a fresh database, so that the tests of a module may share what they set up once."""
    name = f"api_{uuid4().hex}"
    server = wiring.connect(database_url)
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"create database {name}")
    engine = wiring.connect(sa.make_url(database_url).set(database=name).render_as_string(hide_password=False))
    wiring.migrate(engine)
    yield engine
    engine.dispose()
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"drop database {name} with (force)")
    server.dispose()


@pytest.fixture(scope="module")
def platform(module_engine: sa.Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform after its bootstrap."""
    folder, clock = tmp_path_factory.mktemp("platform"), FakeClock()
    policy = Policy(attempts_per_minute=1_000_000)
    world = World(module_engine, BlobStore.at(folder / "blobs"), clock, policy, b"a secret of the tests")
    wiring.bootstrap(world, wiring.Settings(folder, "", "", world.secret))
    with a_platform(world, clock) as served:
        yield served
