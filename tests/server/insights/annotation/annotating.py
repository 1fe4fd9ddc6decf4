"""What tests of annotations share: voters, products that fail, and what the rows say afterwards."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from server.db import Connection, Database
from server.insights.annotation.annotate import Annotator
from server.insights.products.edits import Edit
from server.insights.products.local_products import LocalProducts
from server.insights.products.products import Product
from server.insights.voter import Credentials, Voter
from tests.server.insights import rows

PHONE = Voter("phone")
ANN = Voter("desk", Credentials("ann", "secret"))


class FailingProducts(LocalProducts):
    """Raises what it is told to when it is written; counts the writes."""

    def __init__(self, database: Database, fault: Exception | None = None) -> None:
        super().__init__(database)
        self.fault = fault
        self.writes: list[tuple[Sequence[Edit], str, Credentials | None]] = []

    async def write(
        self,
        connection: Connection,
        product: Product,
        edits: Sequence[Edit],
        *,
        comment: str,
        credentials: Credentials | None,
    ) -> None:
        """Note it, then fail or write."""
        self.writes.append((edits, comment, credentials))
        if self.fault is not None:
            raise self.fault
        await super().write(connection, product, edits, comment=comment, credentials=credentials)


class Refreshes(list[tuple[str, str]]):
    """The products that were refreshed."""

    async def __call__(self, server_type: str, barcode: str) -> None:
        """Note one."""
        self.append((server_type, barcode))


def annotator_of(
    database: Database, products: LocalProducts | None = None, *, once: bool = False
) -> tuple[Annotator, Refreshes]:
    refreshes = Refreshes()
    products = products or LocalProducts(database)
    return Annotator(database, products, refreshes, one_vote_per_voter=once), refreshes


async def code(
    annotator: Annotator,
    insight: UUID,
    annotation: int,
    voter: Voter = PHONE,
    *,
    update: bool = True,
    data: object = None,
) -> int:
    return (await annotator.annotate(insight, annotation, update, data, voter)).status_code


async def state(database: Database, insight: UUID) -> tuple[Any, ...]:
    """annotation, username, annotated_result, n_votes."""
    row = await database.fetchrow(
        "SELECT annotation, username, annotated_result, n_votes, completed_at FROM product_insight"
        " WHERE id = $1",
        insight,
    )
    assert row is not None
    assert (row["completed_at"] is None) == (row["annotation"] is None)
    return tuple(row)[:4]


async def votes(database: Database, insight: UUID) -> list[tuple[int, str | None, str]]:
    found = await database.fetch(
        "SELECT value, username, device_id FROM annotation_vote WHERE insight_id = $1 ORDER BY timestamp",
        insight,
    )
    return [tuple(row) for row in found]


async def labels(database: Database, barcode: str = rows.BARCODE) -> list[str]:
    product = await LocalProducts(database).get("off", barcode)
    assert product is not None
    return product.tags("labels_tags")


async def add_votes(database: Database, insight: UUID, *values: int) -> None:
    for value in values:
        await rows.add_vote(database, insight, value)
