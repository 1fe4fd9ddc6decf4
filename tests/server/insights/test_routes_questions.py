"""Questions over HTTP: the shapes, the filters, the orders and the counts of the contract, section 1.2.1-1.2.4."""

import re
from collections import Counter
from typing import Any
from uuid import UUID

import httpx
import pytest

from server.db import Database
from tests.server.insights import rows
from tests.server.insights.conftest import StartWorker
from tests.server.insights.worker import Worker

NONE = {"count": 0, "questions": [], "status": "no_questions"}


async def ask(http: httpx.AsyncClient, path: str = "", **parameters: Any) -> dict[str, Any]:
    """The body of an answer that must be a 200."""
    answer = await http.get(f"/api/v1/questions{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def ids(http: httpx.AsyncClient, path: str = "", **parameters: Any) -> list[UUID]:
    """Which insights are asked, in order."""
    return [UUID(question["insight_id"]) for question in (await ask(http, path, **parameters))["questions"]]


class TestAnEmptyStore:
    @pytest.mark.parametrize("path", ["", "/", "/random", "/popular", "/unanswered", "/unanswered/"])
    async def test_has_no_questions(self, http: httpx.AsyncClient, path: str) -> None:
        assert await ask(http, path) == NONE

    async def test_has_none_for_a_product_and_says_no_count(self, http: httpx.AsyncClient) -> None:
        assert await ask(http, "/3250390172185") == {"questions": [], "status": "no_questions"}


class TestTheQuestionObject:
    async def test_has_these_keys_in_this_order(
        self, http: httpx.AsyncClient, database: Database, worker: Worker
    ) -> None:
        identity = await rows.add_insight(
            database,
            type="label",
            value_tag="en:eu-organic",
            barcode="3250390172185",
            source_image="/325/039/017/2185/6.jpg",
        )
        picture = "https://static.openfoodfacts.org/images/lang/en/labels/eu-organic.135x90.svg"
        node = {"name": {"en": "EU Organic"}, "image": {"en": picture}}
        await worker.insights.taxonomies.put("labels", {"en:eu-organic": node})
        async with http.stream("GET", "/api/v1/questions/3250390172185") as answer:
            text = (await answer.aread()).decode()
        assert text == (
            '{"questions":[{"barcode":"3250390172185","server_type":"off","type":"add-binary",'
            '"value":"EU Organic","question":"Does the product have this label?",'
            f'"insight_id":"{identity}","insight_type":"label","value_tag":"en:eu-organic",'
            f'"ref_image_url":"{picture}","source_image_url":'
            '"https://images.openfoodfacts.org/images/products/325/039/017/2185/6.400.jpg"}],"status":"found"}'
        )
