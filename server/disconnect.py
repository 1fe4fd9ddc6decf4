"""Stop working for a client that has left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from litestar.types import Receive

T = TypeVar("T")


class ClientGone(Exception):
    """Nobody is left to read the answer; the log shows it as 499."""


async def watch_disconnect(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; it is cancelled and `ClientGone` raised when the client leaves first.

    Call it after the body was read. Neither granian nor Litestar cancels a handler by itself. Not for writes
    that a client may fire and forget. The work stays in the caller's task, which saves two switches of tasks.
    """
    task = cast("asyncio.Task[Any]", asyncio.current_task())
    before, has_left = task.cancelling(), False

    def leave(watching: asyncio.Task[None]) -> None:
        nonlocal has_left
        if watching.cancelled():
            return
        # A connection whose news cannot be read is as good as closed.
        watching.exception()
        has_left = True
        task.cancel()

    gone = asyncio.create_task(_gone(receive))
    gone.add_done_callback(leave)
    try:
        result = await work
        if has_left:
            await asyncio.sleep(0)  # where the cancellation that is on its way arrives
        return result
    except asyncio.CancelledError:
        if not has_left or task.uncancel() > before:
            raise
        raise ClientGone from None
    finally:
        gone.remove_done_callback(leave)
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
