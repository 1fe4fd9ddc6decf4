from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, get_ident
from typing import Any

import pytest
from numpy.typing import NDArray

from server.batching import Batcher
from server.errors import InternalError, NotReady
from tests.server.gated_network import (
    PATIENCE_S,
    POISON,
    GatedNetwork,
    Observer,
    batching,
    row,
    soon,
    until,
    write,
)


async def test_a_lone_request_runs_alone_and_at_once() -> None:
    network, observer = GatedNetwork(), Observer()
    async with batching(network, observer=observer) as batcher:
        found = await batcher.submit(write(5), soon())
        assert found.tolist() == row(5)
        await until(lambda: observer.batches == [(1, "idle")])
    assert network.batches == [[5]]


@pytest.mark.parametrize(
    ("waiting", "batches"), [(3, [1, 3]), (4, [1, 4]), (5, [1, 4, 1]), (9, [1, 4, 4, 1])]
)
async def test_what_waits_is_cut_when_the_lane_is_free_up_to_the_largest_batch(
    waiting: int, batches: list[int]
) -> None:
    network, observer = GatedNetwork(is_open=False), Observer()
    async with batching(network, observer=observer) as batcher:
        plug = asyncio.create_task(batcher.submit(write(0), soon()))
        await network.running()
        tasks = [asyncio.create_task(batcher.submit(write(n), soon())) for n in range(1, waiting + 1)]
        await until(lambda: batcher.depth == waiting)
        network.gate.set()
        found = await asyncio.gather(plug, *tasks)
        assert [rows.tolist() for rows in found] == [row(n) for n in range(waiting + 1)]
        await until(lambda: len(observer.batches) == len(batches))
    assert [size for size, _ in observer.batches] == batches
    assert [reason for _, reason in observer.batches] == ["full" if size == 4 else "idle" for size in batches]


async def test_a_full_batch_does_not_wait_for_the_delay() -> None:
    network, observer = GatedNetwork(delay_ms=1e6), Observer()
    async with batching(network, observer=observer) as batcher:
        found = await asyncio.gather(*(batcher.submit(write(n), soon()) for n in range(4)))
        assert [rows.tolist() for rows in found] == [row(n) for n in range(4)]
        await until(lambda: observer.batches == [(4, "full")])


async def test_a_batch_that_stays_small_runs_when_its_first_item_has_waited_long_enough() -> None:
    network, observer = GatedNetwork(delay_ms=5), Observer()
    async with batching(network, observer=observer) as batcher:
        await batcher.submit_many([write(1), write(2)], soon())
        await until(lambda: observer.batches == [(2, "late")])
    assert observer.waits_s[0] >= 0.005


async def test_results_keep_the_order_of_the_request_across_batches() -> None:
    network = GatedNetwork(buckets=(1, 2))
    async with batching(network) as batcher:
        found = await batcher.submit_many([write(n) for n in range(7)], soon())
    assert [rows.tolist() for rows in found if not isinstance(rows, Exception)] == [row(n) for n in range(7)]


async def test_a_batch_is_padded_to_its_bucket_with_zeros_not_with_former_pictures() -> None:
    network = GatedNetwork(buckets=(4,))
    async with batching(network) as batcher:
        await batcher.submit_many([write(n) for n in (1, 2, 3, 4)], soon())
        await batcher.submit_many([write(n) for n in (5, 6)], soon())
    assert network.batches == [[1, 2, 3, 4], [5, 6, 0, 0]]


async def test_the_smallest_bucket_that_fits_is_used() -> None:
    network = GatedNetwork(buckets=(1, 2, 4, 8))
    async with batching(network) as batcher:
        for count in (1, 2, 3, 5):
            await batcher.submit_many([write(1)] * count, soon())
    assert [len(batch) for batch in network.batches] == [1, 2, 4, 8]


async def test_a_result_does_not_change_when_the_lane_goes_on() -> None:
    async with batching(GatedNetwork()) as batcher:
        first, second = await batcher.submit_many([write(1), write(2)], soon())
        await batcher.submit_many([write(8), write(9)], soon())
        assert not isinstance(first, Exception) and not isinstance(second, Exception)
        assert first.tolist() == row(1) and second.tolist() == row(2)
        # Nor does it keep the memory of the whole batch alive.
        assert first.base is None and second.base is None


async def test_a_picture_that_cannot_be_prepared_fails_alone() -> None:
    def refuse(slot: NDArray[Any]) -> None:
        slot[:] = 99
        raise ValueError("no picture")

    network = GatedNetwork()
    async with batching(network) as batcher:
        first, second, third = await batcher.submit_many([write(1), refuse, write(3)], soon())
        assert isinstance(second, ValueError) and str(second) == "no picture"
        assert not isinstance(first, Exception) and first.tolist() == row(1)
        assert not isinstance(third, Exception) and third.tolist() == row(3)
        with pytest.raises(ValueError, match="no picture"):
            await batcher.submit(refuse, soon())
    # The gap it left was closed, and what it had written is gone.
    assert network.batches == [[1, 3]]


async def test_a_batch_that_raises_is_run_again_as_halves_and_only_one_half_fails() -> None:
    network = GatedNetwork()
    async with batching(network) as batcher:
        found = await batcher.submit_many([write(1), write(2), write(3), write(POISON)], soon())
        assert [isinstance(outcome, InternalError) for outcome in found] == [False, False, True, True]
        errors = [outcome for outcome in found if isinstance(outcome, InternalError)]
        assert [str(error.__cause__) for error in errors] == ["the poison did it"] * 2
        assert errors[0] is not errors[1] and {error.code for error in errors} == {"NETWORK_FAILED"}
        assert batcher.is_alive
    assert network.batches == [[1, 2, 3, POISON], [1, 2], [3, POISON]]


async def test_a_half_never_shares_its_batch_with_the_other_half() -> None:
    network = GatedNetwork(buckets=(4,))
    async with batching(network) as batcher:
        await batcher.submit_many([write(POISON), write(1), write(2)], soon())
    assert network.batches == [[POISON, 1, 2, 0], [POISON, 1, 0, 0], [2, 0, 0, 0]]


async def test_halves_are_not_halved_again_and_the_lane_goes_on() -> None:
    def fail(batch: NDArray[Any]) -> None:
        raise RuntimeError("out of memory")

    network = GatedNetwork()
    async with batching(network) as batcher:
        network.fault = fail
        found = await batcher.submit_many([write(n) for n in range(4)], soon())
        assert all(isinstance(outcome, InternalError) for outcome in found)
        assert len(network.batches) == 3
        with pytest.raises(InternalError):
            await batcher.submit(write(1), soon())
        assert len(network.batches) == 4
        network.fault = None
        assert (await batcher.submit(write(1), soon())).tolist() == row(1)


async def test_a_network_that_loses_rows_fails_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    network = GatedNetwork()
    whole = network.run
    monkeypatch.setattr(network, "run", lambda batch: whole(batch)[1:])
    async with batching(network) as batcher:
        with pytest.raises(InternalError) as raised:
            await batcher.submit(write(1), soon())
        assert "0 rows came out" in str(raised.value.__cause__)


@pytest.mark.parametrize(("exclusive", "sizes"), [(False, [2, 2]), (True, [4])])
async def test_lanes_that_compute_side_by_side_share_what_waits(exclusive: bool, sizes: list[int]) -> None:
    network = GatedNetwork(lanes=2, exclusive=exclusive, is_open=False)
    async with batching(network) as batcher:
        await until(lambda: batcher._free_lanes == 2)
        task = asyncio.create_task(batcher.submit_many([write(n) for n in range(4)], soon()))
        for _ in sizes:
            await network.running()
        network.gate.set()
        await task
    assert sorted(len(batch) for batch in network.batches) == sizes


async def test_a_second_lane_works_while_the_first_is_busy() -> None:
    network = GatedNetwork(lanes=2, is_open=False)
    async with batching(network) as batcher:
        tasks = []
        for number in range(2):
            tasks.append(asyncio.create_task(batcher.submit(write(number), soon())))
            await network.running()
        network.gate.set()
        assert [rows.tolist() for rows in await asyncio.gather(*tasks)] == [row(0), row(1)]


async def test_a_pool_prepares_the_pictures_of_a_batch_side_by_side() -> None:
    together = Barrier(3)
    threads: set[int] = set()

    def prepare(slot: NDArray[Any]) -> None:
        together.wait(PATIENCE_S)
        threads.add(get_ident())
        slot[:] = 1

    with ThreadPoolExecutor(2) as pool:
        async with batching(GatedNetwork(), prepare_pool=pool) as batcher:
            found = await batcher.submit_many([prepare] * 3, soon())
    assert len(threads) == 3
    assert not any(isinstance(outcome, Exception) for outcome in found)


async def test_a_busy_pool_holds_no_batch_up() -> None:
    release = Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(release.wait, PATIENCE_S)
        async with batching(GatedNetwork(), prepare_pool=pool) as batcher:
            found = await batcher.submit_many([write(n) for n in range(4)], soon())
        assert not release.is_set()
        release.set()
    assert [rows.tolist() for rows in found if not isinstance(rows, Exception)] == [row(n) for n in range(4)]


async def test_a_pool_that_was_shut_down_is_done_without() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    async with batching(GatedNetwork(), prepare_pool=pool) as batcher:
        found = await batcher.submit_many([write(n) for n in range(3)], soon())
    assert [rows.tolist() for rows in found if not isinstance(rows, Exception)] == [row(n) for n in range(3)]


async def test_no_pictures_give_no_results() -> None:
    async with batching(GatedNetwork()) as batcher:
        assert await batcher.submit_many([], soon()) == []


async def test_a_dead_lane_is_seen_and_leaves_nobody_waiting() -> None:
    def die(batch: NDArray[Any]) -> None:
        raise SystemExit("the thread ends here")

    network = GatedNetwork(is_open=False)
    network.fault = die
    async with batching(network) as batcher:
        assert batcher.is_alive
        running = asyncio.create_task(batcher.submit(write(1), soon()))
        await network.running()
        waiting = asyncio.create_task(batcher.submit(write(2), soon()))
        await until(lambda: batcher.depth == 1)
        network.gate.set()
        for task in (running, waiting):
            with pytest.raises(NotReady):
                await task
        assert not batcher.is_alive and batcher.depth == 0
        with pytest.raises(NotReady):
            await batcher.submit(write(3), soon())


async def test_what_was_finished_before_the_lane_died_is_delivered() -> None:
    def refuse(slot: NDArray[Any]) -> None:
        raise ValueError("no picture")

    def die(batch: NDArray[Any]) -> None:
        raise SystemExit

    network = GatedNetwork()
    network.fault = die
    async with batching(network) as batcher:
        refused, lost = await batcher.submit_many([refuse, write(1)], soon())
        assert isinstance(refused, ValueError) and isinstance(lost, NotReady)


async def test_stopping_works_off_what_waits() -> None:
    network = GatedNetwork(is_open=False)
    async with batching(network) as batcher:
        tasks = [asyncio.create_task(batcher.submit(write(0), soon()))]
        await network.running()
        tasks.append(asyncio.create_task(batcher.submit(write(1), soon())))
        await until(lambda: batcher.depth == 1)
        stopping = asyncio.create_task(batcher.stop(PATIENCE_S))
        await until(lambda: not batcher.is_alive)
        with pytest.raises(NotReady):
            await batcher.submit(write(2), soon())
        network.gate.set()
        await stopping
        assert [rows.tolist() for rows in await asyncio.gather(*tasks)] == [row(0), row(1)]


async def test_stopping_fails_what_is_not_done_in_time() -> None:
    network = GatedNetwork(is_open=False)
    async with batching(network) as batcher:
        running = asyncio.create_task(batcher.submit(write(0), soon()))
        await network.running()
        waiting = asyncio.create_task(batcher.submit(write(1), soon()))
        await until(lambda: batcher.depth == 1)
        await batcher.stop(drain_s=0)
        with pytest.raises(NotReady):
            await waiting
        network.gate.set()
        assert (await running).tolist() == row(0)
    assert network.batches == [[0]]


async def test_nothing_is_taken_before_the_start() -> None:
    batcher = Batcher(GatedNetwork(), queue_limit=4, observer=Observer())
    assert not batcher.is_alive
    with pytest.raises(NotReady):
        await batcher.submit(write(1), soon())
    await batcher.stop()
