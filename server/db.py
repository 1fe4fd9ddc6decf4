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
    """A pool of connections to one database; open it before use, close it after."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        self.url = url
        self._connections = connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

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
            await asyncio.wait_for(pool.close(), 5.0)
        except (TimeoutError, *LOST):
            pool.terminate()

    async def is_healthy(self) -> bool:
        """Whether a trivial statement answers within a second; never raises."""
        if self._pool is None:
            return False
        try:
            async with asyncio.timeout(1.0), self._pool.acquire() as connection:
                return bool(await connection.fetchval("SELECT true"))
        except (asyncpg.PostgresError, *LOST, OSError):
            return False

    @asynccontextmanager
    async def connection(self, deadline: Deadline | None = None) -> AsyncIterator[Connection]:
        """One connection of the pool, given back at the end."""
        if self._pool is None:
            raise errors.NotReady("The database is not open")
        budget_s = STATEMENT_TIMEOUT_S if deadline is None else deadline.remaining_s()
        with translated():
            if budget_s <= 0:
                raise TimeoutError
            async with self._pool.acquire(timeout=budget_s) as connection:
                yield connection

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


def _left_s(deadline: Deadline | None) -> float | None:
    """What is left for a statement; None lets the pool's own bound rule."""
    return None if deadline is None else max(deadline.remaining_s(), 0.001)
