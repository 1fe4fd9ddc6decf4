"""A small product server over real HTTP: products in memory, every write remembered, and bad days on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from server.insights.products.product_calls import CROP_PATH, FIELDS_PATH, UNSELECT_PATH
from server.insights.products.product_server import LOGIN_PATH


class ProductOpenerServer:
    """`products` by code; `writes` are (path, fields, session cookie); `trouble` is what every call meets."""

    def __init__(self) -> None:
        self.url = ""
        self.products: dict[str, dict[str, Any]] = {}
        self.reads: list[str] = []
        self.writes: list[tuple[str, dict[str, Any], str | None]] = []
        # Who may log in: passwords by user name, and sessions; and how often somebody tried.
        self.passwords: dict[str, str] = {}
        self.sessions: set[str] = set()
        self.logins = 0
        # A status, or "slow", "garbage", "huge", "refused" (200 but nothing saved).
        self.trouble: int | str | None = None
        # Codes that only garbage is said about.
        self.broken: set[str] = set()
        # Before every answer to a read.
        self.delay_s = 0.0

    async def read(self, request: web.Request) -> web.StreamResponse:
        """Version 2 of the reading API."""
        code = request.match_info["code"]
        self.reads.append(code)
        await asyncio.sleep(self.delay_s)
        if self.trouble is not None:
            return await self._bad_day()
        if code in self.broken:
            return web.Response(text="<html>", content_type="text/html")
        product = self.products.get(code)
        if product is None:
            missing = {"code": code, "status": 0, "status_verbose": "product not found"}
            return web.json_response(missing, status=404)
        return web.json_response({"code": code, "status": 1, "product": product})

    async def write(self, request: web.Request) -> web.StreamResponse:
        """Every writing path."""
        if request.method == "PATCH":
            fields = msgspec.json.decode(await request.read())
        else:
            fields = dict(await request.post())
        if self.trouble is not None:
            return await self._bad_day()
        self.writes.append((request.path, fields, request.cookies.get("session")))
        if request.path == FIELDS_PATH:
            return web.json_response({"status": 1, "status_verbose": "fields saved"})
        return web.json_response({"status": "success" if request.method == "PATCH" else "status ok"})

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """200 for a user it knows, 403 for any other."""
        self.logins += 1
        fields = await request.post()
        if self.trouble is not None:
            return await self._bad_day()
        name = str(fields.get("user_id"))
        is_known = name in self.passwords and self.passwords[name] == fields.get("password")
        is_known = is_known or request.cookies.get("session") in self.sessions
        return web.json_response({"status": int(is_known)}, status=200 if is_known else 403)

    async def _bad_day(self) -> web.StreamResponse:
        match self.trouble:
            case int(status):
                return web.Response(status=status, text="no", headers={"Location": "/elsewhere"})
            case "slow":
                await asyncio.sleep(30)
                return web.Response()
            case "garbage":
                return web.Response(text="<html>fields lost", content_type="text/html")
            case "huge":
                return web.Response(body=b" " * (17 * 2**20))
        return web.json_response({"status": "status not ok", "status_verbose": "nothing changed"})


@asynccontextmanager
async def serve() -> AsyncIterator[ProductOpenerServer]:
    """The server on a free port."""
    fake = ProductOpenerServer()
    app = web.Application()
    app.router.add_get("/api/v2/product/{code}", fake.read)
    for path in (FIELDS_PATH, CROP_PATH, UNSELECT_PATH):
        app.router.add_post(path, fake.write)
    app.router.add_post(LOGIN_PATH, fake.log_in)
    app.router.add_patch("/api/v3/product/{code}", fake.write)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.url = "http://{}:{}".format(*runner.addresses[0][:2])
        yield fake
    finally:
        await runner.cleanup()
