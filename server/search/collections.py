"""The collections as they are searched: a replica of each in memory that follows what any worker writes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from server import changes, errors
from server.search import queries
from server.search.catalog import Row, topic
from server.search.pictures import unpacked
from server.search.replica import Replica
from server.search.upkeep import Upkeep

if TYPE_CHECKING:
    from server.changes import Follower
    from server.db import Database
    from server.deadline import Deadline
    from server.pool import WorkPool

logger = logging.getLogger(__name__)

# Pictures fetched and indexed at once while a replica catches up: about 3 MB.
CHUNK = 32
# Pictures without descriptors: about 7 MB.
RESTORED_CHUNK = 512
# How long a follower waits after a failure, and how many collections load at once at the start.
PAUSE_S = 1.0
LOADING = 4
ALWAYS, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class ItemState(msgspec.Struct, frozen=True, kw_only=True):
    """What decides, apart from its pictures, whether an item can be found."""

    tags: frozenset[str]
    active: bool
    valid_from: datetime | None
    valid_to: datetime | None

    def is_visible(self, now: datetime) -> bool:
        """Active, and inside its window of validity."""
        started = self.valid_from is None or self.valid_from <= now
        return self.active and started and (self.valid_to is None or now < self.valid_to)


class Loaded:
    """One collection in memory: the replica, and the states of its items."""

    def __init__(self, replica: Replica | None = None) -> None:
        self.replica = Replica() if replica is None else replica
        self.sequence = 0
        # Images changed since the newest snapshot.
        self.behind = 0
        # The states are set in one worker thread and read in others.
        self._lock = threading.Lock()
        self._tagged: dict[str, set[str]] = {}
        self._tags_of: dict[str, frozenset[str]] = {}
        # Only the few items that are not simply always visible.
        self._conditional: dict[str, ItemState] = {}
        self._hidden: frozenset[str] = frozenset()
        # When the next of them comes or goes.
        self._hide_again = ALWAYS

    def set_item(self, item: str, state: ItemState | None) -> None:
        """Take over an item's state; None forgets the item and its pictures."""
        with self._lock:
            for tag in self._tags_of.pop(item, ()):
                self._tagged[tag].discard(item)
                if not self._tagged[tag]:
                    del self._tagged[tag]
            if self._conditional.pop(item, None) is not None:
                self._hide_again = ALWAYS
            if state is not None:
                self._take(item, state)
        if state is None:
            self.replica.remove_item(item)

    def allowed(self, *any_of: Sequence[str] | None) -> set[str] | None:
        """The items that carry at least one tag of each sequence; None is no restriction.

        Hides, on the way, the items that cannot be found at this moment.
        """
        allowed: set[str] | None = None
        with self._lock:
            for tags in any_of:
                if tags is not None:
                    tagged = set().union(*(self._tagged.get(tag, set()) for tag in tags))
                    allowed = tagged if allowed is None else allowed & tagged
            now = datetime.now(UTC)
            if now >= self._hide_again:
                self._hide(now)
        return allowed

    def _take(self, item: str, state: ItemState) -> None:
        if state.tags:
            self._tags_of[item] = state.tags
        for tag in state.tags:
            self._tagged.setdefault(tag, set()).add(item)
        if not state.active or state.valid_from is not None or state.valid_to is not None:
            self._conditional[item] = state
            self._hide_again = ALWAYS

    def _hide(self, now: datetime) -> None:
        hidden = frozenset(item for item, state in self._conditional.items() if not state.is_visible(now))
        ahead = (
            at
            for state in self._conditional.values()
            for at in (state.valid_from, state.valid_to)
            if at and at > now
        )
        self._hide_again = min(ahead, default=NEVER)
        if hidden != self._hidden:
            self.replica.set_hidden(hidden)
            self._hidden = hidden


class Collections:
    """Every collection of the database, loaded at the start or when it is first searched."""

    def __init__(self, database: Database, follower: Follower, pool: WorkPool, upkeep: Upkeep) -> None:
        self._database = database
        self._follower = follower
        self._pool = pool
        self._upkeep = upkeep
        self._loaded: dict[str, Loaded] = {}
        self._catching_up: dict[str, asyncio.Task[None]] = {}
        self._following: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._loaded)

    def __contains__(self, collection: str) -> bool:
        return collection in self._loaded

    async def open(self) -> None:
        """Load all collections; the server is not ready before."""
        rows = await self._database.fetch(queries.ALL_COLLECTIONS)
        turns = asyncio.Semaphore(LOADING)

        async def load(collection: str) -> None:
            async with turns:
                await self._catch_up(collection)

        await asyncio.gather(*(load(row["id"].hex) for row in rows))

    async def close(self) -> None:
        """Stop following; what is in memory is forgotten."""
        tasks = [*self._following.values(), *self._catching_up.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loaded.clear()

    async def save(self) -> dict[str, bool]:
        """Write a snapshot of every collection; which were written."""
        written: dict[str, bool] = {}
        for collection, loaded in list(self._loaded.items()):
            sequence, behind = loaded.sequence, loaded.behind
            saved = await asyncio.to_thread(self._upkeep.save, collection, loaded.replica, sequence)
            written[collection] = saved
            loaded.behind -= behind if saved else 0
        return written

    async def ready(self, collection: str, sequence: int, deadline: Deadline) -> Loaded:
        """The collection with every change up to `sequence` in it; `DeadlineExceeded` when that is late."""
        while True:
            loaded = self._loaded.get(collection)
            if loaded is not None and loaded.sequence >= sequence:
                return loaded
            await self._joined(collection, deadline)
            if collection not in self._loaded:
                # Deleted since its token was read.
                return Loaded()

    def nudge(self, collection: str) -> None:
        """Catch up in the background, so that the next search need not wait for it."""
        self._task(collection)

    async def _joined(self, collection: str, deadline: Deadline) -> None:
        """Wait for the one task that catches this collection up; it outlives a caller that gives up."""
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                await asyncio.shield(self._task(collection))
        except TimeoutError as late:
            raise errors.DeadlineExceeded("The collection is still being loaded") from late

    def _task(self, collection: str) -> asyncio.Task[None]:
        task = self._catching_up.get(collection)
        # One that is done stays here until its callback has run; whoever waits for it again would never yield.
        if task is None or task.done():
            task = asyncio.create_task(self._catch_up(collection), name=f"catch up {collection}")
            self._catching_up[collection] = task
            task.add_done_callback(lambda done: self._ended(collection, done))
        return task

    def _ended(self, collection: str, task: asyncio.Task[None]) -> None:
        if self._catching_up.get(collection) is task:
            del self._catching_up[collection]
        if not task.cancelled() and task.exception() is not None:
            # Whoever waits gets the fault too; in the background the next change tries again.
            logger.warning(
                "collection is behind", extra={"collection": collection}, exc_info=task.exception()
            )

    async def _catch_up(self, collection: str) -> None:
        loaded = self._loaded.get(collection)
        if loaded is None:
            await self._load(collection)
            return
        sequence, keys = await self._follower.catch_up(topic(collection), loaded.sequence)
        # The topic goes with its collection; one that never changed has none.
        if sequence < loaded.sequence or (sequence == 0 and not await self._exists(collection)):
            self._forget(collection)
            await asyncio.to_thread(self._upkeep.discard, collection)
            return
        if sequence == loaded.sequence:
            return
        items = [key.removeprefix("item:") for key in keys if key.startswith("item:")]
        images = [key.removeprefix("image:") for key in keys if key.startswith("image:")]
        states = await self._database.fetch(queries.ITEM_STATES, collection, items)
        await self._pool.run(_take_items, loaded, items, states)
        await self._take_images(collection, loaded, images)
        loaded.sequence = sequence

    async def _load(self, collection: str) -> None:
        # The number first: what changes while we read is read again afterwards.
        sequence = await changes.current(self._database, topic(collection))
        loaded = await self._restored(collection, sequence)
        rows = await self._database.fetch(queries.ALL_ITEM_STATES, collection)
        await self._pool.run(_take_items, loaded, (), rows)
        images = await self._database.fetch(queries.ALL_IMAGE_IDS, collection)
        missing = [row["id"].hex for row in images if row["id"].hex not in loaded.replica]
        await self._take_images(collection, loaded, missing)
        loaded.sequence = sequence
        if await self._exists(collection):
            self._loaded[collection] = loaded
            self._following[collection] = asyncio.create_task(
                self._follow(collection), name=f"follow {collection}"
            )

    async def _restored(self, collection: str, sequence: int) -> Loaded:
        """What a snapshot has that has not changed since: nothing without one, or with one from the future."""
        found = await asyncio.to_thread(self._upkeep.restored, collection)
        if found is None or found[2] > sequence:
            return Loaded()
        replica, numbers, then = found
        _, changed = await self._follower.catch_up(topic(collection), then)
        gone = {key.removeprefix("image:") for key in changed} & numbers.keys()
        kept = sorted(numbers.keys() - gone)
        loaded = Loaded(replica)
        for start in range(0, len(kept), RESTORED_CHUNK):
            chunk = kept[start : start + RESTORED_CHUNK]
            rows = await self._database.fetch(queries.FEATURES_WITHOUT_DESCRIPTORS, collection, chunk)
            await self._pool.run(_restore_images, replica, numbers, chunk, rows)
        for image in gone:
            replica.forget(numbers[image])
        return loaded

    async def _exists(self, collection: str) -> bool:
        return bool(await self._database.fetchval(queries.COLLECTION_EXISTS, collection))

    async def _take_images(self, collection: str, loaded: Loaded, images: list[str]) -> None:
        for start in range(0, len(images), CHUNK):
            chunk = images[start : start + CHUNK]
            rows = await self._database.fetch(queries.FEATURES, collection, chunk)
            await self._pool.run(_take_images, loaded.replica, chunk, rows)
        loaded.behind += len(images)

    async def _follow(self, collection: str) -> None:
        """Keep up with other workers' writes as they are announced."""
        while collection in self._loaded:
            await self._look_after(collection)
            await self._follower.wait(topic(collection))
            try:
                await asyncio.shield(self._task(collection))
            except Exception:
                # Told in the log by the task itself; a loop that ended here would follow no more.
                await asyncio.sleep(PAUSE_S)

    async def _look_after(self, collection: str) -> None:
        loaded = self._loaded.get(collection)
        if loaded is None:
            return
        # Both read now: changes that come while the snapshot is written count for the next one.
        sequence, behind = loaded.sequence, loaded.behind
        try:
            if await self._upkeep.look_after(collection, loaded.replica, sequence, behind):
                loaded.behind -= behind
        except Exception:
            logger.exception("upkeep failed", extra={"collection": collection})

    def _forget(self, collection: str) -> None:
        self._loaded.pop(collection, None)
        following = self._following.pop(collection, None)
        if following is not None:
            following.cancel()


def _take_items(loaded: Loaded, items: Iterable[str], rows: Sequence[Row]) -> None:
    """Take over the states in `rows`; of `items`, those without a row are gone."""
    gone = set(items)
    for row in rows:
        item = row["id"].hex
        gone.discard(item)
        tags = frozenset(tag.hex for tag in row["tags"])
        state = ItemState(
            tags=tags, active=row["active"], valid_from=row["valid_from"], valid_to=row["valid_to"]
        )
        loaded.set_item(item, state)
    for item in gone:
        loaded.set_item(item, None)


def _restore_images(
    replica: Replica, numbers: Mapping[str, int], images: Iterable[str], rows: Sequence[Row]
) -> None:
    """Complete the images in `rows`, which come from a snapshot; of `images`, those without a row are gone."""
    gone = set(images)
    for row in rows:
        image = row["id"].hex
        gone.discard(image)
        replica.restore(numbers[image], image, row["item"].hex, unpacked(row))
    for image in gone:
        replica.forget(numbers[image])


def _take_images(replica: Replica, images: Iterable[str], rows: Sequence[Row]) -> None:
    """Take over the features in `rows`; of `images`, those without a row are gone."""
    replica.add_images((row["id"].hex, row["item"].hex, unpacked(row)) for row in rows)
    for image in set(images) - {row["id"].hex for row in rows}:
        replica.remove_image(image)
