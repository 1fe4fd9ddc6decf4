"""One worker of the insights in this process, on a real database, without networks; several may share one."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import msgspec
from litestar import Litestar

from server import admin
from server.auth import Keys
from server.cors import Cors, Policy
from server.db import Database
from server.envelopes import Envelopes
from server.fetch import Fetcher
from server.health import Health
from server.insights.service import Insights
from server.jobs import Jobs
from server.metrics import Metrics
from server.middleware import Middleware
from server.settings import InsightOptions, Settings
from tests.server_process import ADMIN_KEY

POLICY = Policy(("POST", "GET", "PUT", "OPTIONS"), credentials=True)


@dataclasses.dataclass
class Worker:
    """What a test needs of a worker: HTTP to it, and its parts."""

    http: httpx.AsyncClient
    insights: Insights
    database: Database
    jobs: Jobs


@asynccontextmanager
async def start(
    database_url: str,
    data_dir: Path,
    *,
    run_jobs: bool = False,
    settings: Settings | None = None,
    **options: object,
) -> AsyncIterator[Worker]:
    """A worker with these `InsightOptions`; the job loop runs only where asked for."""
    base = settings or Settings(fetch_allow_private=True, batch_job_key="batch-key-1")
    settings = msgspec.structs.replace(
        base,
        database_url=database_url,
        data_dir=data_dir,
        admin_key=ADMIN_KEY,
        insights=msgspec.structs.replace(base.insights or InsightOptions(), **options),
    )
    metrics, health = Metrics(), Health()
    health.is_started = True
    database = Database(database_url, connections=8)
    jobs = Jobs(database, metrics)
    fetcher = Fetcher(settings)
    insights = Insights(settings, database=database, fetcher=fetcher, jobs=jobs, metrics=metrics)
    for kind in insights.job_kinds:
        jobs.add(kind)
    envelopes = Envelopes(dict.fromkeys(insights.prefixes, insights.envelope))
    kinds = {kind.name: kind for kind in insights.kinds}
    litestar = Litestar(
        [
            admin.router(Keys(database), kinds, jobs, settings.limits, ADMIN_KEY),
            insights.router,
        ],
        exception_handlers={Exception: envelopes.handle},
        request_max_body_size=None,
        logging_config=None,
        openapi_config=None,
    )
    app = Middleware(
        litestar,
        timeout_s=30,
        parts=insights.prefixes,
        health=health,
        metrics=metrics,
        envelopes=envelopes,
        cors=Cors(dict.fromkeys(insights.prefixes, POLICY)),
    )
    async with AsyncExitStack() as stack:
        opening = [
            (database.open, database.close),
            (fetcher.open, fetcher.close),
            (insights.open, insights.close),
        ]
        if run_jobs:
            opening.append((jobs.open, jobs.close))
        for opens, closes in opening:
            stack.push_async_callback(closes)
            await opens()
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False),
                base_url="http://test.local",
                timeout=60,
            )
        )
        yield Worker(http, insights, database, jobs)
