"""One raw picture per request: the short way and the long way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server.settings import Limits
from tests.conftest import ClientFactory
from tests.server.vision.samples import GARBAGE, JPEG, OCTETS, fault, picture


async def test_the_short_way_of_raw_bodies_answers_as_the_long_one(http: httpx.AsyncClient) -> None:
    """`RawEmbed` takes only what names exactly one type to accept."""
    long = OCTETS["Accept"] + ";q=1"

    async def both(data: bytes, path: str = "embed?model=stub") -> tuple[httpx.Response, httpx.Response]:
        return tuple(  # type: ignore[return-value]
            [
                await http.post(f"/vision/v1/{path}", content=data, headers=JPEG | {"Accept": accept})
                for accept in (OCTETS["Accept"], long)
            ]
        )

    good = [await both(picture()), await both(picture(), "embed")]
    for short, other in good:
        assert short.status_code == 200
        assert short.content == other.content and len(short.content) == 4 * 64
        assert short.headers["content-type"] == other.headers["content-type"]
    bad = [await both(GARBAGE), await both(b""), await both(picture(), "embed?model=nobody")]
    for short, other in bad:
        assert short.status_code == other.status_code >= 400
        without_id = [answer.json()["error"] | {"request_id": ""} for answer in (short, other)]
        assert without_id[0] == without_id[1]


async def test_a_raw_body_in_pieces_is_put_together(http: httpx.AsyncClient) -> None:
    data = picture()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 100):
            yield data[start : start + 100]

    whole = await http.post("/vision/v1/embed", content=data, headers=JPEG | OCTETS)
    answer = await http.post("/vision/v1/embed", content=pieces(), headers=JPEG | OCTETS)
    assert answer.content == whole.content


async def test_a_raw_body_ends_with_its_declared_length(client: ClientFactory) -> None:
    """Nothing is waited for behind it; the server says that the body is over in a message of its own."""
    data = picture()
    pieces = iter(
        [{"type": "http.request", "body": data[at : at + 500], "more_body": True} for at in (0, 500)]
    )
    assert 500 < len(data) <= 1000
    sent: list[Any] = []

    async def receive() -> Any:
        for piece in pieces:
            return piece
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {**JPEG, **OCTETS, "Host": "test.local", "Content-Length": str(len(data))}
    async with client(vision_open=True) as http:
        app = http._transport.app  # type: ignore[attr-defined]
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
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("test.local", 80),
            "state": {},
        }
        async with asyncio.timeout(30):
            await app(scope, receive, send)
        whole = await http.post("/vision/v1/embed", content=data, headers=JPEG | OCTETS)
    assert sent[0]["status"] == 200
    assert sent[1]["body"] == whole.content


@pytest.mark.parametrize("accept", [{}, OCTETS])
async def test_a_raw_body_over_the_limit_is_refused_with_the_limit(
    client: ClientFactory, accept: dict[str, str]
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 100

    async with client(vision_open=True, limits=Limits(query_bytes=1000)) as http:
        for content in (b"x" * 1001, endless()):
            answer = await http.post("/vision/v1/embed", content=content, headers=JPEG | accept)
            assert "1000" in fault(answer, 413, "BODY_TOO_LARGE")
