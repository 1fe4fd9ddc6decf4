"""Our own store of products on a real database."""

import asyncio

import pytest

from server.db import Database
from server.insights.products.edits import AddTag, SelectImage, SetField
from server.insights.products.local_products import LocalProducts
from server.insights.products.products import ImageUnknown, Product, ProductWriteFailed
from tests.server.insights import rows

IMAGES = {"1": {"sizes": {"full": {"w": 800, "h": 600}}}, "2": {}}


async def write(database: Database, products: LocalProducts, *edits: object) -> None:
    product = Product("off", rows.BARCODE, {})
    async with database.transaction() as connection:
        await products.write(connection, product, edits, comment="c", credentials=None)  # type: ignore[arg-type]


async def test_a_product_is_read_as_it_was_stored(database: Database) -> None:
    await rows.add_product(database, product_name="Soup", odd={"kept": [1]})
    product = await LocalProducts(database).get("off", rows.BARCODE)
    assert product is not None
    assert product.data == {"code": rows.BARCODE, "product_name": "Soup", "odd": {"kept": [1]}}
    assert await LocalProducts(database).get("obf", rows.BARCODE) is None


async def test_many_products_are_those_that_exist_each_once(database: Database) -> None:
    await rows.add_product(database, "0000000000001")
    await rows.add_product(database, "0000000000002")
    found = await LocalProducts(database).many(
        "off", ["0000000000001", "0000000000001", "0000000000002", "0000000000003"]
    )
    assert sorted(found) == ["0000000000001", "0000000000002"]


async def test_a_write_changes_the_data_and_the_images_of_questions(database: Database) -> None:
    await rows.add_product(database, images=IMAGES)
    products = LocalProducts(database)
    await write(database, products, SetField("quantity", "1 kg"), SelectImage("1", "front_fr"))
    row = await database.fetchrow("SELECT * FROM product")
    assert row is not None
    assert row["data"]["quantity"] == "1 kg"
    assert row["generic_image"] == row["front_image"] == "/000/000/000/0123/front_fr.1.400.jpg"


async def test_a_failed_edit_leaves_the_product_as_it_was(database: Database) -> None:
    await rows.add_product(database, images=IMAGES)
    with pytest.raises(ImageUnknown):
        await write(
            database, LocalProducts(database), SetField("quantity", "1 kg"), SelectImage("7", "front_fr")
        )
    product = await LocalProducts(database).get("off", rows.BARCODE)
    assert product is not None
    assert "quantity" not in product.data


async def test_a_product_that_is_gone_cannot_be_written(database: Database) -> None:
    with pytest.raises(ProductWriteFailed):
        await write(database, LocalProducts(database), SetField("quantity", "1 kg"))


async def test_writes_at_the_same_time_do_not_lose_each_other(database: Database) -> None:
    await rows.add_product(database)
    products = LocalProducts(database)
    names = [f"en:label-{number}" for number in range(12)]
    await asyncio.gather(*(write(database, products, AddTag("labels", name)) for name in names))
    product = await products.get("off", rows.BARCODE)
    assert product is not None
    assert sorted(product.tags("labels_tags")) == sorted(names)
