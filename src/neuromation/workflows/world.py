"""What a workflow needs of the world: the database, the blobs, the clock, the policy and the platform's secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from neuromation.kernel.clock import Clock
from neuromation.storage.blobs import BlobStore
from neuromation.workflows.policy import Policy


@dataclass(frozen=True)
class World:
    """Built once a process by `wiring`; handed to every workflow."""

    engine: sa.Engine
    blobs: BlobStore
    clock: Clock
    policy: Policy
    secret: bytes

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One request or task: committed once at the end, rolled back on any error."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def look(self) -> Iterator[sa.Connection]:
        """For one reading statement, without the round trips of a transaction around it."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    def now(self) -> datetime:
        """The present, in UTC."""
        return self.clock.now()
