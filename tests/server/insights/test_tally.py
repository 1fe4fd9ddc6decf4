"""Counts are exact whatever happened to the rows, and cost no look at them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.db import Database
from server.insights import tally
from server.insights.selection import Selection
from server.insights.voter import Credentials, Voter
from tests.server.insights import rows

TYPES = ("category", "label", "brand")
TAGS = ("en:a", "en:b", "")
FEW = ("x", "y", "z")
DEVICE, USER = Voter("phone-1"), Voter("phone-2", Credentials("jane"))

COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "server_type": st.sampled_from(("off", "obf")),
    "type": st.sampled_from(TYPES),
    "value_tag": st.none() | st.sampled_from(TAGS),
    "brands": st.none() | st.lists(st.none() | st.sampled_from(FEW), max_size=3),
    "countries": st.none() | st.lists(st.sampled_from(FEW), max_size=3),
    "campaign": st.none() | st.lists(st.sampled_from(FEW), max_size=3),
    "predictor": st.none() | st.sampled_from(FEW),
    "lc": st.none() | st.lists(st.sampled_from(FEW), max_size=2),
    "annotation": st.none() | st.sampled_from((-1, 0, 1)),
    "automatic_processing": st.booleans(),
    "reserved_barcode": st.booleans(),
    "with_image": st.none() | st.booleans(),
}
ROWS = st.fixed_dictionaries(COLUMNS)
VOTES = st.none() | st.sampled_from((DEVICE, USER))
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.integers(0, 7), ROWS),
        st.tuples(st.just("delete"), st.integers(0, 7), st.none()),
        st.tuples(st.just("fold"), st.none(), st.none()),
    ),
    max_size=5,
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database where nobody folds but the test."""
    database = Database(database_url, connections=5)
    await database.open()
    yield database
    await database.close()


def some(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...] | None]:
    """A filter that is a list."""
    return st.none() | st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True).map(tuple)


FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "types": some(TYPES),
    "value_tag": st.none() | st.sampled_from(TAGS),
    "brands": some(FEW),
    "countries": some(FEW),
    "campaigns": some(FEW),
    "lc": some(FEW),
    "predictor": st.none() | st.sampled_from(FEW),
    "with_image": st.none() | st.booleans(),
    "reserved": st.booleans(),
    "annotated": st.none() | st.booleans(),
    "annotation": st.none() | st.sampled_from((-1, 0, 1)),
    "is_open": st.booleans(),
    "voter": VOTES,
}
SELECTIONS = st.fixed_dictionaries(FILTERS).map(lambda filters: Selection(**filters))
# Few filters at once, so that many of them are what the tally knows.
SIMPLE = st.builds(
    lambda selection, kept: msgspec.structs.replace(
        Selection(is_open=selection.is_open, reserved=selection.reserved, voter=selection.voter),
        **{name: getattr(selection, name) for name in kept},
    ),
    SELECTIONS,
    st.lists(
        st.sampled_from(
            ("types", "value_tag", "brands", "countries", "campaigns", "predictor", "with_image")
        ),
        max_size=2,
    ),
)


def fits(row: dict[str, Any], voters: list[Voter | None], selection: Selection) -> bool:
    """What the filters mean, said once more."""

    def have(name: str) -> set[str]:
        return set(row[name] or ())

    return all(
        (
            row["server_type"] == selection.server_type,
            selection.types is None or row["type"] in selection.types,
            selection.value_tag is None or row["value_tag"] == selection.value_tag,
            selection.brands is None or have("brands") & set(selection.brands),
            selection.countries is None or have("countries") & set(selection.countries),
            selection.lc is None or have("lc") & set(selection.lc),
            selection.campaigns is None or have("campaign") >= set(selection.campaigns),
            selection.predictor is None or row["predictor"] == selection.predictor,
            selection.with_image is None or row["with_image"] is selection.with_image,
            selection.reserved or not row["reserved_barcode"],
            selection.annotated is None or (row["annotation"] is not None) is selection.annotated,
            selection.annotation is None or row["annotation"] == selection.annotation,
            not selection.is_open or (row["annotation"] is None and not row["automatic_processing"]),
            selection.voter is None or selection.voter not in voters,
        )
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.lists(st.tuples(ROWS, st.lists(VOTES, max_size=2)), min_size=1, max_size=8),
    changes=CHANGES,
    selections=st.lists(SIMPLE | SELECTIONS, min_size=4, max_size=12),
)
async def test_a_count_is_the_number_of_rows_after_any_changes(
    database: Database,
    first: list[tuple[dict[str, Any], list[Voter | None]]],
    changes: list[tuple[str, int | None, dict[str, Any] | None]],
    selections: list[Selection],
) -> None:
    await database.execute("DELETE FROM product_insight")
    stored: dict[Any, dict[str, Any]] = {}
    voters: dict[Any, list[Voter | None]] = {}
    for row, votes in first:
        identity = await rows.add_insight(database, **row)
        stored[identity], voters[identity] = row, votes
        for voter in filter(None, votes):
            await rows.add_vote(database, identity, 1, device_id=voter.device_id, username=voter.username)
    for kind, place, changed in changes:
        if kind == "fold":
            await tally.fold(database)
        elif place is not None and place < len(stored):
            identity = list(stored)[place]
            if changed is None:
                del stored[identity]
                await database.execute("DELETE FROM product_insight WHERE id = $1", identity)
            else:
                stored[identity] = changed
                names = ", ".join(f"{name} = ${number}" for number, name in enumerate(changed, 2))
                await database.execute(
                    f"UPDATE product_insight SET {names} WHERE id = $1", identity, *changed.values()
                )
    for selection in selections:
        expected = [identity for identity, row in stored.items() if fits(row, voters[identity], selection)]
        for walking in (None, (), ("type",)):
            where, arguments = selection.where(walking=walking)
            found = await database.fetch(f"SELECT id FROM product_insight WHERE {where}", *arguments)
            assert sorted(row["id"] for row in found) == sorted(expected), selection
        assert await tally.count(database, selection) == len(expected), selection


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"types": ("category", "label"), "is_open": True, "with_image": True},
        {"value_tag": "en:a"},
        {"brands": ("x",), "reserved": False},
        {"countries": ("x",)},
        {"countries": ("x",), "value_tag": "en:a"},
        {"campaigns": ("x",)},
        {"campaigns": ("x",), "value_tag": "en:a"},
        {"predictor": "x"},
        {"annotated": True, "annotation": 1},
    ],
)
async def test_these_filters_are_counted_without_a_look_at_the_insights(
    database: Database, filters: dict[str, Any]
) -> None:
    sql, arguments = tally.counting(Selection(**filters))
    plan = await database.fetch(f"EXPLAIN {sql}", *arguments)
    assert "insight_tally" in str(plan)
    assert "product_insight" not in str(plan)


@pytest.mark.parametrize("filters", [{"brands": ("x", "y")}, {"countries": ("x",), "brands": ("x",)}])
async def test_what_an_insight_may_have_twice_is_not_added_up(
    database: Database, filters: dict[str, Any]
) -> None:
    await rows.add_insight(database, brands=["x", "y"], countries=["x"])
    assert await tally.count(database, Selection(**filters)) == 1


async def test_a_selection_of_no_types_has_nothing(database: Database) -> None:
    await rows.add_insight(database)
    assert await tally.count(database, Selection(types=())) == 0


async def test_folding_empties_the_deltas_and_drops_what_is_no_more(database: Database) -> None:
    await rows.add_insight(database, value_tag="en:a")
    await rows.add_insight(database, value_tag="en:b")
    await tally.fold(database)
    assert await database.fetchval("SELECT count(*) FROM insight_tally_delta") == 0
    await database.execute("DELETE FROM product_insight WHERE value_tag = 'en:b'")
    await tally.fold(database)
    assert await database.fetchval("SELECT count(*) FROM insight_tally WHERE value_tag = 'en:b'") == 0
    assert await tally.count(database, Selection(value_tag="en:a")) == 1
    assert await tally.fold(database) == 0


async def test_many_deltas_are_folded_in_portions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await rows.add_insight(database, value_tag=f"en:{number}")
    monkeypatch.setattr(tally, "PORTION", 3)
    await tally.fold(database)
    assert await database.fetchval("SELECT count(*) FROM insight_tally_delta") == 0
    assert await tally.count(database, Selection(is_open=True)) == 5


async def test_one_worker_at_a_time_folds_and_the_other_does_not_wait(database: Database) -> None:
    await rows.add_insight(database)
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", tally.LOCK)
        assert await asyncio.wait_for(tally.fold(database), 5) == 0
    assert await tally.fold(database) > 0


async def test_a_vote_writes_nothing_into_the_tally(database: Database) -> None:
    identity = await rows.add_insight(database)
    await tally.fold(database)
    await database.execute("UPDATE product_insight SET n_votes = n_votes + 1 WHERE id = $1", identity)
    assert await database.fetchval("SELECT count(*) FROM insight_tally_delta") == 0
