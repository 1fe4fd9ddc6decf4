"""Import and export of logos with their embeddings, and of the thresholds for classifying them (contract 3.6-3.8)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import asyncpg
import msgspec
import numpy as np

from server import errors
from server.db import Connection, Database
from server.insights import barcodes, lines, queries_kinds
from server.insights.kinds_images import ImageName, image_of, skip_used_ids
from server.insights.lines import Identity, Name, Natural
from server.transfer import Kind, Line, Result

DIMENSION = 512
DETECTOR = "universal_logo_detector"
# Of a detection that a logo brings with it.
DETECTOR_VERSION = "imported"


class LogoLine(msgspec.Struct, kw_only=True):
    """A row of 3.6 with the natural key of its image; `embedding` is 512 numbers or base64 of float32."""

    barcode: str | int
    image_id: ImageName | Natural
    index: Natural
    bounding_box: Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]
    score: float
    id: Identity | None = None
    annotation_value: str | None = None
    annotation_value_tag: str | None = None
    taxonomy_value: str | None = None
    annotation_type: str | None = None
    username: str | None = None
    completed_at: datetime | None = None
    nearest_neighbors: dict[str, Any] | None = None
    source_image: str | None = None
    text: str | None = None
    server_type: str = "off"
    embedding: list[float] | str | None = None

    def __post_init__(self) -> None:
        self.barcode = lines.barcode_of(self.barcode)
        self.image_id = str(self.image_id)
        lines.server_type_of(self.server_type)
        self.vector()

    def vector(self) -> bytes | None:
        """The embedding as it is stored: 512 little-endian float32; `BadRequest` when it is something else."""
        if self.embedding is None:
            return None
        if isinstance(self.embedding, str):
            try:
                raw = base64.b64decode(self.embedding, validate=True)
            except (binascii.Error, ValueError):
                raise errors.BadRequest("`embedding` is no base64") from None
            if len(raw) != 4 * DIMENSION:
                raise errors.BadRequest(f"`embedding` must have {4 * DIMENSION} bytes")
        else:
            if len(self.embedding) != DIMENSION:
                raise errors.BadRequest(f"`embedding` must have {DIMENSION} numbers")
            with np.errstate(over="ignore"):
                raw = np.asarray(self.embedding, "<f4").tobytes()
        if not np.isfinite(np.frombuffer(raw, "<f4")).all():
            raise errors.BadRequest("`embedding` must be finite")
        return raw

    def record(self, detection: int) -> tuple[Any, ...]:
        """The parameters of `PUT_LOGO`."""
        barcode, image_id = str(self.barcode), str(self.image_id)
        return (
            self.id,
            detection,
            self.index,
            self.bounding_box,
            self.score,
            self.annotation_value,
            self.annotation_value_tag,
            self.taxonomy_value,
            self.annotation_type,
            self.username,
            lines.naive_utc(self.completed_at),
            self.nearest_neighbors,
            barcode,
            self.source_image or barcodes.source_image(barcode, image_id),
            self.text,
            self.server_type,
        )


class ThresholdLine(msgspec.Struct, kw_only=True):
    """A row of 3.8; no value means logos of the type without a value."""

    type: Name
    threshold: float
    value: str | None = None


def kinds(database: Database, delete_logo: Callable[[str], Awaitable[None]]) -> tuple[Kind, ...]:
    """`logos` and `logo_thresholds`; `delete_logo(key)` does the work of the event."""

    async def import_logos(batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
        good: list[LogoLine] = [line.value for line in batch]
        results = []
        with lines.refused():
            async with database.transaction() as connection:
                for line in good:
                    results.append(Result(id=await _put(connection, line)))
                await skip_used_ids(connection, "logo_annotation", [line.id for line in good])
        return results

    async def import_thresholds(batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
        good: list[ThresholdLine] = [line.value for line in batch]
        results = []
        with lines.refused():
            async with database.transaction() as connection:
                for line in good:
                    row = (line.type, line.value, line.threshold)
                    results.append(Result(id=await connection.fetchval(queries_kinds.PUT_THRESHOLD, *row)))
        return results

    def export_logos(options: Mapping[str, str]) -> AsyncIterator[Any]:
        return lines.export(database, queries_kinds.EXPORT_LOGOS, line=_shown)

    def export_thresholds(options: Mapping[str, str]) -> AsyncIterator[Any]:
        return lines.export(database, queries_kinds.EXPORT_THRESHOLDS)

    return (
        Kind("logos", import_logos, export_logos, delete_logo, row=LogoLine),
        Kind("logo_thresholds", import_thresholds, export_thresholds, row=ThresholdLine),
    )


async def _put(connection: Connection, line: LogoLine) -> int:
    """Store a logo with its vector, and what it hangs on where that is missing."""
    image = await image_of(connection, line.server_type, str(line.barcode), str(line.image_id))
    detection = await connection.fetchval(queries_kinds.FIND_DETECTION, image, DETECTOR)
    if detection is None:
        made = (image, DETECTOR, DETECTOR_VERSION, lines.now())
        detection = await connection.fetchval(queries_kinds.MAKE_DETECTION, *made)
    identity: int = await connection.fetchval(queries_kinds.PUT_LOGO, *line.record(detection))
    vector = line.vector()
    if vector is not None:
        await connection.execute(queries_kinds.PUT_EMBEDDING, identity, vector)
    return identity


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    """A logo as import takes it."""
    line = dict(row)
    embedding = line.pop("embedding")
    if embedding is not None:
        line["embedding"] = base64.b64encode(embedding).decode()
    return line
