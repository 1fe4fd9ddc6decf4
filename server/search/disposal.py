"""Blobs of deleted images: freed by a job once no row names them any more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from server.jobs import JobKind
from server.search import queries

if TYPE_CHECKING:
    from server.blobs import Blobs
    from server.db import Connection, Database
    from server.jobs import Jobs

KIND = "search.dispose"
# Longer than any request: an upload of the same bytes that was under way has its row by then, or never.
WAIT_S = 600.0
# Bytes put again more recently than this may belong to an upload whose row is still to come.
YOUNG_S = 300.0
NAMES_PER_JOB = 1000


class Disposal:
    """Adds the jobs, and does them."""

    def __init__(self, database: Database, blobs: Blobs, jobs: Jobs) -> None:
        self._database = database
        self._blobs = blobs
        self._jobs = jobs

    @property
    def kind(self) -> JobKind:
        """The job, to be made known to whoever runs jobs."""
        return JobKind(KIND, self._dispose)

    async def later(self, connection: Connection, rows: Iterable[Iterable[str]]) -> None:
        """Free what these rows name, some time after the caller's transaction, unless it is used again."""
        names = sorted({name for row in rows for name in row})
        for start in range(0, len(names), NAMES_PER_JOB):
            payload = {"names": names[start : start + NAMES_PER_JOB]}
            await self._jobs.enqueue(connection, KIND, payload, delay_s=WAIT_S)

    async def _dispose(self, payload: dict[str, Any]) -> None:
        for row in await self._database.fetch(queries.UNUSED, payload["names"]):
            await self._blobs.delete(row["blob"], older_than_s=YOUNG_S)
