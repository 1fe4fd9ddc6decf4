"""POST /api/v1/webhook/product and /api/v1/images/import: events told over HTTP (contract 1.2.36)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency as Given

from server.insights import barcodes, faults
from server.insights.events.batch_key import BatchKey
from server.insights.events.events import Event, Events
from server.insights.openapi import asking
from server.insights.parameters import Parameters

if TYPE_CHECKING:
    from typing import Literal

Asked = Request[Any, Any, Any]

ACTIONS: dict[str, Literal["product_updated", "product_deleted"]] = {
    "updated": "product_updated",
    "deleted": "product_deleted",
}
MAX_URL_LENGTH = 2048


class Scheduled(msgspec.Struct, frozen=True):
    """The work is queued."""

    status: str = "scheduled"


@post(
    "/api/v1/webhook/product",
    status_code=200,
    summary="Tell that a product was updated or deleted",
    operation_class=asking("barcode", "action", "server_type", required=("barcode", "action")),
    security=[{"bearer": []}],
)
async def product_happened(
    request: Asked, parameters: Given[Parameters], batch_key: Given[BatchKey], events: Given[Events]
) -> Scheduled:
    """Its insights are brought up to date as a job."""
    barcode = barcodes.checked(parameters.required("barcode"))
    action = parameters.required("action")
    if action not in ACTIONS:
        raise faults.invalid("action", "It must be updated or deleted.")
    server_type = parameters.server_type()
    batch_key.check(request)
    await events.announce(Event(kind=ACTIONS[action], server_type=server_type, barcode=barcode))
    return Scheduled()


@post(
    "/api/v1/images/import",
    status_code=200,
    summary="Tell that an image was uploaded",
    operation_class=asking(
        "barcode", "image_url", "ocr_url", "server_type", required=("barcode", "image_url")
    ),
    security=[{"bearer": []}],
)
async def image_happened(
    request: Asked, parameters: Given[Parameters], batch_key: Given[BatchKey], events: Given[Events]
) -> Scheduled:
    """The image is `image_url`'s last part; with `ocr_url` its text can be read too."""
    barcode = barcodes.checked(parameters.required("barcode"))
    image_id = barcodes.image_id_of(_path(parameters, "image_url"))
    if image_id is None or not image_id.isascii() or not image_id.isdecimal() or len(image_id) > 50:
        raise faults.invalid("image_url", "Its last part must be the number of a raw image: .../3.jpg")
    server_type = parameters.server_type()
    ocr_url = parameters.text("ocr_url")
    if ocr_url is not None:
        _path(parameters, "ocr_url")
    batch_key.check(request)
    uploaded = Event(kind="image_uploaded", server_type=server_type, barcode=barcode, image_id=image_id)
    read = msgspec.structs.replace(uploaded, kind="ocr_ready", ocr_url=ocr_url)
    await events.announce(uploaded, *([read] if ocr_url else []))
    return Scheduled()


def _path(parameters: Parameters, name: str) -> str:
    """The path of a web address; `BadRequest` for anything else."""
    value = parameters.required(name)
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or len(value) > MAX_URL_LENGTH:
        raise faults.invalid(name, "It must be an http or https URL.")
    return parts.path


HANDLERS = [product_happened, image_happened]
