"""How often the category network is right, counted on names it never saw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from models.category import CategoryNetwork, Product
from models.train.product_names import ProductNames
from models.train.taxonomy import Split, Surface, Taxonomy

_THRESHOLD = 0.5
_LANGUAGES = ("en", "fr", "de", "es", "it")


class Counts(NamedTuple):
    """Shares of N names.

    `top_1`, `top_5`: the deepest-category ranking has exactly a category of that name first, or in the
    first five. `related`: the first is that category, one of its ancestors or one of its descendants.
    `precision`: of the tags at or above the threshold, ancestors included, how many are a category of
    that name or an ancestor of one; `recall`: of those, how many are answered. `silent`: nothing is.
    """

    names: int
    top_1: float
    top_5: float
    related: float
    precision: float
    recall: float
    silent: float


def report(
    network: CategoryNetwork, known: Taxonomy, split: Split, names: ProductNames, seed: int
) -> Iterator[str]:
    """The lines of the accuracy table: held-out synonyms, by language, and the same as product names."""
    rng = np.random.default_rng([seed, 1])
    plain = [one.text for one in split.test]
    written = [names.product(rng, one.text, one.category) for one in split.test]
    yield "names | count | top 1 | top 5 | related | precision at 0.5 | recall at 0.5 | silent"
    yield _line("held-out synonyms", count(network, known, plain, split.test))
    for language in _LANGUAGES:
        part = [one for one in split.test if one.language == language]
        if part:
            yield _line(f"- {language}", count(network, known, [one.text for one in part], part))
    yield _line("the same as product names", count(network, known, written, split.test))
    texts = [one.text for one in split.calibration]
    yield _line("held-out names and synonyms (calibration)", count(network, known, texts, split.calibration))
    nothing = [names.nothing(rng) for _ in range(500)]
    spoken = sum(bool(network.categories(Product(product_name=text), _THRESHOLD)) for text in nothing)
    yield f"brands, labels and noise alone: {spoken} of {len(nothing)} get a category"


def count(
    network: CategoryNetwork, known: Taxonomy, texts: Sequence[str], surfaces: Sequence[Surface]
) -> Counts:
    """Asks for every text; right is any category that the taxonomy calls by the surface's name."""
    owners: dict[str, set[int]] = {}
    for one in known.surfaces:
        owners.setdefault(one.key, set()).add(one.category)
    lineage: dict[int, set[int]] = {}
    for category, ancestor in known.closure.tolist():
        lineage.setdefault(category, set()).add(ancestor)
    place = {tag: number for number, tag in enumerate(known.tags)}
    number = np.array([place[tag] for tag in network.tags])
    hits = np.zeros(4, np.int64)
    right_answers = answers = wanted = 0
    for text, surface in zip(texts, surfaces, strict=True):
        right = owners[surface.key]
        scores = network.predict(Product(product_name=text))
        first = number[np.argsort(-scores.deepest, kind="stable")[:5]].tolist()
        top = int(first[0])
        is_related = any(top in lineage[one] or one in lineage[top] for one in right)
        answered = set(number[scores.belonging >= _THRESHOLD].tolist())
        hits += (top in right, not right.isdisjoint(first), is_related, not answered)
        true = set().union(*(lineage[one] for one in right))
        right_answers += len(answered & true)
        answers += len(answered)
        wanted += len(true)
    shares = (hits / len(texts)).tolist()
    return Counts(
        names=len(texts),
        top_1=shares[0],
        top_5=shares[1],
        related=shares[2],
        precision=right_answers / answers if answers else math.nan,
        recall=right_answers / wanted,
        silent=shares[3],
    )


def _line(name: str, counts: Counts) -> str:
    margin = 1.96 * math.sqrt(counts.top_1 * (1 - counts.top_1) / counts.names)
    return (
        f"{name} | {counts.names} | {counts.top_1:.3f} ± {margin:.3f} | {counts.top_5:.3f} | {counts.related:.3f} | "
        f"{counts.precision:.3f} | {counts.recall:.3f} | {counts.silent:.3f}"
    )
