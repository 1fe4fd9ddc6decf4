"""The append-only change sequence: how every worker's replica learns what another one wrote.

A topic is anything replicated as a whole (a collection, the logo index). One row per (topic, key) holds the
sequence number of its latest change, so the log never outgrows the data. Writers of a topic are ordered by
the lock on its row, held until they commit: whoever sees number n also sees everything below n.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import asyncpg

from server import db

if TYPE_CHECKING:
    from server.db import Connection, Database

logger = logging.getLogger(__name__)

CHANNEL = "aisle_change"

NEXT = """
INSERT INTO change_topic (topic, sequence) VALUES ($1, 1)
ON CONFLICT (topic) DO UPDATE SET sequence = change_topic.sequence + 1
RETURNING sequence
"""
RECORD = """
INSERT INTO change (topic, key, sequence) SELECT $1, key, $3 FROM unnest($2::text[]) AS key
ON CONFLICT (topic, key) DO UPDATE SET sequence = excluded.sequence
"""
NOTIFY = "SELECT pg_notify($1, $2)"
CURRENT = "SELECT coalesce((SELECT sequence FROM change_topic WHERE topic = $1), 0)"
# One statement, so one snapshot: the number and the keys belong together.
SINCE = """
SELECT coalesce((SELECT sequence FROM change_topic WHERE topic = $1), 0) AS sequence,
       coalesce((SELECT array_agg(key ORDER BY sequence, key)
                 FROM change WHERE topic = $1 AND sequence > $2), '{}') AS keys
"""
FORGET = "DELETE FROM change WHERE topic = $1"
FORGET_TOPIC = "DELETE FROM change_topic WHERE topic = $1"


async def append(connection: Connection, topic: str, keys: Iterable[str]) -> int:
    """Record that `keys` changed, inside the caller's transaction; the topic's new sequence number.

    Followers are woken when the transaction commits.
    """
    sequence: int = await connection.fetchval(NEXT, topic)
    await connection.execute(RECORD, topic, sorted(set(keys)), sequence)
    await connection.execute(NOTIFY, CHANNEL, topic)
    return sequence


async def current(connection: Connection | Database, topic: str) -> int:
    """The topic's latest sequence number, 0 when nothing was ever written."""
    sequence: int = await connection.fetchval(CURRENT, topic)
    return sequence


async def since(connection: Connection | Database, topic: str, after: int) -> tuple[int, list[str]]:
    """The latest sequence number and every key changed after `after`, oldest change first."""
    row = await connection.fetchrow(SINCE, topic, after)
    if row is None:
        raise AssertionError("a SELECT of constants gives one row")
    return row["sequence"], row["keys"]


async def forget(connection: Connection, topic: str) -> None:
    """Drop a topic whose subject is gone, inside the caller's transaction."""
    await connection.execute(FORGET, topic)
    await connection.execute(FORGET_TOPIC, topic)


class Follower:
    """Wakes waiters when a topic may have changed; a lost wake-up costs at most `poll_s`.

    The notification is only a hint. The sequence number in the database is the truth, so a follower that
    was cut off misses nothing: it asks `catch_up` with the number it already has.
    """

    def __init__(self, database: Database, *, poll_s: float = 5.0) -> None:
        self._database = database
        self._poll_s = poll_s
        self._waiting: dict[str, asyncio.Event] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether the listening loop runs."""
        return self._task is not None and not self._task.done()

    async def open(self) -> None:
        """Start listening in the background."""
        self._task = asyncio.create_task(self._listen(), name="changes")

    async def close(self) -> None:
        """Stop listening and wake everybody who still waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._wake_all()

    async def catch_up(self, topic: str, after: int) -> tuple[int, list[str]]:
        """What changed after `after`: see `since`."""
        return await since(self._database, topic, after)

    async def wait(self, topic: str) -> None:
        """Return when the topic may have changed, at the latest after `poll_s`."""
        event = self._waiting.setdefault(topic, asyncio.Event())
        try:
            # Not `wait_for`: it swallows a cancellation that comes together with the event (Python 3.11).
            async with asyncio.timeout(self._poll_s):
                await event.wait()
        except TimeoutError:
            self._waiting.pop(topic, None)

    def _wake(self, topic: str) -> None:
        event = self._waiting.pop(topic, None)
        if event is not None:
            event.set()

    def _wake_all(self) -> None:
        for topic in list(self._waiting):
            self._wake(topic)

    async def _listen(self) -> None:
        pause_s = 0.1
        while True:
            lost = asyncio.Event()
            try:
                connection = await asyncpg.connect(self._database.url, timeout=db.CONNECT_TIMEOUT_S)
            except (TimeoutError, asyncpg.PostgresError, *db.LOST):
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 5.0)
                continue
            try:
                connection.add_termination_listener(lambda _: lost.set())  # noqa: B023
                await connection.add_listener(CHANNEL, self._on_notice)
                pause_s = 0.1
                # Whatever was written while we were away.
                self._wake_all()
                await lost.wait()
                logger.warning("change listener lost its connection")
            except (TimeoutError, asyncpg.PostgresError, *db.LOST):
                logger.warning("change listener failed, connecting again")
            finally:
                connection.terminate()

    def _on_notice(self, _connection: Any, _pid: int, _channel: str, topic: object) -> None:
        self._wake(str(topic))
