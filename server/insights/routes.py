"""The router of /api/v1 and what all its routes share; robots.txt, which stands at the root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Request, Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide

from server import forms
from server.insights import (
    routes_annotate,
    routes_batch,
    routes_events,
    routes_health,
    routes_hints,
    routes_insights,
    routes_predictions,
    routes_products,
    routes_questions,
)
from server.insights.parameters import MAX_PARAMETERS, Parameters
from server.middleware import deadline_of
from server.parts import bound

PREFIX = "/api/v1"
# Where this product answers: its envelope and its cross-origin policy hold under these.
PREFIXES = (PREFIX, "/robots.txt", *routes_hints.ROOTS)
MAX_FORM_BYTES = 10 * 2**20

Asked = Request[Any, Any, Any]


@get("/robots.txt", summary="Nothing here is for crawlers", include_in_schema=False)
async def robots() -> Response[str]:
    """They sent the original hundreds of thousands of requests a day."""
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")


@get(f"{PREFIX}/status", summary="Whether the server runs")
async def status() -> dict[str, str]:
    """Asks no other part."""
    return {"status": "running"}


async def parameters_of(request: Asked) -> Parameters:
    """Query and form merged; a body of another type is left to the route."""
    form: list[tuple[str, str]] = []
    if request.method != "GET" and "form" in request.headers.get("content-type", ""):
        read = await forms.read_form(request, MAX_FORM_BYTES, deadline_of(request), max_parts=MAX_PARAMETERS)
        form = [(name, part.text) for name in read.fields for part in read.all(name)]
    return Parameters.of_query(request.scope["query_string"], form)


def router(parts: Mapping[str, object]) -> Router:
    """Everything under `PREFIXES`; `parts` are handed to the routes by the names of their parameters."""
    return Router(
        "/",
        route_handlers=bound(
            [
                robots,
                status,
                *routes_annotate.HANDLERS,
                *routes_batch.HANDLERS,
                *routes_events.HANDLERS,
                *routes_health.HANDLERS,
                *routes_hints.HANDLERS,
                *routes_insights.HANDLERS,
                *routes_predictions.HANDLERS,
                *routes_products.HANDLERS,
                *routes_questions.HANDLERS,
            ],
            parts,
        ),
        dependencies={"parameters": Provide(parameters_of)},
        # Answers depend on who asks; routes whose answers do not say so themselves.
        cache_control=CacheControlHeader(private=True, no_cache=True),
        tags=["insights"],
    )
