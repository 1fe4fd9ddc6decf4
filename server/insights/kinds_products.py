"""Import and export of products: lines of the public dump, unknown fields and all (contract 10.7-10.9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from server import errors
from server.db import Database
from server.insights import lines, queries_products
from server.insights.products import product_lines
from server.insights.products.product_lines import StoredProduct
from server.transfer import Kind, Line, Result

BATCH_LINES = 500


def kind(database: Database, delete_product: Callable[[str], Awaitable[None]]) -> Kind:
    """`products`; `delete_product(key)` does the work of the event."""

    async def import_products(batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
        # Large lines take long to read and to write.
        rows = await asyncio.to_thread(lambda: [_stored(line) for line in batch])
        good, places = lines.sorted_out(rows)
        # The last line of a product stands.
        latest = sorted({row[:2]: row for row in good}.values())
        if latest:
            with lines.refused():
                await database.execute(queries_products.PUT_MANY, *zip(*latest, strict=True))
        return lines.merged(places, [Result(id=row.barcode) for row in good])

    def export_products(options: Mapping[str, str]) -> AsyncIterator[Any]:
        return lines.export(
            database, queries_products.EXPORT, line=lambda row: msgspec.Raw(row["line"].encode())
        )

    return Kind("products", import_products, export_products, delete_product, batch_lines=BATCH_LINES)


def _stored(line: Line) -> StoredProduct | Result:
    try:
        return product_lines.stored(line.value)
    except errors.BadRequest as fault:
        return Result(error=fault.message)
