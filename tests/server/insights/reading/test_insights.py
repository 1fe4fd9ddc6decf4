"""GET /insights and what is under it (contract 1.2.5-1.2.8)."""

import asyncio
from datetime import datetime
from uuid import uuid4

import httpx
import pytest

from server.db import Database
from server.insights.reading import insight_pages
from tests.server.insights import rows
from tests.server.insights.conftest import StartWorker
from tests.server.insights.statements import counted

URL = "/api/v1/insights"
KEYS = (
    "id barcode type data timestamp completed_at annotation annotated_result n_votes username countries brands "
    "process_after value_tag value source_image automatic_processing server_type unique_scans_n reserved_barcode "
    "predictor predictor_version campaign confidence bounding_box lc with_image"
)


async def tags(http: httpx.AsyncClient, **query: object) -> list[str]:
    """The tags of the insights found, sorted, after the answer's own claims were checked."""
    answer = (await http.get(URL, params=query)).json()  # type: ignore[arg-type]
    found = [insight["value_tag"] for insight in answer["insights"]]
    assert answer["count"] == len(found)
    assert answer["status"] == ("found" if found else "no_insights")
    return sorted(found)


async def test_an_empty_store_has_no_insights(http: httpx.AsyncClient) -> None:
    for path in (URL, f"{URL}/", f"{URL}/random", f"{URL}/random/"):
        answer = await http.get(path)
        assert answer.json() == {"count": 0, "insights": [], "status": "no_insights"}
        assert answer.headers["content-type"].startswith("application/json")


async def test_an_insight_has_every_column_in_the_contracts_order(
    http: httpx.AsyncClient, database: Database
) -> None:
    identity = await rows.add_insight(
        database,
        type="label",
        data={"logo_id": 173011, "bounding_box": [0.1, 0.2, 0.3, 0.4]},
        timestamp=datetime(2024, 1, 2, 3, 4, 5, 678901),
        confidence=1.0,
        bounding_box=[0.1, 0.2, 0.3, 0.4],
        lc=["fr"],
    )
    answer = await http.get(URL)
    (insight,) = answer.json()["insights"]
    assert " ".join(insight) == KEYS and list(answer.json()) == ["count", "insights", "status"]
    assert insight["id"] == str(identity)
    assert insight["data"] == {"logo_id": 173011, "bounding_box": [0.1, 0.2, 0.3, 0.4]}
    assert insight["timestamp"] == "2024-01-02T03:04:05.678901"
    assert insight["completed_at"] is None and insight["annotation"] is None
    assert insight["bounding_box"] == [0.1, 0.2, 0.3, 0.4] and insight["lc"] == ["fr"]
    assert insight["n_votes"] == 0 and insight["automatic_processing"] is False
    # A whole number would break the type of the mobile app's field.
    assert '"confidence":1.0' in answer.text


async def test_insights_are_oldest_first_and_pages_never_overlap(
    http: httpx.AsyncClient, database: Database
) -> None:
    made = [str(await rows.add_insight(database, unique_scans_n=number)) for number in range(12)]
    seen: list[str] = []
    for page, size in ((1, 5), (2, 5), (3, 2), (4, 0)):
        answer = (await http.get(URL, params={"count": 5, "page": page})).json()
        assert (answer["count"], len(answer["insights"])) == (12, size)
        seen += [insight["id"] for insight in answer["insights"]]
    assert seen == made
    assert (await http.get(URL, params={"count": 5, "page": 0})).json()["insights"][0]["id"] == made[0]


async def test_orders_are_popularity_and_random_and_no_other(
    http: httpx.AsyncClient, database: Database
) -> None:
    for number in range(40):
        await rows.add_insight(database, unique_scans_n=number)
    popular = (await http.get(URL, params={"order_by": "popularity", "count": 3})).json()
    assert [one["unique_scans_n"] for one in popular["insights"]] == [39, 38, 37]
    draws = {
        tuple(
            one["unique_scans_n"]
            for one in (await http.get(URL, params={"order_by": "random"})).json()["insights"]
        )
        for _ in range(5)
    }
    assert len(draws) > 1
    refused = await http.get(URL, params={"order_by": "xyz"})
    assert refused.status_code == 400
    assert refused.json() == {"title": "400 Bad Request", "description": "invalid `order_by` value: xyz"}


async def test_each_filter_finds_what_it_names(http: httpx.AsyncClient, database: Database) -> None:
    await rows.add_insight(database, value_tag="a", type="label", barcode="00000017", predictor="regex")
    await rows.add_insight(
        database, value_tag="b", brands=["lidl", "aldi"], countries=["en:france", "en:italy"]
    )
    await rows.add_insight(database, value_tag="c", campaign=["x", "y"], lc=["fr", "en"])
    await rows.add_insight(database, value_tag="d", annotation=0, lc=["fr"], completed_at=rows.NOW)
    await rows.add_insight(database, value_tag="e", annotation=-1, server_type="off", campaign=["x"])
    await rows.add_insight(database, value_tag="f", server_type="obf")
    for query, expected in (
        ({}, "abcde"),
        ({"server_type": "obf"}, "f"),
        ({"insight_types": "label,brand"}, "a"),
        ({"insight_types": "label%2Ccategory"}, "abcde"),
        ({"insight_types": ["label", "category"]}, "abcde"),
        ({"barcode": "17"}, "a"),
        ({"barcode": "0000000000017"}, "a"),
        ({"predictor": "regex"}, "a"),
        ({"value_tag": "b"}, "b"),
        ({"brands": "aldi,x"}, "b"),
        ({"countries": "it,de"}, "b"),
        ({"countries": "FR"}, "abcde"),
        ({"campaigns": "x"}, "ce"),
        ({"campaigns": "x,y"}, "c"),
        ({"lc": "fr"}, "cd"),
        ({"lc": "en,de"}, "c"),
        ({"annotated": "1"}, "de"),
        ({"annotated": ""}, "de"),
        ({"annotated": "f"}, "abc"),
        ({"annotation": "-1"}, "e"),
        ({"annotation": "0"}, "d"),
        ({"annotation": str(10**17)}, ""),
        ({"value_tag": "b", "countries": "it", "brands": "lidl", "insight_types": "category"}, "b"),
        ({"unknown": "parameter"}, "abcde"),
    ):
        assert await tags(http, **query) == list(expected), query


async def test_only_ten_types_and_brands_count(http: httpx.AsyncClient, database: Database) -> None:
    await rows.add_insight(database, value_tag="a", brands=["b10"], type="category")
    ten = ",".join(f"b{number}" for number in range(10))
    assert await tags(http, brands=f"{ten},b10") == []
    assert await tags(http, insight_types=f"{ten},category") == []


async def test_what_the_caller_voted_on_is_left_out(http: httpx.AsyncClient, database: Database) -> None:
    voted = await rows.add_insight(database, value_tag="voted")
    await rows.add_insight(database, value_tag="other")
    await rows.add_vote(database, voted, 1, device_id="phone")
    await rows.add_vote(database, voted, -1, username="ann", device_id="desk")
    assert await tags(http, device_id="phone") == ["other"]
    assert await tags(http, device_id="tablet") == ["other", "voted"]
    http.headers["Authorization"] = "Basic YW5uOng="
    assert await tags(http, device_id="tablet") == ["other"]
    http.headers["Authorization"] = "Bearer abc"
    refused = await http.get(URL)
    assert refused.status_code == 401
    assert refused.json()["title"] == "Invalid authentication, Basic auth expected."


async def test_the_total_is_exact_unless_it_is_capped(
    http: httpx.AsyncClient, database: Database, start_worker: StartWorker
) -> None:
    for _ in range(4):
        await rows.add_insight(database)
    assert (await http.get(URL, params={"count": 2})).json()["count"] == 4
    async with start_worker(count_cap=3) as capped:
        assert (await capped.http.get(URL, params={"count": 2})).json()["count"] == 3
        assert (await capped.http.get(f"{URL}/random", params={"count": 2})).json()["count"] == 4


async def test_a_page_costs_two_statements_at_most(
    http: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await rows.add_insight(database)
    for query, statements in (("count=1", 2), ("count=1&countries=fr", 2), ("count=9", 1)):
        with counted(monkeypatch) as seen:
            assert (await http.get(f"{URL}?{query}")).json()["count"] == 3
        assert len(seen) == statements


async def test_a_page_far_behind_the_last_row_costs_a_count(
    http: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight_pages, "DEEP", 2)
    for _ in range(5):
        await rows.add_insight(database)
    # Count, page, expected rows, statements.
    for count, page, found, statements in ((2, 1000000, 0, 1), (1, 6, 0, 1), (2, 3, 1, 2), (2, 2, 2, 2)):
        with counted(monkeypatch) as seen:
            answer = (await http.get(URL, params={"count": count, "page": page})).json()
        assert (answer["count"], len(answer["insights"]), len(seen)) == (5, found, statements), page


async def test_the_insights_of_a_product_are_the_open_ones(
    http: httpx.AsyncClient, database: Database
) -> None:
    open_one = await rows.add_insight(database, barcode="00000017", automatic_processing=True)
    await rows.add_insight(database, barcode="00000017", annotation=1)
    await rows.add_insight(database, barcode="00000017", server_type="obf")
    label = await rows.add_insight(database, barcode="00000017", type="label")
    found = (await http.get(f"{URL}/17")).json()
    assert list(found) == ["insights", "status"] and found["status"] == "found"
    assert [one["id"] for one in found["insights"]] == [str(open_one), str(label)]
    labels = (await http.get(f"{URL}/17/", params={"insight_types": "label"})).json()
    assert [one["id"] for one in labels["insights"]] == [str(label)]
    assert (await http.get(f"{URL}/18")).json() == {"insights": [], "status": "no_insights"}
    assert (await http.get(f"{URL}/not-a-barcode")).json()["status"] == "no_insights"


async def test_the_barcode_of_the_pro_platform_has_its_organisation_in_front(
    http: httpx.AsyncClient, database: Database
) -> None:
    made = await rows.add_insight(database, barcode="org-x/00000017", server_type="off_pro")
    for path in ("org-x/17", "org-x%2F17"):
        found = (await http.get(f"{URL}/{path}", params={"server_type": "off_pro"})).json()
        assert [one["id"] for one in found["insights"]] == [str(made)]
    assert (await http.get(f"{URL}/org-x/nothing")).status_code == 404


async def test_random_insights_are_not_annotated(http: httpx.AsyncClient, database: Database) -> None:
    await rows.add_insight(database, annotation=1)
    soup = await rows.add_insight(database, value_tag="en:soups", predictor="neural")
    await rows.add_insight(database, type="label", value_tag="en:organic", countries=["en:italy"])
    await rows.add_vote(database, soup, 1, device_id="phone")
    for query, total in (
        ({}, 2),
        ({"device_id": "phone"}, 2),
        ({"type": "label"}, 1),
        ({"countries": "it"}, 1),
        ({"value_tag": "en:soups"}, 1),
        ({"predictor": "neural"}, 1),
        ({"type": "brand"}, 0),
    ):
        answer = (await http.get(f"{URL}/random", params={**query, "count": 1})).json()
        assert (answer["count"], len(answer["insights"])) == (total, min(total, 1)), query


async def test_detail_shows_any_insight_and_refuses_other_ids(
    http: httpx.AsyncClient, database: Database
) -> None:
    done = await rows.add_insight(database, annotation=1, username="ann")
    found = await http.get(f"{URL}/detail/{done}")
    assert " ".join(found.json()) == KEYS and found.json()["username"] == "ann"
    for unknown in (uuid4(), "x", "17", f"{done}x", "%00"):
        answer = await http.get(f"{URL}/detail/{unknown}")
        assert (answer.status_code, answer.json()) == (404, {"title": "404 Not Found"})


async def test_no_cache_keeps_what_depends_on_who_asks(http: httpx.AsyncClient) -> None:
    for path in (URL, f"{URL}/random", f"{URL}/17", f"{URL}/dump"):
        assert "private" in (await http.get(path)).headers["cache-control"]


async def test_pages_read_at_the_same_time_do_not_disturb_each_other(
    http: httpx.AsyncClient, database: Database
) -> None:
    for number in range(30):
        await rows.add_insight(database, value_tag=f"t{number:02}")
    answers = await asyncio.gather(*(http.get(URL, params={"value_tag": f"t{n:02}"}) for n in range(30)))
    assert [answer.json()["insights"][0]["value_tag"] for answer in answers] == [
        f"t{n:02}" for n in range(30)
    ]


async def test_a_draw_from_many_is_a_sample_that_favours_votes(
    http: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.insights.reading.insight_pages.MOST_GATHERED", 10)
    for number in range(30):
        await rows.add_insight(
            database, value_tag=f"t{number}", countries=["en:italy"] if number < 20 else []
        )
    await rows.add_insight(database, value_tag="voted", n_votes=10**6)
    await rows.add_insight(database, value_tag="automatic", automatic_processing=True)
    await rows.add_insight(database, value_tag="annotated", annotation=1)
    seen: set[str] = set()
    for path in ("/random", "?annotated=0&order_by=random") * 15:
        answer = (await http.get(f"{URL}{path}", params={"count": 4} if "?" not in path else None)).json()
        assert answer["count"] == 32
        drawn = [one["value_tag"] for one in answer["insights"]]
        assert len(drawn) == len(set(drawn)) and "voted" in drawn
        seen |= set(drawn)
    assert "annotated" not in seen and len(seen) > 20
    italian = (await http.get(f"{URL}/random", params={"count": 3, "countries": "it"})).json()
    assert (italian["count"], len(italian["insights"])) == (20, 3)
    assert all(one["countries"] == ["en:italy"] for one in italian["insights"])


async def test_a_draw_never_misses_a_place_where_little_fits(
    http: httpx.AsyncClient, database: Database
) -> None:
    for number in range(3):
        await rows.add_insight(database, value_tag=f"t{number}", automatic_processing=number == 2)
    for _ in range(5):
        answer = (await http.get(f"{URL}/random", params={"count": 3})).json()
        assert sorted(one["value_tag"] for one in answer["insights"]) == ["t0", "t1", "t2"]
