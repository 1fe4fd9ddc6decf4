"""Amounts of nutrients: what a product states, and when two amounts are the same (contract 4.5)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from server.insights.engine.rules.rule import mapping
from server.insights.products.products import Product

GRAMS = {"kg": 1000.0, "g": 1.0, "mg": 1e-3, "\u00b5g": 1e-6, "\u03bcg": 1e-6, "mcg": 1e-6, "ug": 1e-6}
TRACES = re.compile(r"trac\w*|spuren|sporen|traza\w*", re.IGNORECASE)
NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
# What is printed beside a number and changes nothing of it.
MODIFIERS = "<>~≤≥≈ "
STATED = re.compile(r"(?P<name>.+)_(?P<per>100g|100ml|serving)")
# Derived by the product server from the rest, or no nutrient at all.
DERIVED = re.compile(r"nova-group|nutrition-score|carbon-footprint|fruits-vegetables")
TOLERANCE = 1e-3


class Amount(NamedTuple):
    """A number, None where there is none to compare, and its unit as printed, None where it has none."""

    value: float | None
    unit: str | None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Amount:
        """{"value": "<0.5", "unit": "g"} as an amount."""
        unit = entry.get("unit")
        return cls(
            number_of(entry.get("value")), unit.strip().lower() or None if isinstance(unit, str) else None
        )


def number_of(value: object) -> float | None:
    """The number of a printed value; traces are nothing, and "<" in front of it is not heard."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    text = str(value).strip(MODIFIERS)
    if TRACES.fullmatch(text):
        return 0.0
    return float(text.replace(",", ".")) if NUMBER.fullmatch(text) else None


def is_same(read: Amount, stated: Amount) -> bool:
    """Whether they say the same; without a unit only the numbers count, and what is no number says nothing."""
    if read.value is None or stated.value is None:
        return True
    if read.unit is None or stated.unit is None or read.unit == stated.unit:
        return _is_close(read.value, stated.value)
    if read.unit in GRAMS and stated.unit in GRAMS:
        # Product servers keep grams beside the unit that was typed; others keep what was typed.
        grams = read.value * GRAMS[read.unit]
        return any(_is_close(grams, stated.value * GRAMS[unit]) for unit in (stated.unit, "g"))
    return False


def stated(product: Product) -> dict[str, Amount]:
    """What a product says of the food as it is sold: `fat_100g`, `salt_serving`; 100 ml count as 100 g."""
    found: dict[str, Amount] = {}
    nutriments = mapping(product.data.get("nutriments"))
    for key, value in nutriments.items():
        match = STATED.fullmatch(key)
        if match is None or "_prepared" in key or DERIVED.match(match["name"]):
            continue
        unit = nutriments.get(f"{match['name']}_unit")
        amount = Amount.of({"value": value, "unit": unit})
        if amount.value is not None:
            found[f"{match['name']}_{_per(match['per'])}"] = amount
    for per in ("100g", "serving"):
        # The field of old is kJ whatever was typed.
        if (energy := found.pop(f"energy_{per}", None)) is not None:
            found.setdefault(f"energy-kj_{per}", Amount(energy.value, "kj"))
    for inputs in _input_sets(product):
        if inputs.get("preparation") == "prepared":
            continue
        for name, entry in mapping(inputs.get("nutrients")).items():
            amount = Amount.of(mapping(entry))
            if amount.value is not None:
                found.setdefault(f"{name}_{_per(str(inputs.get('per', '100g')))}", amount)
    return found


def is_prepared(product: Product) -> bool:
    """Whether it says something of the food when it was cooked or mixed."""
    nutriments = mapping(product.data.get("nutriments"))
    if any("_prepared" in key and number_of(value) is not None for key, value in nutriments.items()):
        return True
    return any(inputs.get("preparation") == "prepared" for inputs in _input_sets(product))


def _input_sets(product: Product) -> list[Mapping[str, Any]]:
    """Nutrition as products of the newer shape have it."""
    sets = mapping(product.data.get("nutrition")).get("input_sets")
    return [mapping(one) for one in sets] if isinstance(sets, list) else []


def _per(per: str) -> str:
    return "100g" if per == "100ml" else per


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-9)
