"""Listening to the product server's streams, over a real socket, with losses on the way."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from server.db import Database
from server.insights.events.events import Events
from server.insights.events.stream import Stream
from server.insights.products.local_products import LocalProducts
from server.jobs import Jobs
from server.metrics import Metrics
from tests.server.insights import redis_server
from tests.server.insights.redis_server import RedisServer


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    async with redis_server.serve() as fake:
        yield fake


@asynccontextmanager
async def listening(database: Database, url: str) -> AsyncIterator[Stream]:
    async def refresh(server_type: str, barcode: str) -> None:
        raise AssertionError("events are only queued here")

    events = Events(
        database=database,
        jobs=Jobs(database, Metrics()),
        products=LocalProducts(database),
        refresh=refresh,
    )
    stream = Stream(url, database=database, events=events)
    await stream.open()
    try:
        yield stream
    finally:
        await stream.close()


def tell(redis: RedisServer, code: int, **fields: str) -> None:
    redis.add("product_updates", code=str(code), product_type="food", action="deleted", **fields)


async def barcodes(database: Database) -> list[str]:
    found = await database.fetch("SELECT payload FROM pgqueuer ORDER BY id")
    return [msgspec.json.decode(row["payload"])["barcode"] for row in found]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.02)


async def expect(database: Database, *codes: int) -> None:
    """These products, in this order, each once."""
    wanted = [f"{code:08}" for code in codes]
    async with asyncio.timeout(30):
        while len(await barcodes(database)) < len(wanted):
            await asyncio.sleep(0.02)
    assert await barcodes(database) == wanted


async def begun(database: Database) -> None:
    async with asyncio.timeout(30):
        while await database.fetchval("SELECT count(*) FROM event_stream") < 2:
            await asyncio.sleep(0.02)


async def test_messages_become_jobs_from_the_first_start_on(database: Database, redis: RedisServer) -> None:
    tell(redis, 1)
    async with listening(database, redis.url):
        await begun(database)
        tell(redis, 2)
        tell(redis, 3, comment="[robotoff] ours")
        redis.add("ocr_ready", code="4", image_id="1", product_type="food")
        tell(redis, 5)
        await expect_all(database, {"00000002", "00000004", "00000005"})


async def expect_all(database: Database, wanted: set[str]) -> None:
    """The two streams have no order between them."""
    async with asyncio.timeout(30):
        while set(await barcodes(database)) != wanted:
            await asyncio.sleep(0.02)
    assert len(await barcodes(database)) == len(wanted)


async def test_nothing_is_lost_while_nobody_listens(database: Database, redis: RedisServer) -> None:
    async with listening(database, redis.url):
        await begun(database)
        tell(redis, 1)
        await expect(database, 1)
    for code in range(2, 250):
        tell(redis, code)
    async with listening(database, redis.url):
        await expect(database, *range(1, 250))


async def test_a_lost_connection_is_made_anew(database: Database, redis: RedisServer) -> None:
    async with listening(database, redis.url):
        await begun(database)
        await until(lambda: redis.connections == 1)
        redis.drop()
        tell(redis, 1)
        await expect(database, 1)
    assert redis.connections == 2


async def test_several_listeners_take_each_message_once(database: Database, redis: RedisServer) -> None:
    async with listening(database, redis.url), listening(database, redis.url):
        await begun(database)
        for code in range(1, 30):
            tell(redis, code)
            await asyncio.sleep(0.002)
        await expect(database, *range(1, 30))
        await asyncio.sleep(0.2)
        assert len(await barcodes(database)) == 29


async def test_a_start_does_not_wait_for_redis(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(5), listening(database, "redis://:hunter2@127.0.0.1:1/0"):
        await until(lambda: "event stream lost" in caplog.text)
    assert "hunter2" not in caplog.text


async def test_a_missing_library_is_told_at_the_start(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(RuntimeError, match="extra `events`"):
        async with listening(database, "redis://127.0.0.1:1/0"):
            pass
