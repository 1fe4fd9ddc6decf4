"""Work for a client that left is cancelled."""

import asyncio
from typing import Any

import pytest

from server import disconnect
from server.disconnect import ClientGone, watch_disconnect


def client_that_leaves(leave: asyncio.Event) -> Any:
    news = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        # An empty end of the body, which some servers send, is no farewell.
        for message in news:
            return message
        await leave.wait()
        return {"type": "http.disconnect"}

    return receive


async def test_the_result_comes_back_while_the_client_stays() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 3

    assert await watch_disconnect(client_that_leaves(asyncio.Event()), work()) == 3


async def test_a_fault_of_the_work_passes_through() -> None:
    async def work() -> None:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        await watch_disconnect(client_that_leaves(asyncio.Event()), work())


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
        await watch_disconnect(client_that_leaves(leave), work())
    assert cancelled.is_set()


async def test_a_cancelled_caller_cancels_the_work() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    task = asyncio.create_task(watch_disconnect(client_that_leaves(asyncio.Event()), work()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


async def test_a_quick_answer_comes_without_a_look_at_the_connection() -> None:
    async def receive() -> Any:
        raise AssertionError("asked")

    async def work() -> int:
        await asyncio.sleep(0)
        return 3

    assert await watch_disconnect(receive, work()) == 3


async def test_a_farewell_that_comes_with_the_result_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As from granian, whose `receive` gives futures: their callbacks run one turn of the loop later."""
    monkeypatch.setattr(disconnect, "LISTEN_AFTER_S", 0)
    news: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def work() -> int:
        await asyncio.sleep(0.05)
        news.set_result({"type": "http.disconnect"})
        return 3

    assert await watch_disconnect(lambda: news, work()) == 3
    await asyncio.sleep(0.01)


async def test_a_connection_that_cannot_be_read_counts_as_closed() -> None:
    async def broken() -> Any:
        raise OSError("reset")

    with pytest.raises(ClientGone):
        await watch_disconnect(broken, asyncio.sleep(60))
