"""What an answer costs, and answers that are kept as long as nothing changes."""

from typing import Any

import asyncpg
import httpx
import pytest

from server.db import Database
from server.insights.queries_questions import LOOK
from server.insights.reader import Reader
from tests.server.insights import rows
from tests.server.insights.asking.asking import BARCODE, NONE, add, ask, ids
from tests.server.insights.conftest import StartWorker
from tests.server.insights.worker import Worker


def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of readers from now on, in order."""
    statements: list[str] = []
    fetch = Reader.fetch

    async def fetch_noted(self: Reader, query: str, *rest: Any) -> Any:
        statements.append(query)
        return await fetch(self, query, *rest)

    monkeypatch.setattr(Reader, "fetch", fetch_noted)
    return statements


class TestCost:
    @pytest.mark.parametrize(
        ("path", "most"),
        [
            ("?count=25&brands=a,b&countries=fr", 2),
            ("?count=25&order_by=confidence&value_tag=en:soups", 2),
            ("/random?insight_types=category", 2),
            (f"/{BARCODE}?count=25", 1),
            ("/unanswered?type=category", 1),
        ],
    )
    async def test_an_answer_is_two_statements_at_most_and_one_when_it_is_known(
        self,
        http: httpx.AsyncClient,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
        path: str,
        most: int,
    ) -> None:
        for kind in ("category", "label", "brand", "packaging") * 3:
            await add(database, type=kind, brands=["a"], predictor="taxonomy", barcode=BARCODE)
        statements = []
        execute = asyncpg.Connection._execute

        async def counted(self: Any, query: str, *rest: Any, **more: Any) -> Any:
            statements.append(query)
            return await execute(self, query, *rest, **more)

        monkeypatch.setattr(asyncpg.Connection, "_execute", counted)
        for expected in (most, 1):
            statements.clear()
            answer = await http.get(f"/api/v1/questions{path}")
            assert answer.json()["questions"]
            of_questions = [query for query in statements if "product_insight" in query or "tally" in query]
            assert len([query for query in of_questions if "EXISTS" not in query]) <= expected

    async def test_a_page_behind_the_last_row_sorts_nothing(
        self, http: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(4):
            await add(database)
        asked = noted(monkeypatch)
        for page, expected in ((1_000_000, 0), (3, 0), (2, 2)):
            asked.clear()
            answer = await ask(http, count=2, page=page)
            assert (answer["count"], len(answer["questions"])) == (4, expected)
            sorting = [query for query in asked if "row_number" in query]
            assert len(sorting) == (expected > 0) and len(asked) <= 2
        # Known to be empty once, and not for ever.
        await add(database)
        assert len((await ask(http, count=2, page=3))["questions"]) == 1

    @pytest.mark.parametrize(
        ("parameters", "again"),
        [({}, 0), ({"lang": "fr"}, 0), ({"brands": "a," + "b" * 3000}, 2), ({"lang": "x" * 3000}, 1)],
    )
    async def test_long_texts_are_answered_and_not_remembered(
        self,
        http: httpx.AsyncClient,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
        parameters: dict[str, str],
        again: int,
    ) -> None:
        identity = await add(database, brands=["a"])
        assert await ids(http, **parameters) == [identity]
        asked = noted(monkeypatch)
        assert await ids(http, **parameters) == [identity]
        assert len([query for query in asked if query != LOOK]) == again


class TestAnswersAreKept:
    async def test_only_while_nothing_at_all_changed(self, start_worker: StartWorker) -> None:
        async with start_worker() as one, start_worker() as other:
            identity = await add(one.database)
            for worker in (one, other, one, other):
                assert await ids(worker.http) == [identity]
            # By another worker, by the database itself, and taken back: each is seen by both.
            second = await add(other.database, unique_scans_n=5)
            for worker in (one, other, one):
                assert await ids(worker.http) == [second, identity]
            await one.database.execute("DELETE FROM product_insight WHERE id = $1", second)
            for worker in (one, other, one):
                assert await ids(worker.http) == [identity]

    async def test_not_from_whoever_voted(self, http: httpx.AsyncClient, database: Database) -> None:
        first, second = await add(database, unique_scans_n=2), await add(database, unique_scans_n=1)
        await rows.add_vote(database, first, 1, device_id="voter")
        for device, expected in (("a", [first, second]), ("voter", [second]), ("b", [first, second])) * 2:
            assert await ids(http, device_id=device) == expected
            assert (await ask(http, device_id=device))["count"] == len(expected)

    async def test_not_over_a_change_that_is_not_committed_yet(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        identity = await add(database)
        async with database.transaction() as connection:
            await connection.execute("UPDATE product_insight SET annotation = 1")
            assert await ids(http) == [identity]
            assert await ids(http) == [identity]
        assert await ask(http) == NONE

    async def test_not_over_a_new_name(
        self, http: httpx.AsyncClient, worker: Worker, database: Database
    ) -> None:
        await add(database)
        taxonomies = worker.insights.taxonomies
        for name in ("Soups", "Broths"):
            await taxonomies.put("categories", {"en:soups": {"name": {"en": name}}})
            for _ in range(2):
                [question] = (await ask(http))["questions"]
                assert question["value"] == name

    async def test_and_cost_one_short_statement(
        self, http: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        identity = await add(database)
        await ids(http)
        statements = noted(monkeypatch)
        assert await ids(http) == [identity]
        assert statements == [LOOK]
