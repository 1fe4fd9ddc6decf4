"""A tiny S3-like server: one bucket in memory, and faults on demand."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate

from aiohttp import web

FULL = '<?xml version="1.0"?><Error><Code>QuotaExceeded</Code><Message>full</Message></Error>'
MISSING = '<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>none</Message></Error>'


class S3Server:
    """`objects` by path, such as "bucket/prefix/name"; `fault` is answered to every request while set."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fault: tuple[int, str] | None = None
        self.authorization: str | None = None
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.authorization = request.headers.get("Authorization")
        path = request.path.lstrip("/")
        if self.fault is not None:
            return web.Response(status=self.fault[0], text=self.fault[1], content_type="application/xml")
        if request.method == "POST" and "delete" in request.query:
            # Clients delete in bulk.
            names = re.findall(r"<Key>([^<]*)</Key>", await request.text())
            for name in names:
                self.objects.pop(f"{path}/{name}", None)
            done = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            return web.Response(text=f"<DeleteResult>{done}</DeleteResult>", content_type="application/xml")
        if request.method == "PUT":
            self.objects[path] = await request.read()
            return web.Response(headers={"ETag": '"1"'})
        if path not in self.objects:
            return web.Response(status=404, text=MISSING, content_type="application/xml")
        headers = {"ETag": '"1"', "Last-Modified": formatdate(usegmt=True)}
        if request.method == "HEAD":
            headers["Content-Length"] = str(len(self.objects[path]))
        return web.Response(body=self.objects[path], headers=headers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["S3Server"]:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        yield self
        await runner.cleanup()
