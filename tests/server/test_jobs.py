"""Jobs: added with the transaction, run at least once, retried, kept when they fail for good."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server.db import Database
from server.jobs import JobKind, Jobs
from server.metrics import Metrics

COUNT = "SELECT count(*) FROM pgqueuer"


@asynccontextmanager
async def running(database: Database, *kinds: JobKind) -> AsyncIterator[Jobs]:
    jobs = Jobs(database, Metrics())
    for kind in kinds:
        jobs.add(kind)
    await jobs.open()
    try:
        yield jobs
    finally:
        await jobs.close()


async def until(condition: Any, timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_a_job_runs_with_its_payload(database: Database) -> None:
    seen: list[dict[str, Any]] = []

    async def handle(payload: dict[str, Any]) -> None:
        seen.append(payload)

    async with running(database, JobKind("greet", handle)) as jobs:
        async with database.transaction() as connection:
            assert await jobs.enqueue(connection, "greet", {"name": "Ann"})

        async def done() -> bool:
            return bool(seen) and await database.fetchval(COUNT) == 0

        await until(done)
    assert seen == [{"name": "Ann"}]


async def test_a_job_of_a_transaction_that_failed_does_not_exist(database: Database) -> None:
    jobs = Jobs(database, Metrics())
    with pytest.raises(RuntimeError, match="no"):
        async with database.transaction() as connection:
            await jobs.enqueue(connection, "greet", {})
            raise RuntimeError("no")
    assert await database.fetchval(COUNT) == 0


async def test_a_job_with_a_key_that_waits_is_not_added_twice(database: Database) -> None:
    jobs = Jobs(database, Metrics())
    async with database.transaction() as connection:
        assert await jobs.enqueue(connection, "greet", {}, dedupe_key="a", delay_s=60)
        assert not await jobs.enqueue(connection, "greet", {}, dedupe_key="a", delay_s=60)
        assert await jobs.enqueue(connection, "greet", {}, dedupe_key="b", delay_s=60)
    assert [count.count for count in await jobs.overview()] == [2]


async def test_a_failing_job_is_tried_again_until_it_works(database: Database) -> None:
    attempts = 0

    async def handle(payload: dict[str, Any]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ValueError("not yet")

    async with running(database, JobKind("flaky", handle, first_delay_s=0.01)) as jobs:
        async with database.transaction() as connection:
            await jobs.enqueue(connection, "flaky", {})

        async def done() -> bool:
            return bool(await database.fetchval(COUNT) == 0)

        await until(done)
    assert attempts == 3


async def test_a_job_that_always_fails_is_kept_as_a_dead_letter(database: Database) -> None:
    async def handle(payload: dict[str, Any]) -> None:
        raise ValueError("never")

    async with running(database, JobKind("doomed", handle, max_attempts=1, first_delay_s=0.01)) as jobs:
        async with database.transaction() as connection:
            await jobs.enqueue(connection, "doomed", {})

        async def dead() -> bool:
            return [(job.kind, job.status) for job in await jobs.overview()] == [("doomed", "failed")]

        await until(dead)


async def test_closing_waits_for_the_job_that_runs(database: Database) -> None:
    started, finished = asyncio.Event(), asyncio.Event()

    async def handle(payload: dict[str, Any]) -> None:
        started.set()
        await asyncio.sleep(0.2)
        finished.set()

    async with running(database, JobKind("slow", handle)) as jobs:
        async with database.transaction() as connection:
            await jobs.enqueue(connection, "slow", {})
        await asyncio.wait_for(started.wait(), 20)
    assert finished.is_set()


async def test_the_loop_survives_the_loss_of_its_connections(database: Database) -> None:
    seen: list[int] = []

    async def handle(payload: dict[str, Any]) -> None:
        seen.append(payload["n"])

    async with running(database, JobKind("count", handle)) as jobs:
        for number in (1, 2):
            async with database.transaction() as connection:
                await jobs.enqueue(connection, "count", {"n": number})

            async def done(number: int = number) -> bool:
                return number in seen

            await until(done, 60)
            await database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database() AND application_name <> 'aisle'"
            )
        assert jobs.is_alive
