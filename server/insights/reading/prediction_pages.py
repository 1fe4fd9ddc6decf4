"""Pages of predictions, exactly counted, in the order of their ids (contract 1.2.11)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from server.insights import queries_predictions as queries
from server.insights.parameters import MAX_ITEMS
from server.insights.schema import Prediction
from server.insights.selection import Conditions

if TYPE_CHECKING:
    from server.db import Database
    from server.deadline import Deadline
    from server.insights.parameters import Parameters

_DATA = Prediction.__struct_fields__.index("data")


class Page(NamedTuple):
    """Some rows, and how many there are without paging."""

    rows: list[Any]
    total: int


class PredictionPages:
    """Reads predictions; a page costs two statements at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, parameters: Parameters, server_type: str, deadline: Deadline | None = None) -> Page:
        """The page that was asked for."""
        found = Conditions()
        found.add("server_type = {}", server_type)
        if (types := parameters.texts("types", MAX_ITEMS)) is not None:
            found.add("type = ANY({}::text[])", types)
        for name, value in (("barcode", parameters.barcode()), ("value_tag", parameters.text("value_tag"))):
            if value is not None:
                found.add(f"{name} = {{}}", value)
        rows, total = await page_of(
            self._database,
            queries.PAGE,
            queries.COUNT,
            found,
            parameters.count(),
            parameters.page(),
            deadline,
        )
        return Page(as_predictions(rows), total)


async def page_of(
    database: Database,
    select: str,
    counted: str,
    found: Conditions,
    count: int,
    page: int,
    deadline: Deadline | None,
) -> Page:
    """The rows of one page; they are counted by a statement of its own unless the last page tells it."""
    offset = (page - 1) * count
    where, arguments = found.sql, list(found.arguments)
    sql = select.format(where=where, count=found.place(count), offset=found.place(offset))
    async with database.connection(deadline) as connection:
        rows = await connection.fetch(sql, *found.arguments)
        if len(rows) < count and (rows or not offset):
            return Page(rows, offset + len(rows))
        return Page(rows, await connection.fetchval(counted.format(where=where), *arguments))


def as_predictions(rows: Iterable[Any]) -> list[Prediction]:
    """Rows of `queries_predictions.COLUMNS` as they go over the wire."""
    found = []
    for row in rows:
        values = list(row)
        values[_DATA] = msgspec.Raw(values[_DATA])
        found.append(Prediction(*values))
    return found
