"""What networks saw in images: read in both modes, and imported with the batch key (contract 1.2.15, 1.2.16)."""

from typing import Any

import httpx
import pytest

from server.db import Database
from tests.server.insights import rows
from tests.server.insights.conftest import StartWorker
from tests.server.insights.statements import counted

URL = "/api/v1/image_predictions"
IMPORT = f"{URL}/import"
KEY = {"Authorization": "Bearer batch-key-1"}
BARCODE = "00000123"
KEYS = "id type model_name model_version data timestamp image max_confidence"
IMAGE_KEYS = "id barcode uploaded_at image_id source_image width height deleted server_type fingerprint"


async def models(http: httpx.AsyncClient, **query: Any) -> str:
    """The versions found, after the count was checked."""
    found = (await http.get(URL, params=query)).json()
    assert found["count"] == len(found["image_predictions"])
    return "".join(one["model_version"] for one in found["image_predictions"])


def item(**changes: Any) -> dict[str, Any]:
    return {
        "barcode": BARCODE,
        "image_id": "1",
        "model_name": "nutriscore",
        "model_version": "v1",
        "data": {"objects": [{"label": "a", "score": 0.5}, {"label": "b", "score": 0.75}]},
        **changes,
    }


async def test_an_empty_store_has_no_image_predictions(http: httpx.AsyncClient) -> None:
    assert (await http.get(URL)).json() == {
        "count": 0,
        "image_predictions": [],
        "status": "no_image_predictions",
    }


async def test_an_image_prediction_carries_its_image(http: httpx.AsyncClient, database: Database) -> None:
    image = await rows.add_image(database, fingerprint=-8123456789012345678)
    made = await rows.add_image_prediction(database, image, max_confidence=1.0)
    answer = await http.get(f"{URL}/")
    (found,) = answer.json()["image_predictions"]
    assert " ".join(found) == KEYS and " ".join(found["image"]) == IMAGE_KEYS
    assert (found["id"], found["image"]["id"]) == (made, image)
    assert found["data"] == {"objects": []} and found["image"]["fingerprint"] == -8123456789012345678
    assert found["image"]["deleted"] is False and '"max_confidence":1.0' in answer.text


async def test_logos_are_left_out_unless_asked_for_or_mean_what_is_documented(
    http: httpx.AsyncClient, database: Database, start_worker: StartWorker
) -> None:
    image = await rows.add_image(database)
    bare = await rows.add_image_prediction(database, image, model_version="b", model_name="nutriscore")
    with_logo = await rows.add_image_prediction(database, image, model_version="l")
    await rows.add_logo(database, with_logo)
    assert bare < with_logo
    assert await models(http) == await models(http, with_logo="0") == "b"
    assert await models(http, with_logo="1") == await models(http, with_logo="") == "bl"
    async with start_worker(with_logo_mode="documented") as worker:
        assert await models(worker.http) == "bl"
        assert await models(worker.http, with_logo="true") == "l"
        assert await models(worker.http, with_logo="false") == "b"


async def test_each_filter_finds_what_it_names(http: httpx.AsyncClient, database: Database) -> None:
    first = await rows.add_image(database, "1")
    other = await rows.add_image(database, "2", barcode="00000017")
    beauty = await rows.add_image(database, "3", server_type="obf")
    await rows.add_image_prediction(database, first, model_version="a", max_confidence=0.8)
    await rows.add_image_prediction(
        database, first, model_version="b", model_name="upc-opencv", type="upc_image", max_confidence=None
    )
    await rows.add_image_prediction(database, other, model_version="c", max_confidence=0.3)
    await rows.add_image_prediction(database, beauty, model_version="d")
    for query, expected in (
        ({}, "abc"),
        ({"server_type": "obf"}, "d"),
        ({"barcode": "17"}, "c"),
        ({"image_id": "1"}, "ab"),
        ({"image_id": "x"}, ""),
        ({"model_name": "universal-logo-detector"}, "ac"),
        ({"model_name": "universal_logo_detector"}, "ac"),
        ({"model_name": "upc_opencv"}, "b"),
        ({"type": "upc_image"}, "b"),
        ({"model_version": "c"}, "c"),
        ({"min_confidence": "0.3"}, "ac"),
        ({"min_confidence": "0.31"}, "a"),
        ({"min_confidence": "-1"}, "ac"),
    ):
        assert await models(http, **query) == expected, query
    refused = await http.get(URL, params={"min_confidence": "nan"})
    assert refused.json() == {
        "title": "Invalid parameter",
        "description": 'The "min_confidence" parameter is invalid. The value must be a float.',
    }


async def test_a_page_costs_two_statements_at_most(
    http: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await rows.add_image_prediction(database, await rows.add_image(database, str(number)))
    with counted(monkeypatch) as seen:
        found = (await http.get(URL, params={"count": 2})).json()
    assert (found["count"], len(found["image_predictions"]), len(seen)) == (3, 2, 2)


async def test_an_import_attaches_to_known_images_and_skips_the_others(
    http: httpx.AsyncClient, database: Database
) -> None:
    await rows.add_image(database, "1", barcode=BARCODE)
    await rows.add_image(database, "2", barcode=BARCODE, deleted=True)
    batch = [
        item(barcode="123"),
        item(model_name="ingredient-detection", data={"entities": []}),
        item(model_name="upc_opencv", data={"area": 0.1}),
        item(image_id="2"),
        item(image_id="3"),
        item(server_type="obf"),
    ]
    answer = await http.post(IMPORT, json={"predictions": batch}, headers=KEY)
    assert (answer.status_code, answer.json()) == (200, {"imported": 3, "skipped": 3})
    found = (await http.get(URL)).json()["image_predictions"]
    assert [(one["model_name"], one["type"], one["max_confidence"]) for one in found] == [
        ("nutriscore", "object_detection", 0.75),
        ("ingredient_detection", "ner", None),
        ("upc-opencv", "upc_image", None),
    ]
    assert all(one["timestamp"] for one in found)


async def test_the_same_network_says_one_thing_of_an_image_the_latest(
    http: httpx.AsyncClient, database: Database
) -> None:
    await rows.add_image(database, "1", barcode=BARCODE)
    for version in ("v1", "v2"):
        body = {"predictions": [item(model_version="v0"), item(model_version=version)]}
        answer = await http.post(IMPORT, json=body, headers=KEY)
        assert answer.json() == {"imported": 1, "skipped": 1}
    assert await models(http) == "v2"


async def test_only_the_batch_key_opens_the_import(
    http: httpx.AsyncClient, start_worker: StartWorker
) -> None:
    body: dict[str, list[object]] = {"predictions": []}
    missing = await http.post(IMPORT, json=body)
    assert (missing.status_code, missing.json()["title"]) == (400, "Missing header value")
    for header, title in (
        ("Bearer", "Invalid authentication scheme."),
        ("Basic abc", "Invalid authentication scheme: 'Bearer Token' expected."),
        ("Bearer wrong", "Invalid token."),
    ):
        answer = await http.post(IMPORT, json=body, headers={"Authorization": header})
        assert (answer.status_code, answer.json()) == (401, {"title": title})
    assert (await http.post(IMPORT, json=body, headers=KEY)).json() == {"imported": 0, "skipped": 0}


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"predictions": [{}]}',
        b'{"predictions": [{"barcode": "1"}]}',
        b'{"predictions": {"a": 1}}',
    ],
)
async def test_a_body_of_another_shape_fails_validation(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post(IMPORT, content=body, headers={**KEY, "Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["title"]) == (400, "Request data failed validation")


async def test_an_import_that_cannot_be_stored_is_refused_as_a_whole(
    http: httpx.AsyncClient, database: Database
) -> None:
    await rows.add_image(database, "1", barcode=BARCODE)
    good = item(model_name="nutrition_table")
    for bad in (
        item(data={"a": "\x00"}),
        item(model_version="\x00"),
        item(barcode="1; DROP"),
        item(server_type="xyz"),
        item(data={"objects": [{"score": 10**400}]}),
        item(image_id=10**30),
        item(model_name="n" * 300),
        item(data=[1]),
    ):
        answer = await http.post(IMPORT, json={"predictions": [good, bad]}, headers=KEY)
        assert answer.status_code == 400, bad
    assert await models(http) == ""
    large = await http.post(IMPORT, json={"predictions": [good] * 10_001}, headers=KEY)
    assert large.json()["description"] == "At most 10000 predictions at a time"


async def test_forms_and_broken_json_are_refused(http: httpx.AsyncClient) -> None:
    form = await http.post(IMPORT, data={"predictions": "[]"}, headers=KEY)
    assert (form.status_code, form.json()["title"]) == (415, "415 Unsupported Media Type")
    broken = await http.post(IMPORT, content=b"{", headers={**KEY, "Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["title"]) == (400, "Invalid JSON")
