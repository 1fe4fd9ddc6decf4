"""Paths of this API without /api/v1, which many a client calls first: told what is missing (wish 25)."""

from __future__ import annotations

from typing import Any

from litestar import Request, route

from server import errors

# The first part of every path that is ours alone.
ROOTS = ("/questions", "/insights", "/predictions", "/image_predictions", "/ann", "/annotation", "/predict")


@route(
    [path for root in ROOTS for path in (root, f"{root}/{{rest:path}}")],
    http_method=["GET", "POST", "PUT", "PATCH", "DELETE"],
    include_in_schema=False,
)
async def without_prefix(request: Request[Any, Any, Any]) -> None:
    """404 with the address that was meant."""
    raise errors.NotFound(f"This API is under /api/v1: /api/v1{request.url.path.rstrip('/')}")


HANDLERS = [without_prefix]
