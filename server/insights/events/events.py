"""What happens to products and images, and the work that follows from it (contract 4.6)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from server import errors
from server.insights import barcodes, queries_events, queries_products
from server.insights.parameters import SERVER_TYPES
from server.insights.products.products import Product
from server.jobs import JobKind

if TYPE_CHECKING:
    from server.db import Connection, Database
    from server.insights.products.products import Products
    from server.jobs import Jobs

JOB = "insight_event"
# A product server tells of a change before everybody reads it.
SETTLE_S = 10
LOW_PRIORITY = -10
IMAGE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,50}")
MAX_ROW = 2**63 - 1


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened; `server_type` is the one the product has now, `image_id` is of image events."""

    kind: Literal[
        "product_updated", "product_deleted", "type_changed", "image_uploaded", "ocr_ready", "image_deleted"
    ]
    server_type: str
    barcode: str
    image_id: str = ""
    ocr_url: str | None = None
    # Which fields and which parts changed, as far as is told: product_name, nutriments, uploaded_images.
    changed: tuple[str, ...] = ()


# More work that follows from an event, between its rows and the refresh of the product's insights.
Step: TypeAlias = Callable[[Event], Awaitable[None]]
ForgetLogos: TypeAlias = Callable[["Connection", Sequence[int]], Awaitable[None]]


class Events:
    """Does the work of each event, at once or as a job.

    `refresh(server_type, barcode)` computes a product's insights anew. `steps` are what networks and text
    predictors do on an event of that kind. `forget_logos(connection, ids)` tells the index of logos, within
    the transaction, which ones go. `settle_s` passes before an updated product is read.
    """

    def __init__(
        self,
        *,
        database: Database,
        jobs: Jobs,
        products: Products,
        refresh: Callable[[str, str], Awaitable[None]],
        settle_s: float = 0.0,
        steps: Mapping[str, Sequence[Step]] | None = None,
        forget_logos: ForgetLogos | None = None,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._products = products
        self._refresh = refresh
        self._settle_s = settle_s
        self._steps = steps or {}
        self._forget_logos = forget_logos
        self.job_kind = JobKind(JOB, self._run)

    async def schedule(self, connection: Connection, event: Event, *, is_urgent: bool = True) -> None:
        """Queue the work within the caller's transaction; several updates of a product in a short time are one."""
        delay_s, key = 0.0, None
        if event.kind == "product_updated" and self._settle_s > 0:
            delay_s = self._settle_s
            # All events with this key come before the job runs, so none is missed.
            key = f"{JOB}:{event.server_type}:{event.barcode}:{int(time() / delay_s)}"
        await self._jobs.enqueue(
            connection,
            JOB,
            msgspec.to_builtins(event),
            delay_s=delay_s,
            dedupe_key=key,
            priority=0 if is_urgent else LOW_PRIORITY,
        )

    async def announce(self, *events: Event) -> None:
        """Queue the work of these events, all or none."""
        async with self._database.transaction() as connection:
            for event in events:
                await self.schedule(connection, event)

    async def handle(self, event: Event) -> None:
        """Do all work of an event now; doing it again does no harm."""
        match event.kind:
            case "product_deleted":
                await self._remove_product(event.server_type, event.barcode)
                return
            case "type_changed":
                await self._change_type(event)
                return
            case "product_updated":
                await self._read_anew(event)
            case "image_deleted":
                await self._remove_image(event)
                await self._read_anew(event)
            case "image_uploaded" | "ocr_ready":
                await self._save_image(event)
        for step in self._steps.get(event.kind, ()):
            await step(event)
        await self._refresh(event.server_type, event.barcode)

    async def delete_product(self, key: str) -> None:
        """The event for "[server_type/]barcode"; `NotFound` when nothing is known of it."""
        server_type, barcode = product_key(key)
        if not await self._remove_product(server_type, barcode):
            raise errors.NotFound(f"There is no product {key[:100]}")

    async def delete_image(self, key: str) -> None:
        """The event for "[server_type/]barcode/image_id", or for the number of a row; `NotFound` without one."""
        if "/" not in key:
            row = await self._database.fetchrow(queries_events.IMAGE_KEY, row_number(key))
            if row is None:
                raise errors.NotFound(f"There is no image {key[:100]}")
            server_type, barcode, image_id = row
        else:
            product, _, image_id = key.rpartition("/")
            server_type, barcode = product_key(product)
            if not IMAGE_NAME.fullmatch(image_id):
                raise errors.BadRequest("The image id is not usable")
        event = Event(kind="image_deleted", server_type=server_type, barcode=barcode, image_id=image_id)
        if not await self._remove_image(event):
            raise errors.NotFound(f"There is no image {key[:100]}")
        await self._refresh(server_type, barcode)

    async def delete_logo(self, key: str) -> None:
        """Remove a logo, and what was only proposed because of it; `NotFound` when there is none."""
        async with self._database.transaction() as connection:
            logo = await connection.fetchrow(queries_events.LOGO, row_number(key))
            if logo is None:
                raise errors.NotFound(f"There is no logo {key[:100]}")
            product = logo["server_type"], logo["barcode"]
            await connection.execute(queries_products.HOLD, *product)
            await connection.execute(queries_events.DELETE_LOGO_INSIGHTS, *product, str(logo["id"]))
            await connection.execute(queries_events.DELETE_LOGO_PREDICTIONS, *product, str(logo["id"]))
            await self._forget(connection, [logo["id"]])
            await connection.execute(queries_events.DELETE_LOGO, logo["id"])
        await self._refresh(*product)

    async def _run(self, payload: dict[str, Any]) -> None:
        await self.handle(msgspec.convert(payload, Event))

    async def _read_anew(self, event: Event) -> None:
        """What follows may work on a copy of the product, which must not be older than the event."""
        await self._products.get(event.server_type, event.barcode)

    async def _remove_product(self, *product: str) -> bool:
        """Predictions, open insights and the product itself; whether there was anything."""
        async with self._database.transaction() as connection:
            await connection.execute(queries_products.HOLD, *product)
            done = [
                await connection.execute(query, *product)
                for query in (
                    queries_events.DELETE_INSIGHTS,
                    queries_events.DELETE_PREDICTIONS,
                    queries_products.DELETE,
                )
            ]
        return any(not tag.endswith(" 0") for tag in done)

    async def _remove_image(self, event: Event) -> bool:
        """All that was seen on an image; whether its row was there."""
        product = event.server_type, event.barcode
        async with self._database.transaction() as connection:
            await connection.execute(queries_products.HOLD, *product)
            image = await connection.fetchrow(queries_events.LOCK_IMAGE, *product, event.image_id)
            source = (
                barcodes.source_image(event.barcode, event.image_id)
                if image is None
                else image["source_image"]
            )
            await connection.execute(queries_events.DELETE_IMAGE_INSIGHTS, *product, source)
            await connection.execute(queries_events.DELETE_IMAGE_PREDICTIONS_OF, *product, source)
            if image is not None:
                await connection.execute(queries_events.FLAG_IMAGE, image["id"])
                await self._remove_detections(connection, [image["id"]])
            await _change_images(connection, *product, lambda images: _without(images, event.image_id))
        return image is not None

    async def _remove_detections(self, connection: Connection, images: Sequence[int]) -> None:
        logos = [row["id"] for row in await connection.fetch(queries_events.LOGOS_OF_IMAGES, images)]
        await self._forget(connection, logos)
        await connection.execute(queries_events.DELETE_DETECTIONS, images)
        await connection.execute(queries_events.DELETE_IMAGE_EMBEDDINGS, images)

    async def _forget(self, connection: Connection, logos: Sequence[int]) -> None:
        if logos and self._forget_logos is not None:
            await self._forget_logos(connection, logos)

    async def _save_image(self, event: Event) -> None:
        """The row of an image, with what the product tells of it; our own product learns of the image."""
        product = await self._products.get(event.server_type, event.barcode)
        width, height, uploaded_at = 0, 0, None
        if product is not None:
            width, height = product.size_of(event.image_id) or (0, 0)
            uploaded_at = _uploaded_at(product.images.get(event.image_id))
        uploaded_at = uploaded_at or datetime.now(UTC).replace(tzinfo=None)
        entry = {"uploaded_t": int(uploaded_at.replace(tzinfo=UTC).timestamp())}
        async with self._database.transaction() as connection:
            await connection.execute(
                queries_events.PUT_IMAGE,
                event.server_type,
                event.barcode,
                event.image_id,
                barcodes.source_image(event.barcode, event.image_id),
                width,
                height,
                uploaded_at,
            )
            await _change_images(
                connection, event.server_type, event.barcode, lambda images: {event.image_id: entry, **images}
            )

    async def _change_type(self, event: Event) -> None:
        """Everything of the old types goes but annotated insights; the images come again under the new one."""
        async with self._database.transaction() as connection:
            old = await connection.fetch(queries_events.OTHER_SERVER_TYPES, event.barcode, event.server_type)
            for row in old:
                await self._move(connection, row["server_type"], event)
            updated = Event(kind="product_updated", server_type=event.server_type, barcode=event.barcode)
            await self.schedule(connection, updated)

    async def _move(self, connection: Connection, old: str, event: Event) -> None:
        product = old, event.barcode
        await connection.execute(queries_products.HOLD, *product)
        await connection.execute(queries_events.DELETE_INSIGHTS, *product)
        await connection.execute(queries_events.DELETE_PREDICTIONS, *product)
        images = await connection.fetch(queries_events.LOCK_IMAGES, *product)
        numbers = [image["id"] for image in images]
        await self._remove_detections(connection, numbers)
        await connection.execute(queries_events.DELETE_IMAGES, numbers)
        await connection.execute(queries_events.MOVE_PRODUCT, *product, event.server_type)
        await connection.execute(queries_products.DELETE, *product)
        for image in images:
            if image["deleted"]:
                continue
            again = Event(
                kind="image_uploaded",
                server_type=event.server_type,
                barcode=event.barcode,
                image_id=image["image_id"],
            )
            await self.schedule(connection, again, is_urgent=False)


def product_key(key: str) -> tuple[str, str]:
    """Server type and barcode of "[server_type/]barcode"; `BadRequest` without a usable barcode."""
    first, slash, rest = key.partition("/")
    server_type, barcode = (first, rest) if slash and first in SERVER_TYPES else ("off", key)
    return server_type, barcodes.checked(barcode)


def row_number(key: str) -> int:
    """The number of a row; `NotFound` for what cannot be one."""
    if not key.isascii() or not key.isdecimal() or len(key) > len(str(MAX_ROW)) or int(key) > MAX_ROW:
        raise errors.NotFound(f"There is no row {key[:100]!r}")
    return int(key)


async def _change_images(
    connection: Connection,
    server_type: str,
    barcode: str,
    change: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> None:
    """Change the images of a product of the table, if it is there and this changes anything."""
    data = await connection.fetchval(queries_products.LOCK, server_type, barcode)
    if data is None:
        return
    before = Product(server_type, barcode, data).images
    after = change(before)
    if after == before:
        return
    product = Product(server_type, barcode, {**data, "images": after})
    await connection.execute(
        queries_products.UPDATE,
        server_type,
        barcode,
        product.data,
        product.generic_image,
        product.front_image,
    )


def _without(images: Mapping[str, Any], image_id: str) -> dict[str, Any]:
    """All but one raw image and what was selected from it."""
    return {
        key: entry
        for key, entry in images.items()
        if key != image_id and not (isinstance(entry, dict) and str(entry.get("imgid")) == image_id)
    }


def _uploaded_at(entry: object) -> datetime | None:
    seconds = entry.get("uploaded_t") if isinstance(entry, dict) else None
    try:
        return datetime.fromtimestamp(float(str(seconds)), UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None
