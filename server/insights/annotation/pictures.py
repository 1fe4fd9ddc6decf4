"""What our own tables know of the picture that an insight was seen on (contract 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.insights import queries_annotate
from server.insights.annotation import boxes
from server.insights.annotation.plans import Pictures, Proposal

if TYPE_CHECKING:
    from server.db import Connection
    from server.insights.annotation.boxes import Size
    from server.insights.products.products import Product

CROPPED = frozenset({"nutrition_image", "image_orientation", "ingredient_detection", "nutrient_extraction"})
# A nutrition table that is less sure does not decide how a picture is cropped.
MIN_SCORE = 0.5


async def pictures_of(connection: Connection, proposal: Proposal, product: Product) -> Pictures:
    """What the action of this proposal needs; nothing for one that crops no picture."""
    if proposal.type not in CROPPED or proposal.image_id is None:
        return Pictures()
    image = proposal.server_type, proposal.barcode, proposal.image_id
    size: Size | None = product.size_of(proposal.image_id)
    if size is None:
        row = await connection.fetchrow(queries_annotate.IMAGE_SIZE, *image)
        size = None if row is None else (row["width"], row["height"])
    if proposal.type != "nutrient_extraction":
        return Pictures(size)
    rotation = await connection.fetchval(
        queries_annotate.ROTATION, proposal.barcode, proposal.server_type, proposal.source_image
    )
    found = await connection.fetchval(queries_annotate.NUTRITION_TABLES, *image)
    tables = [
        box
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, dict)
        and _score(one) >= MIN_SCORE
        and (box := boxes.relative(one.get("bounding_box"))) is not None
    ]
    return Pictures(size, boxes.angle_of(rotation) or 0, tuple(tables))


def _score(one: dict[str, object]) -> float:
    score = one.get("score")
    return float(score) if isinstance(score, int | float) else 0.0
