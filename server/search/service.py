"""Image search put together: every object of this product, made once per process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import Router

from server.data_folder import DataFolder
from server.search import routes, schema
from server.search.answers import Answers
from server.search.catalog import Catalog, Quotas
from server.search.collections import Collections
from server.search.disposal import Disposal
from server.search.manage import Style
from server.search.pictures import Pictures
from server.search.recognize import Recognizer
from server.search.scan import Scanner
from server.search.tokens import Tags, Tokens
from server.search.upkeep import Upkeep
from server.search.upload import Examiner

if TYPE_CHECKING:
    from server.auth import Keys
    from server.blobs import Blobs
    from server.changes import Follower
    from server.db import Database
    from server.jobs import JobKind, Jobs
    from server.limits import RateLimiter
    from server.metrics import Metrics
    from server.pool import WorkPool
    from server.settings import Settings


class ImageSearch:
    """Open it after the database, the follower and the pool; no other product may share its blobs."""

    prefixes = routes.PREFIXES
    overridable = (routes.MANAGEMENT,)
    envelope = staticmethod(schema.envelope)

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database,
        keys: Keys,
        blobs: Blobs,
        jobs: Jobs,
        follower: Follower,
        pool: WorkPool,
        limiter: RateLimiter,
        metrics: Metrics,
        quotas: Quotas | None = None,
        put_status: int | None = None,
    ) -> None:
        quotas = quotas or Quotas()
        disposal = Disposal(database, blobs, jobs)
        tokens = Tokens(database)
        self._metrics = metrics
        self.upkeep = Upkeep(DataFolder(settings.data_dir).snapshots)
        self.collections = Collections(database, follower, pool, self.upkeep)
        self.job_kinds: tuple[JobKind, ...] = (disposal.kind,)
        self.router: Router = routes.router(
            keys=keys,
            catalog=Catalog(database, quotas, disposal),
            tokens=tokens,
            tags=Tags(database),
            pictures=Pictures(database, blobs, quotas, disposal),
            collections=self.collections,
            examiner=Examiner(pool, settings.limits, metrics),
            scanner=Scanner(tokens, self.collections, Recognizer(), pool, limiter, metrics, settings.limits),
            answers=Answers(database),
            style=Style(
                put_status=put_status,
                public_url=settings.public_url,
                max_query_bytes=settings.limits.query_bytes,
                max_file_bytes=settings.limits.reference_bytes,
            ),
        )

    async def open(self) -> None:
        """Load every collection."""
        await self.collections.open()

    async def close(self) -> None:
        """Stop following changes."""
        await self.collections.close()
