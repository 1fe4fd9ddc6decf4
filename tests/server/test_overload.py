"""More work than the queue takes, and more time than a request has."""

from __future__ import annotations

import asyncio

import pytest
from numpy.typing import NDArray

from server.deadline import Deadline
from server.errors import DeadlineExceeded, Overloaded
from tests.server.gated_network import GatedNetwork, Observer, batching, row, soon, until, write


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    network, observer = GatedNetwork(is_open=False), Observer()
    async with batching(network, queue_limit=3, observer=observer) as batcher:
        tasks = [asyncio.create_task(batcher.submit(write(0), soon()))]
        await network.running()
        tasks += [asyncio.create_task(batcher.submit(write(n), soon())) for n in (1, 2, 3)]
        await until(lambda: batcher.depth == 3)
        with pytest.raises(Overloaded, match="3 pictures") as raised:
            await batcher.submit(write(4), soon())
        assert raised.value.status == 503
        assert raised.value.retry_after_s is not None and 1 <= raised.value.retry_after_s <= 60
        network.gate.set()
        assert [rows.tolist() for rows in await asyncio.gather(*tasks)] == [row(n) for n in range(4)]
        assert (await batcher.submit(write(4), soon())).tolist() == row(4)
    assert max(observer.depths) == 3


async def test_a_request_is_admitted_whole_or_not_at_all() -> None:
    network = GatedNetwork(is_open=False)
    async with batching(network, queue_limit=4) as batcher:
        tasks = [asyncio.create_task(batcher.submit(write(0), soon()))]
        await network.running()
        tasks.append(asyncio.create_task(batcher.submit_many([write(1)] * 3, soon())))
        await until(lambda: batcher.depth == 3)
        with pytest.raises(Overloaded):
            await batcher.submit_many([write(2)] * 2, soon())
        assert batcher.depth == 3
        tasks.append(asyncio.create_task(batcher.submit(write(3), soon())))
        await until(lambda: batcher.depth == 4)
        network.gate.set()
        await asyncio.gather(*tasks)
    assert all(2 not in batch for batch in network.batches)


async def test_a_request_larger_than_the_queue_is_a_fault_of_the_configuration() -> None:
    async with batching(GatedNetwork(), queue_limit=2) as batcher:
        with pytest.raises(ValueError, match="queue of 2"):
            await batcher.submit_many([write(1)] * 3, soon())


async def test_an_expired_request_is_not_admitted() -> None:
    network = GatedNetwork()
    async with batching(network) as batcher:
        with pytest.raises(DeadlineExceeded):
            await batcher.submit(write(1), Deadline.after(-1))
    assert network.batches == []


async def test_a_request_is_answered_at_its_deadline_while_its_batch_runs() -> None:
    network = GatedNetwork(is_open=False)
    async with batching(network) as batcher:
        task = asyncio.create_task(batcher.submit(write(1), Deadline.after(0.05)))
        await network.running()
        with pytest.raises(DeadlineExceeded):
            await task
        assert not network.gate.is_set()
        network.gate.set()
        assert (await batcher.submit(write(2), soon())).tolist() == row(2)


async def test_a_request_that_expires_in_the_queue_leaves_it_unprepared() -> None:
    prepared: list[int] = []

    def prepare(slot: NDArray[object]) -> None:
        prepared.append(1)

    network = GatedNetwork(is_open=False)
    async with batching(network) as batcher:
        plug = asyncio.create_task(batcher.submit(write(0), soon()))
        await network.running()
        with pytest.raises(DeadlineExceeded):
            await batcher.submit(prepare, Deadline.after(0.02))
        assert batcher.depth == 0
        network.gate.set()
        await plug
        await batcher.submit(write(1), soon())
    assert prepared == [] and network.batches == [[0], [1]]


async def test_a_picture_whose_time_ends_while_its_neighbours_are_prepared_is_not_run() -> None:
    limit = Deadline.after(60)

    def late(slot: NDArray[object]) -> None:
        slot[:] = 7
        limit.at_s = 0.0

    network = GatedNetwork(is_open=False)
    async with batching(network) as batcher:
        plug = asyncio.create_task(batcher.submit(write(0), soon()))
        await network.running()
        lost = asyncio.create_task(batcher.submit(late, limit))
        kept = asyncio.create_task(batcher.submit(write(1), soon()))
        await until(lambda: batcher.depth == 2)
        network.gate.set()
        assert (await kept).tolist() == row(1)
        await plug
        lost.cancel()
    assert network.batches == [[0], [1]]
