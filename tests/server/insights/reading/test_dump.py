"""GET /insights/dump: CSV with limits, lines of JSON without (contract 1.2.10)."""

import csv
import io
import json
from datetime import datetime

import httpx
import pytest

from server.db import Database
from server.insights.reading import insight_dump
from server.insights.schema import Insight
from server.insights.selection import Selection
from tests.server.insights import rows
from tests.server.insights.conftest import StartWorker
from tests.server.insights.statements import counted

URL = "/api/v1/insights/dump"
LINES = {"Accept": "application/x-ndjson"}
HEADER = (
    "id,barcode,type,data,timestamp,completed_at,annotation,annotated_result,n_votes,username,countries,brands,"
    "process_after,value_tag,value,source_image,automatic_processing,server_type,unique_scans_n,reserved_barcode,"
    "predictor,predictor_version,campaign,confidence,bounding_box,lc,with_image"
)


def table(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def many(database: Database, number: int) -> None:
    await database.execute(
        "INSERT INTO product_insight (barcode, type, value_tag, annotation) "
        "SELECT '00000017', 'label', n::text, CASE WHEN n % 2 = 0 THEN 1 END FROM generate_series(1, $1) AS n",
        number,
    )


async def test_an_empty_dump_is_an_empty_204(http: httpx.AsyncClient, database: Database) -> None:
    assert ((await http.get(URL)).status_code, (await http.get(URL)).content) == (204, b"")
    await rows.add_insight(database)
    assert (await http.get(URL, params={"count": 0})).status_code == 204
    assert (await http.get(URL, params={"value_tag": "x"})).status_code == 204
    assert (await http.get(URL, params={"value_tag": "x"}, headers=LINES)).status_code == 204


async def test_csv_has_the_contracts_header_line_ends_quotes_and_cells(
    http: httpx.AsyncClient, database: Database
) -> None:
    identity = await rows.add_insight(
        database,
        value='he said "a, b"\nc',
        data={"a": ["é", None]},
        brands=["x", 'y"z'],
        timestamp=datetime(2024, 1, 2, 3, 4, 5, 600000),
        confidence=1.0,
        value_tag=None,
        bounding_box=[0.5, 1],
    )
    answer = await http.get(URL)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.startswith(HEADER + "\r\n") and answer.text.endswith("\r\n")
    assert HEADER.split(",") == list(Insight.__struct_fields__)
    (line,) = table(answer)
    assert line["id"] == str(identity) and line["barcode"] == rows.BARCODE
    assert line["value"] == 'he said "a, b"\nc' and '"he said ""a, b""\nc"' in answer.text
    assert json.loads(line["data"]) == {"a": ["é", None]}
    assert line["brands"] == '["x","y\\"z"]' and json.loads(line["bounding_box"]) == [0.5, 1]
    assert line["timestamp"] == "2024-01-02T03:04:05.600000" and line["confidence"] == "1.0"
    assert (line["automatic_processing"], line["with_image"]) == ("False", "True")
    assert line["value_tag"] == line["annotation"] == line["lc"] == ""


async def test_nested_cells_are_python_literals_on_request(
    start_worker: StartWorker, database: Database
) -> None:
    await rows.add_insight(database, data={"a": [True, None]})
    async with start_worker(dump_python_literals=True) as worker:
        (line,) = table(await worker.http.get(URL))
    assert (line["countries"], line["data"]) == ("['en:france']", "{'a': [True, None]}")


async def test_filters_narrow_the_dump_and_no_type_is_no_filter(
    http: httpx.AsyncClient, database: Database
) -> None:
    await rows.add_insight(database, value_tag="a", annotation=1)
    await rows.add_insight(database, value_tag="b", type="label", barcode="00000017")
    await rows.add_insight(database, value_tag="c", server_type="obf")
    for query, expected in (
        ({}, "ab"),
        ({"annotated": "1"}, "a"),
        ({"annotated": "0"}, "b"),
        # Nothing means false in this place.
        ({"annotated": ""}, "b"),
        ({"insight_types": "label"}, "b"),
        ({"barcode": "17"}, "b"),
        ({"value_tag": "a"}, "a"),
        ({"server_type": "obf"}, "c"),
        ({"count": "1"}, "a"),
    ):
        assert "".join(line["value_tag"] for line in table(await http.get(URL, params=query))) == expected, (
            query
        )


async def test_more_than_ten_thousand_need_a_count(http: httpx.AsyncClient, database: Database) -> None:
    await many(database, 10_001)
    refused = await http.get(URL)
    assert (refused.status_code, refused.json()["description"]) == (
        400,
        "more than 10 000 insights matching criteria (here: 10001), "
        "use more specific criteria or use count parameter",
    )
    first = table(await http.get(URL, params={"count": 10_000}))
    assert [line["value_tag"] for line in first] == [str(number) for number in range(1, 10_001)]
    assert len(table(await http.get(URL, params={"annotated": "1"}))) == 5000
    for wrong, why in (
        ("10001", "may not exceed 10000"),
        ("-1", "must be at least 0"),
        ("x", "be an integer."),
    ):
        answer = await http.get(URL, params={"count": wrong})
        assert answer.status_code == 400 and answer.json()["description"].endswith(why)


async def test_lines_of_json_have_no_limit_and_are_the_insight_objects(
    http: httpx.AsyncClient, database: Database
) -> None:
    await many(database, 10_250)
    answer = await http.get(URL, headers=LINES)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["value_tag"] for line in lines] == [str(number) for number in range(1, 10_251)]
    page = (await http.get("/api/v1/insights", params={"count": 1})).json()["insights"]
    assert lines[0] == page[0] and list(lines[0]) == HEADER.split(",")
    counted = await http.get(URL, headers=LINES, params={"count": 300, "annotated": "1"})
    assert len(counted.text.splitlines()) == 300


@pytest.mark.parametrize("few", [3, 100])
async def test_a_dump_holds_no_connection_while_its_reader_dawdles(
    database: Database, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(insight_dump, "FEW", few)
    monkeypatch.setattr(insight_dump, "PORTION_ROWS", 2)
    monkeypatch.setattr(insight_dump, "SPAN", 3)
    await many(database, 7)
    single = Database(database.url, connections=1)
    await single.open()
    chunks = await insight_dump.InsightDump(single).ndjson(Selection(), None)
    assert chunks is not None
    found = []
    async for chunk in chunks:
        found += [json.loads(line)["value_tag"] for line in chunk.splitlines()]
        # The only connection of the pool is free between two portions; what comes now is not part of the dump.
        await single.execute(
            "INSERT INTO product_insight (barcode, type, value_tag) VALUES ('1', 'label', 'late')"
        )
    await single.close()
    assert found == [str(number) for number in range(1, 8)]


async def test_spans_of_the_order_without_a_hit_are_passed_over(
    http: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight_dump, "SPAN", 3)
    await many(database, 50)
    for tags in (["1", "29", "30", "50"], ["17"]):
        await database.execute(
            "UPDATE product_insight SET lc = '{fr}' WHERE value_tag = ANY($1::text[])", tags
        )
        answer = await http.get(URL, headers=LINES, params={"lc": "fr"})
        assert [json.loads(line)["value_tag"] for line in answer.text.splitlines()] == tags
        await database.execute("UPDATE product_insight SET lc = NULL")


async def test_a_dump_of_few_among_many_costs_as_many_statements_as_it_has_portions(
    http: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight_dump, "SPAN", 10)
    await many(database, 600)
    await rows.add_insight(database, barcode="00000123", value_tag="other", type="brand")
    # How many there are, which, and one for each portion of 250; for none it ends with the first.
    for query, found, statements in (
        ({"value_tag": "599"}, 1, 3),
        ({"barcode": "123"}, 1, 3),
        ({"annotated": "1"}, 300, 4),
        ({"annotated": "1", "count": "7"}, 7, 3),
        ({"value_tag": "nothing"}, 0, 1),
        ({"barcode": "999"}, 0, 1),
    ):
        with counted(monkeypatch) as seen:
            answer = await http.get(URL, headers=LINES, params=query)
        assert (len(answer.text.splitlines()), len(seen)) == (found, statements), query


async def test_an_insight_that_changes_during_a_dump_of_few_is_left_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight_dump, "PORTION_ROWS", 2)
    await many(database, 10)
    chunks = await insight_dump.InsightDump(database).ndjson(Selection(annotated=True), None)
    assert chunks is not None
    await database.execute("UPDATE product_insight SET annotation = NULL WHERE value_tag IN ('6', '8', '10')")
    tags = [json.loads(line)["value_tag"] async for chunk in chunks for line in chunk.splitlines()]
    assert tags == ["2", "4"]
