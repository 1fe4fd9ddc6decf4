"""PostgreSQL by asyncpg: one pool, every wait bounded, driver faults turned into our error tree."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import msgspec

from server import errors

if TYPE_CHECKING:
    from server.deadline import Deadline

logger = logging.getLogger(__name__)

# A connection, of the pool or not: asyncpg's classes for the two have the same methods and no common base.
Connection: TypeAlias = Any

# A statement without a deadline of its own may not hold a connection longer.
STATEMENT_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
CONNECTIONS = 10
# The byte before the text in jsonb's binary form.
JSONB_VERSION = b"\x01"

# What the driver raises when the database is gone: a closed connection is an `InterfaceError`, a stopped
# embedded database, whose socket is no more, a `FileNotFoundError`.
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    ConnectionError,
    FileNotFoundError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises into what a client may be told; SQL faults pass through as bugs."""
    try:
        yield
    except asyncpg.DiskFullError as fault:
        raise errors.StorageFull("The database's disk is full") from fault
    except (asyncpg.OutOfMemoryError, asyncpg.TooManyConnectionsError) as fault:
        raise errors.Overloaded("The database is busy") from fault
    except (TimeoutError, asyncpg.QueryCanceledError) as fault:
        raise errors.DeadlineExceeded("The database did not answer in time") from fault
    except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as fault:
        # PostgreSQL's text holds every character but this one.
        raise errors.BadRequest("Null characters are not allowed") from fault
    except LOST as fault:
        # A wrong call of the driver looks the same, so the log must show which it was.
        logger.warning("database lost", exc_info=fault)
        raise errors.NotReady("The database is not reachable") from fault


async def teach_json(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Make json and jsonb columns Python values both ways, in the binary form that COPY needs."""
    await connection.set_type_codec(
        "json",
        schema="pg_catalog",
        encoder=msgspec.json.encode,
        decoder=msgspec.json.decode,
        format="binary",
    )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: JSONB_VERSION + msgspec.json.encode(value),
        decoder=lambda data: msgspec.json.decode(data[1:]),
        format="binary",
    )


class Database:
    """A pool of connections to one database; open it before use, close it after.

    A connection that nobody waits for is kept at hand instead of going back to the driver's pool: there it
    would be cleaned with one more statement, in a task of its own, which costs more than a short query. What
    is left behind in a session is nobody's, as no statement of ours changes one.
    """

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        self.url = url
        self._connections = connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._at_hand: list[Connection] = []
        self._waiting = 0

    async def open(self) -> None:
        """Connect; `NotReady` when the database does not answer."""
        try:
            self._pool = await asyncpg.create_pool(
                self.url,
                min_size=1,
                max_size=self._connections,
                command_timeout=STATEMENT_TIMEOUT_S,
                timeout=CONNECT_TIMEOUT_S,
                init=teach_json,
                server_settings={"application_name": "aisle"},
            )
        except (asyncpg.PostgresError, *LOST, OSError) as fault:
            raise errors.NotReady("The database is not reachable") from fault

    async def close(self) -> None:
        """Return every connection; those still busy after 5 s are cut."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            while self._at_hand:
                await pool.release(self._at_hand.pop())
            await asyncio.wait_for(pool.close(), 5.0)
        except (TimeoutError, *LOST):
            pool.terminate()

    async def is_healthy(self) -> bool:
        """Whether a trivial statement answers within a second; never raises."""
        if self._pool is None:
            return False
        try:
            async with asyncio.timeout(1.0), self.connection() as connection:
                return bool(await connection.fetchval("SELECT true"))
        except (asyncpg.PostgresError, errors.AisleError, *LOST, OSError):
            return False

    @asynccontextmanager
    async def connection(self, deadline: Deadline | None = None) -> AsyncIterator[Connection]:
        """One connection of the pool, given back at the end."""
        pool = self._pool
        if pool is None:
            raise errors.NotReady("The database is not open")
        budget_s = STATEMENT_TIMEOUT_S if deadline is None else deadline.remaining_s()
        with translated():
            if budget_s <= 0:
                raise TimeoutError
            connection = await self._acquire(pool, budget_s)
            try:
                yield connection
            finally:
                await self._give_back(pool, connection)

    async def _acquire(self, pool: asyncpg.Pool[asyncpg.Record], budget_s: float) -> Connection:
        while self._at_hand:
            connection = self._at_hand.pop()
            if _is_usable(connection):
                return connection
            # The pool connects it again.
            await pool.release(connection)
        self._waiting += 1
        try:
            return await pool.acquire(timeout=budget_s)
        finally:
            self._waiting -= 1

    async def _give_back(self, pool: asyncpg.Pool[asyncpg.Record], connection: Connection) -> None:
        """At hand for the next, unless somebody waits at the pool, or it is broken, or something is left open."""
        if self._pool is pool and not self._waiting and _is_usable(connection):
            self._at_hand.append(connection)
        else:
            await pool.release(connection)

    @asynccontextmanager
    async def transaction(self, deadline: Deadline | None = None) -> AsyncIterator[Connection]:
        """A connection inside a transaction: committed at the end, rolled back on any exception."""
        async with self.connection(deadline) as connection, connection.transaction():
            yield connection

    async def fetch(
        self, query: str, *values: object, deadline: Deadline | None = None
    ) -> list[asyncpg.Record]:
        """All rows."""
        async with self.connection(deadline) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *values, timeout=_left_s(deadline))
            return rows

    async def fetchrow(
        self, query: str, *values: object, deadline: Deadline | None = None
    ) -> asyncpg.Record | None:
        """The first row, or None."""
        async with self.connection(deadline) as connection:
            return await connection.fetchrow(query, *values, timeout=_left_s(deadline))

    async def fetchval(self, query: str, *values: object, deadline: Deadline | None = None) -> Any:
        """The first column of the first row, or None."""
        async with self.connection(deadline) as connection:
            return await connection.fetchval(query, *values, timeout=_left_s(deadline))

    async def execute(self, query: str, *values: object, deadline: Deadline | None = None) -> str:
        """The command tag, such as `DELETE 3`."""
        async with self.connection(deadline) as connection:
            tag: str = await connection.execute(query, *values, timeout=_left_s(deadline))
            return tag

    async def executemany(
        self, query: str, rows: Sequence[Sequence[object]], deadline: Deadline | None = None
    ) -> None:
        """One statement for many rows, all or none."""
        async with self.connection(deadline) as connection:
            await connection.executemany(query, rows, timeout=_left_s(deadline))


def _is_usable(connection: Connection) -> bool:
    """Whether it is connected and in no transaction; the pool may have taken a broken one back already."""
    try:
        return not connection.is_closed() and not connection.is_in_transaction()
    except asyncpg.InterfaceError:
        return False


def _left_s(deadline: Deadline | None) -> float | None:
    """What is left for a statement; None lets the pool's own bound rule."""
    return None if deadline is None else max(deadline.remaining_s(), 0.001)
