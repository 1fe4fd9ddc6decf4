"""Connections for statements that only read and whose plan does not depend on their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from server import db, errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.deadline import Deadline

CONNECTIONS = 4
# The statements choose their own ways (see `question_pages`), and planning one anew takes longer than running
# it. Whoever cannot write leaves no state behind that another would have to be kept from.
SETTINGS = {
    "application_name": "aisle-reader",
    "plan_cache_mode": "force_generic_plan",
    "default_transaction_read_only": "on",
    "max_parallel_workers_per_gather": "0",
}


class Reader:
    """A pool beside the database's own; every statement is planned once for each connection."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        self._url = url
        self._connections = connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Connect; `NotReady` when the database does not answer."""
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self._connections,
                command_timeout=db.STATEMENT_TIMEOUT_S,
                timeout=db.CONNECT_TIMEOUT_S,
                server_settings=SETTINGS,
                reset=_as_it_is,
            )
        except (asyncpg.PostgresError, *db.LOST, OSError) as fault:
            raise errors.NotReady("The database is not reachable") from fault

    async def close(self) -> None:
        """Cut every connection: nobody waits for what they read."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def fetch(
        self, query: str, arguments: Sequence[object], deadline: Deadline
    ) -> list[asyncpg.Record]:
        """All rows."""
        if self._pool is None:
            raise errors.NotReady("The database is not open")
        with db.translated():
            async with self._pool.acquire(timeout=max(deadline.remaining_s(), 0.001)) as connection:
                left_s = max(deadline.remaining_s(), 0.001)
                rows: list[asyncpg.Record] = await connection.fetch(query, *arguments, timeout=left_s)
                return rows


async def _as_it_is(_: Any) -> None:
    """Without this a round trip after every statement would undo what none can have done."""
