"""Callers that leave: at every place where a picture can be, and all at once."""

from __future__ import annotations

import asyncio
import random
from threading import Event
from typing import Any

import pytest
from numpy.typing import NDArray

from server.deadline import Deadline
from server.errors import DeadlineExceeded, Overloaded
from tests.server.gated_network import (
    PATIENCE_S,
    GatedNetwork,
    Observer,
    batching,
    row,
    soon,
    until,
    write,
)


async def leave(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_caller_who_leaves_the_queue_makes_room_at_once() -> None:
    network, observer = GatedNetwork(is_open=False), Observer()
    async with batching(network, queue_limit=2, observer=observer) as batcher:
        plug = asyncio.create_task(batcher.submit(write(0), soon()))
        await network.running()
        gone = asyncio.create_task(batcher.submit_many([write(1), write(2)], soon()))
        await until(lambda: batcher.depth == 2)
        await leave(gone)
        assert batcher.depth == 0 and observer.depths[-1] == 0
        kept = asyncio.create_task(batcher.submit_many([write(3), write(4)], soon()))
        await until(lambda: batcher.depth == 2)
        network.gate.set()
        await asyncio.gather(plug, kept)
    assert network.batches == [[0], [3, 4]]


async def test_a_caller_who_leaves_while_a_picture_is_prepared_costs_no_run() -> None:
    preparing, go_on = Event(), Event()

    def prepare(slot: NDArray[Any]) -> None:
        preparing.set()
        assert go_on.wait(PATIENCE_S)
        slot[:] = 1

    network = GatedNetwork()
    async with batching(network) as batcher:
        gone = asyncio.create_task(batcher.submit(prepare, soon()))
        assert await asyncio.to_thread(preparing.wait, PATIENCE_S)
        await leave(gone)
        go_on.set()
        assert (await batcher.submit(write(2), soon())).tolist() == row(2)
    assert network.batches == [[2]]


async def test_pictures_not_yet_prepared_are_dropped_when_their_caller_leaves() -> None:
    preparing, go_on = Event(), Event()
    prepared: list[int] = []

    def first(slot: NDArray[Any]) -> None:
        preparing.set()
        assert go_on.wait(PATIENCE_S)

    def second(slot: NDArray[Any]) -> None:
        prepared.append(2)

    network = GatedNetwork()
    async with batching(network) as batcher:
        gone = asyncio.create_task(batcher.submit_many([first, second], soon()))
        assert await asyncio.to_thread(preparing.wait, PATIENCE_S)
        await leave(gone)
        go_on.set()
        await batcher.submit(write(3), soon())
    assert prepared == [] and network.batches == [[3]]


async def test_a_caller_who_leaves_during_the_run_takes_nobody_along() -> None:
    hold = Event()
    network = GatedNetwork(is_open=False)
    network.fault = lambda batch: len(batch) == 2 and hold.wait(PATIENCE_S)
    async with batching(network) as batcher:
        plug = asyncio.create_task(batcher.submit(write(0), soon()))
        await network.running()
        gone, kept = (asyncio.create_task(batcher.submit(write(n), soon())) for n in (1, 2))
        await until(lambda: batcher.depth == 2)
        network.gate.set()
        await plug
        await network.running()
        await leave(gone)
        hold.set()
        assert (await kept).tolist() == row(2)
    assert network.batches == [[0], [1, 2]]


async def test_a_caller_who_leaves_while_the_run_is_held_gets_no_result() -> None:
    network = GatedNetwork(is_open=False)
    async with batching(network) as batcher:
        gone = asyncio.create_task(batcher.submit(write(1), soon()))
        await network.running()
        await leave(gone)
        network.gate.set()
        assert (await batcher.submit(write(2), soon())).tolist() == row(2)


async def test_a_caller_may_leave_in_the_moment_of_delivery() -> None:
    network, observer = GatedNetwork(is_open=False), Observer()
    async with batching(network, observer=observer) as batcher:
        task = asyncio.create_task(batcher.submit(write(1), soon()))
        await network.running()
        network.gate.set()
        # The event loop is held until the delivery is in its queue, and let go for one turn: the
        # result is set, the caller has not woken up.
        assert observer.told.acquire(timeout=PATIENCE_S)
        await asyncio.sleep(0)
        assert not task.done()
        await leave(task)
        assert (await batcher.submit(write(2), soon())).tolist() == row(2)


class _Due(Deadline):
    """Ends as soon as the event loop looks at its timers, but not for the lane."""

    def remaining_s(self) -> float:
        return 0.0


async def test_a_caller_may_leave_at_any_turn_of_the_loop_around_the_deadline() -> None:
    network = GatedNetwork(is_open=False)
    endings: list[type[BaseException]] = []
    async with batching(network) as batcher:
        plug = asyncio.create_task(batcher.submit(write(0), soon()))
        await network.running()
        for turns in range(8):
            task = asyncio.create_task(batcher.submit(write(1), _Due(soon().at_s)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            (ending,) = await asyncio.gather(task, return_exceptions=True)
            endings.append(type(ending))
            assert batcher.depth == 0
        network.gate.set()
        await plug
    assert set(endings) == {asyncio.CancelledError, DeadlineExceeded}
    assert network.batches == [[0]]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lanes", [1, 3])
async def test_in_a_storm_of_callers_everyone_gets_their_own_row_or_a_clear_refusal(
    seed: int, lanes: int
) -> None:
    chance = random.Random(seed)
    network = GatedNetwork(buckets=(1, 2, 4, 8), lanes=lanes, exclusive=False)
    outcomes = {"row": 0, "left": 0, "late": 0, "refused": 0, "bad": 0}

    def bad(slot: NDArray[Any]) -> None:
        slot[:] = -1
        raise ValueError

    async def call(batcher: Any, number: int) -> None:
        await asyncio.sleep(chance.uniform(0, 0.05))
        values = [number + part / 8 for part in range(chance.choice((1, 1, 1, 2, 5)))]
        prepares = [bad if chance.random() < 0.05 else write(value) for value in values]
        seconds = chance.choice((0.0005, PATIENCE_S, PATIENCE_S))
        try:
            found = await batcher.submit_many(prepares, Deadline.after(seconds))
        except DeadlineExceeded:
            outcomes["late"] += 1
        except Overloaded:
            outcomes["refused"] += 1
        else:
            for value, prepare, outcome in zip(values, prepares, found, strict=True):
                if prepare is bad:
                    assert isinstance(outcome, ValueError)
                    outcomes["bad"] += 1
                else:
                    assert outcome.tolist() == row(value)
                    outcomes["row"] += 1

    async def caller(batcher: Any, number: int) -> None:
        task = asyncio.create_task(call(batcher, number))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.uniform(0, 0.06))
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            outcomes["left"] += 1

    async with batching(network, queue_limit=64) as batcher:
        await asyncio.gather(*(caller(batcher, number) for number in range(300)))
        assert batcher.is_alive and batcher.depth == 0
        assert (await batcher.submit(write(7), soon())).tolist() == row(7)
    # Only that it was a storm: how many of each depends on the machine.
    assert outcomes["row"] and outcomes["left"]
