"""The product data at hand: which state it is in, and insights brought up to date with it (contract 1.2.33)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from server import errors
from server.jobs import JobKind

if TYPE_CHECKING:
    from server.db import Database
    from server.jobs import Jobs

logger = logging.getLogger(__name__)

JOB = "dataset_refresh"
# Products per job: a job that is interrupted begins again with its own.
PORTION = 200
# Behind everything that somebody waits for.
PRIORITY = -10

LATEST = "SELECT max(updated_at) FROM product"
IS_UNDER_WAY = "SELECT EXISTS (SELECT FROM pgqueuer WHERE entrypoint = $1 AND status IN ('queued', 'picked'))"
PRODUCTS = """
SELECT DISTINCT barcode, server_type FROM prediction WHERE (barcode, server_type) > ($1, $2)
ORDER BY barcode, server_type LIMIT $3
"""


class Dataset:
    """There is no dump to download here: a refresh reads each product anew and computes its insights.

    `refresh(server_type, barcode)` does that for one of them.
    """

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        refresh: Callable[[str, str], Awaitable[None]],
        *,
        portion: int = PORTION,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._refresh = refresh
        self._portion = portion
        self.kind = JobKind(JOB, self._run, concurrency=1)

    async def etag(self) -> str | None:
        """Another text after each change of our own products; None without products."""
        latest = await self._database.fetchval(LATEST)
        if latest is None:
            return None
        return hashlib.sha1(latest.isoformat().encode(), usedforsecurity=False).hexdigest()

    async def schedule(self) -> bool:
        """Begin a refresh of all products that have predictions; False when one is under way already."""
        async with self._database.transaction() as connection:
            if await connection.fetchval(IS_UNDER_WAY, JOB):
                return False
            return await self._jobs.enqueue(connection, JOB, {}, dedupe_key=JOB, priority=PRIORITY)

    async def _run(self, payload: dict[str, Any]) -> None:
        after = payload.get("barcode", ""), payload.get("server_type", "")
        found = await self._database.fetch(PRODUCTS, *after, self._portion)
        for row in found:
            await self._one(row["server_type"], row["barcode"])
        if len(found) < self._portion:
            return
        async with self._database.transaction() as connection:
            last = dict(found[-1])
            key = f"{JOB}:{last['server_type']}:{last['barcode']}"
            await self._jobs.enqueue(connection, JOB, last, dedupe_key=key, priority=PRIORITY)

    async def _one(self, server_type: str, barcode: str) -> None:
        try:
            await self._refresh(server_type, barcode)
        except (errors.NotReady, errors.StorageFull):
            # The others would fare no better now.
            raise
        except Exception:
            logger.exception("a product was not refreshed", extra={"barcode": barcode})
