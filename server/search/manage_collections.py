"""Management of collections: /api/v0/collection/ (contract image-search, section 4.1)."""

from __future__ import annotations

from litestar import Response, delete, get, post, route
from litestar.di import NamedDependency as Given
from litestar.params import FromPath

from server.auth import Key
from server.search import listing, manage, schema, views
from server.search.catalog import Catalog
from server.search.collections import Collections
from server.search.inputs import Body, Fields
from server.search.manage import Asked, Style

MAX_NAME = 100


@get("/api/v0/collection", summary="List collections")
async def list_collections(
    request: Asked, key: Given[Key], catalog: Given[Catalog]
) -> Response[schema.Page[schema.Collection]]:
    """A page of the tenant's collections."""
    asked = manage.wanted(request, "collection", listing.COLLECTION)
    return manage.page(asked, await catalog.collections(key.tenant, asked), views.collection)


@post("/api/v0/collection", summary="Create a collection and a token for it")
async def create_collection(
    key: Given[Key], payload: Given[Body], catalog: Given[Catalog]
) -> Response[schema.Collection]:
    """`{name, offline?}`; the name is unique per tenant."""
    fields = Fields(await payload.json())
    name = fields.name(required=True, longest=MAX_NAME)
    offline = fields.flag("offline")
    fields.check()
    return manage.created(
        views.collection(await catalog.add_collection(key.tenant, name or "", bool(offline)))
    )


@get("/api/v0/collection/{uuid:str}", summary="Show a collection")
async def get_collection(
    uuid: FromPath[str], key: Given[Key], catalog: Given[Catalog]
) -> Response[schema.Collection]:
    """One collection."""
    row = await catalog.collection(key.tenant, manage.identifier(uuid, "collection"))
    return manage.shown(views.collection(row))


@route("/api/v0/collection/{uuid:str}", http_method=["PUT", "PATCH", "POST"], summary="Update a collection")
async def update_collection(
    uuid: FromPath[str],
    request: Asked,
    key: Given[Key],
    payload: Given[Body],
    catalog: Given[Catalog],
    collections: Given[Collections],
    style: Given[Style],
) -> Response[schema.Collection]:
    """Set name and offline where they are given."""
    collection = manage.identifier(uuid, "collection")
    await catalog.collection(key.tenant, collection)
    fields = Fields(await payload.json())
    name, offline = fields.name(required=False, longest=MAX_NAME), fields.flag("offline")
    fields.check()
    row = await catalog.change_collection(key.tenant, collection, name, offline)
    return manage.updated(views.collection(row), request, payload, style)


@delete("/api/v0/collection/{uuid:str}", summary="Delete a collection and all in it")
async def delete_collection(
    uuid: FromPath[str], key: Given[Key], catalog: Given[Catalog], collections: Given[Collections]
) -> None:
    """Its tokens are invalid before the answer is sent."""
    collection = manage.identifier(uuid, "collection")
    await catalog.drop_collection(key.tenant, collection)
    collections.nudge(collection)


HANDLERS = [list_collections, create_collection, get_collection, update_collection, delete_collection]
