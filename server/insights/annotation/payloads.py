"""The data that users send with an annotation of 2, checked for each type of insight (contract 2.4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

from server.insights import tags
from server.insights.annotation import boxes, nutrients
from server.insights.annotation.boxes import ANGLES, Box
from server.insights.annotation.nutrients import InvalidData, Nutrition, shown

MAX_TAG = 200
MAX_INGREDIENTS = 50_000
TEXT_KEYS = ("annotation", "rotation", "bounding_box")


class OtherCategory(NamedTuple):
    """The category that the product has instead."""

    value_tag: str


class IngredientList(NamedTuple):
    """The list as it should read; the turn and the box of its picture where the user gave them."""

    annotation: str
    rotation: int | None = None  # degrees clockwise
    bounding_box: Box | None = None


Payload: TypeAlias = OtherCategory | IngredientList | Nutrition


def parse(insight_type: str, data: object) -> Payload | None:
    """The data of a type that takes some, None for the others, which ignore it; `InvalidData` if it does not fit."""
    match insight_type:
        case "category":
            return _category(_members(data))
        case "ingredient_spellcheck" | "ingredient_detection":
            return _ingredients(_members(data))
        case "nutrient_extraction":
            return nutrients.of_user(_members(data))
    return None


def _members(data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise InvalidData("`data` must be a JSON object")
    return data


def _refuse_others(data: Mapping[str, Any], known: Collection[str]) -> None:
    other = next((key for key in data if key not in known), None)
    if other is not None:
        raise InvalidData(f"{shown(other)} is not expected, only {', '.join(f'`{key}`' for key in known)}")


def _category(data: Mapping[str, Any]) -> OtherCategory:
    _refuse_others(data, ("value_tag",))
    tag = data.get("value_tag")
    if not isinstance(tag, str) or len(tag) > MAX_TAG or not tags.is_tag(tag):
        raise InvalidData('`value_tag` must be the tag of a category, such as "en:beef"')
    return OtherCategory(tag)


def _ingredients(data: Mapping[str, Any]) -> IngredientList:
    _refuse_others(data, TEXT_KEYS)
    text, rotation, box = (data.get(key) for key in TEXT_KEYS)
    if not isinstance(text, str) or not text.strip():
        raise InvalidData("`annotation` must be a string that is not empty")
    if len(text) > MAX_INGREDIENTS:
        raise InvalidData(f"`annotation` may not exceed {MAX_INGREDIENTS} characters")
    if rotation is not None and (type(rotation) is not int or rotation not in ANGLES):
        raise InvalidData("`rotation` must be 0, 90, 180 or 270")
    checked = boxes.relative(box)
    if box is not None and checked is None:
        raise InvalidData(
            "`bounding_box` must be four numbers from 0 to 1: y_min, x_min, y_max, x_max, "
            "the minimum below the maximum"
        )
    return IngredientList(text, rotation, checked)
