"""Dates: the latest one, for a product without a date (contract 4.5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from server.insights.engine.candidates import Candidate
from server.insights.engine.rules.rule import Rule, Situation, same_value


def candidates(situation: Situation) -> Iterable[Candidate]:
    """At most one: an earlier date on a package is that of packing. Automatic where all say the same."""
    if situation.product is not None and situation.product.text("expiration_date"):
        return
    dates = [
        (day, prediction)
        for prediction in situation.of("expiration_date")
        if (day := _date(prediction.value)) is not None
    ]
    if not dates:
        return
    latest = max(day for day, _ in dates)
    is_sure = len({day for day, _ in dates}) == 1
    best = next(prediction for day, prediction in dates if day == latest)
    yield Candidate.of(best, automatic_processing=is_sure)


def _date(value: str | None) -> date | None:
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError:
        return None


RULE = Rule("expiration_date", frozenset({"expiration_date"}), candidates, same_value)
