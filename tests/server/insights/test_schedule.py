"""Something done again and again."""

import asyncio

import pytest

from server.insights.schedule import Schedule


async def test_it_is_done_until_it_is_closed() -> None:
    done = asyncio.Semaphore(0)

    async def work() -> None:
        done.release()

    schedule = Schedule("work", work, 0.001)
    assert not schedule.is_alive
    await schedule.open()
    async with asyncio.timeout(5):
        for _ in range(3):
            await done.acquire()
    assert schedule.is_alive
    await schedule.close()
    assert not schedule.is_alive


async def test_a_failure_is_logged_and_not_the_end(caplog: pytest.LogCaptureFixture) -> None:
    calls = 0
    again = asyncio.Event()

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("a fault")
        again.set()

    schedule = Schedule("work", work, 0.001)
    await schedule.open()
    async with asyncio.timeout(5):
        await again.wait()
    await schedule.close()
    assert "scheduled work failed" in caplog.text


async def test_closing_does_not_wait_for_the_work() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(3600)

    schedule = Schedule("work", work, 0.001)
    await schedule.open()
    async with asyncio.timeout(5):
        await begun.wait()
        await schedule.close()


async def test_closing_what_was_never_opened() -> None:
    async def work() -> None:
        raise AssertionError

    await Schedule("work", work, 1).close()
