"""What an accepted insight is about, and what it will do to its product (contract 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from server.insights import barcodes
from server.insights.annotation.boxes import Box, Size
from server.insights.annotation.results import BAD_IMAGE, Answer
from server.insights.products.edits import Edit


class Proposal(NamedTuple):
    """The columns of an insight that its action needs."""

    id: UUID
    barcode: str
    server_type: str
    type: str
    value_tag: str | None
    value: str | None
    source_image: str | None
    data: Mapping[str, Any]
    bounding_box: object

    @property
    def image_id(self) -> str | None:
        """The number of the raw picture it was seen on."""
        return barcodes.image_id_of(self.source_image)


class Pictures(NamedTuple):
    """What our own tables know of the picture an insight was seen on."""

    size: Size | None = None
    rotation: int = 0  # degrees clockwise that put its text upright
    # The nutrition tables found with confidence, in shares of the sides.
    tables: tuple[Box, ...] = ()


class Plan(NamedTuple):
    """The answer if all edits succeed, and what the insight keeps; without edits nothing is written."""

    answer: Answer
    edits: tuple[Edit, ...] = ()
    # What the history of the product will say.
    action: str = ""
    data: Mapping[str, Any] | None = None
    value_tag: str | None = None
    # The answer when the picture vanishes before it is written.
    without_image: Answer = BAD_IMAGE
