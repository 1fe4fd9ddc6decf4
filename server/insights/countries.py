"""Country codes and the tags that products carry (contract 1.0)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

TABLE = Path(__file__).parent / "countries.csv"


def tag(code: str) -> str | None:
    """The tag of a code in any case: fr -> en:france, uk and gb -> en:united-kingdom, world -> en:world."""
    return _tags().get(code.lower())


@cache
def _tags() -> dict[str, str]:
    lines = (line for line in TABLE.read_text().splitlines() if not line.startswith("#"))
    return dict(line.split(",", 1) for line in lines)
