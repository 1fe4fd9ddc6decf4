"""Bring a database to the schema in `server/sql`: numbered plain SQL files, applied once each, in order."""

from __future__ import annotations

import logging
from pathlib import Path

import asyncpg
from pogo_core.util import migrate as pogo

from server import db, errors, jobs

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "sql"
SCHEMA = "public"
# Any fixed number: several starting servers must not migrate at once.
LOCK = 4_151_330_601
APPLIED = "SELECT migration_id FROM _pogo_migration ORDER BY migration_id"
TABLE_EXISTS = "SELECT to_regclass('_pogo_migration') IS NOT NULL"


def known(folder: Path = FOLDER) -> list[str]:
    """The names of all migrations this code has, in order."""
    return sorted(path.stem for path in folder.glob("*.sql"))


async def pending(connection: db.Connection, folder: Path = FOLDER) -> list[str]:
    """The migrations this database still needs."""
    if not await connection.fetchval(TABLE_EXISTS):
        return known(folder)
    applied = {row["migration_id"] for row in await connection.fetch(APPLIED)}
    return [name for name in known(folder) if name not in applied]


async def apply(url: str, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing and return its names; waits for another process that does the same."""
    try:
        connection = await asyncpg.connect(url, timeout=db.CONNECT_TIMEOUT_S)
    except (asyncpg.PostgresConnectionError, OSError) as fault:
        raise errors.NotReady("The database is not reachable") from fault
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        missing = await pending(connection, folder)
        if missing:
            await pogo.apply(connection, folder, schema_name=SCHEMA, logger=_Quiet())
            logger.info("migrations applied", extra={"migrations": missing})
        await jobs.install(connection)
        return missing
    finally:
        # Ends the session, and with it the lock.
        await connection.close()


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """The library reports each migration as a warning; it is news, not trouble."""

    def __init__(self) -> None:
        super().__init__(logger, {})

    def warning(self, msg: object, *args: object, **kwargs: object) -> None:
        self.logger.debug(msg, *args)
