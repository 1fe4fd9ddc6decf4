"""Keys: hashed, scoped, per product, revoked at once."""

import pytest

from server import errors
from server.auth import Keys, bearer, is_same, secret_hash
from server.db import Database


async def test_a_new_key_is_found_by_its_secret_and_product(database: Database) -> None:
    keys = Keys(database)
    key, secret = await keys.create("search", "phone app")
    assert len(secret) == 40 and set(secret) <= set("0123456789abcdef")
    assert await keys.find(secret, "search") == key
    assert key.scopes == ("read", "write")


@pytest.mark.parametrize("secret", [None, "", "0" * 40])
async def test_an_unknown_secret_finds_nothing(database: Database, secret: str | None) -> None:
    assert await Keys(database).find(secret, "search") is None


async def test_a_key_does_not_open_another_product(database: Database) -> None:
    keys = Keys(database)
    _, secret = await keys.create("search", "a")
    assert await keys.find(secret, "shelf") is None
    assert await keys.find(secret, ("shelf", "search")) is not None


async def test_only_the_hash_is_stored(database: Database) -> None:
    _, secret = await Keys(database).create("search", "a")
    row = await database.fetchrow("SELECT * FROM api_key")
    assert row is not None
    assert row["secret_sha256"] == secret_hash(secret)
    assert secret not in repr(dict(row))


async def test_a_deleted_key_is_gone_for_every_reader_at_once(database: Database) -> None:
    writer, reader = Keys(database), Keys(database)
    key, secret = await writer.create("vision", "a")
    assert await reader.find(secret, "vision") is not None
    await writer.delete(key.id)
    assert await reader.find(secret, "vision") is None
    with pytest.raises(errors.NotFound):
        await writer.delete(key.id)


async def test_require_tells_unknown_from_missing_scope(database: Database) -> None:
    keys = Keys(database)
    _, secret = await keys.create("search", "reader", ["read"])
    await keys.require(secret, "search", "read")
    with pytest.raises(errors.Forbidden):
        await keys.require(secret, "search", "write")
    with pytest.raises(errors.Unauthorised):
        await keys.require("no such", "search", "read")


async def test_each_key_is_a_tenant_of_its_own_unless_one_is_named(database: Database) -> None:
    keys = Keys(database)
    first, _ = await keys.create("shelf", "a")
    second, _ = await keys.create("shelf", "b")
    third, _ = await keys.create("shelf", "c", tenant=first.tenant)
    assert first.tenant != second.tenant
    assert third.tenant == first.tenant
    assert [key.id for key in await keys.list()] == [first.id, second.id, third.id]


@pytest.mark.parametrize(
    ("product", "scopes", "tenant"),
    [
        ("mail", ["read"], None),
        ("search", ["admin"], None),
        ("search", [], None),
        ("search", ["read"], "none"),
    ],
)
async def test_a_key_for_something_unknown_is_refused(
    database: Database, product: str, scopes: list[str], tenant: str | None
) -> None:
    with pytest.raises(errors.Unprocessable):
        await Keys(database).create(product, "a", scopes, tenant=tenant)


async def test_options_merge_and_null_removes(database: Database) -> None:
    keys = Keys(database)
    key, _ = await keys.create("shelf", "a")
    await keys.set_options(key.tenant, {"bundle": True, "type_style": "versioned"})
    tenant = await keys.set_options(key.tenant, {"bundle": None, "count_piles": 2})
    assert tenant.options == {"type_style": "versioned", "count_piles": 2}


async def test_a_rotated_webhook_secret_leaves_both_alive(database: Database) -> None:
    keys = Keys(database)
    key, _ = await keys.create("shelf", "a")
    before = await keys.tenant(key.tenant)
    after = await keys.rotate_webhook_secret(key.tenant)
    assert before.previous_webhook_secret is None
    assert after.previous_webhook_secret == before.webhook_secret != after.webhook_secret
    await database.execute("UPDATE tenant SET previous_valid_until = now() - interval '1 second'")
    assert (await keys.tenant(key.tenant)).previous_webhook_secret is None


async def test_unknown_tenants_are_not_found(database: Database) -> None:
    keys = Keys(database)
    for call in (keys.tenant("x"), keys.set_options("x", {}), keys.rotate_webhook_secret("x")):
        with pytest.raises(errors.NotFound):
            await call


def test_bearer_reads_only_its_own_scheme() -> None:
    assert bearer("Bearer abc") == "abc"
    assert bearer("bearer  abc ") == "abc"
    assert bearer("Token abc") is None
    assert bearer("Bearer") is None
    assert bearer(None) is None


def test_secrets_of_different_length_compare() -> None:
    assert is_same("abc", "abc")
    assert not is_same("abc", "abcd")
