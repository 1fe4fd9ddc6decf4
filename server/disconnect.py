"""Stop working for a client that has left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from litestar import Request

T = TypeVar("T")


class ClientGone(Exception):
    """Nobody is left to answer; the middleware logs it as 499 and sends nothing."""


async def watch_disconnect(request: Request[Any, Any, Any], work: Coroutine[Any, Any, T]) -> T:
    """The work's result; it is cancelled and `ClientGone` raised when the client leaves first.

    Call it after the body was read. Neither granian nor Litestar cancels a handler by itself. Not for writes
    that a client may fire and forget.
    """
    doing = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((doing, watching), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise ClientGone
    finally:
        for task in (doing, watching):
            if not task.done():
                task.cancel()
        await asyncio.gather(doing, watching, return_exceptions=True)


async def _gone(request: Request[Any, Any, Any]) -> None:
    while True:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            return
