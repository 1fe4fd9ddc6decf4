"""The generated description of the API: every route has a summary, and says which parameters it reads."""

from typing import Any

from litestar import Litestar
from litestar.openapi import OpenAPIConfig

from server.insights.asking import question_pages
from server.insights.reading import insight_pages
from tests.server.insights.worker import Worker


def described(worker: Worker) -> dict[str, Any]:
    config = OpenAPIConfig(title="x", version="1")
    paths: dict[str, Any] = Litestar(
        [worker.insights.router], openapi_config=config
    ).openapi_schema.to_schema()["paths"]
    return paths


async def test_every_route_is_described_with_its_parameters_and_answers(worker: Worker) -> None:
    paths = described(worker)
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["responses"], (method, path)
    insights = {one["name"]: one for one in paths["/api/v1/insights"]["get"]["parameters"]}
    assert {"insight_types", "lc", "annotated", "order_by", "count", "device_id"} <= set(insights)
    assert insights["insight_types"]["schema"] == {"type": "array", "items": {"type": "string"}}
    assert insights["order_by"]["schema"]["enum"] == ["random", "popularity"]
    assert insights["annotated"]["schema"]["type"] == "boolean" and insights["annotated"]["description"]
    assert not any(one["required"] for one in insights.values())
    batch = {one["name"]: one["required"] for one in paths["/api/v1/batch/import"]["post"]["parameters"]}
    assert batch == {"job_type": True, "batch_dir": True}


async def test_each_route_is_described_with_its_own_orders(worker: Worker) -> None:
    paths = described(worker)
    orders = {
        path: one["schema"]["enum"]
        for path in ("/api/v1/questions", "/api/v1/insights")
        for one in paths[path]["get"]["parameters"]
        if one["name"] == "order_by"
    }
    assert orders == {
        "/api/v1/questions": ["popularity", "confidence", "random"],
        "/api/v1/insights": ["random", "popularity"],
    }
    assert set(orders["/api/v1/questions"]) == set(question_pages.ORDERS)
    assert set(orders["/api/v1/insights"]) == set(insight_pages.ORDERS)


async def test_an_answer_is_described_as_a_form(worker: Worker) -> None:
    body = described(worker)["/api/v1/insights/annotate"]["post"]["requestBody"]
    form = body["content"]["application/x-www-form-urlencoded"]["schema"]
    kinds = {name: field["type"] for name, field in form["properties"].items()}
    assert kinds == {
        "insight_id": "string",
        "annotation": "integer",
        "update": "boolean",
        "data": "string",
        "device_id": "string",
    }
    assert form["required"] == ["insight_id", "annotation"]
    assert all(field["description"] for field in form["properties"].values())


async def test_paths_without_their_prefix_and_robots_are_not_advertised(worker: Worker) -> None:
    assert all(path.startswith("/api/v1/") for path in described(worker))
