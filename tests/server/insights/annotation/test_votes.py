"""Votes: how they are counted, what they decide, and what they may not (contract 2.3)."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.db import Database
from server.insights.products.edits import AddTag
from server.insights.voter import Voter
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


async def test_three_equal_votes_decide_and_are_applied(database: Database) -> None:
    products = FailingProducts(database)
    annotator, refreshes = annotator_of(database, products)
    await rows.add_product(database)
    insight = await rows.add_insight(database, type="label", value_tag="en:organic")
    assert [await code(annotator, insight, 1) for _ in range(4)] == [9, 9, 2, 5]
    assert await state(database, insight) == (1, None, 2, 3)
    assert await labels(database) == ["en:organic"]
    comment = f"[robotoff] Adding label 'en:organic', ID: {insight} (applied after 3 anonymous votes)"
    assert products.writes == [((AddTag("labels", "en:organic"),), comment, None)]
    assert refreshes == [("off", rows.BARCODE)]
    refused = await rows.add_insight(database)
    assert [await code(annotator, refused, 0) for _ in range(3)] == [9, 9, 1]
    assert await state(database, refused) == (0, None, 1, 3)


@pytest.mark.parametrize("insight_type", ["nutrient_extraction", "ingredient_detection"])
async def test_votes_may_refuse_details_but_not_accept_them(database: Database, insight_type: str) -> None:
    annotator, _ = annotator_of(database)
    await rows.add_product(database)
    insight = await rows.add_insight(database, type=insight_type, data={"text": "Milk"}, value_tag="en")
    assert [await code(annotator, insight, 1) for _ in range(4)] == [9, 9, 13, 13]
    assert await state(database, insight) == (None, None, None, 4)
    assert len(await votes(database, insight)) == 4
    insight = await rows.add_insight(database, type=insight_type)
    assert [await code(annotator, insight, 0) for _ in range(3)] == [9, 9, 1]
    assert await state(database, insight) == (0, None, 1, 3)
    split = await rows.add_insight(database, type=insight_type)
    assert [await code(annotator, split, value) for value in (1, 0, 1, 0)] == [9, 9, 9, 1]
    assert await state(database, split) == (-1, None, 1, 4)


async def test_a_voter_counts_again_and_again_unless_the_operator_minds(database: Database) -> None:
    annotator, _ = annotator_of(database)
    strict, _ = annotator_of(database, once=True)
    insight = await rows.add_insight(database)
    assert [await code(annotator, insight, 0) for _ in range(3)] == [9, 9, 1]

    insight = await rows.add_insight(database)
    assert [await code(strict, insight, 0) for _ in range(4)] == [9] * 4
    assert await state(database, insight) == (None, None, None, 1)
    assert await code(strict, insight, 1) == 9
    assert await votes(database, insight) == [(1, None, "phone")]
    assert await code(strict, insight, 1, Voter("tablet")) == 9
    assert await code(strict, insight, -1) == 9
    assert await state(database, insight) == (None, None, None, 1)
    # A user is one voter wherever he is, and no anonymous one.
    assert await code(strict, insight, -1, ANN) == 9
    assert await code(strict, insight, -1, ANN._replace(device_id="phone")) == 9
    assert await votes(database, insight) == [
        (1, None, "tablet"),
        (-1, None, "phone"),
        (-1, "ann", "phone"),
    ]
    assert await code(strict, insight, 0, Voter("c")) == 9
    assert await code(strict, insight, 0, Voter("d")) == 9
    assert await code(strict, insight, 1, PHONE) == 1
    assert await state(database, insight) == (-1, None, 1, 4)


async def test_a_skip_may_be_the_vote_that_lets_others_decide(database: Database) -> None:
    annotator, _ = annotator_of(database)
    await rows.add_product(database)
    insight = await rows.add_insight(database)
    await add_votes(database, insight, 1, 1, 1)
    assert await code(annotator, insight, -1) == 2
    assert await state(database, insight) == (1, None, 2, 3)


def slow_twin(values: Sequence[int]) -> tuple[int, int | None]:
    """n_votes and the decision after these votes, counted by hand."""
    ayes, noes = list(values).count(1), list(values).count(0)
    decision = None
    if max(ayes, noes) >= 3:
        decision = 1 if ayes > noes else 0
    if ayes >= 2 and noes >= 2:
        decision = -1
    return ayes + noes, decision


def test_any_sequence_of_votes_is_counted_and_judged_as_the_rule_says(database_url: str) -> None:
    database = Database(database_url, connections=5)

    @settings(max_examples=80, deadline=None)
    @given(
        st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=8),
        st.lists(st.sampled_from([-1, 0, 1]), max_size=4),
    )
    def check(sequence: list[int], before: list[int]) -> None:
        runner.run(follow(sequence, before))

    async def follow(sequence: list[int], before: list[int]) -> None:
        annotator, _ = annotator_of(database)
        insight = await rows.add_insight(database, type="image_flag")
        await add_votes(database, insight, *before)
        counted, decided = list(before), None
        for value in sequence:
            answer = await code(annotator, insight, value)
            if decided is not None:
                assert answer == 5
                continue
            counted.append(value)
            n_votes, decided = slow_twin(counted)
            result = None if decided is None else 1
            assert answer == (result or 9)
            assert await state(database, insight) == (decided, None, result, n_votes)
            assert len(await votes(database, insight)) == len(counted)

    with asyncio.Runner() as runner:
        runner.run(database.open())
        check()
        runner.run(database.close())
