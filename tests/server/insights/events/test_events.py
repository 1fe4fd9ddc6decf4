"""The work that follows from what happens to products, images and logos, on a real database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from server import errors
from server.db import Connection, Database
from server.insights.events.events import Event, Events, product_key
from server.insights.products.local_products import LocalProducts
from server.jobs import Jobs
from server.metrics import Metrics
from tests.server.insights import rows

BARCODE = rows.BARCODE
FIRST, SECOND = "/000/000/000/0123/1.jpg", "/000/000/000/0123/2.jpg"


class Refreshed(list[tuple[str, str]]):
    """Stands for the import engine: which products were to be computed anew."""

    async def __call__(self, server_type: str, barcode: str) -> None:
        self.append((server_type, barcode))


@pytest.fixture
def refreshed() -> Refreshed:
    return Refreshed()


def events_of(database: Database, refreshed: Refreshed, **options: Any) -> Events:
    return Events(
        database=database,
        jobs=Jobs(database, Metrics()),
        products=LocalProducts(database),
        refresh=refreshed,
        **options,
    )


def event(kind: Any, **fields: Any) -> Event:
    return Event(**({"kind": kind, "server_type": "off", "barcode": BARCODE} | fields))


async def count(database: Database, table: str, where: str = "true") -> int:
    found: int = await database.fetchval(f"SELECT count(*) FROM {table} WHERE {where}")
    return found


async def waiting(database: Database) -> list[Event]:
    found = await database.fetch("SELECT payload FROM pgqueuer WHERE status = 'queued' ORDER BY id")
    return [msgspec.convert(msgspec.json.decode(row["payload"]), Event) for row in found]


async def test_a_deleted_product_loses_what_nobody_decided(database: Database, refreshed: Refreshed) -> None:
    await rows.add_product(database)
    await rows.add_prediction(database)
    await rows.add_insight(database)
    kept = await rows.add_insight(database, annotation=1)
    other = await rows.add_insight(database, server_type="obf")
    await events_of(database, refreshed).handle(event("product_deleted"))
    assert await count(database, "product") == await count(database, "prediction") == 0
    left = await database.fetch("SELECT id FROM product_insight")
    assert {row["id"] for row in left} == {kept, other}


async def test_a_deleted_image_takes_everything_seen_on_it_along(
    database: Database, refreshed: Refreshed
) -> None:
    await rows.add_product(database, images={"1": {}, "2": {}, "front_fr": {"imgid": "1", "rev": "4"}})
    image = await rows.add_image(database)
    other = await rows.add_image(database, "2")
    detection = await rows.add_image_prediction(database, image)
    logo = await rows.add_logo(database, detection)
    await rows.add_image_prediction(database, other)
    embedding = bytes(2048)
    await database.execute("INSERT INTO embedding.logo_embedding VALUES ($1, $2)", logo, embedding)
    await database.execute("INSERT INTO embedding.image_embedding VALUES ($1, $2)", image, embedding)
    await rows.add_prediction(database, source_image=FIRST)
    await rows.add_prediction(database, source_image=SECOND)
    await rows.add_insight(database, source_image=FIRST)
    await rows.add_insight(database, source_image=FIRST, annotation=0)
    await rows.add_insight(database, source_image=SECOND)
    forgotten: list[int] = []

    async def forget(connection: Connection, ids: Sequence[int]) -> None:
        forgotten.extend(ids)

    await events_of(database, refreshed, forget_logos=forget).handle(event("image_deleted", image_id="1"))
    assert await database.fetchval("SELECT array_agg(id) FROM image WHERE deleted") == [image]
    assert await database.fetchval("SELECT array_agg(source_image) FROM prediction") == [SECOND]
    left = await database.fetch("SELECT source_image, annotation FROM product_insight ORDER BY 1")
    assert [tuple(row) for row in left] == [(FIRST, 0), (SECOND, None)]
    assert await database.fetchval("SELECT array_agg(image_id) FROM image_prediction") == [other]
    assert await count(database, "logo_annotation") == await count(database, "embedding.logo_embedding") == 0
    assert await count(database, "embedding.image_embedding") == 0
    assert forgotten == [logo]
    assert refreshed == [("off", BARCODE)]
    product = await database.fetchrow("SELECT data, generic_image, front_image FROM product")
    assert product is not None
    assert product["data"]["images"] == {"2": {}}
    assert product["generic_image"] == "/000/000/000/0123/2.400.jpg" and product["front_image"] is None


async def test_an_uploaded_image_gets_a_row_and_our_product_knows_it(
    database: Database, refreshed: Refreshed
) -> None:
    sizes = {"full": {"w": 640, "h": 480}}
    await rows.add_product(database, images={"7": {"sizes": sizes, "uploaded_t": "1704164645"}})
    events = events_of(database, refreshed)
    await events.handle(event("image_uploaded", image_id="7"))
    await events.handle(event("image_uploaded", image_id="8"))
    await events.handle(event("image_uploaded", image_id="8"))
    found = await database.fetch("SELECT * FROM image ORDER BY image_id")
    assert [(row["image_id"], row["width"], row["height"]) for row in found] == [("7", 640, 480), ("8", 0, 0)]
    assert found[0]["source_image"] == "/000/000/000/0123/7.jpg"
    assert found[0]["uploaded_at"] == rows.NOW
    product = await LocalProducts(database).get("off", BARCODE)
    assert product is not None and product.raw_images == ["7", "8"]
    assert product.images["7"] == {"sizes": sizes, "uploaded_t": "1704164645"}


async def test_steps_of_an_event_come_before_its_refresh(database: Database, refreshed: Refreshed) -> None:
    seen: list[tuple[Event, int]] = []

    async def step(happened: Event) -> None:
        seen.append((happened, len(refreshed)))

    events = events_of(database, refreshed, steps={"product_updated": [step]})
    update = event("product_updated", changed=("product_name",))
    await events.handle(update)
    await events.handle(event("image_uploaded", image_id="1"))
    assert seen == [(update, 0)]
    assert len(refreshed) == 2


async def test_a_changed_type_moves_the_product_and_its_images_come_again(
    database: Database, refreshed: Refreshed
) -> None:
    await rows.add_product(database, server_type="off", product_name="Shampoo")
    image = await rows.add_image(database)
    await rows.add_image(database, "2", deleted=True)
    await rows.add_logo(database, await rows.add_image_prediction(database, image))
    await rows.add_prediction(database)
    await rows.add_insight(database)
    kept = await rows.add_insight(database, annotation=1)
    professional = await rows.add_insight(database, server_type="off_pro")
    await events_of(database, refreshed).handle(event("type_changed", server_type="obf"))
    product = await database.fetchrow("SELECT server_type, data FROM product")
    assert product is not None
    assert (product["server_type"], product["data"]["product_name"]) == ("obf", "Shampoo")
    left = await database.fetch("SELECT id FROM product_insight")
    assert {row["id"] for row in left} == {kept, professional}
    for table in ("prediction", "image", "image_prediction", "logo_annotation"):
        assert await count(database, table) == 0
    assert await waiting(database) == [
        event("image_uploaded", server_type="obf", image_id="1"),
        event("product_updated", server_type="obf"),
    ]


async def test_updates_in_a_short_time_are_one_job_and_other_events_are_not(
    database: Database, refreshed: Refreshed
) -> None:
    events = events_of(database, refreshed, settle_s=3600.0)
    async with database.transaction() as connection:
        for happened in (event("product_updated"), event("product_updated"), event("product_deleted")):
            await events.schedule(connection, happened)
        await events.schedule(connection, event("product_updated", barcode="0000000000999"))
    assert [(job.kind, job.barcode) for job in await waiting(database)] == [
        ("product_updated", BARCODE), ("product_deleted", BARCODE), ("product_updated", "0000000000999"),
    ]  # fmt: skip
    delay = await database.fetchval(
        "SELECT max(execute_after - created) > interval '59 minutes' FROM pgqueuer"
    )
    assert delay


async def test_a_job_does_the_work_that_was_scheduled(database: Database, refreshed: Refreshed) -> None:
    jobs = Jobs(database, Metrics())
    events = Events(database=database, jobs=jobs, products=LocalProducts(database), refresh=refreshed)
    jobs.add(events.job_kind)
    await rows.add_prediction(database)
    async with database.transaction() as connection:
        await events.schedule(connection, event("product_deleted"))
    async with running(jobs):
        for _ in range(100):
            if not await count(database, "prediction"):
                break
            await asyncio.sleep(0.1)
    assert await count(database, "prediction") == 0


@asynccontextmanager
async def running(jobs: Jobs) -> AsyncIterator[None]:
    await jobs.open()
    try:
        yield
    finally:
        await jobs.close()


async def test_deleting_a_logo_takes_its_proposals_along(database: Database, refreshed: Refreshed) -> None:
    detection = await rows.add_image_prediction(database, await rows.add_image(database))
    logo = await rows.add_logo(database, detection)
    second = await rows.add_logo(database, detection, 1)
    for identity in (logo, second):
        made = {"type": "label", "predictor": "universal-logo-detector", "data": {"logo_id": identity}}
        await rows.add_prediction(database, **made)
        await rows.add_insight(database, **made)
    await events_of(database, refreshed).delete_logo(str(logo))
    assert await database.fetchval("SELECT array_agg(id) FROM logo_annotation") == [second]
    assert await database.fetchval("SELECT array_agg(data->>'logo_id') FROM prediction") == [str(second)]
    assert await database.fetchval("SELECT array_agg(data->>'logo_id') FROM product_insight") == [str(second)]
    assert refreshed == [("off", BARCODE)]


@pytest.mark.parametrize("key", ["off/5411041040807/1", "5411041040807/1", "05411041040807/1", "{row}"])
async def test_an_image_is_named_by_its_product_or_its_row(
    database: Database, refreshed: Refreshed, key: str
) -> None:
    image = await rows.add_image(database, barcode="5411041040807")
    await events_of(database, refreshed).delete_image(key.format(row=image))
    assert await count(database, "image", "deleted") == 1


@pytest.mark.parametrize("key", ["0000000000999", "off/123"])
async def test_what_is_not_there_cannot_be_deleted(
    database: Database, refreshed: Refreshed, key: str
) -> None:
    events = events_of(database, refreshed)
    with pytest.raises(errors.NotFound):
        await events.delete_product(key)
    with pytest.raises(errors.NotFound):
        await events.delete_image(f"{key}/1")
    for number in ("1", "9" * 30, "x", "-1"):
        with pytest.raises(errors.NotFound):
            await events.delete_image(number)
        with pytest.raises(errors.NotFound):
            await events.delete_logo(number)


async def test_a_key_without_a_usable_barcode_is_refused(database: Database, refreshed: Refreshed) -> None:
    events = events_of(database, refreshed)
    for key in ("abc", "off/", "off/a b/1"):
        with pytest.raises(errors.BadRequest):
            await events.delete_product(key)
    with pytest.raises(errors.BadRequest):
        await events.delete_image(f"{BARCODE}/a b")


@pytest.mark.parametrize(
    ("key", "server_type", "barcode"),
    [
        ("123", "off", "00000123"),
        ("obf/3017620422003", "obf", "3017620422003"),
        ("off_pro/org-1/123", "off_pro", "org-1/00000123"),
        ("org-1/123", "off", "org-1/00000123"),
    ],
)
def test_a_product_is_named_by_its_server_and_barcode(key: str, server_type: str, barcode: str) -> None:
    assert product_key(key) == (server_type, barcode)
