"""GET /predictions: filters, exact counts, pages (contract 1.2.11)."""

import httpx
import pytest

from server.db import Database
from tests.server.insights import rows
from tests.server.insights.statements import counted

URL = "/api/v1/predictions"
KEYS = (
    "id barcode type data timestamp value_tag value source_image automatic_processing predictor "
    "predictor_version confidence server_type"
)


async def test_an_empty_store_has_no_predictions(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{URL}/")).json() == {"count": 0, "predictions": [], "status": "no_predictions"}


async def test_a_prediction_has_every_column_in_the_contracts_order(
    http: httpx.AsyncClient, database: Database
) -> None:
    identity = await rows.add_prediction(database, data={"a": {"b": 1}}, confidence=1.0)
    answer = await http.get(URL)
    (prediction,) = answer.json()["predictions"]
    assert " ".join(prediction) == KEYS and list(answer.json()) == ["count", "predictions", "status"]
    assert prediction["id"] == identity and prediction["data"] == {"a": {"b": 1}}
    assert prediction["timestamp"] == "2024-01-02T03:04:05" and '"confidence":1.0' in answer.text


async def test_each_filter_finds_what_it_names(http: httpx.AsyncClient, database: Database) -> None:
    await rows.add_prediction(database, value_tag="a", type="label", barcode="00000017")
    await rows.add_prediction(database, value_tag="b")
    await rows.add_prediction(database, value_tag="c", server_type="obf")
    for query, expected in (
        ({}, "ab"),
        ({"server_type": "obf"}, "c"),
        ({"types": "label,brand"}, "a"),
        ({"types": ["label", "category"]}, "ab"),
        ({"types": "label%2Ccategory"}, "ab"),
        ({"barcode": "017"}, "a"),
        ({"value_tag": "b"}, "b"),
        ({"barcode": "017", "types": "category"}, ""),
    ):
        found = (await http.get(URL, params=query)).json()
        assert "".join(one["value_tag"] for one in found["predictions"]) == expected, query
        assert found["count"] == len(expected)


async def test_pages_go_by_id_and_every_count_is_exact(
    http: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await rows.add_prediction(database, value_tag=str(number)) for number in range(12)]
    seen: list[int] = []
    for page, size in ((1, 5), (2, 5), (3, 2), (4, 0)):
        with counted(monkeypatch) as statements:
            found = (await http.get(URL, params={"count": 5, "page": page})).json()
        assert len(statements) <= 2
        assert (found["count"], len(found["predictions"])) == (12, size)
        assert found["status"] == ("found" if size else "no_predictions")
        seen += [one["id"] for one in found["predictions"]]
    assert seen == made
