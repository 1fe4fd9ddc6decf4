"""Events told over HTTP are checked, queued and done."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from server.db import Database
from tests.server.insights import rows, worker
from tests.server.insights.conftest import StartWorker

KEY = {"Authorization": "Bearer batch-key-1"}
PRODUCT = {"barcode": "5411041040807", "action": "updated"}
IMAGE = {
    "barcode": "5411041040807",
    "image_url": "https://images.example/images/products/541/104/104/0807/3.jpg",
}
BOTH = [("/api/v1/webhook/product", PRODUCT), ("/api/v1/images/import", IMAGE)]


async def queued(database: Database) -> list[dict[str, Any]]:
    found = await database.fetch("SELECT payload FROM pgqueuer WHERE status = 'queued' ORDER BY id")
    return [msgspec.json.decode(row["payload"]) for row in found]


async def test_an_event_is_queued_with_its_normalised_product(
    http: httpx.AsyncClient, database: Database
) -> None:
    answer = await http.post(
        "/api/v1/webhook/product",
        data={"barcode": "05411041040807", "action": "deleted", "server_type": "obf"},
        headers=KEY,
    )
    assert (answer.status_code, answer.json()) == (200, {"status": "scheduled"})
    assert await queued(database) == [
        {"kind": "product_deleted", "server_type": "obf", "barcode": "5411041040807"}
    ]


async def test_an_image_is_known_by_the_number_at_the_end_of_its_address(
    http: httpx.AsyncClient, database: Database
) -> None:
    ocr = "https://images.example/541/104/104/0807/3.json"
    answer = await http.post("/api/v1/images/import/", data={**IMAGE, "ocr_url": ocr}, headers=KEY)
    assert answer.json() == {"status": "scheduled"}
    image = {"server_type": "off", "barcode": "5411041040807", "image_id": "3"}
    assert await queued(database) == [
        {"kind": "image_uploaded", **image},
        {"kind": "ocr_ready", **image, "ocr_url": ocr},
    ]


@pytest.mark.parametrize(("path", "form"), BOTH)
@pytest.mark.parametrize(
    ("header", "status", "title"),
    [
        (None, 400, "Missing header value"),
        ("batch-key-1", 401, "Invalid authentication scheme."),
        ("Basic batch-key-1", 401, "Invalid authentication scheme: 'Bearer Token' expected."),
        ("Bearer wrong", 401, "Invalid token."),
    ],
)
async def test_only_the_key_of_batch_jobs_may_tell(
    http: httpx.AsyncClient,
    database: Database,
    path: str,
    form: dict[str, str],
    header: str | None,
    status: int,
    title: str,
) -> None:
    answer = await http.post(path, data=form, headers={} if header is None else {"Authorization": header})
    assert (answer.status_code, answer.json()["title"]) == (status, title)
    assert await queued(database) == []


@pytest.mark.parametrize(("path", "form"), BOTH)
async def test_every_required_field_is_asked_for(
    http: httpx.AsyncClient, path: str, form: dict[str, str]
) -> None:
    for name in form:
        left = {key: value for key, value in form.items() if key != name}
        answer = await http.post(path, data=left, headers=KEY)
        assert answer.json() == {
            "title": "Missing parameter", "description": f'The "{name}" parameter is required.'
        }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("webhook/product", {**PRODUCT, "action": "painted"}),
        ("webhook/product", {**PRODUCT, "barcode": "abc"}),
        ("webhook/product", {**PRODUCT, "server_type": "x"}),
        ("webhook/product", {**PRODUCT, "barcode": "1\x00"}),
        ("images/import", {**IMAGE, "image_url": "/541/104/104/0807/3.jpg"}),
        ("images/import", {**IMAGE, "image_url": "ftp://a/3.jpg"}),
        ("images/import", {**IMAGE, "image_url": "https://[a/3.jpg"}),
        ("images/import", {**IMAGE, "image_url": "https://a/front_fr.4.jpg"}),
        ("images/import", {**IMAGE, "image_url": "https://a/" + "3" * 60 + ".jpg"}),
        ("images/import", {**IMAGE, "ocr_url": "nowhere"}),
    ],
)
async def test_an_unusable_field_is_refused(
    http: httpx.AsyncClient, database: Database, path: str, form: dict[str, str]
) -> None:
    answer = await http.post(f"/api/v1/{path}", data=form, headers=KEY)
    assert answer.status_code == 400, answer.text
    assert await queued(database) == []


async def test_a_deletion_that_was_told_is_done(database_url: str, tmp_path: Path) -> None:
    async with worker.start(database_url, tmp_path / "data", run_jobs=True) as started:
        await rows.add_product(started.database, "5411041040807")
        insight = await rows.add_insight(started.database, barcode="5411041040807")
        await started.http.post("/api/v1/webhook/product", data={**PRODUCT, "action": "deleted"}, headers=KEY)
        for _ in range(200):
            answer = await started.http.get(f"/api/v1/insights/detail/{insight}")
            if answer.status_code == 404:
                break
            await asyncio.sleep(0.05)
        assert answer.status_code == 404
        assert await started.database.fetchval("SELECT count(*) FROM product") == 0


async def test_an_image_is_deleted_through_the_administration(
    start_worker: StartWorker, admin: dict[str, str]
) -> None:
    async with start_worker() as started:
        await rows.add_image(
            started.database, "3", barcode="5411041040807", source_image="/541/104/104/0807/3.jpg"
        )
        await rows.add_prediction(
            started.database, barcode="5411041040807", source_image="/541/104/104/0807/3.jpg"
        )
        answer = await started.http.delete("/admin/v1/images/5411041040807/3", headers=admin)
        assert answer.status_code == 204
        again = await started.http.delete("/admin/v1/images/5411041040807/4", headers=admin)
        assert again.status_code == 404
        assert await started.database.fetchval("SELECT count(*) FROM prediction") == 0
