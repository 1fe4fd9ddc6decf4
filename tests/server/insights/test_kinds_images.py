"""Images, detections and logos go in by their natural keys and come out as they went in."""

import base64
from typing import Any

import httpx
import numpy as np

from server.db import Database
from tests.server.insights.test_kinds_insights import out, put

IMAGE: dict[str, Any] = {
    "id": 42,
    "barcode": "0000000000123",
    "uploaded_at": "2022-01-01T00:00:00",
    "image_id": "1",
    "source_image": "/000/000/000/0123/1.jpg",
    "width": 1200,
    "height": 1600,
    "deleted": False,
    "server_type": "off",
    "fingerprint": 8123456789012345678,
}
BARCODE = "00000123"
DETECTION: dict[str, Any] = {
    "barcode": BARCODE,
    "image_id": "1",
    "model_name": "nutriscore",
    "model_version": "1",
    "data": {"objects": [{"label": "nutriscore-a", "score": 0.25}, {"label": "nutriscore-b", "score": 0.75}]},
}
LOGO: dict[str, Any] = {
    "barcode": BARCODE,
    "image_id": "1",
    "index": 0,
    "bounding_box": [0.1, 0.2, 0.3, 0.4],
    "score": 0.9,
}


async def test_an_image_comes_out_as_it_went_in_but_for_its_normal_barcode(
    http: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    assert (await put(http, admin, "images", IMAGE))["ids"] == [42]
    assert await out(http, admin, "images") == [{**IMAGE, "barcode": BARCODE}]


async def test_an_image_that_comes_again_keeps_its_number(
    http: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await put(http, admin, "images", IMAGE)
    again = await put(http, admin, "images", {**IMAGE, "id": 50, "width": 7}, {**IMAGE, "image_id": 2})
    assert again["imported"] == 2 and again["ids"][0] == 42 and again["ids"][1] > 42
    assert [line["width"] for line in await out(http, admin, "images")] == [7, 1200]


async def test_numbers_given_out_later_are_behind_those_that_came_in(
    http: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await put(http, admin, "images", {**IMAGE, "id": 3})
    lines = [{"barcode": "7", "image_id": str(number)} for number in range(4)]
    assert min((await put(http, admin, "images", *lines))["ids"]) > 3


async def test_what_an_image_line_leaves_out_is_derived(
    http: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await put(http, admin, "images", {"barcode": 5410041040807, "image_id": 3})
    (line,) = await out(http, admin, "images")
    assert (line["source_image"], line["width"]) == ("/541/004/104/0807/3.jpg", 0)


async def test_a_deleted_image_is_flagged(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    await put(http, admin, "images", {**IMAGE, "deleted": True})
    assert (await out(http, admin, "images"))[0]["deleted"] is True


async def test_bad_images_are_refused_one_by_one(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    report = await put(
        http,
        admin,
        "images",
        {**IMAGE, "image_id": "../1"},
        {**IMAGE, "width": -1},
        {**IMAGE, "fingerprint": 2**63},
        {**IMAGE, "source_image": "\x00"},
        IMAGE,
    )
    assert report["imported"] == 1 and [error["line"] for error in report["errors"]] == [1, 2, 3, 4]


async def test_a_detection_makes_its_image_and_its_best_score(
    http: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    assert (await put(http, admin, "image_predictions", DETECTION))["imported"] == 1
    (line,) = await out(http, admin, "image_predictions")
    assert (line["max_confidence"], line["image_id"], line["data"]) == (0.75, "1", DETECTION["data"])


async def test_there_is_one_detection_per_image_and_network(
    http: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await put(http, admin, "image_predictions", DETECTION, {**DETECTION, "model_version": "2"})
    (line,) = await out(http, admin, "image_predictions")
    assert line["model_version"] == "2"


async def test_a_network_is_the_same_however_its_name_is_written_and_imported(
    http: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    names = ("nutrition-table", "nutrition_table", "upc_opencv", "upc-opencv", "my-own", "my_own")
    for name in names:
        await put(http, admin, "image_predictions", {**DETECTION, "model_name": name})
    stored = ["my-own", "my_own", "nutrition_table", "upc-opencv"]
    assert sorted(line["model_name"] for line in await out(http, admin, "image_predictions")) == stored
    batch = [{**DETECTION, "model_name": name} for name in names]
    answer = await http.post(
        "/api/v1/image_predictions/import",
        json={"predictions": batch},
        headers={"Authorization": "Bearer batch-key-1"},
    )
    assert answer.json()["imported"] == 4
    assert sorted(line["model_name"] for line in await out(http, admin, "image_predictions")) == stored


async def test_a_logo_makes_what_it_hangs_on_and_keeps_its_vector(
    http: httpx.AsyncClient, admin: dict[str, str], database: Database
) -> None:
    vector = np.linspace(-1, 1, 512).astype("<f4")
    packed = base64.b64encode(vector.tobytes()).decode()
    report = await put(
        http,
        admin,
        "logos",
        {**LOGO, "embedding": vector.tolist(), "annotation_type": "brand"},
        {**LOGO, "index": 1, "embedding": packed},
        {**LOGO, "index": 2},
    )
    assert report["imported"] == 3
    first, second, third = await out(http, admin, "logos")
    assert first["embedding"] == second["embedding"] == packed and "embedding" not in third
    assert first["annotation_type"] == "brand" and first["image_id"] == "1"
    assert await database.fetchval("SELECT count(*) FROM image") == 1


async def test_vectors_of_another_shape_are_refused(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    report = await put(
        http,
        admin,
        "logos",
        {**LOGO, "embedding": [0.0] * 511},
        {**LOGO, "embedding": "!"},
        {**LOGO, "embedding": base64.b64encode(b"\0" * 8).decode()},
        {**LOGO, "embedding": [1e300] * 512},
        {**LOGO, "index": -1},
        LOGO,
    )
    assert report["imported"] == 1 and [error["line"] for error in report["errors"]] == [1, 2, 3, 4, 5]


async def test_a_logo_that_comes_again_is_the_same_logo(
    http: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    first = await put(http, admin, "logos", LOGO)
    again = await put(http, admin, "logos", {**LOGO, "score": 0.5})
    assert first["ids"] == again["ids"]
    assert [line["score"] for line in await out(http, admin, "logos")] == [0.5]


async def test_a_threshold_is_one_per_type_and_value(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    lines = [
        {"type": "brand", "threshold": 0.5},
        {"type": "brand", "value": "lidl", "threshold": 0.6},
        {"type": "brand", "threshold": 0.7},
    ]
    assert (await put(http, admin, "logo_thresholds", *lines))["imported"] == 3
    stored = [(line["value"], line["threshold"]) for line in await out(http, admin, "logo_thresholds")]
    assert stored == [(None, 0.7), ("lidl", 0.6)]
