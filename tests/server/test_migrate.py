"""Migrations: applied once, in order, also when several servers start together."""

import asyncio
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest
from pogo_core.error import BadMigrationError

from server import errors, migrate
from server.db import Database
from tests.postgres_cluster import Cluster

FIRST = """-- First
-- depends:

-- migrate: apply
CREATE TABLE one (id int);
-- migrate: rollback
DROP TABLE one;
"""
BROKEN = """-- Second
-- depends: 0001_first

-- migrate: apply
CREATE TABLE two (id int);
SELECT * FROM no_such_table;
-- migrate: rollback
DROP TABLE two;
"""


async def test_a_fresh_database_gets_everything_and_then_nothing(cluster: Cluster) -> None:
    url = cluster.url(await cluster.create_empty())
    assert await migrate.apply(url) == migrate.known()
    assert await migrate.apply(url) == []
    database = Database(url)
    await database.open()
    async with database.connection() as connection:
        assert await migrate.pending(connection) == []
    await database.close()


async def test_servers_that_start_together_do_not_collide(cluster: Cluster) -> None:
    url = cluster.url(await cluster.create_empty())
    applied = await asyncio.gather(*(migrate.apply(url) for _ in range(4)))
    assert sorted(len(names) for names in applied) == [0, 0, 0, len(migrate.known())]


async def test_a_migration_that_fails_leaves_nothing_of_itself(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    (tmp_path / "0002_broken.sql").write_text(BROKEN)
    url = cluster.url(await cluster.create_empty())
    with pytest.raises(BadMigrationError):
        await migrate.apply(url, tmp_path)
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT to_regclass('one') IS NOT NULL AND to_regclass('two') IS NULL")
    assert await migrate.pending(connection, tmp_path) == ["0002_broken"]
    await connection.close()


async def test_an_unreachable_database_is_not_ready() -> None:
    with pytest.raises(errors.NotReady):
        await migrate.apply("postgresql://postgres@/postgres?host=/nowhere")


def test_every_migration_names_the_one_before_it() -> None:
    names = migrate.known()
    for before, name in pairwise(names):
        assert f"-- depends: {before}\n" in (migrate.FOLDER / f"{name}.sql").read_text()
