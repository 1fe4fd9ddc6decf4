"""Situations for rules, with what a test does not care for filled in."""

from collections.abc import Mapping
from typing import Any

import msgspec

from server.insights.engine.candidates import Candidate
from server.insights.engine.predictions import Prediction
from server.insights.engine.rules.rule import Rule, Situation
from server.insights.products.products import Product
from server.insights.taxonomy import EMPTY, Taxonomy

BARCODE = "3250390172185"


class Trees:
    """Taxonomies of nodes given by the test."""

    def __init__(self, **trees: Mapping[str, Mapping[str, Any]]) -> None:
        self._trees = {
            name: EMPTY.updated({tag: msgspec.json.encode(node) for tag, node in nodes.items()})
            for name, nodes in trees.items()
        }

    def get(self, name: str) -> Taxonomy:
        return self._trees.get(name, EMPTY)


def image(number: int) -> str:
    return f"/325/039/017/2185/{number}.jpg"


def product(**data: Any) -> Product:
    """A product with three images unless told otherwise."""
    return Product("off", BARCODE, {"images": {"1": {}, "2": {}, "3": {}}, **data})


def prediction(kind: str, number: int = 1, **columns: Any) -> Prediction:
    """One seen on the first image unless told otherwise."""
    defaults: dict[str, Any] = {"data": {}, "source_image": image(1), "predictor": "regex"}
    return Prediction(number, BARCODE, kind, **(defaults | columns))


def situation(
    *predictions: Prediction, of: Product | None = None, trees: Trees | None = None, **others: Any
) -> Situation:
    """A product of which nothing is known but these predictions, best first."""
    by_type: dict[str, list[Prediction]] = {}
    for one in predictions:
        by_type.setdefault(one.type, []).append(one)
    return Situation(BARCODE, of, by_type, trees or Trees(), **others)


def proposed(rule: Rule, wanted: Situation) -> list[Candidate]:
    """What the rule proposes, in its own order."""
    return list(rule.candidates(wanted))
