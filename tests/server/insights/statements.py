"""How many SQL statements a request costs."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that connections of this process execute meanwhile, in order."""
    seen: list[str] = []
    with monkeypatch.context() as patch:
        for name in ("fetch", "fetchrow", "fetchval", "execute"):
            patch.setattr(asyncpg.Connection, name, _counting(getattr(asyncpg.Connection, name), seen))
        yield seen


def _counting(method: object, seen: list[str]) -> object:
    async def call(self: object, query: str, *args: object, **options: object) -> object:
        # What the pool does with a connection that comes back is not the request's.
        if not query.startswith("SELECT pg_advisory_unlock_all()"):
            seen.append(query)
        return await method(self, query, *args, **options)  # type: ignore[operator]

    return call
