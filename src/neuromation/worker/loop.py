"""The worker's loop: take due steps as long as there are some, sweep now and then, ring the doorbell for who waits."""

from __future__ import annotations

import math
import signal
import threading
import time

import structlog
from sqlalchemy.exc import OperationalError

from neuromation.jobs import service as jobs
from neuromation.workflows.driving import drive, sweep, tidy
from neuromation.workflows.world import World

log = structlog.get_logger()

IDLE_GROWTH = 1.5  # of the wait between two looks that find nothing, from `tick_s` on
IDLE_MAX_S = 0.4
SWEEP_S = 2.0
TIDY_S = 600.0
RING_MIN_S = 0.2  # every ring makes every waiting node and watcher look again, and a NOTIFY locks the whole database


class Worker:
    """One loop in one process; more processes may run beside it, for steps are claimed with SKIP LOCKED."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stop = threading.Event()
        self._swept = self._rang = 0.0
        self._tidied = -math.inf
        self._news = False

    def stop(self) -> None:
        """Finish the present step and return from `run`."""
        self._stop.set()

    def run(self) -> None:
        """Work until stopped. A database that goes away is waited for."""
        wait_s = tick_s = self._world.policy.tick_s
        while not self._stop.is_set():
            try:
                busy = self.turn()
            except OperationalError as error:
                log.warning("the database does not answer; trying again", error=str(error)[:200])
                busy = False
                self._stop.wait(1.0)
            if busy:
                wait_s = tick_s
            else:  # every look costs the tasks of this machine, too
                self._stop.wait(wait_s)
                wait_s = max(tick_s, min(wait_s * IDLE_GROWTH, IDLE_MAX_S))

    def turn(self) -> bool:
        """One step and what is due beside it; whether there was a step."""
        busy = drive(self._world, on_news=self._hear)
        now = time.monotonic()
        if now - self._swept >= SWEEP_S:
            sweep(self._world)
            self._swept = now
        if now - self._tidied >= TIDY_S:
            tidy(self._world)
            self._tidied = now
        if self._news and now - self._rang >= RING_MIN_S:
            with self._world.transaction() as conn:
                jobs.ring(conn)
            self._rang, self._news = now, False
        return busy

    def _hear(self) -> None:
        self._news = True


def run(world: World) -> None:
    """Run a worker in this process until SIGTERM or SIGINT."""
    worker = Worker(world)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
