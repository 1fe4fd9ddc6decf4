"""One lane of a batcher: pictures prepared into one buffer, run as one batch, an outcome for each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.manifest import NetworkSpec
from server.errors import InternalError

logger = logging.getLogger(__name__)

# Writes one picture into its slot, (3, S, S) of the network's dtype; must write every pixel of it.
Prepare = Callable[[NDArray[Any]], object]
# What the network says of one picture, or the reason why it says nothing.
Outcome = NDArray[Any] | Exception


class BatchedNetwork(Protocol):
    """What a batcher needs of a network; `models.network.Network` and the stub have it."""

    @property
    def spec(self) -> NetworkSpec: ...
    @property
    def batch_buckets(self) -> tuple[int, ...]: ...
    @property
    def lanes(self) -> int: ...
    @property
    def exclusive(self) -> bool: ...
    def run(self, batch: NDArray[Any]) -> NDArray[Any]: ...


class Item:
    """One picture on its way through a lane; `is_wanted` turns false when nobody waits for it any more."""

    __slots__ = ("is_wanted", "outcome", "prepare")

    def __init__(self, prepare: Prepare, is_wanted: Callable[[], bool]) -> None:
        self.prepare: Prepare | None = prepare
        self.is_wanted = is_wanted
        self.outcome: Outcome | None = None


class Lane:
    """A buffer for the largest batch and the way through it; used by one thread at a time."""

    def __init__(self, network: BatchedNetwork, pool: Executor | None) -> None:
        spec = network.spec
        assert spec.input is not None, "a network without pictures cannot be batched"
        self._network = network
        self._pool = pool
        self._buckets = network.batch_buckets
        size = spec.input.size
        self._buffer: NDArray[Any] = np.zeros((self._buckets[-1], 3, size, size), spec.input.dtype)

    def process(self, items: list[Item]) -> None:
        """Gives each item its outcome; one that nobody wants any more is left without, at no cost."""
        self._prepare(items)
        ready: list[Item] = []
        for place, item in enumerate(items):
            if item.outcome is not None or not item.is_wanted():
                continue
            if place != len(ready):
                # Close the gap that a dropped or refused picture left.
                self._buffer[len(ready)] = self._buffer[place]
            ready.append(item)
        if ready:
            self._run(ready)

    def _prepare(self, items: list[Item]) -> None:
        """Fills the slots, in this thread and, where a pool is given, in its threads too."""
        helpers: list[Future[None]] = []
        if self._pool is not None:
            try:
                for place in range(1, len(items)):
                    helpers.append(self._pool.submit(self._prepare_one, items[place], self._buffer[place]))
            except RuntimeError:  # the pool was shut down: the rest is done here
                logger.debug("the preparing pool takes no more work")
        self._prepare_one(items[0], self._buffer[0])
        for place in range(len(items) - 1, 0, -1):
            # From the back: what the pool has not begun, this thread takes over instead of waiting.
            if place > len(helpers) or helpers[place - 1].cancel():
                self._prepare_one(items[place], self._buffer[place])
            else:
                helpers[place - 1].result()

    def _prepare_one(self, item: Item, slot: NDArray[Any]) -> None:
        prepare, item.prepare = item.prepare, None
        if prepare is None or not item.is_wanted():
            return
        try:
            prepare(slot)
        except Exception as error:  # the item's own fault, whatever it is: its batch goes on
            item.outcome = error

    def _run(self, items: list[Item]) -> None:
        """The items lie in the first rows of the buffer."""
        count = len(items)
        batch = self._buffer[: self._bucket(count)]
        batch[count:] = 0
        try:
            self._finish(items, batch)
        except Exception as error:  # any fault of the network: the lane must outlive it
            logger.exception("%s failed on a batch of %d", self._network.spec.name, count)
            if count == 1:
                self._fail(items, error)
            else:
                self._run_halves(items)

    def _run_halves(self, items: list[Item]) -> None:
        """Once more in two parts, each alone in its batch, so that one bad picture spoils only its half."""
        middle = (len(items) + 1) // 2
        for first, end in ((0, middle), (middle, len(items))):
            part = items[first:end]
            batch = np.zeros((self._bucket(len(part)), *self._buffer.shape[1:]), self._buffer.dtype)
            batch[: len(part)] = self._buffer[first:end]
            try:
                self._finish(part, batch)
            except Exception as error:  # as above
                logger.exception("%s failed on half a batch, %d", self._network.spec.name, len(part))
                self._fail(part, error)

    def _finish(self, items: list[Item], batch: NDArray[Any]) -> None:
        rows = self._network.run(batch)
        if len(rows) != len(batch):
            raise ValueError(f"{len(batch)} pictures went in, {len(rows)} rows came out")
        for item, row in zip(items, rows, strict=False):
            # A copy: neither the batch's memory nor the neighbours' results stay alive with it.
            item.outcome = row.copy()

    def _fail(self, items: list[Item], cause: Exception) -> None:
        for item in items:
            # One error per item: a raised exception collects the traceback of whoever raises it.
            error = InternalError("The network failed on this picture", code="NETWORK_FAILED")
            error.__cause__ = cause
            item.outcome = error

    def _bucket(self, count: int) -> int:
        return next(bucket for bucket in self._buckets if bucket >= count)
