"""One worker of the image search in this process, on a real database; several may share one."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar

from server.auth import Keys
from server.blobs import Blobs
from server.changes import Follower
from server.cors import Cors, Policy
from server.db import Database
from server.envelopes import Envelopes
from server.health import Health
from server.jobs import Jobs
from server.limits import RateLimiter
from server.metrics import Metrics
from server.middleware import Middleware
from server.pool import WorkPool
from server.search.catalog import Quotas
from server.search.service import ImageSearch
from server.settings import Limits, Settings
from tests.server.search import pictures

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclasses.dataclass
class Worker:
    """What a test needs of a worker: HTTP to it, and its parts."""

    http: httpx.AsyncClient
    search: ImageSearch
    keys: Keys
    database: Database
    pool: WorkPool
    blobs: Blobs
    jobs: Jobs

    async def tenant(self, scopes: tuple[str, ...] = ("read", "write")) -> "Tenant":
        """A new tenant with a key."""
        key, secret = await self.keys.create("search", "test", scopes)
        return Tenant(self.http, secret, key.tenant)


@dataclasses.dataclass
class Tenant:
    """Management with one key, and searches."""

    http: httpx.AsyncClient
    secret: str
    id: str

    def at(self, worker: Worker) -> "Tenant":
        """The same key at another worker."""
        return Tenant(worker.http, self.secret, self.id)

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Any management request."""
        params = {"api_key": self.secret, **request.pop("params", {})}
        return await self.http.request(method, f"/api/v0/{path}", params=params, **request)

    async def make(self, resource: str, **fields: Any) -> dict[str, Any]:
        """A new collection, item, token or tag."""
        answer = await self.ask("POST", f"{resource}/", json=fields)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def upload(self, item: dict[str, Any], data: bytes, name: str = "a.jpg") -> dict[str, Any]:
        """A new reference image."""
        form = {"item": item["resource_uri"]}
        answer = await self.ask("POST", "image/", data=form, files={"file": (name, data, "image/jpeg")})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def shelf(self, name: str = "Shelf") -> tuple[dict[str, Any], str]:
        """A new collection and the token that was made with it."""
        collection = await self.make("collection", name=name)
        tokens = await self.ask("GET", "token/", params={"collection__uuid": collection["uuid"], "limit": 1})
        return collection, tokens.json()["objects"][0]["token"]

    async def reference(
        self, collection: dict[str, Any], seed: int, **fields: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A new item with one picture."""
        fields = {"name": f"item {seed}", "collection": collection["resource_uri"], **fields}
        item = await self.make("item", **fields)
        return item, await self.upload(item, pictures.jpeg(pictures.print_of(seed)))

    async def search(
        self, token: str | None, image: bytes | None, api: str = "v1", **fields: str
    ) -> httpx.Response:
        """A search the way most clients send it."""
        data = fields if token is None else {"token": token, **fields}
        files = {} if image is None else {"image": ("q.jpg", image, "image/jpeg")}
        return await self.http.post(f"/{api}/search", data=data, files=files)

    async def found(self, token: str, image: bytes, **fields: str) -> list[str]:
        """The uuids of the items a search finds."""
        answer = await self.search(token, image, **fields)
        assert answer.status_code == 200, answer.text
        return [result["item"]["uuid"] for result in answer.json()["results"]]


@asynccontextmanager
async def start(
    database_url: str,
    folder: Path,
    *,
    limits: Limits | None = None,
    quotas: Quotas | None = None,
    put_status: int | None = None,
    public_url: str | None = None,
    wrap: Callable[[ImageSearch], None] | None = None,
) -> AsyncIterator[Worker]:
    """A worker with the middleware of the real server around it."""
    settings = Settings(limits=limits or Limits(), public_url=public_url, data_dir=folder.parent)
    database, metrics, health = Database(database_url, connections=5), Metrics(), Health()
    keys, blobs, follower = Keys(database), Blobs.at(None, folder), Follower(database, poll_s=0.2)
    pool, jobs = WorkPool(queue_limit=settings.limits.work_queue), Jobs(database, metrics)
    search = ImageSearch(
        settings,
        database=database,
        keys=keys,
        blobs=blobs,
        jobs=jobs,
        follower=follower,
        pool=pool,
        limiter=RateLimiter(),
        metrics=metrics,
        quotas=quotas,
        put_status=put_status,
    )
    if wrap is not None:
        wrap(search)
    envelopes = Envelopes(dict.fromkeys(search.prefixes, search.envelope))
    litestar = Litestar(
        [search.router],
        exception_handlers={Exception: envelopes.handle},
        openapi_config=None,
        request_max_body_size=None,
        logging_config=None,
    )
    app = Middleware(
        litestar,
        timeout_s=30,
        parts=search.prefixes,
        health=health,
        metrics=metrics,
        envelopes=envelopes,
        cors=Cors(dict.fromkeys(search.prefixes, Policy(METHODS))),
        overridable=search.overridable,
    )
    async with AsyncExitStack() as stack:
        stack.callback(pool.close)
        for part in (database, follower, search):
            await part.open()
            stack.push_async_callback(part.close)
        health.is_started = True
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://shop.example:8080", timeout=60
        )
        await stack.enter_async_context(http)
        yield Worker(http, search, keys, database, pool, blobs, jobs)


async def eventually(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait until something becomes true; fail when it never does."""
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.02)
