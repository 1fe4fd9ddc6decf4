"""Management of items: /api/v0/item/ (contract image-search, section 4.1)."""

from __future__ import annotations

from litestar import Response, delete, get, post, route
from litestar.di import NamedDependency as Given
from litestar.params import FromPath

from server.auth import Key
from server.search import listing, manage, schema, views
from server.search.catalog import Catalog, ItemValues
from server.search.collections import Collections
from server.search.inputs import MAX_URL, Body, Fields
from server.search.manage import Asked, Style


@get("/api/v0/item", summary="List items")
async def list_items(
    request: Asked, key: Given[Key], catalog: Given[Catalog]
) -> Response[schema.Page[schema.Item]]:
    """A page of the tenant's items."""
    asked = manage.wanted(request, "item", listing.ITEM)
    return manage.page(asked, await catalog.items(key.tenant, asked), views.item)


@post("/api/v0/item", summary="Create an item")
async def create_item(
    key: Given[Key], payload: Given[Body], catalog: Given[Catalog], collections: Given[Collections]
) -> Response[schema.Item]:
    """`{name, collection, url?, custom?, content?, trackable?, tags?}`."""
    fields = Fields(await payload.json())
    collection = fields.reference("collection", required=True) or ""
    values = given(fields, is_new=True)
    fields.check()
    row = await catalog.add_item(key.tenant, collection, values)
    collections.nudge(collection)
    return manage.created(views.item(row))


@get("/api/v0/item/{uuid:str}", summary="Show an item")
async def get_item(uuid: FromPath[str], key: Given[Key], catalog: Given[Catalog]) -> Response[schema.Item]:
    """One item."""
    return manage.shown(views.item(await catalog.item(key.tenant, manage.identifier(uuid, "item"))))


@route("/api/v0/item/{uuid:str}", http_method=["PUT", "PATCH", "POST"], summary="Update an item")
async def update_item(
    uuid: FromPath[str],
    request: Asked,
    key: Given[Key],
    payload: Given[Body],
    catalog: Given[Catalog],
    collections: Given[Collections],
    style: Given[Style],
) -> Response[schema.Item]:
    """Set what is given; null or empty clears url, content, tags and custom. The collection stays."""
    item = manage.identifier(uuid, "item")
    collection = (await catalog.item(key.tenant, item))["collection"].hex
    fields = Fields(await payload.json())
    fields.unchanged("collection", collection)
    values = given(fields, is_new=False)
    fields.check()
    row = await catalog.change_item(key.tenant, item, values)
    collections.nudge(collection)
    return manage.updated(views.item(row), request, payload, style)


@delete("/api/v0/item/{uuid:str}", summary="Delete an item and its images")
async def delete_item(
    uuid: FromPath[str], key: Given[Key], catalog: Given[Catalog], collections: Given[Collections]
) -> None:
    """No search that starts after the answer finds it."""
    collections.nudge(await catalog.drop_item(key.tenant, manage.identifier(uuid, "item")))


def given(fields: Fields, *, is_new: bool) -> ItemValues:
    """The values among the fields; the caller checks them."""
    url = fields.text("url", longest=MAX_URL)
    return ItemValues(
        name=fields.name(required=is_new),
        # Null clears it, as an empty text does.
        url="" if url is None and fields.has("url") else url,
        custom=fields.custom(),
        has_custom=fields.has("custom"),
        content=fields.content(),
        has_content=fields.has("content"),
        trackable=fields.flag("trackable"),
        tags=fields.tags(),
    )


HANDLERS = [list_items, create_item, get_item, update_item, delete_item]
