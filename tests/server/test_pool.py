"""The work pool: bounded admission, dropped work, results and faults of the function."""

import asyncio
import threading

import pytest

from models.network import usable_cores
from server import errors, logs
from server.deadline import Deadline
from server.pool import WorkPool


@pytest.fixture
def pool() -> WorkPool:
    return WorkPool(queue_limit=1, threads=1)


async def until(condition: object) -> None:
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.001)


async def test_the_result_and_the_fault_of_the_function_come_back(pool: WorkPool) -> None:
    assert await pool.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 7, 0)
    await until(lambda: pool.depth == 0)


async def test_beyond_the_queue_work_is_refused(pool: WorkPool) -> None:
    gate = threading.Event()
    running = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(errors.Overloaded) as caught:
        await pool.run(gate.wait)
    assert caught.value.retry_after_s
    gate.set()
    await asyncio.gather(*running)
    await until(lambda: pool.depth == 0)
    assert await pool.run(len, "abc") == 3


async def test_work_of_a_caller_that_left_is_never_started(pool: WorkPool) -> None:
    gate, started = threading.Event(), threading.Event()
    running = asyncio.create_task(pool.run(gate.wait))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(pool.run(started.set))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    gate.set()
    await running
    assert await pool.run(started.is_set) is False


async def test_a_late_caller_is_answered_while_the_thread_is_still_busy(pool: WorkPool) -> None:
    gate = threading.Event()
    with pytest.raises(errors.DeadlineExceeded):
        await pool.run(gate.wait, deadline=Deadline.after(0.02))
    assert pool.depth == 1
    gate.set()
    await until(lambda: pool.depth == 0)


async def test_an_expired_deadline_is_refused_before_anything_starts(pool: WorkPool) -> None:
    with pytest.raises(errors.DeadlineExceeded):
        await pool.run(len, "abc", deadline=Deadline.after(-1))
    assert pool.depth == 0


async def test_a_timeout_of_the_function_itself_is_not_our_deadline(pool: WorkPool) -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await pool.run(fail, deadline=Deadline.after(60))


async def test_the_request_s_id_is_known_in_the_thread(pool: WorkPool) -> None:
    token = logs.request_id.set("r1")
    try:
        assert await pool.run(logs.request_id.get) == "r1"
    finally:
        logs.request_id.reset(token)


def test_there_is_at_least_one_core() -> None:
    assert WorkPool(queue_limit=1).threads == usable_cores() >= 1
