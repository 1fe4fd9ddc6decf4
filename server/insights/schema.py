"""What goes over the wire, in the order of the contract's keys, and the error envelope (contract 1.0, 1.2)."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from uuid import UUID

import msgspec
from litestar import Response

from server import errors


class Insight(msgspec.Struct, frozen=True):
    """Every column of a row, in this order; times are naive UTC."""

    id: UUID
    barcode: str
    type: str
    data: msgspec.Raw
    timestamp: datetime | None
    completed_at: datetime | None
    annotation: int | None
    annotated_result: int | None
    n_votes: int
    username: str | None
    countries: list[str] | None
    brands: list[str] | None
    process_after: datetime | None
    value_tag: str | None
    value: str | None
    source_image: str | None
    automatic_processing: bool
    server_type: str
    unique_scans_n: int
    reserved_barcode: bool
    predictor: str | None
    predictor_version: str | None
    campaign: list[str] | None
    confidence: float | None
    bounding_box: msgspec.Raw | None
    lc: list[str] | None
    with_image: bool | None


class Prediction(msgspec.Struct, frozen=True):
    """A typed statement about a product."""

    id: int
    barcode: str
    type: str
    data: msgspec.Raw
    timestamp: datetime
    value_tag: str | None
    value: str | None
    source_image: str | None
    automatic_processing: bool | None
    predictor: str | None
    predictor_version: str | None
    confidence: float | None
    server_type: str


class Image(msgspec.Struct, frozen=True):
    """One raw photo of a product."""

    id: int
    barcode: str
    uploaded_at: datetime | None
    image_id: str
    source_image: str
    width: int
    height: int
    deleted: bool
    server_type: str
    fingerprint: int | None


class ImagePrediction(msgspec.Struct, frozen=True, kw_only=True):
    """The raw output of one network on one image."""

    id: int
    type: str
    model_name: str
    model_version: str
    data: msgspec.Raw
    timestamp: datetime | None
    image: Image
    max_confidence: float | None


class Logo(msgspec.Struct, frozen=True, kw_only=True):
    """One box that the logo detector found, with what people say it is and the image it is in."""

    id: int
    index: int
    bounding_box: msgspec.Raw
    score: float
    annotation_value: str | None
    annotation_value_tag: str | None
    taxonomy_value: str | None
    annotation_type: str | None
    username: str | None
    completed_at: datetime | None
    nearest_neighbors: msgspec.Raw | None
    barcode: str | None
    source_image: str | None
    text: str | None
    server_type: str
    image: Image


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last three are left out where unknown."""

    barcode: str
    server_type: str
    type: str
    value: str | None
    question: str
    insight_id: UUID
    insight_type: str
    value_tag: str | None = None
    ref_image_url: str | None = None
    source_image_url: str | None = None


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every error."""

    title: str
    description: str | None = None


def envelope(error: errors.AisleError, request_id: str) -> Response[Refusal]:
    """An error in this API's words: its code is the title where the API names one, its message the description."""
    kind = type(error)
    is_named = error.code != kind.code
    title = error.code if is_named else f"{error.status} {HTTPStatus(error.status).phrase}"
    if isinstance(error, errors.NetworkUnavailable):
        title = "Model not available"
    # Those two bodies are fixed to the letter.
    silent = isinstance(error, errors.MethodNotAllowed | errors.InternalError)
    description = None if silent or error.message == kind.text else error.message
    return Response(Refusal(title, description), status_code=error.status)
