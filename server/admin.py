"""`/admin/v1`: keys, tenants, import and export, deletion; one bearer key opens it all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Request, Router, delete, get, patch, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from server import auth, errors, forms, transfer
from server.auth import Keys
from server.jobs import JobCount, Jobs
from server.settings import Limits
from server.transfer import Kind, Report

NDJSON = "application/x-ndjson"


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to make; a new tenant unless one is named."""

    product: str
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    scopes: list[str] = msgspec.field(default_factory=lambda: list(auth.SCOPES))
    tenant: str | None = None


class MadeKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key; `key` is shown only here."""

    id: str
    key: str
    product: str
    name: str
    scopes: list[str]
    tenant: str
    webhook_secret: str


class ShownKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret."""

    id: str
    product: str
    name: str
    scopes: list[str]
    tenant: str
    created_at: str


class ShownKeys(msgspec.Struct, frozen=True):
    """Every key, oldest first."""

    keys: list[ShownKey]


class ShownTenant(msgspec.Struct, frozen=True):
    """A tenant's options as they are now."""

    id: str
    options: dict[str, Any]


class RotatedSecret(msgspec.Struct, frozen=True):
    """The new secret; the one before signs for 24 hours more."""

    tenant: str
    webhook_secret: str


class ShownJobs(msgspec.Struct, frozen=True):
    """Background work by kind and state; "failed" is work that was given up."""

    jobs: list[JobCount]


def router(
    keys: Keys, kinds: Mapping[str, Kind], jobs: Jobs, limits: Limits, admin_key: str | None
) -> Router:
    """The routes; without an admin key every one of them refuses."""

    def is_admin(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        given = auth.bearer(connection.headers.get("authorization"))
        if admin_key is None or given is None or not auth.is_same(given, admin_key):
            raise errors.Unauthorised("A valid admin key is required", headers={"WWW-Authenticate": "Bearer"})

    @post("/keys", summary="Make a key")
    async def create_key(request: Request[Any, Any, Any]) -> MadeKey:
        wanted = await _json(request, NewKey, limits)
        key, secret = await keys.create(wanted.product, wanted.name, wanted.scopes, tenant=wanted.tenant)
        tenant = await keys.tenant(key.tenant)
        return MadeKey(
            id=key.id,
            key=secret,
            product=key.product,
            name=key.name,
            scopes=list(key.scopes),
            tenant=key.tenant,
            webhook_secret=tenant.webhook_secret,
        )

    @get("/keys", summary="List the keys")
    async def list_keys() -> ShownKeys:
        return ShownKeys(
            [
                ShownKey(
                    id=key.id,
                    product=key.product,
                    name=key.name,
                    scopes=list(key.scopes),
                    tenant=key.tenant,
                    created_at=key.created_at.isoformat(),
                )
                for key in await keys.list()
            ]
        )

    @delete("/keys/{key_id:str}", summary="Revoke a key at once")
    async def delete_key(key_id: FromPath[str]) -> None:
        await keys.delete(key_id)

    @patch("/tenants/{tenant_id:str}", summary="Set options of a tenant")
    async def set_options(request: Request[Any, Any, Any], tenant_id: FromPath[str]) -> ShownTenant:
        options = await _json(request, dict[str, Any], limits)
        if options.keys() == {"options"} and isinstance(options["options"], dict):
            options = options["options"]
        tenant = await keys.set_options(tenant_id, options)
        return ShownTenant(tenant.id, tenant.options)

    @post("/tenants/{tenant_id:str}/webhook_secret", status_code=200, summary="Rotate the webhook secret")
    async def rotate(tenant_id: FromPath[str]) -> RotatedSecret:
        tenant = await keys.rotate_webhook_secret(tenant_id)
        return RotatedSecret(tenant.id, tenant.webhook_secret)

    @post("/import/{kind:str}", status_code=200, summary="Import lines of JSON, gzip or plain")
    async def import_lines(request: Request[Any, Any, Any], kind: FromPath[str]) -> Report:
        return await transfer.import_stream(
            transfer.find(kinds, kind),
            forms.chunks(request, None),
            dict(request.query_params),
            max_line_bytes=limits.import_line_bytes,
        )

    @get("/export/{kind:str}", summary="Export lines of JSON")
    async def export_lines(request: Request[Any, Any, Any], kind: FromPath[str]) -> Stream:
        found = transfer.find(kinds, kind)
        if found.export_lines is None:
            raise errors.NotFound(f"{kind} cannot be exported")
        return Stream(transfer.export_stream(found, dict(request.query_params)), media_type=NDJSON)

    @delete("/{kind:str}/{key:path}", status_code=204, summary="Delete one product, image or logo")
    async def delete_one(kind: FromPath[str], key: FromPath[str]) -> None:
        deletable = {name: plugged for name, plugged in kinds.items() if plugged.delete is not None}
        found = transfer.find(deletable, kind)
        if found.delete is None:
            raise AssertionError("only kinds that can delete are searched")
        await found.delete(key.strip("/"))

    @get("/jobs", summary="Background jobs that wait, run or were given up")
    async def list_jobs() -> ShownJobs:
        return ShownJobs(await jobs.overview())

    return Router(
        "/admin/v1",
        route_handlers=[
            create_key,
            list_keys,
            delete_key,
            set_options,
            rotate,
            import_lines,
            export_lines,
            delete_one,
            list_jobs,
        ],
        guards=[is_admin],
        tags=["administration"],
        security=[{"bearer": []}],
    )


async def _json(request: Request[Any, Any, Any], kind: type[Any], limits: Limits) -> Any:
    """The body as that type; `BadRequest` says which field is wrong."""
    body = await forms.read_body(request, limits.json_bytes)
    return forms.decode_json(body, msgspec.json.Decoder(kind))
