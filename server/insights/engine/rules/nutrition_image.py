"""Pictures of nutrition tables, in the product's language, where none is selected yet (contract 4.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from server.insights.engine.candidates import Candidate
from server.insights.engine.predictions import Prediction
from server.insights.engine.rules.rule import Rule, Situation, mapping, same_tag

# The pseudo-name under which a `nutrient_mention` has the numbers that it saw.
VALUES = "nutrient_value"
MIN_NAMES = 4
MIN_VALUES = 3
MIN_TABLE_SCORE = 0.8
MARGIN_PIXELS = 10
ENERGY = re.compile(r"k\s?(cal|j)\b", re.IGNORECASE)
READ_PRIORITY, SEEN_PRIORITY = 1, 2


def candidates(situation: Situation) -> Iterable[Candidate]:
    """One for each picture and language that shows enough nutrients; those whose numbers were read come first."""
    for prediction in situation.of("nutrient_mention"):
        mentions = {name: _dicts(found) for name, found in mapping(prediction.data.get("mentions")).items()}
        values = mentions.pop(VALUES, [])
        if prediction.source_image is None or not _has_energy(values):
            continue
        for language in _languages(situation, mentions):
            seen = {
                name: those for name, found in mentions.items() if (those := _in_language(found, language))
            }
            if len(seen) >= MIN_NAMES:
                yield _candidate(situation, prediction, language, seen, values)


def _candidate(
    situation: Situation,
    prediction: Prediction,
    language: str,
    seen: Mapping[str, list[dict[str, Any]]],
    values: list[dict[str, Any]],
) -> Candidate:
    image = prediction.source_image
    read = situation.on_image("nutrient", image)
    orientation = situation.on_image("image_orientation", image)
    used = [one for one in (prediction, orientation, read) if one is not None]
    data: dict[str, Any] = {
        "priority": SEEN_PRIORITY if read is None else READ_PRIORITY,
        "from_prediction_ids": {one.type: one.id for one in used},
        "rotation": situation.rotation_of(image) or 0,
        "nutrients": seen if read is None else mapping(read.data.get("nutrients")),
    }
    tables = [table for table in situation.tables.get(image or "", ()) if table.score >= MIN_TABLE_SCORE]
    if len(tables) == 1:
        data["bounding_box"] = list(tables[0].box)
        data["crop_score"] = tables[0].score
    elif (box := _around([one for found in (*seen.values(), values) for one in found])) is not None:
        data["bounding_box_absolute"] = box
    return Candidate.of(
        prediction,
        value_tag=language,
        data=data,
        priority=data["priority"],
        automatic_processing=True,
    )


def _languages(situation: Situation, mentions: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """The product's main language where it has no nutrition image yet; any that is seen for an unknown product."""
    product = situation.product
    if product is None:
        return sorted({language for found in mentions.values() for one in found for language in _spoken(one)})
    language = product.language
    is_selected = any(image.key == f"nutrition_{language}" for image in product.selected_images)
    return [] if not language or is_selected else [language]


def _in_language(found: list[dict[str, Any]], language: str) -> list[dict[str, Any]]:
    return [one for one in found if language in _spoken(one)]


def _spoken(mention: Mapping[str, Any]) -> list[str]:
    languages = mention.get("languages")
    return [one for one in languages if isinstance(one, str)] if isinstance(languages, list) else []


def _has_energy(values: list[dict[str, Any]]) -> bool:
    """Whether enough numbers were seen, one of them an energy."""
    return len(values) >= MIN_VALUES and any(ENERGY.search(str(one.get("raw", ""))) for one in values)


def _around(mentions: list[dict[str, Any]]) -> list[float] | None:
    """The box in pixels around all that have one, with a margin; None where none has."""
    boxes = [one["bounding_box_absolute"] for one in mentions if _is_box(one.get("bounding_box_absolute"))]
    if not boxes:
        return None
    y_min, x_min, y_max, x_max = zip(*boxes, strict=True)
    return [
        max(min(y_min) - MARGIN_PIXELS, 0),
        max(min(x_min) - MARGIN_PIXELS, 0),
        max(y_max) + MARGIN_PIXELS,
        max(x_max) + MARGIN_PIXELS,
    ]


def _is_box(value: object) -> bool:
    return (
        isinstance(value, list) and len(value) == 4 and all(isinstance(side, int | float) for side in value)
    )


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


RULE = Rule(
    "nutrition_image",
    frozenset({"nutrient_mention", "image_orientation"}),
    candidates,
    same_tag,
    also=frozenset({"nutrient"}),
)
