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
