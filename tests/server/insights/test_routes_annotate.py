"""POST /insights/annotate: what is accepted in which form, and every refusal (contract 1.0, 1.2.9)."""

import base64
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from server.db import Database
from tests.server.insights import rows

PATH = "/api/v1/insights/annotate"
VOTED = {"status_code": 9, "status": "vote_saved", "description": "the annotation vote was saved"}


def basic(user: str, password: str = "secret") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def stored_votes(database: Database) -> list[tuple[Any, ...]]:
    found = await database.fetch(
        "SELECT insight_id, username, value, device_id FROM annotation_vote ORDER BY timestamp"
    )
    return [tuple(row) for row in found]


@pytest.mark.parametrize("way", ["form", "query", "multipart", "json", "query and form"])
async def test_the_parameters_may_come_in_any_form(
    http: httpx.AsyncClient, database: Database, way: str
) -> None:
    insight = await rows.add_insight(database)
    fields = {"insight_id": str(insight), "annotation": "1", "device_id": "phone-1"}
    requests: dict[str, dict[str, Any]] = {
        "form": {"data": fields},
        "query": {"params": fields},
        "multipart": {"files": {name: (None, value) for name, value in fields.items()}},
        "json": {"json": {**fields, "annotation": 1}},
        "query and form": {"params": {"device_id": "phone-1"}, "data": fields},
    }
    answer = await http.post(PATH, **requests[way])
    assert (answer.status_code, answer.json()) == (200, VOTED)
    assert list(answer.json()) == ["status_code", "status", "description"]
    assert await stored_votes(database) == [(insight, None, 1, "phone-1")]


async def test_data_is_text_in_a_form_and_an_object_in_json(
    http: httpx.AsyncClient, database: Database
) -> None:
    await rows.add_product(database)
    for body in (
        {"data": {"data": '{"value_tag": "en:beef"}'}},
        {"json": {"data": {"value_tag": "en:veal"}}},
        {"json": {"data": '{"value_tag": "en:lamb"}'}},
    ):
        insight = await rows.add_insight(database)
        query = {"insight_id": str(insight), "annotation": "2"}
        answer = await http.post(PATH, params=query, headers=basic("ann"), **body)
        assert answer.json() == {
            "status_code": 12,
            "status": "user_input_updated",
            "description": "the data provided by the user was saved and sent to OFF",
        }


def bad(description: str) -> dict[str, str]:
    return {"title": "400 Bad Request", "description": description}


def invalid(name: str, why: str) -> dict[str, str]:
    return {"title": "Invalid parameter", "description": f'The "{name}" parameter is invalid. {why}'}


def missing(name: str) -> dict[str, str]:
    return {"title": "Missing parameter", "description": f'The "{name}" parameter is required.'}


SOME = str(uuid4())
NO_DATA = "`data` must be provided when annotation == 2"
NO_UPDATE = "`update` must be true when annotation == 2"
DATA_TOO_MUCH = "`annotation` must be 2 when `data` is provided"
NOBODY = "`data` cannot be provided when the user is not authenticated"


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, missing("insight_id")),
        ({"insight_id": "12", "annotation": "1"}, invalid("insight_id", "The value must be a UUID string.")),
        ({"insight_id": SOME}, missing("annotation")),
        ({"insight_id": SOME, "annotation": ""}, missing("annotation")),
        (
            {"insight_id": SOME, "annotation": "yes"},
            invalid("annotation", "The value must be an integer."),
        ),
        (
            {"insight_id": SOME, "annotation": "3"},
            invalid("annotation", "The value may not exceed 2"),
        ),
        (
            {"insight_id": SOME, "annotation": "-2"},
            invalid("annotation", "The value must be at least -1"),
        ),
        (
            {"insight_id": SOME, "annotation": "1", "update": "maybe"},
            invalid("update", 'The value of the parameter must be "true" or "false".'),
        ),
        (
            {"insight_id": SOME, "annotation": "2", "data": "{"},
            invalid("data", "It could not be parsed as JSON."),
        ),
        (
            {"insight_id": SOME, "annotation": "2", "data": r'{"value_tag": "en:\u0000"}'},
            invalid("data", "It must not contain null characters."),
        ),
        (
            {"insight_id": SOME, "annotation": "2", "data": r'{"value_tag": "en:\ud800"}'},
            invalid("data", "It could not be parsed as JSON."),
        ),
        (
            {"insight_id": SOME, "annotation": "2", "data": "[" * 100_000},
            invalid("data", "It could not be parsed as JSON."),
        ),
        ({"insight_id": SOME, "annotation": "2"}, bad(NO_DATA)),
        ({"insight_id": SOME, "annotation": "2", "data": "null"}, bad(NO_DATA)),
        ({"insight_id": SOME, "annotation": "2", "update": "0"}, bad(NO_DATA)),
        ({"insight_id": SOME, "annotation": "2", "update": "0", "data": "{}"}, bad(NO_UPDATE)),
        ({"insight_id": SOME, "annotation": "1", "data": "{}"}, bad(DATA_TOO_MUCH)),
        ({"insight_id": SOME, "annotation": "-1", "update": "0", "data": "{}"}, bad(DATA_TOO_MUCH)),
        ({"insight_id": SOME, "annotation": "2", "data": "{}"}, bad(NOBODY)),
    ],
)
async def test_each_check_has_its_own_text_and_its_place_in_the_order(
    http: httpx.AsyncClient, fields: dict[str, str], refusal: dict[str, str]
) -> None:
    for sent in ({"data": fields}, {"json": fields}):
        answer = await http.post(PATH, **sent)
        assert (answer.status_code, answer.json()) == (400, refusal)


async def test_a_null_character_in_the_device_is_refused(http: httpx.AsyncClient) -> None:
    fields = {"insight_id": SOME, "annotation": "1", "device_id": "a\0b"}
    answer = await http.post(PATH, data=fields)
    refusal = invalid("device_id", "It must not contain null characters.")
    assert (answer.status_code, answer.json()) == (400, refusal)
    answer = await http.post(PATH, json=fields)
    assert answer.status_code == 400


async def test_a_deep_nest_of_data_is_refused_or_answered(http: httpx.AsyncClient) -> None:
    for depth in (400, 900, 2000, 50_000):
        data = '{"a":[' * depth + "]}" * depth
        fields = {"insight_id": SOME, "annotation": "2", "data": data}
        answer = await http.post(PATH, data=fields, headers=basic("ann"))
        assert answer.status_code in (200, 400)
        body = json.dumps({**fields, "data": 0}).replace("0}", data + "}")
        answer = await http.post(PATH, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'"text"', b"\xff\xfe", b'{"insight_id": "\\u0000"}', b'{"a": "\\ud800"}']
)
async def test_a_json_body_must_be_an_object(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["title"] in ("Invalid JSON", "Request data failed validation")


@pytest.mark.parametrize("header", ["Bearer abc", "Basic ???", "Basic YWJj", "Digest YTpi"])
async def test_another_way_to_authenticate_is_refused(http: httpx.AsyncClient, header: str) -> None:
    fields = {"insight_id": SOME, "annotation": "1"}
    answer = await http.post(PATH, data=fields, headers={"Authorization": header})
    assert (answer.status_code, answer.json()) == (
        401,
        {"title": "Invalid authentication, Basic auth expected."},
    )


async def test_a_user_is_known_by_basic_auth_or_by_the_session(
    http: httpx.AsyncClient, database: Database
) -> None:
    ways = {
        "ann": basic("ann"),
        "bob b": {"Authorization": "bAsIc " + base64.b64encode(b"bob%20b:p%3A").decode()},
        "cid": {"Authorization": base64.b64encode(b"cid:x:y").decode()},
        "dan": {"Cookie": "session=user_session&abc&user_id&dan"},
    }
    for name, headers in ways.items():
        insight = await rows.add_insight(database)
        fields = {"insight_id": str(insight), "annotation": "0"}
        answer = await http.post(PATH, data=fields, headers=headers)
        assert answer.json()["status"] == "saved"
        found = await database.fetchval("SELECT username FROM product_insight WHERE id = $1", insight)
        assert found == name


async def test_the_user_null_is_nobody(http: httpx.AsyncClient, database: Database) -> None:
    insight = await rows.add_insight(database)
    fields = {"insight_id": str(insight), "annotation": "1", "device_id": "phone"}
    answer = await http.post(PATH, data=fields, headers=basic("null", "null"))
    assert answer.json() == VOTED
    assert await stored_votes(database) == [(insight, None, 1, "phone")]
    answer = await http.post(
        PATH, data={**fields, "annotation": "2", "data": "{}"}, headers=basic("null", "null")
    )
    assert (answer.status_code, answer.json()) == (400, bad(NOBODY))


async def test_without_a_device_the_address_is_the_voter(http: httpx.AsyncClient, database: Database) -> None:
    for insight in (await rows.add_insight(database), await rows.add_insight(database)):
        await http.post(f"{PATH}/", data={"insight_id": str(insight), "annotation": "1"})
    devices = {device for _, _, _, device in await stored_votes(database)}
    assert len(devices) == 1
    assert len(devices.pop()) == 40


async def test_an_unknown_insight_is_answered_with_200(http: httpx.AsyncClient) -> None:
    for annotation in ("1", "0", "-1"):
        for headers in ({}, basic("ann")):
            fields = {"insight_id": SOME, "annotation": annotation}
            answer = await http.post(PATH, data=fields, headers=headers)
            assert (answer.status_code, answer.json()) == (
                200,
                {
                    "status_code": 6,
                    "status": "error_unknown_insight",
                    "description": "unknown insight ID",
                },
            )


@pytest.mark.parametrize("number", ["1e400", "1" * 30, "1" * 400, "1" * 5000, "-0", "1.5"])
async def test_odd_numbers_are_refused_or_answered(http: httpx.AsyncClient, number: str) -> None:
    data = f'{{"annotation": "Milk", "rotation": {number}, "bounding_box": [0, 0, 1, {number}]}}'
    fields = {"insight_id": SOME, "annotation": "2", "data": data}
    answer = await http.post(PATH, data=fields, headers=basic("ann"))
    assert answer.status_code in (200, 400)
    body = f'{{"insight_id": "{SOME}", "annotation": {number}, "data": {data}}}'
    answer = await http.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
