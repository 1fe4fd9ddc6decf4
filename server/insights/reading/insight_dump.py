"""Many insights at once: CSV up to a limit, lines of JSON without one (contract 1.2.10, wish 26)."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from server.deadline import Deadline
from server.insights import faults, tally
from server.insights import queries_insights as queries
from server.insights.reading.insight_pages import as_insights
from server.insights.schema import Insight

if TYPE_CHECKING:
    from server.db import Database
    from server.insights.selection import Selection

MAX_CSV_ROWS = 10_000
# Encoded at one go: a few milliseconds of the event loop.
PORTION_ROWS = 250
# How many numbers of the order of insertion are looked at for a portion: what a statement costs at most, by
# whatever way the planner takes.
SPAN = 1_000
# So many are few: their numbers are collected first.
FEW = 10_000
# For them all the table may have to be read.
COLLECT_TIMEOUT_S = 120.0
CSV = "text/csv"
NDJSON = "application/x-ndjson"

Encode = Callable[[Sequence[Insight]], bytes]


class InsightDump:
    """Reads a selection in portions, oldest first.

    Each portion is a statement of its own that goes on where the last one ended: memory is bounded, and a
    client that reads slowly holds no connection. Insights that come while it runs are left out.
    """

    def __init__(self, database: Database, *, python_literals: bool = False) -> None:
        self._database = database
        self._python_literals = python_literals

    async def csv(self, selection: Selection, most: int | None) -> AsyncIterator[bytes] | None:
        """A header and a line per insight, None for no insight; `BadRequest` beyond the limit without `most`."""
        if most is None:
            total = await tally.count(self._database, selection)
            if total > MAX_CSV_ROWS:
                raise faults.bad_request(
                    f"more than 10 000 insights matching criteria (here: {total}), "
                    "use more specific criteria or use count parameter"
                )
        written = _Csv(_literal if self._python_literals else _json)
        return await self._stream(selection, MAX_CSV_ROWS if most is None else most, written.lines)

    async def ndjson(self, selection: Selection, most: int | None) -> AsyncIterator[bytes] | None:
        """An insight object per line, however many there are; None for no insight."""
        encoder = msgspec.json.Encoder()
        return await self._stream(selection, most, encoder.encode_lines)

    async def _stream(
        self, selection: Selection, most: int | None, encode: Encode
    ) -> AsyncIterator[bytes] | None:
        """The first portion is read here, so that what fails can still be answered properly."""
        portions = self._portions(selection, most)
        first = await anext(portions, None)
        return None if first is None else _encoded(first, portions, encode)

    async def _portions(self, selection: Selection, most: int | None) -> AsyncIterator[list[Insight]]:
        total = await self._total(selection)
        if total is None or total > FEW:
            portions = self._by_spans(selection, most)
        else:
            portions = self._by_numbers(selection, min(total, total if most is None else most))
        async for portion in portions:
            yield portion

    async def _total(self, selection: Selection) -> int | None:
        """How many there are, None where only reading them all could tell."""
        if tally.sort_of(selection) is None and selection.barcode is None:
            return None
        return await tally.count(self._database, selection)

    async def _by_numbers(self, selection: Selection, most: int) -> AsyncIterator[list[Insight]]:
        if not most:
            return
        where, arguments = selection.where()
        found = await self._database.fetch(
            queries.NUMBERS.format(where=where), *arguments, deadline=Deadline.after(COLLECT_TIMEOUT_S)
        )
        numbers = [number for (number,) in found[:most]]
        for start in range(0, len(numbers), PORTION_ROWS):
            # What does not fit any longer is left out.
            where, arguments = selection.where(first=(numbers[start : start + PORTION_ROWS],))
            rows = await self._database.fetch(queries.NUMBERED.format(where=where), *arguments)
            if rows:
                yield as_insights(rows)

    async def _by_spans(self, selection: Selection, most: int | None) -> AsyncIterator[list[Insight]]:
        after, last = 0, await self._database.fetchval(queries.LAST_NUMBER)
        left = most
        while after < last and (left is None or left > 0):
            rows = PORTION_ROWS if left is None else min(left, PORTION_ROWS)
            until = min(after + SPAN, last)
            where, arguments = selection.where(first=(after, until))
            sql = queries.PORTION.format(where=f"number > $1 AND number <= $2 AND {where}", count=rows)
            found = await self._database.fetch(sql, *arguments)
            if found:
                yield as_insights(tuple(row)[:-1] for row in found)
            after = found[-1]["number"] if len(found) == rows else until
            left = None if left is None else left - len(found)


class _Csv:
    """RFC 4180; a missing value is an empty field, nested values are texts."""

    def __init__(self, nested: Callable[[Any], str]) -> None:
        self._nested = nested
        self._has_header = False

    def lines(self, insights: Sequence[Insight]) -> bytes:
        """The next lines, the header before the first."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\r\n")
        if not self._has_header:
            writer.writerow(Insight.__struct_fields__)
            self._has_header = True
        writer.writerows([self._cell(value) for value in msgspec.structs.astuple(one)] for one in insights)
        return text.getvalue().encode()

    def _cell(self, value: Any) -> Any:
        if isinstance(value, list | msgspec.Raw):
            return self._nested(value)
        return value.isoformat() if isinstance(value, datetime) else value


async def _encoded(
    first: Sequence[Insight], others: AsyncIterator[list[Insight]], encode: Encode
) -> AsyncIterator[bytes]:
    yield encode(first)
    async for portion in others:
        yield encode(portion)


def _json(value: Any) -> str:
    """As common readers of CSV take it: ["en:france"]."""
    return msgspec.json.encode(value).decode()


def _literal(value: Any) -> str:
    """As the original prints it: ['en:france']."""
    return repr(msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value)
