"""What becomes of a product's insights of one type, by its rule; no database (contract 4.4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from server.insights import barcodes
from server.insights.engine.candidates import Candidate, Known, Walk, walk
from server.insights.engine.rules import (
    brand,
    category,
    expiration_date,
    image_orientation,
    ingredient_detection,
    ingredient_spellcheck,
    is_upc_image,
    label,
    nutrient_extraction,
    nutrition_image,
    packager_code,
    packaging,
    product_weight,
    store,
)
from server.insights.engine.rules.rule import Rule, Situation
from server.insights.products.products import Product

RULES: tuple[Rule, ...] = (
    packager_code.RULE,
    label.RULE,
    category.RULE,
    product_weight.RULE,
    expiration_date.RULE,
    brand.RULE,
    store.RULE,
    packaging.RULE,
    is_upc_image.RULE,
    nutrition_image.RULE,
    ingredient_spellcheck.RULE,
    nutrient_extraction.RULE,
    image_orientation.RULE,
    ingredient_detection.RULE,
)
# Their questions are about the product, whatever image they came from.
SHOWN_WITH_ANY_IMAGE = frozenset({"label", "category"})


def rules_of(types: Collection[str]) -> list[Rule]:
    """The rules whose required types are all among these."""
    return [rule for rule in RULES if rule.required.issubset(types)]


def has_image(product: Product, source_image: str | None) -> bool:
    """Whether it is one of the product's raw images; none at all passes."""
    if source_image is None:
        return True
    number = barcodes.image_id_of(source_image) or ""
    return (
        number.isdecimal()
        and number in product.images
        and source_image == barcodes.source_image(product.barcode, number)
    )


def worked_out(rule: Rule, situation: Situation, known: Sequence[Known]) -> Walk:
    """The insights of a type: what is new, what takes a stored one's place, what goes."""
    product = situation.product
    candidates = [
        candidate
        for candidate in rule.candidates(situation)
        if product is None or has_image(product, candidate.source_image)
    ]
    return walk(candidates, known, rule.conflicts(situation))


def gone(known: Sequence[Known]) -> Walk:
    """What becomes of a vanished product's insights: answered ones stay (ruling 6)."""
    return Walk([], [], [insight for insight in known if insight.annotation is None])


def columns_of(
    kind: str, candidate: Candidate, situation: Situation, server_type: str, now: datetime, delay_s: float
) -> dict[str, Any]:
    """The row of an insight but for its id and votes, as JSON has it (contract 4.4.4, 4.4.8).

    An automatic one is applied `delay_s` seconds after `now`.
    """
    product = situation.product
    data, box = _boxed(candidate, situation)
    with_image = candidate.source_image is not None
    if product is not None and kind in SHOWN_WITH_ANY_IMAGE:
        with_image = any(key.isdecimal() for key in product.images)
    username = data.get("username") if data.get("is_annotation") is True else None
    due = now + timedelta(seconds=delay_s) if candidate.automatic_processing else None
    return {
        "barcode": situation.barcode,
        "type": kind,
        "data": data,
        "timestamp": now.isoformat(),
        "username": username if isinstance(username, str) else None,
        "countries": product.tags("countries_tags") if product else [],
        "brands": product.tags("brands_tags") if product else [],
        "process_after": due and due.isoformat(),
        "value_tag": candidate.value_tag,
        "value": candidate.value,
        "source_image": candidate.source_image,
        "automatic_processing": candidate.automatic_processing,
        "server_type": server_type,
        "unique_scans_n": product.scans if product else 0,
        "reserved_barcode": barcodes.is_reserved(situation.barcode),
        "predictor": candidate.predictor,
        "predictor_version": candidate.predictor_version,
        "campaign": list(candidate.campaign),
        "confidence": candidate.confidence,
        "bounding_box": box,
        "lc": None if candidate.lc is None else list(candidate.lc),
        "with_image": with_image,
    }


def is_changed(row: Mapping[str, Any], known: Known) -> bool:
    """Whether a stored insight must be written again; a later moment alone is no reason."""
    stored = known.row
    if known.votes != stored["n_votes"] or (row["process_after"] is None) != (
        stored["process_after"] is None
    ):
        return True
    return any(row[name] != stored[name] for name in row if name not in ("timestamp", "process_after"))


def _boxed(candidate: Candidate, situation: Situation) -> tuple[dict[str, Any], list[float] | None]:
    """The data with its box as shares of the image's sides, and that box; None where it has none."""
    data = dict(candidate.data)
    size = situation.size_of(candidate.source_image)
    box = _numbers(data.get("bounding_box_absolute"))
    is_pixels = box is not None
    if box is None:
        box = _numbers(data.get("bounding_box"))
        # Shares are never above 1.
        is_pixels = box is not None and max(box) > 1
    if box is None or (is_pixels and size is None):
        return data, None
    if is_pixels and size is not None:
        width, height = size
        box = [min(max(side / of, 0.0), 1.0) for side, of in zip(box, (height, width) * 2, strict=True)]
        data.pop("bounding_box_absolute", None)
        data["bounding_box"] = box
    return data, box


def _numbers(value: object) -> list[float] | None:
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    if any(isinstance(side, bool) or not isinstance(side, int | float) for side in value):
        return None
    return [float(side) for side in value]
