"""The import engine on a real database: what is stored, what becomes of insights, and who waits for whom."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from server.db import Database
from server.insights import queries_importer
from server.insights.importer import Importer, Outcome
from server.insights.local_products import LocalProducts
from server.insights.predictions import NewPrediction
from server.insights.rules.rule import NoTrees
from tests.server.insights import rows
from tests.server.insights.rules.situations import Trees
from tests.server.insights.worker import Worker

BARCODE, OTHER = "3250390172185", "5410041040807"
FOOD = Trees(
    categories={
        "en:dairies": {},
        "en:yogurts": {"parents": ["en:dairies"], "agribalyse_food_code": {"en": "19590"}},
        "en:soups": {},
    },
    labels={"en:organic": {}, "en:eu-organic": {"parents": ["en:organic"]}},
)


def image(number: int, barcode: str = BARCODE) -> str:
    return f"/{barcode[:3]}/{barcode[3:6]}/{barcode[6:9]}/{barcode[9:]}/{number}.jpg"


def new(kind: str = "label", number: int | None = 1, **columns: Any) -> NewPrediction:
    """One seen on the first image, by version 1 of a text rule, unless told otherwise."""
    barcode = columns.get("barcode", BARCODE)
    defaults: dict[str, Any] = {
        "barcode": barcode,
        "type": kind,
        "source_image": None if number is None else image(number, barcode),
        "predictor": "regex",
        "predictor_version": "1",
    }
    return NewPrediction(**(defaults | columns))


@pytest.fixture
def importer(database: Database) -> Importer:
    return engine(database)


def engine(database: Database, **options: Any) -> Importer:
    products = LocalProducts(database)
    return Importer(database=database, products=products, taxonomies=FOOD, **options)


async def add_products(database: Database, *barcodes: str, **data: Any) -> None:
    images = {str(number): {"sizes": {"full": {"w": 200, "h": 100}}} for number in range(1, 6)}
    for barcode in barcodes or (BARCODE,):
        await rows.add_product(database, barcode, **({"images": images, "lang": "fr"} | data))


async def insights(database: Database, *columns: str) -> list[Any]:
    """The stored ones in the order they were made; one column as it is, several as a tuple, none as a whole."""
    found = await database.fetch("SELECT * FROM product_insight ORDER BY number")
    if not columns:
        return [dict(row) for row in found]
    return [row[columns[0]] if len(columns) == 1 else tuple(row[name] for name in columns) for row in found]


async def predictions(database: Database) -> list[tuple[str, str | None, str | None]]:
    found = await database.fetch("SELECT type, value_tag, predictor_version FROM prediction ORDER BY id")
    return [tuple(row) for row in found]


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


def drawn(chance: random.Random, barcodes: list[str], kinds: list[str]) -> list[NewPrediction]:
    """Any predictions of these types, one version per image."""
    values: dict[str, list[dict[str, Any]]] = {
        "label": [{"value_tag": tag} for tag in ("en:organic", "en:eu-organic", "en:fr-bio-01", "en:vegan")],
        "category": [{"value_tag": tag} for tag in ("en:dairies", "en:yogurts", "en:soups")],
        "store": [{"value_tag": "lidl"}, {"value_tag": "aldi"}],
        "product_weight": [{"value": "500 g", "automatic_processing": True}, {"value": "1 kg"}],
        "expiration_date": [{"value": "2030-01-01"}, {"value": "2031-01-01"}],
    }
    return [
        new(kind, chance.choice([None, 1, 2]), barcode=chance.choice(barcodes), **chance.choice(values[kind]))
        for kind in chance.choices(kinds, k=30)
    ]


async def content(database: Database) -> dict[UUID, dict[str, Any]]:
    """Every insight by its id, without its times."""
    return {
        row["id"]: {
            key: value for key, value in row.items() if key not in ("timestamp", "process_after", "lot")
        }
        for row in await insights(database)
    }


async def test_the_same_batch_again_changes_no_insight(database: Database, importer: Importer) -> None:
    barcodes = [f"325039017{number:04d}" for number in range(40)]
    await add_products(database, *barcodes)
    for seed in range(6):
        chance = random.Random(seed)
        some = barcodes[seed * 5 : seed * 5 + 5]
        batch = drawn(chance, some, ["label", "category", "store", "product_weight", "expiration_date"])
        await importer.import_predictions("off", batch)
        before = await content(database)
        assert any(row["barcode"] in some for row in before.values()), "nothing was made"
        await importer.import_predictions("off", batch)
        assert await content(database) == before
        for barcode in some:
            await importer.refresh("off", barcode)
        assert await content(database) == before


async def test_products_in_one_batch_get_what_they_get_alone_and_types_do_not_wait_for_each_other(
    database: Database, importer: Importer
) -> None:
    together = [f"325039017{number:04d}" for number in range(8)]
    alone = [f"325039027{number:04d}" for number in range(8)]
    await add_products(database, *together, *alone)
    batch = drawn(random.Random(1), together, ["label", "category", "store"])
    twins = [
        msgspec.structs.replace(
            one,
            barcode=(barcode := alone[together.index(one.barcode)]),
            source_image=None if one.source_image is None else image(int(one.source_image[-5]), barcode),
        )
        for one in batch
    ]
    await importer.import_predictions("off", batch)
    for barcode in alone:
        for kind in ("store", "category", "label"):
            those = [one for one in twins if (one.barcode, one.type) == (barcode, kind)]
            await importer.import_predictions("off", those)
    found = await insights(database, "barcode", "type", "value_tag", "source_image", "automatic_processing")
    tails = {
        name: sorted(
            (str(row[0])[-4:], *row[1:3], str(row[3])[-5:], row[4]) for row in found if row[0] in barcodes
        )
        for name, barcodes in (("together", together), ("alone", alone))
    }
    assert tails["together"] == tails["alone"] != []


async def test_a_type_that_comes_later_leaves_the_insights_of_the_others_alone(
    database: Database, importer: Importer
) -> None:
    await add_products(database)
    await importer.import_predictions("off", [new(value_tag="en:vegan")])
    before = await insights(database)
    await importer.import_predictions("off", [new("store", value_tag="lidl")])
    after = await insights(database)
    assert after[:1] == before
    assert [row["type"] for row in after] == ["label", "store"]


async def test_two_imports_of_a_product_at_once_end_as_one_after_the_other(worker: Worker) -> None:
    await add_products(worker.database, BARCODE, OTHER)
    other_database = Database(worker.database.url, connections=4)
    await other_database.open()
    one, two = engine(worker.database), engine(other_database)
    batch = [new(value_tag="en:vegan"), new(value_tag="en:soy", barcode=OTHER)]
    for _ in range(4):
        done = await asyncio.gather(
            one.import_predictions("off", batch),
            two.import_predictions("off", batch[::-1]),
            one.refresh("off", BARCODE),
            two.import_predictions("off", [new("category", None, value_tag="en:soups")]),
            one.import_predictions("off", [new("category", None, value_tag="en:yogurts")]),
        )
        assert not any(outcome.error for outcomes in done if outcomes for outcome in outcomes)
    await other_database.close()
    tags = await insights(worker.database, "value_tag")
    assert len(tags) == 3
    assert {"en:soy", "en:vegan"} < set(tags)
    assert len(await predictions(worker.database)) == 3


async def test_a_product_that_stays_busy_is_named_and_the_others_are_imported(worker: Worker) -> None:
    await add_products(worker.database, BARCODE, OTHER)
    hasty = engine(worker.database, patience_s=0.2)
    async with worker.database.transaction() as connection:
        await connection.execute(queries_importer.LOCK, "off", [BARCODE])
        batch = [new(value_tag="en:vegan"), new(value_tag="en:soy", barcode=OTHER)]
        busy, free = await hasty.import_predictions("off", batch)
        await hasty.refresh("off", BARCODE)
    assert busy.error is not None
    assert free.id is not None
    assert await insights(worker.database, "value_tag") == ["en:soy"]


async def test_without_taxonomies_categories_are_unknown_and_labels_are_not(database: Database) -> None:
    bare = Importer(database=database, products=LocalProducts(database), taxonomies=NoTrees())
    await add_products(database)
    await bare.import_predictions("off", [new(value_tag="en:vegan"), new("category", value_tag="en:soups")])
    assert await insights(database, "value_tag") == ["en:vegan"]
