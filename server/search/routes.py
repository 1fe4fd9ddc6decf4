"""Recognition: /v0|v1|v2/search and /v0|v1|v2/timestamp; and the router of all of image search."""

from __future__ import annotations

import time
from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency as Given
from litestar.di import Provide

from server import errors, forms
from server.auth import Keys
from server.deadline import Deadline
from server.disconnect import watch_disconnect
from server.forms import Form
from server.middleware import deadline_of
from server.search import (
    files,
    manage,
    manage_collections,
    manage_images,
    manage_items,
    manage_tags,
    manage_tokens,
    schema,
    scoring,
)
from server.search.answers import Answers
from server.search.catalog import Catalog
from server.search.collections import Collections
from server.search.links import Links
from server.search.manage import Style
from server.search.pictures import Pictures
from server.search.scan import Question, Scanner
from server.search.tokens import Tags, Tokens
from server.search.upload import Examiner

# Where this product answers: its envelope and its cross-origin policy hold under these.
MANAGEMENT = "/api/v0"
PREFIXES = ("/v0", "/v1", "/v2", MANAGEMENT, "/collections", "/cache", "/files", "/search/v1")
# A picture of the largest size as base64, and the other fields. Larger pictures are refused by the gate, once
# the token was checked; larger bodies are not read at all.
FORM_BYTES_PER_PICTURE_BYTE = 2
MAX_TEXT_BYTES = 2**16
SEARCH_TIMEOUT_S = 10.0

Asked = Request[Any, Any, Any]


@post(["/v0/search", "/v1/search", "/v2/search"], status_code=200, summary="Recognise a picture")
async def search(
    request: Asked, scanner: Given[Scanner], answers: Given[Answers], style: Given[Style]
) -> Response[schema.SearchAnswer | list[schema.Result]]:
    """Which items of the token's collection are in the picture; an empty list when none is."""
    form = await form_of(request, style)
    started, deadline = time.perf_counter(), search_deadline(request)
    version, links = version_of(request), Links.of(request, style.public_url)
    question = Question.of(form, version)
    access, recognition = await watch_disconnect(request.receive, scanner.scan(question, deadline))
    results = await answers.results(access.collection, recognition, question, version, links, deadline)
    if version == 0:
        return Response(results, headers=schema.NO_STORE)
    return Response(
        schema.SearchAnswer(
            search_time=round((time.perf_counter() - started) * 1000),
            results=results,
            collection=schema.searched(access.collection, links, question.app_id, version),
        ),
        headers=schema.NO_STORE,
    )


@post(["/v0/timestamp", "/v1/timestamp", "/v2/timestamp"], status_code=200, summary="Check a token")
async def timestamp(request: Asked, tokens: Given[Tokens], style: Given[Style]) -> Response[schema.Timestamp]:
    """The server's time; errors of the token as in a search. Not a scan."""
    form = await form_of(request, style)
    await tokens.open(form.text("token"), search_deadline(request))
    return Response(schema.Timestamp(timestamp=f"{time.time():.2f}"), headers=schema.NO_STORE)


@get("/search/v1/info", summary="Versions of this server")
async def info() -> Response[schema.Info]:
    """The version of the score scale among them."""
    return Response(schema.Info(score_version=scoring.SCORE_VERSION), headers=schema.NO_STORE)


async def form_of(request: Asked, style: Style) -> Form:
    """The fields of the body; one that is no readable form has none. IMAGE_TOO_LARGE beyond every limit."""
    most = style.max_query_bytes * FORM_BYTES_PER_PICTURE_BYTE + manage.FORM_SLACK_BYTES
    try:
        return await forms.read_form(request, most, deadline_of(request), max_text_bytes=MAX_TEXT_BYTES)
    except errors.BodyTooLarge as fault:
        raise errors.BadRequest(
            "Image is too large", code="IMAGE_TOO_LARGE", details=fault.details
        ) from fault
    except errors.BadRequest:
        return Form()


def search_deadline(request: Asked) -> Deadline:
    """Ten seconds from now, or what the request still has."""
    return Deadline.after(min(SEARCH_TIMEOUT_S, deadline_of(request).remaining_s()))


def version_of(request: Asked) -> int:
    """The number in /v1/..."""
    return int(request.url.path[2])


def router(
    *,
    keys: Keys,
    catalog: Catalog,
    tokens: Tokens,
    tags: Tags,
    pictures: Pictures,
    collections: Collections,
    examiner: Examiner,
    scanner: Scanner,
    answers: Answers,
    style: Style,
) -> Router:
    """Everything under `PREFIXES`."""
    parts = {
        "keys": keys,
        "catalog": catalog,
        "tokens": tokens,
        "tags": tags,
        "pictures": pictures,
        "collections": collections,
        "examiner": examiner,
        "scanner": scanner,
        "answers": answers,
        "style": style,
    }
    return Router(
        "/",
        route_handlers=[
            search,
            timestamp,
            info,
            *manage_collections.HANDLERS,
            *manage_items.HANDLERS,
            *manage_images.HANDLERS,
            *manage_tokens.HANDLERS,
            *manage_tags.HANDLERS,
            *files.HANDLERS,
        ],
        dependencies={
            **{name: _given(part) for name, part in parts.items()},
            "payload": Provide(manage.payload_of, sync_to_thread=False),
            "key": Provide(manage.key_of),
        },
        tags=["image search"],
    )


def _given(part: object) -> Provide:
    """The same object for every request."""
    return Provide(lambda: part, sync_to_thread=False)
