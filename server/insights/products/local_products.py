"""Products in our own database: what holds where no product server is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.insights import queries_products
from server.insights.products import product_edits
from server.insights.products.products import Product, ProductWriteFailed

if TYPE_CHECKING:
    from server.db import Connection, Database
    from server.insights.products.edits import Edit
    from server.insights.voter import Credentials


class LocalProducts:
    """A `Products` whose writes happen or fail together with the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, server_type: str, barcode: str) -> Product | None:
        """One product; None when there is none."""
        data = await self._database.fetchval(queries_products.GET, server_type, barcode)
        return None if data is None else Product(server_type, barcode, data)

    async def many(self, server_type: str, wanted: Sequence[str]) -> dict[str, Product]:
        """The products of these barcodes that exist."""
        rows = await self._database.fetch(queries_products.MANY, server_type, list(set(wanted)))
        return {row["barcode"]: Product(server_type, row["barcode"], row["data"]) for row in rows}

    async def write(
        self,
        connection: Connection,
        product: Product,
        edits: Sequence[Edit],
        *,
        comment: str,
        credentials: Credentials | None,
    ) -> None:
        """Do all edits on the product as it is now, its row locked until the caller's transaction ends.

        `ProductWriteFailed` when it is gone meanwhile, `ImageUnknown` when an edit names a missing picture. The
        comment is for servers that keep a history, and nobody's credentials are needed here.
        """
        key = product.server_type, product.barcode
        data = await connection.fetchval(queries_products.LOCK, *key)
        if data is None:
            raise ProductWriteFailed(f"there is no product {product.barcode}")
        changed = Product(*key, product_edits.edited(data, edits))
        await connection.execute(
            queries_products.UPDATE, *key, changed.data, changed.generic_image, changed.front_image
        )
