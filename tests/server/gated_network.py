"""A network whose runs a test can hold, look into and make fail, and a batcher around it.

A picture is one number: `write(3)` prepares it, and its row is that number times 1, 2 and 3.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from threading import Event, Semaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import Code, Input, NetworkSpec
from server.batching import Batcher
from server.deadline import Deadline

POISON = 666.0
PATIENCE_S = 30.0


class GatedNetwork:
    """Runs while `gate` is open; notes every batch it was given."""

    def __init__(
        self,
        *,
        buckets: tuple[int, ...] = (1, 2, 4),
        lanes: int = 1,
        exclusive: bool = True,
        delay_ms: float = 0.0,
        is_open: bool = True,
    ) -> None:
        self.spec = NetworkSpec(
            name="gated",
            version="1",
            task="embed",
            source=Code(),
            licence="none",
            embedding_space="gated",
            dimension=3,
            batch_buckets=buckets,
            delay_ms=delay_ms,
            input=Input(size=1, geometry="stretch"),
        )
        self.batch_buckets = buckets
        self.lanes = lanes
        self.exclusive = exclusive
        self.gate = Event()
        if is_open:
            self.gate.set()
        self.entered = Semaphore(0)
        self.batches: list[list[float]] = []
        self.fault: Callable[[NDArray[Any]], object] | None = None
        self._rows = np.zeros((buckets[-1], 3), np.float32)

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        self.batches.append(batch[:, 0, 0, 0].tolist())
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)
        if self.fault is not None:
            self.fault(batch)
        if (batch == POISON).any():
            raise RuntimeError("the poison did it")
        # The same memory every time, as a network may: results have to be copied out of it.
        rows = self._rows[: len(batch)]
        rows[:] = batch[:, :, 0, 0] * np.array([1, 2, 3], np.float32)
        return rows

    async def running(self) -> None:
        """Returns when one more run has begun."""
        assert await asyncio.to_thread(self.entered.acquire, timeout=PATIENCE_S)


class Observer:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, str]] = []
        self.waits_s: list[float] = []
        self.depths: list[int] = []
        self.told = Semaphore(0)

    def observe_batch(self, network: str, size: int, waited_s: float, reason: str) -> None:
        self.batches.append((size, reason))
        self.waits_s.append(waited_s)
        self.told.release()

    def queue_depth(self, queue: str, depth: int) -> None:
        self.depths.append(depth)


def write(value: float) -> Callable[[NDArray[Any]], object]:
    def prepare(slot: NDArray[Any]) -> None:
        slot[:] = value

    return prepare


def row(value: float) -> list[float]:
    return [value, 2 * value, 3 * value]


def soon() -> Deadline:
    """A deadline that no test reaches."""
    return Deadline.after(PATIENCE_S)


async def until(claim: Callable[[], bool]) -> None:
    """Returns when the claim has come true."""
    async with asyncio.timeout(PATIENCE_S):
        while not claim():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def batching(
    network: GatedNetwork,
    *,
    queue_limit: int = 64,
    prepare_pool: Executor | None = None,
    observer: Observer | None = None,
) -> AsyncIterator[Batcher]:
    """A started batcher; at the end the event loop must not have seen an exception that nobody took."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    batcher = Batcher(
        network, queue_limit=queue_limit, prepare_pool=prepare_pool, observer=observer or Observer()
    )
    await batcher.start()
    try:
        yield batcher
    finally:
        network.gate.set()
        await batcher.stop()
        gc.collect(1)
        assert not unhandled
