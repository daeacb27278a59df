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
    """`wait` returns at the next ring, or after a while: callers always look at the database again."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def wait(self, timeout_s: float) -> None:
        """Sleep until the next ring, at most `timeout_s` seconds and at most the polling interval."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), min(timeout_s, POLL_S))


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
