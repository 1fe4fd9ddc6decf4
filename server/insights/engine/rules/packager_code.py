"""Codes of packers: proposed when the product does not have them (contract 4.5)."""

from __future__ import annotations

from collections.abc import Iterable

from server.insights import packager_codes
from server.insights.engine.candidates import Candidate
from server.insights.engine.rules.rule import Rule, Situation, same_value


def candidates(situation: Situation) -> Iterable[Candidate]:
    """Every code that is not on the product in any spelling."""
    product = situation.product
    had = {packager_codes.normalised(code) for code in (packager_codes.of(product) if product else ())}
    for prediction in situation.of("packager_code"):
        if prediction.value and packager_codes.normalised(prediction.value) not in had:
            yield Candidate.of(prediction)


RULE = Rule("packager_code", frozenset({"packager_code"}), candidates, same_value)
