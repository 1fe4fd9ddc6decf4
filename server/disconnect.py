"""Stop working for a client that has left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from litestar.types import Receive

T = TypeVar("T")

# Listening to a connection costs as much as all else the HTTP server does for a request of 100 kB, and most
# answers are there sooner: only what waits longer than this is worth it.
LISTEN_AFTER_S = 0.1


class ClientGone(Exception):
    """Nobody is left to read the answer; the log shows it as 499."""


async def watch_disconnect(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; it is cancelled and `ClientGone` raised when the client leaves first.

    Call it after the body was read; what is still to come of the body is passed over. Neither granian nor
    Litestar cancels a handler by itself. Not for writes that a client may fire and forget. The work stays in
    the caller's task, which saves two switches of tasks. Who leaves at once is noticed after `LISTEN_AFTER_S`.
    """
    task = cast("asyncio.Task[Any]", asyncio.current_task())
    before, has_left, is_over = task.cancelling(), False, False
    news: asyncio.Future[Any] | None = None

    def listen() -> None:
        nonlocal news
        # Granian gives a future as it is; a coroutine becomes a task.
        news = asyncio.ensure_future(cast("Coroutine[Any, Any, Any]", receive()))
        news.add_done_callback(hear)

    def hear(heard: asyncio.Future[Any]) -> None:
        nonlocal has_left
        if heard.cancelled():
            return
        # A connection whose news cannot be read is as good as closed.
        is_farewell = heard.exception() is not None or heard.result()["type"] == "http.disconnect"
        if is_over:
            return
        if is_farewell:
            has_left = True
            task.cancel()
        else:
            listen()

    timer = asyncio.get_running_loop().call_later(LISTEN_AFTER_S, listen)
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
        is_over = True
        timer.cancel()
        if news is not None:
            news.remove_done_callback(hear)
            news.cancel()
