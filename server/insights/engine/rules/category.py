"""Categories: the deepest ones that the product does not say in some way (contract 4.5)."""

from __future__ import annotations

from collections.abc import Iterable

from server.insights.engine.candidates import Candidate
from server.insights.engine.rules.rule import Rule, Situation, same_or_above

FOOD_CODE = "agribalyse_food_code"


def candidates(situation: Situation) -> Iterable[Candidate]:
    """What the taxonomy knows, and neither the product has nor is above what it has."""
    tree = situation.taxonomies.get("categories")
    product = situation.product
    had = {tree.canonical(tag) or tag for tag in (product.tags("categories_tags") if product else ())}
    said = had.union(*(tree.ancestors(tag) for tag in had))
    new = [
        (tag, prediction)
        for prediction in situation.of("category")
        if prediction.value_tag
        and (tag := tree.canonical(prediction.value_tag)) is not None
        and tag not in said
    ]
    deepest = set(tree.deepest(tag for tag, _ in new))
    missing = ("missing-category",) if product is not None and not had else ()
    for tag, prediction in new:
        if tag in deepest:
            measured = ("agribalyse-category",) if tree.property(tag, FOOD_CODE) else ()
            yield Candidate.of(
                prediction, value_tag=tag, automatic_processing=False, campaign=measured + missing
            )


RULE = Rule("category", frozenset({"category"}), candidates, same_or_above("categories"))
