"""Predictions come in through the engine or as rows, and go out again."""

from typing import Any

import httpx
import msgspec

from server.db import Database
from tests.server.insights import rows

BARCODE = "3250390172185"
IMAGE = "/325/039/017/2185/1.jpg"
LABEL: dict[str, Any] = {
    "barcode": BARCODE,
    "type": "label",
    "value_tag": "en:organic",
    "source_image": IMAGE,
    "predictor": "regex",
    "predictor_version": "1",
    "data": {"text": "bio"},
}


async def put(
    http: httpx.AsyncClient, admin: dict[str, str], *lines: object, mode: str = ""
) -> dict[str, Any]:
    body = b"\n".join(msgspec.json.encode(line) for line in lines)
    answer = await http.post(f"/admin/v1/import/predictions?mode={mode}", content=body, headers=admin)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


async def insights(database: Database) -> list[dict[str, Any]]:
    return [dict(row) for row in await database.fetch("SELECT * FROM product_insight ORDER BY number")]


async def test_the_insight_is_there_before_the_answer(
    http: httpx.AsyncClient, database: Database, admin: dict[str, str]
) -> None:
    await rows.add_product(
        database, BARCODE, images={"1": {}}, countries_tags=["en:france"], unique_scans_n=7
    )
    report = await put(http, admin, LABEL)
    assert (report["read"], report["imported"], report["skipped"], report["errors"]) == (1, 1, 0, [])
    listed = (await http.get(f"/api/v1/insights/{BARCODE}")).json()["insights"]
    assert [(one["type"], one["value_tag"], one["unique_scans_n"]) for one in listed] == [
        ("label", "en:organic", 7)
    ]


async def test_what_an_unknown_product_or_image_would_give_is_skipped_and_not_wrong(
    http: httpx.AsyncClient, database: Database, admin: dict[str, str]
) -> None:
    await rows.add_product(database, BARCODE, images={"1": {}})
    report = await put(
        http,
        admin,
        LABEL | {"barcode": "999"},
        LABEL | {"source_image": "/325/039/017/2185/2.jpg"},
        LABEL | {"source_image": None},
        LABEL,
        LABEL,
    )
    assert (report["imported"], report["skipped"], report["errors"]) == (2, 3, [])


async def test_a_bad_line_does_not_stop_the_others(
    http: httpx.AsyncClient, database: Database, admin: dict[str, str]
) -> None:
    await rows.add_product(database, BARCODE, images={"1": {}})
    report = await put(
        http,
        admin,
        LABEL | {"type": "opinion"},
        LABEL,
        LABEL | {"barcode": "abc"},
        LABEL | {"server_type": "xyz"},
        LABEL | {"value_tag": "en:a\x00b"},
        LABEL | {"data": {"deep": ["\x00"]}},
        LABEL | {"confidence": "high"},
        LABEL | {"value_tag": "en:vegan", "data": {"text": "\\u0000"}},
    )
    assert [error["line"] for error in report["errors"]] == [1, 3, 4, 5, 6, 7]
    assert report["imported"] == 2


async def test_lines_of_a_product_are_one_batch_wherever_the_file_is_cut(
    http: httpx.AsyncClient, database: Database, admin: dict[str, str]
) -> None:
    await rows.add_product(database, BARCODE, images={"1": {}}, lang="fr")
    others = [LABEL | {"barcode": str(10**12 + number), "source_image": None} for number in range(1199)]
    first, last = (
        {"barcode": BARCODE, "type": "category", "value_tag": f"en:{name}", "predictor": "neural"}
        for name in ("soups", "teas")
    )
    sight = {"barcode": BARCODE, "source_image": IMAGE, "predictor": "regex"}
    mentions: dict[str, Any] = {f"n{number}": [{"languages": ["fr"]}] for number in range(4)}
    mentions["nutrient_value"] = [{"raw": "1 g"}, {"raw": "2 g"}, {"raw": "9 kcal"}]
    table = sight | {"type": "nutrient_mention", "data": {"mentions": mentions}}
    orientation = sight | {
        "type": "image_orientation",
        "data": {"orientation": "up", "rotation": 0, "count": {"up": 9}},
    }
    report = await put(http, admin, first, table, *others[:498], last, orientation, *others[498:])
    assert (report["imported"], report["skipped"], report["errors"]) == (4, 1199, [])
    stored = await database.fetch("SELECT value_tag FROM prediction WHERE type = 'category' ORDER BY 1")
    assert [row["value_tag"] for row in stored] == ["en:soups", "en:teas"]
    assert "nutrition_image" in [row["type"] for row in await insights(database)]


async def test_a_product_of_one_line_that_cannot_be_stored_keeps_its_others_out_too(
    http: httpx.AsyncClient, database: Database, admin: dict[str, str]
) -> None:
    for barcode in (BARCODE, "999"):
        await rows.add_product(database, barcode.zfill(8), images={"1": {}})
    await database.execute("ALTER TABLE prediction ADD CHECK (value_tag <> 'en:bad')")
    bad, good = (
        {"barcode": BARCODE, "type": "category", "value_tag": f"en:{name}"} for name in ("bad", "good")
    )
    others = [{"barcode": "999", "type": "category", "value_tag": f"en:{number}"} for number in range(3)]
    report = await put(http, admin, bad, good, *others)
    assert [error["line"] for error in report["errors"]] == [1, 2]
    assert await database.fetchval("SELECT count(*) FROM prediction") == 3


async def test_an_id_is_kept_when_it_is_free_and_later_ones_come_behind_it(
    http: httpx.AsyncClient, database: Database, admin: dict[str, str]
) -> None:
    await rows.add_product(database, BARCODE, images={"1": {}})
    first = await put(http, admin, LABEL | {"id": 1000, "barcode": int(BARCODE)})
    assert first["ids"] == [1000]
    second = await put(
        http, admin, LABEL | {"id": 1000, "value_tag": "en:a"}, LABEL | {"id": 1500, "value_tag": "en:b"}
    )
    assert second["ids"][1] == 1500
    assert second["ids"][0] > 1500


async def test_raw_rows_are_stored_and_nothing_follows(
    http: httpx.AsyncClient, database: Database, admin: dict[str, str]
) -> None:
    line = LABEL | {"timestamp": "2024-01-02T03:04:05.5+02:00", "confidence": 0.5, "value": "x", "id": 12}
    report = await put(http, admin, line, line, mode="raw")
    assert (report["imported"], report["skipped"]) == (2, 0)
    assert await insights(database) == []
    exported = await http.get("/admin/v1/export/predictions", headers=admin)
    first, second = (msgspec.json.decode(text) for text in exported.content.splitlines())
    assert first == line | {
        "timestamp": "2024-01-02T01:04:05.500000",
        "automatic_processing": None,
        "server_type": "off",
    }
    assert second | {"id": 12} == first
