"""Products go in and out as lines of the public dump."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar

from server import admin as administration
from server.auth import Keys
from server.db import Database
from server.insights import kinds_products
from server.jobs import Jobs
from server.metrics import Metrics
from server.settings import Limits
from tests.server_process import ADMIN_KEY

DUMP_LINE: dict[str, Any] = {
    "_id": "3017620422003",
    "code": "3017620422003",
    "lang": "fr",
    "product_name": "Nutella ü",
    "countries_tags": ["en:france", "en:germany"],
    "brands": "Ferrero",
    "brands_tags": ["ferrero"],
    "unique_scans_n": 3500,
    "nutriments": {"fat_100g": 30.9, "fat_unit": "g", "energy-kcal": 539},
    "images": {
        "1": {"sizes": {"full": {"h": 1200, "w": 900}}, "uploaded_t": 1457680652, "uploader": "x"},
        "front_fr": {"imgid": "1", "rev": "42", "angle": 0, "x1": None},
    },
    "packagings": [{"material": "en:glass", "shape": "en:jar", "number_of_units": 1}],
    "nobody_knows": {"this": [None, 1.5, "x"]},
}


@pytest.fixture
def deleted() -> list[str]:
    return []


@pytest.fixture
async def http(database: Database, deleted: list[str]) -> AsyncIterator[httpx.AsyncClient]:
    async def delete(key: str) -> None:
        deleted.append(key)

    kinds = {"products": kinds_products.kind(database, delete)}
    router = administration.router(Keys(database), kinds, Jobs(database, Metrics()), Limits(), ADMIN_KEY)
    app = Litestar([router], request_max_body_size=None, logging_config=None, openapi_config=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test.local") as client:
        yield client


async def put(http: httpx.AsyncClient, admin: dict[str, str], *lines: object) -> dict[str, Any]:
    body = b"\n".join(line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines)
    answer = await http.post("/admin/v1/import/products", content=body, headers=admin)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


async def out(http: httpx.AsyncClient, admin: dict[str, str]) -> list[Any]:
    answer = await http.get("/admin/v1/export/products", headers=admin)
    return [msgspec.json.decode(line) for line in answer.text.splitlines()]


async def test_a_product_comes_out_as_it_went_in(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    report = await put(http, admin, DUMP_LINE)
    assert (report["imported"], report["ids"]) == (1, ["3017620422003"])
    assert await out(http, admin) == [{**DUMP_LINE, "server_type": "off"}]


async def test_a_second_import_replaces_a_product_and_counts_as_imported(
    http: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    await put(http, admin, DUMP_LINE)
    report = await put(http, admin, {"code": "03017620422003", "product_name": "Other"})
    assert (report["read"], report["imported"], report["skipped"]) == (1, 1, 0)
    row = await database.fetchrow("SELECT data, generic_image FROM product")
    assert row is not None
    assert row["data"] == {"code": "03017620422003", "product_name": "Other"}
    assert row["generic_image"] is None


async def test_the_last_line_of_a_product_stands_and_others_are_untouched(
    http: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    report = await put(
        http,
        admin,
        {"code": "1", "quantity": "1 g"},
        {"code": 1, "server_type": "obf", "quantity": "2 g"},
        {"code": "00000001", "quantity": "3 g"},
    )
    assert report["imported"] == 3
    rows = await database.fetch("SELECT server_type, barcode, data->>'quantity' FROM product ORDER BY 1")
    assert [tuple(row) for row in rows] == [("obf", "00000001", "2 g"), ("off", "00000001", "3 g")]


async def test_a_bad_line_is_named_and_the_others_are_stored(
    http: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    report = await put(
        http,
        admin,
        {"code": "1"},
        {"product_name": "no code"},
        b'{"code": "2", "product_name": "a\\u0000b"}',
        b'{"code": "3", "product_name": "\\ud800"}',
        {"code": "4", "server_type": "nope"},
        {"code": "5"},
    )
    assert (report["read"], report["imported"]) == (6, 2)
    assert [error["line"] for error in report["errors"]] == [2, 3, 4, 5]
    assert "code" in report["errors"][0]["error"] and "Null" in report["errors"][1]["error"]
    assert "nope" in report["errors"][3]["error"]
    assert await database.fetchval("SELECT count(*) FROM product") == 2


async def test_many_compressed_lines_arrive_and_stream_back(
    http: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    lines = [{"code": f"{number:013}", "product_name": f"p{number}"} for number in range(10**9, 10**9 + 2500)]
    body = gzip.compress(b"\n".join(msgspec.json.encode(line) for line in lines))
    answer = await http.post("/admin/v1/import/products", content=body, headers=admin)
    assert answer.json()["imported"] == 2500
    assert await out(http, admin) == [{**line, "server_type": "off"} for line in lines]


async def test_imports_of_the_same_products_at_once_all_end(
    http: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    lines = [{"code": str(number), "quantity": "1"} for number in range(1, 400)]
    reports = await asyncio.gather(put(http, admin, *lines), put(http, admin, *reversed(lines)))
    assert [report["imported"] for report in reports] == [399, 399]
    assert await database.fetchval("SELECT count(*) FROM product") == 399


async def test_deleting_a_product_is_the_events_work(
    http: httpx.AsyncClient, admin: dict[str, str], deleted: list[str]
) -> None:
    answer = await http.delete("/admin/v1/products/off_pro/org/123", headers=admin)
    assert answer.status_code == 204
    assert deleted == ["off_pro/org/123"]
