"""One thread that writes for many: requests that wait together share one call, one lock and one commit.

Use it where many callers pay into or out of one account. There, every commit of their own would wait for the one before
it: the account's lock is held until the disk has the commit. Do not use it for money that must move together with other
rows of a workflow's transaction: the writer commits alone. Every guarantee of the service holds: durable when answered,
idempotent, chained, insert-only; groups are judged one by one, so a bad request never fails its neighbours.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from neuromation.kernel.clock import Clock
from neuromation.kernel.errors import NeuromationError
from neuromation.ledger import service, store
from neuromation.ledger.errors import WriterBusy, WriterClosed
from neuromation.ledger.model import Outcome, Receipt, Request, check_group

QUEUE_MAX = 10_000  # groups that may wait
BATCH_MAX = 256  # groups in one commit
TRIES_MAX = 3  # of one group, when the database goes away or ends a deadlock
RETRY_AFTER_S = 1.0
LINGER_S = 0.001  # less than a commit takes


@dataclass(frozen=True, slots=True)
class _Item:
    requests: tuple[Request, ...]
    answer: Future[Receipt]


class LedgerWriter:
    """Applies groups of linked requests in the order they arrive; start and stop it as a context manager."""

    def __init__(
        self,
        engine: sa.Engine,
        clock: Clock,
        *,
        queue_max: int = QUEUE_MAX,
        batch_max: int = BATCH_MAX,
    ) -> None:
        # Autocommit, because a batch is one statement: it is its own transaction, without two more round trips.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock
        self._queue: queue.Queue[_Item | None] = queue.Queue(maxsize=queue_max)
        self._batch_max = batch_max
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._lock = threading.Lock()
        self._open = False

    def __enter__(self) -> LedgerWriter:
        self._open = True
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Answer what waits, then stop; later requests raise WriterClosed."""
        with self._lock:
            was_open, self._open = self._open, False
        if was_open:
            self._queue.put(None)
            self._thread.join()

    def submit(self, requests: Sequence[Request]) -> Future[Receipt]:
        """Ask for linked requests, all or none; the answer holds a Receipt or the refusal's error.

        Raises BadTransfer, WriterBusy when the queue is full, WriterClosed. When the answer is a database error, the
        outcome is unknown: repeat the request unchanged.
        """
        check_group(requests)
        item = _Item(tuple(requests), Future())
        with self._lock:  # so that nothing is queued behind the end
            if not self._open:
                raise WriterClosed("the ledger's writer is not running; start it, or use the service")
            try:
                self._queue.put_nowait(item)
            except queue.Full:
                raise WriterBusy(
                    f"{self._queue.maxsize} requests wait for the ledger already; try again in {RETRY_AFTER_S:g} s",
                    retry_after_s=RETRY_AFTER_S,
                ) from None
        return item.answer

    def apply(self, requests: Sequence[Request], *, timeout_s: float) -> Receipt:
        """Like `service.apply`, but committed when it returns. Raises TimeoutError when the answer takes longer."""
        return self.submit(requests).result(timeout_s)

    def _run(self) -> None:
        with self._engine.connect() as conn:
            for batch in self._batches():
                self._write(conn, batch)

    def _batches(self) -> Iterator[list[_Item]]:
        """What waits, in order: whole batches, at least one item each, until the end is met."""
        ended = False
        lately = 1  # a fading memory of how many asked together
        while not ended and (first := self._queue.get()) is not None:
            batch, ended = self._collect(first, wanted=lately)
            lately = max(len(batch), lately // 2)
            yield [item for item in batch if item.answer.set_running_or_notify_cancel()]

    def _collect(self, first: _Item, *, wanted: int) -> tuple[list[_Item], bool]:
        """`first` and all that waits; and whether the end was met.

        Callers who got their answers together will ask again together: so while fewer wait than lately did, linger a
        little. Else the first of them would go alone, and the others wait for a whole commit.
        """
        batch = [first]
        until = time.monotonic() + LINGER_S
        while len(batch) < self._batch_max:
            patience = until - time.monotonic() if len(batch) < wanted else 0.0
            try:
                item = self._queue.get(timeout=patience) if patience > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False

    def _write(self, conn: sa.Connection, batch: list[_Item]) -> None:
        result = self._attempt(conn, batch)
        if isinstance(result, DBAPIError) and len(batch) > 1:
            # What failed together is tried one by one, so that only the guilty fail. Safe: each request has its key.
            for item in batch:
                self._write(conn, [item])
        elif isinstance(result, Exception):
            for item in batch:
                item.answer.set_exception(result)
        else:
            for item, outcome in zip(batch, result, strict=True):
                _answer(item, outcome)

    def _attempt(self, conn: sa.Connection, batch: list[_Item]) -> list[Outcome] | Exception:
        """The outcomes, or the error that no repeat will cure."""
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                outcomes = store.apply(conn, [item.requests for item in batch], now=self._clock.now())
                conn.commit()
            except IntegrityError as error:  # a rule of the tables, which will refuse it again
                conn.rollback()
                return (service.broken_key(error, batch[0].requests) if len(batch) == 1 else None) or error
            except DBAPIError as error:
                conn.rollback()  # a lost connection is made anew by the next attempt
                if not tries_left:
                    return error
            except Exception as error:
                return error
            else:
                return outcomes
        raise AssertionError("unreachable")


def _answer(item: _Item, outcome: Outcome) -> None:
    try:
        item.answer.set_result(service.receipt_of(outcome))
    except NeuromationError as refusal:
        item.answer.set_exception(refusal)
