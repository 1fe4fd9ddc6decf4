"""Listens to Product Opener's streams in Redis: every message becomes jobs, and none is lost or taken twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from server.insights.events.stream_messages import TEXTS, UPDATES, told

if TYPE_CHECKING:
    from server.db import Database
    from server.insights.events.events import Events

logger = logging.getLogger(__name__)

STREAMS = (UPDATES, TEXTS)
BATCH = 100
# How long a read waits for a message, and how long an answer may take beyond that.
BLOCK_S = 5.0
ANSWER_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
# What held for so long is worth an early new try.
STEADY_S = 60.0
START = "0-0"

PLACES = "SELECT name, position FROM event_stream"
BEGIN = "INSERT INTO event_stream (name, position) VALUES ($1, $2) ON CONFLICT DO NOTHING"
HELD_PLACE = "SELECT position FROM event_stream WHERE name = $1 FOR UPDATE"
MOVE = "UPDATE event_stream SET position = $2 WHERE name = $1"

Message: TypeAlias = tuple[str, Mapping[str, str]]


class Stream:
    """Every worker may listen: a batch counts only for the one that still finds the place it read from.

    Nobody waits for it: without Redis it tries again, with growing pauses. The place in each stream is kept in
    the database, together with the jobs; the very first start begins at the end of the streams.
    """

    def __init__(self, url: str, *, database: Database, events: Events) -> None:
        self._url = url
        self._database = database
        self._events = events
        self._task: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether messages are listened to, or will be when Redis is back."""
        return self._task is not None and not self._task.done()

    async def open(self) -> None:
        """Start to listen; `RuntimeError` where the library for it is not installed."""
        await asyncio.to_thread(_library)
        self._task = asyncio.create_task(self._run(), name="stream")

    async def close(self) -> None:
        """Listen no more; what was read and not queued is read again by the next one."""
        if self._task is not None:
            # Again where the client swallowed it together with an answer.
            while not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task], timeout=1.0)

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            began_s = monotonic()
            try:
                await self._listen()
            except Exception as fault:
                # Its text may hold the address with its password.
                logger.warning("event stream lost, trying again", extra={"reason": type(fault).__name__})
            steady = monotonic() - began_s > STEADY_S
            pause_s = FIRST_PAUSE_S if steady else min(pause_s * 2, LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def _listen(self) -> None:
        """One life of a connection."""
        client = _library().from_url(
            self._url,
            protocol=2,
            decode_responses=True,
            encoding_errors="replace",
            socket_connect_timeout=ANSWER_S,
            socket_timeout=BLOCK_S + ANSWER_S,
        )
        try:
            await self._begin(client)
            while True:
                places = {row["name"]: row["position"] for row in await self._database.fetch(PLACES)}
                wanted = {name: places[name] for name in STREAMS}
                found = await client.xread(wanted, count=BATCH, block=int(BLOCK_S * 1000))
                for name, messages in found or ():
                    await self._take(name, wanted[name], messages)
        finally:
            await client.aclose()

    async def _begin(self, client: Any) -> None:
        """Know a place in every stream: the end of one that was never read."""
        known = {row["name"] for row in await self._database.fetch(PLACES)}
        for name in STREAMS:
            if name not in known:
                last = await client.xrevrange(name, count=1)
                await self._database.execute(BEGIN, name, last[0][0] if last else START)

    async def _take(self, name: str, place: str, messages: list[Message]) -> None:
        """Queue the work of these messages and step over them, both or neither."""
        async with self._database.transaction() as connection:
            if await connection.fetchval(HELD_PLACE, name) != place:
                # Another worker was faster.
                return
            for _, fields in messages:
                # A message that was trimmed away meanwhile has no fields.
                found = told(name, fields or {})
                for event in found.events:
                    await self._events.schedule(connection, event, is_urgent=found.is_urgent)
            await connection.execute(MOVE, name, messages[-1][0])


def _library() -> Any:
    try:
        import redis.asyncio
    except ImportError as fault:
        raise RuntimeError("AISLE_EVENTS_URL needs the extra `events` (the package redis)") from fault
    return redis.asyncio
