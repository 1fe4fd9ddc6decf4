"""What networks saw in images: pages of it, and batches from elsewhere (contract 1.2.15, 1.2.16, 1.4 C4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from server.insights import barcodes, detections, faults
from server.insights import queries_predictions as queries
from server.insights.lines import Name, Natural, refused
from server.insights.parameters import SERVER_TYPES
from server.insights.reading.prediction_pages import Page, page_of
from server.insights.schema import Image, ImagePrediction
from server.insights.selection import Conditions

if TYPE_CHECKING:
    from server.db import Database
    from server.deadline import Deadline
    from server.insights.parameters import Parameters

MAX_ITEMS = 10_000
_IMAGE_FROM = 7


class NewImagePrediction(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a network for an image that we know."""

    barcode: str | Natural
    image_id: str | Natural
    model_name: Name
    model_version: Name
    data: dict[str, Any]
    server_type: str = "off"


class NewImagePredictions(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an import."""

    predictions: list[NewImagePrediction]


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """How many were attached to their image, and how many have none here."""

    imported: int
    skipped: int


class ImagePredictions:
    """Image predictions; `with_logo_mode` says what the parameter of that name means."""

    def __init__(self, database: Database, *, with_logo_mode: str) -> None:
        self._database = database
        self._with_logo_mode = with_logo_mode

    async def page(self, parameters: Parameters, server_type: str, deadline: Deadline | None = None) -> Page:
        """The page that was asked for, in the order of the ids; two statements at most."""
        found = Conditions()
        found.add("i.server_type = {}", server_type)
        if (model := parameters.text("model_name")) is not None:
            found.add("translate(p.model_name, '-', '_') = {}", detections.plain_name(model))
        for column, value in (
            ("i.barcode", parameters.barcode()),
            ("i.image_id", parameters.text("image_id")),
            ("p.type", parameters.text("type")),
            ("p.model_version", parameters.text("model_version")),
        ):
            if value is not None:
                found.add(f"{column} = {{}}", value)
        if (least := parameters.number("min_confidence", None)) is not None:
            found.add("p.max_confidence >= {}", least)
        if (has_logo := self._has_logo(parameters.boolean("with_logo"))) is not None:
            found.add(queries.HAS_LOGO if has_logo else f"NOT {queries.HAS_LOGO}")
        rows, total = await page_of(
            self._database,
            queries.IMAGE_PAGE,
            queries.IMAGE_COUNT,
            found,
            parameters.count(),
            parameters.page(),
            deadline,
        )
        return Page(as_image_predictions(rows), total)

    async def add(self, batch: NewImagePredictions) -> Imported:
        """Attach each to its image, in place of what the same network said before; without the image it is skipped.

        `BadRequest` for what cannot be stored, and then nothing is.
        """
        if len(batch.predictions) > MAX_ITEMS:
            raise faults.bad_body(f"At most {MAX_ITEMS} predictions at a time")
        # The last one counts where a batch names an image and a network twice.
        rows = {row[:3] + row[4:5]: row for row in map(_row, batch.predictions)}
        columns = [list(column) for column in zip(*rows.values(), strict=True)] or [[]] * 8
        with refused():
            tag = await self._database.execute(queries.PUT_IMAGE_PREDICTIONS, *columns)
        stored = int(tag.rpartition(" ")[2])
        return Imported(imported=stored, skipped=len(batch.predictions) - stored)

    def _has_logo(self, asked: bool | None) -> bool | None:
        """Which of the two kinds is wanted, None for both."""
        if self._with_logo_mode == "documented":
            return asked
        return None if asked else False


def as_image_predictions(rows: Iterable[Any]) -> list[ImagePrediction]:
    """Rows of `IMAGE_PREDICTION_COLUMNS` as they go over the wire."""
    return [
        ImagePrediction(
            id=row[0],
            type=row[1],
            model_name=row[2],
            model_version=row[3],
            data=msgspec.Raw(row[4]),
            timestamp=row[5],
            image=Image(*row[_IMAGE_FROM:]),
            max_confidence=row[6],
        )
        for row in rows
    ]


def _row(new: NewImagePrediction) -> tuple[Any, ...]:
    """The columns of `PUT_IMAGE_PREDICTIONS`."""
    if new.server_type not in SERVER_TYPES:
        raise faults.titled(f"invalid `server_type`: {new.server_type}")
    try:
        confidence = detections.best_score(new.data)
    except OverflowError:
        raise faults.bad_body("A score is out of range") from None
    return (
        new.server_type,
        barcodes.checked(str(new.barcode)),
        str(new.image_id),
        detections.type_of(new.model_name),
        detections.stored_name(new.model_name),
        new.model_version,
        msgspec.json.encode(new.data).decode(),
        confidence,
    )
