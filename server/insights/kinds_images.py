"""Import and export of images and of what networks saw in them (contract 3.4, 3.5, 10.8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from server.db import Connection, Database
from server.insights import barcodes, detections, lines, queries_kinds
from server.insights.lines import Identity, Int64, Name, Natural
from server.transfer import Kind, Line, Result

ImageName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,50}$")]


class ImageLine(msgspec.Struct, kw_only=True):
    """A row of 3.4; `deleted` does the work of the event."""

    barcode: str | int
    image_id: ImageName | Natural
    id: Identity | None = None
    uploaded_at: datetime | None = None
    source_image: str | None = None
    width: Natural = 0
    height: Natural = 0
    deleted: bool | None = False
    server_type: str = "off"
    fingerprint: Int64 | None = None

    def __post_init__(self) -> None:
        self.barcode = lines.barcode_of(self.barcode)
        self.image_id = str(self.image_id)
        lines.server_type_of(self.server_type)

    @property
    def key(self) -> tuple[str, str, str]:
        """Server type, barcode and image id."""
        return self.server_type, str(self.barcode), str(self.image_id)

    def record(self) -> tuple[Any, ...]:
        """The parameters of `PUT_IMAGE`."""
        source = self.source_image or barcodes.source_image(str(self.barcode), str(self.image_id))
        return (
            self.id,
            self.barcode,
            lines.naive_utc(self.uploaded_at),
            self.image_id,
            source,
            self.width,
            self.height,
            self.server_type,
            self.fingerprint,
        )


class ImagePredictionLine(msgspec.Struct, kw_only=True):
    """A row of 3.5 with the natural key of its image in place of the foreign key."""

    barcode: str | int
    image_id: ImageName | Natural
    model_name: Name
    model_version: Name
    data: dict[str, Any]
    type: Name = "object_detection"
    id: Identity | None = None
    timestamp: datetime | None = None
    server_type: str = "off"
    max_confidence: float | msgspec.UnsetType | None = msgspec.UNSET

    def __post_init__(self) -> None:
        self.barcode = lines.barcode_of(self.barcode)
        self.image_id = str(self.image_id)
        lines.server_type_of(self.server_type)

    def record(self, image: int) -> tuple[Any, ...]:
        """The parameters of `PUT_IMAGE_PREDICTION`."""
        confidence = self.max_confidence
        if isinstance(confidence, msgspec.UnsetType):
            confidence = detections.best_score(self.data)
        timestamp = lines.naive_utc(self.timestamp) or lines.now()
        return (
            self.id,
            self.type,
            detections.stored_name(self.model_name),
            self.model_version,
            self.data,
            timestamp,
            image,
            confidence,
        )


async def image_of(connection: Connection, server_type: str, barcode: str, image_id: str) -> int:
    """The row of an image, made without a size when it is not there."""
    found: int | None = await connection.fetchval(queries_kinds.FIND_IMAGE, server_type, barcode, image_id)
    if found is None:
        source = barcodes.source_image(barcode, image_id)
        found = await connection.fetchval(queries_kinds.MAKE_IMAGE, server_type, barcode, image_id, source)
    assert found is not None, "an insert that returns gives a row"
    return found


async def skip_used_ids(connection: Connection, table: str, given: Sequence[int | None]) -> None:
    """Let the numbers that a table gives out go on behind the ones that lines brought with them."""
    highest = max((number for number in given if number is not None), default=None)
    if highest is not None:
        await connection.fetchval(queries_kinds.SKIP_USED_IDS, table, highest)


def kinds(database: Database, delete_image: Callable[[str], Awaitable[None]]) -> tuple[Kind, ...]:
    """`images` and `image_predictions`; `delete_image(key)` does the work of the event."""

    async def import_images(batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
        good: list[ImageLine] = [line.value for line in batch]
        results = []
        with lines.refused():
            async with database.transaction() as connection:
                for line in good:
                    identity = await connection.fetchval(queries_kinds.PUT_IMAGE, *line.record())
                    results.append(Result(id=identity))
                await skip_used_ids(connection, "image", [line.id for line in good])
        for line in good:
            if line.deleted:
                await delete_image("/".join(line.key))
        return results

    async def import_predictions(batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
        good: list[ImagePredictionLine] = [line.value for line in batch]
        results = []
        with lines.refused():
            async with database.transaction() as connection:
                for line in good:
                    image = await image_of(
                        connection, line.server_type, str(line.barcode), str(line.image_id)
                    )
                    identity = await connection.fetchval(
                        queries_kinds.PUT_IMAGE_PREDICTION, *line.record(image)
                    )
                    results.append(Result(id=identity))
                await skip_used_ids(connection, "image_prediction", [line.id for line in good])
        return results

    def export_images(options: Mapping[str, str]) -> AsyncIterator[Any]:
        return lines.export(database, queries_kinds.EXPORT_IMAGES)

    def export_predictions(options: Mapping[str, str]) -> AsyncIterator[Any]:
        return lines.export(database, queries_kinds.EXPORT_IMAGE_PREDICTIONS)

    return (
        Kind("images", import_images, export_images, delete_image, row=ImageLine),
        Kind("image_predictions", import_predictions, export_predictions, row=ImagePredictionLine),
    )
