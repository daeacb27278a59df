"""How often an address may try what is costly or worth guessing."""

from __future__ import annotations

import time

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from neuromation.kernel.errors import TooMany

_limiter = MovingWindowRateLimiter(MemoryStorage())


def slowly(request: Request, what: str) -> None:
    """Let an address do `what` only so often. Raises TooMany with `retry_after_s`.

    Counted in this process: with several API processes an address gets the sum of their shares.
    """
    per_minute = request.app.state.world.policy.attempts_per_minute
    address = request.client.host if request.client else "unknown"
    rate = RateLimitItemPerMinute(per_minute)
    if not _limiter.hit(rate, what, address):
        wait_s = max(1.0, _limiter.get_window_stats(rate, what, address).reset_time - time.time())
        raise TooMany(
            f"more than {per_minute} tries a minute; wait {wait_s:.0f} s", reason="too-many", retry_after_s=wait_s
        )
