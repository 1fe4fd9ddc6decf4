"""Lists of ingredients read on pictures, for a product without one in that language (contract 4.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from server.insights import barcodes
from server.insights.engine.candidates import Candidate
from server.insights.engine.predictions import Prediction
from server.insights.engine.rules.rule import Rule, Situation, mapping, number, same_tag

MIN_KNOWN = 0.6
SELECTED_PRIORITY, OTHER_PRIORITY = 2, 1


def candidates(situation: Situation) -> Iterable[Candidate]:
    """Lists of which enough ingredients are known."""
    product = situation.product
    for prediction in situation.of("ingredient_detection"):
        language = prediction.value_tag or mapping(prediction.data.get("lang")).get("lang")
        if not isinstance(language, str) or not language or _known(prediction.data) < MIN_KNOWN:
            continue
        if product is not None and product.text(f"ingredients_text_{language}"):
            continue
        priority = SELECTED_PRIORITY if _is_selected(situation, prediction, language) else OTHER_PRIORITY
        data = {**prediction.data, "priority": priority}
        rotation = situation.rotation_of(prediction.source_image)
        if rotation is not None:
            data["rotation"] = rotation
        yield Candidate.of(
            prediction, value_tag=language, data=data, priority=priority, automatic_processing=False
        )


def _known(data: Any) -> float:
    """The share of the ingredients that the taxonomy knows."""
    if "fraction_known_ingredients" in data:
        return number(data["fraction_known_ingredients"])
    total = number(data.get("ingredients_n"))
    return number(data.get("known_ingredients_n")) / total if total > 0 else 0.0


def _is_selected(situation: Situation, prediction: Prediction, language: str) -> bool:
    number = barcodes.image_id_of(prediction.source_image)
    images = situation.product.selected_images if situation.product is not None else ()
    return any(image.key == f"ingredients_{language}" and image.image_id == number for image in images)


RULE = Rule(
    "ingredient_detection",
    frozenset({"ingredient_detection"}),
    candidates,
    same_tag,
    also=frozenset({"image_orientation"}),
)
