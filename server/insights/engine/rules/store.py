"""Shops: added without asking (contract 4.5)."""

from __future__ import annotations

from collections.abc import Iterable

from server.insights.engine.candidates import Candidate
from server.insights.engine.rules.rule import Rule, Situation, same_tag


def candidates(situation: Situation) -> Iterable[Candidate]:
    """Every shop that was read."""
    for prediction in situation.of("store"):
        if prediction.value_tag:
            yield Candidate.of(prediction, automatic_processing=True)


RULE = Rule("store", frozenset({"store"}), candidates, same_tag)
