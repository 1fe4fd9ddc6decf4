"""The state machine of annotations, on a real database: votes, decisions, every result (contract 2.3)."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.db import Connection, Database
from server.insights.annotate import Annotator, Decision
from server.insights.edits import AddTag, Edit
from server.insights.local_products import LocalProducts
from server.insights.products import ImageUnknown, Product, ProductWriteFailed
from server.insights.voter import Credentials, Voter
from tests.server.insights import rows

PHONE = Voter("phone")
ANN = Voter("desk", Credentials("ann", "secret"))


class FailingProducts(LocalProducts):
    """Raises what it is told to when it is written; counts the writes."""

    def __init__(self, database: Database, fault: Exception | None = None) -> None:
        super().__init__(database)
        self.fault = fault
        self.writes: list[tuple[Sequence[Edit], str, Credentials | None]] = []

    async def write(
        self,
        connection: Connection,
        product: Product,
        edits: Sequence[Edit],
        *,
        comment: str,
        credentials: Credentials | None,
    ) -> None:
        """Note it, then fail or write."""
        self.writes.append((edits, comment, credentials))
        if self.fault is not None:
            raise self.fault
        await super().write(connection, product, edits, comment=comment, credentials=credentials)


class Refreshes(list[tuple[str, str]]):
    """The products that were refreshed."""

    async def __call__(self, server_type: str, barcode: str) -> None:
        """Note one."""
        self.append((server_type, barcode))


def annotator_of(
    database: Database, products: LocalProducts | None = None, *, once: bool = False
) -> tuple[Annotator, Refreshes]:
    refreshes = Refreshes()
    products = products or LocalProducts(database)
    return Annotator(database, products, refreshes, one_vote_per_voter=once), refreshes


async def code(
    annotator: Annotator,
    insight: UUID,
    annotation: int,
    voter: Voter = PHONE,
    *,
    update: bool = True,
    data: object = None,
) -> int:
    return (await annotator.annotate(insight, annotation, update, data, voter)).status_code


async def state(database: Database, insight: UUID) -> tuple[Any, ...]:
    """annotation, username, annotated_result, n_votes."""
    row = await database.fetchrow(
        "SELECT annotation, username, annotated_result, n_votes, completed_at FROM product_insight"
        " WHERE id = $1",
        insight,
    )
    assert row is not None
    assert (row["completed_at"] is None) == (row["annotation"] is None)
    return tuple(row)[:4]


async def votes(database: Database, insight: UUID) -> list[tuple[int, str | None, str]]:
    found = await database.fetch(
        "SELECT value, username, device_id FROM annotation_vote WHERE insight_id = $1 ORDER BY timestamp",
        insight,
    )
    return [tuple(row) for row in found]


async def labels(database: Database, barcode: str = rows.BARCODE) -> list[str]:
    product = await LocalProducts(database).get("off", barcode)
    assert product is not None
    return product.tags("labels_tags")


async def add_votes(database: Database, insight: UUID, *values: int) -> None:
    for value in values:
        await rows.add_vote(database, insight, value)


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
    assert len(products.writes) == 2
    assert await state(database, insight) == (1, "ann", 2, 0)


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
