"""What a network said of an image: its name as it is stored, its type, its best score (contract 3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What each network's answer is called; all others detect objects.
TYPES = {
    "ingredient_detection": "ner",
    "nutrition_extractor": "nutrition_extraction",
    "upc_opencv": "upc_image",
}
# Published texts write the other names with hyphens, which is how this one is stored.
STORED_NAMES = {"upc_opencv": "upc-opencv"} | {
    name: name
    for name in (
        "nutriscore",
        "nutrition_table",
        "universal_logo_detector",
        "price_tag_detection",
        "ingredient_detection",
        "nutrition_extractor",
    )
}


def plain_name(name: str) -> str:
    """A network's name with its hyphens as underscores, as names are compared."""
    return name.replace("-", "_")


def stored_name(name: str) -> str:
    """One name for each network that is known, however it is written; others stay as they are."""
    return STORED_NAMES.get(plain_name(name), name)


def type_of(name: str) -> str:
    """What the answer of a network is called."""
    return TYPES.get(plain_name(name), "object_detection")


def best_score(data: Mapping[str, Any]) -> float | None:
    """The highest score of the objects of a detection, None without any."""
    objects = data.get("objects")
    scores = [
        float(entry["score"])
        for entry in (objects if isinstance(objects, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("score"), int | float)
    ]
    return max(scores, default=None)
