"""Codes of the factories on packages: what a product has, and when two are the same (contract 2.4, 4.5)."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.insights.products.products import Product

IGNORED = re.compile(r"[\s.-]+")


def of(product: Product) -> list[str]:
    """The codes as they are written on the product."""
    return [code for part in product.text("emb_codes").split(",") if (code := part.strip())]


def normalised(code: str) -> str:
    """Equal for two spellings of one code: "FR 12.345.678 CE" and "fr12345678-ec"."""
    parts = unicodedata.normalize("NFKD", code.lower())
    plain = IGNORED.sub("", "".join(part for part in parts if not unicodedata.combining(part)))
    return f"{plain.removesuffix('ce')}ec" if plain.endswith("ce") else plain
