"""Insights as their columns: pages of a selection, those of a product, one by its id (contract 1.2.5-1.2.8)."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from server.insights import queries_insights as queries
from server.insights import tally
from server.insights.schema import Insight
from server.insights.selection import Selection

if TYPE_CHECKING:
    from server.db import Database
    from server.deadline import Deadline

ORDERS = {"random": queries.AT_RANDOM, "popularity": queries.BY_POPULARITY}
# So few are all looked at for a draw, of more a sample: this many for each one that is wanted.
MOST_GATHERED = 1000
SAMPLE = 8
# To skip so many costs more than to ask first whether there are more.
DEEP = 1_000
_DATA, _BOX = (Insight.__struct_fields__.index(name) for name in queries.JSON_COLUMNS)


class Page(NamedTuple):
    """Some insights of a selection and how many it has."""

    insights: list[Insight]
    total: int


class InsightPages:
    """Reads insights; a page costs two statements at most."""

    def __init__(self, database: Database, *, count_cap: int = 0) -> None:
        self._database = database
        self._count_cap = count_cap

    async def page(
        self,
        selection: Selection,
        *,
        count: int,
        page: int = 1,
        order_by: str | None = None,
        deadline: Deadline | None = None,
    ) -> Page:
        """`count` insights, oldest first unless a key of `ORDERS` says otherwise; the total is capped on request."""
        if order_by == "random" and selection.annotated is False:
            found = await self.random(selection, count=count, deadline=deadline)
        else:
            found = await self._page(selection, count, page, order_by, deadline)
        return found._replace(total=min(found.total, self._count_cap)) if self._count_cap else found

    async def random(self, selection: Selection, *, count: int, deadline: Deadline | None = None) -> Page:
        """A fresh draw of a selection without the annotated ones, and the exact total."""
        selection = msgspec.structs.replace(selection, annotated=False)
        async with self._database.connection(deadline) as connection:
            total = await tally.count(connection, selection)
            where, arguments = selection.where()
            sql = queries.GATHERED.format(where=where, count=count)
            if total > max(MOST_GATHERED, count):
                # Compared row by row, for these indexes are walked in their order.
                where, arguments = selection.where(walking=("n_votes", "lot"))
                arguments.append(random.random())  # noqa: S311
                sql = queries.DRAWN.format(
                    where=where, count=count, sample=count * SAMPLE, start=f"${len(arguments)}"
                )
            rows = await connection.fetch(sql, *arguments) if total else []
        return Page(as_insights(rows), total)

    async def of_product(self, selection: Selection, deadline: Deadline | None = None) -> list[Insight]:
        """All of them, oldest first."""
        where, arguments = selection.where()
        sql = queries.OF_PRODUCT.format(where=where)
        return as_insights(await self._database.fetch(sql, *arguments, deadline=deadline))

    async def one(self, insight_id: UUID, deadline: Deadline | None = None) -> Insight | None:
        """An insight in whatever state; None where there is none."""
        found = as_insights(await self._database.fetch(queries.ONE, insight_id, deadline=deadline))
        return found[0] if found else None

    async def annotated_by(self, username: str, deadline: Deadline | None = None) -> int:
        """How many insights carry a user's name."""
        number: int = await self._database.fetchval(queries.ANNOTATED_BY, username, deadline=deadline)
        return number

    async def _page(
        self, selection: Selection, count: int, page: int, order_by: str | None, deadline: Deadline | None
    ) -> Page:
        # Each draw is a fresh one, so there is nothing to skip.
        offset = 0 if order_by == "random" else (page - 1) * count
        where, arguments = selection.where()
        skip = ""
        if offset:
            arguments.append(offset)
            skip = f"OFFSET ${len(arguments)}"
        order = ORDERS[order_by] if order_by else queries.BY_NUMBER
        sql = queries.PAGE.format(where=where, order=order, count=count, skip=skip)
        async with self._database.connection(deadline) as connection:
            total = await tally.count(connection, selection) if offset >= DEEP else None
            if total is not None and offset >= total:
                return Page([], total)
            rows = await connection.fetch(sql, *arguments)
            if len(rows) < count and (rows or not offset):
                # The last page tells the total by itself.
                total = offset + len(rows)
            elif total is None:
                total = await tally.count(connection, selection)
        return Page(as_insights(rows), total)


def as_insights(rows: Iterable[Any]) -> list[Insight]:
    """Rows of `queries_insights.COLUMNS` as they go over the wire."""
    found = []
    for row in rows:
        values = list(row)
        values[_DATA] = msgspec.Raw(values[_DATA])
        if values[_BOX] is not None:
            values[_BOX] = msgspec.Raw(values[_BOX])
        found.append(Insight(*values))
    return found
