"""The batcher: pictures of many requests meet here and go through one network together.

    submit -> waiting (bounded, counted in pictures) -> a free lane cuts a batch -> prepare -> run -> outcome

A batch is what waits when a lane becomes free: while the device works the next batch gathers, and a
lone request never waits. Lanes are threads; the event loop only admits, hands over results and
answers deadlines.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from threading import Condition, Lock, Thread
from time import monotonic
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from server.deadline import Deadline
from server.errors import DeadlineExceeded, NotReady, Overloaded
from server.lane import BatchedNetwork, Item, Lane, Outcome, Prepare

logger = logging.getLogger(__name__)

# Why a batch was closed: at its largest size; a lane was free; its first item had waited `delay_ms`.
Reason = Literal["full", "idle", "late"]


class BatchObserver(Protocol):
    """Told of every batch and of the queue, from any thread; must be quick and must not raise."""

    def observe_batch(self, network: str, size: int, waited_s: float, reason: str) -> None: ...
    def queue_depth(self, queue: str, depth: int) -> None: ...


class _Request:
    """One call of submit_many, complete when every item has its outcome.

    Only the event loop touches it, but for `is_wanted`.
    """

    __slots__ = ("admitted_s", "deadline", "future", "missing", "outcomes")

    def __init__(self, count: int, deadline: Deadline, future: asyncio.Future[None]) -> None:
        self.deadline = deadline
        self.future = future
        self.missing = count
        self.outcomes: list[Outcome | None] = [None] * count
        self.admitted_s = monotonic()

    def is_wanted(self) -> bool:
        return not self.future.done() and not self.deadline.expired

    def settle(self, index: int, outcome: Outcome) -> None:
        self.outcomes[index] = outcome
        self.missing -= 1
        if not self.missing and not self.future.done():
            self.future.set_result(None)

    def expire(self) -> None:
        if not self.future.done():
            self.future.set_exception(DeadlineExceeded())


class _Waiting(Item):
    __slots__ = ("index", "request")

    def __init__(self, prepare: Prepare, request: _Request, index: int) -> None:
        super().__init__(prepare, request.is_wanted)
        self.request = request
        self.index = index


class Batcher:
    """The queue and the lanes of one network.

    `queue_limit` bounds the pictures that wait; it must be at least what one request may carry.
    With `prepare_pool` the pictures of a batch are prepared by several threads. The network must be
    warm before `start`.
    """

    def __init__(
        self,
        network: BatchedNetwork,
        *,
        prepare_pool: Executor | None = None,
        queue_limit: int,
        observer: BatchObserver,
    ) -> None:
        self.name = network.spec.name
        self._network = network
        self._pool = prepare_pool
        self._limit = queue_limit
        self._observer = observer
        self._largest = network.batch_buckets[-1]
        self._delay_s = network.spec.delay_ms / 1000
        # Guards everything below that lanes and event loop both touch.
        self._changed = Condition(Lock())
        self._waiting: deque[_Waiting] = deque()
        self._state: Literal["new", "running", "stopping", "stopped", "dead"] = "new"
        self._free_lanes = 0
        self._item_s = 0.0
        self._open_lanes = 0
        self._threads: list[Thread] = []
        self._ended = asyncio.Event()

    @property
    def is_alive(self) -> bool:
        """True while every lane runs; a server whose batcher is not alive is not ready."""
        return self._state == "running" and all(thread.is_alive() for thread in self._threads)

    @property
    def depth(self) -> int:
        """Pictures that wait for a lane."""
        return len(self._waiting)

    async def start(self) -> None:
        """Opens the lanes; submits must come from this event loop."""
        assert self._state == "new", "a batcher starts once"
        self._loop = asyncio.get_running_loop()
        self._state = "running"
        for number in range(self._network.lanes):
            lane = Lane(self._network, self._pool)
            name = f"{self.name}-lane-{number}"
            self._threads.append(Thread(target=self._serve, args=(lane,), name=name, daemon=True))
        self._open_lanes = len(self._threads)
        for thread in self._threads:
            thread.start()

    async def stop(self, drain_s: float = 5.0) -> None:
        """Takes nothing new, works off what waits for up to `drain_s`, then fails the rest with NotReady."""
        with self._changed:
            if self._state != "running":
                return
            self._state = "stopping"
            self._changed.notify_all()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), drain_s)
        with self._changed:
            self._state = "stopped"
            rest = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        _hand_over(self._refuse(rest))

    async def submit(self, prepare: Prepare, deadline: Deadline) -> NDArray[Any]:
        """The network's row for one picture that `prepare` writes into its slot.

        Raises what `prepare` raised, Overloaded, NotReady, DeadlineExceeded, or InternalError when the
        network failed.
        """
        (outcome,) = await self.submit_many((prepare,), deadline)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def submit_many(self, prepares: Sequence[Prepare], deadline: Deadline) -> list[Outcome]:
        """A row or an exception per picture, in order; all are admitted, or none.

        Answers at the deadline even while a batch with these pictures runs; pictures whose caller
        left are dropped at the next step. Raises Overloaded, NotReady, DeadlineExceeded.
        """
        if not prepares:
            return []
        deadline.check()
        loop = asyncio.get_running_loop()
        request = _Request(len(prepares), deadline, loop.create_future())
        self._admit([_Waiting(prepare, request, index) for index, prepare in enumerate(prepares)])
        timer = loop.call_later(deadline.remaining_s(), request.expire)
        try:
            await request.future
        finally:
            timer.cancel()
            if request.missing:
                self._withdraw(request)
        return [outcome for outcome in request.outcomes if outcome is not None]

    def _admit(self, items: list[_Waiting]) -> None:
        if len(items) > self._limit:
            raise ValueError(f"{len(items)} pictures at once can never fit a queue of {self._limit}")
        with self._changed:
            if self._state != "running":
                raise NotReady(f"The network {self.name} takes no work now")
            if len(self._waiting) + len(items) > self._limit:
                wait_s = len(self._waiting) * self._item_s
                raise Overloaded(
                    f"The queue of the network {self.name} is full at {self._limit} pictures",
                    retry_after_s=min(60.0, max(1.0, wait_s)),
                )
            self._waiting.extend(items)
            depth = len(self._waiting)
            self._changed.notify(len(items))
        self._observer.queue_depth(self.name, depth)

    def _withdraw(self, request: _Request) -> None:
        """The caller is gone: its pictures leave the queue at once and make room."""
        with self._changed:
            self._waiting = deque(item for item in self._waiting if item.request is not request)
            depth = len(self._waiting)
        self._observer.queue_depth(self.name, depth)

    # What follows runs in the lanes' threads.

    def _serve(self, lane: Lane) -> None:
        items: list[_Waiting] = []
        try:
            while cut := self._cut():
                items, reason = cut
                self._observer.queue_depth(self.name, len(self._waiting))
                count, began_s = len(items), monotonic()
                waited_s = began_s - items[0].request.admitted_s
                lane.process(list(items))
                self._deliver(items)
                # Delivered: not this lane's concern any more, and not kept alive while it waits.
                items, cut = [], None
                self._measure(count, monotonic() - began_s)
                self._observer.observe_batch(self.name, count, waited_s, reason)
        except BaseException:  # a lane never ends in silence
            logger.critical("a lane of %s died", self.name, exc_info=True)
            self._die(items)
        finally:
            with suppress(RuntimeError):  # the loop may be closed
                self._loop.call_soon_threadsafe(self._note_end)

    def _cut(self) -> tuple[list[_Waiting], Reason] | None:
        """Waits for work and takes a batch off the queue; None when there will be no more."""
        with self._changed:
            self._free_lanes += 1
            try:
                while True:
                    if self._state in ("stopped", "dead"):
                        return None
                    if not self._waiting:
                        if self._state == "stopping":
                            return None
                        self._changed.wait()
                        continue
                    count, reason, wait_s = self._size()
                    if count:
                        return [self._waiting.popleft() for _ in range(count)], reason
                    self._changed.wait(wait_s)
            finally:
                self._free_lanes -= 1

    def _size(self) -> tuple[int, Reason, float]:
        """How many to take now and why, or 0 and how long to wait for company."""
        count = len(self._waiting)
        if self._delay_s and count < self._largest and self._state == "running":
            left_s = self._delay_s - (monotonic() - self._waiting[0].request.admitted_s)
            return (0, "late", left_s) if left_s > 0 else (count, "late", 0.0)
        if not self._delay_s and not self._network.exclusive:
            # Lanes that compute at the same time share what waits: two halves end sooner than one whole.
            count = -(-count // self._free_lanes)
        return (self._largest, "full", 0.0) if count >= self._largest else (count, "idle", 0.0)

    def _measure(self, count: int, elapsed_s: float) -> None:
        """Keeps a running mean of the time per picture, for Retry-After."""
        item_s = elapsed_s / count / len(self._threads)
        self._item_s += 0.1 * (item_s - self._item_s) if self._item_s else item_s

    def _deliver(self, items: list[_Waiting]) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits
            self._loop.call_soon_threadsafe(_hand_over, items)

    def _die(self, items: list[_Waiting]) -> None:
        """Nobody is left waiting on a lane that is gone."""
        with self._changed:
            self._state = "dead"
            rest = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        self._refuse([item for item in items if item.outcome is None])
        self._deliver(items + self._refuse(rest))

    def _refuse(self, items: list[_Waiting]) -> list[_Waiting]:
        for item in items:
            item.outcome = NotReady(f"The network {self.name} has stopped")
        return items

    def _note_end(self) -> None:
        # Counted, not asked: the thread that says so is still alive.
        self._open_lanes -= 1
        if not self._open_lanes:
            self._ended.set()


def _hand_over(items: list[_Waiting]) -> None:
    """In the event loop: gives each request its outcomes; an item without one is answered by its deadline."""
    for item in items:
        if item.outcome is not None:
            item.request.settle(item.index, item.outcome)
