"""Tokens, the read-only search keys of one collection, and tags, which narrow what a token finds."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from server import errors
from server.search import queries, references
from server.search.catalog import Row, found, known_collection, known_tags, new_id, page
from server.search.listing import Listing, invalid

if TYPE_CHECKING:
    from server.db import Database
    from server.deadline import Deadline

WELL_FORMED = re.compile(r"[0-9A-Za-z]{16}")
TAG_EXISTS = {"__all__": ["Tag with this Name and Collection already exists."]}


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid token opens: a collection, only items with one of `tags` if there are any.

    `sequence` is the number of the latest change that a search with the token must have seen.
    """

    token: str
    collection: str
    tags: tuple[str, ...]
    sequence: int


class Tokens:
    """Tokens of all tenants; each method of the management names the tenant whose rows it sees."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, text: str | None, deadline: Deadline | None = None) -> Access:
        """What the token opens; TOKEN_MISSING, TOKEN_WRONG or TOKEN_INVALID, checked in this order."""
        token = (text or "").strip()
        if not token:
            raise errors.Unauthorised("Token is missing", code="TOKEN_MISSING")
        if not WELL_FORMED.fullmatch(token):
            raise errors.BadRequest("Token should be a 16 characters string", code="TOKEN_WRONG")
        row = await self._database.fetchrow(queries.OPEN_TOKEN, token.lower(), deadline=deadline)
        if row is None:
            raise errors.Forbidden("Token is invalid", code="TOKEN_INVALID")
        return Access(
            token=row["token"],
            collection=row["collection"].hex,
            tags=tuple(tag.hex for tag in row["tags"]),
            sequence=row["sequence"],
        )

    async def named_tags(
        self, collection: str, names: Sequence[str], deadline: Deadline | None = None
    ) -> list[str]:
        """The ids of the collection's tags of which `names` holds the name or the uuid."""
        identifiers: list[str] = []
        for name in names:
            try:
                identifiers.append(references.identifier(name, "tag"))
            except references.InvalidReference:
                continue
        rows = await self._database.fetch(
            queries.TAGS_NAMED, collection, list(names), identifiers, deadline=deadline
        )
        return [row["id"].hex for row in rows]

    async def listed(self, tenant: str, listing: Listing) -> tuple[list[Row], int]:
        """One page, and the total."""
        return page(
            await self._database.fetch(
                queries.LIST_TOKENS, tenant, *listing.values, listing.order, listing.limit, listing.offset
            )
        )

    async def get(self, tenant: str, token: str) -> Row:
        """`NotFound` when there is none."""
        return found(await self._database.fetchrow(queries.GET_TOKEN, tenant, token))

    async def add(self, tenant: str, collection: str, tags: Sequence[str]) -> Row:
        """A new token; VALIDATION_ERROR for an unknown collection or tag."""
        async with self._database.transaction() as connection:
            await known_collection(connection, tenant, collection)
            await known_tags(connection, collection, tags)
            row = await connection.fetchrow(queries.ADD_TOKEN, secrets.token_hex(8), collection, tags)
        return found(row)

    async def change(self, tenant: str, token: str, tags: Sequence[str] | None) -> Row:
        """Set its tags unless they are None."""
        async with self._database.transaction() as connection:
            before = found(await connection.fetchrow(queries.GET_TOKEN, tenant, token))
            await known_tags(connection, before["collection"].hex, tags or ())
            return found(await connection.fetchrow(queries.CHANGE_TOKEN, token, tags))

    async def drop(self, tenant: str, token: str) -> None:
        """Revoke it: no search that starts after this finds it."""
        async with self._database.transaction() as connection:
            found(await connection.fetchrow(queries.GET_TOKEN, tenant, token))
            await connection.execute(queries.DROP_TOKEN, token)


class Tags:
    """Tags of all tenants; each method names the tenant whose rows it sees."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, tenant: str, listing: Listing) -> tuple[list[Row], int]:
        """One page, and the total."""
        return page(
            await self._database.fetch(
                queries.LIST_TAGS, tenant, *listing.values, listing.order, listing.limit, listing.offset
            )
        )

    async def get(self, tenant: str, tag: str) -> Row:
        """`NotFound` when there is none."""
        return found(await self._database.fetchrow(queries.GET_TAG, tenant, tag))

    async def add(self, tenant: str, collection: str, name: str) -> Row:
        """VALIDATION_ERROR for an unknown collection or a name taken in it."""
        try:
            async with self._database.transaction() as connection:
                await known_collection(connection, tenant, collection)
                row = await connection.fetchrow(queries.ADD_TAG, new_id(), collection, name)
        except asyncpg.UniqueViolationError as fault:
            raise invalid(TAG_EXISTS) from fault
        return found(row)

    async def change(self, tenant: str, tag: str, name: str | None) -> Row:
        """Set its name unless that is None."""
        try:
            async with self._database.transaction() as connection:
                found(await connection.fetchrow(queries.GET_TAG, tenant, tag))
                return found(await connection.fetchrow(queries.CHANGE_TAG, tag, name))
        except asyncpg.UniqueViolationError as fault:
            raise invalid(TAG_EXISTS) from fault

    async def drop(self, tenant: str, tag: str) -> None:
        """Delete it and take it off its items and tokens."""
        async with self._database.transaction() as connection:
            row = found(await connection.fetchrow(queries.GET_TAG, tenant, tag))
            # The tag first: whoever puts it on something holds it until done, and is seen below.
            await connection.execute(queries.DROP_TAG, tag)
            await connection.execute(queries.UNLINK_ITEMS, row["collection"], tag)
            await connection.execute(queries.UNLINK_TOKENS, row["collection"], tag)
