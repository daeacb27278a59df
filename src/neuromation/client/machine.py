"""What a node says to its platform, always calling out; knows nothing of what its tasks compute."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from neuromation.client import schemas as wire
from neuromation.client.errors import checking
from neuromation.client.files import download_blob, upload_blob
from neuromation.client.transport import Transport, segment

POLL_WAIT_MAX_S = 20  # the bound of schemas.Poll.wait_s


class NodeClient:
    """A platform as seen by one of its nodes.

    Args:
        endpoint: the platform's address, such as "http://localhost:8000".
        node_token: the node's own key, given when it joined.
        timeout_s: for each silence; a poll's own waiting time comes on top.
        retries: repeats at most of one request that may be repeated.
        sleep: waits some seconds; tests pass their own.
    """

    def __init__(
        self,
        endpoint: str,
        node_token: str,
        *,
        timeout_s: float = 30,
        retries: int = 3,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # A poll may rightly be silent for as long as it waits.
        silence_s = max(timeout_s, POLL_WAIT_MAX_S + 10)
        self._transport = Transport(endpoint, node_token, timeout_s=silence_s, retries=retries, sleep=sleep)
        self.endpoint = self._transport.endpoint

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def benchmark(self, *, render_cu_per_s: float, train_cu_per_s: float) -> wire.NodeInfo:
        """Report the node's measured speeds in CU/s."""
        with checking():
            message = wire.Benchmark(render_cu_per_s=render_cu_per_s, train_cu_per_s=train_cu_per_s)
        return self._transport.ask(wire.NodeInfo, "POST", "/node/benchmark", message, idempotent=True)

    def poll(self, poll: wire.Poll) -> wire.PollAnswer:
        """A heartbeat; brings auctions to bid in, leased tasks, and tasks that are no longer this node's.

        One whose answer was lost is not repeated here: say so in the next one, and what it leased goes back at once.
        """
        return self._transport.ask(wire.PollAnswer, "POST", "/node/poll", poll, idempotent=False)

    def bid(self, *, auction: str, price_per_cu: str, capacity_tasks: int) -> wire.NewBid:
        """Bid sealed, in NTK per CU; a later bid replaces it until the auction closes."""
        with checking():
            message = wire.NewBid(auction=auction, price_per_cu=price_per_cu, capacity_tasks=capacity_tasks)
        return self._transport.ask(wire.NewBid, "POST", "/node/bids", message, idempotent=True)

    def download_input(self, task_id: str, name: str, info: wire.InputInfo) -> bytes:
        """An input of a leased task, verified against its hash. Raises Corrupted."""
        return download_blob(
            self._transport,
            f"/node/tasks/{segment(task_id)}/inputs/{segment(name)}",
            sha256=info.sha256,
            size=info.size,
        )

    def upload_output(self, task_id: str, data: bytes | Path) -> wire.OutputRef:
        """Store what a leased task made; the answer goes into its commit. Repeating it is harmless."""
        stored = upload_blob(self._transport, f"/node/tasks/{segment(task_id)}/outputs", data)
        return wire.OutputRef(sha256=stored.sha256, size=stored.size)

    def commit(self, commits: Sequence[wire.Commit]) -> wire.Committed:
        """Say what tasks made, at most COMMITS_MAX of them; a repeat is no change."""
        return self._transport.ask(
            wire.Committed, "POST", "/node/commits", wire.Commits(commits=list(commits)), idempotent=True
        )

    def fail(self, failure: wire.TaskFailure) -> None:
        """Give a task back, with a typed reason."""
        self._transport.send("POST", "/node/failures", failure, idempotent=False)
