"""Import and export of predictions, through the engine or as rows (contract 3.3, 4.3, 10.9, 10.10)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from server import errors
from server.db import Database
from server.insights import lines, queries_importer
from server.insights.engine.importer import Importer
from server.insights.engine.predictions import NewPrediction
from server.transfer import Kind, Line, Result


class PredictionLine(NewPrediction, kw_only=True):
    """A row of 3.3."""

    barcode: str | int  # type: ignore[assignment]
    server_type: str = "off"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.barcode = lines.barcode_of(self.barcode)
        lines.server_type_of(self.server_type)
        self.timestamp = lines.naive_utc(self.timestamp)
        if has_null(msgspec.structs.asdict(self)):
            raise errors.BadRequest("Null characters are not allowed")


def kinds(database: Database, importer: Importer) -> tuple[Kind, ...]:
    """`predictions`; with `mode=raw` rows are stored and nothing follows from them."""

    async def import_lines(batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
        store = importer.store_rows if options.get("mode") == "raw" else importer.import_predictions
        results = [Result()] * len(batch)
        by_server: dict[str, list[int]] = {}
        for place, line in enumerate(batch):
            by_server.setdefault(line.value.server_type, []).append(place)
        for server_type, those in by_server.items():
            done = await store(server_type, [batch[place].value for place in those])
            for place, outcome in zip(those, done, strict=True):
                results[place] = Result(outcome.error, outcome.skipped, outcome.id)
        return results

    def export_lines(options: Mapping[str, str]) -> AsyncIterator[Any]:
        return lines.export(database, queries_importer.EXPORT_PREDICTIONS)

    return (
        Kind(
            "predictions",
            import_lines,
            export_lines,
            batch_lines=500,
            row=PredictionLine,
            group=lambda row: (row.server_type, row.barcode),
        ),
    )


def has_null(value: Any) -> bool:
    """Whether there is a null character anywhere in JSON data: the database holds every other one."""
    # Only where the escape stands is a closer look worth it: it may be an escaped backslash before "u0000".
    return b"\\u0000" in msgspec.json.encode(value) and _has_null(value)


def _has_null(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_null(key) or _has_null(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_null(item) for item in value)
