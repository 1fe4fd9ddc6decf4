"""Management of tags: /api/v0/tag/ (contract image-search, section 4.1)."""

from __future__ import annotations

from litestar import Response, delete, get, post, route
from litestar.di import NamedDependency as Given
from litestar.params import FromPath

from server.auth import Key
from server.search import listing, manage, schema, views
from server.search.inputs import Body, Fields
from server.search.manage import Asked, Style
from server.search.tokens import Tags


@get("/api/v0/tag", summary="List tags")
async def list_tags(request: Asked, key: Given[Key], tags: Given[Tags]) -> Response[schema.Page[schema.Tag]]:
    """A page of the tags of the tenant's collections."""
    asked = manage.wanted(request, "tag", listing.TAG)
    return manage.page(asked, await tags.listed(key.tenant, asked), views.tag)


@post("/api/v0/tag", summary="Create a tag")
async def create_tag(key: Given[Key], payload: Given[Body], tags: Given[Tags]) -> Response[schema.Tag]:
    """`{name, collection}`; the name is unique in its collection."""
    fields = Fields(await payload.json())
    name = fields.name(required=True)
    collection = fields.reference("collection", required=True)
    fields.check()
    return manage.created(views.tag(await tags.add(key.tenant, collection or "", name or "")))


@get("/api/v0/tag/{uuid:str}", summary="Show a tag")
async def get_tag(uuid: FromPath[str], key: Given[Key], tags: Given[Tags]) -> Response[schema.Tag]:
    """One tag."""
    return manage.shown(views.tag(await tags.get(key.tenant, manage.identifier(uuid, "tag"))))


@route("/api/v0/tag/{uuid:str}", http_method=["PUT", "PATCH", "POST"], summary="Update a tag")
async def update_tag(
    uuid: FromPath[str],
    request: Asked,
    key: Given[Key],
    payload: Given[Body],
    tags: Given[Tags],
    style: Given[Style],
) -> Response[schema.Tag]:
    """Set its name."""
    tag = manage.identifier(uuid, "tag")
    before = await tags.get(key.tenant, tag)
    fields = Fields(await payload.json())
    fields.unchanged("collection", before["collection"].hex)
    name = fields.name(required=False)
    fields.check()
    return manage.updated(views.tag(await tags.change(key.tenant, tag, name)), request, payload, style)


@delete("/api/v0/tag/{uuid:str}", summary="Delete a tag")
async def delete_tag(uuid: FromPath[str], key: Given[Key], tags: Given[Tags]) -> None:
    """It is taken off its items and tokens."""
    await tags.drop(key.tenant, manage.identifier(uuid, "tag"))


HANDLERS = [list_tags, create_tag, get_tag, update_tag, delete_tag]
