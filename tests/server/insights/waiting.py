"""Waits until somebody waits."""

import asyncio

from server.db import Database

WAITING = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
)
"""


async def until_locked_out(database: Database) -> None:
    """Returns when another connection waits for a lock that somebody holds."""
    async with asyncio.timeout(10):
        while not await database.fetchval(WAITING):
            await asyncio.sleep(0.01)
