"""The database: deadlines, transactions, and driver faults in our own words."""

import asyncio

import asyncpg
import pytest

from server import errors
from server.db import Database, translated
from server.deadline import Deadline


async def test_json_columns_are_python_values(database: Database) -> None:
    value = {"a": [1, None, "x"]}
    assert await database.fetchval("SELECT $1::jsonb", value) == value
    assert await database.fetchval("SELECT '[1, 2]'::json") == [1, 2]


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError, match="no"):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO tenant (id, webhook_secret) VALUES ('a', 'b')")
            raise RuntimeError("no")
    assert await database.fetchval("SELECT count(*) FROM tenant") == 0


async def test_a_statement_ends_with_its_deadline(database: Database) -> None:
    with pytest.raises(errors.DeadlineExceeded):
        await database.fetchval("SELECT pg_sleep(30)", deadline=Deadline.after(0.05))
    with pytest.raises(errors.DeadlineExceeded):
        await database.fetchval("SELECT 1", deadline=Deadline.after(-1))
    assert await database.fetchval("SELECT 1") == 1


async def test_waiting_for_a_connection_spends_the_deadline(database_url: str) -> None:
    database = Database(database_url, connections=1)
    await database.open()
    async with database.connection():
        with pytest.raises(errors.DeadlineExceeded):
            await database.fetchval("SELECT 1", deadline=Deadline.after(0.05))
    await database.close()


async def test_a_lost_database_is_not_ready_and_comes_back(database: Database, database_url: str) -> None:
    assert await database.is_healthy()
    other = await asyncpg.connect(database_url)
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await other.close()
    async with asyncio.timeout(10):
        while not await database.is_healthy():
            await asyncio.sleep(0.02)


async def test_a_closed_or_unreachable_database_is_not_ready() -> None:
    database = Database("postgresql://postgres@/postgres?host=/nowhere")
    assert not await database.is_healthy()
    with pytest.raises(errors.NotReady):
        await database.open()
    with pytest.raises(errors.NotReady):
        await database.fetchval("SELECT 1")
    await database.close()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (asyncpg.DiskFullError("full"), errors.StorageFull),
        (asyncpg.TooManyConnectionsError("many"), errors.Overloaded),
        (asyncpg.QueryCanceledError("late"), errors.DeadlineExceeded),
        (TimeoutError(), errors.DeadlineExceeded),
        (asyncpg.ConnectionDoesNotExistError("gone"), errors.NotReady),
        (ConnectionRefusedError(), errors.NotReady),
        (asyncpg.UniqueViolationError("twice"), asyncpg.UniqueViolationError),
        (FileExistsError(), FileExistsError),
    ],
)
def test_faults_of_the_driver_are_translated(fault: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected), translated():
        raise fault


async def test_a_connection_is_handed_on_without_another_statement(database: Database) -> None:
    async with database.connection() as first:
        session = await first.fetchval("SELECT pg_backend_pid()")
        prepared = await first.fetchval("SELECT count(*) FROM pg_prepared_statements")
    for _ in range(3):
        assert await database.fetchval("SELECT pg_backend_pid()") == session
    assert await database.fetchval("SELECT count(*) FROM pg_prepared_statements") >= prepared


async def test_connections_at_hand_starve_nobody(database_url: str) -> None:
    database = Database(database_url, connections=2)
    await database.open()
    await asyncio.gather(*(database.fetchval("SELECT pg_sleep(0.01)") for _ in range(20)))
    async with database.connection() as first, database.connection() as second:
        waiting = asyncio.create_task(database.fetchval("SELECT 7"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert await first.fetchval("SELECT 1") == await second.fetchval("SELECT 1") == 1
    assert await waiting == 7
    assert await database.is_healthy()
    await database.close()


async def test_whoever_is_cancelled_leaves_a_connection_that_works(database: Database) -> None:
    for statement in ("SELECT pg_sleep(5)", "SELECT 1 FROM pg_sleep(5)"):
        task = asyncio.create_task(database.fetchval(statement))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await database.fetchval("SELECT 1") == 1


async def test_what_a_transaction_leaves_open_is_closed_before_the_next(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("BEGIN")
        await connection.execute("CREATE TEMP TABLE left_behind (n int)")
    async with database.connection() as connection:
        assert not connection.is_in_transaction()
    assert await database.fetchval("SELECT to_regclass('left_behind')") is None


async def test_connections_at_hand_that_broke_are_replaced_without_a_failure(
    database: Database, database_url: str
) -> None:
    await asyncio.gather(*(database.fetchval("SELECT pg_sleep(0.05)") for _ in range(4)))
    other = await asyncpg.connect(database_url)
    ended = await other.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await other.close()
    assert len(ended) > 1
    # Until the driver has seen them closed.
    await asyncio.sleep(0.5)
    for _ in range(8):
        assert await database.fetchval("SELECT 1") == 1
