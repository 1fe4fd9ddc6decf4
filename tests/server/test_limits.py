"""Rate limits: counted by key, told with the wait."""

import pytest

from server import errors
from server.limits import RateLimiter


async def test_a_key_may_ask_as_often_as_its_rate() -> None:
    limiter = RateLimiter()
    for _ in range(3):
        await limiter.hit("a", "3/hour")
    with pytest.raises(errors.RateLimited) as caught:
        await limiter.hit("a", "3/hour")
    assert caught.value.retry_after_s is not None and 0 < caught.value.retry_after_s <= 7200


async def test_keys_do_not_share_a_rate() -> None:
    limiter = RateLimiter()
    await limiter.hit("a", "1/hour")
    await limiter.hit("b", "1/hour")
    with pytest.raises(errors.RateLimited):
        await limiter.hit("b", "1/hour")
