"""From an accepted insight to the edits of its product: tags, texts, nutrients (contract 2.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from server.insights import packager_codes
from server.insights.annotation import actions_images, nutrients
from server.insights.annotation.nutrients import Nutrition
from server.insights.annotation.payloads import IngredientList, OtherCategory, Payload
from server.insights.annotation.plans import Pictures, Plan, Proposal
from server.insights.annotation.results import ALREADY, OUT_OF_DATE, UPDATED, USER_INPUT
from server.insights.products.edits import AddPackaging, AddTag, Edit, SetField
from server.insights.products.products import Product

# An insight that lacks what it proposes cannot be applied, nor asked again with more success.
UNUSABLE = Plan(OUT_OF_DATE)


def has_action(insight_type: str) -> bool:
    """Whether accepting such an insight changes a product; the others are only recorded."""
    return insight_type in ACTIONS


def plan(proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures) -> Plan:
    """What accepting the proposal does; `InvalidData` when its own nutrients cannot be used."""
    return ACTIONS[proposal.type](proposal, product, payload, pictures)


def _packager_code(proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures) -> Plan:
    code = proposal.value
    if not code:
        return UNUSABLE
    before = packager_codes.of(product)
    if packager_codes.normalised(code) in map(packager_codes.normalised, before):
        return Plan(ALREADY)
    return _set(SetField("emb_codes", ",".join([*before, code])), f"Adding packager code '{code}'")


def _label(proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures) -> Plan:
    return _tag(proposal.value_tag, "labels", "label", product)


def _category(proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures) -> Plan:
    if not isinstance(payload, OtherCategory):
        return _tag(proposal.value_tag, "categories", "category", product)
    plan = _tag(payload.value_tag, "categories", "category", product)
    data = {**proposal.data, "original_value_tag": proposal.value_tag, "user_input": True}
    answer = USER_INPUT if plan.edits else plan.answer
    return plan._replace(answer=answer, data=data, value_tag=payload.value_tag)


def _store(proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures) -> Plan:
    if proposal.value_tag in product.tags("stores_tags"):
        return Plan(ALREADY)
    return _named(proposal, "stores", "store")


def _brand(proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures) -> Plan:
    return _named(proposal, "brands", "brand")


def _product_weight(
    proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures
) -> Plan:
    return _only_if_empty(proposal.value, "quantity", "quantity", product)


def _expiration_date(
    proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures
) -> Plan:
    return _only_if_empty(proposal.value, "expiration_date", "expiration date", product)


def _packaging(proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures) -> Plan:
    element = proposal.data.get("element")
    if not isinstance(element, dict):
        return UNUSABLE
    shape, material, recycling = (
        _value_tag(element.get(name)) for name in ("shape", "material", "recycling")
    )
    if not (shape or material or recycling):
        return UNUSABLE
    shown = ", ".join(tag for tag in (shape, material, recycling) if tag)
    return _set(AddPackaging(shape, material, recycling), f"Adding packaging element '{shown}'")


def _ingredient_spellcheck(
    proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures
) -> Plan:
    corrected = payload.annotation if isinstance(payload, IngredientList) else None
    text = corrected or proposal.data.get("correction")
    language = proposal.value_tag
    if not language or not isinstance(text, str) or not text.strip():
        return UNUSABLE
    plan = _set(
        SetField(f"ingredients_text_{language}", text), f"Correcting the ingredient list ({language})"
    )
    return plan._replace(data=None if corrected is None else {**proposal.data, "annotation": corrected})


def _nutrient_extraction(
    proposal: Proposal, product: Product, payload: Payload | None, pictures: Pictures
) -> Plan:
    is_corrected = isinstance(payload, Nutrition)
    nutrition = payload if isinstance(payload, Nutrition) else nutrients.of_insight(proposal.data)
    selection = actions_images.nutrition_selection(proposal, product, pictures)
    return Plan(
        UPDATED,
        (*nutrition.edits(), *selection),
        "Updating nutrition facts",
        data={**proposal.data, "annotation": nutrition.as_data(), "was_updated": is_corrected},
    )


def _set(edit: Edit, action: str) -> Plan:
    return Plan(UPDATED, (edit,), action)


def _tag(tag: str | None, field: str, noun: str, product: Product) -> Plan:
    if not tag:
        return UNUSABLE
    if tag in product.tags(f"{field}_tags"):
        return Plan(ALREADY)
    return _set(AddTag(field, tag), f"Adding {noun} '{tag}'")


def _named(proposal: Proposal, field: str, noun: str) -> Plan:
    name = proposal.value or proposal.value_tag
    return _set(AddTag(field, name), f"Adding {noun} '{name}'") if name else UNUSABLE


def _only_if_empty(value: str | None, field: str, noun: str, product: Product) -> Plan:
    if product.text(field):
        return Plan(ALREADY)
    return _set(SetField(field, value), f"Adding {noun} '{value}'") if value else UNUSABLE


def _value_tag(component: object) -> str | None:
    """The tag of one part of a packaging element."""
    tag = component.get("value_tag") if isinstance(component, dict) else None
    return tag if isinstance(tag, str) and tag else None


ACTIONS: Mapping[str, Callable[[Proposal, Product, Payload | None, Pictures], Plan]] = {
    "packager_code": _packager_code,
    "label": _label,
    "category": _category,
    "product_weight": _product_weight,
    "expiration_date": _expiration_date,
    "brand": _brand,
    "store": _store,
    "packaging": _packaging,
    "nutrition_image": actions_images.nutrition_image,
    "is_upc_image": actions_images.upc_image,
    "image_orientation": actions_images.image_orientation,
    "ingredient_spellcheck": _ingredient_spellcheck,
    "ingredient_detection": actions_images.ingredient_detection,
    "nutrient_extraction": _nutrient_extraction,
}
