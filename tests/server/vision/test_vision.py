"""/vision/v1 over HTTP, with the stub network."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from server.settings import Limits
from tests.conftest import ClientFactory
from tests.server.vision.samples import GARBAGE, JPEG, OCTETS, fault, form, picture


async def test_models_tells_what_is_loaded_and_on_what_it_runs(http: httpx.AsyncClient) -> None:
    answer = await http.get("/vision/v1/models")
    models = {each["name"]: each for each in answer.json()["models"]}
    assert models["stub"] == {
        "name": "stub",
        "version": "1",
        "task": "embed",
        "input": {"size": 32, "geometry": "stretch", "dtype": "float32"},
        "provider": "numpy",
        "loaded": True,
        "dimension": 64,
        "embedding_space": "stub-1",
        "labels": 0,
    }
    absent = [each for each in models.values() if not each["loaded"]]
    assert absent and all(each["provider"] is None for each in absent)


@pytest.mark.parametrize(
    "kind", ["image/jpeg", "image/anything", "application/octet-stream", "IMAGE/JPEG; q=1"]
)
async def test_a_raw_body_is_one_picture_whatever_it_is_called(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post("/vision/v1/embed", content=picture(), headers={"Content-Type": kind})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["model"], body["version"], len(body["results"])) == ("stub", "1", 1)
    vector = np.array(body["results"][0]["embedding"])
    assert vector.shape == (64,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


async def test_octets_are_the_same_numbers_as_json(http: httpx.AsyncClient) -> None:
    images = form(picture(), picture((0, 0, 0)), picture((9, 200, 90)))
    octets = await http.post("/vision/v1/embed?model=stub", files=images, headers=OCTETS)
    json = await http.post("/vision/v1/embed?model=stub", files=images)
    assert octets.headers["content-type"] == "application/octet-stream"
    rows = np.frombuffer(octets.content, "<f4").reshape(3, 64)
    listed = np.array([each["embedding"] for each in json.json()["results"]], np.float32)
    np.testing.assert_array_equal(rows, listed)


@pytest.mark.parametrize(
    ("accept", "is_octets"),
    [
        ("application/octet-stream", True),
        ("application/octet-stream, application/json;q=0.5", True),
        ("application/json, application/octet-stream;q=0.5", False),
        ("*/*", False),
    ],
)
async def test_the_client_chooses_by_accept(http: httpx.AsyncClient, accept: str, is_octets: bool) -> None:
    answer = await http.post("/vision/v1/embed", content=picture(), headers=JPEG | {"Accept": accept})
    assert (answer.headers["content-type"] == "application/octet-stream") is is_octets


async def test_bad_pictures_are_named_beside_the_good_ones(http: httpx.AsyncClient) -> None:
    answer = await http.post("/vision/v1/embed", files=form(picture(), GARBAGE, b"", picture()))
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [set(each) for each in results] == [{"embedding"}, {"error"}, {"error"}, {"embedding"}]
    assert results[1]["error"]["code"] == "IMAGE_NOT_LOADED" and results[1]["error"]["message"]
    assert results[2]["error"]["code"] == "IMAGE_MISSING"
    assert results[0] == results[3]


async def test_octets_need_every_picture_to_be_good(http: httpx.AsyncClient) -> None:
    answer = await http.post("/vision/v1/embed", files=form(picture(), GARBAGE, b""), headers=OCTETS)
    message = fault(answer, 422, "IMAGES_REJECTED")
    assert "image 1" in message and "image 2" in message and "image 0" not in message
    assert [each["index"] for each in answer.json()["error"]["details"]["images"]] == [1, 2]


async def test_sixty_four_pictures_are_taken_and_sixty_five_refused_with_the_limit(
    http: httpx.AsyncClient,
) -> None:
    good = picture()
    answer = await http.post("/vision/v1/embed", files=form(*[good] * 64), headers=OCTETS)
    assert len(answer.content) == 64 * 64 * 4
    refused = await http.post("/vision/v1/embed", files=form(*[good] * 65))
    assert "64" in fault(refused, 413, "TOO_MANY_IMAGES")
    urls = {"urls": ["http://example.invalid/a.jpg"] * 65}
    assert "64" in fault(await http.post("/vision/v1/embed", json=urls), 413, "TOO_MANY_IMAGES")


async def test_a_form_of_endless_parts_is_refused(http: httpx.AsyncClient) -> None:
    fault(await http.post("/vision/v1/embed", files=form(*[b"x"] * 300)), 413, "BODY_TOO_LARGE")


async def test_parts_of_other_names_are_no_pictures(http: httpx.AsyncClient) -> None:
    fault(await http.post("/vision/v1/embed", files=form(picture(), name="picture")), 400, "IMAGE_MISSING")


async def test_pictures_over_the_limits_of_one_are_refused_alone(client: ClientFactory) -> None:
    async with client(vision_open=True, limits=Limits(query_pixels=5000)) as http:
        answer = await http.post(
            "/vision/v1/embed", files=form(picture(size=(50, 50)), picture(size=(80, 80)))
        )
    good, large = answer.json()["results"]
    assert "embedding" in good
    assert large["error"]["code"] == "IMAGE_TOO_LARGE" and "5000" in large["error"]["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_another_content_type_is_told_what_is_taken(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post("/vision/v1/embed", content=b"x", headers={"Content-Type": kind})
    assert "multipart/form-data" in fault(answer, 400, "UNSUPPORTED_CONTENT_TYPE")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"urls": []}', b'{"urls": [1]}', b'{"urls": ["x"], "a": 1}']
)
async def test_json_that_is_no_list_of_urls_is_a_bad_request(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/vision/v1/embed", content=body, headers={"Content-Type": "application/json"})
    fault(answer, 400, "BAD_REQUEST")


async def test_an_unknown_network_is_404_and_one_that_is_not_installed_503(http: httpx.AsyncClient) -> None:
    def post(path: str) -> Any:
        return http.post(f"/vision/v1/{path}", content=picture(), headers=JPEG)

    assert "nobody" in fault(await post("embed?model=nobody"), 404, "NOT_FOUND")
    fault(await post("embed?model=clip-vit-b-32"), 503, "NETWORK_UNAVAILABLE")
    fault(await post("detect?model=stub"), 404, "NOT_FOUND")
    fault(await post("detect?model=universal_logo_detector_yolo"), 503, "NETWORK_UNAVAILABLE")


@pytest.mark.parametrize("threshold", ["-0.1", "1.1", "nan", "high"])
async def test_a_threshold_outside_0_to_1_is_a_bad_request(http: httpx.AsyncClient, threshold: str) -> None:
    answer = await http.post(f"/vision/v1/detect?threshold={threshold}", content=picture(), headers=JPEG)
    fault(answer, 400, "BAD_REQUEST")


async def test_unknown_paths_and_methods_answer_in_the_same_envelope(http: httpx.AsyncClient) -> None:
    fault(await http.get("/vision/v1/nothing"), 404, "NOT_FOUND")
    answer = await http.get("/vision/v1/embed")
    fault(answer, 405, "METHOD_NOT_ALLOWED")
    assert "POST" in answer.headers["allow"]


async def test_a_deadline_that_the_client_sets_is_kept(http: httpx.AsyncClient) -> None:
    headers = JPEG | {"X-Request-Timeout-S": "0.000001"}
    fault(await http.post("/vision/v1/embed", content=picture(), headers=headers), 504, "DEADLINE_EXCEEDED")


async def test_the_stages_are_in_server_timing(http: httpx.AsyncClient) -> None:
    answer = await http.post("/vision/v1/embed", content=picture(), headers=JPEG)
    timing = answer.headers["server-timing"]
    for stage in ("gate", "queue", "decode", "network", "postprocess", "total"):
        assert f"{stage};dur=" in timing


@pytest.mark.parametrize("accept", [{}, OCTETS])
async def test_a_key_with_scope_read_is_needed_unless_open(
    client: ClientFactory, admin: dict[str, str], accept: dict[str, str]
) -> None:
    async def key(http: httpx.AsyncClient, product: str, *scopes: str) -> dict[str, str]:
        made = await http.post(
            "/admin/v1/keys", json={"product": product, "name": "k", "scopes": list(scopes)}, headers=admin
        )
        return {"Authorization": f"Bearer {made.json()['key']}"}

    async with client() as http:
        right, other = await key(http, "vision", "read"), await key(http, "search", "read", "write")
        writer = await key(http, "vision", "write")

        def post(headers: dict[str, str]) -> Any:
            return http.post("/vision/v1/embed", content=picture(), headers=JPEG | accept | headers)

        assert (await post(right)).status_code == 200
        assert (await http.get("/vision/v1/models", headers=right)).status_code == 200
        fault(await post(other), 401, "UNAUTHORISED")
        fault(await post(writer), 403, "FORBIDDEN")
        for wrong in ({}, {"Authorization": "Bearer 0"}, {"Authorization": "Basic eDp5"}):
            answer = await post(wrong)
            fault(answer, 401, "UNAUTHORISED")
            assert answer.headers["www-authenticate"] == "Bearer"
            fault(await http.get("/vision/v1/models", headers=wrong), 401, "UNAUTHORISED")
