"""Reference images: the blob is durable before the row, the row and its features are one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np

from kernels.features import Features
from server import changes
from server.blobs import name_of
from server.search import queries
from server.search.catalog import Quotas, Row, ar_image_count, found, page, quota_exceeded, topic
from server.search.features import Described
from server.search.listing import Listing, invalid
from server.search.upload import Upload

if TYPE_CHECKING:
    from server.blobs import Blobs
    from server.db import Connection, Database
    from server.deadline import Deadline
    from server.search.disposal import Disposal


class Pictures:
    """Images of all tenants; each method of the management names the tenant whose rows it sees."""

    def __init__(self, database: Database, blobs: Blobs, quotas: Quotas, disposal: Disposal) -> None:
        self._database = database
        self._blobs = blobs
        self._quotas = quotas
        self._disposal = disposal

    async def listed(self, tenant: str, listing: Listing) -> tuple[list[Row], int]:
        """One page, and the total."""
        return page(
            await self._database.fetch(
                queries.LIST_IMAGES, tenant, *listing.values, listing.order, listing.limit, listing.offset
            )
        )

    async def get(self, tenant: str, image: str) -> Row:
        """`NotFound` when there is none."""
        return found(await self._database.fetchrow(queries.GET_IMAGE, tenant, image))

    async def item(self, tenant: str, item: str) -> Row:
        """The item that a new image names; VALIDATION_ERROR when there is none."""
        row = await self._database.fetchrow(queries.GET_ITEM, tenant, item)
        if row is None:
            raise invalid({"item": ["No such item."]})
        return row

    async def add(self, tenant: str, item: str, image: str, name: str, upload: Upload) -> Row:
        """Store a checked picture.

        Errors: AR_ITEM_IMAGE_COUNT for a second one of a trackable item, IMAGE_QUOTA_EXCEEDED.
        """
        collection: str = (await self.item(tenant, item))["collection"].hex
        async with self._kept(upload) as blobs, self._database.transaction() as connection:
            await changes.append(connection, topic(collection), [f"image:{image}"])
            # Asked again: under the lock of the topic it stays as it is.
            row = await connection.fetchrow(queries.GET_ITEM, tenant, item)
            if row is None:
                raise invalid({"item": ["No such item."]})
            if row["trackable"] and await connection.fetchval(queries.COUNT_ITEM_IMAGES, item):
                raise ar_image_count()
            if await connection.fetchval(queries.COUNT_IMAGES, collection) >= self._quotas.images:
                raise quota_exceeded("IMAGE_QUOTA_EXCEEDED", self._quotas.images, "images in a collection")
            await connection.execute(queries.ADD_IMAGE, image, item, name, *_rated(upload), *blobs)
            await _add_features(connection, image, upload.described)
            return found(await connection.fetchrow(queries.GET_IMAGE, tenant, image))

    async def replace(self, tenant: str, image: str, name: str | None, upload: Upload) -> Row:
        """Put another picture in the place of one; the id stays."""
        collection: str = (await self.get(tenant, image))["collection"].hex
        async with self._kept(upload) as blobs, self._database.transaction() as connection:
            await changes.append(connection, topic(collection), [f"image:{image}"])
            found(await connection.fetchrow(queries.GET_IMAGE, tenant, image))
            await self._disposal.later(connection, await connection.fetch(queries.BLOBS_OF_IMAGE, image))
            await connection.execute(queries.REPLACE_IMAGE, image, name, *_rated(upload), *blobs)
            await connection.execute(queries.DROP_FEATURES, image)
            await _add_features(connection, image, upload.described)
            return found(await connection.fetchrow(queries.GET_IMAGE, tenant, image))

    async def rename(self, tenant: str, image: str, name: str | None) -> Row:
        """Set its name unless that is None."""
        row = await self.get(tenant, image)
        if name is None:
            return row
        await self._database.execute(queries.RENAME_IMAGE, image, name)
        return await self.get(tenant, image)

    async def drop(self, tenant: str, image: str) -> str:
        """Delete it; the id of its collection. AR_ITEM_IMAGE_COUNT for the only image of a trackable item."""
        async with self._database.transaction() as connection:
            row = found(await connection.fetchrow(queries.GET_IMAGE, tenant, image))
            collection: str = row["collection"].hex
            await changes.append(connection, topic(collection), [f"image:{image}"])
            if row["trackable"] and await connection.fetchval(queries.COUNT_ITEM_IMAGES, row["item"]) == 1:
                raise ar_image_count()
            await self._disposal.later(connection, await connection.fetch(queries.BLOBS_OF_IMAGE, image))
            found(await connection.fetchrow(queries.DROP_IMAGE, image))
        return collection

    async def blob(
        self, collection: str, item: str, image: str, side: int, deadline: Deadline
    ) -> tuple[str, str]:
        """SHA-256 and type of the picture (side 0) or of its thumbnail; anybody who knows the ids may ask."""
        row = found(
            await self._database.fetchrow(queries.GET_BLOB, collection, item, image, side, deadline=deadline)
        )
        return row["sha256"], row["content_type"]

    async def read(self, sha256: str) -> bytes:
        """The bytes of a blob; `NotFound` when it is gone."""
        return await self._blobs.get(sha256)

    @asynccontextmanager
    async def _kept(self, upload: Upload) -> AsyncIterator[list[str]]:
        """Make the picture and its thumbnails durable; given up again when the block is refused."""
        pictures = (upload.data, *upload.thumbs)
        # First of all, and apart: whatever happens to this request, what no row comes to name is freed later.
        names = await asyncio.to_thread(lambda: [name_of(data) for data in pictures])
        async with self._database.transaction() as connection:
            await self._disposal.later(connection, [names])
        yield await asyncio.gather(*map(self._blobs.put, pictures))


def packed(described: Described) -> tuple[bytes, bytes, int, int, bytes, int, int]:
    """The columns of `search_features` after the image's id."""
    height, width = described.gray.shape
    thumb_height, thumb_width = described.thumb.shape
    found = described.features
    return (
        np.ascontiguousarray(found.keypoints, dtype="<f4").tobytes(),
        np.ascontiguousarray(found.descriptors).tobytes(),
        width,
        height,
        np.ascontiguousarray(described.thumb).tobytes(),
        thumb_width,
        thumb_height,
    )


def unpacked(row: Row) -> Described:
    """The inverse of `packed`; of the gray picture only its size is kept, its pixels read as black."""
    # Copies: arrays over the driver's bytes are read-only, another type to compiled kernels.
    features = Features(
        keypoints=np.frombuffer(row["keypoints"], "<f4").reshape(-1, 4).astype(np.float32),
        descriptors=np.frombuffer(row["descriptors"], np.uint8).reshape(-1, 128).copy(),
    )
    thumb = np.frombuffer(row["thumb"], np.uint8).reshape(row["thumb_height"], row["thumb_width"]).copy()
    gray = np.broadcast_to(np.uint8(0), (row["height"], row["width"]))
    return Described(gray, thumb, features, 0.0)


def _rated(upload: Upload) -> tuple[str, float, list[str], str]:
    return upload.status, upload.value, upload.reasons, upload.content_type


async def _add_features(connection: Connection, image: str, described: Described | None) -> None:
    if described is not None:
        await connection.execute(queries.ADD_FEATURES, image, *packed(described))
