"""An accepted insight reaches the product server over HTTP, at once or later."""

import asyncio
from pathlib import Path

import pytest

from server.settings import Settings
from tests.server.insights import product_opener_server, rows, worker
from tests.server.insights.product_opener_server import ProductOpenerServer
from tests.server.insights.worker import Worker

CODE = "5411041040807"
ANN = ("ann", "hunter2")


async def annotate(started: Worker, server: ProductOpenerServer) -> dict[str, object]:
    server.products[CODE] = {"code": CODE, "categories_tags": ["en:meals"], "images": {"1": {}}}
    insight = await rows.add_insight(started.database, barcode=CODE, value_tag="en:soups")
    answer = await started.http.post(
        "/api/v1/insights/annotate", data={"insight_id": str(insight), "annotation": "1"}, auth=ANN
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def settings(server: ProductOpenerServer) -> Settings:
    return Settings(product_opener_url=server.url, fetch_allow_private=True)


async def test_a_decision_is_written_before_it_is_answered(database_url: str, tmp_path: Path) -> None:
    async with (
        product_opener_server.serve() as server,
        worker.start(database_url, tmp_path, settings=settings(server)) as started,
    ):
        assert (await annotate(started, server))["status_code"] == 2
        ((path, fields, _),) = server.writes
    assert path == "/cgi/product_jqm2.pl"
    assert (fields["add_categories"], fields["user_id"]) == ("en:soups", "ann")
    assert str(fields["comment"]).startswith("[robotoff] ")


@pytest.mark.parametrize("trouble", [403, 500, "garbage"])
async def test_a_decision_that_cannot_be_written_stays_open(
    database_url: str, tmp_path: Path, trouble: int | str
) -> None:
    async with (
        product_opener_server.serve() as server,
        worker.start(database_url, tmp_path, settings=settings(server)) as started,
    ):
        server.trouble = trouble
        assert (await annotate(started, server))["status_code"] == 10
        annotation = await started.database.fetchval("SELECT annotation FROM product_insight")
    assert annotation is None


async def test_a_slow_product_server_holds_nobody_up_where_writes_come_later(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        product_opener_server.serve() as server,
        worker.start(
            database_url, tmp_path, settings=settings(server), run_jobs=True, async_writes=True
        ) as started,
    ):
        assert (await annotate(started, server))["status_code"] == 2
        for _ in range(200):
            if server.writes:
                break
            await asyncio.sleep(0.05)
        assert [fields["user_id"] for _, fields, _ in server.writes] == ["ann"]
