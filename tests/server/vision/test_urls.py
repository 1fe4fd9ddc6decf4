"""Pictures that the server fetches itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from tests.conftest import ClientFactory
from tests.server.vision.samples import JPEG, picture


@asynccontextmanager
async def shop(answers: dict[str, Callable[[], web.Response]]) -> AsyncIterator[str]:
    """A web server on this machine that serves these paths; gives its address."""

    async def answer(request: web.Request) -> web.Response:
        return answers[request.path]()

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_urls_are_fetched_and_each_failure_stays_with_its_url(client: ClientFactory) -> None:
    answers = {
        "/good.jpg": lambda: web.Response(body=picture()),
        "/text": lambda: web.Response(body=b"hello"),
        "/gone": lambda: web.Response(status=404),
    }
    async with (
        shop(answers) as address,
        client(vision_open=True, fetch_allow_private=True) as http,
    ):
        urls = [f"{address}{path}" for path in answers] + ["ftp://example.org/a.jpg"]
        body = (await http.post("/vision/v1/embed", json={"urls": urls})).json()
        direct = await http.post("/vision/v1/embed", content=picture(), headers=JPEG)
    good, text, gone, scheme = body["results"]
    assert good == direct.json()["results"][0]
    assert text["error"]["code"] == "IMAGE_NOT_LOADED"
    assert gone["error"]["code"] and scheme["error"]["code"]


async def test_private_addresses_are_not_fetched_unless_allowed(client: ClientFactory) -> None:
    visits = []

    def visited() -> web.Response:
        visits.append(1)
        return web.Response(body=picture())

    async with shop({"/a.jpg": visited}) as address, client(vision_open=True) as http:
        body = (await http.post("/vision/v1/embed", json={"urls": [f"{address}/a.jpg"]})).json()
    assert set(body["results"][0]) == {"error"}
    assert not visits
