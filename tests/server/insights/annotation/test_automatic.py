"""Automatic insights: accepted when their time has come, by one worker, whatever becomes of others (contract 2.3)."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from server.db import Connection, Database
from server.insights.annotation import annotate
from server.insights.annotation.annotate import Annotator
from server.insights.products.edits import Edit
from server.insights.products.local_products import LocalProducts
from server.insights.products.products import Product, ProductWriteFailed
from server.insights.voter import Credentials
from tests.server.insights import rows
from tests.server.insights.conftest import StartWorker


class OneBadProduct(LocalProducts):
    """Does not take a write to one product, and breaks down over another."""

    async def write(
        self,
        connection: Connection,
        product: Product,
        edits: Sequence[Edit],
        *,
        comment: str,
        credentials: Credentials | None,
    ) -> None:
        """Fail, or write."""
        if product.barcode == "0000000000001":
            raise ProductWriteFailed("no answer")
        if product.barcode == "0000000000002":
            raise RuntimeError("a fault")
        assert "automated edit" in comment
        await super().write(connection, product, edits, comment=comment, credentials=credentials)


async def no_refresh(server_type: str, barcode: str) -> None:
    """Nothing else depends on the product."""


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


async def add_due(database: Database, barcode: str = rows.BARCODE, **columns: Any) -> UUID:
    return await rows.add_insight(
        database,
        barcode=barcode,
        automatic_processing=True,
        **{"process_after": now() - timedelta(seconds=1), **columns},
    )


async def annotations(database: Database, *insights: UUID) -> list[int | None]:
    found = await database.fetch("SELECT id, annotation FROM product_insight")
    by_id = {row["id"]: row["annotation"] for row in found}
    return [by_id[insight] for insight in insights]


async def test_only_what_is_due_open_and_automatic_is_applied(database: Database) -> None:
    annotator = Annotator(database, LocalProducts(database), no_refresh)
    await rows.add_product(database)
    due = await add_due(database, type="label", value_tag="en:organic")
    later = await add_due(database, process_after=now() + timedelta(minutes=5))
    refused = await add_due(database, annotation=0)
    asked = await rows.add_insight(database, process_after=now() - timedelta(days=1))
    never = await add_due(database, process_after=None)
    assert await annotator.apply_due() == 1
    assert await annotations(database, due, later, refused, asked, never) == [1, None, 0, None, None]
    row = await database.fetchrow(
        "SELECT username, annotated_result, completed_at FROM product_insight WHERE id = $1", due
    )
    assert row is not None
    assert (row["username"], row["annotated_result"]) == (None, 2)
    assert row["completed_at"] is not None
    product = await LocalProducts(database).get("off", rows.BARCODE)
    assert product is not None
    assert product.tags("labels_tags") == ["en:organic"]
    assert await annotator.apply_due() == 0


async def test_what_fails_is_tried_later_and_holds_up_nobody(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotate, "DUE_AT_ONCE", 2)
    annotator = Annotator(database, OneBadProduct(database), no_refresh)
    long_ago = now() - timedelta(days=1)
    barcodes = ["0000000000001", "0000000000002", "0000000000003"]
    for barcode in barcodes:
        await rows.add_product(database, barcode)
    refused, broken, good = [
        await add_due(database, barcode, process_after=long_ago + timedelta(seconds=n))
        for n, barcode in enumerate(barcodes)
    ]
    assert await annotator.apply_due() == 0
    assert await annotator.apply_due() == 1
    assert await annotations(database, refused, broken, good) == [None, None, 1]
    found = await database.fetch("SELECT process_after FROM product_insight WHERE annotation IS NULL")
    assert all(now() < row["process_after"] < now() + timedelta(hours=1) for row in found)
    await database.execute("UPDATE product_insight SET process_after = $1", long_ago)
    mended = Annotator(database, LocalProducts(database), no_refresh)
    assert await mended.apply_due() == 2


async def test_one_worker_at_a_time_does_it(database: Database) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def refresh(server_type: str, barcode: str) -> None:
        begun.set()
        await go_on.wait()

    busy = Annotator(database, LocalProducts(database), refresh)
    idle = Annotator(database, LocalProducts(database), no_refresh)
    await rows.add_product(database)
    await add_due(database)
    await add_due(database, value_tag="en:other")
    task = asyncio.create_task(busy.apply_due())
    await begun.wait()
    assert await idle.apply_due() == 0
    go_on.set()
    assert await task == 2
    await add_due(database, value_tag="en:third")
    assert await idle.apply_due() == 1


async def test_the_service_does_it_by_itself_and_stops(start_worker: StartWorker) -> None:
    async with start_worker(automatic_every_s=0.05) as worker:
        await rows.add_product(worker.database)
        insights = [await add_due(worker.database, value_tag=f"en:tag-{n}") for n in range(3)]
        async with asyncio.timeout(20):
            while await annotations(worker.database, *insights) != [1, 1, 1]:
                await asyncio.sleep(0.02)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert "automatic insights" not in names
