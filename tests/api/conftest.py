"""A platform for each test module: a database of its own, the real app on a socket, blobs in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
import sqlalchemy as sa

from api.api_builders import LIGHT, Caller, Platform, a_platform
from neuromation import wiring
from neuromation.accounts.passwords import STRONG
from neuromation.kernel.clock import FakeClock
from neuromation.storage.blobs import BlobStore
from neuromation.workflows.policy import Policy
from neuromation.workflows.world import World

TEMPLATE = "api_template"


def _run(database_url: str, statement: str) -> None:
    server = wiring.connect(database_url)
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statement)
    server.dispose()


def _named(database_url: str, name: str) -> sa.Engine:
    return wiring.connect(sa.make_url(database_url).set(database=name).render_as_string(hide_password=False))


@pytest.fixture(scope="session")
def migrated(database_url: str) -> str:
    """The name of a migrated, empty database, from which others are copied in no time."""
    _run(database_url, f"create database {TEMPLATE}")
    engine = _named(database_url, TEMPLATE)
    wiring.migrate(engine)
    engine.dispose()
    return TEMPLATE


@pytest.fixture(scope="module")
def module_engine(database_url: str, migrated: str) -> Iterator[sa.Engine]:
    """An engine on a fresh database, so that the tests of a module may share what they set up once."""
    name = f"api_{uuid4().hex}"
    _run(database_url, f"create database {name} template {migrated}")
    engine = _named(database_url, name)
    yield engine
    engine.dispose()
    _run(database_url, f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def platform(module_engine: sa.Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform after its bootstrap."""
    folder, clock = tmp_path_factory.mktemp("platform"), FakeClock()
    policy = Policy(attempts_per_minute=1_000_000)
    world = World(module_engine, BlobStore.at(folder / "blobs"), clock, policy, b"a secret of the tests")
    # The platform's own hash costs a tenth of a second; here it is as light as it can be.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setitem(vars(STRONG), "_hasher", LIGHT._hasher)
    wiring.bootstrap(world, wiring.Settings(folder, "", "", world.secret))
    with a_platform(world, clock) as served:
        yield served
    monkeypatch.undo()


@pytest.fixture(scope="module")
def customer(platform: Platform) -> Caller:
    """Somebody with a thousand NTK."""
    return platform.somebody("customer", balance="1000")


@pytest.fixture
def awake(platform: Platform) -> None:
    """Three nodes of three owners that could work now."""
    platform.pool(3)
