"""Packaging elements that say more than what the product has (contract 4.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from server.insights.engine.candidates import Candidate, Fact
from server.insights.engine.rules.rule import Rule, Situation, mapping

TAXONOMIES = {
    "shape": "packaging_shapes",
    "material": "packaging_materials",
    "recycling": "packaging_recycling",
}
# These tell nothing without a material or what to do with them.
_GENERIC = (
    "backing basket bowl bulk card case container cutlery eating-utensils envelope fastener filling film folder "
    "fork grouping-package knife mold net overpack packaging packet plate pouch roll seal sheet sleeve spoon "
    "stick string strip support tie tray unknown wrapper"
)
GENERIC = frozenset(f"en:{shape}" for shape in _GENERIC.split())


def candidates(situation: Situation) -> Iterable[Candidate]:
    """Elements with a shape; those with the most properties come first."""
    had = _components(situation)
    for prediction in situation.of("packaging"):
        element = properties_of(mapping(prediction.data.get("element")), situation)
        shape = element.get("shape")
        if shape is None or (shape in GENERIC and len(element) == 1):
            continue
        if any(_says_as_much(component, element, situation) for component in had):
            continue
        yield Candidate.of(prediction, priority=-len(element), automatic_processing=False)


def properties_of(element: Mapping[str, Any], situation: Situation) -> dict[str, str]:
    """The known properties of an element by name, as ids of their taxonomies."""
    found = {}
    for name, taxonomy in TAXONOMIES.items():
        entry = element.get(name)
        # A prediction says `value_tag`, a product `id` or nothing but the tag.
        tag = (entry.get("value_tag") or entry.get("id")) if isinstance(entry, dict) else entry
        if isinstance(tag, str) and tag:
            found[name] = situation.taxonomies.get(taxonomy).canonical(tag) or tag
    return found


def _components(situation: Situation) -> list[dict[str, str]]:
    product = situation.product
    packagings = product.data.get("packagings") if product is not None else None
    found = packagings if isinstance(packagings, list) else []
    return [properties_of(mapping(component), situation) for component in found]


def _says_as_much(component: Mapping[str, str], element: Mapping[str, str], situation: Situation) -> bool:
    """Whether each property of the element is that of the component, or above it."""
    for name, tag in element.items():
        other = component.get(name)
        if other is None:
            return False
        if other != tag and not situation.taxonomies.get(TAXONOMIES[name]).is_below(other, tag):
            return False
    return True


def conflicts(situation: Situation) -> Callable[[Candidate, Fact], bool]:
    """The same shape."""

    def shape_of(fact: Candidate | Fact) -> str | None:
        return properties_of(mapping(mapping(fact.data).get("element")), situation).get("shape")

    return lambda candidate, reference: shape_of(candidate) == shape_of(reference)


RULE = Rule("packaging", frozenset({"packaging"}), candidates, conflicts)
