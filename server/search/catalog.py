"""Collections and items as rows: every write is one transaction that also tells the replicas."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import msgspec

from server import changes, errors
from server.search import queries
from server.search.listing import Listing, invalid

if TYPE_CHECKING:
    from server.db import Connection, Database
    from server.deadline import Deadline
    from server.search.disposal import Disposal

Row: TypeAlias = asyncpg.Record


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """How much one tenant may keep; items and images are counted per collection."""

    collections: int = 1_000
    items: int = 1_000_000
    images: int = 1_000_000


class ItemValues(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of an item; None leaves a value alone unless its flag says that it was given."""

    name: str | None = None
    url: str | None = None
    custom: bytes | None = None
    content: str | None = None
    trackable: bool | None = None
    tags: list[str] | None = None
    has_custom: bool = False
    has_content: bool = False


def topic(collection: str) -> str:
    """The change topic of a collection: all that its replicas follow."""
    return f"search/{collection}"


def new_id() -> str:
    """32 lower hex."""
    return uuid.uuid4().hex


def page(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """The rows of a list query, and the total; an empty page still has one row with the total."""
    return [row for row in rows if row["place"] is not None], rows[0]["total"]


def quota_exceeded(code: str, limit: int, what: str) -> errors.Forbidden:
    """403 naming the limit."""
    return errors.Forbidden(f"At most {limit} {what} are allowed.", code=code)


class Catalog:
    """Collections and items of all tenants; each method names the tenant whose rows it sees."""

    def __init__(self, database: Database, quotas: Quotas, disposal: Disposal) -> None:
        self._database = database
        self._quotas = quotas
        self._disposal = disposal

    async def collections(self, tenant: str, listing: Listing) -> tuple[list[Row], int]:
        """One page, and the total."""
        return page(
            await self._database.fetch(
                queries.LIST_COLLECTIONS,
                tenant,
                *listing.values,
                listing.order,
                listing.limit,
                listing.offset,
            )
        )

    async def collection(self, tenant: str, collection: str) -> Row:
        """`NotFound` when there is none."""
        return found(await self._database.fetchrow(queries.GET_COLLECTION, tenant, collection))

    async def add_collection(self, tenant: str, name: str, offline: bool) -> Row:
        """A new collection with one token; VALIDATION_ERROR for a taken name, COLLECTION_QUOTA_EXCEEDED."""
        identifier = new_id()
        with unique_name():
            async with self._database.transaction() as connection:
                await connection.fetchrow(queries.LOCK_TENANT, tenant)
                if await connection.fetchval(queries.COUNT_COLLECTIONS, tenant) >= self._quotas.collections:
                    raise quota_exceeded("COLLECTION_QUOTA_EXCEEDED", self._quotas.collections, "collections")
                row = await connection.fetchrow(queries.ADD_COLLECTION, identifier, tenant, name, offline)
                await connection.fetchrow(queries.ADD_TOKEN, secrets.token_hex(8), identifier, [])
        return found(row)

    async def change_collection(
        self, tenant: str, collection: str, name: str | None, offline: bool | None
    ) -> Row:
        """Set what is not None."""
        with unique_name():
            return found(
                await self._database.fetchrow(queries.CHANGE_COLLECTION, tenant, collection, name, offline)
            )

    async def drop_collection(self, tenant: str, collection: str) -> None:
        """Delete it with all that is in it."""
        async with self._database.transaction() as connection:
            found(await connection.fetchrow(queries.GET_COLLECTION, tenant, collection))
            # Writers into the collection lock its topic before its rows: so does this.
            await changes.append(connection, topic(collection), ())
            blobs = await connection.fetch(queries.BLOBS_OF_COLLECTION, collection)
            await self._disposal.later(connection, blobs)
            found(await connection.fetchrow(queries.DROP_COLLECTION, tenant, collection))
            await changes.forget(connection, topic(collection))

    async def items(self, tenant: str, listing: Listing) -> tuple[list[Row], int]:
        """One page, and the total."""
        return page(
            await self._database.fetch(
                queries.LIST_ITEMS, tenant, *listing.values, listing.order, listing.limit, listing.offset
            )
        )

    async def item(self, tenant: str, item: str) -> Row:
        """`NotFound` when there is none."""
        return found(await self._database.fetchrow(queries.GET_ITEM, tenant, item))

    async def add_item(self, tenant: str, collection: str, values: ItemValues) -> Row:
        """VALIDATION_ERROR for an unknown collection or tag, ITEM_QUOTA_EXCEEDED."""
        identifier = new_id()
        async with self._database.transaction() as connection:
            await changes.append(connection, topic(collection), [f"item:{identifier}"])
            await known_collection(connection, tenant, collection)
            if await connection.fetchval(queries.COUNT_ITEMS, collection) >= self._quotas.items:
                raise quota_exceeded("ITEM_QUOTA_EXCEEDED", self._quotas.items, "items in a collection")
            tags = values.tags or []
            await known_tags(connection, collection, tags)
            row = await connection.fetchrow(
                queries.ADD_ITEM,
                identifier,
                collection,
                values.name,
                values.url or "",
                values.custom,
                values.content,
                bool(values.trackable),
                tags,
            )
        return found(row)

    async def change_item(self, tenant: str, item: str, values: ItemValues) -> Row:
        """Set what was given; AR_ITEM_IMAGE_COUNT when an item with several images would become trackable."""
        async with self._database.transaction() as connection:
            before = found(await connection.fetchrow(queries.GET_ITEM, tenant, item))
            collection = before["collection"].hex
            await changes.append(connection, topic(collection), [f"item:{item}"])
            if values.trackable and await connection.fetchval(queries.COUNT_ITEM_IMAGES, item) > 1:
                raise ar_image_count()
            if values.tags is not None:
                await known_tags(connection, collection, values.tags)
            row = await connection.fetchrow(
                queries.CHANGE_ITEM,
                item,
                values.name,
                values.url,
                values.custom,
                values.has_custom,
                values.content,
                values.has_content,
                values.trackable,
                values.tags,
            )
            # Within the transaction: what was deleted while we waited must not be told of again.
            return found(row)

    async def drop_item(self, tenant: str, item: str) -> str:
        """Delete it with its images; the id of its collection."""
        async with self._database.transaction() as connection:
            row = found(await connection.fetchrow(queries.GET_ITEM, tenant, item))
            collection: str = row["collection"].hex
            await changes.append(connection, topic(collection), [f"item:{item}"])
            await self._disposal.later(connection, await connection.fetch(queries.BLOBS_OF_ITEM, item))
            found(await connection.fetchrow(queries.DROP_ITEM, item))
        return collection

    async def custom(self, collection: str, item: str, deadline: Deadline) -> bytes:
        """The custom data of an item, for anybody who knows both ids; `NotFound` when there is none."""
        data = await self._database.fetchval(queries.CUSTOM, collection, item, deadline=deadline)
        if data is None:
            raise errors.NotFound
        return bytes(data)


class unique_name:
    """Turns the database's refusal of a second collection of one name into VALIDATION_ERROR."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, fault: object, trace: object) -> None:
        if isinstance(fault, asyncpg.UniqueViolationError):
            raise invalid({"name": ["Collection name must be unique"]}) from fault


def found(row: Row | None) -> Row:
    """The row, or `NotFound`."""
    if row is None:
        raise errors.NotFound
    return row


async def known_collection(connection: Connection, tenant: str, collection: str) -> None:
    """VALIDATION_ERROR when the tenant has no such collection; it stays until the transaction ends."""
    if await connection.fetchrow(queries.HOLD_COLLECTION, tenant, collection) is None:
        raise invalid({"collection": ["No such collection."]})


async def known_tags(connection: Connection, collection: str, tags: Sequence[str]) -> None:
    """VALIDATION_ERROR when a tag is not one of the collection; the tags stay until the transaction ends."""
    if not tags:
        return
    rows = await connection.fetch(queries.TAGS_IN, collection, tags)
    unknown = set(tags) - {row["id"].hex for row in rows}
    if unknown:
        raise invalid({"tags": [f"No such tag in this collection: {tag}." for tag in sorted(unknown)]})


def ar_image_count() -> errors.Forbidden:
    """A trackable item has exactly one image."""
    return errors.Forbidden("An AR item must have exactly one image.", code="AR_ITEM_IMAGE_COUNT")
