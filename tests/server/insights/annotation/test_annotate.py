"""The state machine of annotations, on a real database: decisions and every result (contract 2.3)."""

from typing import Any
from uuid import uuid4

import pytest

from server.db import Database
from server.insights.annotation.annotate import Annotator, Decision
from server.insights.products.local_products import LocalProducts
from server.insights.products.products import ImageUnknown, ProductWriteFailed
from server.insights.voter import Credentials
from tests.server.insights import rows
from tests.server.insights.annotation.annotating import (
    ANN,
    PHONE,
    FailingProducts,
    add_votes,
    annotator_of,
    code,
    labels,
    state,
    votes,
)


async def test_the_sequences_that_are_known_of_the_original(database: Database) -> None:
    annotator, _ = annotator_of(database)
    await rows.add_product(database)
    add = rows.add_insight

    fresh = await add(database)
    assert await code(annotator, fresh, 1) == 9
    assert await state(database, fresh) == (None, None, None, 1)
    assert await votes(database, fresh) == [(1, None, "phone")]
    assert await code(annotator, fresh, 1, ANN) == 2
    assert await state(database, fresh) == (1, "ann", 2, 1)
    assert await votes(database, fresh) == [(1, None, "phone")]
    assert await code(annotator, fresh, 0) == 5
    assert await code(annotator, fresh, 0, ANN) == 5
    assert await code(annotator, fresh, -1, ANN) == 5

    skipped = await add(database)
    assert await code(annotator, skipped, -1, ANN) == 9
    assert await state(database, skipped) == (None, None, None, 0)
    assert await votes(database, skipped) == [(-1, "ann", "desk")]

    third = await add(database)
    await add_votes(database, third, 1, 1, 0, -1)
    assert await code(annotator, third, 1, update=False) == 1
    assert await state(database, third) == (1, None, 1, 4)

    for existing in ((1, 1, 0), (1, 1, 0, 0)):
        split = await add(database)
        await add_votes(database, split, *existing)
        assert await code(annotator, split, 0) == 1
        assert await state(database, split) == (-1, None, 1, len(existing) + 1)


async def test_a_user_decides_alone(database: Database) -> None:
    annotator, refreshes = annotator_of(database)
    await rows.add_product(database)
    for annotation, update, result in ((0, True, 1), (0, False, 1), (1, False, 1), (1, True, 2)):
        insight = await rows.add_insight(database, type="label", value_tag="en:organic")
        assert await code(annotator, insight, annotation, ANN, update=update) == result
        assert await state(database, insight) == (annotation, "ann", result, 0)
        assert await labels(database) == (["en:organic"] if result == 2 else [])
    assert refreshes == [("off", rows.BARCODE)] * 4


async def test_a_user_signs_the_edit_with_his_own_credentials(database: Database) -> None:
    products = FailingProducts(database)
    annotator, _ = annotator_of(database, products)
    await rows.add_product(database)
    insight = await rows.add_insight(database)
    await code(annotator, insight, 1, ANN)
    ((_, comment, credentials),) = products.writes
    assert comment == f"[robotoff] Adding category 'en:soups', ID: {insight}"
    assert credentials == Credentials("ann", "secret")


async def test_a_type_without_an_action_is_only_recorded(database: Database) -> None:
    annotator, _ = annotator_of(database)
    for insight_type in ("image_flag", "nutrient", "packaging_text"):
        insight = await rows.add_insight(database, type=insight_type)
        assert await code(annotator, insight, 1, ANN) == 1
        insight = await rows.add_insight(database, type=insight_type)
        assert await code(annotator, insight, 2, ANN, data={}) == 1
        assert await state(database, insight) == (2, "ann", 1, 0)
        insight = await rows.add_insight(database, type=insight_type)
        assert [await code(annotator, insight, 1) for _ in range(3)] == [9, 9, 1]


async def test_without_its_product_an_insight_is_closed_with_3(database: Database) -> None:
    annotator, refreshes = annotator_of(database)
    insight = await rows.add_insight(database)
    assert await code(annotator, insight, 1, ANN) == 3
    assert await state(database, insight) == (1, "ann", 3, 0)
    assert refreshes == [("off", rows.BARCODE)]


async def test_what_the_product_has_closes_the_insight_without_a_result(database: Database) -> None:
    annotator, _ = annotator_of(database)
    await rows.add_product(database, labels_tags=["en:organic"], categories_tags=["en:beef"])
    insight = await rows.add_insight(database, type="label", value_tag="en:organic")
    assert await code(annotator, insight, 1, ANN) == 5
    assert await state(database, insight) == (1, "ann", None, 0)
    insight = await rows.add_insight(database)
    assert await code(annotator, insight, 2, ANN, data={"value_tag": "en:beef"}) == 5
    assert await state(database, insight) == (2, "ann", None, 0)


async def test_another_category_takes_the_place_of_the_proposal(database: Database) -> None:
    annotator, _ = annotator_of(database)
    await rows.add_product(database)
    insight = await rows.add_insight(database, value="soup", data={"x": 1})
    assert await code(annotator, insight, 2, ANN, data={"value_tag": "en:beef"}) == 12
    assert await state(database, insight) == (2, "ann", 12, 0)
    row = await database.fetchrow("SELECT value_tag, value, data FROM product_insight WHERE id = $1", insight)
    assert row is not None
    assert tuple(row) == (
        "en:beef",
        None,
        {"x": 1, "original_value_tag": "en:soups", "user_input": True},
    )
    product = await LocalProducts(database).get("off", rows.BARCODE)
    assert product is not None
    assert product.tags("categories_tags") == ["en:beef"]


@pytest.mark.parametrize(
    ("insight_type", "data"),
    [
        ("category", {}),
        ("category", {"value_tag": "en:beef", "value": "beef"}),
        ("ingredient_detection", {"annotation": 3}),
        ("nutrient_extraction", {"nutrients": {}}),
    ],
)
async def test_data_that_does_not_fit_leaves_the_insight_open(
    database: Database, insight_type: str, data: dict[str, Any]
) -> None:
    annotator, refreshes = annotator_of(database)
    insight = await rows.add_insight(database, type=insight_type)
    answer = await annotator.annotate(insight, 2, True, data, ANN)
    assert (answer.status_code, answer.status) == (11, "error_invalid_data")
    assert answer.description
    assert await state(database, insight) == (None, None, None, 0)
    assert refreshes == []


async def test_nutrients_that_were_read_wrongly_leave_the_insight_open(database: Database) -> None:
    annotator, _ = annotator_of(database)
    await rows.add_product(database)
    insight = await rows.add_insight(database, type="nutrient_extraction", data={"nutrients": {}})
    assert await code(annotator, insight, 1, ANN) == 11
    assert await state(database, insight) == (None, None, None, 0)


async def test_a_product_that_is_not_written_undoes_everything(database: Database) -> None:
    products = FailingProducts(database, ProductWriteFailed("no answer"))
    annotator, refreshes = annotator_of(database, products)
    await rows.add_product(database)
    insight = await rows.add_insight(database)
    assert await code(annotator, insight, 1, ANN) == 10
    assert await code(annotator, insight, 2, ANN, data={"value_tag": "en:beef"}) == 10
    assert await state(database, insight) == (None, None, None, 0)
    assert [await code(annotator, insight, 1) for _ in range(3)] == [9, 9, 10]
    assert await state(database, insight) == (None, None, None, 2)
    assert len(await votes(database, insight)) == 2
    assert refreshes == []
    products.fault = None
    assert await code(annotator, insight, 1) == 2
    assert await state(database, insight) == (1, None, 2, 3)
    assert await database.fetchval("SELECT value_tag FROM product_insight WHERE id = $1", insight) == (
        "en:soups"
    )


@pytest.mark.parametrize(
    ("insight_type", "result"),
    [("nutrition_image", 8), ("is_upc_image", 10), ("image_orientation", 4)],
)
async def test_a_picture_that_vanishes(database: Database, insight_type: str, result: int) -> None:
    products = FailingProducts(database, ImageUnknown("1"))
    annotator, _ = annotator_of(database, products)
    images = {"1": {"sizes": {}}, "front_fr": {"imgid": "1"}}
    data = {"image_key": "front_fr", "rotation": 90}
    recorded = (None, None, None, 0) if result == 10 else (1, "ann", result, 0)
    # Once it vanishes while it is written, once it is gone before.
    await rows.add_product(database, images=images)
    insight = await rows.add_insight(database, type=insight_type, value_tag="fr", data=data)
    assert await code(annotator, insight, 1, ANN) == result
    assert await state(database, insight) == recorded
    assert len(products.writes) == 1
    source = "/000/000/000/0123/2.jpg"
    insight = await rows.add_insight(
        database, type=insight_type, value_tag="fr", data=data, source_image=source
    )
    assert await code(annotator, insight, 1, ANN) == result
    assert await state(database, insight) == recorded
    assert len(products.writes) == 1


async def test_a_refresh_that_fails_is_not_the_clients_problem(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def refresh(server_type: str, barcode: str) -> None:
        raise RuntimeError("broken")

    annotator = Annotator(database, LocalProducts(database), refresh)
    insight = await rows.add_insight(database)
    assert await code(annotator, insight, 0, ANN) == 1
    assert await state(database, insight) == (0, "ann", 1, 0)
    assert "insights not refreshed" in caplog.text


async def test_the_refresh_sees_what_was_decided(database: Database) -> None:
    seen: list[tuple[Any, ...]] = []

    async def refresh(server_type: str, barcode: str) -> None:
        seen.append(await state(database, insight))
        seen.append(tuple(await labels(database)))

    annotator = Annotator(database, LocalProducts(database), refresh)
    await rows.add_product(database)
    insight = await rows.add_insight(database, type="label", value_tag="en:organic")
    await code(annotator, insight, 1, ANN)
    assert seen == [(1, "ann", 2, 0), ("en:organic",)]


async def test_an_automatic_decision_is_nobodys(database: Database) -> None:
    products = FailingProducts(database)
    annotator, _ = annotator_of(database, products)
    await rows.add_product(database)
    insight = await rows.add_insight(database, automatic_processing=True)
    assert (await annotator.decide(insight, Decision(1))).status_code == 2
    assert await state(database, insight) == (1, None, 2, 0)
    ((_, comment, credentials),) = products.writes
    assert comment == f"[robotoff] Adding category 'en:soups', ID: {insight} (automated edit)"
    assert credentials is None


async def test_an_unknown_insight(database: Database) -> None:
    annotator, _ = annotator_of(database)
    for voter in (PHONE, ANN):
        for annotation in (1, 0, -1):
            assert await code(annotator, uuid4(), annotation, voter) == 6
    assert await code(annotator, uuid4(), 2, ANN, data={}) == 6
