"""Work for a client that left is cancelled."""

import asyncio
from typing import Any

import pytest
from litestar import Request

from server.disconnect import ClientGone, watch_disconnect


def request_that_leaves(leave: asyncio.Event) -> Request[Any, Any, Any]:
    async def receive() -> Any:
        await leave.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": [], "path": "/", "query_string": b""}, receive)  # type: ignore[arg-type]


async def test_the_result_comes_back_while_the_client_stays() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 3

    assert await watch_disconnect(request_that_leaves(asyncio.Event()), work()) == 3


async def test_a_fault_of_the_work_passes_through() -> None:
    async def work() -> None:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        await watch_disconnect(request_that_leaves(asyncio.Event()), work())


async def test_the_work_is_cancelled_when_the_client_leaves() -> None:
    leave, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        leave.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(ClientGone):
        await watch_disconnect(request_that_leaves(leave), work())
    assert cancelled.is_set()


async def test_a_cancelled_caller_cancels_the_work() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    task = asyncio.create_task(watch_disconnect(request_that_leaves(asyncio.Event()), work()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()
