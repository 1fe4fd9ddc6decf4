"""The import engine on a real database: what is stored, and what becomes of insights."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from server.db import Database
from server.insights.engine.importer import Importer, Outcome
from server.insights.engine.rules.rule import NoTrees
from server.insights.products.local_products import LocalProducts
from tests.server.insights import rows
from tests.server.insights.engine.engine import (
    BARCODE,
    add_products,
    engine,
    image,
    insights,
    new,
    predictions,
)


@pytest.fixture
def importer(database: Database) -> Importer:
    return engine(database)


async def test_another_version_on_an_image_replaces_the_one_before_and_duplicates_are_skipped(
    database: Database, importer: Importer
) -> None:
    await add_products(database)
    first = [new(value_tag="en:organic"), new(value_tag="en:organic"), new(value_tag="en:vegan", number=2)]
    outcomes = await importer.import_predictions("off", first)
    assert [outcome.skipped for outcome in outcomes] == [False, True, False]
    (again,) = await importer.import_predictions("off", [new(value_tag="en:vegan", number=2)])
    assert again == Outcome(skipped=True)
    await importer.import_predictions("off", [new(value_tag="en:soy", predictor_version="2")])
    assert await predictions(database) == [("label", "en:vegan", "1"), ("label", "en:soy", "2")]
    assert await insights(database, "value_tag") == ["en:vegan", "en:soy"]


async def test_a_product_has_one_category_of_a_line_and_only_of_the_last_import(
    database: Database, importer: Importer
) -> None:
    await add_products(database, countries_tags=["en:france"])
    tags = ("en:dairies", "en:yogurts", "en:unheard-of")
    await importer.import_predictions("off", [new("category", None, value_tag=tag) for tag in tags])
    assert await insights(database, "value_tag", "campaign", "with_image", "countries") == [
        ("en:yogurts", ["agribalyse-category", "missing-category"], True, ["en:france"])
    ]
    await importer.import_predictions("off", [new("category", None, value_tag="en:soups")])
    assert await insights(database, "value_tag") == ["en:soups"]
    assert await predictions(database) == [("category", "en:soups", "1")]


async def test_an_insight_that_is_predicted_again_keeps_its_id_and_its_votes(
    database: Database, importer: Importer
) -> None:
    await add_products(database, unique_scans_n=3)
    await importer.import_predictions("off", [new(value_tag="en:organic")])
    await importer.import_predictions("off", [new(value_tag="en:eu-organic", predictor_version="2")])
    assert await insights(database, "value_tag") == ["en:eu-organic"], "a deeper tag is another insight"
    (eu,) = await insights(database, "id")
    await rows.add_vote(database, eu, 1)
    await importer.import_predictions(
        "off", [new(value_tag="en:eu-organic", predictor_version="4", data={"text": "bio"})]
    )
    (after,) = await insights(database)
    assert (after["id"], after["n_votes"], after["predictor_version"]) == (eu, 1, "4")
    assert (after["data"], after["confidence"]) == ({"text": "bio"}, None)
    assert await database.fetchval("SELECT count(*) FROM annotation_vote") == 1


async def test_a_refresh_counts_the_votes_and_else_leaves_what_is_right_alone(
    database: Database, importer: Importer
) -> None:
    await add_products(database)
    await importer.import_predictions("off", [new(value_tag="en:organic", confidence=0.25)])
    (before,) = await insights(database)
    await importer.refresh("off", BARCODE)
    assert await insights(database) == [before]
    for value in (1, 0, -1):
        await rows.add_vote(database, before["id"], value)
    await importer.refresh("off", BARCODE)
    (after,) = await insights(database)
    assert after["n_votes"] == 2
    assert after["timestamp"] > before["timestamp"]


async def test_answered_and_automatic_insights_stay_and_keep_others_out(
    database: Database, importer: Importer
) -> None:
    await add_products(database)
    refused = await rows.add_insight(
        database, barcode=BARCODE, type="label", value_tag="en:eu-organic", annotation=0
    )
    coming = await rows.add_insight(
        database, barcode=BARCODE, type="label", value_tag="en:vegan", automatic_processing=True
    )
    old = await rows.add_insight(database, barcode=BARCODE, type="label", value_tag="en:stale")
    foreign = await rows.add_insight(database, barcode=BARCODE, type="label", server_type="obf")
    batch = [new(value_tag=tag) for tag in ("en:organic", "en:vegan", "en:soy")]
    await importer.import_predictions("off", batch)
    found = dict(await insights(database, "id", "value_tag"))
    assert {refused, coming, foreign} < found.keys()
    assert old not in found
    assert sorted(found.values()) == ["en:eu-organic", "en:soups", "en:soy", "en:vegan"]


async def test_an_insight_has_what_its_product_says(database: Database, importer: Importer) -> None:
    await add_products(
        database, countries_tags=["en:france"], brands_tags=["xx:lidl"], unique_scans_n=12, labels_tags=[]
    )
    start = datetime.fromisoformat(str(await database.fetchval("SELECT now() AT TIME ZONE 'UTC'")))
    box = {"bounding_box_absolute": [10, 20, 50, 220], "text": "bio"}
    batch = [
        new(value_tag="en:vegan", data=box, confidence=0.75, value="v"),
        new("store", None, value_tag="lidl", value="Lidl"),
    ]
    await importer.import_predictions("off", batch)
    label, store = sorted(await insights(database), key=lambda row: str(row["type"]))
    assert label["data"] == {"bounding_box": [0.1, 0.1, 0.5, 1.0], "text": "bio"}
    assert label["bounding_box"] == [0.1, 0.1, 0.5, 1.0]
    assert (label["countries"], label["brands"]) == (["en:france"], ["xx:lidl"])
    assert (label["unique_scans_n"], label["reserved_barcode"], label["n_votes"]) == (12, False, 0)
    assert (label["confidence"], label["value"], label["source_image"]) == (0.75, "v", image(1))
    assert (label["with_image"], label["automatic_processing"], label["process_after"]) == (True, False, None)
    assert (label["campaign"], label["lc"], label["username"], label["is_open"]) == ([], None, None, True)
    assert start <= label["timestamp"] <= start + timedelta(seconds=60)
    assert (store["with_image"], store["automatic_processing"], store["bounding_box"]) == (False, True, None)
    assert store["process_after"] == store["timestamp"] + timedelta(seconds=600)


@pytest.mark.parametrize(
    ("barcode", "is_reserved"), [("2250390172185", True), ("0225039017218", True), ("1225039017218", False)]
)
async def test_a_barcode_of_the_shop_is_marked(
    database: Database, importer: Importer, barcode: str, is_reserved: bool
) -> None:
    await add_products(database, barcode, images={})
    await importer.import_predictions("off", [new(value_tag="en:vegan", number=None, barcode=barcode)])
    assert await insights(database, "reserved_barcode", "with_image") == [(is_reserved, False)]


async def test_a_box_is_relative_to_the_size_that_our_own_images_know(
    database: Database, importer: Importer
) -> None:
    await add_products(database, images={"1": {}, "2": {}})
    await rows.add_image(database, "1", barcode=BARCODE, source_image=image(1), width=400, height=200)
    box = {"bounding_box_absolute": [20, 40, 100, 200]}
    batch = [new(value_tag="en:vegan", data=box), new(value_tag="en:soy", number=2, data=box)]
    await importer.import_predictions("off", batch)
    assert sorted(await insights(database, "value_tag", "data", "bounding_box"), key=str) == [
        ("en:soy", box, None),
        ("en:vegan", {"bounding_box": [0.1, 0.1, 0.5, 0.5]}, [0.1, 0.1, 0.5, 0.5]),
    ]


async def test_who_annotated_a_logo_is_named(database: Database, importer: Importer) -> None:
    await add_products(database)
    data = {"logo_id": 1, "bounding_box": [0.1, 0.2, 0.3, 0.4], "username": "someone", "is_annotation": True}
    await importer.import_predictions("off", [new("brand", value_tag="lidl", value="Lidl", data=data)])
    assert await insights(database, "username", "bounding_box") == [("someone", [0.1, 0.2, 0.3, 0.4])]


async def test_a_nutrition_image_is_cropped_to_the_table_that_was_seen(
    database: Database, importer: Importer
) -> None:
    await add_products(database)
    row = await rows.add_image(database, "1", barcode=BARCODE, source_image=image(1))
    objects = [{"label": "nutrition-table", "score": 0.9, "bounding_box": [0.1, 0.2, 0.3, 0.4]}]
    await rows.add_image_prediction(database, row, model_name="nutrition-table", data={"objects": objects})
    mentions: dict[str, Any] = {f"n{number}": [{"languages": ["fr"]}] for number in range(4)}
    mentions["nutrient_value"] = [{"raw": "1 g"}, {"raw": "2 g"}, {"raw": "9 kcal"}]
    mention = new("nutrient_mention", data={"mentions": mentions})
    await importer.import_predictions("off", [mention])
    assert await insights(database) == [], "both required types must be in the batch"
    orientation = new("image_orientation", data={"orientation": "up", "rotation": 0, "count": {"up": 9}})
    await importer.import_predictions("off", [mention, orientation])
    assert await insights(database, "type", "value_tag", "bounding_box") == [
        ("nutrition_image", "fr", [0.1, 0.2, 0.3, 0.4])
    ]


async def test_a_refresh_follows_the_product(database: Database, importer: Importer) -> None:
    await add_products(database)
    await importer.import_predictions(
        "off",
        [new("product_weight", value="500 g"), new(value_tag="en:vegan"), new(value_tag="en:soy", number=2)],
    )
    by_hand = await rows.add_insight(database, barcode=BARCODE, type="brand", value_tag="lidl")
    change = {"quantity": "500 g", "labels_tags": ["en:soy"], "unique_scans_n": 9}
    await database.execute("UPDATE product SET data = data || $1", change)
    await importer.refresh("off", BARCODE)
    assert sorted(await insights(database, "type", "value_tag", "unique_scans_n")) == [
        ("brand", "lidl", 0),
        ("label", "en:vegan", 9),
    ]
    assert by_hand in await insights(database, "id")


async def test_when_a_product_is_gone_only_its_answered_insights_stay(
    database: Database, importer: Importer
) -> None:
    await add_products(database)
    batch = [new(value_tag="en:vegan"), new("store", value_tag="lidl"), new(value_tag="en:soy")]
    await importer.import_predictions("off", batch)
    await database.execute("UPDATE product_insight SET annotation = 1 WHERE value_tag = 'en:soy'")
    await database.execute("DELETE FROM product")
    await importer.refresh("off", BARCODE)
    assert await insights(database, "value_tag") == ["en:soy"]


async def test_without_checks_nothing_is_asked_of_products(database: Database) -> None:
    trusting = engine(database, product_checks=False)
    outcomes = await trusting.import_predictions(
        "off", [new(value_tag="en:vegan"), new("category", value_tag="en:soups")]
    )
    assert not any(outcome.skipped for outcome in outcomes)
    await trusting.refresh("off", BARCODE)
    assert sorted(await insights(database, "value_tag", "campaign", "with_image", "countries")) == [
        ("en:soups", [], True, []),
        ("en:vegan", [], True, []),
    ]


async def test_a_brand_read_in_text_must_have_such_barcodes_once_its_products_are_known(
    database: Database, importer: Importer
) -> None:
    await add_products(database)
    batch = [new("brand", value_tag="xx:lidl", value="Lidl", predictor="taxonomy")]
    await importer.import_predictions("off", batch)
    assert await insights(database, "value_tag") == ["xx:lidl"], "nothing is known of the brand"
    await add_products(database, *(f"400000000000{number}" for number in range(5)), brands_tags=["lidl"])
    await importer.refresh("off", BARCODE)
    assert await insights(database) == []
    await add_products(database, *(f"325039000000{number}" for number in range(5)), brands_tags=["xx:lidl"])
    await importer.refresh("off", BARCODE)
    assert await insights(database, "value_tag") == ["xx:lidl"]


async def test_without_taxonomies_categories_are_unknown_and_labels_are_not(database: Database) -> None:
    bare = Importer(database=database, products=LocalProducts(database), taxonomies=NoTrees())
    await add_products(database)
    await bare.import_predictions("off", [new(value_tag="en:vegan"), new("category", value_tag="en:soups")])
    assert await insights(database, "value_tag") == ["en:vegan"]
