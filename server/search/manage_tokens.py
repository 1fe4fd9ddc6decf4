"""Management of tokens: /api/v0/token/ (contract image-search, section 4.1)."""

from __future__ import annotations

from litestar import Response, delete, get, post, route
from litestar.di import NamedDependency as Given
from litestar.params import FromPath

from server.auth import Key
from server.search import listing, manage, schema, views
from server.search.inputs import Body, Fields
from server.search.manage import Asked, Style
from server.search.tokens import Tokens


@get("/api/v0/token", summary="List tokens")
async def list_tokens(
    request: Asked, key: Given[Key], tokens: Given[Tokens]
) -> Response[schema.Page[schema.Token]]:
    """A page of the tokens of the tenant's collections."""
    asked = manage.wanted(request, "token", listing.TOKEN)
    return manage.page(asked, await tokens.listed(key.tenant, asked), views.token)


@post("/api/v0/token", summary="Create a token")
async def create_token(
    key: Given[Key], payload: Given[Body], tokens: Given[Tokens]
) -> Response[schema.Token]:
    """`{collection, tags?}`; with tags it finds only items that carry one of them."""
    fields = Fields(await payload.json())
    collection = fields.reference("collection", required=True)
    tags = fields.tags()
    fields.check()
    return manage.created(views.token(await tokens.add(key.tenant, collection or "", tags or ())))


@get("/api/v0/token/{token:str}", summary="Show a token")
async def get_token(token: FromPath[str], key: Given[Key], tokens: Given[Tokens]) -> Response[schema.Token]:
    """One token."""
    return manage.shown(views.token(await tokens.get(key.tenant, manage.identifier(token, "token"))))


@route("/api/v0/token/{token:str}", http_method=["PUT", "PATCH", "POST"], summary="Update a token")
async def update_token(
    token: FromPath[str],
    request: Asked,
    key: Given[Key],
    payload: Given[Body],
    tokens: Given[Tokens],
    style: Given[Style],
) -> Response[schema.Token]:
    """Set its tags; nothing else of it can be changed here."""
    known = manage.identifier(token, "token")
    before = await tokens.get(key.tenant, known)
    fields = Fields(await payload.json())
    fields.unchanged("collection", before["collection"].hex)
    tags = fields.tags()
    fields.check()
    return manage.updated(views.token(await tokens.change(key.tenant, known, tags)), request, payload, style)


@delete("/api/v0/token/{token:str}", summary="Revoke a token")
async def delete_token(token: FromPath[str], key: Given[Key], tokens: Given[Tokens]) -> None:
    """It opens nothing from the answer on."""
    await tokens.drop(key.tenant, manage.identifier(token, "token"))


HANDLERS = [list_tokens, create_token, get_token, update_token, delete_token]
