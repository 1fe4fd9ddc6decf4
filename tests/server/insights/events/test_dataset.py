"""GET and POST /products/dataset: the state of the products, and a refresh of what follows from them."""

import asyncio

import httpx
import msgspec

from server.db import Database
from server.insights.events.dataset import JOB, Dataset
from tests.server.insights import rows
from tests.server.insights.conftest import StartWorker
from tests.server.insights.worker import Worker

URL = "/api/v1/products/dataset"
WAITING = "SELECT count(*) FROM pgqueuer WHERE entrypoint = $1"


async def test_the_etag_is_null_without_products_and_another_after_each_change(
    http: httpx.AsyncClient, database: Database
) -> None:
    assert (await http.get(URL)).json() == {"etag": None}
    await rows.add_product(database, "00000017")
    first = (await http.get(URL)).json()["etag"]
    assert first and (await http.get(f"{URL}/")).json()["etag"] == first
    await rows.add_product(database, "00000018")
    assert (await http.get(URL)).json()["etag"] not in (None, first)


async def test_a_refresh_is_scheduled_once_at_a_time(http: httpx.AsyncClient, database: Database) -> None:
    for _ in range(3):
        answer = await http.post(URL)
        assert (answer.status_code, answer.json()) == (200, {"status": "scheduled"})
    assert await database.fetchval(WAITING, JOB) == 1


async def test_a_refresh_visits_every_product_with_predictions_once(worker: Worker) -> None:
    visited: list[tuple[str, str]] = []

    async def refresh(server_type: str, barcode: str) -> None:
        visited.append((server_type, barcode))
        if barcode == "00000002":
            raise RuntimeError("one bad product holds up no other")

    for number in range(5):
        await rows.add_prediction(worker.database, barcode=f"{number:08}")
        await rows.add_prediction(worker.database, barcode=f"{number:08}", type="label")
    await rows.add_prediction(worker.database, barcode="00000003", server_type="obf")
    dataset = Dataset(worker.database, worker.jobs, refresh, portion=2)
    payload: dict[str, str] = {}
    for _ in range(10):
        await dataset.kind.handler(payload)
        row = await worker.database.fetchrow(
            "DELETE FROM pgqueuer WHERE entrypoint = $1 RETURNING payload", JOB
        )
        if row is None:
            break
        payload = msgspec.json.decode(row["payload"])
    expected = [("off", f"{number:08}") for number in range(5)] + [("obf", "00000003")]
    assert sorted(visited) == sorted(expected)


async def test_a_scheduled_refresh_is_done(start_worker: StartWorker) -> None:
    async with start_worker(run_jobs=True) as worker:
        database = worker.database
        await rows.add_product(database, "00000017")
        await rows.add_prediction(database, barcode="00000017", type="category", value_tag="en:soups")
        gone = await rows.add_insight(database, barcode="00000017", type="category", value_tag="en:gone")
        await worker.http.post(URL)
        async with asyncio.timeout(30):
            while await database.fetchval("SELECT count(*) FROM product_insight WHERE id = $1", gone):
                await asyncio.sleep(0.05)
