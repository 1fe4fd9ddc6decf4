"""`create_app(settings)`: every object of a server process is made here and handed to those who need it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Receive, Scope, Send

from kernels.decode import ImageLimits
from kernels.warm import warm as warm_kernels
from server import admin, health, metrics, migrate
from server.auth import Keys
from server.blobs import Blobs
from server.changes import Follower
from server.cors import Cors, Policy
from server.data_folder import DataFolder
from server.db import Database
from server.envelopes import Envelopes
from server.fetch import Fetcher
from server.health import Health
from server.insights.service import Insights
from server.jobs import Jobs
from server.limits import RateLimiter
from server.metrics import Metrics
from server.middleware import Middleware
from server.networks import Networks
from server.pipeline import Pipeline
from server.pool import WorkPool
from server.search.service import ImageSearch
from server.settings import Settings, SettingsError
from server.transfer import Kind
from server.vision import routes as vision

logger = logging.getLogger(__name__)

# From web pages of any origin: recognition posts pictures, management does everything.
CROSS_ORIGIN = Policy(("POST", "GET", "PUT", "PATCH", "DELETE", "OPTIONS"))
# Known web clients send the session cookie of the product server.
WITH_CREDENTIALS = Policy(("POST", "GET", "PUT", "OPTIONS"), credentials=True)
OPENAPI = OpenAPIConfig(
    title="Aisle",
    version="0.1.0",
    path="/schema",
    render_plugins=[SwaggerRenderPlugin(path="/")],
    components=Components(security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}),
)


class Application:
    """The ASGI application of one process, and what opens and closes with it."""

    def __init__(self, settings: Settings) -> None:
        if settings.database_url is None:
            raise SettingsError("AISLE_DATABASE_URL is not set, and no embedded database was started")
        limits = settings.limits
        folder = DataFolder(settings.data_dir)
        self.settings = settings
        self.health = Health()
        self.metrics = Metrics(settings.metrics_dir)
        self.database = Database(settings.database_url)
        self.keys = Keys(self.database)
        self.follower = Follower(self.database)
        self.fetcher = Fetcher(settings)
        self.limiter = RateLimiter()
        self.pool = WorkPool(queue_limit=limits.work_queue)
        self.jobs = Jobs(self.database, self.metrics)
        self.networks = Networks(settings, self.pool, self.metrics)
        self.pipeline = Pipeline(
            self.networks.manifest,
            self.networks.servings,
            pool=self.pool,
            metrics=self.metrics,
            limits=ImageLimits(max_bytes=limits.query_bytes, max_pixels=limits.query_pixels),
        )
        self.pictures = Blobs.at(settings.blob_url, folder.blobs, "search")
        self.search = self._image_search()
        self.insights = Insights(
            settings, database=self.database, fetcher=self.fetcher, jobs=self.jobs, metrics=self.metrics
        )
        for kind in (*self.search.job_kinds, *self.insights.job_kinds):
            self.jobs.add(kind)
        self.kinds: dict[str, Kind] = {kind.name: kind for kind in self.insights.kinds}
        self.envelopes = Envelopes(
            {
                vision.PREFIX: vision.envelope,
                **dict.fromkeys(self.search.prefixes, self.search.envelope),
                **dict.fromkeys(self.insights.prefixes, self.insights.envelope),
            }
        )
        self.litestar = self._litestar()
        self._asgi = Middleware(
            self.litestar,
            timeout_s=settings.request_timeout_s,
            parts=("/admin/v1", vision.PREFIX, *self.search.prefixes, *self.insights.prefixes),
            health=self.health,
            metrics=self.metrics,
            envelopes=self.envelopes,
            cors=Cors(
                {
                    **dict.fromkeys(self.search.prefixes, CROSS_ORIGIN),
                    **dict.fromkeys(self.insights.prefixes, WITH_CREDENTIALS),
                }
            ),
            overridable=self.search.overridable,
        )

    @property
    def in_flight(self) -> int:
        """Requests being answered now."""
        return self._asgi.in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._asgi(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Open everything in order, be ready, close in the opposite order."""
        async with AsyncExitStack() as stack:
            stack.callback(self.pool.close)
            await self._open(stack)
            self.health.is_started = True
            logger.info("ready")
            try:
                yield
            finally:
                self.health.is_started = False

    def describe(self) -> list[str]:
        """What an operator wants to know of a running application, a line each."""
        return [
            f"data: {self.settings.data_dir}",
            f"pictures: {self.settings.blob_url or 'local folder'}",
            f"threads: {self.pool.threads}",
            *(
                f"network {name}: {serving.network.provider}"
                for name, serving in self.networks.servings.items()
            ),
        ]

    async def _open(self, stack: AsyncExitStack) -> None:
        starting = self.health.starting
        starting("database")
        await self.database.open()
        stack.push_async_callback(self.database.close)
        async with self.database.connection() as connection:
            missing = await migrate.pending(connection)
        if missing:
            raise RuntimeError(f"the database lacks {', '.join(missing)}: run `python -m server migrate`")
        await self.pictures.open()
        starting("kernels")
        await asyncio.to_thread(warm_kernels)
        for name, opens, closes in (
            ("networks", self.networks.open, self.networks.close),
            ("changes", self.follower.open, self.follower.close),
            ("fetcher", self.fetcher.open, self.fetcher.close),
            ("image search", self.search.open, self.search.close),
            ("insights", self.insights.open, self.insights.close),
            ("jobs", self.jobs.open, self.jobs.close),
        ):
            starting(name)
            # First, so that what is half open is closed too.
            stack.push_async_callback(closes)
            await opens()
        lag = asyncio.create_task(health.watch_lag(self.metrics), name="lag")
        stack.callback(lag.cancel)
        self.health.add("database", self.database.is_healthy)
        self.health.add("networks", self.networks.is_alive)
        self.health.add("changes", lambda: self.follower.is_alive)
        self.health.add("insights", lambda: self.insights.is_alive)
        self.health.add("jobs", lambda: self.jobs.is_alive)

    def _image_search(self) -> ImageSearch:
        return ImageSearch(
            self.settings,
            database=self.database,
            keys=self.keys,
            blobs=self.pictures,
            jobs=self.jobs,
            follower=self.follower,
            pool=self.pool,
            limiter=self.limiter,
            metrics=self.metrics,
        )

    def _litestar(self) -> Litestar:
        settings = self.settings
        return Litestar(
            [
                health.router(self.health),
                metrics.router(self.metrics),
                admin.router(self.keys, self.kinds, self.jobs, settings.limits, settings.admin_key),
                vision.router(
                    pipeline=self.pipeline, keys=self.keys, fetcher=self.fetcher, settings=settings
                ),
                self.search.router,
                self.insights.router,
            ],
            exception_handlers={Exception: self.envelopes.handle},
            openapi_config=OPENAPI,
            # Each route reads its body itself, with its own limit.
            request_max_body_size=None,
            logging_config=None,
        )


def create_app(settings: Settings) -> Application:
    """The application; nothing is opened yet."""
    return Application(settings)
