"""A product of the public dump or of a product server, as our table keeps it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from server import errors
from server.insights import barcodes, lines
from server.insights.products.products import Product

# An escaped null character, and not an escaped backslash before "u0000".
NULL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class StoredProduct(NamedTuple):
    """A row of the table: `data` is JSON, the images are paths for questions."""

    server_type: str
    barcode: str
    data: str
    generic_image: str | None
    front_image: str | None


def stored(
    line: Mapping[str, Any], *, server_type: str | None = None, barcode: str | None = None
) -> StoredProduct:
    """The row of a line; what is given stands over its own `server_type` and `code`.

    `BadRequest` when it has no usable barcode or server type, or holds a null character.
    """
    if server_type is None:
        named = line.get("server_type") or "off"
        server_type = lines.server_type_of(named if isinstance(named, str) else repr(named))
    if barcode is None:
        code = line.get("code")
        if isinstance(code, bool) or not isinstance(code, str | int):
            raise errors.BadRequest("`code` is required")
        barcode = barcodes.checked(str(code))
    data = dict(line)
    images = data.get("images")
    if isinstance(images, dict) and ("uploaded" in images or "selected" in images):
        data["images"] = flat(images)
    encoded = msgspec.json.encode(data)
    if b"\\u0000" in encoded and NULL.search(encoded):
        raise errors.BadRequest("Null characters are not allowed")
    product = Product(server_type, barcode, data)
    return StoredProduct(server_type, barcode, encoded.decode(), product.generic_image, product.front_image)


def flat(images: Mapping[str, Any]) -> dict[str, Any]:
    """The newer, nested shape of `images` as the flat one of the contract (ruling 7).

    {"uploaded": {"1": ..}, "selected": {"front": {"fr": {.., "generation": {..}}}}} becomes {"1": .., "front_fr": ..}.
    """
    found = dict(_dict(images.get("uploaded")))
    for kind, by_language in _dict(images.get("selected")).items():
        for language, entry in _dict(by_language).items():
            rest = dict(_dict(entry))
            generation = _dict(rest.pop("generation", None))
            found[f"{kind}_{language}"] = {**rest, **generation}
    return found


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
