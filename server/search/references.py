"""Resource URIs: how the management API names one object in another (contract image-search, section 4)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

RESOURCES = ("collection", "item", "image", "token", "tag")

UUID = re.compile(r"[0-9a-f]{32}")
TOKEN = re.compile(r"[0-9a-f]{16}")


class InvalidReference(ValueError):
    """The value names no object of the wanted resource, whether or not one exists."""


def uri(resource: str, identifier: str) -> str:
    """The reference as answers carry it: never null, always with the end slash that clients split on."""
    return f"/api/v0/{resource}/{identifier}/"


def identifier(value: str, resource: str) -> str:
    """A bare id, in any case, with or without dashes, as 32 lower hex (token: 16), or `InvalidReference`."""
    text = value.strip().lower()
    if resource == "token":
        pattern = TOKEN
    else:
        pattern = UUID
        text = text.replace("-", "") if len(text) == 36 else text
    if not pattern.fullmatch(text):
        raise InvalidReference(f"{value[:100]!r} is not the id of a {resource}")
    return text


def parse(value: object, resource: str) -> str:
    """The id in `/api/v0/x/U/`, `/v0/x/U/`, an absolute URL, either without the end slash, or a bare id.

    Errors: `InvalidReference`, also when the URI is one of another resource.
    """
    if not isinstance(value, str):
        raise InvalidReference(f"A reference to a {resource} must be a string")
    try:
        path = urlsplit(value.strip()).path
    except ValueError:
        raise InvalidReference(f"{value[:100]!r} is not a URI") from None
    parts = [part for part in path.split("/") if part]
    # A lone part is a bare id; more must end in the resource and the id.
    if not parts or (len(parts) > 1 and parts[-2] != resource):
        raise InvalidReference(f"{value[:100]!r} is not the URI of a {resource}")
    return identifier(parts[-1], resource)
