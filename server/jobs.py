"""Background work in PostgreSQL: at least once, retried with growing pauses, dead letters kept to be seen.

A job is added inside the transaction that makes it necessary, so neither exists without the other. Handlers
must bear being called again with the same payload.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import msgspec

from server import db

if TYPE_CHECKING:
    from pgqueuer.core.qm import QueueManager

    from server.db import Connection, Database
    from server.metrics import Metrics

logger = logging.getLogger(__name__)

# Jobs a process runs at once.
WIDTH = 4
# A job whose process died is taken over after this long without a sign of life.
TAKEOVER_S = 30.0
# Wake-ups come by notification; this bounds the harm of a lost one.
POLL_S = 15.0
STOP_TIMEOUT_S = 5.0
# What ran for so long did not fail at once, so it is started again soon.
STEADY_S = 60.0
CONNECTIONS = 3
LIBRARY_VERSION = "SELECT version FROM job_schema"
SET_LIBRARY_VERSION = """
INSERT INTO job_schema (only_row, version) VALUES (true, $1)
ON CONFLICT (only_row) DO UPDATE SET version = excluded.version
"""
OVERVIEW = """
SELECT entrypoint AS kind, status::text AS status, count(*) AS count, min(created) AS oldest
FROM pgqueuer GROUP BY 1, 2 ORDER BY 1, 2
"""


class JobKind(NamedTuple):
    """A kind of work: its name, what does it, and how often a failing one is tried again.

    `concurrency` bounds how many run at once over all processes; 0 leaves it open.
    """

    name: str
    handler: Callable[[dict[str, Any]], Awaitable[None]]
    concurrency: int = 0
    max_attempts: int = 8
    first_delay_s: float = 10.0
    max_delay_s: float = 3600.0


class JobCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs of a kind are in a state; "failed" ones are dead letters."""

    kind: str
    status: str
    count: int
    oldest: str


class Jobs:
    """Adds jobs and runs them in this process; kinds are added before it opens."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics
        self._kinds: dict[str, JobKind] = {}
        self._task: asyncio.Task[None] | None = None
        self._manager: QueueManager | None = None
        self._is_closing = False

    @property
    def is_alive(self) -> bool:
        """Whether the loop that runs jobs is there."""
        return self._task is not None and not self._task.done()

    def add(self, kind: JobKind) -> None:
        """Make a kind of job known."""
        self._kinds[kind.name] = kind

    async def enqueue(
        self,
        connection: Connection,
        kind: str,
        payload: dict[str, Any],
        *,
        delay_s: float = 0.0,
        dedupe_key: str | None = None,
        priority: int = 0,
    ) -> bool:
        """Add a job within the caller's transaction; False when one with that key already waits."""
        from pgqueuer.adapters.persistence.qb import QueryQueueBuilder

        rows = await connection.fetch(
            QueryQueueBuilder().build_enqueue_query("skip"),
            [priority],
            [kind],
            [msgspec.json.encode(payload)],
            [timedelta(seconds=delay_s)],
            [dedupe_key],
            [None],
        )
        return bool(rows)

    async def overview(self) -> list[JobCount]:
        """Jobs that wait, run, or failed for good, counted by kind."""
        rows = await self._database.fetch(OVERVIEW)
        return [
            JobCount(
                kind=row["kind"], status=row["status"], count=row["count"], oldest=row["oldest"].isoformat()
            )
            for row in rows
        ]

    async def open(self) -> None:
        """Start running jobs; nothing to do without kinds."""
        self._task = asyncio.create_task(self._run(), name="jobs")

    async def close(self) -> None:
        """Take no more jobs; those that run get a moment, then are left to be taken over."""
        self._is_closing = True
        if self._task is None:
            return
        if self._manager is not None:
            self._manager.shutdown.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._task), STOP_TIMEOUT_S)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """Run for ever: a lost database, or a fault of the library, costs a pause."""
        pause_s = 0.5
        while True:
            began_s = monotonic()
            try:
                await self._serve()
                if self._is_closing:
                    return
                # The library ends so when its listener lost the connection.
                logger.warning("jobs ended, starting again")
            except (asyncpg.PostgresError, *db.LOST, OSError) as fault:
                logger.warning("jobs stopped, starting again", extra={"reason": repr(fault)})
            except Exception:
                logger.exception("jobs failed, starting again")
            pause_s = 0.5 if monotonic() - began_s > STEADY_S else min(pause_s * 2, 30.0)
            await asyncio.sleep(pause_s)

    async def _serve(self) -> None:
        """One life of the library's manager, on connections of its own."""
        pgqueuer = await asyncio.to_thread(_library)
        async with asyncpg.create_pool(
            self._database.url, min_size=1, max_size=CONNECTIONS, timeout=db.CONNECT_TIMEOUT_S
        ) as pool:
            manager = self._manager = pgqueuer.QueueManager(pgqueuer.Queries.from_asyncpg_pool(pool))
            for kind in self._kinds.values():
                manager.register_executor(kind.name, self._executor(pgqueuer, kind))
            await manager.run(
                dequeue_timeout=timedelta(seconds=POLL_S),
                batch_size=WIDTH // 2,
                max_concurrent_tasks=WIDTH,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=timedelta(seconds=TAKEOVER_S),
            )

    def _executor(self, pgqueuer: Any, kind: JobKind) -> Any:
        async def run(job: Any) -> None:
            try:
                await kind.handler(msgspec.json.decode(job.payload or b"{}", type=dict[str, Any]))
            except Exception:
                is_last = job.attempts >= kind.max_attempts
                self._metrics.jobs.labels(kind.name, "failed" if is_last else "retried").inc()
                raise
            self._metrics.jobs.labels(kind.name, "done").inc()

        return pgqueuer.DatabaseRetryEntrypointExecutor(
            parameters=pgqueuer.EntrypointExecutorParameters(
                func=run, concurrency_limit=kind.concurrency, on_failure="hold"
            ),
            max_attempts=kind.max_attempts,
            initial_delay=timedelta(seconds=kind.first_delay_s),
            max_delay=timedelta(seconds=kind.max_delay_s),
        )


async def install(connection: Connection) -> bool:
    """Bring the library's own tables to its installed version; whether anything had to be done.

    The version is remembered, because the library is slow to load and to look.
    """
    installed = version("pgqueuer")
    if await connection.fetchval(LIBRARY_VERSION) == installed:
        return False
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
    from pgqueuer.adapters.persistence.queries import Queries

    queries = Queries(AsyncpgDriver(connection))
    if await queries.schema_is_installed():
        await queries.apply_upgrade()
    else:
        await queries.install()
    await connection.execute(SET_LIBRARY_VERSION, installed)
    return True


class _Library(NamedTuple):
    QueueManager: Any
    Queries: Any
    EntrypointExecutorParameters: Any
    DatabaseRetryEntrypointExecutor: Any


def _library() -> _Library:
    """Loaded late and off the event loop: it takes half a second."""
    from pgqueuer.adapters.persistence.queries import Queries
    from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
    from pgqueuer.core.qm import QueueManager

    return _Library(QueueManager, Queries, EntrypointExecutorParameters, DatabaseRetryEntrypointExecutor)
