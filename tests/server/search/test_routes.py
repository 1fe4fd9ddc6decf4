"""Recognition from outside: fields, answers of each version, timestamp, headers."""

import base64
import re
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.server.search import pictures
from tests.server.search.worker import Tenant

PRINT = pictures.jpeg(pictures.print_of(1))
PHOTO = pictures.jpeg(pictures.photo_of(pictures.print_of(1)))


def result(answer: httpx.Response) -> dict[str, Any]:
    """The one result of a version 1 or 2 answer."""
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["results"]
    assert isinstance(found, dict)
    return found


async def test_version_1_gives_the_item_its_best_image_and_a_score(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item, image = await tenant.reference(collection, 1)
    answer = await tenant.search(token, PHOTO)
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json()) == {"search_time", "results"}
    assert isinstance(answer.json()["search_time"], int)
    found = result(answer)
    assert set(found) == {"item", "image", "score"}
    # What is not set is left out: clients test for the presence of a key.
    assert found["item"] == {"uuid": item["uuid"], "name": "item 1"}
    assert found["image"] == {
        "uuid": image["uuid"],
        "thumb_120": image["thumb_120"],
        "thumb_60": image["thumb_60"],
    }
    assert isinstance(found["score"], int) and 40 <= found["score"] <= 100


async def test_what_is_set_on_the_item_comes_along(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    content = {"z": [1, None], "a": "ü"}
    await tenant.reference(collection, 1, url="http://e.com", custom='{"a": 1}', content=content)
    found = result(await tenant.search(token, PRINT))["item"]
    assert (found["url"], found["content"]) == ("http://e.com", content)
    assert found["custom"].startswith("http://")
    assert "tracking" not in found
    for name in ("embed_custom", "embedCustom"):
        for value in ("true", "1", "YES", "On"):
            found = result(await tenant.search(token, PRINT, **{name: value}))["item"]
            # The raw text, even when it is JSON.
            assert found["custom"] == '{"a": 1}'
    for value in ("false", "0", "", "2", "truth"):
        found = result(await tenant.search(token, PRINT, embed_custom=value))["item"]
        assert found["custom"].startswith("http://")


async def test_version_2_adds_the_collection_and_the_items_images(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item, first = await tenant.reference(collection, 2)
    second = await tenant.upload(item, PRINT)
    answer = await tenant.search(token, PRINT, "v2", app_id="my app")
    assert set(answer.json()) == {"search_time", "results", "collection"}
    block = answer.json()["collection"]
    assert set(block) == {"uuid", "pubkey", "image_template", "app_id"}
    assert (block["uuid"], block["app_id"], block["pubkey"]) == (collection["uuid"], "my app", "")
    found = result(answer)
    assert found["image"] == second["uuid"]
    assert found["item"]["images"] == [second["uuid"], first["uuid"]]
    assert found["item"]["trackable"] is False
    url = block["image_template"].format(collection["uuid"], item["uuid"], found["image"])
    assert url == second["thumb_120"]
    assert (await tenant.http.get(url)).status_code == 200
    for fields in ({}, {"app_id": ""}):
        plain = await tenant.search(token, PRINT, "v2", **fields)
        assert plain.json()["collection"]["app_id"] is None
    assert (await tenant.search(token, PRINT, "v2", appID="x")).json()["collection"]["app_id"] == "x"


async def test_version_0_is_a_bare_array_of_the_objects_of_version_1(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    await tenant.reference(collection, 1, custom="raw")
    one = result(await tenant.search(token, PRINT))
    assert (await tenant.search(token, PRINT, "v0")).json() == [one]
    (embedded,) = (await tenant.search(token, PRINT, "v0", custom="true")).json()
    assert embedded["item"]["custom"] == "raw"
    # Only the oldest version calls it so.
    assert result(await tenant.search(token, PRINT, custom="true"))["item"]["custom"] != "raw"


async def test_nothing_recognised_is_200_with_an_empty_list(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    other = pictures.jpeg(pictures.print_of(9))
    # In an empty collection too.
    for _ in range(2):
        for version, empty in (("v0", []), ("v1", {"results": []}), ("v2", {"results": []})):
            answer = await tenant.search(token, other, version)
            assert answer.status_code == 200
            found = answer.json()
            assert found == empty if version == "v0" else found["results"] == []
        await tenant.reference(collection, 1)


@pytest.mark.parametrize("name", ["bboxes", "bbox"])
async def test_the_box_is_there_only_when_asked_for(tenant: Tenant, name: str) -> None:
    collection, token = await tenant.shelf()
    await tenant.reference(collection, 1)
    (left, top), (right, _), (_, bottom), (far, deep) = result(
        await tenant.search(token, PRINT, **{name: "true"})
    )["bbox"]
    # Row by row: top-left, top-right, bottom-left, bottom-right, in fractions of the query.
    assert (left, top) == pytest.approx((0, 0), abs=0.03)
    assert (right, bottom) == pytest.approx((1, 1), abs=0.03)
    assert (far, deep) == pytest.approx((1, 1), abs=0.03)
    assert "bbox" not in result(await tenant.search(token, PRINT, **{name: "false"}))


async def test_explain_shows_why(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    await tenant.reference(collection, 1)
    why = result(await tenant.search(token, PHOTO, explain="1"))["explain"]
    assert set(why) == {"inliers", "matches", "coverage", "homography", "stage_ms"}
    assert why["matches"] >= why["inliers"] > 0
    assert 0 < why["coverage"] <= 1
    assert len(why["homography"]) == 9
    assert {"feat", "ann", "gv"} <= set(why["stage_ms"])


async def test_limit_and_min_score_cut_the_list_and_bad_values_do_not_matter(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    items = {(await tenant.reference(collection, 1, name=name))[0]["uuid"] for name in "AB"}
    assert set(await tenant.found(token, PRINT)) == items
    assert len(await tenant.found(token, PRINT, limit="1")) == 1
    for fields in (
        {"limit": "0"},
        {"limit": "-3"},
        {"limit": "many"},
        {"limit": "9" * 40},
        {"min_score": "x"},
    ):
        assert 1 <= len(await tenant.found(token, PRINT, **fields)) <= 2
    score = (await tenant.search(token, PHOTO)).json()["results"][0]["score"]
    assert await tenant.found(token, PHOTO, min_score=str(min(score + 1, 100))) != items or score == 100
    assert set(await tenant.found(token, PRINT, min_score="0")) == items


async def test_tags_of_the_form_narrow_those_of_the_token(tenant: Tenant) -> None:
    collection, everything = await tenant.shelf()
    uri = collection["resource_uri"]
    red, blue = [await tenant.make("tag", name=name, collection=uri) for name in ("red", "blue")]
    item, _ = await tenant.reference(collection, 1, tags=[red["uuid"], blue["uuid"]])
    reddish = (await tenant.make("token", collection=uri, tags=[red["uuid"]]))["token"]
    for token in (everything, reddish):
        for tags in ("red", "blue", f" {blue['uuid']} ,other", "", ","):
            assert await tenant.found(token, PRINT, tags=tags) == [item["uuid"]]
        for tags in ("green", "Red", "0" * 32, "red\x00"):
            assert (await tenant.found(token, PRINT, tags=tags) == []) == (tags != "red\x00")
    await tenant.ask("PUT", f"item/{item['uuid']}/", json={"tags": [blue["uuid"]]})
    assert await tenant.found(reddish, PRINT, tags="blue") == []


async def test_unknown_fields_are_ignored_and_the_last_of_a_repeated_one_counts(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item, _ = await tenant.reference(collection, 1)
    assert await tenant.found(token, PRINT, strategy="closeup", version="5.0", colour="x") == [item["uuid"]]
    data = {"token": ["0" * 16, token], "bboxes": ["false", "true"]}
    files = [("image", b"nonsense"), ("image", PRINT)]
    answer = await tenant.http.post("/v1/search", data=data, files=files)
    assert "bbox" in result(answer)


async def test_the_picture_may_be_a_part_without_name_and_type(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item, _ = await tenant.reference(collection, 1)
    body = (
        b'--*****\r\nContent-Disposition: form-data; name="token"\r\n\r\n'
        + token.encode()
        + b'\r\n--*****\r\nContent-Disposition: form-data; name="image"\r\n\r\n'
        + PRINT
        + b"\r\n--*****--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data;boundary=*****", "Connection": "Keep-Alive"}
    answer = await tenant.http.post("/v1/search", content=body, headers=headers)
    assert result(answer)["item"]["uuid"] == item["uuid"]


async def test_the_picture_may_be_text(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item, _ = await tenant.reference(collection, 1)
    text = base64.b64encode(PRINT).decode()
    wrapped = base64.encodebytes(PRINT).decode()
    safe = base64.urlsafe_b64encode(PRINT).decode().rstrip("=")
    for image in (
        text,
        wrapped,
        safe,
        f"data:image/jpeg;base64,{text}",
        f"DATA:image/jpg;name=a;BASE64,{quote(text)}",
        "data:image/jpeg," + quote(PRINT),
        # An unescaped plus of a urlencoded form.
        text.replace("+", " "),
    ):
        answer = await tenant.http.post("/v1/search", data={"token": token, "image": image})
        assert result(answer)["item"]["uuid"] == item["uuid"]
    files = {"image": (None, text), "token": (None, token)}
    assert result(await tenant.http.post("/v1/search", files=files))["item"]["uuid"] == item["uuid"]


async def test_any_decodable_format_and_type_will_do(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    item, _ = await tenant.reference(collection, 1)
    data = {"token": token.upper()}
    for image in (
        ("q", pictures.png(pictures.print_of(1)), "image/jpg"),
        ("q.exe", PRINT + b"garbage", "application/octet-stream"),
    ):
        answer = await tenant.http.post("/v1/search", data=data, files={"image": image})
        assert result(answer)["item"]["uuid"] == item["uuid"]


@pytest.mark.parametrize("version", ["v0", "v1", "v2"])
async def test_timestamp_checks_the_token_and_tells_the_time(tenant: Tenant, version: str) -> None:
    _, token = await tenant.shelf()
    for request in ({"data": {"token": token}}, {"files": {"token": (None, token)}}):
        for slash in ("", "/"):
            answer = await tenant.http.post(f"/{version}/timestamp{slash}", **request)
            assert answer.status_code == 200
            assert list(answer.json()) == ["timestamp"]
            stamp = answer.json()["timestamp"]
            assert re.fullmatch(r"\d{10}\.\d\d", stamp)
            assert abs(float(stamp) - time.time()) < 60
    for request, status, code in (
        ({}, 401, "TOKEN_MISSING"),
        ({"data": {"token": "short"}}, 400, "TOKEN_WRONG"),
        ({"data": {"token": "0" * 16}}, 403, "TOKEN_INVALID"),
    ):
        answer = await tenant.http.post(f"/{version}/timestamp", **request)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    "path", [f"/{v}/{call}" for v in ("v0", "v1", "v2") for call in ("search", "timestamp")]
)
async def test_other_methods_are_405_and_browsers_may_ask(tenant: Tenant, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = await tenant.http.request(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert "POST" in answer.headers["allow"]
        assert answer.headers["access-control-allow-origin"] == "*"
    asking = {
        "Origin": "https://museum.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-anything",
    }
    answer = await tenant.http.options(path, headers=asking)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-max-age"] == "86400"
    assert answer.headers["access-control-allow-headers"] in ("*", "x-anything")


async def test_every_answer_has_an_id_its_times_and_is_never_stored(tenant: Tenant) -> None:
    collection, token = await tenant.shelf()
    await tenant.reference(collection, 1)
    answers = [await tenant.search(token, image) for image in (PRINT, pictures.jpeg(pictures.print_of(7)))]
    for answer in answers:
        stages = {part.split(";")[0].strip() for part in answer.headers["server-timing"].split(",")}
        assert {"decode", "feat", "ann", "gv"} <= stages
    for answer in (*answers, await tenant.search(None, PRINT), await tenant.search(token, b"x")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-request-id"]
    given = await tenant.http.post("/v1/search", headers={"X-Request-Id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"


async def test_info_tells_the_version_of_the_scores(tenant: Tenant) -> None:
    answer = await tenant.http.get("/search/v1/info")
    assert answer.status_code == 200
    assert isinstance(answer.json()["score_version"], int)
