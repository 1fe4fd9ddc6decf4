"""Which barcodes a brand's products have, as our own store tells (contract 4.5, 6.5, ruling 21)."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING

from server.insights import queries_importer, tags

if TYPE_CHECKING:
    from server.db import Connection

EAN_LENGTH = 13
PREFIX_LENGTH = 7
MIN_PRODUCTS = 5
KEPT_S = 600.0
MAX_KEPT = 20_000


class BrandPrefixes:
    """Counts products by brand and prefix, and remembers what is known for ten minutes: to find little is cheap.

    A brand with fewer than five products in the store has no known barcodes, so every barcode may be its own.
    """

    def __init__(self) -> None:
        # (server type, brand, prefix or "") -> until when enough products are known.
        self._known_until: dict[tuple[str, str, str], float] = {}

    async def foreign(
        self, connection: Connection, server_type: str, pairs: Iterable[tuple[str, str]]
    ) -> set[tuple[str, str]]:
        """Those pairs of barcode and brand tag that do not go together; only EAN-13 are judged."""
        found = set()
        for barcode, brand in pairs:
            if len(barcode) != EAN_LENGTH or not await self._is_known(connection, server_type, brand, ""):
                continue
            if not await self._is_known(connection, server_type, brand, barcode[:PREFIX_LENGTH]):
                found.add((barcode, brand))
        return found

    async def _is_known(self, connection: Connection, server_type: str, brand: str, prefix: str) -> bool:
        key = server_type, brand, prefix
        if self._known_until.get(key, 0.0) > monotonic():
            return True
        spellings = _spellings(brand)
        if prefix:
            count = await connection.fetchval(
                queries_importer.HAS_BRAND_AND_PREFIX, server_type, spellings, prefix
            )
        else:
            count = await connection.fetchval(queries_importer.HAS_BRAND, server_type, spellings)
        if count < MIN_PRODUCTS:
            return False
        if len(self._known_until) >= MAX_KEPT:
            self._known_until.clear()
        self._known_until[key] = monotonic() + KEPT_S
        return True


def _spellings(brand: str) -> list[str]:
    """Products have brands with and without the international prefix."""
    bare = brand.partition(":")[2] if tags.is_tag(brand) else brand
    return sorted({brand, bare, f"xx:{bare}"})
