"""Insights and votes go in and out as rows; a bad line never stops the others."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from server.db import Database
from server.insights import queries_annotate
from tests.server.insights import rows, waiting

FULL: dict[str, Any] = {
    "id": "3cd5aecd-edcc-4237-87d0-6595fc4e53c9",
    "barcode": "9782012805866",
    "type": "label",
    "data": {"logo_id": 173011, "bounding_box": [0.1, 0.2, 0.3, 0.4], "text": "é\n"},
    "timestamp": "2024-01-02T03:04:05.678901",
    "completed_at": "2024-01-03T00:00:00",
    "annotation": 1,
    "annotated_result": 2,
    "n_votes": 0,
    "username": "someone",
    "countries": ["en:france"],
    "brands": ["carrefour"],
    "process_after": "2024-01-02T03:14:05",
    "value_tag": "en:organic",
    "value": None,
    "source_image": "/978/201/280/5866/3.jpg",
    "automatic_processing": False,
    "server_type": "off",
    "unique_scans_n": 12,
    "reserved_barcode": False,
    "predictor": "universal-logo-detector",
    "predictor_version": "1.0",
    "campaign": [],
    "confidence": 0.87,
    "bounding_box": [0.1, 0.2, 0.3, 0.4],
    "lc": None,
    "with_image": True,
}


async def put(http: httpx.AsyncClient, admin: dict[str, str], kind: str, *lines: object) -> dict[str, Any]:
    body = b"\n".join(msgspec.json.encode(line) for line in lines)
    answer = await http.post(f"/admin/v1/import/{kind}", content=body, headers=admin)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


async def out(http: httpx.AsyncClient, admin: dict[str, str], kind: str) -> list[Any]:
    answer = await http.get(f"/admin/v1/export/{kind}", headers=admin)
    return [msgspec.json.decode(line) for line in answer.text.splitlines()]


async def test_an_insight_comes_out_as_it_went_in(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    report = await put(http, admin, "insights", FULL)
    assert report["imported"] == 1 and report["ids"] == [FULL["id"]]
    assert await out(http, admin, "insights") == [FULL]


async def test_an_import_can_be_repeated(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    await put(http, admin, "insights", FULL)
    again = await put(
        http, admin, "insights", {**FULL, "value_tag": "en:other"}, {**FULL, "id": str(uuid4())}
    )
    assert (again["imported"], again["skipped"]) == (1, 1)
    assert [line["value_tag"] for line in await out(http, admin, "insights")] == ["en:organic"] * 2


async def test_what_a_line_leaves_out_is_filled_in(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    await put(http, admin, "insights", {"barcode": 21, "type": "brand", "source_image": "/1.jpg"})
    (line,) = await out(http, admin, "insights")
    assert line["barcode"] == "00000021" and line["reserved_barcode"] is False
    assert (line["server_type"], line["countries"], line["n_votes"]) == ("off", [], 0)
    assert line["timestamp"] is not None and line["annotation"] is None and line["with_image"] is True


async def test_a_reserved_barcode_is_known_by_its_digits(
    http: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await put(http, admin, "insights", {"barcode": "0212345678901", "type": "brand"})
    assert (await out(http, admin, "insights"))[0]["reserved_barcode"] is True


async def test_a_bad_line_never_stops_the_others(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    good = {"barcode": "123", "type": "label"}
    report = await put(
        http,
        admin,
        "insights",
        good,
        {"type": "label"},
        {**good, "barcode": "12a"},
        {**good, "annotation": 7},
        {**good, "value": "null \x00 character"},
        {**good, "n_votes": 2**40},
        {**good, "server_type": "xyz"},
        {**good, "timestamp": "yesterday"},
        {**good, "id": "no-uuid"},
        {**good, "data": {"deep": "\x00"}},
        good,
    )
    assert report["imported"] == 2 and [error["line"] for error in report["errors"]] == list(range(2, 11))
    assert not any("Internal" in error["error"] for error in report["errors"]), report["errors"]


async def test_times_with_a_zone_are_stored_as_utc(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    await put(
        http, admin, "insights", {"barcode": "1", "type": "label", "timestamp": "2024-01-02T03:04:05+02:00"}
    )
    assert (await out(http, admin, "insights"))[0]["timestamp"] == "2024-01-02T01:04:05"


async def test_votes_are_rows_that_decide_nothing_but_are_counted(
    http: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    insight = str(await rows.add_insight(database))
    votes = [{"insight_id": insight, "value": value, "device_id": "d"} for value in (1, 1, 1, 1, -1)]
    unknown = {"insight_id": str(uuid4()), "value": 1, "device_id": "d"}
    report = await put(http, admin, "votes", *votes, unknown, {**votes[0], "value": 2})
    assert report["imported"] == 5 and [error["line"] for error in report["errors"]] == [6, 7]
    stored = (await out(http, admin, "insights"))[0]
    assert (stored["annotation"], stored["n_votes"]) == (None, 4)


async def test_imported_votes_count_those_that_were_cast_while_they_waited(
    http: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    insight = await rows.add_insight(database)
    async with database.transaction() as connection:
        await connection.execute(queries_annotate.CAST_VOTE, insight, 1, None, "phone", False, False)
        vote = {"insight_id": str(insight), "value": 1, "device_id": "d"}
        importing = asyncio.create_task(put(http, admin, "votes", vote))
        await waiting.until_locked_out(database)
    assert (await importing)["imported"] == 1
    assert await database.fetchval("SELECT n_votes FROM product_insight") == 2


async def test_two_imports_of_votes_on_one_insight_wait_for_each_other(
    http: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    insight = str(await rows.add_insight(database))
    vote = {"insight_id": insight, "value": 0, "device_id": "d"}
    reports = await asyncio.gather(*(put(http, admin, "votes", *[vote] * 5) for _ in range(4)))
    assert [report["imported"] for report in reports] == [5] * 4
    assert await database.fetchval("SELECT n_votes FROM product_insight") == 20


async def test_votes_come_out_as_they_went_in(
    http: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    vote = {
        "id": str(uuid4()),
        "insight_id": str(await rows.add_insight(database)),
        "username": "someone",
        "value": -1,
        "device_id": "d",
        "timestamp": "2024-01-02T03:04:05",
    }
    assert (await put(http, admin, "votes", vote, vote))["skipped"] == 1
    assert await out(http, admin, "votes") == [vote]
