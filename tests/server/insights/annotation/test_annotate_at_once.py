"""Decisions at the same time: none is lost, none is made twice, none waits for ever."""

import asyncio

from server.db import Database
from server.insights.products.local_products import LocalProducts
from tests.server.insights import rows
from tests.server.insights.annotation.annotating import ANN, FailingProducts, annotator_of, code, state


async def test_decisions_about_one_product_lose_no_edit(database: Database) -> None:
    annotators = [annotator_of(database)[0] for _ in range(2)]
    await rows.add_product(database)
    codes = [f"EMB {number:05}" for number in range(20)]
    insights = [
        await rows.add_insight(database, type="packager_code", value=value, value_tag=None) for value in codes
    ]
    answers = await asyncio.gather(
        *(code(annotators[n % 2], insight, 1, ANN) for n, insight in enumerate(insights))
    )
    assert answers == [2] * 20
    product = await LocalProducts(database).get("off", rows.BARCODE)
    assert product is not None
    assert sorted(product.text("emb_codes").split(",")) == codes


async def test_one_of_many_users_decides(database: Database) -> None:
    annotators = [annotator_of(database)[0] for _ in range(2)]
    await rows.add_product(database)
    insight = await rows.add_insight(database)
    answers = await asyncio.gather(*(code(annotators[n % 2], insight, 1, ANN) for n in range(30)))
    assert sorted(answers) == [2] + [5] * 29


async def test_a_deadlock_costs_the_client_nothing(database: Database) -> None:
    products = FailingProducts(database)
    annotator, _ = annotator_of(database, products)
    await rows.add_product(database)
    insight = await rows.add_insight(database)
    async with database.connection() as other:
        await other.execute("SET deadlock_timeout = '10s'")
        transaction = other.transaction()
        await transaction.start()
        # Against the order of locks: the product's row before the insight's.
        await other.execute("SELECT FROM product WHERE barcode = $1 FOR UPDATE", rows.BARCODE)
        answer = asyncio.create_task(code(annotator, insight, 1, ANN))
        while not products.writes:
            await asyncio.sleep(0.01)
        await other.execute("SELECT FROM product_insight WHERE id = $1 FOR UPDATE", insight)
        await transaction.rollback()
        await other.execute("RESET deadlock_timeout")
    assert await answer == 2
    # It gave way once, or more often where it was quicker than the other again.
    assert len(products.writes) >= 2
    assert await state(database, insight) == (1, "ann", 2, 0)
