"""Nutrition tables as a network read them, where the product lacks or contradicts what they say (contract 4.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from server.insights.annotation.nutrients import SERVING_SIZE
from server.insights.engine.candidates import Candidate, Fact, image_number
from server.insights.engine.rules import amounts
from server.insights.engine.rules.rule import Rule, Situation, mapping, number
from server.insights.products.products import Product

# Older products have a shape that is not compared.
MIN_SCHEMA = 1003
MIN_MENTIONS = 2


def candidates(situation: Situation) -> Iterable[Candidate]:
    """What the product does not say in the same way."""
    product = situation.product
    if product is not None and not _is_comparable(product):
        return
    stated = amounts.stated(product) if product is not None else {}
    for prediction in situation.of("nutrient_extraction"):
        read = mapping(prediction.data.get("nutrients"))
        if not read or (product is not None and not _says_more(product, stated, read)):
            continue
        yield Candidate.of(
            prediction,
            data=_data(situation, prediction.data, prediction.source_image),
            automatic_processing=False,
            lc=_languages(situation, prediction.source_image),
            campaign=_campaign(product, stated),
        )


def conflicts(situation: Situation) -> Callable[[Candidate, Fact], bool]:
    """Any other one, for a product has one table; but not an answered one from an older image."""
    return lambda candidate, reference: (
        reference.annotation is None
        or image_number(candidate.source_image) <= image_number(reference.source_image)
    )


def _is_comparable(product: Product) -> bool:
    """Whether it is of a shape that is compared, and of the food as it is sold."""
    schema = product.data.get("schema_version")
    if schema is not None and number(schema) < MIN_SCHEMA:
        return False
    return not amounts.is_prepared(product)


def _says_more(product: Product, stated: Mapping[str, amounts.Amount], read: Mapping[str, Any]) -> bool:
    """Whether the product has no nutrition at all, another value, or no size of a serving where this has one."""
    if not stated:
        return True
    if _serving_size(read) and not product.text(SERVING_SIZE):
        return True
    names = {key.rpartition("_")[0] for key in stated}
    return any(
        not amounts.is_same(amounts.Amount.of(mapping(entry)), stated[key])
        if key in stated
        # The amount in a serving follows from that in 100 g: it is not missing.
        else key.rpartition("_")[0] not in names
        for key, entry in read.items()
        if key != SERVING_SIZE
    )


def _serving_size(read: Mapping[str, Any]) -> bool:
    entry = read.get(SERVING_SIZE)
    return bool(entry.get("value") if isinstance(entry, dict) else entry)


def _data(situation: Situation, data: Mapping[str, Any], source_image: str | None) -> dict[str, Any]:
    """Of the entities only the last step is of use to clients."""
    entities = mapping(data.get("entities"))
    kept = {**data, "entities": {"postprocessed": entities.get("postprocessed", [])}}
    rotation = situation.rotation_of(source_image)
    return kept if rotation is None else {**kept, "rotation": rotation}


def _languages(situation: Situation, source_image: str | None) -> tuple[str, ...] | None:
    """Those of at least two names of nutrients on the image, most first; else the one with most; None for none."""
    prediction = situation.on_image("nutrient_mention", source_image)
    if prediction is None:
        return None
    counts: Counter[str] = Counter()
    for found in mapping(prediction.data.get("mentions")).values():
        for mention in found if isinstance(found, list) else []:
            languages = mapping(mention).get("languages")
            counts.update(
                language
                for language in (languages if isinstance(languages, list) else [])
                if isinstance(language, str)
            )
    ranked = sorted(counts, key=lambda language: (-counts[language], language))
    several = [language for language in ranked if counts[language] >= MIN_MENTIONS]
    return tuple(several or ranked[:1]) or None


def _campaign(product: Product | None, stated: Mapping[str, amounts.Amount]) -> tuple[str, ...]:
    if product is None:
        return ()
    return ("incomplete-nutrition",) if stated else ("missing-nutrition",)


RULE = Rule(
    "nutrient_extraction",
    frozenset({"nutrient_extraction"}),
    candidates,
    conflicts,
    also=frozenset({"image_orientation", "nutrient_mention"}),
)
