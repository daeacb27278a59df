"""How often an address may try what is costly or worth guessing."""

from __future__ import annotations

import time

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from neuromation.kernel.errors import TooMany


class Rates:
    """Counts tries by address in this process: with several API processes an address gets the sum of their shares."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._rate = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, what: str, address: str) -> None:
        """Note one more try of `address`. Raises TooMany with `retry_after_s`."""
        if not self._limiter.hit(self._rate, what, address):
            reset = self._limiter.get_window_stats(self._rate, what, address).reset_time
            wait_s = max(1.0, reset - time.time())
            raise TooMany(
                f"more than {self._per_minute} tries a minute; wait {wait_s:.0f} s",
                reason="too-many",
                retry_after_s=wait_s,
            )


def slowly(request: Request, what: str) -> None:
    """Let an address do `what` only so often. Raises TooMany."""
    rates: Rates = request.app.state.rates
    rates.count(what, request.client.host if request.client else "unknown")
