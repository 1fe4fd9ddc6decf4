"""What all management requests share: key, body, page, and the status of an update (section 4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency as Given

from server import auth, errors
from server.middleware import deadline_of
from server.search import listing, references, schema
from server.search.catalog import Row
from server.search.inputs import Body
from server.search.schema import Managed

# This client takes an update for done only when it reads 202.
EXPECTS_ACCEPTED = re.compile(r"CraftAR/.*\(python|CraftAR Python|Catchoom Python")
# A file's form carries little beside it.
FORM_SLACK_BYTES = 2**20

Asked = Request[Any, Any, Any]


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How management answers: a fixed status of updates if wanted, and the origin of absolute URLs."""

    put_status: int | None = None
    public_url: str | None = None
    max_query_bytes: int
    max_file_bytes: int


def payload_of(request: Asked, style: Given[Style]) -> Body:
    """The body, not yet read."""
    return Body(
        request, max_form_bytes=style.max_file_bytes + FORM_SLACK_BYTES, deadline=deadline_of(request)
    )


async def key_of(request: Asked, payload: Given[Body], keys: Given[auth.Keys]) -> auth.Key:
    """The key in the query, the header or the body; AUTHENTICATION_FAILED unless it may do this."""
    secret = (
        request.query_params.get("api_key")
        or auth.bearer(request.headers.get("authorization"))
        or await payload.api_key()
    )
    key = await keys.find(secret, "search", deadline=payload.deadline)
    if key is None or not key.allows("read" if request.method == "GET" else "write"):
        raise errors.Forbidden("Invalid API key.", code="AUTHENTICATION_FAILED")
    return key


def wanted(request: Asked, resource: str, filters: listing.Filters) -> listing.Listing:
    """The page that the query string asks for."""
    return listing.parse(request.query_params.multi_items(), resource, filters)


def page(
    asked: listing.Listing, rows: tuple[list[Row], int], view: Callable[[Row], Managed]
) -> Response[schema.Page[Managed]]:
    """The list answer."""
    found, total = rows
    answer = schema.Page(meta=asked.meta(total), objects=[view(row) for row in found])
    return Response(answer, headers={**schema.NO_STORE, **asked.headers()})


def identifier(text: str, resource: str) -> str:
    """The id in the path; `NotFound` when no object can have it."""
    try:
        return references.identifier(text, resource)
    except references.InvalidReference:
        raise errors.NotFound from None


def created(answer: Managed) -> Response[Managed]:
    """201 with the object."""
    return Response(answer, status_code=201, headers=schema.NO_STORE)


def shown(answer: Managed) -> Response[Managed]:
    """200 with the object."""
    return Response(answer, headers=schema.NO_STORE)


def updated(answer: Managed, request: Asked, payload: Body, style: Style) -> Response[Managed]:
    """The full object with 200, or with 202 for the client that takes only that for success.

    For files that client sends no name of its own, so every such update is answered this way.
    """
    agent = request.headers.get("user-agent", "")
    usual = 202 if payload.is_multipart or EXPECTS_ACCEPTED.match(agent) else 200
    return Response(answer, status_code=style.put_status or usual, headers=schema.NO_STORE)
