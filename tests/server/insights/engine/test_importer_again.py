"""The import engine with the same once more, with much at a time, and with several at once."""

import asyncio
import random
from typing import Any
from uuid import UUID

import msgspec
import pytest

from server.db import Database
from server.insights import queries_annotate, queries_importer
from server.insights.engine.importer import Importer
from server.insights.engine.predictions import NewPrediction
from tests.server.insights import waiting
from tests.server.insights.engine.engine import (
    BARCODE,
    OTHER,
    add_products,
    engine,
    image,
    insights,
    new,
    predictions,
)
from tests.server.insights.worker import Worker


@pytest.fixture
def importer(database: Database) -> Importer:
    return engine(database)


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


async def test_a_refresh_counts_the_votes_that_were_cast_while_it_waited(
    database: Database, importer: Importer
) -> None:
    await add_products(database)
    await importer.import_predictions("off", [new(value_tag="en:vegan")])
    (insight,) = await insights(database, "id")
    async with database.transaction() as connection:
        await connection.execute(queries_annotate.CAST_VOTE, insight, 1, None, "phone", False, False)
        refreshing = asyncio.create_task(importer.refresh("off", BARCODE))
        await waiting.until_locked_out(database)
    await refreshing
    assert await insights(database, "id", "n_votes") == [(insight, 1)]


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
