"""Public files: reference pictures, thumbnails, custom data of items; whoever knows the ids may read."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency as Given
from litestar.params import FromPath

from server import errors
from server.middleware import deadline_of
from server.search import references
from server.search.catalog import Catalog
from server.search.pictures import Pictures

FILE = re.compile(r"([0-9a-f]{32})_([0-9a-f]{32})")
THUMB = re.compile(r"([0-9a-f]{32})_([0-9a-f]{32})_thumb_(60|120)\.jpe")
# An update keeps the address, so copies must soon be asked about; the ETag makes that cheap.
CACHING = "public, max-age=300"

Asked = Request[Any, Any, Any]


@get("/collections/{collection:str}/images/{name:str}", summary="A reference picture as uploaded")
async def get_file(
    collection: FromPath[str], name: FromPath[str], request: Asked, pictures: Given[Pictures]
) -> Response[bytes]:
    """`name` is ITEM_IMAGE."""
    ids = FILE.fullmatch(name)
    return await _picture(request, pictures, collection, ids, 0)


@get("/cache/collections/{collection:str}/images/{name:str}", summary="A thumbnail")
async def get_thumb(
    collection: FromPath[str], name: FromPath[str], request: Asked, pictures: Given[Pictures]
) -> Response[bytes]:
    """`name` is ITEM_IMAGE_thumb_60.jpe or ITEM_IMAGE_thumb_120.jpe."""
    ids = THUMB.fullmatch(name)
    return await _picture(request, pictures, collection, ids, int(ids[3]) if ids else 0)


@get("/files/collections/{collection:str}/items/{item:str}/custom", summary="The custom data of an item")
async def get_custom(
    collection: FromPath[str], item: FromPath[str], request: Asked, catalog: Given[Catalog]
) -> Response[bytes]:
    """As text, whatever it holds: a stored page must not run as one of ours."""
    if not (references.UUID.fullmatch(collection) and references.UUID.fullmatch(item)):
        raise errors.NotFound
    data = await catalog.custom(collection, item, deadline_of(request))
    headers = _validators(hashlib.sha256(data).hexdigest(), "no-cache")
    return _unchanged(request, headers) or Response(
        data, headers=headers, media_type="text/plain; charset=utf-8"
    )


async def _picture(
    request: Asked, pictures: Pictures, collection: str, ids: re.Match[str] | None, side: int
) -> Response[bytes]:
    if ids is None or not references.UUID.fullmatch(collection):
        raise errors.NotFound
    sha256, content_type = await pictures.blob(collection, ids[1], ids[2], side, deadline_of(request))
    headers = _validators(sha256, CACHING)
    return _unchanged(request, headers) or Response(
        await pictures.read(sha256), headers=headers, media_type=content_type
    )


def _validators(sha256: str, caching: str) -> dict[str, str]:
    return {"ETag": f'"{sha256}"', "Cache-Control": caching}


def _unchanged(request: Asked, headers: dict[str, str]) -> Response[bytes] | None:
    """304 when the client has these bytes already."""
    known = request.headers.get("if-none-match", "")
    if known.strip() != "*" and headers["ETag"] not in known:
        return None
    return Response(b"", status_code=304, headers=headers)


HANDLERS = [get_file, get_thumb, get_custom]
