"""Something done again and again beside requests, until it is closed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

# So that the workers of a server do not all begin at once.
JITTER = 1 / 6


class Schedule:
    """Calls `work` every `every_s` seconds and up to a sixth more; one that fails is only logged."""

    def __init__(self, name: str, work: Callable[[], Awaitable[object]], every_s: float) -> None:
        self._name = name
        self._work = work
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it will be done again."""
        return self._task is not None and not self._task.done()

    async def open(self) -> None:
        """Begin; the first time comes after one period."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Stop, in the middle of the work where need be."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s * (1 + random.uniform(0, JITTER)))  # noqa: S311
            try:
                await self._work()
            except Exception:
                logger.exception("scheduled work failed", extra={"work": self._name})
