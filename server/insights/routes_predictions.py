"""Predictions on products, and what networks saw in images (contract 1.2.11, 1.2.15, 1.2.16)."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency as Given

from server.insights import bodies
from server.insights.answers import ImagePredictionList, PredictionList, status
from server.insights.events.batch_key import BatchKey
from server.insights.openapi import asking
from server.insights.parameters import Parameters
from server.insights.reading.image_predictions import ImagePredictions, Imported, NewImagePredictions
from server.insights.reading.prediction_pages import PredictionPages
from server.middleware import deadline_of

Asked = Request[Any, Any, Any]


@get(
    "/api/v1/predictions",
    summary="Predictions on products",
    operation_class=asking("barcode", "types", "value_tag", "server_type", "count", "page"),
)
async def predictions(
    request: Asked, parameters: Given[Parameters], prediction_pages: Given[PredictionPages]
) -> PredictionList:
    """By ascending id, exactly counted."""
    found = await prediction_pages.page(parameters, parameters.server_type(), deadline_of(request))
    return PredictionList(found.total, found.rows, status("predictions", found.rows))


@get(
    "/api/v1/image_predictions",
    summary="What networks saw in images",
    operation_class=asking(
        "barcode",
        "image_id",
        "type",
        "model_name",
        "model_version",
        "min_confidence",
        "with_logo",
        "server_type",
        "count",
        "page",
    ),
)
async def image_predictions(
    request: Asked, parameters: Given[Parameters], seen: Given[ImagePredictions]
) -> ImagePredictionList:
    """By ascending id, exactly counted."""
    found = await seen.page(parameters, parameters.server_type(), deadline_of(request))
    return ImagePredictionList(found.total, found.rows, status("image_predictions", found.rows))


@post(
    "/api/v1/image_predictions/import",
    status_code=200,
    summary="Attach what networks saw elsewhere to images",
    security=[{"bearer": []}],
)
async def import_image_predictions(
    request: Asked, batch_key: Given[BatchKey], seen: Given[ImagePredictions]
) -> Imported:
    """Items whose image is not known are skipped."""
    batch_key.check(request)
    return await seen.add(await bodies.read(request, NewImagePredictions))


HANDLERS = [predictions, image_predictions, import_image_predictions]
