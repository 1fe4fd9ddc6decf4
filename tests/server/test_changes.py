"""The change sequence: ordered writers, followers that miss nothing."""

import asyncio

import pytest

from server import changes
from server.changes import Follower
from server.db import Database


async def write(database: Database, topic: str, *keys: str) -> int:
    async with database.transaction() as connection:
        return await changes.append(connection, topic, keys)


async def test_numbers_grow_by_topic(database: Database) -> None:
    assert await changes.current(database, "a") == 0
    assert [await write(database, "a", "x"), await write(database, "a", "y")] == [1, 2]
    assert await write(database, "b", "x") == 1
    assert await changes.current(database, "a") == 2


async def test_only_keys_changed_after_a_number_come_back(database: Database) -> None:
    await write(database, "a", "x", "y")
    await write(database, "a", "z")
    await write(database, "a", "x")
    assert await changes.since(database, "a", 0) == (3, ["y", "z", "x"])
    assert await changes.since(database, "a", 1) == (3, ["z", "x"])
    assert await changes.since(database, "a", 3) == (3, [])
    assert await changes.since(database, "unknown", 0) == (0, [])


async def test_a_write_that_fails_leaves_no_number(database: Database) -> None:
    with pytest.raises(RuntimeError, match="no"):
        async with database.transaction() as connection:
            await changes.append(connection, "a", ["x"])
            raise RuntimeError("no")
    assert await write(database, "a", "y") == 1


async def test_whoever_sees_a_number_sees_all_below_it(database: Database) -> None:
    """Writers race; at every number a reader sees, exactly that many keys are there."""

    async def writer(name: str) -> None:
        for number in range(10):
            async with database.transaction() as connection:
                await changes.append(connection, "a", [f"{name}{number}"])
                await asyncio.sleep(0)

    async def reader() -> None:
        while True:
            sequence, keys = await changes.since(database, "a", 0)
            assert len(keys) == sequence
            if sequence == 30:
                return

    async with asyncio.timeout(30):
        await asyncio.gather(reader(), *(writer(name) for name in "abc"))


async def test_a_forgotten_topic_starts_anew(database: Database) -> None:
    await write(database, "a", "x")
    async with database.transaction() as connection:
        await changes.forget(connection, "a")
    assert await changes.since(database, "a", 0) == (0, [])


async def test_a_follower_wakes_when_a_write_commits(database: Database) -> None:
    follower = Follower(database, poll_s=60)
    await follower.open()
    async with asyncio.timeout(10):
        # The first wake-up may be that of the connection being made.
        await follower.wait("a")
        waiting = asyncio.create_task(follower.wait("a"))
        await asyncio.sleep(0)
        await write(database, "a", "x")
        await waiting
    assert await follower.catch_up("a", 0) == (1, ["x"])
    await follower.close()


async def test_a_follower_that_lost_its_connection_comes_back(database: Database) -> None:
    follower = Follower(database, poll_s=60)
    await follower.open()
    async with asyncio.timeout(20):
        await follower.wait("a")
        waiting = asyncio.create_task(follower.wait("a"))
        await asyncio.sleep(0)
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND application_name <> 'aisle'"
        )
        await waiting
        assert follower.is_alive
        waiting = asyncio.create_task(follower.wait("a"))
        await asyncio.sleep(0)
        await write(database, "a", "x")
        await waiting
    await follower.close()
    assert not follower.is_alive


async def test_without_notifications_a_follower_polls(database: Database) -> None:
    follower = Follower(database, poll_s=0.01)
    async with asyncio.timeout(5):
        await follower.wait("a")


@pytest.mark.parametrize("steps", range(4))
async def test_a_cancellation_that_comes_together_with_the_news_is_not_lost(
    database: Database, steps: int
) -> None:
    follower = Follower(database)
    waiting = asyncio.create_task(follower.wait("a"))
    await asyncio.sleep(0.01)
    follower._wake("a")
    for _ in range(steps):
        await asyncio.sleep(0)
    if waiting.cancel():
        with pytest.raises(asyncio.CancelledError):
            await waiting
