"""Corrections of the spelling of ingredients (contract 4.5)."""

from __future__ import annotations

from collections.abc import Iterable

from server.insights.engine.candidates import Candidate
from server.insights.engine.rules.rule import Rule, Situation, same_tag


def candidates(situation: Situation) -> Iterable[Candidate]:
    """Corrections of the text that the product still has, in its main language."""
    product = situation.product
    for prediction in situation.of("ingredient_spellcheck"):
        original, correction = prediction.data.get("original"), prediction.data.get("correction")
        language = prediction.value_tag or prediction.data.get("lang")
        if not (isinstance(original, str) and isinstance(correction, str) and isinstance(language, str)):
            continue
        if not language or correction == original:
            continue
        if product is not None and (
            language != product.language or product.text(f"ingredients_text_{language}") != original.strip()
        ):
            continue
        yield Candidate.of(prediction, value_tag=language, automatic_processing=False)


RULE = Rule("ingredient_spellcheck", frozenset({"ingredient_spellcheck"}), candidates, same_tag)
