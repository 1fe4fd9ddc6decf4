"""Import and export of insights and votes, as rows: nothing is computed from them (contract 3.1, 3.2, 10.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec

from server.db import Database
from server.insights import barcodes, lines, queries_kinds
from server.insights.lines import Int32, Name, Natural
from server.transfer import Kind, Line, Result

COLUMNS = (
    "id",
    "barcode",
    "type",
    "data",
    "timestamp",
    "completed_at",
    "annotation",
    "annotated_result",
    "n_votes",
    "username",
    "countries",
    "brands",
    "process_after",
    "value_tag",
    "value",
    "source_image",
    "automatic_processing",
    "server_type",
    "unique_scans_n",
    "reserved_barcode",
    "predictor",
    "predictor_version",
    "campaign",
    "confidence",
    "bounding_box",
    "lc",
    "with_image",
)
BATCH_LINES = 5000


class InsightLine(msgspec.Struct, kw_only=True):
    """A row of 3.1. What a line leaves out gets what the engine would write; what it says stands."""

    barcode: str | int
    type: Name
    id: UUID | None = None
    data: dict[str, Any] = {}
    timestamp: datetime | None = None
    completed_at: datetime | None = None
    annotation: Annotated[int, msgspec.Meta(ge=-1, le=2)] | None = None
    annotated_result: Int32 | None = None
    n_votes: Natural = 0
    username: str | None = None
    countries: list[str] | None = []
    brands: list[str] | None = []
    process_after: datetime | None = None
    value_tag: str | None = None
    value: str | None = None
    source_image: str | None = None
    automatic_processing: bool | None = False
    server_type: str = "off"
    unique_scans_n: Natural | None = 0
    reserved_barcode: bool | None = None
    predictor: str | None = None
    predictor_version: str | None = None
    campaign: list[str] | None = []
    confidence: float | None = None
    bounding_box: list[float] | None = None
    lc: list[str] | None = None
    with_image: bool | msgspec.UnsetType | None = msgspec.UNSET

    def __post_init__(self) -> None:
        self.barcode = lines.barcode_of(self.barcode)
        lines.server_type_of(self.server_type)

    def record(self) -> tuple[Any, ...]:
        """The values of `COLUMNS`."""
        barcode = str(self.barcode)
        is_reserved = self.reserved_barcode
        return (
            self.id or uuid4(),
            barcode,
            self.type,
            self.data,
            lines.naive_utc(self.timestamp) or lines.now(),
            lines.naive_utc(self.completed_at),
            self.annotation,
            self.annotated_result,
            self.n_votes,
            self.username,
            self.countries,
            self.brands,
            lines.naive_utc(self.process_after),
            self.value_tag,
            self.value,
            self.source_image,
            bool(self.automatic_processing),
            self.server_type,
            self.unique_scans_n or 0,
            barcodes.is_reserved(barcode) if is_reserved is None else is_reserved,
            self.predictor,
            self.predictor_version,
            self.campaign,
            self.confidence,
            self.bounding_box,
            self.lc,
            self.source_image is not None
            if isinstance(self.with_image, msgspec.UnsetType)
            else self.with_image,
        )


class VoteLine(msgspec.Struct, kw_only=True):
    """A row of 3.2."""

    insight_id: UUID
    value: Annotated[int, msgspec.Meta(ge=-1, le=1)]
    device_id: str
    id: UUID | None = None
    username: str | None = None
    timestamp: datetime | None = None

    def record(self) -> tuple[Any, ...]:
        """The columns in the order of `ADD_VOTES`."""
        moment = lines.naive_utc(self.timestamp) or lines.now()
        return self.id or uuid4(), self.insight_id, self.username, self.value, self.device_id, moment


def kinds(database: Database) -> tuple[Kind, ...]:
    """`insights` and `votes`; a row whose id is there already is skipped, so an import can be repeated."""

    async def import_insights(batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
        records = [line.value.record() for line in batch]
        given = [line.value.id for line in batch if line.value.id is not None]
        with lines.refused():
            async with database.transaction() as connection:
                known = set()
                if given:
                    known = {row["id"] for row in await connection.fetch(queries_kinds.KNOWN_INSIGHTS, given)}
                fresh, results = _unknown(records, known)
                await connection.copy_records_to_table("product_insight", records=fresh, columns=COLUMNS)
        return results

    async def import_votes(batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
        records = [line.value.record() for line in batch]
        with lines.refused():
            async with database.transaction() as connection:
                added = (
                    await connection.fetch(queries_kinds.ADD_VOTES, *map(list, zip(*records, strict=True)))
                    if records
                    else []
                )
                voted = list({row["insight_id"] for row in added})
                await connection.execute(queries_kinds.LOCK_INSIGHTS, voted)
                await connection.execute(queries_kinds.COUNT_VOTES, voted)
                found = {row["id"] for row in added}
                known = await connection.fetch(
                    queries_kinds.KNOWN_INSIGHTS, [line.value.insight_id for line in batch]
                )
        there = {row["id"] for row in known}
        results = []
        for identity, insight, *_ in records:
            if insight not in there:
                results.append(Result(error=f"insight {insight} is unknown"))
            else:
                results.append(Result(id=str(identity)) if identity in found else Result(skipped=True))
            # The same id once more is the same vote.
            found.discard(identity)
        return results

    def export_insights(options: Mapping[str, str]) -> AsyncIterator[Any]:
        return lines.export(database, queries_kinds.EXPORT_INSIGHTS)

    def export_votes(options: Mapping[str, str]) -> AsyncIterator[Any]:
        return lines.export(database, queries_kinds.EXPORT_VOTES)

    return (
        Kind("insights", import_insights, export_insights, batch_lines=BATCH_LINES, row=InsightLine),
        Kind("votes", import_votes, export_votes, batch_lines=BATCH_LINES, row=VoteLine),
    )


def _unknown(
    records: Sequence[tuple[Any, ...]], known: set[UUID]
) -> tuple[list[tuple[Any, ...]], list[Result]]:
    """The records to store and what becomes of each; an id that comes twice is stored once."""
    fresh, results = [], []
    for record in records:
        if record[0] in known:
            results.append(Result(skipped=True))
            continue
        known.add(record[0])
        fresh.append(record)
        results.append(Result(id=str(record[0])))
    return fresh, results
