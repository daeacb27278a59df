"""Wakes waiting requests: one LISTEN connection a process, an empty notification for all, polling as the fallback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psycopg
import sqlalchemy as sa

CHANNEL = "doorbell"
POLL_S = 1.0  # a lost notification costs at most this


class Doorbell:
    """Take `next_ring` before looking at the database, then `wait` for it: no ring in between is lost."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    def next_ring(self) -> asyncio.Event:
        """What the next ring will set."""
        return self._rung

    async def wait(self, ring: asyncio.Event, timeout_s: float, *, poll_s: float = POLL_S) -> None:
        """Sleep until that ring, at most `timeout_s` seconds and at most the polling interval."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ring.wait(), min(timeout_s, poll_s))


async def _listen(url: sa.URL, bell: Doorbell) -> None:
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
                await connection.execute(f"listen {CHANNEL}")
                async for _ in connection.notifies():
                    bell.ring()
        except psycopg.OperationalError:
            await asyncio.sleep(POLL_S)  # the database restarts: waiting requests poll meanwhile


@contextlib.asynccontextmanager
async def listening(url: sa.URL) -> AsyncIterator[Doorbell]:
    """A doorbell that rings while this context is open."""
    bell = Doorbell()
    task = asyncio.create_task(_listen(url, bell))
    try:
        yield bell
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
