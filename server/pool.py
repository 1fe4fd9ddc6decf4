"""Threads for CPU work that releases the GIL: as many as cores, with bounded admission."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from models.network import usable_cores
from server import errors

if TYPE_CHECKING:
    from server.deadline import Deadline

T = TypeVar("T")


class WorkPool:
    """Runs plain functions off the event loop; refuses rather than queues without end."""

    def __init__(self, *, queue_limit: int, threads: int | None = None, name: str = "work") -> None:
        self.threads = threads or usable_cores()
        self.queue_limit = queue_limit
        # Shared with the batchers, which fan the preparation of a batch out over it.
        self.executor = ThreadPoolExecutor(self.threads, thread_name_prefix=name)
        self._admitted = 0

    @property
    def depth(self) -> int:
        """How many calls wait or run."""
        return self._admitted

    async def run(
        self, function: Callable[..., T], *args: Any, deadline: Deadline | None = None, **kwargs: Any
    ) -> T:
        """The function's result; its own exception passes through.

        `Overloaded` when the queue is full, `DeadlineExceeded` when time ends first. Work that has not
        started when the caller is cancelled or late is dropped; what runs already runs to its end, unheard.
        """
        if self._admitted >= self.threads + self.queue_limit:
            raise errors.Overloaded(f"More than {self.queue_limit} calls are waiting")
        if deadline is not None:
            deadline.check()
        loop = asyncio.get_running_loop()
        self._admitted += 1
        try:
            # The context carries the request's id and timings into the thread.
            context = contextvars.copy_context()
            work = self.executor.submit(context.run, _call, function, args, kwargs, deadline)
        except BaseException:
            self._admitted -= 1
            raise
        # Called from whichever thread ends the work, so the count is changed on the loop.
        work.add_done_callback(lambda _: _on_loop(loop, self._release))
        if deadline is None:
            return await asyncio.wrap_future(work)
        try:
            async with asyncio.timeout(deadline.remaining_s()) as clock:
                return await asyncio.wrap_future(work)
        except TimeoutError as late:
            # Otherwise it is the function's own, and so its result.
            if clock.expired():
                raise errors.DeadlineExceeded from late
            raise

    def close(self) -> None:
        """Drop what waits, let what runs finish in the background."""
        self.executor.shutdown(wait=False, cancel_futures=True)

    def _release(self) -> None:
        self._admitted -= 1


def _call(
    function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any], deadline: Deadline | None
) -> T:
    if deadline is not None:
        deadline.check()
    return function(*args, **kwargs)


def _on_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)
