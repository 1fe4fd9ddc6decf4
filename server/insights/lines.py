"""Lines of an import as typed rows, rows of an export as lines, and what is common to every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import asyncpg
import msgspec

from server import errors
from server.db import Database
from server.insights import barcodes
from server.insights.parameters import SERVER_TYPES
from server.transfer import Line, Result

T = TypeVar("T")

# Whole numbers as the columns hold them.
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
Natural = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Identity = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
EXPORT_ROWS = 1000


def typed(lines: Sequence[Line], kind: type[T]) -> list[T | Result]:
    """Each line as that struct, or the `Result` that says what is wrong with it."""
    return [_typed(line, kind) for line in lines]


def _typed(line: Line, kind: type[T]) -> T | Result:
    try:
        return msgspec.convert(line.value, kind, strict=True)
    except (msgspec.ValidationError, errors.BadRequest) as fault:
        return Result(error=str(fault))


def barcode_of(value: str | int) -> str:
    """The normalised barcode of a line; published texts type it as a number."""
    return barcodes.checked(str(value))


def server_type_of(value: str) -> str:
    """One of the projects; `BadRequest` for any other."""
    if value not in SERVER_TYPES:
        raise errors.BadRequest(f"invalid `server_type`: {value[:50]}")
    return value


def naive_utc(value: datetime | None) -> datetime | None:
    """A time with a zone as UTC without one, as it is stored; without a zone it is UTC already."""
    return value if value is None or value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def now() -> datetime:
    """This moment as it is stored."""
    return datetime.now(UTC).replace(tzinfo=None)


@contextmanager
def refused() -> Iterator[None]:
    """Turns what the database cannot hold (null characters, a key taken meanwhile) into `BadRequest`."""
    try:
        yield
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as fault:
        raise errors.BadRequest(f"It cannot be stored: {fault}") from fault


def sorted_out(rows: Iterable[T | Result]) -> tuple[list[T], list[Result | None]]:
    """The good rows, and one place per line that holds its error or None."""
    good: list[T] = []
    places: list[Result | None] = []
    for row in rows:
        if isinstance(row, Result):
            places.append(row)
        else:
            good.append(row)
            places.append(None)
    return good, places


def merged(places: Sequence[Result | None], results: Iterable[Result]) -> list[Result]:
    """One result per line: the errors of `sorted_out`, and in the other places these, in order."""
    coming = iter(results)
    return [next(coming) if place is None else place for place in places]


async def export(
    database: Database, query: str, *values: object, line: Callable[[asyncpg.Record], Any] = dict
) -> AsyncIterator[Any]:
    """Every row of a query as an object, a thousand in memory at a time."""
    async with database.transaction() as connection:
        async for row in connection.cursor(query, *values, prefetch=EXPORT_ROWS):
            yield line(row)
