"""The pictures of a request, whichever of three ways they came: raw body, multipart, or URLs to fetch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from server import errors, forms
from server.disconnect import watch_disconnect
from server.errors import AisleError
from server.vision import schema

if TYPE_CHECKING:
    from litestar import Request

    from server.deadline import Deadline
    from server.fetch import Fetcher
    from server.settings import Limits

# All pictures of one request together; each is held to `Limits.query_bytes` besides.
MAX_FORM_BYTES = 64 * 2**20
# Other fields a client may send beside the pictures.
SPARE_PARTS = 16
FETCHES_AT_ONCE = 8


class Pictures:
    """Reads the pictures of requests within the limits of one server."""

    def __init__(self, fetcher: Fetcher, limits: Limits) -> None:
        self._fetcher = fetcher
        self._limits = limits
        # What can never fit the queue is refused here, with a limit the client can act on.
        self._most = min(limits.images_per_request, limits.batch_queue)

    async def read(self, request: Request[Any, Any, Any], deadline: Deadline) -> list[bytes | AisleError]:
        """At least one picture, in order; an error in the place of one that could not be fetched.

        `BodyTooLarge` names the limit, `BadRequest` what was expected.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind.startswith("image/") or kind in ("application/octet-stream", ""):
            return [await forms.read_body(request, self._limits.query_bytes, deadline)]
        if kind == "multipart/form-data":
            return list(await self._parts(request, deadline))
        if kind == "application/json":
            return await self._fetched(request, deadline)
        raise errors.BadRequest(
            "Send a picture as image/* or application/octet-stream, multipart/form-data with `image` parts, "
            'or application/json {"urls": [...]}',
            code="UNSUPPORTED_CONTENT_TYPE",
        )

    async def _parts(self, request: Request[Any, Any, Any], deadline: Deadline) -> list[bytes]:
        form = await forms.read_form(request, MAX_FORM_BYTES, deadline, max_parts=self._most + SPARE_PARTS)
        parts = form.all("image")
        if not parts:
            raise errors.BadRequest("The form has no `image` part", code="IMAGE_MISSING")
        self._count(len(parts))
        return [part.data for part in parts]

    async def _fetched(self, request: Request[Any, Any, Any], deadline: Deadline) -> list[bytes | AisleError]:
        body = await forms.read_body(request, self._limits.json_bytes, deadline)
        urls = forms.decode_json(body, schema.URLS).urls
        self._count(len(urls), self._limits.urls_per_request)
        turns = asyncio.Semaphore(FETCHES_AT_ONCE)

        async def fetch(url: str) -> bytes | AisleError:
            async with turns:
                try:
                    fetched = await self._fetcher.get(
                        url, max_bytes=self._limits.query_bytes, deadline=deadline
                    )
                except AisleError as fault:
                    return fault
                return fetched.data

        async def fetch_all() -> list[bytes | AisleError]:
            return list(await asyncio.gather(*map(fetch, urls)))

        return await watch_disconnect(request.receive, fetch_all())

    def _count(self, count: int, limit: int | None = None) -> None:
        most = self._most if limit is None else min(limit, self._most)
        if count > most:
            raise errors.BodyTooLarge(
                f"At most {most} images per request, not {count}",
                code="TOO_MANY_IMAGES",
                details={"limit": most},
            )
