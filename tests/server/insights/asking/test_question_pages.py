"""Whichever way a page is read, it is the same page; and each way reads few rows."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from server.db import Database
from server.insights.asking import question_pages
from server.insights.asking.question_pages import Asked, Sizes
from server.insights.selection import Selection
from server.insights.voter import Voter
from tests.server.insights import rows

# What makes each of them the better way.
WALK, GATHER = Sizes(1_000_000, 1_000_000), Sizes(10, 1_000_000)
OPEN = Selection(types=("category", "label"), is_open=True, voter=Voter("phone"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with no worker beside it."""
    database = Database(database_url, connections=2)
    await database.open()
    yield database
    await database.close()


async def read(database: Database, asked: Asked, sizes: Sizes, start: float | None = None) -> list[UUID]:
    """The ids of a page."""
    sql, arguments = question_pages.page(asked, sizes, start)
    found = await database.fetch(sql, *arguments)
    return [row["id"] for row in found if row["id"] is not None]


@pytest.mark.parametrize("order", ["popularity", "confidence"])
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"types": None},
        {"types": ("label",)},
        {"value_tag": "en:soups"},
        {"predictor": "neural", "countries": ("en:france", "en:italy")},
        {"brands": ("b",), "with_image": True, "reserved": False},
    ],
)
async def test_walked_and_gathered_pages_are_the_same(
    database: Database, order: str, filters: dict[str, Any]
) -> None:
    for number in range(60):
        await rows.add_insight(
            database,
            type=("category", "label", "brand")[number % 3],
            value_tag=("en:soups", "en:salt")[number % 2],
            predictor=("neural", "regex")[number % 5 == 0],
            brands=["a", "b"][: number % 4],
            confidence=None if number % 4 == 0 else (number % 7) / 10,
            unique_scans_n=number % 9,
            reserved_barcode=number % 11 == 0,
        )
    await rows.add_vote(database, await rows.add_insight(database, unique_scans_n=99), 1, device_id="phone")
    selection = Selection(**{"is_open": True, "types": OPEN.types, "voter": OPEN.voter, **filters})
    for skipped in (0, 3, 6):
        asked = Asked(selection, order, 4, skipped)
        walked = await read(database, asked, WALK)
        assert walked == await read(database, asked, GATHER)
        assert len(walked) == 4


@pytest.mark.parametrize("sizes", [WALK, GATHER])
async def test_a_draw_favours_what_has_votes_and_still_gives_all_a_chance(
    database: Database, sizes: Sizes
) -> None:
    votes = {await rows.add_insight(database, n_votes=number // 10): number // 10 for number in range(30)}
    drawn: Counter[int] = Counter()
    for draw in range(150):
        page = await read(database, Asked(OPEN, "random", 4, 0), sizes, draw / 150)
        assert len(set(page)) == 4
        drawn.update(votes[identity] for identity in page)
    # By the keys random() * (n_votes + 1) of ten insights each: about 86, 14 and 0 per cent.
    assert drawn[2] > 3 * drawn[1] > 3 * drawn[0]
    assert drawn[1] > 30


async def test_a_draw_is_of_all_as_often_where_nothing_has_votes(database: Database) -> None:
    expected = {await rows.add_insight(database) for _ in range(20)}
    drawn: Counter[UUID] = Counter()
    for draw in range(200):
        drawn.update(await read(database, Asked(OPEN, "random", 2, 0), WALK, draw / 200))
    assert set(drawn) == expected
    assert max(drawn.values()) < 60


async def test_a_draw_goes_around_the_end_of_the_lots(database: Database) -> None:
    expected = {await rows.add_insight(database) for _ in range(5)}
    assert set(await read(database, Asked(OPEN, "random", 5, 0), WALK, 0.9999999)) == expected


@pytest.mark.parametrize(
    ("fitting", "passed", "gathers"),
    [
        (900_000, 1_000_000, False),
        (20_000, 1_000_000, False),
        (1_000, 1_000_000, True),
        (0, 1_000_000, True),
        (40, 40, False),
        (650, 28_000, False),
    ],
)
def test_few_that_are_far_apart_are_gathered(fitting: int, passed: int, gathers: bool) -> None:
    sql, _ = question_pages.page(Asked(OPEN, "popularity", 25, 0), Sizes(fitting, passed))
    assert ("MATERIALIZED" in sql) is gathers


async def test_a_walk_reads_an_index_of_its_order(database: Database) -> None:
    for filters, index in (
        ({}, "product_insight_type_popular"),
        ({"value_tag": "en:soups"}, "product_insight_tag_popular"),
        ({"predictor": "neural"}, "product_insight_predictor_popular"),
        ({"countries": ("en:france",)}, "product_insight_type_popular"),
    ):
        selection = Selection(is_open=True, types=OPEN.types, **filters)
        assert index in await plan(database, Asked(selection, "popularity", 25, 0))
    assert "product_insight_confident" in await plan(database, Asked(OPEN, "confidence", 25, 0))
    assert "product_insight_lot" in await plan(database, Asked(OPEN, "random", 25, 0))


async def plan(database: Database, asked: Asked) -> str:
    """How the database goes about a page where sorting is no choice."""
    sql, arguments = question_pages.page(asked, WALK)
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute("SET LOCAL enable_bitmapscan = off")
        await connection.execute("SET LOCAL enable_sort = off")
        return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *arguments))
