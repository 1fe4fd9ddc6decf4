"""Keys and tenants: high-entropy secrets, stored as SHA-256, looked up in the database for every request.

Nothing is cached: a deleted key stops working in every worker at once, for one indexed read per request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from server import errors

if TYPE_CHECKING:
    from server.db import Database
    from server.deadline import Deadline

PRODUCTS = ("search", "shelf", "moderation", "vision")
SCOPES = ("read", "write")
KEY_PATTERN = re.compile(r"[0-9a-f]{40}")
# Receivers of webhooks have this long to learn a rotated secret.
ROTATION_HOURS = 24

ADD_TENANT = "INSERT INTO tenant (id, webhook_secret) VALUES ($1, $2)"
ADD_KEY = """
INSERT INTO api_key (id, tenant, product, name, scopes, secret_sha256) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id, tenant, product, name, scopes, created_at
"""
FIND_KEY = """
SELECT id, tenant, product, name, scopes, created_at, secret_sha256 FROM api_key WHERE secret_sha256 = $1
"""
LIST_KEYS = "SELECT id, tenant, product, name, scopes, created_at FROM api_key ORDER BY created_at, id"
DELETE_KEY = "DELETE FROM api_key WHERE id = $1 RETURNING id"
GET_TENANT = """
SELECT id, options, webhook_secret,
       CASE WHEN previous_valid_until > now() THEN previous_webhook_secret END AS previous_webhook_secret
FROM tenant WHERE id = $1
"""
# A null takes the option away.
PATCH_TENANT = """
UPDATE tenant SET options = jsonb_strip_nulls(options || $2::jsonb) WHERE id = $1 RETURNING id
"""
ROTATE_SECRET = f"""
UPDATE tenant SET previous_webhook_secret = webhook_secret, webhook_secret = $2,
                  previous_valid_until = now() + interval '{ROTATION_HOURS} hours'
WHERE id = $1 RETURNING id
"""  # noqa: S608 - the number is ours


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key without its secret."""

    id: str
    product: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime

    def allows(self, scope: str) -> bool:
        """Whether the key carries the scope; `write` does not imply `read`."""
        return scope in self.scopes


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever owns rows: options the operator set, and the secret that signs webhooks."""

    id: str
    options: dict[str, Any]
    webhook_secret: str
    # Signs too until a rotation is 24 h old.
    previous_webhook_secret: str | None = None


def secret_hash(secret: str) -> bytes:
    """SHA-256 is enough for 160 random bits: there is nothing to guess, so nothing to slow down."""
    return hashlib.sha256(secret.encode()).digest()


def is_same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time, whatever their lengths."""
    return hmac.compare_digest(secret_hash(given), secret_hash(expected))


def bearer(header: str | None) -> str | None:
    """The token of an `Authorization: Bearer ...` header, or None."""
    scheme, _, token = (header or "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class Keys:
    """The keys of all products."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        product: str,
        name: str,
        scopes: Sequence[str] = SCOPES,
        *,
        tenant: str | None = None,
        secret: str | None = None,
    ) -> tuple[Key, str]:
        """A new key and its secret, shown only here (40 hex); a new tenant unless one is named.

        `secret` lets a demo or a test choose it. `Unprocessable` for an unknown product, scope or tenant.
        """
        if product not in PRODUCTS:
            raise errors.Unprocessable(f"product must be one of {', '.join(PRODUCTS)}")
        if not scopes or any(scope not in SCOPES for scope in scopes):
            raise errors.Unprocessable(f"scopes must be some of {', '.join(SCOPES)}")
        secret = secret or secrets.token_hex(20)
        async with self._database.transaction() as connection:
            if tenant is None:
                tenant = secrets.token_hex(16)
                await connection.execute(ADD_TENANT, tenant, secrets.token_hex(32))
            elif await connection.fetchrow(GET_TENANT, tenant) is None:
                raise errors.Unprocessable("tenant does not exist")
            row = await connection.fetchrow(
                ADD_KEY,
                secrets.token_hex(8),
                tenant,
                product,
                name,
                list(dict.fromkeys(scopes)),
                secret_hash(secret),
            )
        if row is None:
            raise AssertionError("INSERT ... RETURNING gives a row")
        return _key(row), secret

    async def find(
        self, secret: str | None, product: str | Sequence[str], *, deadline: Deadline | None = None
    ) -> Key | None:
        """The key of this product with that secret, or None."""
        if not secret:
            return None
        digest = secret_hash(secret)
        row = await self._database.fetchrow(FIND_KEY, digest, deadline=deadline)
        if row is None or not hmac.compare_digest(row["secret_sha256"], digest):
            return None
        products = (product,) if isinstance(product, str) else product
        return _key(row) if row["product"] in products else None

    async def require(
        self, secret: str | None, product: str, scope: str, *, deadline: Deadline | None = None
    ) -> Key:
        """The key, or `Unauthorised` when unknown and `Forbidden` when it lacks the scope."""
        key = await self.find(secret, product, deadline=deadline)
        if key is None:
            raise errors.Unauthorised(headers={"WWW-Authenticate": "Bearer"})
        if not key.allows(scope):
            raise errors.Forbidden(f"The key lacks the scope {scope}")
        return key

    async def list(self) -> list[Key]:
        """Every key, oldest first."""
        return [_key(row) for row in await self._database.fetch(LIST_KEYS)]

    async def delete(self, key_id: str) -> None:
        """Revoke at once, in every worker; `NotFound` when there is none."""
        if await self._database.fetchval(DELETE_KEY, key_id) is None:
            raise errors.NotFound("No such key")

    async def tenant(self, tenant_id: str) -> Tenant:
        """`NotFound` when there is none."""
        row = await self._database.fetchrow(GET_TENANT, tenant_id)
        if row is None:
            raise errors.NotFound("No such tenant")
        return Tenant(**row)

    async def set_options(self, tenant_id: str, options: dict[str, Any]) -> Tenant:
        """Merge into the tenant's options; a null takes one away."""
        if await self._database.fetchval(PATCH_TENANT, tenant_id, options) is None:
            raise errors.NotFound("No such tenant")
        return await self.tenant(tenant_id)

    async def rotate_webhook_secret(self, tenant_id: str) -> Tenant:
        """A new webhook secret; the old one stays valid for 24 h."""
        if await self._database.fetchval(ROTATE_SECRET, tenant_id, secrets.token_hex(32)) is None:
            raise errors.NotFound("No such tenant")
        return await self.tenant(tenant_id)


def _key(row: Any) -> Key:
    return Key(
        id=row["id"],
        product=row["product"],
        tenant=row["tenant"],
        name=row["name"],
        scopes=tuple(row["scopes"]),
        created_at=row["created_at"],
    )
