"""Rate limits per client, counted in this process.

With several workers a client spread over all of them gets up to that many times the rate: the limit protects
a process from one caller, it is not billing.
"""

from __future__ import annotations

import time

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from server import errors


class RateLimiter:
    """Sliding-window counters by key."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._rates: dict[str, RateLimitItem] = {}

    async def hit(self, key: str, rate: str) -> None:
        """Count one; raises `RateLimited` with the wait when `rate`, such as "100/second", is used up."""
        item = self._rates.get(rate)
        if item is None:
            item = self._rates[rate] = parse(rate)
        if await self._limiter.hit(item, key):
            return
        window = await self._limiter.get_window_stats(item, key)
        raise errors.RateLimited(
            f"At most {rate} allowed", retry_after_s=max(window.reset_time - time.time(), 0.0)
        )
