"""Nutrients as they are accepted: what a user sent or a network read, made ready to be written (contract 2.4)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from server.insights.products.edits import SetField

PER_100G, PER_SERVING = "100g", "serving"
KEY = re.compile(rf"(?P<name>[^\W_]+(?:[-:][^\W_]+)*)_(?P<per>{PER_100G}|{PER_SERVING})")
SERVING_SIZE = "serving_size"
MAX_NUTRIENTS = 300
MAX_TEXT = 200

IN_GRAMS = "proteins carbohydrates sugars added-sugars fat saturated-fat trans-fat fiber salt"
IN_MILLIGRAMS = "iron sodium calcium potassium cholesterol"
UNITS = {
    "energy-kcal": "kcal",
    "energy-kj": "kJ",
    **dict.fromkeys(IN_GRAMS.split(), "g"),
    **dict.fromkeys(IN_MILLIGRAMS.split(), "mg"),
    "vitamin-d": "\u00b5g",
}


class InvalidData(ValueError):
    """Data that does not fit its type; the text is one line for the client."""


class Nutrient(NamedTuple):
    """A value as it is printed ("3.5", "<0.5", "traces") and its unit, None where neither given nor usual."""

    value: str
    unit: str | None


class Nutrition(NamedTuple):
    """All nutrients refer to the same amount: `per` is "100g" or "serving"."""

    nutrients: Mapping[str, Nutrient]
    serving_size: str | None
    per: str

    def as_data(self) -> dict[str, Any]:
        """What an insight keeps of it."""
        return {
            "nutrients": {name: nutrient._asdict() for name, nutrient in self.nutrients.items()},
            "serving_size": self.serving_size,
            "nutrition_data_per": self.per,
        }

    def edits(self) -> list[SetField]:
        """What is written to the product; a nutrient without a unit would mean nothing there."""
        found = [SetField("nutrition_data_per", self.per)]
        if self.serving_size:
            found.append(SetField(SERVING_SIZE, self.serving_size))
        for name, nutrient in self.nutrients.items():
            if nutrient.unit is not None:
                found.append(SetField(f"nutriment_{name}", nutrient.value))
                found.append(SetField(f"nutriment_{name}_unit", nutrient.unit))
        return found


def of_user(data: Mapping[str, Any]) -> Nutrition:
    """What a user confirmed or corrected, taken strictly; `InvalidData` says what is wrong."""
    given = data.get("nutrients")
    if not isinstance(given, dict):
        raise InvalidData("`nutrients` must be an object")
    if len(given) > MAX_NUTRIENTS:
        raise InvalidData(f"at most {MAX_NUTRIENTS} nutrients are accepted")
    serving_size = _serving_size(given.get(SERVING_SIZE)) or _serving_size(data.get(SERVING_SIZE))
    read: dict[str, Nutrient] = {}
    for key, entry in given.items():
        if key == SERVING_SIZE:
            continue
        if KEY.fullmatch(key) is None:
            raise InvalidData(f"the name of a nutrient must end in `_100g` or `_serving`, not {shown(key)}")
        if not isinstance(entry, dict):
            raise InvalidData(f"{shown(key)} must be an object with `value` and `unit`")
        value = _text(entry.get("value"), f"`value` of {shown(key)}")
        unit = None if entry.get("unit") is None else _text(entry["unit"], f"`unit` of {shown(key)}")
        # A field that was left empty says nothing.
        if value:
            read[key] = Nutrient(value, unit or None)
    return _of_one_amount(read, serving_size)


def of_insight(data: Mapping[str, Any]) -> Nutrition:
    """What the network read, as it is; what is unusable in it is left out, `InvalidData` when that is all."""
    given = data.get("nutrients")
    entries = given if isinstance(given, dict) else {}
    read = {
        key: Nutrient(value, _printed(entry.get("unit")))
        for key, entry in entries.items()
        if KEY.fullmatch(key) and isinstance(entry, dict) and (value := _printed(entry.get("value")))
    }
    serving = entries.get(SERVING_SIZE, data.get(SERVING_SIZE))
    serving_size = _printed(serving.get("value") if isinstance(serving, dict) else serving)
    return _of_one_amount(read, serving_size)


def _of_one_amount(read: Mapping[str, Nutrient], serving_size: str | None) -> Nutrition:
    """Those that refer to the amount which most refer to; 100 g wins a tie (ruling 5)."""
    if not read:
        raise InvalidData("`nutrients` must have at least one nutrient")
    parts = {key: (found["name"], found["per"]) for key in read if (found := KEY.fullmatch(key)) is not None}
    counts = Counter(per for _, per in parts.values())
    per = PER_SERVING if counts[PER_SERVING] > counts[PER_100G] else PER_100G
    kept = {name: read[key] for key, (name, its) in parts.items() if its == per}
    return Nutrition(
        {name: Nutrient(value, unit or UNITS.get(name)) for name, (value, unit) in kept.items()},
        serving_size,
        per,
    )


def _serving_size(value: object) -> str | None:
    """A text, or an object with one as its value."""
    if isinstance(value, dict):
        value = value.get("value")
    return None if value is None else _text(value, "`serving_size`") or None


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidData(f"{name} must be a string")
    if len(value) > MAX_TEXT:
        raise InvalidData(f"{name} may not exceed {MAX_TEXT} characters")
    return value.strip()


def _printed(value: object) -> str | None:
    """A text or a number as text; None for nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    printed = str(value).strip()
    return printed if 0 < len(printed) <= MAX_TEXT else None


def shown(name: str) -> str:
    """A name that a client made up, fit for a message of one line."""
    cut = name if len(name) <= 60 else f"{name[:60]}..."
    return f"`{cut}`" if cut.isprintable() else ascii(cut)
