"""Messages of Product Opener's streams as events (contract 4.6; its published description of `product_updates`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from server import errors
from server.insights import barcodes
from server.insights.events.events import IMAGE_NAME, Event
from server.insights.parameters import SERVER_TYPES

UPDATES, TEXTS = "product_updates", "ocr_ready"
OWN_USER, OWN_MARK = "roboto-app", "[robotoff]"
# They touch very many products at once.
SLOW_USERS = ("scanbot", "update_all_products")
PRODUCT_TYPES = {"food": "off", "beauty": "obf", "petfood": "opff", "product": "opf"}
PARTS = ("uploaded_images", "selected_images", "nutriments", "packagings")


class Told(NamedTuple):
    """The events of one message, in the order of their work."""

    events: tuple[Event, ...]
    is_urgent: bool = True


NOTHING = Told(())


def told(stream: str, fields: Mapping[str, str]) -> Told:
    """What a message tells; nothing for our own edits, and for what cannot be understood."""
    server_type = _server_type(fields)
    try:
        barcode = barcodes.checked(fields.get("code", ""))
    except errors.BadRequest:
        return NOTHING
    if server_type is None:
        return NOTHING
    if stream == TEXTS:
        return _text(server_type, barcode, fields)
    user = fields.get("user_id", "")
    if user == OWN_USER or OWN_MARK in fields.get("comment", ""):
        return NOTHING
    action = fields.get("action", "")
    return Told(
        _events(server_type, barcode, action, _diffs(fields)),
        is_urgent=user not in SLOW_USERS and action != "reprocessed",
    )


def _events(server_type: str, barcode: str, action: str, diffs: Mapping[str, Any]) -> tuple[Event, ...]:
    def event(
        kind: Literal[
            "product_updated", "product_deleted", "type_changed", "image_uploaded", "image_deleted"
        ],
        image_id: str = "",
        changed: tuple[str, ...] = (),
    ) -> Event:
        return Event(kind=kind, server_type=server_type, barcode=barcode, image_id=image_id, changed=changed)

    if action == "deleted":
        return (event("product_deleted"),)
    fields = _names(diffs, "fields", "add", "change", "delete")
    if "product_type" in fields:
        return (event("type_changed"),)
    changed = (*fields, *(part for part in PARTS if diffs.get(part)))
    return (
        *(event("image_deleted", name) for name in _images(diffs, "delete")),
        *(event("image_uploaded", name) for name in _images(diffs, "add")),
        event("product_updated", changed=changed),
    )


def _text(server_type: str, barcode: str, fields: Mapping[str, str]) -> Told:
    image_id = fields.get("image_id", "")
    if not IMAGE_NAME.fullmatch(image_id):
        return NOTHING
    url = fields.get("json_url") or None
    return Told(
        (Event(kind="ocr_ready", server_type=server_type, barcode=barcode, image_id=image_id, ocr_url=url),)
    )


def _server_type(fields: Mapping[str, str]) -> str | None:
    """The producers' platform by the server that tells, the others by the product's own type."""
    flavor = fields.get("flavor", "").replace("-", "_")
    if flavor == "off_pro":
        return flavor
    return PRODUCT_TYPES.get(fields.get("product_type", "")) or (flavor if flavor in SERVER_TYPES else None)


def _diffs(fields: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(fields.get("diffs") or "{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _images(diffs: Mapping[str, Any], how: str) -> list[str]:
    return [name for name in _names(diffs, "uploaded_images", how) if IMAGE_NAME.fullmatch(name)]


def _names(diffs: Mapping[str, Any], part: str, *ways: str) -> list[str]:
    """The names under {part: {way: [..]}}, each once."""
    entry = diffs.get(part)
    lists = [entry.get(way) for way in ways] if isinstance(entry, dict) else []
    return list(dict.fromkeys(str(name) for found in lists if isinstance(found, list) for name in found))
