"""Predictions: typed statements about a product, new ones and stored ones (contract 3.3, 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec

from server import errors

_PREDICTIONS = (
    "ingredient_spellcheck packager_code label category image_flag product_weight expiration_date brand "
    "image_orientation store nutrient trace packaging_text packaging location nutrient_mention image_lang "
    "nutrition_image is_upc_image nutrient_extraction ingredient_detection"
)
PREDICTION_TYPES = frozenset(_PREDICTIONS.split())
# The types that become insights.
_INSIGHTS = (
    "packager_code label category product_weight expiration_date brand store packaging is_upc_image "
    "nutrition_image ingredient_spellcheck nutrient_extraction image_orientation ingredient_detection"
)
INSIGHT_TYPES = frozenset(_INSIGHTS.split())

Predictor = Annotated[str, msgspec.Meta(max_length=100)]
# What JSON readers still take for a whole number.
Identity = Annotated[int, msgspec.Meta(ge=1, lt=2**53)]


class NewPrediction(msgspec.Struct, kw_only=True):
    """One that is to be imported; the barcode is normalised, the server type is that of its batch.

    `automatic_processing` None leaves it to the type's rule. Times are naive UTC, None is now. `id` is kept when
    it is free.
    """

    barcode: str
    type: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    timestamp: datetime | None = None
    value_tag: str | None = None
    value: str | None = None
    source_image: str | None = None
    automatic_processing: bool | None = None
    predictor: Predictor | None = None
    predictor_version: Predictor | None = None
    confidence: float | None = None
    id: Identity | None = None

    def __post_init__(self) -> None:
        if self.type not in PREDICTION_TYPES:
            raise errors.BadRequest(f"unknown prediction type: {self.type[:50]}")

    @property
    def key(self) -> tuple[object, ...]:
        """Two predictions of a product with the same key say the same (contract 4.3.3)."""
        return (
            self.type,
            self.source_image,
            self.value_tag,
            self.value,
            self.predictor,
            self.automatic_processing,
        )


class Prediction(NamedTuple):
    """A stored one; nothing in `data` is sure to be there or of its type."""

    id: int
    barcode: str
    type: str
    data: Mapping[str, Any]
    value_tag: str | None = None
    value: str | None = None
    source_image: str | None = None
    automatic_processing: bool | None = None
    predictor: str | None = None
    predictor_version: str | None = None
    confidence: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """As that of a new one."""
        return (
            self.type,
            self.source_image,
            self.value_tag,
            self.value,
            self.predictor,
            self.automatic_processing,
        )

    @property
    def is_from_name(self) -> bool:
        """Whether it was read in the product's name, not on a picture."""
        return self.data.get("source") == "product_name"
