"""Weights: the best one, for a product without a quantity (contract 4.5)."""

from __future__ import annotations

from collections.abc import Iterable

from server.insights.engine.candidates import Candidate
from server.insights.engine.rules.rule import Rule, Situation, same_value


def candidates(situation: Situation) -> Iterable[Candidate]:
    """At most one; automatic only where its way of reading found no other value."""
    if situation.product is not None and situation.product.text("quantity"):
        return
    found = [prediction for prediction in situation.of("product_weight") if prediction.value]
    if not found:
        return
    best = found[0]
    matcher = best.data.get("matcher_type")
    values = {prediction.value for prediction in found if prediction.data.get("matcher_type") == matcher}
    is_sure = bool(best.automatic_processing) and len(values) == 1 and not best.is_from_name
    yield Candidate.of(best, automatic_processing=is_sure)


RULE = Rule("product_weight", frozenset({"product_weight"}), candidates, same_value)
