"""What is known about products, and the product data as a whole (contract 1.2.33; 7, wish 18)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency as Given
from litestar.params import FromPath

from server import errors
from server.insights import barcodes
from server.insights.events.dataset import Dataset
from server.insights.openapi import asking
from server.insights.parameters import Parameters
from server.insights.reading.overview import KnownProduct, Overview
from server.middleware import deadline_of

Asked = Request[Any, Any, Any]


class DatasetState(msgspec.Struct, frozen=True):
    """Another text after each change of the products, null without products."""

    etag: str | None


class Scheduled(msgspec.Struct, frozen=True):
    """The work is queued, or was already."""

    status: str


@get(
    "/api/v1/products/{barcode:str}/overview",
    summary="Everything known about a product",
    operation_class=asking("server_type"),
)
async def known(
    request: Asked, barcode: FromPath[str], parameters: Given[Parameters], overview: Given[Overview]
) -> KnownProduct:
    """Images, what networks saw in them, logos, predictions, insights with a decision and without."""
    return await overview.of(parameters.server_type(), barcodes.normalised(barcode), deadline_of(request))


@get(
    "/api/v1/products/{organisation:str}/{barcode:str}/overview",
    summary="Everything known about a product of the pro platform",
    operation_class=asking("server_type"),
)
async def known_of_pro(
    request: Asked,
    organisation: FromPath[str],
    barcode: FromPath[str],
    parameters: Given[Parameters],
    overview: Given[Overview],
) -> KnownProduct:
    """As the others; there a barcode stands behind the organisation that owns it."""
    if not barcodes.DIGITS.fullmatch(barcode):
        raise errors.NotFound
    whole = barcodes.normalised(f"{organisation}/{barcode}")
    return await overview.of(parameters.server_type(), whole, deadline_of(request))


@get("/api/v1/products/dataset", summary="The state of the product data")
async def dataset_state(dataset: Given[Dataset]) -> DatasetState:
    """It changes with the products that are kept here."""
    return DatasetState(await dataset.etag())


@post("/api/v1/products/dataset", status_code=200, summary="Bring insights up to date with the products")
async def refresh_dataset(dataset: Given[Dataset]) -> Scheduled:
    """One refresh at a time; asking for another one meanwhile changes nothing."""
    await dataset.schedule()
    return Scheduled("scheduled")


HANDLERS = [known, known_of_pro, dataset_state, refresh_dataset]
