"""Clients that leave."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.conftest import ClientFactory
from tests.server.vision.samples import JPEG, picture


@pytest.mark.parametrize("accept", [b"application/json", b"application/octet-stream"])
async def test_a_client_that_leaves_frees_its_place_in_the_queue(
    client: ClientFactory, accept: bytes
) -> None:
    """The app is called as a server calls it: the body arrives, then the news that the client is gone."""
    async with client(vision_open=True) as http:
        app = http._transport.app  # type: ignore[attr-defined]
        [serving] = [each for each in app.networks.servings.values() if each.network.spec.name == "stub"]
        entered, release = threading.Event(), threading.Event()
        run = serving.network.run

        def slow(batch: Any) -> Any:
            entered.set()
            release.wait(30)
            return run(batch)

        serving.network.run = slow
        try:
            first = asyncio.create_task(http.post("/vision/v1/embed", content=picture(), headers=JPEG))
            await asyncio.to_thread(entered.wait, 30)
            left = asyncio.Event()
            messages = iter([{"type": "http.request", "body": picture(), "more_body": False}])

            async def receive() -> dict[str, Any]:
                for message in messages:
                    return message
                await left.wait()
                return {"type": "http.disconnect"}

            sent: list[Any] = []

            async def send(message: Any) -> None:
                sent.append(message)

            scope = {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": "POST",
                "path": "/vision/v1/embed",
                "raw_path": b"/vision/v1/embed",
                "root_path": "",
                "scheme": "http",
                "query_string": b"",
                "headers": [(b"content-type", b"image/jpeg"), (b"accept", accept), (b"host", b"test.local")],
                "client": ("127.0.0.1", 1),
                "server": ("test.local", 80),
                "state": {},
            }
            second = asyncio.create_task(app(scope, receive, send))
            while serving.batcher.depth == 0:
                await asyncio.sleep(0.001)
            left.set()
            await second
            assert serving.batcher.depth == 0
        finally:
            release.set()
        assert (await first).status_code == 200
