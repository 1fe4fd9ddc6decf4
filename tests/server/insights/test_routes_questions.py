"""Questions over HTTP: the shapes, the filters, the orders and the counts of the contract, section 1.2.1-1.2.4."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from server.db import Database
from tests.server.insights import rows
from tests.server.insights.asking.asking import BARCODE, NONE, add, ask, ids
from tests.server.insights.conftest import StartWorker
from tests.server.insights.worker import Worker


class TestAnEmptyStore:
    @pytest.mark.parametrize("path", ["", "/", "/random", "/popular", "/unanswered", "/unanswered/"])
    async def test_has_no_questions(self, http: httpx.AsyncClient, path: str) -> None:
        assert await ask(http, path) == NONE

    async def test_has_none_for_a_product_and_says_no_count(self, http: httpx.AsyncClient) -> None:
        assert await ask(http, "/3250390172185") == {"questions": [], "status": "no_questions"}


class TestTheQuestionObject:
    async def test_has_these_keys_in_this_order(
        self, http: httpx.AsyncClient, database: Database, worker: Worker
    ) -> None:
        identity = await add(
            database,
            type="label",
            value_tag="en:eu-organic",
            barcode="3250390172185",
            source_image="/325/039/017/2185/6.jpg",
        )
        picture = "https://static.openfoodfacts.org/images/lang/en/labels/eu-organic.135x90.svg"
        node = {"name": {"en": "EU Organic"}, "image": {"en": picture}}
        await worker.insights.taxonomies.put("labels", {"en:eu-organic": node})
        async with http.stream("GET", "/api/v1/questions/3250390172185") as answer:
            text = (await answer.aread()).decode()
        assert text == (
            '{"questions":[{"barcode":"3250390172185","server_type":"off","type":"add-binary",'
            '"value":"EU Organic","question":"Does the product have this label?",'
            f'"insight_id":"{identity}","insight_type":"label","value_tag":"en:eu-organic",'
            f'"ref_image_url":"{picture}","source_image_url":'
            '"https://images.openfoodfacts.org/images/products/325/039/017/2185/6.400.jpg"}],"status":"found"}'
        )


class TestPages:
    async def test_of_five_are_5_5_2_and_then_none_with_the_same_count(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        inserted = [await add(database, unique_scans_n=scans, barcode=f"{scans:013d}") for scans in range(12)]
        pages = [await ask(http, count=5, page=page) for page in (1, 2, 3, 4)]
        assert [len(page["questions"]) for page in pages] == [5, 5, 2, 0]
        assert [page["status"] for page in pages] == ["found"] * 3 + ["no_questions"]
        assert {page["count"] for page in pages} == {12}
        asked = [question["insight_id"] for page in pages for question in page["questions"]]
        assert asked == [str(one) for one in reversed(inserted)]

    @pytest.mark.parametrize("order", ["popularity", "confidence"])
    async def test_repeat_and_lose_nothing_where_all_are_equal(
        self, http: httpx.AsyncClient, database: Database, order: str
    ) -> None:
        inserted = {await add(database, type=kind) for kind in ("label", "category") * 6}
        asked = [one for page in range(1, 6) for one in await ids(http, count=3, page=page, order_by=order)]
        assert len(asked) == 12
        assert set(asked) == inserted

    async def test_page_0_is_the_first(self, http: httpx.AsyncClient, database: Database) -> None:
        identity = await add(database)
        assert await ids(http, page=0) == [identity]
        assert (await ask(http, "/unanswered", page=0))["questions"] == [["en:soups", 1]]

    @pytest.mark.parametrize(
        ("parameters", "name", "why"),
        [
            ({"page": -1}, "page", "The value must be at least 0"),
            ({"count": 0}, "count", "The value must be at least 1"),
            ({"count": "x"}, "count", "The value must be an integer."),
            ({"with_image": "maybe"}, "with_image", 'The value of the parameter must be "true" or "false".'),
            ({"value_tag": "a\x00"}, "value_tag", "It must not contain null characters."),
        ],
    )
    async def test_with_a_bad_parameter_are_refused(
        self, http: httpx.AsyncClient, parameters: dict[str, Any], name: str, why: str
    ) -> None:
        answer = await http.get("/api/v1/questions", params=parameters)
        assert answer.status_code == 400
        assert answer.json() == {
            "title": "Invalid parameter",
            "description": f'The "{name}" parameter is invalid. {why}',
        }

    async def test_a_cap_on_counts_changes_the_count_only(self, start_worker: StartWorker) -> None:
        async with start_worker(count_cap=2) as worker:
            for _ in range(3):
                await add(worker.database)
            body = await ask(worker.http)
            assert (body["count"], len(body["questions"])) == (2, 3)

    async def test_a_change_of_the_rows_is_counted_and_shown_at_once(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        first = await add(database, unique_scans_n=1)
        assert await ids(http) == [first]
        second = await add(database, unique_scans_n=2)
        assert await ids(http) == [second, first]
        await database.execute("UPDATE product_insight SET annotation = 1 WHERE id = $1", first)
        assert ((await ask(http))["count"], await ids(http)) == (1, [second])


class TestOrders:
    async def test_confidence_falls_and_unknown_is_last(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        by = {value: await add(database, confidence=value) for value in (0.4, None, 0.9, 0.7)}
        assert await ids(http, order_by="confidence") == [by[value] for value in (0.9, 0.7, 0.4, None)]

    async def test_popular_ignores_order_by_and_random_too(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        few = await add(database, unique_scans_n=1, confidence=0.9)
        many = await add(database, unique_scans_n=2, confidence=0.1)
        assert await ids(http, "/popular", order_by="nonsense") == [many, few]
        assert set(await ids(http, "/random", order_by="confidence", page=9)) == {many, few}

    async def test_another_order_is_refused_by_its_name(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/api/v1/questions", params={"order_by": "xyz"})
        assert answer.status_code == 400
        assert answer.json() == {
            "title": "400 Bad Request",
            "description": "invalid 'xyz' value for `order_by` parameter",
        }

    async def test_each_random_page_is_a_draw_of_its_own(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        inserted = {await add(database) for _ in range(30)}
        draws = [tuple(await ids(http, "/random", count=5, page=page)) for page in range(1, 9)]
        assert len(set(draws)) > 1
        assert all(len(set(draw)) == 5 and set(draw) <= inserted for draw in draws)
        assert (await ask(http, order_by="random", count=5))["count"] == 30


class TestWhoAsks:
    async def test_a_device_that_voted_sees_it_no_more_and_another_does(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        identity = await add(database)
        await rows.add_vote(database, identity, 1, device_id="phone-1")
        for path in ("", "/random", "/popular", f"/{BARCODE}"):
            assert await ids(http, path, device_id="phone-1") == []
            assert await ids(http, path, device_id="phone-2") == [identity]
        assert (await ask(http, device_id="phone-1"))["count"] == 0
        assert (await ask(http, device_id="phone-2"))["count"] == 1

    async def test_a_user_is_known_by_name_on_every_device(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        identity = await add(database)
        await rows.add_vote(database, identity, -1, device_id="phone-1", username="jane")
        cookie = {"Cookie": "session=user_id&jane&x&y"}
        for headers, expected in (({}, 1), (cookie, 0)):
            answer = await http.get("/api/v1/questions", params={"device_id": "other"}, headers=headers)
            assert answer.json()["count"] == len(answer.json()["questions"]) == expected

    async def test_what_waits_for_answers_is_the_same_for_everybody(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        identity = await add(database)
        await rows.add_vote(database, identity, 1, device_id="phone-1")
        assert (await ask(http, "/unanswered", device_id="phone-1"))["count"] == 1


class TestFilters:
    async def test_only_what_is_open_is_asked(self, http: httpx.AsyncClient, database: Database) -> None:
        await add(database, annotation=0)
        await add(database, automatic_processing=True)
        assert await ask(http) == NONE
        assert await ask(http, f"/{BARCODE}") == {"questions": [], "status": "no_questions"}

    async def test_the_default_types_are_five_and_others_come_by_name(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        default = ("category", "label", "product_weight", "brand", "packaging")
        named = ("nutrition_image", "is_upc_image", "image_orientation")
        for kind in (*default, *named, "packager_code", "store"):
            await add(database, type=kind)

        async def kinds(**parameters: Any) -> set[str]:
            return {one["insight_type"] for one in (await ask(http, **parameters))["questions"]}

        assert await kinds() == set(default)
        assert await kinds(insight_types=",".join(named)) == set(named)
        assert await kinds(insight_types="store,label,nonsense") == {"label"}
        assert await ask(http, insight_types="store") == NONE
        assert await ask(http, f"/{BARCODE}", insight_types="store") == {
            "questions": [],
            "status": "no_questions",
        }

    async def test_an_escaped_comma_separates_too(self, http: httpx.AsyncClient, database: Database) -> None:
        for kind in ("label", "brand", "category"):
            await add(database, type=kind)
        answer = await http.get("/api/v1/questions?insight_types=brand%252Clabel")
        assert answer.json()["count"] == 2
        answer = await http.get("/api/v1/questions?insight_types=brand&insight_types=label")
        assert answer.json()["count"] == 2

    @pytest.mark.parametrize(
        ("columns", "fitting", "other"),
        [
            ({"value_tag": "en:a"}, {"value_tag": "en:a"}, {"value_tag": "en:b"}),
            ({"brands": ["x", "y"]}, {"brands": "y,z"}, {"brands": "z"}),
            ({"countries": ["en:france"]}, {"countries": "FR"}, {"countries": "in"}),
            ({"countries": ["en:united-kingdom"]}, {"countries": "de,uk"}, {"countries": "fr,de"}),
            ({"campaign": ["a", "b"]}, {"campaigns": "a,b"}, {"campaigns": "a,c"}),
            ({"campaign": ["a", "b"]}, {"campaign": "a"}, {"campaign": "c"}),
            ({"campaign": ["a"]}, {"campaigns": "a", "campaign": "c"}, {"campaigns": "c", "campaign": "a"}),
            ({"predictor": "p"}, {"predictor": "p"}, {"predictor": "P"}),
            ({"with_image": True}, {"with_image": "true"}, {"with_image": "false"}),
            ({"with_image": False}, {"with_image": "false"}, {"with_image": "true"}),
            ({"server_type": "obf"}, {"server_type": "obf"}, {}),
        ],
    )
    @pytest.mark.parametrize("order", ["popularity", "confidence", "random"])
    async def test_every_filter_holds_in_every_order_and_in_the_count(
        self,
        http: httpx.AsyncClient,
        database: Database,
        columns: dict[str, Any],
        fitting: dict[str, str],
        other: dict[str, str],
        order: str,
    ) -> None:
        identity = await add(database, **columns)
        for parameters, expected in ((fitting, [identity]), (other, [])):
            # The second time its size is known, and it is one statement.
            for _ in range(2):
                body = await ask(http, order_by=order, **parameters)
                assert [UUID(one["insight_id"]) for one in body["questions"]] == expected
                assert body["count"] == len(expected)

    async def test_reserved_barcodes_are_left_out_unless_wanted(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        own = await add(database, barcode="2000000000001", reserved_barcode=True)
        other = await add(database, unique_scans_n=5)
        assert await ids(http) == [other]
        assert await ids(http, reserved_barcode="false") == [other]
        assert await ids(http, reserved_barcode="true") == [other, own]
        assert (await ask(http, "/unanswered"))["count"] == 1
        assert (await ask(http, "/unanswered", reserved_barcode="1"))["count"] == 2

    async def test_an_unknown_country_is_refused(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/api/v1/questions", params={"countries": "fr,xx"})
        assert answer.json() == {
            "title": "400 Bad Request",
            "description": "invalid `countries` value: ['xx']",
        }


class TestOfAProduct:
    async def test_most_votes_are_taken_then_sorted_by_type(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        kinds = ("product_weight", "brand", "label", "category", "packaging")
        by = {kind: await add(database, type=kind, n_votes=n) for n, kind in enumerate(kinds)}
        expected = [by[kind] for kind in ("category", "label", "packaging")]
        assert await ids(http, f"/{BARCODE}", count=3) == expected
        assert await ids(http, f"/00{BARCODE}", count=1) == [by["packaging"]]

    async def test_one_is_the_default_and_a_setting_raises_it(self, start_worker: StartWorker) -> None:
        async with start_worker() as worker:
            for _ in range(3):
                await add(worker.database)
            assert len(await ids(worker.http, f"/{BARCODE}")) == 1
        async with start_worker(questions_per_product=25) as worker:
            assert len(await ids(worker.http, f"/{BARCODE}")) == 3

    async def test_a_barcode_of_the_pro_platform_has_two_parts(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        identity = await add(database, barcode=f"acme/{BARCODE}", server_type="off_pro")
        assert await ids(http, f"/acme/0{BARCODE}", server_type="off_pro") == [identity]
        assert (await http.get("/api/v1/questions/acme/x")).status_code == 404

    async def test_reserved_barcodes_are_asked_about_too(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        identity = await add(database, barcode="2000000000001", reserved_barcode=True)
        assert await ids(http, "/2000000000001") == [identity]


class TestUnanswered:
    async def test_counts_open_insights_by_tag(self, http: httpx.AsyncClient, database: Database) -> None:
        for tag, country, more in (
            ("en:soups", "en:france", {}),
            ("en:soups", "en:france", {}),
            ("en:soups", "en:india", {}),
            ("en:apricot", "en:india", {}),
            ("en:apricot", "en:france", {}),
            ("en:apricot", "en:france", {"annotation": 1}),
            ("en:apricot", "en:france", {"automatic_processing": True}),
            ("en:salt", "en:france", {"type": "label"}),
        ):
            await add(database, value_tag=tag, countries=[country], **more)
        body = await ask(http, "/unanswered/", type="category")
        assert body == {"count": 5, "questions": [["en:soups", 3], ["en:apricot", 2]], "status": "found"}
        body = await ask(http, "/unanswered", type="category", countries="in")
        assert body == {"count": 2, "questions": [["en:apricot", 1], ["en:soups", 1]], "status": "found"}
        body = await ask(http, "/unanswered", count=1, page=2)
        assert body == {"count": 6, "questions": [["en:apricot", 2]], "status": "found"}
        body = await ask(http, "/unanswered", page=9)
        assert body == {"count": 6, "questions": [], "status": "no_questions"}

    async def test_insights_without_a_tag_are_one_group_and_any_type_has_one(
        self, http: httpx.AsyncClient, database: Database
    ) -> None:
        for tag in (None, None, "x"):
            await add(database, type="packager_code", value_tag=tag)
        body = await ask(http, "/unanswered", type="packager_code")
        assert body == {"count": 3, "questions": [[None, 2], ["x", 1]], "status": "found"}

    @pytest.mark.parametrize(
        "filters",
        [
            {"campaigns": "a"},
            {"campaign": "a", "countries": "fr"},
            {"campaigns": "a,b"},
            {"predictor": "p"},
            {"server_type": "off", "countries": "fr,de"},
            {"value_tag": "en:other", "brands": "other", "with_image": "false"},
        ],
    )
    async def test_other_filters_hold_and_three_are_ignored(
        self, http: httpx.AsyncClient, database: Database, filters: dict[str, str]
    ) -> None:
        columns = {"campaign": ["a", "b"], "countries": ["en:france", "en:germany"], "predictor": "p"}
        await add(database, **columns)
        await add(database, server_type="obf", **columns)
        body = await ask(http, "/unanswered", **filters)
        assert body == {"count": 1, "questions": [["en:soups", 1]], "status": "found"}
        assert await ask(http, "/unanswered", **{**filters, "type": "label"}) == NONE
